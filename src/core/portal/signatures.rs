//! Signing an image: what cosign writes and verifies, under the tag where it looks. The key never leaves its signer.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::Serialize;
use serde_json::json;

use super::{journal::Journal, sources::Sources};
use crate::transfer::fetch;
use crate::{
    base::{
        context::Context,
        digest::Digest,
        error::{During, Error, Kind, Result},
    },
    image::{
        manifest::{Descriptor, OCI_MANIFEST, RawManifest},
        reference::{ImageRef, Name},
    },
    ports::{Asker, Content, InMemory, Signer, Signers},
    request::{
        Request,
        admission::{Admitting, Place},
        statement::{Payload, Statement},
    },
};

/// The type of an image's configuration, of the OCI image specification.
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// The type of the layer that cosign keeps its payload in.
pub const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The layer's annotation that holds the signature.
pub const ANNOTATION: &str = "dev.cosignproject.cosign/signature";
/// No payload is longer.
const LONGEST: usize = 2 << 20;
/// More signatures of one image than anybody makes.
const MOST_LAYERS: usize = 200;
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

fn blob(bytes: &[u8], media_type: &str) -> Descriptor {
    Descriptor {
        media_type: media_type.to_owned(),
        digest: Digest::of(bytes),
        size: bytes.len() as u64,
        platform: None,
        artifact_type: None,
        data: None,
    }
}

async fn put(cx: &Context, content: &dyn Content, at: &ImageRef, bytes: Bytes, kind: &str) -> Result<Descriptor> {
    let descriptor = blob(&bytes, kind);
    if !content.has_blob(cx, at, &descriptor).await? {
        content.put_blob(cx, at, &descriptor, &InMemory(bytes)).await?;
    }
    Ok(descriptor)
}

/// Layers of signatures that are there already.
fn layers_of(manifest: Option<&RawManifest>) -> Vec<serde_json::Value> {
    let known = manifest.and_then(|manifest| serde_json::from_slice::<serde_json::Value>(&manifest.bytes).ok());
    known.and_then(|known| known.get("layers")?.as_array().cloned()).unwrap_or_default()
}

/// Signing with a person's own keys.
pub struct Signing {
    sources: Arc<Sources>,
    signers: Arc<Signers>,
    journal: Arc<Journal>,
}

impl Signing {
    /// Signs images at these sources.
    pub(super) fn new(sources: Arc<Sources>, signers: Arc<Signers>, journal: Arc<Journal>) -> Self {
        Self { sources, signers, journal }
    }

    /// Signs what `reference` means now with a key: a file, `keyring:NAME`, or `pkcs11:…`. Signing again with the same key changes nothing.
    pub async fn sign(&self, cx: &Context, asker: Arc<dyn Asker>, reference: &ImageRef, key: &str) -> Result<Signed> {
        let what = format!("sign {reference}");
        let signer = (self.signers.open)(key, asker).await?;
        let entry = self.journal.entry("sign", format!("{reference} with {}", signer.describe()));
        let signing = async {
            let ImageRef::Oci(name) = reference else {
                return Err(Error::unsupported(what, "only images in registries carry such signatures")
                    .hint("copy it to a registry first: wharf copy"));
            };
            let place = self.sources.place(reference)?;
            let top = cx.run(&what, place.content.manifest(cx, reference)).await?;
            let statement = Statement::of_image(name, &top.digest);
            let signatures = Signatures { cx, what: &what, content: &*place.content, name, digest: &top.digest };
            let already = !signatures.sign(&statement, &*signer).await?;
            Ok(Signed {
                reference: reference.with_digest(&top.digest),
                digest: top.digest.clone(),
                key: signer.key_id(),
                signer: signer.describe(),
                tag: signatures.tag(),
                already,
            })
        };
        self.journal.told_by(entry, signing, |entry, done| entry.digest = Some(done.digest.clone())).await
    }
}

