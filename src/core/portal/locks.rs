//! The lock file of the folder that the program was started in.

use std::{path::PathBuf, sync::Arc};

use super::journal::Journal;
use crate::{
    base::{
        blocking::blocking,
        error::{During, Error, Kind, Result},
    },
    image::{model::Image, reference::ImageRef},
    launch::{
        lock::{Lock, LockedImage},
        plan::Plan,
        risk::Risk,
    },
    ports::LockFiles,
};

/// How often a lock file is looked for, where others make or remove one at the same time.
const TRIES: usize = 5;

/// Reads and writes the lock file of this folder.
pub struct Locks {
    files: Arc<dyn LockFiles>,
    journal: Arc<Journal>,
}

impl Locks {
    /// The lock files that are found with `files`.
    pub(super) fn new(files: Arc<dyn LockFiles>, journal: Arc<Journal>) -> Self {
        Self { files, journal }
    }

    /// The lock file of this folder and its path, if there is one.
    ///
    /// # Errors
    /// `NotAllowed` where others could have written it, `Usage` and `Integrity` for a file that says nothing or two things.
    pub async fn here(&self) -> Result<Option<(PathBuf, Lock)>> {
        let files = self.files.clone();
        let found = blocking(move || files.find()).await.during("find a lock file")??;
        let Some((path, text)) = found else { return Ok(None) };
        let lock = Lock::parse(&text, &format!("read {}", path.display()))?;
        Ok(Some((path, lock)))
    }

    /// What is locked under this name here, and in which file.
    ///
    /// # Errors
    /// Those of [`here`](Self::here).
    pub async fn find(&self, reference: &ImageRef) -> Result<Option<(PathBuf, LockedImage)>> {
        let here = self.here().await?;
        Ok(here.and_then(|(path, lock)| Some((path, lock.find(reference)?.clone()))))
    }

    /// Changes the lock file of this folder, or makes one here; gives its path.
    ///
    /// # Errors
    /// Those of [`here`](Self::here), of the change and of writing; then nothing has changed.
    pub async fn change(&self, words: &str, change: impl FnOnce(&mut Lock) -> Result<()>) -> Result<PathBuf> {
        let (_held, path, mut lock) = self.held().await?;
        change(&mut lock)?;
        let (files, to, text) = (self.files.clone(), path.clone(), lock.text()?);
        let entry = self.journal.entry("lock", format!("{words} in {}", path.display()));
        let writing = async { blocking(move || files.write(&to, &text)).await.during("write a lock file")? };
        self.journal.recorded(entry, writing).await?;
        Ok(path)
    }

    /// The lock file of this folder, or a new one in it, which nobody else changes as long as the first is kept.
    async fn held(&self) -> Result<(Box<dyn Send>, PathBuf, Lock)> {
        let what = "hold a lock file";
        let mut place = self.place().await?.0;
        for _ in 0..TRIES {
            let (holder, path) = (self.files.clone(), place);
            let held = blocking(move || holder.hold(&path).map(|held| (held, path))).await.during(what)??;
            let (found, lock) = self.place().await?;
            if found == held.1 {
                return Ok((held.0, found, lock));
            }
            // Another one was made in between, which counts from now on.
            place = found;
        }
        Err(Error::new(Kind::Unavailable, what, "other programs go on making other ones").hint("try again"))
    }

    /// Where the lock file of this folder is, or goes, and what it says.
    async fn place(&self) -> Result<(PathBuf, Lock)> {
        match self.here().await? {
            Some(found) => Ok(found),
            None => Ok((self.files.new_path()?, Lock::default())),
        }
    }

    /// Tells in a plan whether the lock file of this folder names other bytes than those that would be launched.
    pub(super) async fn tell_in(&self, plan: &mut Plan, image: &Image) {
        let risk = match self.find(&image.reference).await {
            Ok(None) => return,
            Ok(Some((path, locked))) => {
                let same = image.pinned.as_ref().is_some_and(|pinned| pinned.digest == locked.digest);
                if same {
                    Risk::harmless(format!(
                        "these are the bytes that {} names, since {}",
                        path.display(),
                        locked.locked
                    ))
                } else {
                    Risk::danger(format!(
                        "these are NOT the bytes that {} names: {}",
                        path.display(),
                        locked.digest.short()
                    ))
                }
            }
            Err(error) => Risk::caution(format!("the lock file here is not used: {}", error.why)),
        };
        plan.risks.push(risk);
    }
}
