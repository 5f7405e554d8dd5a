//! A disk file as an image: KubeVirt's containerDisk, one file below `/disk` in the only layer of an image. The layer is not
//! compressed: it is a header, the file as it is, and an end. So it is made of the file alone, without a copy, and the same file
//! has the same digest everywhere. A kernel lies where Unikraft has it.
//!
//! KubeVirt, "Container Disk"; OCI image specification 1.1.

use std::path::Path;

use bytes::Bytes;
use serde_json::{Value, json};

use super::disk_header::{self, KERNEL};
use wharf_core::{
    base::{
        digest::{self, Digest, Hasher},
        error::{During, Error, Result},
    },
    image::{
        lineage::FORMAT,
        manifest::{Descriptor, OCI_MANIFEST, RawManifest},
        model::Platform,
    },
    portal::disks::refuse_references,
};

/// The media type of a containerDisk's configuration.
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// The media type of its layer.
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// The user and group that run machines in KubeVirt, and the rights that they need.
const OWNER: u64 = 107;
const RIGHTS: u32 = 0o440;
/// The bytes of a block of an archive, and of its end.
const BLOCK: u64 = 512;
const END: u64 = 2 * BLOCK;

/// A disk file in the form in which it is put into an image.
#[derive(Debug, Clone)]
pub struct Packed {
    /// What comes before the file in the layer.
    pub head: Bytes,
    /// The bytes of the file.
    pub size: u64,
    /// The layer that holds it.
    pub layer: Descriptor,
    /// The configuration, and its bytes.
    pub config: (Descriptor, Bytes),
    /// The manifest of the image.
    pub manifest: RawManifest,
    /// The hash of the file alone.
    pub file: Digest,
    /// The manifest of an artifact whose layer is the file alone, as ORAS has it, and the bytes of its configuration.
    pub artifact: RawManifest,
}

/// The configuration of an artifact that has none (OCI image specification 1.1, "Guidance for an empty descriptor").
pub const NO_CONFIG: &[u8] = b"{}";
/// Its media type.
pub const NO_CONFIG_TYPE: &str = "application/vnd.oci.empty.v1+json";
/// The media type of a disk file as a layer, by its format (IANA has none for qcow2; this one is in use).
fn file_type(format: &str) -> &'static str {
    match format {
        "qcow2" => "application/x-qemu-disk",
        "vmdk" => "application/x-vmdk",
        _ => "application/octet-stream",
    }
}

/// The kind of artifact that a disk file alone is.
const ARTIFACT: &str = "application/vnd.wharf.disk.v1";

/// The beginning of the layer: the folder, and the header of the file in it.
fn head(format: &str, size: u64) -> std::io::Result<Vec<u8>> {
    let (folders, name): (&[&str], &str) = match format {
        KERNEL => (&["unikraft/", "unikraft/bin/"], "unikraft/bin/kernel"),
        "qcow2" => (&["disk/"], "disk/disk.qcow2"),
        _ => (&["disk/"], "disk/disk.img"),
    };
    let mut bytes = Vec::new();
    let entries = folders.iter().map(|folder| (*folder, tar::EntryType::Directory, 0, 0o555));
    for (path, kind, size, rights) in entries.chain([(name, tar::EntryType::Regular, size, RIGHTS)]) {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(rights);
        header.set_uid(OWNER);
        header.set_gid(OWNER);
        header.set_mtime(0);
        header.set_path(path)?;
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
    }
    Ok(bytes)
}

/// The bytes after a file of this size.
pub fn tail(size: u64) -> u64 {
    size.next_multiple_of(BLOCK) - size + END
}

