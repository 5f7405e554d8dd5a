//! Kernels that a machine starts by themselves, without a disk: that of Linux, and unikernels (a program that is its own
//! kernel). Known by their first bytes.
//!
//! Formats: Linux `Documentation/arch/x86/boot.rst` and `arch/arm64/booting.rst`; Xen `docs/misc/pvh.pandoc`; Multiboot 0.6.96
//! and Multiboot 2; System V ABI, "Object files".

use std::{fs::File, os::unix::fs::FileExt};

use wharf_core::{base::clean, image::model::BootProtocol};

/// How a file of the form ELF begins.
pub const ELF: &[u8] = b"\x7fELF";
/// Where the header of Multiboot ends at the latest for QEMU, and that of Multiboot 2, in bytes.
const MULTIBOOT: usize = (8 << 10) - 48;
const MULTIBOOT_2: usize = 32 << 10;
/// The most segments of an ELF file that are looked at, and the most notes in one.
const SEGMENTS: usize = 64;
const NOTES: usize = 64;
/// The most bytes of notes that are read.
const NOTE_BYTES: usize = 64 << 10;
/// The mark in a header of Multiboot that says that it has addresses of its own.
const ADDRESSES: u64 = 1 << 16;
/// The kind of a segment that holds notes, and of the note that names where a PVH kernel begins.
const SEGMENT_OF_NOTES: u64 = 4;
const PVH_NOTE: u64 = 18;

/// A kernel, as its first bytes tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// How it is started.
    pub protocol: BootProtocol,
    /// The processor in Go's words; empty if unknown.
    pub architecture: &'static str,
    /// What it says about its version, cleaned.
    pub version: Option<String>,
}

/// The kernel that begins with these bytes; `None` if it is none.
pub fn read(head: &[u8]) -> Option<Kernel> {
    linux(head).or_else(|| linux_arm64(head)).or_else(|| elf(head))
}

/// A number of `width` bytes, the lowest first.
fn little(head: &[u8], at: usize, width: usize) -> Option<u64> {
    let bytes = head.get(at..at.checked_add(width)?)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// The same as a place in the file.
fn place(head: &[u8], at: usize, width: usize) -> Option<usize> {
    usize::try_from(little(head, at, width)?).ok()
}

fn linux(head: &[u8]) -> Option<Kernel> {
    (head.get(0x1fe..0x200)? == [0x55, 0xaa] && head.get(0x202..0x206)? == b"HdrS").then_some(())?;
    let has_64_bits = little(head, 0x206, 2)? >= 0x20c && little(head, 0x236, 2)? & 1 == 1;
    let named = place(head, 0x20e, 2).filter(|at| *at > 0).and_then(|at| head.get(at + 0x200..));
    let version = named.and_then(|text| text.get(..text.iter().take(200).position(|byte| *byte == 0)?));
    Some(Kernel {
        protocol: BootProtocol::Linux,
        architecture: if has_64_bits { "amd64" } else { "386" },
        version: version.map(|text| clean::short(&String::from_utf8_lossy(text), 120)),
    })
}

fn linux_arm64(head: &[u8]) -> Option<Kernel> {
    let is_it = head.get(56..60)? == b"ARM\x64";
    is_it.then_some(Kernel { protocol: BootProtocol::Linux, architecture: "arm64", version: None })
}

/// The processor of a program for one that machines here may have.
fn processor(head: &[u8]) -> Option<&'static str> {
    (head.starts_with(ELF) && head.get(5) == Some(&1)).then_some(())?;
    match little(head, 18, 2)? {
        3 => Some("386"),
        62 => Some("amd64"),
        _ => None,
    }
}

fn elf(head: &[u8]) -> Option<Kernel> {
    let architecture = processor(head)?;
    // In the order in which QEMU looks for them.
    let protocol = if let Some(at) = multiboot(head, MULTIBOOT, 4, 0x1bad_b002, 3) {
        let has_addresses = little(head, at + 4, 4).is_some_and(|flags| flags & ADDRESSES != 0);
        if architecture == "amd64" && !has_addresses { BootProtocol::Multiboot64 } else { BootProtocol::Multiboot }
    } else if has_pvh_note(head) {
        BootProtocol::Pvh
    } else if multiboot(head, MULTIBOOT_2, 8, 0xe852_50d6, 4).is_some() {
        BootProtocol::Multiboot2
    } else {
        return None;
    };
    Some(Kernel { protocol, architecture, version: None })
}

