//! What Docker's and Podman's own files say about a registry's TLS: `certs.d` and insecure registries.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::adapters::http::Tls;

fn home(rest: &str) -> PathBuf {
    std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default().join(rest)
}

/// Certificates for `host` from `certs.d` folders (`*.crt` authorities; `*.cert` with `*.key` for the client).
pub fn of_host(host: &str) -> Tls {
    let mut tls = Tls::default();
    let folders = [
        home(".config/containers/certs.d"),
        home(".docker/certs.d"),
        "/etc/containers/certs.d".into(),
        "/etc/docker/certs.d".into(),
    ];
    for folder in folders {
        let Ok(entries) = std::fs::read_dir(folder.join(host)) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("crt") => tls.authorities.push(path),
                Some("cert") if path.with_extension("key").is_file() => {
                    tls.identity = Some((path.clone(), path.with_extension("key")))
                }
                _ => {}
            }
        }
    }
    tls
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Registries {
    registry: Vec<Entry>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    location: String,
    prefix: String,
    insecure: bool,
}

/// Registries that Podman's `registries.conf` names: host, whether plain http is allowed, and the file.
pub fn podman_registries() -> Vec<(String, bool, PathBuf)> {
    let named = std::env::var_os("CONTAINERS_REGISTRIES_CONF").map(PathBuf::from);
    let files =
        named.into_iter().chain([home(".config/containers/registries.conf"), "/etc/containers/registries.conf".into()]);
    files.flat_map(|file| read_registries(&file)).collect()
}

fn read_registries(file: &Path) -> Vec<(String, bool, PathBuf)> {
    let Some(registries) = std::fs::read_to_string(file).ok().and_then(|text| toml::from_str::<Registries>(&text).ok())
    else {
        return Vec::new();
    };
    let location =
        |entry: &Entry| if entry.location.is_empty() { entry.prefix.clone() } else { entry.location.clone() };
    registries
        .registry
        .iter()
        .map(|entry| (location(entry), entry.insecure, file.to_owned()))
        .filter(|(host, ..)| !host.is_empty() && !host.contains('*'))
        .collect()
}

/// Whether a person wrote down, for Docker or Podman, that this registry is on plain http.
pub fn is_plain(host: &str) -> bool {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "kebab-case")]
    struct Daemon {
        insecure_registries: Vec<String>,
    }
    let docker = || {
        std::fs::read("/etc/docker/daemon.json")
            .ok()
            .and_then(|text| serde_json::from_slice::<Daemon>(&text).ok())
            .unwrap_or_default()
    };
    podman_registries().iter().any(|(location, insecure, _)| *insecure && location.split('/').next() == Some(host))
        || docker().insecure_registries.iter().any(|entry| entry == host)
}
