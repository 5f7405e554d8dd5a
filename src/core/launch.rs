//! What a launch is before, while and after it happens: plan, risk, workload.

use serde::{Deserialize, Serialize};

use super::{form::Answers, model::Pinned};

/// How much a line of the risk preview should be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// Good to know; the careful case.
    Fine,
    /// Worth a thought.
    Caution,
    /// Gives away something that cannot be taken back.
    Danger,
}

impl Weight {
    /// The sign before the line.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Fine => "✓",
            Self::Caution => "!",
            Self::Danger => "‼",
        }
    }
}

/// One line of the risk preview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Risk {
    /// How much it matters.
    pub weight: Weight,
    /// In words.
    pub text: String,
}

impl Risk {
    /// A harmless line.
    pub fn fine(text: impl Into<String>) -> Self {
        Self { weight: Weight::Fine, text: text.into() }
    }
    /// A line worth a thought.
    pub fn caution(text: impl Into<String>) -> Self {
        Self { weight: Weight::Caution, text: text.into() }
    }
    /// A dangerous line.
    pub fn danger(text: impl Into<String>) -> Self {
        Self { weight: Weight::Danger, text: text.into() }
    }
}

/// Exactly what will be sent to a backend, shown before it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The backend that made it and will carry it out.
    pub backend: String,
    /// The image, by digest. A launch never takes a tag.
    pub image: Pinned,
    /// The checked answers it was made from.
    pub answers: Answers,
    /// The steps in order, in words.
    pub steps: Vec<String>,
    /// The request itself: what the backend's interface is given, without secrets.
    pub request: serde_json::Value,
    /// What it may do, in words.
    pub risks: Vec<Risk>,
    /// Sent along so that a repeated launch is not a second one.
    pub idempotency_key: String,
}

/// Where a workload stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state", content = "detail")]
pub enum State {
    /// Made, not started.
    Created,
    /// Running.
    Running,
    /// Stopped for the moment.
    Paused,
    /// Ended with this exit code.
    Exited(i64),
    /// The backend's own word for anything else.
    Other(String),
}

impl State {
    /// Sign and word; a colour may repeat it.
    pub fn words(&self) -> (&'static str, String) {
        match self {
            Self::Created => ("○", "created".into()),
            Self::Running => ("●", "running".into()),
            Self::Paused => ("‖", "paused".into()),
            Self::Exited(0) => ("✓", "done".into()),
            Self::Exited(code) => ("✗", format!("exit {code}")),
            Self::Other(word) => ("?", word.clone()),
        }
    }

    /// Whether it can be stopped or attached to.
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }
}

/// Something a backend runs or ran for us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Workload {
    /// The backend's id, short enough to type.
    pub id: String,
    /// The backend it is on.
    pub backend: String,
    /// Its name.
    pub name: String,
    /// The reference it was launched from, as Wharf recorded it, or as the backend says.
    pub image: String,
    /// The pinned digest Wharf recorded; empty if it was not launched by Wharf.
    pub digest: String,
    /// Where it stands.
    #[serde(flatten)]
    pub state: State,
    /// Seconds since 1970.
    pub created: Option<i64>,
    /// Published ports and the like, in words.
    pub note: String,
}

/// One reading of a workload's use of the machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Usage {
    /// Processor use in per cent of one core.
    pub cpu_percent: f64,
    /// Memory in bytes.
    pub memory: u64,
    /// Its limit in bytes, 0 if none.
    pub memory_limit: u64,
    /// Bytes received and sent so far.
    pub network: (u64, u64),
    /// Processes.
    pub processes: u64,
}

/// Labels under which Wharf's workloads are found again.
pub mod label {
    /// Marks a workload as launched by Wharf; the value is the program's version.
    pub const WHARF: &str = "org.wharf.version";
    /// The reference the person named.
    pub const REFERENCE: &str = "org.wharf.reference";
    /// The digest that was pinned.
    pub const DIGEST: &str = "org.wharf.digest";
    /// The idempotency key of the launch.
    pub const KEY: &str = "org.wharf.launch";
}
