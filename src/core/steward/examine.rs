//! Quarantine, evidence, judgement: what a steward finds out about a request before anybody decides.

use super::{
    decision::policy_id,
    scan::{is_worse, own_scan_of},
};
use crate::core::{
    base::{
        badge::{Scan, Signature},
        context::Context,
        digest::Digest,
        error::{Error, Kind, Result},
        text,
    },
    evidence::record::{self, Kind as RecordKind, Outcome, Record},
    image::{
        model::Image,
        reference::{ImageRef, is_on_the_web, is_tag},
    },
    policy::{Judgement, Site},
    portal::{Portal, evidence::Age, requests::destination},
    request::{Dossier, Id, Request, grounds, stage::Next},
    transfer::{
        copy::{self, Options},
        fetch,
    },
};

/// Of more platforms an image is not admitted as a whole: one that was not judged would be admitted with the others.
const PLATFORMS: usize = 24;
/// Tries of a check that could not run, before a person decides without it.
pub(super) const PATIENCE: i64 = 3;
/// The longest comparison that is kept, in characters.
const DIFF: usize = 4000;
/// Fixes that are named.
const FIXES: usize = 20;

/// A platform of an image, with what was found.
struct Judged {
    image: Image,
    records: Vec<Record>,
    judgement: Judgement,
}

/// Whether a check that matters could not run.
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

/// What an image is built on: its lowest layer, by digest, which images of one base share. What it says of itself in its
/// annotations decides nothing: anybody can write there what they like.
fn base(image: &Image) -> String {
    let lowest = image.layers.first().and_then(|layer| layer.digest.as_ref());
    lowest.map(|digest| format!("layer {digest}")).unwrap_or_default()
}

/// The badge and the facts of what was found, a line each.
fn lines(judged: &Judged, several: bool, now: i64) -> Vec<String> {
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
                    if counts.total() == 0 { seen } else { format!("{} in {seen}", counts.words()) }
                }
                _ => String::new(),
            },
        );
        let found = if found.is_empty() { found } else { format!(" {found}") };
        Some(format!("{}{of}: {} {}{found} · {}", kind.word(), badge.sign, badge.word, record.tool))
    };
    RecordKind::JUDGED.into_iter().filter_map(line).collect()
}

