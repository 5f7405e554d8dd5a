//! What a configuration holds once read. Reading and layering it is `crate::config`'s duty.

use std::{collections::BTreeMap, path::PathBuf};

/// The whole configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a setting")]
pub struct Config {
    /// Sources in the order of screens.
    pub sources: Vec<SourceConfig>,
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
    /// Files that were read, lowest first.
    pub files: Vec<PathBuf>,
    /// Things in the files that could not be used, in words; the program starts all the same.
    pub warnings: Vec<String>,
}

/// One configured source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceConfig {
    /// Its name in lists.
    pub name: String,
    /// Which adapter.
    pub adapter: String,
    /// Address: a URL, a socket or a folder, as the adapter reads it.
    pub url: String,
    /// Account to use.
    pub user: Option<String>,
    /// Extra certificate authority (PEM).
    pub ca: Option<PathBuf>,
    /// Client certificate and key (PEM).
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// A Notary server (version 1) that knows what its tags mean; empty without one.
    pub notary: String,
    /// What has scanned its images: `quay` for Quay's own scanner, or the address of a Clair; empty without one.
    pub scanner: String,
    /// Repositories to list where the registry does not list them itself.
    pub repositories: Vec<String>,
    /// Where it was found, in words.
    pub origin: String,
}

impl SourceConfig {
    /// `host[:port]` of its address.
    pub fn host(&self) -> &str {
        let bare = self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| rest);
        bare.split('/').next().unwrap_or(bare)
    }
}
