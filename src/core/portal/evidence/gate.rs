//! The policy's gate: whether a launch, a copy or a share may go on.

use super::{Evidence, Freshness, PassedImage};
use crate::{
    base::{
        badge::Verdict,
        clean,
        context::Context,
        error::{Error, Kind as ErrorKind, Result},
    },
    evidence::record::{Kind, Record},
    image::{
        model::{Image, ImageKind, Platform},
        reference::ImageRef,
    },
    launch::{
        isolation::{self, Isolation},
        plan::{Plan, Risk},
        room::{Gate, GateRequirement},
    },
    policy::{Judgement, LaunchFacts, Site, asks},
    portal::journal::OpenEntry,
    ports::{Question, QuestionKind},
    transfer::copy::Options,
};

/// Asks a person for the reason to go on without an approval; `None` if nobody can be asked or the person cancels.
async fn ask_override_reason(cx: &Context, judgement: &Judgement) -> Option<String> {
    let asker = cx.asking.0.as_ref()?;
    let words = format!(
        "The policy says {}: {}. To go on anyway, give a reason (it is kept in the audit log); leave it empty to stop",
        judgement.verdict.name(),
        judgement.deciding_reasons()
    );
    let answer = asker.ask(Question { words, kind: QuestionKind::Text }).await.ok()?;
    Some(answer.reveal().to_owned())
}

impl Evidence {
    /// Checks whether the policy lets a plan be launched; fails if it is held back.
    ///
    /// Judges exactly the pinned digest and platform, with evidence that counts now.
    pub async fn gate(&self, cx: &Context, plan: &Plan, because: Option<&str>) -> Result<PassedImage> {
        let what = format!("launch {} on {}", plan.image.reference, plan.backend);
        let image = self.sources.planned_image(cx, &plan.image).await?;
        // Of a file that was changed since, the new bytes would be judged, and not what is launched.
        let image = if image.pinned.is_none() { Image { pinned: Some(plan.image.clone()), ..image } } else { image };
        if let Some(now) = &image.pinned {
            plan.image.manifest.matches(&now.manifest, &what)?;
        }
        let launch = LaunchFacts { privileged: plan.privileged, isolation: plan.isolation };
        self.admit(cx, &what, &image, Some(launch), because).await
    }

    /// Lets an image pass, or fails and says why. `because` is the person's reason to go on without an approval, for
    /// policies that allow that.
    pub async fn admit(
        &self,
        cx: &Context,
        what: &str,
        image: &Image,
        launch: Option<LaunchFacts>,
        because: Option<&str>,
    ) -> Result<PassedImage> {
        let policy = &self.config.policy;
        // If the policy enforces nothing, nobody waits for a scan.
        let (records, site) =
            tokio::join!(self.gather(cx, image, Freshness::Now, !policy.enforce), self.known_at_site(image));
        let judgement = self.judge(image, &records?, site, launch);
        if judgement.passes() {
            return Ok(PassedImage { judgement, because: None });
        }
        let kind = match judgement.verdict {
            Verdict::Deny => ErrorKind::Denied,
            Verdict::NeedsIsolation if judgement.lacks_isolation() => ErrorKind::NeedsIsolation,
            // A copy has no isolation: only an approval helps.
            Verdict::NeedsIsolation | Verdict::NeedsApproval => ErrorKind::NeedsApproval,
            Verdict::Allow | Verdict::Undecided => ErrorKind::Undecided,
        };
        let may = policy.may_override(judgement.verdict) && !judgement.lacks_isolation();
        if may {
            let because = match because {
                Some(because) => Some(because.to_owned()),
                None => ask_override_reason(cx, &judgement).await,
            };
            if let Some(because) = because.filter(|because| !because.trim().is_empty()) {
                return Ok(PassedImage { judgement, because: Some(clean::short(because.trim(), 200)) });
            }
        }
        let step = judgement.reasons.first().map_or("", |reason| reason.step.as_str());
        // How to request the image is said below, with the image's name.
        let is_said_below = kind != ErrorKind::Denied && asks(step) && self.config.takes_requests();
        let mut steps = if is_said_below { Vec::new() } else { vec![step.to_owned()] };
        if judgement.verdict != Verdict::NeedsIsolation && judgement.lacks_isolation() {
            let level = judgement.isolation.name();
            steps.push(format!("besides, launch it with --set {}={level}", isolation::KEY));
        }
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
        let why = format!(
            "the policy '{}' says {}: {}",
            judgement.policy,
            judgement.verdict.name(),
            judgement.deciding_reasons()
        );
        Err(Error::new(kind, what, why).hint(step))
    }

