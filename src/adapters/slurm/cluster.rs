//! One cluster: its commands, its folder, and what is kept of its answers.

use std::{path::Path, sync::Arc, time::Duration};

use super::{
    commands::Commands, folder::Root, lists::Lists, rest::Rest, settings::Settings, site::Facts, usage::Samples,
};
use crate::shared::settings::AdapterEntry;
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
    pub(super) rest: Option<Rest>,
    pub(super) root: Root,
    pub(super) runtimes: Vec<Arc<dyn Runtime>>,
    pub(super) facts: Facts,
    pub(super) lists: Lists,
    pub(super) samples: Samples,
}

impl Slurm {
    /// The cluster of these settings, on which images are started by the first of these runtimes that takes them.
    /// `state` is where launches are kept if the settings name no folder. Contacts nobody.
    pub fn new(wanted: &AdapterEntry<Settings>, state: &Path, runtimes: Vec<Arc<dyn Runtime>>) -> Self {
        let settings = &wanted.settings;
        let root = settings.folder.clone().unwrap_or_else(|| state.join("slurm").join(&wanted.name));
        Self {
            name: wanted.name.clone(),
            commands: Commands { bin: settings.bin.clone(), conf: settings.conf.clone() },
            rest: settings.rest().map(Rest::new),
            root: Root(root),
            runtimes,
            facts: Facts::default(),
            lists: Lists::new(Duration::from_secs(settings.pace())),
            samples: Samples::default(),
        }
    }

    /// The runtime that starts this image.
    ///
    /// # Errors
    /// `Unsupported` with the reason of the first, where none takes it.
    pub(super) fn runtime(&self, image: &Image) -> Result<&Arc<dyn Runtime>> {
        let mut first = None;
        for runtime in &self.runtimes {
            match runtime.accepts(image) {
                Ok(()) => return Ok(runtime),
                Err(error) => first = first.or(Some(error)),
            }
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
