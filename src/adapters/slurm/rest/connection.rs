//! The connection to slurmrestd: who asks, and reading what it answers within limits.

use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::Value;
use tokio::sync::OnceCell;

use super::answer::{Answer, NEW_TOKEN};
use crate::{
    shared::http::{self, AllowedServers, Server, Tls},
    slurm::settings::{RestAddress, RestPlace},
};
use wharf_core::{
    base::{
        context::timed_out,
        error::{During, Error, Kind, Result},
        secret::Secret,
        small_file,
    },
    launch::step::Call,
};

/// The most time for one answer. slurmrestd waits up to 10 s for the controller.
const DEADLINE: Duration = Duration::from_secs(25);
/// The most bytes of an answer: a job is up to 11 kB, the description of the interface 2 MB.
const LARGEST: usize = 64 << 20;

/// The connection to slurmrestd.
pub(super) struct Connection {
    /// Where it is.
    pub address: RestAddress,
    side: OnceCell<Side>,
}

/// How it is reached.
enum Side {
    Socket(reqwest::Client),
    Server(Box<Server>),
}

impl Connection {
    /// A connection to this address; nothing is sent yet.
    pub(super) fn new(address: RestAddress) -> Self {
        Self { address, side: OnceCell::new() }
    }

    /// A request to it, as a plan shows it; the token is added when it is sent.
    pub(super) fn call(&self, method: &str, path: String) -> Call {
        match &self.address.place {
            RestPlace::Socket(socket) => Call::new(method, &format!("unix://{}", socket.display()), path),
            RestPlace::Url(url) => Call {
                headers: vec![("x-slurm-user-name".to_owned(), self.address.user())],
                token: "x-slurm-user-token".to_owned(),
                ..Call::new(method, url, path)
            },
        }
    }

    /// Asks for what is at a path.
    pub(super) async fn get(&self, what: &str, path: &str) -> Result<Answer> {
        self.ask(what, Method::GET, path, None).await
    }

    /// Sends a body to a path.
    pub(super) async fn post(&self, what: &str, path: &str, body: &Value) -> Result<Answer> {
        self.ask(what, Method::POST, path, Some(body)).await
    }

    /// Deletes what is at a path.
    pub(super) async fn delete(&self, what: &str, path: &str) -> Result<Answer> {
        self.ask(what, Method::DELETE, path, None).await
    }

    async fn ask(&self, what: &str, method: Method, path: &str, body: Option<&Value>) -> Result<Answer> {
        let asked = async {
            let response = self.send(what, method, path, body).await?;
            let status = response.status().as_u16();
            let bytes = http::body(response, LARGEST, what).await?;
            // A refused token is told in plain words, an error in JSON.
            let value = serde_json::from_slice(&bytes);
            if status < 400 {
                return Ok(Answer { status, value: value.during(format!("{what}: read what slurmrestd answers"))? });
            }
            Ok(Answer { status, value: value.unwrap_or_default() })
        };
        tokio::time::timeout(DEADLINE, asked).await.unwrap_or_else(|_| Err(timed_out(what, DEADLINE)))
    }

    async fn send(&self, what: &str, method: Method, path: &str, body: Option<&Value>) -> Result<Response> {
        let text = body.map(serde_json::to_string).transpose().during(what)?;
        match self.side.get_or_try_init(|| async { self.side(what) }).await? {
            // Whoever may open the socket is the user that it runs as.
            Side::Socket(client) => {
                let mut request = client.request(method, format!("http://slurmrestd/{path}"));
                if let Some(text) = text {
                    request = request.header("content-type", "application/json").body(text);
                }
                request.send().await.map_err(|error| http::no_answer(what, &error))
            }
            Side::Server(server) => {
                let (user, token) = (self.address.user(), self.token(what)?);
                let mut request = server.request(method, &server.address(path)?)?;
                request = request.header("x-slurm-user-name", &user);
                request = request.secret_header("x-slurm-user-token", token.reveal());
                if let Some(text) = text {
                    request = request.header("content-type", "application/json").body(text);
                }
                request.send(what).await
            }
        }
    }

    fn side(&self, what: &str) -> Result<Side> {
        Ok(match &self.address.place {
            RestPlace::Socket(path) => Side::Socket(http::local_client(path, what)?),
            RestPlace::Url(url) => {
                let tls = Tls { authorities: self.address.ca.iter().cloned().collect(), ..Tls::default() };
                Side::Server(Box::new(Server::at(url, tls, AllowedServers::default(), what)?))
            }
        })
    }

    /// The token, read anew each time: it is good for a while only.
    fn token(&self, what: &str) -> Result<Secret> {
        let missing = |why: String| Error::new(Kind::NotAllowed, what, why).hint(NEW_TOKEN);
        let text = match &self.address.token_file {
            Some(file) => small_file::text(file).map_err(|error| missing(format!("{}: {}", file.display(), error)))?,
            None => {
                std::env::var("SLURM_JWT").map_err(|_| missing("slurmrestd wants a token, and there is none".into()))?
            }
        };
        // As 'scontrol token' prints it.
        let token = text.trim();
        Ok(Secret::new(token.strip_prefix("SLURM_JWT=").unwrap_or(token)))
    }
}
