//! Signatures as cosign writes them: classic `.sig` tags and Sigstore bundles, found by tag, by the referrers interface
//! and by its fallback tag; verified with the keys that the policy names. No network but the image's own registry.

pub mod payload;

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::TryStreamExt;
use serde::Deserialize;

use self::payload::{Bundle, Miss};
use crate::{
    adapters::{Parts, Surroundings, keys::Key},
    core::{
        clean,
        config::Config,
        digest::Digest,
        error::{Error, Kind as ErrorKind, Result},
        evidence::Signature,
        manifest::{Descriptor, RawManifest},
        model::Image,
        ports::{Checker, Content, Supply},
        progress::Context,
        record::{By, Kind, Outcome, Record, Subject},
        reference::ImageRef,
        sign::{ANNOTATION, PAYLOAD},
        text,
    },
};

/// No payload or bundle is larger.
const LIMIT: usize = 2 << 20;
/// More signatures than anybody looks at.
const MOST: usize = 64;
/// How long a signature that was found counts, and how long its absence.
const FOUND: i64 = 86_400;
const ABSENT: i64 = 3_600;
/// How the tags of classic signatures end; those of attestations end otherwise.
const SIGNATURE_TAG: &str = ".sig";
/// The type of a bundle's layer.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";

/// Checks signatures with the policy's keys.
pub struct Cosign {
    keys: Vec<Key>,
}

/// An attached manifest, as far as a signature is in it.
#[derive(Deserialize)]
struct Attached {
    #[serde(default)]
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    #[serde(default)]
    media_type: String,
    digest: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    annotations: std::collections::BTreeMap<String, String>,
}

/// What one signature says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    state: Signature,
    signer: String,
    reason: String,
}

/// How much a state counts beside others of the same image: one good signature is enough, and a wrong one is told
/// before those that say nothing.
fn weight(state: Signature) -> u8 {
    match state {
        Signature::Verified => 6,
        Signature::CoveredByIndex => 5,
        Signature::Invalid => 4,
        Signature::Untrusted => 3,
        Signature::NoKey => 2,
        Signature::NoneFound => 1,
        _ => 0,
    }
}

impl Cosign {
    /// What signatures over a message say, once it is known that the message is of this image.
    fn judged(&self, message: &[u8], signatures: &[Vec<u8>], hint: &str, place: &str) -> Found {
        let fits = |key: &&Key| signatures.iter().any(|signature| key.verifies(message, signature));
        if let Some(key) = self.keys.iter().find(fits) {
            let id = key.id.get(..16).unwrap_or(&key.id);
            return Found { state: Signature::Verified, signer: format!("key {id}"), reason: place.to_owned() };
        }
        let none = |state, reason: &str| Found { state, signer: String::new(), reason: format!("{reason} ({place})") };
        if self.keys.iter().any(|key| key.is_hinted(hint)) {
            return none(Signature::Invalid, "it says it was made by a trusted key, and does not fit");
        }
        if self.keys.is_empty() {
            return none(Signature::NoKey, "the policy names no key to check it with");
        }
        none(Signature::Untrusted, "it fits none of the policy's keys")
    }

    /// What a layer of an attached manifest says of `digest`; `None` if it is no signature.
    async fn of_layer(
        &self,
        cx: &Context,
        content: &dyn Content,
        at: &ImageRef,
        layer: &Layer,
        digest: &Digest,
        tag: Option<&str>,
    ) -> Result<Option<Found>> {
        let classic = layer.media_type == PAYLOAD;
        if !classic && !layer.media_type.starts_with(BUNDLE) {
            return Ok(None);
        }
        let place = at.spoken();
        let wrong = |why: String| Found {
            state: Signature::Invalid,
            signer: String::new(),
            reason: format!("{why} ({place})"),
        };
        let bytes = match read(cx, content, at, layer).await {
            Ok(bytes) => bytes,
            Err(error) if error.kind == ErrorKind::Integrity => return Ok(Some(wrong(error.why))),
            Err(error) => return Err(error),
        };
        if classic {
            return Ok(match payload::classic_misses(&bytes, digest, tag) {
                Some(Miss::Other(_)) => None,
                Some(Miss::Wrong(why)) => Some(wrong(why)),
                None => {
                    let signature =
                        layer.annotations.get(ANNOTATION).and_then(|text| STANDARD.decode(text.trim()).ok());
                    let signatures: Vec<Vec<u8>> = signature.into_iter().collect();
                    Some(self.judged(&bytes, &signatures, "", &place))
                }
            });
        }
        let Some(bundle) = Bundle::read(&bytes) else { return Ok(None) };
        Ok(match bundle.misses(digest) {
            Some(Miss::Other(_)) => None,
            Some(Miss::Wrong(why)) => Some(wrong(why)),
            None => {
                bundle.signed().map(|(message, signatures)| self.judged(&message, &signatures, bundle.hint(), &place))
            }
        })
    }

