//! The rows of a list in packed form: 100,000 of them in one string and one table, so that they load quickly.
//!
//! A [`RowSet`] is the list of one source. Its text has six fields per row, separated by `U+001F` (name, tags, digest,
//! labels, platforms, note); cleaned text never contains that character. The file format is the same: a header, the
//! records in little endian, and the text.

use std::collections::HashMap;

use crate::{
    base::{
        badge::Publisher,
        clean,
        digest::Digest,
        error::{Error, Result},
    },
    image::model::{ImageKind, Version},
};

const MAGIC: &[u8; 4] = b"WRW2";
const FIELD: char = '\u{1f}';
const RECORD: usize = 48;
/// Most rows of a source; further rows are cut off, which is said.
pub const MOST_ROWS: usize = 4_000_000;

/// A row as adapters make it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// Repository path, image name or file name: what the person types to find it.
    pub name: String,
    /// What kind of image it is.
    pub kind: ImageKind,
    /// Its tags, newest last if the source tells.
    pub tags: Vec<String>,
    /// The digest that the first tag means, if the list tells it.
    pub digest: Option<Digest>,
    /// Labels, each as `key=value`.
    pub labels: Vec<String>,
    /// The platforms, each as `os/architecture`, if the list tells them.
    pub platforms: Vec<String>,
    /// The size in bytes, if the source tells it.
    pub size: Option<u64>,
    /// When it was last changed, in seconds since 1970, if known.
    pub updated: Option<i64>,
    /// Who made it, as the source says.
    pub publisher: Publisher,
    /// Further words: description, number of pulls.
    pub note: String,
}

#[derive(Debug, Clone, Copy, Default)]
struct Record {
    start: u32,
    name_len: u32,
    tags: u32,
    kind: u8,
    publisher: u8,
    size: u64,
    updated: i64,
    name_mask: u64,
    rest_mask: u64,
}

/// The details of a source's images by name, each read under one tag.
pub type DetailsByName = HashMap<String, Version>;

/// The rows of one source. Cheap to share, and never changed once built.
#[derive(Debug, Clone, Default)]
pub struct RowSet {
    text: String,
    records: Vec<Record>,
}

/// A row of a set, borrowed from it.
#[derive(Debug, Clone, Copy)]
pub struct RowView<'a> {
    /// The name, as in [`Row::name`].
    pub name: &'a str,
    /// The tags, separated by spaces.
    pub tags: &'a str,
    /// The digest as text; may be empty.
    pub digest: &'a str,
    /// The labels, separated by spaces.
    pub labels: &'a str,
    /// The platforms, separated by spaces.
    pub platforms: &'a str,
    /// Further words: description, number of pulls.
    pub note: &'a str,
    /// The number of tags.
    pub tag_count: usize,
    /// What kind of image it is.
    pub kind: ImageKind,
    /// Who made it, as the source says.
    pub publisher: Publisher,
    /// The size in bytes, if the source tells it.
    pub size: Option<u64>,
    /// When it was last changed, in seconds since 1970, if known.
    pub updated: Option<i64>,
}

impl<'a> RowView<'a> {
    /// The part of the name that registries treat as project; empty if there is none.
    pub fn project(&self) -> &'a str {
        project_of(self.name)
    }

    /// The tag to show and launch: `latest` if it exists, else the last one.
    pub fn favourite_tag(&self) -> Option<&'a str> {
        favourite(self.tags.split(' ').filter(|tag| !tag.is_empty()))
    }
}

/// The tag to show and launch among an image's tags: `latest` if it exists, else the last one.
pub fn favourite<'a>(tags: impl DoubleEndedIterator<Item = &'a str> + Clone) -> Option<&'a str> {
    tags.clone().find(|tag| *tag == "latest").or_else(|| tags.into_iter().next_back())
}

/// The first part of a name, after the registry's host if it begins with one.
pub fn project_of(name: &str) -> &str {
    let mut parts = name.split('/');
    let first = parts.next().unwrap_or("");
    let (project, rest) =
        if first.contains(['.', ':']) { (parts.next().unwrap_or(""), parts.next()) } else { (first, parts.next()) };
    if rest.is_some() { project } else { "" }
}

/// A bit for each letter, digit and sign in `text`, without case. A row that lacks a bit of the query cannot match it.
pub fn mask(text: &str) -> u64 {
    text.bytes().fold(0, |mask, byte| mask | bit(byte))
}

/// The bit in a mask that says that the text has capital letters, which a search must fold.
pub const CAPITALS: u64 = 1 << 42;

