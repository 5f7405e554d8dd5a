//! A request with everything known about it, and how it is told.

use serde::{Deserialize, Serialize};

use super::{
    decision::{Admission, Decision},
    dossier::Dossier,
    stage::Stage,
    wish::{Id, Remark, RemarkKind, RequestedImage, RequestedUse},
};
use crate::base::{
    clean,
    quote::{Text, inline},
    text,
};

/// A request with everything known about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The number of the request.
    pub id: Id,
    /// The image that is requested.
    pub asked: RequestedImage,
    /// The repository or cloud where it will be admitted, without tag or digest.
    pub destination: String,
    /// How far the request is.
    pub stage: Stage,
    /// Grows with every change, so that decisions on an older version are noticed.
    pub version: i64,
    /// When it was submitted, in seconds since 1970.
    pub since: i64,
    /// When it was last changed, in seconds since 1970.
    pub changed: i64,
    /// The wishes of all requesters.
    pub wishes: Vec<RequestedUse>,
    /// The conversation, the oldest remark first.
    pub remarks: Vec<Remark>,
    /// What a steward has found out; `None` until then.
    pub dossier: Option<Dossier>,
    /// The decision, once there is one.
    pub decision: Option<Decision>,
    /// Where it was admitted, once it was.
    pub admitted: Option<Admission>,
    /// Why the last try failed; empty if it did not.
    pub failure: String,
    /// The number of failed tries.
    pub tries: i64,
    /// When it is tried again, in seconds since 1970.
    pub retry: i64,
    /// The steward that works on it, and until when it is reserved for that one.
    pub claimed: Option<(String, i64)>,
}

impl Request {
    /// A request that was just submitted.
    pub fn new(id: Id, asked: RequestedImage, destination: &str, now: i64) -> Self {
        Self {
            id,
            asked,
            destination: destination.to_owned(),
            stage: Stage::Submitted,
            version: 1,
            since: now,
            changed: now,
            wishes: Vec::new(),
            remarks: Vec::new(),
            dossier: None,
            decision: None,
            admitted: None,
            failure: String::new(),
            tries: 0,
            retry: 0,
            claimed: None,
        }
    }

    /// A placeholder for a request that cannot be read: it is shown as such, and nothing can be done with it.
    pub fn unreadable(id: Id, why: &str) -> Self {
        let asked = RequestedImage { title: "(cannot be read)".to_owned(), ..RequestedImage::default() };
        let failure = format!("what the store has of it cannot be read: {why}");
        Self { stage: Stage::Failed, failure, ..Self::new(id, asked, "", 0) }
    }

    /// Whether everybody may see it: at least one requester does not hide the wish.
    pub fn is_open(&self) -> bool {
        self.wishes.iter().any(|wish| !wish.private)
    }

    /// Whether this person has ever requested it, even if the wish was withdrawn.
    pub fn was_ever_requested_by(&self, person: &str) -> bool {
        self.wishes.iter().any(|wish| wish.person == person)
    }

    /// The wishes that were not withdrawn.
    pub fn open_wishes(&self) -> impl Iterator<Item = &RequestedUse> {
        self.wishes.iter().filter(|wish| !wish.withdrawn)
    }

    /// Until when the requesters need it, in seconds since 1970; `None` if one of them does not say.
    pub fn needed_until(&self) -> Option<i64> {
        let ends: Option<Vec<i64>> = self.open_wishes().map(|wish| wish.until).collect();
        ends.and_then(|ends| ends.into_iter().max())
    }

    /// Whether this person has a wish that was not withdrawn.
    pub fn is_wanted_by(&self, person: &str) -> bool {
        self.open_wishes().any(|wish| wish.person == person)
    }

    /// The rule that blocks it; empty until that is known.
    pub fn rule(&self) -> &str {
        self.dossier.as_ref().map_or("", Dossier::rule)
    }

    /// The base image; empty until that is known.
    pub fn base(&self) -> &str {
        self.dossier.as_ref().map_or("", |dossier| dossier.base.as_str())
    }

    /// The question that waits for an answer, if there is one.
    pub fn question(&self) -> Option<&Remark> {
        let last = self.remarks.iter().rev().find(|remark| remark.kind == RemarkKind::Question);
        last.filter(|_| self.stage == Stage::Asked)
    }

