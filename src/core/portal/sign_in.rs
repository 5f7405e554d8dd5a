//! Signing in to sources, and out again.

use std::sync::Arc;

use super::{
    journal::Journal,
    secrets::Secrets,
    sources::{Source, Sources},
};
use crate::{
    base::{
        context::Context,
        error::{Error, Kind, Result},
        secret::Secret,
    },
    image::reference::ImageRef,
    ports::{Asker, Question, QuestionKind, SignInServer},
};

/// The known parts of a sign-in; the person is asked for the others.
#[derive(Debug, Clone, Default)]
pub struct SignIn {
    /// A source's name, or a registry's host.
    pub source: String,
    /// The account, if it is known.
    pub account: Option<String>,
    /// The account's password or token, if it is known.
    pub secret: Option<Secret>,
}

/// A sign-in that was tried and works.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SignedIn {
    /// The host or cloud that was signed in to.
    pub host: String,
    /// The account that was signed in.
    pub account: String,
    /// Where the secret is kept, in words.
    pub store: String,
    /// Whether the secret outlives the program.
    pub lasting: bool,
    /// The server that account and secret were sent to, if it is not the host itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
}

/// Signing in to and out of sources.
pub struct Accounts {
    sources: Arc<Sources>,
    secrets: Arc<Secrets>,
    journal: Arc<Journal>,
}

impl Accounts {
    /// Accounts at these sources, kept in this secret store.
    pub(super) fn new(sources: Arc<Sources>, secrets: Arc<Secrets>, journal: Arc<Journal>) -> Self {
        Self { sources, secrets, journal }
    }

    /// The vault's key for a source's name or a registry's host, and the source.
    fn place_to_sign_in(&self, name: &str) -> Result<(String, Source)> {
        let source = match self.sources.all().iter().find(|source| source.name == name) {
            Some(source) => source.clone(),
            None => self.sources.source(&format!("oci://{name}/x:x").parse::<ImageRef>()?)?,
        };
        let place = source
            .catalog
            .sign_in_place()
            .ok_or_else(|| Error::unsupported(format!("sign in to {name}"), "this source has no sign-in"))?;
        Ok((place, source))
    }

    /// The name to sign in to after `error`: that of a source, otherwise the host.
    pub fn sign_in_for(&self, error: &Error) -> Option<String> {
        let place = error.sign_in.as_ref()?;
        let source = self.sources.all().iter().find(|source| source.catalog.sign_in_place().as_ref() == Some(place));
        Some(source.map_or_else(|| place.clone(), |source| source.name.clone()))
    }

    /// Asks for the missing parts, keeps the secret, tries it, and forgets it if it does not work.
    ///
    /// If no lasting store is available, the person is asked whether a file may keep secrets.
    pub async fn sign_in(&self, cx: &Context, asker: Arc<dyn Asker>, wanted: SignIn) -> Result<SignedIn> {
        let (host, source) = self.place_to_sign_in(&wanted.source)?;
        let entry = self.journal.entry("sign-in", wanted.source.clone());
        let signing = async {
            let what = format!("sign in to {}", wanted.source);
            let account = wanted.account.or_else(|| source.user.clone());
            if !source.catalog.keeps_a_secret() {
                // Nothing is to be kept: the files of the source hold the secret.
                let signed = cx.unless_cancelled(&what, source.catalog.sign_in(cx, asker)).await;
                signed.map_err(|error| error.during(what))?;
                return Ok(SignedIn {
                    host: source.name,
                    account: account.unwrap_or_default(),
                    store: "until Wharf ends".to_owned(),
                    lasting: false,
                    server: None,
                });
            }
            // The person sees which server gets the secret before being asked for it.
            let server = source.catalog.sign_in_server(cx).await.map_err(|error| error.during(&what))?;
            let place = server.as_ref().map_or_else(
                || wanted.source.clone(),
                |server| format!("{} (its sign-in is at {})", wanted.source, server.address),
            );
            let agreed = self.agree_to_server(&*asker, &host, &what, server.as_ref()).await?;
            let account = match account {
                Some(account) => account,
                None => ask(&*asker, format!("account at {place}"), QuestionKind::Text).await?.reveal().to_owned(),
            };
            let secret = match wanted.secret {
                Some(secret) => secret,
                None => ask(&*asker, format!("password of {account} at {place}"), QuestionKind::Secret).await?,
            };
            let before = self.secrets.get(&host, &what).await?;
            self.secrets.set(&host, &account, &secret, &what).await?;
            // The kept secret is the one that is tried, as every later call uses it.
            if let Err(error) = cx.unless_cancelled(&what, source.catalog.sign_in(cx, asker.clone())).await {
                match before {
                    Some((account, secret)) => self.secrets.set(&host, &account, &secret, &what).await?,
                    None => self.secrets.delete(&host, &what).await?,
                }
                if agreed {
                    self.secrets.delete(&SignInServer::place(&host), &what).await?;
                }
                return Err(error.during(what).hint("nothing was kept; check account and password"));
            }
            self.secrets.agree_to_keep(&*asker, &what).await?;
            let server = server.map(|server| server.address);
            Ok(SignedIn { host, account, store: self.secrets.describe(), lasting: self.secrets.is_lasting(), server })
        };
        self.journal.recorded(entry, signing).await
    }

    /// Asks whether account and password may go to a server of other people, and keeps the agreement; `true` if it was
    /// kept just now.
    async fn agree_to_server(
        &self,
        asker: &dyn Asker,
        host: &str,
        what: &str,
        server: Option<&SignInServer>,
    ) -> Result<bool> {
        let Some(server) = server.filter(|server| !server.known) else { return Ok(false) };
        let address = &server.address;
        let refused = |why: &str| {
            Error::new(Kind::NotAllowed, what, format!("the sign-in of {host} is at {address}, {why}")).hint(
                "nothing was sent there; where it is right, name it for this source: token_server = \"https://HOST\"",
            )
        };
        if !address.starts_with("https://") {
            return Err(refused("which is not encrypted"));
        }
        let words =
            format!("the sign-in of {host} is at {address}, which is of other people by its name: go on there?");
        match ask(asker, words, QuestionKind::Confirm).await {
            Ok(answer) if answer.reveal() == "yes" => {}
            Ok(_) => return Err(refused("and you do not go on there")),
            Err(error) if error.kind == Kind::Cancelled => return Err(error),
            Err(_) => return Err(refused("and that cannot be confirmed without a terminal")),
        }
        self.secrets.set(&SignInServer::place(host), address, &Secret::new("agreed"), what).await?;
        Ok(true)
    }

    /// Forgets the secret of an account; gives the host.
    pub async fn sign_out(&self, name: &str) -> Result<String> {
        let (host, _) = self.place_to_sign_in(name)?;
        let what = format!("sign out of {name}");
        let forgetting = async {
            self.secrets.delete(&SignInServer::place(&host), &what).await?;
            self.secrets.delete(&host, &what).await
        };
        self.journal.recorded(self.journal.entry("sign-out", name), forgetting).await?;
        Ok(host)
    }
}

async fn ask(asker: &dyn Asker, words: String, kind: QuestionKind) -> Result<Secret> {
    asker.ask(Question { words, kind }).await
}

/// An asker for work without a person: every question is an error that says so.
pub struct NoAsker;

#[async_trait::async_trait]
impl Asker for NoAsker {
    async fn ask(&self, question: Question) -> Result<Secret> {
        Err(Error::new(Kind::NotAllowed, format!("ask for the {}", question.words), "there is no terminal to ask on")
            .hint("run it in a terminal, or give the answer with the call"))
    }
}
