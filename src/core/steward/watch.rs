//! The vulnerability watch: admitted and used images are judged again when the scanners' data changes, and the people
//! concerned are warned once.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::task::JoinSet;

use super::{
    platforms::Platforms,
    reach::{ReachableSources, SiteReference},
    round::Round,
    scan::{is_worse, own_scan},
    tools::StewardKeys,
    warnings::warnings,
};
use crate::{
    base::{
        badge::Verdict,
        budget::Budget,
        clean,
        context::{Context, Progress},
        digest::Digest,
        error::{Error, Result},
        text,
    },
    config::Config,
    evidence::{
        record::{self, Kind as RecordKind, Outcome, Record, Vulnerability},
        terms,
    },
    image::{
        model::{Image, Pinned},
        reference::{ImageRef, Name, without_version},
    },
    policy::Site,
    portal::{
        Sources,
        evidence::{Evidence, Freshness},
        signatures::Signatures,
        stewardship::Stewardship,
    },
    ports::store::{Store, Watch, Watched},
    request::{Admission, statement::Statement},
};

/// After how many hours an image is judged again although no data has changed.
const HOURS: u32 = 24;
/// The most images that are judged in one round.
const ROUND: i64 = 20;
/// The most findings in one warning.
const FINDINGS: usize = 50;

/// What is known of an image, over all its platforms.
struct WatchedState {
    image: Image,
    /// The strictest verdict of all platforms.
    verdict: Verdict,
    /// The findings of all platforms, the worst first; `None` if none was scanned.
    findings: Option<Vec<Vulnerability>>,
    /// Identifiers of the findings that were known before.
    before: Vec<String>,
    /// The worst scan that was made here, of all platforms; `None` if there is none.
    scan: Option<terms::AttestedScan>,
}

/// The findings of the scan that counts, the worst first. A scan made here lists all; one that a signature states lists
/// only the worst; one that is merely claimed comes last.
fn findings(records: &[Record]) -> Option<&[Vulnerability]> {
    let now = text::now();
    let rank = |by: &record::CheckedBy| match by {
        record::CheckedBy::Wharf => 3,
        record::CheckedBy::Source => 2,
        record::CheckedBy::Attached => 1,
        record::CheckedBy::Signer(_) => 0,
    };
    let scans = records.iter().filter(|record| record.kind() == RecordKind::Scan && record.is_valid(now));
    let told = scans.filter_map(|record| match &record.outcome {
        Outcome::Scan { worst, scanned: Some(_), .. } => Some((rank(&record.by), record.at, worst)),
        _ => None,
    });
    told.max_by_key(|(rank, at, _)| (*rank, *at)).map(|(.., worst)| worst.as_slice())
}

/// New findings to warn of: those that matter, or any if the verdict became stricter.
fn news<'a>(known: &[String], found: &'a [Vulnerability], worse: bool) -> Vec<&'a Vulnerability> {
    let known: BTreeSet<&str> = known.iter().map(String::as_str).collect();
    found.iter().filter(|one| !known.contains(one.id.as_str()) && (one.matters() || worse)).take(FINDINGS).collect()
}

/// Judges admitted and used images again.
pub(super) struct Watcher {
    config: Arc<Config>,
    sources: Arc<Sources>,
    store: Arc<dyn Store>,
    evidence: Arc<Evidence>,
    reach: Arc<ReachableSources>,
    platforms: Arc<Platforms>,
}

impl Watcher {
    /// Watches the images in the store of the steward's site.
    pub(super) fn new(parts: &Stewardship, reach: Arc<ReachableSources>, platforms: Arc<Platforms>) -> Self {
        Self {
            config: parts.config.clone(),
            sources: parts.sources.clone(),
            store: parts.store.clone(),
            evidence: parts.evidence.clone(),
            reach,
            platforms,
        }
    }

    /// Judges images that are due, several at the same time, each in its own task and budget.
    pub(super) async fn round(self: &Arc<Self>, cx: &Context, tools: &StewardKeys) -> Result<Round> {
        let hours = self.config.requests.watch_hours.unwrap_or(HOURS);
        let after = Duration::from_secs(u64::from(hours) * 3600);
        let watch = Watch { after, data: self.evidence.scan_data().await };
        let mut due = self.store.due_for_judging(&watch, ROUND).await?.into_iter();
        let data = watch.data;
        let (mut hands, mut round) = (JoinSet::new(), Round::default());
        loop {
            while hands.len() < self.config.requests.parallel() && !cx.cancel.is_cancelled() {
                let Some(watched) = due.next() else { break };
                let (watcher, cx, tools, data) = (self.clone(), cx.clone(), tools.clone(), data.clone());
                hands.spawn(async move { Box::pin(watcher.watch_one(&cx, &tools, watched, &data)).await });
            }
            match hands.join_next().await {
                None => return Ok(round),
                Some(Ok(None)) => round.watched += 1,
                Some(Ok(Some(failed))) => round.failed.push(failed),
                Some(Err(error)) => round.failed.push(Error::failed("watch an image", error).to_string()),
            }
        }
    }

