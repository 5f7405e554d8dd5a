//! The inside of a sandbox made with `unshare`: mounts, root, rights, then the program itself.
//!
//! Runs as a process of its own, already in new user, mount, pid, ipc and uts namespaces, as
//! `wharf __inside FOLDER`. Everything here uses safe system call wrappers; any failure ends it before the program starts.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use rustix::{
    mount::{MountFlags, MountPropagationFlags, UnmountFlags},
    process::WaitOptions,
};
use serde::{Deserialize, Serialize};

use crate::core::{
    error::{During, Error, Result},
    launch::Mount,
};

/// What the inside looks like.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inside {
    /// The root file system on the host.
    pub root: PathBuf,
    /// Whether the program may change it.
    pub writable: bool,
    /// Folders and files of the host.
    pub mounts: Vec<Mount>,
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// `NAME=value`.
    pub environment: Vec<String>,
    /// Where it starts.
    pub working_dir: String,
    /// Host name inside.
    pub hostname: String,
}

const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Sets everything up, runs the program and gives its exit code.
pub fn enter(inside: &Inside) -> Result<u8> {
    let what = "set up the sandbox";
    let root = &inside.root;
    let recursive = MountFlags::BIND | MountFlags::REC;
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).during(what)?;
    rustix::mount::mount_bind_recursive(root, root).during(what)?;
    for Mount { host, inside: at, writes } in &inside.mounts {
        let target = point(root, at, host.is_dir())?;
        rustix::mount::mount_bind_recursive(host, &target)
            .map_err(|error| Error::failed(what, format!("mount {}: {error}", host.display())))?;
        if !writes {
            rustix::mount::mount_remount(&target, recursive | MountFlags::RDONLY | MountFlags::NOSUID, "")
                .during(what)?;
        }
    }
    let careful = MountFlags::NOSUID | MountFlags::NODEV;
    mount(root, "proc", "proc", careful | MountFlags::NOEXEC, "")?;
    mount(root, "tmp", "tmpfs", careful, "mode=1777,size=256m")?;
    mount(root, "run", "tmpfs", careful, "mode=755,size=64m")?;
    mount(root, "dev", "tmpfs", MountFlags::NOSUID | MountFlags::NOEXEC, "mode=755,size=1m")?;
    for device in DEVICES {
        let target = root.join("dev").join(device);
        std::fs::write(&target, b"").during(what)?;
        rustix::mount::mount_bind(Path::new("/dev").join(device), &target).during(what)?;
    }
    if !inside.writable {
        rustix::mount::mount_remount(root, MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID, "")
            .during(what)?;
    }
    rustix::process::chdir(root).during(what)?;
    rustix::process::pivot_root(".", ".").during(what)?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).during(what)?;
    let home = if inside.working_dir.is_empty() { "/" } else { &inside.working_dir };
    rustix::process::chdir(home).or_else(|_| rustix::process::chdir("/")).during(what)?;
    let _ = rustix::system::sethostname(inside.hostname.as_bytes());
    give_up_rights(what)?;
    let (program, arguments) = inside
        .argv
        .split_first()
        .ok_or_else(|| Error::usage("launch", "the image names no program").hint("give a command"))?;
    let mut command = Command::new(program);
    command.args(arguments).env_clear();
    for (name, value) in inside.environment.iter().filter_map(|pair| pair.split_once('=')) {
        command.env(name, value);
    }
    let child = command.spawn().during(format!("start {program}"))?;
    reap(child.id(), what)
}

/// Process 1 of a sandbox: collects whatever ends until the program itself does; all others end with this process.
///
/// The program is not process 1, because the kernel gives that one no signal it has no handler for: it could not be
/// asked to stop.
fn reap(program: u32, what: &str) -> Result<u8> {
    loop {
        let ended = rustix::process::wait(WaitOptions::empty()).during(what)?;
        if let Some((_, status)) = ended.filter(|(pid, _)| pid.as_raw_pid().cast_unsigned() == program) {
            let signalled = status.terminating_signal().map(|signal| 128 + signal);
            return Ok(status.exit_status().or(signalled).unwrap_or(1) as u8);
        }
    }
}

/// No capabilities, not even to be gained by a program that is marked for it.
fn give_up_rights(what: &str) -> Result<()> {
    use rustix::thread::{CapabilitySet, CapabilitySets};
    rustix::thread::set_no_new_privs(true).during(what)?;
    rustix::thread::clear_ambient_capability_set().during(what)?;
    for capability in CapabilitySet::all().iter() {
        // Newer kernels know more than this program, older ones less.
        let _ = rustix::thread::remove_capability_from_bounding_set(capability);
    }
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, none).during(what)
}

/// The place of a mount below the root, made if missing. A link in the image must not lead the mount outside.
fn point(root: &Path, at: &Path, folder: bool) -> Result<PathBuf> {
    let what = format!("mount at {}", at.display());
    let mut path = root.to_owned();
    for part in at.strip_prefix("/").unwrap_or(at).components() {
        let std::path::Component::Normal(name) = part else {
            return Err(Error::usage(what, "not a plain absolute path"));
        };
        path.push(name);
        if path.symlink_metadata().is_ok_and(|meta| meta.file_type().is_symlink()) {
            return Err(Error::usage(what, format!("{} is a link in the image", path.display()))
                .hint("mount it at another path"));
        }
    }
    if folder {
        std::fs::create_dir_all(&path).during(&what)?;
    } else if !path.exists() {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).during(&what)?;
        }
        std::fs::write(&path, b"").during(&what)?;
    }
    Ok(path)
}

fn mount(root: &Path, at: &str, kind: &str, flags: MountFlags, data: &str) -> Result<()> {
    let target = point(root, Path::new(at), true)?;
    let data = std::ffi::CString::new(data).during("set up the sandbox")?;
    rustix::mount::mount(kind, &target, kind, flags, Some(data.as_c_str()))
        .map_err(|error| Error::failed("set up the sandbox", format!("mount {at}: {error}")))
}
