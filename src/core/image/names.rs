//! Names of disk images.

use std::path::Path;

/// The endings of files that hold one disk.
const ENDINGS: [&str; 3] = ["qcow2", "img", "raw"];

/// Whether a file is called like a disk.
pub fn is_disk_file(path: &Path) -> bool {
    path.extension().and_then(|ending| ending.to_str()).is_some_and(|ending| ENDINGS.contains(&ending))
}

/// The name that the last part of a URL suggests.
pub fn name_of_url(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or(url).trim_end_matches('/');
    let last = path.rsplit('/').next().unwrap_or("");
    let stem = last.rsplit_once('.').map_or(last, |(stem, _)| stem);
    crate::base::clean::short(if stem.is_empty() { "image" } else { stem }, 100)
}

/// Whether a disk image may be admitted under this name: at most 255 letters, digits, spaces and a few signs, as Glance
/// allows. Other names would cause trouble in lists, commands and file names.
pub fn is_disk_name(name: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || " ._-+:@()[],~".contains(c);
    (1..=255).contains(&name.chars().count()) && name.trim() == name && name.chars().all(fits)
}
