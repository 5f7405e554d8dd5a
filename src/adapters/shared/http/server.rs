//! A server and what may be sent to it. Secrets are attached to requests only here.
//!
//! A [`Request`] is made from a [`ServerAddress`], and a [`ServerAddress`] is always at the server's own [`Origin`]: a password, token
//! or client certificate cannot be sent to another server, whatever an answer says. If an answer leads to another
//! server, a [`Visitor`] reads from it without credentials: never from `https` down to `http`, and only within
//! [`AllowedServers`].

use std::{sync::OnceLock, time::Duration};

use reqwest::{Body, Client, ClientBuilder, Method, RequestBuilder, Response, StatusCode, header, redirect};
use url::Url;

use super::{
    errors::no_answer,
    origin::{Origin, address},
    reach::AllowedServers,
    tls::Tls,
};
use wharf_core::base::{
    error::{Error, Kind, Result},
    secret::{Credentials, Secret},
};

/// Most redirects that are followed for a request (RFC 9110, section 15.4, warns of cycles).
const MOST_REDIRECTS: usize = 5;

/// An address at a server's own origin.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServerAddress(Url);

impl ServerAddress {
    /// The address as a URL.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// The address with one more pair in its query.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.0.query_pairs_mut().append_pair(key, value);
        self
    }
}

/// Where an answer says to continue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextPage {
    /// At the same server, where credentials may be sent.
    Here(ServerAddress),
    /// At another server, which is only visited without credentials.
    Elsewhere(Url),
}

/// A server that a person or configuration has named, or that a registry has named as its token server.
pub struct Server {
    base: Url,
    origin: Origin,
    tls: Tls,
    own: OnceLock<Client>,
    /// Without a limit for the time until an answer begins: that time has all of a body in it.
    patient: OnceLock<Client>,
    visitor: Visitor,
}

impl Server {
    /// The server at `base`, below which all addresses are. Fails if that is not http or https.
    pub fn new(mut base: Url, tls: Tls, reach: AllowedServers) -> Result<Self> {
        let origin = Origin::from_url(&base);
        let shown = origin.as_ref().map_or_else(|| format!("{}:", base.scheme()), ToString::to_string);
        let what = format!("use the address {shown}");
        let origin = origin.ok_or_else(|| {
            Error::usage(&what, "it is no address of a server")
                .hint("write https://host[:port] (or http:// for a test)")
        })?;
        if !base.username().is_empty() || base.password().is_some() {
            return Err(Error::usage(what, "an address holds no account and no password: others would see them")
                .hint("write it without them, then run 'wharf login'"));
        }
        base.set_fragment(None);
        base.set_query(None);
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let visitor = Visitor::new(Tls { identity: None, ..tls.clone() }, reach);
        Ok(Self { base, origin, tls, own: OnceLock::new(), patient: OnceLock::new(), visitor })
    }

    /// The server at an address as people write it, https if it has no scheme. `what` says for whom, in errors.
    pub fn at(text: &str, tls: Tls, reach: AllowedServers, what: &str) -> Result<Self> {
        let hint = "write https://host[:port]";
        let base = address(text).map_err(|error| Error::usage(what, format!("url: {error}")).hint(hint))?;
        Self::new(base, tls, reach).map_err(|error| error.during(what))
    }

    /// The server's scheme, host and port.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The base address, which ends with a slash.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// Reads from other servers without credentials.
    pub fn visitor(&self) -> &Visitor {
        &self.visitor
    }

    /// An address below the base address.
    pub fn address(&self, path: &str) -> Result<ServerAddress> {
        let what = format!("make an address of {}", self.origin);
        let url = self.base.join(path).map_err(|error| Error::usage(&what, error.to_string()))?;
        match self.classify_next(url) {
            NextPage::Here(place) => Ok(place),
            NextPage::Elsewhere(_) => Err(Error::usage(what, "the path leads to another server")),
        }
    }

    /// Where `target` leads, which an answer from `current` names; `None` if it is no address.
    pub fn next(&self, current: &ServerAddress, target: &str) -> Option<NextPage> {
        current.0.join(target).ok().map(|url| self.classify_next(url))
    }

    /// Like `next`, but an address at another host means the same path at this server: for lists of servers behind a
    /// proxy.
    pub fn rebased(&self, current: &ServerAddress, target: &str) -> Option<ServerAddress> {
        match self.next(current, target)? {
            NextPage::Here(place) => Some(place),
            NextPage::Elsewhere(url) if Origin::from_url(&url).is_some() => Some(self.at_this_server(&url)),
            NextPage::Elsewhere(_) => None,
        }
    }

