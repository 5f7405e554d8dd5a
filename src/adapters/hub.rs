//! Docker Hub's search. Hub does not list its repositories: it only answers searches.
//!
//! Uses the published API (`GET /v2/search/repositories/`). Images are read through the registry of Docker Hub, which
//! the given source serves.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use tokio::sync::mpsc;

use super::{
    parts::{Parts, Surroundings},
    shared::{
        http::{self, AllowedServers, Server, Tls},
        in_front::{Front, InFront},
        settings::{self, AdapterEntry, DOCKER_HUB_STORAGE},
    },
};
use wharf_core::{
    base::{badge::Publisher, clean, context::Context, error::Result, text},
    catalog::rows::Row,
    config::{Config, EntryKind, Hosts},
    image::reference::{DOCKER_HUB, ImageRef},
    portal::{Abilities, Source},
    ports::{Catalog, Extent, Listing},
};

/// The address of Docker Hub's search.
pub const ADDRESS: &str = "https://hub.docker.com/";
/// The most results of a search; narrower searches find others.
const PAGE: u32 = 50;

struct Hub {
    name: String,
    server: Server,
    registry: Arc<dyn Catalog>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    results: Vec<Found>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Found {
    repo_name: String,
    short_description: Option<String>,
    star_count: u64,
    pull_count: u64,
    is_official: bool,
    /// Who publishes the image, like `verified_publisher` or `open_source`; only the newer API says it.
    badge: Option<String>,
}

/// The settings of Docker Hub in the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The address of its search; the default is [`ADDRESS`].
    url: String,
    /// The account to sign in with; `None` for anonymous access.
    user: Option<String>,
    /// Hosts where it keeps its blobs, besides the known ones.
    storage: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { url: ADDRESS.to_owned(), user: None, storage: Vec::new() }
    }
}

impl settings::Settings for Settings {
    fn address(&self) -> &str {
        &self.url
    }

    fn hosts(&self) -> Hosts {
        let known = DOCKER_HUB_STORAGE.map(str::to_owned);
        Hosts { servers: vec![self.url.clone()], storage: self.storage.iter().cloned().chain(known).collect() }
    }
}

/// Docker Hub's search, combined with `registry`, which serves `docker.io`.
fn source(wanted: AdapterEntry<Settings>, registry: Source, reach: AllowedServers) -> Result<Source> {
    let AdapterEntry { name, origin, settings } = wanted;
    let server = Server::at(&settings.url, Tls::default(), reach, &format!("source '{name}'"))?;
    let hub = Arc::new(InFront(Hub { name: name.clone(), server, registry: registry.catalog.clone() }));
    let abilities = Abilities { changed_at: "hub.docker.com", ..registry.abilities };
    let (address, user) = (settings.url, settings.user);
    Ok(Source { name, adapter: "hub", address, origin, user, abilities, catalog: hub, upkeep: None, ..registry })
}

#[async_trait]
impl Front for Hub {
    fn registry(&self) -> &dyn Catalog {
        &*self.registry
    }

    fn listing(&self) -> Listing {
        Listing::SearchOnly
    }

    async fn list(&self, cx: &Context, query: Option<&str>, pages: mpsc::Sender<Vec<Row>>) -> Result<Extent> {
        let Some(query) = query.map(str::trim).filter(|query| query.len() > 1) else { return Ok(Extent::Whole) };
        let what = format!("search {}", self.name);
        let place = self.server.address("v2/search/repositories/")?;
        let place = place.with("query", query).with("page_size", &PAGE.to_string());
        let answer: Answer = cx
            .run(&what, async {
                let response = self.server.get(&place)?.send(&what).await?;
                let status = response.status();
                if !status.is_success() {
                    return Err(http::refused(&what, status, ""));
                }
                http::json(response, &what).await
            })
            .await?;
        // A search returns one page only.
        let rows = answer.results.into_iter().take(PAGE as usize).filter_map(row).collect();
        let _ = pages.send(rows).await;
        Ok(Extent::Whole)
    }

    fn describes_cheaply(&self) -> bool {
        false
    }
}

fn row(found: Found) -> Option<Row> {
    let name = if found.repo_name.contains('/') { found.repo_name } else { format!("library/{}", found.repo_name) };
    if !wharf_core::image::reference::is_repository(&name) {
        return None;
    }
    let publisher = match (found.is_official, found.badge.as_deref()) {
        (true, _) => Publisher::Official,
        (_, Some("verified_publisher")) => Publisher::VendorVerified,
        (_, Some("open_source" | "sponsored_oss")) => Publisher::Sponsored,
        _ => Publisher::Unknown,
    };
    let description = clean::short(found.short_description.as_deref().unwrap_or(""), 200);
    let note = format!("★{} ↓{} {description}", text::count(found.star_count), text::count(found.pull_count));
    Some(Row { name, publisher, note, ..Row::default() })
}

/// How a configuration's entries for Docker Hub are read.
pub const KIND: EntryKind = EntryKind::source(settings::hosts::<Settings>);

/// Registers Docker Hub: as configured, otherwise with its built-in address.
pub fn register(config: &Config, around: &Surroundings, parts: &mut Parts) -> Result<()> {
    let built_in =
        || vec![AdapterEntry { name: "hub".into(), origin: "built in".into(), settings: Settings::default() }];
    for wanted in parts.wanted(config, "hub", built_in)? {
        let registry = match parts
            .sources
            .iter()
            .find(|source| source.catalog.owns(&ImageRef::oci(DOCKER_HUB, "library/x", None)))
        {
            Some(configured) => configured.clone(),
            None => (around.open_registry)(&ImageRef::oci(DOCKER_HUB, "library/x", None), around)?,
        };
        parts.sources.push(source(wanted, registry, around.reach.clone())?);
    }
    Ok(())
}
