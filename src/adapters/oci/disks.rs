//! Disks of machines among the images of a registry, known by their first bytes.

use std::time::Duration;

use futures_util::TryStreamExt;

use crate::formats::disk_image::{self, HEAD, Inside};
use wharf_core::{
    base::{
        clean,
        context::Context,
        error::{Error, Result},
    },
    image::{
        lineage::{DiskNeeds, FORMAT},
        manifest::Descriptor,
        model::{Artifact, DiskFacts, Image, ImageKind, Pinned},
        reference::ImageRef,
    },
    ports::Content,
};

/// How long the beginning of a layer may take to come.
const MOMENT: Duration = Duration::from_secs(2);
/// What the type of a disk begins with in what KubeVirt exports, and the annotation with its name.
const EXPORTED: &str = "application/vnd.kubevirt.disk.";
const DISK_NAME: &str = "io.kubevirt.disk.name";
/// How many names are told.
const MOST_NAMES: usize = 10;
/// The least bytes of a layer that is looked into: no disk is smaller.
const SMALLEST: u64 = 128;

/// The image, told as a disk where its only layer is one, or holds one. Only images that run no program are looked into,
/// and one that cannot be looked into stays what it is.
pub(super) async fn told(cx: &Context, content: &dyn Content, image: Image) -> Image {
    let programless = image.config.entrypoint.is_empty() && image.config.command.is_empty();
    let candidate = matches!(image.kind, ImageKind::Container | ImageKind::Artifact) && programless;
    let [layer] = image.layers.as_slice() else { return told_as_several(cx, content, image).await };
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

/// The image, told as what it is where KubeVirt has exported a machine with several disks: which one is meant, nobody says.
async fn told_as_several(cx: &Context, content: &dyn Content, image: Image) -> Image {
    let is_disk = |media_type: &str| media_type.starts_with(EXPORTED);
    let count = image.layers.iter().filter(|layer| is_disk(&layer.media_type)).count();
    let (Some(artifact), Some(pinned), true) = (&image.artifact, &image.pinned, count > 1) else { return image };
    let at = pinned.reference.with_digest(&pinned.manifest);
    let read = tokio::time::timeout(MOMENT, content.manifest(cx, &at)).await;
    let names = read.ok().and_then(Result::ok).map(|manifest| names_in(&manifest.bytes)).unwrap_or_default();
    let named = if names.is_empty() { String::new() } else { format!(": {}", names.join(", ")) };
    let name = format!("a machine of KubeVirt with {count} disks{named}");
    let artifact = Some(Artifact { name, media_type: artifact.media_type.clone() });
    Image { artifact, ..image }
}

/// The names of the disks in a manifest of KubeVirt, cleaned.
fn names_in(manifest: &[u8]) -> Vec<String> {
    let document: serde_json::Value = serde_json::from_slice(manifest).unwrap_or_default();
    let layers = document["layers"].as_array().into_iter().flatten();
    let names = layers.filter_map(|layer| layer["annotations"][DISK_NAME].as_str());
    names.take(MOST_NAMES).map(|name| clean::short(name, 60)).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disks_of_an_export_are_named() {
        let manifest = br#"{"layers": [{"annotations": {"io.kubevirt.disk.name": "root"}}, {"annotations": {}}, {},
            {"annotations": {"io.kubevirt.disk.name": "data\u001b[2J"}}, 7]}"#;
        assert_eq!(names_in(manifest), ["root".to_owned(), clean::short("data\u{1b}[2J", 60)]);
        assert!(names_in(b"{").is_empty());
    }
}
