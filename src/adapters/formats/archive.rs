//! Reading images from tar archives (OCI layouts and `docker save` files) without unpacking them.
//!
//! The archive is scanned once for the position of every file; blobs are then read from their positions. An archive
//! that is compressed as a whole is first decompressed into a temporary file without a name.

use std::{
    collections::HashMap,
    fs::File,
    io::{Read, Seek, SeekFrom, Write},
    os::{fd::AsRawFd, unix::fs::FileExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Deserialize;

use super::{
    disk_header,
    layer::{Budget, Decompressed, EntryKind, Layer},
};
use crate::shared::private;
use wharf_core::{
    base::{
        clean,
        digest::{Digest, Hasher},
        error::{During, Error, Result},
        json,
    },
    image::{
        configuration::Configuration,
        manifest::{CONFIG_LIMIT, MANIFEST_LIMIT, OCI_MANIFEST, RawManifest},
    },
};

/// Most entries of an archive that are read.
const MOST_ENTRIES: usize = 200_000;

/// Most names of an image that are read.
const MOST_NAMES: usize = 200;
/// Most links that are followed from one to the next before a file.
const MOST_LINKS: usize = 8;

/// Whether an archive is compressed as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A tar archive that is not compressed as a whole.
    Plain,
    /// A tar archive compressed with gzip or zstd.
    Compressed,
}

/// Whether a file is an archive of images, by its first bytes and its name; `None` if it is not.
pub fn form(path: &Path) -> Option<Form> {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    let mut head = Vec::new();
    disk_header::open(path).ok()?.take(64 << 10).read_to_end(&mut head).ok()?;
    let form = if compression(&head).is_some() { Form::Compressed } else { Form::Plain };
    // A file that is named like an archive is opened as one, so that its reader can say what is wrong with it.
    if ends(&[".tar", ".oci", ".tar.gz", ".tgz", ".tar.zst", ".tzst"]) {
        return Some(form);
    }
    let mut budget = Budget::default();
    let first = Layer::new(&*head, &budget).ok()?.next(&mut budget).ok()??;
    let first = String::from_utf8_lossy(&first.name).trim_start_matches("./").to_owned();
    let hex = first.trim_start_matches("sha256:").split(['/', '.']).next().unwrap_or_default();
    let of_image = ["blobs", "oci-layout", "index.json", "manifest.json", "repositories"]
        .contains(&first.split('/').next().unwrap_or_default());
    (of_image || (hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))).then_some(form)
}

/// How bytes with this beginning are compressed, in the word that media types use; `None` if they are not.
fn compression(head: &[u8]) -> Option<&'static str> {
    match head {
        [0x1f, 0x8b, ..] => Some("gzip"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("zstd"),
        _ => None,
    }
}

/// The positions of the files in an archive.
#[derive(Debug)]
pub struct Index {
    /// The file that is read: the archive, or its decompressed copy.
    path: PathBuf,
    /// The archive's own path, for messages.
    shown: String,
    entries: HashMap<String, (u64, u64)>,
    /// Keeps the decompressed copy, which has no name, from being deleted.
    kept: Option<Arc<File>>,
}

/// An image in an archive: its name, if it has one, and its manifest.
#[derive(Debug)]
pub struct ArchiveImage {
    /// `repository:tag` or a tag, as the archive has it; may be empty.
    pub name: String,
    /// The manifest. `docker save` files have none, so it is made from their lists.
    pub manifest: RawManifest,
}

