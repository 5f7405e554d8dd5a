//! Bodies that are sent for as long as they move: a large body, or one that is sent slowly on purpose, takes longer than
//! any limit for an answer. What ends the request is that the other side takes nothing, or does not answer afterwards.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use reqwest::Body;

use wharf_core::base::{context::timed_out, error::Result};

/// How often that is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Watches a body that is sent.
#[derive(Debug)]
pub struct Moving {
    /// When the other side took something last.
    last: Mutex<Instant>,
    /// Whether the body itself is waited for: then nobody else is slow.
    waits: AtomicBool,
}

impl Moving {
    /// Nothing was sent yet.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { last: Mutex::new(Instant::now()), waits: AtomicBool::new(false) })
    }

    fn took(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// A body of these pieces, which is watched.
    pub fn body(self: &Arc<Self>, pieces: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static) -> Body {
        let begun = (self.clone(), pieces.boxed());
        let watched = stream::unfold(begun, |(moving, mut pieces)| async move {
            moving.took();
            moving.waits.store(true, Ordering::Relaxed);
            let next = pieces.next().await;
            moving.took();
            moving.waits.store(false, Ordering::Relaxed);
            next.map(|piece| (piece, (moving, pieces)))
        });
        Body::wrap_stream(watched)
    }

    /// Sends until there is an answer. The other side may take nothing, or not answer after the last piece, for as long as
    /// `patience`.
    ///
    /// # Errors
    /// Those of sending; `Unavailable` where it takes longer.
    pub async fn watched<T>(
        &self,
        what: &str,
        patience: Duration,
        sending: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        tokio::pin!(sending);
        loop {
            tokio::select! {
                done = &mut sending => return done,
                () = tokio::time::sleep(LOOK) => {}
            }
            let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
            if !self.waits.load(Ordering::Relaxed) && last.elapsed() > patience {
                return Err(timed_out(what, patience));
            }
        }
    }
}