/// The signature of a key over a statement. What a broken token or a wrong key made is never given out.
pub async fn signed_by(what: &str, statement: &Statement, signer: &dyn Signer) -> Result<Vec<u8>> {
    let signature = signer.sign(statement).await?;
    if !signer.verifies(statement.bytes(), &signature) {
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

    /// Layers that are there. Where that cannot be told, nothing is written: what others signed would be lost.
    async fn layers(&self) -> Result<Vec<serde_json::Value>> {
        match self.cx.run(self.what, self.content.manifest(self.cx, &self.at())).await {
            Ok(manifest) => Ok(layers_of(Some(&manifest))),
            Err(error) if error.kind == Kind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// The payload of a layer, as far as it is one of ours.
    async fn payload(&self, layer: &serde_json::Value) -> Option<Vec<u8>> {
        let digest = layer.get("digest")?.as_str()?.parse().ok()?;
        let size = layer.get("size").and_then(serde_json::Value::as_u64)?;
        let descriptor = Descriptor { digest, size, ..blob(b"", PAYLOAD) };
        fetch::blob(self.cx, self.content, &self.at(), &descriptor, LONGEST).await.ok()
    }

    /// What a key has stated here before, each with the payload that it signed. Annotations decide nothing: a layer is of
    /// the key that verifies it.
    async fn stated_by(&self, signer: &dyn Signer, layers: &[serde_json::Value]) -> Vec<(usize, Vec<u8>)> {
        let mut found = Vec::new();
        for (number, layer) in layers.iter().enumerate().take(MOST_LAYERS) {
            let Some(payload) = self.payload(layer).await else { continue };
            if is_by(signer, layer, &payload) && Payload::read(&payload).is_some_and(|payload| payload.says_more()) {
                found.push((number, payload));
            }
        }
        found
    }

    /// Signs a statement and adds that; `false` if this key had signed exactly that already. Of what a key has stated
    /// of an image, the newest counts: what it said before is taken away.
    pub async fn sign(&self, statement: &Statement, signer: &dyn Signer) -> Result<bool> {
        let mut layers = self.layers().await?;
        let digest = Digest::of(statement.bytes());
        let same =
            |layer: &serde_json::Value| layer.get("digest").and_then(|one| one.as_str()) == Some(digest.as_str());
        if layers.iter().any(|layer| same(layer) && is_by(signer, layer, statement.bytes())) {
            return Ok(false);
        }
        if statement.says_more() {
            let before: Vec<usize> =
                self.stated_by(signer, &layers).await.into_iter().map(|(number, _)| number).collect();
            let mut number = 0;
            layers.retain(|_| {
                number += 1;
                !before.contains(&(number - 1))
            });
        }
        let signature = signed_by(self.what, statement, signer).await?;
        self.put(layers, statement.text(), &signature).await?;
        Ok(true)
    }

    /// Adds a signature that was made elsewhere, and that was verified.
    pub async fn add(&self, payload: &str, signature: &[u8]) -> Result<()> {
        self.put(self.layers().await?, payload, signature).await
    }

    async fn put(&self, mut layers: Vec<serde_json::Value>, payload: &str, signature: &[u8]) -> Result<()> {
        let (cx, what, content, at) = (self.cx, self.what, self.content, self.at());
        let encoded = STANDARD.encode(signature);
        layers.retain(|layer| annotation(layer, ANNOTATION) != Some(&encoded));
        let config = json!({"architecture": "", "created": "0001-01-01T00:00:00Z", "os": "", "config": {},
            "rootfs": {"type": "layers", "diff_ids": [Digest::of(payload.as_bytes())]}});
        let layer = put(cx, content, &at, Bytes::from(payload.to_owned()), PAYLOAD).await?;
        let config = put(cx, content, &at, Bytes::from(config.to_string()), CONFIG).await?;
        layers.push(json!({"mediaType": PAYLOAD, "size": layer.size, "digest": layer.digest,
            "annotations": {ANNOTATION: encoded}}));
        let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": layers,
            "config": {"mediaType": CONFIG, "size": config.size, "digest": config.digest}});
        let bytes = serde_json::to_vec(&manifest).during(what)?;
        let raw = RawManifest::new(Some(OCI_MANIFEST), Bytes::from(bytes), what)?;
        cx.run(what, content.put_manifest(cx, &at, at.tag(), &raw)).await
    }

    /// The admission that a key has stated here of one of these requests, so that it can be stated anew. It is derived
    /// from bytes that this key has signed and from what the store has as admitted here, never from one of them alone.
    pub async fn admission(&self, signer: &dyn Signer, requests: &[Request]) -> Result<Option<Admitting>> {
        let layers = self.layers().await?;
        let place = Place::Repository(Name { tag: None, digest: None, ..self.name.clone() });
        for (_, payload) in self.stated_by(signer, &layers).await {
            let of = |request: &Request| Admitting::stated_before(&payload, request, &place, self.digest);
            if let Some(admitting) = requests.iter().find_map(of) {
                return Ok(Some(admitting));
            }
        }
        Ok(None)
    }
}
