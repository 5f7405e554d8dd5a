//! What a copy says of an image besides what the image says itself: annotations, and a disk's processor in its
//! configuration.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value, json};

use super::{blob::CopyEnd, fetch};
use crate::{
    base::{
        context::Context,
        digest::Digest,
        error::{Error, Result},
    },
    image::{
        lineage::ARCHITECTURE,
        manifest::{CONFIG_LIMIT, Descriptor, Manifest, RawManifest},
    },
};

/// The media type of configurations that name a processor.
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// The manifest of a single image with more annotations, and the bytes of its configuration where that is a new one: a
/// processor that the annotations name stands in both, since engines and clusters read the configuration.
pub(super) async fn annotated(
    cx: &Context,
    from: &CopyEnd,
    top: RawManifest,
    more: &BTreeMap<String, String>,
    what: &str,
) -> Result<(RawManifest, Option<(Digest, Bytes)>)> {
    let Manifest::Image { config, .. } = top.parsed() else { return Ok((top, None)) };
    if more.is_empty() {
        return Ok((top, None));
    }
    let made = match more.get(ARCHITECTURE).filter(|_| config.media_type == CONFIG) {
        Some(architecture) => configured(cx, from, config, architecture, what).await?,
        None => None,
    };
    let failed = |error| Error::failed(what, error);
    let mut document: Value = serde_json::from_slice(&top.bytes).map_err(failed)?;
    annotate(&mut document, more);
    if let Some((digest, bytes)) = &made {
        document["config"] = json!({"mediaType": CONFIG, "digest": digest, "size": bytes.len()});
    }
    let bytes = serde_json::to_vec(&document).map_err(failed)?;
    Ok((RawManifest::new(Some(&top.media_type), bytes.into(), what)?, made))
}

/// Adds annotations to a manifest or index.
pub(super) fn annotate(document: &mut Value, more: &BTreeMap<String, String>) {
    if more.is_empty() {
        return;
    }
    let annotations = &mut document["annotations"];
    if !annotations.is_object() {
        *annotations = json!({});
    }
    for (key, value) in more {
        annotations[key] = value.clone().into();
    }
}

async fn configured(
    cx: &Context,
    from: &CopyEnd,
    config: &Descriptor,
    architecture: &str,
    what: &str,
) -> Result<Option<(Digest, Bytes)>> {
    let bytes = fetch::blob(cx, &*from.content, &from.at, config, CONFIG_LIMIT).await?;
    let changed = with_architecture(&bytes, architecture).map_err(|error| Error::failed(what, error))?;
    Ok(changed.map(|bytes| (Digest::of(&bytes), bytes)))
}

/// A configuration with this processor; `None` if it names it already.
fn with_architecture(config: &[u8], architecture: &str) -> serde_json::Result<Option<Bytes>> {
    let mut document: serde_json::Map<String, Value> = serde_json::from_slice(config)?;
    let old = document.insert("architecture".to_owned(), architecture.into());
    if old.is_some_and(|old| old == architecture) {
        return Ok(None);
    }
    // A variant is one of the processor that was there.
    document.remove("variant");
    serde_json::to_vec(&document).map(|bytes| Some(bytes.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_gets_the_processor_of_the_disk() {
        let config = br#"{"architecture":"amd64","config":{},"os":"linux","variant":"v2"}"#;
        let changed = with_architecture(config, "arm64").unwrap().unwrap();
        assert_eq!(changed, br#"{"architecture":"arm64","config":{},"os":"linux"}"#.as_slice());
        assert_eq!(with_architecture(config, "amd64").unwrap(), None, "it stays as it is");
        assert!(with_architecture(b"[]", "amd64").is_err());
    }
}
