//! The bytes of an engine's images: read with `export` and written with `load`, both through a staging folder.

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError},
};

use async_trait::async_trait;
use bollard::query_parameters::ImportImageOptions;
use futures_util::{StreamExt, TryStreamExt};
use tokio::{fs, io::AsyncWriteExt};

use super::Engine;
use crate::{
    formats::archive::{self, Contents, Index},
    shared::private,
};
use wharf_core::{
    base::{
        blocking::blocking,
        context::Context,
        error::{During, Error, Result},
    },
    image::{
        manifest::{Descriptor, Manifest, RawManifest, choose},
        model::Platform,
        reference::{ImageRef, Name},
    },
    ports::{BlobSource, ByteStream, Content},
};

/// How long an exported image is kept for further copies.
const KEPT: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

#[async_trait]
impl Content for Engine {
    fn place(&self) -> String {
        self.name.clone()
    }

    async fn manifest(&self, cx: &Context, at: &ImageRef) -> Result<RawManifest> {
        // Either a manifest that was made here, named by its digest, or the image itself.
        let contents = self.exported(cx, at).await?;
        let first = contents
            .images
            .first()
            .ok_or_else(|| Error::failed(format!("read {at}"), "the engine exported nothing"))?;
        Ok(first.manifest.clone())
    }

    async fn blob(&self, cx: &Context, at: &ImageRef, blob: &Descriptor, from: u64) -> Result<ByteStream> {
        let what = format!("read {} of {at}", blob.digest.short());
        let contents = self.exported(cx, at).await?;
        let (offset, length) =
            *contents.blobs.get(&blob.digest).ok_or_else(|| Error::not_found(&what, "the image does not have it"))?;
        archive::part(&contents.path, offset + from.min(length), length.saturating_sub(from), what).await
    }

    async fn has_blob(&self, _cx: &Context, _at: &ImageRef, blob: &Descriptor) -> Result<bool> {
        Ok(fs::metadata(self.staged(blob)).await.is_ok_and(|meta| meta.len() == blob.size))
    }

    async fn put_blob(&self, _cx: &Context, _at: &ImageRef, blob: &Descriptor, source: &dyn BlobSource) -> Result<()> {
        let what = format!("stage {} for {}", blob.digest.short(), self.name);
        let path = self.staged(blob);
        private::folder(&self.staging)?;
        let partial = private::beside(&path, "partial");
        let mut file = fs::File::from_std(private::open(&partial, |options| options.create_new(true).write(true))?);
        let mut stream = source.open(0).await?;
        while let Some(chunk) = stream.try_next().await? {
            file.write_all(&chunk).await.during(&what)?;
        }
        file.flush().await.during(&what)?;
        fs::rename(&partial, &path).await.during(&what)
    }

    async fn put_manifest(
        &self,
        _cx: &Context,
        at: &ImageRef,
        _tag: Option<&str>,
        manifest: &RawManifest,
    ) -> Result<()> {
        self.incoming
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(at.clone())
            .or_default()
            .push(manifest.clone());
        Ok(())
    }

    /// Sends what was staged as one archive, which both Docker and Podman load.
    async fn finish(&self, cx: &Context, at: &ImageRef) -> Result<()> {
        let what = format!("load {at}");
        let name = self.local(at)?;
        let manifests = self.incoming.lock().unwrap_or_else(PoisonError::into_inner).remove(at).unwrap_or_default();
        let manifest = for_this_machine(&manifests, &what)?;
        let Manifest::Image { config, layers, .. } = manifest.parsed() else {
            return Err(Error::failed(what, "it is an index, not one image"));
        };
        let archive = self.staging.join(format!("{}-{}.tar", manifest.digest.hex(), std::process::id()));
        let name = format!("{}:{}", name.repository, name.tag.as_deref().unwrap_or("latest"));
        let files: Vec<(String, PathBuf)> =
            layers.iter().map(|layer| (format!("{}.tar", layer.digest.hex()), self.staged(layer))).collect();
        let config_file = (format!("{}.json", config.digest.hex()), self.staged(config));
        let target = archive.clone();
        let written = blocking(move || write_archive(&target, &name, &config_file, &files)).await.during(&what)?;
        let loaded = match written {
            Ok(()) => cx.unless_cancelled(&what, self.load(&what, &archive)).await,
            Err(error) => Err(error),
        };
        let _ = fs::remove_file(&archive).await;
        if loaded.is_ok() {
            for blob in layers.iter().chain([config]) {
                let _ = fs::remove_file(self.staged(blob)).await;
            }
        }
        loaded
    }
}

impl Engine {
    fn staged(&self, blob: &Descriptor) -> PathBuf {
        self.staging.join(blob.digest.hex())
    }

