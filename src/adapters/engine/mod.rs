//! Docker and Podman through their common API (bollard): local images, and launching them.

mod catalog;
mod chosen;
mod connection;
mod content;
mod discover;
mod ended;
mod events;
mod launcher;
mod life;
mod memory;
mod plan;
mod resize;
mod runtimes;
mod sample;
mod service;
mod terminal;
mod upkeep;
mod usage;

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use bollard::{Docker, errors::Error as EngineError};
use serde::Deserialize;
use tokio::sync::OnceCell;

use super::{
    formats::archive::Contents,
    parts::{Parts, Surroundings},
    shared::{
        http,
        samples::Samples,
        settings::{self, AdapterEntry},
    },
};
use wharf_core::{
    base::{
        clean,
        error::{Error, Kind, Result},
    },
    config::{Config, EntryKind as ConfigKind},
    image::{manifest::RawManifest, reference::ImageRef},
    portal::{Abilities, Copies, Source, doctor::State},
    ports::Launcher,
};

use connection::{Connection, Settings};
use discover::discover;
use runtimes::{EngineRuntime, RuntimeAnswer};
use service::Service;

/// An engine: a source of images and a backend.
pub struct Engine {
    name: String,
    address: String,
    staging: PathBuf,
    config: AdapterEntry<Settings>,
    connection: Arc<OnceCell<Connection>>,
    /// Its service, if that is started when it is needed.
    service: Option<Arc<Service>>,
    facts: OnceCell<Facts>,
    samples: Samples<sample::Sample>,
    /// Whether the figures of a container are its own, by its id; asked only where a runtime has none.
    counted: Mutex<HashMap<String, bool>>,
    /// How containers that were killed have ended, by their id.
    used_up: Mutex<HashMap<String, ended::KnownEnd>>,
    incoming: Mutex<HashMap<ImageRef, Vec<RawManifest>>>,
    /// Images that were exported and scanned, by image id.
    exports: Mutex<HashMap<String, Arc<Contents>>>,
}

/// The facts about an engine that decide how images are launched.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The version as the engine names it, like `20.10.24`.
    pub version: String,
    /// Whether it is Podman; else Docker.
    pub podman: bool,
    /// Whether it runs as an ordinary user.
    pub rootless: bool,
    /// Whether root in a container is no user outside, although the engine runs as root.
    pub remapped: bool,
    /// Whether it can set limits: memory, processes, processors.
    pub limits: (bool, bool, bool),
    /// Bytes of memory of its host.
    pub memory: Option<u64>,
    /// Processors of its host.
    pub processors: Option<u64>,
    /// The runtimes with which it starts containers, the default one first.
    pub runtimes: Vec<EngineRuntime>,
}

impl Facts {
    /// Whether the people who may use the engine have root rights on its host.
    pub fn is_privileged(&self) -> bool {
        !self.rootless && !self.remapped
    }
}