    /// How many requests are ahead of it, in words; `None` if it waits for nobody.
    pub fn queue_position(&self, ahead: i64) -> Option<String> {
        let whom = match self.stage {
            Stage::Submitted | Stage::Gathering | Stage::Admitting => "the stewards",
            Stage::Waiting | Stage::Asked => "those who decide",
            _ => return None,
        };
        let before = ahead.max(0).unsigned_abs();
        Some(if before == 0 {
            format!("it is the next for {whom}")
        } else {
            format!("{} before it for {whom}", text::plural(before, "request is", "requests are"))
        })
    }

    /// How it stands, in a sentence, with the estimated time that is left.
    pub fn standing(&self, pace: Pace, now: i64) -> String {
        match self.stage {
            Stage::Submitted | Stage::Gathering => {
                let doing = if self.stage == Stage::Submitted { "waits for a steward" } else { "evidence is gathered" };
                let again = if self.failure.is_empty() { String::new() } else { format!(" again: {}", self.failure) };
                format!("{doing}{again}{}", pace.work(now - self.since))
            }
            Stage::Waiting => {
                let why = self.dossier.as_ref().map(Dossier::deciding_reasons).unwrap_or_default();
                format!("needs a decision: {why}{}", left(pace.by_person, now - self.since))
            }
            Stage::Asked => {
                let question = self.question().map(|question| inline(&question.words)).unwrap_or_default();
                format!("waits for an answer: {question}")
            }
            Stage::Admitting => format!("is being admitted{}", pace.work(now - self.changed)),
            Stage::Admitted => {
                let admitted = self.admitted.as_ref();
                let (reference, untagged) =
                    admitted.map_or(("", ""), |admitted| (admitted.reference.as_str(), admitted.untagged.as_str()));
                let tag = if untagged.is_empty() { String::new() } else { format!(" · {untagged}") };
                format!("admitted as {reference}{tag}")
            }
            Stage::Revoking | Stage::Revoked => {
                let decision = self.decision.as_ref();
                let (by, reason) = decision.map_or(("", ""), |one| (one.by.as_str(), one.reason.as_str()));
                let left = if self.stage == Stage::Revoking { " · a steward has yet to sign that" } else { "" };
                format!("its admission was taken back by {by}: {reason}{left}")
            }
            Stage::Rejected => {
                let decision = self.decision.as_ref();
                let (by, reason) = decision.map_or(("", ""), |one| (one.by.as_str(), one.reason.as_str()));
                format!("rejected by {by}: {}", inline(reason))
            }
            Stage::Withdrawn => "withdrawn".to_owned(),
            Stage::Failed => format!("could not be done: {}", self.failure),
        }
    }
}

/// How long the last admitted requests took, as medians in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Pace {
    /// Those that the policy admitted.
    pub automatic: Option<i64>,
    /// Those that an approver decided.
    pub by_person: Option<i64>,
    /// Whether no steward runs at present, so that nothing proceeds.
    pub no_steward: bool,
}

impl Pace {
    /// With fewer requests than these there is no estimate.
    const FEWEST: usize = 3;

    /// The medians of some requests, each with its seconds and whether the policy alone admitted it.
    pub fn from_durations(took: &[(i64, bool)]) -> Self {
        let of = |alone: bool| median(took.iter().filter(|one| one.1 == alone).map(|one| one.0).collect());
        Self { automatic: of(true), by_person: of(false), no_steward: false }
    }

    /// What is said about the time that a steward needs: an estimate, or why there is none.
    fn work(self, waited: i64) -> String {
        if self.no_steward { " · no steward is running now".to_owned() } else { left(self.automatic, waited) }
    }
}

/// The time that is left, in words; empty without an estimate.
fn left(usual: Option<i64>, waited: i64) -> String {
    let Some(usual) = usual else { return String::new() };
    let usual_words = text::duration(usual);
    match usual - waited.max(0) {
        left if left > 0 => format!(" · usually {usual_words}, about {} left", text::duration(left)),
        _ => format!(" · usually {usual_words}, longer this time"),
    }
}

/// The median of numbers; `None` if they are too few.
fn median(mut numbers: Vec<i64>) -> Option<i64> {
    numbers.sort_unstable();
    let middle = numbers.get(numbers.len() / 2).copied();
    middle.filter(|_| numbers.len() >= Pace::FEWEST)
}

/// A change in the history of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// When it changed, in seconds since 1970.
    pub at: i64,
    /// The login of the person or steward.
    pub who: String,
    /// The event, in the word of [`Event::name`](super::event::Event::name).
    pub what: String,
    /// The reason, remark or conditions, on one line.
    pub detail: String,
}

