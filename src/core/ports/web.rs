//! The port for files on the web and on FTP servers.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;

use crate::base::{badge::Signature, clean, context::Context, digest::Digest, error::Result};

/// A file that has arrived whole and is not in its place yet.
#[derive(Debug, Clone)]
pub struct Arrived {
    /// Where it is until it is put into its place.
    pub partial: PathBuf,
    /// The file itself, locked: nobody else writes to it until this is gone.
    pub file: Arc<File>,
    /// Its bytes.
    pub size: u64,
    /// How many of them had arrived before.
    pub resumed: u64,
    /// Its digests, by SHA-256 and by SHA-512.
    pub digests: [Digest; 2],
}

/// Who signed a document with a PGP key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentSigner {
    /// What the signature is worth: only `Verified` is by a key that the policy names.
    pub state: Signature,
    /// The fingerprint of the key, or its short id where the key is not here; may be empty.
    pub key: String,
    /// What was signed, where the document has its signature inside; else all of it.
    pub text: String,
}

/// An address as it is told and kept: without an account, and without its query, which may hold secrets.
pub fn shown_address(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let authority = rest.split('/').next().unwrap_or_default();
    let kept = authority.rfind('@').map_or(rest, |at| rest.get(at + 1..).unwrap_or_default());
    clean::short(&if scheme.is_empty() { kept.to_owned() } else { format!("{scheme}://{kept}") }, 300)
}

/// Files on the web and on FTP servers, read without any account.
#[async_trait]
pub trait Web: Send + Sync {
    /// A small document: at most 4 MiB. `None` where there is none. Changes nothing. Errors: `Unavailable` where nothing
    /// answers.
    async fn document(&self, cx: &Context, url: &str) -> Result<Option<Vec<u8>>>;

    /// Fetches a file for `to`, at most `most` bytes of it. After: it lies beside `to`, whole. After an error what has
    /// arrived stays there, and a later call goes on from it if the server still has the same file. Broken connections are
    /// taken up again. Errors: `NotFound`, `Unavailable`, and `Usage` for a file that is larger than allowed.
    async fn fetch(&self, cx: &Context, url: &str, to: &Path, most: u64) -> Result<Arrived>;

    /// Puts a file into its place, where nothing may be, and notes where it is from. Errors: `Usage` where something is
    /// there.
    async fn put(&self, arrived: &Arrived, to: &Path, url: &str) -> Result<()>;

    /// Forgets what has arrived.
    async fn forget(&self, arrived: &Arrived);

    /// Who signed a document: by a signature apart from it, or by the one inside. `Unreachable` as state where nobody
    /// here can tell.
    async fn signer(&self, document: &[u8], signature: Option<&[u8]>) -> Result<DocumentSigner>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_without_secrets() {
        assert_eq!(shown_address("https://ada:hunter2@h/a@b.img?sig=secret#x"), "https://h/a@b.img");
        assert_eq!(shown_address("ada:hunter2@h/a.img"), "h/a.img");
        assert_eq!(shown_address("debian-12"), "debian-12");
    }
}
