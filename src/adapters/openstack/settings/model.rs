//! A cloud as it is configured: its entry, its settings, and a profile that has not been fetched yet.

use std::{collections::BTreeMap, fmt};

use url::Url;

use super::yaml::Node;

/// A cloud in a file or in the environment, in one of its regions.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// The cloud's name; that of a further region is `CLOUD-REGION`.
    pub name: String,
    /// The name of the whole entry.
    pub cloud: String,
    /// Whether this is another region than the entry's first.
    pub is_further: bool,
    /// The settings of the entry in this region.
    pub settings: Settings,
    /// The file or variables that it comes from, in words.
    pub origin: String,
}

/// Something that cannot be used, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SettingsFault {
    /// The file and line.
    pub place: String,
    /// The reason in words.
    pub why: String,
    /// The cloud that it concerns, if it is only one.
    pub cloud: Option<String>,
}

/// The settings of a cloud by their present names: `project_name`, not `tenant-name`.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The values in `auth`.
    pub(super) auth: BTreeMap<String, String>,
    /// The values outside of `auth`.
    pub(super) options: BTreeMap<String, String>,
    /// The values of `auth_methods`.
    pub methods: Vec<String>,
    /// The region, if one is named.
    pub(super) region: Option<String>,
    /// The values of `interface`, the preferred first.
    pub interfaces: Vec<String>,
    /// A profile at an address that has not been fetched yet.
    pub remote: Option<Box<Remote>>,
    /// Why the entry cannot be used, with the line.
    pub broken: Option<String>,
}

/// The values outside of `auth` that decide how to sign in and whom to trust.
const SIGN_IN: &[&str] = &["auth_type", "default_domain", "cacert", "cert", "key", "verify", "insecure"];

/// Prints no values, because secrets are among them.
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
    /// A value in `auth`; `None` if it is empty.
    pub(crate) fn auth(&self, key: &str) -> Option<&str> {
        self.auth.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A value outside of `auth`; `None` if it is empty.
    pub(crate) fn option(&self, key: &str) -> Option<&str> {
        self.options.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The first of these values in `auth` that is set.
    pub(crate) fn first_auth(&self, keys: &[&str]) -> Option<&str> {
        keys.iter().find_map(|key| self.auth(key))
    }

    /// A yes-or-no value, in the words of YAML 1.1.
    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        match self.option(key)?.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Some(true),
            "false" | "no" | "off" | "0" => Some(false),
            _ => None,
        }
    }

    /// The region, if one is named.
    pub(crate) fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// Whether both sign in to the same identity service, with the same account and in the same way.
    pub(crate) fn signs_in_as(&self, other: &Self) -> bool {
        let same = |key: &&str| self.option(key) == other.option(key);
        // The profile's values for each region are not known yet.
        let is_whole = |one: &Self| one.broken.is_none() && one.remote.is_none();
        let is_whole = is_whole(self) && is_whole(other);
        is_whole && self.auth == other.auth && self.methods == other.methods && SIGN_IN.iter().all(same)
    }

    /// The settings with another value in `auth`.
    #[must_use]
    pub(crate) fn with_auth(mut self, key: &str, value: &str) -> Self {
        self.auth.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Settings that say why they cannot be used.
    pub(super) fn broken(why: String) -> Self {
        Self { broken: Some(why), ..Self::default() }
    }
}

/// An entry whose profile has not been fetched yet.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Remote {
    /// The address of the profile.
    pub url: Url,
    /// The entry itself, and the shell's variables about it.
    pub(super) entry: Node,
    pub(super) said: Option<BTreeMap<String, String>>,
    /// The region that the shell names.
    pub(super) region: Option<String>,
}

/// Does not print the entry, which contains secrets.
impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("url", &self.url.as_str()).finish_non_exhaustive()
    }
}

/// The address of the profile document at a server, which always has the same path.
pub(super) fn page(profile: &str) -> Option<Url> {
    let mut url = Url::parse(profile).ok().filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host())?;
    url.set_path("/.well-known/openstack/api");
    url.set_query(None);
    url.set_fragment(None);
    // An account in the address is not sent.
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    Some(url)
}
