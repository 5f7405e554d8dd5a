//! Keys to sign with.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use futures_util::future::BoxFuture;

use crate::core::base::ask::Asker;
use crate::core::{
    base::{error::Result, secret::Secret},
    image::model::DataSignature,
    portal::{
        doctor::{Looked, Named},
        keys::{Curve, NewKey},
    },
    request::statement::Statement,
};

/// Something that signs: its key never leaves it.
#[async_trait]
pub trait Signer: Send + Sync {
    /// Where the key is, in words.
    fn describe(&self) -> String;
    /// SHA-256 of its public half, in hexadecimal.
    fn key_id(&self) -> String;
    /// Its public half (PEM).
    fn public_pem(&self) -> String;
    /// Whether this key made a signature.
    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool;
    /// Signs a statement; ECDSA signatures are DER.
    async fn sign(&self, statement: &Statement) -> Result<Vec<u8>>;
    /// Signs the data of a disk image as clouds verify it; `None` for keys of a kind that they do not take. The
    /// certificate is not the signer's to know.
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
