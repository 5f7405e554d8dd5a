//! Reading an image from any place: index, platform, configuration, each verified by its digest.

use futures_util::TryStreamExt;

use crate::{
    base::{
        context::Context,
        digest::Digest,
        error::{Error, Kind, Result},
    },
    image::{
        manifest::{self, CONFIG_LIMIT, Descriptor, ImageParts, Manifest, RawManifest, choose, describe},
        model::{Image, Platform},
        platform,
        reference::ImageRef,
    },
    ports::Content,
};

/// Deepest nesting of indexes that is read, and most indexes of an image.
const DEEPEST: usize = 4;
const MOST_INDEXES: usize = 32;
/// Most entries of all its indexes together.
const MOST_ENTRIES: usize = 1_000;
/// Most entries without a platform whose configurations are read to find it.
const MOST_UNNAMED: usize = 16;

/// The manifest that a descriptor of the image `at` means; fails unless digest, size and type fit.
pub async fn manifest(cx: &Context, content: &dyn Content, at: &ImageRef, entry: &Descriptor) -> Result<RawManifest> {
    let manifest = content.manifest(cx, &at.with_digest(&entry.digest)).await?;
    entry.verify(&manifest, &format!("read {} of {at}", entry.digest.short()))?;
    Ok(manifest)
}

/// The indexes in an index, inner ones first, and all other entries in order. Both are empty for a plain image.
pub struct Listed {
    /// The indexes at any depth.
    pub indexes: Vec<RawManifest>,
    /// The entries that are no indexes.
    pub entries: Vec<Descriptor>,
}

/// Everything that a manifest lists, including what the indexes in it list.
pub async fn listed(cx: &Context, content: &dyn Content, at: &ImageRef, top: &RawManifest) -> Result<Listed> {
    let what = format!("read what {at} lists");
    let too_much = |why: &str| Error::new(Kind::Integrity, &what, why).hint("no real image does");
    let mut all = Listed { indexes: Vec::new(), entries: Vec::new() };
    let children = |manifest: &RawManifest, depth: usize| -> Vec<(Descriptor, usize)> {
        match manifest.parsed() {
            // The last entry is on top of the stack, so entries are pushed backwards.
            Manifest::Index { manifests, .. } => manifests.iter().rev().map(|one| (one.clone(), depth)).collect(),
            Manifest::Image { .. } => Vec::new(),
        }
    };
    let mut stack = children(top, 1);
    while let Some((entry, depth)) = stack.pop() {
        if all.entries.len() + stack.len() > MOST_ENTRIES {
            return Err(too_much("it lists more images than Wharf accepts"));
        }
        if !entry.is_index() {
            all.entries.push(entry);
            continue;
        }
        if depth >= DEEPEST || all.indexes.len() >= MOST_INDEXES {
            return Err(too_much("it has too many indexes within indexes"));
        }
        let index = manifest(cx, content, at, &entry).await?;
        stack.extend(children(&index, depth + 1));
        all.indexes.push(index);
    }
    all.indexes.reverse();
    Ok(all)
}

/// The image `at` for `platform`, else for this machine; if no platform is wanted, one that does not fit this machine
/// is shown rather than none.
pub async fn image(cx: &Context, content: &dyn Content, at: &ImageRef, platform: Option<&Platform>) -> Result<Image> {
    let what = format!("show {at}");
    let top = content.manifest(cx, at).await?;
    let Listed { entries, .. } = listed(cx, content, at, &top).await?;
    let manifest = match top.parsed() {
        Manifest::Index { .. } => chosen(cx, content, at, &entries, platform, &what).await?,
        Manifest::Image { .. } => top.clone(),
    };
    described(cx, content, at, &top, &entries, &manifest, &what).await
}

/// The image of one entry of an index, for whichever platform it is.
pub async fn entry(cx: &Context, content: &dyn Content, at: &ImageRef, digest: &Digest) -> Result<Image> {
    let what = format!("show {} of {at}", digest.short());
    let top = content.manifest(cx, at).await?;
    let Listed { entries, .. } = listed(cx, content, at, &top).await?;
    let entry = entries
        .iter()
        .find(|entry| entry.digest == *digest)
        .ok_or_else(|| Error::not_found(&what, "its index does not list it"))?;
    let manifest = manifest(cx, content, at, entry).await?;
    described(cx, content, at, &top, &entries, &manifest, &what).await
}

