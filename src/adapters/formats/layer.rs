//! Reading tar archives from outside (layers, plain or compressed, and saved images) without trusting anything in them.
//!
//! The `tar` crate reads long names, PAX records and maps of sparse files completely, however long they claim to be;
//! here it is used for the fields of headers only. Headers are read as Go's `archive/tar` does it, which other engines
//! use: so a layer means the same files everywhere.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Error, ErrorKind, Read, Seek},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use ruzstd::decoding::{
    BlockDecodingStrategy, FrameDecoder,
    errors::{FrameDecoderError, ReadFrameHeaderError},
};
use tar::{EntryType, GnuExtSparseHeader, GnuSparseHeader, Header};

use wharf_core::base::digest::{Digest, Hasher};

const BLOCK: usize = 512;
/// Most entries that an image may have.
const MOST_ENTRIES: u64 = 2_000_000;
/// Most bytes that all names and link targets of an image may take.
const MOST_NAMES: u64 = 256 << 20;
/// Most bytes that an image may unpack to, holes included.
const MOST_BYTES: u64 = 200 << 30;
/// Longest PAX record in bytes; extended attributes are in them, too.
const LONGEST_RECORD: u64 = 1 << 20;
/// Longest path or link target in bytes; programs cannot use longer ones (PATH_MAX).
pub const LONGEST_NAME: u64 = 4096;
/// Most parts that a sparse file may have.
const MOST_PARTS: usize = 1 << 16;
/// Bytes that an image may unpack to besides [`EXPANSION`] times the bytes read: small images may be mostly zeros.
const FREE_BYTES: u64 = 1 << 30;
/// How many times larger than its compressed bytes an image may be. Usual programs and libraries reach 2 to 10.
const EXPANSION: u64 = 100;

/// The error that an image exceeds a limit which usual images stay far below; with the reason.
#[derive(Debug)]
pub struct TooMuch(&'static str);

impl std::fmt::Display for TooMuch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for TooMuch {}

pub fn too_much(what: &'static str) -> Error {
    Error::new(ErrorKind::InvalidData, TooMuch(what))
}

fn wrong(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

/// What is left of the limits of one image, over all of its layers.
#[derive(Debug)]
pub struct Budget {
    entries: u64,
    names: u64,
    bytes: u64,
    free: u64,
    read: Arc<AtomicU64>,
    unpacked: Arc<AtomicU64>,
    /// Set from another thread to end the reading.
    pub stop: Arc<AtomicBool>,
}

impl Default for Budget {
    fn default() -> Self {
        let (read, unpacked, stop) = Default::default();
        Self { entries: 0, names: 0, bytes: 0, free: FREE_BYTES, read, unpacked, stop }
    }
}

impl Budget {
    fn entry(&mut self) -> io::Result<()> {
        self.entries += 1;
        if self.entries > MOST_ENTRIES {
            return Err(too_much("it has more entries than Wharf accepts"));
        }
        if self.stop.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Interrupted, "it was stopped"));
        }
        Ok(())
    }

    fn name(&mut self, name: &[u8]) -> io::Result<()> {
        self.names += name.len() as u64;
        if name.len() as u64 > LONGEST_NAME {
            return Err(too_much("a name in it is longer than any system takes"));
        }
        if self.names > MOST_NAMES {
            return Err(too_much("its names are longer than Wharf accepts"));
        }
        if name.contains(&0) { Err(wrong("a name in it has a zero byte")) } else { Ok(()) }
    }

    fn bytes(&mut self, bytes: u64) -> io::Result<()> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > MOST_BYTES { Err(too_much("it unpacks to more than Wharf accepts")) } else { Ok(()) }
    }
}

/// Counts the compressed bytes that are read.
struct Compressed<R>(R, Arc<AtomicU64>);

impl<R: Read> Read for Compressed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(buffer)?;
        self.1.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Ends the reading when the output is too large for the input.
struct Measured<R> {
    inner: R,
    free: u64,
    read: Arc<AtomicU64>,
    unpacked: Arc<AtomicU64>,
}

