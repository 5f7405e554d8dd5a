//! What a steward is made of. A front end can only hand it to [`crate::core::steward::Steward::new`]: nobody else takes it apart.

use std::sync::Arc;

use super::{evidence::Evidence, journal::Journal, sources::Sources};
use crate::core::{
    config::Config,
    ports::{Notifier, Signers, store::Store},
};

/// The parts of a portal that a steward works with.
#[derive(Clone)]
pub struct Stewardship {
    pub(in crate::core) config: Arc<Config>,
    pub(in crate::core) sources: Arc<Sources>,
    pub(in crate::core) signers: Arc<Signers>,
    pub(in crate::core) evidence: Arc<Evidence>,
    pub(in crate::core) journal: Arc<Journal>,
    pub(in crate::core) store: Arc<dyn Store>,
    pub(in crate::core) notifiers: Vec<Arc<dyn Notifier>>,
}
