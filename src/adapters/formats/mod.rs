//! File formats that several adapters read and write. Nothing here contacts a server or starts a program.

pub mod archive;
pub mod certificates;
pub mod disk_header;
pub mod exploited;
pub mod keys;
pub mod layer;
pub mod reports;
pub mod sif;
