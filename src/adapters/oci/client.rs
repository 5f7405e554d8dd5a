//! One registry's HTTP: authentication, retries, rate limits. OCI Distribution Specification 1.1.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, header};
use serde::Deserialize;
use url::Url;

use super::{challenge, credentials};
use crate::{
    adapters::http::{self, Tls},
    core::{
        clean,
        error::{Error, Kind, Result},
        ports::Vault,
        secret::{Credentials, Secret},
    },
};

/// How many times a read is tried.
const TRIES: u32 = 3;
/// The longest we wait because a server says so.
const MOST_WAIT: Duration = Duration::from_secs(10);

/// A connection to one registry.
pub struct Registry {
    /// Host with port, as references name it.
    pub host: String,
    /// Root of its interface; ends with a slash.
    pub base: Url,
    tls: Tls,
    vault: Arc<dyn Vault>,
    http: OnceLock<Client>,
    basic: Mutex<bool>,
    /// Whether a request without a token is known to be let in (open or basic).
    settled: AtomicBool,
    tokens: Mutex<HashMap<String, (Secret, Instant)>>,
    limits: Mutex<Option<String>>,
    account: Mutex<Arc<tokio::sync::OnceCell<Option<Credentials>>>>,
    /// The vault's generation that everything above was learnt under.
    generation: AtomicU64,
}

#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
    expires_in: Option<u64>,
}

/// What a request needs the right for; several make a scope set.
pub type Scopes = Vec<String>;

/// The scope to read a repository.
pub fn pull(repository: &str) -> Scopes {
    vec![format!("repository:{repository}:pull")]
}

/// The scope to write a repository.
pub fn push(repository: &str) -> Scopes {
    vec![format!("repository:{repository}:pull,push")]
}

/// The scope to give an upload back: registries take that for deleting.
pub fn give_back(repository: &str) -> Scopes {
    vec![format!("repository:{repository}:pull,push,delete")]
}

/// The scope to list all repositories.
pub fn listing() -> Scopes {
    vec!["registry:catalog:*".to_owned()]
}

impl Registry {
    /// A registry at `base` (`http` only because a person wrote it so).
    pub fn new(host: String, base: Url, tls: Tls, vault: Arc<dyn Vault>) -> Self {
        Self {
            host,
            base,
            tls,
            vault,
            http: OnceLock::new(),
            basic: Mutex::default(),
            settled: AtomicBool::new(false),
            tokens: Mutex::default(),
            limits: Mutex::default(),
            account: Mutex::default(),
            generation: AtomicU64::new(0),
        }
    }

    fn http(&self) -> Result<&Client> {
        if let Some(client) = self.http.get() {
            return Ok(client);
        }
        let client = http::client(&self.tls, &format!("connect to {}", self.host))?;
        Ok(self.http.get_or_init(|| client))
    }

    /// An address below the root: `v2/…`.
    pub fn url(&self, path: &str) -> Result<Url> {
        self.base.join(path).map_err(|error| Error::usage(format!("address of {}", self.host), error.to_string()))
    }

    /// A request that has not been sent.
    pub fn request(&self, method: Method, url: Url) -> Result<RequestBuilder> {
        Ok(self.http()?.request(method, url))
    }

    /// The requests left, if the registry said so.
    pub fn limits(&self) -> Option<String> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The credentials in use here, looked up once for the registry as a whole.
    pub async fn account(&self, repository: &str) -> Option<Credentials> {
        if !repository.is_empty() {
            return credentials::find(&self.vault, &self.host, repository).await;
        }
        let known = self.account.lock().unwrap_or_else(PoisonError::into_inner).clone();
        known.get_or_init(|| credentials::find(&self.vault, &self.host, "")).await.clone()
    }

    /// Somebody signed in or out since: what was learnt with the old credentials is worth nothing.
    fn forget_if_changed(&self) {
        let now = self.vault.generation();
        if self.generation.swap(now, Ordering::AcqRel) != now {
            *self.account.lock().unwrap_or_else(PoisonError::into_inner) = Arc::default();
            *self.basic.lock().unwrap_or_else(PoisonError::into_inner) = false;
            self.tokens.lock().unwrap_or_else(PoisonError::into_inner).clear();
            self.settled.store(false, Ordering::Relaxed);
        }
    }

