//! Notices: news for one person, told once, in the inbox and by the deliveries that a site has set up.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Id, Request, Stage};
use crate::{
    base::{clean, quote::Text},
    image::reference::ImageRef,
};

/// Most characters of a mail's subject.
const SUBJECT: usize = 200;
/// All approvers, as the receiver of a notice.
pub const APPROVERS: &str = "@approvers";

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topic {
    /// News of the receiver's own request.
    Request,
    /// A request that waits for a decision.
    Decision,
    /// An image that the person uses became vulnerable.
    Vulnerability,
}

impl Topic {
    /// The word that stores use for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Decision => "decision",
            Self::Vulnerability => "vulnerability",
        }
    }

    /// The topic for this word; a request for unknown words.
    pub fn from_name(word: &str) -> Self {
        [Self::Decision, Self::Vulnerability].into_iter().find(|one| one.name() == word).unwrap_or(Self::Request)
    }
}

/// A notice to one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The number of the notice; 0 before it is stored.
    pub id: Id,
    /// When it was written, in seconds since 1970.
    pub at: i64,
    /// The login of the receiver, or [`APPROVERS`].
    pub to: String,
    /// The topic of the notice.
    pub topic: Topic,
    /// Identifies the notice: a receiver gets it only once for each key.
    pub key: String,
    /// The name of the image.
    pub title: String,
    /// The text of the notice.
    pub words: String,
    /// The number of the request that it is about.
    pub request: Option<Id>,
    /// The warning, if it is one.
    pub warning: Option<Warning>,
    /// Whether the receiver has read it.
    pub seen: bool,
}

/// The warning that an image became vulnerable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// The reference of the image, pinned.
    pub reference: String,
    /// The digest of the image.
    pub digest: String,
    /// The new findings, the worst first: identifier, package, and the version in which it is fixed.
    pub findings: Vec<(String, String, String)>,
    /// The pinned reference of a version without them, if there is one.
    pub fixed: Option<String>,
    /// Where the receiver launched it: backend and workload of each.
    pub workloads: Vec<String>,
    /// Why the receiver is warned: launched, downloaded, given, supplied, requested.
    pub because: Vec<String>,
}

impl Warning {
    /// The warning in words.
    pub fn describe(&self) -> String {
        let all: Vec<String> = self
            .findings
            .iter()
            .take(5)
            .map(|(id, package, fixed)| {
                let fixed = if fixed.is_empty() { "not fixed yet".to_owned() } else { format!("fixed in {fixed}") };
                format!("{id} in {package} ({fixed})")
            })
            .collect();
        let more = self.findings.len().saturating_sub(all.len());
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        let fixed = match &self.fixed {
            Some(reference) => format!("a version without them: {reference}"),
            None => "there is no version without them yet".to_owned(),
        };
        format!("{}{more}; {fixed}", all.join(", "))
    }
}

impl Notice {
    /// A placeholder for a notice that cannot be read.
    pub fn unreadable(id: Id, to: &str, why: &str) -> Self {
        Self {
            id,
            at: 0,
            to: to.to_owned(),
            topic: Topic::Request,
            key: format!("unreadable {id}"),
            title: "a notice".to_owned(),
            words: format!("that cannot be read: {why}"),
            request: None,
            warning: None,
            seen: false,
        }
    }
}

/// The beginning of the text about an admission; the reference follows.
const ADMITTED: &str = "was admitted: ";

impl Notice {
    /// The image that the notice suggests to launch: the fixed version, or the admitted image.
    pub fn launchable(&self) -> Option<ImageRef> {
        let fixed = self.warning.as_ref().and_then(|warning| warning.fixed.as_deref());
        fixed.or_else(|| self.words.strip_prefix(ADMITTED))?.parse().ok()
    }