/// Each image of an index that could be run, once: also a second one for a platform, which other programs may prefer,
/// and those for no or an unknown platform. Statements about images are left out.
pub async fn runnable(cx: &Context, content: &dyn Content, at: &ImageRef) -> Result<Vec<Descriptor>> {
    let top = content.manifest(cx, at).await?;
    let mut all: Vec<Descriptor> = Vec::new();
    for entry in listed(cx, content, at, &top).await?.entries {
        if all.iter().any(|known| known.digest == entry.digest) {
            continue;
        }
        let is_none = match &entry.platform {
            _ if !entry.is_manifest() => is_foreign(cx, content, at, &entry).await?,
            Some(platform) if !platform.is_known() => is_statement(&manifest(cx, content, at, &entry).await?),
            _ => false,
        };
        if !is_none {
            all.push(entry);
        }
    }
    Ok(all)
}

/// Whether an entry of unknown type is really no image. Some programs take the type from the server and not from the
/// index, so for them a disguised image is one.
async fn is_foreign(cx: &Context, content: &dyn Content, at: &ImageRef, entry: &Descriptor) -> Result<bool> {
    match manifest(cx, content, at, entry).await {
        Ok(_) => Ok(false),
        Err(error) if error.kind == Kind::Failed => Ok(true),
        Err(error) => Err(error),
    }
}

/// Whether a manifest for an unknown platform contains statements only (in-toto, as BuildKit attaches them) and no file
/// system. Its own annotations do not count.
fn is_statement(manifest: &RawManifest) -> bool {
    match manifest.parsed() {
        Manifest::Image { layers, .. } => {
            !layers.is_empty() && layers.iter().all(|layer| layer.media_type.ends_with("json"))
        }
        Manifest::Index { .. } => false,
    }
}

/// Reads the configuration and builds the image's page.
async fn described(
    cx: &Context,
    content: &dyn Content,
    at: &ImageRef,
    top: &RawManifest,
    listed: &[Descriptor],
    manifest: &RawManifest,
    what: &str,
) -> Result<Image> {
    let config = match manifest.parsed() {
        Manifest::Image { config, .. } => blob(cx, content, at, config, CONFIG_LIMIT).await?,
        Manifest::Index { .. } => return Err(Error::unsupported(what, "it is an index, not one image")),
    };
    describe(&ImageParts { reference: at, top, listed, manifest, config: &config }, what)
}

/// The manifest for a platform: among the entries that name one, else among those whose configuration does.
async fn chosen(
    cx: &Context,
    content: &dyn Content,
    at: &ImageRef,
    entries: &[Descriptor],
    platform: Option<&Platform>,
    what: &str,
) -> Result<RawManifest> {
    let wanted = platform.cloned().unwrap_or_else(Platform::host);
    let none = match choose(entries, &wanted, what) {
        Ok(entry) => return manifest(cx, content, at, entry).await,
        Err(none) => none,
    };
    let level = platform::processor_level();
    let unnamed: Vec<&Descriptor> =
        entries.iter().filter(|entry| entry.platform.is_none() && entry.is_manifest()).take(MOST_UNNAMED).collect();
    let mut best: Option<(u8, RawManifest)> = None;
    for entry in &unnamed {
        let manifest = manifest(cx, content, at, entry).await?;
        let Manifest::Image { config, .. } = manifest.parsed() else { continue };
        let Some(own) = manifest::platform_of(&blob(cx, content, at, config, CONFIG_LIMIT).await?) else { continue };
        match own.fit(&wanted, level) {
            Some(fit) if best.as_ref().is_none_or(|(known, _)| fit < *known) => best = Some((fit, manifest)),
            _ => {}
        }
    }
    if let Some((_, manifest)) = best {
        return Ok(manifest);
    }
    if platform.is_some() {
        return Err(none);
    }
    let named = entries.iter().find(|entry| entry.platform.as_ref().is_some_and(Platform::is_known));
    let entry = named.or(unnamed.first().copied()).or(entries.first());
    manifest(cx, content, at, entry.ok_or_else(|| Error::failed(what, "the index is empty"))?).await
}

