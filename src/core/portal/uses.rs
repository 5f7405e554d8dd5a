//! Who used what: written down when somebody launches, takes, brings or is given an image, so that they can be told
//! when it becomes vulnerable.

use std::{sync::Arc, time::Duration};

use crate::{
    base::{
        context::Context,
        digest::Digest,
        error::{Error, Kind},
        text,
    },
    image::reference::ImageRef,
    ports::store::{How, Spool, Store, Use},
};

/// Nobody waits longer for this: it is told later.
const PATIENCE: Duration = Duration::from_secs(3);

/// What this person uses, as the shared store is told of it.
pub(super) struct Uses {
    person: String,
    store: Arc<dyn Store>,
    spool: Arc<dyn Spool>,
}

impl Uses {
    /// Those of a person; what the store cannot be told now waits in the spool.
    pub(super) fn new(person: &str, store: Arc<dyn Store>, spool: Arc<dyn Spool>) -> Self {
        Self { person: person.to_owned(), store, spool }
    }

    /// Writes down that this person used an image. A store that is away is told later; nothing fails for it.
    pub(super) async fn remember(&self, how: How, reference: &ImageRef, digest: &Digest, place: &str) {
        // What is only on this machine nobody else can look at again.
        let reference = match reference {
            ImageRef::Oci(_) => reference.with_digest(digest),
            ImageRef::Glance { .. } => reference.clone(),
            _ => return,
        };
        let used = Use {
            person: self.person.clone(),
            how,
            reference: reference.to_string(),
            digest: digest.to_string(),
            place: place.to_owned(),
            at: text::now(),
        };
        let spool = self.spool.clone();
        let waiting = tokio::task::spawn_blocking(move || spool.take()).await;
        let waiting = waiting.ok().and_then(Result::ok).unwrap_or_default();
        let cx = Context::default().within(PATIENCE);
        let mut away = false;
        for used in waiting.into_iter().chain([used]) {
            // Where one could not be told, nobody waits for the others.
            let told = if away {
                Err(Error::new(Kind::Unavailable, "write down who used an image", "the store is away"))
            } else {
                cx.run("write down who used an image", self.store.used(&used)).await
            };
            if let Err(error) = told {
                // What the store does not take today it does not take tomorrow.
                if matches!(error.kind, Kind::Usage | Kind::Denied) {
                    tracing::warn!(%error, "who used an image was not written down");
                    continue;
                }
                away = true;
                tracing::info!(%error, "the store is told later who used an image");
                let spool = self.spool.clone();
                let kept = tokio::task::spawn_blocking(move || spool.put(&used)).await;
                if let Ok(Err(error)) = kept {
                    tracing::warn!(%error, "who used an image was not kept");
                }
            }
        }
    }
}
