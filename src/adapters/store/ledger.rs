//! The ledger of launches: a file for each, which only this person can read.

use std::{
    fs::{self, File},
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use crate::shared::private;
use wharf_core::{
    base::error::{During, Result},
    launch::ledger::{FORMAT, LaunchRecord, file_key},
    ports::Ledger,
};

/// How many launches are kept, the newest.
const MOST: usize = 200;
/// How long a launch is kept.
const LONGEST: Duration = Duration::from_secs(180 * 24 * 3600);
/// The largest record that is read, in bytes.
const LARGEST: u64 = 4 << 20;

/// The ledger in a folder.
pub struct LedgerFolder(PathBuf);

impl LedgerFolder {
    /// A ledger in a folder that is made with its first record.
    pub fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// The files of the records, the newest first, with the times of their last change.
    fn files(&self) -> Result<Vec<(SystemTime, PathBuf)>> {
        let what = format!("read {}", self.0.display());
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            found => found.during(&what)?,
        };
        let paths = entries.flatten().map(|entry| entry.path());
        let records = paths.filter(|path| path.extension().is_some_and(|ending| ending == "json"));
        let mut all: Vec<(SystemTime, PathBuf)> =
            records.filter_map(|path| Some((path.symlink_metadata().ok()?.modified().ok()?, path))).collect();
        all.sort_by(|one, other| other.cmp(one));
        Ok(all)
    }

    /// Removes what is too old or too much. What cannot be removed is tried again the next time.
    fn prune(&self) -> Result<()> {
        let oldest = SystemTime::now().checked_sub(LONGEST).unwrap_or(SystemTime::UNIX_EPOCH);
        for (at, (changed, path)) in self.files()?.into_iter().enumerate() {
            if at >= MOST || changed < oldest {
                let _ = fs::remove_file(path);
            }
        }
        Ok(())
    }
}

/// The record in a file, if it is one that this program can read.
fn read(path: &Path) -> Option<LaunchRecord> {
    let file = private::open(path, |options| options.read(true)).ok()?;
    let mut bytes = Vec::new();
    File::take(file, LARGEST + 1).read_to_end(&mut bytes).ok()?;
    let kept: LaunchRecord = serde_json::from_slice(&bytes).ok().filter(|_| bytes.len() as u64 <= LARGEST)?;
    // A file under another name would be found by a key that is not its own.
    (kept.format == FORMAT && path.file_stem().is_some_and(|name| name == kept.key())).then_some(kept)
}

impl Ledger for LedgerFolder {
    fn keep(&self, record: &LaunchRecord) -> Result<()> {
        let what = format!("write down the launch {}", record.key());
        let path = self.0.join(format!("{}.json", file_key(record.key())?));
        private::folder(&self.0)?;
        let is_new = !path.exists();
        private::write(&path, &serde_json::to_vec_pretty(record).during(what)?)?;
        if is_new { self.prune() } else { Ok(()) }
    }

    fn all(&self) -> Result<Vec<LaunchRecord>> {
        let mut all: Vec<LaunchRecord> =
            self.files()?.into_iter().take(MOST).filter_map(|(_, path)| read(&path)).collect();
        all.sort_by_key(|one| std::cmp::Reverse(one.began));
        Ok(all)
    }
}
