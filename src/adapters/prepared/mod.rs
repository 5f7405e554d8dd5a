//! Images that are made ready once, for every program that runs them.

pub mod layers;
pub mod unpack;
