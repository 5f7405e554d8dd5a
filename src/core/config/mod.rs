//! The configuration once it is read. The crate `wharf` reads it from its layers, in its module `config`.

pub mod own_sources;
pub mod screen;
pub mod written;

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::Deserialize;

pub use self::{
    own_sources::SourceChoice,
    screen::{ChartSetting, GlyphSetting},
    written::{ConfigEntry, EntryKind, EntryKinds, Hosts, List},
};
use super::{
    base::{
        budget::Limits,
        pace::{Hours, Rate},
    },
    image::reference::Name,
    launch::{preset::Preset, rules::FormRules},
};

/// The whole configuration in force, from all layers.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting")]
pub struct Config {
    /// Sources in the order in which screens show them; their adapters read the settings.
    pub sources: Vec<ConfigEntry>,
    /// The names of the sources among them that this person added from within Wharf.
    pub added: Vec<String>,
    /// The names of sources that this person leaves out of lists.
    pub hidden: Vec<String>,
    /// Backends in the order in which screens show them; their adapters read the settings.
    pub backends: Vec<ConfigEntry>,
    /// Whether to look for engines, registries and folders that are not configured.
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
    /// Which characters the screens use.
    pub glyphs: GlyphSetting,
    /// Print plain lines instead of drawing screens (`plain`).
    pub plain: bool,
    /// What charts are drawn with.
    pub charts: ChartSetting,
    /// Named filters from the files: name and filter.
    pub filters: BTreeMap<String, String>,
    /// Folders that are searched for image files and layouts.
    pub image_folders: Vec<PathBuf>,
    /// Folder for data that can be fetched again.
    pub cache_dir: PathBuf,
    /// Folder for data that cannot be fetched again: the store, local workloads, the secret file.
    pub state_dir: PathBuf,
    /// Whether the person agreed to keep secrets in a file with mode 0600.
    pub secret_file: bool,
    /// The policy: what may be launched, copied and shared.
    pub policy: super::policy::Policy,
    /// Whether a file sets a policy; otherwise it is the built-in one.
    pub policy_written: bool,
    /// What is said of the forms of backends; each holds.
    pub forms: Vec<FormRules>,
    /// Presets for launches, from the files.
    pub presets: Vec<Preset>,
    /// Images that are fetched from the web by a name, from the files.
    pub fetches: Vec<KnownFetch>,
    /// Settings of requests: where images are admitted, by whom, within which limits.
    pub requests: Requests,
    /// How fast transfers are, and at which hours.
    pub transfers: TransferSettings,
    /// The mirror that the site's stewards keep.
    pub mirror: MirrorSettings,
    /// Settings of notices by mail and webhook.
    pub notify: Notify,
    /// People who answer for images, besides those who pushed or shared them.
    pub suppliers: Vec<Supplier>,
    /// This person's mail address; may be empty.
    pub mail: String,
    /// The key that signs this person's links, as `--key` takes it; empty for one that is made at first use.
    pub link_key: String,
    /// Files that were read, lowest priority first.
    pub files: Vec<PathBuf>,
    /// Settings in the files that could not be used, in words; the program starts without them.
    pub warnings: Vec<String>,
}

impl Config {
    /// Whether images can be requested here: a place to admit them is configured.
    pub fn takes_requests(&self) -> bool {
        !self.requests.admitted.is_empty() || !self.requests.cloud.is_empty()
    }

    /// Whether a source or backend of this name is configured; otherwise it was discovered or is built in.
    pub fn names(&self, place: &str) -> bool {
        self.sources.iter().chain(&self.backends).any(|written| written.name == place)
    }

    /// Takes the source of this name out, if it was added from within Wharf; others stay.
    pub fn drop_added(&mut self, name: &str) {
        if self.added.iter().any(|added| added == name) {
            self.added.retain(|added| added != name);
            self.sources.retain(|written| written.name != name);
        }
    }

    /// The configuration without all sources that were added from within Wharf: what works for others uses the site's sources only.
    #[must_use]
    pub fn without_added(mut self) -> Self {
        for name in self.added.clone() {
            self.drop_added(&name);
        }
        self
    }
}

/// How fast transfers are, and at which hours.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TransferSettings {
    /// How many bytes a second all transfers of one program move together at most.
    pub rate: Option<Rate>,
    /// The hours of the day, in local time, at which bytes are moved.
    pub hours: Option<Hours>,
}

/// The mirror that the site's stewards keep.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MirrorSettings {
    /// The list of its images, as `wharf mirror` takes it; without one, stewards keep no mirror.
    pub list: Option<PathBuf>,
}

/// An image that is fetched from the web by a name. It is compared and judged like any other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KnownFetch {
    /// The name: one word.
    pub name: String,
    /// The address of the file.
    pub url: String,
    /// The address of the list of checksums; without it those beside the file are looked for.
    pub sums: Option<String>,
}

