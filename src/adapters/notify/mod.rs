//! Ways to tell people something outside of Wharf.

pub mod mail;
pub mod webhook;
