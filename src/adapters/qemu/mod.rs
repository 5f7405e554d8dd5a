//! Virtual machines on this machine, by QEMU: no cloud, no daemon, no rights.
//!
//! A launch is a folder in the state folder: the machine's own disk above the image's, the seed for cloud-init, the console's
//! output, and the sockets of the console and of QEMU's commands. A keeper runs QEMU as the person and outlives Wharf.

mod console;
mod folder;
mod keep;
mod launcher;
mod machine;
mod qmp;
mod snapshot;

use std::{ffi::OsString, sync::Arc};

pub use self::launcher::Qemu;
use super::{
    machines::overlay,
    parts::{Parts, Surroundings, refused},
    shared::{
        exec, private, settings,
        settings::{AdapterEntry, NameOnly},
    },
};
use wharf_core::{
    base::error::Result,
    config::{Config, EntryKind},
    portal::doctor::State,
};

/// How a configuration's entries for QEMU are read: they have only a name.
pub const KIND: EntryKind = EntryKind::backend(settings::hosts::<NameOnly>);

fn discover() -> Vec<AdapterEntry<NameOnly>> {
    let entry = |program: std::path::PathBuf| AdapterEntry {
        name: "qemu".into(),
        origin: format!("{} on the path", program.display()),
        settings: NameOnly::default(),
    };
    exec::on_path(machine::PROGRAM).into_iter().map(entry).collect()
}

/// Registers QEMU, if it is configured or on the path.
///
/// # Errors
/// For a second entry of this type: both would list the same machines.
pub fn register(config: &Config, around: &Surroundings, parts: &mut Parts) -> Result<()> {
    let wanted = parts.wanted(config, "qemu", discover)?;
    if let [first, second, ..] = wanted.as_slice() {
        let why = format!("QEMU is the backend '{}' already", first.name);
        return Err(refused(config, &second.name, "type", &why).hint("leave one entry of this type"));
    }
    for AdapterEntry { name, .. } in wanted {
        if let Some(missing) =
            [machine::PROGRAM, overlay::IMAGES].into_iter().find(|name| exec::on_path(name).is_none())
        {
            let found = format!("{missing} is not on the path");
            parts.note(&name, State::Caution, found, "install qemu-system-x86 and qemu-utils");
            continue;
        }
        let images = private::images(&config.image_folders, &around.state_dir);
        parts.launchers.push(Arc::new(Qemu::new(name, &around.state_dir, &images)));
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
