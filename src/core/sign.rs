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
/// No payload is longer.
const LONGEST: usize = 2 << 20;
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
        let payload = Stated::default().payload(&name.bare(), &top.digest);
        let signatures = Signatures { cx, what, content: &*place.content, name, digest: &top.digest };
        let already = !signatures.sign(&payload, signer).await?;
        Ok(Signed {
            reference: reference.with_digest(&top.digest),
            digest: top.digest.clone(),
            key: signer.key_id(),
            signer: signer.describe(),
            tag: signatures.tag(),
            already,
        })
    }
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

/// An annotation of a layer.
fn annotation<'a>(layer: &'a serde_json::Value, key: &str) -> Option<&'a str> {
    layer.get("annotations")?.get(key)?.as_str()
}

/// Whether a key made the signature of a layer over a payload.
fn is_by(signer: &dyn Signer, layer: &serde_json::Value, payload: &[u8]) -> bool {
    let signature = annotation(layer, ANNOTATION).and_then(|text| STANDARD.decode(text).ok());
    signature.is_some_and(|signature| signer.verifies(payload, &signature))
}

/// The signatures of one image, where cosign looks for them.
pub struct Signatures<'a> {
    /// Deadline, cancellation.
    pub cx: &'a Context,
    /// What is being done, for messages.
    pub what: &'a str,
    /// Where the image is.
    pub content: &'a dyn Content,
    /// Its repository.
    pub name: &'a Name,
    /// What is signed.
    pub digest: &'a Digest,
}

impl Signatures<'_> {
    /// The tag that holds them.
    fn tag(&self) -> String {
        format!("{}-{}.sig", self.digest.algorithm(), self.digest.hex())
    }

    fn at(&self) -> ImageRef {
        ImageRef::Oci(Name { tag: Some(self.tag()), digest: None, ..self.name.clone() })
    }

    /// Layers that are there.
    async fn layers(&self) -> Vec<serde_json::Value> {
        let manifest = self.cx.run(self.what, self.content.manifest(self.cx, &self.at())).await.ok();
        layers_of(manifest.as_ref())
    }

    /// Signs a payload and adds that; `false` if this key had signed exactly that already.
    pub async fn sign(&self, payload: &str, signer: &dyn Signer) -> Result<bool> {
        let layers = self.layers().await;
        let digest = Digest::of(payload.as_bytes());
        let same =
            |layer: &serde_json::Value| layer.get("digest").and_then(|one| one.as_str()) == Some(digest.as_str());
        if layers.iter().any(|layer| same(layer) && is_by(signer, layer, payload.as_bytes())) {
            return Ok(false);
        }
        let signature = signed_by(self.what, payload, signer).await?;
        self.put(layers, payload, &signature, &signer.key_id()).await?;
        Ok(true)
    }

    /// Adds a signature that was made elsewhere. What the same key stated before, and what is there already, is replaced.
    pub async fn add(&self, payload: &str, signature: &[u8], key: &str) -> Result<()> {
        self.put(self.layers().await, payload, signature, key).await
    }

    async fn put(&self, mut layers: Vec<serde_json::Value>, payload: &str, signature: &[u8], key: &str) -> Result<()> {
        let (cx, what, content, at) = (self.cx, self.what, self.content, self.at());
        let encoded = STANDARD.encode(signature);
        // A statement of the same key is of the same image: the newer one counts.
        let stated = !Stated::read(payload.as_bytes()).annotations().is_empty();
        layers.retain(|layer| {
            let same = annotation(layer, ANNOTATION) == Some(&encoded);
            !(same || stated && annotation(layer, SIGNER) == Some(key))
        });
        let config = json!({"architecture": "", "created": "0001-01-01T00:00:00Z", "os": "", "config": {},
            "rootfs": {"type": "layers", "diff_ids": [Digest::of(payload.as_bytes())]}});
        let layer = put(cx, content, &at, Bytes::from(payload.to_owned()), PAYLOAD).await?;
        let config = put(cx, content, &at, Bytes::from(config.to_string()), CONFIG).await?;
        let mut annotations = json!({ANNOTATION: encoded});
        if let (true, Some(all)) = (stated, annotations.as_object_mut()) {
            all.insert(SIGNER.to_owned(), json!(key));
        }
        layers.push(
            json!({"mediaType": PAYLOAD, "size": layer.size, "digest": layer.digest, "annotations": annotations}),
        );
        let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": layers,
            "config": {"mediaType": CONFIG, "size": config.size, "digest": config.digest}});
        let bytes = serde_json::to_vec(&manifest).during(what)?;
        let raw = RawManifest::new(Some(OCI_MANIFEST), Bytes::from(bytes), what)?;
        cx.run(what, content.put_manifest(cx, &at, at.tag(), &raw)).await
    }

    /// Lets a key state something else than it has stated before; `false` where it has stated nothing.
    pub async fn restate(&self, signer: &dyn Signer, change: impl FnOnce(&mut Stated) + Send) -> Result<bool> {
        let key = signer.key_id();
        for layer in self.layers().await {
            let Some(digest) = layer.get("digest").and_then(|one| one.as_str()) else { continue };
            if annotation(&layer, SIGNER) != Some(&key) || annotation(&layer, ANNOTATION).is_none() {
                continue;
            }
            let size = layer.get("size").and_then(serde_json::Value::as_u64).unwrap_or(0);
            let descriptor = Descriptor { digest: digest.parse()?, size, ..blob(b"", PAYLOAD) };
            let payload = fetch::blob(self.cx, self.content, &self.at(), &descriptor, LONGEST).await?;
            // Only what this key has really said is said again.
            if !is_by(signer, &layer, &payload) {
                continue;
            }
            let mut stated = Stated::read(&payload);
            change(&mut stated);
            self.sign(&stated.payload(&self.name.bare(), self.digest), signer).await?;
            return Ok(true);
        }
        Ok(false)
    }
}
