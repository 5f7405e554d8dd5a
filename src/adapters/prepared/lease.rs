//! Who prepares an image: a small file in the store, which its holder renews. It works on file systems without locks,
//! also between machines whose clocks differ: a lease is over when whoever waits has seen no change of it for a while, or
//! when its process is gone from the same machine.
//!
//! The lease only spares work. What is prepared is correct without it, because it is moved into place complete.

use std::{
    ffi::OsString,
    fs::File,
    io::{ErrorKind, Seek, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::files;
use crate::shared::private;
use wharf_core::base::{
    clean,
    digest::Digest,
    error::{During, Result},
    small_file,
};

/// The most bytes of a lease that are read.
const LONGEST: u64 = 4096;
/// How often a holder renews its lease.
pub(super) const BEAT: Duration = Duration::from_secs(5);
/// How long a lease must stay unchanged before it is taken over: several beats, so that a slow file system is no death.
pub(super) const PATIENCE: Duration = Duration::from_secs(45);

/// What a lease says about its holder. Anybody who may write to the store may have written it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Holder {
    /// A random word for this lease alone.
    id: String,
    /// The account of the person.
    person: String,
    /// The name of the machine.
    host: String,
    /// Which run of which machine, and which of its spaces of process ids.
    machine: String,
    /// The process on that machine.
    pid: u32,
    /// How often it was renewed.
    beat: u64,
    /// What the holder does now.
    doing: String,
    /// How much of it is done.
    percent: Option<u8>,
}

impl Holder {
    /// This process.
    fn ourselves() -> Self {
        Self {
            id: private::random(),
            person: whoami::username().unwrap_or_default(),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            machine: machine(),
            pid: std::process::id(),
            ..Self::default()
        }
    }

    /// What is told to somebody who waits: `alice on login2 prepares it: unpacking layer 2 of 3, 40 %`.
    pub(super) fn words(&self) -> String {
        let word = |text: &str, unknown: &str| {
            let shown = clean::short(text, 40);
            if shown.trim().is_empty() { unknown.to_owned() } else { shown }
        };
        let who = format!("{} on {} prepares it", word(&self.person, "somebody"), word(&self.host, "another machine"));
        let percent = self.percent.map(|percent| format!("{} %", percent.min(100)));
        let doing = Some(clean::short(&self.doing, 60)).filter(|doing| !doing.trim().is_empty());
        let state: Vec<String> = doing.into_iter().chain(percent).collect();
        if state.is_empty() { who } else { format!("{who}: {}", state.join(", ")) }
    }

    /// Whether its process is certainly gone: it was one of this machine, in this run of it.
    fn is_gone(&self) -> bool {
        !self.machine.is_empty()
            && self.machine == machine()
            && self.pid != 0
            && !Path::new("/proc").join(self.pid.to_string()).exists()
    }
}

/// This run of this machine, with the space of process ids: only there a process id means something. Empty where that
/// cannot be told.
fn machine() -> String {
    let boot = small_file::text("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let space = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    if boot.trim().is_empty() || space.as_os_str().is_empty() {
        return String::new();
    }
    format!("{} {}", boot.trim(), space.display())
}

/// A lease that this process holds. It is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    path: PathBuf,
    file: File,
    holder: Holder,
}

impl Lease {
    /// Makes the lease, if there is none.
    fn make(path: &Path) -> std::io::Result<Self> {
        let file = std::fs::OpenOptions::new().write(true).create_new(true).open(path)?;
        let mut lease = Self { path: path.to_owned(), file, holder: Holder::ourselves() };
        lease.write()?;
        Ok(lease)
    }

    /// Writes what is known of the holder into the file that this process has made, whatever name that has by now.
    fn write(&mut self) -> std::io::Result<()> {
        let bytes = serde_json::to_vec(&self.holder)?;
        self.file.rewind()?;
        self.file.write_all(&bytes)?;
        self.file.set_len(bytes.len() as u64)?;
        self.file.sync_all()
    }

    /// Renews the lease with what is done now. `false` if it was taken over: then the work must stop.
    ///
    /// # Errors
    /// What the file system says.
    pub(super) fn renew(&mut self, doing: &str, percent: Option<u8>) -> Result<bool> {
        let what = format!("renew {}", self.path.display());
        if !self.is_ours() {
            return Ok(false);
        }
        self.holder.beat += 1;
        self.holder.doing = clean::short(doing, 60);
        self.holder.percent = percent;
        self.write().during(what)?;
        Ok(true)
    }

