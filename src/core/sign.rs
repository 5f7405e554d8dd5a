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
    fetch,
    manifest::{Descriptor, OCI_MANIFEST, RawManifest},
    portal::Portal,
    ports::{Asker, BlobSource, ByteStream, Content, Signer},
    progress::Context,
    reference::{ImageRef, Name},
    request::terms::Stated,
};

/// The type of an image's configuration, of the OCI image specification.
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// The type of the layer that cosign keeps its payload in.
pub const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The layer's annotation that holds the signature.
pub const ANNOTATION: &str = "dev.cosignproject.cosign/signature";
/// The layer's annotation with the id of the key that stated something; for keeping house, it proves nothing.
const SIGNER: &str = "wharf.signer";

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
        let payload = Stated::default().payload(&format!("{}/{}", name.host, name.repository), &top.digest);
        let tag = signature_tag(&top.digest);
        let already = !sign_at(cx, what, &*place.content, name, &top.digest, &payload, signer).await?;
        Ok(Signed {
            reference: reference.with_digest(&top.digest),
            digest: top.digest.clone(),
            key: signer.key_id(),
            signer: signer.describe(),
            tag,
            already,
        })
    }
}

/// The tag where cosign looks for signatures of a digest.
fn signature_tag(digest: &Digest) -> String {
    format!("{}-{}.sig", digest.algorithm(), digest.hex())
}

/// Signs a payload over an image, and writes it where cosign looks; `false` if this key had signed exactly that already.
pub async fn sign_at(
    cx: &Context,
    what: &str,
    content: &dyn Content,
    name: &Name,
    digest: &Digest,
    payload: &str,
    signer: &dyn Signer,
) -> Result<bool> {
    let of_key = |layer: &serde_json::Value| {
        let text = layer.pointer(&format!("/annotations/{}", ANNOTATION.replace('/', "~1")))?.as_str()?;
        let same = layer.get("digest")?.as_str()? == Digest::of(payload.as_bytes()).as_str();
        (same && signer.verifies(payload.as_bytes(), &STANDARD.decode(text).ok()?)).then_some(())
    };
    if there(cx, what, content, name, digest).await.iter().any(|layer| of_key(layer).is_some()) {
        return Ok(false);
    }
    let signature = signed_by(what, payload, signer).await?;
    write_signature(cx, what, content, name, digest, payload, &signature, &signer.key_id()).await?;
    Ok(true)
}

/// The signature of a key over a text. What a broken token or a wrong key made is never given out.
pub async fn signed_by(what: &str, payload: &str, signer: &dyn Signer) -> Result<Vec<u8>> {
    let signature = signer.sign(payload.as_bytes()).await?;
    if !signer.verifies(payload.as_bytes(), &signature) {
        return Err(Error::failed(what, "the signature does not fit its own key")
            .hint("check that the private and the public key belong together"));
    }
    Ok(signature)
}

/// Where signatures of an image are.
fn place_of(name: &Name, digest: &Digest) -> ImageRef {
    ImageRef::Oci(Name { tag: Some(signature_tag(digest)), digest: None, ..name.clone() })
}

/// Layers of signatures that are there.
async fn there(
    cx: &Context,
    what: &str,
    content: &dyn Content,
    name: &Name,
    digest: &Digest,
) -> Vec<serde_json::Value> {
    let manifest = cx.run(what, content.manifest(cx, &place_of(name, digest))).await.ok();
    layers_of(manifest.as_ref())
}

/// Writes a signature beside those that are there. What the same key stated before, and what is written already, is replaced.
#[allow(clippy::too_many_arguments, reason = "what is signed, by whom, and where it goes")]
pub async fn write_signature(
    cx: &Context,
    what: &str,
    content: &dyn Content,
    name: &Name,
    digest: &Digest,
    payload: &str,
    signature: &[u8],
    key: &str,
) -> Result<()> {
    let at = place_of(name, digest);
    let encoded = STANDARD.encode(signature);
    let mut layers = there(cx, what, content, name, digest).await;
    let annotation = |layer: &serde_json::Value, key: &str| {
        layer.get("annotations").and_then(|all| all.get(key)?.as_str()).map(str::to_owned)
    };
    // A statement of the same key is of the same image: the newer one counts.
    let stated = !Stated::read(payload.as_bytes()).annotations().is_empty();
    layers.retain(|layer| {
        let same = annotation(layer, ANNOTATION).as_deref() == Some(&encoded);
        !(same || stated && annotation(layer, SIGNER).as_deref() == Some(key))
    });
    let config = json!({"architecture": "", "created": "0001-01-01T00:00:00Z", "os": "", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [Digest::of(payload.as_bytes())]}});
    let layer = put(cx, content, &at, Bytes::from(payload.to_owned()), PAYLOAD).await?;
    let config = put(cx, content, &at, Bytes::from(config.to_string()), CONFIG).await?;
    let mut annotations = json!({ANNOTATION: encoded});
    if let (true, Some(all)) = (stated, annotations.as_object_mut()) {
        all.insert(SIGNER.to_owned(), json!(key));
    }
    layers.push(json!({"mediaType": PAYLOAD, "size": layer.size, "digest": layer.digest, "annotations": annotations}));
    let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": layers,
        "config": {"mediaType": CONFIG, "size": config.size, "digest": config.digest}});
    let bytes = serde_json::to_vec(&manifest).during(what)?;
    let raw = RawManifest::new(Some(OCI_MANIFEST), Bytes::from(bytes), what)?;
    cx.run(what, content.put_manifest(cx, &at, at.tag(), &raw)).await
}

/// Lets a key state something else of an image that it has signed with a statement before; `false` where it has not.
pub async fn restate(
    cx: &Context,
    what: &str,
    place: (&dyn Content, &Name, &Digest),
    signer: &dyn Signer,
    change: impl FnOnce(&mut Stated) + Send,
) -> Result<bool> {
    let (content, name, digest) = place;
    let at = place_of(name, digest);
    let key = signer.key_id();
    for layer in there(cx, what, content, name, digest).await {
        let of = |pointer: &str| layer.pointer(pointer).and_then(serde_json::Value::as_str);
        if of("/annotations/wharf.signer") != Some(key.as_str()) {
            continue;
        }
        let size = layer.get("size").and_then(serde_json::Value::as_u64).unwrap_or(0);
        let (Some(at_digest), Some(signature)) =
            (of("/digest"), of("/annotations/dev.cosignproject.cosign~1signature"))
        else {
            continue;
        };
        let descriptor = Descriptor { digest: at_digest.parse()?, size, ..blob(b"", PAYLOAD) };
        let payload = fetch::blob(cx, content, &at, &descriptor, 2 << 20).await?;
        // Only what this key has really said is said again.
        if !STANDARD.decode(signature).is_ok_and(|signature| signer.verifies(&payload, &signature)) {
            continue;
        }
        let mut stated = Stated::read(&payload);
        change(&mut stated);
        let payload = stated.payload(&format!("{}/{}", name.host, name.repository), digest);
        sign_at(cx, what, content, name, digest, &payload, signer).await?;
        return Ok(true);
    }
    Ok(false)
}
