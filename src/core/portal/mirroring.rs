//! A site's mirror: images of other registries, kept in the site's own by digest, with their signatures.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use serde::Serialize;

use super::{sources::Sources, transfers::Transfers};
use crate::{
    base::{
        budget::{Budget, Limits},
        context::Context,
        digest::Digest,
        error::{Error, Kind, Result},
        pace::Pace,
    },
    image::reference::ImageRef,
    ports::content::{Options, Outcome},
    transfer::mirror::{MirrorImage, MirrorList},
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
    /// It was left for the next round: its registry has answered that it is asked too often.
    Later {
        /// What the registry said.
        why: String,
    },
    /// It could not be copied.
    Failed {
        /// Why, in words.
        why: String,
        /// What to do about it; may be empty.
        hint: String,
    },
}

/// Keeps the images of lists in the site's registry.
pub struct Mirroring {
    sources: Arc<Sources>,
    transfers: Arc<Transfers>,
    /// What each copy was made of last, by this program.
    made_of: Mutex<HashMap<ImageRef, Digest>>,
}

impl Mirroring {
    /// A mirror between these sources.
    pub(super) fn new(sources: Arc<Sources>, transfers: Arc<Transfers>) -> Self {
        Self { sources, transfers, made_of: Mutex::default() }
    }

    /// Goes through a list once. A registry that answers that it is asked too often is left alone for the rest of the round.
    /// `told` hears of each image as soon as its result is known. Repeated, only what has changed is copied.
    pub async fn round(
        &self,
        cx: &Context,
        list: &MirrorList,
        told: &(dyn Fn(&MirrorImage, &Mirrored) + Send + Sync),
    ) -> Vec<Mirrored> {
        let busy: Mutex<BTreeMap<String, String>> = Mutex::default();
        let pace = Pace::new(list.rate, list.hours);
        let works: Vec<_> = list
            .images
            .iter()
            .map(|image| {
                let (busy, pace) = (&busy, pace.clone());
                async move {
                    let host = image.from.name().map(|name| name.host.clone()).unwrap_or_default();
                    let known = busy.lock().unwrap_or_else(PoisonError::into_inner).get(&host).cloned();
                    let result = match known {
                        Some(why) => Mirrored::Later { why },
                        None => self.one(&Context { pace, ..cx.clone() }, image, list.largest).await,
                    };
                    if let Mirrored::Later { why } = &result {
                        busy.lock().unwrap_or_else(PoisonError::into_inner).insert(host, why.clone());
                    }
                    told(image, &result);
                    result
                }
            })
            .collect();
        stream::iter(works).buffered(AT_ONCE).collect().await
    }

    async fn one(&self, cx: &Context, image: &MirrorImage, largest: u64) -> Mirrored {
        let limits = Limits { time: LONGEST, largest, slowest: SLOWEST, grace: GRACE };
        let cx = Context { budget: Budget::new(limits), ..cx.clone() };
        let what = format!("mirror {}", image.from);
        match cx.budget.run(&what, self.copied(&cx, image)).await {
            Ok(None) => Mirrored::Same,
            Ok(Some(outcome)) => Mirrored::Copied { outcome },
            Err(error) if is_too_often(&error) => Mirrored::Later { why: error.why },
            Err(error) => Mirrored::Failed { why: format!("{}: {}", error.what, error.why), hint: error.hint },
        }
    }

    /// Copies an image where the site has another one, or none; `None` where it has it.
    async fn copied(&self, cx: &Context, image: &MirrorImage) -> Result<Option<Outcome>> {
        let what = format!("look at {}", image.from);
        // One small question, which registries do not count as a pull.
        let outside = cx.run(&what, self.sources.place(&image.from)?.content.digest(cx, &image.from)).await?;
        let known = self.made_of.lock().unwrap_or_else(PoisonError::into_inner).get(&image.to).cloned();
        let inside = match cx.run(&what, self.sources.place(&image.to)?.content.digest(cx, &image.to)).await {
            Ok(digest) => Some(digest),
            Err(error) if error.kind == Kind::NotFound => None,
            Err(error) => return Err(error),
        };
        // Some platforms alone have another digest than all of them: then what was copied last counts.
        let same =
            if image.platforms.is_empty() { inside.as_ref() == Some(&outside) } else { known == Some(outside.clone()) };
        if inside.is_some() && same {
            return Ok(None);
        }
        let options =
            Options { platforms: (!image.platforms.is_empty()).then(|| image.platforms.clone()), ..Options::default() };
        let from = image.from.with_digest(&outside);
        let outcome = self.transfers.copy(cx, &from, &image.to, &options).await?;
        self.made_of.lock().unwrap_or_else(PoisonError::into_inner).insert(image.to.clone(), outside);
        Ok(Some(outcome))
    }
}

/// Whether a registry has answered that it is asked too often (RFC 6585, 429).
fn is_too_often(error: &Error) -> bool {
    error.kind == Kind::Unavailable && error.why.contains("too many requests")
}
