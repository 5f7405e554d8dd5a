//! One folder per technology. An adapter knows the core and the two shared helpers, never another adapter.
pub mod archive;
pub mod engine;
pub mod exec;
pub mod http;
pub mod oci;

use std::sync::Arc;
use crate::core::ports::Vault;

/// What adapters are given when sources are made.
pub struct Surroundings { pub vault: Arc<dyn Vault>, pub cache_dir: std::path::PathBuf }
