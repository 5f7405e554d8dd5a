//! Launching as data: the form, the plan, the workload, and its output and usage.

pub mod duration;
pub mod form;
pub mod isolation;
pub mod logs;
pub mod mount;
pub mod plan;
pub mod published;
pub mod questions;
pub mod risk;
pub mod room;
pub mod usage;
