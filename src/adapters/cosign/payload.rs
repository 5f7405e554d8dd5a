//! What is signed: the simple signing payload of classic signatures, and the in-toto statement in bundles.
//!
//! A valid signature alone means nothing: its payload must be of these kinds and name this image.

use serde::Deserialize;

pub use crate::formats::keys::pem::base64;
use wharf_core::{
    base::{clean, digest::Digest},
    image::reference::ImageRef,
    request::statement::Payload,
};

/// The predicate types that mean "this image is signed".
const PREDICATES: [&str; 2] = ["https://sigstore.dev/cosign/sign/v1", "cosign.sigstore.dev/attestation/v1"];
/// The statement types of the in-toto attestation framework.
const STATEMENTS: [&str; 2] = ["https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"];

/// Why a payload is no signature of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PayloadMismatch {
    /// It is not a signature of an image at all.
    Other(String),
    /// It is a signature of another image, attached to the wrong one.
    Wrong(String),
    /// It is a signature of this image, made for another tag.
    Tag(String),
}

/// Why a classic payload is no signature of this image; `None` if it is one.
///
/// `tag` is the tag that was asked for: a payload that names another tag does not count for it.
pub fn classic_misses(payload: &[u8], digest: &Digest, tag: Option<&str>) -> Option<PayloadMismatch> {
    let Some(Payload::Image { repository, digest: signed, .. }) = Payload::parse(payload) else {
        return Some(PayloadMismatch::Other("it is no image signature".to_owned()));
    };
    if signed != digest.as_str() {
        return Some(PayloadMismatch::Wrong(format!("it is over {}, another image", clean::short(&signed, 30))));
    }
    // A reference with a digest names no tag, and the colon of a port comes before the last slash.
    let name = repository.split('@').next().unwrap_or("");
    let last = name.rsplit('/').next().unwrap_or("");
    match (last.split_once(':'), tag) {
        (Some((_, signed)), Some(asked)) if signed != asked => {
            Some(PayloadMismatch::Tag(format!("it was made for the tag {}, not {asked}", clean::short(signed, 40))))
        }
        _ => None,
    }
}

/// The repository that a signature was made in, without tag and digest. cosign calls Docker Hub `index.docker.io`; here
/// it is `docker.io`. A text that is no reference is returned unchanged.
pub fn repository(reference: &str) -> String {
    let reference = reference.strip_prefix("index.").filter(|rest| rest.starts_with("docker.io/")).unwrap_or(reference);
    match reference.parse::<ImageRef>() {
        Ok(ImageRef::Oci(name)) => name.bare(),
        // What cannot be parsed is compared as it is, and equals no repository.
        _ => reference.to_owned(),
    }
}

/// A Sigstore bundle (versions 0.1 to 0.3), as far as it is needed to verify it with a key.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bundle {
    verification_material: Option<Material>,
    dsse_envelope: Option<Envelope>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Material {
    public_key: Option<Hint>,
    certificate: Option<serde::de::IgnoredAny>,
    x509_certificate_chain: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Hint {
    hint: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Option<Vec<EnvelopeSignature>>,
}

#[derive(Debug, Deserialize)]
struct EnvelopeSignature {
    sig: String,
}

#[derive(Deserialize)]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    #[serde(rename = "predicateType")]
    predicate: String,
    subject: Option<Vec<StatementSubject>>,
}

#[derive(Deserialize)]
struct StatementSubject {
    name: Option<String>,
    #[serde(default)]
    digest: std::collections::BTreeMap<String, String>,
}

impl Bundle {
    /// Reads a bundle from JSON; `None` if it is none.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// The bundle's hint at its key; empty if it was made with a certificate.
    pub fn hint(&self) -> &str {
        let key = self.verification_material.as_ref().and_then(|material| material.public_key.as_ref());
        key.and_then(|key| key.hint.as_deref()).unwrap_or_default()
    }

    /// Whether the bundle was made with a certificate, not with a key.
    pub fn is_keyless(&self) -> bool {
        let has = |material: &Material| material.certificate.is_some() || material.x509_certificate_chain.is_some();
        self.verification_material.as_ref().is_some_and(has)
    }

