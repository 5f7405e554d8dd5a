//! The lists of sources, versions of images, details that were learnt of rows, and links.

mod kept;
mod links;
mod moves;
mod opened;
mod used;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;

pub use opened::OpenedLink;

use super::{journal::Journal, locks::Locks, seen::Seen, senders::Senders, sources::Sources, uses::Uses};
use crate::{
    base::{
        blocking::blocking,
        context::Context,
        error::{During, Error, Kind, Result},
        text,
    },
    catalog::{
        learnt::{DetailsByName, enrich, may_learn},
        rows::{Row, RowSet},
    },
    config::Config,
    image::{
        model::{Image, ImageKind, Version},
        reference::ImageRef,
    },
    ports::{Cache, Extent, Listing},
};

/// The most rows that are taken from one source, whatever its adapter sends.
const MOST_ROWS: usize = 500_000;

/// The result of listing a source.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The rows that were read; perhaps not all (see `missing`).
    pub rows: Arc<RowSet>,
    /// Why the list is incomplete, if it is. Such a list is shown, and not kept for the next start.
    pub missing: Option<Error>,
}

/// The longest list that is written to the cache again to keep details of a few of its rows.
pub const LEARNING_LIST: usize = 100_000;

/// The lists of all sources, with the details that were learnt of their rows.
pub struct Catalog {
    config: Arc<Config>,
    sources: Arc<Sources>,
    cache: Arc<dyn Cache>,
    uses: Arc<Uses>,
    senders: Arc<Senders>,
    locks: Arc<Locks>,
    /// Only read: it tells which images the person has used.
    journal: Arc<Journal>,
    seen: Arc<Seen>,
    /// Details of rows, by the name of the source.
    learnt: Mutex<HashMap<String, DetailsByName>>,
}

impl Catalog {
    /// The lists of these sources; the cache keeps them for the next start.
    pub(super) fn new(
        config: Arc<Config>,
        sources: Arc<Sources>,
        cache: Arc<dyn Cache>,
        (uses, senders, locks): (Arc<Uses>, Arc<Senders>, Arc<Locks>),
        journal: Arc<Journal>,
        seen: Arc<Seen>,
    ) -> Self {
        Self { config, sources, cache, uses, senders, locks, journal, seen, learnt: Mutex::default() }
    }

    /// Lists one source. Growing sets of rows go to `out`, the last one complete; that is also kept for the next start.
    pub async fn list(
        &self,
        cx: &Context,
        source: &str,
        query: Option<&str>,
        out: mpsc::Sender<Arc<RowSet>>,
    ) -> Result<Listed> {
        let source = self.sources.called(source)?;
        let (pages, mut arriving) = mpsc::channel::<Vec<Row>>(16);
        let what = format!("list {}", source.name);
        let gather = async {
            let mut rows: Vec<Row> = Vec::new();
            let mut shown = 0;
            while let Some(page) = arriving.recv().await {
                // Closing the channel makes the adapter stop sending; it may still have something to report, so it is
                // awaited.
                if rows.len() + page.len() > MOST_ROWS {
                    arriving.close();
                    return (rows, true);
                }
                rows.extend(page);
                // Building a set sorts all rows: show the first page, then only when the list has doubled.
                if shown == 0 || rows.len() >= shown * 2 {
                    shown = rows.len();
                    let _ = out.try_send(Arc::new(RowSet::build(rows.clone())));
                }
            }
            (rows, false)
        };
        let fetch = cx.unless_cancelled(&what, source.catalog.list(cx, query, pages));
        let (fetched, (mut rows, too_many)) = tokio::join!(fetch, gather);
        let cut = |why: &str| {
            Error::failed(&what, format!("the list is not complete: {why}"))
                .hint("narrow it by a project or words, or name the repositories that you use in the configuration")
        };
        let missing = match fetched {
            Ok(Extent::Whole) => too_many.then(|| cut("it has more rows than Wharf keeps")),
            Ok(Extent::Cut(why)) => Some(cut(&why)),
            Err(error) if rows.is_empty() || error.kind == Kind::Cancelled => return Err(error),
            Err(error) => {
                let why = format!("the list is not complete: {}", error.why);
                Some(Error { why, ..error })
            }
        };
        // The kept list is read only where it can add details.
        let old = if rows.iter().any(may_learn) {
            self.cache.last(&source.name).await.ok().flatten().map(|kept| kept.rows).unwrap_or_default()
        } else {
            Arc::default()
        };
        // Images in the quarantine are still being judged: nobody may choose them.
        if let Some((host, project)) = self.config.requests.quarantine.split_once('/') {
            let place = ImageRef::oci(host, format!("{project}/x"), None);
            // Engines and clusters list images by their whole names.
            let is_own = source.catalog.owns(&place);
            let below = if is_own { format!("{project}/") } else { format!("{host}/{project}/") };
            rows.retain(|row| !row.name.starts_with(&below));
        }
        let learnt = self.learnt.lock().unwrap_or_else(PoisonError::into_inner).get(&source.name).cloned();
        let set = blocking(move || {
            enrich(&mut rows, &learnt.unwrap_or_default(), &old);
            Arc::new(RowSet::build(rows))
        })
        .await
        .map_err(|error| Error::failed(&what, error))?;
        if source.catalog.listing() != Listing::SearchOnly && query.is_none() && missing.is_none() {
            if let Err(error) = self.cache.save(&source.name, &set, text::now()).await {
                tracing::warn!(%error, "the list was not kept");
            }
        }
        Ok(Listed { rows: set, missing })
    }

