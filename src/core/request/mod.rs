//! Requests: people's wishes to have images admitted, from submission to the signature that admits them.
//!
//! [`stage`] says what may follow what, [`notice`] what people are told. If several people request the same digest for
//! the same place, it is one request with several wishes.

pub mod admission;
pub mod notice;
pub mod stage;
pub mod statement;

use serde::{Deserialize, Serialize};

use super::image::names::name_of_url;
use super::{
    base::{
        badge::Verdict,
        clean,
        digest::Digest,
        quote::{Text, inline},
        text,
    },
    evidence::terms::Attested,
    image::{
        model::Platform,
        reference::{ImageRef, place_of},
    },
    policy::{Judgement, asks},
};

pub use self::stage::{Event, Stage};
pub use super::evidence::terms::Terms;

/// The number of a request.
pub type Id = i64;

/// The image that is requested, pinned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Where it is: a reference, with a digest if it has one; or the web address of a disk image.
    pub from: String,
    /// Its name in lists and messages.
    pub title: String,
    /// The tag under which it was requested.
    pub tag: Option<String>,
    /// What it is pinned to: the digest of its index or manifest, or the hash that a cloud keeps. For a file on the
    /// web, its address, because its hash is not known yet.
    pub digest: String,
    /// Its platforms, each with the digest of its own manifest.
    pub platforms: Vec<(Platform, Digest)>,
    /// Its size in bytes, if known.
    pub size: Option<u64>,
}

impl Asked {
    /// The same image named after its place, and not as the requester names it. The place of a cloud's disk image gives
    /// no name.
    #[must_use]
    pub fn called_by_its_place(mut self) -> Self {
        if let Ok(ImageRef::Oci(name)) = self.from.parse::<ImageRef>() {
            let tag = self.tag.as_deref().map(|tag| format!(":{tag}")).unwrap_or_default();
            self.title = format!("{}{tag}", name.repository);
        } else if let Ok(ImageRef::Other(name)) = self.from.parse::<ImageRef>() {
            name.path().clone_into(&mut self.title);
        } else if self.from.starts_with("http") {
            self.title = name_of_url(&self.from);
        }
        self
    }

    /// What two requests must share, besides digest and destination, to be the same: place and tag.
    pub fn meaning(&self) -> String {
        format!("{} {}", place_of(&self.from), self.tag.as_deref().unwrap_or(""))
    }
}

/// A person's wish for an image, with the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// The login of the requester.
    pub person: String,
    /// What the requester needs it for.
    pub reason: String,
    /// Until when it is needed, in seconds since 1970.
    pub until: Option<i64>,
    /// When they asked, in seconds since 1970.
    pub since: i64,
    /// Whether it is hidden from others who may not decide.
    pub private: bool,
    /// Whether the wish was withdrawn.
    pub withdrawn: bool,
}

/// The kind of a remark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RemarkKind {
    /// A remark that needs no answer.
    Note,
    /// An approver's question; the request waits for the answer.
    Question,
    /// The requester's answer to a question.
    Answer,
}

impl RemarkKind {
    /// The word that stores use for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Question => "question",
            Self::Answer => "answer",
        }
    }

    /// The kind for this word; a note for unknown words.
    pub fn named(word: &str) -> Self {
        [Self::Question, Self::Answer].into_iter().find(|kind| kind.word() == word).unwrap_or(Self::Note)
    }
}

/// A remark on a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// When it was said, in seconds since 1970.
    pub at: i64,
    /// The login of its author.
    pub person: String,
    /// Whether it is a note, a question or an answer.
    pub kind: RemarkKind,
    /// The text of the remark.
    pub words: String,
    /// Who may see it besides approvers; if empty, everybody who sees the request. A database that itself decides who
    /// sees what leaves it empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only_for: Vec<String>,
}

/// A reason of a verdict, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ground {
    /// The verdict for this reason alone.
    pub verdict: Verdict,
    /// The rule's key in the policy.
    pub rule: String,
    /// The reason as a sentence.
    pub words: String,
    /// The remedy, if there is one.
    pub step: String,
    /// The identifiers of the findings that it is about; empty if it is about none.
    #[serde(default)]
    pub findings: Vec<String>,
}

