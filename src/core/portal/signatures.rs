//! Signing an image, as cosign writes and verifies it, under the tag where cosign looks. The private key stays in its
//! signer.

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
        admission::{AdmissionPlace, AdmissionToSign},
        statement::{Payload, Statement},
    },
};

/// The media type of an image's configuration (OCI image specification).
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// The media type of the layer in which cosign keeps its payload.
pub const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The annotation of that layer which holds the signature (base64).
pub const ANNOTATION: &str = "dev.cosignproject.cosign/signature";
/// The longest payload that is read, in bytes.
const LONGEST: usize = 2 << 20;
/// The most signatures of one image that are read.
const MOST_LAYERS: usize = 200;
/// A signature that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Signed {
    /// The reference of the image, pinned.
    pub reference: ImageRef,
    /// The digest that was signed.
    pub digest: Digest,
    /// The key's id: SHA-256 of its public half.
    pub key: String,
    /// Where the key is, in words.
    pub signer: String,
    /// The tag under which the signature is.
    pub tag: String,
    /// Whether this key had signed it before: then nothing was written.
    pub already: bool,
}

fn blob(bytes: &[u8], media_type: &str) -> Descriptor {
    Descriptor::blob(media_type, Digest::of(bytes), bytes.len() as u64)
}

async fn put(cx: &Context, content: &dyn Content, at: &ImageRef, bytes: Bytes, kind: &str) -> Result<Descriptor> {
    let descriptor = blob(&bytes, kind);
    if !content.has_blob(cx, at, &descriptor).await? {
        content.put_blob(cx, at, &descriptor, &InMemory(bytes)).await?;
    }
    Ok(descriptor)
}

/// The layers of the signatures that are there already.
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
    /// Signing of images at these sources.
    pub(super) fn new(sources: Arc<Sources>, signers: Arc<Signers>, journal: Arc<Journal>) -> Self {
        Self { sources, signers, journal }
    }

    /// Signs what `reference` means now with a key: a file, `keyring:NAME`, or `pkcs11:…`. Repeated with the same key,
    /// it changes nothing.
    pub async fn sign(&self, cx: &Context, asker: Arc<dyn Asker>, reference: &ImageRef, key: &str) -> Result<Signed> {
        let what = format!("sign {reference}");
        let ImageRef::Oci(name) = reference else {
            return Err(Error::unsupported(what, "only images in registries carry such signatures")
                .hint("copy it to a registry first: wharf copy"));
        };
        let place = self.sources.place(reference)?;
        // The name of a key is not written before it is read: by mistake it may hold a PIN.
        let entry = self.journal.open_entry("sign", reference.to_string());
        let signing = async {
            let signer = (self.signers.open)(key, asker).await?;
            entry.add_to_subject(&format!(" with {}", signer.describe()));
            let top = cx.run(&what, place.content.manifest(cx, reference)).await?;
            entry.set_digest(&top.digest);
            let statement = Statement::for_image(name, &top.digest);
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
        self.journal.recorded_as(&entry, signing).await
    }
}

/// The signature of a key over a statement. It is verified before it is returned.
pub async fn signed_by(what: &str, statement: &Statement, signer: &dyn Signer) -> Result<Vec<u8>> {
    let signature = signer.sign(statement).await?;
    if !signer.verifies(statement.bytes(), &signature) {
        return Err(Error::failed(what, "the signature does not fit its own key")
            .hint("check that the private and the public key belong together"));
    }
    Ok(signature)
}

/// The value of an annotation of a layer.
fn annotation<'a>(layer: &'a serde_json::Value, key: &str) -> Option<&'a str> {
    layer.get("annotations")?.get(key)?.as_str()
}

/// Whether this key made the layer's signature over a payload.
fn is_by(signer: &dyn Signer, layer: &serde_json::Value, payload: &[u8]) -> bool {
    let signature = annotation(layer, ANNOTATION).and_then(|text| STANDARD.decode(text).ok());
    signature.is_some_and(|signature| signer.verifies(payload, &signature))
}

/// The signatures of one image, where cosign looks for them.
pub struct Signatures<'a> {
    /// The deadline and cancellation of the work.
    pub cx: &'a Context,
    /// What is being done, for error messages.
    pub what: &'a str,
    /// The place that holds the image.
    pub content: &'a dyn Content,
    /// The image's repository; tag and digest of the name are not used.
    pub name: &'a Name,
    /// The digest whose signatures these are.
    pub digest: &'a Digest,
}

impl Signatures<'_> {
    /// The tag under which the signatures are.
    fn tag(&self) -> String {
        format!("{}-{}.sig", self.digest.algorithm(), self.digest.hex())
    }

    fn at(&self) -> ImageRef {
        ImageRef::Oci(Name { tag: Some(self.tag()), digest: None, ..self.name.clone() })
    }

    /// The layers that are there. If that cannot be found out, nothing may be written: it would replace others'
    /// signatures.
    async fn layers(&self) -> Result<Vec<serde_json::Value>> {
        match self.cx.run(self.what, self.content.manifest(self.cx, &self.at())).await {
            Ok(manifest) => Ok(layers_of(Some(&manifest))),
            Err(error) if error.kind == Kind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// The payload of a layer, if it is a cosign payload of acceptable size.
    async fn payload(&self, layer: &serde_json::Value) -> Option<Vec<u8>> {
        let digest = layer.get("digest")?.as_str()?.parse().ok()?;
        let size = layer.get("size").and_then(serde_json::Value::as_u64)?;
        let descriptor = Descriptor { digest, size, ..blob(b"", PAYLOAD) };
        fetch::blob(self.cx, self.content, &self.at(), &descriptor, LONGEST).await.ok()
    }

    /// What this key has stated here before: the layer's number and the payload. Annotations are not trusted: a layer
    /// belongs to the key that verifies it.
    async fn stated_by(&self, signer: &dyn Signer, layers: &[serde_json::Value]) -> Vec<(usize, Vec<u8>)> {
        let mut found = Vec::new();
        for (number, layer) in layers.iter().enumerate().take(MOST_LAYERS) {
            let Some(payload) = self.payload(layer).await else { continue };
            if is_by(signer, layer, &payload) && Payload::parse(&payload).is_some_and(|payload| payload.says_more()) {
                found.push((number, payload));
            }
        }
        found
    }

    /// Signs a statement and adds the signature; `false` if this key had signed exactly that before. Of the statements
    /// of one key about an image only the newest is kept: older ones are removed.
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

    /// Adds a signature that was made elsewhere and verified before.
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

    /// The admission that this key has stated here for one of these requests, to state it again. It needs both bytes
    /// that this key has signed and an admission at this place in the store.
    pub async fn admission(&self, signer: &dyn Signer, requests: &[Request]) -> Result<Option<AdmissionToSign>> {
        let layers = self.layers().await?;
        let place = AdmissionPlace::Repository(Name { tag: None, digest: None, ..self.name.clone() });
        for (_, payload) in self.stated_by(signer, &layers).await {
            let of = |request: &Request| AdmissionToSign::stated_before(&payload, request, &place, self.digest);
            if let Some(admitting) = requests.iter().find_map(of) {
                return Ok(Some(admitting));
            }
        }
        Ok(None)
    }
}