/// The bit in a mask for a byte.
pub fn bit(byte: u8) -> u64 {
    match byte {
        b'a'..=b'z' => 1 << (byte - b'a'),
        b'A'..=b'Z' => 1 << (byte - b'A') | CAPITALS,
        b'0'..=b'9' => 1 << (26 + byte - b'0'),
        b'-' => 1 << 36,
        b'.' => 1 << 37,
        b'_' => 1 << 38,
        b'/' => 1 << 39,
        b':' => 1 << 40,
        b' ' | 0x1f => 0,
        _ => 1 << 41,
    }
}

impl RowSet {
    /// Packs rows, sorted by name.
    pub fn build(mut rows: Vec<Row>) -> Self {
        rows.sort_by(|a, b| a.name.cmp(&b.name));
        // Of several rows with one name the last one counts, because a source may send names first and tags later. A name
        // alone is of any kind: what it is may be known by its tag.
        let is_name_alone = |row: &Row| row.tags.is_empty() && row.size.is_none() && row.kind == ImageKind::Container;
        rows.dedup_by(|later, kept| {
            if later.name != kept.name {
                return false;
            }
            let same = later.kind == kept.kind;
            if same || is_name_alone(kept) {
                std::mem::swap(later, kept);
                return true;
            }
            is_name_alone(later)
        });
        rows.truncate(MOST_ROWS);
        let mut set = Self { text: String::with_capacity(rows.len() * 48), records: Vec::with_capacity(rows.len()) };
        for row in &rows {
            set.push(row);
        }
        set.text.shrink_to_fit();
        set
    }

