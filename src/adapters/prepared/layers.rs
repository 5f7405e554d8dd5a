//! The layers of a pinned image, verified while they are unpacked.

use std::{
    io::Read,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use futures_util::TryStreamExt;

use super::unpack::Root;
use wharf_core::{
    base::{
        blocking::blocking,
        context::Context,
        digest::Digest,
        error::{During, Error, Kind, Result},
    },
    image::{
        configuration::Configuration,
        manifest::{CONFIG_LIMIT, Descriptor, Manifest},
    },
    ports::{BlobSource, Supply},
    transfer::{
        copy::{CopyEnd, VerifiedBlob},
        fetch,
    },
};

/// A layer as it is stored, with the digest of its uncompressed bytes where that is known.
pub type StoredLayer = (Descriptor, Option<Digest>);

/// What an image is made of, and where its bytes are.
pub struct StoredImage {
    /// Where the layers are read.
    pub place: CopyEnd,
    /// The layers in the order in which they are applied.
    pub layers: Vec<StoredLayer>,
    /// The configuration of the image.
    pub config: Configuration,
}

/// The layers and the configuration of the pinned manifest; the progress gets the bytes to expect.
///
/// # Errors
/// `Integrity` where the source gives another manifest than the pinned one, or one that contradicts its configuration.
pub async fn of(cx: &Context, supply: &Supply, what: &str) -> Result<StoredImage> {
    let image = &supply.image.manifest;
    let at = supply.image.reference.with_digest(image);
    let content = supply.bytes()?;
    let manifest = content.manifest(cx, &at).await?;
    image.matches(&manifest.digest, what)?;
    let Manifest::Image { config, layers, .. } = manifest.parsed().clone() else {
        return Err(Error::failed(what, "not a single image"));
    };
    let config = fetch::blob(cx, &*content, &at, &config, CONFIG_LIMIT).await?;
    let config = Configuration::parse(&config).unwrap_or_default();
    let layers = with_diff_ids(layers, config.diff_ids.clone(), what)?;
    cx.progress.total(layers.iter().map(|(layer, _)| layer.size).fold(0, u64::saturating_add));
    Ok(StoredImage { place: CopyEnd { content, at }, layers, config })
}

/// Each layer with the digest that the configuration states for its uncompressed bytes. A configuration that states
/// none, or by a builder's mistake the digest of the stored bytes, is accepted: the manifest has stated those, and they
/// were verified.
fn with_diff_ids(layers: Vec<Descriptor>, ids: Vec<Digest>, what: &str) -> Result<Vec<StoredLayer>> {
    if !ids.is_empty() && ids.len() != layers.len() {
        let why = format!("it has {} layers, and its configuration names {}", layers.len(), ids.len());
        return Err(Error::new(Kind::Integrity, what, why).hint("do not use it; tell its publisher"));
    }
    let ids = ids.into_iter().map(Some).chain(std::iter::repeat(None));
    let pairs = layers.into_iter().zip(ids);
    Ok(pairs.map(|(layer, id)| (layer.clone(), id.filter(|id| *id != layer.digest))).collect())
}

/// Unpacks a layer in a thread of its own, which ends when this is dropped. The thread keeps `held` until it writes no
/// more.
///
/// # Errors
/// `Integrity` where the bytes are not those of the layer; else what the source or the file system says.
pub async fn unpack(
    cx: &Context,
    place: &CopyEnd,
    (layer, diff_id): &StoredLayer,
    root: Root,
    held: impl Send + 'static,
    what: &str,
) -> Result<Root> {
    let diff_id = diff_id.clone();
    let mut stream = VerifiedBlob::new(cx, place, layer).open(0).await?;
    let (sender, receiver) = tokio::sync::mpsc::channel::<Bytes>(16);
    let task = what.to_owned();
    let mut stop = StopUnpacking(Some(root.stop()));
    let unpacking = blocking(move || {
        let mut root = root;
        let mut reader = Chunks { receiver, chunk: Bytes::new() };
        let result = root.apply(&mut reader, diff_id.as_ref(), &task).and_then(|()| {
            // The layer is read to its end, because padding may follow the archive and the digest is known only
            // then.
            std::io::copy(&mut reader, &mut std::io::sink()).map(|_| ()).during(task)
        });
        drop(held);
        (root, result)
    });
    // The stream's own error says more than the one that it causes here.
    let failed = loop {
        match stream.try_next().await {
            Ok(Some(chunk)) => {
                if sender.send(chunk).await.is_err() {
                    // The layer was refused: the rest is not fetched.
                    break None;
                }
            }
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    drop(sender);
    let (root, result) = unpacking.await.during(what)?;
    stop.0 = None;
    match failed {
        Some(error) => Err(error),
        None => result.map(|()| root),
    }
}

/// Ends an unpacking when it is dropped.
struct StopUnpacking(Option<Arc<AtomicBool>>);

impl Drop for StopUnpacking {
    fn drop(&mut self) {
        if let Some(stop) = &self.0 {
            stop.store(true, Ordering::Relaxed);
        }
    }
}

/// A reader of the bytes that a channel sends; it ends when the sender is dropped.
struct Chunks {
    receiver: tokio::sync::mpsc::Receiver<Bytes>,
    chunk: Bytes,
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.chunk.is_empty() {
            match self.receiver.blocking_recv() {
                Some(chunk) => self.chunk = chunk,
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.chunk.len());
        buffer[..count].copy_from_slice(&self.chunk.split_to(count));
        Ok(count)
    }
}
