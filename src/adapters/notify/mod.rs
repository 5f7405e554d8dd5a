//! Delivering notices outside of Wharf: by mail, and by webhook.

pub mod mail;
pub mod webhook;