    fn push(&mut self, row: &Row) {
        fn joined<'a>(items: impl Iterator<Item = &'a str>) -> String {
            items.map(|item| clean::line(item).into_owned()).collect::<Vec<_>>().join(" ")
        }
        self.push_view(&RowView {
            name: &clean::line(&row.name),
            tags: &joined(row.tags.iter().map(String::as_str)),
            digest: row.digest.as_ref().map_or("", Digest::as_str),
            labels: &joined(row.labels.iter().map(String::as_str)),
            platforms: &joined(row.platforms.iter().map(String::as_str)),
            note: &clean::line(&row.note),
            tag_count: row.tags.len(),
            kind: row.kind,
            publisher: row.publisher,
            size: row.size,
            updated: row.updated,
        });
    }

    /// Adds a row whose text is clean already.
    fn push_view(&mut self, row: &RowView<'_>) {
        let start = self.text.len();
        let Ok(offset) = u32::try_from(start) else { return };
        self.text.push_str(row.name);
        for field in [row.tags, row.digest, row.labels, row.platforms, row.note] {
            self.text.push(FIELD);
            self.text.push_str(field);
        }
        let (name, rest) = self.text[start..].split_at(row.name.len());
        self.records.push(Record {
            start: offset,
            name_len: row.name.len() as u32,
            tags: row.tag_count as u32,
            kind: row.kind as u8,
            publisher: row.publisher as u8,
            size: row.size.unwrap_or(u64::MAX),
            updated: row.updated.unwrap_or(i64::MIN),
            name_mask: mask(name),
            rest_mask: mask(rest),
        });
    }

    /// The rows with details from `learnt` added by name; `None` if it has nothing new.
    pub fn enriched(&self, learnt: &DetailsByName) -> Option<Self> {
        let mut set = Self { text: String::with_capacity(self.text.len()), records: Vec::with_capacity(self.len()) };
        let mut news = false;
        for row in (0..self.len()).filter_map(|at| self.get(at)) {
            let known = learnt.get(row.name).filter(|version| row.favourite_tag() == Some(version.tag.as_str()));
            let platforms =
                known.map(|known| known.platforms.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
            let (kind, note) = known.map_or((row.kind, row.note), |known| known.kind_and_note(row.kind, row.note));
            let told = RowView {
                size: known.and_then(|known| known.size).or(row.size),
                updated: known.and_then(|known| known.created).or(row.updated),
                platforms: platforms.as_deref().unwrap_or(row.platforms),
                kind,
                note,
                ..row
            };
            news |= (told.size, told.updated, told.platforms, told.kind)
                != (row.size, row.updated, row.platforms, row.kind);
            set.push_view(&told);
        }
        news.then_some(set)
    }

    /// The first `count` rows, as a set of their own.
    #[must_use]
    pub fn head(&self, count: usize) -> Self {
        let end = self.records.get(count).map_or(self.text.len(), |next| next.start as usize);
        Self {
            text: self.text.get(..end).unwrap_or("").to_owned(),
            records: self.records.iter().take(count).copied().collect(),
        }
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The bytes of memory that the set takes.
    pub fn bytes(&self) -> usize {
        self.text.capacity() + self.records.capacity() * size_of::<Record>()
    }

    /// The masks of a row's name, and of all other fields.
    pub fn masks(&self, row: usize) -> (u64, u64) {
        self.records.get(row).map_or((0, 0), |record| (record.name_mask, record.rest_mask))
    }

    /// The name of a row, the only field that scans read.
    pub fn name(&self, row: usize) -> &str {
        self.records
            .get(row)
            .and_then(|record| self.text.get(record.start as usize..(record.start + record.name_len) as usize))
            .unwrap_or("")
    }

    /// The whole text of a row, with its fields separated by `U+001F`.
    pub fn whole(&self, row: usize) -> &str {
        let Some(record) = self.records.get(row) else { return "" };
        let end = self.records.get(row + 1).map_or(self.text.len(), |next| next.start as usize);
        self.text.get(record.start as usize..end).unwrap_or("")
    }

    /// The kind of a row, without reading its text.
    pub fn kind(&self, row: usize) -> ImageKind {
        self.records.get(row).map_or(ImageKind::Container, |record| kind_of(record.kind))
    }

    /// The digest of a row as text, without reading its other fields; empty if the list does not tell it.
    pub fn digest(&self, row: usize) -> &str {
        self.whole(row).split(FIELD).nth(2).unwrap_or("")
    }

    /// The publisher that the list names for a row, without reading its text.
    pub fn publisher(&self, row: usize) -> Publisher {
        let named = self.records.get(row).and_then(|record| Publisher::ALL.get(record.publisher as usize));
        named.copied().unwrap_or_default()
    }

    /// A row, split into its fields.
    pub fn get(&self, row: usize) -> Option<RowView<'_>> {
        let record = self.records.get(row)?;
        let mut fields = self.whole(row).split(FIELD);
        let mut next = || fields.next().unwrap_or("");
        Some(RowView {
            name: next(),
            tags: next(),
            digest: next(),
            labels: next(),
            platforms: next(),
            note: next(),
            tag_count: record.tags as usize,
            kind: kind_of(record.kind),
            publisher: self.publisher(row),
            size: (record.size != u64::MAX).then_some(record.size),
            updated: (record.updated != i64::MIN).then_some(record.updated),
        })
    }

    /// The position of the row with this name.
    pub fn find(&self, name: &str) -> Option<usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.name(middle).cmp(name) {
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// The set as it is written to disk.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(8 + self.records.len() * RECORD + self.text.len());
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&(self.records.len() as u32).to_le_bytes());
        for record in &self.records {
            out.extend_from_slice(&record.start.to_le_bytes());
            out.extend_from_slice(&record.name_len.to_le_bytes());
            out.extend_from_slice(&record.tags.to_le_bytes());
            out.extend_from_slice(&[record.kind, record.publisher, 0, 0]);
            out.extend_from_slice(&record.size.to_le_bytes());
            out.extend_from_slice(&record.updated.to_le_bytes());
            out.extend_from_slice(&record.name_mask.to_le_bytes());
            out.extend_from_slice(&record.rest_mask.to_le_bytes());
        }
        out.extend_from_slice(self.text.as_bytes());
        out
    }

    /// Reads what [`Self::to_bytes`] has written; fails for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let broken = || Error::failed("read the cached list", "it is damaged").hint("it will be fetched again");
        let (magic, rest) = bytes.split_at_checked(4).ok_or_else(broken)?;
        let (count, rest) = rest.split_first_chunk::<4>().ok_or_else(broken)?;
        let count = u32::from_le_bytes(*count) as usize;
        if magic != MAGIC || count > MOST_ROWS {
            return Err(broken());
        }
        let (table, text) = rest.split_at_checked(count * RECORD).ok_or_else(broken)?;
        let text = std::str::from_utf8(text).map_err(|_| broken())?;
        let records: Vec<Record> = table.as_chunks::<RECORD>().0.iter().map(read_record).collect();
        let mut end = 0;
        for record in &records {
            let (start, stop) = (record.start as usize, record.start as usize + record.name_len as usize);
            if start < end || !text.is_char_boundary(start) || !text.is_char_boundary(stop) {
                return Err(broken());
            }
            end = stop;
        }
        Ok(Self { text: text.to_owned(), records })
    }
}

