//! Records of who used what: written when a person launches, copies, supplies or is given an image, so that they can be
//! notified when it becomes vulnerable.

use std::{sync::Arc, time::Duration};

use crate::{
    base::{
        blocking::blocking,
        context::Context,
        digest::Digest,
        error::{Error, Kind},
        text,
    },
    image::reference::ImageRef,
    portal::sources::Sources,
    ports::store::{Spool, Store, Use, UseKind},
};

/// How long to wait for the store; what it did not get is spooled and sent later.
const PATIENCE: Duration = Duration::from_secs(3);

/// Sends records of use of this person to the shared store.
pub(super) struct Uses {
    person: String,
    sources: Arc<Sources>,
    store: Arc<dyn Store>,
    spool: Arc<dyn Spool>,
}

impl Uses {
    /// Records of this person; those that the store cannot take now wait in the spool.
    pub(super) fn new(person: &str, sources: Arc<Sources>, store: Arc<dyn Store>, spool: Arc<dyn Spool>) -> Self {
        Self { person: person.to_owned(), sources, store, spool }
    }

    /// The image's reference for others, pinned if it has a place for a digest; `None` if nobody else can look at it.
    fn for_others(&self, reference: &ImageRef, digest: &Digest) -> Option<ImageRef> {
        // A volume has no digest, so nobody can say later what it was.
        if matches!(reference, ImageRef::Volume { .. }) || self.sources.source(reference).ok()?.abilities.is_local {
            return None;
        }
        Some(reference.with_digest(digest))
    }

    /// Records that this person used an image. If the store is away, the record is sent later; no error is given.
    pub(super) async fn remember(&self, how: UseKind, reference: &ImageRef, digest: &Digest, place: &str) {
        let Some(reference) = self.for_others(reference, digest) else { return };
        let used = Use {
            person: self.person.clone(),
            how,
            reference: reference.to_string(),
            digest: digest.to_string(),
            place: place.to_owned(),
            at: text::now(),
        };
        let spool = self.spool.clone();
        let waiting = blocking(move || spool.take()).await;
        let waiting = waiting.ok().and_then(Result::ok).unwrap_or_default();
        let cx = Context::default().with_deadline(PATIENCE);
        let mut away = false;
        for used in waiting.into_iter().chain([used]) {
            // After one failure the others go to the spool without waiting for the store.
            let told = if away {
                Err(Error::new(Kind::Unavailable, "write down who used an image", "the store is away"))
            } else {
                cx.run("write down who used an image", self.store.record_use(&used)).await
            };
            if let Err(error) = told {
                // A record that the store refuses now will be refused later, too: it is dropped.
                if matches!(error.kind, Kind::Usage | Kind::Denied) {
                    tracing::warn!(%error, "who used an image was not written down");
                    continue;
                }
                away = true;
                tracing::info!(%error, "the store is told later who used an image");
                let spool = self.spool.clone();
                let kept = blocking(move || spool.put(&used)).await;
                if let Ok(Err(error)) = kept {
                    tracing::warn!(%error, "who used an image was not kept");
                }
            }
        }
    }
}
