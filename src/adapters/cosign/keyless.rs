//! Keyless signatures: a short-lived certificate names the person or job that signed, and who vouched for the identity.
//! They are verified offline with a trusted root: certificate chain, transparency log and timestamps. The policy's
//! rules then say whose signatures count.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::json;
use sigstore_verify::{
    Error as Fault, VerificationPolicy, Verifier,
    trust_root::{SigstoreInstance, TrustedRoot},
    types::{Artifact, Bundle, Sha256Hash},
};

use crate::formats::certificates;
use wharf_core::{
    base::{
        clean,
        digest::Digest,
        error::{During, Result},
        small_file, text,
    },
    policy::{Identity, SignatureRules},
};

/// The annotations of a classic signature that hold its certificate, and the entry in the transparency log.
pub const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
const LOGGED: &str = "dev.sigstore.cosign/bundle";

/// What verifying a keyless signature has shown; each with the reason or the signer in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The signature is valid, and its identity is named in the policy.
    Trusted(String),
    /// The signature is valid, but the policy does not name its identity.
    Stranger(String),
    /// The signature is valid, but the policy names no identities.
    NoRule(String),
    /// The certificate chain does not lead to a trusted root.
    Unrooted(String),
    /// The certificate claims an identity that the policy names, but the signature is not valid.
    Wrong(String),
    /// The signature is not valid and claims no identity that the policy names: anybody could have put it there.
    Unclaimed(String),
    /// The signature has a form that is not supported.
    Unknown(String),
}

/// Verifies keyless signatures with one trusted root and the policy's identities.
pub struct Keyless {
    verifier: Verifier,
    rules: Vec<Identity>,
    logged: bool,
}

/// The entry of the transparency log (Rekor) that a classic signature carries.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Logged {
    signed_entry_timestamp: String,
    payload: Entry,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    body: String,
    integrated_time: i64,
    log_index: u64,
    #[serde(rename = "logID")]
    log_id: String,
}

impl Keyless {
    /// With the policy's trusted root, else that of the public Sigstore instance. Fails if the root cannot be read.
    pub fn new(rules: &SignatureRules) -> Result<Self> {
        let root = match &rules.trusted_root {
            Some(path) => {
                let what = format!("read the trusted root {}", path.display());
                let text = small_file::text(path).during(&what)?;
                TrustedRoot::from_json(&text).during(&what)?
            }
            None => TrustedRoot::from_embedded(SigstoreInstance::PublicGood).during("read the built-in root")?,
        };
        let verifier = Verifier::new(&root).during("use the trusted root")?;
        Ok(Self { verifier, rules: rules.identity.clone(), logged: rules.transparency_log })
    }

    fn policy(&self) -> VerificationPolicy {
        let policy = VerificationPolicy::any_identity();
        // A private Sigstore instance may have timestamps only, and no transparency log.
        if self.logged { policy } else { policy.skip_tlog_unsafe().skip_sct() }
    }

