//! Launching as data: the form that is filled in, the plan, the workload.

pub mod form;
pub mod plan;
pub mod questions;
