//! Images under Charliecloud: no daemon, no rights, one prepared file for all launches of an image.
//!
//! A launch is a folder in the state folder, with the script that the runtime wrote (`crate::runtimes`). A keeper runs it,
//! keeps its output and its exit code, and outlives Wharf. The image is prepared as for a job of a cluster, so that what
//! runs here runs there.

mod folder;
mod keep;
mod launcher;

use std::{ffi::OsString, sync::Arc};

pub use self::launcher::Charliecloud;
use super::{
    parts::{Parts, Surroundings, refused},
    shared::{
        exec, settings,
        settings::{AdapterEntry, NameOnly},
    },
};
use wharf_core::{
    base::error::Result,
    config::{Config, EntryKind},
    portal::doctor::State,
};

/// The runtime that starts images with it.
const RUNTIME: &str = "charliecloud";

/// How a configuration's entries for Charliecloud are read: they have only a name.
pub const KIND: EntryKind = EntryKind::backend(settings::hosts::<NameOnly>);

fn discover() -> Vec<AdapterEntry<NameOnly>> {
    let entry = |program: std::path::PathBuf| AdapterEntry {
        name: "charliecloud".into(),
        origin: format!("{} on the path", program.display()),
        settings: NameOnly::default(),
    };
    exec::on_path(folder::PROGRAM).into_iter().map(entry).collect()
}

/// Registers Charliecloud, if it is configured or on the path.
///
/// # Errors
/// For a second entry of this type: both would list the same launches.
pub fn register(config: &Config, around: &Surroundings, parts: &mut Parts) -> Result<()> {
    let wanted = parts.wanted(config, "charliecloud", discover)?;
    if let [first, second, ..] = wanted.as_slice() {
        let why = format!("Charliecloud is the backend '{}' already", first.name);
        return Err(refused(config, &second.name, "type", &why).hint("leave one entry of this type"));
    }
    for AdapterEntry { name, .. } in wanted {
        let Some(runtime) = parts.runtimes.iter().find(|runtime| runtime.name() == RUNTIME).cloned() else {
            parts.note(&name, State::Caution, "ch-run is not on the path", "install charliecloud");
            continue;
        };
        let backend = Charliecloud::new(name, runtime, &around.cache_dir, &around.state_dir);
        around.prepared.add(backend.store());
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
