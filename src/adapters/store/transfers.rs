//! The list of transfers: for each a file with its record, one with how far its parts are, one with what somebody wants
//! to become of it, and one that the program that carries it out keeps locked. Only this person can read them.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::shared::private::{self, Locking};
use wharf_core::{
    base::{
        checkpoint::{Checkpoint, Checkpoints},
        error::{During, Error, Kind, Result},
        text,
    },
    ports::transfer_record::{BETWEEN, FORMAT, KeptTransfer, TransferRecord, TransferState, Wish},
    ports::{TakenTransfer, TransferLog},
};

/// How many transfers are kept that are at their end, the newest.
const MOST: usize = 200;
/// How long a transfer is kept that is at its end, in seconds.
const LONGEST: i64 = 30 * 24 * 3600;
/// How long one is kept that could go on, in seconds: registries forget uploads much sooner.
const OPEN: i64 = 180 * 24 * 3600;
/// How much of the time between two changes in the list counts at most, in seconds: no single gap makes one too old.
const GAP: i64 = OPEN - 20 * 24 * 3600;
/// The largest file that is read, in bytes.
const LARGEST: u64 = 4 << 20;
/// The endings of the files of a transfer, that of its record first.
const ENDINGS: [&str; 4] = ["json", "parts", "wish", "lock"];

/// The list in a folder.
pub struct TransferFolder {
    folder: PathBuf,
}

/// A transfer that this program carries out: its lock is held as long as this is.
struct Taken {
    file: PathBuf,
    record: Mutex<TransferRecord>,
    parts: Mutex<BTreeMap<String, Checkpoint>>,
    shall_pause: AtomicBool,
    /// Whether it was written how it ended.
    ended: AtomicBool,
    _lock: File,
}

impl TransferFolder {
    /// A list in this state folder, whose files are made when they are needed.
    pub fn new(state: &Path) -> Self {
        Self { folder: state.join("transfers") }
    }

    /// The path of a transfer's record. An id that is not one of ours leads nowhere.
    fn file(&self, id: &str) -> Result<PathBuf> {
        let is_id = (4..=32).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_id {
            return Err(Error::not_found(
                format!("find the transfer {}", text::wrap_words(id, 40).concat()),
                "it is no id",
            ));
        }
        Ok(self.folder.join(format!("{id}.json")))
    }

    fn records(&self) -> Result<Vec<(PathBuf, TransferRecord)>> {
        let what = format!("read {}", self.folder.display());
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            found => found.during(&what)?,
        };
        let paths = entries.flatten().map(|entry| entry.path());
        let records = paths.filter(|path| path.extension().is_some_and(|ending| ending == "json"));
        let mut all: Vec<(PathBuf, TransferRecord)> =
            records.filter_map(|path| read(&path).map(|record| (path, record))).collect();
        all.sort_by_key(|(_, record)| std::cmp::Reverse((record.began, record.id.clone())));
        Ok(all)
    }

    /// Removes what is too old or too much, with what lies between two places. What cannot be removed is tried again the
    /// next time.
    fn prune(records: &[(PathBuf, TransferRecord)]) {
        let now = text::now();
        let changes: Vec<i64> = records.iter().map(|(_, record)| record.changed).collect();
        let mut ended = 0;
        for (path, record) in records {
            ended += usize::from(!record.is_open());
            let is_old = if record.is_open() {
                age(record.changed, &changes, now) > OPEN
            } else {
                now.saturating_sub(record.changed) > LONGEST || ended > MOST
            };
            if is_old && lock(path).is_ok_and(|lock| lock.is_some()) {
                forget(path);
            }
        }
    }
}

/// For how many seconds a transfer has waited, by the times at which transfers were written down. A clock that jumps ahead
/// makes one long gap between these: no gap counts for more than [`GAP`].
fn age(changed: i64, changes: &[i64], now: i64) -> i64 {
    let mut later: Vec<i64> = changes.iter().copied().filter(|at| *at > changed).chain([now.max(changed)]).collect();
    later.sort_unstable();
    let mut last = changed;
    later
        .into_iter()
        .map(|at| at.saturating_sub(std::mem::replace(&mut last, at)).min(GAP))
        .fold(0, i64::saturating_add)
}

