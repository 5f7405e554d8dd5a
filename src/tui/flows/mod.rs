//! Flows of several steps over more than one screen: sharing, copying, requesting an image, tags and removal, adding a
//! source, the tour.

pub mod again;
pub mod copy;
pub mod open;
pub mod request;
pub mod share;
pub mod sources;
pub mod tour;
pub mod upkeep;
pub mod welcome;
pub mod workload;
