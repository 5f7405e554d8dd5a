//! Launching without any daemon: `bwrap`, else `unshare`, on an unpacked root file system.
//!
//! A launch is a folder below the state folder: what to run, its log, its exit code. A small keeper
//! process (`keep`) outlives Wharf, so a workload does too.

mod below;
mod calls;
mod confine;
mod enter;
mod inside;
mod keep;
mod launcher;
mod log;
mod mounts;
mod node;
mod people;
mod plan;
mod processes;
mod program;
mod root;
mod seal;
mod sealed;
mod sockets;
pub mod unpack;

use std::{ffi::OsString, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::{
    parts::{Parts, Surroundings},
    shared::{exec, settings},
};
use crate::core::{
    base::error::{Error, Result},
    config::{Config, Kind},
    image::model::Foreign,
    launch::plan::Workload,
};

/// Which program makes the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Runtime {
    /// Bubblewrap.
    Bwrap,
    /// util-linux `unshare`.
    Unshare,
}

impl Runtime {
    /// The best one on the path.
    pub fn find() -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        // One that is marked to run as root gives nobody rights over their own sandbox.
        let plain = |file: std::path::PathBuf| file.metadata().is_ok_and(|meta| meta.mode() & 0o4000 == 0);
        if exec::on_path("bwrap").is_some_and(plain) {
            Some(Self::Bwrap)
        } else {
            exec::on_path("unshare").map(|_| Self::Unshare)
        }
    }

    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Bwrap => "bwrap",
            Self::Unshare => "unshare",
        }
    }
}

/// The inner calls of this backend, which come before everything else: they must stay small and quick. `None` is any other call.
pub fn inner(words: &[OsString]) -> Option<Result<u8>> {
    let [_, verb, rest @ ..] = words else { return None };
    match (verb.to_str()?, rest) {
        ("__keep", [folder]) => Some(keep::keep(folder.as_ref()).map(|()| 0)),
        ("__inside", [number]) => Some(inside::enter(number.to_str().unwrap_or_default())),
        (enter::VERB, rest) => Some(enter::enter(rest)),
        _ => None,
    }
}

/// The daemonless backend.
pub struct Local {
    name: String,
    runtime: Option<Runtime>,
    workloads: PathBuf,
    roots: PathBuf,
    samples: std::sync::Mutex<std::collections::HashMap<String, (u64, std::time::Instant)>>,
}

impl Local {
    /// A backend that keeps unpacked roots in `cache` and workloads in `state`.
    pub fn new(cache: &std::path::Path, state: &std::path::Path, runtime: Option<Runtime>) -> Self {
        Self {
            name: "local".to_owned(),
            runtime,
            workloads: state.join("local"),
            roots: cache.join("roots"),
            samples: std::sync::Mutex::default(),
        }
    }

    /// The same under another name.
    #[must_use]
    pub fn named(self, name: String) -> Self {
        Self { name, ..self }
    }
}

/// What is written down for a workload, and all the keeper needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// Which program makes the sandbox.
    pub runtime: Runtime,
    /// How it is called, in words of the plan; the keeper calls it with what is known by then.
    pub argv: Vec<String>,
    /// What the inside looks like.
    pub inside: inside::Inside,
    /// User and group as the image names them.
    pub user: Foreign,
    /// Who that is, once the image is unpacked.
    pub who: Option<people::Who>,
    /// Bytes of memory a single process may use; 0 for no limit.
    pub memory: u64,
    /// Processors it may use; 0 for no limit.
    pub processors: u64,
    /// Processes it may add to those of its user; 0 for no limit.
    pub processes: u64,
    /// How it is listed.
    pub name: String,
    /// As named by the person.
    pub reference: String,
    /// What was pinned.
    pub digest: String,
    /// The launch's idempotency key.
    pub key: String,
    /// Seconds since 1970.
    pub created: i64,
    /// Where it runs.
    #[serde(default)]
    pub node: node::Node,
}

/// A sandbox that is listed.
struct Kept {
    folder: PathBuf,
    spec: Spec,
    workload: Workload,
    pid: Option<u32>,
    stands: node::Stands,
}

/// What a configuration may write of this machine as a backend: nothing but its name.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {}

impl settings::Settings for Settings {
    fn address(&self) -> &'static str {
        ""
    }
}

/// What a configuration may write of it.
pub const KIND: Kind = Kind::backend(settings::hosts::<Settings>);

/// The daemonless backend, under the name that the configuration gives it.
pub fn register(config: &Config, around: &Surroundings, parts: &mut Parts) -> Result<()> {
    let wanted = parts.wanted::<Settings>(config, "local", Vec::new)?;
    if let [first, second, ..] = wanted.as_slice() {
        let why = format!("this machine is the backend '{}' already", first.name);
        return Err(Error::usage(format!("{}: backend '{}'", second.origin, second.name), why)
            .hint("leave one entry of this type, or give both one name"));
    }
    let name = wanted.into_iter().next().map_or_else(|| "local".to_owned(), |wanted| wanted.name);
    let (cache, state) = (&around.cache_dir, &around.state_dir);
    parts.launchers.push(std::sync::Arc::new(Local::new(cache, state, Runtime::find()).named(name)));
    Ok(())
}