    /// Sends a request that can be sent again: signs in when asked, waits when told, retries what a retry may heal.
    pub async fn send(
        &self,
        what: &str,
        scopes: &Scopes,
        make: impl Fn() -> Result<RequestBuilder>,
    ) -> Result<Response> {
        let mut tries = 0;
        loop {
            tries += 1;
            let last = tries >= TRIES;
            match self.send_signed(what, scopes, &make).await {
                Ok(response) if response.status() == StatusCode::TOO_MANY_REQUESTS && !last => {
                    match retry_after(&response) {
                        Some(wait) if wait <= MOST_WAIT => tokio::time::sleep(wait).await,
                        _ => return Ok(response),
                    }
                }
                Ok(response) if matches!(response.status().as_u16(), 502..=504) && !last => {
                    tokio::time::sleep(pause(tries)).await
                }
                Err(error) if error.kind == Kind::Unavailable && error.why.contains("connection broke") && !last => {
                    tokio::time::sleep(pause(tries)).await
                }
                other => return other,
            }
        }
    }

    /// Sends a request whose body can be made only once per call of `make`; signs in first if the registry is known to want it.
    pub async fn send_signed(
        &self,
        what: &str,
        scopes: &Scopes,
        make: &impl Fn() -> Result<RequestBuilder>,
    ) -> Result<Response> {
        self.forget_if_changed();
        let first = self.sign(make()?, scopes).await.send().await.map_err(|error| http::no_answer(what, &error))?;
        self.note_limits(&first);
        if first.status() != StatusCode::UNAUTHORIZED {
            return Ok(first);
        }
        if !self.sign_in(what, scopes, &first).await? {
            return Ok(first);
        }
        let second = self.sign(make()?, scopes).await.send().await.map_err(|error| http::no_answer(what, &error))?;
        self.note_limits(&second);
        Ok(second)
    }

    /// Makes sure a token for `scopes` is at hand before a body is streamed that cannot be sent twice.
    pub async fn prepare(&self, what: &str, scopes: &Scopes) -> Result<()> {
        self.forget_if_changed();
        if self.settled.load(Ordering::Relaxed) || self.cached(scopes).is_some() {
            return Ok(());
        }
        let ping = self.url("v2/")?;
        let response = self.request(Method::GET, ping)?.send().await.map_err(|error| http::no_answer(what, &error))?;
        if response.status() == StatusCode::UNAUTHORIZED {
            self.sign_in(what, scopes, &response).await?;
        }
        self.settled.store(self.cached(scopes).is_none(), Ordering::Relaxed);
        Ok(())
    }

    fn cached(&self, scopes: &Scopes) -> Option<Secret> {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.get(&scopes.join(" ")).filter(|(_, until)| *until > Instant::now()).map(|(token, _)| token.clone())
    }

    async fn sign(&self, request: RequestBuilder, scopes: &Scopes) -> RequestBuilder {
        if let Some(token) = self.cached(scopes) {
            return request.bearer_auth(token.reveal());
        }
        if *self.basic.lock().unwrap_or_else(PoisonError::into_inner) {
            if let Some(account) = self.account(repository_of(scopes)).await {
                return request.basic_auth(&account.username, Some(account.secret.reveal()));
            }
        }
        request
    }

    /// Answers a 401. `false` when there is nothing to sign in with, or it did not help before.
    async fn sign_in(&self, what: &str, scopes: &Scopes, response: &Response) -> Result<bool> {
        let headers = response.headers().get_all(header::WWW_AUTHENTICATE);
        let challenges: Vec<_> =
            headers.iter().filter_map(|value| value.to_str().ok()).flat_map(challenge::parse).collect();
        if let Some(bearer) = challenges.iter().find(|challenge| challenge.scheme == "bearer") {
            let token = self.fetch_token(what, scopes, bearer).await?;
            return Ok(token);
        }
        if challenges.iter().any(|challenge| challenge.scheme == "basic") {
            let mut basic = self.basic.lock().unwrap_or_else(PoisonError::into_inner);
            return Ok(!std::mem::replace(&mut *basic, true));
        }
        Ok(false)
    }

