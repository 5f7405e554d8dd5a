//! A region of a cloud, used by one account in one project: its services, and sending requests to them.

use std::{collections::HashSet, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::sync::OnceCell;
use url::Url;

pub(super) use super::keystone::TOKEN;
use super::{
    account::Account,
    answers::Listed,
    endpoints,
    keystone::{Session, tls},
    pages::{self, Page},
    service::{Body, Request, Service},
    settings::Settings,
    words,
};
use crate::shared::http::{self as shared, Allowance, AllowedServers, Origin, Part, Server, Visitor};
use wharf_core::{
    base::{
        clean,
        error::{During, Error, Kind, Result},
        secret::Secret,
        text,
    },
    image::link::CloudPlace,
};

/// The number of entries in a page; services give no larger pages.
const PAGE: usize = 1000;
/// Longest answer that is read, in bytes.
const LONGEST: usize = 32 << 20;
/// Longest time for one answer; the caller's deadline may be shorter.
const ANSWER: Duration = Duration::from_secs(60);

/// A region of a cloud.
pub(super) struct Cloud {
    /// The name of the source.
    pub name: String,
    /// The name in `clouds.yaml`, if it differs and no other cloud has it.
    pub also: Option<String>,
    written: Settings,
    account: Arc<Account>,
    /// The services, each with its own origin: a token is sent only to those that the catalogue names.
    servers: [OnceCell<Server>; 5],
    reach: AllowedServers,
    visitor: Visitor,
}

impl Cloud {
    /// A cloud that is contacted when it is first needed.
    pub(super) fn new(
        name: String,
        also: Option<String>,
        settings: Settings,
        account: Arc<Account>,
        reach: AllowedServers,
    ) -> Self {
        let visitor = Visitor::new(tls(&settings), reach.clone());
        Self { name, also, written: settings, account, servers: Default::default(), reach, visitor }
    }

    /// The settings, complete once the account has signed in.
    fn settings(&self) -> &Settings {
        // A fetched profile belongs to a single region.
        if self.written.remote.is_some() { self.account.settings() } else { &self.written }
    }

    /// The account that signs in.
    pub(super) fn account(&self) -> &Account {
        &self.account
    }

    /// The address of the identity service in the files; empty if they name none.
    pub(super) fn address(&self) -> String {
        self.settings().auth("auth_url").unwrap_or("").to_owned()
    }

    /// The address with the region, in words; the profile's address if there is one.
    pub(super) fn place_in_words(&self) -> String {
        let address = match &self.written.remote {
            Some(remote) => format!("{} (its profile)", remote.url),
            None => self.address(),
        };
        let address = clean::short(&address, 300);
        match self.settings().region() {
            None => address,
            Some(region) => format!("{address} · {}", clean::short(region, 60)),
        }
    }

    /// The address and region of the cloud, which are the same for everybody; `None` if the files name no address.
    pub(super) fn place_of_cloud(&self) -> Option<CloudPlace> {
        let url = Url::parse(&self.address()).ok()?;
        Origin::from_url(&url)?;
        let region = self.settings().region().map(str::to_owned);
        Some(CloudPlace { address: url.to_string(), region })
    }

    /// Whether this is a name of the cloud.
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.name == name || self.also.as_deref() == Some(name)
    }

    /// The current session, shared by all regions; signs in if necessary.
    async fn session(&self) -> Result<Arc<Session>> {
        self.account.session().await
    }

    /// A service at the address that the catalogue or the files name. Looked up once.
    pub(super) async fn server(&self, service: Service) -> Result<&Server> {
        let what = format!("find the {} service of {}", service.name(), self.name);
        self.servers[service as usize]
            .get_or_try_init(|| async {
                let session = self.session().await?;
                let named = self.named(&what, service, &session)?;
                let id = session.project.as_ref().map_or("", |project| project.id.as_str());
                let server = Server::new(service.root(&named, id), tls(self.settings()), self.reach.clone())
                    .map_err(|error| error.during(&what))?;
                self.may_have_token(&what, &server)?;
                Ok(server)
            })
            .await
    }

    /// The address of a service: the one in the files, else that in the catalogue.
    fn named(&self, what: &str, service: Service, session: &Session) -> Result<Url> {
        let id = session.project.as_ref().map_or("", |project| project.id.as_str());
        let own = |suffix: &str| {
            let keys = service.kinds().iter().map(|kind| format!("{}_{suffix}", kind.replace('-', "_")));
            keys.into_iter().find_map(|key| self.settings().option(&key))
        };
        if let Some(written) = own("endpoint_override") {
            return endpoints::address(written, id).ok_or_else(|| {
                Error::usage(what, format!("its endpoint_override is no address: {}", clean::short(written, 100)))
                    .hint("write https://host[:port]/path in clouds.yaml")
            });
        }
        let interfaces =
            own("interface").map_or_else(|| self.settings().interfaces.clone(), |one| vec![one.to_owned()]);
        let region = own("region_name").or(self.settings().region());
        if let Some(found) = endpoints::choose(&session.endpoints, service, &interfaces, region) {
            return Ok(found.url.clone());
        }
        if service == Service::Identity {
            return Ok(session.identity.clone());
        }
        let regions = endpoints::regions(&session.endpoints, service);
        let word = service.name();
        let used = region.or_else(|| endpoints::home(&session.endpoints));
        Err(match (used, regions.is_empty()) {
            (Some(region), false) if !regions.iter().any(|known| known == region) => Error::unsupported(
                what,
                format!("{} offers no {word} service in the region {}", self.name, clean::short(region, 60)),
            )
            .hint(format!("check region_name in clouds.yaml: it is in {}", regions.join(", "))),
            (_, false) => Error::unsupported(
                what,
                format!("{} offers no {word} service by its {} interface", self.name, interfaces.join(" or ")),
            )
            .hint("check interface in clouds.yaml"),
            _ => Error::unsupported(what, format!("{} offers no {word} service in this region", self.name))
                .hint("check region_name in clouds.yaml, or ask the administrators of the cloud"),
        })
    }

    /// The region in use and the others, in words, if the cloud has several and the files name none.
    pub(super) async fn region_words(&self) -> Option<String> {
        let session = self.session().await.ok()?;
        let all = endpoints::regions(&session.endpoints, Service::Image);
        let used = match self.settings().region() {
            Some(region) => region.to_owned(),
            None => endpoints::home(&session.endpoints)?.to_owned(),
        };
        let others: Vec<&str> = all.iter().map(String::as_str).filter(|name| *name != used).collect();
        let used = clean::short(&used, 60);
        match (self.written.region(), others.is_empty()) {
            (None, false) => Some(format!("region {used}; name another as region_name: {}", others.join(", "))),
            _ => self.settings().region().map(|_| format!("region {used}")),
        }
    }

    /// Fails if a token that arrived encrypted would be sent unencrypted, except to this machine itself.
    fn may_have_token(&self, what: &str, server: &Server) -> Result<()> {
        let identity = Url::parse(&self.address()).ok().as_ref().and_then(Origin::from_url);
        let (to, encrypted) = (server.origin(), identity.as_ref().is_some_and(Origin::is_secure));
        if encrypted && !to.is_secure() && !to.is_this_machine() {
            return Err(Error::new(Kind::NotAllowed, what, format!("the catalogue of {} has it at {to}, unencrypted", self.name))
                .hint("your token would be readable on the way: tell the administrators of the cloud, or name its https address as SERVICE_endpoint_override in clouds.yaml"));
        }
        if let Some(identity) = identity {
            self.reach.check(what, &identity, to)?;
        }
        Ok(())
    }

    /// Reads from servers that are not part of the cloud, without credentials.
    pub(super) fn visitor(&self) -> &Visitor {
        &self.visitor
    }

    /// The id and the name of the project; empty if the session has none.
    pub(super) async fn project(&self) -> Result<(String, String)> {
        let session = self.session().await?;
        Ok(session.project.as_ref().map_or_else(Default::default, |project| (project.id.clone(), project.name.clone())))
    }

    /// The current token, for requests with a stream as body.
    pub(super) async fn token(&self) -> Result<Secret> {
        Ok(self.session().await?.token.clone())
    }

    /// How long the sign-in still lasts, in words.
    pub(super) async fn signed_in_until(&self) -> Option<String> {
        let left = self.session().await.ok()?.expires.saturating_sub(text::now());
        Some(if left > 0 { format!("signed in for {}", text::age(0, left)) } else { "sign-in is over".to_owned() })
    }

    /// Sends a request and returns the body of a successful answer; every other answer is an error.
    pub(super) async fn send(&self, what: &str, service: Service, request: Request<'_>) -> Result<Bytes> {
        let mut status = 0;
        let mut said = Bytes::new();
        let mut token = self.token().await?;
        for again in [false, true] {
            if again {
                // The token ended early: the request is sent once more with a new one.
                self.account.again(&token).await?;
                token = self.token().await?;
            }
            let asked = tokio::time::timeout(ANSWER, self.send_once(what, service, &request, &token));
            let answered = asked.await.map_err(|_| wharf_core::base::context::timed_out(what, ANSWER))?;
            let (code, body) = answered?;
            if code.is_success() {
                return Ok(body);
            }
            (status, said) = (code.as_u16(), body);
            if status != 401 {
                break;
            }
        }
        Err(self.refusal(what, service, status, &said))
    }

    /// The error for a refusal.
    pub(super) fn refusal(&self, what: &str, service: Service, status: u16, body: &[u8]) -> Error {
        let error = words::service_error(what, &self.name, service, status, body);
        // A sign-in is for all regions.
        if error.sign_in.is_some() { error.sign_in_at(Some(self.account.vault_key())) } else { error }
    }

    async fn send_once(
        &self,
        what: &str,
        service: Service,
        request: &Request<'_>,
        token: &Secret,
    ) -> Result<(http::StatusCode, Bytes)> {
        let server = self.server(service).await?;
        let mut builder = server.request(request.method.clone(), &server.address(request.path)?)?;
        builder = builder.secret_header(TOKEN, token.reveal());
        if let Some(version) = request.version {
            builder = builder.header("OpenStack-API-Version", format!("{} {version}", service.header()));
        }
        builder = match &request.body {
            Body::None => builder,
            Body::Json(value) => {
                builder.header("Content-Type", "application/json").body(serde_json::to_vec(value).during(what)?)
            }
            Body::ImagePatch(value) => builder
                .header("Content-Type", "application/openstack-images-v2.1-json-patch")
                .body(serde_json::to_vec(value).during(what)?),
        };
        let answer = builder.send(what).await.map_err(words::in_clouds_yaml)?;
        let status = answer.status();
        Ok((status, shared::body(answer, LONGEST, what).await?))
    }

    /// Reads a whole list, page by page: `path` has no query, `key` is the field with the rows. Fails if a page cannot
    /// be read. A row that cannot be read has no usable id and is left out.
    pub(super) async fn all<T: Listed>(&self, what: &str, service: Service, path: &str, key: &str) -> Result<Vec<T>> {
        self.read_pages(what, service, path, key).await?.0.whole(what)
    }

    /// Reads a list like `all`, but if a later page fails, the rows before it are returned.
    pub(super) async fn part<T: Listed>(&self, what: &str, service: Service, path: &str, key: &str) -> Result<Part<T>> {
        let (Part { rows, cut }, odd) = self.read_pages(what, service, path, key).await?;
        Ok(Part { rows, cut: cut.or(pages::odd_words(odd)) })
    }

    /// The rows of a list that can be read, and the number of those that cannot.
    async fn read_pages<T: Listed>(
        &self,
        what: &str,
        service: Service,
        path: &str,
        key: &str,
    ) -> Result<(Part<T>, usize)> {
        let first = format!("limit={PAGE}");
        let (mut rows, mut known, mut odd): (Vec<T>, HashSet<String>, usize) = Default::default();
        let (mut asked, allowance) = (first.clone(), Allowance::default());
        let cut = loop {
            let page = match self.page::<T>(what, service, path, key, &asked).await {
                Ok(page) => page,
                Err(error) if rows.is_empty() => return Err(error),
                Err(error) => break Some(error.why),
            };
            odd += page.odd;
            let (count, before) = (page.rows.len() + page.odd, rows.len());
            let last = page.rows.last().map(|row| row.id().to_owned());
            rows.extend(page.rows.into_iter().filter(|row| known.insert(row.id().to_owned())));
            let is_news = rows.len() > before;
            asked = match (page.next, last) {
                (Some(_), _) if !is_news && count > 0 => break Some("its pages lead in a circle".to_owned()),
                (Some(next), _) if next != asked => next,
                // Services without pages answer the same again.
                (None, Some(last)) if is_news => pages::after(&first, &last),
                _ => break None,
            };
            if let Some(why) = allowance.count_page(count, page.bytes) {
                break Some(why);
            }
        };
        Ok((Part { rows, cut }, odd))
    }

    /// Reads a page of a list.
    pub(super) async fn page<T: serde::de::DeserializeOwned>(
        &self,
        what: &str,
        service: Service,
        path: &str,
        key: &str,
        asked: &str,
    ) -> Result<Page<T>> {
        let body = self.send(what, service, Request::get(&format!("{path}?{asked}"))).await?;
        pages::read(shared::parse(&body, what)?, key, body.len()).ok_or_else(|| {
            Error::failed(what, format!("the list of {} is not what it should be", self.name))
                .hint("tell the administrators of the cloud")
        })
    }

    /// Sends a request and reads the answer as JSON.
    pub(super) async fn json<T: serde::de::DeserializeOwned>(
        &self,
        what: &str,
        service: Service,
        request: Request<'_>,
    ) -> Result<T> {
        let body = self.send(what, service, request).await?;
        shared::parse(&body, what).map_err(|error| error.hint("tell the administrators of the cloud"))
    }
}
