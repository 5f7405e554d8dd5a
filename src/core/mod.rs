//! What Wharf knows without a terminal, a network or a process: words, rules and use cases.

pub mod clean;
pub mod config;
pub mod copy;
pub mod details;
pub mod digest;
pub mod error;
pub mod evidence;
pub mod facets;
pub mod fetch;
pub mod form;
pub mod launch;
pub mod link;
pub mod manifest;
pub mod model;
pub mod portal;
pub mod ports;
pub mod progress;
pub mod query;
pub mod questions;
pub mod reference;
pub mod rows;
pub mod search;
pub mod secret;
pub mod share;
pub mod sign_in;
pub mod text;
