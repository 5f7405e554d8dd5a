//! The audit in a file: appended under a lock, so that several programs write one chain.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom, Write},
    path::PathBuf,
};

use rustix::fs::{FlockOperation, flock};

use crate::core::{
    audit::{self, Entry, Line},
    error::{During, Result},
    ports::Audit,
};

/// The last bytes of the file, in which its last line is: an entry is far shorter.
const TAIL: u64 = 64 << 10;

/// The audit in `path`.
pub struct AuditFile(PathBuf);

impl AuditFile {
    /// The audit in a file that is made when it is first written to.
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }
}

/// The last line of a file.
fn last(file: &mut File) -> std::io::Result<Option<Line>> {
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let tail = String::from_utf8_lossy(&tail);
    Ok(tail.lines().rev().find_map(|line| serde_json::from_str(line).ok()))
}

impl Audit for AuditFile {
    fn append(&self, entry: Entry) -> Result<()> {
        use std::os::unix::fs::OpenOptionsExt;
        let what = format!("write the audit {}", self.0.display());
        if let Some(folder) = self.0.parent() {
            fs::create_dir_all(folder).during(&what)?;
        }
        let mut file = File::options().create(true).read(true).append(true).mode(0o600).open(&self.0).during(&what)?;
        flock(&file, FlockOperation::LockExclusive).during(&what)?;
        let line = audit::next(last(&mut file).during(&what)?.as_ref(), entry)?;
        let mut text = serde_json::to_string(&line).during(&what)?;
        text.push('\n');
        file.write_all(text.as_bytes()).and_then(|()| file.sync_data()).during(&what)
    }

    fn read(&self) -> Result<String> {
        match fs::read_to_string(&self.0) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
            text => text.during(format!("read the audit {}", self.0.display())),
        }
    }
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
        let text = AuditFile::new(path).read().unwrap();
        assert_eq!(audit::read(&text).unwrap().len(), 100);
    }
}
