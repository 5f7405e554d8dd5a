//! Reading that ends when the work is cancelled: what runs on a thread of its own is not ended otherwise.

use std::io::{Error, Read, Result};

use tokio_util::sync::CancellationToken;

/// Reads from another reader until the work is cancelled; then it fails.
pub struct UnlessCancelled<R>(pub R, pub CancellationToken);

impl<R: Read> Read for UnlessCancelled<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        // No `Interrupted`, after which readers try again.
        if self.1.is_cancelled() { Err(Error::other("it was cancelled")) } else { self.0.read(buffer) }
    }
}
