//! One cloud as one user in one project: sign-in, endpoints, one way to send a request.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use openstack_sdk::{AsyncOpenStack, api::AsyncClient, config::CloudConfig};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Mutex, OnceCell, RwLock};
use url::Url;

use super::{
    asking::Answers,
    service::{Body, Request, Service, query},
    words,
};
use crate::{
    adapters::http::{self as shared, Allowance, Origin, Part, Reach, Server, Tls, Visitor},
    core::{
        clean,
        error::{During, Error, Kind, Result},
        link::CloudPlace,
        ports::{Asker, Vault},
        text,
    },
};

/// Before a long transfer the sign-in must last at least this long, or it is renewed.
const LONG: Duration = Duration::from_secs(30 * 60);
/// Entries of a page: what the services give at most, as they come.
const PAGE: usize = 1000;
/// The longest answer.
const LONGEST: usize = 32 << 20;
/// The header that a token is in (Identity API v3, "Authentication and token management").
pub const TOKEN: &str = "X-Auth-Token";
/// The longest a single answer may take; the caller's own deadline is shorter.
const ANSWER: Duration = Duration::from_secs(60);

/// A cloud.
pub struct Cloud {
    /// Its name as a source.
    pub name: String,
    config: CloudConfig,
    vault: Arc<dyn Vault>,
    session: RwLock<Option<Arc<AsyncOpenStack>>>,
    /// Held while somebody signs in, so that many calls at once sign in once.
    signing: Mutex<()>,
    /// Each service with its own origin: a token goes to what the catalogue names, and nowhere else.
    servers: [OnceCell<Server>; 5],
    reach: Reach,
    visitor: Visitor,
}

impl Cloud {
    /// A cloud that is asked when it is first needed.
    pub fn new(name: String, config: CloudConfig, vault: Arc<dyn Vault>, reach: Reach) -> Self {
        let visitor = Visitor::new(tls_of(&config), reach.clone());
        Self {
            name,
            config,
            vault,
            session: RwLock::default(),
            signing: Mutex::default(),
            servers: Default::default(),
            reach,
            visitor,
        }
    }

    /// The address of its identity service, as the file says.
    pub fn address(&self) -> String {
        self.config.auth.as_ref().and_then(|auth| auth.auth_url.clone()).unwrap_or_default()
    }

    /// Where it is, by what everybody calls it; `None` where the file names no address.
    pub fn place_of_cloud(&self) -> Option<CloudPlace> {
        let url = Url::parse(&self.address()).ok()?;
        Origin::of(&url)?;
        let region = self.config.region_name.clone().filter(|region| !region.is_empty());
        Some(CloudPlace { address: url.to_string(), region })
    }

