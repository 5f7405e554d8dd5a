//! The events in the life of a request as pure functions: what may follow what. Stores keep the result; a database with
//! rights of its own checks the same.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    decision::{Admission, Decision},
    dossier::Dossier,
    model::{Caller, Request},
    stage::Stage,
    wish::{Remark, RemarkKind, RequestedUse},
};
use crate::base::error::{Error, Kind, Result};

/// What the policy makes of a dossier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PolicyOutcome {
    /// The policy admits or rejects it.
    Decided(Decision),
    /// An approver has to decide.
    Wait,
}

/// An event in the life of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// Another person wants it too.
    Wish(RequestedUse),
    /// A requester wants it no longer.
    Withdraw,
    /// Somebody has made a remark.
    Remark(RemarkKind, String),
    /// An approver or the policy decided.
    Decide(Decision),
    /// A steward begins to work on it.
    Claim {
        /// How long it is reserved for that steward, by the store's clock.
        lease: Duration,
    },
    /// The steward still works on it.
    Renew {
        /// How long from now on it is reserved for that steward.
        lease: Duration,
    },
    /// Evidence was gathered, and the policy has judged it.
    Judged(Box<Dossier>, PolicyOutcome),
    /// It is admitted and signed.
    Admitted(Admission),
    /// The admission is revoked; the decision has the reason and perhaps a signature.
    Revoke(Decision),
    /// The signed revocation was attached to the image.
    Revoked,
    /// A step has failed.
    Failed {
        /// Why it failed, as people are told.
        why: String,
        /// After what time it is tried again; never if `None`.
        again: Option<Duration>,
    },
}

impl Event {
    /// The word in the history.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Wish(_) => "asked for",
            Self::Withdraw => "withdrawn",
            Self::Remark(kind, _) => kind.name(),
            Self::Decide(decision) if decision.approve => "approved",
            Self::Decide(_) => "rejected",
            Self::Claim { .. } => "taken",
            Self::Renew { .. } => "held",
            Self::Judged(..) => "judged",
            Self::Admitted(_) => "admitted",
            Self::Revoke(_) => "taken back",
            Self::Revoked => "revoked",
            Self::Failed { .. } => "failed",
        }
    }

    /// The verb for messages: `approve`, `take back`.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Wish(_) => "ask for",
            Self::Withdraw => "withdraw",
            Self::Remark(RemarkKind::Note, _) => "add to",
            Self::Remark(RemarkKind::Question, _) => "ask back about",
            Self::Remark(RemarkKind::Answer, _) => "answer for",
            Self::Decide(decision) if decision.approve => "approve",
            Self::Decide(_) => "reject",
            Self::Claim { .. } => "take",
            Self::Renew { .. } => "hold",
            Self::Judged(..) => "judge",
            Self::Admitted(_) => "admit",
            Self::Revoke(_) => "take back the admission of",
            Self::Revoked => "sign the taking back of",
            Self::Failed { .. } => "put aside",
        }
    }

    /// The details for the history: reason, remark or conditions.
    pub fn detail(&self) -> String {
        match self {
            Self::Wish(wish) => wish.reason.clone(),
            Self::Remark(_, words) => words.clone(),
            Self::Decide(decision) => {
                let terms = decision.terms.describe();
                if terms.is_empty() { decision.reason.clone() } else { format!("{} ({terms})", decision.reason) }
            }
            Self::Judged(dossier, _) => format!("{}: {}", dossier.verdict.name(), dossier.deciding_reasons()),
            Self::Admitted(admission) => admission.reference.clone(),
            Self::Failed { why, .. } => why.clone(),
            Self::Revoke(decision) => decision.reason.clone(),
            Self::Revoked | Self::Withdraw | Self::Claim { .. } | Self::Renew { .. } => String::new(),
        }
    }
}

/// A time span in whole seconds, as stores count with their own clock.
pub fn seconds(span: Duration) -> i64 {
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX)
}

/// Who may see a person's remark besides approvers: only that person if their wish is private; only the requesters if
/// all wishes are private; everybody who sees the request if empty.
fn audience(request: &Request, person: &str) -> Vec<String> {
    if request.wishes.iter().any(|wish| wish.person == person && wish.private) {
        return vec![person.to_owned()];
    }
    if request.is_open() {
        return Vec::new();
    }
    let others = request.wishes.iter().map(|wish| wish.person.clone()).filter(|one| one != person);
    others.chain([person.to_owned()]).collect()
}

