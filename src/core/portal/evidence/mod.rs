//! Gathering and judging evidence of an image: for `wharf verify`, the trust pane, and the gate of a launch.

pub mod about;
pub mod brief;
mod data;
pub mod diff;
mod gate;
mod known;
pub mod mending;
pub mod rehearse;
mod verified;

use std::{sync::Arc, time::Duration};

pub use verified::{PassedImage, Verified};

use super::{journal::Journal, seen::Seen, sources::Sources};
use crate::{
    base::{
        badge::{Scan, Signature},
        context::Context,
        digest::Digest,
        error::{Error, Kind as ErrorKind, Result},
        text,
    },
    catalog::marks::Marks,
    config::Config,
    evidence::record::{CheckedBy, Kind, Outcome, Record, Subject, data_check},
    image::{
        model::{Image, Pinned, Platform},
        reference::ImageRef,
    },
    policy::{Facts, Judgement, LaunchFacts, Site},
    ports::{Cache, Checker, KnownAttachments, Supply, store::Store},
};

/// How many seconds a failed check is remembered within one run of the program.
const SOON: i64 = 60;
/// How many seconds old a good signature may be for a decision, so that it is not checked twice at once.
const MOMENT: i64 = 30;
/// How long to wait for the site's store.
const PATIENCE: Duration = Duration::from_secs(3);

/// How old the evidence may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// As old as the evidence counts: for lists, which show what is known.
    Kept,
    /// Quick checks are run now, for a verdict that somebody acts on: an approval may have been revoked since, and a
    /// newer scan stated.
    Now,
    /// All checks are run now; nothing kept is used.
    Anew,
}

impl Freshness {
    /// Whether a kept record of a quick check can be used.
    ///
    /// A missing or bad signature is never reused: somebody who has just signed may ask in the same second.
    fn accepts(self, record: &Record, now: i64) -> bool {
        match self {
            Self::Kept => true,
            Self::Now => record.is_good_signature() && now - record.at < MOMENT,
            Self::Anew => false,
        }
    }
}

/// Gathers and judges evidence of images.
pub struct Evidence {
    config: Arc<Config>,
    sources: Arc<Sources>,
    checkers: Vec<Arc<dyn Checker>>,
    cache: Arc<dyn Cache>,
    store: Arc<dyn Store>,
    /// Only read: a rehearsal looks up what was launched.
    journal: Arc<Journal>,
    seen: Arc<Seen>,
}

/// The digests of an image: of what was named, and of the manifest for its platform.
fn digests(pinned: &Pinned) -> Vec<Digest> {
    let mut digests = vec![pinned.digest.clone()];
    if pinned.manifest != pinned.digest {
        digests.push(pinned.manifest.clone());
    }
    digests
}

fn pinned(image: &Image) -> Result<&Pinned> {
    image.pinned.as_ref().ok_or_else(|| {
        Error::new(
            ErrorKind::Undecided,
            format!("verify {}", image.reference),
            "it has no digest that could be checked",
        )
        .hint("only images with a digest or hash can be judged")
    })
}

/// The record that a check could not run.
fn could_not(checker: &dyn Checker, pinned: &Pinned, error: &Error) -> Record {
    let outcome = match checker.kind() {
        Kind::Signature => Outcome::Signature { state: Signature::Unreachable, signer: String::new() },
        _ => Outcome::from_scan_state(Scan::Failed),
    };
    let reason = format!("{}: {}", error.what, error.why);
    let check = checker.name().to_owned();
    Record { check, reason, ..Record::now(pinned, CheckedBy::Wharf, checker.name(), outcome, SOON) }
}

impl Evidence {
    /// Evidence that these checkers make of images at these sources; the cache keeps it.
    pub(super) fn new(
        config: Arc<Config>,
        sources: Arc<Sources>,
        checkers: Vec<Arc<dyn Checker>>,
        cache: Arc<dyn Cache>,
        store: Arc<dyn Store>,
        journal: Arc<Journal>,
        seen: Arc<Seen>,
    ) -> Self {
        Self { config, sources, checkers, cache, store, journal, seen }
    }

    /// Opens what keeps evidence and what the site knows, for whoever is about to judge an image and waits for something
    /// else until then.
    pub async fn open(&self) {
        let store = async {
            if self.store.is_there() {
                let cx = Context::default().with_deadline(PATIENCE);
                let asked = cx.run("open the site's store", self.store.known_at_site(&[], ""));
                let _: Result<Site> = asked.await;
            }
        };
        if let (Err(error), ()) = tokio::join!(self.cache.open(), store) {
            tracing::info!(%error, "what keeps evidence was not opened");
        }
    }

