//! Keys that sign: in a file, or in hardware behind PKCS#11, which the key never leaves.

mod file;
mod pkcs11;

use std::{path::Path, sync::Arc};

use futures_util::future::BoxFuture;

use crate::core::{
    error::Result,
    ports::{Asker, Signer},
};

/// Opens what `--key` names: `pkcs11:…` (RFC 7512), else a file.
pub fn open(key: String, asker: Arc<dyn Asker>) -> BoxFuture<'static, Result<Arc<dyn Signer>>> {
    Box::pin(async move {
        if key.starts_with("pkcs11:") {
            return pkcs11::open(&key, &*asker).await;
        }
        file::open(Path::new(&key)).map(|signer| Arc::new(signer) as Arc<dyn Signer>)
    })
}