/// Removes a transfer that this program has locked.
fn forget(path: &Path) {
    let between = kept_parts(path).into_iter().find(|part| part.part == BETWEEN);
    if let Some(folder) = between.map(|part| PathBuf::from(part.at))
        && private::remove(&folder).is_err()
        && folder.exists()
    {
        tracing::warn!(path = %folder.display(), "what lies between two places stays; it is removed later");
        return;
    }
    for ending in ENDINGS {
        let _ = fs::remove_file(path.with_extension(ending));
    }
}

/// How far the parts of a transfer were.
fn kept_parts(record: &Path) -> Vec<Checkpoint> {
    private::read(&record.with_extension("parts"), LARGEST)
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default()
}

/// The record in a file, if it is one that this program can read, and is named after its id.
fn read(path: &Path) -> Option<TransferRecord> {
    let kept: TransferRecord = serde_json::from_slice(&private::read(path, LARGEST)?).ok()?;
    (kept.format == FORMAT && path.file_stem().is_some_and(|name| name == kept.id.as_str())).then_some(kept)
}

/// How long to wait for whoever only looks whether a transfer runs.
const LOOKING: Duration = Duration::from_millis(500);
/// Where nothing can be locked, a transfer that was written down less than so many seconds ago runs.
const RECENT: i64 = 60;

fn lock_file(record: &Path) -> Result<File> {
    private::open(&record.with_extension("lock"), |options| options.create(true).truncate(false).read(true).write(true))
}

/// Locks a transfer; `None` where another program has it. The lock ends with the program, however that ends.
fn lock(record: &Path) -> Result<Option<File>> {
    let what = format!("take {}", record.display());
    let file = lock_file(record)?;
    let free = match private::try_lock(&file, LOOKING, false, &what)? {
        Locking::Locked => true,
        Locking::Busy => false,
        Locking::Unsupported => !read(record).is_some_and(|kept| is_recent(&kept)),
    };
    Ok(free.then_some(file))
}

/// Whether a program carries a transfer out. Where that cannot be told, one does, so that nobody carries it out twice.
fn runs(record: &Path, kept: &TransferRecord) -> bool {
    let looked =
        lock_file(record).and_then(|file| private::try_lock(&file, Duration::ZERO, true, "look at a transfer"));
    match looked {
        Ok(Locking::Locked) => false,
        Ok(Locking::Unsupported) => is_recent(kept),
        Ok(Locking::Busy) | Err(_) => true,
    }
}

fn is_recent(kept: &TransferRecord) -> bool {
    matches!(kept.state, TransferState::Begun) && text::now().saturating_sub(kept.changed) < RECENT
}

impl Taken {
    /// Takes a transfer that is locked now.
    fn of(file: PathBuf, record: TransferRecord, lock: File) -> Self {
        let parts = kept_parts(&file).into_iter().map(|one| (one.part.clone(), one)).collect();
        // What was wished for before was meant for the program that had it then.
        let _ = fs::remove_file(file.with_extension("wish"));
        Self {
            file,
            record: Mutex::new(record),
            parts: Mutex::new(parts),
            shall_pause: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            _lock: lock,
        }
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, Checkpoint>)) -> Result<()> {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        let before = parts.clone();
        change(&mut parts);
        if *parts == before {
            return Ok(());
        }
        let what = "write down how far a transfer is";
        let all: Vec<&Checkpoint> = parts.values().collect();
        private::write(&self.file.with_extension("parts"), &serde_json::to_vec(&all).during(what)?)
    }
}

impl Checkpoints for Taken {
    fn last(&self, part: &str) -> Option<Checkpoint> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).get(part).cloned()
    }

    fn keep(&self, reached: &Checkpoint) -> Result<()> {
        self.change(|parts| {
            parts.insert(reached.part.clone(), reached.clone());
        })
    }

    fn forget(&self, part: &str) -> Result<()> {
        self.change(|parts| {
            parts.remove(part);
        })
    }

    fn shall_pause(&self) -> bool {
        self.shall_pause.load(Ordering::Relaxed)
    }
}