/// What a steward has found out about an image: everything that a decision needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dossier {
    /// The verdict of the policy.
    pub verdict: Verdict,
    /// The policy that judged it: its name and the beginning of its hash.
    pub policy: String,
    /// The reasons, the strictest first.
    pub grounds: Vec<Ground>,
    /// The results of signature checks and scan, in the words of the badges.
    pub evidence: Vec<String>,
    /// The base image, as the image names it; empty if it does not.
    pub base: String,
    /// The differences from the version that is already admitted, in words; empty if there is none.
    pub diff: String,
    /// The versions in which its findings are fixed: `CVE-… package version`.
    pub fixes: Vec<String>,
    /// Where the judged bytes are kept.
    pub quarantine: String,
    /// The scan, as a signature may state it.
    pub scan: Option<Attested>,
    /// The requested tag, if it means this digest at its source.
    #[serde(default)]
    pub tag: Option<String>,
    /// When it was made, in seconds since 1970.
    pub at: i64,
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
}

/// Up to this many names are listed one by one.
const NAMED: usize = 6;

/// The first names, and how many more there are.
fn few(names: &[String]) -> String {
    let more = names.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let first: Vec<String> = names.iter().take(NAMED).map(|name| inline(name)).collect();
    format!("{}{more}", first.join(", "))
}

impl Dossier {
    /// The reasons that hold the image back.
    fn held(&self) -> impl Iterator<Item = &Ground> {
        self.grounds.iter().filter(|ground| ground.verdict != Verdict::Allow)
    }

    /// The rules that hold the image back, each once.
    pub fn rules(&self) -> impl Iterator<Item = &str> {
        let mut seen = std::collections::BTreeSet::new();
        self.held().map(|ground| ground.rule.as_str()).filter(move |rule| seen.insert(*rule))
    }

    /// What an approval without conditions accepts: rules, and findings by identifier. A rule about findings is never
    /// accepted as such, because it would include further findings.
    pub fn to_take(&self) -> (Vec<String>, Vec<String>) {
        let (mut rules, mut findings): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
        for ground in self.held() {
            let (into, from) = match ground.findings.as_slice() {
                [] => (&mut rules, std::slice::from_ref(&ground.rule)),
                all => (&mut findings, all),
            };
            for one in from {
                if !into.contains(one) {
                    into.push(one.clone());
                }
            }
        }
        (rules, findings)
    }

    /// What an approval accepts, in lines for the approver.
    pub fn taken(&self) -> Vec<String> {
        let (rules, findings) = self.to_take();
        if rules.is_empty() && findings.is_empty() {
            return vec!["The policy holds nothing against it.".to_owned()];
        }
        let line =
            |(words, names): (&str, &Vec<String>)| (!names.is_empty()).then(|| format!("{words} {}", few(names)));
        std::iter::once("You take what holds it back, from now on and for this digest:".to_owned())
            .chain([("rules   ", &rules), ("findings", &findings)].into_iter().filter_map(line))
            .collect()
    }

    /// The rule that blocks the image, which is that of the strictest reason.
    pub fn rule(&self) -> &str {
        self.grounds.iter().find(|ground| ground.verdict == self.verdict).map_or("", |ground| ground.rule.as_str())
    }

    /// Adds what an approver should read to a text.
    fn told(&self, told: &mut Text, now: i64) {
        told.blank();
        told.line(format!("{} by the policy {} · {}", self.verdict.word(), self.policy, text::ago(self.at, now)));
        for ground in &self.grounds {
            let step = if ground.step.is_empty() { String::new() } else { format!(" → {}", ground.step) };
            told.line(format!("  {} {} [{}]{step}", ground.verdict.badge().sign, ground.words, ground.rule));
        }
        self.evidence.iter().for_each(|line| told.line(format!("  {line}")));
        self.fixes.iter().for_each(|line| told.line(format!("  fix: {line}")));
        if !self.base.is_empty() {
            told.line(format!("  built on {}", inline(&self.base)));
        }
        if !self.diff.is_empty() {
            told.line("compared with the version that is admitted:");
            told.quote(&self.diff);
        }
    }

