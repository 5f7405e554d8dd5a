//! Reading an image from any place with manifests and blobs: top, platform, configuration, every digest checked.

use futures_util::TryStreamExt;

use super::{
    error::{Error, Kind, Result},
    manifest::{CONFIG_LIMIT, Descriptor, Manifest, Pieces, choose, describe},
    model::{Image, Platform},
    ports::Content,
    progress::Context,
    reference::ImageRef,
};

/// The image at `at` for `platform`, or for this machine; without a wish, one that does not fit this machine is
/// still shown.
pub async fn image(cx: &Context, content: &dyn Content, at: &ImageRef, platform: Option<&Platform>) -> Result<Image> {
    let what = format!("show {at}");
    let top = content.manifest(cx, at).await?;
    let manifest = match top.parse(&what)? {
        Manifest::Index { manifests, .. } => {
            let entry = entry_for(&manifests, platform, &what)?;
            content.manifest(cx, &at.with_digest(&entry.digest)).await?
        }
        Manifest::Image { .. } => top.clone(),
    };
    let config = match manifest.parse(&what)? {
        Manifest::Image { config, .. } => blob(cx, content, at, &config, CONFIG_LIMIT).await?,
        Manifest::Index { .. } => return Err(Error::unsupported(what, "an index inside an index")),
    };
    describe(&Pieces { reference: at, top: &top, manifest: &manifest, config: &config }, &what)
}

fn entry_for<'a>(manifests: &'a [Descriptor], platform: Option<&Platform>, what: &str) -> Result<&'a Descriptor> {
    match (choose(manifests, &platform.cloned().unwrap_or_else(Platform::host), what), platform) {
        (Err(_), None) => manifests
            .iter()
            .find(|entry| entry.platform.as_ref().is_some_and(|platform| platform.os != "unknown"))
            .or(manifests.first())
            .ok_or_else(|| Error::failed(what, "the index is empty")),
        (chosen, _) => chosen,
    }
}

/// Reads a small blob whole, checks its digest, and refuses one above `limit` bytes.
pub async fn blob(
    cx: &Context,
    content: &dyn Content,
    at: &ImageRef,
    blob: &Descriptor,
    limit: usize,
) -> Result<Vec<u8>> {
    let what = format!("read {} of {at}", blob.digest.short());
    let wrong = |why: String| Error::new(Kind::Integrity, &what, why).hint("tell whoever runs the source");
    if blob.size > limit as u64 {
        return Err(wrong(format!("{} bytes is more than Wharf reads of such a thing", blob.size)));
    }
    cx.run(&what, async {
        let mut stream = content.blob(cx, at, blob, 0).await?;
        let mut bytes = Vec::with_capacity(blob.size as usize);
        while let Some(chunk) = stream.try_next().await? {
            if bytes.len() + chunk.len() > blob.size as usize {
                return Err(wrong("more bytes came than the manifest says".into()));
            }
            bytes.extend_from_slice(&chunk);
        }
        blob.digest.check(&bytes, &what)?;
        Ok(bytes)
    })
    .await
}
