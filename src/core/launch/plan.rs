//! A launch before, while and after it happens: the plan with its risks, and the workload.

use serde::{Deserialize, Serialize};

use super::{
    form::Answers,
    isolation::Isolation,
    published::Published,
    usage::{WorkloadId, full_id},
};
pub use super::{
    mount::Mount,
    risk::{Risk, Weight},
    step::{Call, Step},
};
use crate::{
    base::error::{Error, Result},
    image::model::Pinned,
};

/// Exactly what will be sent to a backend, shown before it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The name of the backend that made it and will carry it out.
    pub backend: String,
    /// The pinned image. A launch never takes a tag.
    pub image: Pinned,
    /// The checked answers it was made from.
    pub answers: Answers,
    /// What is carried out, in this order, without secrets.
    pub steps: Vec<Step>,
    /// What the launch gives away, in words.
    pub risks: Vec<Risk>,
    /// Whether the workload has root rights on the host, or requires them of the person.
    pub privileged: bool,
    /// How the workload will be kept apart from its host's kernel.
    pub isolation: Isolation,
    /// Sent along so that repeating the launch does not make a second workload.
    pub idempotency_key: String,
}

impl Plan {
    /// The request of the plan that has a body. `what` is what is being done, for the error.
    ///
    /// # Errors
    /// `Usage` where there is none: the plan was made by another backend.
    pub fn call(&self, what: &str) -> Result<(&Call, &serde_json::Value)> {
        let found = self.steps.iter().find_map(|step| match step {
            Step::Send(call) => Some((call, call.body.as_ref()?)),
            _ => None,
        });
        found.ok_or_else(|| made_elsewhere(what))
    }

    /// The path and the content of the file that the plan writes.
    ///
    /// # Errors
    /// `Usage` where it writes none.
    pub fn written(&self, what: &str) -> Result<(&str, &str)> {
        let found = self.steps.iter().find_map(|step| match step {
            Step::Write { path, text, .. } => Some((path.as_str(), text.as_str())),
            _ => None,
        });
        found.ok_or_else(|| made_elsewhere(what))
    }

    /// The command lines of the programs that the plan runs, in order: exactly so many.
    ///
    /// # Errors
    /// `Usage` where there are more or fewer.
    pub fn commands<const COUNT: usize>(&self, what: &str) -> Result<[&[String]; COUNT]> {
        let argv = self.steps.iter().filter_map(|step| match step {
            Step::Run { argv, .. } => Some(argv.as_slice()),
            _ => None,
        });
        let all: Vec<&[String]> = argv.collect();
        all.try_into().map_err(|_| made_elsewhere(what))
    }

    /// All steps with what they write and send, for people to read.
    pub fn shown(&self) -> String {
        let lines = self.steps.iter().flat_map(|step| std::iter::once(step.describe()).chain(step.content()));
        lines.collect::<Vec<_>>().join("\n")
    }
}

fn made_elsewhere(what: &str) -> Error {
    Error::usage(what, "this plan was made by another backend")
}

/// The state of a workload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state", content = "detail")]
pub enum State {
    /// It was made and not started yet.
    Created,
    /// It waits to be started: for resources, other jobs, or a time.
    Queued {
        /// What it waits for, in the backend's words; may be empty.
        reason: String,
        /// The backend's estimate of when it starts, in seconds since 1970.
        starts: Option<i64>,
    },
    /// It is being started.
    Starting,
    /// Its program runs now.
    Running,
    /// It is paused or suspended, and can go on.
    Paused,
    /// It is being stopped.
    Stopping,
    /// It ended with this exit code.
    Exited(i64),
    /// It was ended because it had used up its memory.
    OutOfMemory,
    /// It could not run, or was ended by a failure: why, in the backend's words.
    Failed(String),
    /// The backend's own word for anything else.
    Other(String),
}

impl State {
    /// The sign and the word for it; a colour may be added.
    pub fn label(&self) -> (&'static str, String) {
        match self {
            Self::Created => ("○", "created".into()),
            Self::Queued { reason, .. } if reason.is_empty() => ("◌", "queued".into()),
            Self::Queued { reason, .. } => ("◌", format!("queued: {reason}")),
            Self::Starting => ("◌", "starting".into()),
            Self::Running => ("●", "running".into()),
            Self::Paused => ("‖", "paused".into()),
            Self::Stopping => ("■", "stopping".into()),
            Self::Failed(why) if why.is_empty() => ("✗", "failed".into()),
            Self::Failed(why) => ("✗", format!("failed: {why}")),
            Self::Exited(0) => ("✓", "done".into()),
            // The exit codes that shells give after SIGTERM and SIGKILL: somebody stopped it.
            Self::Exited(143) => ("■", "stopped".into()),
            Self::Exited(137) => ("■", "killed".into()),
            // The exit code after SIGSYS: a filter or another kernel refused a system call.
            Self::Exited(159) => ("✗", "exit 159: ended by a system call that its isolation refuses".into()),
            Self::Exited(code) => ("✗", format!("exit {code}")),
            Self::OutOfMemory => ("✗", "out of memory".into()),
            Self::Other(word) => ("?", word.clone()),
        }
    }

