//! The connection to one engine: its address, its TLS settings, and the API version that both sides support.

use std::{path::PathBuf, time::Duration};

use bollard::{API_DEFAULT_VERSION, BollardRequest, ClientVersion, Docker, errors::Error as EngineError};
use serde::{Deserialize, de::DeserializeOwned};

use crate::shared::{
    http,
    settings::{self, AdapterEntry, Identity},
};
use wharf_core::{
    base::{
        clean,
        error::{Error, Kind, Result},
    },
    config::ConfigEntry,
    ports::ByteStream,
};

/// How long an engine may take to tell its API version.
const FIRST: Duration = Duration::from_secs(5);
/// bollard's time limit for an answer, in seconds; streams have their readers' own limits.
const ANSWER: u64 = 120;
/// The oldest API version that is supported: Docker 19.03, Podman 3.
const OLDEST: ClientVersion = ClientVersion { major_version: 1, minor_version: 40 };

/// The settings of an engine in the configuration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Settings {
    /// Its address, as `DOCKER_HOST` spells it.
    pub(super) url: String,
    /// The only certificate authority that is trusted there (PEM).
    pub(super) ca: Option<PathBuf>,
    /// The client's certificate (PEM); `None` if the engine needs none.
    pub(super) client_certificate: Option<PathBuf>,
    /// The private key of the client's certificate (PEM).
    pub(super) client_key: Option<PathBuf>,
    /// The Podman whose service is started where nothing answers at the socket; `None` if somebody else starts it.
    pub(super) program: Option<PathBuf>,
    /// Whether Docker's own settings say that its certificate is not to be checked; no file of ours can.
    #[serde(skip)]
    pub(super) unchecked: bool,
}

impl Settings {
    fn identity(&self) -> Option<Identity> {
        settings::identity(self.client_certificate.as_ref(), self.client_key.as_ref())
    }
}

impl settings::Settings for Settings {
    fn address(&self) -> &str {
        &self.url
    }

    fn wrong(&self) -> Option<(&'static str, String)> {
        settings::missing(&self.url, "unix:///run/podman/podman.sock")
            .or_else(|| settings::half_identity(self.client_certificate.as_ref(), self.client_key.as_ref()))
            .or_else(|| {
                let elsewhere = self.url.contains("://") && !self.url.starts_with("unix://");
                (self.program.is_some() && elsewhere)
                    .then(|| ("program", "it answers at a socket of this machine: url is to be unix:///…".to_owned()))
            })
    }

    fn files(&self) -> Vec<(&'static str, &PathBuf)> {
        let mut files =
            settings::tls_files(self.ca.as_ref(), self.client_certificate.as_ref(), self.client_key.as_ref());
        files.extend(self.program.as_ref().map(|program| ("program", program)));
        files
    }

    fn resolve(&mut self, written: &ConfigEntry) {
        settings::resolve(
            written,
            [&mut self.ca, &mut self.client_certificate, &mut self.client_key, &mut self.program],
        );
    }
}

/// Where an engine is, as `DOCKER_HOST` spells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// The path of a socket on this machine.
    Socket(PathBuf),
    /// `host:port`, with or without TLS.
    Host { host: String, secured: bool },
}

impl Address {
    /// Parses a configured address. TLS is used if the scheme or configured certificates say so.
    pub(super) fn parse(config: &AdapterEntry<Settings>) -> Result<Self> {
        let what = format!("connect to {}", config.name);
        let settings = &config.settings;
        let named = settings.ca.is_some() || settings.identity().is_some() || settings.unchecked;
        let host = |rest: &str, secured: bool| {
            let host = rest.trim_end_matches('/');
            let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
            // The usual ports of engines.
            let port = if secured { 2376 } else { 2375 };
            let host = if has_port { host.to_owned() } else { format!("{host}:{port}") };
            Self::Host { host, secured }
        };
        Ok(match settings.url.split_once("://") {
            None => Self::Socket(PathBuf::from(&settings.url)),
            Some(("unix", path)) => Self::Socket(PathBuf::from(path)),
            Some(("https", rest)) => host(rest, true),
            Some(("tcp" | "http", rest)) => host(rest, named),
            Some(("ssh", rest)) => {
                return Err(Error::unsupported(what, "engines behind ssh are not reached directly").hint(format!(
                    "forward the socket: ssh -nNT -L /tmp/engine.sock:/var/run/docker.sock {rest}, then use unix:///tmp/engine.sock"
                )));
            }
            Some((scheme, _)) => {
                let why = format!("addresses of the kind {}:// are not known here", clean::short(scheme, 20));
                return Err(Error::unsupported(what, why).hint("unix://, tcp:// and https:// are"));
            }
        })
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "unix://{}", path.display()),
            Self::Host { host, secured } => write!(f, "{}://{host}", if *secured { "https" } else { "http" }),
        }
    }
}

/// The TLS settings of an engine. A configured authority replaces the system's, as in every client of engines.
fn tls(settings: &Settings) -> http::Tls {
    http::Tls {
        authorities: settings.ca.iter().cloned().collect(),
        only_these: settings.ca.is_some(),
        identity: settings.identity(),
        unchecked: settings.unchecked,
    }
}

/// The API versions that an engine supports (`GET /version`, Docker Engine API).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct VersionAnswer {
    api_version: Option<String>,
    #[serde(rename = "MinAPIVersion")]
    min_api_version: Option<String>,
}

fn version(text: Option<&str>) -> Option<ClientVersion> {
    let (major, minor) = text?.split_once('.')?;
    Some(ClientVersion { major_version: major.parse().ok()?, minor_version: minor.parse().ok()? })
}

