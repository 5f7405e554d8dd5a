//! Virtual machines by libvirt, as its program virsh asks for them: those of this person's session.
//!
//! A launch is a domain and a folder in the state folder: the machine's own disk above the image's, the seed for
//! cloud-init, the console's socket and output. libvirt runs the machine, and outlives Wharf.

mod backup;
mod console;
mod domain;
mod folder;
mod launcher;
mod stats;
mod virsh;

use std::{path::PathBuf, sync::Arc};

use serde::Deserialize;

use self::{launcher::Libvirt, virsh::Virsh};
use super::{
    machines::overlay,
    parts::{Parts, Surroundings, refused},
    shared::{
        exec, private,
        settings::{self, AdapterEntry},
    },
};
use wharf_core::{
    base::error::Result,
    config::{Config, EntryKind},
    portal::doctor::State,
};

/// How a configuration's entries for libvirt are read.
pub const KIND: EntryKind = EntryKind::backend(settings::hosts::<Settings>);
/// The session of this person: no rights, no daemon of root's.
const SESSION: &str = "qemu:///session";

/// The settings of a libvirt.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// Its address, as virsh takes it with `-c`.
    uri: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self { uri: SESSION.to_owned() }
    }
}

impl settings::Settings for Settings {
    fn address(&self) -> &str {
        &self.uri
    }

    fn wrong(&self) -> Option<(&'static str, String)> {
        let why = "only this person's own session (qemu:///session) can read the disks that Wharf keeps: whoever may \
                   use the system's libvirt owns the machine";
        (self.uri != SESSION).then(|| ("uri", why.to_owned()))
    }
}

/// The session, where virsh and a daemon for it are on the path.
fn discover() -> Vec<AdapterEntry<Settings>> {
    let daemon = ["libvirtd", "virtqemud"].iter().any(|name| exec::on_path(name).is_some() || is_in_sbin(name));
    let Some(program) = exec::on_path(virsh::PROGRAM).filter(|_| daemon) else { return Vec::new() };
    let origin = format!("{} on the path", program.display());
    vec![AdapterEntry { name: "libvirt".into(), origin, settings: Settings::default() }]
}

/// Daemons lie where the path of most people does not lead.
fn is_in_sbin(name: &str) -> bool {
    PathBuf::from("/usr/sbin").join(name).is_file()
}

/// Registers libvirt, if it is configured or on the path.
///
/// # Errors
/// For a second entry of this type: both would list the same machines.
pub fn register(config: &Config, around: &Surroundings, parts: &mut Parts) -> Result<()> {
    let wanted = parts.wanted(config, "libvirt", discover)?;
    if let [first, second, ..] = wanted.as_slice() {
        let why = format!("libvirt is the backend '{}' already", first.name);
        return Err(refused(config, &second.name, "type", &why).hint("leave one entry of this type"));
    }
    for AdapterEntry { name, settings, .. } in wanted {
        if let Some(missing) = [virsh::PROGRAM, overlay::IMAGES].into_iter().find(|name| exec::on_path(name).is_none())
        {
            let found = format!("{missing} is not on the path");
            parts.note(
                &name,
                State::Caution,
                found,
                "install libvirt-clients, libvirt-daemon-driver-qemu and qemu-utils",
            );
            continue;
        }
        let images = private::images(&config.image_folders, &around.state_dir);
        parts.launchers.push(Arc::new(Libvirt::new(name, Virsh::new(settings.uri), &around.state_dir, &images)));
    }
    Ok(())
}
