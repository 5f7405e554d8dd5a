//! What a steward may sign: an admission that was decided, over bytes that were hashed. Only an [`AdmissionToSign`] becomes a
//! steward's statement, and it is made only here, after checking both.

use super::{
    decision::{Class, Decision},
    model::Request,
    stage::Stage,
    statement::{CLASSIC, DISK, Payload, Statement},
    wish::Id,
};
use crate::{
    base::{
        badge::Verdict,
        digest::Digest,
        error::{Error, Kind, Result},
    },
    evidence::terms::{AttestedScan, SignatureClaims, Terms},
};

pub use super::statement::AdmissionPlace;

/// What a steward knows about a decision from elsewhere than the database's row.
#[derive(Debug, Clone, Default)]
pub struct KnownDecision {
    /// The policy's verdict on the image now, if it was asked.
    pub policy: Option<Verdict>,
    /// The id of the policy's key that has signed the decision, if one has.
    pub key: Option<String>,
    /// Whether the site requires people's decisions to be signed.
    pub signed: bool,
    /// Whether people may approve their own requests.
    pub own: bool,
}

/// A decision that was checked and counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    decision: Decision,
    class: bool,
}

/// An admission that may be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdmissionToSign {
    request: Id,
    digest: Digest,
    place: AdmissionPlace,
    terms: Terms,
    approver: String,
}

/// The error for an admission that no further try can make possible.
fn never(request: &Request, why: &str) -> Error {
    Error::new(Kind::Denied, format!("admit {}", request.called()), why)
}

impl Decided {
    /// Checks that a request's decision may be carried out.
    ///
    /// If the row says that the policy decided, the policy must decide the same now. A person's decision must be signed
    /// by a key of the policy, for exactly this request, if the site requires that or if it has a signature at all.
    pub fn new(request: &Request, known: &KnownDecision) -> Result<Self> {
        let decision = request.decision.as_ref().filter(|decision| decision.approve);
        let decision = decision.ok_or_else(|| never(request, "it was not approved"))?;
        if decision.digest != request.asked.digest {
            return Err(never(request, "it was approved for another digest"));
        }
        let decided = |class| Ok(Self { decision: decision.clone(), class });
        if decision.is_of_policy() {
            return match known.policy {
                Some(Verdict::Allow) => decided(false),
                _ => Err(never(request, "the policy does not allow it")),
            };
        }
        if decision.signature.is_empty() {
            if known.signed {
                return Err(never(request, "its approval is not signed, and this site wants that"));
            }
            return Self::own(request, decision, known).and_then(|()| decided(false));
        }
        let class = Statement::is_of_class(&decision.payload);
        let about_this = if class {
            let dossier = request.dossier.as_ref();
            dossier.is_some_and(|dossier| {
                [dossier.base.as_str(), ""].iter().any(|base| {
                    dossier.rules().any(|rule| {
                        Statement::class_author(base, rule, &decision.terms).text() == decision.payload
                            && Class::accepts_all(dossier, rule, &decision.terms)
                    })
                })
            })
        } else {
            // A signature over something else approves nothing here.
            Statement::is_approval_of(&decision.payload, request, decision)
        };
        if !about_this {
            return Err(never(request, "its approval's signature is about something else"));
        }
        if known.key.is_none() {
            return Err(never(request, "its approval is signed by no key of the policy"));
        }
        Self::own(request, decision, known).and_then(|()| decided(class))
    }

    /// Fails if the approver is the only requester, even if it was approved by a class.
    fn own(request: &Request, decision: &Decision, known: &KnownDecision) -> Result<()> {
        let who = decision.person();
        let alone = request.open_wishes().next().is_some() && request.open_wishes().all(|wish| wish.person == who);
        if alone && !known.own {
            return Err(never(request, "its approver is its only requester"));
        }
        Ok(())
    }

    /// The decision that admits the image.
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// Whether the approver's signature is one of this image, and can be attached to it.
    pub fn is_signed(&self) -> bool {
        !self.decision.signature.is_empty() && !self.class
    }
}

impl AdmissionToSign {
    /// Checks an admission whose bytes are in their place and were hashed there.
    pub fn new(request: &Request, decided: &Decided, place: AdmissionPlace, hashed: &Digest) -> Result<Self> {
        if request.stage != Stage::Admitting {
            return Err(never(request, &format!("it is {}", request.stage.name())));
        }
        // The hash of a file from the web was not known at the request: its digest there is its address.
        if let Ok(asked) = request.asked.digest.parse::<Digest>() {
            asked.matches(hashed, &format!("admit {}", request.called()))?;
        }
        let decision = &decided.decision;
        Ok(Self {
            request: request.id,
            digest: hashed.clone(),
            place,
            terms: decision.terms.clone(),
            approver: if decision.is_of_policy() { String::new() } else { decision.by.clone() },
        })
    }

    /// The admission in an earlier statement of the steward, to be signed again: it must be about exactly these bytes
    /// in exactly this place, and about a request that the store has as admitted there. The steward's signature over
    /// `payload` must have been verified.
    pub fn stated_before(payload: &[u8], request: &Request, place: &AdmissionPlace, digest: &Digest) -> Option<Self> {
        let (at, of, stated) = match Payload::parse(payload)? {
            Payload::Image { repository, digest, stated } => (repository, digest, stated),
            Payload::Disk { id, digest, stated } => (id, digest, stated),
            Payload::TakenBack { .. } => return None,
        };
        let here = match place {
            AdmissionPlace::Repository(name) => name.bare(),
            AdmissionPlace::Disk(id) => id.clone(),
        };
        let admitted = request.admitted.as_ref().filter(|_| request.stage == Stage::Admitted)?;
        let same = at == here
            && of == digest.as_str()
            && admitted.digest == digest.as_str()
            && stated.request == request.id.to_string();
        same.then(|| Self {
            request: request.id,
            digest: digest.clone(),
            place: place.clone(),
            terms: stated.terms,
            approver: stated.approver,
        })
    }

    /// The digest that is admitted, which was computed here.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The repository or cloud image in which it is admitted.
    pub fn queue_position(&self) -> &AdmissionPlace {
        &self.place
    }

    /// What the steward's statement says besides digest and place.
    pub(super) fn stated(&self, scan: Option<AttestedScan>, now: i64) -> SignatureClaims {
        let here = match &self.place {
            AdmissionPlace::Repository(name) => name.bare(),
            AdmissionPlace::Disk(id) => id.clone(),
        };
        SignatureClaims {
            terms: self.terms.clone(),
            only: self.terms.only.then_some(here),
            approver: self.approver.clone(),
            request: self.request.to_string(),
            scan,
            at: now,
        }
    }
}

impl Statement {
    /// A steward's signature of an admission; the scan is one that the steward has made.
    pub fn for_admission(admitting: &AdmissionToSign, scan: Option<AttestedScan>, now: i64) -> Self {
        let kind = match admitting.queue_position() {
            AdmissionPlace::Repository(_) => CLASSIC,
            AdmissionPlace::Disk(_) => DISK,
        };
        Self::build(kind, admitting.queue_position(), admitting.digest(), &admitting.stated(scan, now), None)
    }
}