impl TakenTransfer for Taken {
    fn record(&self) -> TransferRecord {
        self.record.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep_record(&self, record: &TransferRecord) -> Result<()> {
        let bytes = serde_json::to_vec_pretty(record).during("write down a transfer")?;
        let mut kept = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        // How far it was may be written late: how it ended stays.
        let begun = record.state == TransferState::Begun;
        if self.ended.fetch_or(!begun, Ordering::Relaxed) && begun {
            return Ok(());
        }
        private::write(&self.file, &bytes)?;
        if matches!(record.state, TransferState::Done | TransferState::Cancelled) {
            let _ = fs::remove_file(self.file.with_extension("parts"));
        }
        *kept = record.clone();
        Ok(())
    }

    fn wish(&self) -> Option<Wish> {
        serde_json::from_slice(&private::read(&self.file.with_extension("wish"), LARGEST)?).ok()
    }

    fn pause(&self) {
        self.shall_pause.store(true, Ordering::Relaxed);
    }

    fn parts(&self) -> Vec<Checkpoint> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

impl TransferLog for TransferFolder {
    fn take(&self, wanted: &TransferRecord) -> Result<Arc<dyn TakenTransfer>> {
        private::folder(&self.folder)?;
        let known = self.records()?;
        for (file, kept) in known.iter().filter(|(_, kept)| kept.is_open() && kept.is_same(wanted)) {
            if let Some(lock) = lock(file)? {
                // Another program may have ended it until now.
                let Some(now) = read(file).filter(TransferRecord::is_open) else { continue };
                let (rate, hours) = (wanted.rate.or(now.rate), wanted.hours.or(now.hours));
                let taken = Taken::of(file.clone(), now, lock);
                let again = TransferRecord { id: kept.id.clone(), began: kept.began, rate, hours, ..wanted.clone() };
                taken.keep_record(&again)?;
                return Ok(Arc::new(taken));
            }
        }
        let id: String = private::random().chars().filter(char::is_ascii_hexdigit).take(8).collect();
        let record = TransferRecord { id: id.clone(), ..wanted.clone() };
        let file = self.file(&id)?;
        let lock =
            lock(&file)?.ok_or_else(|| Error::failed("begin a transfer", "its id is taken").hint("try again"))?;
        let taken = Taken::of(file, record.clone(), lock);
        taken.keep_record(&record)?;
        Self::prune(&known);
        Ok(Arc::new(taken))
    }

    fn take_kept(&self, id: &str) -> Result<Arc<dyn TakenTransfer>> {
        let what = format!("take the transfer {id}");
        let file = self.file(id)?;
        if read(&file).is_none() {
            return Err(Error::not_found(what, "it is not kept").hint("'wharf transfers' lists those that are"));
        }
        let lock = lock(&file)?;
        let lock = lock.ok_or_else(|| Error::new(Kind::Unavailable, &what, "another Wharf carries it out"))?;
        let record = read(&file).ok_or_else(|| Error::not_found(&what, "it is not kept any more"))?;
        Ok(Arc::new(Taken::of(file, record, lock)))
    }

    fn all(&self) -> Result<Vec<KeptTransfer>> {
        let kept = |(file, record): (PathBuf, TransferRecord)| {
            let runs = record.is_open() && runs(&file, &record);
            KeptTransfer { record, runs }
        };
        Ok(self.records()?.into_iter().map(kept).collect())
    }

    fn wish(&self, id: &str, wish: Wish) -> Result<()> {
        let what = format!("tell the program that carries out {id}");
        let file = self.file(id)?;
        private::write(&file.with_extension("wish"), &serde_json::to_vec(&wish).during(what)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_core::{image::reference::ImageRef, transfer::copy::Options};

    fn wanted(tag: &str) -> TransferRecord {
        let at = ImageRef::oci("r.example", "a", Some(tag.to_owned()));
        TransferRecord::new(&at, &at, &Options::default(), "ada")
    }

    #[test]
    fn a_transfer_that_waits_is_taken_up_with_what_it_reached_and_a_held_one_is_not() {
        let state = tempfile::tempdir().unwrap();
        let list = TransferFolder::new(state.path());
        let reached = Checkpoint { part: "sha256:aa".into(), at: "http://r/1".into(), bytes: 7, least: 0 };
        let first = list.take(&wanted("1")).unwrap();
        first.keep(&reached).unwrap();
        let other = list.take(&wanted("1")).unwrap();
        assert_ne!(first.record().id, other.record().id, "a held one is not taken twice");
        assert!(list.all().unwrap().iter().all(|kept| kept.runs));
        let id = first.record().id;
        drop((first, other));
        // A program that ends in any way gives it free: nothing else was written.
        assert!(list.all().unwrap().iter().all(|kept| kept.word() == "interrupted"));
        let again = list.take_kept(&id).unwrap();
        assert_eq!((again.parts(), again.last("sha256:aa")), (vec![reached.clone()], Some(reached)));
        assert_eq!(list.take_kept(&id).err().map(|error| error.kind), Some(Kind::Unavailable));
        let mut record = again.record();
        record.state = TransferState::Done;
        again.keep_record(&record).unwrap();
        drop(again);
        let kept = list.all().unwrap().into_iter().find(|kept| kept.record.id == id).unwrap();
        assert_eq!((kept.word(), kept.waits()), ("done", false));
        assert!(list.take_kept(&id).unwrap().parts().is_empty());
    }

    #[test]
    fn a_wish_reaches_the_program_that_carries_it_out_and_no_later_one() {
        let state = tempfile::tempdir().unwrap();
        let list = TransferFolder::new(state.path());
        let taken = list.take(&wanted("1")).unwrap();
        assert_eq!(taken.wish(), None);
        let id = taken.record().id;
        list.wish(&id, Wish::Pause).unwrap();
        assert_eq!(taken.wish(), Some(Wish::Pause));
        drop(taken);
        assert_eq!(list.take_kept(&id).unwrap().wish(), None);
        for odd in ["", "../x", "zzzz", "ab/cd", &"a".repeat(40)] {
            assert!(list.wish(odd, Wish::Pause).is_err(), "{odd}");
        }
    }

    #[test]
    fn what_is_pruned_leaves_nothing_between_and_a_clock_that_jumps_prunes_nothing() {
        let day = 24 * 3600;
        let now = 1_000 * day;
        assert_eq!(age(now - 10 * day, &[now - 10 * day, now - 3 * day], now), 10 * day);
        assert!(age(now - 900 * day, &[now - 900 * day], now) < OPEN, "nothing happened in between but a jump");
        let each_month: Vec<i64> = (1..9).map(|month| now - month * 30 * day).collect();
        assert!(age(now - 240 * day, &each_month, now) > OPEN);
        // Of transfers that ended, only the last month is kept.
        let lately: Vec<i64> = (0..30).map(|ago| now - ago * day).collect();
        assert!(age(now - 170 * day, &lately, now) < OPEN && age(now - 182 * day, &lately, now) > OPEN);
        assert_eq!(age(now + day, &each_month, now), 0, "a clock that was put back");

        let state = tempfile::tempdir().unwrap();
        let list = TransferFolder::new(state.path());
        let between = state.path().join("moving/one");
        std::fs::create_dir_all(&between).unwrap();
        std::fs::write(between.join("disk.img"), "x").unwrap();
        let taken = list.take(&wanted("1")).unwrap();
        taken
            .keep(&Checkpoint { part: BETWEEN.into(), at: between.display().to_string(), bytes: 0, least: 0 })
            .unwrap();
        let id = taken.record().id;
        let mut old = taken.record();
        old.changed = text::now() - 240 * day;
        taken.keep_record(&old).unwrap();
        drop(taken);
        list.take(&wanted("2")).unwrap();
        assert!(between.exists() && list.take_kept(&id).is_ok());
        let others = (1..8).map(|month| {
            let path = state.path().join(format!("{month}.json"));
            (path, TransferRecord { changed: text::now() - month * 30 * day, ..wanted("3") })
        });
        let known: Vec<_> = others.chain(list.records().unwrap()).collect();
        TransferFolder::prune(&known);
        assert!(!between.exists() && list.take_kept(&id).is_err());
    }

    #[test]
    fn files_that_are_not_records_are_left_out_and_left_alone() {
        let state = tempfile::tempdir().unwrap();
        let list = TransferFolder::new(state.path());
        let id = list.take(&wanted("1")).unwrap().record().id;
        let folder = state.path().join("transfers");
        std::fs::write(folder.join("abcd.json"), "{").unwrap();
        std::fs::copy(folder.join(format!("{id}.json")), folder.join("beef.json")).unwrap();
        assert_eq!(list.all().unwrap().len(), 1, "a record under another name is not found by that name");
        assert!(folder.join("abcd.json").exists());
        std::fs::write(folder.join(format!("{id}.parts")), "[{]").unwrap();
        assert!(list.take_kept(&id).unwrap().parts().is_empty());
    }
}
