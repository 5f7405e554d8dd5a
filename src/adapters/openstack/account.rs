//! An account at an identity service; all regions of a cloud share its sign-in.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::{Mutex, OnceCell, RwLock};

use super::{
    asking::Answers,
    keystone::{Keystone, Session},
    methods::{self, Grant, SignInMethod},
    profile,
    settings::Settings,
    vault_key::place,
};
use crate::shared::http::AllowedServers;
use wharf_core::{
    base::{
        clean,
        error::{Error, Kind, Result},
        secret::Secret,
        text,
    },
    ports::{Asker, Vault},
};

/// How long a sign-in must last before a long transfer; otherwise it is renewed first.
const LONG: Duration = Duration::from_secs(30 * 60);

/// The settings that name an account.
const ACCOUNT: [&str; 4] = ["username", "user_id", "application_credential_name", "application_credential_id"];

/// The failed sign-ins of an account.
#[derive(Default)]
struct Failed {
    /// The last failure and its time: others who waited for it get the same error, without another try.
    last: Option<(Instant, Error)>,
    /// The credentials that were refused. They are not sent again, because clouds lock accounts after a few wrong
    /// secrets.
    refused: Option<(u64, Error)>,
}

/// Credentials that an identity service of a cloud has refused. Regions may have a service each, but usually share the
/// accounts behind them.
pub(super) type RefusedCredentials = Mutex<Option<(u64, Error)>>;

/// An account, its credentials and its current session.
pub(super) struct Account {
    /// The name of the source that stands for it, used for kept secrets and in messages.
    pub name: String,
    /// The settings in the files.
    written: Settings,
    /// The settings with the fetched profile.
    whole: OnceCell<Settings>,
    vault: Arc<dyn Vault>,
    reach: AllowedServers,
    session: RwLock<Option<Arc<Session>>>,
    /// Held during a sign-in, so that many requests at once sign in only once.
    signing: Mutex<Failed>,
    /// Shared with the other identity services of the cloud.
    refused: Arc<RefusedCredentials>,
}

impl Account {
    /// An account that signs in when it is first needed.
    pub(super) fn new(
        name: String,
        settings: Settings,
        vault: Arc<dyn Vault>,
        reach: AllowedServers,
        refused: Arc<RefusedCredentials>,
    ) -> Self {
        let (whole, session, signing) = Default::default();
        Self { name, written: settings, whole, vault, reach, session, signing, refused }
    }

    /// The settings as far as they are known now.
    pub(super) fn settings(&self) -> &Settings {
        self.whole.get().unwrap_or(&self.written)
    }

    /// The complete settings; a profile at an address is fetched first.
    async fn whole(&self) -> Result<&Settings> {
        let Some(remote) = &self.written.remote else { return Ok(&self.written) };
        self.whole.get_or_try_init(|| profile::with_profile(&self.name, &self.written, remote, &self.reach)).await
    }

    /// The name under which the vault keeps its secrets.
    pub(super) fn vault_key(&self) -> String {
        place(&self.name)
    }

    /// The kind of credentials and where they come from, in words.
    pub(super) fn credentials(&self) -> String {
        let way = methods::method(self.settings());
        let words = clean::short(&methods::describe(&way), 80);
        match way {
            SignInMethod::Browser | SignInMethod::OpenId(Grant::Device) => words,
            _ if self.wants_secret() => format!("the secret that was kept by a sign-in: {words}"),
            _ => format!("clouds.yaml: {words}"),
        }
    }

    /// The account and project as the files name them, in words.
    pub(super) fn describe(&self) -> String {
        let first = |keys: &[&str]| self.settings().first_auth(keys).map(|text| clean::short(text, 80));
        let user = first(&ACCOUNT);
        let project = first(&["project_name", "project_id"]);
        match (user, project) {
            (Some(user), Some(project)) => format!("{user} in {project}"),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => String::new(),
        }
    }

    /// The account that is signed in: as the files name it, else as the cloud does. Signs in if necessary.
    pub(super) async fn signed_in_as(&self) -> Result<String> {
        let session = self.session().await?;
        Ok(match (self.settings().first_auth(&ACCOUNT), &session.project) {
            (Some(_), _) => self.describe(),
            (None, Some(project)) => format!("{} in {}", session.user, project.name),
            (None, None) => session.user.clone(),
        })
    }

