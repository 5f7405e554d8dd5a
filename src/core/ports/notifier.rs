//! The port for notifying people outside of Wharf.

use async_trait::async_trait;

use super::store::DueNotice;
use crate::{
    base::{context::Context, error::Result},
    sharing::letter::Letter,
};

/// A way to notify people, besides the inbox: mail, a webhook.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// Its name in the store, the same in every run: each notice goes out once by each way.
    fn name(&self) -> &'static str;
    /// Sends a notice; `false` where its receiver cannot be reached this way. Before: the caller holds the lease of the
    /// notice. After: it was handed on. Repeated, it is sent again with the same key, so that the receiver can drop it.
    /// Errors: the notice was not sent, and is tried again later.
    async fn deliver(&self, cx: &Context, due: &DueNotice) -> Result<bool>;
    /// Sends a letter of this person; `false` where its receiver cannot be reached this way. Repeated, it is sent again.
    /// Errors: it was not sent.
    async fn send(&self, _cx: &Context, _letter: &Letter) -> Result<bool> {
        Ok(false)
    }

    /// Whether it could send now, without sending anything; gives what answers, in words. Repeated, it asks again.
    /// Errors: `Unavailable` or `NotAllowed`, with what to correct.
    async fn ready(&self, cx: &Context) -> Result<String>;
}