    /// Judges one image again. A failure concerns this image only, and is returned in words.
    async fn watch_one(&self, cx: &Context, tools: &StewardKeys, watched: Watched, data: &str) -> Option<String> {
        let what = format!("watch {}", clean::short(&watched.reference, 200));
        let budget = Budget::new(self.config.requests.watch_limits());
        let own = Context { budget: budget.clone(), progress: Progress::silent(), ..cx.clone() };
        let looked = match self.reach.watched_at(&what, &watched.reference) {
            Ok(at) => Box::pin(budget.run(&what, self.judge_again(&own, tools, &watched, &at, data))).await,
            Err(error) => Err(error),
        };
        let error = looked.err().filter(|_| !cx.cancel.is_cancelled())?;
        // It is tried again in its turn, so that an image that is gone does not delay the others.
        let failed = watched.failed.saturating_add(1);
        let looked = Watched { data: data.to_owned(), failed, ..watched };
        let kept = self.store.watch(&looked, &[]).await.err().map(|error| format!("; and that was not kept: {error}"));
        Some(format!("{what}: {error}{}", kept.unwrap_or_default()))
    }

    async fn judge_again(
        &self,
        cx: &Context,
        tools: &StewardKeys,
        watched: &Watched,
        at: &SiteReference,
        data: &str,
    ) -> Result<()> {
        let reference = at.get();
        let all = self.state_of_platforms(cx, reference, true).await?;
        let image = &all.image;
        // If it was never judged again, compare with what was known when it was admitted or used.
        let known = if watched.judged { watched.known.clone() } else { all.before.clone() };
        let verdict = all.verdict;
        let Some(found) = all.findings.as_deref() else {
            // Without a scan nothing new is known; the known findings stay.
            let looked = Watched { data: data.to_owned(), failed: 0, ..watched.clone() };
            return self.store.watch(&looked, &[]).await;
        };
        let worse = watched.judged
            && verdict.strictness() > Verdict::from_name(&watched.verdict).unwrap_or_default().strictness();
        let new = news(&known, found, worse);
        let mut told: Vec<(String, String, String)> =
            new.iter().map(|one| (one.id.clone(), one.package.clone(), one.fixed.clone())).collect();
        let open: Vec<_> =
            watched.told.iter().filter(|(id, ..)| found.iter().any(|one| one.id == *id)).cloned().collect();
        let ids: BTreeSet<&str> = told.iter().chain(&open).map(|(id, ..)| id.as_str()).collect();
        let fixed = if ids.is_empty() { None } else { self.fixed_version(cx, image, &ids).await };
        let later = !open.is_empty() && told.is_empty() && watched.fixed.is_none() && fixed.is_some();
        let mut notices = Vec::new();
        if !told.is_empty() || later {
            let about = if later { &open } else { &told };
            // People who use it from another repository are warned for that one.
            let here = without_version(&watched.reference);
            let users = self.store.users(&watched.digest).await?;
            let users = users.into_iter().filter(|used| without_version(&used.reference) == here).collect();
            let admitted = self.store.admissions(&watched.digest).await?;
            let admitted = admitted.iter().any(|request| without_version(request.admitted_at()) == here);
            notices = warnings(&self.config, image, watched, about, fixed.as_deref(), users, admitted);
        }
        told.extend(open);
        if let (Some(signer), ImageRef::Oci(name)) = (&tools.signer, reference) {
            self.state_scan(cx, name, &watched.digest, &**signer, all.scan).await?;
        }
        let looked = Watched {
            known: found.iter().map(|one| one.id.clone()).collect(),
            judged: true,
            verdict: verdict.name().to_owned(),
            data: data.to_owned(),
            told,
            fixed,
            failed: 0,
            ..watched.clone()
        };
        self.store.watch(&looked, &notices).await
    }

    /// An image with what is known of all its platforms: with `anew` checked now, otherwise from kept evidence.
    async fn state_of_platforms(&self, cx: &Context, reference: &ImageRef, anew: bool) -> Result<WatchedState> {
        let image = self.sources.image(cx, reference, None).await?;
        let mut seen = WatchedState {
            verdict: Verdict::Allow,
            findings: None,
            before: Vec::new(),
            scan: None,
            image: image.clone(),
        };
        for one in self.platforms.each(cx, image).await? {
            let kept = self.evidence.kept(&one).await.unwrap_or_default();
            seen.before.extend(findings(&kept).unwrap_or_default().iter().map(|one| one.id.clone()));
            let records = if anew { self.evidence.gather(cx, &one, Freshness::Anew, false).await? } else { kept };
            let verdict = self.evidence.judge(&one, &records, Site::Silent, None).for_admission().verdict;
            if verdict.strictness() > seen.verdict.strictness() {
                seen.verdict = verdict;
            }
            if let Some(found) = findings(&records) {
                seen.findings.get_or_insert_default().extend(found.iter().cloned());
            }
            let own = own_scan(&records, text::now());
            seen.scan = match (seen.scan.take(), own) {
                (Some(known), Some(own)) if is_worse(&own, &known) => Some(own),
                (None, own) => own,
                (known, _) => known,
            };
        }
        if let Some(found) = &mut seen.findings {
            found.sort();
            found.dedup_by(|one, other| one.id == other.id && one.package == other.package);
        }
        Ok(seen)
    }