    /// The signed message in DSSE's pre-authentication encoding, and its signatures.
    pub fn signed(&self) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
        let envelope = self.dsse_envelope.as_ref()?;
        let payload = base64(&envelope.payload)?;
        let kind = &envelope.payload_type;
        let mut message = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
        message.extend_from_slice(&payload);
        let signatures = envelope.signatures.iter().flatten().filter_map(|one| base64(&one.sig)).collect();
        Some((message, signatures))
    }

    fn statement(&self) -> Option<Statement> {
        self.dsse_envelope
            .as_ref()
            .filter(|envelope| envelope.payload_type == "application/vnd.in-toto+json")
            .and_then(|envelope| base64(&envelope.payload))
            .and_then(|payload| serde_json::from_slice::<Statement>(&payload).ok())
    }

    /// The repositories that the statement names for this digest; empty if it names the digest only.
    pub fn repositories(&self, digest: &Digest) -> Vec<String> {
        let subjects = self.statement().and_then(|statement| statement.subject).unwrap_or_default();
        let ours = subjects
            .into_iter()
            .filter(|one| one.digest.get(digest.algorithm()).is_some_and(|hex| hex == digest.hex()));
        // A name without a slash (`_`, or a file's) is no repository.
        ours.filter_map(|one| one.name).filter(|name| name.contains('/')).map(|name| repository(&name)).collect()
    }

    /// Why the bundle is no signature of this image; `None` if it is one.
    pub fn misses(&self, digest: &Digest) -> Option<PayloadMismatch> {
        let Some(statement) = self.statement() else {
            return Some(PayloadMismatch::Other("its statement is not understood".to_owned()));
        };
        if !STATEMENTS.contains(&statement.kind.as_str()) || !PREDICATES.contains(&statement.predicate.as_str()) {
            let words = format!("it is a '{}', not an image signature", clean::short(&statement.predicate, 60));
            return Some(PayloadMismatch::Other(words));
        }
        let names =
            |subject: &StatementSubject| subject.digest.get(digest.algorithm()).is_some_and(|hex| hex == digest.hex());
        (!statement.subject.iter().flatten().any(names))
            .then(|| PayloadMismatch::Wrong("it is over another image".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::*;
    use wharf_core::request::statement::CLASSIC;

    fn digest() -> Digest {
        Digest::of(b"image")
    }

    fn payload(kind: &str, digest: &Digest, reference: &str) -> String {
        format!(
            r#"{{"critical":{{"identity":{{"docker-reference":"{reference}"}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"{kind}"}},"optional":null}}"#
        )
    }

    #[test]
    fn a_payload_must_be_of_this_kind_this_image_and_this_tag() {
        let misses = |text: &str, tag| classic_misses(text.as_bytes(), &digest(), tag);
        assert_eq!(misses(&payload(CLASSIC, &digest(), "r.example:5000/a/b"), Some("1")), None);
        assert_eq!(misses(&payload(CLASSIC, &digest(), "r.example:5000/a/b:1"), Some("1")), None);
        assert_eq!(misses(&payload(CLASSIC, &digest(), "r.example:5000/a/b:1"), None), None);
        // A reference with a digest names no tag.
        let by_digest = format!("r.example:5000/a/b@{}", digest());
        assert_eq!(misses(&payload(CLASSIC, &digest(), &by_digest), Some("1")), None);
        assert_eq!(misses(&payload(CLASSIC, &digest(), &format!("r.example/a/b:1@{}", digest())), Some("1")), None);
        let wrong = |miss: Option<PayloadMismatch>| matches!(miss, Some(PayloadMismatch::Wrong(_)));
        let other_tag = misses(&payload(CLASSIC, &digest(), "r.example/a/b:2"), Some("1"));
        assert!(matches!(other_tag, Some(PayloadMismatch::Tag(_))), "{other_tag:?}");
        assert!(wrong(misses(&payload(CLASSIC, &Digest::of(b"other"), "r/a"), None)));
        let other = misses(&payload("atomic container signature", &digest(), "r/a"), None);
        assert!(matches!(other, Some(PayloadMismatch::Other(_))), "{other:?}");
        assert!(misses("{", None).is_some());
    }

    #[test]
    fn a_bundle_must_state_a_signature_of_this_image() {
        let bundle = |predicate: &str, digest: &Digest| {
            let statement = format!(
                r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"digest":{{"sha256":"{}"}}}}],"predicateType":"{predicate}","predicate":{{}}}}"#,
                digest.hex()
            );
            let text = format!(
                r#"{{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{{"publicKey":{{"hint":"x"}}}},"dsseEnvelope":{{"payload":"{}","payloadType":"application/vnd.in-toto+json","signatures":[{{"sig":"AAAA"}}]}}}}"#,
                STANDARD.encode(statement)
            );
            Bundle::read(text.as_bytes()).unwrap()
        };
        assert_eq!(bundle(PREDICATES[0], &digest()).misses(&digest()), None);
        assert!(bundle(PREDICATES[0], &Digest::of(b"other")).misses(&digest()).is_some());
        // A signed bill of materials is no signature of the image.
        assert!(bundle("https://spdx.dev/Document", &digest()).misses(&digest()).is_some());
        let (message, signatures) = bundle(PREDICATES[0], &digest()).signed().unwrap();
        assert!(message.starts_with(b"DSSEv1 28 application/vnd.in-toto+json "));
        assert_eq!(signatures, [vec![0, 0, 0]]);
        assert!(Bundle::read(b"[]").is_none());
        // `null` counts as absent, and the payload's base64 may have line breaks or the URL-safe alphabet.
        let nulls = br#"{"verificationMaterial":{"publicKey":{"hint":null}},"dsseEnvelope":{"payload":"-_\n8","payloadType":"x",
            "signatures":[{"sig":"AA\nAA","keyid":null}]}}"#;
        let nulls = Bundle::read(nulls).unwrap();
        assert_eq!((nulls.hint(), nulls.signed().unwrap().1), ("", vec![vec![0, 0, 0]]));
        assert!(Bundle::read(br#"{"dsseEnvelope":{"payload":"","payloadType":"x","signatures":null}}"#).is_some());
    }
}