/// Reads a disk file once, and describes it as an image.
///
/// # Errors
/// `Denied` for a disk whose header names other files; else what the file system says.
pub fn pack(path: &Path, what: &str) -> Result<Packed> {
    let facts = disk_header::inspect(path)?;
    refuse_references(what, facts.refers, &facts.warnings)?;
    let file = disk_header::open(path)?;
    let head = head(&facts.format, facts.size).during(what)?;
    let mut hashers = [Hasher::default(), Hasher::default()];
    hashers[0].update(&head);
    let size = digest::hash_all(file, &mut hashers).during(what)?;
    let [mut layer, own] = hashers;
    if size != facts.size {
        return Err(Error::failed(what, "it was changed while it was read").hint("try again when nobody writes it"));
    }
    layer.update(&vec![0; usize::try_from(tail(size)).during(what)?]);
    let whole = head.len() as u64 + size + tail(size);
    let layer = Descriptor::blob(LAYER, layer.finish(), whole);
    // A configuration must name a processor. A disk file does not tell its own, so this machine's stands there, and counts
    // for nothing: only the annotation says something of the disk. Where that is known, the copy gets both.
    let architecture =
        if facts.architecture.is_empty() { Platform::host().architecture } else { facts.architecture.into() };
    let config = json!({"architecture": architecture, "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [layer.digest]}});
    let config = Bytes::from(serde_json::to_vec(&config).during(what)?);
    let own = own.finish();
    let described = Descriptor::blob(CONFIG, Digest::of(&config), config.len() as u64);
    let annotations = annotations(&facts, &own);
    let manifest = manifest(&described, &layer, &annotations, what)?;
    let title = path.file_name().unwrap_or_default().to_string_lossy();
    let alone = Descriptor::blob(file_type(&facts.format), own.clone(), size);
    let artifact = artifact(&alone, &title, &annotations, what)?;
    Ok(Packed { head: head.into(), size, layer, config: (described, config), manifest, file: own, artifact })
}

/// What is said of a disk, so that a list need not read it: all of it is made of the file alone.
fn annotations(facts: &disk_header::Facts, own: &Digest) -> Value {
    let mut all = json!({
        FORMAT: facts.format,
        "org.wharf.disk.sha256": own.hex(),
    });
    if let Some(size) = facts.virtual_size {
        all["org.wharf.disk.virtual-size"] = size.to_string().into();
    }
    all
}

/// An artifact with the file as its only layer, which carries the file's name.
fn artifact(file: &Descriptor, title: &str, annotations: &Value, what: &str) -> Result<RawManifest> {
    let empty = json!({"mediaType": NO_CONFIG_TYPE, "digest": Digest::of(NO_CONFIG), "size": NO_CONFIG.len()});
    let layer = json!({"mediaType": file.media_type, "digest": file.digest, "size": file.size,
        "annotations": {"org.opencontainers.image.title": title}});
    let document = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": ARTIFACT, "config": empty,
        "layers": [layer], "annotations": annotations});
    RawManifest::new(None, serde_json::to_vec(&document).during(what)?.into(), what)
}

fn manifest(config: &Descriptor, layer: &Descriptor, annotations: &Value, what: &str) -> Result<RawManifest> {
    let described = |blob: &Descriptor| json!({"mediaType": blob.media_type, "digest": blob.digest, "size": blob.size});
    let document = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": described(config),
        "layers": [described(layer)], "annotations": annotations});
    RawManifest::new(None, serde_json::to_vec(&document).during(what)?.into(), what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_core::base::error::Kind;

    fn disk(size: usize) -> Vec<u8> {
        let mut disk = vec![7; size];
        disk[510..512].copy_from_slice(&[0x55, 0xaa]);
        disk
    }

    #[test]
    fn the_layer_is_an_archive_with_one_file_that_machines_may_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.img");
        let bytes = disk(1000);
        std::fs::write(&path, &bytes).unwrap();
        let packed = pack(&path, "pack").unwrap();
        let mut layer = packed.head.to_vec();
        layer.extend(&bytes);
        layer.extend(vec![0; usize::try_from(tail(1000)).unwrap()]);
        assert_eq!((packed.layer.size, &packed.layer.digest), (layer.len() as u64, &Digest::of(&layer)));
        assert_eq!(layer.len() % 512, 0);
        let mut archive = tar::Archive::new(layer.as_slice());
        let mut entries = archive.entries().unwrap().map(Result::unwrap);
        assert_eq!(entries.next().unwrap().path().unwrap().to_str(), Some("disk/"));
        let mut file = entries.next().unwrap();
        let header = file.header();
        assert_eq!((header.uid().unwrap(), header.mode().unwrap()), (107, 0o440));
        let mut inside = Vec::new();
        std::io::Read::read_to_end(&mut file, &mut inside).unwrap();
        assert!(inside == bytes && entries.next().is_none());
        // The same file is the same image, wherever it is and whatever it is called.
        let copy = folder.path().join("b.raw");
        std::fs::write(&copy, &bytes).unwrap();
        assert_eq!(pack(&copy, "pack").unwrap().manifest.digest, packed.manifest.digest);
    }

    #[test]
    fn a_disk_of_more_than_eight_gibibytes_has_a_header_too() {
        let bytes = head("raw", 100 << 30).unwrap();
        let header = tar::Header::from_byte_slice(&bytes[512..1024]);
        assert_eq!(header.size().unwrap(), 100 << 30);
    }

    #[test]
    fn a_disk_that_names_other_files_is_not_packed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.qcow2");
        let mut bytes = vec![0; 4096];
        bytes[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
        bytes[8..16].copy_from_slice(&1024u64.to_be_bytes());
        bytes[16..20].copy_from_slice(&11u32.to_be_bytes());
        bytes[1024..1035].copy_from_slice(b"/etc/passwd");
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(pack(&path, "pack").unwrap_err().kind, Kind::Denied);
    }
}
