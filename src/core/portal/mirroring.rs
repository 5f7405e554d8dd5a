//! A site's mirror: images of other registries, kept in the site's own by digest, with their signatures.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use serde::Serialize;

use super::{sources::Sources, transfers::Transfers};
use crate::{
    base::{
        budget::{Budget, Exceeded, Limits},
        context::Context,
        digest::Digest,
        error::{Error, Kind, Result},
        pace::Pace,
        pulls_left::PullsLeft,
        text,
    },
    evidence::attachments::Attachments,
    image::manifest::Manifest,
    ports::content::{Options, Outcome},
    transfer::{
        blob::CopyEnd,
        mirror::{MirrorImage, MirrorList},
        pauses::HostPauses,
    },
};

/// How many images are looked at, or copied, at the same time.
const AT_ONCE: usize = 4;
/// The longest time that one image may take.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// How slowly bytes may come, and for how long.
const SLOWEST: u64 = 1024;
const GRACE: Duration = Duration::from_secs(300);

/// What became of an image in a round.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case", tag = "result")]
pub enum Mirrored {
    /// The site's registry has what the tag means.
    Same,
    /// It was copied.
    Copied {
        /// What was moved.
        outcome: Outcome,
    },
    /// It was left for a later round: its registry has answered that it is asked too often, or has few pulls left.
    Later {
        /// What the registry said.
        why: String,
        /// When it may be asked again, in seconds since 1970; the next round finds out where nothing is said.
        again: Option<i64>,
    },
    /// It could not be copied.
    Failed {
        /// Why, in words.
        why: String,
        /// What to do about it; may be empty.
        hint: String,
    },
}

impl Mirrored {
    /// What became of the image, in words; `None` where nothing was to do.
    pub fn describe(&self) -> Option<String> {
        Some(match self {
            Self::Same => return None,
            Self::Copied { outcome } => {
                let attached = text::plural(outcome.attachments as u64, "attachment", "attachments");
                let parts = [format!("{}, {attached}", outcome.describe())].into_iter();
                let parts = parts.chain(outcome.left.iter().map(|left| format!("left behind: {left}")));
                format!("copied {}, {}", outcome.digest, parts.collect::<Vec<_>>().join("; "))
            }
            Self::Later { why, .. } => format!("later: {why}"),
            Self::Failed { why, hint } if hint.is_empty() => format!("failed: {why}"),
            Self::Failed { why, hint } => format!("failed: {why}; {hint}"),
        })
    }
}

/// What was done with an image whose registry answered.
enum Copied {
    Same,
    Anew(Outcome),
    /// It would have to be copied, but few pulls are left.
    Scarce(PullsLeft),
}

/// Keeps the images of lists in the site's registry.
pub struct Mirroring {
    sources: Arc<Sources>,
    transfers: Arc<Transfers>,
    /// The registries that are left alone for a while; survives rounds.
    pauses: Mutex<HostPauses>,
}

impl Mirroring {
    /// A mirror between these sources.
    pub(super) fn new(sources: Arc<Sources>, transfers: Arc<Transfers>) -> Self {
        Self { sources, transfers, pauses: Mutex::default() }
    }

    /// Goes through a list once. A registry that answers that it is asked too often is left alone as long as it asks for,
    /// also in later rounds; where few pulls are left, nothing is copied from it.
    /// `told` hears of each image as soon as its result is known. Repeated, only what has changed is copied.
    pub async fn round(
        &self,
        cx: &Context,
        list: &MirrorList,
        told: &(dyn Fn(&MirrorImage, &Mirrored) + Send + Sync),
    ) -> Vec<Mirrored> {
        let pace = Pace::new(list.rate, list.hours);
        let works: Vec<_> = list
            .images
            .iter()
            .enumerate()
            .map(|(at, image)| {
                let pace = pace.clone();
                async move {
                    let known = self.known().standing(&host_of(image), text::now()).cloned();
                    let result = match known {
                        Some(pause) => Mirrored::Later { why: pause.describe(), again: Some(pause.until) },
                        None => Box::pin(self.one(&Context { pace, ..cx.clone() }, image, list.largest)).await,
                    };
                    if !cx.cancel.is_cancelled() {
                        told(image, &result);
                    }
                    (at, result)
                }
            })
            .collect();
        // One that is slow keeps nobody else waiting.
        let mut all: Vec<(usize, Mirrored)> = stream::iter(works).buffer_unordered(AT_ONCE).collect().await;
        all.sort_by_key(|(at, _)| *at);
        all.into_iter().map(|(_, result)| result).collect()
    }

    async fn one(&self, cx: &Context, image: &MirrorImage, largest: u64) -> Mirrored {
        let limits = Limits { time: LONGEST, largest, slowest: SLOWEST, grace: GRACE };
        let cx = Context { budget: Budget::new(limits), ..cx.clone() };
        let what = format!("mirror {}", image.from);
        let host = host_of(image);
        let done = cx.budget.run(&what, self.copied(&cx, image)).await;
        match done {
            Err(error) if is_too_often(&error, &host) => self.refused(&host, error.again_after, &error.why),
            Ok(Copied::Same) => Mirrored::Same,
            Ok(Copied::Scarce(left)) => {
                Mirrored::Later { why: format!("{host} says {left}: they are left to people"), again: None }
            }
            Ok(Copied::Anew(outcome)) => {
                // A small question that is answered says nothing of pulls, which are counted apart.
                self.known().answered(&host, text::now());
                Mirrored::Copied { outcome }
            }
            Err(error) if cx.budget.exceeded() == Some(Exceeded::Size) => Mirrored::Failed {
                why: format!("{}: {}", error.what, error.why),
                hint: "set largest_mib in the list".to_owned(),
            },
            Err(error) => Mirrored::Failed { why: format!("{}: {}", error.what, error.why), hint: error.hint },
        }
    }

