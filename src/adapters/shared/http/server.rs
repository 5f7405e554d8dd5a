//! One server and what may be sent to it. Secrets are attached here and nowhere else.
//!
//! A [`Request`] is made from a [`Place`], and a [`Place`] is always at the server's own [`Origin`]: a password, a token or
//! a client certificate cannot be sent anywhere else, whatever an answer says. Where an answer names another server, it
//! is visited ([`Visitor`]) with nothing of ours: only to read, never down from `https` to `http`, and only within
//! [`Reach`].

use std::{sync::OnceLock, time::Duration};

use reqwest::{Body, Client, Method, RequestBuilder, Response, StatusCode, header, redirect};
use url::Url;

use super::{Origin, Reach, Tls, no_answer};
use crate::core::base::{
    error::{Error, Kind, Result},
    secret::{Credentials, Secret},
};

/// Redirects that are followed for one request (RFC 9110, section 15.4, warns of cycles).
const MOST_REDIRECTS: usize = 5;

/// An address at one server's own origin.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place(Url);

impl Place {
    /// The address.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// The same with one more pair in its query.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.0.query_pairs_mut().append_pair(key, value);
        self
    }
}

/// Where an answer says to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// At this server.
    Here(Place),
    /// At another one.
    Elsewhere(Url),
}

/// A server that a person or their configuration named, or that a registry named as the place of its sign-in.
pub struct Server {
    base: Url,
    origin: Origin,
    tls: Tls,
    own: OnceLock<Client>,
    visitor: Visitor,
}

impl Server {
    /// The server at `base`; addresses are below it.
    pub fn new(mut base: Url, tls: Tls, reach: Reach) -> Result<Self> {
        let origin = Origin::of(&base);
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
        Ok(Self { base, origin, tls, own: OnceLock::new(), visitor })
    }

    /// The server at `text`, as people write it: without a scheme it is https. `what` names who wants it.
    pub fn at(text: &str, tls: Tls, reach: Reach, what: &str) -> Result<Self> {
        let whole = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        let hint = "write https://host[:port]";
        // The text itself may hold a password: it is not repeated.
        let base = Url::parse(&whole).map_err(|error| Error::usage(what, format!("url: {error}")).hint(hint))?;
        Self::new(base, tls, reach).map_err(|error| error.during(what))
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The root of its interface; ends with a slash.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// Reads what others have, with nothing of ours.
    pub fn visitor(&self) -> &Visitor {
        &self.visitor
    }

    /// An address below the root.
    pub fn place(&self, path: &str) -> Result<Place> {
        let what = format!("make an address of {}", self.origin);
        let url = self.base.join(path).map_err(|error| Error::usage(&what, error.to_string()))?;
        match self.next_of(url) {
            Next::Here(place) => Ok(place),
            Next::Elsewhere(_) => Err(Error::usage(what, "the path leads to another server")),
        }
    }

    /// Where `target`, which an answer from `current` names, leads.
    pub fn next(&self, current: &Place, target: &str) -> Option<Next> {
        current.0.join(target).ok().map(|url| self.next_of(url))
    }

    /// The same, where a server that does not know its own outside name is still asked under ours: for pages of a list.
    pub fn rebased(&self, current: &Place, target: &str) -> Option<Place> {
        match self.next(current, target)? {
            Next::Here(place) => Some(place),
            Next::Elsewhere(url) if Origin::of(&url).is_some() => Some(self.ours(&url)),
            Next::Elsewhere(_) => None,
        }
    }

    /// Path and query of an address, at this server.
    fn ours(&self, url: &Url) -> Place {
        let mut ours = self.base.clone();
        ours.set_path(url.path());
        ours.set_query(url.query());
        Place(ours)
    }

    fn next_of(&self, url: Url) -> Next {
        // By its parts, so that an account inside the address goes nowhere.
        if Origin::of(&url).as_ref() == Some(&self.origin) { Next::Here(self.ours(&url)) } else { Next::Elsewhere(url) }
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

    /// A request that has not been sent.
    pub fn request(&self, method: Method, place: &Place) -> Result<Request<'_>> {
        let client = self.client(&format!("connect to {}", self.origin))?;
        Ok(Request { server: self, builder: client.request(method, place.0.clone()) })
    }

    /// A request that reads.
    pub fn get(&self, place: &Place) -> Result<Request<'_>> {
        self.request(Method::GET, place)
    }
}

/// A request to one server.
pub struct Request<'a> {
    server: &'a Server,
    builder: RequestBuilder,
}

