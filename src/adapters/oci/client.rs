//! HTTP to one registry: authentication, retries, rate limits (OCI Distribution Specification 1.1).

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::{Method, Response, StatusCode, header};
use serde_json::Value;
use url::Url;

use super::{
    challenge, credentials, registries,
    token::{Realm, TokenRequest},
    trust::{self, ContactMode},
};
use crate::shared::http::{self, AllowedServers, Origin, Request, Server, ServerAddress, Tls};
use wharf_core::{
    base::{
        blocking::blocking,
        clean,
        error::{Error, Kind, Result},
        pulls_left::PullsLeft,
        secret::{Credentials, Secret},
        text,
    },
    image::reference::DOCKER_HUB,
    ports::{SignInServer, Vault},
};

/// How many times a request is tried in all.
const TRIES: u32 = 3;
/// The longest wait that a server's `Retry-After` is granted.
const MOST_WAIT: Duration = Duration::from_secs(10);

/// A connection to one registry.
pub(super) struct Registry {
    /// The host as references name it, with the port if it has one.
    pub host: String,
    /// The registries' entries in Podman's configuration files, read once.
    pub entries: Vec<registries::Entry>,
    /// The server. Secrets are sent only there, except those for its token server.
    pub server: Server,
    tls: Tls,
    reach: AllowedServers,
    /// The token server that the configuration names, if it names one.
    token_server: Option<Origin>,
    vault: Arc<dyn Vault>,
    basic: Mutex<bool>,
    /// Whether the registry is known to answer without a token: it is open, or uses basic authentication.
    settled: AtomicBool,
    tokens: Mutex<HashMap<String, (Secret, Instant)>>,
    /// Refresh tokens that have replaced the one in a credentials file, by their token server.
    refreshed: Mutex<HashMap<Origin, Secret>>,
    limits: Mutex<Option<PullsLeft>>,
    account: Mutex<Arc<tokio::sync::OnceCell<Option<Credentials>>>>,
    /// The vault's generation when all of this was learnt; see [`wharf_core::ports::Vault::generation`].
    generation: AtomicU64,
}

/// The token scopes that a request needs.
pub(super) type Scopes = Vec<String>;

/// The scope to read a repository.
pub(super) fn pull(repository: &str) -> Scopes {
    vec![format!("repository:{repository}:pull")]
}

/// The scope to write to a repository.
pub(super) fn push(repository: &str) -> Scopes {
    vec![format!("repository:{repository}:pull,push")]
}

/// The scope to cancel an upload, for which registries want the right to delete.
pub(super) fn cancel_scopes(repository: &str) -> Scopes {
    vec![format!("repository:{repository}:pull,push,delete")]
}

/// The scope to list all repositories.
pub(super) fn listing() -> Scopes {
    vec!["registry:catalog:*".to_owned()]
}

impl Registry {
    /// A registry at `base`, which is `http` only if a person has written it so.
    pub(super) fn new(host: String, base: Url, tls: Tls, reach: AllowedServers, vault: Arc<dyn Vault>) -> Result<Self> {
        Ok(Self {
            host,
            entries: registries::entries(),
            server: Server::new(base, tls.clone(), reach.clone())?,
            tls,
            reach,
            token_server: None,
            vault,
            basic: Mutex::default(),
            settled: AtomicBool::new(false),
            tokens: Mutex::default(),
            refreshed: Mutex::default(),
            limits: Mutex::default(),
            account: Mutex::default(),
            generation: AtomicU64::new(0),
        })
    }

    /// A registry that is not configured, by its host.
    pub(super) fn at(
        what: &str,
        host: &str,
        manner: ContactMode,
        reach: AllowedServers,
        vault: Arc<dyn Vault>,
    ) -> Result<Self> {
        let address = match (host, manner) {
            (DOCKER_HUB, _) => "https://registry-1.docker.io/".to_owned(),
            (host, ContactMode::Plain) => format!("http://{host}/"),
            (host, ContactMode::Tls | ContactMode::Unchecked) => format!("https://{host}/"),
        };
        let base = Url::parse(&address).map_err(|error| Error::usage(what, error.to_string()))?;
        let tls = Tls { unchecked: manner == ContactMode::Unchecked, ..Tls::for_host(host) };
        Self::new(host.to_owned(), base, tls, reach, vault)
    }

