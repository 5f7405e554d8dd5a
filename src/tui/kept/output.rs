//! How a person reads the output of workloads, kept in the state folder. What hides lines is not kept: it would hide those of
//! another workload, too.

use std::{fs, io, path::Path};

use wharf_core::base::small_file;

const FILE: &str = "output";

/// The switches under the output of a workload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Switches {
    /// Whether long lines go on in the next row.
    pub wrap: bool,
    /// Whether each line begins with its time.
    pub times: bool,
}

/// Saves the switches.
pub fn keep(state_dir: &Path, switches: Switches) -> io::Result<()> {
    let text = format!("wrap = {}\ntimes = {}\n", switches.wrap, switches.times);
    fs::write(state_dir.join(FILE), text)
}

/// The switches as they were left. What cannot be read counts as off.
pub fn switches(state_dir: &Path) -> Switches {
    let text = small_file::text(state_dir.join(FILE)).unwrap_or_default();
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
    Switches { wrap: value("wrap") == Some("true"), times: value("times") == Some("true") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_are_as_they_were_left() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(switches(folder.path()), Switches::default());
        for left in [Switches { wrap: true, times: false }, Switches { wrap: false, times: true }] {
            keep(folder.path(), left).unwrap();
            assert_eq!(switches(folder.path()), left);
        }
        fs::write(folder.path().join(FILE), "wrap\ntimes = loud").unwrap();
        assert_eq!(switches(folder.path()), Switches::default());
    }
}
