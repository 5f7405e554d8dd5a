//! What openstackclient's files and variables say of each cloud, read as openstackclient reads them.
//!
//! The source: openstacksdk, `openstack/config/loader.py`; keystoneauth1, `loading/_plugins/identity`.

mod entry;
mod files;
mod recover;
mod regions;
mod remote;
mod spelling;
mod vendors;
mod yaml;

use std::{collections::BTreeMap, fmt};

pub use self::{
    files::{all, at_home},
    remote::Remote,
};

/// A cloud of a file, or the one that the environment names.
#[derive(Debug, Clone)]
pub struct Entry {
    /// As it is called there; one for a further region is called after both.
    pub name: String,
    /// As the whole entry is called there.
    pub cloud: String,
    /// Whether it is of another region than the entry's first.
    pub is_further: bool,
    /// What is said of it.
    pub settings: Settings,
    /// Where, in words.
    pub origin: String,
}

/// Something that cannot be used, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// File and line.
    pub place: String,
    /// Why.
    pub why: String,
    /// The one cloud that it costs, where it is one.
    pub cloud: Option<String>,
}

/// All that is said of one cloud, under the names that count today: `project_name`, not `tenant-name`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// For its sign-in.
    auth: BTreeMap<String, String>,
    /// The rest.
    options: BTreeMap<String, String>,
    /// `auth_methods`.
    pub methods: Vec<String>,
    /// The region that is used, where one is named.
    region: Option<String>,
    /// `interface`, the preferred first.
    pub interfaces: Vec<String>,
    /// A profile that stands at an address and is to be fetched.
    pub remote: Option<Box<Remote>>,
    /// Why its entry cannot be used, with the line.
    pub broken: Option<String>,
}

/// What else than `auth` says how one signs in, and whom one trusts there.
const SIGN_IN: &[&str] = &["auth_type", "default_domain", "cacert", "cert", "key", "verify", "insecure"];

/// Without values: secrets are among them.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("auth", &self.auth.keys())
            .field("options", &self.options.keys())
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// A value for the sign-in; what is empty is not set.
    pub fn auth(&self, key: &str) -> Option<&str> {
        self.auth.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Any other value.
    pub fn option(&self, key: &str) -> Option<&str> {
        self.options.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The first that is set.
    pub fn first_auth(&self, keys: &[&str]) -> Option<&str> {
        keys.iter().find_map(|key| self.auth(key))
    }

    /// Yes or no, in the words of YAML 1.1.
    pub fn flag(&self, key: &str) -> Option<bool> {
        match self.option(key)?.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Some(true),
            "false" | "no" | "off" | "0" => Some(false),
            _ => None,
        }
    }

    /// The region that is used, where one is named.
    pub fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// Whether both sign in to one identity service as one account, in the same way.
    pub fn signs_in_as(&self, other: &Self) -> bool {
        let same = |key: &&str| self.option(key) == other.option(key);
        // What a profile says of each region is not known yet.
        let is_whole = |one: &Self| one.broken.is_none() && one.remote.is_none();
        let is_whole = is_whole(self) && is_whole(other);
        is_whole && self.auth == other.auth && self.methods == other.methods && SIGN_IN.iter().all(same)
    }

    /// The same with one more value for the sign-in.
    #[must_use]
    pub fn with_auth(mut self, key: &str, value: &str) -> Self {
        self.auth.insert(key.to_owned(), value.to_owned());
        self
    }

    /// One that says why it cannot be used.
    fn broken(why: String) -> Self {
        Self { broken: Some(why), ..Self::default() }
    }
}

/// One entry, for tests: what stands behind its name.
#[cfg(test)]
pub fn read_one(entry: &str) -> Settings {
    of_text(&format!("clouds: {{one: {entry}}}"), "one")
}

/// A cloud of a file, for tests.
#[cfg(test)]
pub fn of_text(text: &str, name: &str) -> Settings {
    let node = yaml::read(text).expect("the test's own text is YAML");
    let mut all = entry::clouds(&node, None, None, "clouds.yaml", entry::Shell::default()).into_iter();
    all.find(|entry| entry.name == name).expect("the test's own cloud").settings
}
