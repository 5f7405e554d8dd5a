//! Manifests and blobs, read and written by digest.

use async_trait::async_trait;
use bytes::Bytes;

use super::cannot;
use crate::{
    base::{bytes::ByteStream, context::Context, digest::Digest, error::Result, text},
    evidence::attachments::Attachments,
    image::{
        manifest::{Descriptor, RawManifest},
        reference::ImageRef,
    },
};

/// Where a blob can be read from, also from the middle after a broken connection.
#[async_trait]
pub trait BlobSource: Send + Sync {
    /// Opens it at byte `from`.
    async fn open(&self, from: u64) -> Result<ByteStream>;
}

/// Bytes that are there.
pub struct InMemory(pub Bytes);

#[async_trait]
impl BlobSource for InMemory {
    async fn open(&self, from: u64) -> Result<ByteStream> {
        let rest = self.0.slice(usize::try_from(from).unwrap_or(usize::MAX).min(self.0.len())..);
        Ok(Box::pin(futures_util::stream::iter([Ok(rest)])))
    }
}

/// A place whose manifests and blobs can be read, and perhaps written: registry, layout, engine.
#[async_trait]
pub trait Content: Send + Sync {
    /// Its name for messages. The same in every call.
    fn place(&self) -> String;

    /// The manifest or index that `at` names. After: its bytes have the digest that `at` pins, if it pins one. Changes
    /// nothing. Errors: `NotFound` where there is none, `Integrity` where the bytes are others, `NotAllowed` where one
    /// may not read.
    async fn manifest(&self, cx: &Context, at: &ImageRef) -> Result<RawManifest>;

    /// A blob of the image `at`, from byte `from`; the caller checks the digest. Changes nothing. Errors: `NotFound`,
    /// also in the middle of the stream, and `Unavailable` for a broken connection: the caller may open it again where
    /// it broke off.
    async fn blob(&self, cx: &Context, at: &ImageRef, blob: &Descriptor, from: u64) -> Result<ByteStream>;

    /// What is attached to `digest` (referrers API, its fallback tag, and the older tag scheme), and which of these
    /// places could not be looked at: that one failed is no error. Changes nothing.
    async fn attached(&self, _cx: &Context, _at: &ImageRef, _digest: &Digest) -> Result<Attachments> {
        Ok(Attachments::default())
    }

    /// Whether a blob is there already, by its digest. Changes nothing. Errors: only where nobody can tell; "no" is
    /// none.
    async fn has_blob(&self, cx: &Context, at: &ImageRef, blob: &Descriptor) -> Result<bool>;

    /// Takes a blob over from another image of the same place without moving bytes; `false` where that cannot be, and
    /// then nothing has changed. Repeated, a blob that is there stays.
    async fn mount(&self, _cx: &Context, _at: &ImageRef, _from: &ImageRef, _blob: &Descriptor) -> Result<bool> {
        Ok(false)
    }

    /// Writes a blob. After: it is there whole, and its digest was compared; on an error nothing of it is visible.
    /// Repeated, one that is there is not written again. Errors: `Integrity` where the source gives other bytes,
    /// `NotAllowed` where one may not write.
    async fn put_blob(&self, cx: &Context, at: &ImageRef, blob: &Descriptor, source: &dyn BlobSource) -> Result<()>;

    /// Writes a manifest under `tag`, or by digest alone. Before: its blobs are there. After: the tag means it,
    /// whatever it meant before. Repeated, it changes nothing. Errors: `NotAllowed` where one may not write, `Failed`
    /// where the place misses a blob.
    async fn put_manifest(&self, cx: &Context, at: &ImageRef, tag: Option<&str>, manifest: &RawManifest) -> Result<()>;

    /// Deletes a manifest by its digest; `false` where the place lets none be deleted. Repeated, one that is gone is
    /// deleted already. Errors: `NotAllowed` where it is not the person's to delete.
    async fn forget(&self, _cx: &Context, _at: &ImageRef) -> Result<bool> {
        Ok(false)
    }

    /// Whether this person may write there, tried without leaving anything. Repeated, it tries anew. Errors:
    /// `NotAllowed` where they may not, `Unsupported` where that cannot be tried.
    async fn may_write(&self, _cx: &Context, at: &ImageRef) -> Result<()> {
        Err(cannot(&at.to_string(), "try to write"))
    }

    /// Called once after everything was put, for places that take an image as a whole. After: the image is there under
    /// its name. Repeated, it changes nothing. Errors: those of taking it; then nothing is there.
    async fn finish(&self, _cx: &Context, _at: &ImageRef) -> Result<()> {
        Ok(())
    }
}

/// What a copy did.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Outcome {
    /// Digest of the image at its destination.
    pub digest: Digest,
    /// Bytes that moved.
    pub moved: u64,
    /// Bytes that were there already or were mounted.
    pub spared: u64,
    /// Attached artifacts that came along.
    pub attachments: usize,
    /// Attached artifacts that could not come along, and why.
    pub left: Vec<String>,
}

impl Outcome {
    /// How much moved, in words.
    pub fn words(&self) -> String {
        format!("{} moved, {} were there or mounted", text::size(self.moved), text::size(self.spared))
    }
}
