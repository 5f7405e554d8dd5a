//! What a launch is before, while and after it happens: plan, risk, workload.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{form::Answers, published::Published, usage::WorkloadId};
use crate::{
    base::{
        clean,
        error::{Error, Result},
    },
    image::model::Pinned,
};

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

/// A folder or file of the host inside a workload: `/host:/inside[:rw]`, read-only unless written out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// On the host.
    pub host: PathBuf,
    /// In the workload.
    pub inside: PathBuf,
    /// Whether the workload may change it.
    pub writes: bool,
}

impl Mount {
    /// Reads one word of a form.
    pub fn parse(word: &str) -> Result<Self> {
        let parts: Vec<&str> = word.split(':').collect();
        match parts.as_slice() {
            [host, inside] | [host, inside, "ro" | "rw"] if host.starts_with('/') && inside.starts_with('/') => {
                let climbs = Path::new(inside).components().any(|part| part == std::path::Component::ParentDir);
                if climbs || Path::new(inside).parent().is_none() {
                    return Err(Error::usage(format!("mount '{word}'"), "its path inside is / or has .. in it")
                        .hint("name a folder below /, like /data"));
                }
                Ok(Self { host: host.into(), inside: inside.into(), writes: parts.get(2) == Some(&"rw") })
            }
            _ => Err(Error::usage(format!("mount '{word}'"), "not a mount")
                .hint("write /host/path:/inside/path, with :rw to let it write")),
        }
    }

    /// What a word of a form gives away, in words.
    pub fn risk(word: &str) -> Risk {
        Self::parse(word)
            .map_or_else(|_| Risk::caution(format!("mount '{word}' is not understood")), |mount| mount.gives_away())
    }

    /// What it gives away, in words.
    pub fn gives_away(&self) -> Risk {
        let mount = self;
        let host = mount.host.display();
        let home = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.parent().is_some());
        let how = if mount.writes { "read and change" } else { "read" };
        if mount.host.extension().is_some_and(|ending| ending == "sock") {
            Risk::danger(format!("it can use the socket {host}: through an engine's socket it owns the host"))
        } else if mount.host == Path::new("/") || home.is_some_and(|home| home.starts_with(&mount.host)) {
            Risk::danger(format!("it can {how} your whole home folder, keys and tokens included"))
        } else if mount.writes {
            Risk::caution(format!("it can {how} everything under {host}"))
        } else {
            Risk::fine(format!("it can {how} {host}"))
        }
    }
}

impl fmt::Display for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.host.display(), self.inside.display(), if self.writes { "rw" } else { "ro" })
    }
}

/// What a backend's interface is given, in the form in which it takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Request {
    /// The body of a call.
    Json(serde_json::Value),
    /// A script, as a scheduler takes it.
    Script(String),
    /// A program with its arguments.
    Argv(Vec<String>),
}

impl Request {
    /// The body of a call.
    ///
    /// # Errors
    /// `Usage` where it is no such body: the plan was made by another backend.
    pub fn body(&self, what: &str) -> Result<&serde_json::Value> {
        match self {
            Self::Json(body) => Ok(body),
            Self::Script(_) | Self::Argv(_) => Err(Error::usage(what, "this plan was made by another backend")),
        }
    }

    /// It as people read it, one line for each line that is sent. Characters that a terminal would obey are written out.
    pub fn shown(&self) -> String {
        let text = match self {
            Self::Json(body) => serde_json::to_string_pretty(body).unwrap_or_default(),
            Self::Script(script) => script.clone(),
            Self::Argv(words) => words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(" "),
        };
        clean::json(&text).into_owned()
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
    /// The request itself, without secrets.
    pub request: Request,
    /// What it may do, in words.
    pub risks: Vec<Risk>,
    /// Whether it has root rights on the host, or whoever may launch it has.
    pub privileged: bool,
    /// Sent along so that a repeated launch is not a second one.
    pub idempotency_key: String,
}

/// Where a workload stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state", content = "detail")]
pub enum State {
    /// Made, not started.
    Created,
    /// It waits to be started: for resources, for others, for a time.
    Queued {
        /// What it waits for, in the backend's words.
        reason: String,
        /// When it is expected to start, in seconds since 1970, where the backend says so: an estimate.
        starts: Option<i64>,
    },
    /// Being started.
    Starting,
    /// Running.
    Running,
    /// Stopped for the moment.
    Paused,
    /// Being stopped.
    Stopping,
    /// Ended with this exit code.
    Exited(i64),
    /// It could not run, or not to its end: why, in the backend's words.
    Failed(String),
    /// The backend's own word for anything else.
    Other(String),
}

impl State {
    /// Sign and word; a colour may repeat it.
    pub fn words(&self) -> (&'static str, String) {
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
            // What shells make of SIGTERM and SIGKILL: somebody stopped it.
            Self::Exited(143) => ("■", "stopped".into()),
            Self::Exited(137) => ("■", "killed".into()),
            Self::Exited(code) => ("✗", format!("exit {code}")),
            Self::Other(word) => ("?", word.clone()),
        }
    }

    /// Whether there is something to stop: also what waits for its turn or is about to run.
    pub fn may_stop(&self) -> bool {
        matches!(self, Self::Queued { .. } | Self::Starting | Self::Running | Self::Paused)
    }

    /// Whether its program is there, to be entered and measured.
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
    /// Ports of the host that lead into it.
    pub ports: Vec<Published>,
    /// Addresses of its own.
    pub addresses: Vec<String>,
    /// What else its backend says of it, in words.
    pub note: String,
    /// What only backends of its kind tell (node, partition, time left): name and value, shown as they are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<(String, String)>,
}

impl Workload {
    /// Its backend and its id there.
    pub fn key(&self) -> WorkloadId {
        (self.backend.clone(), self.id.clone())
    }

    /// Where it can be reached, in words: published ports, else addresses of its own.
    pub fn reached(&self) -> String {
        let ports = self.ports.iter().map(ToString::to_string);
        ports.chain(self.addresses.iter().cloned()).collect::<Vec<_>>().join(", ")
    }

    /// What only backends of its kind tell, in a line: `partition gpu · node n12`. It is as the backend said it: whoever
    /// shows it cleans it.
    pub fn facts_words(&self) -> String {
        self.facts.iter().map(|(label, value)| format!("{label} {value}")).collect::<Vec<_>>().join(" · ")
    }

    /// The image as people say it.
    pub fn image_words(&self) -> String {
        self.image
            .parse::<crate::image::reference::ImageRef>()
            .map_or_else(|_| self.image.clone(), |reference| reference.spoken())
    }
}

/// A name for a workload, from that of its image: letters, figures and minus, as every backend and host takes them.
pub fn name_from(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image).split([':', '@']).next().unwrap_or_default();
    let plain: String =
        last.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).take(40).collect();
    let plain = plain.trim_matches('-');
    if plain.is_empty() { "wharf".into() } else { plain.to_owned() }
}

/// A new idempotency key: random enough to tell two launches apart; it guards nothing.
pub fn key() -> String {
    use std::{
        collections::hash_map::RandomState,
        hash::{BuildHasher, Hasher},
    };
    format!("{:016x}", RandomState::new().build_hasher().finish())
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