impl<R: Read> Read for Measured<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let unpacked = self.unpacked.fetch_add(count as u64, Ordering::Relaxed) + count as u64;
        let allowed = self.read.load(Ordering::Relaxed).saturating_mul(EXPANSION).saturating_add(self.free);
        if unpacked > allowed {
            return Err(too_much("it unpacks to far more than its size: it is made to fill disks"));
        }
        Ok(count)
    }
}

/// All frames of a zstd stream one after the other, without skippable frames. `ruzstd` reads a single frame.
struct Frames<R> {
    source: R,
    decoder: FrameDecoder,
    inside: bool,
}

impl<R: BufRead> Frames<R> {
    /// Begins the next frame; `false` if there is none.
    fn begin(&mut self) -> io::Result<bool> {
        loop {
            if self.source.fill_buf()?.is_empty() {
                return Ok(false);
            }
            match self.decoder.reset(&mut self.source) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    let length = u64::from(length);
                    if io::copy(&mut (&mut self.source).take(length), &mut io::sink())? < length {
                        return Err(ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(Error::other(error)),
            }
        }
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.inside && (buffer.is_empty() || !self.begin()?) {
                return Ok(0);
            }
            self.inside = true;
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                self.decoder
                    .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(Error::other)?;
            }
            let count = self.decoder.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            self.inside = false;
        }
    }
}

/// Decompressed bytes of a plain, gzip or zstd stream, up to the limits of the budget.
pub struct Decompressed<'a>(Measured<Box<dyn Read + 'a>>);

impl<'a> Decompressed<'a> {
    /// Detects the compression by the first bytes.
    pub fn new(bytes: impl Read + 'a, budget: &Budget) -> io::Result<Self> {
        let mut source = BufReader::with_capacity(256 << 10, Compressed(bytes, budget.read.clone()));
        let first = source.fill_buf()?;
        let inner: Box<dyn Read + 'a> = if first.starts_with(&[0x1f, 0x8b]) {
            Box::new(flate2::bufread::MultiGzDecoder::new(source))
        } else if matches!(first, [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]) {
            Box::new(Frames { source, decoder: FrameDecoder::new(), inside: false })
        } else {
            Box::new(source)
        };
        let (read, unpacked) = (budget.read.clone(), budget.unpacked.clone());
        Ok(Self(Measured { inner, free: budget.free, read, unpacked }))
    }
}

impl Read for Decompressed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

/// The parts of a sparse file that hold data: offset and length in bytes.
pub type Parts = Vec<(u64, u64)>;

/// The kind of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file; its data follows in the layer.
    File,
    /// A sparse file: its parts in order, and its length in bytes. The data that follows is that of the parts only.
    Sparse(Parts, u64),
    /// A folder, which has no data.
    Folder,
    /// A symbolic link; its target may be any text.
    Link,
    /// A hard link: another name of a file in the archive.
    HardLink,
    /// A named pipe (FIFO), which has no data.
    Pipe,
    /// A device, or an unknown kind.
    Other,
}

/// An entry of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The path, byte for byte.
    pub name: Vec<u8>,
    /// The target of a link, byte for byte; empty for other kinds.
    pub target: Vec<u8>,
    /// The kind of the entry.
    pub what: EntryKind,
    /// The permission bits, including setuid, setgid and sticky.
    pub mode: u32,
    /// When the content was changed: seconds since 1970, and nanoseconds.
    pub modified: (i64, u32),
}

/// What PAX records say about the entry that follows them.
#[derive(Default)]
struct PaxRecords {
    path: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    size: Option<u64>,
    modified: Option<(i64, u32)>,
    holes: SparseMap,
}

/// What PAX records say about a sparse file (GNU tar, "Storing Sparse Files": formats 0.0, 0.1 and 1.0).
#[derive(Default)]
struct SparseMap {
    version: (Option<Vec<u8>>, Option<Vec<u8>>),
    name: Option<Vec<u8>>,
    length: Option<u64>,
    /// Offsets and lengths of the parts in turn (formats 0.0 and 0.1).
    map: Vec<u64>,
}

