//! Launching as data: the form that is filled in, the plan, the workload, and what a workload tells.

pub mod duration;
pub mod form;
pub mod logs;
pub mod plan;
pub mod published;
pub mod questions;
pub mod room;
pub mod usage;
