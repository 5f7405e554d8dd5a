//! What is kept of each launch: what was planned, on which verdict, and what became of it.

use serde::{Deserialize, Serialize};

use super::{
    form::Answers,
    plan::{Plan, Workload},
    step::Step,
    usage::full_id,
};
use crate::{
    base::{
        error::{Error, Kind, Result},
        text,
    },
    image::model::{Image, Pinned},
};

/// The format of the records that this program writes. Records of another format are left alone.
pub const FORMAT: u32 = 1;
/// The most characters of a launch's key.
const LONGEST_KEY: usize = 64;
/// The fewest characters of a key that mean a launch.
const SHORTEST: usize = 4;

/// A launch as it is kept. It holds no secret, because a plan has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchRecord {
    /// The format of this record: [`FORMAT`].
    pub format: u32,
    /// The whole plan. Its key names the record.
    pub plan: Plan,
    /// Who launched it.
    pub person: String,
    /// When it was launched, in seconds since 1970.
    pub began: i64,
    /// The policy's verdict on which it was launched, in words.
    pub verdict: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// After how many seconds a launch without an answer counts as lost: most have one sooner.
const SOON: i64 = 60;

/// What became of a launch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum Outcome {
    /// It was begun, and no end was written: it is under way, or the program ended in the middle.
    Begun,
    /// The backend did not answer, or the person cancelled: nobody knows whether a workload was made.
    Unanswered {
        /// Why, in words.
        why: String,
    },
    /// A workload was made.
    Made {
        /// Its id on the backend.
        id: String,
        /// Its name.
        name: String,
    },
    /// Nothing was made.
    Failed {
        /// Why, in words.
        why: String,
    },
}

/// What is needed to launch something again.
#[derive(Debug, Clone)]
pub struct LaunchAgain {
    /// What was launched then.
    pub record: LaunchRecord,
    /// The same image, read now.
    pub image: Image,
    /// What its tag means today in words, where that is another image or cannot be told.
    pub tag: Option<String>,
}

impl Outcome {
    /// What an attempt to launch means.
    pub fn of(launched: &Result<Workload>) -> Self {
        match launched {
            Ok(workload) => Self::Made { id: workload.id.clone(), name: workload.name.clone() },
            Err(error) if matches!(error.kind, Kind::Unavailable | Kind::Cancelled) => {
                Self::Unanswered { why: error.why.clone() }
            }
            Err(error) => Self::Failed { why: error.why.clone() },
        }
    }
}

impl LaunchRecord {
    /// The record of a launch that begins now.
    pub fn new(plan: &Plan, person: &str, verdict: &str) -> Self {
        Self {
            format: FORMAT,
            plan: plan.clone(),
            person: person.to_owned(),
            began: text::now(),
            verdict: verdict.to_owned(),
            outcome: Outcome::Begun,
        }
    }

    /// The key of the launch, by which it is found.
    pub fn key(&self) -> &str {
        &self.plan.idempotency_key
    }

    /// Whether nobody knows whether a workload was made.
    pub fn is_open(&self) -> bool {
        matches!(self.outcome, Outcome::Begun | Outcome::Unanswered { .. })
    }

    /// Whether nobody knows whether a workload was made, and it is not under way any more: most launches have an answer
    /// within a minute. `now` is in seconds since 1970.
    pub fn is_lost(&self, now: i64) -> bool {
        self.is_open() && now.saturating_sub(self.began) >= SOON
    }

    /// What became of it, in words. They are not cleaned.
    pub fn outcome_words(&self) -> String {
        match &self.outcome {
            Outcome::Begun => "no end is known".to_owned(),
            Outcome::Unanswered { why } => format!("no answer: {why}"),
            Outcome::Made { id, name } => format!("{} {name}", full_id(&self.plan.backend, id)),
            Outcome::Failed { why } => format!("failed: {why}"),
        }
    }

    /// The answers, to launch it again: a name that was made from the key is left to be made again.
    pub fn answers(&self) -> Answers {
        let mut answers = self.plan.answers.clone();
        answers.0.retain(|key, value| key != "name" || !is_made_name(&self.plan, value));
        answers
    }

    /// The id of the workload that it made, with its backend; `None` where it made none.
    fn made_as(&self) -> Option<String> {
        match &self.outcome {
            Outcome::Made { id, .. } => Some(full_id(&self.plan.backend, id)),
            _ => None,
        }
    }