    fn checked<'a>(&self, artifact: impl Into<Artifact<'a>>, json: &str) -> Answer {
        let bundle = match Bundle::from_json(json) {
            Ok(bundle) => bundle,
            Err(error) => return Answer::Unknown(clean::short(&error.to_string(), 120)),
        };
        match self.verifier.verify(artifact, &bundle, &self.policy()) {
            Ok(result) => {
                let identity = result.identity().map(|name| name.as_str().to_owned()).unwrap_or_default();
                self.judged(&identity, result.issuer().unwrap_or_default())
            }
            Err(error) => match refused(&error) {
                Answer::Wrong(why) if !self.claims(json) => Answer::Unclaimed(why),
                answer => answer,
            },
        }
    }

    /// Whether the certificate of a bundle names an identity of the policy; the certificate need not be valid.
    fn claims(&self, bundle: &str) -> bool {
        let bundle: serde_json::Value = serde_json::from_str(bundle).unwrap_or_default();
        let material = bundle.get("verificationMaterial");
        let at = |path: &str| material.and_then(|material| material.pointer(path)).and_then(serde_json::Value::as_str);
        let text = at("/certificate/rawBytes").or_else(|| at("/x509CertificateChain/certificates/0/rawBytes"));
        let certificate = text.and_then(super::payload::base64).unwrap_or_default();
        let names =
            |text: &str| !text.is_empty() && certificate.windows(text.len()).any(|part| part == text.as_bytes());
        self.rules.iter().any(|rule| names(rule.identity.trim_end_matches('*')) && names(&rule.issuer))
    }

    /// Whether the policy names this identity and issuer.
    fn judged(&self, identity: &str, issuer: &str) -> Answer {
        let words = format!("{} vouched for by {}", clean::short(identity, 160), clean::short(issuer, 100));
        if self.rules.is_empty() {
            return Answer::NoRule(words);
        }
        if self.rules.iter().any(|rule| rule.names(identity, issuer)) {
            return Answer::Trusted(words);
        }
        Answer::Stranger(words)
    }

    /// Verifies a bundle with a certificate for an image's digest.
    pub fn bundle(&self, bundle: &[u8], digest: &Digest) -> Answer {
        let Ok(hash) = Sha256Hash::from_hex(digest.hex()) else {
            return Answer::Unknown("only SHA-256 digests are signed so".to_owned());
        };
        self.checked(hash, &String::from_utf8_lossy(bundle))
    }

    /// Verifies a classic signature with a certificate over its payload; `None` if it has no certificate.
    pub fn classic(
        &self,
        payload: &[u8],
        signature: &str,
        annotations: &std::collections::BTreeMap<String, String>,
    ) -> Option<Answer> {
        let certificate = certificates::ParsedCertificate::from_pem(annotations.get(CERTIFICATE)?);
        let Some(certificate) = certificate else {
            return Some(Answer::Unknown("its certificate cannot be read".to_owned()));
        };
        let logged = annotations.get(LOGGED).and_then(|text| serde_json::from_str::<Logged>(text).ok());
        let Some(logged) = logged else {
            return Some(Answer::Unknown("it has a certificate, and no proof of when it was made".to_owned()));
        };
        Some(self.checked(payload, &as_bundle(payload, signature, &certificate.der, &logged)))
    }
}

/// A classic signature as a bundle of version 0.1, which has the same parts.
fn as_bundle(payload: &[u8], signature: &str, certificate: &[u8], logged: &Logged) -> String {
    let entry = &logged.payload;
    let hash = text::unhex(Digest::of(payload).hex());
    json!({
        "mediaType": "application/vnd.dev.sigstore.bundle+json;version=0.1",
        "verificationMaterial": {
            "x509CertificateChain": {"certificates": [{"rawBytes": STANDARD.encode(certificate)}]},
            "tlogEntries": [{
                "logIndex": entry.log_index.to_string(),
                "logId": {"keyId": STANDARD.encode(text::unhex(&entry.log_id))},
                "kindVersion": {"kind": "hashedrekord", "version": "0.0.1"},
                "integratedTime": entry.integrated_time.to_string(),
                "inclusionPromise": {"signedEntryTimestamp": logged.signed_entry_timestamp},
                "canonicalizedBody": entry.body,
            }],
        },
        "messageSignature": {
            "messageDigest": {"algorithm": "SHA2_256", "digest": STANDARD.encode(hash)},
            "signature": signature.split_whitespace().collect::<String>(),
        },
    })
    .to_string()
}

