//! Disks of machines in registries: as a file in the file system of a container image (KubeVirt's containerDisk: one file
//! below `/disk`), or as the layer itself, plain or compressed (an OCI artifact, as `oras` pushes files). Unikraft's kernels are
//! in images too, always at the same place (`imagespec`, "WellKnownKernelPath").
//!
//! Media types say little: there are many, and some are wrong. What a layer is, its first bytes say.

use std::{
    fs::File,
    io::{self, BufReader, Cursor, Read, Seek, SeekFrom, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use super::{
    disk_header::{self, Facts},
    layer::{Budget, Decompressed, EntryKind, Layer},
};

/// How many bytes of a layer are read to recognise it.
pub const HEAD: usize = 64 << 10;
/// Where images of Unikraft have their kernel.
const UNIKRAFT: &[u8] = b"unikraft/bin/kernel";
/// The most entries before the disk.
const ENTRIES: usize = 8;
/// The largest disk that is unpacked, in bytes, empty parts included.
const LARGEST: u64 = 1 << 40;
/// What is copied at once. A block of zeros becomes a hole.
const BLOCK: usize = 64 << 10;

/// A disk that a layer holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inside {
    /// What its header says. Its size is 0 where it is not known before it is unpacked.
    pub facts: Facts,
    /// Whether it is a file in the file system of an image.
    pub in_image: bool,
}

/// The disk in a layer of `size` bytes that begins with `head`; `None` if there is none.
pub fn recognise(head: &[u8], size: u64) -> Option<Inside> {
    let head = head.get(..head.len().min(HEAD))?;
    let plain = first(&mut Decompressed::new(Cursor::new(head), &Budget::default()).ok()?);
    let compressed = !head.starts_with(&plain[..plain.len().min(16)]);
    if is_disk(&plain) {
        let facts = disk_header::read(&plain, if compressed { 0 } else { size });
        return Some(Inside { facts: sized(facts, compressed), in_image: false });
    }
    let mut budget = Budget::default();
    let mut layer = Layer::new(Cursor::new(head), &budget).ok()?;
    let size = disk_entry(&mut layer, &mut budget).ok()??;
    let facts = disk_header::read(&first(&mut layer), size);
    Some(Inside { facts, in_image: true })
}

/// Without the size of a raw disk that is not known: its file is compressed.
fn sized(facts: Facts, compressed: bool) -> Facts {
    let unknown = compressed && facts.format == "raw";
    Facts { virtual_size: facts.virtual_size.filter(|_| !unknown), ..facts }
}

/// Goes to the disk in the file system of an image; gives its size.
fn disk_entry(layer: &mut Layer<'_>, budget: &mut Budget) -> io::Result<Option<u64>> {
    for _ in 0..ENTRIES {
        let Some(item) = layer.next(budget)? else { return Ok(None) };
        let name = item.name.strip_prefix(b"./").or(item.name.strip_prefix(b"/")).unwrap_or(&item.name);
        let below = name.strip_prefix(b"disk/").filter(|rest| !rest.is_empty() && !rest.contains(&b'/'));
        if item.what == EntryKind::File && (below.is_some() || name == UNIKRAFT) {
            return Ok(Some(layer.data().1));
        }
    }
    Ok(None)
}

/// The first bytes of a stream. What breaks off is as long as it is.
fn first(from: &mut impl Read) -> Vec<u8> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    while bytes.len() < HEAD {
        match from.read(&mut buffer) {
            Ok(count @ 1..) => bytes.extend_from_slice(&buffer[..count]),
            _ => break,
        }
    }
    bytes
}

/// Whether bytes begin like a disk: by a signature, or a sector to boot from.
fn is_disk(head: &[u8]) -> bool {
    disk_header::read(head, head.len() as u64).is_machine()
}

/// Writes the disk in a layer into a file, with holes where it is empty.
///
/// # Errors
/// `InvalidData` where the layer has no disk, or unpacks to far more than its size; else what the file system says.
pub fn unpack(layer: &File, to: &File, stop: &AtomicBool) -> io::Result<()> {
    let whole = layer.metadata()?.len();
    let head = first(&mut layer.try_clone()?);
    let inside =
        recognise(&head, whole).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "there is no disk in it"))?;
    let mut from = layer.try_clone()?;
    from.seek(SeekFrom::Start(0))?;
    let mut budget = Budget::default();
    if !inside.in_image {
        return copy(&mut Decompressed::new(from, &budget)?, to, stop);
    }
    let mut archive = Layer::new(BufReader::new(from), &budget)?;
    let gone = || io::Error::new(io::ErrorKind::InvalidData, "its disk is not where it was");
    let size = disk_entry(&mut archive, &mut budget)?.ok_or_else(gone)?;
    copy(&mut archive.take(size), to, stop)
}