    /// Kept evidence of an image that still counts, with the checkers as they are now.
    pub async fn kept(&self, image: &Image) -> Result<Vec<Record>> {
        let pinned = pinned(image)?;
        let now = text::now();
        let kept = self.cache.evidence(&digests(pinned)).await.unwrap_or_default();
        let name = Subject::for_pinned(pinned).name;
        let of_it =
            |record: &Record| record.subject.digest == pinned.digest && record.subject.manifest == pinned.manifest;
        Ok(kept.into_iter().filter(|record| of_it(record) && self.counts(record, &name, now)).collect())
    }

    /// Whether a kept record counts now for an image of this name (its reference without tag and digest).
    fn counts(&self, record: &Record, name: &str, now: i64) -> bool {
        record.is_valid(now)
            && (record.is_of_bytes() || record.subject.name == name)
            // Records made with other keys, or by checks that are not there now, do not count.
            && self.checkers.iter().any(|checker| {
                (record.check == checker.name() || record.check == data_check(checker.name()))
                    && if record.outcome == Outcome::Nothing { record.inputs == checker.inputs() } else { checker.inputs_fit(record) }
            })
    }

    /// Evidence of an image: what is kept, and what the checkers find if nothing is kept or it is too old for `age`.
    ///
    /// With `quick`, slow checks are left out. An image without a digest is an error.
    pub async fn gather(&self, cx: &Context, image: &Image, age: Freshness, quick: bool) -> Result<Vec<Record>> {
        let pinned = pinned(image)?;
        let anew = age == Freshness::Anew;
        let kept = if anew { Vec::new() } else { self.kept(image).await? };
        let source = self.sources.source(&pinned.reference)?;
        let credentials = source.catalog.credentials(&pinned.reference).await;
        let supply = Supply {
            image: pinned.clone(),
            content: source.content.clone(),
            disks: None,
            credentials,
            known: KnownAttachments::default(),
        };
        let now = text::now();
        let mut all = kept;
        // Slow checks run last, and not at all where a signature states their result.
        for slow in [false, true] {
            if quick && slow {
                break;
            }
            let missing: Vec<&Arc<dyn Checker>> = self
                .checkers
                .iter()
                .filter(|checker| checker.is_slow() == slow)
                .filter(|checker| {
                    let done = |record: &Record| {
                        let own = record.check == checker.name() && (slow || age.accepts(record, now));
                        let stated =
                            slow && record.kind() == checker.kind() && matches!(record.by, CheckedBy::Signer(_));
                        own || stated
                    };
                    anew || !all.iter().any(done)
                })
                .collect();
            let asked = missing.iter().map(|checker| self.check(cx, checker, image, pinned, &supply, anew));
            let found = futures_util::future::join_all(asked).await;
            for (checker, found) in missing.iter().zip(found) {
                // A kept record still counts if the check could not be repeated; otherwise the new record replaces it.
                if !found.iter().all(Record::could_not_look) {
                    all.retain(|record| record.check != checker.name());
                }
                all.extend(found);
            }
        }
        Ok(all.into_iter().filter(|record| record.outcome != Outcome::Nothing).collect())
    }

    /// Runs one checker and keeps its records.
    async fn check(
        &self,
        cx: &Context,
        checker: &Arc<dyn Checker>,
        image: &Image,
        pinned: &Pinned,
        supply: &Supply,
        anew: bool,
    ) -> Vec<Record> {
        let what = format!("check the {} of {}", checker.kind().name(), pinned.reference);
        let check = async {
            if anew {
                checker.start(cx, image).await?;
            }
            checker.check(cx, image, supply).await
        };
        match cx.unless_cancelled(&what, check).await {
            Ok(mut records) => {
                if records.is_empty() {
                    records.push(Record::no_statement(pinned, checker.name(), checker.inputs()));
                }
                for record in &mut records {
                    checker.name().clone_into(&mut record.check);
                }
                for record in &records {
                    if let Err(error) = self.cache.keep_evidence(record).await {
                        tracing::warn!(%error, "the evidence was not kept");
                    }
                }
                records
            }
            Err(error) => {
                tracing::info!(%error, "a check could not run");
                vec![could_not(&**checker, pinned, &error)]
            }
        }
    }

    /// What the site's store knows of an image. A store that was never set up is not asked; one that does not answer in
    /// time counts as away.
    pub async fn known_at_site(&self, image: &Image) -> Site {
        let Some(pinned) = image.pinned.as_ref() else { return Site::Silent };
        let digests: Vec<String> = digests(pinned).iter().map(ToString::to_string).collect();
        self.site_knows(digests, &pinned.reference.without_version().to_string()).await
    }

