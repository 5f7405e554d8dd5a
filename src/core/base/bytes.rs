//! Streams of bytes.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;

use super::error::Result;

/// Bytes in pieces of any length; the stream ends with the first error.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;
