//! The use cases: the only thing that both front ends call. Each subject is a struct of its own over what it needs.
//!
//! They stand in floors, and none knows one above it: sources, secrets and the journal; keys, accounts, the inbox, who used
//! what; lists and evidence; signing, transfers, launches; sharing and upkeep; requests; the doctor. `tests/house.rs`
//! holds that, and that whatever changes something runs inside [`journal`], which writes its entry.

pub mod catalog;
pub mod disks;
pub mod doctor;
pub mod evidence;
pub mod inbox;
pub mod journal;
pub mod keys;
pub mod launches;
pub mod requests;
mod secrets;
pub mod sharing;
pub mod sign_in;
pub mod signatures;
pub mod sources;
pub mod stewardship;
pub mod transfers;
pub mod upkeep;
mod uses;

use std::sync::Arc;

use catalog::Catalog;
pub use catalog::{Listed, Opened};
use disks::DiskImages;
use doctor::{Doctor, Finding};
use evidence::Evidence;
use inbox::Inbox;
use journal::Journal;
use keys::Keys;
use launches::Launches;
use requests::Requests;
use secrets::Secrets;
use sharing::Sharing;
use sign_in::Accounts;
use signatures::Signing;
pub use sources::{Abilities, Copies, Opener, Source, Sources};
use stewardship::Stewardship;
use transfers::Transfers;
use upkeep::Upkeep;
use uses::Uses;

use super::{
    config::Config,
    image::short_names::ShortNames,
    ports::{
        Audit, Cache, Checker, Launcher, Notifier, Signers, Vault,
        store::{Spool, Store},
    },
};

/// What a portal is made of; [`Portal::new`] takes it.
pub struct PortalParts {
    /// The configuration in force.
    pub config: Config,
    /// Places that hold images, in the order in which they are shown.
    pub sources: Vec<Source>,
    /// What can launch.
    pub launchers: Vec<Arc<dyn Launcher>>,
    /// What makes evidence.
    pub checkers: Vec<Arc<dyn Checker>>,
    /// Opens keys to sign with.
    pub signers: Signers,
    /// What is remembered between runs.
    pub cache: Arc<dyn Cache>,
    /// Where what was done is written down.
    pub audit: Arc<dyn Audit>,
    /// Requests, who used what, and what people are told.
    pub store: Arc<dyn Store>,
    /// What the store could not be told yet.
    pub spool: Arc<dyn Spool>,
    /// Ways to tell people what concerns them.
    pub notifiers: Vec<Arc<dyn Notifier>>,
    /// Where secrets are kept.
    pub vault: Arc<dyn Vault>,
    /// Sources for references from elsewhere.
    pub open: Opener,
    /// What names without a registry mean on this machine.
    pub short_names: ShortNames,
    /// What was looked for at start and found or not.
    pub findings: Vec<Finding>,
}

/// Everything the front ends need: use cases, and nothing behind them.
pub struct Portal {
    /// Places that hold images.
    pub sources: Arc<Sources>,
    /// What was done here, and the record of it.
    pub journal: Arc<Journal>,
    /// Keys to sign with.
    pub keys: Arc<Keys>,
    /// Accounts at the places that hold images.
    pub accounts: Accounts,
    /// What this person is told.
    pub inbox: Inbox,
    /// Lists, versions and links of images.
    pub catalog: Catalog,
    /// Evidence of images, and what the policy makes of it.
    pub evidence: Arc<Evidence>,
    /// Signing images.
    pub signing: Signing,
    /// Copying images.
    pub transfers: Transfers,
    /// Launching images, and what runs.
    pub launches: Arc<Launches>,
    /// Letting others use images.
    pub sharing: Arc<Sharing>,
    /// One's own images, kept in order.
    pub upkeep: Upkeep,
    /// Requests at this site.
    pub requests: Requests,
    /// Whether everything works that Wharf leans on.
    pub doctor: Doctor,
    /// What a steward is made of.
    pub stewardship: Stewardship,
    config: Arc<Config>,
}

impl Portal {
    /// Puts the parts together, from the ground up; nothing is contacted.
    pub fn new(parts: PortalParts) -> Self {
        let PortalParts { audit, cache, checkers, findings, launchers, notifiers, spool, store, vault, .. } = parts;
        let config = Arc::new(parts.config);
        let signers = Arc::new(parts.signers);
        let sources = Arc::new(Sources::new(parts.sources, parts.open, parts.short_names));
        let secrets = Arc::new(Secrets::new(vault));
        let journal = Arc::new(Journal::new(&config.person, audit, store.clone()));

        let keys = Arc::new(Keys::new(signers.clone(), secrets.clone(), journal.clone()));
        let uses = Arc::new(Uses::new(&config.person, store.clone(), spool));

        let evidence = Arc::new(Evidence::new(
            config.clone(),
            sources.clone(),
            checkers.clone(),
            cache.clone(),
            store.clone(),
            journal.clone(),
        ));
        let disks = Arc::new(DiskImages::new(config.clone(), sources.clone(), evidence.clone()));
        let launches =
            Arc::new(Launches::new(sources.clone(), launchers, evidence.clone(), uses.clone(), journal.clone()));
        let sharing = Arc::new(Sharing::new(
            sources.clone(),
            evidence.clone(),
            disks.clone(),
            launches.clone(),
            uses.clone(),
            journal.clone(),
        ));
        Self {
            accounts: Accounts::new(sources.clone(), secrets.clone(), journal.clone()),
            inbox: Inbox::new(store.clone()),
            catalog: Catalog::new(config.clone(), sources.clone(), cache.clone(), uses.clone()),
            signing: Signing::new(sources.clone(), signers.clone(), journal.clone()),
            transfers: Transfers::new(sources.clone(), evidence.clone(), disks, uses, journal.clone()),
            upkeep: Upkeep::new(config.clone(), sources.clone(), journal.clone()),
            requests: Requests::new(
                config.clone(),
                sources.clone(),
                signers.clone(),
                sharing.clone(),
                store.clone(),
                journal.clone(),
            ),
            stewardship: Stewardship {
                config: config.clone(),
                sources: sources.clone(),
                signers: signers.clone(),
                evidence: evidence.clone(),
                journal: journal.clone(),
                store: store.clone(),
                notifiers: notifiers.clone(),
            },
            doctor: Doctor {
                config: config.clone(),
                sources: sources.clone(),
                launches: launches.clone(),
                checkers,
                signers,
                keys: keys.clone(),
                secrets,
                cache,
                store,
                notifiers,
                findings,
            },
            sources,
            journal,
            keys,
            evidence,
            launches,
            sharing,
            config,
        }
    }

    /// The configuration in force.
    pub fn config(&self) -> &Config {
        &self.config
    }
}
