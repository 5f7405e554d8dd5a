//! What the list of images holds of each source, for the screen of sources.

use super::Catalog;
use crate::{model::Held, msg::ImageTarget};

impl Catalog {
    /// What is held of each source that is listed, in the order of the sources.
    pub fn held(&self) -> Vec<Held> {
        let held = self.feeds.iter().map(|feed| Held {
            source: feed.source.clone(),
            rows: feed.total.max(feed.rows.len()) + feed.more.len(),
            fetched: feed.fetched,
            loading: feed.loading,
            error: feed.error.clone(),
        });
        held.collect()
    }

    /// Whether the kept lists were read and no source is being asked.
    pub fn is_settled(&self) -> bool {
        self.begun && !self.feeds.iter().any(|feed| feed.loading)
    }

    /// The first image of a source, if it has one.
    pub fn first_of(&self, source: &str) -> Option<ImageTarget> {
        let feed = self.feeds.iter().find(|feed| feed.source == source)?;
        let row = feed.rows.get(0)?;
        let tag = row.favourite_tag().map(str::to_owned);
        Some(ImageTarget::Row { source: source.to_owned(), name: row.name.to_owned(), tag })
    }
}
