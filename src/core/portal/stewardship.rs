//! The parts of a steward. A front end can only pass them to [`crate::steward::Steward::new`]: the fields are private.

use std::sync::Arc;

use super::{evidence::Evidence, journal::Journal, mirroring::Mirroring, sources::Sources};
use crate::{
    config::Config,
    ports::{Notifier, Signers, store::Store},
};

/// The parts of a portal that a steward works with.
#[derive(Clone)]
pub struct Stewardship {
    pub(crate) config: Arc<Config>,
    pub(crate) sources: Arc<Sources>,
    pub(crate) signers: Arc<Signers>,
    pub(crate) evidence: Arc<Evidence>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) notifiers: Vec<Arc<dyn Notifier>>,
    pub(crate) mirroring: Arc<Mirroring>,
}
