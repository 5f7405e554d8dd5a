//! Whether the first page was closed, or is not needed any more: kept as a file in the state folder.

use std::{io, path::Path};

use wharf_core::base::small_file;

const FILE: &str = "welcome";

/// Whether somebody who uses this state folder has closed the page, launched something or added a source.
pub fn is_closed(state_dir: &Path) -> bool {
    small_file::text(state_dir.join(FILE)).is_ok()
}

/// Keeps that it is closed.
pub fn close(state_dir: &Path) -> io::Result<()> {
    if is_closed(state_dir) { Ok(()) } else { std::fs::write(state_dir.join(FILE), "closed\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_closed_stays_closed() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_closed(folder.path()));
        close(folder.path()).unwrap();
        close(folder.path()).unwrap();
        assert!(is_closed(folder.path()));
    }
}
