//! Moving bytes: reading images, and copying them with what is attached.

pub mod copy;
pub mod fetch;
pub mod sums;
