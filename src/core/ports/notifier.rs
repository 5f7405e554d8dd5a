//! Ways to tell people something outside of Wharf.

use async_trait::async_trait;

use super::store::Due;
use crate::core::base::{context::Context, error::Result};

/// A way to tell people what concerns them, beside the inbox.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// Its name in the store: each notice goes each way once.
    fn way(&self) -> &'static str;
    /// Tells it; `false` where this way leads to nobody for this notice.
    async fn deliver(&self, cx: &Context, due: &Due) -> Result<bool>;
    /// Whether it could tell something now, without telling anything; what answers, in words.
    async fn ready(&self, cx: &Context) -> Result<String>;
}
