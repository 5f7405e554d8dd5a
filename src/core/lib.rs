//! What Wharf knows without a terminal, a network or a process: words, rules and use cases.
//!
//! Each room stands on those before it: base, image, audit, catalog, launch, evidence, policy, request, config, ports,
//! transfer, portal, steward.

pub mod audit;
pub mod base;
pub mod catalog;
pub mod config;
pub mod evidence;
pub mod image;
pub mod launch;
pub mod policy;
pub mod portal;
pub mod ports;
pub mod request;
pub mod sharing;
pub mod steward;
pub mod transfer;
