//! Keys to sign with, kept in the secret store: made there, brought there, shown by their public half, forgotten.

use std::sync::Arc;

use serde::Serialize;

use super::{
    error::{Error, Result},
    portal::Portal,
    ports::Asker,
    secret::Secret,
};

/// What a key in the secret store is called in `--key`.
pub const KEYRING: &str = "keyring:";

/// A key, by its public half.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PublicHalf {
    /// What `--key` takes.
    pub key: String,
    /// SHA-256 of the public half, in hexadecimal.
    pub id: String,
    /// The public half (PEM): what a policy names in `[signature] keys`.
    pub public: String,
    /// Where the private half is, in words.
    pub kept: String,
}

/// The place of a key in the secret store.
pub fn place_of(name: &str) -> String {
    format!("signing key {name}")
}

impl Portal {
    fn named(name: &str) -> Result<()> {
        let fine = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if fine {
            Ok(())
        } else {
            Err(Error::usage(format!("key '{name}'"), "a key's name is letters, figures, - _ ."))
        }
    }

    /// The public half of any key that `--key` takes.
    pub async fn public_half(&self, asker: Arc<dyn Asker>, key: &str) -> Result<PublicHalf> {
        let signer = (self.signers.open)(key, asker).await?;
        Ok(PublicHalf {
            key: key.to_owned(),
            id: signer.key_id(),
            public: signer.public_pem(),
            kept: signer.describe(),
        })
    }

    /// Keeps a private key (PEM) under a name, or with none makes one (P-256). One that is there is never replaced.
    pub async fn keep_key(&self, asker: Arc<dyn Asker>, name: &str, pem: Option<Secret>) -> Result<PublicHalf> {
        Self::named(name)?;
        let what = format!("keep the key '{name}'");
        let place = place_of(name);
        if self.vault_get(&place, &what).await?.is_some() {
            return Err(Error::usage(what, "there is one of that name")
                .hint(format!("choose another name, or forget it: wharf key forget {name}")));
        }
        let pem = pem.map_or_else(|| (self.signers.make)(), Ok)?;
        self.vault_set(&place, name, &pem, &what).await?;
        let key = format!("{KEYRING}{name}");
        // What was kept is what is tried; a key that opens nothing is not kept.
        let half = match self.public_half(asker.clone(), &key).await {
            Ok(half) => half,
            Err(error) => {
                self.vault_delete(&place, &what).await?;
                return Err(error);
            }
        };
        self.agree_to_keep(&*asker, &what).await?;
        let entry = self.entry("keep-key", format!("{name} ({})", half.id));
        self.note(entry, &Ok(())).await;
        Ok(half)
    }

    /// Forgets a key of the secret store; what it signed stays signed.
    pub async fn forget_key(&self, name: &str) -> Result<()> {
        Self::named(name)?;
        let what = format!("forget the key '{name}'");
        if self.vault_get(&place_of(name), &what).await?.is_none() {
            return Err(Error::not_found(what, "there is none of that name"));
        }
        let done = self.vault_delete(&place_of(name), &what).await;
        self.note(self.entry("forget-key", name), &done).await;
        done
    }
}
