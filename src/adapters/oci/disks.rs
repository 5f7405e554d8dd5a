//! Disks of machines among the images of a registry, known by their first bytes.

use std::time::Duration;

use futures_util::TryStreamExt;

use crate::formats::disk_image::{self, HEAD, Inside};
use wharf_core::{
    base::{
        context::Context,
        error::{Error, Result},
    },
    image::{
        lineage::{DiskNeeds, FORMAT},
        manifest::Descriptor,
        model::{DiskFacts, Image, ImageKind, Pinned},
        reference::ImageRef,
    },
    ports::Content,
};

/// How long the beginning of a layer may take to come.
const MOMENT: Duration = Duration::from_secs(2);
/// The least bytes of a layer that is looked into: no disk is smaller.
const SMALLEST: u64 = 128;

/// The image, told as a disk where its only layer is one, or holds one. Only images that run no program are looked into,
/// and one that cannot be looked into stays what it is.
pub(super) async fn told(cx: &Context, content: &dyn Content, image: Image) -> Image {
    let programless = image.config.entrypoint.is_empty() && image.config.command.is_empty();
    let candidate = matches!(image.kind, ImageKind::Container | ImageKind::Artifact) && programless;
    let [layer] = image.layers.as_slice() else { return image };
    let Some(digest) = layer.digest.clone().filter(|_| candidate && layer.size >= SMALLEST) else { return image };
    let blob = Descriptor::blob(&layer.media_type, digest, layer.size);
    match look(cx, content, &image.reference, &blob).await {
        Ok(Some(inside)) => as_disk(image, inside),
        Ok(None) => image,
        Err(error) => {
            tracing::debug!(%error, "whether it is a disk is not known");
            image
        }
    }
}

/// Reads the beginning of a layer, as much of it as comes in a moment: whoever is shown an image does not wait for a registry
/// that is slow.
async fn look(cx: &Context, content: &dyn Content, at: &ImageRef, blob: &Descriptor) -> Result<Option<Inside>> {
    let mut head = Vec::new();
    let reading = async {
        let mut stream = content.blob_head(cx, at, blob, HEAD as u64).await?;
        while let Some(bytes) = stream.try_next().await? {
            head.extend_from_slice(&bytes);
            if head.len() >= HEAD {
                break;
            }
        }
        Ok::<_, Error>(())
    };
    let moment = tokio::time::timeout(MOMENT, reading);
    match cx.unless_cancelled(&format!("look into {at}"), async { Ok(moment.await) }).await? {
        Ok(Err(error)) => Err(error),
        Ok(Ok(())) | Err(_) => Ok(disk_image::recognise(&head, blob.size)),
    }
}

fn as_disk(image: Image, inside: Inside) -> Image {
    let disk = DiskFacts { in_image: inside.in_image, ..inside.facts.into_disk() };
    let disk = DiskNeeds::add_to(disk, &image.annotations);
    let image = if disk.architecture.is_empty() { without_packers(image) } else { image };
    Image { kind: ImageKind::Vm, disk: Some(disk), artifact: None, ..image }
}

/// The image without the platform of whoever packed it, which Wharf writes where it does not know the disk's: a
/// configuration must name one. A platform in an index, or in another program's image, is what its maker says.
fn without_packers(image: Image) -> Image {
    let is_single = image.pinned.as_ref().is_some_and(|pinned| pinned.digest == pinned.manifest);
    if !is_single || !image.annotations.contains_key(FORMAT) {
        return image;
    }
    let pinned = image.pinned.map(|pinned| Pinned { platform: None, ..pinned });
    Image { platforms: Vec::new(), pinned, ..image }
}
