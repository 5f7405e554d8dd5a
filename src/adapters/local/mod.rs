//! Launching without a daemon on an unpacked root file system, or on a SIF image or a prepared one that is mounted: in a
//! sandbox of namespaces (`bwrap`, else `unshare`), or behind gVisor's kernel (`runsc`), where the isolation `gvisor` is asked for.
//!
//! A launch is a folder in the state folder with what to run, its log and its exit code. A small keeper process
//! ([`keeper`](super::keeper)) outlives Wharf, and so does the workload.

mod bundle;
mod calls;
mod confine;
mod end;
mod enter;
mod first_process;
mod gvisor;
mod image_server;
mod inside;
mod keep;
mod kept;
mod launcher;
mod missing;
mod mounted;
mod mounts;
mod placing;
mod plan;
mod program;
mod reading;
mod rescue;
mod root;
mod run;
mod runtime;
mod sandbox_program;
mod sandboxed;
mod seal;
mod sealed;
mod sif_root;
mod sockets;
mod spec;
mod stop_request;
mod tied;
mod variables;
mod waiting;

use std::{ffi::OsString, path::PathBuf};

pub use self::{runtime::Sandboxes, sandbox_program::SandboxProgram, spec::WorkloadSpec};
use super::{
    keeper::{node::NodeRelation, usage::Measurements},
    parts::{Parts, Surroundings, refused},
    prepared::known::KnownStores,
    shared::{settings, settings::NameOnly},
};
use wharf_core::{
    base::error::Result,
    config::{Config, EntryKind},
    launch::plan::Workload,
};

/// Carries out this backend's inner verbs, which must start quickly; `None` for all other command lines.
pub fn inner(words: &[OsString]) -> Option<Result<u8>> {
    let [_, verb, rest @ ..] = words else { return None };
    match (verb.to_str()?, rest) {
        (spec::KEEP, [folder]) => Some(keep::keep(folder.as_ref()).map(|()| 0)),
        (run::VERB, [folder]) => Some(run::run(folder.as_ref(), None)),
        (run::VERB, [folder, place]) => Some(run::run(folder.as_ref(), Some(place.as_ref()))),
        ("__inside", [number]) => Some(first_process::enter(number.to_str().unwrap_or_default())),
        (enter::VERB, rest) => Some(enter::enter(rest)),
        (image_server::VERB, rest) => Some(image_server::serve(rest)),
        (tied::VERB, rest) => Some(tied::run(rest)),
        _ => None,
    }
}

/// The backend without a daemon.
pub struct Local {
    name: String,
    sandboxes: Sandboxes,
    workloads: PathBuf,
    roots: PathBuf,
    measurements: Measurements,
    prepared: KnownStores,
}

impl Local {
    /// A backend that keeps unpacked images in `cache` and workloads in `state`.
    pub fn new(cache: &std::path::Path, state: &std::path::Path, program: Option<SandboxProgram>) -> Self {
        Self {
            name: "local".to_owned(),
            sandboxes: Sandboxes::new(program).with_gvisor().with_mounts(),
            workloads: state.join("local"),
            roots: cache.join("roots"),
            measurements: Measurements::default(),
            prepared: KnownStores::default(),
        }
    }

    /// The same backend, which mounts images that are in one of these stores.
    #[must_use]
    pub fn with_prepared(self, prepared: KnownStores) -> Self {
        Self { prepared, ..self }
    }

    /// The same backend under another name.
    #[must_use]
    pub fn named(self, name: String) -> Self {
        Self { name, ..self }
    }
}

/// A workload that is kept in a folder.
struct KeptWorkload {
    folder: PathBuf,
    spec: WorkloadSpec,
    workload: Workload,
    pid: Option<u32>,
    stands: NodeRelation,
}

/// How a configuration's entry for this machine as a backend is read: it has only a name.
pub const KIND: EntryKind = EntryKind::backend(settings::hosts::<NameOnly>);

/// Registers the backend under its configured name, and the runtime with which other backends run sandboxes.
pub fn register(config: &Config, around: &Surroundings, parts: &mut Parts) -> Result<()> {
    let wanted = parts.wanted::<NameOnly>(config, "local", Vec::new)?;
    if let [first, second, ..] = wanted.as_slice() {
        let why = format!("this machine is the backend '{}' already", first.name);
        return Err(refused(config, &second.name, "type", &why)
            .hint("leave one entry of this type; an entry of yours with the name of the site's replaces it"));
    }
    let name = wanted.into_iter().next().map_or_else(|| "local".to_owned(), |wanted| wanted.name);
    let (cache, state) = (&around.cache_dir, &around.state_dir);
    let program = SandboxProgram::find();
    let local = Local::new(cache, state, program).with_prepared(around.prepared.clone()).named(name);
    parts.launchers.push(std::sync::Arc::new(local));
    parts.runtimes.push(std::sync::Arc::new(Sandboxes::new(program)));
    Ok(())
}
