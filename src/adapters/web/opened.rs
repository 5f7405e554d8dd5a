//! A file on a server, as it is read.

use wharf_core::ports::ByteStream;

/// A file that is being read.
pub(super) struct Opened {
    /// Its bytes.
    pub bytes: ByteStream,
    /// The byte with which the answer begins.
    pub from: u64,
    /// The bytes of the whole file, where the server tells.
    pub total: Option<u64>,
    /// What tells one version of the file from another; empty where the server does not tell.
    pub version: String,
}
