//! A squashfs that is mounted in a sandbox instead of being unpacked first.
//!
//! Process 1 mounts it in the sandbox's own mount namespace, where nobody else sees it, and hands the open `/dev/fuse`
//! to a process outside ([`image_server`](super::image_server)), which answers from the file. With the last process of the
//! sandbox the kernel removes the mount, and the process outside ends.

use std::{
    ffi::CString,
    mem::MaybeUninit,
    os::fd::{AsFd, AsRawFd},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, Mode, OFlags},
    mount::MountFlags,
    net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags},
};
use serde::{Deserialize, Serialize};

use super::reading;
use crate::shared::exec;
use wharf_core::{
    base::error::{During, Error, Result},
    launch::{
        form::{Field, FieldKind},
        plan::Risk,
    },
};

/// The programs that can read a squashfs file for a mount, the preferred one first: it alone lets the files belong to
/// the person.
const PROGRAMS: [&str; 2] = ["squashfuse", "squashfuse_ll"];
/// The device through which a program answers for a file system (fuse(4)).
const DEVICE: &str = "/dev/fuse";
/// What is done when a mount fails.
const INSTEAD: &str = "it is unpacked instead";
/// The ending of the note, beside the place of the image, that mounting it has failed: then its program has not begun.
const FAILED: &str = "failed";

/// The folder in a workload's folder over which the image is mounted.
pub(super) const PLACE: &str = "image";
/// The folder in a workload's folder into which its image is unpacked where it cannot be mounted.
pub(super) const UNPACKED: &str = "root";
/// The key of the question whether a SIF image is unpacked all the same.
pub(super) const UNPACK: &str = "unpack";

/// The question whether a SIF image is unpacked all the same.
pub(super) fn question() -> Field {
    let help = "unpack the image first; else its file is mounted, which starts at once";
    Field::new(UNPACK, "Unpack", help, FieldKind::Flag, "no")
}

/// A squashfs that a sandbox has as its root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountedImage {
    /// The name of the program that reads the file.
    pub program: String,
    /// Where the file system begins in the file, in bytes; 0 until the file is there.
    pub offset: u64,
    /// The file that was prepared from the image; `None` for a SIF, which is the image itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prepared: Option<PathBuf>,
}

impl MountedImage {
    /// How images are mounted on this machine; `None` where that is impossible.
    pub(super) fn possible() -> Option<Self> {
        let program = PROGRAMS.into_iter().find(|program| exec::on_path(program).is_some())?;
        // Opening it makes nothing; each mount opens it anew.
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        rustix::fs::openat(CWD, DEVICE, flags, Mode::empty()).ok()?;
        Some(Self { program: program.to_owned(), offset: 0, prepared: None })
    }

    /// The risk line of mounting it.
    pub(super) fn risk(&self) -> Risk {
        let program = &self.program;
        if reading::can_be_limited() {
            return Risk::harmless(format!(
                "{program} reads the image's file outside of the sandbox: it can open no other file of yours, and has no rights and no sockets"
            ));
        }
        Risk::caution(format!(
            "{program} reads the image's file outside of the sandbox, without rights and sockets, but this kernel cannot keep it from your files"
        ))
    }

    /// The words that run the program: it reads the file that is open as `image`, and answers through the device that is
    /// open as `device`. `who` are the numbers of user and group inside.
    pub(super) fn words(&self, image: &str, device: i32, who: (u32, u32)) -> Vec<String> {
        let mut options = vec![format!("offset={}", self.offset)];
        if PROGRAMS.first() == Some(&self.program.as_str()) {
            // The file never changes: what was learnt of it once holds.
            options.push("kernel_cache,entry_timeout=86400,attr_timeout=86400,negative_timeout=86400".to_owned());
            options.push(format!("uid={},gid={}", who.0, who.1));
        }
        let words = ["-f".to_owned(), "-o".to_owned(), options.join(","), image.to_owned()];
        words.into_iter().chain([format!("/dev/fd/{device}")]).collect()
    }
}

/// Mounts the image at `root`, as [`mount_here`]; where that fails, leaves a note beside it, by which [`has_failed`] knows.
///
/// # Errors
/// Those of [`mount_here`].
pub(super) fn mount_or_note(root: &Path) -> Result<()> {
    mount_here(root).inspect_err(|error| {
        if let Err(error) = std::fs::write(root.with_extension(FAILED), error.to_string()) {
            tracing::warn!(%error, "that a mount failed is not noted");
        }
    })
}

/// Whether mounting the image of the workload in a folder has failed. The note is taken away.
pub(super) fn has_failed(folder: &Path) -> bool {
    std::fs::remove_file(folder.join(PLACE).with_extension(FAILED)).is_ok()
}

/// Mounts the image at `root` in this process's own mount namespace, and sends the open device to the process that is
/// connected with the standard input, which is closed then. The mount is read-only, and without devices and setuid
/// programs.
///
/// # Errors
/// Where the kernel refuses it, or where nobody answers.
fn mount_here(root: &Path) -> Result<()> {
    let what = "mount the image";
    let refused = |error: rustix::io::Errno| Error::failed(what, error).hint(INSTEAD);
    let device = rustix::fs::openat(CWD, DEVICE, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).map_err(refused)?;
    let (user, group) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let options = format!("fd={},rootmode=40000,user_id={user},group_id={group}", device.as_raw_fd());
    let options = CString::new(options).during(what)?;
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
    rustix::mount::mount("squashfuse", root, "fuse.squashfuse", flags, Some(options.as_c_str())).map_err(refused)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut message = SendAncillaryBuffer::new(&mut space);
    let files = [device.as_fd()];
    message.push(SendAncillaryMessage::ScmRights(&files));
    let bytes = [std::io::IoSlice::new(b"d")];
    rustix::net::sendmsg(rustix::stdio::stdin(), &bytes, &mut message, SendFlags::NOSIGNAL).map_err(refused)?;
    let nothing = rustix::fs::openat(CWD, "/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).during(what)?;
    rustix::stdio::dup2_stdin(&nothing).during(what)?;
    drop(device);
    // The first question is the one that tells whether somebody answers.
    std::fs::read_dir(root)
        .map(drop)
        .map_err(|error| Error::failed(what, format!("the program that reads it has ended: {error}")).hint(INSTEAD))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_belong_to_the_person_where_the_program_can_say_so() {
        let image = |program: &str| MountedImage { program: program.to_owned(), offset: 4096, prepared: None };
        let words = image("squashfuse").words("/proc/self/fd/1", 3, (7, 8));
        assert_eq!((words[0].as_str(), words[3].as_str(), words[4].as_str()), ("-f", "/proc/self/fd/1", "/dev/fd/3"));
        assert!(words[2].starts_with("offset=4096,") && words[2].ends_with(",uid=7,gid=8"), "{}", words[2]);
        assert_eq!(image("squashfuse_ll").words("i", 3, (7, 8))[2], "offset=4096");
    }
}
