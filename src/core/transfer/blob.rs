//! A blob on its way: hashed and counted while it is read, and read again from where a connection broke.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{TryStreamExt, stream};
use tokio::sync::Mutex as AsyncMutex;

use super::patience::Patience;
use crate::{
    base::{
        blocking::blocking,
        context::Context,
        digest::{Digest, Hasher},
        error::{Error, Kind, Result},
    },
    image::{manifest::Descriptor, reference::ImageRef},
    ports::{BlobSource, ByteStream, Content},
};

/// One end of a copy.
#[derive(Clone)]
pub struct CopyEnd {
    /// Reads and writes at this place.
    pub content: Arc<dyn Content>,
    /// The image's reference there.
    pub at: ImageRef,
}

/// A blob that is hashed and counted while it is read; at its end it fails if the digest is wrong.
///
/// It can be opened again at an earlier byte; bytes that were hashed already are not hashed again. Opened behind what was
/// hashed, because the reader has the bytes before from an earlier run, nothing is compared here: the reader compares the
/// whole.
pub struct VerifiedBlob {
    cx: Context,
    from: CopyEnd,
    blob: Descriptor,
    seen: Seen,
}

/// From so many bytes on, a chunk is hashed beside the task that sends it.
const BESIDE: usize = 128 << 10;

#[derive(Clone)]
struct Seen {
    /// Held while a chunk is hashed: the next one waits for that.
    hasher: Arc<AsyncMutex<Hasher>>,
    counts: Arc<Mutex<Counts>>,
}

#[derive(Default)]
struct Counts {
    hashed: u64,
    counted: u64,
}

impl Seen {
    /// Hashes what is new in a chunk that begins at this byte.
    async fn hash(&self, chunk: &Bytes, begin: u64) {
        let mut hasher = self.hasher.clone().lock_owned().await;
        let end = begin + chunk.len() as u64;
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if begin > counts.hashed || end <= counts.hashed {
            return;
        }
        let new = chunk.slice((counts.hashed - begin) as usize..);
        counts.hashed = end;
        if new.len() < BESIDE {
            hasher.update(&new);
        } else {
            // Not waited for: if it does not come to its end, the digest is wrong.
            drop(blocking(move || hasher.update(&new)));
        }
    }

    /// The digest of what was hashed, and how many bytes that was.
    async fn digest(&self) -> (Digest, u64) {
        let hasher = self.hasher.lock().await;
        let hashed = self.counts.lock().unwrap_or_else(PoisonError::into_inner).hashed;
        (hasher.clone().finish(), hashed)
    }
}

impl VerifiedBlob {
    /// The blob `blob` in the place `from`.
    pub fn new(cx: &Context, from: &CopyEnd, blob: &Descriptor) -> Self {
        let seen = Seen { hasher: Arc::new(AsyncMutex::new(blob.digest.hasher())), counts: Arc::default() };
        Self { cx: cx.clone(), from: from.clone(), blob: blob.clone(), seen }
    }
}

#[async_trait]
impl BlobSource for VerifiedBlob {
    async fn open(&self, from: u64) -> Result<ByteStream> {
        let mut reading = Reading {
            inner: None,
            patience: Patience::default(),
            from: self.from.clone(),
            check: Check {
                seen: self.seen.clone(),
                blob: self.blob.clone(),
                at: self.from.at.clone(),
                cx: self.cx.clone(),
                position: from,
            },
        };
        // What cannot be opened at all is told before anything is written elsewhere.
        reading.open().await?;
        let stream = stream::try_unfold(reading, |mut reading| async move {
            Ok(reading.next().await?.map(|chunk| (chunk, reading)))
        });
        Ok(Box::pin(stream))
    }
}

/// A blob while it is read. A connection that breaks is made anew where it broke, so that whoever writes the bytes
/// elsewhere need not begin again.
struct Reading {
    inner: Option<ByteStream>,
    patience: Patience,
    from: CopyEnd,
    check: Check,
}

impl Reading {
    async fn open(&mut self) -> Result<()> {
        // Behind the last byte there is nothing to ask for.
        while self.inner.is_none() && !(self.check.blob.size > 0 && self.check.is_whole()) {
            let check = &self.check;
            match self.from.content.blob(&check.cx, &self.from.at, &check.blob, check.position).await {
                Ok(stream) => self.inner = Some(stream),
                Err(error) => self.broke(error).await?,
            }
        }
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            self.open().await?;
            let Some(stream) = &mut self.inner else { return self.check.end().await.map(|()| None) };
            match stream.try_next().await {
                Ok(Some(chunk)) => {
                    self.check.cx.pace.take(chunk.len() as u64, &self.check.cx.progress).await;
                    self.check.pass(&chunk).await?;
                    return Ok(Some(chunk));
                }
                Ok(None) if self.check.is_whole() => return self.check.end().await.map(|()| None),
                Ok(None) => self.broke(self.check.short()).await?,
                // All of it has come: how the connection ends does not matter.
                Err(_) if self.check.is_whole() => return self.check.end().await.map(|()| None),
                Err(error) => self.broke(error).await?,
            }
        }
    }

    /// Waits until it is worth trying again; fails if it is not.
    async fn broke(&mut self, error: Error) -> Result<()> {
        self.inner = None;
        if error.kind != Kind::Unavailable || self.check.cx.shall_stop() {
            return Err(error);
        }
        let Some(pause) = self.patience.after(self.check.position) else { return Err(error) };
        tracing::warn!(%error, position = self.check.position, "reading a blob broke; going on there");
        self.check.cx.pause(&self.check.task(), pause).await
    }
}

struct Check {
    seen: Seen,
    blob: Descriptor,
    at: ImageRef,
    cx: Context,
    position: u64,
}

impl Check {
    /// Hashes and counts what is new in a chunk.
    async fn pass(&mut self, chunk: &Bytes) -> Result<()> {
        let begin = self.position;
        self.position += chunk.len() as u64;
        if self.position > self.blob.size {
            return Err(self.wrong("more bytes came than the manifest says"));
        }
        self.seen.hash(chunk, begin).await;
        let mut counts = self.seen.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let new = self.position.saturating_sub(counts.counted.max(begin));
        counts.counted = counts.counted.max(self.position);
        self.cx.progress.add(new);
        self.cx.progress.part(self.blob.digest.short(), self.position, self.blob.size);
        self.cx.progress.add_again(chunk.len() as u64 - new);
        Ok(())
    }

    fn is_whole(&self) -> bool {
        self.position >= self.blob.size
    }

    /// The digest is not wrong, but the connection broke.
    fn short(&self) -> Error {
        let why = format!("the answer ended after {} of {} bytes", self.position, self.blob.size);
        Error::new(Kind::Unavailable, self.task(), why)
    }

    async fn end(&self) -> Result<()> {
        let (digest, hashed) = self.seen.digest().await;
        if hashed < self.blob.size {
            return Ok(());
        }
        self.blob.digest.matches(&digest, &self.task())
    }

    fn wrong(&self, why: &str) -> Error {
        Error::new(Kind::Integrity, self.task(), why).hint("do not use it; tell the administrators of the source")
    }

    fn task(&self) -> String {
        format!("read blob {} of {}", self.blob.digest.short(), self.at)
    }
}
