//! How many blobs are sent to a registry at once: one alone after a connection broke, because each blob under way loses
//! what the registry has not kept of it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// After so many blobs without a break, several are sent at once again.
const CALM: u32 = 8;

/// The blobs that are sent to one registry. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Lanes(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    traffic: Mutex<Traffic>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Traffic {
    under_way: u32,
    /// How many blobs have to come through one by one.
    single: u32,
}

/// A blob that is being sent; dropped, it lets another one begin.
#[derive(Debug)]
pub(super) struct Lane(Lanes);

impl Lanes {
    fn change<T>(&self, change: impl FnOnce(&mut Traffic) -> T) -> T {
        change(&mut self.0.traffic.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until a blob may be sent.
    pub(super) async fn enter(&self) -> Lane {
        loop {
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            // What changes from here on is not missed.
            changed.as_mut().enable();
            let is_free = self.change(|traffic| {
                let is_free = traffic.single == 0 || traffic.under_way == 0;
                traffic.under_way += u32::from(is_free);
                is_free
            });
            if is_free {
                return Lane(self.clone());
            }
            changed.await;
        }
    }

    /// A connection broke.
    pub(super) fn broke(&self) {
        self.change(|traffic| traffic.single = CALM);
    }

    /// Whether nothing broke lately.
    pub(super) fn are_calm(&self) -> bool {
        self.change(|traffic| traffic.single == 0)
    }

    /// A blob came through whole.
    pub(super) fn came_through(&self) {
        self.change(|traffic| traffic.single = traffic.single.saturating_sub(1));
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.0.change(|traffic| traffic.under_way -= 1);
        self.0.0.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn after_a_break_blobs_are_sent_one_by_one_until_enough_came_through() {
        let lanes = Lanes::default();
        let enter = || lanes.enter().now_or_never();
        let two = (enter().unwrap(), enter().unwrap());
        lanes.broke();
        assert!(enter().is_none(), "two are under way");
        drop(two.0);
        assert!(enter().is_none(), "one is under way");
        drop(two.1);
        for _ in 0..CALM {
            let only = enter().unwrap();
            assert!(enter().is_none());
            lanes.came_through();
            drop(only);
        }
        assert!(enter().is_some_and(|_one| enter().is_some()));
    }

    #[tokio::test]
    async fn whoever_waits_begins_when_the_other_ends() {
        let lanes = Lanes::default();
        lanes.broke();
        let first = lanes.enter().await;
        let waiting = tokio::spawn({
            let lanes = lanes.clone();
            async move { drop(lanes.enter().await) }
        });
        tokio::task::yield_now().await;
        drop(first);
        waiting.await.unwrap();
    }
}