/// The newest version that both sides support. An engine that names none is treated as the oldest one.
fn agreed_version(spoken: &VersionAnswer, what: &str) -> Result<ClientVersion> {
    let newest = version(spoken.api_version.as_deref()).unwrap_or(OLDEST);
    let oldest = version(spoken.min_api_version.as_deref());
    let agreed = if newest < *API_DEFAULT_VERSION { newest } else { *API_DEFAULT_VERSION };
    if agreed < OLDEST || oldest.is_some_and(|oldest| agreed < oldest) {
        let theirs = match oldest {
            Some(oldest) => format!("{oldest} to {newest}"),
            None => newest.to_string(),
        };
        let why = format!("its interface is {theirs}, and this program speaks {OLDEST} to {API_DEFAULT_VERSION}");
        return Err(Error::unsupported(what, why).hint("use a newer Wharf, or a newer engine"));
    }
    Ok(agreed)
}

/// The error for an engine without an answer, from the texts of an error and its causes.
pub(super) fn no_answer(config: &AdapterEntry<Settings>, what: &str, causes: &[String]) -> Error {
    let (name, address) = (&config.name, clean::short(&config.settings.url, 200));
    let all = causes.join(": ").to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| all.contains(word));
    if says(&["permission denied"]) {
        Error::new(Kind::NotAllowed, what, format!("you may not use the socket {address}"))
            .hint("join the engine's group (which is root on this host, in effect) or use a rootless engine")
    } else if says(&["no such file", "notfound", "not found", "connection refused"]) {
        Error::new(Kind::Unavailable, what, format!("nothing answers at {address}"))
            .hint(format!("start {name}, or remove it from the configuration"))
    } else {
        let (why, hint) = http::why_no_answer(causes, false);
        Error::new(Kind::Unavailable, what, format!("{address}: {why}")).hint(hint)
    }
}

/// The client for answers that bollard cannot read.
enum Reader {
    Socket(reqwest::Client),
    Host(Box<http::Server>),
}

/// A connection to an engine that has told its API version.
pub(super) struct Connection {
    /// The client library's connection.
    pub docker: Docker,
    config: AdapterEntry<Settings>,
    reader: Reader,
    version: ClientVersion,
}

impl Connection {
    /// Connects to an engine and agrees on an API version.
    pub(super) async fn open(config: &AdapterEntry<Settings>) -> Result<Self> {
        let what = format!("connect to {}", config.name);
        let address = Address::parse(config)?;
        let reader = match &address {
            Address::Socket(path) => Reader::Socket(http::local_client(path, &what)?),
            Address::Host { host, secured } => {
                let scheme = if *secured { "https" } else { "http" };
                let server = http::Server::at(
                    &format!("{scheme}://{host}"),
                    tls(&config.settings),
                    http::AllowedServers::default(),
                    &what,
                )?;
                Reader::Host(Box::new(server))
            }
        };
        let asked = tokio::time::timeout(FIRST, reader.read::<VersionAnswer>(config, "version", &what)).await;
        let spoken = asked.unwrap_or_else(|_| Err(wharf_core::base::context::timed_out(&what, FIRST)))?;
        let version = agreed_version(&spoken, &what)?;
        let docker = library(config, &address, version, &what)?;
        Ok(Self { docker, config: config.clone(), reader, version })
    }

    /// Reads a JSON answer without bollard, which refuses a whole list for one unknown word (Podman says `stopped`,
    /// `configured`, …); here every field is optional and every word is a text.
    pub(super) async fn read<T: DeserializeOwned>(&self, path: &str, what: &str) -> Result<T> {
        self.reader.read(&self.config, &format!("v{}{path}", self.version), what).await
    }

    /// Reads an answer that goes on for as long as it is read.
    pub(super) async fn stream(&self, path: &str, what: &str) -> Result<ByteStream> {
        let answer = self.reader.answer(&self.config, &format!("v{}{path}", self.version), what).await?;
        Ok(http::stream(answer, what.to_owned()))
    }
}

impl Reader {
    async fn read<T: DeserializeOwned>(&self, config: &AdapterEntry<Settings>, path: &str, what: &str) -> Result<T> {
        http::json(self.answer(config, path, what).await?, what).await
    }

    /// The answer, if it is none that refuses.
    async fn answer(&self, config: &AdapterEntry<Settings>, path: &str, what: &str) -> Result<reqwest::Response> {
        let response = match self {
            Self::Host(server) => server.get(&server.address(path)?)?.send(what).await?,
            Self::Socket(client) => {
                let answer = client.get(format!("http://engine/{path}")).send().await;
                answer.map_err(|error| no_answer(config, what, &http::causes(&error)))?
            }
        };
        let status = response.status();
        if !status.is_success() {
            #[derive(Default, Deserialize)]
            struct ErrorAnswer {
                #[serde(default)]
                message: String,
            }
            let said: ErrorAnswer = http::json(response, what).await.unwrap_or_default();
            return Err(http::refused(what, status, &said.message));
        }
        Ok(response)
    }
}

fn library(config: &AdapterEntry<Settings>, address: &Address, version: ClientVersion, what: &str) -> Result<Docker> {
    let connected = match address {
        Address::Socket(path) => Docker::connect_with_unix(&path.to_string_lossy(), ANSWER, &version),
        Address::Host { host, secured: false } => Docker::connect_with_http(host, ANSWER, &version),
        Address::Host { host, secured: true } => {
            let client = http::https_client(&tls(&config.settings), what)?;
            let transport = move |request: BollardRequest| {
                let answer = client.request(request);
                async move { answer.await.map_err(EngineError::from) }
            };
            Docker::connect_with_custom_transport(transport, Some(format!("https://{host}")), ANSWER, &version)
        }
    };
    connected.map_err(|error| Error::failed(what, clean::short(&error.to_string(), 200)))
}
