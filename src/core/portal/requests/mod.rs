//! Requests as people make and decide them: `wharf request`, `requests`, `approve` and `reject`, and the screens. Every
//! change is recorded in the audit, even if it is refused.

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
    request::{Pace, Request, Terms, admission::AdmissionPlace},
};

/// The longest reason, in characters.
const REASON: usize = 2000;

/// What a requester says about a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestDetails {
    /// The reason why the image is needed.
    pub reason: String,
    /// When the need ends, in seconds since 1970; `None` if it does not.
    pub until: Option<i64>,
    /// Whether other people see the request only if they may decide it.
    pub private: bool,
    /// A project other than the site's admitted one, from the site's list.
    pub project: Option<String>,
}

/// A request that was submitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Submitted {
    /// The request as the store has it now.
    pub request: Request,
    /// Whether it is new; otherwise somebody had requested the image before.
    pub new: bool,
    /// How long recent requests waited.
    pub pace: Pace,
    /// How many requests are before it.
    pub ahead: i64,
}

/// A decision of an approver.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApproverDecision {
    /// Whether the image may be admitted.
    pub approve: bool,
    /// The reason, which the requester reads; required for a rejection.
    pub reason: String,
    /// The conditions of an approval: end, place, accepted findings.
    pub terms: Terms,
    /// The key to sign with; `None` means that of the configuration.
    pub key: Option<String>,
}

/// Requesting images at this site, following requests, and deciding on them.
pub struct Requests {
    config: Arc<Config>,
    sources: Arc<Sources>,
    signers: Arc<Signers>,
    sharing: Arc<Sharing>,
    store: Arc<dyn Store>,
    journal: Arc<Journal>,
}

impl Requests {
    /// Requests in this store, for images at these sources.
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

/// Where a request's image was admitted, and its digest.
pub(crate) fn admitted_place(what: &str, request: &Request) -> Result<(AdmissionPlace, Digest)> {
    let admitted = request.admitted.as_ref().ok_or_else(|| Error::failed(what, "it was never admitted"))?;
    let place = match admitted.reference.parse()? {
        ImageRef::Oci(name) => AdmissionPlace::Repository(Name { tag: None, digest: None, ..name }),
        ImageRef::Glance { image, .. } => AdmissionPlace::Disk(image),
        other => return Err(Error::failed(what, format!("nothing is admitted as {other}"))),
    };
    Ok((place, admitted.digest.parse()?))
}