    /// Another registry that images of this one are pulled from; fails if it is out of the same reach.
    pub(super) fn mirror_client(&self, what: &str, host: &str, insecure: bool) -> Result<Self> {
        let manner = trust::manner(host, insecure, self.reach.is_anywhere());
        let other = Self::at(what, host, manner, self.reach.clone(), self.vault.clone())?;
        self.reach.check(what, self.server.origin(), other.server.origin())?;
        Ok(other)
    }

    /// The same registry with a token server that the configuration names.
    #[must_use]
    pub(super) fn with_token_server(mut self, named: Option<Origin>) -> Self {
        self.token_server = named;
        self
    }

    /// An address on this registry: `v2/…`.
    pub(super) fn address(&self, path: &str) -> Result<ServerAddress> {
        self.server.address(path)
    }

    /// A new request, not sent yet.
    pub(super) fn request(&self, method: Method, place: &ServerAddress) -> Result<Request<'_>> {
        self.server.request(method, place)
    }

    /// The remaining pulls, if the registry has told them.
    pub(super) fn pulls_left(&self) -> Option<PullsLeft> {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The account for a repository; without a repository, that for the registry, which is looked up once.
    pub(super) async fn account(&self, repository: &str) -> Option<Credentials> {
        if !repository.is_empty() {
            return credentials::find(&self.vault, &self.host, repository).await;
        }
        let known = self.account.lock().unwrap_or_else(PoisonError::into_inner).clone();
        known.get_or_init(|| credentials::find(&self.vault, &self.host, "")).await.clone()
    }

    /// Forgets everything that was learnt with an account if a person has signed in or out since.
    fn forget_if_changed(&self) {
        let now = self.vault.generation();
        if self.generation.swap(now, Ordering::AcqRel) != now {
            *self.account.lock().unwrap_or_else(PoisonError::into_inner) = Arc::default();
            *self.basic.lock().unwrap_or_else(PoisonError::into_inner) = false;
            self.tokens.lock().unwrap_or_else(PoisonError::into_inner).clear();
            self.refreshed.lock().unwrap_or_else(PoisonError::into_inner).clear();
            self.settled.store(false, Ordering::Relaxed);
        }
    }

    /// Sends a request that can be repeated: signs in when asked to, waits when told to, and retries after failures
    /// that may pass.
    pub(super) async fn send<'a>(
        &'a self,
        what: &str,
        scopes: &Scopes,
        make: impl Fn() -> Result<Request<'a>>,
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
                    match retry_after(&response) {
                        Some(wait) if wait > MOST_WAIT => return Ok(response),
                        wait => tokio::time::sleep(wait.unwrap_or(pause(tries))).await,
                    }
                }
                Err(error) if error.kind == Kind::Unavailable && error.why.contains("connection broke") && !last => {
                    tokio::time::sleep(pause(tries)).await
                }
                other => return other,
            }
        }
    }

    /// Sends a request; if the answer is 401, signs in and sends it once more. `make` is called for each time.
    pub(super) async fn send_signed<'a>(
        &'a self,
        what: &str,
        scopes: &Scopes,
        make: &impl Fn() -> Result<Request<'a>>,
    ) -> Result<Response> {
        self.may_be_asked(what, repository_of(scopes))?;
        self.forget_if_changed();
        let first = self.sign(make()?, scopes).await.send(what).await?;
        self.note_limits(&first);
        if first.status() != StatusCode::UNAUTHORIZED {
            return Ok(first);
        }
        if !self.sign_in(what, scopes, &first).await? {
            return Ok(first);
        }
        let mut second = self.sign(make()?, scopes).await.send(what).await?;
        self.note_limits(&second);
        let by_token = challenges(&second).iter().any(|challenge| challenge.scheme == "bearer");
        if second.status() == StatusCode::UNAUTHORIZED && by_token {
            // The token server knows the account, but it lacks the right: signing in again would change nothing.
            if let Some(account) = self.account(repository_of(scopes)).await {
                second.extensions_mut().insert(KnownAccount(account.username));
            }
        }
        Ok(second)
    }

    /// Fails if the site's configuration for engines blocks this registry or repository.
    fn may_be_asked(&self, what: &str, repository: &str) -> Result<()> {
        let name = if repository.is_empty() { self.host.clone() } else { format!("{}/{repository}", self.host) };
        trust::check(&self.entries, &name, what)
    }

    /// Gets a token for `scopes` before a body is sent that cannot be sent twice.
    pub(super) async fn prepare(&self, what: &str, scopes: &Scopes) -> Result<()> {
        self.may_be_asked(what, repository_of(scopes))?;
        self.forget_if_changed();
        if self.settled.load(Ordering::Relaxed) || self.cached(scopes).is_some() {
            return Ok(());
        }
        let response = self.ping(what).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            self.sign_in(what, scopes, &response).await?;
        }
        self.settled.store(self.cached(scopes).is_none(), Ordering::Relaxed);
        Ok(())
    }

    async fn ping(&self, what: &str) -> Result<Response> {
        self.server.get(&self.address("v2/")?)?.send(what).await
    }

    /// The token server that signing in would send the account to, if it is on another host than the registry.
    pub(super) async fn sign_in_server(&self, what: &str) -> Result<Option<SignInServer>> {
        let response = self.ping(what).await?;
        let Some(realm) = challenges(&response).iter().find_map(Realm::from_challenge) else { return Ok(None) };
        if response.status() != StatusCode::UNAUTHORIZED || realm.origin.host() == self.server.origin().host() {
            return Ok(None);
        }
        let agreed = self.agreed().await;
        Ok(Some(SignInServer {
            address: realm.origin.to_string(),
            known: realm.may_know(self.server.origin(), agreed.as_ref()),
        }))
    }

    /// The token server that the configuration names, or that the person agreed to when signing in.
    async fn agreed(&self) -> Option<Origin> {
        if self.token_server.is_some() {
            return self.token_server.clone();
        }
        let (vault, place) = (self.vault.clone(), SignInServer::place(&self.host));
        let kept = blocking(move || vault.get(&place).ok().flatten()).await.ok().flatten();
        kept.and_then(|(address, _)| Origin::from_url(&Url::parse(&address).ok()?))
    }

    fn cached(&self, scopes: &Scopes) -> Option<Secret> {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.get(&scopes.join(" ")).filter(|(_, until)| *until > Instant::now()).map(|(token, _)| token.clone())
    }

    async fn sign<'a>(&self, request: Request<'a>, scopes: &Scopes) -> Request<'a> {
        if let Some(token) = self.cached(scopes) {
            return request.bearer(&token);
        }
        if *self.basic.lock().unwrap_or_else(PoisonError::into_inner) {
            // An identity token is for the token server only, "and never with a resource provider" (token scopes).
            if let Some(account) = self.account(repository_of(scopes)).await.filter(|account| !account.identity_token) {
                return request.basic(&account);
            }
        }
        request
    }

    /// Answers a 401. `false` if there is no account, or if signing in did not help before.
    async fn sign_in(&self, what: &str, scopes: &Scopes, response: &Response) -> Result<bool> {
        let challenges = challenges(response);
        let basic = challenges.iter().any(|challenge| challenge.scheme == "basic");
        if let Some(realm) = challenges.iter().find_map(Realm::from_challenge) {
            match self.fetch_token(what, scopes, &realm).await {
                // The registry also takes the account itself (basic authentication).
                Err(error) if basic && error.kind == Kind::NotAllowed => {}
                other => return other.map(|()| true),
            }
        }
        if basic {
            let mut basic = self.basic.lock().unwrap_or_else(PoisonError::into_inner);
            return Ok(!std::mem::replace(&mut *basic, true));
        }
        Ok(false)
    }

    async fn fetch_token(&self, what: &str, scopes: &Scopes, realm: &Realm) -> Result<()> {
        let registry = self.server.origin();
        realm.check(registry, what)?;
        let mut account = self.account(repository_of(scopes)).await;
        if account.is_some() && !realm.may_know(registry, self.agreed().await.as_ref()) {
            let why = format!("the sign-in of {} is at {}, which you have not been shown", self.host, realm.origin);
            return Err(Error::new(Kind::NotAllowed, what, why)
                .hint(format!(
                    "run 'wharf login {}' to agree to it, or name it as token_server for this source",
                    self.host
                ))
                .sign_in_at(Some(self.host.clone())));
        }
        if let Some(account) = account.as_mut().filter(|account| account.identity_token) {
            let known = self.refreshed.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(newer) = known.get(&realm.origin) {
                account.secret = newer.clone();
            }
        }
        let asking = TokenRequest { what, registry, tls: &self.tls, reach: &self.reach };
        let fresh = realm.token(&asking, account.as_ref(), scopes).await.map_err(|error| {
            let host = (error.kind == Kind::NotAllowed).then(|| self.host.clone());
            error.sign_in_at(host)
        })?;
        if let Some(newer) = fresh.refresh.filter(|_| account.is_some_and(|account| account.identity_token)) {
            self.refreshed.lock().unwrap_or_else(PoisonError::into_inner).insert(realm.origin.clone(), newer);
        }
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|_, (_, until)| *until > Instant::now());
        tokens.insert(scopes.join(" "), (fresh.token, Instant::now() + fresh.lasts));
        Ok(())
    }

    fn note_limits(&self, response: &Response) {
        let value = |name: &str| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).map(|text| clean::short(text, 40))
        };
        let left = value("ratelimit-remaining");
        if let Some(left) = left.and_then(|left| PullsLeft::parse(&left, value("ratelimit-limit").as_deref())) {
            *self.limits.lock().unwrap_or_else(PoisonError::into_inner) = Some(left);
        }
    }
}