    /// The path and query of an address, at this server.
    fn at_this_server(&self, url: &Url) -> ServerAddress {
        let mut ours = self.base.clone();
        ours.set_path(url.path());
        ours.set_query(url.query());
        ServerAddress(ours)
    }

    fn classify_next(&self, url: Url) -> NextPage {
        // Built from its parts, so that an account inside the address is dropped.
        if Origin::from_url(&url).as_ref() == Some(&self.origin) {
            NextPage::Here(self.at_this_server(&url))
        } else {
            NextPage::Elsewhere(url)
        }
    }

    fn client(&self, what: &str) -> Result<&Client> {
        match self.own.get() {
            Some(client) => Ok(client),
            None => {
                let client = client(&self.tls, what)?;
                Ok(self.own.get_or_init(|| client))
            }
        }
    }

    fn patient_client(&self, what: &str) -> Result<&Client> {
        if let Some(client) = self.patient.get() {
            return Ok(client);
        }
        let client = made(&self.tls, builder(), what)?;
        Ok(self.patient.get_or_init(|| client))
    }

    /// A new request, not sent yet.
    pub fn request(&self, method: Method, place: &ServerAddress) -> Result<Request<'_>> {
        let client = self.client(&format!("connect to {}", self.origin))?;
        Ok(Request { server: self, builder: client.request(method, place.0.clone()), patient: false })
    }

    /// A new GET request, not sent yet.
    pub fn get(&self, place: &ServerAddress) -> Result<Request<'_>> {
        self.request(Method::GET, place)
    }
}

/// A request to one server.
pub struct Request<'a> {
    server: &'a Server,
    builder: RequestBuilder,
    patient: bool,
}

impl Request<'_> {
    /// Adds a header that is no secret.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.builder = self.builder.header(name, value.as_ref());
        self
    }

    /// The answer may take as long as the caller waits: for large bodies, and where the server has much to do first.
    #[must_use]
    pub fn patient(mut self) -> Self {
        self.patient = true;
        self
    }

    /// Sets the body of the request.
    #[must_use]
    pub fn body(mut self, body: impl Into<Body>) -> Self {
        self.builder = self.builder.body(body);
        self
    }

    /// Adds pairs to the query.
    #[must_use]
    pub fn query(mut self, pairs: &[(&str, &str)]) -> Self {
        if !pairs.is_empty() {
            self.builder = self.builder.query(pairs);
        }
        self
    }

    /// Adds account and password (RFC 7617).
    #[must_use]
    pub fn basic(mut self, account: &Credentials) -> Self {
        self.builder = self.builder.basic_auth(&account.username, Some(account.secret.reveal()));
        self
    }

    /// Adds a token (RFC 6750).
    #[must_use]
    pub fn bearer(mut self, token: &Secret) -> Self {
        self.builder = self.builder.bearer_auth(token.reveal());
        self
    }

    /// Adds a secret in a header that this server defines.
    #[must_use]
    pub fn secret_header(mut self, name: &'static str, secret: &str) -> Self {
        // A secret that does not fit into a header is left out; the server then answers that it is missing.
        if let Ok(mut value) = header::HeaderValue::from_str(secret) {
            value.set_sensitive(true);
            self.builder = self.builder.header(name, value);
        }
        self
    }

    /// Sends the request. Redirects at this server are followed; those to another server only for reads, and without
    /// credentials. If another server asks for a sign-in, that is an error.
    pub async fn send(self, what: &str) -> Result<Response> {
        let server = self.server;
        let client = if self.patient { server.patient_client(what)? } else { server.client(what)? };
        let mut request = self.builder.build().map_err(|error| no_answer(what, &error))?;
        for _ in 0..MOST_REDIRECTS {
            let again = request.try_clone();
            let (method, current) = (request.method().clone(), ServerAddress(request.url().clone()));
            let kept = [header::ACCEPT, header::RANGE].map(|name| (request.headers().get(&name).cloned(), name));
            let response = client.execute(request).await.map_err(|error| no_answer(what, &error))?;
            let Some(target) = redirect_target(&response) else { return Ok(response) };
            let reads = matches!(method, Method::GET | Method::HEAD);
            match server.next(&current, &target) {
                None => return Ok(response),
                Some(NextPage::Here(place)) => {
                    // A body is sent again only if the answer asks for it (307, 308).
                    let same = reads || matches!(response.status().as_u16(), 307 | 308);
                    let Some(mut next) = again.filter(|_| same) else { return Ok(response) };
                    *next.url_mut() = place.0;
                    request = next;
                }
                Some(NextPage::Elsewhere(url)) if reads => {
                    let mut headers = header::HeaderMap::new();
                    headers.extend(kept.into_iter().filter_map(|(value, name)| value.map(|value| (name, value))));
                    return server.visitor.follow(what, &server.origin, url, method, headers).await;
                }
                Some(NextPage::Elsewhere(url)) => return Err(sent_elsewhere(what, &server.origin, &url)),
            }
        }
        Err(in_circles(what, &server.origin))
    }
}

