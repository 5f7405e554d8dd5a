//! Evidence of an image gathered and judged: what `wharf verify` says, what the trust pane shows, what gates a launch.

use std::{sync::Arc, time::Duration};

use serde::Serialize;

use super::Portal;
use crate::core::{
    audit::Entry,
    base::{
        badge::{Badge, Scan, Signature, Verdict},
        clean,
        context::Context,
        digest::Digest,
        error::{Error, Kind as ErrorKind, Result},
        quote::Text,
        text,
    },
    catalog::standing::Standing,
    evidence::record::{By, Kind, Outcome, Record, Subject, data_check},
    image::{
        model::{Image, Pinned, Platform},
        reference::ImageRef,
    },
    launch::{
        plan::{Plan, Risk},
        room::{Gate, Passage},
    },
    policy::{Facts, Judgement, Site, asks},
    ports::{Checker, KnownAttachments, Question, QuestionKind, Supply},
    transfer::copy::Options,
};

/// How long an answer that did not come is remembered within one program.
const SOON: i64 = 60;
/// How old a good signature may be where something is decided: seconds in which nobody looks twice.
const MOMENT: i64 = 30;
/// How long the site's store is waited for.
const PATIENCE: Duration = Duration::from_secs(3);

/// How old evidence may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// As old as it counts: for lists, which show what is known.
    Kept,
    /// What can be looked at in a moment is looked at now: for a verdict that somebody acts on. An approval may have been
    /// taken back since, and a scan stated anew.
    Now,
    /// Nothing is taken from what is kept.
    Anew,
}

impl Age {
    /// Whether what a quick check found needs no second look.
    ///
    /// Nobody is refused for what was missing a moment ago: whoever has just signed asks in the same second.
    fn lets_count(self, record: &Record, now: i64) -> bool {
        match self {
            Self::Kept => true,
            Self::Now => record.is_good_signature() && now - record.at < MOMENT,
            Self::Anew => false,
        }
    }
}

/// An image with its evidence and what policy makes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// What was checked.
    pub subject: Subject,
    /// Its evidence.
    pub records: Vec<Record>,
    /// The verdict.
    pub judgement: Judgement,
}

/// An image that may pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// The verdict.
    pub judgement: Judgement,
    /// The reason of the person who went on without an approval.
    pub because: Option<String>,
}

impl Passed {
    /// The verdict as the audit keeps it.
    pub fn words(&self) -> String {
        let word = self.judgement.verdict.word();
        match &self.because {
            Some(because) => format!("{word}, overridden: {because}"),
            None if self.judgement.exceptions.is_empty() => word.to_owned(),
            None => format!("{word} with exception {}", self.judgement.exceptions.join(", ")),
        }
    }
}

/// What a person says who goes on without an approval; nothing where nobody is there, or they think better of it.
async fn why_all_the_same(cx: &Context, judgement: &Judgement) -> Option<String> {
    let asker = cx.asking.0.as_ref()?;
    let words = format!(
        "The policy says {}: {}. Why do you go on all the same? It is written down; nothing stops",
        judgement.verdict.word(),
        judgement.grounds()
    );
    let answer = asker.ask(Question { words, kind: QuestionKind::Text }).await.ok()?;
    Some(answer.reveal().to_owned())
}

fn badge(badge: Badge) -> String {
    format!("{} {}", badge.sign, badge.word)
}

/// Who signed, or how many findings there are; and where that was found.
fn detail(record: &Record) -> String {
    let (found, inputs) = match &record.outcome {
        Outcome::Signature { signer, .. } => (signer.clone(), &[][..]),
        Outcome::Scan { counts, .. } => (counts.words(), record.inputs.as_slice()),
        Outcome::Software { total, .. } => (text::plural(*total, "package", "packages"), &[][..]),
        Outcome::Nothing => (String::new(), &[][..]),
        Outcome::Statements { author, statements, .. } => {
            (format!("{} by {author}", text::plural(statements.len() as u64, "statement", "statements")), &[][..])
        }
    };
    let parts = [found.as_str(), record.reason.as_str()].into_iter().chain(inputs.iter().map(String::as_str));
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
}

