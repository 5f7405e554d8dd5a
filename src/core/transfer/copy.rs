//! Copying an image between two places: by digest, blobs first and the manifest last, moving only bytes that are
//! missing.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::fetch;
use crate::ports::content::Outcome;
use crate::{
    base::{
        context::{Context, Progress},
        digest::{Digest, Hasher},
        error::{Error, Kind, Result},
        text,
    },
    image::{
        manifest::{Descriptor, Manifest, RawManifest, choose},
        model::Platform,
        reference::ImageRef,
    },
    ports::{BlobSource, ByteStream, Content},
};

/// Most attachments of a manifest that are copied.
const ATTACHMENTS: usize = 512;
/// Most bytes of all manifests of an image together, which are held in memory.
const MANIFESTS: u64 = 64 << 20;

/// One end of a copy.
#[derive(Clone)]
pub struct CopyEnd {
    /// Reads and writes at this place.
    pub content: Arc<dyn Content>,
    /// The image's reference there.
    pub at: ImageRef,
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
}

impl Default for Options {
    fn default() -> Self {
        Self { platforms: None, attachments: true, parallel: 4, because: None }
    }
}

/// The manifests in the order of writing, and the blobs that they need.
struct Tree {
    manifests: Vec<RawManifest>,
    blobs: BTreeMap<Digest, Descriptor>,
}

/// Copies `from` to `to`. It can be repeated: what is there already is not copied again.
pub async fn copy(cx: &Context, from: &CopyEnd, to: &CopyEnd, options: &Options) -> Result<Outcome> {
    let what = format!("copy {} to {}", from.at, to.at);
    cx.progress.phase("reading manifests");
    let top = from.content.manifest(cx, &from.at).await?;
    let top = select(cx, from, top, options.platforms.as_deref(), &what).await?;
    let tree = collect(cx, from, top.clone(), &what).await?;
    let total = tree.blobs.values().map(|blob| blob.size).fold(0, u64::saturating_add);
    cx.budget.expects(&what, total)?;
    cx.progress.total(total);
    cx.progress.phase("copying layers");
    let mut tally = put_blobs(cx, from, to, &tree, options.parallel).await?;
    let subjects: Vec<Digest> = tree.manifests.iter().map(|manifest| manifest.digest.clone()).collect();
    put_manifests(cx, to, tree, to.at.tag()).await?;
    let mut attachments = 0;
    let mut left = Vec::new();
    if options.attachments {
        cx.progress.phase("copying signatures and attachments");
        for subject in subjects {
            let all = from.content.attached(cx, &from.at, &subject).await?;
            let unread = |error: &Error| format!("attachments could not be read: {}: {}", error.what, error.why);
            left.extend(all.unseen.iter().map(unread));
            if all.found.len() > ATTACHMENTS {
                left.push(format!("{} of {} attachments: too many", all.found.len() - ATTACHMENTS, all.found.len()));
            }
            for one in all.found.iter().take(ATTACHMENTS) {
                match copy_attached(cx, from, to, &one.at, one.tag.as_deref(), options.parallel).await {
                    Ok(moved) => {
                        attachments += 1;
                        tally = (tally.0 + moved.0, tally.1 + moved.1);
                    }
                    Err(error) if error.kind == Kind::Cancelled => return Err(error),
                    Err(error) => left.push(format!("{}: {}", one.at, error.why)),
                }
            }
        }
    }
    cx.progress.phase("finishing");
    to.content.finish(cx, &to.at).await?;
    Ok(Outcome { digest: top.digest, moved: tally.0, spared: tally.1, attachments, left })
}

async fn copy_attached(
    cx: &Context,
    from: &CopyEnd,
    to: &CopyEnd,
    at: &ImageRef,
    tag: Option<&str>,
    parallel: usize,
) -> Result<(u64, u64)> {
    let what = format!("copy attachment {at}");
    let manifest = from.content.manifest(cx, at).await?;
    let tree = collect(cx, from, manifest, &what).await?;
    let moved = put_blobs(cx, from, to, &tree, parallel).await?;
    put_manifests(cx, to, tree, tag).await?;
    Ok(moved)
}

