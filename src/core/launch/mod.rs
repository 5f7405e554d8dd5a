//! Launching as data: the form, the plan, the workload, and its command, output and usage.

pub mod ability;
pub mod command;
pub mod duration;
pub mod form;
pub mod isolation;
pub mod kept;
pub mod ledger;
pub mod level;
pub mod listing;
pub mod lock;
pub mod logs;
pub mod mount;
pub mod plan;
pub mod preset;
pub mod published;
pub mod questions;
pub mod risk;
pub mod room;
pub mod rules;
pub mod safer;
pub mod script;
pub mod step;
pub mod trend;
pub mod usage;
