//! Reading the configuration: defaults < site file < user file < sources added in Wharf < environment < flags.
//!
//! No file is required. Every error names file, line and key. Nothing is ever written here.

mod entries;
mod environment;
mod file;
mod own_sources;
mod settings;
mod tilde;

use std::path::{Path, PathBuf};

pub use self::settings::{SETTINGS, Setting};
use self::{
    environment::{environment, variable},
    file::apply,
};
use wharf_core::{
    base::error::{Error, Result},
    config::{Config, EntryKinds},
    launch::rules::FormRules,
};

/// What the command line may override.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// Path of the file to read instead of the user's own.
    pub config: Option<PathBuf>,
    /// Name of the theme (`--theme`).
    pub theme: Option<String>,
    /// Print plain lines instead of drawing screens (`--plain`).
    pub plain: bool,
}

/// Reads all layers; `kinds` lists the known types of sources and backends and reads their settings.
///
/// # Errors
/// [`Kind::Usage`](wharf_core::base::error::Kind::Usage) where a file or a variable cannot be read, with file and line.
pub fn load(flags: &Flags, kinds: &EntryKinds) -> Result<Config> {
    let folders = directories::ProjectDirs::from("", "", "wharf")
        .ok_or_else(|| Error::usage("find your folders", "HOME is not set").hint("set HOME"))?;
    let home = variable("HOME").map(PathBuf::from).unwrap_or_default();
    let mut config = Config {
        discover: true,
        person: variable("USER").or_else(|| variable("LOGNAME")).or_else(login).unwrap_or_default(),
        theme: "default".into(),
        themes_dir: Some(folders.config_dir().join("themes")),
        mouse: true,
        image_folders: vec![home.join("images"), folders.data_dir().join("images")],
        cache_dir: folders.cache_dir().to_owned(),
        state_dir: folders.state_dir().unwrap_or_else(|| folders.data_local_dir()).to_owned(),
        ..Config::default()
    };
    let named = variable("WHARF_SITE").map(PathBuf::from);
    let site = named.clone().unwrap_or_else(|| PathBuf::from("/etc/wharf/site.toml"));
    if named.is_some() || may_be_there(&site) {
        apply(&mut config, &site, kinds).map_err(|error| site_file_error(error, named.is_some()))?;
    }
    let written = flags.config.clone().or_else(|| variable("WHARF_CONFIG").map(PathBuf::from));
    let user = written.clone().unwrap_or_else(|| folders.config_dir().join("wharf.toml"));
    if written.is_some() || may_be_there(&user) {
        apply(&mut config, &user, kinds)?;
    }
    let state = variable("WHARF_STATE_DIR").map_or_else(|| config.state_dir.clone(), PathBuf::from);
    own_sources::apply(&mut config, &state, kinds);
    environment(&mut config, kinds)?;
    rule_all_of_a_type(&mut config);
    if let Some(theme) = &flags.theme {
        config.theme.clone_from(theme);
    }
    config.plain |= flags.plain;
    Ok(config)
}

/// The login of this process, where the environment does not tell it, as in a container or a service.
fn login() -> Option<String> {
    whoami::username().ok().filter(|name| !name.is_empty())
}

/// Whether a file exists or might exist. False only if it certainly does not: a link to a missing target and a folder
/// that may not be entered count as there, and reading the file reports the fault.
fn may_be_there(path: &Path) -> bool {
    let absent = |error: &std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
    match path.symlink_metadata() {
        Ok(_) => true,
        Err(error) if absent(&error) => {
            // A folder above it may be a link to a missing target.
            let above = path.ancestors().skip(1).find(|above| above.symlink_metadata().is_ok());
            above.is_some_and(|above| above.metadata().is_err())
        }
        Err(_) => true,
    }
}

/// A site file that cannot be read is an error: its policy must not be taken for missing.
fn site_file_error(error: Error, named: bool) -> Error {
    let whose = if named { "the site's file that WHARF_SITE names" } else { "the site's file" };
    let hint = format!("{}; nothing is done without {whose}, because its policy may be in it", error.hint);
    error.hint(hint)
}

/// Rules for a backend that is called like its type hold for all backends of that type: another name is no way around them.
fn rule_all_of_a_type(config: &mut Config) {
    let same = |rules: &FormRules| {
        let named =
            config.backends.iter().filter(|backend| backend.kind == rules.backend && backend.name != rules.backend);
        named.map(|backend| FormRules { backend: backend.name.clone(), ..rules.clone() }).collect::<Vec<_>>()
    };
    let more: Vec<FormRules> = config.forms.iter().flat_map(same).collect();
    config.forms.extend(more);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_that_does_not_exist_at_all_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("file"), "").unwrap();
        std::os::unix::fs::symlink("/nowhere/at/all", at("link")).unwrap();
        assert!(!may_be_there(&at("none/site.toml")) && !may_be_there(&at("none")));
        for there in ["file", "link", "link/site.toml", "file/site.toml"] {
            assert!(may_be_there(&at(there)), "{there}");
        }
    }
}
