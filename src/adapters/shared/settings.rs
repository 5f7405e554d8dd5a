//! Reading the settings of sources and backends, and the settings that all registries have.

use std::path::PathBuf;

use serde::{Deserialize, de::DeserializeOwned};

use super::http::origin::{self, Origin};
use wharf_core::{
    base::mistakes::Mistake,
    config::{ConfigEntry, Hosts},
};

/// Hosts at which Docker Hub keeps its blobs.
pub const DOCKER_HUB_STORAGE: [&str; 3] = ["*.docker.io", "*.docker.com", "*.r2.cloudflarestorage.com"];

/// The settings of one type of source or backend. Each has a default, so that each can be read separately.
pub trait Settings: DeserializeOwned + Default {
    /// The address as configured; entries with the same address are the same place.
    fn address(&self) -> &str;

    /// A mistake that only shows when all settings are known: the setting, and what is wrong, in words.
    fn wrong(&self) -> Option<(&'static str, String)> {
        None
    }

    /// The hosts that a steward may contact because of this entry.
    fn hosts(&self) -> Hosts {
        Hosts::default()
    }

    /// The files that it names, each with its setting. They are looked for before anything is made of the entry.
    fn files(&self) -> Vec<(&'static str, &PathBuf)> {
        Vec::new()
    }

    /// Resolves relative paths; `written` knows the folder that they start from.
    fn resolve(&mut self, _written: &ConfigEntry) {}
}

/// The settings of an entry that has only a name.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NameOnly {}

impl Settings for NameOnly {
    fn address(&self) -> &'static str {
        ""
    }
}

/// A place that an adapter shall make a source or a backend of.
#[derive(Debug, Clone, Default)]
pub struct AdapterEntry<S> {
    /// The name in lists.
    pub name: String,
    /// Where it was configured or found, in words.
    pub origin: String,
    /// The adapter's settings, with paths resolved.
    pub settings: S,
}

/// Reads an entry into the adapter's settings, with paths resolved.
///
/// # Errors
/// All mistakes in it, each with its line.
pub fn read<S: Settings>(written: &ConfigEntry) -> Result<AdapterEntry<S>, Vec<Mistake>> {
    let mut settings: S = written.parse()?;
    if let Some((key, why)) = settings.wrong() {
        return Err(vec![written.mistake(key, format!("{key}: {why}"))]);
    }
    settings.resolve(written);
    Ok(AdapterEntry { name: written.name.clone(), origin: written.origin.clone(), settings })
}

/// The hosts that an entry names; adapters pass this function as the reader of their type.
///
/// # Errors
/// The same as those of [`read`].
pub fn hosts<S: Settings>(written: &ConfigEntry) -> Result<Hosts, Vec<Mistake>> {
    read::<S>(written).map(|wanted| wanted.settings.hosts())
}

/// The first file that an entry names and that is not there: its setting, and what is wrong, in words.
pub fn lost_file(settings: &impl Settings) -> Option<(&'static str, String)> {
    let is_lost = |file: &PathBuf| file.metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
    let (key, file) = settings.files().into_iter().find(|(_, file)| is_lost(file))?;
    Some((key, format!("{key}: there is no file {}", file.display())))
}

/// The files of a connection with TLS that are named, each with its setting.
pub fn tls_files<'a>(
    ca: Option<&'a PathBuf>,
    certificate: Option<&'a PathBuf>,
    key: Option<&'a PathBuf>,
) -> Vec<(&'static str, &'a PathBuf)> {
    let all = [("ca", ca), ("client_certificate", certificate), ("client_key", key)];
    all.into_iter().filter_map(|(setting, file)| Some((setting, file?))).collect()
}

/// The mistake of an empty address; `example` shows how one is written.
pub fn missing(address: &str, example: &str) -> Option<(&'static str, String)> {
    address.is_empty().then(|| ("url", format!("it is missing; write url = \"{example}\"")))
}

/// What is wrong with the address of a server, if anything; an empty one is none. `key` is its setting. The address is not
/// repeated: it may hold a password.
pub fn odd_address(key: &'static str, address: &str) -> Option<(&'static str, String)> {
    if address.is_empty() {
        return None;
    }
    let why = match origin::address(address) {
        Err(error) => error.to_string(),
        Ok(url) if Origin::from_url(&url).is_none() => "it is no address of a web server".to_owned(),
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            "an address holds no account and no password: leave them out and run 'wharf login'".to_owned()
        }
        Ok(_) => return None,
    };
    Some((key, format!("{why}; write https://host[:port]")))
}

/// A client's certificate and its private key, both PEM files.
pub type Identity = (PathBuf, PathBuf);

/// The client's certificate and key, if both files are named.
pub fn identity(certificate: Option<&PathBuf>, key: Option<&PathBuf>) -> Option<Identity> {
    Some((certificate?.clone(), key?.clone()))
}

/// The mistake of naming only one of a client's certificate and key.
pub fn half_identity(certificate: Option<&PathBuf>, key: Option<&PathBuf>) -> Option<(&'static str, String)> {
    let key = match (certificate, key) {
        (Some(_), None) => "client_certificate",
        (None, Some(_)) => "client_key",
        _ => return None,
    };
    Some((key, "client_certificate and client_key go together".to_owned()))
}

