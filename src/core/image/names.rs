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

/// A name as the last part of a repository: lower-case letters and digits, with single signs between them (OCI
/// Distribution Specification, "Pulling manifests").
pub fn as_repository(name: &str) -> String {
    let mut repository = String::new();
    for c in name.to_lowercase().chars() {
        if c.is_ascii_alphanumeric() {
            repository.push(c);
        } else if !repository.is_empty() && !repository.ends_with('-') {
            repository.push('-');
        }
    }
    let cut: String = repository.trim_end_matches('-').chars().take(100).collect();
    if cut.is_empty() { "disk".to_owned() } else { cut.trim_end_matches('-').to_owned() }
}

/// Whether a disk image may be admitted under this name: at most 255 letters, digits, spaces and a few signs, as Glance
/// allows. Other names would cause trouble in lists, commands and file names.
pub fn is_disk_name(name: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || " ._-+:@()[],~".contains(c);
    (1..=255).contains(&name.chars().count()) && name.trim() == name && name.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_becomes_the_last_part_of_a_repository() {
        for (name, repository) in [
            ("rocky-9", "rocky-9"),
            ("Ubuntu 24.04 LTS (noble)", "ubuntu-24-04-lts-noble"),
            ("__x__", "x"),
            ("ærø", "r"),
            ("…", "disk"),
            ("", "disk"),
        ] {
            assert_eq!(as_repository(name), repository, "{name}");
            assert!(format!("r.example/{repository}:1").parse::<crate::image::reference::ImageRef>().is_ok());
        }
        assert_eq!(as_repository(&"a".repeat(300)).len(), 100);
    }
}
