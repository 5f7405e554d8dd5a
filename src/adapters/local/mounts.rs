//! The mounts of a sandbox, made by its process 1 in a mount namespace of its own (mount(2), mount_namespaces(7)).

use std::{
    collections::BTreeMap,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Mode, OFlags},
    mount::{MountFlags, MountPropagationFlags, UnmountFlags},
};

use super::{
    inside::{SandboxLayout, Text},
    missing, plan,
};
use crate::prepared::below::{self, MountPoint, RootFolder};
use wharf_core::{
    base::{
        error::{During, Error, Result},
        small_file,
    },
    launch::plan::Mount,
};

const WHAT: &str = "set up the sandbox";
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
/// The parts of `/proc` in which root may change the kernel; the person who launches may be root.
const READ_ONLY: [&str; 5] = ["sys", "sysrq-trigger", "irq", "bus", "fs"];
/// The parts of `/proc` that tell about the kernel and the person's keys.
const HIDDEN: [&str; 5] = ["kcore", "keys", "key-users", "timer_list", "sched_debug"];
/// The folders over which every sandbox mounts its own.
const OWN: [&str; 4] = ["/proc", "/dev", "/tmp", "/run"];
const CAREFUL: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);

/// Separates the mounts of this process from those of others: none of them is seen there, or the other way round.
pub(super) fn separate() -> Result<()> {
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).during(WHAT)
}

/// Makes all mounts and changes the root. With `mounted` the root is a mount already, of an image of which nothing is
/// known.
pub(super) fn set_up(inside: &SandboxLayout, mounted: bool) -> Result<()> {
    let root = inside.root.canonicalize().during(WHAT)?;
    if !mounted {
        rustix::mount::mount_bind_recursive(&root, &root).during(WHAT)?;
    }
    protect(&root, inside.writable)?;
    // A workload's own copy has its places already.
    if !inside.writable {
        let mut points = plan::placed(inside, &RootFolder::new(&root)?)?;
        // An unpacked image was given them.
        points.extend(OWN.iter().filter(|_| mounted).map(|path| MountPoint { path: path.into(), folder: true }));
        missing::make(&root, &points)?;
    }
    let below = RootFolder::new(&root)?;
    mount(&below, "/proc", "proc", CAREFUL | MountFlags::NOEXEC, "")?;
    mount(&below, "/tmp", "tmpfs", CAREFUL, "mode=1777,size=256m")?;
    mount(&below, "/run", "tmpfs", CAREFUL, "mode=755,size=64m")?;
    mount(&below, "/dev", "tmpfs", MountFlags::NOSUID | MountFlags::NOEXEC, "mode=755,size=1m")?;
    devices(&root, &below)?;
    for name in READ_ONLY {
        let at = Path::new("/proc").join(name);
        if root.join("proc").join(name).exists() {
            bind(&below, &root.join("proc").join(name), &at)?;
            protect(&root.join("proc").join(name), false)?;
        }
    }
    for name in HIDDEN {
        if root.join("proc").join(name).exists() {
            bind(&below, Path::new("/dev/null"), &Path::new("/proc").join(name))?;
        }
    }
    // After the empty folders, which would otherwise cover a mount in /tmp.
    for Mount { host, inside: at, writes } in &inside.mounts {
        make(&below, at, host.is_dir())?;
        bind(&below, host, at)?;
        protect(&root.join(at.strip_prefix("/").unwrap_or(at)), *writes)?;
    }
    for text in &inside.texts {
        written(&root, &below, text, inside.writable)?;
    }
    rustix::process::chdir(&root).during(WHAT)?;
    rustix::process::pivot_root(".", ".").during(WHAT)?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).during(WHAT)?;
    rustix::process::chdir("/").during(WHAT)
}

fn devices(root: &Path, below: &RootFolder) -> Result<()> {
    let dev = root.join("dev");
    for device in DEVICES {
        let at = Path::new("/dev").join(device);
        make(below, &at, false)?;
        bind(below, &at, &at)?;
    }
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
    ] {
        std::os::unix::fs::symlink(target, dev.join(name)).during(WHAT)?;
    }
    make(below, Path::new("/dev/pts"), true)?;
    mount(below, "/dev/pts", "devpts", MountFlags::NOSUID | MountFlags::NOEXEC, "newinstance,ptmxmode=0666,mode=620")?;
    make(below, Path::new("/dev/shm"), true)?;
    mount(below, "/dev/shm", "tmpfs", CAREFUL, "mode=1777,size=256m")
}

/// Mounts a small file with this text; it exists only as long as the mount.
fn written(root: &Path, below: &RootFolder, Text { at, text }: &Text, writes: bool) -> Result<()> {
    let file = root.join("dev/.written");
    std::fs::write(&file, text).during(WHAT)?;
    make(below, at, false)?;
    bind(below, &file, at)?;
    protect(&root.join(at.strip_prefix("/").unwrap_or(at)), writes)?;
    std::fs::remove_file(file).during(WHAT)
}

