//! The description of a workload, with everything that its keeper needs.

use serde::{Deserialize, Serialize};

use super::sandboxed::Sandboxed;
use crate::keeper::node::Node;

/// The inner verb that keeps the workload in a folder: `wharf __keep FOLDER`.
pub(super) const KEEP: &str = "__keep";

/// The description of a workload, with everything that its keeper needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkloadSpec {
    /// The sandbox of the workload, with the program in it.
    #[serde(flatten)]
    pub sandboxed: Sandboxed,
    /// The name in the list of workloads.
    pub name: String,
    /// The reference as the person named it.
    pub reference: String,
    /// The digest of the manifest that was launched.
    pub digest: String,
    /// The idempotency key of the launch.
    pub key: String,
    /// When it was launched, in seconds since 1970.
    pub created: i64,
    /// The machine that it runs on.
    #[serde(default)]
    pub node: Node,
}
