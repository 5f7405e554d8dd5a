//! Where a file is from, as browsers note it beside the file (freedesktop.org, "Common Extended Attributes").
//!
//! Whoever may write the file may write that too, and not every file system keeps it.

use std::{
    os::{fd::AsFd, unix::fs::OpenOptionsExt},
    path::Path,
};

use rustix::fs::{OFlags, XattrFlags, fsetxattr, getxattr};

use wharf_core::base::clean;

/// The attribute.
const ORIGIN: &str = "user.xdg.origin.url";
/// The most characters of it.
const LONGEST: usize = 1000;

/// Notes where an open file is from.
pub fn note_open(file: impl AsFd, from: &str) {
    let _ = fsetxattr(file, ORIGIN, from.as_bytes(), XattrFlags::empty());
}

/// Notes where the file at a path is from, if it is a regular file.
pub fn note(path: &Path, from: &str) {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path);
    if let Ok(file) = file
        && file.metadata().is_ok_and(|meta| meta.is_file())
    {
        note_open(&file, from);
    }
}

/// Where a file is from, as it says.
pub fn of(path: &Path) -> Option<String> {
    let mut value = [0; LONGEST];
    let length = getxattr(path, ORIGIN, &mut value).ok()?;
    Some(clean::short(&String::from_utf8_lossy(value.get(..length)?), LONGEST))
}
