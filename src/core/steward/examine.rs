//! Quarantine, evidence, verdict: what a steward finds out about a request before anybody decides.

use std::sync::Arc;

use super::{
    decision::{Decisions, PATIENCE, policy_id},
    disk::DiskRequests,
    platforms::Platforms,
    quarantine::Quarantine,
    reach::ReachableSources,
    scan::{is_worse, own_scan},
};
use crate::{
    base::{
        badge::{Scan, Signature},
        context::Context,
        digest::Digest,
        error::{Error, Kind, Result},
        text,
    },
    config::Config,
    evidence::record::{self, Kind as RecordKind, Outcome, Record},
    image::{
        model::Image,
        reference::{ImageRef, is_on_the_web, is_tag},
    },
    policy::Judgement,
    portal::{
        Sources,
        evidence::{Evidence, Freshness},
        requests::destination,
        stewardship::Stewardship,
    },
    ports::store::Store,
    request::{Dossier, Request, event::PolicyOutcome, stored_reasons},
    transfer::copy::{self, Options},
};

/// The longest comparison with the admitted version that is kept, in characters.
const DIFF: usize = 4000;
/// The most fixes that are listed.
const FIXES: usize = 20;

/// One platform of an image, with its evidence and verdict.
struct JudgedPlatform {
    image: Image,
    records: Vec<Record>,
    judgement: Judgement,
}

/// The reason why a check that matters could not run; `None` if all could.
fn is_blind(records: &[Record], now: i64) -> Option<String> {
    RecordKind::JUDGED.into_iter().find_map(|kind| {
        let record = record::best(records, kind, now)?;
        let blind = match record.outcome {
            Outcome::Signature { state, .. } => state == Signature::Unreachable,
            Outcome::Scan { state, .. } => state == Scan::Failed,
            _ => false,
        };
        blind.then(|| record.reason.clone())
    })
}

/// The base image, as the digest of the lowest layer, which images with one base share. Annotations are not used,
/// because anybody can write anything there.
fn base(image: &Image) -> String {
    let lowest = image.layers.first().and_then(|layer| layer.digest.as_ref());
    lowest.map(|digest| format!("layer {digest}")).unwrap_or_default()
}

/// The badge and the facts of what was found, one per line.
fn lines(judged: &JudgedPlatform, several: bool, now: i64) -> Vec<String> {
    let platform = judged.image.pinned.as_ref().and_then(|pinned| pinned.platform.as_ref());
    let of = platform.filter(|_| several).map(|platform| format!(" ({platform})")).unwrap_or_default();
    let line = |kind: RecordKind| {
        let record = record::best(&judged.records, kind, now)?;
        let (badge, found) = (
            record.badge(),
            match &record.outcome {
                Outcome::Signature { signer, .. } => signer.clone(),
                Outcome::Scan { counts, packages, .. } => {
                    let seen = text::plural(*packages, "package", "packages");
                    if counts.total() == 0 { seen } else { format!("{} in {seen}", counts.describe()) }
                }
                _ => String::new(),
            },
        );
        let found = if found.is_empty() { found } else { format!(" {found}") };
        Some(format!("{}{of}: {} {}{found} · {}", kind.name(), badge.sign, badge.word, record.tool))
    };
    RecordKind::JUDGED.into_iter().filter_map(line).collect()
}

/// Fixed versions for findings that matter, for the maker of a better image.
fn fixes(all: &[JudgedPlatform], now: i64) -> Vec<String> {
    let mut fixes: Vec<String> = Vec::new();
    for judged in all {
        let Some(Outcome::Scan { worst, .. }) =
            record::best(&judged.records, RecordKind::Scan, now).map(|one| &one.outcome)
        else {
            continue;
        };
        for one in worst.iter().filter(|one| one.matters() && !one.fixed.is_empty()) {
            let words = format!("{} in {} {}: fixed in {}", one.id, one.package, one.installed, one.fixed);
            if !fixes.contains(&words) && fixes.len() < FIXES {
                fixes.push(words);
            }
        }
    }
    fixes
}

/// Examines requests: gathers the evidence and asks the policy.
pub(super) struct Examiner {
    config: Arc<Config>,
    sources: Arc<Sources>,
    store: Arc<dyn Store>,
    evidence: Arc<Evidence>,
    reach: Arc<ReachableSources>,
    quarantine: Arc<Quarantine>,
    platforms: Arc<Platforms>,
    decisions: Arc<Decisions>,
    disks: Arc<DiskRequests>,
}

impl Examiner {
    /// An examiner for the steward's site.
    pub(super) fn new(
        parts: &Stewardship,
        reach: Arc<ReachableSources>,
        quarantine: Arc<Quarantine>,
        platforms: Arc<Platforms>,
        decisions: Arc<Decisions>,
        disks: Arc<DiskRequests>,
    ) -> Self {
        Self {
            config: parts.config.clone(),
            sources: parts.sources.clone(),
            store: parts.store.clone(),
            evidence: parts.evidence.clone(),
            reach,
            quarantine,
            platforms,
            decisions,
            disks,
        }
    }