    /// Whether the file under the lease's name is still the one that this process has made.
    pub(super) fn is_ours(&self) -> bool {
        let there = files::open(&self.path).and_then(|file| files::identity(&file));
        there.is_ok_and(|there| files::identity(&self.file).is_ok_and(|ours| ours == there))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.is_ours() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// What an attempt to take a lease gives.
#[derive(Debug)]
pub(super) enum Attempt {
    /// It is ours now.
    Taken(Lease),
    /// Somebody else holds it.
    Held(Holder),
}

/// One look at a lease: which file it is, and its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Look {
    file: (u64, u64),
    bytes: Vec<u8>,
}

impl Look {
    fn at(path: &Path) -> std::io::Result<Self> {
        let file = files::open(path)?;
        Ok(Self { file: files::identity(&file)?, bytes: files::read(&file, LONGEST)? })
    }

    fn holder(&self) -> Holder {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }

    /// A name for what was seen, for the file that guards its removal.
    fn mark(&self) -> String {
        let mut all = self.bytes.clone();
        all.extend_from_slice(format!("{:?}", self.file).as_bytes());
        Digest::of(&all).hex().chars().take(16).collect()
    }
}

/// Somebody who wants a lease, and remembers since when it has not changed.
#[derive(Debug)]
pub(super) struct Waiting {
    path: PathBuf,
    patience: Duration,
    seen: Option<(Look, Instant)>,
    guard: Option<(PathBuf, Instant)>,
}

impl Waiting {
    /// Waits for the lease at `path`; one that stays unchanged for `patience` is taken over.
    pub(super) fn new(path: PathBuf, patience: Duration) -> Self {
        Self { path, patience, seen: None, guard: None }
    }

    /// Takes the lease, if nobody holds it or its holder is gone; waits for nothing.
    ///
    /// # Errors
    /// What the file system says.
    pub(super) fn attempt(&mut self) -> Result<Attempt> {
        let what = format!("take {}", self.path.display());
        loop {
            match Lease::make(&self.path) {
                Ok(lease) => return Ok(Attempt::Taken(lease)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error).during(what),
            }
            let look = match Look::at(&self.path) {
                Ok(look) => look,
                // It was given back meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => {
                    let hint = "if no Wharf prepares this image, remove that file";
                    return Err(error).during(what).map_err(|error| error.hint(hint));
                }
            };
            let since = match &self.seen {
                Some((seen, since)) if *seen == look => *since,
                _ => Instant::now(),
            };
            self.seen = Some((look.clone(), since));
            let over = look.holder().is_gone() || since.elapsed() >= self.patience;
            if !over || !self.remove(&look).during(&what)? {
                return Ok(Attempt::Held(look.holder()));
            }
        }
    }

    /// Removes the lease that was seen, if nobody else does and it has not changed. `true` if it is gone.
    ///
    /// Of all who have seen the same, one makes the guard; it alone renames the lease away. Without a guard, a slow taker
    /// could rename the lease that a quicker one has just made.
    fn remove(&mut self, look: &Look) -> std::io::Result<bool> {
        let mut name: OsString = self.path.clone().into_os_string();
        name.push(format!(".{}.guard", look.mark()));
        let guard = PathBuf::from(name);
        match std::fs::OpenOptions::new().write(true).create_new(true).open(&guard) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                self.remove_abandoned(guard)?;
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        let unchanged = Look::at(&self.path).is_ok_and(|now| now == *look);
        let removed = unchanged.then(|| {
            let aside = private::beside(&self.path, "over");
            std::fs::rename(&self.path, &aside).and_then(|()| std::fs::remove_file(aside))
        });
        std::fs::remove_file(&guard)?;
        match removed {
            Some(Err(error)) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(true),
        }
    }

