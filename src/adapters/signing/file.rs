//! A private key in a file (PEM: PKCS#8, or SEC 1 for elliptic curves).

use std::{os::unix::fs::PermissionsExt, path::Path};

use async_trait::async_trait;
use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    rand::SystemRandom,
    rsa::KeyPair as RsaKeyPair,
    signature::{
        self, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    },
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    adapters::keys::Key,
    core::{
        error::{During, Error, Result},
        ports::Signer,
    },
};

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

/// A key of a file.
pub struct FileKey {
    pair: Pair,
    public: Key,
    path: String,
}

/// The key in a file that only its owner may read.
pub fn open(path: &Path) -> Result<FileKey> {
    let what = format!("read the key {}", path.display());
    let meta = std::fs::metadata(path).during(&what)?;
    if meta.permissions().mode() & 0o077 != 0 {
        return Err(Error::usage(what, "others may read it").hint(format!("chmod 600 {}", path.display())));
    }
    let text = std::fs::read_to_string(path).during(&what)?;
    if text.contains("ENCRYPTED") {
        return Err(Error::unsupported(what, "it is encrypted, and Wharf opens plain keys only")
            .hint("keep the key in hardware (pkcs11:…), or decrypt it: openssl pkey -in KEY -out PLAIN"));
    }
    read(&text)
        .and_then(|(pair, der)| Some(FileKey { pair, public: Key::of_der(der)?, path: path.display().to_string() }))
        .ok_or_else(|| {
            Error::usage(what, "it is no private key that is understood")
                .hint("use PEM: P-256, P-384, RSA or Ed25519; make one with openssl genpkey")
        })
}

/// The pair, and its public half as `SubjectPublicKeyInfo`.
fn read(pem: &str) -> Option<(Pair, Vec<u8>)> {
    let body = pem
        .split("-----BEGIN ")
        .find(|part| part.split_once("-----").is_some_and(|(kind, _)| kind.ends_with("PRIVATE KEY")))?;
    let (kind, rest) = body.split_once("-----")?;
    let der = STANDARD.decode(rest.split("-----END").next()?.split_whitespace().collect::<String>()).ok()?;
    for algorithm in [&ECDSA_P256_SHA256_ASN1_SIGNING, &ECDSA_P384_SHA384_ASN1_SIGNING] {
        let pair = match kind {
            "EC PRIVATE KEY" => EcdsaKeyPair::from_private_key_der(algorithm, &der),
            _ => EcdsaKeyPair::from_pkcs8(algorithm, &der),
        };
        if let Ok(pair) = pair {
            let public: PublicKeyX509Der<'_> = pair.public_key().as_der().ok()?;
            let public = public.as_ref().to_vec();
            return Some((Pair::Ecdsa(pair), public));
        }
    }
    if let Ok(pair) = Ed25519KeyPair::from_pkcs8(&der) {
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().ok()?;
        let public = public.as_ref().to_vec();
        return Some((Pair::Ed25519(pair), public));
    }
    let pair = RsaKeyPair::from_pkcs8(&der).or_else(|_| RsaKeyPair::from_der(&der)).ok()?;
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().ok()?;
    let public = public.as_ref().to_vec();
    Some((Pair::Rsa(pair), public))
}

#[async_trait]
impl Signer for FileKey {
    fn describe(&self) -> String {
        format!("the key in {}", self.path)
    }

    fn key_id(&self) -> String {
        self.public.id.clone()
    }

    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.public.verifies(message, signature)
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let failed = |_| Error::failed("sign", "the key makes no signature");
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ecdsa(pair) => pair.sign(&random, message).map(|made| made.as_ref().to_vec()).map_err(failed),
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut made = vec![0; pair.public_modulus_len()];
                pair.sign(&signature::RSA_PKCS1_SHA256, &random, message, &mut made).map_err(failed)?;
                Ok(made)
            }
        }
    }
}
