//! What backends for virtual machines on this machine share: the disks of images, sizes, firmware, kernels, seeds for
//! cloud-init, forwarded ports, and how instructions are carried out.

pub mod acceleration;
pub mod ask;
pub mod disk;
pub mod draft;
pub mod firmware;
pub mod form;
pub mod forward;
pub mod kernel;
pub mod overlay;
pub mod seed;
pub mod size;
pub mod snapshots;
