//! OpenStack clouds: disk images (Glance), sharing them, and servers (Nova).
//!
//! Files and variables are read as openstackclient reads them (`settings`), and signing in is done here (`keystone`):
//! the library for it read numbers into ids, knew no merge keys, and gave up on a catalogue for one odd service in it.

mod account;
mod answers;
mod asking;
mod attach;
mod catalog;
mod cloud;
mod device;
mod disks;
mod endpoints;
mod form;
mod import;
mod keystone;
mod landing;
mod methods;
mod naming;
mod openid;
mod pages;
mod peer;
mod plan;
mod profile;
mod readings;
mod resize;
mod servers;
mod service;
mod settings;
mod sharing;
mod sign_in;
mod transfers;
mod upkeep;
mod usage;
mod vault_key;
mod volumes;
mod websso;
mod words;

use std::sync::Arc;

use serde::Deserialize;

use self::{
    account::{Account, RefusedCredentials},
    cloud::Cloud,
    settings::Entry,
};
use super::{
    parts::{Parts, Surroundings, refused},
    shared::settings as shared,
};
use wharf_core::{
    base::{clean, error::Result},
    config::{Config, ConfigEntry, EntryKind as ConfigKind},
    portal::{Abilities, Source, doctor::State},
};

/// A region of a cloud as source and backend.
pub struct Images {
    cloud: Arc<Cloud>,
    /// Held while an image is made of a volume, so that many who want it at once get the same one.
    making: tokio::sync::Mutex<()>,
    /// The choices of the last server form, and when they were read.
    offered_now: tokio::sync::Mutex<Option<(std::time::Instant, Arc<plan::Facts>)>>,
    readings: readings::Readings,
}

impl Images {
    fn new(cloud: Arc<Cloud>) -> Self {
        Self {
            cloud,
            making: tokio::sync::Mutex::default(),
            offered_now: tokio::sync::Mutex::default(),
            readings: readings::Readings::default(),
        }
    }
}

/// A cloud to be shown: its name as a source, its origin, and its entry.
struct CloudEntry {
    name: String,
    origin: String,
    user: Option<String>,
    entry: Entry,
}

/// The settings of a cloud in the configuration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CloudSettings {
    /// The name in `clouds.yaml`; if empty, the name of the entry.
    #[serde(alias = "url")]
    cloud: String,
    /// The account that is offered at a sign-in; `None` leaves it to `clouds.yaml`.
    user: Option<String>,
}

impl shared::Settings for CloudSettings {
    fn address(&self) -> &str {
        &self.cloud
    }
}

/// How a configuration's entries for clouds are read: each is a source and a backend.
pub const KIND: ConfigKind = ConfigKind::both(shared::hosts::<CloudSettings>).typed(from_address);

/// The entry of a cloud whose name in `clouds.yaml` somebody typed.
fn from_address(typed: &str) -> Option<ConfigEntry> {
    let known = settings::all().0.into_iter().find(|entry| entry.name == typed)?;
    let settings = toml::Table::from_iter([("cloud".to_owned(), known.name.clone().into())]);
    Some(ConfigEntry::new(&known.name, "", "typed", settings))
}

/// Registers the configured clouds and all that are found.
pub fn register(config: &Config, around: &Surroundings, parts: &mut Parts) -> Result<()> {
    let (known, mut troubles) = settings::all();
    // Faults that concern one cloud are reported with it.
    let told = |cloud: &String| known.iter().any(|entry| entry.cloud == *cloud && entry.settings.broken.is_some());
    troubles.retain(|trouble| !trouble.cloud.as_ref().is_some_and(told));
    if !troubles.is_empty() {
        let advice = "correct it; what else there is works";
        parts.note("OpenStack clouds", State::Bad, keystone::describe_faults(&troubles), advice);
    }
    let wanted = clouds_to_show(config, parts, known)?;
    if wanted.is_empty() && troubles.is_empty() {
        parts.note(
            "OpenStack clouds",
            State::Caution,
            "none in clouds.yaml or the environment",
            "put clouds.yaml into ~/.config/openstack, as your cloud's dashboard offers it",
        );
    }
    let shown: Vec<String> = wanted.iter().map(|cloud| cloud.name.clone()).collect();
    let accounts = accounts(&wanted, around);
    for (CloudEntry { name, origin, user, entry }, account) in wanted.into_iter().zip(accounts) {
        if let Some(why) = &entry.settings.broken {
            let found = format!("'{}' cannot be used: {why}", clean::short(&entry.name, 60));
            parts.note("OpenStack clouds", State::Bad, found, "correct the entry; the other clouds work");
        }
        let is_free = !shown.contains(&entry.name);
        let also = Some(entry.name).filter(|_| is_free);
        let cloud = Arc::new(Cloud::new(name, also, entry.settings, account, around.reach.clone()));
        let images = Arc::new(Images::new(cloud.clone()));
        parts.sources.push(Source {
            name: cloud.name.clone(),
            adapter: "openstack",
            address: cloud.place_in_words(),
            origin,
            user,
            abilities: Abilities::default(),
            catalog: images.clone(),
            content: None,
            sharer: Some(images.clone()),
            disks: Some(images.clone()),
            upkeep: Some(images.clone()),
        });
        parts.launchers.push(images);
    }
    Ok(())
}

