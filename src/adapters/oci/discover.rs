//! Finding registries that Docker and Podman know, without a Wharf configuration.

use super::{
    credentials,
    registries::{self, Entry},
    trust,
};
use crate::shared::settings::{AdapterEntry, Registry};
use wharf_core::image::reference::DOCKER_HUB;

/// A source for each registry in Docker's and Podman's files, except Docker Hub, which has an adapter of its own.
pub(super) fn discover() -> Vec<AdapterEntry<Registry>> {
    let mut found: Vec<AdapterEntry<Registry>> = Vec::new();
    let entries = registries::entries();
    let place = |entry: &Entry| if entry.location.is_empty() { entry.prefix.clone() } else { entry.location.clone() };
    let named = entries.iter().filter(|entry| !entry.blocked && !place(entry).contains('*'));
    let named = named.map(|entry| (place(entry), entry.insecure, entry.file.clone()));
    let signed_in = credentials::known_hosts().into_iter().map(|(host, file)| (host, false, file));
    for (location, insecure, file) in named.chain(signed_in) {
        let host = location.split('/').next().unwrap_or(&location).to_owned();
        if host == DOCKER_HUB
            || trust::blocked(&entries, &host).is_some()
            || found.iter().any(|source| source.name == host)
        {
            continue;
        }
        let scheme = if insecure || trust::is_plain(&host) { "http" } else { "https" };
        found.push(AdapterEntry {
            settings: Registry::at(format!("{scheme}://{host}")),
            name: host,
            origin: format!("named in {}", file.display()),
        });
    }
    found
}