    async fn of_manifest(
        &self,
        cx: &Context,
        content: &dyn Content,
        at: &ImageRef,
        manifest: &RawManifest,
        digest: &Digest,
        tag: Option<&str>,
    ) -> Result<Vec<Found>> {
        let Ok(attached) = serde_json::from_slice::<Attached>(&manifest.bytes) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for layer in attached.layers.iter().take(MOST) {
            found.extend(self.of_layer(cx, content, at, layer, digest, tag).await?);
        }
        Ok(found)
    }
}

/// A payload or bundle, its digest compared.
async fn read(cx: &Context, content: &dyn Content, at: &ImageRef, layer: &Layer) -> Result<Vec<u8>> {
    let what = format!("read a signature of {at}");
    let too_long = || Error::new(ErrorKind::Integrity, &what, "it is larger than any signature");
    let digest: Digest = layer.digest.parse()?;
    if layer.size > LIMIT as u64 {
        return Err(too_long());
    }
    let blob = Descriptor {
        media_type: clean::short(&layer.media_type, 200),
        digest: digest.clone(),
        size: layer.size,
        platform: None,
        artifact_type: None,
    };
    cx.run(&what, async {
        let mut stream = content.blob(cx, at, &blob, 0).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = stream.try_next().await? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > LIMIT {
                return Err(too_long());
            }
        }
        digest.check(&bytes, &what)?;
        Ok(bytes)
    })
    .await
}

#[async_trait]
impl Checker for Cosign {
    fn name(&self) -> &'static str {
        "cosign"
    }

    fn kind(&self) -> Kind {
        Kind::Signature
    }

    fn inputs(&self) -> Vec<String> {
        self.keys.iter().map(|key| key.id.clone()).collect()
    }

    async fn check(&self, cx: &Context, image: &Image, supply: &Supply) -> Result<Option<Record>> {
        let (Some(pinned), Some(content)) = (&image.pinned, &supply.content) else { return Ok(None) };
        if !matches!(pinned.reference, ImageRef::Oci(_)) {
            return Ok(None);
        }
        let tag = pinned.reference.tag();
        let mut best = Found { state: Signature::NoneFound, signer: String::new(), reason: String::new() };
        // The platform's own manifest first; then the index, whose signature covers what it lists.
        let listed = image.platforms.iter().any(|entry| entry.digest == pinned.manifest);
        let index = (pinned.digest != pinned.manifest && listed).then_some(&pinned.digest);
        for digest in std::iter::once(&pinned.manifest).chain(index) {
            for (at, tagged) in content.attached(cx, &pinned.reference, digest).await?.into_iter().take(MOST) {
                if tagged.is_some_and(|tag| !tag.ends_with(SIGNATURE_TAG)) {
                    continue;
                }
                let manifest = content.manifest(cx, &at).await?;
                for mut one in self.of_manifest(cx, &**content, &at, &manifest, digest, tag).await? {
                    if one.state == Signature::Verified && *digest != pinned.manifest {
                        one.state = Signature::CoveredByIndex;
                    }
                    if weight(one.state) > weight(best.state) {
                        best = one;
                    }
                }
            }
        }
        if best.reason.is_empty() {
            best.reason.push_str("looked for a signature tag, referrers, and their fallback tag");
        }
        let now = text::now();
        let valid = if best.state == Signature::NoneFound { ABSENT } else { FOUND };
        Ok(Some(Record {
            subject: Subject::of(pinned),
            tool: format!("wharf {} cosign", env!("CARGO_PKG_VERSION")),
            inputs: self.inputs(),
            by: By::Wharf,
            at: now,
            valid_until: now + valid,
            outcome: Outcome::Signature { state: best.state, signer: best.signer },
            reason: best.reason,
        }))
    }
}

/// The checker, with the policy's keys. A key that cannot be read makes nothing trusted, and is a finding.
pub fn register(config: &Config, _around: &Surroundings, parts: &mut Parts) -> Result<()> {
    let mut keys = Vec::new();
    for path in &config.policy.signature.keys {
        match Key::load(path) {
            Ok(key) => {
                parts.note("signature key", true, format!("{} ({})", path.display(), &key.id[..16]), "");
                keys.push(key);
            }
            Err(error) => parts.note("signature key", false, format!("{}: {}", error.what, error.why), &error.hint),
        }
    }
    parts.checkers.push(std::sync::Arc::new(Cosign { keys }));
    Ok(())
}
