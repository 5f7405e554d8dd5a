//! Reading the header of a disk image, within limits, before anything is done with the file.
//!
//! The header of a qcow2 or vmdk file can name other files (backing file, external data file, extents): an image
//! service that follows them reads files of its host (CVE-2024-32498, CVE-2026-24708). Here they are only reported.
//! Formats: QEMU `docs/interop/qcow2.txt`; VMware Virtual Disk Format 1.1; the SIF specification 1.0.

use std::{collections::BTreeMap, fs::File, io::Read, path::Path, time::UNIX_EPOCH};

use super::kernel;
use wharf_core::{
    base::{
        clean,
        error::{During, Error, Result},
        text,
    },
    image::model::{BootProtocol, DiskFacts, ImageKind},
};

/// How many bytes of a file are read to recognize it.
const HEAD: usize = 64 << 10;
/// Larger virtual disks (64 TiB) are reported as suspicious.
const SANE_SIZE: u64 = 64 << 40;

/// What the header says about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Disk image of a machine, or SIF file.
    pub kind: ImageKind,
    /// The format: `qcow2`, `vmdk`, `raw`, `sif` or [`KERNEL`].
    pub format: String,
    /// The size of the disk that a machine would see, in bytes.
    pub virtual_size: Option<u64>,
    /// The size of the file in bytes.
    pub size: u64,
    /// When the file was changed, in seconds since 1970.
    pub modified: Option<i64>,
    /// More facts, by their labels.
    pub details: BTreeMap<String, String>,
    /// Warnings, like files that the header names.
    pub warnings: Vec<String>,
    /// Whether the header names other files, which must not be followed.
    pub refers: bool,
    /// The processor that it needs, in Go's words; empty if unknown.
    pub architecture: &'static str,
    /// How it is started, where it is a kernel and no disk.
    pub boots: Option<BootProtocol>,
}

impl Facts {
    /// Whether it is a disk or a kernel beyond doubt: any file could be a raw disk, and one with a sector to boot from is.
    pub fn is_machine(&self) -> bool {
        let is_raw = self.format == "raw" && !self.details.contains_key("boot sector");
        self.kind == ImageKind::Vm && self.format != PROGRAM && !is_raw
    }

    /// The same as an image tells it.
    pub fn into_disk(self) -> DiskFacts {
        DiskFacts {
            format: self.format,
            virtual_size: self.virtual_size,
            warnings: self.warnings,
            refers: self.refers,
            architecture: self.architecture.to_owned(),
            boots: self.boots,
            ..DiskFacts::default()
        }
    }
}

/// The format of a program (ELF) that is no kernel: it is no disk either.
pub const PROGRAM: &str = "program";
/// The format of a kernel that a machine starts by itself.
pub const KERNEL: &str = "kernel";

/// Opens a regular file for reading. A pipe or device is refused before it is opened: opening it might wait for ever,
/// or change something.
pub fn open(path: &Path) -> Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let what = format!("read {}", path.display());
    let odd = || {
        Error::usage(&what, "it is neither a file nor a folder but a pipe, a device or the like")
            .hint("name an image file or a layout folder")
    };
    if !std::fs::metadata(path).during(&what)?.is_file() {
        return Err(odd());
    }
    // If a pipe replaces the file meanwhile, opening it does not wait either.
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = File::options().read(true).custom_flags(flags).open(path).during(&what)?;
    if file.metadata().during(&what)?.is_file() { Ok(file) } else { Err(odd()) }
}

/// Reads the beginning of the file and recognizes its format; without a known signature it is `raw`.
pub fn inspect(path: &Path) -> Result<Facts> {
    let what = format!("inspect {}", path.display());
    let file = open(path)?;
    let meta = file.metadata().during(&what)?;
    let mut head = Vec::with_capacity(HEAD);
    (&file).take(HEAD as u64).read_to_end(&mut head).during(&what)?;
    let mut facts = read(&head, meta.len());
    if facts.format == PROGRAM {
        // Large kernels have their notes far behind.
        if let Some(kernel) = kernel::read_notes(&head, &file) {
            boots(kernel, &mut facts);
        }
    }
    facts.modified = meta
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .and_then(|age| i64::try_from(age.as_secs()).ok());
    Ok(facts)
}

