//! Images that are made ready once, for every program that runs them.
//!
//! A pinned image becomes one squashfs file: its layers are verified and unpacked, and packed so that the same image gives
//! the same bytes. Who prepares an image holds a lease, so that others wait instead of doing the same.

pub mod below;
mod facts;
mod files;
pub mod kept;
pub mod known;
pub mod layers;
mod lease;
pub mod people;
pub mod squashfs;
mod store;
pub mod unpack;

pub use self::{
    facts::{Form, Prepared},
    store::Store,
};