    /// The current session; signs in if there is none or it has ended. Tokens are kept in memory only.
    pub(super) async fn session(&self) -> Result<Arc<Session>> {
        if let Some(session) = self.now().await {
            return Ok(session);
        }
        let asked = Instant::now();
        let mut failed = self.signing.lock().await;
        if let Some(session) = self.now().await {
            return Ok(session);
        }
        match &failed.last {
            Some((when, error)) if *when >= asked => Err(error.clone()),
            _ => self.enter(None, &mut failed).await,
        }
    }

    /// The session, if it has not ended.
    async fn now(&self) -> Option<Arc<Session>> {
        self.session.read().await.clone().filter(|session| session.expires > text::now())
    }

    /// Signs in; `asker` asks for what neither files nor vault have, like a one-time passcode.
    pub(super) async fn sign_in(&self, asker: Option<Arc<dyn Asker>>) -> Result<Arc<Session>> {
        let mut failed = self.signing.lock().await;
        self.enter(asker, &mut failed).await
    }

    /// Signs in again after this token was refused, unless another request has done so already.
    pub(super) async fn again(&self, refused: &Secret) -> Result<()> {
        let mut failed = self.signing.lock().await;
        match self.now().await {
            Some(session) if session.token != *refused => Ok(()),
            _ => self.enter(None, &mut failed).await.map(|_| ()),
        }
    }

    /// Renews the sign-in if it lasts less than half an hour, so that a long transfer does not outlast it.
    pub(super) async fn renewed(&self) -> Result<()> {
        self.renewed_for(LONG).await
    }