    async fn fetch_token(&self, what: &str, scopes: &Scopes, bearer: &challenge::Challenge) -> Result<bool> {
        let realm = Url::parse(bearer.get("realm"))
            .map_err(|_| Error::failed(what, "the registry names no usable token server"))?;
        if realm.scheme() != "https" && self.base.scheme() == "https" {
            return Err(Error::new(Kind::NotAllowed, what, "its token server is on plain http")
                .hint("tell whoever runs the registry"));
        }
        let account = self.account(repository_of(scopes)).await;
        let service = bearer.get("service");
        let client = self.http()?;
        let request = match &account {
            Some(account) if account.identity_token => {
                let mut form = url::form_urlencoded::Serializer::new(String::new());
                form.append_pair("grant_type", "refresh_token")
                    .append_pair("service", service)
                    .append_pair("client_id", "wharf");
                form.append_pair("scope", &scopes.join(" ")).append_pair("refresh_token", account.secret.reveal());
                client.post(realm).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(form.finish())
            }
            _ => {
                let mut query: Vec<(&str, &str)> = vec![("service", service)];
                query.extend(scopes.iter().map(|scope| ("scope", scope.as_str())));
                let request = client.get(realm).query(&query);
                match &account {
                    Some(account) => request.basic_auth(&account.username, Some(account.secret.reveal())),
                    None => request,
                }
            }
        };
        let response =
            request.send().await.map_err(|error| http::no_answer(&format!("{what}: token server"), &error))?;
        if !response.status().is_success() {
            let status = response.status();
            let said = said(response).await;
            let host = (status == StatusCode::UNAUTHORIZED).then(|| self.host.clone());
            return Err(http::refused(what, status, &said).sign_in_at(host));
        }
        let token: Token = http::json(response, &format!("{what}: token server")).await?;
        let text = if token.token.is_empty() { token.access_token } else { token.token };
        // Without a date the specification says 60 s; renew a little before the end.
        let lasts = Duration::from_secs(token.expires_in.unwrap_or(60).max(10) * 9 / 10);
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = Instant::now() + lasts;
        tokens.retain(|_, (_, until)| *until > Instant::now());
        tokens.insert(scopes.join(" "), (Secret::new(text), fresh));
        Ok(true)
    }

    fn note_limits(&self, response: &Response) {
        let value = |name: &str| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).map(|text| clean::short(text, 40))
        };
        if let Some(left) = value("ratelimit-remaining") {
            let number = |text: &str| text.split(';').next().unwrap_or(text).to_owned();
            let of = value("ratelimit-limit").map_or_else(String::new, |limit| format!(" of {}", number(&limit)));
            *self.limits.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(format!("{}{of} pulls left", number(&left)));
        }
    }
}

fn repository_of(scopes: &Scopes) -> &str {
    scopes
        .first()
        .and_then(|scope| scope.strip_prefix("repository:"))
        .and_then(|rest| rest.rsplit_once(':'))
        .map_or("", |(name, _)| name)
}

fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    text.parse().map(Duration::from_secs).ok()
}

fn pause(tries: u32) -> Duration {
    Duration::from_millis(200 << tries.min(6))
}

/// What a refusal says: the registry's own error list, or the beginning of the page.
pub async fn said(response: Response) -> String {
    #[derive(Deserialize)]
    struct Said {
        errors: Vec<One>,
    }
    #[derive(Deserialize)]
    struct One {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let Ok(bytes) = http::body(response, 64 << 10, "read the refusal").await else { return String::new() };
    match serde_json::from_slice::<Said>(&bytes) {
        Ok(said) => said
            .errors
            .into_iter()
            .map(|one| if one.message.is_empty() { one.code } else { one.message })
            .take(3)
            .collect::<Vec<_>>()
            .join("; "),
        Err(_) => String::new(),
    }
}

/// Turns any answer but success into an error.
pub async fn success(what: &str, response: Response) -> Result<Response> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let wait = retry_after(&response);
    let host = super::host_and_port(response.url()).filter(|_| status == StatusCode::UNAUTHORIZED);
    // Docker Hub answers under another name than people sign in to.
    let host = host.map(|host| credentials::host_of(&host).to_owned());
    let said = said(response).await;
    let mut error = http::refused(what, status, &said).sign_in_at(host);
    if let (429, Some(wait)) = (status.as_u16(), wait) {
        error = error.hint(format!("it asks to wait {} s; signing in usually raises the limit", wait.as_secs()));
    }
    Err(error)
}
