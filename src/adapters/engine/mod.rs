//! Docker and Podman through their common interface (bollard): local images, and launching them.

mod catalog;
mod content;
mod discover;
mod launcher;
mod life;
mod plan;
mod terminal;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use bollard::{API_DEFAULT_VERSION, Docker, errors::Error as EngineError};
use tokio::sync::OnceCell;

use crate::{
    adapters::{Parts, Surroundings, archive::Contents, http},
    core::{
        clean,
        config::{Config, SourceConfig},
        doctor::State,
        error::{Error, Kind, Result},
        launch::Usage,
        manifest::RawManifest,
        portal::Source,
        ports::Launcher,
        reference::ImageRef,
    },
};

use discover::discover;

/// One engine at one socket.
pub struct Engine {
    name: String,
    address: String,
    staging: PathBuf,
    docker: OnceCell<Docker>,
    facts: OnceCell<Facts>,
    samples: Mutex<HashMap<String, (u64, std::time::Instant)>>,
    incoming: Mutex<HashMap<ImageRef, Vec<RawManifest>>>,
    /// Exported images by id, scanned.
    exports: Mutex<HashMap<String, Arc<Contents>>>,
}

/// What an engine says of itself, as far as it decides how things are launched.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// `Docker 20.10.24` and the like.
    pub version: String,
    /// Podman rather than Docker.
    pub podman: bool,
    /// Runs as an ordinary user.
    pub rootless: bool,
    /// Root inside is nobody outside, although the engine runs as root.
    pub remapped: bool,
    /// Which limits it can set: memory, processes, processor share.
    pub limits: (bool, bool, bool),
}

/// The source and the launcher of one engine.
pub fn source(config: &SourceConfig, around: &Surroundings) -> (Source, Arc<dyn Launcher>) {
    let engine = Arc::new(Engine {
        name: config.name.clone(),
        address: config.url.clone(),
        staging: around.cache_dir.join("engine").join(&config.name),
        docker: OnceCell::new(),
        facts: OnceCell::new(),
        samples: Mutex::default(),
        incoming: Mutex::default(),
        exports: Mutex::default(),
    });
    let source = Source {
        name: config.name.clone(),
        adapter: "engine",
        address: config.url.clone(),
        origin: config.origin.clone(),
        catalog: engine.clone(),
        content: Some(engine.clone()),
        sharer: None,
        disks: None,
    };
    (source, engine)
}

impl Engine {
    async fn docker(&self) -> Result<&Docker> {
        self.docker
            .get_or_try_init(|| async {
                let what = format!("connect to {}", self.name);
                let address = self.address.as_str();
                // The timeout is bollard's for one answer; streams are bounded by whoever reads them.
                let connected = match address.split_once("://") {
                    Some(("unix", path)) => Docker::connect_with_unix(path, 120, API_DEFAULT_VERSION),
                    Some(("tcp" | "http", host)) => Docker::connect_with_http(host, 120, API_DEFAULT_VERSION),
                    Some(("https", _)) => Docker::connect_with_ssl_defaults(),
                    Some(("ssh", host)) => {
                        return Err(Error::unsupported(what, "engines behind ssh are not reached directly")
                            .hint(format!("forward the socket: ssh -nNT -L /tmp/engine.sock:/var/run/docker.sock {host}, then use unix:///tmp/engine.sock")));
                    }
                    _ => Docker::connect_with_unix(address, 120, API_DEFAULT_VERSION),
                };
                let docker = connected.map_err(|error| self.words(&what, &error))?;
                let negotiated = tokio::time::timeout(Duration::from_secs(5), docker.negotiate_version());
                match negotiated.await {
                    Ok(docker) => docker.map_err(|error| self.words(&what, &error)),
                    Err(_) => Err(crate::core::progress::timed_out(&what, Duration::from_secs(5))),
                }
            })
            .await
    }