/// The images of an archive and the positions of their blobs.
#[derive(Debug)]
pub struct Contents {
    /// The file that is read, as long as this value exists.
    pub path: PathBuf,
    #[expect(dead_code, reason = "its end frees the file")]
    kept: Option<Arc<File>>,
    /// The images in the archive.
    pub images: Vec<ArchiveImage>,
    /// The blobs by digest: offset and length in bytes.
    pub blobs: HashMap<Digest, (u64, u64)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ArchiveEntry {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// The annotation that holds an image's name in the index of an OCI layout (image specification, "Pre-Defined
/// Annotation Keys").
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// The images in the `index.json` of an OCI layout: tag and digest of each. Fails if readers could understand it
/// differently.
pub fn layout_index(bytes: &[u8], what: &str) -> Result<Vec<(String, Digest)>> {
    // A name must mean the same image to every program that reads the layout.
    json::same_to_all(bytes, &["manifests", "digest", "annotations"])
        .map_err(|why| Error::failed(what, format!("its index.json: {}", clean::short(&why, 160))))?;
    let document: serde_json::Value = serde_json::from_slice(bytes).during(what)?;
    let entries = document
        .get("manifests")
        .and_then(serde_json::Value::as_array)
        .ok_or_else(|| Error::failed(what, "index.json has no list of manifests"))?;
    let mut named = Vec::new();
    for entry in entries.iter().take(10_000) {
        let Some(digest) = entry.get("digest").and_then(serde_json::Value::as_str) else { continue };
        let name = entry
            .get("annotations")
            .and_then(|all| all.get(REF_NAME))
            .and_then(serde_json::Value::as_str)
            .unwrap_or("");
        named.push((clean::short(name, 300), digest.parse()?));
    }
    Ok(named)
}

impl Index {
    /// Scans a tar archive that is not compressed.
    pub fn scan(path: &Path) -> Result<Self> {
        Self::of(path, path.display().to_string(), None)
    }

    /// Scans a compressed archive. It is decompressed into `folder`, into a file without a name that is deleted with
    /// this value.
    pub fn scan_compressed(path: &Path, folder: &Path) -> Result<Self> {
        let shown = path.display().to_string();
        let what = format!("decompress {shown}");
        let mut reader = Decompressed::new(disk_header::open(path)?, &Budget::default()).during(&what)?;
        private::folder(folder)?;
        let mut file = tempfile::tempfile_in(folder).during(&what)?;
        std::io::copy(&mut reader, &mut file).map_err(|error| {
            Error::failed(&what, error).hint(format!("check the archive, and the space left in {}", folder.display()))
        })?;
        file.flush().during(&what)?;
        let file = Arc::new(file);
        Self::of(Path::new(&format!("/proc/self/fd/{}", file.as_raw_fd())), shown, Some(file))
    }

    fn of(path: &Path, shown: String, kept: Option<Arc<File>>) -> Result<Self> {
        let what = format!("read {shown}");
        let file = disk_header::open(path)?;
        let mut budget = Budget::default();
        let mut archive = Layer::in_file(file).during(&what)?;
        let (mut entries, mut links) = (HashMap::new(), HashMap::new());
        while let Some(item) = archive.next(&mut budget).during(&what)? {
            let name = plain(&String::from_utf8_lossy(&item.name));
            let target = String::from_utf8_lossy(&item.target).into_owned();
            // Of several entries with one name the last counts, as it would when unpacked.
            entries.remove(&name);
            links.remove(&name);
            match item.what {
                EntryKind::File => {
                    entries.insert(name, archive.data());
                }
                // Docker before 25 saves a layer that occurs twice only once, and a link in its second place.
                EntryKind::Link => {
                    let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
                    links.insert(name.clone(), plain(&format!("{folder}/{target}")));
                }
                EntryKind::HardLink => {
                    links.insert(name, plain(&target));
                }
                _ => {}
            }
            if entries.len() + links.len() > MOST_ENTRIES {
                return Err(Error::failed(what, "it has more files than an image archive"));
            }
        }
        for link in links.keys() {
            let mut target = link;
            for _ in 0..MOST_LINKS {
                let Some(next) = links.get(target) else { break };
                target = next;
            }
            if let Some(place) = entries.get(target).copied() {
                entries.insert(link.clone(), place);
            }
        }
        Ok(Self { path: path.to_owned(), shown, entries, kept })
    }

    fn place(&self, name: &str) -> Option<(u64, u64)> {
        self.entries.get(&plain(name)).copied()
    }

    fn read(&self, name: &str, limit: usize) -> Result<Vec<u8>> {
        let what = format!("read {} in {}", clean::short(name, 80), self.shown);
        let (offset, length) =
            self.place(name).ok_or_else(|| Error::not_found(&what, "the archive does not have it"))?;
        if length > limit as u64 {
            return Err(Error::failed(what, "it is larger than Wharf accepts"));
        }
        let mut bytes = vec![0; length as usize];
        disk_header::open(&self.path)?.read_exact_at(&mut bytes, offset).during(&what)?;
        Ok(bytes)
    }

    /// The digest of a file's stored bytes and how they are compressed; `None` if they are not compressed.
    fn compressed(&self, (offset, length): (u64, u64), what: &str) -> Result<Option<(Digest, &'static str)>> {
        let mut file = disk_header::open(&self.path)?;
        let mut head = vec![0; length.min(4) as usize];
        file.read_exact_at(&mut head, offset).during(what)?;
        let Some(word) = compression(&head) else { return Ok(None) };
        file.seek(SeekFrom::Start(offset)).during(what)?;
        let mut hasher = Hasher::default();
        hasher.update_from(file.take(length)).during(what)?;
        Ok(Some((hasher.finish(), word)))
    }

    /// The images in the archive, which is an OCI layout or a `docker save` file.
    pub fn contents(&self) -> Result<Contents> {
        if self.place("index.json").is_some() { self.layout() } else { self.saved() }
    }

    fn layout(&self) -> Result<Contents> {
        let what = format!("read {}", self.shown);
        let mut blobs = HashMap::new();
        for (name, place) in &self.entries {
            if let Some((algorithm, hex)) = name.strip_prefix("blobs/").and_then(|rest| rest.split_once('/')) {
                if let Ok(digest) = format!("{algorithm}:{hex}").parse() {
                    blobs.insert(digest, *place);
                }
            }
        }
        let mut images = Vec::new();
        for (name, digest) in layout_index(&self.read("index.json", MANIFEST_LIMIT)?, &what)? {
            let bytes = self.read(&format!("blobs/{}/{}", digest.algorithm(), digest.hex()), MANIFEST_LIMIT)?;
            images.push(ArchiveImage { name, manifest: RawManifest::with_digest(&digest, None, bytes.into(), &what)? });
        }
        Ok(Contents { path: self.path.clone(), kept: self.kept.clone(), images, blobs })
    }

    /// The images of a `docker save` file: `manifest.json` names a configuration and layers. The configuration has the
    /// digests of the uncompressed layers; for a layer that is stored compressed, the digest is computed.
    fn saved(&self) -> Result<Contents> {
        let what = format!("read {}", self.shown);
        let saved: Vec<ArchiveEntry> =
            serde_json::from_slice(&self.read("manifest.json", MANIFEST_LIMIT)?).during(&what)?;
        let mut contents =
            Contents { path: self.path.clone(), kept: self.kept.clone(), images: Vec::new(), blobs: HashMap::new() };
        // Images may share layers, which are hashed once.
        let mut hashed: HashMap<(u64, u64), Option<(Digest, &'static str)>> = HashMap::new();
        for image in saved {
            let config = self.read(&image.config, CONFIG_LIMIT)?;
            let ids = Configuration::parse(&config).unwrap_or_default().diff_ids;
            if ids.len() != image.layers.len() {
                return Err(Error::failed(what, "its layers and its configuration do not fit together"));
            }
            let mut layers = Vec::new();
            for (id, file) in ids.iter().zip(&image.layers) {
                let place = self
                    .place(file)
                    .ok_or_else(|| Error::failed(&what, format!("layer {} is missing", clean::short(file, 80))))?;
                let stored = match hashed.get(&place) {
                    Some(known) => known.clone(),
                    None => hashed.entry(place).or_insert(self.compressed(place, &what)?).clone(),
                };
                let (digest, ending) = match stored {
                    Some((digest, word)) => (digest, format!("+{word}")),
                    None => (id.clone(), String::new()),
                };
                let media_type = format!("application/vnd.oci.image.layer.v1.tar{ending}");
                layers.push(serde_json::json!({"mediaType": media_type, "digest": digest, "size": place.1}));
                contents.blobs.insert(digest, place);
            }
            let config_digest = Digest::of(&config);
            contents.blobs.insert(config_digest.clone(), self.place(&image.config).unwrap_or_default());
            let manifest = serde_json::json!({
                "schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": layers,
                "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config_digest, "size": config.len()},
            });
            let bytes = bytes::Bytes::from(serde_json::to_vec(&manifest).during(&what)?);
            let names = image.repo_tags.filter(|names| !names.is_empty()).unwrap_or_else(|| vec![String::new()]);
            for name in names.into_iter().take(MOST_NAMES) {
                contents.images.push(ArchiveImage {
                    name: clean::short(&name, 300),
                    manifest: RawManifest::new(Some(OCI_MANIFEST), bytes.clone(), &what)?,
                });
            }
        }
        Ok(contents)
    }
}

/// A name in the archive without `.` and `..` in it.
fn plain(name: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// A part of a file as a stream: `length` bytes from `offset`.
pub async fn part(path: &Path, offset: u64, length: u64, what: String) -> Result<wharf_core::ports::ByteStream> {
    use futures_util::StreamExt;
    use tokio::io::{AsyncReadExt, AsyncSeekExt};
    let mut file = tokio::fs::File::from_std(disk_header::open(path)?);
    file.seek(SeekFrom::Start(offset)).await.during(&what)?;
    let stream = tokio_util::io::ReaderStream::with_capacity(file.take(length), 256 << 10);
    Ok(Box::pin(stream.map(move |chunk| chunk.during(&what))))
}
