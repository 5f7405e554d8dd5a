//! What was chosen on the screens, kept in the state folder: the theme, how output is read, the filters that were used,
//! which panes are shown, how long sources took to answer, that the first page was closed. The person's configuration is not changed.

pub mod filters;
pub mod output;
pub mod response_times;
pub mod views;
pub mod welcome;

use wharf_core::base::small_file;

use std::{fs, io, path::Path};

const FILE: &str = "theme";

/// Saves the chosen theme together with the one that the configuration named at that time.
pub fn keep(state_dir: &Path, configured: &str, chosen: &str) -> io::Result<()> {
    fs::write(state_dir.join(FILE), format!("{configured}\n{chosen}\n"))
}

/// The theme to start with: the one chosen last on the screen, unless the configuration or a flag has changed since.
pub fn theme(state_dir: &Path, configured: &str) -> String {
    let text = small_file::text(state_dir.join(FILE)).unwrap_or_default();
    let mut lines = text.lines();
    match (lines.next(), lines.next()) {
        (Some(before), Some(chosen)) if before == configured && !chosen.is_empty() => chosen.to_owned(),
        _ => configured.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chosen_theme_is_kept_until_the_configuration_names_another() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(theme(folder.path(), "default"), "default");
        keep(folder.path(), "default", "mono").unwrap();
        assert_eq!(theme(folder.path(), "default"), "mono");
        assert_eq!(theme(folder.path(), "light"), "light");
    }
}
