//! The filters that a person has used on the list of images, kept in the state folder.

use std::{fs, io, path::Path};

use wharf_core::base::{clean, small_file};

use crate::kit::input::LONGEST;

const FILE: &str = "filters";

/// Most filters that are kept.
pub const MOST: usize = 50;

/// The filters as they were kept, the newest first. Lines that are no filter are left out.
pub fn filters(state_dir: &Path) -> Vec<String> {
    let text = small_file::text(state_dir.join(FILE)).unwrap_or_default();
    let mut all: Vec<String> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && line.len() <= LONGEST) {
        let line = clean::line(line);
        if !all.iter().any(|known| *known == line) {
            all.push(line.into_owned());
        }
        if all.len() == MOST {
            break;
        }
    }
    all
}

/// Puts a filter before those that were used earlier; the oldest one beyond [`MOST`] goes.
pub fn add(all: &mut Vec<String>, filter: &str) {
    all.retain(|known| known != filter);
    all.insert(0, filter.to_owned());
    all.truncate(MOST);
}

/// Keeps a filter as the newest one, before those that are kept by now: also those of another Wharf.
pub fn keep(state_dir: &Path, filter: &str) -> io::Result<()> {
    let mut all = filters(state_dir);
    add(&mut all, filter);
    fs::write(state_dir.join(FILE), all.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_filter_is_first_and_none_is_there_twice() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(filters(folder.path()), Vec::<String>::new());
        for filter in ["gromacs", "scan:high", "gromacs"] {
            keep(folder.path(), filter).unwrap();
        }
        assert_eq!(filters(folder.path()), ["gromacs", "scan:high"]);
        for number in 0..MOST + 9 {
            keep(folder.path(), &format!("f{number}")).unwrap();
        }
        let all = filters(folder.path());
        assert_eq!((all.len(), all[0].as_str()), (MOST, "f58"));
    }

    #[test]
    fn a_file_that_somebody_has_changed_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let long = "x".repeat(LONGEST + 1);
        fs::write(folder.path().join(FILE), format!("\n  gro \n{long}\ngro\n\u{1b}[31mred\n")).unwrap();
        let all = filters(folder.path());
        assert_eq!((all.len(), all[0].as_str()), (2, "gro"));
        assert!(!all[1].contains('\u{1b}'), "{all:?}");
        fs::write(folder.path().join(FILE), [0xff, 0xfe, 0, b'\n']).unwrap();
        assert_eq!(filters(folder.path()), Vec::<String>::new());
        keep(folder.path(), "gro").unwrap();
        assert_eq!(filters(folder.path()), ["gro"]);
    }
}