    /// Details of some tags, a few at a time, sent to `out` in the order of `tags`.
    pub async fn versions(
        &self,
        cx: &Context,
        reference: &ImageRef,
        tags: Vec<String>,
        out: mpsc::Sender<Version>,
    ) -> Result<()> {
        let source = self.sources.source(reference)?;
        stream::iter(tags)
            .map(|tag| {
                let (source, at) = (source.clone(), reference.with_tag(&tag));
                async move {
                    let read = cx.run("read a version", source.catalog.version(cx, &at)).await;
                    let version = read.unwrap_or(Version {
                        tag,
                        digest: None,
                        created: None,
                        size: None,
                        platforms: Vec::new(),
                        kind: ImageKind::default(),
                        artifact: None,
                    });
                    self.seen.remember(&at, version.digest.as_ref()).await;
                    version
                }
            })
            .buffered(6)
            .for_each(|version| async {
                let _ = out.send(version).await;
            })
            .await;
        Ok(())
    }

    /// Describes one row of a source; the details are remembered for the next list.
    pub async fn look(&self, cx: &Context, source: &str, name: &str, tag: &str) -> Result<(Version, Image)> {
        let catalog = &self.sources.called(source)?.catalog;
        let at = catalog.reference(name, Some(tag))?;
        let image = cx.run("look at an image", catalog.image(cx, &at, None)).await?;
        let version = Version::from_image(&image);
        self.seen.remember(&at, version.digest.as_ref()).await;
        let mut learnt = self.learnt.lock().unwrap_or_else(PoisonError::into_inner);
        learnt.entry(source.to_owned()).or_default().insert(name.to_owned(), version.clone());
        Ok((version, image))
    }

    /// Rows of a source with what was learnt of them since they were listed, in the same order; `None` if there is nothing
    /// new.
    pub fn told_more(&self, source: &str, rows: &RowSet) -> Option<RowSet> {
        let learnt = self.learnt.lock().unwrap_or_else(PoisonError::into_inner).get(source).cloned()?;
        rows.enriched(&learnt)
    }

    /// Adds details that were learnt of a source's rows to its kept list; gives that list if anything changed.
    ///
    /// Lists of more than [`LEARNING_LIST`] rows are left as they are: writing a whole list for a few rows is too slow.
    pub async fn learn(&self, source: &str) -> Result<Option<Arc<RowSet>>> {
        let Some(kept) = self.cache.last(source).await? else { return Ok(None) };
        let learnt = self.learnt.lock().unwrap_or_else(PoisonError::into_inner).get(source).cloned();
        let Some(learnt) = learnt.filter(|_| kept.rows.len() <= LEARNING_LIST) else { return Ok(None) };
        let work = blocking(move || kept.rows.enriched(&learnt));
        let Some(rows) = work.await.during("put what was learnt into the list")? else { return Ok(None) };
        self.cache.save(source, &rows, kept.fetched).await?;
        Ok(Some(Arc::new(rows)))
    }
}
