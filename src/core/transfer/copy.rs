//! Copying an image between two places: by digest, blobs first and the manifest last, moving only bytes that are
//! missing.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

pub use super::blob::{CopyEnd, VerifiedBlob};
use super::{
    annotated::{annotate, annotated},
    attached::Attached,
    fan::Fan,
    fetch,
};
pub use crate::ports::content::Options;
use crate::ports::content::Outcome;
use crate::{
    base::{
        context::{Context, Note},
        digest::Digest,
        error::{Error, Kind, Result},
        text,
    },
    image::{
        manifest::{Descriptor, Manifest, RawManifest, choose},
        reference::ImageRef,
    },
    ports::{BlobSource, InMemory},
};

/// Most bytes of all manifests of an image together, which are held in memory.
const MANIFESTS: u64 = 64 << 20;

/// How long a blob under way has, when it is cancelled, to get to where it can be taken up again.
const GRACE: Duration = Duration::from_secs(2);

/// The manifests in the order of writing, and the blobs that they need.
struct Tree {
    manifests: Vec<RawManifest>,
    blobs: BTreeMap<Digest, Descriptor>,
    /// A blob that the place does not have, because it was made for the copy.
    made: Option<(Digest, Bytes)>,
}

/// A destination among several, with the context of its own copy: its progress, checkpoints and cancellation.
pub struct Destination {
    /// The context of the copy to this destination.
    pub cx: Context,
    /// The destination.
    pub to: CopyEnd,
    /// Told of the result as soon as it is known, also while others are copied to.
    pub told: Option<Told>,
}

/// Is told of the result of a copy.
pub type Told = Box<dyn Fn(&Result<Outcome>) + Send + Sync>;

impl Destination {
    fn tell(&self, result: &Result<Outcome>) {
        if let Some(told) = &self.told {
            told(result);
        }
    }
}

/// Copies `from` to `to`. It can be repeated: what is there already is not copied again.
pub async fn copy(cx: &Context, from: &CopyEnd, to: &CopyEnd, options: &Options) -> Result<Outcome> {
    let only = [Destination { cx: cx.clone(), to: to.clone(), told: None }];
    let mut copied = copy_to_all(cx, from, &only, options).await;
    copied.pop().unwrap_or_else(|| Err(Error::failed(format!("copy {}", from.at), "it has no destination")))
}

/// Copies `from` to all destinations; each byte is read once. Each destination has its own result, in their order.
pub async fn copy_to_all(
    cx: &Context,
    from: &CopyEnd,
    destinations: &[Destination],
    options: &Options,
) -> Vec<Result<Outcome>> {
    for one in destinations {
        one.cx.progress.phase("reading manifests");
    }
    let begun: Vec<Note> = destinations.iter().map(|one| one.cx.progress.note()).collect();
    let (top, tree) = match read_tree(cx, from, options).await {
        Ok(read) => read,
        Err(error) => {
            let failed = |one: &Destination| {
                one.tell(&Err(error.clone()));
                Err(error.clone())
            };
            return destinations.iter().map(failed).collect();
        }
    };
    let states: Vec<State> = destinations.iter().map(|_| State::default()).collect();
    let total = tree.blobs.values().map(|blob| blob.size).fold(0, u64::saturating_add);
    for one in destinations {
        one.cx.progress.total(total);
        one.cx.progress.parts(tree.blobs.len());
        one.cx.progress.phase("copying layers");
    }
    put_blobs(cx, from, destinations, &states, (&tree, options.parallel)).await;
    let ends = destinations.iter().zip(states).zip(begun).map(|((one, state), begun)| {
        let state = state.into_result();
        end(from, one, &tree, (&top, state, begun), options)
    });
    // Collected first, because a stream over a closure with borrows cannot be spawned.
    let ends: Vec<_> = ends.collect();
    stream::iter(ends).buffered(options.parallel.max(1)).collect().await
}

/// The manifest of what is copied, and all that it needs.
async fn read_tree(cx: &Context, from: &CopyEnd, options: &Options) -> Result<(RawManifest, Tree)> {
    let what = format!("copy {}", from.at);
    let top = if options.as_file {
        from.content.manifest_as_file(cx, &from.at).await?
    } else {
        from.content.manifest(cx, &from.at).await?
    };
    let top = select(cx, from, top, options, &what).await?;
    let (top, made) = annotated(cx, from, top, &options.annotations, &what).await?;
    let tree = Tree { made, ..collect(cx, from, top.clone(), &what).await? };
    cx.budget.expects(&what, tree.blobs.values().map(|blob| blob.size).fold(0, u64::saturating_add))?;
    Ok((top, tree))
}

