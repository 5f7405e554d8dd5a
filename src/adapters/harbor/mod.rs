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
};
use crate::core::{
    base::error::Result,
    config::{Config, SourceConfig},
    portal::Source,
};

/// A Harbor as source: its API for lists, and its registry for all else.
pub struct Harbor {
    name: String,
    api: Arc<Api>,
    registry: Source,
}

fn source(config: &SourceConfig, registry: Source, api: Arc<Api>) -> Source {
    let content = registry.content.clone();
    let address = registry.address.clone();
    let harbor = Arc::new(Harbor { name: config.name.clone(), api, registry });
    Source {
        name: config.name.clone(),
        adapter: "harbor",
        address,
        origin: config.origin.clone(),
        catalog: harbor.clone(),
        content,
        sharer: None,
        disks: None,
        upkeep: Some(harbor),
    }
}

/// Whether a configuration may name this adapter as the `type` of a source.
pub const IS_SOURCE: bool = true;

/// Registers the configured Harbors, and the checker for images in them.
pub fn register(config: &Config, around: &Surroundings, parts: &mut Parts) -> Result<()> {
    let mut servers = BTreeMap::new();
    for written in parts.wanted(config, "harbor", Vec::new) {
        let registry = (around.make_registry)(&written, around)?;
        let api = Arc::new(Api::new(&written, registry.catalog.clone(), around.reach.clone())?);
        servers.insert(api.host().to_owned(), api.clone());
        parts.sources.push(source(&written, registry, api));
    }
    if !servers.is_empty() {
        let catalogues = Catalogues::new(&config.policy.scan.exploited_lists);
        parts.checkers.push(Arc::new(HarborEvidence { servers, catalogues }));
    }
    Ok(())
}
