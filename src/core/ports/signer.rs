//! The port for keys to sign with.

use std::str::FromStr;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use futures_util::future::BoxFuture;

use crate::base::ask::Asker;
use crate::{
    base::{
        error::{Error, Result},
        secret::Secret,
    },
    image::model::DataSignature,
    request::statement::Statement,
};

/// A key to sign with; the private half is never given out.
#[async_trait]
pub trait Signer: Send + Sync {
    /// Where the key is, in words. The same in every call.
    fn describe(&self) -> String;
    /// SHA-256 of its public half, in hexadecimal. The same in every call.
    fn key_id(&self) -> String;
    /// Its public half, as PEM. The same in every call.
    fn public_pem(&self) -> String;
    /// Whether this key made a signature over a message. Contacts nobody; bytes that are no signature give `false`.
    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool;
    /// Signs a statement; ECDSA signatures are DER. Before: the key is open. After: [`verifies`](Self::verifies) holds
    /// for it. Repeated, it signs again, and the bytes may differ. Errors: `NotAllowed` where a token refuses,
    /// `Unavailable` where it is gone.
    async fn sign(&self, statement: &Statement) -> Result<Vec<u8>>;
    /// Signs the data of a disk image as clouds verify it; `None` for keys of a type that clouds do not support. The
    /// certificate's id is added by the caller. Reads the whole file and changes nothing. Errors: those of reading it,
    /// and those of [`sign`](Self::sign).
    async fn sign_data(&self, _file: &Path) -> Result<Option<DataSignature>> {
        Ok(None)
    }
}

/// Functions to open, make and inspect keys; the adapters provide them.
pub struct Signers {
    /// Opens a key by its name; asks for a passphrase or PIN where needed.
    pub open: OpenSigner,
    /// Makes a key pair, encrypted if a passphrase is given. It may block.
    pub make: MakeKey,
    /// Writes a new key file, which must not exist, and the public half beside it; gives the latter's path. It may
    /// block.
    pub write: WriteKey,
    /// Inspects a key without opening it; nobody is asked for anything.
    pub look: DescribeKey,
    /// Keys and certificates that the policy names, as far as they can be read. It may block.
    pub named: NamedKeys,
    /// The id of the policy's key that made a signature, of those that may admit images; `None` if none did.
    pub trusted: Trusted,
    /// Keys and signatures as links have them.
    pub short: ShortKeys,
}

/// Keys and signatures in their shortest form, for links: base64url (RFC 4648) without padding. A key is its compressed
/// point (SEC 1, 2.3.3) or the 32 bytes of Ed25519 (RFC 8032), a signature its two numbers one after the other.
#[derive(Debug, Clone, Copy)]
pub struct ShortKeys {
    /// The short form of a public key (PEM); `None` for keys that have none, like RSA.
    pub of: fn(&str) -> Option<String>,
    /// Whether a text is the short form of a key.
    pub is_key: fn(&str) -> bool,
    /// The short form of a signature, as a [`Signer`] makes it, by the key of this short form.
    pub signature: fn(&str, &[u8]) -> Option<String>,
    /// Whether the key of this short form has made a signature over a message. Text that is none of these gives `false`.
    pub verifies: fn(&str, &[u8], &str) -> bool,
}

/// Makes a key pair on this curve, encrypted if a passphrase is given.
pub type MakeKey = Arc<dyn Fn(Curve, Option<&Secret>) -> Result<NewKey> + Send + Sync>;

/// Writes a key pair into a new file; gives the path of the public half.
pub type WriteKey = Arc<dyn Fn(&Path, &NewKey) -> Result<PathBuf> + Send + Sync>;

/// Inspects a key by its name, as `--key` takes it.
pub type DescribeKey = Box<dyn Fn(&str) -> BoxFuture<'static, Result<KeyInfo>> + Send + Sync>;

/// The keys and certificates that the policy names.
pub type NamedKeys = Arc<dyn Fn() -> Vec<NamedKey> + Send + Sync>;

/// Takes a message and a signature; gives the id of the policy's key that made it, if one did.
pub type Trusted = Box<dyn Fn(&[u8], &[u8]) -> Option<String> + Send + Sync>;

/// Opens a key by its name, as `--key` takes it; the asker asks for a passphrase or PIN.
pub type OpenSigner = Box<dyn Fn(&str, Arc<dyn Asker>) -> BoxFuture<'static, Result<Arc<dyn Signer>>> + Send + Sync>;

/// The elliptic curve of a new key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Curve {
    /// The curve that cosign uses for its keys.
    #[default]
    P256,
    /// The curve for signing the data of disk images.
    P384,
}

impl Curve {
    /// The curve's name: `P-256` or `P-384`.
    pub fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
        }
    }
}

impl FromStr for Curve {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.to_lowercase().replace('-', "").as_str() {
            "p256" => Ok(Self::P256),
            "p384" => Ok(Self::P384),
            _ => Err(Error::usage("make a key", format!("'{text}' is no type of key that is made here"))
                .hint("use p256 or p384")),
        }
    }
}

/// A new key pair that is not kept anywhere yet.
pub struct NewKey {
    /// The private half, as PEM (PKCS#8).
    pub private: Secret,
    /// The public half, as PEM.
    pub public: String,
    /// SHA-256 of the public half, in hexadecimal.
    pub id: String,
}

/// What is known of a key without opening it: nobody is asked for a passphrase or a PIN, and nothing is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyInfo {
    /// Where the key is, in words.
    pub place: String,
    /// SHA-256 of its public half, in hexadecimal; `None` where a passphrase or a PIN hides that.
    pub id: Option<String>,
    /// Its public half in its short form; `None` as for `id`, and for keys that have none.
    pub short: Option<String>,
    /// The curve: `P-256`; empty where that is hidden.
    pub curve: &'static str,
    /// Whether it needs a passphrase or a PIN before it signs.
    pub locked: bool,
}

/// A key, or the key of a certificate, that the policy names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedKey {
    /// SHA-256 of its public half, in hexadecimal.
    pub id: String,
    /// Whether the key is that of a certificate.
    pub certificate: bool,
}
