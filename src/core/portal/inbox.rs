//! This person's notices in the shared store. Only their receiver sees and changes them, so they are not in the audit.

use std::sync::Arc;

use crate::{
    base::error::Result,
    ports::store::Store,
    request::{
        Id,
        notice::{Notice, Warning},
    },
};

/// The notices of this person.
pub struct Inbox {
    store: Arc<dyn Store>,
}

impl Inbox {
    /// An inbox in this store.
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// This person's newest notices, at most `most`, the newest first.
    pub async fn notices(&self, most: i64) -> Result<Vec<Notice>> {
        self.store.notices(0, most).await
    }

    /// The warnings about images that became vulnerable, among this person's newest `most` notices; the newest first. A
    /// store that was never used has none, and is not created.
    pub async fn warnings(&self, most: i64) -> Result<Vec<Warning>> {
        if !self.store.is_there() {
            return Ok(Vec::new());
        }
        Ok(self.notices(most).await?.into_iter().filter_map(|notice| notice.warning).collect())
    }

    /// How many of this person's notices are unread; `None` if the store was never used, which does not create it.
    pub async fn unread(&self) -> Result<Option<i64>> {
        if self.store.is_there() { self.store.unread().await.map(Some) } else { Ok(None) }
    }

    /// Marks notices of this person as read; those of others stay as they are.
    pub async fn mark_read(&self, notices: &[Id]) -> Result<()> {
        self.store.mark_notices_read(notices).await
    }
}
