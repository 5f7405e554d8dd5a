//! A SIF file as an image in a registry: a manifest with this one layer, which is made of the file alone, so that the
//! same file has the same digest everywhere. Apptainer pulls it by `oras://`.

use std::{os::unix::fs::FileExt, path::Path};

use bytes::Bytes;
use tokio::fs;

use super::Files;
use crate::{
    formats::{archive, disk_header},
    shared::partial,
};
use wharf_core::{
    base::{
        blocking::blocking,
        context::Context,
        digest::Digest,
        error::{During, Error, Result},
    },
    image::{
        artifact::{SIF_CONFIG_TYPE, SIF_LAYER, SIF_LAYER_TYPE},
        manifest::{Descriptor, OCI_MANIFEST, RawManifest},
        model::ImageKind,
    },
    ports::{BlobSource, ByteStream},
};

/// The configuration: nothing is said there.
const CONFIG: &[u8] = b"{}";

/// Whether a path names a SIF file to be written.
pub(super) fn is_named(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "sif")
}

/// Whether there is a SIF file at this path.
pub(super) fn is_there(path: &Path) -> bool {
    path.is_file() && disk_header::inspect(path).is_ok_and(|facts| facts.kind == ImageKind::Sif)
}

fn is_layer(blob: &Descriptor) -> bool {
    blob.media_type.starts_with(SIF_LAYER)
}

fn is_config(blob: &Descriptor) -> bool {
    blob.media_type.starts_with("application/vnd.sylabs.sif.config.")
}

/// The manifest of a SIF file with this hash and size.
fn manifest(hash: &Digest, size: u64, what: &str) -> Result<RawManifest> {
    let document = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": SIF_CONFIG_TYPE, "digest": Digest::of(CONFIG), "size": CONFIG.len()},
        "layers": [{"mediaType": SIF_LAYER_TYPE, "digest": hash, "size": size}],
    });
    RawManifest::new(None, serde_json::to_vec(&document).during(what)?.into(), what)
}

impl Files {
    /// The hash of a file, computed again only after it was changed.
    async fn hash(&self, path: &Path, what: &str) -> Result<Digest> {
        self.known.hashed.of(path, super::hash(path, what)).await
    }

    /// The manifest of the SIF file at this path. `wanted` is the digest of the manifest or of the file, if one is
    /// pinned.
    pub(super) async fn sif_manifest(&self, path: &Path, wanted: Option<&Digest>, what: &str) -> Result<RawManifest> {
        let hash = self.hash(path, what).await?;
        let size = fs::metadata(path).await.during(what)?.len();
        let manifest = manifest(&hash, size, what)?;
        match wanted.filter(|wanted| **wanted != hash) {
            Some(wanted) => wanted.matches(&manifest.digest, what).map(|()| manifest),
            None => Ok(manifest),
        }
    }

    /// The file itself, or its configuration.
    pub(super) async fn sif_blob(&self, path: &Path, blob: &Descriptor, from: u64) -> Result<ByteStream> {
        let what = format!("read {}", path.display());
        if blob.digest == Digest::of(CONFIG) {
            let rest = CONFIG.get(usize::try_from(from).unwrap_or(CONFIG.len())..).unwrap_or_default();
            return Ok(Box::pin(futures_util::stream::iter([Ok(Bytes::from_static(rest))])));
        }
        archive::part(path, from, blob.size.saturating_sub(from), what).await
    }

    /// Whether the SIF file is there with exactly these bytes; its configuration needs no place.
    pub(super) async fn has_sif(&self, path: &Path, blob: &Descriptor) -> Result<bool> {
        if is_config(blob) {
            return Ok(true);
        }
        let there = fs::metadata(path).await.is_ok_and(|meta| meta.is_file() && meta.len() == blob.size);
        Ok(there && self.hash(path, &format!("read {}", path.display())).await? == blob.digest)
    }

    /// Writes the layer of a SIF image as a file. It gets its name when it is complete and was compared.
    pub(super) async fn put_sif(
        &self,
        cx: &Context,
        path: &Path,
        blob: &Descriptor,
        source: &dyn BlobSource,
    ) -> Result<()> {
        let what = format!("write {}", path.display());
        if !is_layer(blob) {
            return Err(Error::unsupported(what, "what is copied is no SIF file, and nothing else is written as one")
                .hint(
                    "name a folder or a .tar file; 'apptainer build NEW.sif oci-archive:FILE.tar' makes a SIF of it",
                ));
        }
        let partial = partial::of(path);
        let locked = self.arrive(cx, (path, &partial), blob, source, &what).await?.into_std().await;
        let mut magic = [0; 42];
        // By its path, it might be another file by now.
        let read = blocking(move || locked.read_exact_at(&mut magic, 0).map(|()| magic).map(|head| (head, locked)));
        let Some((_, locked)) = read.await.during(&what)?.ok().filter(|(head, _)| head.ends_with(b"SIF_MAGIC\0"))
        else {
            let _ = fs::remove_file(&partial).await;
            return Err(
                Error::failed(what, "the registry calls it a SIF file, and it is none").hint("tell its publisher")
            );
        };
        let to = path.to_owned();
        blocking(move || partial::put(&locked, &partial, &to, false, &what)).await.during("put a file")?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_core::image::{artifact::Artifact, manifest::Manifest};

    #[test]
    fn a_sif_file_has_one_manifest_wherever_it_is() {
        let hash = Digest::of(b"the file");
        let made = manifest(&hash, 8, "make").unwrap();
        assert_eq!(made.digest, manifest(&hash, 8, "make").unwrap().digest);
        let artifact = Artifact::from_manifest(made.parsed(), None).unwrap();
        assert!(artifact.is_sif(made.parsed()));
        let Manifest::Image { layers, .. } = made.parsed() else { unreachable!() };
        assert_eq!((&layers[0].digest, layers[0].size), (&hash, 8));
    }
}
