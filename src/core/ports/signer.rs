//! Keys to sign with.

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

/// Something that signs: its key never leaves it.
#[async_trait]
pub trait Signer: Send + Sync {
    /// Where the key is, in words. The same in every call.
    fn describe(&self) -> String;
    /// SHA-256 of its public half, in hexadecimal. The same in every call.
    fn key_id(&self) -> String;
    /// Its public half (PEM). The same in every call.
    fn public_pem(&self) -> String;
    /// Whether this key made a signature over a message. Asks nobody; what is no signature at all is `false`.
    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool;
    /// Signs a statement; ECDSA signatures are DER. Before: the key is open. After: [`verifies`](Self::verifies) holds
    /// for it. Repeated, it signs again, and the bytes may differ. Errors: `NotAllowed` where a token refuses,
    /// `Unavailable` where it is gone.
    async fn sign(&self, statement: &Statement) -> Result<Vec<u8>>;
    /// Signs the data of a disk image as clouds verify it; `None` for keys of a kind that they do not take. The
    /// certificate is not the signer's to know. Reads the whole file and changes nothing. Errors: those of reading it,
    /// and those of [`sign`](Self::sign).
    async fn sign_data(&self, _file: &Path) -> Result<Option<DataSignature>> {
        Ok(None)
    }
}

/// Keys to sign with.
pub struct Signers {
    /// Opens the key that somebody names; what it wants to know is asked for.
    pub open: OpenSigner,
    /// Makes a key, behind a passphrase if one is given. It may block.
    pub make: MakeKey,
    /// Writes a key into a file that is not there yet, its public half beside it; gives that one's path. It may block.
    pub write: WriteKey,
    /// Looks at a key without opening it; nobody is asked for anything.
    pub look: LookAtKey,
    /// What the policy names: keys and certificates, as far as they can be read. It may block.
    pub named: NamedKeys,
    /// The id of the policy's key that made a signature over a message, of those that may admit images; `None` if none did.
    pub trusted: Trusted,
}

/// Makes a key.
pub type MakeKey = Arc<dyn Fn(Curve, Option<&Secret>) -> Result<NewKey> + Send + Sync>;

/// Writes a key into a file.
pub type WriteKey = Arc<dyn Fn(&Path, &NewKey) -> Result<PathBuf> + Send + Sync>;

/// Looks at a key by its name.
pub type LookAtKey = Box<dyn Fn(&str) -> BoxFuture<'static, Result<Looked>> + Send + Sync>;

/// What the policy names.
pub type NamedKeys = Arc<dyn Fn() -> Vec<Named> + Send + Sync>;

/// Which of the policy's keys made a signature over a message.
pub type Trusted = Box<dyn Fn(&[u8], &[u8]) -> Option<String> + Send + Sync>;

/// Opens a key by its name.
pub type OpenSigner = Box<dyn Fn(&str, Arc<dyn Asker>) -> BoxFuture<'static, Result<Arc<dyn Signer>>> + Send + Sync>;

/// The curve of a key that is made here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Curve {
    /// What cosign makes, too.
    #[default]
    P256,
    /// What clouds verify the data of disk images with.
    P384,
}

impl Curve {
    /// Its name in words.
    pub fn word(self) -> &'static str {
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

/// A key that was made and is kept nowhere yet.
pub struct NewKey {
    /// The private half (PEM, PKCS#8).
    pub private: Secret,
    /// The public half (PEM).
    pub public: String,
    /// SHA-256 of the public half, in hexadecimal.
    pub id: String,
}

/// A key as it looks without being opened: nobody is asked for a passphrase or a PIN, and nothing is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// Where it is, in words.
    pub place: String,
    /// SHA-256 of its public half, in hexadecimal; `None` where that is behind the passphrase or the PIN.
    pub id: Option<String>,
    /// What sort of key: `P-256`; empty where that is not seen.
    pub curve: &'static str,
    /// Whether it wants a passphrase or a PIN before it signs.
    pub locked: bool,
}

/// A key, or the key of a certificate, that the policy names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// SHA-256 of its public half, in hexadecimal.
    pub id: String,
    /// Whether it is that of a certificate.
    pub certificate: bool,
}