    /// The same for an image that is shared or copied; the verdict goes into the audit's entry.
    ///
    /// Images that are only on this person's machine are held back only if they are denied: others check them once they
    /// are in a registry.
    pub(in crate::portal) async fn admit_copy(
        &self,
        cx: &Context,
        entry: &OpenEntry,
        (reference, to): (&ImageRef, &ImageRef),
        options: &Options,
    ) -> Result<ImageRef> {
        let what = entry.describe();
        let own = self.sources.source(reference)?.abilities.is_local;
        let wanted: Vec<Option<&Platform>> = match &options.platforms {
            Some(platforms) => platforms.iter().map(Some).collect(),
            None => vec![None],
        };
        let mut pinned = reference.clone();
        for platform in wanted {
            let image = match self.sources.image(cx, reference, platform).await {
                // The digest of a file is computed only where it is needed.
                Ok(image)
                    if image.kind == ImageKind::Sif
                        || image.kind == ImageKind::Vm && matches!(to, ImageRef::Oci(_)) =>
                {
                    self.pinned(cx, image).await?
                }
                Ok(image) => image,
                // Something that cannot be described as an image is held back only where the policy enforces what may
                // pass.
                Err(error)
                    if !self.config.policy.enforce
                        && matches!(error.kind, ErrorKind::Failed | ErrorKind::Unsupported) =>
                {
                    continue;
                }
                Err(error) => return Err(error),
            };
            let Some(of) = &image.pinned else { continue };
            entry.set_digest(&of.digest);
            pinned = of.reference.clone();
            match self.admit(cx, &what, &image, None, options.because.as_deref()).await {
                Ok(passed) => entry.set_verdict(passed.describe()),
                Err(error) if own && error.kind != ErrorKind::Denied => {
                    entry.set_verdict("own image".to_owned());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(pinned)
    }

    /// The policy's verdict on a plan, as a risk line.
    pub(in crate::portal) fn risk(gate: &Gate) -> Risk {
        let (word, grounds) = (gate.verdict.name(), &gate.grounds);
        let words = match &gate.passage {
            // It is not held back yet, so the line must not say so.
            GateRequirement::Checked(checks) => {
                let checks = checks.join(" and ");
                return Risk::caution(format!(
                    "policy: its {checks} will be checked when it is launched; then the policy decides"
                ));
            }
            GateRequirement::Open => format!("policy: {word}: {grounds}"),
            GateRequirement::Isolated(least) => {
                format!("policy: {word}, and is held back unless {} is {}: {grounds}", isolation::KEY, least.name())
            }
            GateRequirement::WithReason => {
                format!("policy: {word}, and is held back unless you give a reason: {grounds}")
            }
            GateRequirement::Closed => format!("policy: {word}, and is held back: {grounds}"),
        };
        match gate.verdict {
            Verdict::Allow => Risk::harmless(words),
            Verdict::Deny => Risk::danger(words),
            Verdict::NeedsIsolation | Verdict::NeedsApproval | Verdict::Undecided => Risk::caution(words),
        }
    }

    /// The kept evidence of an image, and what the site knows of it; runs no checks.
    pub(in crate::portal) async fn judged_by_what_is_there(&self, image: &Image) -> (Vec<Record>, Site) {
        let (records, site) = tokio::join!(self.kept(image), self.known_at_site(image));
        (records.unwrap_or_default(), site)
    }

    /// Whether the policy may demand isolation of a launch.
    pub(in crate::portal) fn may_demand_isolation(&self) -> bool {
        self.config.policy.demands_isolation()
    }

    /// The least isolation that the policy demands of a launch of this image, from that evidence; `privileged` tells
    /// whether the launch has root rights on the host.
    pub(in crate::portal) fn least_isolation(
        &self,
        image: &Image,
        (records, site): &(Vec<Record>, Site),
        privileged: bool,
    ) -> Isolation {
        let launch = LaunchFacts { privileged, isolation: Isolation::SharedKernel };
        self.judge(image, records, site.clone(), Some(launch)).isolation
    }

    /// The gate between an image and a launch of it, from that evidence.
    pub(in crate::portal) fn gate_for(
        &self,
        image: &Image,
        (records, site): &(Vec<Record>, Site),
        launch: LaunchFacts,
    ) -> Gate {
        let judgement = self.judge(image, records, site.clone(), Some(launch));
        // Checks that have not been made are made at the launch.
        let ahead: Vec<String> = Kind::JUDGED
            .iter()
            .filter(|kind| self.checkers.iter().any(|checker| checker.kind() == **kind))
            .filter(|kind| !records.iter().any(|record| record.kind() == **kind))
            .map(|kind| kind.name().to_owned())
            .collect();
        let may = self.config.policy.may_override(judgement.verdict);
        // Checks that are made at the launch change nothing of a demand that does not come from their absence.
        let demanded = judgement.reasons.iter().any(|reason| {
            reason.verdict == Verdict::NeedsIsolation
                && !ahead.iter().any(|kind| reason.rule.starts_with(kind.as_str()))
        });
        let isolation_alone = judgement.verdict == Verdict::NeedsIsolation && judgement.lacks_isolation();
        let passage = match (judgement.passes(), may) {
            (true, _) => GateRequirement::Open,
            (false, _) if isolation_alone && (demanded || ahead.is_empty()) => {
                GateRequirement::Isolated(judgement.isolation)
            }
            (false, _) if judgement.verdict != Verdict::Deny && !ahead.is_empty() => GateRequirement::Checked(ahead),
            (false, true) if judgement.lacks_isolation() => GateRequirement::Closed,
            (false, true) => GateRequirement::WithReason,
            (false, false) => GateRequirement::Closed,
        };
        let (verdict, isolation) = (judgement.verdict, judgement.isolation);
        Gate { verdict, isolation, passage, grounds: judgement.deciding_reasons() }
    }
}
