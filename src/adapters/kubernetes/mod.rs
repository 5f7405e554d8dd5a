//! Kubernetes as a backend: every context of the kubeconfig launches jobs, pods with a terminal, and machines where
//! KubeVirt is. As a source it lists the images that run there.
//!
//! The library `kube` reads the kubeconfig, signs in and carries the requests; what is asked and how much of the answers is
//! read is decided here. A launch is one object that is created: the plan shows it as it is sent, after the server has
//! tried it.

mod body;
mod cluster;
mod facts;
mod find;
mod form;
mod images;
mod kind;
mod launcher;
mod list;
mod logs;
mod metrics;
mod objects;
mod quantity;
mod settings;
mod state;
mod terminal;
mod trial;
mod watch;

use std::sync::Arc;

use self::{cluster::Cluster, launcher::Kubernetes, settings::Settings};
use super::{
    parts::{Parts, Surroundings},
    shared::settings::{self as shared_settings, Settings as _},
};
use wharf_core::{
    base::error::Result,
    config::{Config, EntryKind},
    portal::doctor::State,
};

/// How a configuration's entries for clusters are read.
pub const KIND: EntryKind = EntryKind::backend(shared_settings::hosts::<Settings>);

/// Registers the clusters of the configuration, and the contexts of the person's kubeconfig.
///
/// # Errors
/// For an entry that cannot be read. A kubeconfig that cannot be read is told by `doctor`.
pub fn register(config: &Config, _around: &Surroundings, parts: &mut Parts) -> Result<()> {
    let found = if config.discover { settings::discover() } else { Ok(Vec::new()) };
    let contexts = match found {
        Ok(contexts) => contexts,
        Err(error) => {
            parts.note("kubeconfig", State::Caution, format!("{}: {}", error.what, error.why), &error.hint);
            Vec::new()
        }
    };
    for wanted in parts.wanted(config, "kubernetes", || contexts)? {
        let (address, lists) = (wanted.settings.address().trim().to_owned(), wanted.settings.images.unwrap_or(true));
        let cluster = Arc::new(Cluster::new(wanted.name, wanted.settings));
        if lists {
            parts.sources.push(images::source(cluster.clone(), &address, &wanted.origin));
        }
        parts.launchers.push(Arc::new(Kubernetes::new(cluster)));
    }
    Ok(())
}
