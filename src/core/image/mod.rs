//! Images: their references, documents, platforms and links.

pub mod artifact;
pub mod configuration;
pub mod document;
pub mod lineage;
pub mod link;
pub mod manifest;
mod manifest_model;
pub mod model;
pub mod names;
pub mod other;
pub mod platform;
pub mod reference;
pub mod short_names;
