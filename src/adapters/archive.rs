//! Shared: reading images out of tar archives (OCI layouts and `docker save` files) without unpacking them.
//!
//! The archive is scanned once for the place of every file; blobs are then read from their offsets.

use std::{
    collections::HashMap,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::{
    adapters::{
        header,
        layer::{Budget, Layer, What},
    },
    core::{
        clean,
        digest::Digest,
        error::{During, Error, Result},
        json,
        manifest::{CONFIG_LIMIT, MANIFEST_LIMIT, OCI_MANIFEST, RawManifest},
    },
};

/// More entries than any image archive has.
const MOST_ENTRIES: usize = 200_000;

/// Where the files of an archive are.
#[derive(Debug)]
pub struct Index {
    /// The archive.
    pub path: PathBuf,
    entries: HashMap<String, (u64, u64)>,
}

/// One image of an archive: a name, if it has one, and its manifest.
#[derive(Debug)]
pub struct Named {
    /// `repository:tag` or a tag, as the archive says.
    pub name: String,
    /// The manifest; made by us for `docker save` files, which have none.
    pub manifest: RawManifest,
}

/// The images of an archive and the place of their blobs.
#[derive(Debug)]
pub struct Contents {
    /// The archive.
    pub path: PathBuf,
    /// Images in it.
    pub images: Vec<Named>,
    /// Blobs: offset and length.
    pub blobs: HashMap<Digest, (u64, u64)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// The annotation that carries a name in an OCI layout's index.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// Images named in the `index.json` of an OCI layout: tag and descriptor digest.
pub fn layout_index(bytes: &[u8], what: &str) -> Result<Vec<(String, Digest)>> {
    // The image that a name means must be the same to everybody who reads the layout.
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
    /// Scans an archive.
    pub fn scan(path: &Path) -> Result<Self> {
        let what = format!("read {}", path.display());
        let file = header::open(path)?;
        let mut budget = Budget::default();
        let mut archive = Layer::in_file(file).during(&what)?;
        let mut entries = HashMap::new();
        while let Some(item) = archive.next(&mut budget).during(&what)? {
            if item.what == What::File {
                let name = String::from_utf8_lossy(&item.name).trim_start_matches("./").to_owned();
                entries.insert(name, archive.data());
            }
            if entries.len() > MOST_ENTRIES {
                return Err(Error::failed(what, "it has more files than an image archive"));
            }
        }
        Ok(Self { path: path.to_owned(), entries })
    }

    fn read(&self, name: &str, limit: usize) -> Result<Vec<u8>> {
        let what = format!("read {name} in {}", self.path.display());
        let (offset, length) =
            *self.entries.get(name).ok_or_else(|| Error::not_found(&what, "the archive does not have it"))?;
        if length > limit as u64 {
            return Err(Error::failed(what, "it is larger than any honest one"));
        }
        let mut file = header::open(&self.path)?;
        file.seek(SeekFrom::Start(offset)).during(&what)?;
        let mut bytes = vec![0; length as usize];
        file.read_exact(&mut bytes).during(&what)?;
        Ok(bytes)
    }

    /// The images in it, whichever of the two forms it has.
    pub fn contents(&self) -> Result<Contents> {
        if self.entries.contains_key("index.json") { self.layout() } else { self.saved() }
    }

    fn layout(&self) -> Result<Contents> {
        let what = format!("read {}", self.path.display());
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
            images.push(Named { name, manifest: RawManifest::named(&digest, None, bytes.into(), &what)? });
        }
        Ok(Contents { path: self.path.clone(), images, blobs })
    }

    /// `docker save`: `manifest.json` names a configuration and layer tars, whose digests the configuration has as `diff_ids`.
    fn saved(&self) -> Result<Contents> {
        let what = format!("read {}", self.path.display());
        let saved: Vec<Saved> = serde_json::from_slice(&self.read("manifest.json", MANIFEST_LIMIT)?).during(&what)?;
        let mut contents = Contents { path: self.path.clone(), images: Vec::new(), blobs: HashMap::new() };
        for image in saved {
            let config = self.read(&image.config, CONFIG_LIMIT)?;
            let document: serde_json::Value = serde_json::from_slice(&config).during(&what)?;
            let ids =
                document.pointer("/rootfs/diff_ids").and_then(serde_json::Value::as_array).cloned().unwrap_or_default();
            if ids.len() != image.layers.len() {
                return Err(Error::failed(what, "its layers and its configuration do not fit together"));
            }
            let mut layers = Vec::new();
            for (id, file) in ids.iter().zip(&image.layers) {
                let digest: Digest = id.as_str().unwrap_or("").parse()?;
                let place = self
                    .entries
                    .get(file)
                    .copied()
                    .ok_or_else(|| Error::failed(&what, format!("layer {} is missing", clean::short(file, 80))))?;
                layers.push(serde_json::json!({"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest, "size": place.1}));
                contents.blobs.insert(digest, place);
            }
            let config_digest = Digest::of(&config);
            contents.blobs.insert(config_digest.clone(), self.entries.get(&image.config).copied().unwrap_or_default());
            let manifest = serde_json::json!({
                "schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": layers,
                "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config_digest, "size": config.len()},
            });
            let bytes = serde_json::to_vec(&manifest).during(&what)?;
            let name = image.repo_tags.unwrap_or_default().into_iter().next().unwrap_or_default();
            contents.images.push(Named {
                name: clean::short(&name, 300),
                manifest: RawManifest::new(Some(OCI_MANIFEST), bytes.into(), &what)?,
            });
        }
        Ok(contents)
    }
}

/// A part of a file as a stream.
pub async fn part(path: &Path, offset: u64, length: u64, what: String) -> Result<crate::core::ports::ByteStream> {
    use futures_util::StreamExt;
    use tokio::io::{AsyncReadExt, AsyncSeekExt};
    let mut file = tokio::fs::File::from_std(header::open(path)?);
    file.seek(SeekFrom::Start(offset)).await.during(&what)?;
    let stream = tokio_util::io::ReaderStream::with_capacity(file.take(length), 256 << 10);
    Ok(Box::pin(stream.map(move |chunk| chunk.during(&what))))
}
