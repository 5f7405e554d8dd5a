//! This program, and what it is told, in sealed memory: nobody can change either, and neither has a place in a file system.
//!
//! A process of ours that a sandbox's programs can see must not run from a file of the person: through `/proc/PID/exe` they
//! would reach that file with the person's own rights (CVE-2019-5736). The kernel keeps a sealed memory file as it is (memfd_create(2)).

use std::{
    ffi::OsString,
    fs::File,
    io::{Read, Write},
    os::{
        fd::{AsFd, AsRawFd},
        unix::process::CommandExt,
    },
    process::Command,
};

use rustix::{
    fs::{MemfdFlags, SealFlags},
    io::{Errno, FdFlags},
    process::DumpableBehavior,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::core::base::error::{During, Error, Result};

/// No task of a sandbox is larger: what an image says is bounded by the size of its configuration.
const MOST: u64 = 64 << 20;

const ALL: SealFlags = SealFlags::SEAL.union(SealFlags::SHRINK).union(SealFlags::GROW).union(SealFlags::WRITE);

/// Hides this process from others of the same user: no tracing, no look at its memory, environment, files or program.
pub fn hide(what: &str) -> Result<()> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).during(what)
}

/// This program from sealed memory. Where it does not run from there yet, it starts itself anew from there and never
/// returns; of the environment it takes only the path along.
pub fn ourselves(what: &str) -> Result<File> {
    let own = File::open("/proc/self/exe").during(what)?;
    if rustix::fs::fcntl_get_seals(&own).is_ok_and(|seals| seals.contains(ALL)) {
        // Else it would be listed under the number of its file.
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

/// A value for a process that inherits it, sealed.
pub fn tell(value: &impl Serialize, what: &str) -> Result<File> {
    let bytes = serde_json::to_vec(value).during(what)?;
    bequeath(memory(&*bytes, MemfdFlags::NOEXEC_SEAL, what)?, what)
}

/// What another process of ours left under the number `word` of an open file.
pub fn told<T: DeserializeOwned>(word: &str, what: &str) -> Result<T> {
    let number: u32 = word.parse().during(what)?;
    let mut bytes = Vec::new();
    File::open(format!("/proc/self/fd/{number}"))
        .and_then(|file| file.take(MOST).read_to_end(&mut bytes))
        .during(what)?;
    serde_json::from_slice(&bytes).during(what)
}

/// Lets started programs inherit an open file.
pub fn bequeath(file: File, what: &str) -> Result<File> {
    rustix::io::fcntl_setfd(&file, FdFlags::empty()).during(what)?;
    Ok(file)
}

/// The path under which whoever inherits an open file finds it.
pub fn path(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_fd().as_raw_fd())
}

/// The number under which whoever inherits an open file finds it.
pub fn number(file: &File) -> String {
    file.as_fd().as_raw_fd().to_string()
}

fn memory(mut from: impl Read, kind: MemfdFlags, what: &str) -> Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let fd = match rustix::fs::memfd_create("wharf", flags | kind) {
        // A kernel before 6.3 does not tell programs from other memory.
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
        let mut told_file = tell(&vec!["a\n", "b"], "test").unwrap();
        assert_eq!(told::<Vec<String>>(&number(&told_file), "test").unwrap(), ["a\n", "b"]);
        assert!(told_file.write_all(b"x").is_err());
        assert!(told_file.set_len(0).is_err());
    }
}