/// The entry of an index for an image.
fn as_entry(image: &Descriptor) -> serde_json::Value {
    let mut entry = serde_json::json!({"mediaType": image.media_type, "digest": image.digest, "size": image.size});
    if let Some(platform) = &image.platform {
        entry["platform"] = serde_json::json!({"architecture": platform.architecture, "os": platform.os});
        if let Some(variant) = &platform.variant {
            entry["platform"]["variant"] = variant.clone().into();
        }
    }
    entry
}

/// Whether the copy to a destination goes on, or why not; and how many of its blobs are under way.
struct State(Mutex<(Result<()>, usize)>);

impl Default for State {
    fn default() -> Self {
        Self(Mutex::new((Ok(()), 0)))
    }
}

impl State {
    /// Begins another blob, unless the copy has failed.
    fn begins(&self) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.1 += usize::from(state.0.is_ok());
        state.0.is_ok()
    }

    /// A blob has ended. Gives why the copy has failed when this was the last one under way: until then, others hold
    /// files and uploads that whoever is told may want to remove.
    fn ended(&self, done: Result<()>) -> Option<Error> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.1 = state.1.saturating_sub(1);
        if state.0.is_ok() {
            state.0 = done;
        }
        let ended = state.1 == 0;
        state.0.as_ref().err().filter(|_| ended).cloned()
    }

    fn into_result(self) -> Result<()> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Writes the manifests of an image whose blobs are there, what is attached to it, and its tag.
async fn end(
    from: &CopyEnd,
    one: &Destination,
    tree: &Tree,
    known: (&RawManifest, Result<()>, Note),
    options: &Options,
) -> Result<Outcome> {
    let result = ended(from, one, tree, known, options).await;
    one.tell(&result);
    result
}

async fn ended(
    from: &CopyEnd,
    Destination { cx, to, .. }: &Destination,
    tree: &Tree,
    (top, state, begun): (&RawManifest, Result<()>, Note),
    options: &Options,
) -> Result<Outcome> {
    state?;
    let attached =
        if options.attachments { Attached::to(cx, from, &tree.manifests).await? } else { Attached::default() };
    // Whoever demands signatures sees an image under its tag only when they are there too.
    let late = to.at.tag().filter(|_| !attached.is_empty() && to.content.puts_by_digest(&to.at));
    put_manifests(cx, to, tree, if late.is_some() { None } else { to.at.tag() }).await?;
    let (attachments, left) = put_attached(cx, (from, to), attached, options.parallel).await?;
    if late.is_some() {
        cx.unless_cancelled("write the tag", to.content.put_manifest(cx, &to.at, late, top)).await?;
    }
    cx.progress.phase("finishing");
    to.content.finish(cx, &to.at).await?;
    let now = cx.progress.note();
    let spared = now.spared.saturating_sub(begun.spared);
    let moved = now.done.saturating_sub(begun.done).saturating_sub(spared) + now.again.saturating_sub(begun.again);
    Ok(Outcome { digest: top.digest.clone(), moved, spared, attachments, left })
}

/// Copies what is attached, one after the other; gives how many that were, and what was left behind.
async fn put_attached(
    cx: &Context,
    (from, to): (&CopyEnd, &CopyEnd),
    mut attached: Attached,
    parallel: usize,
) -> Result<(usize, Vec<String>)> {
    let mut copied = 0;
    if !attached.is_empty() {
        cx.progress.phase("copying signatures and attachments");
    }
    while let Some((one, depth)) = attached.next() {
        match copy_attached(cx, from, to, &one.at, one.tag.as_deref(), parallel).await {
            Ok(digest) => {
                copied += 1;
                attached.below(cx, from, &digest, depth).await?;
            }
            Err(error) => attached.leave(&one, error)?,
        }
    }
    Ok((copied, attached.left()))
}

async fn copy_attached(
    cx: &Context,
    from: &CopyEnd,
    to: &CopyEnd,
    at: &ImageRef,
    tag: Option<&str>,
    parallel: usize,
) -> Result<Digest> {
    let what = format!("copy attachment {at}");
    let manifest = from.content.manifest(cx, at).await?;
    let digest = manifest.digest.clone();
    let tree = collect(cx, from, manifest, &what).await?;
    let only = [Destination { cx: cx.clone(), to: to.clone(), told: None }];
    let state = [State::default()];
    put_blobs(cx, from, &only, &state, (&tree, parallel)).await;
    let [state] = state;
    state.into_result()?;
    put_manifests(cx, to, &tree, tag).await?;
    Ok(digest)
}

