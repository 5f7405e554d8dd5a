//! Any registry that speaks the OCI Distribution Specification.
//!
//! Our own client on `reqwest` and `oci-spec`: `oci-client` 0.18 cannot list or mount on registries
//! with a token server, because it caches one scope where those calls need a set of them.

mod catalog;
pub mod challenge;
mod client;
mod content;
pub mod credentials;
mod discover;
pub mod referrers;
mod trust;

use std::sync::Arc;

use url::Url;

use self::client::Registry;
use crate::{
    adapters::{Parts, Surroundings},
    core::{
        config::{Config, SourceConfig},
        doctor::State,
        error::{Error, Result},
        portal::Source,
        ports::Vault,
        reference::{DOCKER_HUB, ImageRef},
    },
};

use discover::discover;

/// A registry as source: catalog and content over one connection.
pub struct Oci {
    registry: Arc<Registry>,
    name: String,
    repositories: Vec<String>,
}

/// The source for a configured registry.
pub fn source(config: &SourceConfig, around: &Surroundings) -> Result<Source> {
    let what = format!("source '{}'", config.name);
    let text = if config.url.contains("://") { config.url.clone() } else { format!("https://{}", config.url) };
    let mut base = Url::parse(&text)
        .map_err(|error| Error::usage(&what, format!("url '{text}': {error}")).hint("write https://host[:port]"))?;
    let host = host_and_port(&base)
        .ok_or_else(|| Error::usage(&what, format!("url '{text}' names no host")).hint("write https://host[:port]"))?;
    if !matches!(base.scheme(), "http" | "https") {
        return Err(Error::usage(what, format!("'{}' is not a scheme of registries", base.scheme()))
            .hint("use https:// (or http:// for a test registry)"));
    }
    if !base.path().ends_with('/') {
        base.set_path(&format!("{}/", base.path()));
    }
    let mut tls = trust::of_host(&host);
    tls.authorities.extend(config.ca.clone());
    tls.identity = config.client_certificate.clone().or(tls.identity);
    let registry = Arc::new(Registry::new(host, base, tls, around.vault.clone()));
    Ok(finished(&config.name, &config.origin, registry, config.repositories.clone()))
}

/// A source for a reference to a registry that nobody configured: always https, unless Docker's or Podman's own files say otherwise.
pub fn open(reference: &ImageRef, vault: &Arc<dyn Vault>) -> Result<Source> {
    let ImageRef::Oci(name) = reference else {
        return Err(Error::unsupported(format!("open {reference}"), "no source here holds this kind of image")
            .hint("'wharf sources' shows the names of clouds and engines here, 'wharf doctor' what is missing"));
    };
    let what = format!("open {reference}");
    let (host, address) = match name.host.as_str() {
        DOCKER_HUB => (DOCKER_HUB, "https://registry-1.docker.io/".to_owned()),
        host if trust::is_plain(host) => (host, format!("http://{host}/")),
        host => (host, format!("https://{host}/")),
    };
    let base = Url::parse(&address).map_err(|error| Error::usage(what, error.to_string()))?;
    let registry = Arc::new(Registry::new(host.to_owned(), base, trust::of_host(host), vault.clone()));
    Ok(finished(host, "named in a reference", registry, Vec::new()))
}

fn finished(name: &str, origin: &str, registry: Arc<Registry>, repositories: Vec<String>) -> Source {
    let address = registry.base.to_string();
    let oci = Arc::new(Oci { registry, name: name.to_owned(), repositories });
    Source {
        name: name.to_owned(),
        adapter: "oci",
        address,
        origin: origin.to_owned(),
        catalog: oci.clone(),
        content: Some(oci),
        sharer: None,
        disks: None,
    }
}

/// `host[:port]` of an address, as references name it.
fn host_and_port(url: &Url) -> Option<String> {
    let host = url.host_str().filter(|host| !host.is_empty())?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

/// Registries from the configuration and from Docker's and Podman's own files.
pub fn register(config: &Config, around: &Surroundings, parts: &mut Parts) -> Result<()> {
    let wanted = parts.wanted(config, "oci", discover);
    // Each that is there says by itself how it is.
    if wanted.is_empty() {
        parts.note(
            "registries",
            State::Caution,
            "none is configured or known to Docker and Podman",
            "name one in the configuration, or sign in to one: wharf login HOST",
        );
    }
    for written in wanted {
        parts.sources.push(source(&written, around)?);
    }
    Ok(())
}
