//! A SIF made of a container image: of its layers, which are compared with what was pinned, so that the program that
//! makes it contacts nobody. It is kept with what it was made from, and its own hash, by the digest of the manifest.

use std::{
    fs::File,
    path::{Path, PathBuf},
    time::Duration,
};

use futures_util::TryStreamExt;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;

use crate::{
    formats::{
        disk_header,
        layer::{Budget, Layer},
        sif::{BASE_DIGEST, BASE_NAME},
    },
    shared::{
        apptainer::{self as program, Program},
        exec,
        private::{self, Scratch},
    },
};
use wharf_core::{
    base::{
        blocking::blocking,
        clean,
        context::Context,
        digest::{Digest, Hasher},
        error::{During, Error, Kind, Result},
        small_file, text,
    },
    image::{
        manifest::{Descriptor, Manifest, OCI_INDEX, RawManifest},
        reference::ImageRef,
    },
    ports::{BlobSource, Supply},
    transfer::copy::{CopyEnd, VerifiedBlob},
};

/// The most time of a build.
const PATIENCE: Duration = Duration::from_secs(3600);
/// The age at which a build that was not finished is removed, because nobody works on it any more.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// The folder with the container image, and the definition, during a build.
const LAYOUT: &str = "layout";
const RECIPE: &str = "image.def";

/// What a SIF was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Lineage {
    /// The reference of the container image, with its digest.
    source: String,
    /// The digest of the manifest.
    manifest: Digest,
    /// The hash of the SIF file.
    sif: Digest,
    /// What made it.
    tool: String,
    /// When, in seconds since 1970.
    made: i64,
}

/// The SIF of a pinned container image, open and compared with the hash that was noted when it was made. It is made
/// unless `store` has it.
///
/// # Errors
/// `Integrity` where layers are not those that were pinned; those of fetching and of `apptainer build`.
pub(super) async fn sif(cx: &Context, program: &Program, supply: &Supply, store: &Path) -> Result<File> {
    let what = format!("make a SIF of {}", supply.image.reference);
    let home = store.join(supply.image.manifest.hex());
    let (at, folder) = (home.clone(), store.to_owned());
    let known = blocking(move || -> Result<Option<File>> {
        private::folder(&folder)?;
        sweep(&folder);
        Ok(kept(&at))
    });
    if let Some(file) = known.await.during(&what)?? {
        return Ok(file);
    }
    let mut scratch = Scratch::make(private::beside(&home, "begun"))?;
    let layout = scratch.path().join(LAYOUT);
    let made = async {
        lay_out(cx, supply, &layout, &what).await?;
        cx.progress.phase("making the SIF file");
        let source = (&supply.image.reference, &supply.image.digest);
        tokio::fs::write(scratch.path().join(RECIPE), recipe(source)).await.during(&what)?;
        build(program, scratch.path(), &what).await
    };
    cx.unless_cancelled(&what, made).await?;
    let tool = program.installation().await?.version.clone();
    let (source, manifest) = (supply.image.reference.to_string(), supply.image.manifest.clone());
    let finish = blocking(move || {
        for folder in [LAYOUT, "tmp", "cache"] {
            let _ = private::remove(&scratch.path().join(folder));
        }
        let mut hasher = Hasher::default();
        hasher.update_from(disk_header::open(&scratch.path().join("image.sif"))?).during(&what)?;
        let lineage = Lineage { source, manifest, sif: hasher.finish(), tool, made: text::now() };
        private::write(&scratch.path().join("lineage.json"), &serde_json::to_vec_pretty(&lineage).during(&what)?)?;
        if let Some(file) = kept(&home) {
            // Another Wharf was faster.
            return Ok(file);
        }
        if home.exists() {
            private::remove(&home).during(&what)?;
        }
        scratch.keep_as(&home).during(&what)?;
        kept(&home).ok_or_else(|| Error::new(Kind::Integrity, what, "the file that was made has changed meanwhile"))
    });
    finish.await.during("keep a SIF file")?
}

