//! Images as jobs of a Slurm cluster: by its commands, or where there are none, by slurmrestd.
//!
//! A launch is a folder on the file system that the nodes share: the runtime prepares the image there once, and a batch
//! script starts it. The script is the whole plan, and names the launch in its path and its comment, by which a launch
//! that was interrupted finds its job again.

mod array;
mod ask;
mod check;
mod cluster;
mod commands;
mod facts;
mod facts_file;
mod folder;
mod form;
mod inside;
mod job;
mod jobs;
mod kept;
mod kept_facts;
mod launcher;
mod list;
mod lists;
mod log;
mod own_lines;
mod partitions;
mod plan;
mod queue;
mod reasons;
mod rest;
mod script;
mod settings;
mod site;
mod submit;
mod tasks;
mod usage;

pub use self::{cluster::Slurm, settings::Settings};
use super::{
    parts::{Parts, Surroundings},
    shared::{exec, settings as shared_settings, settings::AdapterEntry},
};
use wharf_core::{
    base::error::{Error, Result},
    config::{Config, EntryKind},
    portal::doctor::State,
};

/// How a configuration's entries for clusters are read.
pub const KIND: EntryKind = EntryKind::backend(shared_settings::hosts::<Settings>);

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
        let cluster = Slurm::new(&wanted, &around.state_dir, runtimes).keeping_facts(&wanted, &around.cache_dir);
        around.prepared.add(cluster.store(&wanted.settings));
        parts.launchers.push(cluster.into_launcher());
    }
    Ok(())
}

/// The cluster that this machine's commands speak to, if they are here and have a configuration.
fn discover() -> Vec<AdapterEntry<Settings>> {
    let commands = ["sbatch", "squeue"].iter().all(|program| exec::on_path(program).is_some());
    let Some(conf) = settings::configuration().filter(|conf| commands && conf.is_file()) else { return Vec::new() };
    let origin = format!("Slurm's commands and {}", conf.display());
    let settings = Settings { conf: Some(conf), ..Settings::default() };
    vec![AdapterEntry { name: "slurm".into(), origin, settings }]
}
