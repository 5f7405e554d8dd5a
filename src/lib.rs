//! wharf
pub mod core;
pub mod adapters;
