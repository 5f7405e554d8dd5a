//! The use cases, which are all that the front ends call. Each subject is a struct with what it needs.
//!
//! They are in layers, and none knows one above it: sources, secrets and the journal; keys, accounts, the inbox,
//! records of use; lists and evidence; signing, transfers, launches; sharing and upkeep; requests; the doctor.
//! `tests/house.rs` checks that, and that everything that changes something runs inside [`journal`], which writes its
//! entry.

pub mod answers;
pub mod catalog;
mod described;
pub mod disks;
pub mod doctor;
pub mod evidence;
pub mod fetching;
pub mod inbox;
pub mod journal;
pub mod kept_transfers;
pub mod keys;
pub mod launches;
pub mod locks;
pub mod mirror_round;
pub mod mirroring;
pub mod own_sources;
pub mod requests;
pub mod resuming;
mod secrets;
mod seen;
pub mod senders;
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
pub use catalog::{Listed, OpenedLink};
use disks::DiskImages;
use doctor::{Doctor, Finding};
use evidence::Evidence;
use fetching::Fetching;
use inbox::Inbox;
use journal::Journal;
use kept_transfers::KeptTransfers;
use keys::Keys;
use launches::Launches;
use locks::Locks;
use mirroring::Mirroring;
use own_sources::{AddingParts, OwnSources};
use requests::Requests;
use resuming::Resuming;
use secrets::Secrets;
use seen::Seen;
use senders::Senders;
use sharing::Sharing;
use sign_in::Accounts;
use signatures::Signing;
pub use sources::{Abilities, Copies, Opener, Source, SourceFacts, Sources};
use stewardship::Stewardship;
use transfers::Transfers;
use upkeep::Upkeep;
use uses::Uses;

use super::{
    base::pace::Pace,
    config::Config,
    image::short_names::ShortNames,
    ports::{
        Audit, Cache, Checker, Editor, KeepContacts, KeepEndings, Launcher, Ledger, LockFiles, Notifier, Signers,
        TransferLog, Vault,
        store::{Spool, Store},
        web::Web,
    },
};

/// The parts from which [`Portal::new`] builds a portal.
pub struct PortalParts {
    /// The configuration in force.
    pub config: Config,
    /// All sources, in the order in which they are shown.
    pub sources: Vec<Source>,
    /// All backends, in the order in which they are shown.
    pub launchers: Vec<Arc<dyn Launcher>>,
    /// All checks that make evidence of images.
    pub checkers: Vec<Arc<dyn Checker>>,
    /// Opens and makes keys to sign with.
    pub signers: Signers,
    /// Lists, evidence and filters that are kept between runs.
    pub cache: Arc<dyn Cache>,
    /// The log of what this person did.
    pub audit: Arc<dyn Audit>,
    /// The launches of this person that are kept.
    pub ledger: Arc<dyn Ledger>,
    /// The person's text editor.
    pub editor: Arc<dyn Editor>,
    /// The shared store: requests, records of use, notices.
    pub store: Arc<dyn Store>,
    /// Records of use that the store could not take yet.
    pub spool: Arc<dyn Spool>,
    /// Ways to notify people, besides the inbox.
    pub notifiers: Vec<Arc<dyn Notifier>>,
    /// The secret store: where passwords, tokens and keys are kept.
    pub vault: Arc<dyn Vault>,
    /// Reads files from the web.
    pub web: Arc<dyn Web>,
    /// Opens a source for a reference that no configured source owns.
    pub open: Opener,
    /// Aliases and search registries for names without a registry, on this machine.
    pub short_names: ShortNames,
    /// Lock files in the folders of projects.
    pub lock_files: Arc<dyn LockFiles>,
    /// The people whose keys are known.
    pub contacts: Arc<dyn KeepContacts>,
    /// Keeps which shares are to end.
    pub endings: Arc<dyn KeepEndings>,
    /// The transfers that are kept until they are done.
    pub transfer_log: Arc<dyn TransferLog>,
    /// What was discovered at the start, and what was not.
    pub findings: Vec<Finding>,
    /// Tries and keeps sources that the person adds.
    pub adding: AddingParts,
}

