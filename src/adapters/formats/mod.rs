//! File formats that several adapters read and write. Nothing here contacts a server or
//! starts a program; only `sif_file` reads an image from where a launch has it.

pub mod archive;
pub mod certificates;
pub mod container_disk;
pub mod disk_header;
pub mod disk_image;
pub mod exploited;
pub mod kernel;
pub mod keys;
pub mod layer;
pub mod reports;
pub mod sif;
pub mod sif_file;
