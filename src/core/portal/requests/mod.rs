//! Requests as people make and decide them: what `wharf request`, `requests`, `approve` and `reject` do, and the screens.
//! What changes one stands in the audit, also where it was refused.

mod asking;
mod deciding;
pub(crate) mod destination;
pub mod reading;
pub mod web_address;

use std::sync::Arc;

use serde::Serialize;

use super::{journal::Journal, sharing::Sharing, sources::Sources};
use crate::{
    base::{
        digest::Digest,
        error::{Error, Result},
    },
    config::Config,
    image::reference::{ImageRef, Name},
    ports::{Signers, store::Store},
    request::{Pace, Request, Terms, admission::Place},
};

/// How long a reason may be.
const REASON: usize = 2000;

/// What somebody says who asks for an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asking {
    /// Why.
    pub reason: String,
    /// Until when it is needed.
    pub until: Option<i64>,
    /// Whether others who may not decide see it.
    pub private: bool,
    /// A project other than the site's admitted one.
    pub project: Option<String>,
}

/// A request that was submitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Submitted {
    /// The request.
    pub request: Request,
    /// Whether nobody had asked for it before.
    pub new: bool,
    /// How long others waited.
    pub pace: Pace,
    /// How many are before it.
    pub ahead: i64,
}

/// A verdict of a person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ruling {
    /// Whether it may be admitted.
    pub approve: bool,
    /// Why.
    pub reason: String,
    /// On which conditions.
    pub terms: Terms,
    /// The key to sign with; that of the configuration without one.
    pub key: Option<String>,
}

/// Requests at this site: asking for images, following what becomes of them, and deciding.
pub struct Requests {
    config: Arc<Config>,
    sources: Arc<Sources>,
    signers: Arc<Signers>,
    sharing: Arc<Sharing>,
    store: Arc<dyn Store>,
    journal: Arc<Journal>,
}

impl Requests {
    /// Those of a store, for images at these sources.
    pub(super) fn new(
        config: Arc<Config>,
        sources: Arc<Sources>,
        signers: Arc<Signers>,
        sharing: Arc<Sharing>,
        store: Arc<dyn Store>,
        journal: Arc<Journal>,
    ) -> Self {
        Self { config, sources, signers, sharing, store, journal }
    }
}

/// Where a request was admitted, and which bytes.
pub(crate) fn admitted_place(what: &str, request: &Request) -> Result<(Place, Digest)> {
    let admitted = request.admitted.as_ref().ok_or_else(|| Error::failed(what, "it was never admitted"))?;
    let place = match admitted.reference.parse()? {
        ImageRef::Oci(name) => Place::Repository(Name { tag: None, digest: None, ..name }),
        ImageRef::Glance { image, .. } => Place::Disk(image),
        other => return Err(Error::failed(what, format!("nothing is admitted as {other}"))),
    };
    Ok((place, admitted.digest.parse()?))
}
