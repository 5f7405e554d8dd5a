//! A private key as PEM (PKCS#8, or SEC 1 for elliptic curves), in a file or in the secret store, perhaps encrypted
//! with a passphrase.

use std::{os::unix::fs::PermissionsExt, path::Path};

use async_trait::async_trait;
use aws_lc_rs::{
    digest,
    encoding::{AsDer, PublicKeyX509Der},
    rand::SystemRandom,
    rsa::KeyPair as RsaKeyPair,
    signature::{
        self, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    },
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::locked::{self, UnlockFailure};
use crate::formats::keys::{Key, pem};
use wharf_core::{
    base::{
        blocking::blocking,
        error::{During, Error, Kind, Result},
        secret::Secret,
        small_file,
    },
    image::model::DataSignature,
    ports::{
        Asker, Question, QuestionKind, Signer,
        signer::{Curve, NewKey},
    },
    request::statement::Statement,
};

/// The error and the remedy for a key that is encrypted in an outdated way.
const OLD: &str = "its passphrase is of an old form that is not read here";
const ANEW: &str = "encrypt it again: openssl pkcs8 -topk8 -v2 aes-256-cbc -in FILE -out NEW asks for its passphrase";

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

/// A decrypted private key in this process's memory.
pub(super) struct OpenKey {
    pair: Pair,
    public: Key,
    kept: String,
}

/// Opens the key in a file, which only its owner may read. `asker` asks for the passphrase, if it has one.
pub(super) async fn open(path: &Path, asker: &dyn Asker) -> Result<OpenKey> {
    let what = format!("read the key {}", path.display());
    let meta = std::fs::metadata(path).during(&what)?;
    if meta.permissions().mode() & 0o077 != 0 {
        return Err(Error::usage(what, "others may read it").hint(format!("chmod 600 {}", path.display())));
    }
    let pem = Secret::new(String::from_utf8_lossy(&small_file::bytes(path).during(&what)?).into_owned());
    open_pem(&what, &pem, &format!("the key in {}", path.display()), asker).await
}

/// Opens the key in a PEM text. `asker` asks for the passphrase, if it has one; `kept` says where it is kept.
pub(super) async fn open_pem(what: &str, pem: &Secret, kept: &str, asker: &dyn Asker) -> Result<OpenKey> {
    let unfit = || {
        Error::usage(what, "it is no private key that is understood")
            .hint("use PEM: P-256, P-384, RSA or Ed25519; make one with wharf key new, or openssl genpkey")
    };
    let (kind, der) = body(what, pem.reveal())?.ok_or_else(unfit)?;
    if !locked::is_locked(&kind) {
        let (pair, public) = read(&kind, &der).ok_or_else(unfit)?;
        let public = Key::from_der(public).ok_or_else(unfit)?;
        return Ok(OpenKey { pair, public, kept: kept.to_owned() });
    }
    let question = Question { words: format!("passphrase of {kept}"), kind: QuestionKind::Secret };
    let passphrase = asker.ask(question).await?;
    // Decrypting such a key takes time by design.
    let der = blocking(move || locked::unlock(&kind, &der, &passphrase)).await.during(what)?;
    let der = der.map_err(|shut| match shut {
        UnlockFailure::Passphrase => {
            Error::new(Kind::NotAllowed, what, "the passphrase does not open it").hint("try again; nothing was signed")
        }
        UnlockFailure::Form => Error::usage(what, OLD).hint(ANEW),
    })?;
    let (pair, public) = read("PRIVATE KEY", &der).ok_or_else(unfit)?;
    Ok(OpenKey { pair, public: Key::from_der(public).ok_or_else(unfit)?, kept: kept.to_owned() })
}

/// The public half of a key in a PEM text; `None` if it is encrypted. Fails if it is no key.
pub(super) fn public_half(what: &str, pem: &Secret) -> Result<Option<Key>> {
    let unfit = || {
        Error::usage(what, "it is no private key that is understood")
            .hint("make one with wharf key new, or openssl genpkey")
    };
    let (kind, der) = body(what, pem.reveal())?.ok_or_else(unfit)?;
    if locked::is_locked(&kind) {
        return Ok(None);
    }
    read(&kind, &der).and_then(|(_, public)| Key::from_der(public)).ok_or_else(unfit).map(Some)
}

/// Creates a key as PEM (PKCS#8), encrypted if a passphrase is given.
pub fn make(curve: Curve, passphrase: Option<&Secret>) -> Result<NewKey> {
    let what = "make a key";
    let failed = || Error::failed(what, "the library makes none");
    let algorithm = match curve {
        Curve::P256 => &ECDSA_P256_SHA256_ASN1_SIGNING,
        Curve::P384 => &ECDSA_P384_SHA384_ASN1_SIGNING,
    };
    let made = EcdsaKeyPair::generate(algorithm).map_err(|_| failed())?;
    let public: PublicKeyX509Der<'_> = made.public_key().as_der().map_err(|_| failed())?;
    let public = Key::from_der(public.as_ref().to_vec()).ok_or_else(failed)?;
    let der = made.to_pkcs8v1().map_err(|_| failed())?;
    let private = match passphrase {
        None => pem::write("PRIVATE KEY", der.as_ref()),
        Some(passphrase) => pem::write(locked::KIND, &locked::lock(der.as_ref(), passphrase).ok_or_else(failed)?),
    };
    Ok(NewKey { private: Secret::new(private), public: public.pem(), id: public.id })
}

/// The label and bytes of the first private key in a PEM text.
fn body(what: &str, text: &str) -> Result<Option<(String, Vec<u8>)>> {
    let found = pem::read(text).into_iter().find(|block| block.label.ends_with("PRIVATE KEY"));
    match found {
        Some(block) if block.locked_of_old => Err(Error::usage(what, OLD).hint(ANEW)),
        Some(block) if block.label.starts_with("OPENSSH") => {
            Err(Error::usage(what, "it is a key of OpenSSH").hint("make one to sign with: wharf key new FILE"))
        }
        found => Ok(found.map(|block| (block.label, block.der))),
    }
}

/// The key pair, and its public half as `SubjectPublicKeyInfo`.
fn read(kind: &str, der: &[u8]) -> Option<(Pair, Vec<u8>)> {
    for algorithm in [&ECDSA_P256_SHA256_ASN1_SIGNING, &ECDSA_P384_SHA384_ASN1_SIGNING] {
        let pair = match kind {
            "EC PRIVATE KEY" => EcdsaKeyPair::from_private_key_der(algorithm, der),
            _ => EcdsaKeyPair::from_pkcs8(algorithm, der),
        };
        if let Ok(pair) = pair {
            let public: PublicKeyX509Der<'_> = pair.public_key().as_der().ok()?;
            let public = public.as_ref().to_vec();
            return Some((Pair::Ecdsa(pair), public));
        }
    }
    if let Ok(pair) = Ed25519KeyPair::from_pkcs8(der) {
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().ok()?;
        let public = public.as_ref().to_vec();
        return Some((Pair::Ed25519(pair), public));
    }
    let pair = RsaKeyPair::from_pkcs8(der).or_else(|_| RsaKeyPair::from_der(der)).ok()?;
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().ok()?;
    let public = public.as_ref().to_vec();
    Some((Pair::Rsa(pair), public))
}

#[async_trait]
impl Signer for OpenKey {
    fn describe(&self) -> String {
        self.kept.clone()
    }

    fn key_id(&self) -> String {
        self.public.id.clone()
    }

    fn public_pem(&self) -> String {
        self.public.pem()
    }

    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.public.verifies(message, signature)
    }

    async fn sign_data(&self, file: &Path) -> Result<Option<DataSignature>> {
        let what = format!("sign the data of {}", file.display());
        let Pair::Ecdsa(pair) = &self.pair else { return Ok(None) };
        // Of the curves supported here, OpenStack clouds verify P-384 only.
        if pair.algorithm() != &ECDSA_P384_SHA384_ASN1_SIGNING {
            return Ok(None);
        }
        let (path, task) = (file.to_owned(), what.clone());
        let hashed = blocking(move || -> Result<digest::Digest> {
            let mut file = std::fs::File::open(path).during(&task)?;
            let mut hash = digest::Context::new(&digest::SHA384);
            let mut piece = vec![0; 1 << 20];
            loop {
                match std::io::Read::read(&mut file, &mut piece).during(&task)? {
                    0 => return Ok(hash.finish()),
                    count => hash.update(&piece[..count]),
                }
            }
        });
        let made =
            pair.sign_digest(&hashed.await.during(&what)??).map_err(|_| Error::failed(&what, "it did not sign"))?;
        Ok(Some(DataSignature {
            signature: STANDARD.encode(made.as_ref()),
            hash: "SHA-384".to_owned(),
            key_type: "ECC_SECP384R1".to_owned(),
            certificate: String::new(),
        }))
    }

    async fn sign(&self, statement: &Statement) -> Result<Vec<u8>> {
        let message = statement.bytes();
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

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_core::request::Terms;

    struct KnownPassphrase(&'static str);

    #[async_trait]
    impl Asker for KnownPassphrase {
        async fn ask(&self, question: Question) -> Result<Secret> {
            assert_eq!(question.kind, QuestionKind::Secret);
            Ok(Secret::new(self.0))
        }
    }

    #[tokio::test]
    async fn keys_behind_a_passphrase_open_with_it_and_with_no_other() {
        let public = include_str!("../../../tests/fixtures/keys/key.pub");
        for pem in [
            include_str!("../../../tests/fixtures/keys/openssl.key"),
            include_str!("../../../tests/fixtures/keys/openssl-scrypt.key"),
            include_str!("../../../tests/fixtures/keys/cosign.key"),
        ] {
            let pem = Secret::new(pem);
            let key = open_pem("open", &pem, "a key", &KnownPassphrase("wharf")).await.unwrap();
            assert_eq!(key.public_pem(), public);
            let statement = Statement::class_author("base", "signature", &Terms::default());
            let made = key.sign(&statement).await.unwrap();
            assert!(key.verifies(statement.bytes(), &made) && !key.verifies(b"other", &made));
            let error = open_pem("open", &pem, "a key", &KnownPassphrase("wrong")).await.err().unwrap();
            assert_eq!(error.kind, Kind::NotAllowed, "{error}");
        }
        for curve in [Curve::P256, Curve::P384] {
            let made = make(curve, None).unwrap();
            let key = open_pem("open", &made.private, "a key", &KnownPassphrase("")).await.unwrap();
            assert_eq!((key.public_pem(), key.key_id()), (made.public, made.id));
            let made = make(curve, Some(&Secret::new("wharf"))).unwrap();
            assert!(made.private.reveal().starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
            let key = open_pem("open", &made.private, "a key", &KnownPassphrase("wharf")).await.unwrap();
            assert_eq!(key.public_pem(), made.public);
            assert!(open_pem("open", &made.private, "a key", &KnownPassphrase("other")).await.is_err());
        }
        assert!(open_pem("open", &Secret::new("no key"), "a key", &KnownPassphrase("")).await.is_err());
    }
}
