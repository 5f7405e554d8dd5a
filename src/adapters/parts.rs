//! What an adapter is given to make its sources and backends, and what it adds them to.

use std::{path::PathBuf, sync::Arc};

use super::{
    prepared::known::KnownStores,
    shared::{
        http::AllowedServers,
        settings::{AdapterEntry, Registry, Settings, lost_file, read},
    },
};
use wharf_core::{
    base::error::{Error, Result},
    config::{Config, List},
    image::reference::{ImageRef, OWN_SCHEMES},
    portal::{
        Source,
        doctor::{Finding, State},
    },
    ports::{Checker, Launcher, Runtime, Vault},
};

/// Makes the source of a configured registry.
pub type MakeRegistry = fn(&AdapterEntry<Registry>, &Surroundings) -> Result<Source>;

/// Opens a source for a reference that no configured source owns.
pub type OpenReference = fn(&ImageRef, &Surroundings) -> Result<Source>;
/// The same, which may remember what it has opened.
type Opener = Arc<dyn Fn(&ImageRef, &Surroundings) -> Result<Source> + Send + Sync>;

/// What adapters are given to make sources with.
pub struct Surroundings {
    /// The secret store: where passwords, tokens and keys are kept.
    pub vault: Arc<dyn Vault>,
    /// The servers to which answers may redirect.
    pub reach: AllowedServers,
    /// Makes a registry, for sources that add something to one.
    pub make_registry: MakeRegistry,
    /// Opens the registry that a reference names.
    pub open_registry: OpenReference,
    /// The stores of prepared images that backends have: each adds its own.
    pub prepared: KnownStores,
    /// Folder for data that can be fetched again.
    pub cache_dir: PathBuf,
    /// Folder for data that cannot be fetched again.
    pub state_dir: PathBuf,
}

/// Where adapters add what they make.
#[derive(Default)]
pub struct Parts {
    /// Sources that were made, in the order of registering.
    pub sources: Vec<Source>,
    /// The settings of the registries among them, with the other servers that their entries name.
    pub registries: Vec<AdapterEntry<Registry>>,
    /// Backends that were made, in the order of preference.
    pub launchers: Vec<Arc<dyn Launcher>>,
    /// Runtimes that run images as processes, the preferred one first, for backends that start no containers on their
    /// own.
    pub runtimes: Vec<Arc<dyn Runtime>>,
    /// Checks that make evidence of images.
    pub checkers: Vec<Arc<dyn Checker>>,
    /// How to open references that no source owns, by their scheme.
    openers: Vec<(&'static str, Opener)>,
    /// What was discovered, and what was not.
    pub findings: Vec<Finding>,
}

/// The error for a setting of a configured source or backend that was read, but cannot be used: with its file and line.
pub fn refused(config: &Config, name: &str, key: &str, why: &str) -> Error {
    let mut entries = [(List::Source, &config.sources), (List::Backend, &config.backends)]
        .into_iter()
        .flat_map(|(list, entries)| entries.iter().map(move |written| (list, written)));
    match entries.find(|(_, written)| written.name == name) {
        Some((list, written)) => written.refused(list, &[written.mistake(key, format!("{key}: {why}"))]),
        None => Error::usage(format!("'{name}'"), format!("{key}: {why}")),
    }
}

/// The error for a reference that no source owns and no adapter opens.
pub fn unopened(reference: &ImageRef) -> Error {
    Error::unsupported(format!("open {reference}"), "no source here holds this kind of image")
        .hint("'wharf sources' shows the names of clouds and engines here, 'wharf doctor' what is missing")
}

/// The error for a reference of a scheme that no adapter has registered.
fn unknown(reference: &ImageRef, registered: &[&str]) -> Error {
    let mut known: Vec<&str> = OWN_SCHEMES.iter().chain(registered).copied().collect();
    known.sort_unstable();
    known.dedup();
    Error::usage(format!("open {reference}"), format!("'{}://' is not a kind of image here", reference.scheme()))
        .hint(format!("known: {}", known.join(", ")))
}

impl Parts {
    /// The configured entries of one type, then the discovered ones, each address only once.
    ///
    /// # Errors
    /// [`wharf_core::base::error::Kind::Usage`] if an entry cannot be read.
    pub fn wanted<S: Settings>(
        &self,
        config: &Config,
        kind: &str,
        found: impl FnOnce() -> Vec<AdapterEntry<S>>,
    ) -> Result<Vec<AdapterEntry<S>>> {
        let mut wanted: Vec<AdapterEntry<S>> = Vec::new();
        for (list, entries) in [(List::Source, &config.sources), (List::Backend, &config.backends)] {
            for written in entries.iter().filter(|written| written.kind == kind) {
                if self.is_taken(&written.name) {
                    let why = "another source or backend here has this name";
                    let mistake = written.mistake("name", why);
                    return Err(written.refused(list, &[mistake]).hint("choose another name"));
                }
                let one: AdapterEntry<S> = read(written).map_err(|mistakes| written.refused(list, &mistakes))?;
                if let Some((key, why)) = lost_file(&one.settings) {
                    let mistake = written.mistake(key, why);
                    return Err(written.refused(list, &[mistake]).hint("correct the path, or put the file there"));
                }
                wanted.push(one);
            }
        }
        if !config.discover {
            return Ok(wanted);
        }
        for mut place in found() {
            let address = |settings: &S| settings.address().trim_end_matches('/').to_owned();
            let known = wanted
                .iter()
                .any(|known| known.name == place.name || address(&known.settings) == address(&place.settings));
            if known {
                continue;
            }
            // A name that something else has is no reason to lose what was found.
            let is_used = |name: &str| config.names(name) || self.is_taken(name);
            if is_used(&place.name) {
                let free = (2..1000).map(|number| format!("{}-{number}", place.name)).find(|name| !is_used(name));
                place.name = free.unwrap_or(place.name);
            }
            wanted.push(place);
        }
        Ok(wanted)
    }

    /// Whether a source or a backend that is registered already has this name.
    fn is_taken(&self, name: &str) -> bool {
        self.sources.iter().any(|source| source.name == name)
            || self.launchers.iter().any(|launcher| launcher.name() == name)
    }

    /// Registers a scheme: `open` makes the source for its references that no registered source owns, or fails with
    /// what is wrong about them. A scheme that the core does not read itself is known from then on, wherever a reference
    /// can be given.
    pub fn opens(
        &mut self,
        scheme: &'static str,
        open: impl Fn(&ImageRef, &Surroundings) -> Result<Source> + Send + Sync + 'static,
    ) {
        self.openers.push((scheme, Arc::new(open)));
    }

    /// Opens references that no source owns.
    ///
    /// # Errors
    /// [`wharf_core::base::error::Kind::Usage`] for a scheme that nobody has registered, with those that are known;
    /// [`wharf_core::base::error::Kind::Unsupported`] for one of the core's if no adapter opens it.
    pub fn opener(&self) -> impl Fn(&ImageRef, &Surroundings) -> Result<Source> + use<> {
        let openers = self.openers.clone();
        move |reference, around| match openers.iter().find(|(scheme, _)| *scheme == reference.scheme()) {
            Some((_, open)) => open(reference, around),
            None if OWN_SCHEMES.contains(&reference.scheme()) => Err(unopened(reference)),
            None => Err(unknown(reference, &openers.iter().map(|(scheme, _)| *scheme).collect::<Vec<_>>())),
        }
    }

    /// Adds a finding about what was discovered or not.
    pub fn note(&mut self, what: &str, state: State, found: impl Into<String>, advice: &str) {
        self.findings.push(Finding::new(what, state, found, advice));
    }
}
