//! Finding engines without a configuration: environment variables, Docker contexts, usual sockets.

use std::{
    ffi::OsString,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{connection::Settings, service};
use crate::shared::settings::AdapterEntry;
use wharf_core::base::clean;
use wharf_core::base::small_file;

/// The name of a Podman that runs as this person.
const ROOTLESS: &str = "podman-rootless";
/// The socket of such a Podman, below the folder of a session.
const PODMAN_SOCKET: &str = "podman/podman.sock";
/// The variable with the address of Podman's service.
const CONTAINER_HOST: &str = "CONTAINER_HOST";

/// A Docker context, as far as it is read (`contexts/meta/ID/meta.json`).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Context {
    name: String,
    #[serde(default)]
    endpoints: std::collections::BTreeMap<String, Endpoint>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Endpoint {
    #[serde(default)]
    host: Option<String>,
    #[serde(default, rename = "SkipTLSVerify")]
    unchecked: Option<bool>,
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The folder of Docker's settings.
fn settings(home: &Path) -> PathBuf {
    variable("DOCKER_CONFIG").map_or_else(|| home.join(".docker"), PathBuf::from)
}

/// The same text for all spellings of an engine's address; for a socket, its real path.
fn same(url: &str) -> String {
    match url.split_once("://") {
        Some(("unix", path)) => {
            std::fs::canonicalize(path).unwrap_or_else(|_| PathBuf::from(path)).display().to_string()
        }
        Some(("tcp" | "http" | "https", host)) => host.trim_end_matches('/').to_owned(),
        _ => url.to_owned(),
    }
}

/// The engines that were found, each once.
#[derive(Default)]
struct Found(Vec<AdapterEntry<Settings>>);

impl Found {
    fn add(&mut self, name: &str, url: String, origin: &str, files: Files) {
        if self.0.iter().any(|known| same(&known.settings.url) == same(&url)) {
            return;
        }
        let taken = |name: &str| self.0.iter().any(|known| known.name == name);
        let mut unique = name.to_owned();
        let mut count = 2;
        while taken(&unique) {
            unique = format!("{name}-{count}");
            count += 1;
        }
        let (client_certificate, client_key) = files.identity.unzip();
        let settings = Settings {
            url,
            ca: files.authority,
            client_certificate,
            client_key,
            unchecked: files.unchecked,
            program: files.program,
        };
        self.0.push(AdapterEntry { name: unique, origin: origin.into(), settings });
    }
}

/// The files with which an engine is reached: certificates, or the program that is started first.
#[derive(Default)]
struct Files {
    authority: Option<PathBuf>,
    identity: Option<(PathBuf, PathBuf)>,
    unchecked: bool,
    program: Option<PathBuf>,
}

impl Files {
    /// The certificate files in a folder, by Docker's names for them; missing files are not used.
    fn in_folder(folder: &Path) -> Self {
        let there = |name: &str| Some(folder.join(name)).filter(|path| path.is_file());
        Self { authority: there("ca.pem"), identity: there("cert.pem").zip(there("key.pem")), ..Self::default() }
    }

    /// The files that `DOCKER_TLS_VERIFY`, `DOCKER_TLS` and `DOCKER_CERT_PATH` name, as Docker's own client reads them.
    fn from_environment(home: &Path) -> Self {
        let (verify, tls) = (variable("DOCKER_TLS_VERIFY").is_some(), variable("DOCKER_TLS").is_some());
        if !verify && !tls {
            return Self::default();
        }
        let folder = variable("DOCKER_CERT_PATH").map_or_else(|| settings(home), PathBuf::from);
        Self { unchecked: !verify, ..Self::in_folder(&folder) }
    }
}

/// An engine's address from the environment, with TLS if the variables ask for it, with or without certificates.
fn over_tls(url: &str) -> String {
    match url.split_once("://") {
        Some(("tcp", host)) if variable("DOCKER_TLS_VERIFY").or(variable("DOCKER_TLS")).is_some() => {
            format!("https://{host}")
        }
        _ => url.to_owned(),
    }
}

/// Every engine that was found, once, with the place where it was found. `state`: Wharf's folder, for what has to be
/// started first.
pub(super) fn discover(state: &Path) -> Vec<AdapterEntry<Settings>> {
    let mut found = Found::default();
    let home = variable("HOME").map(PathBuf::from).unwrap_or_default();
    if let Some(host) = variable("DOCKER_HOST") {
        found.add("docker", over_tls(&host), "DOCKER_HOST", Files::from_environment(&home));
    }
    if let Some(host) = variable(CONTAINER_HOST) {
        found.add("podman", host, CONTAINER_HOST, Files::default());
    }
    let runtime = variable("XDG_RUNTIME_DIR").map(PathBuf::from);
    let user = rustix::process::getuid().as_raw();
    let runtime = runtime.unwrap_or_else(|| PathBuf::from(format!("/run/user/{user}")));
    for (name, path) in [
        (ROOTLESS, runtime.join(PODMAN_SOCKET)),
        ("docker-rootless", runtime.join("docker.sock")),
        ("docker-desktop", home.join(".docker/run/docker.sock")),
        ("podman", PathBuf::from("/run/podman/podman.sock")),
        ("docker", PathBuf::from("/var/run/docker.sock")),
    ] {
        if is_socket(&path) {
            found.add(name, format!("unix://{}", path.display()), "its socket", Files::default());
        }
    }
    for (folder, context) in contexts(&home) {
        let Some(endpoint) = context.endpoints.get("docker") else { continue };
        let Some(host) = endpoint.host.as_deref().filter(|host| !host.is_empty()) else { continue };
        // The folder of a context is named by the hash of its name, for both its settings and its certificates.
        let files = Files::in_folder(&settings(&home).join("contexts/tls").join(folder).join("docker"));
        let files = Files { unchecked: endpoint.unchecked == Some(true), ..files };
        found.add(&clean::short(&context.name, 40), clean::line(host).into_owned(), "a docker context", files);
    }
    // Podman needs no daemon, so most people who have it have no socket of it.
    let is_found = is_socket(&runtime.join(PODMAN_SOCKET))
        || found.0.iter().any(|known| known.origin == CONTAINER_HOST || known.name.starts_with(ROOTLESS));
    if !is_found && let Some(program) = service::rootless_podman() {
        let url = format!("unix://{}", service::place(state).display());
        let files = Files { program: Some(program), ..Files::default() };
        found.add(ROOTLESS, url, "podman, whose service is started when it is needed", files);
    }
    found.0
}

fn is_socket(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.file_type().is_socket())
}

fn contexts(home: &Path) -> Vec<(OsString, Context)> {
    let Ok(entries) = std::fs::read_dir(settings(home).join("contexts/meta")) else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| {
            let bytes = small_file::bytes(entry.path().join("meta.json")).ok()?;
            Some((entry.file_name(), serde_json::from_slice(&bytes).ok()?))
        })
        .collect()
}