    /// Whether it made the workload of this id or name.
    fn has_made(&self, word: &str) -> bool {
        matches!(&self.outcome, Outcome::Made { id, name } if id == word || name == word)
    }
}

/// Whether a name was made from the plan's key.
fn is_made_name(plan: &Plan, name: &str) -> bool {
    plan.idempotency_key.get(..SHORTEST).is_some_and(|begin| name.ends_with(&format!("-{begin}")))
}

/// The key, if it can name a file.
///
/// # Errors
/// `Usage` for a key that no plan has: it could lead out of the folder.
pub fn file_key(key: &str) -> Result<&str> {
    let plain = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if plain && !key.is_empty() && key.len() <= LONGEST_KEY {
        Ok(key)
    } else {
        Err(Error::usage("find a launch", "its key is none"))
    }
}

/// The launch that is meant, of these with the newest first: by its key, which may be cut short, or by the workload that
/// it made.
///
/// # Errors
/// `NotFound` where none is meant, `Usage` where the beginning of a key means several.
pub fn meant<'a>(all: &'a [LaunchRecord], id: &str) -> Result<&'a LaunchRecord> {
    let what = format!("launch '{id}' again");
    // What is written out is meant, whatever else begins like it.
    if let Some(one) = all.iter().find(|one| one.key() == id || one.made_as().as_deref() == Some(id)) {
        return Ok(one);
    }
    let made: Vec<&LaunchRecord> = all.iter().filter(|one| one.has_made(id)).collect();
    let begun: Vec<&LaunchRecord> =
        all.iter().filter(|one| id.len() >= SHORTEST && one.key().starts_with(id)).collect();
    let several = |words: Vec<String>| {
        Err(Error::usage(&what, "several launches are meant by this").hint(format!("choose one: {}", words.join(", "))))
    };
    match (made.as_slice(), begun.as_slice()) {
        ([], []) => Err(Error::not_found(what, "no such launch is kept").hint("'wharf launch --again' lists them")),
        ([], [one]) => Ok(one),
        ([], many) => several(many.iter().map(|one| one.key().to_owned()).collect()),
        // Ids begin again some day, and names are used again: the newest counts.
        ([newest, rest @ ..], _) if rest.iter().all(|one| one.plan.backend == newest.plan.backend) => Ok(newest),
        (many, _) => several(many.iter().filter_map(|one| one.made_as()).collect()),
    }
}

/// The launch that made the workload of this whole id, of these with the newest first: ids begin again some day.
pub fn made<'a>(all: &'a [LaunchRecord], whole_id: &str) -> Option<&'a LaunchRecord> {
    all.iter().find(|one| one.made_as().as_deref() == Some(whole_id))
}

/// That a tag means another image `now` than what was launched `then`, or that what it means is unknown, in words; `None`
/// where it is the same.
pub fn tag_moved(tag: &str, then: &Pinned, now: Option<&Pinned>) -> Option<String> {
    let Some(now) = now else {
        return Some(format!("what the tag {tag} means today is unknown: its source tells no digest"));
    };
    let same = now.digest == then.digest || now.manifest == then.manifest;
    (!same).then(|| format!("the tag {tag} has moved since: today it is {}", now.digest))
}

/// What differs between two plans, line by line: `-` was, `+` is. Keys, and names made from them, differ always and are
/// left out, and so is whether the image has to be moved.
pub fn differences(before: &Plan, now: &Plan) -> Vec<String> {
    let (old, new) = (compared(before), compared(now));
    let gone = old.iter().filter(|line| !new.contains(line)).map(|line| format!("- {line}"));
    let come = new.iter().filter(|line| !old.contains(line)).map(|line| format!("+ {line}"));
    gone.chain(come).collect()
}