/// Recognizes a format from a file's first bytes; `size` is the length of the whole file.
pub fn read(head: &[u8], size: u64) -> Facts {
    let mut facts = Facts {
        kind: ImageKind::Vm,
        format: "raw".into(),
        virtual_size: Some(size),
        size,
        modified: None,
        details: BTreeMap::new(),
        warnings: Vec::new(),
        refers: false,
        architecture: "",
        boots: None,
    };
    if head.starts_with(b"QFI\xfb") {
        qcow2(head, &mut facts);
    } else if head.starts_with(b"KDMV") || head.starts_with(b"COWD") {
        vmdk_sparse(head, &mut facts);
    } else if head.trim_ascii_start().starts_with(b"# Disk DescriptorFile") {
        vmdk_text(head, &mut facts);
    } else if head.get(32..42) == Some(b"SIF_MAGIC\0") {
        sif(head, &mut facts);
    } else if head.starts_with(b"vhdxfile") {
        facts.format = "vhdx".into();
        facts.virtual_size = None;
    } else if let Some(kernel) = kernel::read(head) {
        boots(kernel, &mut facts);
    } else if head.starts_with(kernel::ELF) {
        facts.format = PROGRAM.into();
        facts.virtual_size = None;
    } else if head.get(510..512) == Some(&[0x55, 0xaa]) {
        facts.details.insert(
            "boot sector".into(),
            if head.get(512..520) == Some(b"EFI PART") { "GPT".into() } else { "MBR".into() },
        );
    } else {
        facts.warnings.push("no boot sector and no known signature: it may not be a disk".into());
    }
    if facts.virtual_size.is_some_and(|virtual_size| virtual_size > SANE_SIZE) {
        facts.warnings.push(format!("it claims to be {} large", text::size(facts.virtual_size.unwrap_or(0))));
    }
    facts
}

fn boots(kernel: kernel::Kernel, facts: &mut Facts) {
    facts.format = KERNEL.into();
    facts.virtual_size = None;
    facts.boots = Some(kernel.protocol);
    facts.architecture = kernel.architecture;
    facts.details.insert("boots by".into(), kernel.protocol.words().into());
    facts.details.insert("architecture".into(), kernel.architecture.into());
    facts.details.extend(kernel.version.map(|version| ("version".to_owned(), version)));
}

fn big32(head: &[u8], at: usize) -> Option<u32> {
    head.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

fn big64(head: &[u8], at: usize) -> Option<u64> {
    head.get(at..)?.first_chunk().map(|bytes| u64::from_be_bytes(*bytes))
}

fn little64(head: &[u8], at: usize) -> Option<u64> {
    head.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

fn qcow2(head: &[u8], facts: &mut Facts) {
    facts.format = "qcow2".into();
    facts.virtual_size = big64(head, 24);
    let version = big32(head, 4).unwrap_or(0);
    facts.details.insert("qcow2 version".into(), version.to_string());
    if !(2..=3).contains(&version) {
        facts.warnings.push(format!("qcow2 version {version} is not known"));
    }
    let (offset, length) = (big64(head, 8).unwrap_or(0), big32(head, 16).unwrap_or(0));
    if offset != 0 {
        let name = usize::try_from(offset)
            .ok()
            .and_then(|start| head.get(start..start.checked_add(length.min(1023) as usize)?));
        let name = name
            .map_or_else(|| "outside the header".to_owned(), |name| clean::short(&String::from_utf8_lossy(name), 200));
        facts.refers = true;
        facts.warnings.push(format!("it names a backing file: {name}"));
    }
    if big32(head, 32).is_some_and(|method| method != 0) {
        facts.details.insert("encrypted".into(), "yes".into());
    }
    if version >= 3 {
        let features = big64(head, 72).unwrap_or(0);
        if features & 1 != 0 {
            facts.warnings.push("it was not closed properly (dirty bit)".into());
        }
        if features & 2 != 0 {
            facts.warnings.push("it is marked corrupt".into());
        }
        if features & 4 != 0 {
            facts.refers = true;
            facts.warnings.push("it keeps its data in an external file".into());
        }
    }
}

fn vmdk_sparse(head: &[u8], facts: &mut Facts) {
    facts.format = "vmdk".into();
    facts.virtual_size = little64(head, 12).and_then(|sectors| sectors.checked_mul(512));
    // The embedded description, if the header has one: its offset in sectors of 512 bytes, and its length.
    let start = little64(head, 28).and_then(|sector| usize::try_from(sector.checked_mul(512)?).ok());
    if let Some(description) = start.filter(|start| *start > 0).and_then(|start| head.get(start..)) {
        extents(description, facts);
    }
}

fn vmdk_text(head: &[u8], facts: &mut Facts) {
    facts.format = "vmdk".into();
    facts.virtual_size = None;
    extents(head, facts);
}

/// Lines like `RW 4192256 FLAT "other-file" 0` name the files that hold the data.
fn extents(description: &[u8], facts: &mut Facts) {
    let mut sectors: u64 = 0;
    for line in String::from_utf8_lossy(&description[..description.len().min(20 << 10)]).lines().take(2000) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["RW" | "RDONLY" | "NOACCESS", count, kind, name, ..] = words.as_slice() {
            sectors = sectors.saturating_add(count.parse().unwrap_or(0));
            if !kind.starts_with("SPARSE") || facts.virtual_size.is_none() {
                facts.refers = true;
                facts
                    .warnings
                    .push(format!("its data is in another file: {}", clean::short(name.trim_matches('"'), 120)));
            }
        }
        if let Some(parent) = line.strip_prefix("parentFileNameHint=") {
            facts.refers = true;
            facts.warnings.push(format!("it names a parent disk: {}", clean::short(parent.trim_matches('"'), 120)));
        }
    }
    if facts.virtual_size.is_none() {
        facts.virtual_size = sectors.checked_mul(512).filter(|size| *size > 0);
    }
}

/// The processor by its code in a SIF header (SIF specification 1.0, "Architecture").
pub fn architecture(code: &[u8]) -> &'static str {
    match code.get(..2) {
        Some(b"01") => "386",
        Some(b"02") => "amd64",
        Some(b"03") => "arm",
        Some(b"04") => "arm64",
        Some(b"05") => "ppc64",
        Some(b"06") => "ppc64le",
        Some(b"11") => "s390x",
        Some(b"12") => "riscv64",
        _ => "unknown",
    }
}