/// Reduces an index to the chosen platforms: for one it is that manifest, for several a smaller index.
async fn select(
    cx: &Context,
    from: &CopyEnd,
    top: RawManifest,
    platforms: Option<&[Platform]>,
    what: &str,
) -> Result<RawManifest> {
    let (Some(platforms), Manifest::Index { .. }) = (platforms, top.parsed()) else { return Ok(top) };
    let entries = fetch::listed(cx, &*from.content, &from.at, &top).await?.entries;
    let chosen: Vec<&Descriptor> =
        platforms.iter().map(|wanted| choose(&entries, wanted, what)).collect::<Result<_>>()?;
    if let [only] = chosen.as_slice() {
        return fetch::manifest(cx, &*from.content, &from.at, only).await;
    }
    let keep: BTreeSet<&str> = chosen.iter().map(|entry| entry.digest.as_str()).collect();
    let mut document: serde_json::Value =
        serde_json::from_slice(&top.bytes).map_err(|error| Error::failed(what, error))?;
    let Some(entries) = document.get_mut("manifests").and_then(serde_json::Value::as_array_mut) else {
        return Err(Error::failed(what, "it is an index without a list"));
    };
    let digest_of = |entry: &serde_json::Value| {
        entry.get("digest").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
    };
    entries.retain(|entry| keep.contains(digest_of(entry).as_str()));
    if entries.iter().map(digest_of).collect::<BTreeSet<_>>().len() < keep.len() {
        return Err(Error::unsupported(what, "some of these platforms are in an index of their own within it")
            .hint("copy one platform at a time, or all of it"));
    }
    let bytes = serde_json::to_vec(&document).map_err(|error| Error::failed(what, error))?;
    RawManifest::new(Some(&top.media_type), bytes.into(), what)
}

/// Reads all manifests below `top`, inner ones first.
async fn collect(cx: &Context, from: &CopyEnd, top: RawManifest, what: &str) -> Result<Tree> {
    let mut tree = Tree { manifests: Vec::new(), blobs: BTreeMap::new() };
    let listed = fetch::listed(cx, &*from.content, &from.at, &top).await?;
    let size = listed.entries.iter().map(|child| child.size).fold(0, u64::saturating_add);
    if size > MANIFESTS {
        let why = format!("its manifests have {}, more than Wharf accepts", text::size(size));
        return Err(Error::new(Kind::Integrity, what, why).hint("tell the publisher of the image"));
    }
    // Collected first, because a stream over a closure with borrows cannot be spawned.
    let reads: Vec<_> = listed.entries.into_iter().map(|child| read_child(cx, from, child)).collect();
    tree.manifests = stream::iter(reads).buffered(4).try_collect().await?;
    tree.manifests.extend(listed.indexes);
    tree.manifests.push(top);
    for manifest in &tree.manifests {
        let Manifest::Image { config, layers, .. } = manifest.parsed() else { continue };
        // Foreign layers (Windows base layers) are kept at another address by design, and are not copied.
        let foreign =
            |blob: &Descriptor| blob.media_type.contains("foreign") || blob.media_type.contains("nondistributable");
        for blob in layers.iter().filter(|layer| !foreign(layer)).chain([config]) {
            // A digest means one blob: of two sizes, one is wrong.
            let known = tree.blobs.entry(blob.digest.clone()).or_insert_with(|| blob.clone());
            if known.size != blob.size {
                let why = format!("{} is said to have {} and {} bytes", blob.digest.short(), known.size, blob.size);
                return Err(Error::new(Kind::Integrity, what, why).hint("tell the publisher of the image"));
            }
        }
    }
    Ok(tree)
}

async fn read_child(cx: &Context, from: &CopyEnd, child: Descriptor) -> Result<RawManifest> {
    fetch::manifest(cx, &*from.content, &from.at, &child).await
}

async fn put_blobs(cx: &Context, from: &CopyEnd, to: &CopyEnd, tree: &Tree, parallel: usize) -> Result<(u64, u64)> {
    let moves: Vec<_> = tree.blobs.values().map(|blob| put_blob(cx, from, to, blob)).collect();
    let moves = stream::iter(moves).buffer_unordered(parallel.max(1));
    moves
        .try_fold((0, 0), |(moved, spared), (more_moved, more_spared)| async move {
            Ok((moved + more_moved, spared + more_spared))
        })
        .await
}

async fn put_blob(cx: &Context, from: &CopyEnd, to: &CopyEnd, blob: &Descriptor) -> Result<(u64, u64)> {
    let what = format!("copy {} to {}", blob.digest.short(), to.content.place());
    cx.unless_cancelled(&what, async {
        if to.content.mount(cx, &to.at, &from.at, blob).await? || to.content.has_blob(cx, &to.at, blob).await? {
            cx.progress.add_saved_bytes(blob.size);
            return Ok((0, blob.size));
        }
        let source = VerifiedBlob::new(cx, from, blob);
        to.content.put_blob(cx, &to.at, blob, &source).await?;
        Ok((blob.size, 0))
    })
    .await
}