impl SparseMap {
    /// Whether the map comes before the data (format 1.0); `None` if the file is not sparse.
    fn in_data(&self) -> Option<bool> {
        let part = |text: &Option<Vec<u8>>| text.clone().unwrap_or_default();
        match (part(&self.version.0).as_slice(), part(&self.version.1).as_slice()) {
            (b"1", b"0") => Some(true),
            (b"0", b"0" | b"1") => Some(false),
            (b"", b"") if !self.map.is_empty() => Some(false),
            _ => None,
        }
    }
}

/// A source of an archive's bytes.
trait Source: Read {
    /// Skips so many bytes.
    fn skip(&mut self, count: u64) -> io::Result<()>;
}

/// A stream, whose bytes are read to skip them.
struct Stream<R>(R);

impl<R: Read> Read for Stream<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R: Read> Source for Stream<R> {
    fn skip(&mut self, count: u64) -> io::Result<()> {
        if io::copy(&mut (&mut self.0).take(count), &mut io::sink())? < count {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

/// A file, in which bytes can be skipped without reading them.
struct InFile(BufReader<File>, u64);

impl Read for InFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Source for InFile {
    fn skip(&mut self, count: u64) -> io::Result<()> {
        let at = self.0.stream_position()?;
        if at.checked_add(count).is_none_or(|to| to > self.1) {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.0.seek_relative(i64::try_from(count).map_err(|_| wrong("a size in it is wrong"))?)
    }
}

/// A layer that is read from beginning to end. Reading from it gives the data of the current entry.
pub struct Layer<'a> {
    reader: Box<dyn Source + 'a>,
    position: u64,
    /// The bytes that are left of the current entry's data, and those that fill its last block.
    rest: u64,
    filler: u64,
    expected: Option<(Digest, Arc<Mutex<Hasher>>)>,
}

/// Hashes all bytes that are read.
struct Hashed<R>(R, Arc<Mutex<Hasher>>);

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(buffer)?;
        self.1.lock().unwrap_or_else(std::sync::PoisonError::into_inner).update(&buffer[..count]);
        Ok(count)
    }
}

impl<'a> Layer<'a> {
    /// Begins reading a layer; its compression (none, gzip or zstd, also in several pieces) is detected by the first
    /// bytes.
    pub fn new(layer: impl Read + 'a, budget: &Budget) -> io::Result<Self> {
        Ok(Self::from(Stream(BufReader::with_capacity(64 << 10, Decompressed::new(layer, budget)?))))
    }

    /// Like `new`, with the digest that the uncompressed bytes must have (`diff_ids` in an image's configuration).
    pub fn known(layer: impl Read + 'a, diff_id: &Digest, budget: &Budget) -> io::Result<Self> {
        let hasher = Arc::new(Mutex::new(Hasher::of(diff_id.algorithm())));
        let Self { reader, .. } = Self::new(layer, budget)?;
        let mut known = Self::from(Stream(BufReader::with_capacity(64 << 10, Hashed(reader, hasher.clone()))));
        known.expected = Some((diff_id.clone(), hasher));
        Ok(known)
    }

    /// Reads the rest of the layer, also after the archive's end, and compares the digest with the expected one.
    pub fn finish(mut self) -> io::Result<()> {
        let Some((expected, hasher)) = self.expected.take() else { return Ok(()) };
        io::copy(&mut self.reader, &mut io::sink())?;
        let hasher = std::mem::take(&mut *hasher.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        let found = hasher.finish();
        if found == expected {
            return Ok(());
        }
        Err(Error::new(ErrorKind::InvalidData, TooMuch("it unpacks to other bytes than its image says (diff_ids)")))
    }

    /// Begins reading an uncompressed archive in a file; data that is not needed is skipped.
    pub fn in_file(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self::from(InFile(BufReader::with_capacity(4 << 10, file), length)))
    }

    fn from(reader: impl Source + 'a) -> Self {
        Self { reader: Box::new(reader), position: 0, rest: 0, filler: 0, expected: None }
    }

    /// The position of the current entry's data in the archive, and how many bytes of it are left.
    pub fn data(&self) -> (u64, u64) {
        (self.position, self.rest)
    }

