//! Engines that are there without a configuration: environment, contexts, well-known sockets.

use std::{
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::core::{clean, config::SourceConfig};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Context {
    name: String,
    endpoints: std::collections::BTreeMap<String, Endpoint>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Endpoint {
    #[serde(default)]
    host: String,
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Every engine found, each once, with where it was found.
pub fn discover() -> Vec<SourceConfig> {
    let mut found: Vec<SourceConfig> = Vec::new();
    let mut add = |name: &str, url: String, origin: String| {
        if found.iter().any(|known| known.url == url) {
            return;
        }
        let mut unique = name.to_owned();
        let mut count = 2;
        while found.iter().any(|known| known.name == unique) {
            unique = format!("{name}-{count}");
            count += 1;
        }
        found.push(SourceConfig { name: unique, adapter: "engine".into(), url, origin, ..SourceConfig::default() });
    };
    if let Some(host) = variable("DOCKER_HOST") {
        add("docker", host, "DOCKER_HOST".into());
    }
    if let Some(host) = variable("CONTAINER_HOST") {
        add("podman", host, "CONTAINER_HOST".into());
    }
    let home = variable("HOME").map(PathBuf::from).unwrap_or_default();
    let runtime = variable("XDG_RUNTIME_DIR").map(PathBuf::from);
    let user = rustix::process::getuid().as_raw();
    let runtime = runtime.unwrap_or_else(|| PathBuf::from(format!("/run/user/{user}")));
    for (name, path) in [
        ("podman-rootless", runtime.join("podman/podman.sock")),
        ("docker-rootless", runtime.join("docker.sock")),
        ("docker-desktop", home.join(".docker/run/docker.sock")),
        ("podman", PathBuf::from("/run/podman/podman.sock")),
        ("docker", PathBuf::from("/var/run/docker.sock")),
    ] {
        if is_socket(&path) {
            add(name, format!("unix://{}", path.display()), "its socket".into());
        }
    }
    for context in contexts(&home) {
        if let Some(endpoint) = context.endpoints.get("docker").filter(|endpoint| !endpoint.host.is_empty()) {
            add(&clean::short(&context.name, 40), clean::line(&endpoint.host).into_owned(), "a docker context".into());
        }
    }
    found
}

fn is_socket(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.file_type().is_socket())
}

fn contexts(home: &Path) -> Vec<Context> {
    let folder = variable("DOCKER_CONFIG").map_or_else(|| home.join(".docker"), PathBuf::from).join("contexts/meta");
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| serde_json::from_slice(&std::fs::read(entry.path().join("meta.json")).ok()?).ok())
        .collect()
}