    /// The reasons that decide the verdict, in words.
    pub fn why(&self) -> String {
        let own = self.grounds.iter().filter(|ground| ground.verdict == self.verdict);
        own.map(|ground| ground.words.as_str()).collect::<Vec<_>>().join("; ")
    }
}

/// The reasons of a judgement, as they are stored.
pub fn grounds(judgement: &Judgement) -> Vec<Ground> {
    let kept = |reason: &super::policy::Reason| Ground {
        verdict: reason.verdict,
        rule: reason.rule.to_owned(),
        words: reason.words.clone(),
        step: if asks(&reason.step) { String::new() } else { reason.step.clone() },
        findings: reason.findings.clone(),
    };
    judgement.reasons.iter().map(kept).collect()
}

/// A decision by a person or by the policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The person's login, or `policy NAME`.
    pub by: String,
    /// When it was decided, in seconds since 1970.
    pub at: i64,
    /// Whether the image may be admitted.
    pub approve: bool,
    /// The reason in the words of the person or policy.
    pub reason: String,
    /// The conditions of an approval.
    pub terms: Terms,
    /// The digest that was decided on; a decision on another digest needs another request.
    pub digest: String,
    /// What the approver has signed, which is attached to the admitted image; empty if nothing.
    #[serde(default)]
    pub payload: String,
    /// The approver's signature over it in base64; empty if only the steward signs.
    #[serde(default)]
    pub signature: String,
}

/// The beginning of [`Decision::by`] for a policy.
const POLICY: &str = "policy ";
/// What follows the approver's login if a class was approved.
const CLASS: &str = " (class ";

impl Decision {
    /// The text in [`Decision::by`] for this policy.
    pub fn of_policy(name: &str) -> String {
        format!("{POLICY}{name}")
    }

    /// The person who decided, also if it was by approving a class.
    pub fn person(&self) -> &str {
        self.by.rsplit_once(CLASS).map_or(self.by.as_str(), |(person, _)| person)
    }

    /// The number of the class by whose approval it was decided.
    pub fn class(&self) -> Option<Id> {
        self.by.rsplit_once(CLASS).and_then(|(_, number)| number.strip_suffix(')')?.parse().ok())
    }

    /// The text in [`Decision::by`] for a person who approved a class.
    pub fn of_class(person: &str, class: Id) -> String {
        format!("{person}{CLASS}{class})")
    }

    /// Whether the policy decided, and not a person.
    pub fn is_of_policy(&self) -> bool {
        self.by.starts_with(POLICY)
    }
}

/// The place where an image was admitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admission {
    /// The reference there, by digest.
    pub reference: String,
    /// The digest of the admitted image.
    pub digest: String,
    /// The keys that have signed it there.
    pub signers: Vec<String>,
    /// When it was admitted, in seconds since 1970.
    pub at: i64,
    /// Why its tag was not set, and who can set it how, in words; empty if it was set or there is none.
    #[serde(default)]
    pub untagged: String,
}