/// Creates the place of a mount in the sandbox's own folders; below the image it exists already.
fn make(below: &RootFolder, at: &Path, folder: bool) -> Result<()> {
    if !below::is_own(at) && !at.starts_with("/dev") {
        return Ok(());
    }
    let mut so_far = PathBuf::from("/");
    let names: Vec<_> = at.strip_prefix("/").unwrap_or(at).iter().collect();
    for (number, name) in names.iter().enumerate() {
        let parent = below.point(&so_far, WHAT)?;
        so_far.push(name);
        let made = if folder || number + 1 < names.len() {
            rustix::fs::mkdirat(&parent, *name, Mode::from_raw_mode(0o755))
        } else {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            rustix::fs::openat(&parent, *name, flags, Mode::from_raw_mode(0o644)).map(drop)
        };
        match made {
            // An earlier mount may contain it and be read-only.
            Ok(()) | Err(rustix::io::Errno::EXIST | rustix::io::Errno::ROFS) => {}
            Err(error) => return Err(Error::failed(WHAT, format!("{}: {error}", so_far.display()))),
        }
    }
    Ok(())
}

fn bind(below: &RootFolder, from: &Path, at: &Path) -> Result<()> {
    let point: OwnedFd = below.point(at, WHAT)?;
    rustix::mount::mount_bind_recursive(from, below::link(&point))
        .map_err(|error| Error::failed(WHAT, format!("mount {} at {}: {error}", from.display(), at.display())))
}

fn mount(below: &RootFolder, at: &str, kind: &str, flags: MountFlags, data: &str) -> Result<()> {
    let point = below.point(Path::new(at), WHAT)?;
    let data = std::ffi::CString::new(data).during(WHAT)?;
    rustix::mount::mount(kind, below::link(&point), kind, flags, Some(data.as_c_str()))
        .map_err(|error| Error::failed(WHAT, format!("mount {at}: {error}")))
}

/// Forbids devices, setuid programs and, if not allowed, writing in a mount and each mount below it: the kernel changes
/// one mount at a time. What is forbidden already must stay forbidden.
fn protect(path: &Path, writes: bool) -> Result<()> {
    let list = small_file::text("/proc/self/mountinfo").during(WHAT)?;
    // Of several mounts at one place, the last is on top.
    let all: BTreeMap<_, _> = mounts(&list).into_iter().filter(|(at, _)| at.starts_with(path)).collect();
    for (at, has) in all {
        let mut flags = has | CAREFUL | MountFlags::BIND;
        if !writes {
            flags |= MountFlags::RDONLY;
        }
        match rustix::mount::mount_remount(&at, flags, "") {
            // The mount is covered by another, or this user cannot reach it: then neither can a program inside.
            Ok(()) | Err(rustix::io::Errno::NOENT | rustix::io::Errno::ACCESS) => {}
            // The mount is covered by another, which is handled separately.
            Err(rustix::io::Errno::INVAL) if at != path => {}
            Err(error) => return Err(Error::failed(WHAT, format!("protect {}: {error}", at.display()))),
        }
    }
    Ok(())
}

/// The places and restricting flags of the mounts in a `/proc/self/mountinfo` (proc(5)), in its order.
fn mounts(list: &str) -> Vec<(PathBuf, MountFlags)> {
    list.lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(4);
            let (at, options) = (fields.next()?, fields.next()?);
            let flags = options.split(',').fold(MountFlags::empty(), |flags, option| {
                flags
                    | match option {
                        "ro" => MountFlags::RDONLY,
                        "nosuid" => MountFlags::NOSUID,
                        "nodev" => MountFlags::NODEV,
                        "noexec" => MountFlags::NOEXEC,
                        _ => MountFlags::empty(),
                    }
            });
            Some((plain(at), flags))
        })
        .collect()
}

/// A path in which blanks and backslashes are written as octal numbers.
fn plain(path: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        let octal = others.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = others.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = others;
            }
        }
    }
    std::ffi::OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read_with_blanks_in_their_names_and_what_they_forbid() {
        let list = "36 35 98:0 / /a\\040b\\134c rw,nosuid,nodev,noatime shared:1 - ext4 /dev/x rw\n37 36 0:5 / /plain ro,noexec - tmpfs t rw\n";
        let found = mounts(list);
        assert_eq!(found[0], (PathBuf::from("/a b\\c"), MountFlags::NOSUID | MountFlags::NODEV));
        assert_eq!(found[1], (PathBuf::from("/plain"), MountFlags::RDONLY | MountFlags::NOEXEC));
    }
}
