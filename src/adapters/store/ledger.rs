//! The ledger of launches: a file for each, and one with the person's presets. Only this person can read them.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::locked_file::LockedFile;
use crate::shared::private;
use wharf_core::{
    base::error::{During, Error, Result},
    launch::{
        ledger::{FORMAT, LaunchRecord, file_key},
        preset::Preset,
    },
    ports::Ledger,
};

/// How many launches are kept, the newest.
const MOST: usize = 200;
/// How long a launch is kept.
const LONGEST: Duration = Duration::from_secs(180 * 24 * 3600);
/// The largest record that is read, in bytes.
const LARGEST: u64 = 4 << 20;

/// The most presets that are kept.
const PRESETS: usize = 200;

/// The ledger in a folder.
pub struct LedgerFolder {
    launches: PathBuf,
    presets: LockedFile<Vec<Preset>>,
}

impl LedgerFolder {
    /// A ledger in this state folder, whose files are made when they are needed.
    pub fn new(state: &Path) -> Self {
        Self { launches: state.join("launches"), presets: LockedFile::new(state.join("presets.json"), LARGEST) }
    }

    /// The files of the records, the newest first, with the times of their last change.
    fn files(&self) -> Result<Vec<(SystemTime, PathBuf)>> {
        let what = format!("read {}", self.launches.display());
        let entries = match fs::read_dir(&self.launches) {
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
    let kept: LaunchRecord = serde_json::from_slice(&private::read(path, LARGEST)?).ok()?;
    // A file under another name would be found by a key that is not its own.
    (kept.format == FORMAT && path.file_stem().is_some_and(|name| name == kept.key())).then_some(kept)
}

impl Ledger for LedgerFolder {
    fn keep(&self, record: &LaunchRecord) -> Result<()> {
        let what = format!("write down the launch {}", record.key());
        let path = self.launches.join(format!("{}.json", file_key(record.key())?));
        private::folder(&self.launches)?;
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

    fn keep_preset(&self, preset: &Preset) -> Result<()> {
        let what = format!("keep the preset '{}'", preset.name);
        let kept = self.presets.change(&what, |all| {
            all.retain(|known| known.name != preset.name);
            if all.len() >= PRESETS {
                return Err(Error::failed(&what, format!("{PRESETS} are kept already"))
                    .hint(format!("remove some from {}", self.presets.path().display())));
            }
            all.push(preset.clone());
            all.sort_by(|one, other| one.name.cmp(&other.name));
            Ok(())
        });
        kept.map(|_| ())
    }

    fn presets(&self) -> Result<Vec<Preset>> {
        self.presets.read()
    }
}
