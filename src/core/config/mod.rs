//! What a configuration holds once read. Reading and layering it is `crate::config`'s duty.

pub mod written;

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::Deserialize;

pub use self::written::{Hosts, Kind, Kinds, List, Written};
use super::{base::budget::Limits, image::reference::Name};

/// The whole configuration.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting")]
pub struct Config {
    /// Sources in the order of screens, as they are written; their adapters read the settings.
    pub sources: Vec<Written>,
    /// Backends in the order of screens, likewise.
    pub backends: Vec<Written>,
    /// Whether to look for engines, registries and folders by itself.
    pub discover: bool,
    /// The person's name in links and requests.
    pub person: String,
    /// Name of the theme.
    pub theme: String,
    /// Folder with the user's own themes.
    pub themes_dir: Option<PathBuf>,
    /// The user's key map, a patch on the built-in one.
    pub keymap: Option<PathBuf>,
    /// Whether the mouse is used at start.
    pub mouse: bool,
    /// Named filters from the files.
    pub filters: BTreeMap<String, String>,
    /// Folders of images.
    pub image_folders: Vec<PathBuf>,
    /// Folder for what can be fetched again.
    pub cache_dir: PathBuf,
    /// Folder for what cannot: the store, local workloads, the secret file.
    pub state_dir: PathBuf,
    /// Whether the person agreed to keep secrets in a 0600 file.
    pub secret_file: bool,
    /// What may be launched.
    pub policy: super::policy::Policy,
    /// Whether a file has written a policy; else it is the built-in one.
    pub policy_written: bool,
    /// How images are asked for and admitted.
    pub requests: Requests,
    /// How people are told what concerns them.
    pub notify: Notify,
    /// Who answers for images, beside those who brought them.
    pub suppliers: Vec<Supplier>,
    /// Where this person gets mail.
    pub mail: String,
    /// Files that were read, lowest first.
    pub files: Vec<PathBuf>,
    /// Things in the files that could not be used, in words; the program starts all the same.
    pub warnings: Vec<String>,
}

impl Config {
    /// Whether images can be asked for here: there is a place where they are admitted.
    pub fn takes_requests(&self) -> bool {
        !self.requests.admitted.is_empty() || !self.requests.cloud.is_empty()
    }

    /// Whether somebody wrote a source or a backend of this name; else it was found or is built in.
    pub fn names(&self, place: &str) -> bool {
        self.sources.iter().chain(&self.backends).any(|written| written.name == place)
    }
}

/// How images are asked for and admitted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Requests {
    /// The shared store: `postgres://…` without a password, or an SQLite file; empty is a file of one's own.
    pub store: String,
    /// Where container images are admitted: `HOST/PROJECT` of a registry.
    pub admitted: String,
    /// Further projects of that registry that a request may name.
    pub projects: Vec<String>,
    /// Where images are kept while they are judged: `HOST/PROJECT`; empty is a folder of the steward's own.
    pub quarantine: String,
    /// The cloud, as the steward signs in there, whose project takes disk images.
    pub cloud: String,
    /// The project of that cloud: who asks for an image of theirs lets it see that image.
    pub cloud_project: String,
    /// How disk images are let to others: `community`, `public`, or `private` for that project alone.
    pub visibility: String,
    /// The key (P-384) that the steward signs the data of disk images with, as clouds verify it themselves; and the id of
    /// its certificate there. Without them, only the hash that the cloud keeps is signed.
    pub disk_key: String,
    /// That id.
    pub certificate: String,
    /// The key that the steward signs with: a file, `keyring:NAME` or `pkcs11:URI`.
    pub key: String,
    /// The key that this person approves with; empty where the steward signs alone.
    pub approver_key: String,
    /// Who may decide, in a store that does not know it by itself; nobody named is everybody.
    pub approvers: Vec<String>,
    /// Whether people may approve what they asked for themselves; without it, where nobody else is there.
    pub self_approval: Option<bool>,
    /// Whether a decision counts only with a signature by a key of the policy.
    pub signed_decisions: bool,
    /// Hours after which an admitted or used image is judged again.
    pub watch_hours: Option<u32>,
    /// Hosts from which the cloud may fetch disk images that people ask for: `host[:port]` is https there, plain http is
    /// written out. None named is none allowed.
    pub web: Vec<String>,
    /// Requests that one steward works on at a time, and images of the watch.
    pub parallel: Option<u32>,
    /// Requests of one person that all stewards together work on at a time.
    pub per_person: Option<u32>,
    /// How long a steward works on one request at a time, in seconds.
    pub request_seconds: Option<u32>,
    /// How long it looks at one image of the watch, in seconds.
    pub watch_seconds: Option<u32>,
    /// The largest image or disk that it takes, in MiB.
    pub largest_mib: Option<u32>,
    /// How fast each layer or disk must come, in KiB a second.
    pub slowest_kib: Option<u32>,
    /// How long one may come more slowly, in seconds.
    pub grace_seconds: Option<u32>,
}

impl Requests {
    /// Whether a repository is below a place where this site admits images.
    pub fn admits_into(&self, name: &Name) -> bool {
        let Some((host, admitted)) = self.admitted.split_once('/') else { return false };
        let below = |project: &str| name.repository.strip_prefix(project).is_some_and(|rest| rest.starts_with('/'));
        name.host == host && std::iter::once(admitted).chain(self.projects.iter().map(String::as_str)).any(below)
    }

    /// Whether a repository is one where requests are judged: it is nobody's to ask for.
    pub fn judges_in(&self, name: &Name) -> bool {
        self.quarantine.split_once('/').is_some_and(|(host, project)| {
            name.host == host && name.repository.strip_prefix(project).is_some_and(|rest| rest.starts_with('/'))
        })
    }

    /// Requests that one steward works on at a time, and images of the watch.
    pub fn parallel(&self) -> usize {
        self.parallel.map_or(4, |count| count.clamp(1, 64) as usize)
    }

    /// Requests of one person that are worked on at a time.
    pub fn per_person(&self) -> i64 {
        self.per_person.map_or(2, |count| i64::from(count.max(1)))
    }

    /// What one request may cost a steward.
    pub fn request_limits(&self) -> Limits {
        Limits {
            time: seconds(self.request_seconds, 3600),
            largest: u64::from(self.largest_mib.unwrap_or(50 << 10)) << 20,
            slowest: u64::from(self.slowest_kib.unwrap_or(16)) << 10,
            grace: seconds(self.grace_seconds, 30),
        }
    }

    /// What a look at one image of the watch may cost.
    pub fn watch_limits(&self) -> Limits {
        Limits { time: seconds(self.watch_seconds, 600), ..self.request_limits() }
    }
}

fn seconds(set: Option<u32>, default: u32) -> Duration {
    Duration::from_secs(u64::from(set.unwrap_or(default).max(1)))
}

/// How people are told what concerns them, beside the inbox.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Notify {
    /// `smtp://HOST:PORT`, `smtps://HOST`, or `sendmail`; empty sends none.
    pub mail: String,
    /// Who letters are from.
    pub from: String,
    /// What follows a person's name where they gave no address: `example.org`.
    pub domain: String,
    /// Where those who decide get theirs.
    pub approvers: String,
    /// Where notices are sent as JSON; empty sends none.
    pub webhook: String,
    /// A file with the secret that they are signed with (HMAC-SHA-256).
    pub webhook_secret: Option<PathBuf>,
}

/// Who answers for images below a name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Supplier {
    /// Names that begin like this.
    pub repository: String,
    /// Who.
    pub person: String,
    /// Where they get mail, where their name is none that the store knows.
    #[serde(default)]
    pub mail: String,
}
