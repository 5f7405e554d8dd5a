//! Signatures over the data of disk images, which Glance keeps in four properties (`img_signature*`). Until the data
//! has been read and hashed here they are only a claim: clouds verify them at upload, and only sometimes at boot.
//!
//! Follows OpenStack's "Image signature verification" (Glance and Nova documentation, library `cursive`).

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use aws_lc_rs::{
    digest::{self, Algorithm, Context as Hash},
    signature::{self, UnparsedPublicKey, VerificationAlgorithm},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rsa::{
    PublicKey,
    pkcs8::DecodePublicKey,
    pss::{Signature as Pss, VerifyingKey},
    signature::hazmat::PrehashVerifier,
};

use super::{
    formats::{
        certificates::{self, Distrust, ParsedCertificate},
        keys::Keys,
    },
    parts::{Parts, Surroundings},
};
use wharf_core::{
    base::{
        badge::Signature,
        blocking::blocking,
        clean,
        context::Context,
        error::{During, Result},
        small_file, text,
    },
    config::Config,
    evidence::record::{CheckedBy, Kind, Outcome, Record, tool},
    image::{
        model::{DataSignature, Image},
        reference::ImageRef,
    },
    policy::NamedCertificate,
    portal::doctor::State,
    ports::{Checker, Supply},
    request::statement::Payload,
};

/// How long a claim, and a signature that was verified over the data, stay valid evidence, in seconds.
const CLAIM: i64 = 3_600;
const CHECKED: i64 = 30 * 86_400;

/// The checker for signatures of disk images.
pub struct Glance {
    authorities: Vec<PathBuf>,
    certificates: Vec<NamedCertificate>,
    /// The keys that may admit images.
    keys: Keys,
}

/// The state of the signature, the signer, and the reason.
type Found = (Signature, String, String);

/// The hash that a property names; `None` if it is not supported.
fn hash_of(name: &str) -> Option<&'static Algorithm> {
    match name {
        "SHA-224" => Some(&digest::SHA224),
        "SHA-256" => Some(&digest::SHA256),
        "SHA-384" => Some(&digest::SHA384),
        "SHA-512" => Some(&digest::SHA512),
        _ => None,
    }
}

/// How to verify an ECDSA key type with a hash; `None` if it is not supported.
fn curve_of(key_type: &str, hash: &str) -> Option<&'static dyn VerificationAlgorithm> {
    match (key_type, hash) {
        ("ECC_SECP384R1", "SHA-256") => Some(&signature::ECDSA_P384_SHA256_ASN1),
        ("ECC_SECP384R1", "SHA-384") => Some(&signature::ECDSA_P384_SHA384_ASN1),
        ("ECC_SECP384R1", "SHA-512") => Some(&signature::ECDSA_P384_SHA512_ASN1),
        ("ECC_SECP521R1", "SHA-224") => Some(&signature::ECDSA_P521_SHA224_ASN1),
        ("ECC_SECP521R1", "SHA-256") => Some(&signature::ECDSA_P521_SHA256_ASN1),
        ("ECC_SECP521R1", "SHA-384") => Some(&signature::ECDSA_P521_SHA384_ASN1),
        ("ECC_SECP521R1", "SHA-512") => Some(&signature::ECDSA_P521_SHA512_ASN1),
        _ => None,
    }
}

/// Whether signatures with these properties can be verified here.
fn is_understood(claim: &DataSignature) -> bool {
    hash_of(&claim.hash).is_some() && (claim.key_type == "RSA-PSS" || curve_of(&claim.key_type, &claim.hash).is_some())
}

/// Whether the key has signed data with this hash. Glance uses the longest salt that fits, which the TLS library does
/// not accept: so the length of the salt is taken from the signature.
fn fits(claim: &DataSignature, spki: &[u8], hashed: &digest::Digest) -> bool {
    let Ok(bytes) = STANDARD.decode(claim.signature.trim()) else { return false };
    if let Some(curve) = curve_of(&claim.key_type, &claim.hash) {
        return UnparsedPublicKey::new(curve, spki).verify_digest(hashed, &bytes).is_ok();
    }
    let (Ok(key), Ok(pss)) = (PublicKey::from_public_key_der(spki), Pss::try_from(bytes.as_slice())) else {
        return false;
    };
    macro_rules! with {
        ($hash:ty) => {
            VerifyingKey::<$hash>::new_with_auto_salt_len(key).verify_prehash(hashed.as_ref(), &pss).is_ok()
        };
    }
    claim.key_type == "RSA-PSS"
        && match claim.hash.as_str() {
            "SHA-224" => with!(sha2::Sha224),
            "SHA-256" => with!(sha2::Sha256),
            "SHA-384" => with!(sha2::Sha384),
            "SHA-512" => with!(sha2::Sha512),
            _ => false,
        }
}

