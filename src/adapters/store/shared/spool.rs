//! Uses that the store could not be told yet, a line each in a file of this person.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::PathBuf,
};

use crate::core::{
    error::{During, Result},
    store::{Spool, Use},
};

/// More are not kept: a store that is away for so long has other troubles.
const MOST: usize = 10_000;

/// The spool in a file.
pub struct SpoolFile(PathBuf);

impl SpoolFile {
    /// The spool in a file that is made when it is needed.
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }
}

impl Spool for SpoolFile {
    fn put(&self, used: &Use) -> Result<()> {
        let what = format!("write {}", self.0.display());
        if let Some(folder) = self.0.parent() {
            fs::create_dir_all(folder).during(&what)?;
        }
        let mut file = File::options().create(true).append(true).open(&self.0).during(&what)?;
        let line = serde_json::to_string(used).during(&what)?;
        writeln!(file, "{line}").during(&what)
    }

    fn take(&self) -> Result<Vec<Use>> {
        let what = format!("read {}", self.0.display());
        // Moved away first: what another program writes meanwhile is a new file.
        let taken = self.0.with_extension(format!("taken.{}", std::process::id()));
        match fs::rename(&self.0, &taken) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            moved => moved.during(&what)?,
        }
        let text = fs::read_to_string(&taken).during(&what)?;
        let _ = fs::remove_file(&taken);
        Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).take(MOST).collect())
    }
}
