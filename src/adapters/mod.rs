//! One folder (or file) per technology. An adapter knows the core and the shared helpers, never another adapter.

pub mod formats;
pub mod notify;
pub mod parts;
pub mod shared;
pub mod signing;
pub mod store;
pub mod vault;

use std::sync::Arc;

use self::{
    notify::{mail, webhook},
    parts::{Parts, Surroundings},
    shared::{http, private},
};
use crate::core::{
    base::error::{Error, Result},
    config::Config,
    portal::{Opener, Portal, PortalParts, Source},
    ports::{Notifier, Signers, Vault},
};

/// Declares the adapters. Adding one is a word here and a folder with a `register` function.
macro_rules! adapters {
    ($($name:ident),+ $(,)?) => {
        $(pub mod $name;)+
        /// What a configuration may name as the `type` of a source.
        fn source_types() -> Vec<&'static str> {
            [$((stringify!($name), $name::IS_SOURCE)),+].into_iter().filter(|(_, is)| *is).map(|(name, _)| name).collect()
        }
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

checkers! { cosign, notary, data_signature, sif, attached_reports, registry_scanners, local_scanners }

/// Builds everything that `config` and this machine offer. Nothing is contacted yet. Both folders are this person's alone
/// from here on, or nothing is built.
pub fn build(config: Config) -> Result<Portal> {
    built(config, http::Reach::default()).map(Portal::new)
}

/// The same for whoever works for others: with the site's sources alone, and sent on by them only to where the site says.
pub fn build_for_stewards(config: Config) -> Result<Portal> {
    let reach = http::Reach::of_site(&config);
    built(config, reach).map(|parts| Portal::new(parts.for_stewards()))
}

fn built(config: Config, reach: http::Reach) -> Result<PortalParts> {
    private::home(&config.cache_dir)?;
    private::home(&config.state_dir)?;
    let types = source_types();
    if let Some(unknown) = config.sources.iter().find(|source| !types.contains(&source.adapter.as_str())) {
        return Err(Error::usage(
            format!("source '{}'", unknown.name),
            format!("'{}' is not a type of source", unknown.adapter),
        )
        .hint(format!("use one of {}", types.join(", "))));
    }
    let vault: Arc<dyn Vault> = Arc::new(vault::Keeper::new(&config.state_dir, config.secret_file));
    let around = Surroundings {
        vault: vault.clone(),
        reach,
        make_registry: oci::source,
        open_registry: oci::open,
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
            look: Box::new(move |key| signing::look::look(key.to_owned(), looked_at.clone())),
            named: Arc::new(move || signing::look::named(&signature)),
            trusted: signing::trusted(config.policy.signature.admitting()),
        },
        spool: Arc::new(store::shared::spool::SpoolFile::new(config.state_dir.join("uses.jsonl"))),
        notifiers: notifiers(&config)?,
        findings: parts.findings,
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
