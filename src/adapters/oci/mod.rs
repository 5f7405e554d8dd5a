//! Registries that follow the OCI Distribution Specification.
//!
//! Wharf's own client on `reqwest` and `oci-spec`: `oci-client` 0.18 cannot list or mount on registries with a token
//! server, because it caches one scope where these requests need several.

mod catalog;
pub mod challenge;
mod client;
mod content;
pub mod credentials;
mod discover;
mod elsewhere;
mod pulls;
pub mod referrers;
mod registries;
mod token;
mod trust;
mod upkeep;

use std::sync::Arc;

use url::Url;

use self::client::Registry;
use super::{
    parts::{Parts, Surroundings, unopened},
    shared::http::{Origin, Tls},
};
use crate::core::{
    base::error::{Error, Result},
    config::{Config, SourceConfig},
    image::reference::ImageRef,
    portal::{Source, doctor::State},
};

pub use self::registries::short_names;
use self::{discover::discover, elsewhere::Elsewhere};

/// A registry as source: its catalog and its content, over one connection.
pub struct Oci {
    registry: Arc<Registry>,
    name: String,
    repositories: Vec<String>,
    elsewhere: Arc<Elsewhere>,
}

/// The source for a configured registry.
pub fn source(config: &SourceConfig, around: &Surroundings) -> Result<Source> {
    let what = format!("source '{}'", config.name);
    let hint = "write https://host[:port] (or http:// for a test registry)";
    // The address may contain a password, so it is not repeated in messages.
    let address = |text: &str| {
        let text = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        Url::parse(&text).map_err(|error| Error::usage(&what, format!("its url: {error}")).hint(hint))
    };
    let base = address(&config.url)?;
    let host = host_and_port(&base).ok_or_else(|| Error::usage(&what, "its url names no host").hint(hint))?;
    let token_server = Some(&config.token_server).filter(|named| !named.is_empty()).map(|named| address(named));
    let registry =
        Registry::new(host, base, Tls::beside(config, &config.url), around.reach.clone(), around.vault.clone())
            .map_err(|error| error.during(&what))?
            .with_token_server(token_server.transpose()?.as_ref().and_then(Origin::of));
    Ok(finished(&config.name, &config.origin, Arc::new(registry), config.repositories.clone()))
}

/// A source for a reference to a registry that is not configured: https, unless Docker's or Podman's files say
/// otherwise.
pub fn open(reference: &ImageRef, around: &Surroundings) -> Result<Source> {
    let ImageRef::Oci(name) = reference else {
        return Err(unopened(reference));
    };
    let what = format!("open {reference}");
    let host = name.host.as_str();
    // An entry may apply to this repository only.
    let place = pulls::of(&registries::entries(), name).place;
    let insecure = place.is_some_and(|place| place.insecure && place.name.host == host);
    let manner = trust::manner(host, insecure, around.reach.is_anywhere());
    let registry = Registry::at(&what, host, manner, around.reach.clone(), around.vault.clone())?;
    Ok(finished(host, "named in a reference", Arc::new(registry), Vec::new()))
}

fn finished(name: &str, origin: &str, registry: Arc<Registry>, repositories: Vec<String>) -> Source {
    let address = registry.server.base().to_string();
    let oci = Arc::new(Oci { registry, name: name.to_owned(), repositories, elsewhere: Arc::default() });
    Source {
        name: name.to_owned(),
        adapter: "oci",
        address,
        origin: origin.to_owned(),
        catalog: oci.clone(),
        content: Some(oci.clone()),
        sharer: None,
        disks: None,
        upkeep: Some(oci),
    }
}

/// Host and port of an address, as references name them: `host[:port]`.
fn host_and_port(url: &Url) -> Option<String> {
    let host = url.host_str().filter(|host| !host.is_empty())?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

/// Whether a configuration may name this adapter as the `type` of a source.
pub const IS_SOURCE: bool = true;

/// Registers the registries of the configuration and of Docker's and Podman's files.
pub fn register(config: &Config, around: &Surroundings, parts: &mut Parts) -> Result<()> {
    parts.opens("oci", open);
    for (file, why) in credentials::broken().into_iter().chain(registries::broken()) {
        let found = format!("{} cannot be read: {why}", file.display());
        parts.note("registry settings", State::Bad, found, "mend that file: what it says is not in force here");
    }
    let wanted = parts.wanted(config, "oci", discover);
    // Each registry reports its own health.
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
