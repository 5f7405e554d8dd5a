//! That a steward lives: said to the store every half minute, for whoever waits and for `wharf doctor`.

use std::{convert::Infallible, time::Duration};

use super::{Steward, Tools};
use crate::ports::store;

impl Steward {
    /// Says it for as long as this is awaited. A store that is away for a while is told when it is back.
    pub(super) async fn keep_saying_alive(&self, tools: &Tools) -> Infallible {
        let key = tools.signer.as_ref().map(|signer| signer.key_id()).unwrap_or_default();
        loop {
            if let Err(error) = self.store.alive(&key, env!("CARGO_PKG_VERSION")).await {
                tracing::info!(%error, "the store was not told that this steward lives");
            }
            tokio::time::sleep(Duration::from_secs(store::Steward::EVERY.unsigned_abs())).await;
        }
    }
}
