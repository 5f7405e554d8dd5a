//! What workloads use: what was measured lately, and how it is drawn on a page and beside a list.

pub mod charts;
mod readings;

pub use self::readings::Readings;
