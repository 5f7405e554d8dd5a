//! The connection to a cluster: every answer has a bound, and every call a deadline.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use kube::{
    Client,
    client::{AuthError, Body},
    config::{ExecInteractiveMode, KubeConfigOptions},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::RwLock;

use super::{objects::Status, settings::Settings};
use crate::shared::http as web;
use wharf_core::{
    base::{
        blocking::blocking,
        clean,
        context::Context,
        error::{During, Error, Kind, Result},
    },
    ports::ByteStream,
};

/// How long a connection may take to be made.
const CONNECTS: Duration = Duration::from_secs(10);
/// What answers are asked for.
pub(super) const JSON: &str = "application/json";
/// The most bytes of an answer.
const ANSWER: usize = 32 << 20;
/// The most bytes of a refusal.
const REFUSAL: usize = 64 << 10;
/// The most warnings of a server that are told.
const WARNINGS: usize = 8;

/// A cluster as a backend speaks to it.
pub(super) struct Cluster {
    /// The name of the backend.
    pub name: String,
    settings: Settings,
    place: RwLock<Option<Arc<Place>>>,
}

/// Where a context leads: its server, its namespace, and who one is there.
pub(super) struct Place {
    /// The client library's connection.
    pub client: Client,
    /// The server's address.
    pub server: String,
    /// The namespace.
    pub namespace: String,
    /// The context's name, for the lines of other programs.
    pub context: String,
    /// The kubeconfig's name for the account.
    pub user: String,
}

/// A refusal of the server, in its words.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    /// The HTTP status.
    pub code: u16,
    /// The reason for people, cleaned.
    pub message: String,
}

/// An answer with what the server warned of.
pub(super) struct Answer<T> {
    pub value: T,
    /// The warnings (`Warning: 299`), cleaned.
    pub warnings: Vec<String>,
}

impl Refused {
    /// The refusal as an error of what was being done.
    pub(super) fn error(&self, what: &str) -> Error {
        let said = if self.message.is_empty() {
            format!("the server answered {}", self.code)
        } else {
            clean::short(&self.message, 400)
        };
        match self.code {
            401 => Error::new(Kind::NotAllowed, what, format!("the cluster does not know you ({said})"))
                .hint("sign in again as your site says ('kubectl get pods' shows the same), then try again"),
            403 => {
                Error::new(Kind::NotAllowed, what, said).hint("ask the administrators of the namespace for the right")
            }
            404 => Error::not_found(what, said),
            410 => Error::new(Kind::Unavailable, what, said).hint("try again"),
            422 | 400 => Error::usage(what, said),
            429 => Error::new(Kind::Unavailable, what, said).hint("wait a while, then try again"),
            500..=599 => Error::new(Kind::Unavailable, what, said).hint("try again later, or tell its administrators"),
            _ => Error::failed(what, said),
        }
    }

    /// Whether a quota leaves no room for it.
    pub(super) fn is_quota(&self) -> bool {
        self.code == 403 && self.message.contains("exceeded quota")
    }

    /// Whether the person lacks the right, rather than that a rule of the cluster refuses the object.
    pub(super) fn is_right(&self) -> bool {
        self.code == 403 && self.message.contains(" cannot ")
    }
}

/// A request as it is sent.
struct Asked<'a> {
    method: Method,
    path: &'a str,
    accept: &'a str,
    /// The type and the bytes of the body.
    sent: Option<(&'a str, Vec<u8>)>,
}

impl<'a> Asked<'a> {
    fn get(path: &'a str, accept: &'a str) -> Self {
        Self { method: Method::GET, path, accept, sent: None }
    }
}

impl Cluster {
    pub(super) fn new(name: String, settings: Settings) -> Self {
        Self { name, settings, place: RwLock::default() }
    }

    /// Where the context leads. The kubeconfig is read when it is needed first, and again after a refused sign-in.
    /// A sign-in program may wait for a person: it has the time that every answer has.
    pub(super) async fn place(&self, cx: &Context, what: &str) -> Result<Arc<Place>> {
        if let Some(place) = self.place.read().await.clone() {
            return Ok(place);
        }
        cx.run(what, async {
            let mut kept = self.place.write().await;
            if let Some(place) = kept.clone() {
                return Ok(place);
            }
            let place = Arc::new(Box::pin(connect(&self.settings, &self.name, what)).await?);
            *kept = Some(place.clone());
            Ok(place)
        })
        .await
    }