/// An account, and the regions that sign in with it.
struct AccountRegions<'a> {
    entry: &'a Entry,
    regions: Vec<Option<&'a str>>,
    account: Arc<Account>,
}

/// The account of each cloud: regions of one entry that sign in alike share an account, under the name of the first.
fn accounts(wanted: &[CloudEntry], around: &Surroundings) -> Vec<Arc<Account>> {
    let mut made: Vec<AccountRegions<'_>> = Vec::new();
    let mut refused: Vec<(&str, Arc<RefusedCredentials>)> = Vec::new();
    let mut found: Vec<(usize, Arc<Account>)> = Vec::new();
    let mut order: Vec<(usize, &CloudEntry)> = wanted.iter().enumerate().collect();
    order.sort_by_key(|(_, cloud)| cloud.entry.is_further);
    for (at, CloudEntry { name, entry, .. }) in order {
        let region = entry.settings.region();
        // If the configuration gives two names to one region, these are two sign-ins with secrets of their own.
        let fits = |known: &&mut AccountRegions<'_>| {
            let same = known.entry.cloud == entry.cloud && !known.regions.contains(&region);
            same && known.entry.settings.signs_in_as(&entry.settings)
        };
        if let Some(known) = made.iter_mut().find(fits) {
            known.regions.push(region);
            found.push((at, known.account.clone()));
            continue;
        }
        let shared = refused.iter().find(|(cloud, _)| *cloud == entry.cloud).map(|(_, shared)| shared.clone());
        let shared = shared.unwrap_or_default();
        refused.push((&entry.cloud, shared.clone()));
        let (vault, reach) = (around.vault.clone(), around.reach.clone());
        let account = Arc::new(Account::new(name.clone(), entry.settings.clone(), vault, reach, shared));
        found.push((at, account.clone()));
        made.push(AccountRegions { entry, regions: vec![region], account });
    }
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, account)| account).collect()
}

/// The clouds that the configuration names, then all others, each with a unique name.
fn clouds_to_show(config: &Config, parts: &mut Parts, known: Vec<Entry>) -> Result<Vec<CloudEntry>> {
    let written = parts.wanted::<CloudSettings>(config, "openstack", Vec::new)?;
    let mut wanted = Vec::new();
    // Each name stands for one entry: another entry with that name is another cloud.
    let mut named: Vec<usize> = Vec::new();
    for shared::AdapterEntry { name, origin, settings: CloudSettings { cloud, user } } in written {
        let cloud = if cloud.is_empty() { name.clone() } else { cloud };
        let called = |further: bool| known.iter().position(|entry| entry.name == cloud && entry.is_further == further);
        let Some(at) = called(false).or_else(|| called(true)) else {
            let names: Vec<&str> = known.iter().map(|entry| entry.name.as_str()).collect();
            let error = refused(config, &name, "cloud", &format!("no cloud is called '{cloud}' in clouds.yaml"));
            return Err(match names.as_slice() {
                [] => error
                    .hint("clouds.yaml has none: put it into ~/.config/openstack, or name it in OS_CLIENT_CONFIG_FILE"),
                names => error.hint(format!("write cloud = with the name of one of: {}", names.join(", "))),
            });
        };
        named.push(at);
        wanted.push(CloudEntry { name, origin, user, entry: known[at].clone() });
    }
    if !config.discover {
        return Ok(wanted);
    }
    let taken = config.sources.iter().chain(&config.backends).map(|written| written.name.clone());
    let taken = taken.chain(parts.sources.iter().map(|source| source.name.clone()));
    let taken: Vec<String> = taken.chain(parts.launchers.iter().map(|launcher| launcher.name().to_owned())).collect();
    let others = known.into_iter().enumerate().filter(|(at, _)| !named.contains(at)).map(|(_, entry)| entry);
    let others: Vec<Entry> = others.collect();
    let clouds: Vec<(&str, bool)> = others.iter().map(|entry| (entry.name.as_str(), entry.is_further)).collect();
    for (name, entry) in naming::unique_names(&clouds, &taken).into_iter().zip(others.clone()) {
        if name != entry.name {
            let found =
                format!("the cloud '{}' of {} is shown as '{name}'", clean::short(&entry.name, 60), entry.origin);
            parts.note("OpenStack clouds", State::Good, found, "its own name is another one's, or cannot be written");
        }
        wanted.push(CloudEntry { name, origin: entry.origin.clone(), user: None, entry });
    }
    Ok(wanted)
}
