//! This program and its instructions where nobody in a sandbox can change them.
//!
//! A process of Wharf that programs in a sandbox can see must not run from a file that the person may change: through
//! `/proc/PID/exe` they would reach that file with the person's own rights (CVE-2019-5736). The kernel prevents changes to
//! a sealed memory file (memfd_create(2)), and to a file of somebody else's that the person may not write. So a program that
//! the site has installed is not copied: each workload would keep a copy in memory.

use std::{
    ffi::OsString,
    fs::File,
    io::{Read, Write},
    os::{
        fd::{AsFd, AsRawFd},
        unix::{fs::MetadataExt, process::CommandExt},
    },
    process::Command,
};

use rustix::{
    fs::{Access, MemfdFlags, SealFlags},
    io::{Errno, FdFlags},
    process::DumpableBehavior,
};
use serde::{Serialize, de::DeserializeOwned};

use wharf_core::base::error::{During, Error, Result};

/// Largest task of a sandbox in bytes; what an image says is limited by the size of its configuration.
const MOST: u64 = 64 << 20;

const ALL: SealFlags = SealFlags::SEAL.union(SealFlags::SHRINK).union(SealFlags::GROW).union(SealFlags::WRITE);

/// Hides this process from others of the same user: they cannot trace it or read its memory, environment, files or
/// program.
pub(super) fn hide(what: &str) -> Result<()> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).during(what)
}

/// This program as a file that the person cannot change: itself, if it is somebody else's, else a copy in sealed memory. If
/// it does not run from such a file yet, it starts itself again from the copy and does not return; of the environment it
/// keeps only the path.
pub(super) fn run_from_unchangeable(what: &str) -> Result<File> {
    let own = File::open("/proc/self/exe").during(what)?;
    if is_out_of_reach(&own) {
        return Ok(own);
    }
    if rustix::fs::fcntl_get_seals(&own).is_ok_and(|seals| seals.contains(ALL)) {
        // Otherwise it would be listed under the number of its file.
        let _ = rustix::thread::set_name(c"wharf");
        return Ok(own);
    }
    let copy = memory(own, MemfdFlags::EXEC, what)?;
    let mut words = std::env::args_os();
    let mut command = Command::new(path(&copy));
    command.arg0(words.next().unwrap_or_else(|| OsString::from("wharf"))).args(words).env_clear();
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    Err(Error::failed(what, command.exec())
        .hint("this machine may forbid programs in memory: launch on another backend"))
}

/// Whether a file is somebody else's and must not be written by this process. In a sandbox, too: ids that its user namespace
/// does not map give no rights, so its root is no owner of files outside.
fn is_out_of_reach(file: &File) -> bool {
    let elses = file.metadata().is_ok_and(|about| about.uid() != rustix::process::geteuid().as_raw());
    elses && rustix::fs::access(path(file), Access::WRITE_OK) == Err(Errno::ACCESS)
}

/// A value in sealed memory, for a process that inherits the file.
pub(super) fn share_value(value: &impl Serialize, what: &str) -> Result<File> {
    let bytes = serde_json::to_vec(value).during(what)?;
    let_inherit(memory(&*bytes, MemfdFlags::NOEXEC_SEAL, what)?, what)
}

/// The value that another process of Wharf has left in the open file with the number `word`.
pub(super) fn shared_value<T: DeserializeOwned>(word: &str, what: &str) -> Result<T> {
    let number: u32 = word.parse().during(what)?;
    let mut bytes = Vec::new();
    File::open(format!("/proc/self/fd/{number}"))
        .and_then(|file| file.take(MOST).read_to_end(&mut bytes))
        .during(what)?;
    serde_json::from_slice(&bytes).during(what)
}

/// Lets started programs inherit an open file.
pub(super) fn let_inherit(file: File, what: &str) -> Result<File> {
    rustix::io::fcntl_setfd(&file, FdFlags::empty()).during(what)?;
    Ok(file)
}

/// The path at which a program that inherits an open file finds it.
pub(super) fn path(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_fd().as_raw_fd())
}

/// The number under which a program that inherits an open file finds it.
pub(super) fn number(file: &File) -> String {
    file.as_fd().as_raw_fd().to_string()
}

fn memory(mut from: impl Read, kind: MemfdFlags, what: &str) -> Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let fd = match rustix::fs::memfd_create("wharf", flags | kind) {
        // Kernels before 6.3 do not distinguish programs from other memory.
        Err(Errno::INVAL) => rustix::fs::memfd_create("wharf", flags),
        other => other,
    };
    let mut file = File::from(fd.during(what)?);
    std::io::copy(&mut from, &mut file).during(what)?;
    file.flush().during(what)?;
    std::io::Seek::rewind(&mut file).during(what)?;
    rustix::fs::fcntl_add_seals(&file, ALL).during(what)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_can_be_read_and_not_changed() {
        let mut told_file = share_value(&vec!["a\n", "b"], "test").unwrap();
        assert_eq!(shared_value::<Vec<String>>(&number(&told_file), "test").unwrap(), ["a\n", "b"]);
        assert!(told_file.write_all(b"x").is_err());
        assert!(told_file.set_len(0).is_err());
    }
}
