//! Delivery of notices: each once by each way, tried again later if a server is down. The ways do not wait for one
//! another.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;

use super::{retry::backoff, round::Round};
use crate::{
    base::{
        context::Context,
        error::{Kind, Result},
    },
    portal::stewardship::Stewardship,
    ports::{Notifier, store::Store},
};

/// How long the lease of a notice lasts.
const LEASE: Duration = Duration::from_secs(120);
/// The most notices that are delivered in one round.
const ROUND: usize = 100;

/// Delivers notices by all ways of the site.
pub(super) struct NoticeSender {
    store: Arc<dyn Store>,
    notifiers: Vec<Arc<dyn Notifier>>,
}

impl NoticeSender {
    /// Delivers the notices in the store of the steward's site.
    pub(super) fn new(parts: &Stewardship) -> Self {
        Self { store: parts.store.clone(), notifiers: parts.notifiers.clone() }
    }

    /// Delivers the notices that are due now.
    pub(super) async fn round(&self, cx: &Context) -> Result<Round> {
        let ways = self.notifiers.iter().map(|notifier| self.deliver_by(cx, &**notifier));
        join_all(ways).await.into_iter().try_fold(Round::default(), |all, one| Ok(all.and(one?)))
    }

    async fn deliver_by(&self, cx: &Context, notifier: &dyn Notifier) -> Result<Round> {
        let (way, mut round) = (notifier.name(), Round::default());
        for _ in 0..ROUND {
            if cx.cancel.is_cancelled() {
                break;
            }
            let Some(due) = self.store.due(way, LEASE).await? else { break };
            let sent = cx.run(&format!("deliver a notice by {way}"), notifier.deliver(cx, &due)).await;
            let again = match &sent {
                Ok(_) => None,
                Err(error) if error.kind == Kind::Usage => None,
                Err(_) => Some(backoff(due.tries)),
            };
            if let Err(error) = self.store.delivered(way, due.notice.id, again).await {
                // Its lease ends, and then it is due again.
                round.failed.push(format!("{way}: notice {}: {error}", due.notice.id));
            }
            match sent {
                Ok(true) => round.delivered += 1,
                Ok(false) => {}
                Err(error) => {
                    round.failed.push(format!("{way}: {error}"));
                    // If one notice cannot be sent, the others of this way wait, too.
                    if again.is_some() {
                        break;
                    }
                }
            }
        }
        Ok(round)
    }
}
