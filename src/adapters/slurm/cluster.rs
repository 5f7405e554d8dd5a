//! One cluster: its commands, its folder, and what is kept of its answers.

use std::{path::Path, sync::Arc, time::Duration};

use super::{
    ask::Questions, commands::Commands, facts::Facts, facts_file::FactsFile, folder::Root, inside::Offer, lists::Lists,
    rest::Rest, settings::Settings, usage::Samples,
};
use crate::{prepared::Store, shared::settings::AdapterEntry};
use wharf_core::{
    base::error::{Error, Result},
    image::model::Image,
    ports::Runtime,
};

/// One Slurm cluster.
pub struct Slurm {
    pub(super) name: String,
    pub(super) commands: Commands,
    /// What is asked in place of the commands, where there are none.
    pub(super) rest: Option<Arc<Rest>>,
    pub(super) root: Root,
    pub(super) runtimes: Vec<Arc<dyn Runtime>>,
    pub(super) facts: Arc<Facts>,
    pub(super) lists: Lists,
    pub(super) samples: Samples,
}

impl Slurm {
    /// The cluster of these settings, on which images are started by these runtimes: by default by the first that takes them.
    /// `state` is where launches are kept if the settings name no folder. Contacts nobody.
    pub fn new(wanted: &AdapterEntry<Settings>, state: &Path, runtimes: Vec<Arc<dyn Runtime>>) -> Self {
        let settings = &wanted.settings;
        let with_store = |runtime: Arc<dyn Runtime>| {
            let site = settings.prepared.as_deref();
            site.and_then(|site| runtime.with_site_store(site)).unwrap_or(runtime)
        };
        let runtimes = runtimes.into_iter().map(with_store).collect();
        let root = settings.folder.clone().unwrap_or_else(|| state.join("slurm").join(&wanted.name));
        let commands = Commands { bin: settings.bin.clone(), conf: settings.conf.clone() };
        let rest = settings.rest().map(|address| Arc::new(Rest::new(address)));
        let questions = Questions { commands: commands.clone(), rest: rest.clone() };
        Self {
            name: wanted.name.clone(),
            commands,
            rest,
            root: Root(root),
            runtimes,
            facts: Arc::new(Facts::new(questions, None)),
            lists: Lists::new(Duration::from_secs(settings.pace())),
            samples: Samples::default(),
        }
    }

    /// The same cluster, whose facts are kept below `cache` for other processes of this person.
    #[must_use]
    pub(super) fn keeping_facts(self, wanted: &AdapterEntry<Settings>, cache: &Path) -> Self {
        let settings = &wanted.settings;
        let address = settings.rest().map_or_else(
            || format!("{:?} {:?}", settings.bin, settings.conf),
            |rest| format!("{rest} as {}", rest.user()),
        );
        let user = whoami::username().unwrap_or_default();
        let file = FactsFile::new(&cache.join("slurm"), &wanted.name, &address, &user, settings.conf.as_deref());
        let questions = Questions { commands: self.commands.clone(), rest: self.rest.clone() };
        Self { facts: Arc::new(Facts::new(questions, Some(file))), ..self }
    }

    /// Where its images are prepared.
    pub(super) fn store(&self, settings: &Settings) -> Store {
        Store { own: self.root.images(), site: settings.prepared.clone() }
    }

    /// What the runtimes that take this image ask, the preferred one first; there is at least one.
    ///
    /// # Errors
    /// `Unsupported` with the reason of the first, where none takes it.
    pub(super) fn offers(&self, image: &Image) -> Result<Vec<Offer>> {
        let (mut offers, mut first) = (Vec::new(), None);
        for runtime in &self.runtimes {
            match runtime.accepts(image) {
                Ok(()) => {
                    offers.push(Offer { name: runtime.name().to_owned(), sections: runtime.questions(image) });
                }
                Err(error) => first = first.or(Some(error)),
            }
        }
        if !offers.is_empty() {
            return Ok(offers);
        }
        let what = format!("launch {} on {}", image.reference, self.name);
        Err(first.map_or_else(
            || Error::unsupported(&what, "no runtime here starts images in a job").hint("install bubblewrap"),
            |error| error.during(&what),
        ))
    }

    /// The runtime of this name.
    ///
    /// # Errors
    /// `Unsupported` where it is not here any more.
    pub(super) fn runtime_called(&self, name: &str, what: &str) -> Result<&Arc<dyn Runtime>> {
        self.runtimes.iter().find(|runtime| runtime.name() == name).ok_or_else(|| {
            Error::unsupported(what, format!("the runtime '{name}', with which this was planned, is not here"))
                .hint("plan the launch again")
        })
    }
}