    /// The next entry; what was not read of the one before is skipped. `None` at the end.
    pub fn next(&mut self, budget: &mut Budget) -> io::Result<Option<Item>> {
        let (mut said, mut long_name, mut long_target) = (PaxRecords::default(), None, None);
        loop {
            self.skip_rest()?;
            let Some(block) = self.block()? else { return Ok(None) };
            if block.iter().all(|byte| *byte == 0) {
                return match self.block()? {
                    Some(second) if second.iter().any(|byte| *byte != 0) => Err(wrong("it goes on behind its end")),
                    _ => Ok(None),
                };
            }
            budget.entry()?;
            let header = Header::from_byte_slice(&block);
            let sum: u32 = block[..148].iter().chain(&block[156..]).map(|byte| u32::from(*byte)).sum();
            if header.cksum()? != sum + 8 * u32::from(b' ') {
                return Err(wrong("the checksum of a header is wrong"));
            }
            let kind = header.entry_type();
            let size = header.entry_size()?;
            if kind == EntryType::XGlobalHeader {
                self.begins(size.min(LONGEST_RECORD + 1));
                if size > LONGEST_RECORD {
                    return Err(too_much("a record in it is longer than Wharf accepts"));
                }
            } else if kind == EntryType::XHeader {
                said = records(&self.whole(size, LONGEST_RECORD)?)?;
            } else if kind == EntryType::GNULongName {
                long_name = Some(until_zero(self.whole(size, LONGEST_NAME + 1)?));
            } else if kind == EntryType::GNULongLink {
                long_target = Some(until_zero(self.whole(size, LONGEST_NAME + 1)?));
            } else {
                let size = said.size.unwrap_or(size);
                let name = long_name.or(said.path.take()).unwrap_or_else(|| header.path_bytes().into_owned());
                let target = long_target.or(said.target.take());
                let target = target.or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned));
                return self.item(header, size, name, target.unwrap_or_default(), &said, budget).map(Some);
            }
        }
    }

    fn item(
        &mut self,
        header: &Header,
        size: u64,
        name: Vec<u8>,
        target: Vec<u8>,
        said: &PaxRecords,
        budget: &mut Budget,
    ) -> io::Result<Item> {
        let in_data = said.holes.in_data();
        let name = said.holes.name.clone().filter(|_| in_data.is_some()).unwrap_or(name);
        budget.name(&name)?;
        budget.name(&target)?;
        let kind = header.entry_type();
        let what = match kind {
            // In the oldest archives only a slash at the end of its name marks a folder.
            EntryType::Regular if header.as_bytes()[156] == 0 && name.ends_with(b"/") => EntryKind::Folder,
            EntryType::Regular | EntryType::Continuous if in_data == Some(true) => {
                let (parts, length, map) = self.map_in_data(size, said.holes.length)?;
                budget.bytes(length)?;
                self.begins(size - map);
                let what = EntryKind::Sparse(parts, length);
                return Ok(Item { name, target, what, mode: mode(header), modified: modified(header, said) });
            }
            EntryType::Regular | EntryType::Continuous if in_data.is_some() => {
                let length = said.holes.length.unwrap_or(size);
                EntryKind::Sparse(sparse_parts(&said.holes.map, length, size)?, length)
            }
            EntryType::Regular | EntryType::Continuous => EntryKind::File,
            EntryType::Directory => EntryKind::Folder,
            EntryType::Symlink => EntryKind::Link,
            EntryType::Link => EntryKind::HardLink,
            EntryType::Fifo => EntryKind::Pipe,
            EntryType::GNUSparse => self.sparse(header, size)?,
            _ => EntryKind::Other,
        };
        let data = match kind {
            EntryType::Directory | EntryType::Symlink | EntryType::Link => 0,
            EntryType::Char | EntryType::Block | EntryType::Fifo => 0,
            _ => size,
        };
        budget.bytes(if let EntryKind::Sparse(_, length) = &what { *length } else { data })?;
        self.begins(data);
        Ok(Item { name, target, what, mode: mode(header), modified: modified(header, said) })
    }

    /// Reads the map before a sparse file's data: the parts, the file's length, and the bytes that the map takes.
    ///
    /// The map has decimal numbers, one per line: the number of parts, then offset and length of each.
    fn map_in_data(&mut self, size: u64, length: Option<u64>) -> io::Result<(Parts, u64, u64)> {
        let broken = || wrong("the map of a file with holes is wrong");
        let (mut numbers, mut text, mut read) = (Vec::new(), Vec::new(), 0_u64);
        let mut wanted = None;
        while wanted.is_none_or(|wanted: usize| numbers.len() < wanted) {
            if read >= size || read > (MOST_PARTS as u64) * 44 {
                return Err(broken());
            }
            let mut block = [0; BLOCK];
            self.reader.read_exact(&mut block)?;
            self.position += BLOCK as u64;
            read += BLOCK as u64;
            for byte in block {
                if wanted.is_some_and(|wanted| numbers.len() >= wanted) {
                    break;
                }
                match byte {
                    b'\n' => {
                        let number = std::str::from_utf8(&text).ok().and_then(|text| text.parse::<u64>().ok());
                        let number = number.ok_or_else(broken)?;
                        text.clear();
                        match wanted {
                            None if number > MOST_PARTS as u64 => {
                                return Err(too_much("a file in it has more holes than Wharf accepts"));
                            }
                            None => wanted = Some(number as usize * 2),
                            Some(_) => numbers.push(number),
                        }
                    }
                    b'0'..=b'9' if text.len() < 20 => text.push(byte),
                    _ => return Err(broken()),
                }
            }
        }
        let data = size.checked_sub(read).ok_or_else(broken)?;
        let length = length.ok_or_else(broken)?;
        Ok((sparse_parts(&numbers, length, data)?, length, read))
    }

    /// Reads the map of a sparse file in GNU's old format, which may continue in blocks of its own.
    fn sparse(&mut self, header: &Header, size: u64) -> io::Result<EntryKind> {
        let gnu = header.as_gnu().ok_or_else(|| wrong("a file with holes has no map"))?;
        let length = gnu.real_size()?;
        let (mut parts, mut end, mut data) = (Vec::new(), 0_u64, 0_u64);
        let mut add = |described: &[GnuSparseHeader]| -> io::Result<()> {
            for part in described.iter().filter(|part| !part.is_empty()) {
                let (offset, count) = (part.offset()?, part.length()?);
                if offset < end || offset.checked_add(count).is_none_or(|end| end > length) {
                    return Err(wrong("the map of a file with holes is wrong"));
                }
                if parts.len() >= MOST_PARTS {
                    return Err(too_much("a file in it has more holes than Wharf accepts"));
                }
                (end, data) = (offset + count, data + count);
                parts.push((offset, count));
            }
            Ok(())
        };
        add(&gnu.sparse)?;
        let mut more = gnu.is_extended();
        while more {
            let mut block = GnuExtSparseHeader::new();
            self.reader.read_exact(block.as_mut_bytes())?;
            self.position += BLOCK as u64;
            let before = block.sparse().iter().filter(|part| !part.is_empty()).count();
            if before == 0 {
                // Otherwise empty blocks could follow without end.
                return Err(wrong("the map of a file with holes is wrong"));
            }
            add(block.sparse())?;
            more = block.is_extended();
        }
        if data != size {
            return Err(wrong("a file with holes has other data than its map"));
        }
        Ok(EntryKind::Sparse(parts, length))
    }

    fn begins(&mut self, size: u64) {
        self.rest = size;
        self.filler = size.next_multiple_of(BLOCK as u64) - size;
    }

    /// Skips what is left of the current entry.
    fn skip_rest(&mut self) -> io::Result<()> {
        let left = self.rest + self.filler;
        self.reader.skip(left)?;
        self.position += left;
        (self.rest, self.filler) = (0, 0);
        Ok(())
    }

    /// Reads the next block; `None` at the end of the layer.
    fn block(&mut self) -> io::Result<Option<[u8; BLOCK]>> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.reader.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => filled += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.position += BLOCK as u64;
        Ok(Some(block))
    }

    /// Reads the data of a name or record. Fails without reading if its length is more than `most` bytes.
    fn whole(&mut self, size: u64, most: u64) -> io::Result<Vec<u8>> {
        if size > most {
            return Err(too_much("a name or a record in it is longer than Wharf accepts"));
        }
        self.begins(size);
        let mut data = vec![0; size as usize];
        self.read_exact(&mut data)?;
        Ok(data)
    }
}

