//! The lists of workloads while a screen shows them: one read for each backend, so that none waits for another.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::future::join_all;
use tokio::sync::{Notify, mpsc};

use super::post::Post;
use crate::msg::RunNews;
use wharf_core::portal::Portal;

/// How many lists may wait to be shown.
const WAITING: usize = 8;

/// Asks the followed backends for a list at once: after a change of the person, or when they ask for it.
#[derive(Clone, Default)]
pub(super) struct AtOnce(Arc<Mutex<HashMap<String, Arc<Notify>>>>);

impl AtOnce {
    /// Begins to follow these backends, in the place of those before.
    pub(super) fn begin(&self, backends: Vec<String>) -> HashMap<String, Arc<Notify>> {
        let begun: HashMap<_, _> = backends.into_iter().map(|name| (name, Arc::default())).collect();
        self.followed(|followed| followed.clone_from(&begun));
        begun
    }

    /// Asks all followed backends.
    pub(super) fn all(&self) {
        self.followed(|followed| {
            for one in followed.values() {
                one.notify_one();
            }
        });
    }

    /// Asks one backend, if it is followed.
    pub(super) fn one(&self, backend: &str) {
        self.followed(|followed| {
            if let Some(one) = followed.get(backend) {
                one.notify_one();
            }
        });
    }

    fn followed(&self, work: impl FnOnce(&mut HashMap<String, Arc<Notify>>)) {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Follows the lists of these backends until it is aborted.
pub(super) async fn lists(portal: &Portal, backends: HashMap<String, Arc<Notify>>, post: &Post) {
    let (out, mut arriving) = mpsc::channel(WAITING);
    let following = backends.iter().map(|(name, at_once)| async {
        if let Err(error) = portal.launches.follow_list(name, at_once, &out).await {
            tracing::warn!(%error, "a backend is not followed");
        }
    });
    let showing = async {
        while let Some(list) = arriving.recv().await {
            post.send(RunNews::Workloads(list)).await;
        }
    };
    tokio::join!(join_all(following), showing);
}
