//! One folder (or file) per technology. An adapter knows the core and the shared helpers, never another adapter.

pub mod archive;
pub mod attachments;
pub mod certificates;
pub mod exec;
pub mod exploited;
pub mod header;
pub mod http;
pub mod keys;
pub mod layer;
pub mod mail;
pub mod private;
pub mod reports;
pub mod sif_format;
pub mod signing;
pub mod store;
pub mod vault;
pub mod webhook;

use std::{path::PathBuf, sync::Arc};

use crate::core::{
    base::error::{Error, Result},
    config::{Config, SourceConfig},
    image::reference::ImageRef,
    portal::{
        Opener, Portal, Source,
        doctor::{Finding, State},
    },
    ports::{Checker, Launcher, Notifier, Signers, Vault},
};

/// Declares the adapters. Adding one is a word here and a folder with a `register` function.
macro_rules! adapters {
    ($($name:ident),+ $(,)?) => {
        $(pub mod $name;)+
        /// The adapter names that a configuration may use as `type`.
        pub const NAMES: &[&str] = &[$(stringify!($name)),+];
        fn register_all(config: &Config, around: &Surroundings, parts: &mut Parts) -> Result<()> {
            $($name::register(config, around, parts)?;)+
            Ok(())
        }
    };
}

// Where nothing is chosen, an image goes to the first of them that takes it: the one that gives nobody root comes first.
adapters! { files, local, engine, oci, hub, harbor, openstack }

/// Declares what makes evidence: the same, for what is no source and no backend.
macro_rules! checkers {
    ($($name:ident),+ $(,)?) => {
        $(pub mod $name;)+
        fn register_checkers(config: &Config, around: &Surroundings, parts: &mut Parts) -> Result<()> {
            $($name::register(config, around, parts)?;)+
            Ok(())
        }
    };
}

checkers! { cosign, notary, glance, sif, attached, served, scanners }

/// What adapters are given when sources are made.
pub struct Surroundings {
    /// Where secrets are kept.
    pub vault: Arc<dyn Vault>,
    /// Where a server's answer may send us.
    pub reach: http::Reach,
    /// For what can be fetched again.
    pub cache_dir: PathBuf,
    /// For what cannot.
    pub state_dir: PathBuf,
}

impl Surroundings {
    /// The registry that another kind of source is in front of.
    pub fn registry(&self, config: &SourceConfig) -> Result<Source> {
        oci::source(config, self)
    }

    /// A source for a reference from elsewhere.
    pub fn open(&self, reference: &ImageRef) -> Result<Source> {
        match reference {
            // A path is its own address: it needs no configured folder.
            ImageRef::File { .. } => {
                Ok(files::source("file", std::path::Path::new("."), "named in a reference", true, self))
            }
            _ => oci::open(reference, self),
        }
    }
}

/// What adapters add to.
#[derive(Default)]
pub struct Parts {
    /// Places that hold images.
    pub sources: Vec<Source>,
    /// What can launch.
    pub launchers: Vec<Arc<dyn Launcher>>,
    /// What makes evidence.
    pub checkers: Vec<Arc<dyn Checker>>,
    /// What was looked for and found or not.
    pub findings: Vec<Finding>,
}

impl Parts {
    /// The configured sources of one adapter, then what it found by itself, each address once.
    pub fn wanted(
        &self,
        config: &Config,
        adapter: &str,
        found: impl FnOnce() -> Vec<SourceConfig>,
    ) -> Vec<SourceConfig> {
        let mut wanted: Vec<SourceConfig> =
            config.sources.iter().filter(|source| source.adapter == adapter).cloned().collect();
        if config.discover {
            for source in found() {
                let known = wanted.iter().any(|known| {
                    known.name == source.name || known.url.trim_end_matches('/') == source.url.trim_end_matches('/')
                });
                if !known && !self.sources.iter().any(|known| known.name == source.name) {
                    wanted.push(source);
                }
            }
        }
        wanted
    }

    /// Records what was looked for.
    pub fn note(&mut self, what: &str, state: State, found: impl Into<String>, advice: &str) {
        self.findings.push(Finding::new(what, state, found, advice));
    }
}

/// Builds everything that `config` and this machine offer. Nothing is contacted yet. Both folders are this person's alone
/// from here on, or nothing is built.
pub fn build(config: Config) -> Result<Portal> {
    built(config, http::Reach::default())
}

/// The same for whoever works for others: with the site's sources alone, and sent on by them only to where the site says.
pub fn build_for_stewards(config: Config) -> Result<Portal> {
    let reach = http::Reach::of_site(&config);
    built(config, reach).map(Portal::for_stewards)
}

fn built(config: Config, reach: http::Reach) -> Result<Portal> {
    private::home(&config.cache_dir)?;
    private::home(&config.state_dir)?;
    if let Some(unknown) = config.sources.iter().find(|source| !NAMES.contains(&source.adapter.as_str())) {
        return Err(Error::usage(
            format!("source '{}'", unknown.name),
            format!("'{}' is not a type of source", unknown.adapter),
        )
        .hint(format!("use one of {}", NAMES.join(", "))));
    }
    let vault: Arc<dyn Vault> = Arc::new(vault::Keeper::new(&config.state_dir, config.secret_file));
    let around = Surroundings {
        vault: vault.clone(),
        reach,
        cache_dir: config.cache_dir.clone(),
        state_dir: config.state_dir.clone(),
    };
    let mut parts = Parts::default();
    register_all(&config, &around, &mut parts)?;
    register_checkers(&config, &around, &mut parts)?;
    // What a person wrote down comes first, in their order.
    let place =
        |source: &Source| config.sources.iter().position(|written| written.name == source.name).unwrap_or(usize::MAX);
    parts.sources.sort_by_key(place);
    let cache = Arc::new(store::sqlite::Sqlite::new(config.cache_dir.join("cache.db")));
    let store = store::shared::of(&config)?;
    let (keys, looked_at, signature) = (vault.clone(), vault.clone(), config.policy.signature.clone());
    let open: Opener = Box::new(move |reference| around.open(reference));
    Ok(Portal {
        sources: parts.sources,
        launchers: parts.launchers,
        checkers: parts.checkers,
        signers: Signers {
            open: Box::new(move |key, asker| signing::open(key.to_owned(), asker, keys.clone())),
            make: Arc::new(signing::make),
            write: Arc::new(signing::write),
            look: Box::new(move |key| signing::look::look(key.to_owned(), looked_at.clone())),
            named: Arc::new(move || signing::look::named(&signature)),
            trusted: signing::trusted(config.policy.signature.admitting()),
        },
        spool: Arc::new(store::shared::spool::SpoolFile::new(config.state_dir.join("uses.jsonl"))),
        notifiers: notifiers(&config)?,
        findings: parts.findings,
        learnt: std::sync::Mutex::default(),
        troubles: std::sync::Mutex::default(),
        cache,
        store,
        audit: Arc::new(store::audit::AuditFile::new(config.state_dir.join("audit.jsonl"))),
        vault,
        open,
        short_names: oci::short_names(),
        config,
    })
}

/// Ways to tell people what concerns them, as far as the site has set them up.
fn notifiers(config: &Config) -> Result<Vec<Arc<dyn Notifier>>> {
    let mail = mail::Mail::of(config)?.map(|mail| Arc::new(mail) as Arc<dyn Notifier>);
    let webhook = webhook::Webhook::of(config)?.map(|webhook| Arc::new(webhook) as Arc<dyn Notifier>);
    Ok(mail.into_iter().chain(webhook).collect())
}
