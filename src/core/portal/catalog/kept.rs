//! What is kept on this machine between two runs: lists of sources, and filters with a name.

use super::Catalog;
use crate::{base::error::Result, ports::CachedRows};

impl Catalog {
    /// The first rows of the last list of every source: a screenful, at once.
    pub async fn kept_heads(&self) -> Result<Vec<CachedRows>> {
        self.cache.heads().await
    }

    /// The last list of every source.
    pub async fn kept_lists(&self) -> Result<Vec<CachedRows>> {
        self.cache.load().await
    }

    /// Filters with a name, this person's before those of the configuration. Where the kept ones cannot be read, the
    /// configured ones are all.
    pub async fn filters(&self) -> Vec<(String, String)> {
        let mut filters = self.cache.filters().await.unwrap_or_default();
        filters.extend(self.config.filters.clone());
        filters
    }

    /// Keeps a filter under a name, for this person on this machine; an empty one removes it.
    pub async fn save_filter(&self, name: &str, filter: &str) -> Result<()> {
        self.cache.save_filter(name, filter).await
    }
}
