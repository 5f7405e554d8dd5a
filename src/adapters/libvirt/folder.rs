//! The folders of launches: what is noted of each, beside its disk, seed and console.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::machines::forward::{self, Port};
use wharf_core::{
    base::small_file,
    launch::plan::{State, Workload},
};

/// The file with what is noted.
pub(super) const SPEC: &str = "spec.json";
/// The disk with the seed.
pub(super) const SEED: &str = "seed.qcow2";
/// The domain.
pub(super) const DOMAIN: &str = "domain.xml";
/// The console's socket.
pub(super) const CONSOLE: &str = "console.sock";
/// What the console has written.
pub(super) const LOG: &str = "log.0";
/// The sockets of this machine (proc(5)).
const SOCKETS: &str = "/proc/net/unix";

/// A launch as data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Spec {
    /// The name of the domain.
    pub domain: String,
    pub reference: String,
    pub digest: String,
    pub key: String,
    /// When it was launched, in seconds since 1970.
    pub created: i64,
    /// The name of the file of its image's disk, which ends in its format.
    pub disk: String,
    /// The bytes that are fetched of it.
    pub size: u64,
    pub acceleration: String,
    /// The account that is made in it; empty for none.
    pub user: String,
    /// The ports that lead to it.
    pub ports: Vec<Port>,
}

/// Reads what is noted of a launch.
pub(super) fn read(folder: &Path) -> Option<Spec> {
    serde_json::from_slice(&small_file::bytes(folder.join(SPEC)).ok()?).ok()
}

/// All launches below a folder.
pub(super) fn all(launches: &Path) -> Vec<(PathBuf, Spec)> {
    let entries = std::fs::read_dir(launches).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some((entry.path(), read(&entry.path())?))).collect()
}

/// Whether the machine of a launch writes nothing more: nobody listens at its console.
pub(super) fn is_over(folder: &Path) -> bool {
    let socket = folder.join(CONSOLE).display().to_string();
    let listens = |text: String| text.lines().any(|line| line.ends_with(&socket));
    !small_file::text(SOCKETS).is_ok_and(listens)
}

/// A launch as it is listed, in this state.
pub(super) fn workload(backend: &str, spec: &Spec, state: State) -> Workload {
    let mut facts = vec![("acceleration".to_owned(), spec.acceleration.clone())];
    let mut ports = Vec::new();
    if state.is_live() {
        let (published, sign_in) = forward::ways_in(&spec.ports, &spec.user);
        ports = published;
        facts.extend(sign_in);
    }
    Workload {
        name: spec.domain.clone(),
        image: spec.reference.clone(),
        digest: spec.digest.clone(),
        created: Some(spec.created),
        ports,
        facts,
        ..Workload::new(backend, spec.key.clone(), state)
    }
}
