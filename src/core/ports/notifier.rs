//! Ways to tell people something outside of Wharf.

use async_trait::async_trait;

use super::store::Due;
use crate::base::{context::Context, error::Result};

/// A way to tell people what concerns them, beside the inbox.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// Its name in the store, the same in every run: each notice goes each way once.
    fn way(&self) -> &'static str;
    /// Tells it; `false` where this way leads to nobody for this notice. Before: the caller holds the lease of the
    /// notice. After: it was handed on. Repeated, it is told again with the same key, so that whoever gets it can drop
    /// it. Errors: the notice was not told, and is tried again later.
    async fn deliver(&self, cx: &Context, due: &Due) -> Result<bool>;
    /// Whether it could tell something now, without telling anything; what answers, in words. Repeated, it asks anew.
    /// Errors: `Unavailable` or `NotAllowed`, with what to correct.
    async fn ready(&self, cx: &Context) -> Result<String>;
}