fn read_record(raw: &[u8; RECORD]) -> Record {
    let word =
        |at: usize| raw.get(at..).and_then(|tail| tail.first_chunk::<4>()).map_or(0, |four| u32::from_le_bytes(*four));
    let long = |at: usize| {
        raw.get(at..).and_then(|tail| tail.first_chunk::<8>()).map_or(0, |eight| u64::from_le_bytes(*eight))
    };
    Record {
        start: word(0),
        name_len: word(4),
        tags: word(8),
        kind: raw[12],
        publisher: raw[13],
        size: long(16),
        updated: long(24).cast_signed(),
        name_mask: long(32),
        rest_mask: long(40),
    }
}

fn kind_of(byte: u8) -> ImageKind {
    ImageKind::ALL.get(byte as usize).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> RowSet {
        let row = |name: &str, tags: &[&str]| Row {
            name: name.into(),
            tags: tags.iter().map(ToString::to_string).collect(),
            size: Some(7),
            ..Row::default()
        };
        RowSet::build(vec![
            row("physics/gromacs", &["2024.1", "latest"]),
            row("biology/samtools", &["1.19"]),
            row("busybox", &[]),
        ])
    }

    #[test]
    fn rows_are_sorted_and_read_back() {
        let set = sample();
        assert_eq!(
            (0..3).map(|row| set.name(row)).collect::<Vec<_>>(),
            ["biology/samtools", "busybox", "physics/gromacs"]
        );
        let row = set.get(2).unwrap();
        assert_eq!(
            (row.project(), row.tags, row.tag_count, row.size, row.updated),
            ("physics", "2024.1 latest", 2, Some(7), None)
        );
        assert_eq!(row.favourite_tag(), Some("latest"));
        assert_eq!(set.find("busybox"), Some(1));
    }

    #[test]
    fn what_is_written_reads_back_and_damage_is_an_error() {
        let set = sample();
        let bytes = set.to_bytes();
        assert_eq!(RowSet::from_bytes(&bytes).unwrap().whole(2), set.whole(2));
        let head = RowSet::from_bytes(&set.head(2).to_bytes()).unwrap();
        assert_eq!((head.len(), head.whole(1)), (2, set.whole(1)));
        assert!(RowSet::from_bytes(&bytes[..20]).is_err());
        assert!(RowSet::from_bytes(b"WRW2\xff\xff\xff\xff").is_err());
    }

    #[test]
    fn what_was_learnt_of_a_row_is_put_into_the_list() {
        let version = |tag: &str| crate::image::model::Version {
            tag: tag.into(),
            digest: None,
            created: Some(9),
            size: Some(8),
            platforms: vec!["linux/arm64".parse().unwrap()],
            kind: ImageKind::Container,
            artifact: None,
        };
        let set = sample();
        let learnt = DetailsByName::from([("physics/gromacs".to_owned(), version("latest"))]);
        let richer = set.enriched(&learnt).unwrap();
        let row = richer.get(2).unwrap();
        assert_eq!(
            (row.size, row.updated, row.platforms, row.tags),
            (Some(8), Some(9), "linux/arm64", "2024.1 latest")
        );
        assert_eq!(richer.whole(0), set.whole(0), "the others stay");
        assert!(richer.enriched(&learnt).is_none(), "it is known already");
        assert!(set.enriched(&DetailsByName::from([("physics/gromacs".to_owned(), version("2024.1"))])).is_none());
    }

    #[test]
    fn hostile_names_are_cleaned_on_the_way_in() {
        let set = RowSet::build(vec![Row { name: "a\u{1f}b\u{1b}]0;x".into(), ..Row::default() }]);
        assert_eq!(set.name(0), "a\u{fffd}b\u{fffd}]0;x");
    }

    #[test]
    fn projects_skip_a_registry_host() {
        for (name, project) in
            [("a/b", "a"), ("a", ""), ("h:5000/p/x", "p"), ("h:5000/x", ""), ("docker.io/library/x", "library")]
        {
            assert_eq!(project_of(name), project);
        }
    }

    proptest::proptest! {
        #[test]
        fn damaged_bytes_never_panic(mut at in 0usize..200, byte in 0u8..) {
            let mut bytes = sample().to_bytes();
            at %= bytes.len();
            bytes[at] = byte;
            if let Ok(set) = RowSet::from_bytes(&bytes) {
                for row in 0..set.len() { let _ = set.get(row); }
            }
        }
    }
}
