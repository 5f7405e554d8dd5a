//! Unpacked root file systems, kept by the digest of their manifest.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use futures_util::TryStreamExt;
use tokio_util::io::{StreamReader, SyncIoBridge};

use super::unpack::Root;
use crate::core::{
    copy::{Checked, Place},
    error::{During, Error, Kind, Result},
    manifest::{Descriptor, Manifest},
    ports::{BlobSource, Supply},
    progress::Context,
};

/// The root of the pinned image, unpacked once. Layers are hashed as they are unpacked; a wrong one leaves nothing behind.
pub async fn provide(cx: &Context, roots: &Path, supply: &Supply) -> Result<PathBuf> {
    let what = format!("unpack {}", supply.image.reference);
    let root = roots.join(supply.image.manifest.hex());
    if root.join("done").is_file() {
        return Ok(root.join("root"));
    }
    let at = supply.image.reference.with_digest(&supply.image.manifest);
    let content = supply.bytes()?;
    let manifest = content.manifest(cx, &at).await?;
    supply.image.manifest.matches(&manifest.digest, &what)?;
    let Manifest::Image { layers, .. } = manifest.parse(&what)? else {
        return Err(Error::failed(what, "not a single image"));
    };
    cx.progress.total(layers.iter().map(|layer| layer.size).sum());
    let working = roots.join(format!("{}.{}.partial", supply.image.manifest.hex(), std::process::id()));
    let place = Place { content, at };
    let unpacked = cx.unless_cancelled(&what, unpack_all(cx, &working, &place, layers, &what)).await;
    if let Err(error) = unpacked {
        let _ = tokio::fs::remove_dir_all(&working).await;
        return Err(error);
    }
    match tokio::fs::rename(&working, &root).await {
        Ok(()) => {}
        // Another Wharf was faster with the same bytes.
        Err(_) if root.join("done").is_file() => {
            let _ = tokio::fs::remove_dir_all(&working).await;
        }
        Err(error) => return Err(Error::failed(what, error)),
    }
    Ok(root.join("root"))
}

async fn unpack_all(cx: &Context, working: &Path, place: &Place, layers: Vec<Descriptor>, what: &str) -> Result<()> {
    let folder = working.join("root");
    let _ = tokio::fs::remove_dir_all(working).await;
    tokio::fs::create_dir_all(&folder).await.during(what)?;
    let mut root = Root::new(&folder)?;
    for (number, layer) in layers.iter().enumerate() {
        cx.progress.phase(format!("unpacking layer {} of {}", number + 1, layers.len()));
        // The stream's own error says more than what the tar reader makes of it.
        let source = Checked::new(cx, place, layer);
        let failed: Arc<std::sync::Mutex<Option<Error>>> = Arc::default();
        let slot = failed.clone();
        let stream = source.open(0).await?.map_err(move |error| {
            let shown = std::io::Error::other(error.to_string());
            *slot.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(error);
            shown
        });
        let reader = SyncIoBridge::new(StreamReader::new(stream));
        let task = what.to_owned();
        let (back, result) = tokio::task::spawn_blocking(move || {
            let mut reader = reader;
            let result = root.apply(&mut reader, &task);
            // Read on to the end: the digest is known only there, and padding may follow the archive.
            let drained = std::io::copy(&mut reader, &mut std::io::sink());
            (root, result.and(drained.map(|_| ()).during(task)))
        })
        .await
        .during(what)?;
        root = back;
        let failed = failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        match (failed, result) {
            (Some(error), _) => return Err(error),
            (None, result) => result?,
        }
    }
    root.mount_points(&["proc", "dev", "tmp", "run"].map(Path::new), what)?;
    if root.left_out > 0 {
        tracing::info!(count = root.left_out, "devices and pipes in the image were left out");
    }
    tokio::fs::write(working.join("done"), b"").await.during(what)
}

/// A private copy of a root for a workload that wants to write.
pub async fn private_copy(root: PathBuf, target: PathBuf) -> Result<()> {
    let what = format!("copy the image into {}", target.display());
    let arguments = [root.display().to_string(), target.display().to_string()];
    let argv = ["cp", "-a", "--reflink=auto", "--", &arguments[0], &arguments[1]];
    let output = crate::adapters::exec::run(&argv, b"", 1 << 10, std::time::Duration::from_secs(600)).await?;
    if output.code == 0 {
        Ok(())
    } else {
        Err(Error::new(Kind::Failed, what, output.stderr).hint("check the space left on that file system"))
    }
}
