//! One cloud as one user in one project: sign-in, endpoints, one way to send a request.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::Method;
use openstack_sdk::{
    AsyncOpenStack,
    api::AsyncClient,
    auth::auth_helper::{AuthHelper, AuthHelperError},
    config::CloudConfig,
    types::ServiceType,
};
use secrecy::SecretString;
use tokio::sync::OnceCell;
use url::Url;

use super::words;
use crate::adapters::http as http_shared;
use crate::core::{
    clean,
    error::{During, Error, Result},
    ports::Vault,
    text,
};

/// The longest a single answer may take; the caller's own deadline is shorter.
const ANSWER: Duration = Duration::from_secs(60);

/// The services that are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Keystone.
    Identity,
    /// Glance.
    Image,
    /// Nova.
    Compute,
    /// Cinder.
    Volume,
    /// Neutron.
    Network,
}

impl Service {
    fn kind(self) -> ServiceType {
        match self {
            Self::Identity => ServiceType::Identity,
            Self::Image => ServiceType::Image,
            Self::Compute => ServiceType::Compute,
            Self::Volume => ServiceType::BlockStorage,
            Self::Network => ServiceType::Network,
        }
    }

    /// What people call it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Image => "image",
            Self::Compute => "compute",
            Self::Volume => "volume",
            Self::Network => "network",
        }
    }

    /// Its name in the header that chooses a microversion.
    fn header(self) -> &'static str {
        if self == Self::Volume { "volume" } else { self.word() }
    }
}

/// A cloud.
pub struct Cloud {
    /// Its name as a source.
    pub name: String,
    config: CloudConfig,
    vault: Arc<dyn Vault>,
    session: OnceCell<AsyncOpenStack>,
    endpoints: [OnceCell<Url>; 5],
}

impl Cloud {
    /// A cloud that is asked when it is first needed.
    pub fn new(name: String, config: CloudConfig, vault: Arc<dyn Vault>) -> Self {
        Self { name, config, vault, session: OnceCell::new(), endpoints: Default::default() }
    }

    /// The address of its identity service, as the file says.
    pub fn address(&self) -> String {
        self.config.auth.as_ref().and_then(|auth| auth.auth_url.clone()).unwrap_or_default()
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
    pub async fn session(&self) -> Result<&AsyncOpenStack> {
        // On the heap: it is large, and needed once.
        self.session.get_or_try_init(|| Box::pin(self.sign_in())).await
    }

    async fn sign_in(&self) -> Result<AsyncOpenStack> {
        AsyncOpenStack::builder(&self.completed().await)
            // Its cache would leave tokens in clear on disk.
            .disable_auth_cache(true)
            .auth_helper(Answers { place: Self::place(&self.name), vault: self.vault.clone() })
            .http_connect_timeout(Duration::from_secs(5))
            .http_timeout(ANSWER)
            .connect()
            .await
            .map_err(|error| words::of_sign_in(&self.name, &error))
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

    /// The root of a service; ends with a slash. Asked for once.
    pub async fn endpoint(&self, service: Service) -> Result<&Url> {
        let what = format!("find the {} service of {}", service.word(), self.name);
        self.endpoints[service as usize]
            .get_or_try_init(|| async {
                let session = self.session().await?;
                let kind = service.kind();
                // A service that does not describe itself still has the address that the catalogue gives.
                let _ = session.discover_service_endpoint(&kind).await;
                let endpoint = session
                    .get_service_endpoint(&kind, None)
                    .await
                    .map_err(|error| words::of_catalog(&what, service, &self.name, &error))?;
                endpoint.build_request_url("x").during(&what)?.join(".").during(&what)
            })
            .await
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

    /// A client for streams: with deadlines for every step, and none for the whole.
    pub fn bytes_client(&self, what: &str) -> Result<reqwest::Client> {
        let authorities = self.config.cacert.iter().map(std::path::PathBuf::from).collect();
        http_shared::client(&http_shared::Tls { authorities, identity: None }, what)
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
        let url = self.endpoint(service).await?.join(request.path).during(what)?;
        let mut builder = http::Request::builder().method(request.method.clone()).uri(url.as_str());
        if let Some(version) = request.version {
            builder = builder.header("OpenStack-API-Version", format!("{} {version}", service.header()));
        }
        let body = match &request.body {
            Body::None => Vec::new(),
            Body::Json(value) => {
                builder = builder.header("Content-Type", "application/json");
                serde_json::to_vec(value).during(what)?
            }
            Body::ImagePatch(value) => {
                builder = builder.header("Content-Type", "application/openstack-images-v2.1-json-patch");
                serde_json::to_vec(value).during(what)?
            }
        };
        let answer = self.session().await?.rest_async(builder, body).await;
        let answer = answer.map_err(|error| words::of_transport(what, &error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer.into_body());
        }
        Err(words::of_refusal(what, &self.name, service, status.as_u16(), answer.body()))
    }

    /// The same, read as JSON.
    pub async fn json<T: serde::de::DeserializeOwned>(
        &self,
        what: &str,
        service: Service,
        request: Request<'_>,
    ) -> Result<T> {
        let body = self.send(what, service, request).await?;
        serde_json::from_slice(&body).map_err(|error| {
            Error::failed(what, format!("the answer of {} is not what it should be ({error})", self.name))
                .hint("tell whoever runs the cloud")
        })
    }
}

/// A request below the root of a service.
pub struct Request<'a> {
    /// How.
    pub method: Method,
    /// Path and query, without a slash before it.
    pub path: &'a str,
    /// The microversion to ask for.
    pub version: Option<&'a str>,
    /// What is sent along.
    pub body: Body,
}

/// What is sent along.
pub enum Body {
    /// Nothing.
    None,
    /// JSON.
    Json(serde_json::Value),
    /// A patch of an image's properties, which has a type of its own.
    ImagePatch(serde_json::Value),
}

impl<'a> Request<'a> {
    /// Reads.
    pub fn get(path: &'a str) -> Self {
        Self { method: Method::GET, path, version: None, body: Body::None }
    }

    /// Writes.
    pub fn new(method: Method, path: &'a str, body: Body) -> Self {
        Self { method, path, version: None, body }
    }

    /// The same, at a microversion.
    #[must_use]
    pub fn at(self, version: &'a str) -> Self {
        Self { version: Some(version), ..self }
    }
}

/// A text as the value of a query.
pub fn query(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Answers the library's questions from the vault; what is not there is asked for by `wharf login`.
#[derive(Clone)]
struct Answers {
    place: String,
    vault: Arc<dyn Vault>,
}

#[async_trait]
impl AuthHelper for Answers {
    fn clone_box(&self) -> Box<dyn AuthHelper> {
        Box::new(self.clone())
    }

    /// Only secrets are asked for: no way to sign in demands an account, see [`Cloud::completed`].
    async fn get(&self, _key: String, _connection: Option<String>) -> Result<String, AuthHelperError> {
        Err(AuthHelperError::NotSupported)
    }

    async fn get_secret(&self, _key: String, _connection: Option<String>) -> Result<SecretString, AuthHelperError> {
        let kept = self.vault.get(&self.place).ok().flatten();
        kept.map(|(_, secret)| secret.reveal().to_owned().into()).ok_or(AuthHelperError::NotSupported)
    }
}