/// Fixes of findings that matter: what somebody needs who makes a better version.
fn fixes(all: &[Judged], now: i64) -> Vec<String> {
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

impl Portal {
    /// Where a request's bytes are kept while they are judged.
    ///
    /// Each request has a place of its own, so that it can be cleared when that one is over.
    pub(super) fn quarantine_of(&self, request: Id, digest: &Digest, name: &str) -> ImageRef {
        let short: String = digest.hex().chars().take(12).collect();
        match self.config.requests.quarantine.split_once('/') {
            Some((host, project)) => {
                let repository = format!("{project}/request-{request}/{name}");
                ImageRef::oci(host, repository, Some(format!("q-{short}"))).with_digest(digest)
            }
            None => {
                let folder = self.quarantine_folder().join(format!("request-{request}"));
                ImageRef::File { path: folder.display().to_string(), tag: Some(format!("q-{short}")), digest: None }
            }
        }
    }

    /// Everything that a decision needs, and what the policy makes of it.
    pub(super) async fn examine(&self, cx: &Context, request: &Request) -> Result<(Dossier, Next)> {
        let what = format!("examine {}", request.called());
        destination::check(&self.config.requests, &what, request)?;
        if is_on_the_web(&request.asked.from) || request.asked.from.starts_with("glance:") {
            return self.examine_disk(cx, request).await;
        }
        let digest: Digest = request.asked.digest.parse()?;
        let from = self.of_site(&what, &request.asked.from)?.get().with_digest(&digest);
        let name = from.name().map(|name| name.repository.clone()).unwrap_or_default();
        let quarantine = self.quarantine_of(request.id, &digest, &name);
        self.private_quarantine().await?;
        let copied = copy::copy(cx, &self.place(&from)?, &self.place(&quarantine)?, &Options::default()).await?;
        digest.matches(&copied.digest, &what)?;
        let mut all = Vec::new();
        // Its own index says what it is built for, not the request.
        let image = self.image(cx, &from, None).await?;
        for image in self.each_platform(cx, image).await? {
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
        let next = self.next_of(request, &dossier, now).await?;
        Ok((dossier, next))
    }

    /// Every image that an index lists and that something could run; of one image, it is that.
    ///
    /// Its signature covers all of them, and which of two for one platform is run is decided by whoever runs it.
    pub(super) async fn each_platform(&self, cx: &Context, image: Image) -> Result<Vec<Image>> {
        let what = format!("judge {}", image.reference);
        let source = self.source_of(&image.reference)?;
        let (Some(pinned), Some(content)) = (&image.pinned, &source.content) else { return Ok(vec![image]) };
        let listed = Box::pin(fetch::runnable(cx, &**content, &pinned.reference));
        let listed = cx.run(&what, listed).await?;
        if listed.len() > PLATFORMS {
            let why = format!("it lists {} images, too many to judge", listed.len());
            return Err(Error::new(Kind::Denied, what, why)
                .hint("ask for those that you need, one by one: by the digest of their own manifest"));
        }
        let mut images = Vec::new();
        for entry in listed.into_iter().filter(|entry| entry.digest != pinned.manifest) {
            images.push(self.listed_image(cx, &image, &entry.digest).await?);
        }
        images.insert(0, image);
        Ok(images)
    }

    /// The image that one entry of an image's index is.
    async fn listed_image(&self, cx: &Context, image: &Image, manifest: &Digest) -> Result<Image> {
        let source = self.source_of(&image.reference)?;
        let (Some(pinned), Some(content)) = (&image.pinned, &source.content) else { return Ok(image.clone()) };
        let what = format!("show {} of {}", manifest.short(), image.reference);
        let entry = Box::pin(fetch::entry(cx, &**content, &pinned.reference, manifest));
        let entry = cx.run(&what, entry).await?;
        Ok(Image { reference: image.reference.clone(), publisher: image.publisher, ..entry })
    }

    /// The tag that was asked for, where it means this digest at its source: nobody names an image otherwise.
    async fn tag_there(&self, cx: &Context, request: &Request, from: &ImageRef, digest: &Digest) -> Option<String> {
        let tag = request.asked.tag.as_deref().filter(|tag| is_tag(tag))?;
        let at = from.without_version().with_tag(tag);
        let source = self.source_of(&at).ok()?;
        let version = cx.run("look up the tag", source.catalog.version(cx, &at)).await.ok()?;
        (version.digest.as_ref() == Some(digest)).then(|| tag.to_owned())
    }

    /// One platform, in the evidence of its place and of the bytes that were fetched.
    async fn examine_platform(&self, cx: &Context, image: Image, quarantine: &ImageRef) -> Result<Judged> {
        if matches!(quarantine, ImageRef::Oci(_)) {
            let mut kept = self.image(cx, quarantine, None).await?;
            if let Some(pinned) = image.pinned.as_ref().filter(|pinned| pinned.manifest != pinned.digest) {
                kept = self.listed_image(cx, &kept, &pinned.manifest).await?;
            }
            // What is found of these bytes counts for them everywhere.
            self.gather(cx, &kept, Age::Now, false).await?;
        }
        let records = self.gather(cx, &image, Age::Now, false).await?;
        let judgement = self.judge_request(&image, &records).await;
        Ok(Judged { image, records, judgement })
    }

    /// What the policy makes of an image that is asked for. What stewards knew of it before they see for themselves; that
    /// it was admitted once and taken back is for a person to think over.
    pub(super) async fn judge_request(&self, image: &Image, records: &[Record]) -> Judgement {
        let site = match self.known(image).await {
            taken @ (Site::TakenBack { .. } | Site::Away) => taken,
            Site::Silent | Site::Judged { .. } => Site::Silent,
        };
        self.judge(image, records, site, None).reconsidered()
    }

    async fn dossier(
        &self,
        cx: &Context,
        request: &Request,
        all: &[Judged],
        quarantine: &ImageRef,
        now: i64,
    ) -> Result<Dossier> {
        let worst = all
            .iter()
            .max_by_key(|judged| judged.judgement.verdict.strictness())
            .ok_or_else(|| Error::failed(format!("examine {}", request.called()), "it has no platform"))?;
        // Of several platforms, all must have been scanned here for one scan to be told.
        let own: Option<Vec<_>> = all.iter().map(|judged| own_scan_of(&judged.records, now)).collect();
        let scan = own.into_iter().flatten().reduce(|one, other| if is_worse(&other, &one) { other } else { one });
        Ok(Dossier {
            verdict: worst.judgement.verdict,
            policy: policy_id(&self.config.policy),
            grounds: grounds(&worst.judgement),
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

    /// What is different from the version that is admitted already; a comparison that fails says nothing.
    async fn diff_to_admitted(&self, cx: &Context, request: &Request, image: &Image) -> String {
        let Ok(Some(before)) = self.store.admitted_at(&request.destination).await else { return String::new() };
        let Ok(before) = before.reference.parse::<ImageRef>() else { return String::new() };
        let platform = image.pinned.as_ref().and_then(|pinned| pinned.platform.as_ref());
        let after = image.pinned.as_ref().map_or(&image.reference, |pinned| &pinned.reference);
        match self.diff(cx, &before, after, platform, true).await {
            Ok(diff) => diff.words().chars().take(DIFF).collect(),
            Err(error) => format!("could not be compared with {before}: {}", error.why),
        }
    }
}
