//! What may be signed by a steward: an admission that was decided, over bytes that were hashed. An [`Admitting`] is the
//! only thing that becomes a steward's statement, and it is made only here, by checking both.

use super::{
    Class, Decision, Id, Request, Stage,
    statement::{Payload, Statement},
};
use crate::core::{
    base::{
        badge::Verdict,
        digest::Digest,
        error::{Error, Kind, Result},
    },
    evidence::terms::{Attested, Stated, Terms},
    image::reference::Name,
};

/// Where something is admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A repository of the site's registry.
    Repository(Name),
    /// An image of a cloud, by its id there.
    Disk(String),
}

/// What a steward knows of a decision that it did not take from the row.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// What the policy makes of the image now, where it was asked.
    pub policy: Option<Verdict>,
    /// The id of the policy's key that signed the decision's payload, where one did.
    pub key: Option<String>,
    /// Whether the site wants decisions of people signed.
    pub signed: bool,
    /// Whether people may approve what they asked for themselves.
    pub own: bool,
}

/// A decision that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    decision: Decision,
    class: bool,
}

/// An admission that may be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitting {
    request: Id,
    digest: Digest,
    place: Place,
    terms: Terms,
    approver: String,
}

/// That it cannot be done whatever is tried.
fn never(request: &Request, why: &str) -> Error {
    Error::new(Kind::Denied, format!("admit {}", request.called()), why)
}

impl Decided {
    /// Checks that the decision of a request may be carried out.
    ///
    /// What a row says the policy decided, the policy must decide now. What a person decided must be signed by a key of
    /// the policy over exactly this request where the site wants that, and where there is a signature at all.
    pub fn new(request: &Request, known: &Known) -> Result<Self> {
        let decision = request.decision.as_ref().filter(|decision| decision.approve);
        let decision = decision.ok_or_else(|| never(request, "nobody has approved it"))?;
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
                        Statement::of_class(base, rule, &decision.terms).text() == decision.payload
                            && Class::takes(dossier, rule, &decision.terms)
                    })
                })
            })
        } else {
            // A key that signed something else has not approved this.
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

    /// Nobody approves what they alone asked for, by a class neither.
    fn own(request: &Request, decision: &Decision, known: &Known) -> Result<()> {
        let who = decision.person();
        let alone = request.wanted_by().next().is_some() && request.wanted_by().all(|wish| wish.person == who);
        if alone && !known.own {
            return Err(never(request, "whoever approved it is the only one who asked for it"));
        }
        Ok(())
    }

    /// The decision that admits it.
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// Whether the approver's own signature is one of this image, to be attached to it.
    pub fn is_signed(&self) -> bool {
        !self.decision.signature.is_empty() && !self.class
    }
}

impl Admitting {
    /// An admission, once its bytes are where they are admitted and were hashed there.
    pub fn new(request: &Request, decided: &Decided, place: Place, hashed: &Digest) -> Result<Self> {
        if request.stage != Stage::Admitting {
            return Err(never(request, &format!("it is {}", request.stage.word())));
        }
        // Of what came from the web nobody knew the hash when it was asked for: the digest is its address.
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

    /// The admission that a steward's own statement tells of, to be stated anew: it must be over exactly these bytes, in
    /// exactly this place, and of a request that the store has as admitted there. `payload` is one whose signature by the
    /// steward's key was verified.
    pub fn stated_before(payload: &[u8], request: &Request, place: &Place, digest: &Digest) -> Option<Self> {
        let (at, of, stated) = match Payload::read(payload)? {
            Payload::Image { repository, digest, stated } => (repository, digest, stated),
            Payload::Disk { id, digest, stated } => (id, digest, stated),
            Payload::TakenBack { .. } => return None,
        };
        let here = match place {
            Place::Repository(name) => name.bare(),
            Place::Disk(id) => id.clone(),
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

    /// The digest that is admitted, hashed by us.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The repository or cloud image that it is admitted as.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// What its statement says beside that.
    pub(super) fn stated(&self, scan: Option<Attested>, now: i64) -> Stated {
        let here = match &self.place {
            Place::Repository(name) => name.bare(),
            Place::Disk(id) => id.clone(),
        };
        Stated {
            terms: self.terms.clone(),
            only: self.terms.only.then_some(here),
            approver: self.approver.clone(),
            request: self.request.to_string(),
            scan,
            at: now,
        }
    }
}
