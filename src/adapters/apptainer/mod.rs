//! Images under Apptainer (or SingularityCE): no daemon, no rights, SIF files and container images.
//!
//! Every image is run from a SIF file that was compared with what was pinned: a SIF by its own hash, a container image
//! from a SIF that is made here of its verified layers. A launch is a folder in the state folder. A small keeper
//! (`keep`) makes an instance of the image, runs the program in it, keeps its output and its exit code, which Apptainer
//! itself does not tell, and outlives Wharf.

mod build;
mod commands;
mod form;
mod instance;
mod keep;
mod launcher;
mod spec;

use std::{ffi::OsString, path::PathBuf, sync::Arc};

use serde::Deserialize;

pub use self::launcher::Apptainer;
pub use super::shared::apptainer::Program;
use super::{
    parts::{Parts, Surroundings, refused},
    shared::{exec, settings as shared_settings, settings::AdapterEntry},
};
use wharf_core::{
    base::error::Result,
    config::{Config, ConfigEntry, EntryKind},
    portal::doctor::State,
};

/// The names of the program, the preferred one first.
const PROGRAMS: [&str; 2] = ["apptainer", "singularity"];

/// The settings of Apptainer as a backend.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The path of the program; `None` for the one on the path.
    pub program: Option<PathBuf>,
}

impl shared_settings::Settings for Settings {
    fn address(&self) -> &str {
        self.program.as_deref().and_then(std::path::Path::to_str).unwrap_or_default()
    }

    fn files(&self) -> Vec<(&'static str, &PathBuf)> {
        self.program.iter().map(|program| ("program", program)).collect()
    }

    fn resolve(&mut self, written: &ConfigEntry) {
        shared_settings::resolve(written, [&mut self.program]);
        // So that an entry and what is found by itself are known to be the same program.
        self.program = self.program.take().or_else(found);
    }
}

/// How a configuration's entries for Apptainer are read.
pub const KIND: EntryKind = EntryKind::backend(shared_settings::hosts::<Settings>);

/// The program on the path.
fn found() -> Option<PathBuf> {
    PROGRAMS.into_iter().find_map(exec::on_path)
}

fn discover() -> Vec<AdapterEntry<Settings>> {
    let entry = |program: PathBuf| AdapterEntry {
        name: "apptainer".into(),
        origin: format!("{} on the path", program.display()),
        settings: Settings { program: Some(program) },
    };
    found().into_iter().map(entry).collect()
}

/// Registers Apptainer, if it is configured or on the path.
pub fn register(config: &Config, around: &Surroundings, parts: &mut Parts) -> Result<()> {
    let wanted = parts.wanted(config, "apptainer", discover)?;
    if let [first, second, ..] = wanted.as_slice() {
        let why = format!("Apptainer is the backend '{}' already", first.name);
        return Err(refused(config, &second.name, "type", &why).hint("leave one entry of this type"));
    }
    for AdapterEntry { name, settings, .. } in wanted {
        let Some(program) = settings.program else {
            let advice = "install apptainer, or set program = \"/path/to/apptainer\"";
            parts.note(&name, State::Caution, "neither apptainer nor singularity is on the path", advice);
            continue;
        };
        let backend = Apptainer::new(name, Program::new(program), &around.cache_dir, &around.state_dir);
        parts.launchers.push(Arc::new(backend));
    }
    Ok(())
}

/// Carries out this backend's inner verb; `None` for all other command lines.
pub fn inner(words: &[OsString]) -> Option<Result<u8>> {
    match words {
        [_, verb, folder] if verb == keep::VERB => Some(keep::keep(folder.as_ref()).map(|()| 0)),
        _ => None,
    }
}
