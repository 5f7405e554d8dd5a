//! Which decisions count: by the policy, by the approval of a class, by a key that the policy trusts.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    base::{
        badge::{Signature, Verdict},
        context::Context,
        digest::Digest,
        error::{Error, Kind, Result},
        text,
    },
    config::Config,
    evidence::record::{Kind as RecordKind, Outcome, Record, best},
    image::{model::Image, reference::ImageRef},
    policy::{Judgement, Policy, Site},
    portal::{
        Sources,
        evidence::{Evidence, Freshness},
        stewardship::Stewardship,
    },
    ports::{Signers, store::Store},
    request::{Class, Decision, Dossier, Request, Terms, event::PolicyOutcome, statement::Statement},
};

/// The name and short digest of the policy in force: an approval is bound to it.
pub(super) fn policy_id(policy: &Policy) -> String {
    let text = toml::to_string(policy).unwrap_or_default();
    format!("{} ({})", policy.name, Digest::of(text.as_bytes()).short())
}

/// How often a check that could not run is tried, before a person may decide without it.
pub(super) const PATIENCE: i64 = 3;

/// Finds out which decisions count at this site.
pub(super) struct Decisions {
    config: Arc<Config>,
    sources: Arc<Sources>,
    signers: Arc<Signers>,
    store: Arc<dyn Store>,
    evidence: Arc<Evidence>,
}

impl Decisions {
    /// The rules for decisions of the steward's site.
    pub(super) fn new(parts: &Stewardship) -> Self {
        Self {
            config: parts.config.clone(),
            sources: parts.sources.clone(),
            signers: parts.signers.clone(),
            store: parts.store.clone(),
            evidence: parts.evidence.clone(),
        }
    }

    /// The id of the policy's key that signed a decision; `None` if none did.
    pub(super) fn signer_id(&self, decision: &Decision) -> Option<String> {
        let signature = STANDARD.decode(&decision.signature).ok().filter(|signature| !signature.is_empty())?;
        (self.signers.trusted)(decision.payload.as_bytes(), &signature)
    }

    /// The next step of a request, by the policy and by approvals of classes; `now` is in seconds since 1970.
    pub(super) async fn next(&self, request: &Request, dossier: &Dossier, now: i64) -> Result<PolicyOutcome> {
        let policy = &self.config.policy.name;
        let decision = |approve: bool, reason: String| Decision {
            by: Decision::policy_author(policy),
            at: now,
            approve,
            reason,
            terms: Terms { until: request.needed_until(), ..Terms::default() },
            digest: request.asked.digest.clone(),
            payload: String::new(),
            signature: String::new(),
        };
        match dossier.verdict {
            Verdict::Allow => {
                let words: Vec<&str> = dossier.grounds.iter().map(|ground| ground.words.as_str()).collect();
                Ok(PolicyOutcome::Decided(decision(true, words.join("; "))))
            }
            Verdict::Deny => {
                let fixed = if dossier.fixes.is_empty() {
                    String::new()
                } else {
                    format!(" · take a version in which this is fixed: {}", dossier.fixes.join("; "))
                };
                Ok(PolicyOutcome::Decided(decision(false, format!("{}{fixed}", dossier.deciding_reasons()))))
            }
            Verdict::NeedsIsolation | Verdict::NeedsApproval | Verdict::Undecided => {
                let (classes, me) = (self.store.classes().await?, self.store.caller().await?);
                let counts = |class: &Class| self.class_counts(class, request, me.own);
                let class = classes.iter().find(|class| class.covers(dossier, now) && counts(class));
                Ok(class.map_or(PolicyOutcome::Wait, |class| {
                    PolicyOutcome::Decided(Decision {
                        by: Decision::class_author(&class.decision.by, class.id),
                        at: now,
                        digest: request.asked.digest.clone(),
                        ..class.decision.clone()
                    })
                }))
            }
        }
    }

    /// Whether an approval of a class counts for a request: it must be signed if the site wants that, and the approver
    /// must not be the requester, unless the store allows self-approval.
    fn class_counts(&self, class: &Class, request: &Request, own_counts: bool) -> bool {
        let own = request.was_ever_requested_by(&class.decision.by) && !own_counts;
        let signed = || {
            let statement = Statement::class_author(&class.base, &class.rule, &class.decision.terms);
            class.decision.payload == statement.text() && self.signer_id(&class.decision).is_some()
        };
        let unsigned_is_fine = class.decision.signature.is_empty() && !self.config.requests.signed_decisions;
        !own && (unsigned_is_fine || signed())
    }

    /// Fails unless the policy trusts the signature of the image at `at`: its badge is all that people see.
    pub(super) async fn is_trusted(&self, cx: &Context, what: &str, at: &ImageRef) -> Result<()> {
        let image = self.sources.image(cx, at, None).await?;
        let records = self.evidence.gather(cx, &image, Freshness::Anew, true).await?;
        let state = match best(&records, RecordKind::Signature, text::now()).map(|record| &record.outcome) {
            Some(Outcome::Signature { state, .. }) => *state,
            _ => Signature::NotChecked,
        };
        if state.is_good() {
            return Ok(());
        }
        Err(Error::new(Kind::NotAllowed, what, format!("it is signed, and the policy sees: {}", state.badge().word))
            .hint("name the public half of the key in [policy.signature] keys: wharf key show KEY"))
    }

    /// The policy's verdict on a requested image. What stewards knew of it before does not count, as they judge it now;
    /// a revoked admission does, and a person must decide then.
    pub(super) async fn judge_request(&self, image: &Image, records: &[Record]) -> Judgement {
        let site = match self.evidence.known_at_site(image).await {
            taken @ (Site::TakenBack { .. } | Site::Away) => taken,
            Site::Silent | Site::Judged { .. } => Site::Silent,
        };
        self.evidence.judge(image, records, site, None).reconsidered()
    }
}