/// The error that a right is missing.
fn not_allowed(what: &str, why: &str) -> Error {
    Error::new(Kind::NotAllowed, what, why)
}

impl Request {
    /// Its name in messages.
    pub fn called(&self) -> String {
        format!("request {}", self.id)
    }

    /// Applies an event, or fails if it may not follow.
    pub fn follow(&mut self, event: &Event, me: &Caller, now: i64) -> Result<()> {
        let what = format!("{} {}", event.verb(), self.called());
        match event {
            Event::Wish(wish) => self.wish(wish, now),
            Event::Withdraw => self.withdraw(&what, me)?,
            Event::Remark(kind, words) => self.remark(&what, *kind, words, me, now)?,
            Event::Decide(decision) => self.decide(&what, decision, me)?,
            Event::Claim { lease } => {
                self.steward(&what, me)?;
                let busy = self.claimed.as_ref().is_some_and(|(who, end)| *who != me.person && now < *end);
                if !self.stage.is_for_steward() || busy || now < self.retry {
                    return Err(Error::failed(what, "another steward has it, or nothing is to be done"));
                }
                if self.stage == Stage::Submitted {
                    self.stage = Stage::Gathering;
                }
                self.claimed = Some((me.person.clone(), now.saturating_add(seconds(*lease))));
            }
            Event::Renew { lease } => {
                self.holds(&what, me)?;
                self.claimed = Some((me.person.clone(), now.saturating_add(seconds(*lease))));
            }
            Event::Judged(dossier, next) => {
                self.holds(&what, me)?;
                if self.stage != Stage::Gathering {
                    return Err(Error::failed(what, format!("it is {} already", self.stage.name())));
                }
                if let PolicyOutcome::Decided(decision) = next {
                    self.was_decided(&what, decision, me)?;
                }
                self.stage = match next {
                    PolicyOutcome::Decided(decision) if decision.approve => Stage::Admitting,
                    PolicyOutcome::Decided(_) => Stage::Rejected,
                    PolicyOutcome::Wait => Stage::Waiting,
                };
                if let PolicyOutcome::Decided(decision) = next {
                    self.decision = Some(decision.clone());
                }
                self.dossier = Some((**dossier).clone());
                self.clear_findings();
                if self.stage != Stage::Admitting {
                    self.claimed = None;
                }
            }
            Event::Admitted(admission) => {
                self.holds(&what, me)?;
                if self.stage != Stage::Admitting {
                    return Err(Error::failed(what, format!("it is {}", self.stage.name())));
                }
                self.stage = Stage::Admitted;
                self.admitted = Some(admission.clone());
                self.clear_findings();
                self.claimed = None;
            }
            Event::Revoke(decision) => self.revoke(&what, decision, me)?,
            Event::Revoked => {
                self.holds(&what, me)?;
                if self.stage != Stage::Revoking {
                    return Err(Error::failed(what, format!("it is {}", self.stage.name())));
                }
                self.stage = Stage::Revoked;
                self.clear_findings();
                self.claimed = None;
            }
            Event::Failed { why, again } => {
                self.holds(&what, me)?;
                self.failure.clone_from(why);
                self.tries += 1;
                self.claimed = None;
                match again {
                    Some(span) => self.retry = now.saturating_add(seconds(*span)),
                    // A revocation is never given up.
                    None if self.stage == Stage::Revoking => {}
                    None => self.stage = Stage::Failed,
                }
            }
        }
        if !matches!(event, Event::Claim { .. } | Event::Renew { .. }) {
            self.version += 1;
            self.changed = now;
        }
        Ok(())
    }

    fn clear_findings(&mut self) {
        self.failure.clear();
        self.tries = 0;
        self.retry = 0;
    }

    fn wish(&mut self, wish: &RequestedUse, now: i64) {
        self.wishes.retain(|known| known.person != wish.person);
        self.wishes.push(RequestedUse { withdrawn: false, ..wish.clone() });
        // A request that failed, or whose admission has ended, is examined again.
        if self.stage == Stage::Failed || self.is_expired_at(now) {
            self.stage = Stage::Submitted;
            self.since = now;
            self.decision = None;
            self.clear_findings();
        }
    }

    /// Whether it was admitted until a day that has passed.
    pub fn is_expired_at(&self, now: i64) -> bool {
        let until = self.decision.as_ref().and_then(|decision| decision.terms.until);
        self.stage == Stage::Admitted && until.is_some_and(|until| now >= until)
    }

