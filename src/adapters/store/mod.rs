//! What Wharf remembers between runs.

pub mod audit;
pub mod heads;
pub mod memory;
pub mod shared;
pub mod sqlite;
