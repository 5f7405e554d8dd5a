//! Which registries Docker's and Podman's own files have on plain http.

use std::path::{Path, PathBuf};

use serde::Deserialize;

fn home(rest: &str) -> PathBuf {
    std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default().join(rest)
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