/// Reduces an index to the chosen platforms: for one it is that manifest, for several or with annotations a smaller
/// index.
async fn select(cx: &Context, from: &CopyEnd, top: RawManifest, options: &Options, what: &str) -> Result<RawManifest> {
    let (Some(platforms), Manifest::Index { .. }) = (&options.platforms, top.parsed()) else { return Ok(top) };
    let entries = fetch::listed(cx, &*from.content, &from.at, &top).await?.entries;
    let chosen: Vec<&Descriptor> =
        platforms.iter().map(|wanted| choose(&entries, wanted, what)).collect::<Result<_>>()?;
    match chosen.as_slice() {
        [only] if options.index_annotations.is_empty() => fetch::manifest(cx, &*from.content, &from.at, only).await,
        chosen => narrowed(&top, chosen, &options.index_annotations, what),
    }
}

/// An index with these entries alone, and with more annotations.
fn narrowed(
    top: &RawManifest,
    chosen: &[&Descriptor],
    annotations: &BTreeMap<String, String>,
    what: &str,
) -> Result<RawManifest> {
    let failed = |error| Error::failed(what, error);
    let mut document: serde_json::Value = serde_json::from_slice(&top.bytes).map_err(failed)?;
    let Some(entries) = document.get_mut("manifests").and_then(serde_json::Value::as_array_mut) else {
        return Err(Error::failed(what, "it is an index without a list"));
    };
    let keep: BTreeSet<&str> = chosen.iter().map(|entry| entry.digest.as_str()).collect();
    let digest_of = |entry: &serde_json::Value| {
        entry.get("digest").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
    };
    entries.retain(|entry| keep.contains(digest_of(entry).as_str()));
    // Those of an index within the index are listed by this one itself.
    let listed: BTreeSet<String> = entries.iter().map(digest_of).collect();
    entries.extend(chosen.iter().filter(|entry| !listed.contains(entry.digest.as_str())).map(|entry| as_entry(entry)));
    annotate(&mut document, annotations);
    RawManifest::new(Some(&top.media_type), serde_json::to_vec(&document).map_err(failed)?.into(), what)
}

