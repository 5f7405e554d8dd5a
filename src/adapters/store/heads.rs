//! The first rows of every list, each in a small file: the first frame is drawn from them, before the database with all
//! rows is opened.
//!
//! A file holds the source's name, when its list was fetched, how many rows that had, and the first rows. It is written
//! completely or not at all; a file that cannot be read is ignored.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::shared::private;
use wharf_core::{
    base::{digest::Digest, error::Result, small_file},
    catalog::rows::RowSet,
    ports::CachedRows,
};

/// How many rows are kept: more than a screen shows at once.
const ROWS: usize = 300;
/// Most files that are read: more sources than a person has.
const MOST: usize = 1000;

/// A folder with the first rows of lists.
pub struct ListHeads(PathBuf);

impl ListHeads {
    /// The first rows of lists in `folder`.
    pub fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// The first rows of all lists, sorted by the names of their sources.
    pub fn read(&self) -> Vec<CachedRows> {
        let Ok(entries) = fs::read_dir(&self.0) else { return Vec::new() };
        let files = entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_none()).take(MOST);
        let mut heads: Vec<CachedRows> = files.filter_map(|path| parse(&small_file::bytes(path).ok()?)).collect();
        heads.sort_by(|one, other| one.source.cmp(&other.source));
        heads
    }

    /// Keeps the first rows of a source's list; `fetched` in seconds since 1970.
    pub fn write(&self, source: &str, rows: &RowSet, fetched: i64) -> Result<()> {
        private::folder(&self.0)?;
        private::write(&self.path(source), &bytes(source, rows, fetched))
    }

    /// Deletes the first rows of all lists.
    pub fn forget(&self) {
        match fs::remove_dir_all(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, "the first rows of the lists stay");
            }
            _ => {}
        }
    }

    fn path(&self, source: &str) -> PathBuf {
        self.0.join(Path::new(Digest::of(source.as_bytes()).hex()))
    }
}

fn bytes(source: &str, rows: &RowSet, fetched: i64) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(&(source.len() as u32).to_le_bytes());
    out.extend_from_slice(source.as_bytes());
    out.extend_from_slice(&fetched.to_le_bytes());
    out.extend_from_slice(&(rows.len() as u64).to_le_bytes());
    out.extend_from_slice(&rows.head(ROWS).to_bytes());
    out
}

/// Reads what `bytes` has written; `None` for anything else.
fn parse(bytes: &[u8]) -> Option<CachedRows> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (source, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    let (fetched, rest) = rest.split_first_chunk::<8>()?;
    let (total, rest) = rest.split_first_chunk::<8>()?;
    let rows = RowSet::from_bytes(rest).ok()?;
    Some(CachedRows {
        source: std::str::from_utf8(source).ok()?.to_owned(),
        fetched: i64::from_le_bytes(*fetched),
        total: usize::try_from(u64::from_le_bytes(*total)).ok()?.max(rows.len()),
        rows: Arc::new(rows),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_core::catalog::rows::Row;

    #[test]
    fn a_head_is_the_first_rows_and_tells_how_many_there_are() {
        let folder = tempfile::tempdir().unwrap();
        let heads = ListHeads::new(folder.path().join("heads"));
        assert!(heads.read().is_empty());
        let rows = (0..500).map(|number| Row { name: format!("image-{number:03}"), ..Row::default() });
        heads.write("lab/one", &RowSet::build(rows.collect()), 7).unwrap();
        heads.write("another", &RowSet::build(Vec::new()), 8).unwrap();
        let read = heads.read();
        let seen: Vec<_> = read.iter().map(|head| (head.source.as_str(), head.fetched, head.total)).collect();
        assert_eq!(seen, [("another", 8, 0), ("lab/one", 7, 500)]);
        assert_eq!((read[1].rows.len(), read[1].rows.name(0)), (ROWS, "image-000"));
        heads.forget();
        assert!(heads.read().is_empty());
    }

    #[test]
    fn what_is_no_head_is_left_out() {
        let rows = RowSet::build(vec![Row { name: "x".into(), ..Row::default() }]);
        let good = bytes("lab", &rows, 1);
        assert!(parse(&good).is_some());
        for cut in 0..good.len() {
            // Cut anywhere, it is unreadable or still names the right source; it never panics.
            assert!(parse(&good[..cut]).is_none_or(|head| head.source == "lab"));
        }
        assert!(parse(&[0xff; 64]).is_none());
    }
}
