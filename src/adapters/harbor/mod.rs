//! Harbor: its projects, repositories and artifacts by its own interface (API v2.0), the bytes by the registry in it.
//!
//! What it says of signatures and scans is what the source says: our own checks count more.

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

/// A Harbor as source: its lists in front of its registry.
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

/// Whether a configuration may name it as the `type` of a source.
pub const IS_SOURCE: bool = true;

/// Configured ones, and what they say of their images.
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
