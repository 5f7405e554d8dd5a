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
        http::{self, Reach, Server, Tls},
        settings::{self, DOCKER_HUB_STORAGE, Wanted},
    },
};
use wharf_core::{
    base::{badge::Publisher, clean, context::Context, error::Result, secret::Credentials, text},
    catalog::rows::Row,
    config::{Config, Hosts, Kind},
    image::{
        model::{Health, Image, Platform},
        reference::{DOCKER_HUB, ImageRef},
    },
    portal::{Abilities, Source},
    ports::{Catalog, Extent, Listing, SignInServer},
};

/// The address of Docker Hub's search.
pub const ADDRESS: &str = "https://hub.docker.com/";
/// The most results of a search; narrower searches find others.
const PAGE: u32 = 50;

struct Hub {
    name: String,
    server: Server,
    registry: Source,
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
fn source(wanted: Wanted<Settings>, registry: Source, reach: Reach) -> Result<Source> {
    let Wanted { name, origin, settings } = wanted;
    let server = Server::at(&settings.url, Tls::default(), reach, &format!("source '{name}'"))?;
    let behind = registry.clone();
    let hub = Arc::new(Hub { name: name.clone(), server, registry });
    let abilities = Abilities { changed_at: "hub.docker.com", ..behind.abilities };
    let (address, user) = (settings.url, settings.user);
    Ok(Source { name, adapter: "hub", address, origin, user, abilities, catalog: hub, upkeep: None, ..behind })
}

#[async_trait]
impl Catalog for Hub {
    fn listing(&self) -> Listing {
        Listing::SearchOnly
    }

    async fn list(&self, cx: &Context, query: Option<&str>, pages: mpsc::Sender<Vec<Row>>) -> Result<Extent> {
        let Some(query) = query.map(str::trim).filter(|query| query.len() > 1) else { return Ok(Extent::Whole) };
        let what = format!("search {}", self.name);
        let place = self.server.place("v2/search/repositories/")?;
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

    fn reference(&self, name: &str, tag: Option<&str>) -> Result<ImageRef> {
        self.registry.catalog.reference(name, tag)
    }

    fn owns(&self, reference: &ImageRef) -> bool {
        self.registry.catalog.owns(reference)
    }

    async fn image(&self, cx: &Context, reference: &ImageRef, platform: Option<&Platform>) -> Result<Image> {
        self.registry.catalog.image(cx, reference, platform).await
    }

    async fn tags(&self, cx: &Context, reference: &ImageRef) -> Result<Vec<String>> {
        self.registry.catalog.tags(cx, reference).await
    }

    fn sign_in_place(&self) -> Option<String> {
        self.registry.catalog.sign_in_place()
    }

    async fn sign_in_server(&self, cx: &Context) -> Result<Option<SignInServer>> {
        self.registry.catalog.sign_in_server(cx).await
    }

    async fn health(&self, cx: &Context) -> Result<Health> {
        self.registry.catalog.health(cx).await
    }

    async fn credentials(&self, reference: &ImageRef) -> Option<Credentials> {
        self.registry.catalog.credentials(reference).await
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
pub const KIND: Kind = Kind::source(settings::hosts::<Settings>);

/// Registers Docker Hub: as configured, otherwise with its built-in address.
pub fn register(config: &Config, around: &Surroundings, parts: &mut Parts) -> Result<()> {
    let built_in = || vec![Wanted { name: "hub".into(), origin: "built in".into(), settings: Settings::default() }];
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