/// The global header: launch script (32 bytes), magic (10), version (3), architecture (3), id (16), then times and
/// counts.
fn sif(head: &[u8], facts: &mut Facts) {
    facts.kind = ImageKind::Sif;
    facts.format = "sif".into();
    facts.virtual_size = None;
    let word = |range: std::ops::Range<usize>| {
        head.get(range)
            .map(|bytes| String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned())
            .unwrap_or_default()
    };
    let architecture = architecture(head.get(45..48).unwrap_or_default());
    facts.details.insert("architecture".into(), architecture.into());
    facts.architecture = if architecture == "unknown" { "" } else { architecture };
    facts.details.insert("sif version".into(), clean::short(&word(42..45), 4));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn qcow2_head(backing: Option<&str>, features: u64) -> Vec<u8> {
        let mut head = vec![0; 512];
        head[..4].copy_from_slice(b"QFI\xfb");
        head[4..8].copy_from_slice(&3u32.to_be_bytes());
        head[24..32].copy_from_slice(&(10u64 << 30).to_be_bytes());
        head[72..80].copy_from_slice(&features.to_be_bytes());
        if let Some(backing) = backing {
            head[8..16].copy_from_slice(&200u64.to_be_bytes());
            head[16..20].copy_from_slice(&(backing.len() as u32).to_be_bytes());
            head[200..200 + backing.len()].copy_from_slice(backing.as_bytes());
        }
        head
    }

    #[test]
    fn a_plain_qcow2_has_its_virtual_size_and_no_warning() {
        let facts = read(&qcow2_head(None, 0), 200 << 10);
        assert_eq!((facts.format.as_str(), facts.virtual_size, facts.warnings.len()), ("qcow2", Some(10 << 30), 0));
    }

    #[test]
    fn backing_and_external_data_files_are_named() {
        let facts = read(&qcow2_head(Some("/etc/passwd\u{1b}[2J"), 4), 1);
        assert!(facts.warnings[0].contains("/etc/passwd\u{fffd}"));
        assert!(facts.warnings[1].contains("external file"));
    }

    #[test]
    fn a_vmdk_description_that_points_elsewhere_is_named() {
        let facts = read(b"# Disk DescriptorFile\nversion=1\nRW 2048 FLAT \"/etc/shadow\" 0\n", 60);
        assert_eq!((facts.format.as_str(), facts.virtual_size), ("vmdk", Some(1 << 20)));
        assert!(facts.warnings[0].contains("/etc/shadow"));
    }

    #[test]
    fn a_sif_and_a_raw_disk_are_told_apart() {
        let mut sif = vec![0; 128];
        sif[32..42].copy_from_slice(b"SIF_MAGIC\0");
        sif[45..47].copy_from_slice(b"02");
        let facts = read(&sif, 128);
        assert_eq!((facts.kind, facts.details["architecture"].as_str()), (ImageKind::Sif, "amd64"));
        assert_eq!(read(b"hello", 5).format, "raw");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_inspected_without_a_panic(mut bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..600), magic in 0usize..4) {
            let magics: [&[u8]; 4] = [b"QFI\xfb", b"KDMV", b"# Disk DescriptorFile\n", b""];
            let at = magics[magic].len().min(bytes.len());
            bytes[..at].copy_from_slice(&magics[magic][..at]);
            let _ = read(&bytes, u64::MAX);
        }
    }
}
