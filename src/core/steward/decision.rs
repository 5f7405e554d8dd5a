//! What counts as a decision: by the policy, by the approval of a class, by a key that the policy trusts.

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
        evidence::{Age, Evidence},
        stewardship::Stewardship,
    },
    ports::{Signers, store::Store},
    request::{Class, Decision, Dossier, Request, Terms, stage::Next, statement::Statement},
};

/// The policy in force: an approval binds to it.
pub(super) fn policy_id(policy: &Policy) -> String {
    let text = toml::to_string(policy).unwrap_or_default();
    format!("{} ({})", policy.name, Digest::of(text.as_bytes()).short())
}

/// Tries of a check that could not run, before a person decides without it.
pub(super) const PATIENCE: i64 = 3;

/// What counts as a decision here.
pub(super) struct Decisions {
    config: Arc<Config>,
    sources: Arc<Sources>,
    signers: Arc<Signers>,
    store: Arc<dyn Store>,
    evidence: Arc<Evidence>,
}

impl Decisions {
    /// Decisions by the policy and the people of a steward's site.
    pub(super) fn new(parts: &Stewardship) -> Self {
        Self {
            config: parts.config.clone(),
            sources: parts.sources.clone(),
            signers: parts.signers.clone(),
            store: parts.store.clone(),
            evidence: parts.evidence.clone(),
        }
    }

    /// The id of the policy's key that signed a decision.
    pub(super) fn signer_of(&self, decision: &Decision) -> Option<String> {
        let signature = STANDARD.decode(&decision.signature).ok().filter(|signature| !signature.is_empty())?;
        (self.signers.trusted)(decision.payload.as_bytes(), &signature)
    }

    /// What follows by the policy and by approvals of classes.
    pub(super) async fn next_of(&self, request: &Request, dossier: &Dossier, now: i64) -> Result<Next> {
        let policy = &self.config.policy.name;
        let decision = |approve: bool, reason: String| Decision {
            by: Decision::of_policy(policy),
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
                Ok(Next::Decided(decision(true, words.join("; "))))
            }
            Verdict::Deny => {
                let fixed = if dossier.fixes.is_empty() {
                    String::new()
                } else {
                    format!(" · take a version in which this is fixed: {}", dossier.fixes.join("; "))
                };
                Ok(Next::Decided(decision(false, format!("{}{fixed}", dossier.why()))))
            }
            Verdict::NeedsApproval | Verdict::Undecided => {
                let (classes, me) = (self.store.classes().await?, self.store.me().await?);
                let counts = |class: &Class| self.class_counts(class, request, me.own);
                let class = classes.iter().find(|class| class.covers(dossier, now) && counts(class));
                Ok(class.map_or(Next::Wait, |class| {
                    Next::Decided(Decision {
                        by: Decision::of_class(&class.decision.by, class.id),
                        at: now,
                        digest: request.asked.digest.clone(),
                        ..class.decision.clone()
                    })
                }))
            }
        }
    }

    /// Whether an approval of a class counts: signed where the site wants that, and not of one's own request, unless the
    /// store lets people approve these.
    fn class_counts(&self, class: &Class, request: &Request, own_counts: bool) -> bool {
        let own = request.was_asked_by(&class.decision.by) && !own_counts;
        let signed = || {
            let statement = Statement::of_class(&class.base, &class.rule, &class.decision.terms);
            class.decision.payload == statement.text() && self.signer_of(&class.decision).is_some()
        };
        let unsigned_is_fine = class.decision.signature.is_empty() && !self.config.requests.signed_decisions;
        !own && (unsigned_is_fine || signed())
    }

    /// Whether those who will look at it trust it: their badge is all that counts.
    pub(super) async fn is_trusted(&self, cx: &Context, what: &str, at: &ImageRef) -> Result<()> {
        let image = self.sources.image(cx, at, None).await?;
        let records = self.evidence.gather(cx, &image, Age::Anew, true).await?;
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

    /// What the policy makes of an image that is asked for. What stewards knew of it before they see for themselves; that
    /// it was admitted once and taken back is for a person to think over.
    pub(super) async fn judge_request(&self, image: &Image, records: &[Record]) -> Judgement {
        let site = match self.evidence.known(image).await {
            taken @ (Site::TakenBack { .. } | Site::Away) => taken,
            Site::Silent | Site::Judged { .. } => Site::Silent,
        };
        self.evidence.judge(image, records, site, None).reconsidered()
    }
}
