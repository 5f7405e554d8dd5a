//! Bytes as they arrive from elsewhere.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;

use super::error::Result;

/// Bytes as they arrive, in pieces of any length; it ends with the first error.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;