    async fn load(&self, what: &str, archive: &std::path::Path) -> Result<()> {
        let file = fs::File::open(archive).await.during(what)?;
        let stream = tokio_util::io::ReaderStream::with_capacity(file, 256 << 10);
        let docker = self.docker().await?;
        let mut answers = std::pin::pin!(docker.import_image_stream(ImportImageOptions::default(), stream, None));
        while let Some(answer) = answers.next().await {
            let answer = answer.map_err(|error| self.library_error(what, &error))?;
            if let Some(detail) = answer.error_detail {
                return Err(Error::failed(
                    what,
                    wharf_core::base::clean::short(&detail.message.unwrap_or_default(), 300),
                ));
            }
        }
        Ok(())
    }

    /// The image as an archive in the staging folder; exported once for each image id.
    async fn exported(&self, cx: &Context, at: &ImageRef) -> Result<Arc<Contents>> {
        let what = format!("export {at}");
        let name = self.local(at)?;
        let docker = self.docker().await?;
        let image = match self.inspect(name, &what).await {
            Ok(image) => image,
            // The engine does not know the digest of a manifest that was made here: the tag is used instead.
            Err(_) if name.tag.is_some() => self.inspect(&Name { digest: None, ..name.clone() }, &what).await?,
            Err(error) => return Err(error),
        };
        let id = image.id.unwrap_or_default();
        let hex: String = id.rsplit(':').next().unwrap_or("").chars().filter(char::is_ascii_hexdigit).collect();
        let path = self.staging.join(format!("export-{hex}.tar"));
        let known = self.exports.lock().unwrap_or_else(PoisonError::into_inner).get(&hex).cloned();
        if let Some(known) = known.filter(|_| path.is_file()) {
            return Ok(known);
        }
        if fs::metadata(&path).await.is_err() {
            private::folder(&self.staging)?;
            forget_old(&self.staging).await;
            let partial = private::beside(&path, "partial");
            cx.progress.phase(format!("exporting from {}", self.name));
            let mut file = fs::File::from_std(private::open(&partial, |options| options.create_new(true).write(true))?);
            let mut stream = std::pin::pin!(docker.export_image(&id));
            let write = async {
                while let Some(chunk) = stream.next().await {
                    file.write_all(&chunk.map_err(|error| self.library_error(&what, &error))?).await.during(&what)?;
                }
                file.flush().await.during(&what)
            };
            if let Err(error) = cx.unless_cancelled(&what, write).await {
                let _ = fs::remove_file(&partial).await;
                return Err(error);
            }
            fs::rename(&partial, &path).await.during(&what)?;
        }
        let contents = blocking(move || Index::scan(&path)?.contents()).await.during(&what)??;
        let contents = Arc::new(contents);
        self.exports.lock().unwrap_or_else(PoisonError::into_inner).insert(hex, contents.clone());
        Ok(contents)
    }
}

/// Removes exports and unfinished files that have not been changed for a day.
async fn forget_old(folder: &std::path::Path) {
    let Ok(mut entries) = fs::read_dir(folder).await else { return };
    while let Ok(Some(entry)) = entries.next_entry().await {
        let age =
            entry.metadata().await.ok().and_then(|meta| meta.modified().ok()).and_then(|time| time.elapsed().ok());
        if age.is_some_and(|age| age > KEPT) {
            let _ = fs::remove_file(entry.path()).await;
        }
    }
}

/// The image for this machine among the manifests that were written.
fn for_this_machine<'a>(manifests: &'a [RawManifest], what: &str) -> Result<&'a RawManifest> {
    let top = manifests.last().ok_or_else(|| Error::failed(what, "no manifest was written"))?;
    match top.parsed() {
        Manifest::Index { .. } => {
            let listed = manifests.iter().flat_map(|manifest| match manifest.parsed() {
                Manifest::Index { manifests, .. } => manifests.clone(),
                Manifest::Image { .. } => Vec::new(),
            });
            let listed: Vec<Descriptor> = listed.collect();
            let chosen = choose(&listed, &Platform::host(), what)?;
            manifests
                .iter()
                .find(|manifest| manifest.digest == chosen.digest)
                .ok_or_else(|| Error::failed(what, "the platform's manifest is missing"))
        }
        Manifest::Image { .. } => Ok(top),
    }
}

fn write_archive(
    target: &std::path::Path,
    name: &str,
    config: &(String, PathBuf),
    layers: &[(String, PathBuf)],
) -> Result<()> {
    let what = format!("write {}", target.display());
    let mut builder = tar::Builder::new(std::io::BufWriter::new(private::open(target, |options| {
        options.create(true).truncate(true).write(true)
    })?));
    let manifest = serde_json::json!([{"Config": config.0, "RepoTags": [name], "Layers": layers.iter().map(|(file, _)| file).collect::<Vec<_>>()}]);
    let bytes = serde_json::to_vec(&manifest).during(&what)?;
    for (file, path) in std::iter::once(config).chain(layers) {
        builder.append_path_with_name(path, file).during(&what)?;
    }
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, "manifest.json", &*bytes).during(&what)?;
    builder.into_inner().during(&what)?.into_inner().map_err(|error| Error::failed(&what, error.error()))?;
    Ok(())
}
