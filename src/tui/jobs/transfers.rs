//! Carrying out effects about kept transfers.

use std::time::Duration;

use super::Jobs;
use crate::msg::{JobNews, Slot, TransferEffect};
use wharf_core::base::context::Context;

/// How often the list is read while it is shown.
const AGAIN: Duration = Duration::from_secs(1);

impl Jobs {
    /// Starts an effect about kept transfers.
    pub(super) fn start_transfers(&mut self, effect: TransferEffect) {
        let portal = self.portal.clone();
        match effect {
            TransferEffect::Once => self.read(Slot::Transfers, move |post| async move {
                post.send(JobNews::Kept(portal.kept_transfers.all().await)).await;
            }),
            TransferEffect::Follow => self.read(Slot::Transfers, move |post| async move {
                loop {
                    post.send(JobNews::Kept(portal.kept_transfers.all().await)).await;
                    tokio::time::sleep(AGAIN).await;
                }
            }),
            TransferEffect::Pause(id) => self.beside(move |post| async move {
                let paused = portal.kept_transfers.pause(&id).await;
                post.send(JobNews::Told(paused.map(|_| "paused: it can go on at any time".to_owned()))).await;
            }),
            TransferEffect::Cancel(id) => self.beside(move |post| async move {
                let cancelled = portal.kept_transfers.cancel(&Context::default(), &id).await;
                post.send(JobNews::Told(cancelled.map(|_| "cancelled: nothing of it is left".to_owned()))).await;
            }),
            TransferEffect::Resume { job, id } => self.write(job, move |cx| async move {
                let resumed = portal.resuming.resume(&cx, &id).await?;
                Ok((resumed.describe(), None))
            }),
        }
    }
}
