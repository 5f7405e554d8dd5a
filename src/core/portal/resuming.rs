//! Letting kept transfers go on: a copy as a copy, and the copy of a share as that share.

use std::sync::Arc;

use super::{
    kept_transfers::KeptTransfers,
    sharing::{ShareResult, Sharing},
    transfers::Transfers,
};
use crate::{
    base::{context::Context, error::Result},
    ports::content::Outcome,
};

/// Lets kept transfers go on.
pub struct Resuming {
    kept: Arc<KeptTransfers>,
    transfers: Arc<Transfers>,
    sharing: Arc<Sharing>,
}

/// What became of a transfer that went on.
#[derive(Debug)]
pub enum Resumed {
    /// It was copied.
    Copied(Outcome),
    /// It was copied, and shared as it was meant to be.
    Shared(Box<ShareResult>),
}

impl Resumed {
    /// The result of the copy: bytes, attachments; `None` where none was needed.
    pub fn outcome(&self) -> Option<&Outcome> {
        match self {
            Self::Copied(outcome) => Some(outcome),
            Self::Shared(shared) => shared.outcome(),
        }
    }

    /// One line about what was done.
    pub fn describe(&self) -> String {
        match self {
            Self::Copied(outcome) => outcome.describe(),
            Self::Shared(shared) => shared.describe(),
        }
    }
}

impl Resuming {
    /// Lets transfers of this list go on.
    pub(super) fn new(kept: Arc<KeptTransfers>, transfers: Arc<Transfers>, sharing: Arc<Sharing>) -> Self {
        Self { kept, transfers, sharing }
    }

    /// Lets a kept transfer go on as the copy or the share that it was: the policy is asked again. Rate and hours are
    /// those of the call, or those with which it was begun.
    ///
    /// # Errors
    /// Those of copying and sharing; `Usage` where it is at its end, `Unavailable` where another program carries it out.
    pub async fn resume(&self, cx: &Context, id: &str) -> Result<Resumed> {
        let record = self.kept.waiting(id).await?;
        let cx = Context { pace: cx.pace.or(record.rate, record.hours), ..cx.clone() };
        match &record.share {
            Some(share) => {
                Box::pin(self.sharing.resume(&cx, &record, share)).await.map(|shared| Resumed::Shared(Box::new(shared)))
            }
            None => self.transfers.copy(&cx, &record.from, &record.to, &record.options()).await.map(Resumed::Copied),
        }
    }
}