/// The SIF in a folder, if it is the one that was made.
fn kept(home: &Path) -> Option<File> {
    use std::io::Seek;
    let lineage: Lineage = serde_json::from_slice(&small_file::bytes(home.join("lineage.json")).ok()?).ok()?;
    let mut file = disk_header::open(&home.join("image.sif")).ok()?;
    let mut hasher = lineage.sif.hasher();
    hasher.update_from(&mut file).ok()?;
    lineage.sif.matches(&hasher.finish(), "compare a SIF file").ok()?;
    file.rewind().ok()?;
    Some(file)
}

/// Writes an open SIF file to a path where nothing is yet; gives its hash.
///
/// # Errors
/// `Usage` if something is there.
pub(super) fn write(mut made: File, to: &Path) -> Result<Digest> {
    use std::{
        io::{Read, Write},
        os::unix::fs::OpenOptionsExt,
    };
    let what = format!("write {}", to.display());
    if to.symlink_metadata().is_ok() {
        return Err(Error::usage(what, "there is a file of that name").hint("choose another name, or move it away"));
    }
    private::make_parent(to)?;
    let partial = private::beside(to, "partial");
    let full = |error: std::io::Error| Error::failed(&what, error).hint("check the space left on that file system");
    let written = (|| {
        let mut options = File::options();
        let mut file =
            options.write(true).create_new(true).mode(private::file_mode(to)).open(&partial).during(&what)?;
        let (mut hasher, mut buffer) = (Hasher::default(), vec![0; 1 << 20]);
        loop {
            let count = made.read(&mut buffer).during(&what)?;
            let part = buffer.get(..count).unwrap_or_default();
            if part.is_empty() {
                break;
            }
            hasher.update(part);
            file.write_all(part).map_err(full)?;
        }
        file.sync_all().map_err(full)?;
        std::fs::rename(&partial, to).during(&what)?;
        Ok(hasher.finish())
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&partial);
    }
    written
}

/// Removes builds that nobody finished.
fn sweep(store: &Path) {
    for entry in std::fs::read_dir(store).into_iter().flatten().flatten() {
        let path = entry.path();
        let changed = path.symlink_metadata().and_then(|meta| meta.modified());
        let old = changed.is_ok_and(|changed| changed.elapsed().is_ok_and(|age| age > ABANDONED));
        if old && path.extension().is_some_and(|ending| ending == "begun") {
            let _ = private::remove(&path);
        }
    }
}

/// Writes the image as an OCI layout with this one manifest; everything in it is compared with its digest.
async fn lay_out(cx: &Context, supply: &Supply, layout: &Path, what: &str) -> Result<()> {
    let content = supply.bytes()?;
    let at = supply.image.reference.with_digest(&supply.image.manifest);
    let manifest = content.manifest(cx, &at).await?;
    supply.image.manifest.matches(&manifest.digest, what)?;
    let Manifest::Image { config, layers, .. } = manifest.parsed() else {
        return Err(Error::failed(what, "not a single image"));
    };
    let total = layers.iter().chain([config]).map(|blob| blob.size).fold(0, u64::saturating_add);
    cx.budget.expects(what, total)?;
    cx.progress.total(total);
    tokio::fs::create_dir_all(layout.join("blobs")).await.during(what)?;
    let place = CopyEnd { content: content.clone(), at };
    for (number, blob) in layers.iter().chain([config]).enumerate() {
        cx.progress.phase(format!("fetching part {} of {}", number + 1, layers.len() + 1));
        let file = blob_path(layout, &blob.digest);
        // The same layer may be in an image twice.
        if !tokio::fs::try_exists(&file).await.during(what)? {
            write_blob(cx, &place, blob, &file, what).await?;
        }
    }
    cx.progress.phase("looking through the layers");
    let files: Vec<PathBuf> = layers.iter().map(|layer| blob_path(layout, &layer.digest)).collect();
    let task = what.to_owned();
    let budget = Budget::default();
    let stop = budget.stop.clone();
    let look = blocking(move || look_through(&files, budget, &task));
    let looked = cx.unless_cancelled(what, async { look.await.during(what)? }).await;
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    looked?;
    write_manifest(&manifest, layout, what).await
}

