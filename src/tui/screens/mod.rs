//! The screens. Each file holds one: its state, what it does with actions, and how it is drawn. None imports another.

pub mod catalog;
pub mod console;
pub mod image;
pub mod inbox;
pub mod launch;
pub mod offers;
pub mod requests;
pub mod sources;
pub mod transfers;
pub mod workload;
pub mod workloads;
