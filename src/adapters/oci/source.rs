//! A registry as source, and the other registries that its images are pulled from.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{client::Registry, lanes::Lanes};

/// A registry as source: its catalog and its content, over one connection.
pub struct Oci {
    /// The registry itself.
    pub(super) registry: Arc<Registry>,
    /// The name of the source.
    pub(super) name: String,
    /// The repositories to list, if the registry does not list them itself.
    pub(super) repositories: Vec<String>,
    /// The other registries that images are pulled from.
    pub(super) elsewhere: Arc<OtherRegistries>,
    /// The blobs that are sent to it.
    pub(super) lanes: Lanes,
}

/// How long a mirror that failed is not asked again.
const REST: Duration = Duration::from_secs(120);

/// The other registries that images are pulled from.
#[derive(Default)]
pub(super) struct OtherRegistries {
    /// The registries that were opened, by host and whether they are insecure.
    pub(super) opened: Mutex<HashMap<(String, bool), Arc<Oci>>>,
    /// Mirrors that failed, and until when they are not asked.
    resting: Mutex<HashMap<String, Instant>>,
    /// Repositories with the mirrors that have given one of their tags.
    serving: Mutex<HashSet<(String, String)>>,
}

impl OtherRegistries {
    /// Whether this mirror failed recently.
    pub(super) fn is_resting(&self, host: &str) -> bool {
        let resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        resting.get(host).is_some_and(|until| *until > Instant::now())
    }

    /// Whether this mirror has given a tag of this repository.
    pub(super) fn serves(&self, repository: &str, host: &str) -> bool {
        let serving = self.serving.lock().unwrap_or_else(PoisonError::into_inner);
        serving.contains(&(repository.to_owned(), host.to_owned()))
    }

    /// Remembers that a mirror has given a tag of a repository.
    pub(super) fn note_serving(&self, repository: String, host: String) {
        self.serving.lock().unwrap_or_else(PoisonError::into_inner).insert((repository, host));
    }

    /// Asks a mirror that failed no more for a while.
    pub(super) fn leave_alone(&self, host: &str) {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        resting.insert(host.to_owned(), Instant::now() + REST);
    }
}