/// The answer for a signature that was refused: another root, or not valid.
fn refused(fault: &Fault) -> Answer {
    use sigstore_verify::{CertificateError, TransparencyLogError};
    let words = clean::short(&fault.to_string(), 200);
    match fault {
        Fault::Certificate(CertificateError::ChainInvalid(_) | CertificateError::NoValidAuthority { .. })
        | Fault::TransparencyLog(TransparencyLogError::UnknownLog { .. }) => Answer::Unrooted(words),
        Fault::UnsupportedBundle(_) | Fault::UnsupportedArtifact(_) => Answer::Unknown(words),
        _ => Answer::Wrong(words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ATTESTED: &str = include_str!("../../../tests/fixtures/sigstore/conda-attestation.sigstore.json");
    const BLOB: &str = include_str!("../../../tests/fixtures/sigstore/cosign-v3-blob.sigstore.json");
    const TEXT: &[u8] = include_bytes!("../../../tests/fixtures/sigstore/cosign-v3-blob.txt");
    const SHA256: &str = "sha256:54303491a8418fbed24344b513546182c29b43bf282ceb433af65e2299f9271f";

    fn with(rules: Vec<Identity>) -> Keyless {
        Keyless::new(&SignatureRules { identity: rules, ..SignatureRules::default() }).unwrap()
    }

    fn describe(answer: Answer) -> String {
        match answer {
            Answer::NoRule(words) => words,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_bundle_of_the_public_instance_is_verified_offline_and_counts_by_rule_only() {
        let digest: Digest = SHA256.parse().unwrap();
        let said = describe(with(vec![]).bundle(ATTESTED.as_bytes(), &digest));
        let (identity, issuer) = said.split_once(" vouched for by ").unwrap();
        let rule = |identity: &str, issuer: &str| Identity { identity: identity.into(), issuer: issuer.into() };
        let begin = format!("{}*", &identity[..identity.len() / 2]);
        for (rule, trusted) in [
            (rule(identity, issuer), true),
            (rule(&begin, issuer), true),
            (rule(identity, "https://evil.example"), false),
            (rule("https://github.com/other/*", issuer), false),
        ] {
            let answer = with(vec![rule.clone()]).bundle(ATTESTED.as_bytes(), &digest);
            assert_eq!(matches!(answer, Answer::Trusted(_)), trusted, "{rule:?} {answer:?}");
            assert!(trusted || matches!(answer, Answer::Stranger(_)));
        }
    }

    #[test]
    fn another_image_a_changed_signature_and_another_root_are_refused() {
        let digest: Digest = SHA256.parse().unwrap();
        let keyless = with(vec![]);
        let said = describe(keyless.bundle(ATTESTED.as_bytes(), &digest));
        let (identity, issuer) = said.split_once(" vouched for by ").unwrap();
        let rule = |identity: &str| vec![Identity { identity: identity.into(), issuer: issuer.into() }];
        let named = with(rule(&format!("{}*", &identity[..identity.len() / 2])));
        let mut changed: serde_json::Value = serde_json::from_str(ATTESTED).unwrap();
        changed["dsseEnvelope"]["signatures"][0]["sig"] = "MEUCIQ==".into();
        let changed = changed.to_string();
        // Only what claims a trusted identity has failed; anything else could have been put there by anybody.
        for (bundle, of) in [(ATTESTED, Digest::of(b"other")), (&changed, digest.clone())] {
            assert!(matches!(named.bundle(bundle.as_bytes(), &of), Answer::Wrong(_)));
            for stranger in [&keyless, &with(rule("https://github.com/somebody/else"))] {
                assert!(matches!(stranger.bundle(bundle.as_bytes(), &of), Answer::Unclaimed(_)));
            }
        }
        let mut unlogged: serde_json::Value = serde_json::from_str(ATTESTED).unwrap();
        unlogged["verificationMaterial"]["tlogEntries"] = json!([]);
        assert!(!matches!(
            keyless.bundle(unlogged.to_string().as_bytes(), &digest),
            Answer::NoRule(_) | Answer::Trusted(_)
        ));
        assert!(matches!(keyless.bundle(b"{}", &digest), Answer::Unknown(_)));
        let root = TrustedRoot::from_embedded(SigstoreInstance::Staging).unwrap();
        let staging = Keyless { verifier: Verifier::new(&root).unwrap(), ..with(vec![]) };
        assert!(!matches!(staging.bundle(ATTESTED.as_bytes(), &digest), Answer::NoRule(_)));
    }

    #[test]
    fn a_classic_signature_with_its_certificate_and_log_entry_is_verified() {
        let bundle: serde_json::Value = serde_json::from_str(BLOB).unwrap();
        let material = &bundle["verificationMaterial"];
        let entry = &material["tlogEntries"][0];
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let id = wharf_core::base::text::hex(&STANDARD.decode(text(&entry["logId"]["keyId"])).unwrap());
        let number = |value: &serde_json::Value| text(value).parse::<u64>().unwrap();
        let logged = json!({"SignedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
            "Payload": {"body": entry["canonicalizedBody"], "integratedTime": number(&entry["integratedTime"]),
                "logIndex": number(&entry["logIndex"]), "logID": id}});
        let pem = format!(
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
            text(&material["certificate"]["rawBytes"])
        );
        let annotations =
            [(CERTIFICATE.to_owned(), pem), (LOGGED.to_owned(), logged.to_string())].into_iter().collect();
        let signature = text(&bundle["messageSignature"]["signature"]);
        let keyless = with(vec![]);
        let said = describe(keyless.classic(TEXT, &signature, &annotations).unwrap());
        assert!(said.contains(" vouched for by "), "{said}");
        assert!(matches!(keyless.classic(b"other", &signature, &annotations), Some(Answer::Unclaimed(_))));
        assert_eq!(keyless.classic(TEXT, &signature, &std::collections::BTreeMap::new()), None);
        let mut unlogged = annotations.clone();
        unlogged.remove(LOGGED);
        assert!(matches!(keyless.classic(TEXT, &signature, &unlogged), Some(Answer::Unknown(_))));
    }
}