impl Read for Layer<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.rest).unwrap_or(usize::MAX));
        if most == 0 {
            return Ok(0);
        }
        let count = self.reader.read(&mut buffer[..most])?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.rest -= count as u64;
        self.position += count as u64;
        Ok(count)
    }
}

fn until_zero(mut name: Vec<u8>) -> Vec<u8> {
    name.truncate(name.iter().position(|byte| *byte == 0).unwrap_or(name.len()));
    name
}

/// The decimal number in a PAX record.
fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn more_parts(map: &mut Vec<u64>, text: &[u8]) -> Option<()> {
    (map.len() < 2 * MOST_PARTS).then(|| number(text).map(|number| map.push(number)))?
}

fn mode(header: &Header) -> u32 {
    header.mode().unwrap_or(0o644)
}

/// When an entry's content was changed: PAX records tell nanoseconds, headers only seconds.
fn modified(header: &Header, said: &PaxRecords) -> (i64, u32) {
    let in_header = || (header.mtime().ok().and_then(|seconds| i64::try_from(seconds).ok()).unwrap_or(0), 0);
    said.modified.unwrap_or_else(in_header)
}

/// The time in a PAX record: decimal seconds since 1970 with or without a fraction, perhaps negative.
fn time(text: &[u8]) -> Option<(i64, u32)> {
    let text = std::str::from_utf8(text).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let nanoseconds: u32 = digits.parse().ok()?;
    // -1.5 is half a second before -1.
    Some(match (whole.starts_with('-'), nanoseconds) {
        (true, 1..) => (seconds.checked_sub(1)?, 1_000_000_000 - nanoseconds),
        _ => (seconds, nanoseconds),
    })
}

