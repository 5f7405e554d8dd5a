//! Reading what is attached to an image in its registry, within limits: manifests of the wanted kinds, and their
//! layers.
//!
//! Everybody who may push to a repository can attach anything. So attachments of other kinds are not fetched, what
//! cannot be a manifest is ignored, and a limit that is reached is reported: it never looks as if nothing were there.

use std::{collections::BTreeMap, time::Duration};

use futures_util::{StreamExt, stream};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

pub use wharf_core::evidence::attachments::unseen_words;
use wharf_core::{
    base::{
        clean,
        context::{Context, timed_out},
        digest::Digest,
        error::{Error, Kind, Result},
    },
    evidence::attachments::Attachment,
    image::{
        document,
        manifest::{Descriptor, Manifest},
        reference::ImageRef,
    },
    ports::{Content, Supply},
    transfer::fetch,
};

/// The most attachments that are read for a digest: of the wanted kinds, of unknown kinds; and layers of one and of
/// all.
const MOST_WANTED: usize = 128;
const MOST_UNSAID: usize = 64;
const MOST_LAYERS: usize = 128;
const MOST_LAYERS_OF_ALL: usize = 512;
/// All reads together may take this many times the deadline of one answer.
const PATIENCE: u32 = 3;
/// How many attachments are read at the same time.
const AT_ONCE: usize = 8;
/// Types that do not tell what an artifact is (image specification 1.1, "Guidelines for Artifact Usage").
const UNSAID: [&str; 5] = [
    "",
    "application/vnd.oci.empty.v1+json",
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
    "application/vnd.unknown.artifact.v1",
];

/// What is wanted of an image's attachments.
pub struct AttachmentQuery {
    /// Its name in messages, like `signatures`.
    pub words: &'static str,
    /// The endings of the tags that hold it.
    pub tags: &'static [&'static str],
    /// Whether an artifact of this type may hold it.
    pub kind: fn(&str) -> bool,
    /// Whether a layer of this media type may be it.
    pub layer: fn(&str) -> bool,
}

/// A manifest that is attached to the image.
pub struct Attached {
    /// The reference of the attached manifest.
    pub at: ImageRef,
    /// The layers that may be what is wanted.
    pub layers: Vec<Layer>,
    /// The number of layers that cannot be read.
    unread: usize,
}

/// What was found, and what could not be looked at.
#[derive(Default)]
pub struct AttachmentsFound {
    /// The manifests with wanted layers; those that were found by a tag come first.
    pub attached: Vec<Attached>,
    /// Places and attachments that could not be read, with the reasons.
    pub unseen: Vec<Error>,
}

#[derive(Deserialize)]
struct Layers {
    #[serde(default)]
    layers: Option<Vec<Value>>,
}

/// A layer of an attached manifest.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Layer {
    /// The media type, as the manifest has it.
    #[serde(default)]
    pub media_type: String,
    digest: String,
    #[serde(default)]
    size: u64,
    /// The annotations, as the manifest has them.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// Reads a map that may be `null`.
fn null_as_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The attachments that may hold what is wanted, in the order of reading: by tag, of its type, of unknown type.
fn candidates<'a>(found: &'a [Attachment], wanted: &AttachmentQuery, unseen: &mut Vec<Error>) -> Vec<&'a Attachment> {
    let tagged =
        |one: &&Attachment| one.tag.as_ref().is_some_and(|tag| wanted.tags.iter().any(|ending| tag.ends_with(ending)));
    let listed = || found.iter().filter(|one| one.tag.is_none());
    let mut all: Vec<&Attachment> = found.iter().filter(tagged).collect();
    let mut bounded = |some: Vec<&'a Attachment>, most: usize| {
        if some.len() > most {
            let why = format!("too many attachments: {} {}, of which {most} were read", some.len(), wanted.words);
            unseen.push(Error::new(Kind::Failed, "look at what is attached", why));
        }
        all.extend(some.into_iter().take(most));
    };
    bounded(listed().filter(|one| (wanted.kind)(&one.kind)).collect(), MOST_WANTED);
    bounded(listed().filter(|one| UNSAID.contains(&one.kind.as_str())).collect(), MOST_UNSAID);
    all
}

/// Everything of the wanted kind that is attached to `digest`.
pub async fn find(
    cx: &Context,
    supply: &Supply,
    digest: &Digest,
    wanted: &AttachmentQuery,
) -> Result<AttachmentsFound> {
    let content = supply.bytes()?;
    let all = supply.attached(cx, digest).await?;
    let mut looked = AttachmentsFound { attached: Vec::new(), unseen: all.unseen.clone() };
    let candidates = candidates(&all.found, wanted, &mut looked.unseen);
    // Collected first, because a stream over a closure with borrows cannot be spawned.
    let reads: Vec<_> = candidates.into_iter().map(|one| read(cx, &*content, one, wanted)).collect();
    let mut reads = stream::iter(reads).buffered(AT_ONCE);
    let clock = Clock::start(cx);
    loop {
        match timeout_at(clock.end, reads.next()).await {
            Ok(Some(Ok(Some(attached)))) => looked.attached.push(attached),
            Ok(Some(Ok(None))) => {}
            Ok(Some(Err(error))) if error.kind == Kind::Cancelled => return Err(error),
            Ok(Some(Err(error))) => looked.unseen.push(error),
            Ok(None) => break,
            Err(_) => {
                looked.unseen.push(clock.too_late());
                break;
            }
        }
    }
    let mut room = MOST_LAYERS_OF_ALL;
    for one in &mut looked.attached {
        let what = || format!("read {}", one.at.short_text());
        if one.unread > 0 {
            let why = format!("{} of its layers cannot be read", one.unread);
            looked.unseen.push(Error::new(Kind::Failed, what(), why));
        }
        let most = room.min(MOST_LAYERS);
        if one.layers.len() > most {
            let why = format!("too many of them: {} {}, of which {most} were read", one.layers.len(), wanted.words);
            looked.unseen.push(Error::new(Kind::Failed, what(), why));
            one.layers.truncate(most);
        }
        room -= one.layers.len();
    }
    Ok(looked)
}

