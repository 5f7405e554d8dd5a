//! Reading the objects of SIF files (Singularity Image Format, specification 1.0), within limits.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
};

use super::disk_header;
use wharf_core::{
    base::{
        clean,
        error::{During, Error, Kind as ErrorKind, Result},
    },
    image::model::Platform,
};

/// Most descriptors that are read; usual images have about ten.
const MOST: usize = 256;
/// Size of a descriptor in bytes.
const DESCRIPTOR: usize = 585;
/// Size of the global header in bytes.
const HEADER: usize = 128;
/// Largest definition, label or signature that is read, in bytes.
const TEXT: u64 = 1 << 20;

/// The kind of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The definition file that the image was built from.
    Definition,
    /// A file system, the root or an overlay.
    Partition,
    /// A signature over other objects.
    Signature,
    /// Labels, environment variables and others.
    Other,
}

/// An object in a SIF file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// The kind of the object.
    pub kind: Kind,
    /// The object's number in the file.
    pub id: u32,
    /// The group that the object belongs to, or that a signature is for.
    pub group: u32,
    /// What a signature is linked to: the number of an object, or of a group marked by [`GROUP`].
    pub linked: u32,
    /// The offset of the object's bytes in the file.
    pub offset: u64,
    /// The object's size in bytes.
    pub size: u64,
}

/// The bits that mark a link to a group.
pub const GROUP: u32 = 0xf000_0000;

/// The magic word of the global header, and where it is.
const MAGIC: (std::ops::Range<usize>, &[u8]) = (32..42, b"SIF_MAGIC\0");
/// The number of the kind of a partition.
const PARTITION: i32 = 0x4004;
/// Where what only some kinds of objects say begins in a descriptor.
const EXTRA: usize = 201;
/// The type of the partition with the root file system.
const PRIMARY: i32 = 2;

/// The file system of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileSystem {
    /// A SquashFS, as Apptainer makes it.
    SquashFs,
    /// An encrypted SquashFS, which only its key opens.
    Encrypted,
    /// An ext3, a raw disk, or anything else, by its number in the specification.
    Other(i32),
}

/// The partition with the root file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// The offset of its first byte in the file.
    pub offset: u64,
    /// Its size in bytes; it ends inside the file.
    pub size: u64,
    /// Its file system.
    pub system: FileSystem,
    /// The processor that it is built for, in Go's words; `unknown` for a number that is not.
    pub architecture: &'static str,
}

impl Partition {
    /// Fails if it cannot be run on this machine; `what` is what was being done.
    ///
    /// # Errors
    /// `Unsupported` for another processor, and for an encrypted file system.
    pub fn must_run_here(&self, what: &str) -> Result<()> {
        let here = Platform::host().architecture;
        if self.architecture != here {
            let why = format!("it is built for {}, this machine is {here}", self.architecture);
            return Err(Error::unsupported(what, why).hint("use an image for this machine's processor"));
        }
        if self.system == FileSystem::Encrypted {
            return Err(Error::unsupported(what, "it is encrypted, and Wharf is given no key for it")
                .hint("decrypt it with apptainer first, or run it with apptainer itself"));
        }
        Ok(())
    }
}

