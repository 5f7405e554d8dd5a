//! The port for reading and writing manifests and blobs by digest.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;

use super::unsupported::cannot;
use crate::{
    base::{
        bytes::ByteStream, checkpoint::Checkpoint, context::Context, digest::Digest, error::Result,
        pulls_left::PullsLeft, text,
    },
    evidence::attachments::Attachments,
    image::{
        lineage::DiskNeeds,
        manifest::{Descriptor, RawManifest},
        model::Platform,
        reference::ImageRef,
    },
};

/// Where a blob can be read from, and resumed in the middle after a broken connection.
#[async_trait]
pub trait BlobSource: Send + Sync {
    /// Opens it at byte offset `from`.
    async fn open(&self, from: u64) -> Result<ByteStream>;
}

/// A blob that is in memory.
pub struct InMemory(pub Bytes);

#[async_trait]
impl BlobSource for InMemory {
    async fn open(&self, from: u64) -> Result<ByteStream> {
        let rest = self.0.slice(usize::try_from(from).unwrap_or(usize::MAX).min(self.0.len())..);
        Ok(Box::pin(futures_util::stream::iter([Ok(rest)])))
    }
}

/// A place whose manifests and blobs can be read, and perhaps written: a registry, a layout, an engine.
#[async_trait]
pub trait Content: Send + Sync {
    /// The place's name for messages. The same in every call.
    fn place(&self) -> String;

    /// The manifest or index that `at` names. After: its bytes have the digest that `at` pins, if it pins one. Changes
    /// nothing. Errors: `NotFound` where there is none, `Integrity` where the bytes differ, `NotAllowed` where the
    /// person may not read it.
    async fn manifest(&self, cx: &Context, at: &ImageRef) -> Result<RawManifest>;

    /// The digest of the manifest or index that `at` names, with as little as the place can tell it with. Changes nothing.
    /// Errors as for [`manifest`](Self::manifest).
    async fn digest(&self, cx: &Context, at: &ImageRef) -> Result<Digest> {
        Ok(self.manifest(cx, at).await?.digest)
    }

    /// How many pulls the place that `at` is read from has said are left, if it has said so lately. Contacts nobody.
    fn pulls_left(&self, _at: &ImageRef) -> Option<PullsLeft> {
        None
    }

    /// The manifest of an artifact whose layer is the disk file `at` itself, as ORAS has it; its blobs are read as usual.
    /// Changes nothing. Errors: `Unsupported` where `at` is no disk file.
    async fn manifest_as_file(&self, _cx: &Context, at: &ImageRef) -> Result<RawManifest> {
        Err(cannot(&at.to_string(), "make an artifact of"))
    }

    /// Notes beside a disk that was written what it needs and where it is from, if the place can. It counts as long as the
    /// disk's bytes stay as they are. Repeated, the last note stays. Never fails: it is a note.
    async fn note_origin(&self, _cx: &Context, _at: &ImageRef, _needs: &DiskNeeds) {}

    /// A blob of the image `at`, from byte `from` on; the caller checks the digest. Changes nothing. Errors:
    /// `NotFound`, also in the middle of the stream, and `Unavailable` for a broken connection: the caller may resume
    /// there.
    async fn blob(&self, cx: &Context, at: &ImageRef, blob: &Descriptor, from: u64) -> Result<ByteStream>;

    /// The first `most` bytes of a blob, or all of it; nothing compares their digest. Changes nothing. Errors as for
    /// [`blob`](Self::blob). Places that can send a part are asked for that part only.
    async fn blob_head(&self, cx: &Context, at: &ImageRef, blob: &Descriptor, most: u64) -> Result<ByteStream> {
        let _ = most;
        self.blob(cx, at, blob, 0).await
    }

    /// What is attached to `digest` (referrers API, its fallback tag, and the older tag scheme), and which of these
    /// places could not be read: that is not an error. Changes nothing.
    async fn attached(&self, _cx: &Context, _at: &ImageRef, _digest: &Digest) -> Result<Attachments> {
        Ok(Attachments::default())
    }

    /// Whether a blob is there already, by its digest. Changes nothing. Errors: only where that cannot be found out; a
    /// missing blob is `false`.
    async fn has_blob(&self, cx: &Context, at: &ImageRef, blob: &Descriptor) -> Result<bool>;