    /// Leaves a registry alone that has answered that it is asked too often.
    fn refused(&self, host: &str, asked: Option<u32>, why: &str) -> Mirrored {
        let pause = self.known().refused(host, asked, text::now(), why);
        Mirrored::Later { why: pause.describe(), again: Some(pause.until) }
    }

    fn known(&self) -> MutexGuard<'_, HostPauses> {
        self.pauses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The registries that are left alone for a while, as later rounds are to know them.
    pub fn pauses(&self) -> HostPauses {
        self.known().clone()
    }

    /// Takes over which registries others leave alone.
    pub fn learn(&self, others: HostPauses) {
        self.known().learn(others, text::now());
    }

    /// Copies an image where the site has another one, or none.
    async fn copied(&self, cx: &Context, image: &MirrorImage) -> Result<Copied> {
        let what = format!("look at {}", image.from);
        // One small question, which registries do not count as a pull.
        let place = self.sources.place(&image.from)?;
        let outside = cx.run(&what, place.content.digest(cx, &image.from)).await?;
        let there = self.sources.place(&image.to)?;
        let inside = match cx.run(&what, there.content.digest(cx, &image.to)).await {
            Ok(digest) => Some(digest),
            // Some registries answer so for what does not exist yet; writing will show.
            Err(error) if matches!(error.kind, Kind::NotFound | Kind::NotAllowed) => None,
            Err(error) => return Err(error),
        };
        if let Some(inside) = inside
            && let Some(same) = self.same_images(cx, image, &outside, &inside).await?
            && !self.misses_attachments(cx, image, &same).await?
        {
            return Ok(Copied::Same);
        }
        if let Some(left) = place.content.pulls_left(&image.from).filter(|left| left.is_scarce()) {
            return Ok(Copied::Scarce(left));
        }
        let options = Options {
            platforms: (!image.platforms.is_empty()).then(|| image.platforms.clone()),
            index_annotations: image.annotations(&outside),
            ..Options::default()
        };
        let from = image.from.with_digest(&outside);
        self.transfers.copy(cx, &from, &image.to, &options).await.map(Copied::Anew)
    }

    /// The digests that have attachments, where what is inside is what is outside or was made of it; `None` where it is
    /// something else. Nothing outside is asked.
    async fn same_images(
        &self,
        cx: &Context,
        image: &MirrorImage,
        outside: &Digest,
        inside: &Digest,
    ) -> Result<Option<Vec<Digest>>> {
        if inside == outside {
            return Ok(Some(vec![inside.clone()]));
        }
        if image.platforms.is_empty() {
            return Ok(None);
        }
        // Some platforms alone have another digest than all of them: the index that was written says of what.
        let at = image.to.with_digest(inside);
        let kept = self.sources.place(&at)?.content.manifest(cx, &at).await?;
        let Manifest::Index { manifests, .. } = kept.parsed() else { return Ok(None) };
        let made = image.is_made_of(kept.parsed(), outside);
        Ok(made.then(|| manifests.iter().map(|entry| entry.digest.clone()).collect()))
    }

    /// Whether something is attached to these images outside that is not attached to them here: signatures often come
    /// after the image.
    async fn misses_attachments(&self, cx: &Context, image: &MirrorImage, images: &[Digest]) -> Result<bool> {
        let (outside, inside) = (self.sources.place(&image.from)?, self.sources.place(&image.to)?);
        for digest in images {
            let theirs = outside.content.attached(cx, &image.from, digest).await?;
            if let Some(error) = theirs.unseen.iter().find(|error| is_too_often(error, &host_of(image))) {
                return Err(error.clone());
            }
            if theirs.found.is_empty() {
                continue;
            }
            let ours = inside.content.attached(cx, &image.to, digest).await?;
            let have = digests(cx, &inside, &ours).await?;
            if !digests(cx, &outside, &theirs).await?.is_subset(&have) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The digests of what is attached; what has a tag of its own may have changed under it.
async fn digests(cx: &Context, place: &CopyEnd, attached: &Attachments) -> Result<BTreeSet<Digest>> {
    let mut all = BTreeSet::new();
    for one in &attached.found {
        all.insert(match one.at.digest() {
            Some(digest) => digest.clone(),
            None => cx.run("look at what is attached", place.content.digest(cx, &one.at)).await?,
        });
    }
    Ok(all)
}

/// What an error says where a registry is asked too often (RFC 6585, 429).
const TOO_OFTEN: &str = "too many requests";

/// Whether this registry has answered that it is asked too often.
fn is_too_often(error: &Error, host: &str) -> bool {
    error.kind == Kind::Unavailable && error.why.contains(TOO_OFTEN) && error.what.contains(host)
}

fn host_of(image: &MirrorImage) -> String {
    image.from.name().map(|name| name.host.clone()).unwrap_or_default()
}