/// The primary partition of an open SIF file. Other partitions, as overlays, are passed over.
///
/// # Errors
/// `Failed` for what is no SIF file or has a broken header, in words; `Unsupported` for more objects than Wharf reads.
pub fn primary(file: &File, what: &str) -> Result<Partition> {
    use std::os::unix::fs::FileExt;
    let broken =
        |why: String| Error::new(ErrorKind::Failed, what, why).hint("get the file again, or tell its publisher");
    let length = file.metadata().during(what)?.len();
    let mut head = [0; HEADER];
    file.read_exact_at(&mut head, 0).map_err(|_| broken("it is too short for a SIF file".to_owned()))?;
    if head.get(MAGIC.0) != Some(MAGIC.1) {
        return Err(broken("it is no SIF file".to_owned()));
    }
    let (total, offset) = (u64::from_le_bytes(number(&head, 88)), u64::from_le_bytes(number(&head, 96)));
    let Some(count) = usize::try_from(total).ok().filter(|count| *count <= MOST) else {
        let why = format!("its header states {total} objects, and Wharf reads at most {MOST}");
        return Err(Error::unsupported(what, why).hint("it is broken, or made to do harm"));
    };
    let mut raw = vec![0; count * DESCRIPTOR];
    let end = offset.checked_add(raw.len() as u64).filter(|end| *end <= length);
    end.ok_or_else(|| broken("its list of objects is not in the file".to_owned()))?;
    file.read_exact_at(&mut raw, offset).during(what)?;
    let extra = |raw: &[u8], at: usize| i32::from_le_bytes(number(raw, EXTRA + at));
    let is_primary = |raw: &&[u8]| {
        let partition = i32::from_le_bytes(number(raw, 0)) == PARTITION;
        raw.get(4).is_some_and(|used| *used != 0) && partition && extra(raw, 4) == PRIMARY
    };
    let mut all = raw.chunks_exact(DESCRIPTOR).filter(is_primary);
    let (first, second) = (all.next(), all.next());
    let Some(first) = first else { return Err(broken("it has no root file system".to_owned())) };
    if second.is_some() {
        return Err(broken("it has two root file systems, and does not say which one is meant".to_owned()));
    }
    let Some(object) = object(first, length).filter(|object| object.size > 0) else {
        return Err(broken("its root file system is not in the file".to_owned()));
    };
    let system = match extra(first, 0) {
        1 => FileSystem::SquashFs,
        5 => FileSystem::Encrypted,
        other => FileSystem::Other(other),
    };
    let architecture = disk_header::architecture(first.get(EXTRA + 8..EXTRA + 11).unwrap_or_default());
    Ok(Partition { offset: object.offset, size: object.size, system, architecture })
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..at + N).and_then(|part| part.try_into().ok()).unwrap_or([0; N])
}

/// The objects of a SIF file. Descriptors that point outside of the file are left out.
pub fn objects(path: &Path) -> Result<Vec<Object>> {
    let what = format!("read {}", path.display());
    let mut file = disk_header::open(path)?;
    let length = file.metadata().during(&what)?.len();
    let mut head = vec![0; HEADER];
    file.read_exact(&mut head).during(&what)?;
    if head.get(MAGIC.0) != Some(MAGIC.1) {
        return Ok(Vec::new());
    }
    let total = u64::from_le_bytes(number(&head, 88));
    let offset = u64::from_le_bytes(number(&head, 96));
    let count = usize::try_from(total).unwrap_or(MOST).min(MOST);
    file.seek(SeekFrom::Start(offset.min(length))).during(&what)?;
    let mut raw = Vec::new();
    file.take((count * DESCRIPTOR) as u64).read_to_end(&mut raw).during(&what)?;
    Ok(raw.chunks_exact(DESCRIPTOR).filter_map(|raw| object(raw, length)).collect())
}

fn object(raw: &[u8], length: u64) -> Option<Object> {
    let used = raw.get(4).is_some_and(|byte| *byte != 0);
    let kind = match i32::from_le_bytes(number(raw, 0)) {
        0x4001 => Kind::Definition,
        PARTITION => Kind::Partition,
        0x4005 => Kind::Signature,
        _ => Kind::Other,
    };
    let (offset, size) = (i64::from_le_bytes(number(raw, 17)), i64::from_le_bytes(number(raw, 25)));
    let (offset, size) = (u64::try_from(offset).ok()?, u64::try_from(size).ok()?);
    let object = Object {
        kind,
        id: u32::from_le_bytes(number(raw, 5)),
        group: u32::from_le_bytes(number(raw, 9)),
        linked: u32::from_le_bytes(number(raw, 13)),
        offset,
        size,
    };
    (used && offset.checked_add(size)? <= length).then_some(object)
}

/// The bytes of a small object; fails if it is too large.
pub fn small(path: &Path, object: &Object) -> Result<Vec<u8>> {
    let what = format!("read {}", path.display());
    let mut file = disk_header::open(path)?;
    file.seek(SeekFrom::Start(object.offset)).during(&what)?;
    let mut bytes = Vec::new();
    file.take(object.size.min(TEXT)).read_to_end(&mut bytes).during(&what)?;
    Ok(bytes)
}

/// The labels that name what an image was made from, and its digest (image specification, "Pre-Defined Annotation Keys").
pub const BASE_NAME: &str = "org.opencontainers.image.base.name";
/// See [`BASE_NAME`].
pub const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";

/// What the image was built from, as its definition says: `docker alpine:3.19`, or the reference in its labels. The image
/// does not inherit its badge.
pub fn lineage(path: &Path) -> Option<String> {
    let objects = objects(path).ok()?;
    let recipe = small(path, objects.iter().find(|object| object.kind == Kind::Definition)?).ok()?;
    made_from(&String::from_utf8_lossy(&recipe))
}

