//! Signing an image: what cosign writes and verifies, under the tag where it looks. The key never leaves its signer.

use std::sync::Arc;

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;
use serde_json::json;

use super::{
    digest::Digest,
    error::{During, Error, Result},
    manifest::{Descriptor, OCI_MANIFEST, RawManifest},
    portal::Portal,
    ports::{Asker, BlobSource, ByteStream, Content, Signer},
    progress::Context,
    reference::{ImageRef, Name},
};

/// The type of an image's configuration, of the OCI image specification.
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// The type of the layer that cosign keeps its payload in.
pub const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The layer's annotation that holds the signature.
pub const ANNOTATION: &str = "dev.cosignproject.cosign/signature";

/// A signature that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Signed {
    /// The image, by digest.
    pub reference: ImageRef,
    /// What was signed.
    pub digest: Digest,
    /// The key's id: SHA-256 of its public half.
    pub key: String,
    /// Where the key is, in words.
    pub signer: String,
    /// The tag that holds the signature.
    pub tag: String,
    /// Whether this key had signed it already: then nothing was written.
    pub already: bool,
}

/// Bytes that are there.
struct Ready(Bytes);

#[async_trait]
impl BlobSource for Ready {
    async fn open(&self, from: u64) -> Result<ByteStream> {
        let rest = self.0.slice(usize::try_from(from).unwrap_or(0).min(self.0.len())..);
        Ok(Box::pin(stream::iter([Ok(rest)])))
    }
}

fn blob(bytes: &[u8], media_type: &str) -> Descriptor {
    Descriptor {
        media_type: media_type.to_owned(),
        digest: Digest::of(bytes),
        size: bytes.len() as u64,
        platform: None,
        artifact_type: None,
    }
}

async fn put(cx: &Context, content: &dyn Content, at: &ImageRef, bytes: Bytes, kind: &str) -> Result<Descriptor> {
    let descriptor = blob(&bytes, kind);
    if !content.has_blob(cx, at, &descriptor).await? {
        content.put_blob(cx, at, &descriptor, &Ready(bytes)).await?;
    }
    Ok(descriptor)
}

/// The payload over an image: it must name the digest and the repository, and no tag, since tags move.
fn payload(name: &Name, digest: &Digest) -> String {
    // Written by hand, as cosign writes it: signed are these bytes, in this order.
    format!(
        r#"{{"critical":{{"identity":{{"docker-reference":"{}/{}"}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"cosign container image signature"}},"optional":null}}"#,
        name.host, name.repository
    )
}

/// Layers of signatures that are there already.
fn layers_of(manifest: Option<&RawManifest>) -> Vec<serde_json::Value> {
    let known = manifest.and_then(|manifest| serde_json::from_slice::<serde_json::Value>(&manifest.bytes).ok());
    known.and_then(|known| known.get("layers")?.as_array().cloned()).unwrap_or_default()
}

impl Portal {
    /// Signs what `reference` means now with a key: a file, `keyring:NAME`, or `pkcs11:…`. Signing again with the same key changes nothing.
    pub async fn sign(&self, cx: &Context, asker: Arc<dyn Asker>, reference: &ImageRef, key: &str) -> Result<Signed> {
        let what = format!("sign {reference}");
        let signer = (self.signers.open)(key, asker).await?;
        let done = self.signed(cx, &what, reference, &*signer).await;
        let mut entry = self.entry("sign", format!("{reference} with {}", signer.describe()));
        entry.digest = done.as_ref().ok().map(|done| done.digest.clone());
        self.note(entry, &done).await;
        done
    }

    async fn signed(&self, cx: &Context, what: &str, reference: &ImageRef, signer: &dyn Signer) -> Result<Signed> {
        let ImageRef::Oci(name) = reference else {
            return Err(Error::unsupported(what, "only images in registries carry such signatures")
                .hint("copy it to a registry first: wharf copy"));
        };
        let place = self.place(reference)?;
        let top = cx.run(what, place.content.manifest(cx, reference)).await?;
        let payload = payload(name, &top.digest);
        let tag = format!("{}-{}.sig", top.digest.algorithm(), top.digest.hex());
        let at = ImageRef::Oci(Name { tag: Some(tag.clone()), digest: None, ..name.clone() });
        let result = |already| Signed {
            reference: reference.with_digest(&top.digest),
            digest: top.digest.clone(),
            key: signer.key_id(),
            signer: signer.describe(),
            tag: tag.clone(),
            already,
        };
        let there = cx.run(what, place.content.manifest(cx, &at)).await.ok();
        let mut layers = layers_of(there.as_ref());
        let of_key = |layer: &serde_json::Value| {
            let text = layer.pointer(&format!("/annotations/{}", ANNOTATION.replace('/', "~1")))?.as_str()?;
            let same = layer.get("digest")?.as_str()? == Digest::of(payload.as_bytes()).as_str();
            (same && signer.verifies(payload.as_bytes(), &STANDARD.decode(text).ok()?)).then_some(())
        };
        if layers.iter().any(|layer| of_key(layer).is_some()) {
            return Ok(result(true));
        }
        let signature = signer.sign(payload.as_bytes()).await?;
        // What a broken token or a wrong key made is never written.
        if !signer.verifies(payload.as_bytes(), &signature) {
            return Err(Error::failed(what, "the signature does not fit its own key")
                .hint("check that the private and the public key belong together"));
        }
        let config = json!({"architecture": "", "created": "0001-01-01T00:00:00Z", "os": "", "config": {},
            "rootfs": {"type": "layers", "diff_ids": [Digest::of(payload.as_bytes())]}});
        let layer = put(cx, &*place.content, &at, Bytes::from(payload), PAYLOAD).await?;
        let config = put(cx, &*place.content, &at, Bytes::from(config.to_string()), CONFIG).await?;
        layers.push(json!({"mediaType": PAYLOAD, "size": layer.size, "digest": layer.digest,
            "annotations": {ANNOTATION: STANDARD.encode(&signature)}}));
        let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": layers,
            "config": {"mediaType": CONFIG, "size": config.size, "digest": config.digest}});
        let bytes = serde_json::to_vec(&manifest).during(what)?;
        let raw = RawManifest::new(Some(OCI_MANIFEST), Bytes::from(bytes), what)?;
        cx.run(what, place.content.put_manifest(cx, &at, Some(&tag), &raw)).await?;
        Ok(result(false))
    }
}
