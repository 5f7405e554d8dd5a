//! What Wharf keeps between runs: cache, audit, requests.

pub mod audit;
pub mod choices;
pub mod contacts;
pub mod endings;
pub mod heads;
pub mod ledger;
pub mod lock_files;
mod locked_file;
pub mod memory;
pub mod shared;
pub mod sqlite;
pub mod transfers;
