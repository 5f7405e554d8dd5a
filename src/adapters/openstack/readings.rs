//! What is known about servers from earlier readings of their use.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use super::answers::ServerFlavor;

/// What is known about servers from earlier readings.
#[derive(Debug, Default)]
pub(super) struct Readings(Mutex<LastReading>);

/// The remembered figures.
#[derive(Debug, Default)]
pub(super) struct LastReading {
    /// Whether the cloud refuses figures to this person.
    pub closed: bool,
    /// What servers were given, by their ids.
    pub given: HashMap<String, ServerFlavor>,
    /// The processor time that servers had used, and when that was read, by their ids.
    pub used: HashMap<String, (u64, Instant)>,
}

impl Readings {
    /// Works on what is known; nobody else does at that time.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut LastReading) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Forgets what a server was given.
    pub(super) fn forget(&self, server: &str) {
        self.with(|kept| kept.given.remove(server));
    }
}