    fn withdraw(&mut self, what: &str, me: &Caller) -> Result<()> {
        if self.stage.is_over() {
            return Err(Error::failed(what, format!("it is {} already", self.stage.name())));
        }
        let Some(wish) = self.wishes.iter_mut().find(|wish| wish.person == me.person && !wish.withdrawn) else {
            return Err(not_allowed(what, "you did not request it"));
        };
        wish.withdrawn = true;
        if self.open_wishes().next().is_none() {
            self.stage = Stage::Withdrawn;
            self.claimed = None;
        }
        Ok(())
    }

    fn remark(&mut self, what: &str, kind: RemarkKind, words: &str, me: &Caller, now: i64) -> Result<()> {
        match kind {
            RemarkKind::Note if me.approver || self.is_wanted_by(&me.person) => {}
            RemarkKind::Note => return Err(not_allowed(what, "you did not request it")),
            RemarkKind::Question if !me.approver => {
                return Err(not_allowed(what, "only an approver can ask a question"));
            }
            RemarkKind::Question if self.stage.is_open_to_decide() => self.stage = Stage::Asked,
            RemarkKind::Question => return Err(Error::failed(what, format!("it is {}", self.stage.name()))),
            RemarkKind::Answer if !self.is_wanted_by(&me.person) => {
                return Err(not_allowed(what, "you did not request it"));
            }
            RemarkKind::Answer if self.stage == Stage::Asked => self.stage = Stage::Waiting,
            RemarkKind::Answer => return Err(Error::failed(what, "no question was asked")),
        }
        let only_for = audience(self, &me.person);
        self.remarks.push(Remark { at: now, person: me.person.clone(), kind, words: words.to_owned(), only_for });
        Ok(())
    }

    fn decide(&mut self, what: &str, decision: &Decision, me: &Caller) -> Result<()> {
        if !me.approver {
            return Err(not_allowed(what, "you may not decide").hint("the site's administrators name the approvers"));
        }
        if !self.stage.is_open_to_decide() {
            let before = match &self.decision {
                Some(before) => format!(
                    "{} has {} it already: {}",
                    before.by,
                    if before.approve { "approved" } else { "rejected" },
                    before.reason
                ),
                None => format!("it is {}", self.stage.name()),
            };
            return Err(Error::failed(what, before));
        }
        if decision.approve && self.was_ever_requested_by(&me.person) && !me.own {
            return Err(not_allowed(what, "it is your own request").hint("another approver has to approve it"));
        }
        if decision.digest != self.asked.digest {
            return Err(Error::failed(what, "the decision is about another digest"));
        }
        self.stage = if decision.approve { Stage::Admitting } else { Stage::Rejected };
        self.decision = Some(Decision { by: me.person.clone(), ..decision.clone() });
        self.clear_findings();
        Ok(())
    }

    /// Fails unless the decision that a steward reports is possible: by the policy, or by the approval of a class whose
    /// author is not the only requester.
    fn was_decided(&self, what: &str, decision: &Decision, me: &Caller) -> Result<()> {
        if decision.digest != self.asked.digest {
            return Err(Error::failed(what, "the decision is about another digest"));
        }
        if decision.is_of_policy() {
            return Ok(());
        }
        if decision.class().is_none() || !decision.approve {
            return Err(not_allowed(what, "there is no such decision"));
        }
        if self.was_ever_requested_by(decision.person()) && !me.own {
            return Err(not_allowed(what, "who approved the class asked for this one"));
        }
        Ok(())
    }

    fn revoke(&mut self, what: &str, decision: &Decision, me: &Caller) -> Result<()> {
        if !me.approver {
            return Err(not_allowed(what, "you may not decide").hint("the site's administrators name the approvers"));
        }
        if self.stage != Stage::Admitted {
            return Err(Error::failed(what, format!("it is {}: only an admission is taken back", self.stage.name())));
        }
        self.stage = Stage::Revoking;
        self.decision = Some(Decision { by: me.person.clone(), approve: false, ..decision.clone() });
        self.clear_findings();
        Ok(())
    }

    fn steward(&self, what: &str, me: &Caller) -> Result<()> {
        if me.steward { Ok(()) } else { Err(not_allowed(what, "only a steward does that")) }
    }