/// The time limit for reading all attachments of an image, so that a slow registry cannot take longer.
pub struct Clock {
    end: Instant,
    patience: Duration,
}

impl Clock {
    /// A time limit that begins now.
    pub fn start(cx: &Context) -> Self {
        let patience = cx.deadline * PATIENCE;
        Self { end: Instant::now() + patience, patience }
    }

    /// Does some work; fails if the time limit is reached.
    pub async fn run<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        timeout_at(self.end, work).await.unwrap_or_else(|_| Err(self.too_late()))
    }

    fn too_late(&self) -> Error {
        timed_out("look at everything that is attached", self.patience)
    }
}

/// Reads an attachment; `None` if it holds nothing wanted, or does not exist any more.
async fn read(
    cx: &Context,
    content: &dyn Content,
    one: &Attachment,
    wanted: &AttachmentQuery,
) -> Result<Option<Attached>> {
    let manifest = match content.manifest(cx, &one.at).await {
        Ok(manifest) => manifest,
        // A list may name what was deleted since. And a manifest that programs would read differently cannot have been
        // signed.
        Err(error) if one.tag.is_none() && matches!(error.kind, Kind::NotFound | Kind::Failed) => {
            tracing::info!(%error, "an attachment is left out");
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    if !matches!(manifest.parsed(), Manifest::Image { .. }) {
        return Ok(None);
    }
    let Ok(Layers { layers: Some(all) }) = document::parse(&manifest.bytes) else { return Ok(None) };
    let kind = |layer: &Value| layer.get("mediaType").and_then(Value::as_str).unwrap_or_default().to_owned();
    let all: Vec<Value> = all.into_iter().filter(|layer| (wanted.layer)(&kind(layer))).collect();
    let count = all.len();
    let layers: Vec<Layer> = all.iter().filter_map(|layer| Layer::deserialize(layer).ok()).collect();
    let unread = count - layers.len();
    Ok((count > 0).then(|| Attached { at: one.at.clone(), layers, unread }))
}

impl Layer {
    /// The size that the manifest states, in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Reads the layer's bytes and verifies its digest; fails if there are more than `limit`.
    pub async fn read(&self, cx: &Context, content: &dyn Content, at: &ImageRef, limit: usize) -> Result<Vec<u8>> {
        let blob = Descriptor::blob(clean::short(&self.media_type, 200), self.digest.parse()?, self.size);
        fetch::blob(cx, content, at, &blob, limit).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNATURES: AttachmentQuery = AttachmentQuery {
        words: "signatures",
        tags: &[".sig"],
        kind: |kind| kind.starts_with("signature/"),
        layer: |_| true,
    };

    fn attachment(number: usize, tag: Option<&str>, kind: &str) -> Attachment {
        let at = ImageRef::oci("r.example", "a", tag.map(str::to_owned));
        let at = if tag.is_none() { at.with_digest(&Digest::of(&number.to_le_bytes())) } else { at };
        Attachment { at, tag: tag.map(str::to_owned), kind: kind.to_owned() }
    }

    #[test]
    fn what_is_of_another_kind_hides_nothing_however_much_there_is() {
        let mut found: Vec<_> = (0..5_000).map(|number| attachment(number, None, "application/junk")).collect();
        found.push(attachment(5_000, None, ""));
        found.push(attachment(5_001, None, "signature/x"));
        found.push(attachment(0, Some("sha256-aa.att"), ""));
        found.push(attachment(0, Some("sha256-aa.sig"), ""));
        let mut unseen = Vec::new();
        let kinds: Vec<_> = candidates(&found, &SIGNATURES, &mut unseen)
            .iter()
            .map(|one| one.tag.clone().unwrap_or_else(|| one.kind.clone()))
            .collect();
        assert_eq!(kinds, ["sha256-aa.sig", "signature/x", ""]);
        assert!(unseen.is_empty(), "{unseen:?}");
    }

    #[test]
    fn a_bound_that_is_hit_is_told_and_takes_nothing_from_other_kinds() {
        let mut found: Vec<_> = (0..200).map(|number| attachment(number, None, "")).collect();
        found.extend((200..400).map(|number| attachment(number, None, "signature/x")));
        found.push(attachment(0, Some("sha256-aa.sig"), ""));
        let mut unseen = Vec::new();
        let read = candidates(&found, &SIGNATURES, &mut unseen);
        assert_eq!(read.len(), 1 + MOST_WANTED + MOST_UNSAID);
        assert!(read[0].tag.is_some(), "the tag comes first");
        assert_eq!(unseen.len(), 2, "{unseen:?}");
        assert!(unseen.iter().all(|error| error.why.contains("too many attachments")), "{unseen:?}");
    }
}
