//! The data types of sharing: projects, shares, offers, receivers, names of copies.

pub mod naming;
pub mod offer;
pub mod receiver;
