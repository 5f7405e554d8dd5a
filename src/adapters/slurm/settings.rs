//! The settings of a cluster: what may be written in its `[[backend]]`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::shared::settings;
use wharf_core::config::ConfigEntry;

/// The fewest seconds between two questions about all jobs, where nothing else is set: the controller answers everybody.
const PACE: u64 = 10;

/// Where the configuration of a cluster is if `SLURM_CONF` names none; the last is of nodes that fetch it.
const CONFIGURATIONS: [&str; 3] = ["/etc/slurm/slurm.conf", "/etc/slurm-llnl/slurm.conf", "/run/slurm/conf/slurm.conf"];

/// The configuration that this machine's commands take: what the environment names, whether it is there or not, else
/// one in a usual place.
pub(super) fn configuration() -> Option<PathBuf> {
    let named = std::env::var_os("SLURM_CONF").filter(|path| !path.is_empty()).map(PathBuf::from);
    named.or_else(|| CONFIGURATIONS.map(PathBuf::from).into_iter().find(|path| path.is_file()))
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
}

impl Settings {
    /// The fewest seconds between two questions about all jobs.
    pub(super) fn pace(&self) -> u64 {
        self.pace.unwrap_or(PACE).max(1)
    }
}

impl settings::Settings for Settings {
    fn address(&self) -> &str {
        self.conf.as_deref().and_then(Path::to_str).unwrap_or_default()
    }

    fn wrong(&self) -> Option<(&'static str, String)> {
        (self.pace == Some(0)).then(|| ("pace", "write at least 1 (seconds)".to_owned()))
    }

    fn resolve(&mut self, written: &ConfigEntry) {
        settings::resolve(written, [&mut self.bin, &mut self.conf, &mut self.folder, &mut self.prepared]);
        // So that an entry and what is found by itself are known to be the same cluster.
        self.conf = self.conf.take().or_else(configuration);
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
    fn what_is_no_setting_is_refused() {
        for wrong in ["pace = 0", "url = 'x'", "token = 'x'"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }
}
