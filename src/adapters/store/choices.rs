//! The file of sources that a person added from within Wharf or leaves out of lists.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use crate::shared::private;
use wharf_core::{
    base::{
        error::{Error, Kind, Result},
        small_file,
    },
    config::{SourceChoice, own_sources},
    ports::SourceChoices,
};

/// That file, and the lock under which it is changed.
pub struct ChoicesFile {
    file: PathBuf,
    lock: PathBuf,
}

impl ChoicesFile {
    /// The file in this state folder; it is made with the first choice.
    pub fn new(state: &Path) -> Self {
        Self { file: state.join(own_sources::FILE), lock: state.join("sources.lock") }
    }
}

impl SourceChoices for ChoicesFile {
    fn keep_choice(&self, choice: &SourceChoice) -> Result<()> {
        let what = format!("{} {}", choice.verb(), choice.name());
        let lock = private::open(&self.lock, |options| options.create(true).write(true))?;
        private::lock(&lock, private::PATIENCE, &what)?;
        let before = match small_file::text(&self.file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => {
                let why = format!("{} cannot be read: {error}", self.file.display());
                return Err(Error::new(Kind::Failed, what, why).hint("check that file, or move it away"));
            }
        };
        private::write(&self.file, choice.applied_to(&before)?.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_file_is_private_and_a_broken_one_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let choices = ChoicesFile::new(folder.path());
        choices.keep_choice(&SourceChoice::Hide("hub".into())).unwrap();
        let file = folder.path().join(own_sources::FILE);
        assert!(std::fs::read_to_string(&file).unwrap().contains("hidden = [\"hub\"]"));
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&file, "hidden = [").unwrap();
        let error = choices.keep_choice(&SourceChoice::Show("hub".into())).unwrap_err();
        assert!(error.why.contains("sources.toml"), "{error}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "hidden = [");
    }
}