    /// Where the credentials come from, in words.
    pub fn credentials(&self) -> &'static str {
        if self.wants_secret() { "the secret that was kept by a sign-in" } else { "clouds.yaml" }
    }

    /// The account, as far as the file tells without asking.
    pub fn account(&self) -> String {
        let auth = self.config.auth.clone().unwrap_or_default();
        let user =
            auth.username.or(auth.user_id).or(auth.application_credential_name).or(auth.application_credential_id);
        let project = auth.project_name.or(auth.project_id);
        match (user, project) {
            (Some(user), Some(project)) => format!("{user} in {project}"),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => String::new(),
        }
    }

    /// The place of its secrets in the vault.
    pub fn place(name: &str) -> String {
        format!("openstack:{name}")
    }

    /// The session: signed in once, renewed by the library when the cloud says 401. Tokens stay in memory.
    pub async fn session(&self) -> Result<Arc<AsyncOpenStack>> {
        if let Some(session) = self.session.read().await.clone() {
            return Ok(session);
        }
        let _once = self.signing.lock().await;
        if let Some(session) = self.session.read().await.clone() {
            return Ok(session);
        }
        self.enter(None).await
    }

    /// Signs in anew; `asker` answers what neither file nor vault knows, a one-time passcode for example.
    pub async fn sign_in(&self, asker: Option<Arc<dyn Asker>>) -> Result<Arc<AsyncOpenStack>> {
        let _once = self.signing.lock().await;
        self.enter(asker).await
    }

    /// Makes the sign-in last at least half an hour, where the cloud allows it: a long transfer must not outlive it.
    pub async fn renewed(&self) -> Result<()> {
        self.renewed_for(LONG).await
    }

    async fn renewed_for(&self, least: Duration) -> Result<()> {
        let session = self.session().await?;
        let left = session.get_auth_info().map_or(0, |info| info.token.expires_at.timestamp() - text::now());
        if u64::try_from(left).unwrap_or(0) >= least.as_secs() {
            return Ok(());
        }
        match self.sign_in(None).await {
            Ok(_) => Ok(()),
            // One who must be asked again is asked when it is over; until then the old one serves.
            Err(error) if left > 60 => {
                tracing::warn!(%error, left, "the sign-in could not be renewed");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn enter(&self, asker: Option<Arc<dyn Asker>>) -> Result<Arc<AsyncOpenStack>> {
        let mut config = self.completed().await;
        if let Some(root) = self.identity(&config).await? {
            // The library would take another port from what the service says of itself, and send the password there.
            config.options.insert("identity_endpoint_override".to_owned(), root.as_str().into());
        }
        let answers = Answers { cloud: self.name.clone(), vault: self.vault.clone(), asker };
        // On the heap: it is large, and needed seldom.
        let connecting = Box::pin(
            AsyncOpenStack::builder(&config)
                // Its cache would leave tokens in clear on disk.
                .disable_auth_cache(true)
                .auth_helper(answers)
                .http_connect_timeout(Duration::from_secs(5))
                .http_timeout(ANSWER)
                .connect(),
        );
        let session = Arc::new(connecting.await.map_err(|error| words::of_sign_in(&self.name, &error))?);
        *self.session.write().await = Some(session.clone());
        Ok(session)
    }

    /// Whether its way to sign in takes an account and a secret that a person could keep, and the file lacks the secret.
    pub fn wants_secret(&self) -> bool {
        let auth = self.config.auth.clone().unwrap_or_default();
        let methods = self.config.auth_methods.clone().unwrap_or_default();
        let kind = self.config.auth_type.as_deref().unwrap_or("password");
        let by = |word: &str| kind.contains(word) || methods.iter().any(|method| method.contains(word));
        (by("password") && auth.password.is_none())
            || (by("application") && auth.application_credential_secret.is_none())
            || (kind.contains("token") && auth.token.is_none() && auth.access_token.is_none())
            || (by("clientcredentials") && auth.client_secret.is_none())
    }

    /// The configuration with the account that was kept by a sign-in, where the file names none.
    async fn completed(&self) -> CloudConfig {
        let mut config = self.config.clone();
        let auth = config.auth.get_or_insert_default();
        let by_password = config.auth_type.as_deref().is_none_or(|kind| kind.contains("password"));
        let named = auth.username.is_some() || auth.user_id.is_some() || auth.application_credential_id.is_some();
        if by_password && !named && auth.token.is_none() {
            let (vault, place) = (self.vault.clone(), Self::place(&self.name));
            // Secret stores may block on a bus.
            let kept = tokio::task::spawn_blocking(move || vault.get(&place)).await;
            auth.username = kept.ok().and_then(Result::ok).flatten().map(|(account, _)| account);
        }
        config
    }

    /// The root of version 3 of the identity service, at the address that the file names; looked for without a secret.
    /// `None` where the file names none.
    async fn identity(&self, config: &CloudConfig) -> Result<Option<Url>> {
        let what = format!("sign in to {}", self.name);
        let Some(address) = config.auth.as_ref().and_then(|auth| auth.auth_url.clone()) else { return Ok(None) };
        let hint = "check auth_url in clouds.yaml";
        let url = Url::parse(&address).map_err(|error| Error::usage(&what, format!("auth_url: {error}")).hint(hint))?;
        let server = Server::new(url, tls_of(config), self.reach.clone()).map_err(|error| error.during(&what))?;
        let asked = self.visit_identity(&server, &what);
        let page = tokio::time::timeout(ANSWER, asked)
            .await
            .map_err(|_| crate::core::progress::timed_out(&what, ANSWER))??;
        let root = version_3(&page).and_then(|link| server.rebased(&server.place("").ok()?, &link));
        let mut root = root.map_or_else(|| server.base().clone(), |place| place.url().clone());
        if !root.path().trim_end_matches('/').ends_with("/v3") {
            let path = root.path().trim_end_matches('/').trim_end_matches("/v2.0").to_owned();
            root.set_path(&format!("{path}/v3"));
        }
        root.set_path(&format!("{}/", root.path().trim_end_matches('/')));
        root.set_query(None);
        Ok(Some(root))
    }

    /// What the identity service says of itself. One that sends us to another server is an error: whatever was sent next
    /// would go there, the password.
    async fn visit_identity(&self, server: &Server, what: &str) -> Result<serde_json::Value> {
        let answer = server.get(&server.place("")?)?.send(what).await.map_err(|error| {
            if error.hint.contains("'ca'") {
                error.hint("if it is your site's own authority, name its PEM file as cacert in clouds.yaml")
            } else {
                error
            }
        })?;
        if Origin::of(answer.url()).as_ref() != Some(server.origin()) {
            return Err(shared::sent_elsewhere(what, server.origin(), answer.url())
                .hint("if that is the identity service, name it as auth_url in clouds.yaml"));
        }
        if answer.status().is_server_error() {
            return Err(shared::refused(what, answer.status(), ""));
        }
        // Whatever else it is, the sign-in itself will tell.
        let page = shared::body(answer, 1 << 20, what).await?;
        Ok(serde_json::from_slice(&page).unwrap_or_default())
    }

    /// A service at the address that the catalogue, or the file, names for it. Asked for once.
    pub async fn server(&self, service: Service) -> Result<&Server> {
        let what = format!("find the {} service of {}", service.word(), self.name);
        self.servers[service as usize]
            .get_or_try_init(|| async {
                let session = self.session().await?;
                let endpoint = session
                    .get_service_endpoint(&service.kind(), None)
                    .await
                    .map_err(|error| words::of_catalog(&what, service, &self.name, &error))?;
                let named = endpoint.build_request_url("x").during(&what)?.join(".").during(&what)?;
                let (project, _) = self.project().await?;
                let server = Server::new(service.root(&named, &project), tls_of(&self.config), self.reach.clone())
                    .map_err(|error| error.during(&what))?;
                self.may_have_token(&what, &server)?;
                Ok(server)
            })
            .await
    }

    /// A token that came encrypted goes nowhere unencrypted, but to this machine itself.
    fn may_have_token(&self, what: &str, server: &Server) -> Result<()> {
        let identity = Url::parse(&self.address()).ok().as_ref().and_then(Origin::of);
        let (to, encrypted) = (server.origin(), identity.as_ref().is_some_and(Origin::is_secure));
        if encrypted && !to.is_secure() && !to.is_this_machine() {
            return Err(Error::new(Kind::NotAllowed, what, format!("the catalogue of {} has it at {to}, unencrypted", self.name))
                .hint("your token would be readable on the way: tell whoever runs the cloud, or name its https address as SERVICE_endpoint_override in clouds.yaml"));
        }
        if let Some(identity) = identity {
            self.reach.check(what, &identity, to)?;
        }
        Ok(())
    }

    /// Reads what is no service of the cloud, with nothing of ours.
    pub fn visitor(&self) -> &Visitor {
        &self.visitor
    }

    /// The project in which this session works: id and name.
    pub async fn project(&self) -> Result<(String, String)> {
        let info = self.session().await?.get_auth_info();
        let project = info.and_then(|info| info.token.project);
        Ok(project.map_or_else(Default::default, |project| {
            (project.id.unwrap_or_default(), clean::short(&project.name.unwrap_or_default(), 100))
        }))
    }

    /// The token in force, for requests whose bodies are streams.
    pub async fn token(&self, what: &str) -> Result<SecretString> {
        self.session().await?.get_auth_token().ok_or_else(|| Error::failed(what, "there is no token"))
    }

    /// How long this sign-in lasts, in words.
    pub async fn signed_in_until(&self) -> Option<String> {
        let info = self.session().await.ok()?.get_auth_info()?;
        let until = info.token.expires_at.timestamp();
        let left = until.saturating_sub(text::now());
        Some(if left > 0 { format!("signed in for {}", text::age(0, left)) } else { "sign-in is over".to_owned() })
    }

    /// Sends a request and gives the body of a good answer; every other answer is an error in words.
    pub async fn send(&self, what: &str, service: Service, request: Request<'_>) -> Result<Bytes> {
        let mut status = 0;
        let mut said = Bytes::new();
        for again in [false, true] {
            if again {
                // It was over before its time: the library's own way to sign in anew, once.
                self.sign_in(None).await?;
            }
            let asked = tokio::time::timeout(ANSWER, self.send_once(what, service, &request));
            let answered = asked.await.map_err(|_| crate::core::progress::timed_out(what, ANSWER))?;
            let (code, body) = answered?;
            if code.is_success() {
                return Ok(body);
            }
            (status, said) = (code.as_u16(), body);
            if status != 401 {
                break;
            }
        }
        Err(words::of_refusal(what, &self.name, service, status, &said))
    }

    async fn send_once(
        &self,
        what: &str,
        service: Service,
        request: &Request<'_>,
    ) -> Result<(http::StatusCode, Bytes)> {
        let server = self.server(service).await?;
        let token = self.token(what).await?;
        let mut builder = server.request(request.method.clone(), &server.place(request.path)?)?;
        builder = builder.secret_header(TOKEN, token.expose_secret());
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
        let answer = builder.send(what).await?;
        let status = answer.status();
        Ok((status, shared::body(answer, LONGEST, what).await?))
    }

    /// A whole list, page by page: `path` has no limit yet, `key` holds the entries, the last one's id is the marker. One
    /// that is longer than the memory should hold is an error.
    pub async fn all<T: serde::de::DeserializeOwned>(
        &self,
        what: &str,
        service: Service,
        path: &str,
        key: &str,
        id: impl Fn(&T) -> &str,
    ) -> Result<Vec<T>> {
        let mut all: Vec<T> = Vec::new();
        let allowance = Allowance::default();
        let cut = loop {
            let last = all.last().map(|last| id(last).to_owned());
            let after = last.as_ref().map_or_else(String::new, |last| format!("&marker={}", query(last)));
            let path = format!("{path}?limit={PAGE}{after}");
            let body = self.send(what, service, Request::get(&path)).await?;
            let mut answer: std::collections::BTreeMap<String, serde_json::Value> = shared::parse(&body, what)?;
            let page = answer.remove(key).unwrap_or_default();
            let page: Vec<T> = serde_json::from_value(page).map_err(|_| {
                Error::failed(what, format!("the list of {} is not what it should be", self.name))
                    .hint("tell whoever runs the cloud")
            })?;
            let (count, whole) = (page.len(), page.len() < PAGE);
            all.extend(page);
            if whole {
                break None;
            }
            if all.last().map(&id) == last.as_deref() {
                break Some("its pages lead in a circle".to_owned());
            }
            if let Some(why) = allowance.spend(count, body.len()) {
                break Some(why);
            }
        };
        Part { rows: all, cut }.whole(what)
    }

    /// The same, read as JSON.
    pub async fn json<T: serde::de::DeserializeOwned>(
        &self,
        what: &str,
        service: Service,
        request: Request<'_>,
    ) -> Result<T> {
        let body = self.send(what, service, request).await?;
        shared::parse(&body, what).map_err(|error| error.hint("tell whoever runs the cloud"))
    }
}

/// What `clouds.yaml` says of TLS; openstackclient's own names for it.
fn tls_of(config: &CloudConfig) -> Tls {
    let text = |key: &str| config.options.get(key).and_then(|value| value.clone().into_string().ok());
    let flag = |key: &str| config.options.get(key).and_then(|value| value.clone().into_bool().ok());
    let path = |text: String| match (text.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => std::path::Path::new(&home).join(rest),
        _ => text.into(),
    };
    Tls {
        authorities: config.cacert.clone().map(path).into_iter().collect(),
        // A certificate without a key of its own holds both.
        identity: text("cert").map(|cert| (path(cert.clone()), path(text("key").unwrap_or(cert)))),
        unchecked: config.verify == Some(false) || flag("insecure") == Some(true),
        ..Tls::default()
    }
}

/// The link of version 3 in what an identity service says of itself (API-SIG, "Version discovery").
fn version_3(page: &serde_json::Value) -> Option<String> {
    let list = page.pointer("/versions/values").or(page.get("versions")).and_then(serde_json::Value::as_array);
    let one = page.get("version").into_iter();
    let mut all = list.into_iter().flatten().chain(one);
    let found =
        all.find(|version| version.get("id").and_then(|id| id.as_str()).is_some_and(|id| id.starts_with("v3")))?;
    let links = found.get("links")?.as_array()?;
    let own = links.iter().find(|link| link.get("rel").and_then(|rel| rel.as_str()) == Some("self"))?;
    own.get("href")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::secret::Secret;

    /// A vault that holds nothing.
    struct Empty;

    impl Vault for Empty {
        fn describe(&self) -> String {
            "empty".into()
        }
        fn get(&self, _place: &str) -> Result<Option<(String, Secret)>> {
            Ok(None)
        }
        fn set(&self, _place: &str, _account: &str, _secret: &Secret) -> Result<()> {
            Ok(())
        }
        fn delete(&self, _place: &str) -> Result<()> {
            Ok(())
        }
    }

    /// Against the lab's Keystone, where it is up.
    #[tokio::test]
    async fn a_sign_in_that_would_end_too_soon_is_renewed_and_one_that_lasts_is_kept() {
        let Some(file) = std::env::var("WHARF_LAB_CLOUDS").ok().filter(|file| !file.is_empty()) else {
            return eprintln!("left out: WHARF_LAB_CLOUDS is not up (tests/run starts the lab)");
        };
        let files = openstack_sdk::config::ConfigFile::new_with_user_specified_configs(
            Some(std::path::PathBuf::from(file)),
            None::<std::path::PathBuf>,
        )
        .unwrap();
        let config = files.get_cloud_config("alice").unwrap().unwrap();
        let cloud = Cloud::new("site".into(), config, Arc::new(Empty), Reach::default());
        let token = || async { cloud.token("look").await.unwrap().expose_secret().to_owned() };
        let first = token().await;
        cloud.renewed_for(Duration::from_secs(60)).await.unwrap();
        assert_eq!(token().await, first, "it lasts long enough");
        cloud.renewed_for(Duration::from_secs(1_000_000)).await.unwrap();
        assert_ne!(token().await, first);
    }
}
