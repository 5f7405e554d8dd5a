//! Where a file is from, as browsers note it beside the file (freedesktop.org, "Common Extended Attributes"), and what the
//! disk in it needs.
//!
//! Whoever may write the file may write that too, and not every file system keeps it.

use std::{
    collections::BTreeMap,
    fs::Metadata,
    os::{
        fd::AsFd,
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
    path::Path,
};

use rustix::fs::{OFlags, XattrFlags, fremovexattr, fsetxattr, getxattr};
use serde::{Deserialize, Serialize};

use wharf_core::{base::clean, image::lineage::DiskNeeds};

/// The attribute.
const ORIGIN: &str = "user.xdg.origin.url";
/// The most characters of it.
const LONGEST: usize = 1000;
/// The attribute of a disk's needs, and its most bytes.
const NEEDS: &str = "user.wharf.disk.needs";
const LONGEST_NEEDS: usize = 1024;

/// What a disk needs, in the words of registries, and which bytes that is said of: what was changed since is another disk.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Noted {
    size: u64,
    /// When the file was changed: seconds since 1970, and nanoseconds.
    modified: (i64, i64),
    needs: BTreeMap<String, String>,
}

impl Noted {
    fn is_of(&self, file: &Metadata) -> bool {
        self.size == file.len() && self.modified == (file.mtime(), file.mtime_nsec())
    }
}

/// Notes where an open file is from.
pub fn note_open(file: impl AsFd, from: &str) {
    let _ = fsetxattr(file, ORIGIN, from.as_bytes(), XattrFlags::empty());
}

/// Notes what the disk in the file at a path needs, and where it is from, if it is a regular file.
pub fn note(path: &Path, needs: &DiskNeeds) {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path);
    let Ok(file) = file else { return };
    if let Ok(meta) = file.metadata()
        && meta.is_file()
    {
        note_open(&file, &needs.from);
        note_needs(&file, &meta, needs);
    }
}

fn note_needs(file: impl AsFd, meta: &Metadata, needs: &DiskNeeds) {
    // Where it is from has its own attribute, which other programs know.
    let needs = DiskNeeds { from: String::new(), ..needs.clone() }.annotations();
    if needs.is_empty() {
        let _ = fremovexattr(file, NEEDS);
        return;
    }
    let noted = Noted { size: meta.len(), modified: (meta.mtime(), meta.mtime_nsec()), needs };
    if let Ok(bytes) = serde_json::to_vec(&noted) {
        let _ = fsetxattr(file, NEEDS, &bytes, XattrFlags::empty());
    }
}

/// What the disk in a file needs, in the words of registries, as was noted when its bytes were written; nothing if they
/// were changed since.
pub fn needs_of(path: &Path) -> BTreeMap<String, String> {
    let noted = || {
        let mut value = [0; LONGEST_NEEDS];
        let length = getxattr(path, NEEDS, &mut value).ok()?;
        let noted: Noted = serde_json::from_slice(value.get(..length)?).ok()?;
        let is_same = noted.is_of(&std::fs::metadata(path).ok()?);
        // Anybody may have written it: only what makes sense counts.
        is_same.then(|| DiskNeeds { from: String::new(), ..DiskNeeds::told(&noted.needs) }.annotations())
    };
    noted().unwrap_or_default()
}

/// Where a file is from, as it says.
pub fn of(path: &Path) -> Option<String> {
    let mut value = [0; LONGEST];
    let length = getxattr(path, ORIGIN, &mut value).ok()?;
    Some(clean::short(&String::from_utf8_lossy(value.get(..length)?), LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_are_those_of_the_bytes_for_which_they_were_noted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.img");
        std::fs::write(&path, "disk").unwrap();
        let needs = DiskNeeds {
            firmware: "uefi".into(),
            architecture: "arm64".into(),
            least_memory: 64 << 20,
            from: "wharf:oci://r.example/a@sha256:1".into(),
            ..DiskNeeds::default()
        };
        note(&path, &needs);
        // Not every file system keeps it.
        let Some(from) = of(&path) else { return };
        assert_eq!(from, needs.from);
        assert_eq!(DiskNeeds { from, ..DiskNeeds::told(&needs_of(&path)) }, needs);
        let wrong = Noted { size: 4, needs: [("x".to_owned(), "y".to_owned())].into(), ..Noted::default() };
        assert!(!wrong.is_of(&std::fs::metadata(&path).unwrap()), "it was changed at another time");
        std::fs::write(&path, "another disk").unwrap();
        assert_eq!(needs_of(&path), BTreeMap::new(), "its bytes were changed");
        note(&path, &DiskNeeds::default());
        assert_eq!(needs_of(&path), BTreeMap::new());
    }
}