/// All challenges of a response, from one or several header lines.
fn challenges(response: &Response) -> Vec<challenge::Challenge> {
    let headers = response.headers().get_all(header::WWW_AUTHENTICATE);
    headers.iter().filter_map(|value| value.to_str().ok()).flat_map(challenge::parse).collect()
}

fn repository_of(scopes: &Scopes) -> &str {
    scopes
        .first()
        .and_then(|scope| scope.strip_prefix("repository:"))
        .and_then(|rest| rest.rsplit_once(':'))
        .map_or("", |(name, _)| name)
}

fn retry_after(response: &Response) -> Option<Duration> {
    parse_retry_after(response.headers().get(header::RETRY_AFTER)?.to_str().ok()?, text::now())
}

/// The wait that `Retry-After` asks for: seconds, or a date (RFC 9110, section 10.2.3). `now` in seconds since 1970.
fn parse_retry_after(said: &str, now: i64) -> Option<Duration> {
    let said = said.trim();
    match said.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            let until = jiff::fmt::rfc2822::parse(said).ok()?.timestamp().as_second();
            Some(Duration::from_secs(u64::try_from(until.saturating_sub(now)).unwrap_or(0)))
        }
    }
}

fn pause(tries: u32) -> Duration {
    Duration::from_millis(200 << tries.min(6))
}