    /// Sends a request; a refusal is an answer.
    async fn exchange(&self, cx: &Context, request: Asked<'_>, what: &str) -> Result<Result<Response<Body>, Refused>> {
        let place = self.place(cx, what).await?;
        let Asked { method, path, accept, sent } = request;
        let mut request = Request::builder().method(method).uri(path).header("accept", accept);
        let mut body = Vec::new();
        if let Some((kind, bytes)) = sent {
            request = request.header("content-type", kind);
            body = bytes;
        }
        let request = request.body(Body::from(body)).during(what)?;
        let answer =
            Box::pin(place.client.send(request)).await.map_err(|error| no_answer(what, &place.server, &error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(Ok(answer));
        }
        if status.as_u16() == 401 {
            // Whoever signs in again writes another token into the file.
            *self.place.write().await = None;
        }
        let bytes = whole(answer.into_body(), REFUSAL, what).await.unwrap_or_default();
        let said: Status = serde_json::from_slice(&bytes).unwrap_or_default();
        Ok(Err(Refused {
            code: said.code.unwrap_or(status.as_u16()),
            message: clean::short(&said.message.unwrap_or_default(), 600),
        }))
    }

    /// Sends JSON and reads the JSON of the answer; a refusal is an answer.
    pub(super) async fn send<T: DeserializeOwned>(
        &self,
        cx: &Context,
        (method, kind): (Method, &str),
        path: &str,
        body: &Value,
        what: &str,
    ) -> Result<Result<Answer<T>, Refused>> {
        cx.run(what, async {
            let bytes = serde_json::to_vec(body).during(what)?;
            match self.exchange(cx, Asked { method, path, accept: JSON, sent: Some((kind, bytes)) }, what).await? {
                Err(refused) => Ok(Err(refused)),
                Ok(answer) => {
                    let warnings = warnings(&answer);
                    let value = web::parse(&whole(answer.into_body(), ANSWER, what).await?, what)?;
                    Ok(Ok(Answer { value, warnings }))
                }
            }
        })
        .await
    }

    /// Creates an object.
    pub(super) async fn create<T: DeserializeOwned>(
        &self,
        cx: &Context,
        path: &str,
        body: &Value,
        what: &str,
    ) -> Result<Result<Answer<T>, Refused>> {
        self.send(cx, (Method::POST, JSON), path, body, what).await
    }

    /// Changes parts of an object (`application/merge-patch+json`, RFC 7386).
    pub(super) async fn change(&self, cx: &Context, path: &str, body: &Value, what: &str) -> Result<()> {
        let sent = self.send::<Value>(cx, (Method::PATCH, "application/merge-patch+json"), path, body, what).await?;
        sent.map(|_| ()).map_err(|refused| refused.error(what))
    }

    /// Removes the object with this id; whether it was there. Another one of the same name stays.
    pub(super) async fn delete(&self, cx: &Context, path: &str, uid: &str, what: &str) -> Result<bool> {
        let mut options =
            serde_json::json!({ "kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background" });
        if !uid.is_empty() {
            options["preconditions"] = serde_json::json!({ "uid": uid });
        }
        match self.send::<Value>(cx, (Method::DELETE, JSON), path, &options, what).await? {
            Ok(_) => Ok(true),
            Err(refused) if refused.code == 404 => Ok(false),
            Err(refused) => Err(refused.error(what)),
        }
    }

    /// The server's version.
    pub(super) async fn version(&self, cx: &Context, what: &str) -> Result<String> {
        let told: Value = self.read(cx, "/version", what).await?;
        Ok(clean::short(told["gitVersion"].as_str().unwrap_or("unknown"), 40))
    }

    /// Reads JSON; a refusal is an answer.
    pub(super) async fn look<T: DeserializeOwned>(
        &self,
        cx: &Context,
        path: &str,
        what: &str,
    ) -> Result<Result<T, Refused>> {
        cx.run(what, async {
            match self.exchange(cx, Asked::get(path, JSON), what).await? {
                Err(refused) => Ok(Err(refused)),
                Ok(answer) => web::parse(&whole(answer.into_body(), ANSWER, what).await?, what).map(Ok),
            }
        })
        .await
    }

    /// Reads JSON.
    pub(super) async fn read<T: DeserializeOwned>(&self, cx: &Context, path: &str, what: &str) -> Result<T> {
        self.look(cx, path, what).await?.map_err(|refused| refused.error(what))
    }

    /// An answer that goes on for as long as it is read. Only its beginning has a deadline.
    pub(super) async fn stream(
        &self,
        cx: &Context,
        path: &str,
        accept: &str,
        what: &str,
    ) -> Result<Result<ByteStream, Refused>> {
        let answer = cx.run(what, self.exchange(cx, Asked::get(path, accept), what)).await?;
        Ok(answer.map(|answer| {
            let what = what.to_owned();
            let bytes = answer.into_body().into_data_stream();
            Box::pin(bytes.map_err(move |error| broken(&what, &error))) as ByteStream
        }))
    }
}

/// Connects to what the settings name. A sign-in program of the kubeconfig is run without a terminal, as the screens have
/// it.
async fn connect(settings: &Settings, name: &str, what: &str) -> Result<Place> {
    let (read, task) = (settings.clone(), what.to_owned());
    let mut kubeconfig = blocking(move || read.read()).await.during(&task)??;
    let programs = kubeconfig.auth_infos.iter_mut().filter_map(|named| named.auth_info.as_mut()?.exec.as_mut());
    for program in programs {
        program.interactive_mode = Some(ExecInteractiveMode::Never);
    }
    let context = match settings.context.as_str() {
        "" => kubeconfig.current_context.clone().unwrap_or_default(),
        named => named.to_owned(),
    };
    let options = KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
    let found = kubeconfig.contexts.iter().find(|one| one.name == context);
    let user = found.and_then(|one| one.context.as_ref()?.user.clone()).unwrap_or_default();
    let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| {
        Error::failed(&task, clean::short(&error.to_string(), 300)).hint(format!("correct the context '{context}'"))
    })?;
    config.connect_timeout = Some(CONNECTS);
    config.default_retry = false;
    let server = config.cluster_url.to_string();
    let namespace =
        if settings.namespace.is_empty() { config.default_namespace.clone() } else { settings.namespace.clone() };
    if !super::settings::is_name(&namespace) {
        return Err(Error::usage(&task, format!("'{}' is no namespace", clean::short(&namespace, 60)))
            .hint(format!("correct the context of {name}")));
    }
    let made = blocking(move || Client::try_from(config)).await.during(&task)?;
    let client = made.map_err(|error| no_answer(&task, &server, &error))?;
    let server = server.trim_end_matches('/').to_owned();
    Ok(Place { client, server, namespace, context, user })
}