/// The error that an answer wants something to be sent to another server.
pub fn sent_elsewhere(what: &str, from: &Origin, to: &Url) -> Error {
    let to = Origin::from_url(to).map_or_else(|| format!("a {} address", to.scheme()), |to| to.to_string());
    Error::new(Kind::NotAllowed, what, format!("{from} wants it sent to {to}, which is another server"))
        .hint("nothing was sent there; tell the administrators of the source")
}

fn in_circles(what: &str, origin: &Origin) -> Error {
    Error::failed(what, format!("{origin} sends us on and on")).hint("tell the administrators of the source")
}

/// The target that an answer redirects to, if it does.
fn redirect_target(response: &Response) -> Option<String> {
    let moved = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let target = response.headers().get(header::LOCATION).filter(|_| moved)?;
    target.to_str().ok().map(str::to_owned)
}

/// Reads from servers without credentials: no account, no client certificate, no body.
pub struct Visitor {
    tls: Tls,
    reach: AllowedServers,
    made: OnceLock<Client>,
}

impl Visitor {
    /// A visitor that trusts the same authorities.
    pub fn new(tls: Tls, reach: AllowedServers) -> Self {
        Self { tls: Tls { identity: None, ..tls }, reach, made: OnceLock::new() }
    }

    /// Reads an address that a person has named.
    pub async fn get(&self, what: &str, url: &Url, headers: header::HeaderMap) -> Result<Response> {
        let origin = Origin::from_url(url)
            .ok_or_else(|| Error::usage(what, "it is no address of a web server").hint("write https://host/path"))?;
        self.follow(what, &origin, url.clone(), Method::GET, headers).await
    }

    async fn follow(
        &self,
        what: &str,
        from: &Origin,
        mut url: Url,
        method: Method,
        headers: header::HeaderMap,
    ) -> Result<Response> {
        let client = match self.made.get() {
            Some(client) => client,
            None => {
                let client = client(&self.tls, what)?;
                self.made.get_or_init(|| client)
            }
        };
        let mut from = from.clone();
        for _ in 0..MOST_REDIRECTS {
            let to = Origin::from_url(&url).ok_or_else(|| sent_elsewhere(what, &from, &url))?;
            if from.is_secure() && !to.is_secure() {
                return Err(Error::new(Kind::NotAllowed, what, format!("{from} sends us on to {to}, unencrypted"))
                    .hint("tell the administrators of the source"));
            }
            if from != to {
                self.reach.check(what, &from, &to)?;
            }
            // An account inside the address is not sent.
            let _ = url.set_username("");
            let _ = url.set_password(None);
            let request = client.request(method.clone(), url.clone()).headers(headers.clone());
            let response = request.send().await.map_err(|error| no_answer(what, &error))?;
            let Some(target) = redirect_target(&response) else {
                return if response.status() == StatusCode::UNAUTHORIZED {
                    Err(Error::new(Kind::NotAllowed, what, format!("{to} wants a sign-in of its own"))
                        .hint("nothing was sent there; tell the administrators of the source"))
                } else {
                    Ok(response)
                };
            };
            let Ok(next) = url.join(&target) else { return Ok(response) };
            (from, url) = (to, next);
        }
        Err(in_circles(what, &from))
    }
}

/// A client with a time limit for every step that follows no redirects itself. Proxies come from the environment.
fn client(tls: &Tls, what: &str) -> Result<Client> {
    made(tls, builder().read_timeout(Duration::from_secs(30)), what)
}

fn made(tls: &Tls, builder: ClientBuilder, what: &str) -> Result<Client> {
    tls.apply(builder, what)?.build().map_err(|error| no_answer(what, &error))
}

fn builder() -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("wharf/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(5))
        .pool_max_idle_per_host(32)
        .tcp_nodelay(true)
        // Bytes are hashed and counted as they were sent.
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .referer(false)
        .redirect(redirect::Policy::none())
}