/// All use cases, grouped by subject.
pub struct Portal {
    /// The sources, found by name or reference.
    pub sources: Arc<Sources>,
    /// Sources that the person adds or leaves out of lists.
    pub own_sources: OwnSources,
    /// The audit of this person.
    pub journal: Arc<Journal>,
    /// Keys to sign with.
    pub keys: Arc<Keys>,
    /// The lock file of this folder.
    pub locks: Arc<Locks>,
    /// This person's portal key, and the people whose keys are known.
    pub senders: Arc<Senders>,
    /// Signing in to and out of sources.
    pub accounts: Accounts,
    /// The notices of this person.
    pub inbox: Inbox,
    /// Lists, versions and links of images.
    pub catalog: Catalog,
    /// Evidence of images, and what the policy makes of it.
    pub evidence: Arc<Evidence>,
    /// Signing images with this person's keys.
    pub signing: Signing,
    /// Copying images between sources.
    pub transfers: Arc<Transfers>,
    /// The transfers that are kept until they are done.
    pub kept_transfers: Arc<KeptTransfers>,
    /// Letting transfers go on.
    pub resuming: Resuming,
    /// Keeping images of other registries in the site's.
    pub mirroring: Arc<Mirroring>,
    /// Fetching images from the web.
    pub fetching: Fetching,
    /// Launching images, and managing workloads.
    pub launches: Arc<Launches>,
    /// Letting others use images.
    pub sharing: Arc<Sharing>,
    /// Tagging, removing and pruning the person's own images.
    pub upkeep: Upkeep,
    /// Requesting images, and deciding on requests.
    pub requests: Requests,
    /// Checks of everything that Wharf depends on.
    pub doctor: Doctor,
    /// The parts that a steward is made of.
    pub stewardship: Stewardship,
    config: Arc<Config>,
}

impl Portal {
    /// Builds all use cases from the parts, lowest layer first; contacts nobody.
    pub fn new(parts: PortalParts) -> Self {
        let (cache, store, notifiers, checkers) = (parts.cache, parts.store, parts.notifiers, parts.checkers);
        let config = Arc::new(parts.config);
        let signers = Arc::new(parts.signers);
        let sources = Arc::new(Sources::new(parts.sources, parts.open, parts.short_names).chosen_by_person(&config));
        let secrets = Arc::new(Secrets::new(parts.vault));
        let journal = Arc::new(Journal::new(&config.person, parts.audit, store.clone()));

        let keys = Arc::new(Keys::new(signers.clone(), secrets.clone(), journal.clone()));
        let locks = Arc::new(Locks::new(parts.lock_files, journal.clone()));
        let own = (signers.clone(), keys.clone(), secrets.clone());
        let senders = Arc::new(Senders::new(own, parts.contacts, (journal.clone(), notifiers.clone()), config.clone()));
        let uses = Arc::new(Uses::new(&config.person, sources.clone(), store.clone(), parts.spool));

        let seen = Arc::new(Seen::new(sources.clone(), cache.clone()));

        let evidence = Arc::new(Evidence::new(
            config.clone(),
            sources.clone(),
            checkers.clone(),
            cache.clone(),
            store.clone(),
            journal.clone(),
            seen.clone(),
        ));
        let disks = Arc::new(DiskImages::new(config.clone(), sources.clone(), evidence.clone()));
        let sif_maker = parts.launchers.iter().find(|launcher| launcher.makes_sif()).cloned();
        let launches = Arc::new(Launches::new(
            config.clone(),
            sources.clone(),
            parts.launchers,
            evidence.clone(),
            uses.clone(),
            journal.clone(),
            (parts.ledger, parts.editor, locks.clone()),
        ));
        let pace = Pace::new(config.transfers.rate, config.transfers.hours);
        let kept = Arc::new(KeptTransfers::new(parts.transfer_log, sources.clone(), journal.clone(), pace));
        let sharing = Arc::new(Sharing::new(
            (sources.clone(), kept.clone(), senders.clone()),
            evidence.clone(),
            disks.clone(),
            launches.clone(),
            uses.clone(),
            (journal.clone(), parts.endings),
        ));
        let moving = (evidence.clone(), disks, sif_maker, kept.clone());
        let transfers = Arc::new(Transfers::new(sources.clone(), moving, uses.clone(), journal.clone()));
        let told = (uses, senders.clone(), locks.clone());
        let mirroring = Arc::new(Mirroring::new(sources.clone(), transfers.clone()));
        Self {
            accounts: Accounts::new(sources.clone(), secrets.clone(), journal.clone()),
            inbox: Inbox::new(store.clone()),
            catalog: Catalog::new(config.clone(), sources.clone(), cache.clone(), told, journal.clone(), seen),
            senders,
            locks,
            signing: Signing::new(sources.clone(), signers.clone(), journal.clone()),
            mirroring: mirroring.clone(),
            fetching: Fetching::new(config.clone(), parts.web, sources.clone(), transfers.clone(), journal.clone()),
            resuming: Resuming::new(kept.clone(), transfers.clone(), sharing.clone()),
            transfers,
            kept_transfers: kept,
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
                mirroring,
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
                findings: parts.findings,
            },
            own_sources: OwnSources::new(config.clone(), sources.clone(), journal.clone(), parts.adding),
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