    /// Keeps what is known of an image that was just admitted, for comparison with later findings.
    pub(super) async fn begin(&self, cx: &Context, admission: &Admission) -> Result<()> {
        let reference: ImageRef = admission.reference.parse()?;
        let seen = self.state_of_platforms(cx, &reference, false).await?;
        let Some(found) = seen.findings else { return Ok(()) };
        let watched = Watched {
            digest: admission.digest.clone(),
            reference: admission.reference.clone(),
            known: found.into_iter().map(|one| one.id).collect(),
            judged: true,
            verdict: seen.verdict.name().to_owned(),
            data: self.evidence.scan_data().await,
            ..Watched::default()
        };
        self.store.watch(&watched, &[]).await
    }

    /// Updates the scan that the steward's signature states: only where the store has the image as admitted and this
    /// key has signed it. An image that people merely use is never signed.
    async fn state_scan(
        &self,
        cx: &Context,
        name: &Name,
        digest: &str,
        signer: &dyn crate::ports::Signer,
        scan: Option<terms::AttestedScan>,
    ) -> Result<()> {
        let Some(scan) = scan else { return Ok(()) };
        let digest: Digest = digest.parse()?;
        if !self.config.requests.admits_into(name) {
            return Ok(());
        }
        let admitted = self.store.admissions(digest.as_str()).await?;
        if admitted.is_empty() {
            return Ok(());
        }
        let place = self.sources.place(&ImageRef::Oci(name.clone()))?;
        let signatures = Signatures { cx, what: "state the new scan", content: &*place.content, name, digest: &digest };
        let Some(admitting) = signatures.admission(signer, &admitted).await? else { return Ok(()) };
        signatures.sign(&Statement::for_admission(&admitting, Some(scan), text::now()), signer).await.map(|_| ())
    }

    /// A version of the same image without these findings: the one admitted now, or what its tag means now.
    async fn fixed_version(&self, cx: &Context, image: &Image, ids: &BTreeSet<&str>) -> Option<String> {
        let pinned = image.pinned.as_ref()?;
        let bare = pinned.reference.without_version();
        let admitted = self.store.admitted_at(&bare.to_string()).await.ok().flatten().map(|one| one.reference);
        let admitted = admitted.and_then(|reference| reference.parse().ok());
        let same = pinned.reference.tag().map(|tag| bare.with_tag(tag));
        for candidate in admitted.into_iter().chain(same) {
            if let Some(fixed) = self.without(cx, &candidate, pinned, ids).await {
                return Some(fixed);
            }
        }
        let tags = self.sources.tags(cx, &bare).await.ok()?;
        self.without(cx, &bare.with_tag(tags.last()?), pinned, ids).await
    }

    /// Another version, pinned, if it is a different image, has none of these findings, and is not denied.
    async fn without(&self, cx: &Context, at: &ImageRef, of: &Pinned, ids: &BTreeSet<&str>) -> Option<String> {
        let other = self.sources.image(cx, at, None).await.ok()?;
        let pinned = other.pinned.as_ref().filter(|pinned| pinned.digest != of.digest)?;
        let records = self.evidence.gather(cx, &other, Freshness::Kept, false).await.ok()?;
        let clean = findings(&records).is_some_and(|found| !found.iter().any(|one| ids.contains(one.id.as_str())));
        let fits = clean && self.evidence.judge(&other, &records, Site::Silent, None).verdict != Verdict::Deny;
        fits.then(|| pinned.reference.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::record::Severity;

    fn finding(id: &str, severity: Severity) -> Vulnerability {
        Vulnerability { id: id.into(), severity, ..Vulnerability::default() }
    }

    #[test]
    fn people_hear_of_bad_findings_that_are_new_and_of_any_that_change_the_verdict() {
        let found =
            [finding("CVE-1", Severity::Critical), finding("CVE-2", Severity::High), finding("CVE-3", Severity::Low)];
        let ids = |new: Vec<&Vulnerability>| new.iter().map(|one| one.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(news(&["CVE-1".into()], &found, false)), ["CVE-2"]);
        assert_eq!(ids(news(&["CVE-1".into()], &found, true)), ["CVE-2", "CVE-3"]);
        assert!(news(&["CVE-1".into(), "CVE-2".into()], &found, false).is_empty());
    }
}
