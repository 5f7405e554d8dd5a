//! What is attached to an image in its registry: manifests by tag, by the referrers interface and by its fallback tag,
//! their layers, and those read whole within bounds.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::core::{
    clean,
    digest::Digest,
    error::{Kind, Result},
    fetch,
    manifest::Descriptor,
    ports::{Content, Supply},
    progress::Context,
    reference::ImageRef,
};

/// More attachments than anybody looks at; and layers of one.
const MOST: usize = 64;

/// An attached manifest.
pub struct Attached {
    /// Where it is.
    pub at: ImageRef,
    /// The tag it was found by.
    pub tag: Option<String>,
    /// Its layers.
    pub layers: Vec<Layer>,
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    layers: Vec<Layer>,
}

/// A layer of one.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Layer {
    /// Its type, as written.
    #[serde(default)]
    pub media_type: String,
    digest: String,
    #[serde(default)]
    size: u64,
    /// Its annotations, as written.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

/// Everything that is attached to `digest`. What is no manifest with layers is left out.
pub async fn of(cx: &Context, supply: &Supply, digest: &Digest) -> Result<Vec<Attached>> {
    let content = supply.bytes()?;
    let mut found = Vec::new();
    for (at, tag) in supply.attached(cx, digest).await?.into_iter().take(MOST) {
        let manifest = match content.manifest(cx, &at).await {
            Ok(manifest) => manifest,
            // Whoever may attach something could else keep everything from being checked by something unreadable.
            Err(error) if !matches!(error.kind, Kind::Unavailable | Kind::Cancelled | Kind::NotAllowed) => {
                tracing::info!(%error, "an attachment is left out");
                continue;
            }
            Err(error) => return Err(error),
        };
        let Ok(Manifest { mut layers }) = serde_json::from_slice(&manifest.bytes) else { continue };
        layers.truncate(MOST);
        found.push(Attached { at, tag, layers });
    }
    Ok(found)
}

impl Layer {
    /// Whether it says that it is larger.
    pub fn is_above(&self, limit: usize) -> bool {
        self.size > limit as u64
    }

    /// Its bytes, of at most `limit`, their digest compared.
    pub async fn read(&self, cx: &Context, content: &dyn Content, at: &ImageRef, limit: usize) -> Result<Vec<u8>> {
        let blob = Descriptor {
            media_type: clean::short(&self.media_type, 200),
            digest: self.digest.parse()?,
            size: self.size,
            platform: None,
            artifact_type: None,
        };
        fetch::blob(cx, content, at, &blob, limit).await
    }
}
