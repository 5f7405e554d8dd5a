//! The data types of sharing: projects, shares, offers, receivers.

pub mod offer;
pub mod receiver;