impl Verified {
    /// The one badge of a row: the verdict where it decides something, else what is known of signatures.
    pub fn badge(&self) -> Badge {
        let judgement = &self.judgement;
        let decides = judgement.enforced || matches!(judgement.verdict, Verdict::Allow | Verdict::Deny);
        let signature = self.records.iter().find_map(|record| match record.outcome {
            Outcome::Signature { state, .. } => Some(state.badge()),
            _ => None,
        });
        if decides { judgement.verdict.badge() } else { signature.unwrap_or(Signature::NotChecked.badge()) }
    }

    /// How it stands, part by part.
    pub fn standing(&self) -> Standing {
        let of = |kind: Kind| self.records.iter().find(|record| record.kind() == kind).map(Record::badge);
        Standing {
            badge: self.badge(),
            trust: of(Kind::Signature).unwrap_or(Signature::default().badge()),
            scan: of(Kind::Scan).unwrap_or(Scan::default().badge()),
            verdict: self.judgement.verdict.badge(),
        }
    }

    /// Claim, evidence, rule and the cheapest step, as text that can be copied: the same on the screen and the command line.
    pub fn explain(&self, now: i64) -> String {
        let judgement = &self.judgement;
        let mut lines = Text::default();
        lines.line(format!("{} by the policy '{}'", badge(judgement.verdict.badge()), judgement.policy));
        for reason in &judgement.reasons {
            let sign = reason.verdict.badge().sign;
            let step = if reason.step.is_empty() { String::new() } else { format!(" → {}", reason.step) };
            lines.line(format!("  {sign} {} [{}]{step}", reason.words, reason.rule));
        }
        if !judgement.enforced && matches!(judgement.verdict, Verdict::NeedsApproval | Verdict::Undecided) {
            lines.line("  this policy only says so: it holds nothing back but what is denied");
        }
        lines.line(format!("image       {}", self.subject.name));
        lines.line(format!("digest      {}", self.subject.digest));
        if self.subject.manifest != self.subject.digest {
            lines.line(format!("manifest    {}", self.subject.manifest));
        }
        for record in &self.records {
            let by = format!("{}{}", record.tool, record.by.note());
            let at = text::ago(record.at, now);
            lines.line(format!("{:<11} {} · {by} · {at}", record.kind().word(), badge(record.badge())));
            lines.line(format!("            {}", detail(record)));
        }
        lines.finish()
    }
}

/// Digests that an image goes by.
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

/// The record of a check that could not run.
fn could_not(checker: &dyn Checker, pinned: &Pinned, error: &Error) -> Record {
    let outcome = match checker.kind() {
        Kind::Signature => Outcome::Signature { state: Signature::Unreachable, signer: String::new() },
        _ => Outcome::stands(Scan::Failed),
    };
    let reason = format!("{}: {}", error.what, error.why);
    let check = checker.name().to_owned();
    Record { check, reason, ..Record::now(pinned, By::Wharf, checker.name(), outcome, SOON) }
}

impl Portal {
    /// Evidence that is kept of an image and still counts with the checkers as they are now.
    pub async fn evidence(&self, image: &Image) -> Result<Vec<Record>> {
        let pinned = pinned(image)?;
        let now = text::now();
        let kept = self.cache.evidence(&digests(pinned)).await.unwrap_or_default();
        let name = Subject::of(pinned).name;
        let counts = |record: &Record| {
            record.is_valid(now)
                && (record.is_of_bytes() || record.subject.name == name)
                && record.subject.digest == pinned.digest
                && record.subject.manifest == pinned.manifest
                // What was checked with other keys is not checked, nor what no check that is there has made.
                && self.checkers.iter().any(|checker| {
                    (record.check == checker.name() || record.check == data_check(checker.name()))
                        && if record.outcome == Outcome::Nothing { record.inputs == checker.inputs() } else { checker.inputs_fit(record) }
                })
        };
        Ok(kept.into_iter().filter(counts).collect())
    }