/// The lines by which plans are compared.
fn compared(plan: &Plan) -> Vec<String> {
    let steps = plan.steps.iter().flat_map(|step| {
        let line = match step {
            Step::Prepare { what, to, .. } => format!("prepare {what} in {to}"),
            step => step.describe(),
        };
        std::iter::once(line).chain(step.content())
    });
    let risks = plan.risks.iter().map(|risk| format!("{} {}", risk.weight.sign(), risk.text));
    let image = [plan.image.reference.to_string(), format!("digest {}", plan.image.digest)];
    let text = image.into_iter().chain(steps).chain(risks).collect::<Vec<_>>().join("\n");
    let name = plan.answers.get("name");
    let text = if is_made_name(plan, name) { text.replace(name, "NAME") } else { text };
    text.replace(&plan.idempotency_key, "KEY").lines().map(|line| line.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(key: &str, name: &str, command: &str) -> Plan {
        let digest = format!("sha256:{}", "4f".repeat(32));
        Plan {
            backend: "docker".into(),
            image: crate::image::model::Pinned {
                reference: format!("oci://lab.example/physics/gromacs:1@{digest}").parse().unwrap(),
                digest: digest.parse().unwrap(),
                platform: None,
                manifest: digest.parse().unwrap(),
            },
            answers: Answers([("name".to_owned(), name.to_owned())].into()),
            steps: vec![Step::Run { argv: vec![name.into(), command.into(), key.into()], environment: Vec::new() }],
            risks: Vec::new(),
            privileged: false,
            isolation: crate::launch::isolation::Isolation::SharedKernel,
            idempotency_key: key.into(),
        }
    }

    fn record(key: &str, id: &str) -> LaunchRecord {
        let mut one = LaunchRecord::new(&plan(key, "gromacs", "x"), "ada", "allow");
        one.outcome = Outcome::Made { id: id.into(), name: "gromacs".into() };
        one
    }

    #[test]
    fn a_launch_is_found_by_its_key_and_by_its_workload() {
        let all = [record("3f2a0001", "77"), record("3f2a0002", "78"), record("9c", "79")];
        let found = |id: &str| meant(&all, id).map(LaunchRecord::key);
        assert_eq!(found("3f2a0002").unwrap(), "3f2a0002");
        assert_eq!(found("docker:78").unwrap(), "3f2a0002");
        assert_eq!(found("79").unwrap(), "9c");
        assert_eq!(found("gromacs").unwrap(), "3f2a0001", "of one name the newest");
        assert_eq!(found("3f2a").unwrap_err().kind, Kind::Usage);
        assert_eq!(found("3f").unwrap_err().kind, Kind::NotFound);
        assert_eq!(found("").unwrap_err().kind, Kind::NotFound);
    }

    #[test]
    fn an_id_of_two_backends_means_neither() {
        let mut other = record("9c000003", "77");
        other.plan.backend = "podman".into();
        let all = [record("3f2a0001", "77"), other, record("77000004", "5")];
        let error = meant(&all, "77").unwrap_err();
        assert!(error.kind == Kind::Usage && error.hint.contains("docker:77, podman:77"), "{error}");
        assert_eq!(meant(&all, "podman:77").unwrap().key(), "9c000003");
        assert_eq!(meant(&all, "7700").unwrap().key(), "77000004");
    }

    #[test]
    fn what_differs_is_told_and_keys_are_not() {
        let (before, same) = (plan("3f2a0001", "gromacs-3f2a", "x"), plan("77aa0002", "gromacs-77aa", "x"));
        assert_eq!(differences(&before, &same), Vec::<String>::new());
        let other = plan("77aa0002", "gromacs-77aa", "y");
        assert_eq!(differences(&before, &other), ["- run NAME x KEY", "+ run NAME y KEY"]);
    }

    #[test]
    fn a_tag_that_moved_or_that_nobody_can_tell_is_told() {
        let then = plan("3f2a0001", "gromacs", "x").image;
        let other = format!("sha256:{}", "7a".repeat(32));
        let now = Pinned { digest: other.parse().unwrap(), manifest: other.parse().unwrap(), ..then.clone() };
        assert_eq!(tag_moved("1", &then, Some(&then)), None);
        assert!(tag_moved("1", &then, Some(&now)).unwrap().contains(&other));
        assert!(tag_moved("1", &then, None).unwrap().contains("unknown"));
    }

    #[test]
    fn a_name_that_was_made_from_the_key_is_made_again() {
        let made = LaunchRecord::new(&plan("3f2a0001", "gromacs-3f2a", "x"), "ada", "");
        assert_eq!(made.answers().get("name"), "");
        let chosen = LaunchRecord::new(&plan("3f2a0001", "mine", "x"), "ada", "");
        assert_eq!(chosen.answers().get("name"), "mine");
    }

    #[test]
    fn a_key_that_leads_elsewhere_is_refused() {
        for key in ["", "..", "../x", "a/b", "a\0", &"a".repeat(65)] {
            assert!(file_key(key).is_err(), "{key:?}");
        }
        assert_eq!(file_key("1764-3f2a").unwrap(), "1764-3f2a");
    }
}