/// Settings of requests and of the steward.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Requests {
    /// The shared store: `postgres://…` without a password, or an SQLite file; if empty, an SQLite file of this
    /// person's own.
    pub store: String,
    /// Where container images are admitted: `HOST/PROJECT` of a registry.
    pub admitted: String,
    /// Further projects of that registry that a request may name.
    pub projects: Vec<String>,
    /// Where images are kept while they are judged: `HOST/PROJECT`; if empty, a folder of the steward's own.
    pub quarantine: String,
    /// The cloud, as the steward signs in there, whose project takes disk images.
    pub cloud: String,
    /// The project of that cloud that the steward works in: a requester gives it access to an image of theirs.
    pub cloud_project: String,
    /// The visibility of admitted disk images: `community`, `public`, or `private` for that project alone.
    pub visibility: String,
    /// The key (P-384) that signs the data of disk images, for clouds to verify. Without it, only the hash that the
    /// cloud keeps is signed.
    pub disk_key: String,
    /// The id of that key's certificate in the cloud.
    pub certificate: String,
    /// The key that the steward signs with: a file, `keyring:NAME` or `pkcs11:URI`.
    pub key: String,
    /// The key that this person approves with; empty where the steward signs alone.
    pub approver_key: String,
    /// Who may decide, where the store has no rights of its own; if empty, everybody may.
    pub approvers: Vec<String>,
    /// Whether people may approve their own requests; if unset, only where nobody else is there.
    pub self_approval: Option<bool>,
    /// Whether a decision counts only with a signature by a key of the policy.
    pub signed_decisions: bool,
    /// Hours after which an admitted or used image is judged again.
    pub watch_hours: Option<u32>,
    /// Hosts from which the cloud may fetch requested disk images: `host[:port]` means https, plain http must be
    /// written out. If empty, none is allowed.
    pub web: Vec<String>,
    /// How many requests, and images of the watch, one steward works on at a time.
    pub parallel: Option<u32>,
    /// How many requests of one person all stewards together work on at a time.
    pub per_person: Option<u32>,
    /// The most time that a steward spends on one request, in seconds.
    pub request_seconds: Option<u32>,
    /// The most time that a steward spends on one image of the watch, in seconds.
    pub watch_seconds: Option<u32>,
    /// The largest image or disk that a steward accepts, in MiB.
    pub largest_mib: Option<u32>,
    /// The slowest rate at which a layer or disk may arrive, in KiB per second.
    pub slowest_kib: Option<u32>,
    /// How long a layer or disk may arrive more slowly than that, in seconds.
    pub grace_seconds: Option<u32>,
}

impl Requests {
    /// Whether a repository is below a place where this site admits images.
    pub fn admits_into(&self, name: &Name) -> bool {
        let Some((host, admitted)) = self.admitted.split_once('/') else { return false };
        let below = |project: &str| name.repository.strip_prefix(project).is_some_and(|rest| rest.starts_with('/'));
        name.host == host && std::iter::once(admitted).chain(self.projects.iter().map(String::as_str)).any(below)
    }

    /// Whether a repository is in the quarantine, where requests are judged; its images cannot be requested.
    pub fn judges_in(&self, name: &Name) -> bool {
        self.quarantine.split_once('/').is_some_and(|(host, project)| {
            name.host == host && name.repository.strip_prefix(project).is_some_and(|rest| rest.starts_with('/'))
        })
    }

    /// How many requests, and images of the watch, one steward works on at a time, or the default.
    pub fn parallel(&self) -> usize {
        self.parallel.map_or(4, |count| count.clamp(1, 64) as usize)
    }

    /// How many requests of one person are worked on at a time, or the default.
    pub fn per_person(&self) -> i64 {
        self.per_person.map_or(2, |count| i64::from(count.max(1)))
    }

    /// The limits of time, size and rate for one request.
    pub fn request_limits(&self) -> Limits {
        Limits {
            time: seconds(self.request_seconds, 3600),
            largest: u64::from(self.largest_mib.unwrap_or(50 << 10)) << 20,
            slowest: u64::from(self.slowest_kib.unwrap_or(16)) << 10,
            grace: seconds(self.grace_seconds, 30),
        }
    }

    /// The limits of time, size and rate for judging one image of the watch.
    pub fn watch_limits(&self) -> Limits {
        Limits { time: seconds(self.watch_seconds, 600), ..self.request_limits() }
    }
}

fn seconds(set: Option<u32>, default: u32) -> Duration {
    Duration::from_secs(u64::from(set.unwrap_or(default).max(1)))
}

/// How people are notified, besides the inbox.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Notify {
    /// `smtp://HOST:PORT`, `smtps://HOST`, or `sendmail`; if empty, no mail is sent.
    pub mail: String,
    /// The address that mail is sent from.
    pub from: String,
    /// The domain for people who gave no address: `example.org` makes it `NAME@example.org`.
    pub domain: String,
    /// The address that mail to approvers goes to.
    pub approvers: String,
    /// The URL that notices are posted to as JSON; if empty, none are.
    pub webhook: String,
    /// The file with the secret that signs webhook notices (HMAC-SHA-256).
    pub webhook_secret: Option<PathBuf>,
}

/// Who answers for the images whose names begin in some way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Supplier {
    /// The beginning of the names.
    pub repository: String,
    /// The person's name in the store.
    pub person: String,
    /// The person's mail address, where the store does not know that name.
    #[serde(default)]
    pub mail: String,
}
