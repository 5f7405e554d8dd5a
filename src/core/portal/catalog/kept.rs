//! What is kept on this machine between runs: the lists of sources, and named filters.

use super::Catalog;
use crate::{base::error::Result, ports::CachedRows};

impl Catalog {
    /// The first rows of the last list of every source: about a screenful each. Does not wait for the database.
    pub async fn kept_heads(&self) -> Result<Vec<CachedRows>> {
        self.cache.heads().await
    }

    /// The last complete list of every source.
    pub async fn kept_lists(&self) -> Result<Vec<CachedRows>> {
        self.cache.load().await
    }

    /// Named filters, this person's before those of the configuration. Where the kept ones cannot be read, only the
    /// configured ones.
    pub async fn filters(&self) -> Vec<(String, String)> {
        let mut filters = self.cache.filters().await.unwrap_or_default();
        filters.extend(self.config.filters.clone());
        filters
    }

    /// Keeps a named filter for this person on this machine; an empty filter removes it.
    pub async fn save_filter(&self, name: &str, filter: &str) -> Result<()> {
        self.cache.save_filter(name, filter).await
    }
}