    /// Fails unless this steward has reserved the request.
    fn holds(&self, what: &str, me: &Caller) -> Result<()> {
        self.steward(what, me)?;
        match &self.claimed {
            Some((who, _)) if *who == me.person => Ok(()),
            _ => Err(Error::failed(what, "another steward has taken it over")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        base::badge::Verdict,
        request::{RequestedImage, Terms},
    };

    fn me(person: &str, approver: bool, steward: bool) -> Caller {
        Caller { person: person.into(), approver, steward, own: false }
    }

    fn wish(person: &str) -> Event {
        Event::Wish(RequestedUse {
            person: person.into(),
            reason: "for the paper".into(),
            until: None,
            since: 1,
            private: false,
            withdrawn: false,
        })
    }

    fn decision(approve: bool) -> Decision {
        Decision {
            by: "policy test".into(),
            at: 1,
            approve,
            reason: "r".into(),
            terms: Terms::default(),
            digest: "sha256:a".into(),
            payload: String::new(),
            signature: String::new(),
        }
    }

    fn claim(seconds: u64) -> Event {
        Event::Claim { lease: Duration::from_secs(seconds) }
    }

    fn dossier() -> Box<Dossier> {
        Box::new(Dossier {
            verdict: Verdict::NeedsApproval,
            policy: "p".into(),
            grounds: Vec::new(),
            evidence: Vec::new(),
            base: String::new(),
            diff: String::new(),
            fixes: Vec::new(),
            quarantine: String::new(),
            scan: None,
            tag: None,
            at: 1,
        })
    }

    fn request() -> Request {
        let asked = RequestedImage { digest: "sha256:a".into(), ..RequestedImage::default() };
        let mut request = Request::new(7, asked, "r.example/admitted/a", 1);
        request.follow(&wish("ada"), &me("ada", false, false), 1).unwrap();
        request
    }

    fn waiting() -> Request {
        let mut request = request();
        let steward = me("s1", false, true);
        request.follow(&claim(48), &steward, 2).unwrap();
        request.follow(&Event::Judged(dossier(), PolicyOutcome::Wait), &steward, 3).unwrap();
        request
    }

    #[test]
    fn a_request_goes_from_hand_to_hand_and_each_does_only_what_is_theirs() {
        let mut request = waiting();
        assert_eq!(request.stage, Stage::Waiting);
        let (ada, carol, dora) = (me("ada", false, false), me("carol", true, false), me("dora", true, false));
        let refused = request.follow(&Event::Decide(decision(true)), &ada, 4).unwrap_err();
        assert_eq!(refused.kind, Kind::NotAllowed);
        request.follow(&Event::Remark(RemarkKind::Question, "what for?".into()), &carol, 5).unwrap();
        assert_eq!((request.stage, request.question().unwrap().words.as_str()), (Stage::Asked, "what for?"));
        request.follow(&Event::Remark(RemarkKind::Answer, "thesis".into()), &ada, 6).unwrap();
        request.follow(&Event::Decide(decision(true)), &carol, 7).unwrap();
        assert_eq!((request.stage, request.decision.as_ref().unwrap().by.as_str()), (Stage::Admitting, "carol"));
        let second = request.follow(&Event::Decide(decision(false)), &dora, 8).unwrap_err();
        assert!(second.why.contains("carol has approved"), "{second}");
    }

    #[test]
    fn nobody_approves_their_own_and_everybody_may_reject_it() {
        let mut own = waiting();
        let ada = me("ada", true, false);
        assert_eq!(own.follow(&Event::Decide(decision(true)), &ada, 4).unwrap_err().kind, Kind::NotAllowed);
        own.clone().follow(&Event::Decide(decision(true)), &Caller { own: true, ..ada.clone() }, 4).unwrap();
        own.follow(&Event::Decide(decision(false)), &ada, 4).unwrap();
        assert_eq!(own.stage, Stage::Rejected);
    }

    #[test]
    fn who_has_asked_for_it_approves_it_neither_after_taking_that_back_nor_by_a_class() {
        let mut request = request();
        request.follow(&wish("carol"), &me("carol", true, false), 2).unwrap();
        request.follow(&Event::Withdraw, &me("carol", true, false), 3).unwrap();
        let steward = me("s1", false, true);
        request.follow(&claim(48), &steward, 4).unwrap();
        let mut by_class = Decision { by: Decision::class_author("carol", 3), ..decision(true) };
        let refused =
            request.clone().follow(&Event::Judged(dossier(), PolicyOutcome::Decided(by_class.clone())), &steward, 5);
        assert_eq!(refused.unwrap_err().kind, Kind::NotAllowed);
        let forged = Decision { by: "dora".into(), ..decision(true) };
        let refused = request.clone().follow(&Event::Judged(dossier(), PolicyOutcome::Decided(forged)), &steward, 5);
        assert!(refused.unwrap_err().why.contains("there is no such decision"));
        by_class.by = Decision::class_author("dora", 3);
        request.clone().follow(&Event::Judged(dossier(), PolicyOutcome::Decided(by_class)), &steward, 5).unwrap();
        request.follow(&Event::Judged(dossier(), PolicyOutcome::Wait), &steward, 5).unwrap();
        let refused = request.follow(&Event::Decide(decision(true)), &me("carol", true, false), 6).unwrap_err();
        assert!(refused.why.contains("your own"), "{refused}");
    }

    #[test]
    fn a_claim_is_of_one_steward_until_it_ends() {
        let mut request = request();
        let (one, two) = (me("s1", false, true), me("s2", false, true));
        request.follow(&claim(48), &one, 2).unwrap();
        assert!(request.follow(&claim(40), &two, 49).is_err());
        request.follow(&claim(40), &two, 50).unwrap();
        // The first steward comes back and must not continue.
        assert!(request.follow(&Event::Judged(dossier(), PolicyOutcome::Decided(decision(true))), &one, 51).is_err());
        request.follow(&Event::Judged(dossier(), PolicyOutcome::Decided(decision(true))), &two, 52).unwrap();
        assert_eq!(request.stage, Stage::Admitting);
        let admission = Admission {
            reference: "r".into(),
            digest: "d".into(),
            signers: Vec::new(),
            at: 53,
            untagged: String::new(),
        };
        request.follow(&Event::Admitted(admission.clone()), &two, 53).unwrap();
        assert!(request.follow(&Event::Admitted(admission), &two, 54).is_err(), "never twice");
    }

    #[test]
    fn it_is_withdrawn_when_the_last_one_wants_it_no_more() {
        let mut request = request();
        request.follow(&wish("bob"), &me("bob", false, false), 2).unwrap();
        request.follow(&Event::Withdraw, &me("ada", false, false), 3).unwrap();
        assert_eq!(request.stage, Stage::Submitted);
        assert!(request.follow(&Event::Withdraw, &me("ada", false, false), 3).is_err());
        request.follow(&Event::Withdraw, &me("bob", false, false), 4).unwrap();
        assert_eq!(request.stage, Stage::Withdrawn);
    }

    fn any_event() -> impl Strategy<Value = (Event, Caller)> {
        let events = prop_oneof![
            Just(wish("ada")),
            Just(wish("bob")),
            Just(Event::Withdraw),
            Just(Event::Remark(RemarkKind::Question, "q".into())),
            Just(Event::Remark(RemarkKind::Answer, "a".into())),
            any::<bool>().prop_map(|approve| Event::Decide(decision(approve))),
            (0..200_u64).prop_map(claim),
            Just(Event::Judged(dossier(), PolicyOutcome::Wait)),
            any::<bool>().prop_map(|approve| Event::Judged(dossier(), PolicyOutcome::Decided(decision(approve)))),
            Just(Event::Admitted(Admission {
                reference: "r".into(),
                digest: "d".into(),
                signers: vec![],
                at: 1,
                untagged: String::new()
            })),
            proptest::option::of(0..200_u64)
                .prop_map(|again| Event::Failed { why: "w".into(), again: again.map(Duration::from_secs) }),
        ];
        let people = prop_oneof![
            Just(me("ada", false, false)),
            Just(me("bob", true, false)),
            Just(me("s1", false, true)),
            Just(me("s2", false, true))
        ];
        (events, people)
    }

    proptest! {
        #[test]
        fn whatever_happens_nothing_is_admitted_that_nobody_who_may_has_approved(
            events in proptest::collection::vec(any_event(), 0..40)
        ) {
            let mut request = request();
            let mut approved = false;
            for (at, (event, me)) in (0_i64..).zip(events) {
                let before = request.clone();
                match request.follow(&event, &me, at) {
                    Ok(()) => match &event {
                        Event::Decide(one) => {
                            prop_assert!(me.approver && !(one.approve && before.was_ever_requested_by(&me.person)));
                            approved = one.approve;
                        }
                        Event::Judged(_, PolicyOutcome::Decided(one)) => {
                            prop_assert!(me.steward);
                            approved = one.approve;
                        }
                        Event::Wish(_) if request.stage == Stage::Submitted => approved = false,
                        _ => {}
                    },
                    Err(_) => prop_assert_eq!(&request, &before, "what is refused changes nothing"),
                }
                prop_assert!(request.version >= before.version);
                if matches!(request.stage, Stage::Admitting | Stage::Admitted) {
                    prop_assert!(approved);
                }
            }
        }
    }
}