/// Reads a small blob and verifies its digest; fails if it has more than `limit` bytes.
pub async fn blob(
    cx: &Context,
    content: &dyn Content,
    at: &ImageRef,
    blob: &Descriptor,
    limit: usize,
) -> Result<Vec<u8>> {
    let what = format!("read {} of {at}", blob.digest.short());
    let wrong = |why: String| Error::new(Kind::Integrity, &what, why).hint("tell the administrators of the source");
    if blob.size > limit as u64 {
        return Err(wrong(format!("{} bytes is more than Wharf reads of such a thing", blob.size)));
    }
    // If the descriptor contains the right bytes, they need not be fetched.
    let here = blob.data.as_ref().filter(|bytes| bytes.len() as u64 == blob.size);
    if let Some(bytes) = here.filter(|bytes| blob.digest.check(bytes, &what).is_ok()) {
        return Ok(bytes.to_vec());
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

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use async_trait::async_trait;

    use super::*;
    use crate::{
        image::manifest::{DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST},
        ports::{BlobSource, ByteStream},
    };

    /// Manifests by digest; the one without is the image's own.
    #[derive(Default)]
    struct ManifestsByDigest(HashMap<Option<Digest>, RawManifest>);

    #[async_trait]
    impl Content for ManifestsByDigest {
        fn place(&self) -> String {
            "memory".into()
        }
        async fn manifest(&self, _cx: &Context, at: &ImageRef) -> Result<RawManifest> {
            let found = self.0.get(&at.digest().cloned()).cloned();
            found.ok_or_else(|| Error::new(Kind::Failed, "read", "not a manifest we know"))
        }
        async fn blob(&self, _: &Context, at: &ImageRef, _: &Descriptor, _: u64) -> Result<ByteStream> {
            Err(Error::not_found(at.to_string(), "no blobs here"))
        }
        async fn has_blob(&self, _: &Context, _: &ImageRef, _: &Descriptor) -> Result<bool> {
            Ok(false)
        }
        async fn put_blob(&self, _: &Context, _: &ImageRef, _: &Descriptor, _: &dyn BlobSource) -> Result<()> {
            Ok(())
        }
        async fn put_manifest(&self, _: &Context, _: &ImageRef, _: Option<&str>, _: &RawManifest) -> Result<()> {
            Ok(())
        }
    }

    impl ManifestsByDigest {
        fn keep(&mut self, text: &str) -> String {
            let raw = RawManifest::new(None, text.as_bytes().to_vec().into(), "keep").unwrap();
            let entry =
                format!(r#""mediaType":"{}","digest":"{}","size":{}"#, raw.media_type, raw.digest, raw.bytes.len());
            self.0.insert(Some(raw.digest.clone()), raw.clone());
            self.0.insert(None, raw);
            entry
        }

        /// An image with one layer of this type, and a digest of its own.
        fn image(&mut self, layer: &str) -> String {
            let digest = Digest::of(self.0.len().to_string().as_bytes());
            self.keep(&format!(
                r#"{{"schemaVersion":2,"config":{{"mediaType":"c","digest":"{digest}","size":1}},"layers":[{{"mediaType":"{layer}","digest":"{digest}","size":1}}]}}"#
            ))
        }

        fn index(&mut self, entries: &[String]) -> String {
            let entries: Vec<String> = entries.iter().map(|entry| format!("{{{entry}}}")).collect();
            self.keep(&format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.join(",")))
        }
    }

    fn platform(entry: &str, os: &str, architecture: &str) -> String {
        format!(r#"{entry},"platform":{{"os":"{os}","architecture":"{architecture}"}}"#)
    }

    fn at() -> ImageRef {
        ImageRef::oci("r.example", "a", None)
    }

    const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

    #[tokio::test]
    async fn everything_that_something_could_run_is_runnable() {
        let mut kept = ManifestsByDigest::default();
        let (one, two, bare, unknown) = (kept.image(LAYER), kept.image(LAYER), kept.image(LAYER), kept.image(LAYER));
        let (statement, unnamed_json, inner) =
            (kept.image("application/vnd.in-toto+json"), kept.image("application/x+json"), kept.image(LAYER));
        let nested = kept.index(&[platform(&inner, "linux", "arm64")]);
        let odd = format!(r#""mediaType":"application/x","digest":"{}","size":3"#, Digest::of(b"odd"));
        kept.index(&[
            platform(&one, "linux", "amd64"),
            platform(&two, "linux", "amd64"),
            platform(&one, "linux", "amd64"),
            bare.clone(),
            platform(&unknown, "unknown", "unknown"),
            platform(&statement, "unknown", "unknown"),
            unnamed_json.clone(),
            odd,
            nested,
        ]);
        let all = runnable(&Context::default(), &kept, &at()).await.unwrap();
        let named = |entry: &String| all.iter().any(|found| entry.contains(found.digest.as_str()));
        assert_eq!(all.len(), 6, "{all:?}");
        assert!([&one, &two, &bare, &unknown, &unnamed_json, &inner].iter().all(|entry| named(entry)), "{all:?}");
        // Other programs may run an image although the index gives it another type.
        let disguised = one.replace(OCI_MANIFEST, "application/x");
        kept.index(&[platform(&disguised, "linux", "amd64")]);
        assert_eq!(runnable(&Context::default(), &kept, &at()).await.unwrap_err().kind, Kind::Integrity);
        let docker = one.replace(OCI_MANIFEST, DOCKER_MANIFEST);
        kept.index(&[platform(&docker, "linux", "amd64")]);
        let chosen = image(&Context::default(), &kept, &at(), Some(&"linux/amd64".parse().unwrap())).await;
        assert_eq!(chosen.unwrap_err().kind, Kind::Integrity);
    }

    #[tokio::test]
    async fn bytes_that_a_descriptor_brings_are_taken_where_they_are_right() {
        let kept = ManifestsByDigest::default();
        let entry = |bytes: &[u8], data: Option<&str>| {
            let data = data.map(|data| format!(r#","data":"{data}""#)).unwrap_or_default();
            let text = format!(
                r#"{{"schemaVersion":2,"layers":[],"config":{{"mediaType":"c","digest":"{}","size":{}{data}}}}}"#,
                Digest::of(bytes),
                bytes.len()
            );
            let raw = RawManifest::new(None, text.into_bytes().into(), "x").unwrap();
            let Manifest::Image { config, .. } = raw.parsed() else { panic!("no image") };
            config.clone()
        };
        let read = async |descriptor: Descriptor| {
            blob(&Context::default(), &kept, &at(), &descriptor, CONFIG_LIMIT).await.ok()
        };
        // "hello" in base64; the registry has no blobs at all.
        assert_eq!(read(entry(b"hello", Some("aGVsbG8="))).await.as_deref(), Some(&b"hello"[..]));
        for wrong in [Some("aGVsbDA="), Some("aGVsbG8"), Some("!"), Some(""), None] {
            assert_eq!(read(entry(b"hello", wrong)).await, None, "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn indexes_within_indexes_are_looked_into_so_far_and_no_further() {
        let mut kept = ManifestsByDigest::default();
        let image = kept.image(LAYER);
        let mut index = kept.index(&[platform(&image, "linux", "amd64")]);
        for _ in 1..=DEEPEST {
            let top = kept.0[&None].clone();
            let listed = listed(&Context::default(), &kept, &at(), &top).await.unwrap();
            assert!(image.contains(listed.entries[0].digest.as_str()));
            index = kept.index(&[index]);
        }
        let top = kept.0[&None].clone();
        assert!(listed(&Context::default(), &kept, &at(), &top).await.is_err(), "deeper than Wharf accepts");
        // Inner indexes come first, as they must be written.
        let inner = kept.index(&[platform(&image, "linux", "amd64")]);
        let outer = kept.index(std::slice::from_ref(&inner));
        kept.index(std::slice::from_ref(&outer));
        let listed = listed(&Context::default(), &kept, &at(), &kept.0[&None].clone()).await.unwrap();
        let order: Vec<&str> = listed.indexes.iter().map(|one| one.digest.as_str()).collect();
        assert!(inner.contains(order[0]) && outer.contains(order[1]), "{order:?}");
        // Many small indexes, each with many entries.
        let many = vec![kept.index(&[]); MOST_INDEXES + 1];
        kept.index(&many);
        assert!(super::listed(&Context::default(), &kept, &at(), &kept.0[&None].clone()).await.is_err());
        let wide = vec![platform(&image, "linux", "amd64"); MOST_ENTRIES + 2];
        kept.index(&wide);
        assert!(super::listed(&Context::default(), &kept, &at(), &kept.0[&None].clone()).await.is_err());
        assert!(index.contains(OCI_INDEX));
    }
}
