//! The audit in a file. Entries are appended under a lock, so that several processes write one chain.
//!
//! An entry that could not be written completely is removed; one that was cut off (by a loss of power) keeps its own
//! line.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use super::sqlite::is_network;
use crate::shared::private;
use wharf_core::{
    audit::{self, Entry, Line, witness::Chain},
    base::{
        error::{During, Result},
        small_file,
    },
    ports::Audit,
};

/// How many bytes at the end of the file are read to find its last line; more, if that line is longer.
const TAIL: u64 = 64 << 10;

/// The audit file at this path.
pub struct AuditFile(PathBuf);

impl AuditFile {
    /// An audit in a file that is created with its first entry.
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    fn make_folder(&self) -> Result<()> {
        self.0.parent().map_or(Ok(()), private::folder)
    }
}

/// The length of a file, its last complete line, and whether its end is cut off.
fn end(file: &mut File) -> std::io::Result<(u64, Option<Line>, bool)> {
    let length = file.seek(SeekFrom::End(0))?;
    let mut wanted = TAIL;
    loop {
        file.seek(SeekFrom::Start(length.saturating_sub(wanted)))?;
        let mut tail = Vec::new();
        (&mut *file).take(wanted).read_to_end(&mut tail)?;
        let torn = tail.last().is_some_and(|byte| *byte != b'\n');
        let text = String::from_utf8_lossy(&tail);
        let last = text.lines().rev().find_map(audit::line);
        if last.is_some() || wanted >= length {
            return Ok((length, last, torn));
        }
        wanted = wanted.saturating_mul(8);
    }
}

impl Audit for AuditFile {
    fn append(&self, entry: Entry) -> Result<()> {
        let what = format!("write the audit {}", self.0.display());
        self.make_folder()?;
        let mut file = private::open(&self.0, |options| options.create(true).read(true).append(true))?;
        private::lock(&file, private::PATIENCE, &what)?;
        let (length, last, torn) = end(&mut file).during(&what)?;
        let line = audit::next(last.as_ref(), entry)?;
        let before = if torn { "\n" } else { "" };
        let text = format!("{before}{}\n", serde_json::to_string(&line).during(&what)?);
        let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_data());
        if written.is_err() {
            // Half a line is worse than none.
            let _ = file.set_len(length);
        }
        written.during(what)
    }

    fn read(&self) -> Result<String> {
        let what = format!("read the audit {}", self.0.display());
        match fs::symlink_metadata(&self.0) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(String::new()),
            found => found.during(&what)?,
        };
        let mut bytes = Vec::new();
        private::open(&self.0, |options| options.read(true))?.read_to_end(&mut bytes).during(what)?;
        // A line may be cut off in the middle of a character.
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn chain(&self) -> Result<Chain> {
        self.make_folder()?;
        let path = self.0.with_extension("id");
        let lock = private::open(&self.0, |options| options.create(true).append(true))?;
        private::lock(&lock, private::PATIENCE, &format!("read {}", path.display()))?;
        let known = small_file::text(&path).unwrap_or_default();
        let known = known.trim();
        let id = if known.len() == 16 && known.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            known.to_owned()
        } else {
            let id = private::random();
            private::write(&path, id.as_bytes())?;
            id
        };
        Ok(Chain { id, place: folder_identity(self.0.parent().unwrap_or(Path::new("/"))) })
    }
}

/// Where a folder is, as `MACHINE:PATH`. On a file server it is the same on all machines, and named by the server.
fn folder_identity(folder: &Path) -> String {
    let path = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let server = is_network(&path).then(|| server(&path)).flatten();
    let machine = || rustix::system::uname().nodename().to_string_lossy().into_owned();
    wharf_core::base::clean::short(&format!("{}:{}", server.unwrap_or_else(machine), path.display()), 300)
}

/// What the file system of a path is mounted from (proc_pid_mountinfo(5)).
fn server(path: &Path) -> Option<String> {
    let mounts = small_file::text("/proc/self/mountinfo").ok()?;
    let sources = mounts.lines().filter_map(|line| {
        let (mount, of) = line.split_once(" - ")?;
        let (point, source) = (mount.split(' ').nth(4)?, of.split(' ').nth(1)?);
        path.starts_with(point).then(|| (point.len(), source.to_owned()))
    });
    sources.max().map(|(_, source)| source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_writers_make_one_chain() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/audit.jsonl");
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let path = path.clone();
                scope.spawn(move || {
                    for number in 0..25 {
                        let entry = Entry::new("ada", "launch", format!("{writer}-{number}"));
                        AuditFile::new(path.clone()).append(entry).unwrap();
                    }
                });
            }
        });
        let file = AuditFile::new(path);
        let reading = audit::read(&file.read().unwrap());
        reading.whole().unwrap();
        assert_eq!(reading.lines.len(), 100);
        assert_eq!(file.chain().unwrap(), file.chain().unwrap());
    }

    #[test]
    fn a_torn_end_of_any_length_costs_itself_only() {
        for torn in ["{\"at\":\"2026", "\u{e9}", &"x".repeat(3 << 20)] {
            let folder = tempfile::tempdir().unwrap();
            let file = AuditFile::new(folder.path().join("audit.jsonl"));
            file.append(Entry::new("ada", "launch", "one")).unwrap();
            let mut raw = File::options().append(true).open(&file.0).unwrap();
            // Cut off in the middle of a character, too.
            raw.write_all(&torn.as_bytes()[..torn.len() - usize::from(!torn.is_ascii())]).unwrap();
            for subject in ["two", "three"] {
                file.append(Entry::new("ada", "launch", subject)).unwrap();
            }
            let reading = audit::read(&file.read().unwrap());
            assert_eq!((reading.lines.len(), &reading.torn[..], reading.changed), (3, &[2][..], None));
        }
    }
}
