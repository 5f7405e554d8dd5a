//! A complete small source, to copy from: images with a scheme of their own, which nothing else of Wharf names. It keeps
//! them in memory and lets them be read, so that they are listed, shown, verified, copied, linked and launched.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::json;
use tokio::sync::mpsc;
use wharf::adapters::{
    parts::{Parts, Surroundings},
    shared::settings,
};
use wharf::core::{
    base::{
        context::Context,
        digest::Digest,
        error::{Error, Result},
    },
    catalog::rows::Row,
    config::{Config, EntryKind as ConfigKind},
    image::{
        manifest::{Descriptor, RawManifest},
        model::{Health, Image, Platform},
        reference::ImageRef,
    },
    portal::{Abilities, Source},
    ports::{BlobSource, ByteStream, Catalog, Content, Extent, InMemory, cannot},
    transfer::fetch,
};

/// The kind of place, before `://` in references.
pub const SCHEME: &str = "corkboard";
/// The only such place here: references are `SCHEME://PLACE/NAME`.
const PLACE: &str = "kitchen";
/// The names of its images.
const NAMES: [&str; 2] = ["recipes/soup", "shopping"];

/// A corkboard with images on it. An image is made from its name whenever it is read, so it is always the same.
struct Corkboard;

/// What its `[[source]]` may say: nothing but its name.
pub const KIND: ConfigKind = ConfigKind::source(settings::hosts::<settings::NameOnly>);

/// Adds the source, and the scheme that it opens. A real one looks for its technology here, and tells with `parts.note`
/// what it found.
pub fn register(_config: &Config, _around: &Surroundings, parts: &mut Parts) -> Result<()> {
    // References to other places, which no source owns.
    parts.opens(SCHEME, |reference, _| {
        Err(Error::not_found(format!("open {reference}"), "there is no such place").hint(format!("known: {PLACE}")))
    });
    let board = Arc::new(Corkboard);
    parts.sources.push(Source {
        name: PLACE.to_owned(),
        adapter: SCHEME,
        address: format!("{SCHEME}://{PLACE}"),
        origin: "built in".to_owned(),
        user: None,
        abilities: Abilities::default(),
        catalog: board.clone(),
        content: Some(board),
        sharer: None,
        disks: None,
        upkeep: None,
    });
    Ok(())
}

/// The blobs of the image `at`, and its manifest: no files, and a program that would say the image's name.
fn made(at: &ImageRef) -> Result<([Bytes; 2], RawManifest)> {
    let what = format!("read {at}");
    let Some(name) = at.repository().filter(|name| NAMES.contains(name)) else {
        return Err(Error::not_found(what, "nothing of that name hangs there"));
    };
    // An archive without files ends with two empty blocks.
    let layer = Bytes::from_static(&[0; 1024]);
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {"Cmd": ["echo", name]},
        "rootfs": {"type": "layers", "diff_ids": [Digest::of(&layer)]},
    });
    let config = Bytes::from(config.to_string());
    let described = |kind: &str, bytes: &Bytes| {
        let media_type = format!("application/vnd.oci.image.{kind}");
        json!({"mediaType": media_type, "digest": Digest::of(bytes), "size": bytes.len()})
    };
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": described("config.v1+json", &config), "layers": [described("layer.v1.tar", &layer)],
    });
    let manifest = RawManifest::new(None, manifest.to_string().into(), &what)?;
    if let Some(pinned) = at.digest() {
        pinned.matches(&manifest.digest, &what)?;
    }
    Ok(([config, layer], manifest))
}

#[async_trait]
impl Catalog for Corkboard {
    async fn list(&self, _cx: &Context, _query: Option<&str>, pages: mpsc::Sender<Vec<Row>>) -> Result<Extent> {
        let _ = pages.send(NAMES.map(|name| Row { name: name.to_owned(), ..Row::default() }).to_vec()).await;
        Ok(Extent::Whole)
    }

    fn reference(&self, name: &str, _tag: Option<&str>) -> Result<ImageRef> {
        ImageRef::other(SCHEME, PLACE, name)
    }

    fn owns(&self, reference: &ImageRef) -> bool {
        matches!(reference, ImageRef::Other(name) if (name.scheme(), name.place()) == (SCHEME, PLACE))
    }

    async fn image(&self, cx: &Context, reference: &ImageRef, platform: Option<&Platform>) -> Result<Image> {
        fetch::image(cx, self, reference, platform).await
    }

    async fn tags(&self, _cx: &Context, _reference: &ImageRef) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    async fn health(&self, _cx: &Context) -> Result<Health> {
        Ok(Health { reachable: true, note: "in memory".to_owned(), ..Health::default() })
    }
}

#[async_trait]
impl Content for Corkboard {
    fn place(&self) -> String {
        PLACE.to_owned()
    }

    async fn manifest(&self, _cx: &Context, at: &ImageRef) -> Result<RawManifest> {
        made(at).map(|(_, manifest)| manifest)
    }

    async fn blob(&self, _cx: &Context, at: &ImageRef, blob: &Descriptor, from: u64) -> Result<ByteStream> {
        let (blobs, _) = made(&at.without_version())?;
        let found = blobs.into_iter().find(|bytes| Digest::of(bytes) == blob.digest);
        InMemory(found.ok_or_else(|| Error::not_found(format!("read {at}"), "no such blob"))?).open(from).await
    }

    async fn has_blob(&self, _cx: &Context, at: &ImageRef, blob: &Descriptor) -> Result<bool> {
        Ok(made(&at.without_version())?.0.iter().any(|bytes| Digest::of(bytes) == blob.digest))
    }

    async fn put_blob(&self, _: &Context, _at: &ImageRef, _blob: &Descriptor, _: &dyn BlobSource) -> Result<()> {
        Err(cannot(PLACE, "write to"))
    }

    async fn put_manifest(&self, _: &Context, _at: &ImageRef, _tag: Option<&str>, _: &RawManifest) -> Result<()> {
        Err(cannot(PLACE, "write to"))
    }
}
