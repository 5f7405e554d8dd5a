//! Harbor: projects, repositories and artifacts through its own API (v2.0), bytes through the registry in it.
//!
//! What Harbor says about signatures and scans is recorded as said by the source; Wharf's own checks count more.

mod answers;
mod api;
mod catalog;
mod evidence;
mod upkeep;

use std::{collections::BTreeMap, sync::Arc};

use self::{api::Api, evidence::HarborEvidence};
use super::{
    formats::exploited::Catalogues,
    parts::{Parts, Surroundings},
    shared::{
        http::Origin,
        in_front::InFront,
        settings::{self, Registry},
        typed::TypedRegistry,
    },
};
use wharf_core::{
    base::error::Result,
    config::{Config, ConfigEntry, EntryKind},
    portal::Source,
};

/// A Harbor as source: its API for lists, and its registry for all else.
pub struct Harbor {
    name: String,
    api: Arc<Api>,
    registry: Source,
}

fn source(registry: Source, api: Arc<Api>) -> Source {
    let in_front = registry.clone();
    let harbor = Arc::new(Harbor { name: registry.name.clone(), api, registry });
    Source { adapter: "harbor", catalog: Arc::new(InFront(harbor.clone())), upkeep: Some(harbor), ..in_front }
}

/// What a configuration may write of Harbors: what it may of any registry.
pub const KIND: EntryKind = EntryKind::source(settings::hosts::<Registry>).typed(from_address);

/// The entry of a Harbor whose address somebody typed. On this machine it is one for trying out, without TLS.
fn from_address(typed: &str) -> Option<ConfigEntry> {
    let typed = TypedRegistry::parse(typed)?;
    let is_here = Origin::written(&typed.host).is_some_and(|origin| origin.is_this_machine());
    Some(typed.entry(if is_here { "http" } else { "https" }))
}

/// Registers the configured Harbors, and the checker for images in them.
pub fn register(config: &Config, around: &Surroundings, parts: &mut Parts) -> Result<()> {
    let mut servers = BTreeMap::new();
    for wanted in parts.wanted(config, "harbor", Vec::new)? {
        let registry = (around.make_registry)(&wanted, around)?;
        let api = Arc::new(Api::new(&wanted, registry.catalog.clone(), around.reach.clone())?);
        servers.insert(api.host().to_owned(), api.clone());
        parts.sources.push(source(registry, api));
        parts.registries.push(wanted);
    }
    if !servers.is_empty() {
        let catalogues = Catalogues::new(&config.policy.scan.exploited_lists);
        parts.checkers.push(Arc::new(HarborEvidence { servers, catalogues }));
    }
    Ok(())
}
