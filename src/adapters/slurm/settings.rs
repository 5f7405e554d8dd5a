//! The settings of a cluster: what may be written in its `[[backend]]`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::shared::settings;
use wharf_core::config::{ConfigEntry, Hosts};

/// The fewest seconds between two questions about all jobs, where nothing else is set: the controller answers everybody.
const PACE: u64 = 10;

/// The beginning of the address of a socket.
const SOCKET: &str = "unix:";

/// Where the configuration of a cluster is if `SLURM_CONF` names none; the last is of nodes that fetch it.
const CONFIGURATIONS: [&str; 3] = ["/etc/slurm/slurm.conf", "/etc/slurm-llnl/slurm.conf", "/run/slurm/conf/slurm.conf"];

/// The configuration that this machine's commands take: what the environment names, whether it is there or not, else
/// one in a usual place.
pub(super) fn configuration() -> Option<PathBuf> {
    let named = std::env::var_os("SLURM_CONF").filter(|path| !path.is_empty()).map(PathBuf::from);
    named.or_else(|| CONFIGURATIONS.map(PathBuf::from).into_iter().find(|path| path.is_file()))
}

/// Where a cluster's slurmrestd is, and how it is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RestAddress {
    /// The socket or the server.
    pub place: RestPlace,
    /// The account that asks; `None` for this person's name here.
    pub user: Option<String>,
    /// The file with the token; `None` for `SLURM_JWT`.
    pub token_file: Option<PathBuf>,
    /// A certificate authority that is trusted besides the system's (PEM).
    pub ca: Option<PathBuf>,
}

/// A socket of this machine, or a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RestPlace {
    /// The path of the socket.
    Socket(PathBuf),
    /// The server's address.
    Url(String),
}

impl Default for RestPlace {
    fn default() -> Self {
        Self::Url(String::new())
    }
}

impl RestAddress {
    /// The account that asks.
    pub(super) fn user(&self) -> String {
        self.user.clone().unwrap_or_else(|| whoami::username().unwrap_or_default())
    }
}

impl std::fmt::Display for RestAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.place {
            RestPlace::Socket(path) => write!(f, "{}", path.display()),
            RestPlace::Url(url) => f.write_str(url),
        }
    }
}

/// The settings of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The folder with Slurm's commands; `None` for those on the path.
    pub bin: Option<PathBuf>,
    /// The cluster's slurm.conf; `None` for the one that the commands find.
    pub conf: Option<PathBuf>,
    /// The folder for launches and unpacked images, on a file system that the nodes share; `None` for one in the state
    /// folder.
    pub folder: Option<PathBuf>,
    /// The name of the runtime that starts images; `None` for the first that takes an image, unless another is chosen.
    pub runtime: Option<String>,
    /// The site's folder of prepared images, which is looked into first and only read.
    pub prepared: Option<PathBuf>,
    /// The fewest seconds between two questions about all jobs.
    pub pace: Option<u64>,
    /// The address of slurmrestd, for a machine without Slurm's commands: `https://host[:port]` or `unix:/path`.
    pub url: Option<String>,
    /// The account that asks slurmrestd; `None` for this person's name here.
    pub user: Option<String>,
    /// The file with slurmrestd's token; `None` for the variable `SLURM_JWT`. It is read for each question.
    pub token_file: Option<PathBuf>,
    /// A certificate authority that is trusted for slurmrestd besides the system's (PEM).
    pub ca: Option<PathBuf>,
}

impl Settings {
    /// The fewest seconds between two questions about all jobs.
    pub(super) fn pace(&self) -> u64 {
        self.pace.unwrap_or(PACE).max(1)
    }

    /// Where slurmrestd is, if the cluster is asked by it.
    pub(super) fn rest(&self) -> Option<RestAddress> {
        let url = self.url.as_deref()?;
        let place = match url.strip_prefix(SOCKET) {
            Some(path) => RestPlace::Socket(path.into()),
            None => RestPlace::Url(url.to_owned()),
        };
        Some(RestAddress { place, user: self.user.clone(), token_file: self.token_file.clone(), ca: self.ca.clone() })
    }
}

