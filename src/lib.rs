//! wharf
pub mod adapters;
pub mod args;
pub mod cli;
pub mod config;
pub mod core;
pub mod tui;