/// The error of a request without an answer.
pub(super) fn no_answer(what: &str, server: &str, error: &kube::Error) -> Error {
    if let Some(failed) = sign_in(error) {
        // Its own words may hold the arguments, the variables and the answer of a program: tokens and passwords.
        let why = match failed {
            AuthError::AuthExecRun { out, .. } => format!("its program ended with {}", out.status),
            AuthError::AuthExecStart(error) => format!("its program cannot be started: {error}"),
            _ => "the kubeconfig's account cannot be used".to_owned(),
        };
        return Error::new(Kind::NotAllowed, what, format!("the sign-in of the kubeconfig failed: {why}"))
            .hint("sign in as your site says ('kubectl get pods' asks for the same, and says more), then try again");
    }
    let (why, hint) = web::why_no_answer(&web::causes(error), false);
    Error::new(Kind::Unavailable, what, format!("{}: {why}", clean::short(server, 120))).hint(hint)
}

/// The failed sign-in in an error of the library, wherever in its causes it is.
fn sign_in(error: &kube::Error) -> Option<&AuthError> {
    if let kube::Error::Auth(failed) = error {
        return Some(failed);
    }
    let first = error as &(dyn std::error::Error + 'static);
    std::iter::successors(Some(first), |error| error.source()).find_map(|error| {
        let inner = error.downcast_ref::<kube::Error>();
        error.downcast_ref::<AuthError>().or(match inner {
            Some(kube::Error::Auth(failed)) => Some(failed),
            _ => None,
        })
    })
}

/// The error of an answer that broke off.
fn broken(what: &str, error: &kube::Error) -> Error {
    let (why, hint) = web::why_no_answer(&web::causes(error), false);
    Error::new(Kind::Unavailable, what, why).hint(hint)
}

/// The bytes of an answer, at most `most`.
async fn whole(body: Body, most: usize, what: &str) -> Result<Bytes> {
    let mut all = BytesMut::new();
    let mut parts = body.into_data_stream();
    while let Some(part) = parts.try_next().await.map_err(|error| broken(what, &error))? {
        if all.len() + part.len() > most {
            let why = format!("the answer is longer than {} KiB", most >> 10);
            return Err(Error::new(Kind::Integrity, what, why).hint("tell the administrators of the cluster"));
        }
        all.extend_from_slice(&part);
    }
    Ok(all.freeze())
}

/// What the server warns of: `299 - "text"` (RFC 7234, section 5.5).
fn warnings(answer: &Response<Body>) -> Vec<String> {
    let all = answer.headers().get_all("warning").iter().filter_map(|value| value.to_str().ok());
    let text = |value: &str| {
        let quoted = value.split_once('"').map_or(value, |(_, rest)| rest);
        clean::short(quoted.trim_end_matches('"'), 200)
    };
    all.map(text).take(WARNINGS).collect()
}
