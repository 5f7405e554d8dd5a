//! Images as jobs of a Slurm cluster, by its commands.
//!
//! A launch is a folder on the file system that the nodes share: the runtime prepares the image there once, and a batch
//! script starts it. The script is the whole plan, and names the launch in its path and its comment, by which a launch
//! that was interrupted finds its job again.

mod array;
mod check;
mod commands;
mod folder;
mod form;
mod job;
mod jobs;
mod launcher;
mod list;
mod log;
mod partitions;
mod queue;
mod reasons;
mod script;
mod settings;
mod site;
mod submit;
mod usage;

use std::{path::Path, sync::Arc, time::Duration};

pub use self::settings::Settings;
use self::{commands::Commands, folder::Root, list::Lists, site::Facts, usage::Samples};
use super::{
    parts::{Parts, Surroundings},
    shared::{exec, settings as shared_settings, settings::Wanted},
};
use wharf_core::{
    base::error::{Error, Result},
    config::{Config, Kind},
    image::model::Image,
    portal::doctor::State,
    ports::{Launcher, Runtime},
};

/// One Slurm cluster.
pub struct Slurm {
    name: String,
    commands: Commands,
    root: Root,
    runtimes: Vec<Arc<dyn Runtime>>,
    facts: Facts,
    lists: Lists,
    samples: Samples,
}

impl Slurm {
    /// The cluster of these settings, on which images are started by the first of these runtimes that takes them.
    /// `state` is where launches are kept if the settings name no folder. Contacts nobody.
    pub fn new(wanted: &Wanted<Settings>, state: &Path, runtimes: Vec<Arc<dyn Runtime>>) -> Self {
        let settings = &wanted.settings;
        let root = settings.folder.clone().unwrap_or_else(|| state.join("slurm").join(&wanted.name));
        Self {
            name: wanted.name.clone(),
            commands: Commands { bin: settings.bin.clone(), conf: settings.conf.clone() },
            root: Root(root),
            runtimes,
            facts: Facts::default(),
            lists: Lists::new(Duration::from_secs(settings.pace())),
            samples: Samples::default(),
        }
    }

    /// The cluster as a backend.
    pub fn into_launcher(self) -> Arc<dyn Launcher> {
        Arc::new(launcher::Cluster(Arc::new(self)))
    }

    /// The runtime that starts this image.
    ///
    /// # Errors
    /// `Unsupported` with the reason of the first, where none takes it.
    fn runtime(&self, image: &Image) -> Result<&Arc<dyn Runtime>> {
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
    fn runtime_called(&self, name: &str, what: &str) -> Result<&Arc<dyn Runtime>> {
        self.runtimes.iter().find(|runtime| runtime.name() == name).ok_or_else(|| {
            Error::unsupported(what, format!("the runtime '{name}', with which this was planned, is not here"))
                .hint("plan the launch again")
        })
    }
}

/// How a configuration's entries for clusters are read.
pub const KIND: Kind = Kind::backend(shared_settings::hosts::<Settings>);

/// Registers the clusters of the configuration, and the one that this machine's commands speak to. It is looked for by
/// its configuration: without one, the commands may wait for a minute.
pub fn register(config: &Config, around: &Surroundings, parts: &mut Parts) -> Result<()> {
    for wanted in parts.wanted(config, "slurm", discover)? {
        let mut runtimes = parts.runtimes.clone();
        if let Some(name) = &wanted.settings.runtime {
            runtimes.retain(|runtime| runtime.name() == name);
            if runtimes.is_empty() {
                let known = parts.runtimes.iter().map(|runtime| runtime.name()).collect::<Vec<_>>().join(", ");
                let what = format!("{}: backend '{}'", wanted.origin, wanted.name);
                return Err(
                    Error::usage(what, format!("there is no runtime '{name}'")).hint(format!("runtimes here: {known}"))
                );
            }
        }
        if let Some(conf) = wanted.settings.conf.as_ref().filter(|conf| !conf.is_file()) {
            let found = format!("its configuration {} is not there", conf.display());
            parts.note(&wanted.name, State::Caution, found, "correct SLURM_CONF, or conf of this backend");
            continue;
        }
        parts.launchers.push(Slurm::new(&wanted, &around.state_dir, runtimes).into_launcher());
    }
    Ok(())
}

/// The cluster that this machine's commands speak to, if they are here and have a configuration.
fn discover() -> Vec<Wanted<Settings>> {
    let commands = ["sbatch", "squeue"].iter().all(|program| exec::on_path(program).is_some());
    let Some(conf) = settings::configuration().filter(|conf| commands && conf.is_file()) else { return Vec::new() };
    let origin = format!("Slurm's commands and {}", conf.display());
    let settings = Settings { conf: Some(conf), ..Settings::default() };
    vec![Wanted { name: "slurm".into(), origin, settings }]
}