/// The caller of a store, and what they may do there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Caller {
    /// The login, as the store knows it.
    pub person: String,
    /// Whether they may decide on requests.
    pub approver: bool,
    /// Whether they work as a steward.
    pub steward: bool,
    /// Whether they may approve their own requests.
    pub own: bool,
}

/// Which requests a list contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RequestFilter {
    /// The caller's own, the newest first.
    Mine,
    /// Those that wait for a decision, by rule, base image and age.
    Queue,
    /// All that the caller may see, the newest first.
    All,
}

impl Request {
    /// Where it is admitted, or will be.
    pub fn admitted_at(&self) -> &str {
        self.admitted.as_ref().map_or(self.destination.as_str(), |one| one.reference.as_str())
    }

    /// The tag under which it is admitted; a requested tag counts only after a steward has verified it.
    pub fn tag(&self) -> Option<&str> {
        self.dossier.as_ref().and_then(|dossier| dossier.tag.as_deref())
    }

    /// Everything known about the request, as a text to read and copy.
    pub fn describe(&self, history: &[Change], pace: Pace, ahead: i64, now: i64) -> String {
        let mut told = Text::default();
        told.line(format!("{} {}", self.stage.sign(), self.standing(pace, now)));
        if let Some(place) = self.queue_position(ahead) {
            told.line(format!("  {place}"));
        }
        told.blank();
        told.fact("image", &self.asked.from);
        told.fact("digest", &self.asked.digest);
        told.fact("for", &self.destination);
        told.fact("size", &self.asked.size.map(text::size).unwrap_or_default());
        if self.asked.platforms.len() > 1 {
            let names: Vec<String> = self.asked.platforms.iter().map(|(platform, _)| platform.to_string()).collect();
            told.fact("platforms", &names.join(", "));
        }
        for wish in &self.wishes {
            let until = wish.until.map(|until| format!(", until {}", text::timestamp(until))).unwrap_or_default();
            let more = match (wish.withdrawn, wish.private) {
                (true, _) => " (withdrawn)",
                (_, true) => " (private)",
                _ => "",
            };
            told.fact("asked by", &format!("{}{until}{more} · {}", wish.person, text::ago(wish.since, now)));
            told.quote(&wish.reason);
        }
        for remark in &self.remarks {
            told.fact(remark.kind.name(), &format!("{} · {}", remark.person, text::ago(remark.at, now)));
            told.quote(&remark.words);
        }
        if let Some(dossier) = &self.dossier {
            dossier.describe(&mut told, now);
        }
        if let Some(decision) = &self.decision {
            let verb = match (decision.approve, self.stage) {
                (true, _) => "approved",
                (false, Stage::Revoking | Stage::Revoked) => "taken back",
                (false, _) => "rejected",
            };
            let terms = decision.terms.describe();
            let terms = if terms.is_empty() { terms } else { format!(", {terms}") };
            let signed = if decision.signature.is_empty() { "" } else { ", signed" };
            told.blank();
            told.line(format!("{verb} by {}{terms}{signed} · {}", decision.by, text::ago(decision.at, now)));
            told.quote(&decision.reason);
        }
        if let Some(admitted) = &self.admitted {
            told.line(format!("admitted as {}", admitted.reference));
            admitted.signers.iter().for_each(|signer| told.line(format!("  signed by {signer}")));
            if !admitted.untagged.is_empty() {
                told.line(format!("  {}", admitted.untagged));
            }
        }
        if !history.is_empty() {
            told.blank();
            for change in history.iter().filter(|change| change.what != "held") {
                let detail = clean::short(&change.detail, 200);
                let detail = if detail.is_empty() { detail } else { inline(&detail) };
                told.line(format!("{}  {:<10} {}  {detail}", text::timestamp(change.at), change.what, change.who));
            }
        }
        told.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_admission_ends_when_the_last_one_needs_it_no_more_and_never_where_one_does_not_say() {
        let wish = |person: &str, until| RequestedUse {
            person: person.into(),
            reason: "r".into(),
            until,
            since: 1,
            private: false,
            withdrawn: false,
        };
        let mut request = Request::new(1, RequestedImage::default(), "d", 1);
        request.wishes = vec![wish("ada", Some(10)), wish("bob", Some(20))];
        assert_eq!(request.needed_until(), Some(20));
        request.wishes.push(wish("carol", None));
        assert_eq!(request.needed_until(), None);
    }
}