fn read_all(path: &std::path::Path) -> Result<Vec<ParsedCertificate>> {
    let what = format!("read the certificates in {}", path.display());
    Ok(certificates::all_from_pem(&small_file::text(path).during(what)?))
}

impl Glance {
    /// The certificate that a claim names, if it is trusted; else the result to record.
    fn certificate(&self, claim: &DataSignature, now: i64) -> std::result::Result<ParsedCertificate, Found> {
        let none = |state, reason: String| (state, String::new(), reason);
        if !is_understood(claim) {
            let words = format!("{} with {} is not understood here", claim.key_type, claim.hash);
            return Err(none(Signature::Unreachable, clean::short(&words, 100)));
        }
        let Some(named) = self.certificates.iter().find(|named| named.id == claim.certificate) else {
            let id = clean::short(&claim.certificate, 40);
            return Err(none(
                Signature::NoKey,
                format!("the policy has no certificate {id} ([[signature.certificate]])"),
            ));
        };
        let unreadable = |error: wharf_core::base::error::Error| {
            none(Signature::Unreachable, format!("{}: {}", error.what, error.why))
        };
        let mut chain = read_all(&named.file).map_err(unreadable)?.into_iter();
        let Some(leaf) = chain.next() else {
            return Err(none(Signature::Unreachable, format!("{} holds no certificate", named.file.display())));
        };
        let mut trusted = Vec::new();
        for path in &self.authorities {
            trusted.extend(read_all(path).map_err(unreadable)?);
        }
        match leaf.leads_to(&trusted, &chain.collect::<Vec<_>>(), now) {
            Ok(()) => Ok(leaf),
            Err(Distrust::Expired) => {
                Err(none(Signature::Expired, format!("the certificate of {} is past its date", leaf.name)))
            }
            Err(Distrust::Unknown(why)) => Err(none(
                Signature::Untrusted,
                format!("the certificate of {} leads to none of the policy's authorities ({why})", leaf.name),
            )),
        }
    }

    /// The evidence in a statement that admits the image; empty if no key of the policy has signed it.
    fn stated(&self, image: &Image) -> Vec<Record> {
        let (Some(statement), Some(pinned)) = (&image.statement, &image.pinned) else { return Vec::new() };
        let signature = STANDARD.decode(statement.signature.trim()).unwrap_or_default();
        let payload = statement.payload.as_bytes();
        let Some(key) = self.keys.signer(payload, &signature) else { return Vec::new() };
        let name = key.label();
        let record = |state, why: &str| {
            self.record(image, (state, name.clone(), why.to_owned()), TOOL, CLAIM).into_iter().collect::<Vec<_>>()
        };
        let ImageRef::Glance { image: here, .. } = &pinned.reference else { return Vec::new() };
        let (id, digest, stated) = match Payload::parse(payload) {
            Some(Payload::Disk { id, digest, stated }) => (id, digest, stated),
            Some(Payload::TakenBack { digest, place, reason, .. })
                if digest == pinned.digest.as_str() && place == *here =>
            {
                return record(Signature::TakenBack, &clean::short(&reason, 200));
            }
            // A container's signature admits no disk image, even by a key that may admit.
            _ => return record(Signature::Untrusted, "its statement is none that admits a disk image"),
        };
        if digest != pinned.digest.as_str() {
            return record(Signature::Invalid, "its statement is about another image");
        }
        if id != *here {
            return record(Signature::Elsewhere, "its statement was made for another image of the cloud");
        }
        if let Some(why) = stated.why_ended(text::now()) {
            return record(Signature::Expired, &why);
        }
        let signer = stated.signer(name);
        let reason = "a statement over the hash that the cloud keeps of its data".to_owned();
        let record = self.record(image, (Signature::Verified, signer, reason), TOOL, CLAIM);
        let ends = stated.terms.until.unwrap_or(i64::MAX);
        let terms = Some(stated.terms).filter(|terms| !terms.is_empty());
        record.map(|record| Record { valid_until: record.valid_until.min(ends), terms, ..record }).into_iter().collect()
    }

