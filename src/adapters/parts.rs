//! What an adapter is given to make its parts with, and what it adds them to.

use std::{path::PathBuf, sync::Arc};

use super::shared::{
    http::Reach,
    settings::{Registry, Settings, Wanted, read},
};
use wharf_core::{
    base::error::{Error, Result},
    config::{Config, List},
    image::reference::ImageRef,
    portal::{
        Source,
        doctor::{Finding, State},
    },
    ports::{Checker, Launcher, Runtime, Vault},
};

/// Makes the source of a registry that is configured.
pub type MakeRegistry = fn(&Wanted<Registry>, &Surroundings) -> Result<Source>;

/// Makes a source for a reference that no configured source owns.
pub type OpenReference = fn(&ImageRef, &Surroundings) -> Result<Source>;

/// What adapters are given when sources are made.
pub struct Surroundings {
    /// Where secrets are kept.
    pub vault: Arc<dyn Vault>,
    /// Where a server's answer may send us.
    pub reach: Reach,
    /// Makes the registry that another kind of source is in front of.
    pub make_registry: MakeRegistry,
    /// Opens a registry by a reference into it.
    pub open_registry: OpenReference,
    /// For what can be fetched again.
    pub cache_dir: PathBuf,
    /// For what cannot.
    pub state_dir: PathBuf,
}

/// What adapters add to.
#[derive(Default)]
pub struct Parts {
    /// Places that hold images.
    pub sources: Vec<Source>,
    /// How the registries among them are reached, and which servers their entries name beside them.
    pub registries: Vec<Wanted<Registry>>,
    /// What can launch.
    pub launchers: Vec<Arc<dyn Launcher>>,
    /// What runs an image as a process, the preferred one first: for backends that start none by themselves.
    pub runtimes: Vec<Arc<dyn Runtime>>,
    /// What makes evidence.
    pub checkers: Vec<Arc<dyn Checker>>,
    /// How references are opened that no source owns, by their scheme.
    openers: Vec<(&'static str, OpenReference)>,
    /// What was looked for and found or not.
    pub findings: Vec<Finding>,
}

/// The error for a reference that no source owns and nobody opens.
pub fn unopened(reference: &ImageRef) -> Error {
    Error::unsupported(format!("open {reference}"), "no source here holds this kind of image")
        .hint("'wharf sources' shows the names of clouds and engines here, 'wharf doctor' what is missing")
}

impl Parts {
    /// What the configuration says of one kind of source and backend, then what was found without it, each address once.
    ///
    /// # Errors
    /// [`wharf_core::base::error::Kind::Usage`] where an entry cannot be read.
    pub fn wanted<S: Settings>(
        &self,
        config: &Config,
        kind: &str,
        found: impl FnOnce() -> Vec<Wanted<S>>,
    ) -> Result<Vec<Wanted<S>>> {
        let mut wanted: Vec<Wanted<S>> = Vec::new();
        for (list, entries) in [(List::Source, &config.sources), (List::Backend, &config.backends)] {
            for written in entries.iter().filter(|written| written.kind == kind) {
                wanted.push(read(written).map_err(|mistakes| written.refused(list, &mistakes))?);
            }
        }
        if !config.discover {
            return Ok(wanted);
        }
        for place in found() {
            let address = |settings: &S| settings.address().trim_end_matches('/').to_owned();
            let known = wanted
                .iter()
                .any(|known| known.name == place.name || address(&known.settings) == address(&place.settings));
            let is_taken = self.sources.iter().any(|source| source.name == place.name)
                || self.launchers.iter().any(|launcher| launcher.name() == place.name);
            if !known && !is_taken {
                wanted.push(place);
            }
        }
        Ok(wanted)
    }

    /// References of this scheme (`oci`, `file`, ...) are opened by this adapter where no source owns them.
    pub fn opens(&mut self, scheme: &'static str, open: OpenReference) {
        self.openers.push((scheme, open));
    }

    /// How references are opened that no source owns.
    ///
    /// # Errors
    /// [`wharf_core::base::error::Kind::Unsupported`] where no adapter opens references of that scheme.
    pub fn opener(&self) -> impl Fn(&ImageRef, &Surroundings) -> Result<Source> + use<> {
        let openers = self.openers.clone();
        move |reference, around| match openers.iter().find(|(scheme, _)| *scheme == reference.scheme()) {
            Some((_, open)) => open(reference, around),
            None => Err(unopened(reference)),
        }
    }

    /// Records what was looked for.
    pub fn note(&mut self, what: &str, state: State, found: impl Into<String>, advice: &str) {
        self.findings.push(Finding::new(what, state, found, advice));
    }
}
