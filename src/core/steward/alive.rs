//! Reporting that a steward runs: to the store every half minute, for requesters and for `wharf doctor`.

use std::{convert::Infallible, time::Duration};

use super::{Steward, tools::StewardKeys};
use crate::ports::store;

impl Steward {
    /// Reports it until this is dropped. If the store is away for a while, the next report comes after it is back.
    pub(super) async fn keep_saying_alive(&self, tools: &StewardKeys) -> Infallible {
        let key = tools.signer.as_ref().map(|signer| signer.key_id()).unwrap_or_default();
        loop {
            if let Err(error) = self.store.alive(&key, env!("CARGO_PKG_VERSION")).await {
                tracing::info!(%error, "the store was not told that this steward lives");
            }
            tokio::time::sleep(Duration::from_secs(store::Steward::EVERY.unsigned_abs())).await;
        }
    }
}