impl Request<'_> {
    /// With a header that is no secret.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.builder = self.builder.header(name, value.as_ref());
        self
    }

    /// With a body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Body>) -> Self {
        self.builder = self.builder.body(body);
        self
    }

    /// With pairs in its query.
    #[must_use]
    pub fn query(mut self, pairs: &[(&str, &str)]) -> Self {
        if !pairs.is_empty() {
            self.builder = self.builder.query(pairs);
        }
        self
    }

    /// Signed with account and password (RFC 7617).
    #[must_use]
    pub fn basic(mut self, account: &Credentials) -> Self {
        self.builder = self.builder.basic_auth(&account.username, Some(account.secret.reveal()));
        self
    }

    /// Signed with a token (RFC 6750).
    #[must_use]
    pub fn bearer(mut self, token: &Secret) -> Self {
        self.builder = self.builder.bearer_auth(token.reveal());
        self
    }

    /// Signed with a secret in a header of the server's own.
    #[must_use]
    pub fn secret_header(mut self, name: &'static str, secret: &str) -> Self {
        // A secret that no header can hold is left out, and the server says that it wants one.
        if let Ok(mut value) = header::HeaderValue::from_str(secret) {
            value.set_sensitive(true);
            self.builder = self.builder.header(name, value);
        }
        self
    }

    /// Sends it. Redirects within this server are followed as they are meant; to another one only by a visitor who reads
    /// and brings nothing. A sign-in that another server asks for is an error: it is nobody's here.
    pub async fn send(self, what: &str) -> Result<Response> {
        let server = self.server;
        let client = server.client(what)?;
        let mut request = self.builder.build().map_err(|error| no_answer(what, &error))?;
        for _ in 0..MOST_REDIRECTS {
            let again = request.try_clone();
            let (method, current) = (request.method().clone(), Place(request.url().clone()));
            let kept = [header::ACCEPT, header::RANGE].map(|name| (request.headers().get(&name).cloned(), name));
            let response = client.execute(request).await.map_err(|error| no_answer(what, &error))?;
            let Some(target) = redirect_of(&response) else { return Ok(response) };
            let reads = matches!(method, Method::GET | Method::HEAD);
            match server.next(&current, &target) {
                None => return Ok(response),
                Some(Next::Here(place)) => {
                    // What was sent is sent again only where the answer says that it should be (307, 308).
                    let same = reads || matches!(response.status().as_u16(), 307 | 308);
                    let Some(mut next) = again.filter(|_| same) else { return Ok(response) };
                    *next.url_mut() = place.0;
                    request = next;
                }
                Some(Next::Elsewhere(url)) if reads => {
                    let mut headers = header::HeaderMap::new();
                    headers.extend(kept.into_iter().filter_map(|(value, name)| value.map(|value| (name, value))));
                    return server.visitor.follow(what, &server.origin, url, method, headers).await;
                }
                Some(Next::Elsewhere(url)) => return Err(sent_elsewhere(what, &server.origin, &url)),
            }
        }
        Err(in_circles(what, &server.origin))
    }
}

/// The error of an answer that wants something of ours to be sent to another server.
pub fn sent_elsewhere(what: &str, from: &Origin, to: &Url) -> Error {
    let to = Origin::of(to).map_or_else(|| format!("a {} address", to.scheme()), |to| to.to_string());
    Error::new(Kind::NotAllowed, what, format!("{from} wants it sent to {to}, which is another server"))
        .hint("nothing was sent there; tell whoever runs the source")
}

fn in_circles(what: &str, origin: &Origin) -> Error {
    Error::failed(what, format!("{origin} sends us on and on")).hint("tell whoever runs the source")
}

/// Where an answer redirects to, if it does.
fn redirect_of(response: &Response) -> Option<String> {
    let moved = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let target = response.headers().get(header::LOCATION).filter(|_| moved)?;
    target.to_str().ok().map(str::to_owned)
}

/// Reads from servers that nobody signed in to: no account, no certificate, no body.
pub struct Visitor {
    tls: Tls,
    reach: Reach,
    made: OnceLock<Client>,
}

impl Visitor {
    /// One with this trust.
    pub fn new(tls: Tls, reach: Reach) -> Self {
        Self { tls: Tls { identity: None, ..tls }, reach, made: OnceLock::new() }
    }

    /// Reads what a person named.
    pub async fn get(&self, what: &str, url: &Url, headers: header::HeaderMap) -> Result<Response> {
        let origin = Origin::of(url)
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
            let to = Origin::of(&url).ok_or_else(|| sent_elsewhere(what, &from, &url))?;
            if from.is_secure() && !to.is_secure() {
                return Err(Error::new(Kind::NotAllowed, what, format!("{from} sends us on to {to}, unencrypted"))
                    .hint("tell whoever runs the source"));
            }
            if from != to {
                self.reach.check(what, &from, &to)?;
            }
            // An account inside an address is none of ours, and none is sent.
            let _ = url.set_username("");
            let _ = url.set_password(None);
            let request = client.request(method.clone(), url.clone()).headers(headers.clone());
            let response = request.send().await.map_err(|error| no_answer(what, &error))?;
            let Some(target) = redirect_of(&response) else {
                return if response.status() == StatusCode::UNAUTHORIZED {
                    Err(Error::new(Kind::NotAllowed, what, format!("{to} wants a sign-in of its own"))
                        .hint("nothing was sent there; tell whoever runs the source"))
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

/// A client with deadlines on every step, which follows nothing by itself. Proxies come from the environment.
fn client(tls: &Tls, what: &str) -> Result<Client> {
    let builder = Client::builder()
        .user_agent(concat!("wharf/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(5))
        .read_timeout(Duration::from_secs(30))
        .pool_max_idle_per_host(32)
        .tcp_nodelay(true)
        // What is hashed and bounded are the bytes as they were sent.
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
        .referer(false)
        .redirect(redirect::Policy::none());
    tls.apply(builder, what)?.build().map_err(|error| no_answer(what, &error))
}