/// A request with everything known about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The number of the request.
    pub id: Id,
    /// The image that is requested.
    pub asked: Asked,
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
    pub wishes: Vec<Wish>,
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
    pub fn new(id: Id, asked: Asked, destination: &str, now: i64) -> Self {
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
        let asked = Asked { title: "(cannot be read)".to_owned(), ..Asked::default() };
        let failure = format!("what the store has of it cannot be read: {why}");
        Self { stage: Stage::Failed, failure, ..Self::new(id, asked, "", 0) }
    }

    /// Whether everybody may see it: at least one requester does not hide the wish.
    pub fn is_open(&self) -> bool {
        self.wishes.iter().any(|wish| !wish.private)
    }

    /// Whether this person has ever requested it, even if the wish was withdrawn.
    pub fn was_asked_by(&self, person: &str) -> bool {
        self.wishes.iter().any(|wish| wish.person == person)
    }

    /// The wishes that were not withdrawn.
    pub fn wanted_by(&self) -> impl Iterator<Item = &Wish> {
        self.wishes.iter().filter(|wish| !wish.withdrawn)
    }

    /// Until when the requesters need it, in seconds since 1970; `None` if one of them does not say.
    pub fn needed_until(&self) -> Option<i64> {
        let ends: Option<Vec<i64>> = self.wanted_by().map(|wish| wish.until).collect();
        ends.and_then(|ends| ends.into_iter().max())
    }

    /// Whether this person has a wish that was not withdrawn.
    pub fn is_of(&self, person: &str) -> bool {
        self.wanted_by().any(|wish| wish.person == person)
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
    pub fn place(&self, ahead: i64) -> Option<String> {
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
                let why = self.dossier.as_ref().map(Dossier::why).unwrap_or_default();
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
    pub fn of(took: &[(i64, bool)]) -> Self {
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
    /// The event, in the word of [`stage::Event::word`].
    pub what: String,
    /// The reason, remark or conditions, on one line.
    pub detail: String,
}

/// An approval of everything that one rule blocks on one base image, until a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Class {
    /// The number of the class; 0 before it is stored.
    pub id: Id,
    /// The base image; empty for any.
    pub base: String,
    /// The rule that blocks the images.
    pub rule: String,
    /// The decision; its conditions contain the end.
    pub decision: Decision,
}

impl Class {
    /// Whether a request with this dossier belongs to the class now.
    pub fn covers(&self, dossier: &Dossier, now: i64) -> bool {
        self.decision.approve
            && Self::takes(dossier, &self.rule, &self.decision.terms)
            && (self.base.is_empty() || self.base == dossier.base)
            && self.decision.terms.until.is_some_and(|until| now < until)
    }

    /// Whether these conditions accept everything that holds an image back, with `rule` as the strictest.
    pub fn takes(dossier: &Dossier, rule: &str, terms: &Terms) -> bool {
        let taken = |ground: &Ground| {
            ground.verdict == Verdict::NeedsApproval
                && match ground.findings.as_slice() {
                    [] => terms.rules.contains(&ground.rule),
                    all => all.iter().all(|finding| terms.exceptions.contains(finding)),
                }
        };
        dossier.rule() == rule && dossier.held().all(taken)
    }
}

/// The caller of a store, and what they may do there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Me {
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
pub enum Which {
    /// The caller's own, the newest first.
    Mine,
    /// Those that wait for a decision, by rule, base image and age.
    Queue,
    /// All that the caller may see, the newest first.
    All,
}

/// A group of the queue: the same rule and the same base image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The rule that blocks them.
    pub rule: String,
    /// The base image; empty if unknown.
    pub base: String,
    /// How many requests the group has.
    pub count: i64,
}

impl Request {
    /// Everything known about the request, as a text to read and copy.
    pub fn told(&self, history: &[Change], pace: Pace, ahead: i64, now: i64) -> String {
        let mut told = Text::default();
        told.line(format!("{} {}", self.stage.sign(), self.standing(pace, now)));
        if let Some(place) = self.place(ahead) {
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
            told.fact(remark.kind.word(), &format!("{} · {}", remark.person, text::ago(remark.at, now)));
            told.quote(&remark.words);
        }
        if let Some(dossier) = &self.dossier {
            dossier.told(&mut told, now);
        }
        if let Some(decision) = &self.decision {
            let verb = match (decision.approve, self.stage) {
                (true, _) => "approved",
                (false, Stage::Revoking | Stage::Revoked) => "taken back",
                (false, _) => "rejected",
            };
            let terms = decision.terms.words();
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
        let wish = |person: &str, until| Wish {
            person: person.into(),
            reason: "r".into(),
            until,
            since: 1,
            private: false,
            withdrawn: false,
        };
        let mut request = Request::new(1, Asked::default(), "d", 1);
        request.wishes = vec![wish("ada", Some(10)), wish("bob", Some(20))];
        assert_eq!(request.needed_until(), Some(20));
        request.wishes.push(wish("carol", None));
        assert_eq!(request.needed_until(), None);
    }
}