/// The kernel in a file that begins with these bytes, and has its notes further behind.
pub fn read_notes(head: &[u8], file: &File) -> Option<Kernel> {
    let architecture = processor(head)?;
    let has_note = |(from, size): (usize, usize)| {
        let mut bytes = vec![0; size.min(NOTE_BYTES)];
        let read = file.read_at(&mut bytes, from as u64).unwrap_or(0);
        is_pvh(bytes.get(..read).unwrap_or_default())
    };
    let found = notes(head)?.into_iter().any(has_note);
    found.then_some(Kernel { protocol: BootProtocol::Pvh, architecture, version: None })
}

/// Whether one of the notes names the place where a PVH kernel begins.
fn has_pvh_note(head: &[u8]) -> bool {
    let within = |(from, size): (usize, usize)| head.get(from..from.saturating_add(size).min(head.len()));
    notes(head).unwrap_or_default().into_iter().filter_map(within).any(is_pvh)
}

/// Whether one of these notes is that of PVH.
fn is_pvh(notes: &[u8]) -> bool {
    let mut at = 0usize;
    for _ in 0..NOTES {
        let Some((name, what, kind)) = note(notes, at) else { return false };
        if kind == PVH_NOTE && notes.get(at + 12..at + 16) == Some(b"Xen\0") {
            return true;
        }
        let padded = |size: usize| size.checked_next_multiple_of(4);
        let next =
            padded(name).zip(padded(what)).and_then(|(name, what)| (at + 12).checked_add(name)?.checked_add(what));
        let Some(next) = next else { return false };
        at = next;
    }
    false
}

/// The lengths of the name and the content of the note at this place, and its kind.
fn note(notes: &[u8], at: usize) -> Option<(usize, usize, u64)> {
    Some((place(notes, at, 4)?, place(notes, at.checked_add(4)?, 4)?, little(notes, at.checked_add(8)?, 4)?))
}

/// Where the notes of an ELF file are: offsets and sizes in bytes.
fn notes(head: &[u8]) -> Option<Vec<(usize, usize)>> {
    let is_wide = head.get(4) == Some(&2);
    let (table, size, count) = if is_wide {
        (place(head, 32, 8)?, place(head, 54, 2)?, place(head, 56, 2)?)
    } else {
        (place(head, 28, 4)?, place(head, 42, 2)?, place(head, 44, 2)?)
    };
    let segment = |number: usize| {
        let at = table.checked_add(number.checked_mul(size)?)?;
        (little(head, at, 4)? == SEGMENT_OF_NOTES).then_some(())?;
        if is_wide {
            Some((place(head, at.checked_add(8)?, 8)?, place(head, at.checked_add(32)?, 8)?))
        } else {
            Some((place(head, at.checked_add(4)?, 4)?, place(head, at.checked_add(16)?, 4)?))
        }
    };
    Some((0..count.min(SEGMENTS)).filter_map(segment).collect())
}

