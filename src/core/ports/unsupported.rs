//! The error for a port that a place does not implement.

use crate::base::error::Error;

/// The error for a port that a place does not implement. `what` is what was asked of it.
pub fn cannot(place: &str, what: &str) -> Error {
    Error::unsupported(format!("{what} {place}"), "this kind of place cannot do that")
}