    /// The notice as a mail: subject and body.
    pub fn letter(&self) -> (String, String) {
        let about = format!("request {}: {}", self.request.unwrap_or(0), self.title);
        let subject = match self.topic {
            Topic::Vulnerability => format!("{} has become vulnerable", self.title),
            Topic::Decision => format!("{about} waits for a decision"),
            Topic::Request => format!("{about} {}", clean::short(self.words.split(':').next().unwrap_or(""), 60)),
        };
        let mut letter = Text::default();
        letter.line(&self.title);
        letter.quote(&self.words);
        letter.blank();
        if let Some(warning) = &self.warning {
            letter.line(format!("image      {}", warning.reference));
            for (id, package, fixed) in &warning.findings {
                let fixed = if fixed.is_empty() { "not fixed yet".to_owned() } else { format!("fixed in {fixed}") };
                letter.line(format!("finding    {id} in {package}, {fixed}"));
            }
            warning.workloads.iter().for_each(|workload| letter.line(format!("launched   {workload}")));
            letter.line(format!("you        {}", warning.because.join(", ")));
            match &warning.fixed {
                Some(fixed) => letter.line(format!("launch     wharf launch {fixed}")),
                None => letter.line("There is no version without it yet; you will be told when there is."),
            }
        }
        letter.line(match (self.topic, self.request) {
            (Topic::Decision, Some(id)) => {
                format!("wharf requests show {id}; wharf approve {id}; wharf reject {id} --reason TEXT")
            }
            (_, Some(id)) => format!("wharf requests show {id}"),
            _ => "wharf inbox".to_owned(),
        });
        (clean::short(&subject, SUBJECT), letter.finish())
    }
}

/// The notices about a request's change to another stage; none if nobody waits for it.
///
/// `users` are the people who use the admitted image, who are told of a revocation. A database that writes notices
/// itself must write the same ones, which the contract test of the stores compares.
pub fn describe(request: &Request, before: Stage, users: &[String], now: i64) -> Vec<Notice> {
    if request.stage == before {
        return Vec::new();
    }
    let decision = request.decision.as_ref();
    let words = match request.stage {
        Stage::Waiting if before == Stage::Asked => return vec![notice(request, APPROVERS, "was answered", now)],
        Stage::Waiting => {
            let why = request.dossier.as_ref().map(super::Dossier::deciding_reasons).unwrap_or_default();
            return vec![notice(request, APPROVERS, &format!("waits for a decision: {why}"), now)];
        }
        Stage::Asked => format!("a question: {}", request.question().map_or("", |question| question.words.as_str())),
        Stage::Admitted => {
            let at = request.admitted.as_ref().map_or("", |admitted| admitted.reference.as_str());
            format!("{ADMITTED}{at}")
        }
        Stage::Rejected => {
            let (by, reason) = decision.map_or(("", ""), |one| (one.by.as_str(), one.reason.as_str()));
            format!("was rejected by {by}: {reason}")
        }
        Stage::Revoking => {
            let (by, reason) = decision.map_or(("", ""), |one| (one.by.as_str(), one.reason.as_str()));
            format!("was taken back by {by}: {reason}")
        }
        Stage::Failed => format!("could not be done: {}", request.failure),
        Stage::Submitted | Stage::Gathering | Stage::Admitting | Stage::Revoked | Stage::Withdrawn => {
            return Vec::new();
        }
    };
    let more = users.iter().map(String::as_str).filter(|_| request.stage == Stage::Revoking);
    let people: BTreeSet<&str> = request.open_wishes().map(|wish| wish.person.as_str()).chain(more).collect();
    people.into_iter().map(|person| notice(request, person, &words, now)).collect()
}

fn notice(request: &Request, to: &str, words: &str, now: i64) -> Notice {
    Notice {
        id: 0,
        at: now,
        to: to.to_owned(),
        topic: if to == APPROVERS { Topic::Decision } else { Topic::Request },
        key: format!("request {} {} {}", request.id, request.stage.name(), request.version),
        title: request.asked.title.clone(),
        words: words.to_owned(),
        request: Some(request.id),
        warning: None,
        seen: false,
    }
}
