//! What Wharf remembers between runs.

pub mod memory;
pub mod sqlite;