    async fn facts(&self) -> Result<&Facts> {
        self.facts
            .get_or_try_init(|| async {
                let what = format!("ask {}", self.name);
                let docker = self.docker().await?;
                let info = docker.info().await.map_err(|error| self.words(&what, &error))?;
                let version = docker.version().await.map_err(|error| self.words(&what, &error))?;
                let podman =
                    version.components.iter().flatten().any(|part| part.name.to_lowercase().contains("podman"));
                let options = info.security_options.unwrap_or_default();
                let has = |word: &str| options.iter().any(|option| option.contains(word));
                let rootless = has("rootless");
                // Rootless engines on cgroup v1 accept limits and then fail to set them.
                let limited = !(rootless && info.cgroup_version.is_some_and(|version| version.to_string() == "1"));
                let can = |said: Option<bool>| limited && said.unwrap_or(true);
                Ok(Facts {
                    version: format!(
                        "{} {}",
                        if podman { "Podman" } else { "Docker" },
                        clean::short(&info.server_version.or(version.version).unwrap_or_default(), 40)
                    ),
                    podman,
                    rootless,
                    remapped: has("userns"),
                    limits: (can(info.memory_limit), can(info.pids_limit), can(info.cpu_cfs_quota)),
                })
            })
            .await
    }

    /// Reads an answer ourselves. bollard refuses a whole list when one word in it is new to it
    /// (Podman says `stopped`, `configured`, …); here every field is optional and every word a text.
    async fn read<T: serde::de::DeserializeOwned>(&self, path: &str, what: &str) -> Result<T> {
        let address = self.address.as_str();
        let local = |socket: &str| http::local_client(Path::new(socket), what);
        let answer = match address.split_once("://") {
            Some(("tcp" | "http", host)) => {
                let (tls, reach) = (http::Tls::default(), http::Reach::default());
                let server = http::Server::at(&format!("http://{host}"), tls, reach, what)?;
                server.get(&server.place(&format!("v1.40{path}"))?)?.send(what).await
            }
            other => {
                let client = local(other.map_or(address, |(_, socket)| socket))?;
                let answer = client.get(format!("http://engine/v1.40{path}")).send().await;
                answer.map_err(|error| http::no_answer(what, &error))
            }
        };
        let response = answer.map_err(|error| {
            Error::new(error.kind, what, format!("nothing answers at {address}"))
                .hint(format!("start {}, or remove it from the configuration", self.name))
        })?;
        let status = response.status();
        if !status.is_success() {
            return Err(http::refused(what, status, ""));
        }
        http::json(response, what).await
    }

    /// An engine's error in our words.
    fn words(&self, what: &str, error: &EngineError) -> Error {
        let name = &self.name;
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
            EngineError::RequestTimeoutError => crate::core::progress::timed_out(what, Duration::from_secs(120)),
            other => {
                let text = format!("{other:?} {other}").to_lowercase();
                let address = &self.address;
                if text.contains("permission denied") {
                    Error::new(Kind::NotAllowed, what, format!("you may not use the socket {address}")).hint(
                        "join the engine's group (which is root on this host, in effect) or use a rootless engine",
                    )
                } else if text.contains("no such file")
                    || text.contains("notfound")
                    || text.contains("connection refused")
                {
                    Error::new(Kind::Unavailable, what, format!("nothing answers at {address}"))
                        .hint(format!("start {name}, or remove it from the configuration"))
                } else {
                    Error::new(Kind::Unavailable, what, clean::short(&other.to_string(), 200))
                        .hint(format!("check that {name} runs"))
                }
            }
        }
    }

    /// Keeps one processor sample and gives the share used since the last one.
    fn cpu_percent(&self, id: &str, total: u64, mut usage: Usage) -> Usage {
        let now = std::time::Instant::now();
        let mut samples = self.samples.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((before, then)) = samples.insert(id.to_owned(), (total, now)) {
            let nanoseconds = now.duration_since(then).as_nanos() as f64;
            if nanoseconds > 0.0 {
                usage.cpu_percent = total.saturating_sub(before) as f64 / nanoseconds * 100.0;
            }
        }
        usage
    }
}

/// Engines from the configuration, the environment, contexts and sockets.
pub fn register(config: &Config, around: &Surroundings, parts: &mut Parts) -> Result<()> {
    let wanted = parts.wanted(config, "engine", discover);
    // Each that is there says by itself whether one may use it.
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
