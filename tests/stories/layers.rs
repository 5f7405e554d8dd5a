//! Handmade layers and images: archives with everything that engines accept, and a layout that holds them.

use std::{io::Write, path::Path};

use serde_json::json;
use wharf::core::base::digest::Digest;

/// The type of an entry.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    File(Vec<u8>),
    /// A sparse file: the beginning of each part and its data; then its length. Written with records only, because
    /// podman refuses GNU's older format.
    Holes(Vec<(u64, Vec<u8>)>, u64),
    Folder,
    Link(Vec<u8>),
    Hard(Vec<u8>),
    Pipe,
    /// The device `/dev/null`.
    Device,
}

/// An entry of a layer.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub path: Vec<u8>,
    pub kind: Kind,
    pub mode: u32,
    /// Modification time: seconds since 1970, and nanoseconds.
    pub modified: (i64, u32),
    /// How to write what does not fit into a header: as PAX records, otherwise as GNU's long names.
    pub pax: bool,
}

impl Entry {
    pub(crate) fn new(path: &str, kind: Kind, mode: u32) -> Self {
        Self { path: path.into(), kind, mode, modified: (1_700_000_000, 0), pax: false }
    }

    /// Its bytes in an archive (POSIX.1-2008 pax; GNU tar, "Basic Tar Format" and "Storing Sparse Files").
    fn write(&self, archive: &mut Vec<u8>) {
        let target: &[u8] = match &self.kind {
            Kind::Link(target) | Kind::Hard(target) => target,
            _ => b"",
        };
        let (parts, length) = match &self.kind {
            Kind::Holes(parts, length) => (parts.as_slice(), *length),
            _ => (&[][..], 0),
        };
        let holes = matches!(self.kind, Kind::Holes(..));
        let mut data: Vec<u8> = match &self.kind {
            Kind::File(data) => data.clone(),
            Kind::Holes(parts, _) => parts.iter().flat_map(|(_, data)| data.clone()).collect(),
            _ => Vec::new(),
        };
        let mut records = Vec::new();
        if self.pax || holes {
            record(&mut records, "path", &self.path);
            if !target.is_empty() {
                record(&mut records, "linkpath", target);
            }
            let (seconds, nanoseconds) = self.modified;
            record(&mut records, "mtime", format!("{seconds}.{nanoseconds:09}").as_bytes());
            if holes {
                record(&mut records, "GNU.sparse.major", b"1");
                record(&mut records, "GNU.sparse.minor", b"0");
                record(&mut records, "GNU.sparse.name", &self.path);
                record(&mut records, "GNU.sparse.realsize", length.to_string().as_bytes());
                let mut map = format!("{}\n", parts.len());
                parts.iter().for_each(|(offset, part)| map += &format!("{offset}\n{}\n", part.len()));
                let mut map = map.into_bytes();
                map.resize(map.len().next_multiple_of(512), 0);
                data = [map, data].concat();
            }
            block(archive, b'x', b"records", b"", 0o644, 0, &records, |_| ());
        } else {
            for (kind, long) in [(b'L', self.path.as_slice()), (b'K', target)] {
                if long.len() > 100 {
                    block(archive, kind, b"././@LongLink", b"", 0o644, 0, &[long, b"\0"].concat(), |_| ());
                }
            }
        }
        let kind = match &self.kind {
            Kind::File(_) | Kind::Holes(..) => b'0',
            Kind::Folder => b'5',
            Kind::Link(_) => b'2',
            Kind::Hard(_) => b'1',
            Kind::Pipe => b'6',
            Kind::Device => b'3',
        };
        let seconds = u64::try_from(self.modified.0).unwrap_or(0);
        block(archive, kind, &self.path, target, self.mode, seconds, &data, |header| {
            if kind == b'3' {
                octal(&mut header[329..337], 1);
                octal(&mut header[337..345], 3);
            }
        });
    }
}

fn record(records: &mut Vec<u8>, key: &str, value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    // The length includes its own digits.
    let length = (1..).map(|digits| rest + digits).find(|length| length.to_string().len() + rest == *length).unwrap();
    records.extend([format!("{length} {key}=").as_bytes(), value, b"\n"].concat());
}

fn octal(field: &mut [u8], number: u64) {
    let width = field.len() - 1;
    field[..width].copy_from_slice(format!("{number:0width$o}").as_bytes());
}

#[expect(clippy::too_many_arguments, reason = "the fields of a header")]
fn block(
    archive: &mut Vec<u8>,
    kind: u8,
    name: &[u8],
    target: &[u8],
    mode: u32,
    seconds: u64,
    data: &[u8],
    more: impl FnOnce(&mut [u8]),
) {
    let mut header = [0_u8; 512];
    header[..name.len().min(100)].copy_from_slice(&name[..name.len().min(100)]);
    octal(&mut header[100..108], mode.into());
    octal(&mut header[108..116], 0);
    octal(&mut header[116..124], 0);
    octal(&mut header[124..136], data.len() as u64);
    octal(&mut header[136..148], seconds);
    header[148..156].fill(b' ');
    header[156] = kind;
    header[157..157 + target.len().min(100)].copy_from_slice(&target[..target.len().min(100)]);
    header[257..265].copy_from_slice(b"ustar  \0");
    more(&mut header);
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    archive.extend(header);
    archive.extend(data);
    archive.resize(archive.len().next_multiple_of(512), 0);
}

/// How a layer is compressed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Packed {
    Plain,
    Gzip,
    Zstd,
}

/// An archive of these entries.
pub(crate) fn archive(entries: &[Entry]) -> Vec<u8> {
    let mut archive = Vec::new();
    entries.iter().for_each(|entry| entry.write(&mut archive));
    archive.resize(archive.len() + 1024, 0);
    archive
}

/// Writes an image with these layers and this configuration into a new layout, under the tag `1`; gives its digest.
pub(crate) fn layout(folder: &Path, layers: &[(Vec<u8>, Packed)], config: &serde_json::Value) -> Digest {
    std::fs::create_dir_all(folder.join("blobs/sha256")).unwrap();
    let blob = |bytes: &[u8], kind: &str| {
        let digest = Digest::of(bytes);
        std::fs::write(folder.join("blobs/sha256").join(digest.hex()), bytes).unwrap();
        json!({"mediaType": format!("application/vnd.oci.image.{kind}"), "digest": digest.to_string(), "size": bytes.len()})
    };
    let ids: Vec<String> = layers.iter().map(|(layer, _)| Digest::of(layer).to_string()).collect();
    let layers: Vec<_> = layers
        .iter()
        .map(|(layer, packed)| match packed {
            Packed::Plain => blob(layer, "layer.v1.tar"),
            Packed::Gzip => {
                let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                gzip.write_all(layer).unwrap();
                blob(&gzip.finish().unwrap(), "layer.v1.tar+gzip")
            }
            Packed::Zstd => {
                let level = ruzstd::encoding::CompressionLevel::Fastest;
                blob(&ruzstd::encoding::compress_to_vec(layer.as_slice(), level), "layer.v1.tar+zstd")
            }
        })
        .collect();
    let config = json!({"architecture": "amd64", "os": "linux", "config": config,
        "rootfs": {"type": "layers", "diff_ids": ids}});
    let config = blob(config.to_string().as_bytes(), "config.v1+json");
    let manifest = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config, "layers": layers});
    let mut entry = blob(manifest.to_string().as_bytes(), "manifest.v1+json");
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": "1"});
    std::fs::write(folder.join("index.json"), json!({"schemaVersion": 2, "manifests": [entry]}).to_string()).unwrap();
    std::fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    Digest::of(manifest.to_string().as_bytes())
}
