//! One cloud as one user in one project: sign-in, endpoints, one way to send a request.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use openstack_sdk::{AsyncOpenStack, api::AsyncClient, config::CloudConfig};
use secrecy::SecretString;
use tokio::sync::{Mutex, OnceCell, RwLock};
use url::Url;

use super::{
    asking::Answers,
    service::{Body, Request, Service, query},
    words,
};
use crate::adapters::http as http_shared;
use crate::core::{
    clean,
    error::{During, Error, Result},
    ports::{Asker, Vault},
    text,
};

/// Before a long transfer the sign-in must last at least this long, or it is renewed.
const LONG: Duration = Duration::from_secs(30 * 60);
/// Entries of a page: what the services give at most, as they come.
const PAGE: usize = 1000;
/// Pages of a list that never ends.
const MOST_PAGES: usize = 1000;
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
    endpoints: [OnceCell<Url>; 5],
}

impl Cloud {
    /// A cloud that is asked when it is first needed.
    pub fn new(name: String, config: CloudConfig, vault: Arc<dyn Vault>) -> Self {
        Self {
            name,
            config,
            vault,
            session: RwLock::default(),
            signing: Mutex::default(),
            endpoints: Default::default(),
        }
    }

    /// The address of its identity service, as the file says.
    pub fn address(&self) -> String {
        self.config.auth.as_ref().and_then(|auth| auth.auth_url.clone()).unwrap_or_default()
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
        let config = self.completed().await;
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

    /// A whole list, page by page: `path` has no limit yet, `key` holds the entries, the last one's id is the marker.
    pub async fn all<T: serde::de::DeserializeOwned>(
        &self,
        what: &str,
        service: Service,
        path: &str,
        key: &str,
        id: impl Fn(&T) -> &str,
    ) -> Result<Vec<T>> {
        let mut all: Vec<T> = Vec::new();
        for _ in 0..MOST_PAGES {
            let after = all.last().map_or_else(String::new, |last| format!("&marker={}", query(id(last))));
            let path = format!("{path}?limit={PAGE}{after}");
            let mut answer: std::collections::BTreeMap<String, serde_json::Value> =
                self.json(what, service, Request::get(&path)).await?;
            let page = answer.remove(key).unwrap_or_default();
            let page: Vec<T> = serde_json::from_value(page).map_err(|error| {
                Error::failed(what, format!("the list of {} is not what it should be ({error})", self.name))
                    .hint("tell whoever runs the cloud")
            })?;
            let whole = page.len() < PAGE;
            all.extend(page);
            if whole {
                break;
            }
        }
        Ok(all)
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
        let cloud = Cloud::new("site".into(), config, Arc::new(Empty));
        let token = || async {
            use secrecy::ExposeSecret;
            cloud.token("look").await.unwrap().expose_secret().to_owned()
        };
        let first = token().await;
        cloud.renewed_for(Duration::from_secs(60)).await.unwrap();
        assert_eq!(token().await, first, "it lasts long enough");
        cloud.renewed_for(Duration::from_secs(1_000_000)).await.unwrap();
        assert_ne!(token().await, first);
    }
}