impl settings::Settings for Settings {
    fn address(&self) -> &str {
        if let Some(url) = &self.url {
            return url;
        }
        self.conf.as_deref().and_then(Path::to_str).unwrap_or_default()
    }

    fn wrong(&self) -> Option<(&'static str, String)> {
        if self.pace == Some(0) {
            return Some(("pace", "write at least 1 (seconds)".to_owned()));
        }
        let Some(url) = self.url.as_deref() else {
            let only =
                [("user", self.user.is_some()), ("token_file", self.token_file.is_some()), ("ca", self.ca.is_some())];
            let lone = only.into_iter().find(|(_, is_given)| *is_given);
            return lone.map(|(key, _)| (key, "it is for slurmrestd, and there is no url".to_owned()));
        };
        if self.bin.is_some() || self.conf.is_some() {
            let key = if self.bin.is_some() { "bin" } else { "conf" };
            return Some((key, "it is for Slurm's commands, and url for slurmrestd: leave one of them out".to_owned()));
        }
        match url.strip_prefix(SOCKET) {
            Some(path) if path.starts_with('/') => None,
            Some(_) => Some(("url", "write the socket as unix:/path".to_owned())),
            None => {
                settings::missing(url, "https://slurm.example.org:6820").or_else(|| settings::odd_address("url", url))
            }
        }
    }

    fn hosts(&self) -> Hosts {
        let server = self.url.iter().filter(|url| !url.starts_with(SOCKET)).cloned().collect();
        Hosts { servers: server, ..Hosts::default() }
    }

    fn files(&self) -> Vec<(&'static str, &PathBuf)> {
        self.ca.iter().map(|file| ("ca", file)).collect()
    }

    fn resolve(&mut self, written: &ConfigEntry) {
        let own = [&mut self.bin, &mut self.conf, &mut self.folder, &mut self.prepared];
        settings::resolve(written, own.into_iter().chain([&mut self.token_file, &mut self.ca]));
        if self.url.is_none() {
            // So that an entry and what is found by itself are known to be the same cluster.
            self.conf = self.conf.take().or_else(configuration);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use settings::{AdapterEntry, read};

    fn of(text: &str) -> Result<AdapterEntry<Settings>, Vec<wharf_core::base::mistakes::Mistake>> {
        let mut written = ConfigEntry::new("lab", "slurm", "wharf.toml", toml::from_str(text).unwrap());
        written.base = "/etc/wharf".into();
        read(&written)
    }

    #[test]
    fn paths_are_relative_to_the_file_they_are_written_in() {
        let settings = of("bin = 'slurm/bin'\nconf = '/etc/lab.conf'\nfolder = '/shared/ada'\nprepared = 'images'\n")
            .unwrap()
            .settings;
        assert_eq!(settings.prepared, Some("/etc/wharf/images".into()));
        assert_eq!(settings.bin, Some("/etc/wharf/slurm/bin".into()));
        assert_eq!((settings.folder.clone(), settings.pace()), (Some("/shared/ada".into()), PACE));
    }

    #[test]
    fn slurmrestd_is_at_a_socket_or_a_server() {
        let at = |text: &str| of(text).unwrap().settings.rest().unwrap();
        let socket = at("url = 'unix:/run/slurmrestd.sock'");
        assert_eq!(socket.place, RestPlace::Socket("/run/slurmrestd.sock".into()));
        let server = at("url = 'https://slurm.example.org:6820'\nuser = 'ada'\ntoken_file = 'token'\n");
        assert_eq!((server.user(), server.token_file), ("ada".to_owned(), Some("/etc/wharf/token".into())));
        assert!(of("").unwrap().settings.rest().is_none());
    }

    #[test]
    fn what_is_no_setting_is_refused() {
        for wrong in [
            "pace = 0",
            "token = 'x'",
            "url = 'unix:socket'",
            "url = 'https://ada:x@slurm.example.org'",
            "url = 'https://slurm.example.org'\nbin = '/x'",
            "token_file = '/x'",
        ] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }
}
