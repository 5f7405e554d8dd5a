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
mod disks;
mod elsewhere;
mod lanes;
mod pulls;
pub mod referrers;
mod registries;
mod source;
mod token;
mod trust;
mod upkeep;
mod upload;

use std::sync::Arc;

use super::{
    parts::{Parts, Surroundings, unopened},
    shared::{
        http::{self, Origin, Tls},
        settings::{self, AdapterEntry, Registry as Settings},
        typed::TypedRegistry,
    },
};
use wharf_core::{
    base::error::{Error, Result},
    config::{Config, ConfigEntry, EntryKind},
    image::reference::ImageRef,
    portal::{Abilities, Copies, Source, doctor::State},
};

use self::{
    client::{Registry, host_and_port},
    discover::discover,
    trust::ContactMode,
};
pub use self::{registries::short_names, source::Oci};

/// The source for a configured registry.
pub fn source(wanted: &AdapterEntry<Settings>, around: &Surroundings) -> Result<Source> {
    let (what, settings) = (format!("source '{}'", wanted.name), &wanted.settings);
    let hint = "write https://host[:port] (or http:// for a test registry)";
    let address =
        |text: &str| http::address(text).map_err(|error| Error::usage(&what, format!("its url: {error}")).hint(hint));
    let base = address(&settings.url)?;
    let host = host_and_port(&base).ok_or_else(|| Error::usage(&what, "its url names no host").hint(hint))?;
    let token_server = Some(&settings.token_server).filter(|named| !named.is_empty()).map(|named| address(named));
    let registry =
        Registry::new(host, base, Tls::beside(settings, &settings.url), around.reach.clone(), around.vault.clone())
            .map_err(|error| error.during(&what))?
            .with_token_server(token_server.transpose()?.as_ref().and_then(Origin::from_url));
    let source = finished(&wanted.name, &wanted.origin, Arc::new(registry), settings.repositories.clone());
    Ok(Source { user: settings.user.clone(), ..source })
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
    let place = pulls::for_name(&registries::entries(), name).place;
    let insecure = place.is_some_and(|place| place.insecure && place.name.host == host);
    let manner = trust::manner(host, insecure, around.reach.is_anywhere());
    let registry = Registry::at(&what, host, manner, around.reach.clone(), around.vault.clone())?;
    Ok(finished(host, "named in a reference", Arc::new(registry), Vec::new()))
}

fn finished(name: &str, origin: &str, registry: Arc<Registry>, repositories: Vec<String>) -> Source {
    let address = registry.server.base().to_string();
    let abilities =
        Abilities { copies: Copies::Registry(registry.host.clone()), answers_anyone: true, ..Abilities::default() };
    let oci = Arc::new(Oci {
        registry,
        name: name.to_owned(),
        repositories,
        elsewhere: Arc::default(),
        lanes: lanes::Lanes::default(),
    });
    Source {
        name: name.to_owned(),
        adapter: "oci",
        address,
        origin: origin.to_owned(),
        user: None,
        abilities,
        catalog: oci.clone(),
        content: Some(oci.clone()),
        sharer: None,
        disks: None,
        upkeep: Some(oci),
    }
}

/// What a configuration may write of registries.
pub const KIND: EntryKind = EntryKind::source(settings::hosts::<Settings>).of_address("url").typed(from_address);

/// The entry of a registry whose address somebody typed.
fn from_address(typed: &str) -> Option<ConfigEntry> {
    let typed = TypedRegistry::parse(typed)?;
    let manner = if typed.scheme.is_some() { ContactMode::Tls } else { trust::manner(&typed.host, false, true) };
    Some(kept_entry(typed, manner))
}

/// The entry for a registry that was contacted in this way once. Plain http is kept only where it was typed, or where
/// nothing leaves this machine: one attempt that failed must not take the encryption away for good.
fn kept_entry(typed: TypedRegistry, manner: ContactMode) -> ConfigEntry {
    let is_plain = manner == ContactMode::Plain && trust::is_here(&typed.host);
    let mut entry = typed.entry(if is_plain { "http" } else { "https" });
    if manner != ContactMode::Tls && !is_plain {
        entry.settings.insert("insecure".to_owned(), true.into());
    }
    if let Some(repository) = typed.repository {
        entry.settings.insert("repositories".to_owned(), vec![repository].into());
    }
    entry
}

/// Registers the registries of the configuration and of Docker's and Podman's files.
pub fn register(config: &Config, around: &Surroundings, parts: &mut Parts) -> Result<()> {
    parts.opens("oci", open);
    for (file, why) in credentials::broken().into_iter().chain(registries::broken()) {
        let found = format!("{} cannot be read: {why}", file.display());
        parts.note("registry settings", State::Bad, found, "mend that file: what it says is not in force here");
    }
    let wanted = parts.wanted(config, "oci", discover)?;
    // Each that is there says by itself how it is.
    if wanted.is_empty() {
        parts.note(
            "registries",
            State::Caution,
            "none is configured or known to Docker and Podman",
            "name one in the configuration, or sign in to one: wharf login HOST",
        );
    }
    for registry in wanted {
        parts.sources.push(source(&registry, around)?);
        parts.registries.push(registry);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_kept_only_where_it_was_typed_or_nothing_leaves_this_machine() {
        let kept = |typed: &str, manner| {
            let entry = kept_entry(TypedRegistry::parse(typed).unwrap(), manner);
            let url = entry.settings["url"].as_str().unwrap().to_owned();
            (url, entry.settings.contains_key("insecure"))
        };
        let (plain, unchecked) = (ContactMode::Plain, ContactMode::Unchecked);
        assert_eq!(kept("localhost:5000", plain), ("http://localhost:5000".into(), false));
        assert_eq!(kept("r.example:5000", plain), ("https://r.example:5000".into(), true));
        assert_eq!(kept("r.example:5000", unchecked), ("https://r.example:5000".into(), true));
        assert_eq!(kept("localhost:5000", unchecked), ("https://localhost:5000".into(), true));
        assert_eq!(kept("r.example", ContactMode::Tls), ("https://r.example".into(), false));
        assert_eq!(kept("http://r.example", ContactMode::Tls), ("http://r.example".into(), false));
    }
}