    /// The same for digests at a place, which is a reference without tag and digest.
    async fn site_knows(&self, digests: Vec<String>, place: &str) -> Site {
        if !self.config.takes_requests() || !self.store.is_there() {
            return Site::Silent;
        }
        let cx = Context::default().with_deadline(PATIENCE);
        match cx.run("ask what the site knows", self.store.known_at_site(&digests, place)).await {
            Ok(site) => site,
            // The store tells nothing to people whom it does not know.
            Err(error) if error.kind == ErrorKind::NotAllowed => Site::Silent,
            Err(error) => {
                tracing::info!(%error, "what the site knows of an image is not known");
                Site::Away
            }
        }
    }

    /// The policy's verdict on an image, from its evidence and what the site knows; `launch` is `None` unless it is
    /// launched.
    pub fn judge(&self, image: &Image, records: &[Record], site: Site, launch: Option<LaunchFacts>) -> Judgement {
        let pinned = image.pinned.as_ref();
        let name = pinned.map(|pinned| Subject::for_pinned(pinned).name).unwrap_or_default();
        let facts = Facts {
            records,
            digests: pinned.map(digests).unwrap_or_default(),
            name: &name,
            publisher: image.publisher,
            platform: pinned.and_then(|pinned| pinned.platform.as_ref()),
            created: image.created,
            privileged: launch.map(|launch| launch.privileged),
            isolation: launch.map(|launch| launch.isolation),
            broken_format: image.disk.as_ref().is_some_and(|disk| disk.refers),
            site,
        };
        self.config.policy.judge(&facts, text::now())
    }

    /// Reads an image, gathers its evidence and judges it.
    pub async fn verify(
        &self,
        cx: &Context,
        reference: &ImageRef,
        platform: Option<&Platform>,
        anew: bool,
    ) -> Result<Verified> {
        let image = self.sources.image(cx, reference, platform).await?;
        let image = self.pinned(cx, image).await?;
        self.seen.remember(reference, image.pinned.as_ref().map(|pinned| &pinned.digest)).await;
        let age = if anew { Freshness::Anew } else { Freshness::Now };
        self.verify_image(cx, &image, age, false).await
    }

    /// The image with its digest; the bytes of a file are read for that.
    pub async fn pinned(&self, cx: &Context, image: Image) -> Result<Image> {
        if image.pinned.is_some() {
            return Ok(image);
        }
        let source = self.sources.source(&image.reference)?;
        cx.progress.phase("reading all of it");
        cx.unless_cancelled(&format!("hash {}", image.reference), source.catalog.pin(cx, &image)).await
    }

    /// The same for an image that was read already; with `quick`, slow checks are left out.
    pub async fn verify_image(&self, cx: &Context, image: &Image, age: Freshness, quick: bool) -> Result<Verified> {
        let subject = Subject::for_pinned(pinned(image)?);
        let (records, site) = tokio::join!(self.gather(cx, image, age, quick), self.known_at_site(image));
        let records = records?;
        let judgement = self.judge(image, &records, site, None);
        Ok(Verified { subject, records, judgement })
    }

    /// The kept evidence of an image that was described, and the verdict on it with what the site's store knows. Runs no
    /// checks. An image without a digest is an error.
    pub async fn verdict_from_kept(&self, image: &Image) -> Result<Verified> {
        let subject = Subject::for_pinned(pinned(image)?);
        let (records, site) = self.judged_by_what_is_there(image).await;
        let judgement = self.judge(image, &records, site, None);
        Ok(Verified { subject, records, judgement })
    }

    /// The marks of a row that was described, and the digest that they are about, as in
    /// [`verdict_from_kept`](Self::verdict_from_kept).
    pub async fn mark(&self, image: &Image) -> Result<(Subject, Marks)> {
        let verified = self.verdict_from_kept(image).await?;
        let marks = verified.marks(text::now()).with_publisher(image.publisher);
        Ok((verified.subject, marks))
    }

    /// The evidence of an image for a screen: from quick checks, or with `anew` from all checks, run now.
    pub async fn evidence_for_screen(&self, cx: &Context, image: &Image, anew: bool) -> Result<Verified> {
        if !anew {
            return self.verify_image(cx, image, Freshness::Kept, true).await;
        }
        let image = self.pinned(cx, image.clone()).await?;
        self.verify_image(cx, &image, Freshness::Anew, false).await
    }

    /// The identity of all scanners' vulnerability data; it changes when any data does.
    pub async fn scan_data(&self) -> String {
        let mut all = Vec::new();
        for checker in &self.checkers {
            if let Some(data) = checker.data().await {
                all.push(format!("{} {data}", checker.name()));
            }
        }
        all.join(", ")
    }
}