    /// Removes a guard whose maker was ended between two steps: one that stays for as long as an unchanged lease may.
    fn remove_abandoned(&mut self, guard: PathBuf) -> std::io::Result<()> {
        match &self.guard {
            Some((known, since)) if *known == guard => {
                if since.elapsed() >= self.patience {
                    self.guard = None;
                    match std::fs::remove_file(guard) {
                        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                        _ => {}
                    }
                }
            }
            _ => self.guard = Some((guard, Instant::now())),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    fn foreign(path: &Path, text: &str) {
        std::fs::write(path, text).unwrap();
    }

    fn attempt(waiting: &mut Waiting) -> Option<Lease> {
        match waiting.attempt().unwrap() {
            Attempt::Taken(lease) => Some(lease),
            Attempt::Held(_) => None,
        }
    }

    #[test]
    fn one_holds_it_until_it_is_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.lease");
        let mut first = attempt(&mut Waiting::new(path.clone(), PATIENCE)).unwrap();
        assert!(first.renew("unpacking layer 1 of 2", Some(40)).unwrap());
        let mut second = Waiting::new(path.clone(), PATIENCE);
        let Attempt::Held(holder) = second.attempt().unwrap() else { panic!("two hold it") };
        assert!(holder.words().ends_with("prepares it: unpacking layer 1 of 2, 40 %"), "{}", holder.words());
        drop(first);
        assert!(attempt(&mut second).is_some());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
    }

    #[test]
    fn a_lease_of_another_machine_is_over_when_it_does_not_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.lease");
        foreign(&path, r#"{"id":"x","person":"alice","host":"login2","machine":"other","pid":1,"percent":40}"#);
        let mut waiting = Waiting::new(path.clone(), Duration::from_millis(300));
        let Attempt::Held(holder) = waiting.attempt().unwrap() else { panic!("it was not waited for") };
        assert_eq!(holder.words(), "alice on login2 prepares it: 40 %");
        // Each change is a sign of life.
        let began = Instant::now();
        for beat in 0..4 {
            std::thread::sleep(Duration::from_millis(150));
            foreign(&path, &format!(r#"{{"id":"x","machine":"other","pid":1,"beat":{beat}}}"#));
            assert!(attempt(&mut waiting).is_none(), "after {:?}", began.elapsed());
        }
        let taken = loop {
            if let Some(lease) = attempt(&mut waiting) {
                break lease;
            }
            assert!(began.elapsed() < Duration::from_secs(20));
            std::thread::sleep(Duration::from_millis(20));
        };
        assert!(taken.is_ours());
    }

    #[test]
    fn the_lease_of_a_process_that_is_gone_is_over_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.lease");
        let gone = Holder { machine: machine(), pid: 0x7fff_fff0, ..Holder::ourselves() };
        foreign(&path, &serde_json::to_string(&gone).unwrap());
        assert!(attempt(&mut Waiting::new(path.clone(), PATIENCE)).is_some());
        // The same process id on another machine says nothing.
        foreign(&path, &serde_json::to_string(&Holder { machine: "other".into(), ..gone }).unwrap());
        assert!(attempt(&mut Waiting::new(path, PATIENCE)).is_none());
    }

    #[test]
    fn a_holder_that_was_overtaken_notices_and_leaves_the_new_lease() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.lease");
        let mut slow = attempt(&mut Waiting::new(path.clone(), PATIENCE)).unwrap();
        let mut hasty = Waiting::new(path, Duration::ZERO);
        let quick = attempt(&mut hasty).unwrap();
        assert!(!slow.renew("", None).unwrap());
        drop(slow);
        assert!(quick.is_ours());
    }

    #[test]
    fn of_many_takers_one_wins_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.lease");
        foreign(&path, r#"{"machine":"other","pid":1}"#);
        let holding = Arc::new(AtomicUsize::new(0));
        let takers: Vec<_> = (0..8)
            .map(|_| {
                let (path, holding) = (path.clone(), holding.clone());
                std::thread::spawn(move || {
                    let mut waiting = Waiting::new(path, Duration::from_millis(400));
                    let began = Instant::now();
                    let lease = loop {
                        match waiting.attempt().unwrap() {
                            Attempt::Taken(lease) => break lease,
                            Attempt::Held(_) => std::thread::yield_now(),
                        }
                        assert!(began.elapsed() < Duration::from_secs(60));
                    };
                    assert_eq!(holding.fetch_add(1, Ordering::SeqCst), 0, "two hold it");
                    std::thread::sleep(Duration::from_millis(3));
                    assert!(lease.is_ours());
                    holding.fetch_sub(1, Ordering::SeqCst);
                })
            })
            .collect();
        for taker in takers {
            taker.join().unwrap();
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
    }

    proptest::proptest! {
        #[test]
        fn whatever_a_lease_says_is_shown_in_one_short_line(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200), person in "\\PC{0,80}|\u{1b}\\[2J\n.*") {
            let look = Look { file: (1, 1), bytes };
            let told = Holder { person, ..look.holder() }.words();
            proptest::prop_assert!(told.chars().count() < 250 && !told.contains(char::is_control), "{told:?}");
        }
    }
}
