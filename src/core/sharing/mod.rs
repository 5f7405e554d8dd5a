//! The data types of sharing: projects, shares, offers, receivers, senders of links, names of copies.

pub mod ending;
pub mod given;
pub mod letter;
pub mod meant;
pub mod naming;
pub mod offer;
pub mod receiver;
pub mod sender;
