//! One folder (or file) per technology. An adapter knows the core and the shared helpers, but never another adapter.

#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "unit tests read the files that they have written"))]

mod adding;
pub mod formats;
pub mod keeper;
pub mod machines;
pub mod notify;
pub mod parts;
pub mod prepared;
pub mod shared;
pub mod signing;
pub mod store;
mod text_editor;
pub mod vault;
pub mod web;

use std::{ffi::OsString, sync::Arc};

use self::{
    notify::{mail, webhook},
    parts::{Parts, Surroundings},
    shared::{http, private},
};
use wharf_core::{
    base::error::Result,
    config::{Config, ConfigEntry, EntryKinds, Hosts, List},
    portal::{Opener, Portal, PortalParts, doctor::State},
    ports::{Notifier, Signers, Vault},
};

/// Declares the adapters that are sources or backends. Adding one takes a word here and a folder with a `register`
/// function.
macro_rules! adapters {
    ($($(#[$gate:meta])* $name:ident),+ $(,)?) => {
        $($(#[$gate])* pub mod $name;)+
        /// The types of sources and backends that a configuration may have.
        pub fn kinds() -> EntryKinds {
            EntryKinds(Vec::from([$($(#[$gate])* $name::KIND.with_name(stringify!($name))),+]))
        }
        fn register_all(config: &Config, around: &Surroundings, parts: &mut Parts) -> Result<()> {
            $($(#[$gate])* $name::register(config, around, parts)?;)+
            Ok(())
        }
        /// Registers only the sources and backends of one type.
        fn register_kind(kind: &str, config: &Config, around: &Surroundings, parts: &mut Parts) -> Result<()> {
            match kind {
                $($(#[$gate])* stringify!($name) => $name::register(config, around, parts),)+
                _ => Ok(()),
            }
        }
    };
}

// By default an image is launched on the first backend that accepts it, so the one that gives nobody root rights comes
// first.
adapters! {
    files,
    local,
    runtimes,
    apptainer,
    engine,
    oci,
    hub,
    harbor,
    openstack,
    slurm,
    charliecloud,
    qemu,
    libvirt,
    #[cfg(feature = "kubernetes")]
    kubernetes,
}

/// Declares the adapters that only make evidence, in the same way.
macro_rules! checkers {
    ($($name:ident),+ $(,)?) => {
        $(pub mod $name;)+
        fn register_checkers(config: &Config, around: &Surroundings, parts: &mut Parts) -> Result<()> {
            $($name::register(config, around, parts)?;)+
            Ok(())
        }
    };
}

checkers! { cosign, notary, data_signature, sif, attached_reports, registry_scanners, local_scanners }

/// Carries out the inner verbs with which backends start this program again; `None` for all other command lines. They
/// must start quickly.
pub fn inner(words: &[OsString]) -> Option<Result<u8>> {
    local::inner(words)
        .or_else(|| apptainer::inner(words))
        .or_else(|| charliecloud::inner(words))
        .or_else(|| qemu::inner(words))
}

/// The store of secrets. A program has one: what it keeps in memory only is lost with it.
pub fn vault(config: &Config) -> Arc<dyn Vault> {
    Arc::new(vault::Keeper::new(&config.state_dir, config.secret_file))
}

/// Builds a portal from the configuration and what is found on this machine. Contacts nobody. Fails unless cache and
/// state folder can be made accessible to this person alone.
pub fn build(config: Config) -> Result<Portal> {
    parts_of(config).map(Portal::new)
}

/// The same for a program that builds its portal several times, with the vault that it has.
pub fn build_with(config: Config, vault: &Arc<dyn Vault>) -> Result<Portal> {
    let built = |config| built(config, http::AllowedServers::default(), vault.clone());
    adding::without_faulty(config, built).map(Portal::new)
}

/// The parts from which [`build`] builds a portal, as the adapters make them. Contacts nobody, and fails as `build`.
pub fn parts_of(config: Config) -> Result<PortalParts> {
    let vault = vault(&config);
    adding::without_faulty(config, |config| built(config, http::AllowedServers::default(), vault.clone()))
}

/// The same for a steward: with the site's sources only, and with redirects only to hosts that the site names.
pub fn build_for_stewards(config: Config) -> Result<Portal> {
    let config = config.without_added();
    let reach = http::AllowedServers::for_site(&config.requests, &hosts(&config)?);
    let vault = vault(&config);
    built(config, reach, vault).map(|parts| Portal::new(parts.for_stewards()))
}

fn built(config: Config, reach: http::AllowedServers, vault: Arc<dyn Vault>) -> Result<PortalParts> {
    private::home(&config.cache_dir)?;
    private::home(&config.state_dir)?;
    hosts(&config)?;
    let around = Arc::new(Surroundings {
        vault: vault.clone(),
        reach,
        make_registry: oci::source,
        open_registry: oci::open,
        prepared: prepared::known::KnownStores::default(),
        cache_dir: config.cache_dir.clone(),
        state_dir: config.state_dir.clone(),
    });
    let mut parts = Parts::default();
    for (key, folder, lost) in [
        ("cache_dir", &config.cache_dir, "no list is kept, no image is unpacked, and the starter image is not there"),
        ("state_dir", &config.state_dir, "no audit is written, and no workload of this machine can be launched"),
    ] {
        if let Some(why) = private::keeps_nothing(folder) {
            let found = format!("{} cannot be written ({why}): {lost}", folder.display());
            parts.note(key, State::Bad, found, "make it a folder of your own, or name another one in the settings");
        }
    }
    register_all(&config, &around, &mut parts)?;
    register_checkers(&config, &around, &mut parts)?;
    for rules in &config.forms {
        let known = parts.launchers.iter().any(|launcher| launcher.name() == rules.backend);
        if !known {
            let found = format!("{}: there is no backend '{}' here", rules.origin, rules.backend);
            parts.note("[[form]]", State::Caution, found, "correct its name, if it should be here");
        }
    }
    // Configured sources come first, in their order.
    let written: Vec<&str> =
        config.sources.iter().chain(&config.backends).map(|written| written.name.as_str()).collect();
    let place = |name: &str| written.iter().position(|known| *known == name).unwrap_or(usize::MAX);
    parts.sources.sort_by_key(|source| place(&source.name));
    let cache = Arc::new(store::sqlite::Sqlite::new(config.cache_dir.join("cache.db")));
    let store = store::shared::open(&config)?;
    let (keys, looked_at, signature) = (vault.clone(), vault.clone(), config.policy.signature.clone());
    let choices = Arc::new(store::choices::ChoicesFile::new(&config.state_dir));
    let adding = adding::parts(&config, around.clone(), (kinds(), register_kind), choices);
    let opener = parts.opener();
    let open: Opener = Box::new(move |reference| opener(reference, &around));
    Ok(PortalParts {
        sources: parts.sources,
        launchers: parts.launchers,
        checkers: parts.checkers,
        signers: Signers {
            open: Box::new(move |key, asker| signing::open(key.to_owned(), asker, keys.clone())),
            make: Arc::new(signing::make),
            write: Arc::new(signing::write),
            look: Box::new(move |key| signing::look::describe_key(key.to_owned(), looked_at.clone())),
            named: Arc::new(move || signing::look::named(&signature)),
            trusted: signing::trusted(config.policy.signature.admitting()),
            short: signing::SHORT,
        },
        spool: Arc::new(store::shared::spool::SpoolFile::new(config.state_dir.join("uses.jsonl"))),
        notifiers: notifiers(&config)?,
        findings: parts.findings,
        adding,
        cache,
        store,
        ledger: Arc::new(store::ledger::LedgerFolder::new(&config.state_dir)),
        lock_files: Arc::new(store::lock_files::FolderLocks),
        contacts: Arc::new(store::contacts::ContactsFile::new(&config.state_dir)),
        endings: Arc::new(store::endings::EndingsFile::new(&config.state_dir)),
        transfer_log: Arc::new(store::transfers::TransferFolder::new(&config.state_dir)),
        editor: Arc::new(text_editor::OwnEditor::new(&config.state_dir)),
        audit: Arc::new(store::audit::AuditFile::new(config.state_dir.join("audit.jsonl"))),
        web: Arc::new(web::Internet::new(&config)),
        vault,
        open,
        short_names: oci::short_names(),
        config,
    })
}

/// The hosts that each configured source and backend names, in the order of the configuration.
///
/// # Errors
/// [`Kind::Usage`](wharf_core::base::error::Kind::Usage) for the first entry that its adapter cannot read, and for a
/// backend with the name of a source if one entry makes both.
fn hosts(config: &Config) -> Result<Vec<Hosts>> {
    let kinds = kinds();
    let mut all = Vec::new();
    for (list, entries) in [(List::Source, &config.sources), (List::Backend, &config.backends)] {
        for written in entries {
            let hosts = kinds.parse(list, written).map_err(|mistakes| written.refused(list, &mistakes))?;
            all.push(hosts);
        }
    }
    let twice = |backend: &&ConfigEntry| config.sources.iter().any(|source| source.name == backend.name);
    match config.backends.iter().find(twice) {
        Some(backend) => {
            let why = "there is a source of this name";
            let mistake = backend.mistake("name", why);
            Err(backend.refused(List::Backend, &[mistake]).hint("remove one of the two entries, or rename it"))
        }
        None => Ok(all),
    }
}

/// The ways of notifying people that the site has configured.
fn notifiers(config: &Config) -> Result<Vec<Arc<dyn Notifier>>> {
    let mail = mail::Mail::from_config(config)?.map(|mail| Arc::new(mail) as Arc<dyn Notifier>);
    let webhook = webhook::Webhook::from_config(config)?.map(|webhook| Arc::new(webhook) as Arc<dyn Notifier>);
    Ok(mail.into_iter().chain(webhook).collect())
}
