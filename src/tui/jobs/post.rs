//! Sending the messages of jobs to the loop.

use tokio::sync::mpsc;

use crate::msg::{Msg, Slot};

/// A message and the read that it came from; the loop drops it if a newer read of the same slot has begun.
pub struct Delivery {
    pub(super) msg: Msg,
    pub(super) read: Option<(Slot, u64)>,
}

/// What a job sends its messages through.
#[derive(Clone)]
pub struct Post {
    pub(super) out: mpsc::Sender<Delivery>,
    pub(super) read: Option<(Slot, u64)>,
}

impl Post {
    /// Sends a message without waiting; it is lost if the loop has ended or its queue is full.
    pub fn try_send(&self, msg: impl Into<Msg>) {
        let _ = self.out.try_send(Delivery { msg: msg.into(), read: self.read });
    }

    /// Sends a message, waiting while the loop's queue is full. A loop that has ended is no error.
    pub async fn send(&self, msg: impl Into<Msg>) {
        let _ = self.out.send(Delivery { msg: msg.into(), read: self.read }).await;
    }
}