/// What an error answer says: the registry's list of errors, or the beginning of the text.
pub(super) async fn error_message(response: Response) -> String {
    match http::body(response, 64 << 10, "read the refusal").await {
        Ok(bytes) => parse_error_message(&bytes),
        Err(_) => String::new(),
    }
}

/// The words of an error answer: the list of errors (distribution specification, "Error Codes"), or a single message,
/// as some proxies in front of registries send it.
fn parse_error_message(bytes: &[u8]) -> String {
    let said: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let word = |of: &Value, names: &[&str]| {
        let texts = names.iter().filter_map(|name| of.get(name).and_then(Value::as_str));
        texts.map(str::trim).find(|text| !text.is_empty()).map(str::to_owned)
    };
    let listed = said.get("errors").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let words: Vec<String> = listed
        .iter()
        .filter_map(|one| {
            // A single detail says more than a general message.
            let detail = one.get("detail").and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
            match (word(one, &["message", "code"]), detail) {
                (Some(message), Some(detail)) if detail != message => Some(format!("{message}: {detail}")),
                (message, detail) => message.or(detail.map(str::to_owned)),
            }
        })
        .take(3)
        .collect();
    if words.is_empty() { word(&said, &["message", "error", "detail"]).unwrap_or_default() } else { words.join("; ") }
}

