//! OCI image layouts, as folders or archives (OCI image specification, "Image Layout").

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use crate::formats::{
    archive::{self, Contents, Form, Index},
    disk_header,
};
use wharf_core::{
    base::{
        digest::Digest,
        error::{During, Error, Result},
    },
    image::manifest::{MANIFEST_LIMIT, RawManifest},
    ports::ByteStream,
};

/// An opened image layout: the images that a folder or archive holds.
pub(super) enum Layout {
    /// A folder with `index.json` and `blobs/`; the images by their names.
    Folder { path: PathBuf, images: Vec<(String, Digest)> },
    /// A tar archive of such a folder, or one that `docker save` has written.
    Archive(Contents),
}

/// Whether `path` looks like a layout: a folder with `index.json`, or a tar archive.
pub(super) fn is_layout(path: &Path) -> bool {
    if path.is_dir() {
        return path.join("index.json").is_file();
    }
    path.is_file() && archive::form(path).is_some()
}

impl Layout {
    /// Opens a folder or archive. A compressed archive is first decompressed into the folder `scratch`.
    pub(super) fn open(path: &Path, scratch: &Path) -> Result<Self> {
        let what = format!("read {}", path.display());
        if path.is_dir() {
            let bytes = read_bounded(&path.join("index.json"), &what)?;
            return Ok(Self::Folder { path: path.to_owned(), images: archive::layout_index(&bytes, &what)? });
        }
        let index = match archive::form(path) {
            Some(Form::Compressed) => Index::scan_compressed(path, scratch)?,
            _ => Index::scan(path)?,
        };
        Ok(Self::Archive(index.contents()?))
    }

    /// The tags of the images in the layout.
    pub(super) fn tags(&self) -> Vec<String> {
        let names: Vec<&str> = match self {
            Self::Folder { images, .. } => images.iter().map(|(name, _)| name.as_str()).collect(),
            Self::Archive(contents) => contents.images.iter().map(|image| image.name.as_str()).collect(),
        };
        // `docker save` writes full names; a person types the tag only.
        names
            .iter()
            .map(|name| name.rsplit_once(':').map_or(*name, |(_, tag)| tag).to_owned())
            .filter(|name| !name.is_empty())
            .collect()
    }

    /// The digest of the image with this tag. Without a tag, the layout must hold one image only.
    pub(super) fn resolve(&self, tag: Option<&str>, what: &str) -> Result<Digest> {
        let all: Vec<(&str, &Digest)> = match self {
            Self::Folder { images, .. } => images.iter().map(|(name, digest)| (name.as_str(), digest)).collect(),
            Self::Archive(contents) => {
                contents.images.iter().map(|image| (image.name.as_str(), &image.manifest.digest)).collect()
            }
        };
        let found = match tag {
            Some(tag) => {
                all.iter().find(|(name, _)| *name == tag || name.rsplit_once(':').is_some_and(|(_, last)| last == tag))
            }
            None if all.len() == 1 => all.first(),
            None => all.iter().find(|(name, _)| *name == "latest" || name.ends_with(":latest")),
        };
        found.map(|(_, digest)| (*digest).clone()).ok_or_else(|| {
            let names = self.tags().join(", ");
            Error::not_found(
                what,
                tag.map_or_else(
                    || "it holds several images".to_owned(),
                    |tag| format!("it holds no image named '{tag}'"),
                ),
            )
            .hint(if names.is_empty() {
                "it holds no named image".to_owned()
            } else {
                format!("it holds {names}")
            })
        })
    }

    /// The manifest with this digest; fails if its bytes do not have that digest.
    pub(super) fn manifest(&self, digest: &Digest) -> Result<RawManifest> {
        let what = format!("read manifest {}", digest.short());
        match self {
            Self::Folder { path, .. } => {
                let bytes = read_bounded(&blob_path(path, digest), &what)?;
                RawManifest::with_digest(digest, None, bytes.into(), &what)
            }
            Self::Archive(contents) => {
                if let Some(image) = contents.images.iter().find(|image| image.manifest.digest == *digest) {
                    return Ok(image.manifest.clone());
                }
                let (offset, length) = *contents
                    .blobs
                    .get(digest)
                    .ok_or_else(|| Error::not_found(&what, "the archive does not have it"))?;
                let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX).min(MANIFEST_LIMIT)];
                std::os::unix::fs::FileExt::read_exact_at(&disk_header::open(&contents.path)?, &mut bytes, offset)
                    .during(&what)?;
                RawManifest::with_digest(digest, None, bytes.into(), &what)
            }
        }
    }

    /// The bytes of a blob, beginning at byte `from`.
    pub(super) async fn blob(&self, digest: &Digest, from: u64) -> Result<ByteStream> {
        let what = format!("read blob {}", digest.short());
        match self {
            Self::Folder { path, .. } => archive::part(&blob_path(path, digest), from, u64::MAX - from, what).await,
            Self::Archive(contents) => {
                let (offset, length) = *contents
                    .blobs
                    .get(digest)
                    .ok_or_else(|| Error::not_found(&what, "the archive does not have it"))?;
                archive::part(&contents.path, offset + from.min(length), length.saturating_sub(from), what).await
            }
        }
    }
}

/// The path of a blob in a layout. A digest is hexadecimal, so the path cannot leave the folder.
pub(super) fn blob_path(layout: &Path, digest: &Digest) -> PathBuf {
    layout.join("blobs").join(digest.algorithm()).join(digest.hex())
}

fn read_bounded(path: &Path, what: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    disk_header::open(path)?.take(MANIFEST_LIMIT as u64 + 1).read_to_end(&mut bytes).during(what)?;
    if bytes.len() > MANIFEST_LIMIT {
        return Err(Error::failed(what, format!("{} is larger than Wharf accepts", path.display())));
    }
    Ok(bytes)
}