/// Where there is a header of Multiboot: a magic number before `until`, at a multiple of `step`, whose `words` words of 32
/// bits sum up to zero.
fn multiboot(head: &[u8], until: usize, step: usize, magic: u64, words: usize) -> Option<usize> {
    (0..until.min(head.len())).step_by(step).find(|&at| {
        little(head, at, 4) == Some(magic)
            && (0..words)
                .try_fold(0u64, |sum, word| Some(sum + little(head, at + 4 * word, 4)?))
                .is_some_and(|sum| sum.trailing_zeros() >= 32)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(bytes: &mut [u8], at: usize, what: &[u8]) {
        bytes[at..at + what.len()].copy_from_slice(what);
    }

    fn bzimage() -> Vec<u8> {
        let mut head = vec![0; 4096];
        put(&mut head, 0x1fe, &[0x55, 0xaa]);
        put(&mut head, 0x202, b"HdrS\x0f\x02");
        put(&mut head, 0x20e, &0x300u16.to_le_bytes());
        put(&mut head, 0x236, &[1, 0]);
        put(&mut head, 0x500, b"6.1.0-1\x1b[2J (lab) #1\0");
        head
    }

    /// An ELF file with one segment of notes, or none.
    fn elf_file(machine: u16, note: Option<&[u8]>) -> Vec<u8> {
        let mut head = vec![0; 4096];
        put(&mut head, 0, b"\x7fELF\x01\x01\x01");
        put(&mut head, 18, &machine.to_le_bytes());
        put(&mut head, 28, &52u32.to_le_bytes());
        put(&mut head, 42, &[32, 0, 1, 0]);
        if let Some(note) = note {
            put(&mut head, 52, &4u32.to_le_bytes());
            put(&mut head, 56, &200u32.to_le_bytes());
            put(&mut head, 68, &u32::try_from(note.len()).unwrap().to_le_bytes());
            put(&mut head, 200, note);
        }
        head
    }

    fn pvh_note() -> Vec<u8> {
        let other = [&[4u32, 3, 1].map(u32::to_le_bytes).concat()[..], b"GNU\0abc\0"].concat();
        [other, [&[4u32, 4, 18].map(u32::to_le_bytes).concat()[..], b"Xen\0\0\0\x10\0"].concat()].concat()
    }

    #[test]
    fn the_kernel_of_linux_tells_its_processor_and_version() {
        let kernel = read(&bzimage()).unwrap();
        assert_eq!((kernel.protocol, kernel.architecture), (BootProtocol::Linux, "amd64"));
        let version = kernel.version.unwrap();
        assert!(version.starts_with("6.1.0-1") && !version.contains('\u{1b}'), "{version}");
        let mut arm = vec![0; 64];
        put(&mut arm, 56, b"ARM\x64");
        assert_eq!(read(&arm).unwrap().architecture, "arm64");
    }

    #[test]
    fn a_unikernel_is_known_by_how_it_is_started() {
        assert_eq!(read(&elf_file(62, Some(&pvh_note()))).unwrap().protocol, BootProtocol::Pvh);
        for (magic, words, protocol) in [
            (0x1bad_b002u32, vec![0u32], BootProtocol::Multiboot),
            (0xe852_50d6, vec![0, 24], BootProtocol::Multiboot2),
        ] {
            let mut head = elf_file(3, None);
            let checksum = 0u32.wrapping_sub(magic).wrapping_sub(words.iter().sum());
            let header: Vec<u8> =
                [vec![magic], words, vec![checksum]].concat().iter().flat_map(|word| word.to_le_bytes()).collect();
            put(&mut head, 1024, &header);
            assert_eq!(read(&head).unwrap().protocol, protocol);
            head[1024 + header.len() - 1] ^= 1;
            assert_eq!(read(&head), None, "a wrong sum is no header");
        }
    }

    #[test]
    fn a_large_kernel_is_known_by_notes_far_behind() {
        let mut head = elf_file(62, Some(&pvh_note()));
        put(&mut head, 56, &(1u32 << 20).to_le_bytes());
        assert_eq!(read(&head), None);
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&pvh_note(), 1 << 20).unwrap();
        assert_eq!(read_notes(&head, &file).unwrap().protocol, BootProtocol::Pvh);
        file.write_all_at(&[0; 64], 1 << 20).unwrap();
        assert_eq!(read_notes(&head, &file), None);
    }

    #[test]
    fn qemu_loads_multiboot_from_files_of_32_bits_or_with_addresses() {
        for (machine, flags, protocol) in [
            (3, 0u32, BootProtocol::Multiboot),
            (62, 0, BootProtocol::Multiboot64),
            (62, 1 << 16, BootProtocol::Multiboot),
        ] {
            let mut head = elf_file(machine, Some(&pvh_note()));
            let words = [0x1bad_b002, flags, 0u32.wrapping_sub(0x1bad_b002 + flags)];
            put(&mut head, 1024, &words.map(u32::to_le_bytes).concat());
            assert_eq!(read(&head).unwrap().protocol, protocol);
        }
    }

    #[test]
    fn usual_programs_and_disks_are_no_kernels() {
        let mut disk = vec![0; 1024];
        put(&mut disk, 510, &[0x55, 0xaa]);
        assert_eq!(read(&disk), None);
        assert_eq!(read(&elf_file(62, None)), None);
        assert_eq!(read(&elf_file(183, Some(&pvh_note()))), None, "the notes of another processor");
        assert_eq!(read(&std::fs::read("/proc/self/exe").unwrap()), None);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(mut bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..3000), form in 0usize..4) {
            let start: &[u8] = [b"\x7fELF\x01\x01".as_slice(), b"\x7fELF\x02\x01", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0", b""][form];
            let length = start.len().min(bytes.len());
            bytes[..length].copy_from_slice(&start[..length]);
            let _ = read(&bytes);
        }
    }
}