async fn put_manifests(cx: &Context, to: &CopyEnd, tree: Tree, tag: Option<&str>) -> Result<()> {
    let last = tree.manifests.len().saturating_sub(1);
    for (index, manifest) in tree.manifests.iter().enumerate() {
        let tag = if index == last { tag } else { None };
        cx.unless_cancelled("write the manifest", to.content.put_manifest(cx, &to.at, tag, manifest)).await?;
    }
    Ok(())
}

/// A blob that is hashed and counted while it is read; at its end it fails if the digest is wrong.
///
/// It can be opened again at an earlier byte; bytes that were hashed already are not hashed again.
pub struct VerifiedBlob {
    cx: Context,
    from: CopyEnd,
    blob: Descriptor,
    seen: Arc<Mutex<Seen>>,
}

struct Seen {
    hasher: Hasher,
    hashed: u64,
    counted: u64,
}

impl VerifiedBlob {
    /// The blob `blob` in the place `from`.
    pub fn new(cx: &Context, from: &CopyEnd, blob: &Descriptor) -> Self {
        let seen = Seen { hasher: blob.digest.hasher(), hashed: 0, counted: 0 };
        Self { cx: cx.clone(), from: from.clone(), blob: blob.clone(), seen: Arc::new(Mutex::new(seen)) }
    }
}

#[async_trait]
impl BlobSource for VerifiedBlob {
    async fn open(&self, from: u64) -> Result<ByteStream> {
        // A hash cannot begin in the middle: reading begins where hashing stopped, and bytes that the caller has are
        // dropped.
        let hashed = self.seen.lock().unwrap_or_else(PoisonError::into_inner).hashed;
        let start = from.min(hashed);
        let inner = self.from.content.blob(&self.cx, &self.from.at, &self.blob, start).await?;
        let check = Check {
            seen: self.seen.clone(),
            blob: self.blob.clone(),
            at: self.from.at.clone(),
            progress: self.cx.progress.clone(),
            position: start,
            wanted: from,
        };
        let stream = stream::try_unfold((inner, check), |(mut inner, mut check)| async move {
            loop {
                match inner.try_next().await? {
                    Some(chunk) => {
                        if let Some(chunk) = check.pass(&chunk)? {
                            return Ok(Some((chunk, (inner, check))));
                        }
                    }
                    None => return check.end().map(|()| None),
                }
            }
        });
        Ok(Box::pin(stream))
    }
}

struct Check {
    seen: Arc<Mutex<Seen>>,
    blob: Descriptor,
    at: ImageRef,
    progress: Progress,
    position: u64,
    wanted: u64,
}

impl Check {
    /// Hashes the new bytes of a chunk and returns those that the caller wants.
    fn pass(&mut self, chunk: &Bytes) -> Result<Option<Bytes>> {
        let begin = self.position;
        self.position += chunk.len() as u64;
        if self.position > self.blob.size {
            return Err(self.wrong("more bytes came than the manifest says"));
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if self.position > seen.hashed {
            let known = seen.hashed.saturating_sub(begin) as usize;
            seen.hasher.update(&chunk[known.min(chunk.len())..]);
            seen.hashed = self.position;
        }
        if self.position > seen.counted {
            self.progress.add(self.position - seen.counted.max(begin));
            seen.counted = self.position;
        }
        let skip = self.wanted.saturating_sub(begin).min(chunk.len() as u64) as usize;
        Ok((skip < chunk.len()).then(|| chunk.slice(skip..)))
    }

    fn end(&self) -> Result<()> {
        if self.position < self.blob.size {
            // The digest is not wrong, but the connection broke: the caller may open the blob again here.
            return Err(Error::new(
                Kind::Unavailable,
                self.task(),
                format!("the answer ended after {} of {} bytes", self.position, self.blob.size),
            ));
        }
        let hasher = self.seen.lock().unwrap_or_else(PoisonError::into_inner).hasher.clone();
        self.blob.digest.matches(&hasher.finish(), &self.task())
    }

    fn wrong(&self, why: &str) -> Error {
        Error::new(Kind::Integrity, self.task(), why).hint("do not use it; tell the administrators of the source")
    }

    fn task(&self) -> String {
        format!("read blob {} of {}", self.blob.digest.short(), self.at)
    }
}
