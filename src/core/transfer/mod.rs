//! Moving bytes: reading images, and copying them with what is attached.

mod annotated;
mod attached;
pub mod blob;
pub mod copy;
mod fan;
pub mod fetch;
pub mod mirror;
pub mod patience;
pub mod pauses;
pub mod sums;

#[cfg(test)]
mod tests;