    fn record(&self, image: &Image, found: Found, name: &str, valid: i64) -> Option<Record> {
        let pinned = image.pinned.as_ref()?;
        let (state, signer, reason) = found;
        let outcome = Outcome::Signature { state, signer };
        let inputs = self.inputs();
        Some(Record { inputs, reason, ..Record::now(pinned, CheckedBy::Wharf, tool(name), outcome, valid) })
    }
}

/// The tool names in records: for the properties alone, and for the data.
const TOOL: &str = "glance";
const DATA_TOOL: &str = "glance-data";

#[async_trait]
impl Checker for Glance {
    fn name(&self) -> &'static str {
        TOOL
    }

    fn kind(&self) -> Kind {
        Kind::Signature
    }

    fn inputs(&self) -> Vec<String> {
        let keys = self.keys.all().iter().map(|key| key.id.clone());
        self.certificates.iter().map(|named| named.id.clone()).chain(keys).collect()
    }

    async fn check(&self, _cx: &Context, image: &Image, _supply: &Supply) -> Result<Vec<Record>> {
        let stated = self.stated(image);
        if !stated.is_empty() {
            return Ok(stated);
        }
        let Some(claim) = &image.signed else {
            // No other checker looks for signatures of disk images in clouds.
            let is_cloud = matches!(image.reference, ImageRef::Glance { .. });
            let none = (Signature::NoneFound, String::new(), "it has no img_signature properties".to_owned());
            return Ok(self.record(image, none, TOOL, CLAIM).filter(|_| is_cloud).into_iter().collect());
        };
        let found = match self.certificate(claim, text::now()) {
            Ok(leaf) => (
                Signature::Claimed,
                leaf.name,
                "its data was not read here: wharf verify --data reads all of it, and so does a download".to_owned(),
            ),
            Err(found) => found,
        };
        Ok(self.record(image, found, TOOL, CLAIM).into_iter().collect())
    }

    async fn check_data(&self, _cx: &Context, image: &Image, file: &std::path::Path) -> Result<Option<Record>> {
        let Some(claim) = image.signed.clone() else { return Ok(None) };
        let now = text::now();
        let leaf = match self.certificate(&claim, now) {
            Ok(leaf) => leaf,
            Err(found) => return Ok(self.record(image, found, TOOL, CLAIM)),
        };
        let what = format!("hash {}", file.display());
        let Some(algorithm) = hash_of(&claim.hash) else { return Ok(None) };
        let (path, task) = (file.to_owned(), what.clone());
        let name = leaf.name.clone();
        let work = blocking(move || -> Result<bool> {
            let mut file = std::fs::File::open(path).during(&task)?;
            let mut hash = Hash::new(algorithm);
            let mut buffer = vec![0; 1 << 20];
            loop {
                match std::io::Read::read(&mut file, &mut buffer).during(&task)? {
                    0 => break,
                    count => hash.update(&buffer[..count]),
                }
            }
            Ok(fits(&claim, &leaf.spki, &hash.finish()))
        });
        let found = if work.await.during(&what)?? {
            (Signature::Verified, name, "over all of its data, read here".to_owned())
        } else {
            (Signature::Invalid, name, "it does not fit the data".to_owned())
        };
        Ok(self.record(image, found, DATA_TOOL, CHECKED))
    }
}

/// Registers the checker. An unusable certificate becomes a finding.
pub fn register(config: &Config, _around: &Surroundings, parts: &mut Parts) -> Result<()> {
    let rules = &config.policy.signature;
    for path in rules.authorities.iter().chain(rules.certificate.iter().map(|named| &named.file)) {
        let fine = read_all(path).is_ok_and(|all| !all.is_empty());
        let state = if fine { State::Good } else { State::Bad };
        parts.note("certificate", state, path.display().to_string(), "it must be PEM ('BEGIN CERTIFICATE')");
    }
    let (authorities, certificates) = (rules.authorities.clone(), rules.certificate.clone());
    let keys = Keys::new(rules.admitting());
    parts.checkers.push(Arc::new(Glance { authorities, certificates, keys }));
    Ok(())
}
