//! Carrying out effects about lists, rows and filters.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};

use super::{
    Jobs,
    effects::{GLANCE, LOOKS, REST},
};
use crate::msg::{ListEffect, ListNews, Msg, Peek, PeekedRow, SharedSets, Slot};
use wharf_core::{
    base::{blocking::blocking, context::Context, error::Result, text},
    catalog::{copies::DigestIndex, facets, query::Query, search},
    image::model::Image,
    portal::Portal,
};

/// How long the first frame is waited for before the whole lists are read.
const FIRST_FRAME: Duration = Duration::from_millis(10);
/// Up to this many rows are searched on the current thread, without one of their own.
const FEW_ROWS: usize = 2000;

impl Jobs {
    /// Reads what the store knows about the selected image, if the selection rests there.
    fn peek(&mut self, row: PeekedRow, sets: Option<SharedSets>) {
        let portal = self.portal.clone();
        self.read(Slot::Peek, move |post| async move {
            tokio::time::sleep(REST).await;
            if let Some(sets) = sets {
                let lists = sets.0.clone();
                let built = blocking(move || DigestIndex::new(&lists));
                if let Ok(index) = built.await {
                    post.send(ListNews::Indexed(sets, Arc::new(index))).await;
                }
            }
            let peek = peek(&portal, &row).await.unwrap_or_else(|error| {
                tracing::info!(%error, "what the store knows of an image was not read");
                Peek::default()
            });
            post.send(ListNews::Peeked(row, peek)).await;
        });
    }

    /// Starts an effect about lists, rows and filters.
    pub(super) fn start_lists(&mut self, effect: ListEffect) {
        let portal = self.portal.clone();
        match effect {
            ListEffect::LoadCache => self.read(Slot::Cache, move |post| async move {
                // The first screenful comes first. The rest waits until that is drawn, because reading it would slow
                // the frame down.
                post.send(ListNews::Cached(portal.catalog.kept_heads().await)).await;
                tokio::time::sleep(FIRST_FRAME).await;
                post.send(ListNews::Cached(portal.catalog.kept_lists().await)).await;
                post.send(ListNews::Filters(portal.catalog.filters().await)).await;
            }),
            ListEffect::List { source, query } => self.list(source, query),
            ListEffect::Search { number, sets, query, sort, order, from, mut known } => {
                self.read(Slot::Search, move |post| async move {
                    known.now = text::now();
                    if query.used.is_some() {
                        known.used = portal.catalog.used(&sets.0).await;
                    }
                    let rows: usize = sets.0.iter().map(|(_, rows)| rows.len()).sum();
                    let work = move || {
                        let (order, fresh) = match order {
                            Some(order) => (order.0, false),
                            None => (Arc::new(search::order(&sets.0, sort, &known)), true),
                        };
                        let candidates = from.map_or_else(|| order.clone(), |from| from.0);
                        let hits = if query.is_empty() {
                            order.clone()
                        } else {
                            Arc::new(search::search(&sets.0, &query, &candidates, &known))
                        };
                        Msg::List(ListNews::Found { number, order: fresh.then_some(order), hits })
                    };
                    if rows <= FEW_ROWS {
                        return post.send(work()).await;
                    }
                    // Keys wait for the search's result, so there must be one even if the search failed.
                    let nothing = |_| Msg::List(ListNews::Found { number, order: None, hits: Arc::default() });
                    post.send(blocking(work).await.unwrap_or_else(nothing)).await;
                })
            }
            ListEffect::Facets { sets, filter, mut known, dialog } => {
                self.read(if dialog { Slot::Facets } else { Slot::FacetColumn }, move |post| async move {
                    if !dialog {
                        tokio::time::sleep(REST).await;
                    }
                    known.now = text::now();
                    if Query::parse(&filter).used.is_some() {
                        known.used = portal.catalog.used(&sets.0).await;
                    }
                    let counted = blocking(move || facets::count(&sets.0, &filter, &known)).await.unwrap_or_default();
                    post.send(ListNews::Facets { counted, dialog }).await;
                })
            }
            ListEffect::Look(rows) => self.read(Slot::Look, move |post| async move {
                // Rows that are only scrolled past are not looked up.
                tokio::time::sleep(GLANCE).await;
                let sources: BTreeSet<String> = rows.iter().map(|(source, ..)| source.clone()).collect();
                let (portal, post, cx) = (&portal, &post, &Context::default());
                let looks = rows.iter().map(|(source, name, tag)| async move {
                    let (version, image) = portal.catalog.look(cx, source, name, tag).await.ok().unzip();
                    post.send(ListNews::Looked(source.clone(), name.clone(), version)).await;
                    image.map(|image| (source.clone(), name.clone(), image))
                });
                // Results are kept in the order of the rows, so that marks appear from top to bottom.
                let looks: Vec<_> = looks.collect();
                let images: Vec<(String, String, Image)> =
                    stream::iter(looks).buffered(LOOKS).filter_map(std::future::ready).collect().await;
                // Kind and size of all rows come before their marks, which take longer.
                let marks = images.iter().filter(|(.., image)| image.pinned.is_some()).map(
                    |(source, name, image)| async move {
                        if let Ok(verified) = portal.evidence.verdict_from_kept(image).await {
                            let (source, name, now) = (source.clone(), name.clone(), text::now());
                            let marks = verified.marks(now).with_publisher(image.publisher);
                            let brief = Box::new(verified.brief(now));
                            post.send(ListNews::Marked { source, name, subject: verified.subject, marks, brief }).await;
                        }
                    },
                );
                stream::iter(marks).for_each_concurrent(LOOKS, |mark| mark).await;
                for source in sources {
                    if let Ok(Some(rows)) = portal.catalog.learn(&source).await {
                        post.send(ListNews::Learnt(source, rows)).await;
                    }
                }
            }),
            ListEffect::Peek { row, sets } => self.peek(row, sets),
            ListEffect::SaveFilter(name, filter) => {
                tokio::spawn(async move {
                    if let Err(error) = portal.catalog.save_filter(&name, &filter).await {
                        tracing::warn!(%error, "the filter was not kept");
                    }
                });
            }
        }
    }
}

/// What the store knows about a row's image. Contacts no source.
async fn peek(portal: &Portal, row: &PeekedRow) -> Result<Peek> {
    let moves = portal.catalog.tag_moves(&row.source, &row.name).await?;
    let reference = portal.sources.row(&row.source, &row.name, Some(&row.tag))?;
    let allowed = portal.evidence.allowed_versions(&reference, &row.digest).await?.nearest;
    Ok(Peek { moves, allowed })
}
