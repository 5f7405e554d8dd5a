//! What takes several steps across screens: sharing, copying, asking for an image, keeping images in order.

pub mod copy;
pub mod open;
pub mod request;
pub mod share;
pub mod upkeep;
pub mod workload;