fn made_from(recipe: &str) -> Option<String> {
    let label = |name: &str| {
        let mut lines = recipe.lines().map(str::trim);
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(|value| clean::short(value.trim(), 300)))
    };
    if let Some(name) = label(BASE_NAME) {
        let digest = label(BASE_DIGEST).filter(|digest| !name.contains(digest.as_str()));
        return Some(digest.map_or_else(|| name.clone(), |digest| format!("{name} {digest}")));
    }
    let value = |key: &str| {
        let mut lines = recipe.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(name, _)| name.trim().eq_ignore_ascii_case(key)).map(|(_, value)| clean::short(value.trim(), 160))
    };
    Some(format!("{} {}", value("bootstrap")?, value("from").unwrap_or_default()).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A SIF file with these partitions: type, file system, architecture, offset, size.
    fn sif(partitions: &[(i32, i32, &[u8], i64, i64)], count: u64) -> File {
        let mut bytes = vec![0; HEADER];
        bytes[MAGIC.0].copy_from_slice(MAGIC.1);
        bytes[88..96].copy_from_slice(&count.to_le_bytes());
        bytes[96..104].copy_from_slice(&(HEADER as u64).to_le_bytes());
        for (kind, system, architecture, offset, size) in partitions {
            let mut raw = vec![0; DESCRIPTOR];
            raw[..4].copy_from_slice(&PARTITION.to_le_bytes());
            raw[4] = 1;
            raw[17..25].copy_from_slice(&offset.to_le_bytes());
            raw[25..33].copy_from_slice(&size.to_le_bytes());
            raw[EXTRA..EXTRA + 4].copy_from_slice(&system.to_le_bytes());
            raw[EXTRA + 4..EXTRA + 8].copy_from_slice(&kind.to_le_bytes());
            raw[EXTRA + 8..EXTRA + 10].copy_from_slice(architecture);
            bytes.extend(raw);
        }
        bytes.resize(4096, 0);
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, &bytes).unwrap();
        file
    }

    #[test]
    fn the_primary_partition_is_found_among_others() {
        let file = sif(&[(4, 1, b"02", 2000, 8), (PRIMARY, 1, b"02", 3000, 96)], 2);
        let found = primary(&file, "read").unwrap();
        let wanted = Partition { offset: 3000, size: 96, system: FileSystem::SquashFs, architecture: "amd64" };
        assert_eq!(found, wanted);
        let other = Partition { architecture: "s390x", ..wanted.clone() };
        assert!(other.must_run_here("run").unwrap_err().why.contains("built for s390x"));
        let locked = Partition { system: FileSystem::Encrypted, architecture: own(), ..wanted };
        assert!(locked.must_run_here("run").unwrap_err().why.contains("encrypted"));
    }

    fn own() -> &'static str {
        let known = ["02", "04"].map(|code| disk_header::architecture(code.as_bytes()));
        known.into_iter().find(|name| *name == Platform::host().architecture).unwrap()
    }

    #[test]
    fn an_image_is_made_from_what_its_labels_name() {
        assert_eq!(made_from("bootstrap: docker\nfrom: alpine:3.19\n").unwrap(), "docker alpine:3.19");
        let labels = format!(
            "Bootstrap: oci\nFrom: layout\n%labels\n    {BASE_NAME} oci://a/b:1\n    {BASE_DIGEST} sha256:0c\n"
        );
        assert_eq!(made_from(&labels).unwrap(), "oci://a/b:1 sha256:0c");
        assert_eq!(made_from(""), None);
    }

    #[test]
    fn a_broken_header_is_refused_in_words() {
        let good = (PRIMARY, 1, b"02".as_slice(), 3000, 96);
        for (partitions, count, why) in [
            (vec![], 0, "no root file system"),
            (vec![good, good], 2, "two root file systems"),
            (vec![(PRIMARY, 1, b"02", 4000, 97)], 1, "not in the file"),
            (vec![(PRIMARY, 1, b"02", -1, 96)], 1, "not in the file"),
            (vec![(PRIMARY, 1, b"02", i64::MAX, i64::MAX)], 1, "not in the file"),
            (vec![good], 1 << 31, "2147483648 objects"),
            (vec![good], 100, "list of objects is not in the file"),
        ] {
            let error = primary(&sif(&partitions, count), "read").unwrap_err();
            assert!(error.why.contains(why), "{why}: {error}");
        }
        let empty = tempfile::tempfile().unwrap();
        assert!(primary(&empty, "read").unwrap_err().why.contains("too short"));
    }
}