    /// Mounts a blob from another image of the same place without moving bytes; `false` where that is not possible:
    /// then nothing has changed. Repeated, a blob that is there stays.
    async fn mount(&self, _cx: &Context, _at: &ImageRef, _from: &ImageRef, _blob: &Descriptor) -> Result<bool> {
        Ok(false)
    }

    /// Writes a blob. After: it is there whole, and its digest was compared; after an error nothing of it is visible.
    /// Repeated, a blob that is there is not written again. Errors: `Integrity` where the source gives other bytes,
    /// `NotAllowed` where the person may not write.
    async fn put_blob(&self, cx: &Context, at: &ImageRef, blob: &Descriptor, source: &dyn BlobSource) -> Result<()>;

    /// Removes what is left of a part that was begun and shall not be taken up. Where nothing is left, it does nothing.
    /// Errors: something may be left; the place removes it some day.
    async fn give_up(&self, _cx: &Context, _at: &ImageRef, _reached: &Checkpoint) -> Result<()> {
        Ok(())
    }

    /// Writes a manifest under `tag`, or by digest alone. Before: its blobs are there. After: the tag points to it,
    /// whatever it pointed to before. Repeated, it changes nothing. Errors: `NotAllowed` where the person may not
    /// write, `Failed` where the place misses a blob.
    async fn put_manifest(&self, cx: &Context, at: &ImageRef, tag: Option<&str>, manifest: &RawManifest) -> Result<()>;

    /// Whether an image that is written there by digest alone is not seen under a name, and gets its tag with a later
    /// call. Changes nothing. Places that show an image only after [`finish`](Self::finish) need not.
    fn puts_by_digest(&self, _at: &ImageRef) -> bool {
        false
    }

    /// Deletes a manifest by its digest; `false` where the place cannot delete. Repeated, a manifest that is gone
    /// counts as deleted. Errors: `NotAllowed` where the person may not delete it.
    async fn forget(&self, _cx: &Context, _at: &ImageRef) -> Result<bool> {
        Ok(false)
    }

    /// Whether this person may write there, tried without leaving anything. Repeated, it tries again. Errors:
    /// `NotAllowed` where they may not, `Unsupported` where that cannot be tried.
    async fn may_write(&self, _cx: &Context, at: &ImageRef) -> Result<()> {
        Err(cannot(&at.to_string(), "try to write"))
    }

    /// Called once after everything was written, for places that take an image as a whole. After: the image is there
    /// under its name. Repeated, it changes nothing. Errors: those of taking it; then nothing of it is there.
    async fn finish(&self, _cx: &Context, _at: &ImageRef) -> Result<()> {
        Ok(())
    }
}

/// What is copied, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// The platforms to copy; `None` copies the whole index, which keeps its digest.
    pub platforms: Option<Vec<Platform>>,
    /// Whether signatures, bills of materials and other attachments are copied too.
    pub attachments: bool,
    /// The number of blobs that are copied at the same time.
    pub parallel: usize,
    /// The person's reason for proceeding without an approval, where the policy permits that.
    pub because: Option<String>,
    /// Whether a disk file becomes an artifact with the file itself as its layer (ORAS), and not a containerDisk.
    pub as_file: bool,
    /// Annotations that the copy of a single image gets besides its own: it is another image then, with another digest.
    pub annotations: BTreeMap<String, String>,
    /// Annotations of the index that is written for chosen platforms. With any, one platform gets an index, too, and its
    /// manifest keeps its digest within it.
    pub index_annotations: BTreeMap<String, String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            platforms: None,
            attachments: true,
            parallel: 4,
            because: None,
            as_file: false,
            annotations: BTreeMap::new(),
            index_annotations: BTreeMap::new(),
        }
    }
}

/// The result of a copy.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Outcome {
    /// The digest of the image at its destination.
    pub digest: Digest,
    /// Bytes that were transferred.
    pub moved: u64,
    /// Bytes that were not transferred because they were there or could be mounted.
    pub spared: u64,
    /// How many attached artifacts were copied too.
    pub attachments: usize,
    /// Attached artifacts that could not be copied, and why.
    pub left: Vec<String>,
}

impl Outcome {
    /// What was transferred, in words.
    pub fn describe(&self) -> String {
        format!("{} moved, {} were there or mounted", text::size(self.moved), text::size(self.spared))
    }
}