/// Reads all manifests below `top`, inner ones first.
async fn collect(cx: &Context, from: &CopyEnd, top: RawManifest, what: &str) -> Result<Tree> {
    let mut tree = Tree { manifests: Vec::new(), blobs: BTreeMap::new(), made: None };
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
        for blob in layers.iter().filter(|layer| !layer.is_foreign()).chain([config]) {
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

/// Puts all blobs where they are missing. A destination that fails gets no further ones.
async fn put_blobs(
    cx: &Context,
    from: &CopyEnd,
    destinations: &[Destination],
    states: &[State],
    (tree, parallel): (&Tree, usize),
) {
    let made = |blob: &Descriptor| {
        tree.made.as_ref().filter(|(digest, _)| *digest == blob.digest).map(|(_, bytes)| bytes.clone())
    };
    let put = |blob| put_blob_to_all(cx, from, destinations, states, (blob, made(blob)));
    let moves: Vec<_> = tree.blobs.values().map(put).collect();
    stream::iter(moves).buffer_unordered(parallel.max(1)).collect::<()>().await;
}

async fn put_blob_to_all(
    cx: &Context,
    from: &CopyEnd,
    destinations: &[Destination],
    states: &[State],
    (blob, made): (&Descriptor, Option<Bytes>),
) {
    let ended = |one: &Destination, state: &State, done: Result<()>| {
        if let Some(error) = state.ended(done) {
            one.tell(&Err(error));
        }
    };
    let going: Vec<_> = destinations.iter().zip(states).filter(|(_, state)| state.begins()).collect();
    let looks: Vec<_> = going.iter().map(|(one, _)| is_there(from, one, blob)).collect();
    let there: Vec<Result<bool>> = stream::iter(looks).buffered(8).collect().await;
    let mut missing = Vec::new();
    for ((one, state), there) in going.into_iter().zip(there) {
        match there {
            Ok(false) => missing.push((one, state)),
            there => ended(one, state, there.map(|_| ())),
        }
    }
    let fan = (missing.len() > 1 && made.is_none()).then(|| Fan::new(cx, from, blob, missing.len()));
    let source = |one: &Destination| -> Box<dyn BlobSource> {
        match (&made, &fan) {
            (Some(bytes), _) => {
                one.cx.progress.add(blob.size);
                Box::new(InMemory(bytes.clone()))
            }
            (None, Some(fan)) => Box::new(fan.source(&one.cx)),
            (None, None) => Box::new(VerifiedBlob::new(&one.cx, from, blob)),
        }
    };
    let puts = missing.iter().map(|(one, state)| {
        let putting = put_blob(one, blob, source(one));
        async move { ended(one, state, putting.await) }
    });
    // Collected first, because a stream over a closure with borrows cannot be spawned.
    let puts: Vec<_> = puts.collect();
    futures_util::future::join_all(puts).await;
}

/// Whether a blob is at a destination, or could be mounted there.
async fn is_there(from: &CopyEnd, Destination { cx, to, .. }: &Destination, blob: &Descriptor) -> Result<bool> {
    let what = format!("look for {} in {}", blob.digest.short(), to.content.place());
    cx.unless_cancelled(&what, async {
        let there =
            to.content.mount(cx, &to.at, &from.at, blob).await? || to.content.has_blob(cx, &to.at, blob).await?;
        if there {
            cx.progress.add_saved_bytes(blob.size);
            cx.progress.part_ended(blob.digest.short(), true);
        }
        Ok(there)
    })
    .await
}

async fn put_blob(
    Destination { cx, to, .. }: &Destination,
    blob: &Descriptor,
    source: Box<dyn BlobSource>,
) -> Result<()> {
    let what = format!("copy {} to {}", blob.digest.short(), to.content.place());
    let put = cx.unless_cancelled_for(&what, GRACE, to.content.put_blob(cx, &to.at, blob, &*source)).await;
    cx.progress.part_ended(blob.digest.short(), put.is_ok());
    put
}

async fn put_manifests(cx: &Context, to: &CopyEnd, tree: &Tree, tag: Option<&str>) -> Result<()> {
    let last = tree.manifests.len().saturating_sub(1);
    for (index, manifest) in tree.manifests.iter().enumerate() {
        let tag = if index == last { tag } else { None };
        cx.unless_cancelled("write the manifest", to.content.put_manifest(cx, &to.at, tag, manifest)).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::manifest::{OCI_INDEX, OCI_MANIFEST};

    #[test]
    fn a_narrowed_index_lists_the_chosen_platforms_and_says_what_it_was_made_of() {
        let digests = ["a", "b", "c"].map(|text| Digest::of(text.as_bytes()));
        let entries: Vec<_> = digests
            .iter()
            .zip(["amd64", "arm64", "ppc64le"])
            .map(|(digest, architecture)| {
                serde_json::json!({"mediaType": OCI_MANIFEST, "digest": digest, "size": 1,
                    "platform": {"os": "linux", "architecture": architecture}})
            })
            .collect();
        let index = serde_json::json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries,
            "annotations": {"org.opencontainers.image.version": "12"}});
        let top = RawManifest::new(None, index.to_string().into(), "read").unwrap();
        let Manifest::Index { manifests, .. } = top.parsed() else { panic!("{top:?}") };
        let more = BTreeMap::from([("org.example.of".to_owned(), "x".to_owned())]);
        let made = narrowed(&top, &[&manifests[1]], &more, "narrow").unwrap();
        let Manifest::Index { manifests, annotations, .. } = made.parsed() else { panic!("{made:?}") };
        assert_eq!(manifests.iter().map(|entry| &entry.digest).collect::<Vec<_>>(), [&digests[1]]);
        assert_eq!(annotations["org.opencontainers.image.version"], "12");
        assert_eq!(annotations["org.example.of"], "x");
        // What an index within the index lists is listed by the new one itself.
        let platform = Some("linux/arm/v7".parse().unwrap());
        let inner = Descriptor { platform, ..Descriptor::blob(OCI_MANIFEST, Digest::of(b"inner"), 1) };
        let made = narrowed(&top, &[&inner], &more, "narrow").unwrap();
        let Manifest::Index { manifests, .. } = made.parsed() else { panic!("{made:?}") };
        assert_eq!(manifests, &[inner]);
    }

    #[test]
    fn a_destination_hears_of_a_failure_when_its_last_blob_has_ended() {
        let state = State::default();
        assert!(state.begins() && state.begins() && state.begins());
        assert!(state.ended(Ok(())).is_none());
        assert!(state.ended(Err(Error::cancelled("copy"))).is_none(), "another one is under way");
        assert!(!state.begins(), "no further one begins");
        assert_eq!(state.ended(Ok(())).map(|error| error.kind), Some(Kind::Cancelled));
        assert!(state.into_result().is_err());
    }
}
