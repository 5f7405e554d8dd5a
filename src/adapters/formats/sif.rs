//! Reading the objects of SIF files (Singularity Image Format, specification 1.0), within limits.

use std::{
    io::{Read, Seek, SeekFrom},
    path::Path,
};

use super::disk_header;
use wharf_core::base::{
    clean,
    error::{During, Result},
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
    if head.get(32..42) != Some(b"SIF_MAGIC\0") {
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
        0x4004 => Kind::Partition,
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

/// What the image was built from, as its definition says: `docker alpine:3.19`. The image does not inherit its badge.
pub fn lineage(path: &Path) -> Option<String> {
    let objects = objects(path).ok()?;
    let recipe = small(path, objects.iter().find(|object| object.kind == Kind::Definition)?).ok()?;
    let text = String::from_utf8_lossy(&recipe);
    let value = |key: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(name, _)| name.trim().eq_ignore_ascii_case(key)).map(|(_, value)| clean::short(value.trim(), 160))
    };
    Some(format!("{} {}", value("bootstrap")?, value("from").unwrap_or_default()).trim().to_owned())
}
