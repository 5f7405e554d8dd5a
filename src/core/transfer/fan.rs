//! One read of a blob for several destinations.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::mpsc;

use super::blob::{CopyEnd, VerifiedBlob};
use crate::{
    base::{
        context::{Context, Progress},
        digest::{Digest, Hasher},
        error::Result,
    },
    image::manifest::Descriptor,
    ports::{BlobSource, ByteStream},
};

/// How long the read waits for a destination that has not begun yet.
const TOGETHER: Duration = Duration::from_secs(2);
/// How long the read waits for a destination that takes nothing; it then reads by itself.
const SLOW: Duration = Duration::from_secs(10);
/// How many pieces of the read may wait for a destination.
const WAITING: usize = 8;

type Pieces = mpsc::Sender<Result<Bytes>>;

/// A blob that is read once for `readers` destinations.
pub(super) struct Fan {
    cx: Context,
    from: CopyEnd,
    blob: Descriptor,
    readers: usize,
    begun: Mutex<Begun>,
}

#[derive(Default)]
struct Begun {
    waiting: Vec<Pieces>,
    /// Whether the read has begun: whoever comes now reads by itself.
    reads: bool,
}

impl Fan {
    /// The blob `blob` of `from`, for so many destinations. `cx` is that of the read.
    pub(super) fn new(cx: &Context, from: &CopyEnd, blob: &Descriptor, readers: usize) -> Arc<Self> {
        let cx = Context { progress: Progress::silent(), ..cx.clone() };
        Arc::new(Self { cx, from: from.clone(), blob: blob.clone(), readers, begun: Mutex::default() })
    }

    /// The source that the destination with this context reads.
    pub(super) fn source(self: &Arc<Self>, cx: &Context) -> FanReader {
        FanReader { fan: self.clone(), cx: cx.clone() }
    }

    /// Joins the read; `None` where it has begun already.
    fn join(self: &Arc<Self>) -> Option<mpsc::Receiver<Result<Bytes>>> {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        if begun.reads {
            return None;
        }
        let (pieces, receiver) = mpsc::channel(WAITING);
        begun.waiting.push(pieces);
        let (is_first, is_last) = (begun.waiting.len() == 1, begun.waiting.len() == self.readers);
        if is_first || is_last {
            let fan = self.clone();
            tokio::spawn(async move {
                if !is_last {
                    tokio::time::sleep(TOGETHER).await;
                }
                fan.read().await;
            });
        }
        Some(receiver)
    }

    /// Reads the blob and hands each piece to all who wait.
    async fn read(&self) {
        let mut waiting = {
            let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
            if std::mem::replace(&mut begun.reads, true) {
                return;
            }
            std::mem::take(&mut begun.waiting)
        };
        let source = VerifiedBlob::new(&self.cx, &self.from, &self.blob);
        let mut stream = match source.open(0).await {
            Ok(stream) => stream,
            Err(error) => Box::pin(stream::iter([Err(error)])),
        };
        while let Some(piece) = stream.next().await {
            let sends =
                waiting.drain(..).map(|to| {
                    let piece = piece.clone();
                    async move {
                        tokio::time::timeout(SLOW, to.send(piece)).await.is_ok_and(|sent| sent.is_ok()).then_some(to)
                    }
                });
            waiting = futures_util::future::join_all(sends).await.into_iter().flatten().collect();
            if piece.is_err() || waiting.is_empty() {
                return;
            }
        }
    }
}

/// What one of the destinations reads.
pub(super) struct FanReader {
    fan: Arc<Fan>,
    cx: Context,
}

struct Reading {
    pieces: Option<mpsc::Receiver<Result<Bytes>>>,
    alone: Option<ByteStream>,
    own: VerifiedBlob,
    name: String,
    digest: Digest,
    hasher: Hasher,
    size: u64,
    position: u64,
    progress: Progress,
}

impl Reading {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        if let Some(pieces) = &mut self.pieces {
            match pieces.recv().await {
                Some(piece) => {
                    let piece = piece?;
                    self.hasher.update(&piece);
                    self.position += piece.len() as u64;
                    self.progress.add(piece.len() as u64);
                    self.progress.part(&self.name, self.position, self.size);
                    return Ok(Some(piece));
                }
                None if self.position >= self.size => return self.compared().map(|()| None),
                // The common read went on without this one, or ended: the rest is read alone.
                None => self.pieces = None,
            }
        }
        if self.alone.is_none() {
            self.alone = Some(self.own.open(self.position).await?);
        }
        let next = match &mut self.alone {
            Some(stream) => stream.try_next().await?,
            None => None,
        };
        match &next {
            Some(piece) => self.hasher.update(piece),
            None => self.compared()?,
        }
        Ok(next)
    }

    /// The bytes came in two ways: only together they have the digest.
    fn compared(&self) -> Result<()> {
        let what = format!("read blob {}", self.name);
        self.digest.matches(&self.hasher.clone().finish(), &what)
    }
}

#[async_trait]
impl BlobSource for FanReader {
    async fn open(&self, from: u64) -> Result<ByteStream> {
        let fan = &self.fan;
        let own = VerifiedBlob::new(&self.cx, &fan.from, &fan.blob);
        let pieces = if from == 0 { fan.join() } else { None };
        let Some(pieces) = pieces else { return own.open(from).await };
        let reading = Reading {
            pieces: Some(pieces),
            alone: None,
            own,
            name: fan.blob.digest.short().to_owned(),
            digest: fan.blob.digest.clone(),
            hasher: fan.blob.digest.hasher(),
            size: fan.blob.size,
            position: 0,
            progress: self.cx.progress.clone(),
        };
        let stream = stream::try_unfold(reading, |mut reading| async move {
            Ok(reading.next().await?.map(|piece| (piece, reading)))
        });
        Ok(Box::pin(stream))
    }
}