    async fn renewed_for(&self, least: Duration) -> Result<()> {
        let session = self.session().await?;
        let left = session.expires - text::now();
        if u64::try_from(left).unwrap_or(0) >= least.as_secs() {
            return Ok(());
        }
        match self.sign_in(None).await {
            Ok(_) => Ok(()),
            // A person who must be asked is asked when the session ends; until then it is used.
            Err(error) if left > 60 => {
                tracing::warn!(%error, left, "the sign-in could not be renewed");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn enter(&self, asker: Option<Arc<dyn Asker>>, failed: &mut Failed) -> Result<Arc<Session>> {
        let entered = Box::pin(self.entered(asker, failed)).await;
        match entered {
            Ok(session) => {
                *failed = Failed::default();
                let session = Arc::new(session);
                *self.session.write().await = Some(session.clone());
                Ok(session)
            }
            Err(error) => {
                failed.last = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    async fn entered(&self, asker: Option<Arc<dyn Asker>>, failed: &mut Failed) -> Result<Session> {
        let by_hand = asker.is_some();
        let known = self.whole().await?;
        let way = methods::method(known);
        let answers = Answers { cloud: self.name.clone(), vault: self.vault.clone(), asker };
        if let (SignInMethod::Unknown(name), None) = (&way, &known.broken) {
            let what = format!("sign in to {}", self.name);
            let name = clean::short(name, 60);
            return Err(
                Error::unsupported(what, format!("Wharf cannot sign in by '{name}'")).hint(methods::advice(&name))
            );
        }
        // The identity service must answer before the person is asked anything.
        let keystone = Keystone::find(&self.name, known, &self.reach).await?;
        let settings = self.completed(&way, &answers).await?;
        let proof = proof(&settings, &way);
        match &failed.refused {
            Some((known, error)) if *known == proof && !by_hand => return Err(error.clone()),
            _ => {}
        }
        let session = self.shown(&keystone, &settings, &way, &answers, proof, failed).await?;
        let elsewhere = ["domain_id", "domain_name", "system_scope"];
        if session.project.is_none() && known.first_auth(&elsewhere).is_none() {
            let names = keystone.projects(&session).await;
            let hint = match names.as_slice() {
                [] => "name it in clouds.yaml, or ask the administrators of the cloud for a project".to_owned(),
                names => format!("name it in clouds.yaml; this account has {}", names.join(", ")),
            };
            let error = Error::usage(&keystone.what, "this sign-in is of no project: set project_name").hint(hint);
            failed.refused = Some((proof, error.clone()));
            return Err(error);
        }
        Ok(session)
    }

    /// Sends the credentials, to one identity service of the cloud after the other: what one has refused is not sent to
    /// the next, unless the person signs in there themselves.
    async fn shown(
        &self,
        keystone: &Keystone<'_>,
        settings: &Settings,
        way: &SignInMethod,
        answers: &Answers,
        proof: u64,
        failed: &mut Failed,
    ) -> Result<Session> {
        let alone = answers.asker.is_some() || methods::secrets(settings, way).is_empty();
        let mut held = if alone { None } else { Some(self.refused.lock().await) };
        if let Some((_, error)) = held.as_deref().and_then(Option::as_ref).filter(|(known, _)| *known == proof) {
            let why = format!("another region's identity service has refused this account and secret: {}", error.why);
            return Err(Error::new(Kind::NotAllowed, &keystone.what, why)
                .hint(format!("correct the secret, or send it anyway with 'wharf login {}'", self.name))
                .sign_in_at(Some(self.vault_key())));
        }
        let session = keystone.sign_in(settings, way, answers).await;
        // A person who signs in may take their time, and others must not wait for it.
        let mut refused = match held.take() {
            Some(held) => held,
            None => self.refused.lock().await,
        };
        match &session {
            Ok(_) => *refused = None,
            Err(error) if error.kind == Kind::NotAllowed => {
                *refused = Some((proof, error.clone()));
                failed.refused = Some((proof, error.clone()));
            }
            Err(_) => {}
        }
        session
    }

    /// Whether signing in takes an account and a secret that could be kept, and the files lack the secret.
    pub(super) fn wants_secret(&self) -> bool {
        let wanted = methods::secrets(self.settings(), &methods::method(self.settings()));
        wanted.into_iter().any(|key| key != "passcode" && self.settings().auth(key).is_none())
    }

    /// The settings with the account and the secrets that the files lack, from the vault or the person.
    async fn completed(&self, way: &SignInMethod, answers: &Answers) -> Result<Settings> {
        let mut settings = self.settings().clone();
        if methods::wants_user(&settings, way) {
            let account = answers.account().await?;
            settings = settings.with_auth("username", &account);
        }
        for key in methods::secrets(self.settings(), way) {
            if settings.auth(key).is_none() {
                let secret = answers.secret(key).await?;
                settings = settings.with_auth(key, secret.reveal());
            }
        }
        Ok(settings)
    }
}

/// A hash of the credentials, so that they can be recognized without keeping them.
fn proof(settings: &Settings, way: &SignInMethod) -> u64 {
    let mut hasher = DefaultHasher::new();
    for key in methods::secrets(settings, way) {
        settings.auth(key).hash(&mut hasher);
    }
    for key in ["username", "user_id", "application_credential_id", "application_credential_name", "project_name"] {
        settings.auth(key).hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_core::base::secret::Secret;

    /// A vault without secrets.
    struct EmptyVault;

    impl Vault for EmptyVault {
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

    /// Runs against the lab's Keystone if that is running.
    #[tokio::test]
    async fn a_sign_in_that_would_end_too_soon_is_renewed_and_one_that_lasts_is_kept() {
        let Some(file) = std::env::var("WHARF_LAB_CLOUDS").ok().filter(|file| !file.is_empty()) else {
            return eprintln!("left out: WHARF_LAB_CLOUDS is not up (tests/run starts the lab)");
        };
        let text = std::fs::read_to_string(file).unwrap();
        let settings = crate::openstack::settings::parse_one(&text, "alice");
        let cloud =
            Account::new("site".into(), settings, Arc::new(EmptyVault), AllowedServers::default(), Arc::default());
        let token = || async { cloud.session().await.unwrap().token.reveal().to_owned() };
        let first = token().await;
        cloud.renewed_for(Duration::from_secs(60)).await.unwrap();
        assert_eq!(token().await, first, "it lasts long enough");
        cloud.renewed_for(Duration::from_secs(1_000_000)).await.unwrap();
        assert_ne!(token().await, first);
    }
}
