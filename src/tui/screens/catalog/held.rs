//! What the list of images holds of each source, for the screen of sources.

use super::Catalog;
use crate::model::Held;

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
}