/// Resolves paths relative to the file that they are written in.
pub fn resolve<'a>(written: &ConfigEntry, paths: impl IntoIterator<Item = &'a mut Option<PathBuf>>) {
    for path in paths.into_iter().flatten() {
        *path = written.path(path);
    }
}

/// The settings of a registry. Checks read here which other servers they may ask.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Registry {
    /// Its address: `https://host[:port]`, or `http://` for a test registry.
    pub url: String,
    /// The account to sign in with; `None` for anonymous access.
    pub user: Option<String>,
    /// A certificate authority that is trusted besides the system's (PEM).
    pub ca: Option<PathBuf>,
    /// The client's certificate (PEM); `None` if the registry needs none.
    pub client_certificate: Option<PathBuf>,
    /// The private key of the client's certificate (PEM).
    pub client_key: Option<PathBuf>,
    /// Whether its certificate is not verified, as for the `insecure` registries of Docker and Podman.
    pub insecure: bool,
    /// The token server, if it is at a host of other people: `https://auth.example.com`. Account and password may be
    /// sent there.
    pub token_server: String,
    /// Hosts where it keeps its blobs, besides its own; a steward contacts no others. `*.domain` means all hosts below
    /// a domain.
    pub storage: Vec<String>,
    /// The address of a Notary server (version 1) for its tags; empty if there is none.
    pub notary: String,
    /// What scans its images: `quay` for Quay's own scanner, or the address of a Clair; empty if nothing does.
    pub scanner: String,
    /// Repositories to list, if the registry does not list them itself.
    pub repositories: Vec<String>,
}

impl Registry {
    /// A registry at this address, with default settings.
    pub fn at(url: impl Into<String>) -> Self {
        Self { url: url.into(), ..Self::default() }
    }

    /// `host[:port]` of the address.
    pub fn host(&self) -> &str {
        let bare = self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| rest);
        bare.split('/').next().unwrap_or(bare)
    }

    /// The client's certificate and key, if both are named.
    pub fn identity(&self) -> Option<Identity> {
        identity(self.client_certificate.as_ref(), self.client_key.as_ref())
    }
}

impl Settings for Registry {
    fn address(&self) -> &str {
        &self.url
    }

    fn wrong(&self) -> Option<(&'static str, String)> {
        let scanner = if self.scanner == "quay" { "" } else { self.scanner.as_str() };
        let addresses: [(&'static str, &str); 4] =
            [("url", &self.url), ("token_server", &self.token_server), ("notary", &self.notary), ("scanner", scanner)];
        missing(&self.url, "https://registry.example.org")
            .or_else(|| addresses.into_iter().find_map(|(key, address)| odd_address(key, address)))
            .or_else(|| half_identity(self.client_certificate.as_ref(), self.client_key.as_ref()))
    }

    fn files(&self) -> Vec<(&'static str, &PathBuf)> {
        tls_files(self.ca.as_ref(), self.client_certificate.as_ref(), self.client_key.as_ref())
    }

    fn hosts(&self) -> Hosts {
        let named = [&self.url, &self.token_server, &self.notary, &self.scanner];
        let servers = named.into_iter().filter(|address| !address.is_empty()).cloned().collect();
        let mut storage = self.storage.clone();
        if self.host().ends_with("docker.io") {
            storage.extend(DOCKER_HUB_STORAGE.map(str::to_owned));
        }
        Hosts { servers, storage }
    }

    fn resolve(&mut self, written: &ConfigEntry) {
        resolve(written, [&mut self.ca, &mut self.client_certificate, &mut self.client_key]);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn registry(settings: &str) -> Result<AdapterEntry<Registry>, Vec<Mistake>> {
        let mut written = ConfigEntry::new("site", "oci", "wharf.toml", toml::from_str(settings).unwrap());
        written.base = "/etc/wharf".into();
        read(&written)
    }

    #[test]
    fn half_a_client_certificate_is_refused() {
        for half in ["client_key = 'k'", "client_certificate = 'c'"] {
            let mistakes = registry(&format!("url = 'https://r.example'\n{half}\n")).unwrap_err();
            assert!(mistakes[0].words.contains("go together"), "{mistakes:?}");
        }
    }

    #[test]
    fn paths_are_relative_to_the_file_they_are_written_in() {
        let site = registry("url = 'https://r.example'\nca = 'ca.pem'\nclient_certificate = '/c'\nclient_key = 'k'\n")
            .unwrap();
        assert_eq!(site.settings.ca.as_deref(), Some(Path::new("/etc/wharf/ca.pem")));
        assert_eq!(site.settings.identity(), Some(("/c".into(), "/etc/wharf/k".into())));
    }

    #[test]
    fn a_file_that_is_not_there_is_named_with_its_setting() {
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.pem");
        let settings = Registry { ca: Some(ca.clone()), ..Registry::at("https://r.example") };
        let (key, why) = lost_file(&settings).unwrap();
        assert!(key == "ca" && why.contains(&ca.display().to_string()), "{why}");
        std::fs::write(&ca, "").unwrap();
        assert_eq!(lost_file(&settings), None);
    }

    #[test]
    fn a_registry_without_an_address_is_refused() {
        assert!(registry("user = 'ada'").unwrap_err()[0].words.contains("url"));
    }
}