    /// Evidence of an image: what is kept, and what the checkers find where there is none, or where it is too old for
    /// what it is wanted for.
    ///
    /// With `quick`, checks that take long are left out.
    pub async fn gather(&self, cx: &Context, image: &Image, age: Age, quick: bool) -> Result<Vec<Record>> {
        let pinned = pinned(image)?;
        let anew = age == Age::Anew;
        let kept = if anew { Vec::new() } else { self.evidence(image).await? };
        let source = self.source_of(&pinned.reference)?;
        let credentials = source.catalog.credentials(&pinned.reference).await;
        let supply = Supply {
            image: pinned.clone(),
            content: source.content.clone(),
            credentials,
            known: KnownAttachments::default(),
        };
        let now = text::now();
        let mut all = kept;
        // What takes long is not done where a quick check has found the same: a signature may state a scan.
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
                        let own = record.check == checker.name() && (slow || age.lets_count(record, now));
                        let stated = slow && record.kind() == checker.kind() && matches!(record.by, By::Signer(_));
                        own || stated
                    };
                    anew || !all.iter().any(done)
                })
                .collect();
            let asked = missing.iter().map(|checker| self.check(cx, checker, image, pinned, &supply, anew));
            let found = futures_util::future::join_all(asked).await;
            for (checker, found) in missing.iter().zip(found) {
                // What was kept still counts where it could not be looked at again; else the newer takes its place.
                if !found.iter().all(Record::could_not_look) {
                    all.retain(|record| record.check != checker.name());
                }
                all.extend(found);
            }
        }
        Ok(all.into_iter().filter(|record| record.outcome != Outcome::Nothing).collect())
    }

    /// What one checker finds; it is kept.
    async fn check(
        &self,
        cx: &Context,
        checker: &Arc<dyn Checker>,
        image: &Image,
        pinned: &Pinned,
        supply: &Supply,
        anew: bool,
    ) -> Vec<Record> {
        let what = format!("check the {} of {}", checker.kind().word(), pinned.reference);
        let check = async {
            if anew {
                checker.start(cx, image).await?;
            }
            checker.check(cx, image, supply).await
        };
        match cx.unless_cancelled(&what, check).await {
            Ok(mut records) => {
                if records.is_empty() {
                    records.push(Record::nothing(pinned, checker.name(), checker.inputs()));
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

    /// What the site's store knows of an image. A store that nobody has set up is not asked, and one that does not answer
    /// in time is away.
    pub async fn known(&self, image: &Image) -> Site {
        let Some(pinned) = image.pinned.as_ref().filter(|_| self.config.takes_requests() && self.store.is_there())
        else {
            return Site::Silent;
        };
        let digests: Vec<String> = digests(pinned).iter().map(ToString::to_string).collect();
        let place = pinned.reference.without_version().to_string();
        let cx = Context::default().within(PATIENCE);
        match cx.run("ask what the site knows", self.store.known(&digests, &place)).await {
            Ok(site) => site,
            // Whoever is nobody there is told nothing, today as before.
            Err(error) if error.kind == ErrorKind::NotAllowed => Site::Silent,
            Err(error) => {
                tracing::info!(%error, "what the site knows of an image is not known");
                Site::Away
            }
        }
    }

    /// What policy makes of an image and its evidence, with what the site knows; `privileged` of a launch, where it is one.
    pub fn judge(&self, image: &Image, records: &[Record], site: Site, privileged: Option<bool>) -> Judgement {
        let pinned = image.pinned.as_ref();
        let name = pinned.map(|pinned| Subject::of(pinned).name).unwrap_or_default();
        let facts = Facts {
            records,
            digests: pinned.map(digests).unwrap_or_default(),
            name: &name,
            publisher: image.publisher,
            platform: pinned.and_then(|pinned| pinned.platform.as_ref()),
            created: image.created,
            privileged,
            broken_format: image.disk.as_ref().is_some_and(|disk| disk.refers),
            site,
        };
        self.config.policy.judge(&facts, text::now())
    }

    /// Checks an image and judges it.
    pub async fn verify(
        &self,
        cx: &Context,
        reference: &ImageRef,
        platform: Option<&Platform>,
        anew: bool,
    ) -> Result<Verified> {
        let image = self.image(cx, reference, platform).await?;
        let image = self.pinned(cx, image).await?;
        let age = if anew { Age::Anew } else { Age::Now };
        self.verify_image(cx, &image, age, false).await
    }

    /// The image with the digest of its bytes: those of a file are read whole.
    pub async fn pinned(&self, cx: &Context, image: Image) -> Result<Image> {
        if image.pinned.is_some() {
            return Ok(image);
        }
        let source = self.source_of(&image.reference)?;
        cx.progress.phase("reading all of it");
        cx.unless_cancelled(&format!("hash {}", image.reference), source.catalog.pin(cx, &image)).await
    }

    /// The same, of an image that is known; with `quick`, checks that take long are left out.
    pub async fn verify_image(&self, cx: &Context, image: &Image, age: Age, quick: bool) -> Result<Verified> {
        let subject = Subject::of(pinned(image)?);
        let (records, site) = tokio::join!(self.gather(cx, image, age, quick), self.known(image));
        let records = records?;
        let judgement = self.judge(image, &records, site, None);
        Ok(Verified { subject, records, judgement })
    }

    /// How a row stands that was looked at, by evidence that is quick to find; and the digest it is about.
    pub async fn mark(&self, cx: &Context, image: &Image) -> Result<(Subject, Standing)> {
        let verified = self.look_at(cx, image, false).await?;
        let standing = verified.standing();
        Ok((verified.subject, standing))
    }

    /// The evidence of an image for a screen: what is quick to find, or everything anew where somebody asks for it.
    pub async fn look_at(&self, cx: &Context, image: &Image, anew: bool) -> Result<Verified> {
        if !anew {
            return self.verify_image(cx, image, Age::Kept, true).await;
        }
        let image = self.pinned(cx, image.clone()).await?;
        self.verify_image(cx, &image, Age::Anew, false).await
    }

    /// What stands between a plan and its launch: an error where policy holds it back.
    ///
    /// It is judged by exactly the pinned digest and platform, with evidence that still counts now.
    pub async fn gate(&self, cx: &Context, plan: &Plan, because: Option<&str>) -> Result<Passed> {
        let what = format!("launch {} on {}", plan.image.reference, plan.backend);
        let platform = plan.image.platform.as_ref();
        let image = self.image(cx, &plan.image.reference, platform).await?;
        if let Some(now) = &image.pinned {
            plan.image.manifest.matches(&now.manifest, &what)?;
        }
        self.admit(cx, &what, &image, Some(plan.privileged), because).await
    }

    /// Lets an image pass, or says why it is held back. `because` is the reason of a person who goes on all the same,
    /// where the policy lets them.
    pub async fn admit(
        &self,
        cx: &Context,
        what: &str,
        image: &Image,
        privileged: Option<bool>,
        because: Option<&str>,
    ) -> Result<Passed> {
        let policy = &self.config.policy;
        // Where nothing is held back, nobody waits for a scan.
        let (records, site) = tokio::join!(self.gather(cx, image, Age::Now, !policy.enforce), self.known(image));
        let judgement = self.judge(image, &records?, site, privileged);
        if judgement.lets_pass() {
            return Ok(Passed { judgement, because: None });
        }
        let kind = match judgement.verdict {
            Verdict::Deny => ErrorKind::Denied,
            Verdict::NeedsApproval => ErrorKind::NeedsApproval,
            Verdict::Allow | Verdict::Undecided => ErrorKind::Undecided,
        };
        let may = policy.lets_override(judgement.verdict);
        if may {
            let because = match because {
                Some(because) => Some(because.to_owned()),
                None => why_all_the_same(cx, &judgement).await,
            };
            if let Some(because) = because.filter(|because| !because.trim().is_empty()) {
                return Ok(Passed { judgement, because: Some(clean::short(because.trim(), 200)) });
            }
        }
        let step = judgement.reasons.first().map_or("", |reason| reason.step.as_str());
        // How to ask is said below, with the name of the image.
        let mut steps: Vec<String> = if kind != ErrorKind::Denied && asks(step) && self.config.takes_requests() {
            Vec::new()
        } else {
            vec![step.to_owned()]
        };
        if kind != ErrorKind::Denied && self.config.takes_requests() {
            let admitted = image.reference.name().is_some_and(|name| self.config.requests.admits_into(name));
            steps.push(if admitted {
                "ask for the image that it was made from, at its own place".to_owned()
            } else {
                format!("ask for it: R on its page, or wharf request {} --reason TEXT", image.reference)
            });
        }
        if may {
            steps.push("or go on with a reason: --because TEXT".to_owned());
        }
        let step = steps.join("; ");
        let why =
            format!("the policy '{}' says {}: {}", judgement.policy, judgement.verdict.word(), judgement.grounds());
        Err(Error::new(kind, what, why).hint(step))
    }

    /// The same, of an image that is shared or copied; its verdict goes into the audit's entry.
    ///
    /// One's own files and an engine's images are held back by a denial only: it is in a registry that others check them.
    pub(super) async fn admit_copy(
        &self,
        cx: &Context,
        entry: &mut Entry,
        reference: &ImageRef,
        options: &Options,
    ) -> Result<ImageRef> {
        let what = format!("{} {}", entry.action, entry.subject);
        let own = matches!(reference, ImageRef::File { .. } | ImageRef::Engine { .. });
        let wanted: Vec<Option<&Platform>> = match &options.platforms {
            Some(platforms) => platforms.iter().map(Some).collect(),
            None => vec![None],
        };
        let mut pinned = reference.clone();
        for platform in wanted {
            let image = match self.image(cx, reference, platform).await {
                Ok(image) => image,
                // What is no image that could be described is held back only where a policy says what may pass.
                Err(error)
                    if !self.config.policy.enforce
                        && matches!(error.kind, ErrorKind::Failed | ErrorKind::Unsupported) =>
                {
                    continue;
                }
                Err(error) => return Err(error),
            };
            let Some(of) = &image.pinned else { continue };
            entry.digest = Some(of.digest.clone());
            pinned = of.reference.clone();
            match self.admit(cx, &what, &image, None, options.because.as_deref()).await {
                Ok(passed) => entry.verdict = Some(passed.words()),
                Err(error) if own && error.kind != ErrorKind::Denied => entry.verdict = Some("own image".to_owned()),
                Err(error) => return Err(error),
            }
        }
        Ok(pinned)
    }

    /// What the policy says of a plan, as lines of its risks: from evidence that is there, without asking anybody.
    pub async fn risks_of(&self, image: &Image, privileged: bool) -> Vec<Risk> {
        let gate = self.gate_of(image, &self.judged_by_what_is_there(image).await, privileged);
        let (word, grounds) = (gate.verdict.word(), &gate.grounds);
        let words = match &gate.passage {
            // To say that it is held back would be wrong.
            Passage::Checked(checks) => {
                let checks = checks.join(" and ");
                return vec![Risk::caution(format!(
                    "policy: its {checks} will be checked when it is launched; then the policy decides"
                ))];
            }
            Passage::Open => format!("policy: {word}: {grounds}"),
            Passage::WithReason => format!("policy: {word}, and is held back unless you give a reason: {grounds}"),
            Passage::Closed => format!("policy: {word}, and is held back: {grounds}"),
        };
        vec![match gate.verdict {
            Verdict::Allow => Risk::fine(words),
            Verdict::Deny => Risk::danger(words),
            Verdict::NeedsApproval | Verdict::Undecided => Risk::caution(words),
        }]
    }

    /// The evidence of an image that is there, and what the site knows of it.
    pub(super) async fn judged_by_what_is_there(&self, image: &Image) -> (Vec<Record>, Site) {
        let (records, site) = tokio::join!(self.evidence(image), self.known(image));
        (records.unwrap_or_default(), site)
    }

    /// What stands between an image and a launch of it, by that evidence; `privileged` of the launch.
    pub(super) fn gate_of(&self, image: &Image, (records, site): &(Vec<Record>, Site), privileged: bool) -> Gate {
        let judgement = self.judge(image, records, site.clone(), Some(privileged));
        // What has not been looked at yet is looked at when it is launched.
        let ahead: Vec<String> = Kind::JUDGED
            .iter()
            .filter(|kind| self.checkers.iter().any(|checker| checker.kind() == **kind))
            .filter(|kind| !records.iter().any(|record| record.kind() == **kind))
            .map(|kind| kind.word().to_owned())
            .collect();
        let may = self.config.policy.lets_override(judgement.verdict);
        let passage = match (judgement.lets_pass(), may) {
            (true, _) => Passage::Open,
            (false, _) if judgement.verdict != Verdict::Deny && !ahead.is_empty() => Passage::Checked(ahead),
            (false, true) => Passage::WithReason,
            (false, false) => Passage::Closed,
        };
        Gate { verdict: judgement.verdict, passage, grounds: judgement.grounds() }
    }
}
