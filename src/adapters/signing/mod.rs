//! Keys that sign: in a file, in the secret store, or in hardware with PKCS#11, which the key never leaves.

mod file;
mod locked;
pub mod look;
mod pkcs11;
mod short;
mod write;

use std::{path::Path, sync::Arc};

use futures_util::future::BoxFuture;

pub use file::make;
pub use short::SHORT;
pub use write::write;

use super::formats::keys::Keys;
use wharf_core::{
    base::{
        blocking::blocking,
        error::{During, Error, Result},
    },
    portal::keys::{KEYRING, vault_key},
    ports::{Asker, Signer, Trusted, Vault},
};

/// A function that tells which of these public keys has made a signature.
pub fn trusted(files: &[std::path::PathBuf]) -> Trusted {
    let keys = Keys::new(files);
    Box::new(move |message, signature| keys.signer(message, signature).map(|key| key.id.clone()))
}

/// Opens the key that `--key` names: `pkcs11:…` (RFC 7512), `keyring:NAME`, else a file.
pub fn open(key: String, asker: Arc<dyn Asker>, vault: Arc<dyn Vault>) -> BoxFuture<'static, Result<Arc<dyn Signer>>> {
    Box::pin(async move {
        if key.starts_with("pkcs11:") {
            return pkcs11::open(&key, &*asker).await;
        }
        let Some(name) = key.strip_prefix(KEYRING) else {
            return file::open(Path::new(&key), &*asker).await.map(|signer| Arc::new(signer) as Arc<dyn Signer>);
        };
        let what = format!("open the key '{name}'");
        let place = vault_key(name);
        let store = vault.clone();
        let kept = blocking(move || store.get(&place)).await.during(&what)??;
        let Some((_, pem)) = kept else {
            return Err(Error::not_found(what, "the secret store has no key of that name")
                .hint(format!("make one: wharf key new {name}; or bring yours: wharf key import {name} FILE")));
        };
        let kept = format!("the key '{name}' in the secret store");
        file::open_pem(&what, &pem, &kept, &*asker).await.map(|signer| Arc::new(signer) as Arc<dyn Signer>)
    })
}