/// Reads layers to their end within the limits of one image: Apptainer unpacks them without any.
///
/// # Errors
/// `Integrity` where they unpack to more than Wharf accepts.
fn look_through(layers: &[PathBuf], mut budget: Budget, what: &str) -> Result<()> {
    let refused = |error: std::io::Error| {
        Error::new(Kind::Integrity, what, format!("a layer: {error}")).hint("do not use it; tell its publisher")
    };
    for path in layers {
        let mut layer = Layer::new(disk_header::open(path)?, &budget).map_err(refused)?;
        while layer.next(&mut budget).map_err(refused)?.is_some() {}
    }
    Ok(())
}

fn blob_path(layout: &Path, digest: &Digest) -> PathBuf {
    layout.join("blobs").join(digest.algorithm()).join(digest.hex())
}

async fn write_blob(cx: &Context, place: &CopyEnd, blob: &Descriptor, path: &Path, what: &str) -> Result<()> {
    let full = |error: std::io::Error| {
        Error::failed(what, error).hint("check the space left on the file system of the cache folder")
    };
    if let Some(parent) = path.parent() {
        tokio::fs::create_dir_all(parent).await.during(what)?;
    }
    let mut file = tokio::fs::File::create(path).await.during(what)?;
    let mut stream = VerifiedBlob::new(cx, place, blob).open(0).await?;
    while let Some(chunk) = stream.try_next().await? {
        file.write_all(&chunk).await.map_err(full)?;
    }
    file.flush().await.map_err(full)
}

async fn write_manifest(manifest: &RawManifest, layout: &Path, what: &str) -> Result<()> {
    let path = blob_path(layout, &manifest.digest);
    if let Some(parent) = path.parent() {
        tokio::fs::create_dir_all(parent).await.during(what)?;
    }
    let entry =
        serde_json::json!({"mediaType": manifest.media_type, "digest": manifest.digest, "size": manifest.bytes.len()});
    let index = serde_json::json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]});
    tokio::fs::write(path, &manifest.bytes).await.during(what)?;
    tokio::fs::write(layout.join("index.json"), index.to_string()).await.during(what)?;
    tokio::fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).await.during(what)
}

/// The definition from which the SIF is made. It becomes a part of the file, and its labels say what the file was made
/// from, wherever it is copied.
fn recipe((reference, digest): (&ImageRef, &Digest)) -> String {
    // References hold no control characters; nothing else could end the line.
    let name = clean::short(&reference.to_string(), 1000);
    format!("Bootstrap: oci\nFrom: {LAYOUT}\n\n%labels\n    {BASE_NAME} {name}\n    {BASE_DIGEST} {digest}\n")
}

/// Lets Apptainer make `image.sif` of a layout. What it keeps meanwhile is in the same folder, so that no older cache of
/// it is used.
async fn build(program: &Program, folder: &Path, what: &str) -> Result<()> {
    let (tmp, cache) = (folder.join("tmp"), folder.join("cache"));
    for folder in [&tmp, &cache] {
        tokio::fs::create_dir(folder).await.during(what)?;
    }
    let mut environment = program::environment();
    for (name, place) in [("TMPDIR", &tmp), ("CACHEDIR", &cache)] {
        environment.retain(|pair| !pair.split('=').next().is_some_and(|known| known.ends_with(&format!("_{name}"))));
        environment.push(format!("APPTAINER_{name}={}", place.display()));
        environment.push(format!("SINGULARITY_{name}={}", place.display()));
    }
    let program = program.word()?;
    let argv = [program.as_str(), "--silent", "build", "image.sif", RECIPE];
    let said = exec::run_at(&argv, Some(&environment), Some(folder), b"", 64 << 10, PATIENCE).await?;
    if said.code == 0 {
        return Ok(());
    }
    let why = said.stderr.lines().next_back().unwrap_or("it gave no reason").to_owned();
    Err(Error::failed(what, format!("apptainer build: {why}"))
        .hint("check the space left there, and that mksquashfs is installed; or launch it on local"))
}