/// The account whose token was refused, noted in a response.
#[derive(Clone)]
struct KnownAccount(String);

/// Turns every answer but success into an error.
pub(super) async fn success(what: &str, response: Response) -> Result<Response> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    if let Some(KnownAccount(name)) = response.extensions().get().cloned() {
        let said = clean::short(&error_message(response).await, 200);
        let said = if said.is_empty() { said } else { format!(" ({said})") };
        let why = format!("the account '{}' has no right to do that{said}", clean::short(&name, 60));
        return Err(Error::new(Kind::NotAllowed, what, why)
            .hint("ask the project's owner for the right, or sign in with another account"));
    }
    let wait = retry_after(&response);
    let host = host_and_port(response.url()).filter(|_| status == StatusCode::UNAUTHORIZED);
    // Docker Hub answers under another host name than people sign in to.
    let host = host.map(|host| credentials::normalize_host(&host).to_owned());
    let said = error_message(response).await;
    let missing = host.as_deref().and_then(credentials::why_unreadable);
    let mut error = http::refused(what, status, &said).sign_in_at(host);
    if let Some(missing) = missing {
        let hint = format!("{}; {missing}", error.hint);
        error = error.hint(hint);
    }
    if let (429, Some(wait)) = (status.as_u16(), wait) {
        error = error.hint(format!("it asks to wait {} s; signing in usually raises the limit", wait.as_secs()));
        error.again_after = Some(u32::try_from(wait.as_secs()).unwrap_or(u32::MAX));
    }
    Err(error)
}

/// Host and port of an address, as references name them: `host[:port]`.
pub(super) fn host_and_port(url: &Url) -> Option<String> {
    let host = url.host_str().filter(|host| !host.is_empty())?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_in_the_words_that_it_has() {
        for (body, words) in [
            (r#"{"errors":[{"code":"DENIED","message":"no access","detail":null}]}"#, "no access"),
            (r#"{"errors":[{"code":"DENIED","message":null}]}"#, "DENIED"),
            (r#"{"errors":[{"code":"A","message":""},{"code":"B","message":"b"}]}"#, "A; b"),
            (r#"{"errors":[{"code":"X","message":"quota","detail":"5 of 5 GiB"}]}"#, "quota: 5 of 5 GiB"),
            (r#"{"errors":[{"code":"X","message":"m","detail":{"Tag":"1"}},null,7]}"#, "m"),
            (r#"{"errors":null,"message":"down for repair"}"#, "down for repair"),
            (r#"{"errors":[],"error":"bad"}"#, "bad"),
            (r#"{"error":{"nested":1}}"#, ""),
            ("<html>", ""),
            ("", ""),
        ] {
            assert_eq!(parse_error_message(body.as_bytes()), words, "{body}");
        }
    }

    #[test]
    fn a_wait_is_said_in_seconds_or_as_a_time() {
        let wait = |said: &str| parse_retry_after(said, 1_445_412_480).map(|wait| wait.as_secs());
        assert_eq!(wait("7"), Some(7));
        assert_eq!(wait(" 0 "), Some(0));
        // 1445412480 is 2015-10-21T07:28:00Z.
        assert_eq!(wait("Wed, 21 Oct 2015 07:28:09 GMT"), Some(9));
        assert_eq!(wait("Wed, 21 Oct 2015 07:00:00 GMT"), Some(0));
        for odd in ["", "-1", "soon", "1.5"] {
            assert_eq!(wait(odd), None, "{odd}");
        }
    }
}