/// What an engine says about itself (`GET /info`); it may leave out any field.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Info {
    security_options: Option<Vec<String>>,
    /// Only Podman has this field, which says that it runs as an ordinary user.
    rootless: Option<bool>,
    cgroup_version: Option<String>,
    memory_limit: Option<bool>,
    pids_limit: Option<bool>,
    cpu_cfs_quota: Option<bool>,
    server_version: Option<String>,
    mem_total: Option<i64>,
    #[serde(rename = "NCPU")]
    processors: Option<i64>,
    runtimes: Option<BTreeMap<String, RuntimeAnswer>>,
    default_runtime: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Version {
    version: Option<String>,
    components: Option<Vec<Component>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Component {
    name: Option<String>,
}

fn facts_from(info: Info, version: Version) -> Facts {
    let is_podman = |part: &Component| part.name.as_deref().unwrap_or_default().to_lowercase().contains("podman");
    let podman = version.components.iter().flatten().any(is_podman);
    let has = |word: &str| {
        info.security_options
            .iter()
            .flatten()
            .flat_map(|option| option.split(','))
            .any(|part| part.trim().strip_prefix("name=").unwrap_or(part.trim()) == word)
    };
    let rootless = info.rootless == Some(true) || has("rootless");
    // Rootless engines on cgroup v1 accept limits but cannot set them.
    let limited =
        !(rootless && info.cgroup_version.as_deref().is_some_and(|version| version.trim_start_matches('v') == "1"));
    let can = |said: Option<bool>| limited && said.unwrap_or(true);
    let count = |said: Option<i64>| said.and_then(|count| u64::try_from(count).ok()).filter(|count| *count > 0);
    let said = info.server_version.or(version.version).unwrap_or_default();
    Facts {
        version: format!("{} {}", if podman { "Podman" } else { "Docker" }, clean::short(&said, 40)),
        podman,
        rootless,
        remapped: has("userns"),
        limits: (can(info.memory_limit), can(info.pids_limit), can(info.cpu_cfs_quota)),
        memory: count(info.mem_total),
        processors: count(info.processors),
        runtimes: runtimes::offered(info.runtimes, info.default_runtime.as_deref(), |file| {
            !podman || runtimes::is_here(file)
        }),
    }
}

/// The source and the launcher of an engine.
fn source(config: &AdapterEntry<Settings>, around: &Surroundings) -> (Source, Arc<dyn Launcher>) {
    let engine = Arc::new(Engine {
        name: config.name.clone(),
        address: config.settings.url.clone(),
        staging: around.cache_dir.join("engine").join(&config.name),
        config: config.clone(),
        connection: Arc::default(),
        service: Service::of(config).map(Arc::new),
        facts: OnceCell::new(),
        samples: Samples::default(),
        counted: Mutex::default(),
        used_up: Mutex::default(),
        incoming: Mutex::default(),
        exports: Mutex::default(),
    });
    let source = Source {
        name: config.name.clone(),
        adapter: "engine",
        address: config.settings.url.clone(),
        origin: config.origin.clone(),
        user: None,
        abilities: Abilities { copies: Copies::Engine, is_local: true, ..Abilities::default() },
        catalog: engine.clone(),
        content: Some(engine.clone()),
        sharer: None,
        disks: None,
        upkeep: Some(engine.clone()),
    };
    (source, engine)
}

impl Engine {
    async fn docker(&self) -> Result<&Docker> {
        Ok(&self.connection().await?.docker)
    }

    async fn connection(&self) -> Result<&Connection> {
        if let Some(service) = &self.service {
            service.ready().await?;
        }
        self.connection.get_or_try_init(|| Connection::open(&self.config)).await
    }

    async fn facts(&self) -> Result<&Facts> {
        self.facts
            .get_or_try_init(|| async {
                let what = format!("ask {}", self.name);
                let info: Info = self.read("/info", &what).await?;
                let version: Version = self.read("/version", &what).await?;
                Ok(facts_from(info, version))
            })
            .await
    }

    async fn read<T: serde::de::DeserializeOwned>(&self, path: &str, what: &str) -> Result<T> {
        self.connection().await?.read(path, what).await
    }

    /// An error of the client library as an error of Wharf.
    fn library_error(&self, what: &str, error: &EngineError) -> Error {
        match error {
            EngineError::DockerResponseServerError { status_code, message } => {
                let message = clean::short(message.trim(), 300);
                match status_code {
                    404 => Error::not_found(what, message),
                    403 => Error::new(Kind::NotAllowed, what, message),
                    409 => Error::failed(what, message),
                    500 if message.contains("no such image") || message.contains("image not known") => {
                        Error::not_found(what, message)
                    }
                    500 if ["unauthorized", "authentication required", "requested access to the resource"]
                        .iter()
                        .any(|words| message.contains(words)) =>
                    {
                        Error::new(Kind::NotAllowed, what, message).hint("sign in to the registry with 'wharf login'")
                    }
                    _ => Error::failed(what, message),
                }
            }
            EngineError::DockerStreamError { error } => Error::failed(what, clean::short(error, 300)),
            EngineError::RequestTimeoutError => wharf_core::base::context::timed_out(what, Duration::from_secs(120)),
            other => connection::no_answer(&self.config, what, &http::causes(other)),
        }
    }
}

/// How a configuration's entries for engines are read: each is a source and a backend.
pub const KIND: ConfigKind = ConfigKind::both(settings::hosts::<Settings>);

/// Registers the engines of the configuration, the environment, Docker contexts and usual sockets.
pub fn register(config: &Config, around: &Surroundings, parts: &mut Parts) -> Result<()> {
    let wanted = parts.wanted(config, "engine", || discover(&around.state_dir))?;
    // Each discovered engine reports whether the person may use it.
    if wanted.is_empty() {
        parts.note(
            "container engines",
            State::Caution,
            "no socket found",
            "start one: 'systemctl --user start podman.socket', or set DOCKER_HOST",
        );
    }
    for written in wanted {
        let (source, launcher) = source(&written, around);
        parts.sources.push(source);
        parts.launchers.push(launcher);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(info: &str) -> Facts {
        facts_from(serde_json::from_str(info).unwrap(), Version::default())
    }

    #[test]
    fn an_engine_is_rootless_where_it_says_so_in_either_way() {
        // Podman has a field for it; Docker lists it among its security options, with or without "name=".
        for info in [
            r#"{"Rootless": true, "SecurityOptions": ["name=seccomp,profile=default"]}"#,
            r#"{"SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless", "name=cgroupns"]}"#,
            r#"{"SecurityOptions": ["rootless"]}"#,
        ] {
            assert!(facts(info).rootless, "{info}");
        }
        for info in [
            r#"{"Rootless": false, "SecurityOptions": null}"#,
            r#"{"SecurityOptions": ["name=seccomp,profile=/etc/rootless.json"]}"#,
            r#"{"Rootless": null}"#,
            "{}",
        ] {
            assert!(!facts(info).rootless, "{info}");
        }
        let old = facts(r#"{"Rootless": true, "CgroupVersion": "v1", "MemoryLimit": true}"#);
        assert_eq!(old.limits, (false, false, false));
    }
}