/// The parts of a sparse file from offsets and lengths, checked against its length and the amount of data.
fn sparse_parts(numbers: &[u64], length: u64, data: u64) -> io::Result<Parts> {
    let broken = || wrong("the map of a file with holes is wrong");
    let (mut parts, mut end, mut sum) = (Vec::new(), 0_u64, 0_u64);
    for pair in numbers.chunks(2) {
        let [offset, count] = *pair else { return Err(broken()) };
        if offset < end || offset.checked_add(count).is_none_or(|end| end > length) {
            return Err(broken());
        }
        (end, sum) = (offset + count, sum + count);
        parts.push((offset, count));
    }
    if sum != data {
        return Err(wrong("a file with holes has other data than its map"));
    }
    Ok(parts)
}

fn records(mut data: &[u8]) -> io::Result<PaxRecords> {
    let broken = || wrong("a PAX record is broken");
    let mut said = PaxRecords::default();
    while !data.is_empty() {
        let space = data.iter().take(20).position(|byte| *byte == b' ').ok_or_else(broken)?;
        let length = number(&data[..space]).and_then(|length| usize::try_from(length).ok()).ok_or_else(broken)?;
        let (record, after) = data.split_at_checked(length).ok_or_else(broken)?;
        let record = record.get(space + 1..).and_then(|record| record.strip_suffix(b"\n")).ok_or_else(broken)?;
        let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(broken)?;
        let (key, value) = (&record[..equals], record[equals + 1..].to_vec());
        match key {
            b"path" => said.path = (!value.is_empty()).then_some(value),
            b"linkpath" => said.target = (!value.is_empty()).then_some(value),
            b"size" => said.size = Some(number(&value).ok_or_else(broken)?),
            b"mtime" => said.modified = Some(time(&value).ok_or_else(broken)?),
            b"GNU.sparse.major" => said.holes.version.0 = Some(value),
            b"GNU.sparse.minor" => said.holes.version.1 = Some(value),
            b"GNU.sparse.name" => said.holes.name = (!value.is_empty()).then_some(value),
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => said.holes.length = Some(number(&value).ok_or_else(broken)?),
            b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => {
                if (key == b"GNU.sparse.offset") != said.holes.map.len().is_multiple_of(2) {
                    return Err(broken());
                }
                more_parts(&mut said.holes.map, &value).ok_or_else(broken)?;
            }
            b"GNU.sparse.map" => {
                said.holes.map.clear();
                for value in value.split(|byte| *byte == b',').filter(|value| !value.is_empty()) {
                    more_parts(&mut said.holes.map, value).ok_or_else(broken)?;
                }
            }
            _ => {}
        }
        data = after;
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    pub(crate) fn header(kind: u8, name: &[u8], size: u64) -> [u8; BLOCK] {
        let mut header = Header::new_gnu();
        let bytes = header.as_mut_bytes();
        bytes[..name.len()].copy_from_slice(name);
        header.set_mode(0o644);
        header.set_size(size);
        header.as_mut_bytes()[156] = kind;
        header.set_cksum();
        *header.as_bytes()
    }

    fn with_data(kind: u8, name: &[u8], data: &[u8]) -> Vec<u8> {
        let mut all = header(kind, name, data.len() as u64).to_vec();
        all.extend_from_slice(data);
        all.resize(all.len().next_multiple_of(BLOCK), 0);
        all
    }

    fn items(layer: impl Read) -> io::Result<Vec<Item>> {
        let mut budget = Budget::default();
        let mut layer = Layer::new(layer, &budget)?;
        std::iter::from_fn(|| layer.next(&mut budget).transpose()).collect()
    }

    fn is_too_much<T: std::fmt::Debug>(result: &io::Result<T>) -> bool {
        result.as_ref().is_err_and(|error| error.get_ref().and_then(|inner| inner.downcast_ref::<TooMuch>()).is_some())
    }

    #[test]
    fn what_claims_to_be_long_is_refused_before_it_is_read() {
        for kind in [b'L', b'K', b'x', b'g'] {
            // The header claims 8 GiB, and zeros would follow without end.
            let claimed = header(kind, b"././@LongLink", 8 << 30);
            let endless = claimed.chain(io::repeat(b'a'));
            assert!(is_too_much(&items(endless)), "{}", kind as char);
        }
    }

    #[test]
    fn names_are_bytes_and_long_ones_count() {
        let long = vec![b'n'; 200];
        let record = b"15 path=\xff\xfe/y\n24 linkpath=a\nb=c\x01\xf0zzzz\n";
        let layer = [
            with_data(b'L', b"././@LongLink", &[&long[..], b"\0"].concat()),
            with_data(b'0', b"short", b"data"),
            with_data(b'x', b"pax", b"15 path=\xff\xfe/yyy\n20 linkpath=a\nb=c\xf0\xf1\n"),
            with_data(b'2', b"short", b""),
            with_data(b'\0', b"old/", b""),
            with_data(b'0', b"\xe9t\xe9", b""),
            vec![0; 1024],
        ]
        .concat();
        assert!(records(record).is_err(), "lengths that are wrong");
        let items = items(&*layer).unwrap();
        let seen: Vec<_> = items.iter().map(|item| (&*item.name, &*item.target, &item.what)).collect();
        assert_eq!(
            seen,
            [
                (&*long, &b""[..], &EntryKind::File),
                (b"\xff\xfe/yyy", b"a\nb=c\xf0\xf1", &EntryKind::Link),
                (b"old/", b"", &EntryKind::Folder),
                (b"\xe9t\xe9", b"", &EntryKind::File),
            ]
        );
    }

    #[test]
    fn a_map_of_holes_is_bounded_and_ends() {
        let part = |offset: u64, count: u64| format!("{offset:011o}\0{count:011o}\0").into_bytes();
        let sparse = |parts: &[Vec<u8>], more: bool, size: u64, real: u64| {
            let mut header = Header::new_gnu();
            header.as_mut_bytes()[0] = b's';
            header.set_entry_type(EntryType::GNUSparse);
            header.set_mode(0o644);
            header.set_size(size);
            for (at, part) in parts.iter().enumerate() {
                header.as_mut_bytes()[386 + 24 * at..][..24].copy_from_slice(part);
            }
            header.as_mut_bytes()[482] = u8::from(more);
            header.as_mut_bytes()[483..494].copy_from_slice(format!("{real:011o}").as_bytes());
            header.set_cksum();
            header.as_bytes().to_vec()
        };
        let fine = [sparse(&[part(0, 3), part(1000, 2)], false, 5, 5000), b"abcde".to_vec(), vec![0; 507]].concat();
        assert_eq!(items(&*fine).unwrap()[0].what, EntryKind::Sparse(vec![(0, 3), (1000, 2)], 5000));
        for (parts, size, real) in [
            (vec![part(1000, 2), part(0, 3)], 5, 5000),
            (vec![part(0, 3)], 5, 5000),
            (vec![part(4999, 2)], 2, 5000),
            (vec![part(0o77_777_777_777, 0o77_777_777_777)], 1, 1),
        ] {
            assert!(items(&*[sparse(&parts, false, size, real), vec![0; 512]].concat()).is_err());
        }
        // Blocks of a map that never ends, with and without parts.
        let mut block = vec![0; 512];
        for at in 0..21 {
            block[24 * at..][..24].copy_from_slice(&part(0, 0));
        }
        block[504] = 1;
        let begun = sparse(&[part(0, 0)], true, 0, 0);
        let endless = begun.chain(Endless(block, 0));
        assert!(is_too_much(&items(endless)));
        let begun = sparse(&[part(0, 0)], true, 0, 0);
        let mut empty = vec![0; 512];
        empty[504] = 1;
        assert!(items(begun.chain(Endless(empty, 0))).is_err());
    }

    struct Endless(Vec<u8>, usize);
    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            for byte in buffer.iter_mut() {
                *byte = self.0[self.1 % self.0.len()];
                self.1 += 1;
            }
            Ok(buffer.len())
        }
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    }

    #[test]
    fn layers_of_several_frames_or_members_are_read_whole() {
        let (one, two) = (with_data(b'0', b"one", b"1"), [with_data(b'0', b"two", b"2"), vec![0; 1024]].concat());
        let skipped = |bytes: &[u8]| [&[0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3], bytes].concat();
        for layer in [
            [gzip(&one), gzip(&two)].concat(),
            [zstd(&one), zstd(&two)].concat(),
            [skipped(&zstd(&one)), skipped(&zstd(b"")), zstd(&two), skipped(b"")].concat(),
        ] {
            let names: Vec<_> = items(&*layer).unwrap().into_iter().map(|item| item.name).collect();
            assert_eq!(names, [b"one", b"two"]);
        }
        assert!(items(&*[zstd(&one), b"rubbish".to_vec()].concat()).is_err());
        assert!(items(&*[zstd(&one), skipped(b"")[..9].to_vec()].concat()).is_err(), "a skipped frame that is cut");
    }

    #[test]
    fn what_unpacks_to_far_more_than_its_size_is_refused() {
        // Zeros in several gzip members and zstd frames, each of them small.
        let zeros = vec![0; 8 << 20];
        let claimed = header(b'0', b"zeros", 32 << 20);
        for (begin, more) in [(gzip(&claimed), gzip(&zeros)), (zstd(&claimed), zstd(&zeros))] {
            let layer = std::iter::once(begin).chain(std::iter::repeat_n(more, 4)).collect::<Vec<_>>().concat();
            let read = |free: u64| {
                let mut budget = Budget { free, ..Budget::default() };
                let mut layer = Layer::new(&*layer, &budget)?;
                while layer.next(&mut budget)?.is_some() {}
                Ok::<_, Error>(())
            };
            assert!(layer.len() < 300_000 && is_too_much(&read(1 << 20)), "{}", layer.len());
            assert!(read(FREE_BYTES).is_ok());
        }
    }

    #[test]
    fn an_end_is_an_end() {
        let one = with_data(b'0', b"one", b"1");
        assert_eq!(items(&*one).unwrap().len(), 1);
        assert!(items(&one[..700]).is_err() && items(&one[..100]).is_err());
        assert!(items(&*[vec![0; 512], one.clone()].concat()).is_err(), "entries behind the end");
        assert_eq!(items(&*[one.clone(), vec![0; 1024], one].concat()).unwrap().len(), 1);
        assert!(items(&[7; 700][..]).is_err());
        assert!(items(&b""[..]).unwrap().is_empty());
    }
}
