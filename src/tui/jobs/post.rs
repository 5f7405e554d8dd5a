//! The way of a job's messages to the loop.

use tokio::sync::mpsc;

use crate::tui::msg::{Msg, Slot};

/// A message, and the read it came from: an older read of the same slot is dropped.
pub struct Delivery {
    pub(super) msg: Msg,
    pub(super) read: Option<(Slot, u64)>,
}

/// Where a job puts its messages.
#[derive(Clone)]
pub struct Post {
    pub(super) out: mpsc::Sender<Delivery>,
    pub(super) read: Option<(Slot, u64)>,
}

impl Post {
    /// Sends a message that may be lost where the loop is gone or far behind; waits for nothing.
    pub fn try_send(&self, msg: Msg) {
        let _ = self.out.try_send(Delivery { msg, read: self.read });
    }

    /// Sends a message to the loop.
    pub async fn send(&self, msg: Msg) {
        let _ = self.out.send(Delivery { msg, read: self.read }).await;
    }
}
