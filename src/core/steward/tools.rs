//! The keys that a steward works with.

use std::sync::Arc;

use crate::ports::Signer;

/// The keys that a steward works with.
#[derive(Clone, Default)]
pub struct StewardKeys {
    /// The key that signs admissions; `None` if none is configured.
    pub signer: Option<Arc<dyn Signer>>,
    /// The key that signs the data of disk images; `None` if none is configured.
    pub disks: Option<Arc<dyn Signer>>,
}