/// Copies a disk; blocks of zeros are not written. Ends where `stop` is set, and beyond [`LARGEST`].
fn copy(from: &mut impl Read, mut to: &File, stop: &AtomicBool) -> io::Result<()> {
    let (mut block, mut length) = (vec![0; BLOCK], 0u64);
    loop {
        let mut filled = 0;
        while filled < BLOCK {
            match from.read(&mut block[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        if filled == 0 {
            return to.set_len(length);
        }
        if stop.load(Ordering::Relaxed) {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "it was stopped"));
        }
        if length > LARGEST {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "it is larger than any disk that is unpacked (1 TiB)",
            ));
        }
        if block[..filled].iter().any(|byte| *byte != 0) {
            to.seek(SeekFrom::Start(length))?;
            to.write_all(&block[..filled])?;
        }
        length += filled as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    /// A disk with a boot sector, an end, and nothing in between.
    fn raw(size: usize) -> Vec<u8> {
        let mut disk = vec![0; size];
        disk[510..512].copy_from_slice(&[0x55, 0xaa]);
        disk[size - 1] = 7;
        disk
    }

    fn qcow2() -> Vec<u8> {
        let mut disk = vec![0; 4096];
        disk[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
        disk[20..24].copy_from_slice(&16u32.to_be_bytes());
        disk[24..32].copy_from_slice(&(1u64 << 30).to_be_bytes());
        disk
    }

    fn archive(names: &[&str], disk: &[u8]) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for name in names {
            let mut header = tar::Header::new_gnu();
            let is_folder = name.ends_with('/');
            header.set_entry_type(if is_folder { tar::EntryType::Directory } else { tar::EntryType::Regular });
            header.set_size(if is_folder { 0 } else { disk.len() as u64 });
            header.set_mode(0o440);
            header.set_path(name).unwrap();
            header.set_cksum();
            archive.append(&header, if is_folder { &[][..] } else { disk }).unwrap();
        }
        archive.into_inner().unwrap()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
    }

    #[test]
    fn a_disk_is_recognised_and_unpacked_in_every_form() {
        let (raw, qcow2) = (raw(1 << 20), qcow2());
        for (name, layer, disk, in_image) in [
            ("raw", raw.clone(), &raw, false),
            ("qcow2", qcow2.clone(), &qcow2, false),
            ("raw, gzip", gzip(&raw), &raw, false),
            ("qcow2, zstd", zstd(&qcow2), &qcow2, false),
            ("containerDisk", archive(&["disk/", "disk/disk.img"], &raw), &raw, true),
            ("containerDisk, gzip", gzip(&archive(&["disk/a.qcow2"], &qcow2)), &qcow2, true),
            ("containerDisk, zstd", zstd(&archive(&["./disk/a.qcow2"], &qcow2)), &qcow2, true),
        ] {
            let head = &layer[..layer.len().min(HEAD)];
            let found = recognise(head, layer.len() as u64).unwrap_or_else(|| panic!("{name} is not recognised"));
            assert_eq!(found.in_image, in_image, "{name}");
            assert_eq!(found.facts.format, if disk == &qcow2 { "qcow2" } else { "raw" }, "{name}");
            let folder = tempfile::tempdir().unwrap();
            let (from, to) = (folder.path().join("layer"), folder.path().join("disk"));
            std::fs::write(&from, &layer).unwrap();
            unpack(&File::open(from).unwrap(), &File::create(&to).unwrap(), &AtomicBool::default()).unwrap();
            assert!(std::fs::read(&to).unwrap() == *disk, "{name}: the same bytes");
        }
    }

    #[test]
    fn empty_parts_of_a_disk_take_no_room() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("layer"), folder.path().join("disk"));
        std::fs::write(&from, raw(8 << 20)).unwrap();
        unpack(&File::open(from).unwrap(), &File::create(&to).unwrap(), &AtomicBool::default()).unwrap();
        let meta = std::fs::metadata(to).unwrap();
        assert!(meta.len() == 8 << 20 && meta.blocks() * 512 < 1 << 20, "{} blocks", meta.blocks());
    }

    #[test]
    fn what_is_no_disk_is_none() {
        let raw = raw(4096);
        for (name, layer) in [
            ("a program", archive(&["bin/sh"], &raw)),
            ("another folder", archive(&["disk/sub/a.img"], &raw)),
            ("too late", archive(&["1", "2", "3", "4", "5", "6", "7", "8", "disk/a.img"], b"x")),
            ("text", b"hello".to_vec()),
            ("nothing", Vec::new()),
            ("broken gzip", vec![0x1f, 0x8b, 8, 0, 1, 2, 3]),
        ] {
            assert_eq!(recognise(&layer, layer.len() as u64), None, "{name}");
        }
    }

    #[test]
    fn a_disk_that_names_other_files_is_known_before_it_is_fetched() {
        let mut disk = qcow2();
        disk[8..16].copy_from_slice(&1024u64.to_be_bytes());
        disk[16..20].copy_from_slice(&11u32.to_be_bytes());
        disk[1024..1035].copy_from_slice(b"/etc/passwd");
        assert!(recognise(&archive(&["disk/a.qcow2"], &disk), 8192).unwrap().facts.refers);
    }
}