    /// Whether it can be stopped: it runs, is about to run, or waits to be started.
    pub fn may_stop(&self) -> bool {
        matches!(self, Self::Queued { .. } | Self::Starting | Self::Running | Self::Paused)
    }

    /// Whether it has ended, in whatever way.
    pub fn has_ended(&self) -> bool {
        matches!(self, Self::Exited(_) | Self::OutOfMemory | Self::Failed(_))
    }

    /// Whether its program runs, so that it can be entered and measured.
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }
}

/// What a backend runs or ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Workload {
    /// The backend's id, short enough to be typed.
    pub id: String,
    /// The name of the backend.
    pub backend: String,
    /// The name, as the backend lists it.
    pub name: String,
    /// The reference that it was launched from: as Wharf recorded it, otherwise as the backend says.
    pub image: String,
    /// The pinned digest that Wharf recorded; empty if Wharf did not launch it.
    pub digest: String,
    /// What it does now.
    #[serde(flatten)]
    pub state: State,
    /// When it was made, in seconds since 1970, if known.
    pub created: Option<i64>,
    /// Ports of the host that lead to it.
    pub ports: Vec<Published>,
    /// The workload's own network addresses.
    pub addresses: Vec<String>,
    /// Anything else that the backend says about it, in words; may be empty.
    pub note: String,
    /// Facts that only some backends have (node, partition, time left): name and value, uncleaned.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<(String, String)>,
}

impl Workload {
    /// A workload with this id on this backend and in this state, of which nothing else is known.
    pub fn new(backend: &str, id: impl Into<String>, state: State) -> Self {
        Self {
            id: id.into(),
            backend: backend.to_owned(),
            name: String::new(),
            image: String::new(),
            digest: String::new(),
            state,
            created: None,
            ports: Vec::new(),
            addresses: Vec::new(),
            note: String::new(),
            facts: Vec::new(),
        }
    }

    /// The id with the name of its backend, as people type it: `docker:3f2a9c0d11e8`.
    pub fn full_id(&self) -> String {
        full_id(&self.backend, &self.id)
    }

    /// The name of its backend and its id there.
    pub fn key(&self) -> WorkloadId {
        (self.backend.clone(), self.id.clone())
    }

    /// Where it can be reached, in words: published ports, otherwise its own addresses.
    pub fn reached(&self) -> String {
        let ports = self.ports.iter().map(ToString::to_string);
        ports.chain(self.addresses.iter().cloned()).collect::<Vec<_>>().join(", ")
    }

    /// The facts in one line: `partition gpu · node n12`. It is not cleaned: the code that shows it cleans it.
    pub fn facts_words(&self) -> String {
        self.facts.iter().map(|(label, value)| format!("{label} {value}")).collect::<Vec<_>>().join(" · ")
    }

    /// The image's name, short, for people to read.
    pub fn image_words(&self) -> String {
        self.image
            .parse::<crate::image::reference::ImageRef>()
            .map_or_else(|_| self.image.clone(), |reference| reference.short_text())
    }
}

/// A name for a workload, from that of its image: letters, digits and minus, which every backend and host accepts.
pub fn name_from(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image).split([':', '@']).next().unwrap_or_default();
    let plain: String =
        last.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).take(40).collect();
    let plain = plain.trim_matches('-');
    if plain.is_empty() { "wharf".into() } else { plain.to_owned() }
}

/// A new idempotency key: random enough to tell two launches apart; it is no secret.
pub fn key() -> String {
    use std::{
        collections::hash_map::RandomState,
        hash::{BuildHasher, Hasher},
    };
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

/// Labels by which Wharf finds its workloads again.
pub mod label {
    /// Marks a workload as launched by Wharf; the value is the program's version.
    pub const WHARF: &str = "org.wharf.version";
    /// The reference that the person named.
    pub const REFERENCE: &str = "org.wharf.reference";
    /// The digest that was launched.
    pub const DIGEST: &str = "org.wharf.digest";
    /// The idempotency key of the launch.
    pub const KEY: &str = "org.wharf.launch";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read_only_unless_written_out() {
        let shown = |word: &str| Mount::parse(word).unwrap().to_string();
        assert_eq!((shown("/data:/in").as_str(), shown("/out:/out:rw").as_str()), ("/data:/in:ro", "/out:/out:rw"));
        for bad in ["relative:/in", "/only", "/a:/b:rx", "/a:b"] {
            assert!(Mount::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sockets_and_the_whole_file_system_are_dangerous() {
        assert_eq!(Mount::risk("/:/host").weight, Weight::Danger);
        assert_eq!(Mount::risk("/var/run/docker.sock:/s:rw").weight, Weight::Danger);
        assert_eq!(Mount::risk("/srv/data:/in:rw").weight, Weight::Caution);
        assert_eq!(Mount::risk("/srv/data:/in").weight, Weight::Fine);
    }
}