    /// Examines a request: gives all that a decision needs, and the policy's next step.
    pub(super) async fn examine(&self, cx: &Context, request: &Request) -> Result<(Dossier, PolicyOutcome)> {
        let what = format!("examine {}", request.called());
        destination::check(&self.config.requests, &what, request)?;
        if is_on_the_web(&request.asked.from) || request.asked.from.starts_with("glance:") {
            return self.disks.examine(cx, request).await;
        }
        let digest: Digest = request.asked.digest.parse()?;
        let from = self.reach.resolve(&what, &request.asked.from)?.get().with_digest(&digest);
        let name = from.repository().unwrap_or_default();
        let quarantine = self.quarantine.place(request.id, &digest, name);
        self.quarantine.make_private().await?;
        let copied =
            copy::copy(cx, &self.sources.place(&from)?, &self.sources.place(&quarantine)?, &Options::default()).await?;
        digest.matches(&copied.digest, &what)?;
        let mut all = Vec::new();
        // The platforms come from the image's own index, not from the request.
        let image = self.sources.image(cx, &from, None).await?;
        for image in self.platforms.each(cx, image).await? {
            all.push(self.examine_platform(cx, image, &quarantine).await?);
        }
        let now = text::now();
        if let Some(why) = all.iter().find_map(|judged| is_blind(&judged.records, now)) {
            if request.tries < PATIENCE {
                return Err(Error::new(Kind::Unavailable, what, format!("a check could not run: {why}")));
            }
        }
        let mut dossier = self.dossier(cx, request, &all, &quarantine, now).await?;
        dossier.tag = self.tag_there(cx, request, &from, &digest).await;
        let next = self.decisions.next(request, &dossier, now).await?;
        Ok((dossier, next))
    }

    /// The requested tag, if it means this digest at its source.
    async fn tag_there(&self, cx: &Context, request: &Request, from: &ImageRef, digest: &Digest) -> Option<String> {
        let tag = request.asked.tag.as_deref().filter(|tag| is_tag(tag))?;
        let at = from.without_version().with_tag(tag);
        let source = self.sources.source(&at).ok()?;
        let version = cx.run("look up the tag", source.catalog.version(cx, &at)).await.ok()?;
        (version.digest.as_ref() == Some(digest)).then(|| tag.to_owned())
    }

    /// Examines one platform, with evidence from its source and from the copy in the quarantine.
    async fn examine_platform(&self, cx: &Context, image: Image, quarantine: &ImageRef) -> Result<JudgedPlatform> {
        if matches!(quarantine, ImageRef::Oci(_)) {
            let mut kept = self.sources.image(cx, quarantine, None).await?;
            if let Some(pinned) = image.pinned.as_ref().filter(|pinned| pinned.manifest != pinned.digest) {
                kept = self.platforms.listed(cx, &kept, &pinned.manifest).await?;
            }
            // Evidence is kept by digest, so that of the copy counts everywhere.
            self.evidence.gather(cx, &kept, Freshness::Now, false).await?;
        }
        let records = self.evidence.gather(cx, &image, Freshness::Now, false).await?;
        let judgement = self.decisions.judge_request(&image, &records).await;
        Ok(JudgedPlatform { image, records, judgement })
    }

    async fn dossier(
        &self,
        cx: &Context,
        request: &Request,
        all: &[JudgedPlatform],
        quarantine: &ImageRef,
        now: i64,
    ) -> Result<Dossier> {
        let worst = all
            .iter()
            .max_by_key(|judged| judged.judgement.verdict.strictness())
            .ok_or_else(|| Error::failed(format!("examine {}", request.called()), "it has no platform"))?;
        // If there are several platforms, a scan is stated only if all were scanned here.
        let own: Option<Vec<_>> = all.iter().map(|judged| own_scan(&judged.records, now)).collect();
        let scan = own.into_iter().flatten().reduce(|one, other| if is_worse(&other, &one) { other } else { one });
        Ok(Dossier {
            verdict: worst.judgement.verdict,
            policy: policy_id(&self.config.policy),
            grounds: stored_reasons(&worst.judgement),
            evidence: all.iter().flat_map(|judged| lines(judged, all.len() > 1, now)).collect(),
            base: base(&worst.image),
            diff: self.diff_to_admitted(cx, request, &worst.image).await,
            fixes: fixes(all, now),
            quarantine: quarantine.to_string(),
            scan,
            tag: None,
            at: now,
        })
    }

    /// The differences from the version that is admitted already; empty if comparing fails.
    async fn diff_to_admitted(&self, cx: &Context, request: &Request, image: &Image) -> String {
        let Ok(Some(before)) = self.store.admitted_at(&request.destination).await else { return String::new() };
        let Ok(before) = before.reference.parse::<ImageRef>() else { return String::new() };
        let platform = image.pinned.as_ref().and_then(|pinned| pinned.platform.as_ref());
        let after = image.pinned.as_ref().map_or(&image.reference, |pinned| &pinned.reference);
        match self.evidence.diff(cx, &before, after, platform, true).await {
            Ok(diff) => diff.describe().chars().take(DIFF).collect(),
            Err(error) => format!("could not be compared with {before}: {}", error.why),
        }
    }
}
