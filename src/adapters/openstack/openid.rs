//! Getting a token from an identity provider outside of the cloud (OpenID Connect Core; RFC 6749, sections 4.1, 4.3,
//! 4.4).

use reqwest::Method as Verb;
use serde_json::Value;
use url::Url;

use super::{
    keystone::{Keystone, tls},
    methods::{Grant, grant_form},
    settings::Settings,
    vault_key::place,
    words,
};
use crate::shared::http::{self as shared, Origin, Server, Tls};
use wharf_core::base::{
    clean,
    error::{Error, Kind, Result},
    secret::{Credentials, Secret},
};

/// Longest answer that is read, in bytes.
const LONGEST: usize = 1 << 20;

/// Fails if the entry lacks a setting that signing in with an identity provider needs.
pub(super) fn check(keystone: &Keystone<'_>, settings: &Settings) -> Result<()> {
    match ["identity_provider", "protocol"].into_iter().find(|key| settings.auth(key).is_none()) {
        Some(key) => {
            Err(Error::usage(&keystone.what, format!("its entry names no {key}")).hint("name it in clouds.yaml"))
        }
        None => Ok(()),
    }
}

/// The provider's token, asked for at the address that the files or the provider's discovery document name.
pub(super) async fn token(keystone: &Keystone<'_>, settings: &Settings, grant: Grant) -> Result<Secret> {
    check(keystone, settings)?;
    if grant == Grant::AccessToken {
        return Ok(Secret::new(settings.auth("access_token").unwrap_or("")));
    }
    let url = endpoint(keystone, settings, "access_token_endpoint", "token_endpoint").await?;
    let answer = ask(keystone, settings, &url, grant_form(settings, grant)).await?;
    answer.token(keystone, settings)
}

/// The provider's answer to a form.
pub(super) struct Answer {
    status: reqwest::StatusCode,
    said: Value,
    origin: Origin,
}

impl Answer {
    /// A text field of the answer.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.said.get(key).and_then(Value::as_str)
    }

    /// A number field of the answer.
    pub(super) fn number(&self, key: &str) -> Option<u64> {
        self.said.get(key).and_then(Value::as_u64)
    }

    /// The token in the answer, or the error.
    pub(super) fn token(&self, keystone: &Keystone<'_>, settings: &Settings) -> Result<Secret> {
        let kind = settings.auth("access_token_type").unwrap_or("access_token");
        let token = self.text(kind).filter(|_| self.status.is_success());
        token.map(Secret::new).ok_or_else(|| self.refusal(keystone))
    }

    /// The error for an answer without a token.
    pub(super) fn refusal(&self, keystone: &Keystone<'_>) -> Error {
        if self.status.is_server_error() {
            return shared::refused(&keystone.what, self.status, "");
        }
        let why = self.text("error_description").or(self.text("error")).unwrap_or("it gives no reason");
        let why = format!("the identity provider at {} refuses it: {}", self.origin, clean::short(why, 200));
        Error::new(Kind::NotAllowed, &keystone.what, why)
            .hint("check account and secret, client_id and client_secret in clouds.yaml")
            .sign_in_at(Some(place(keystone.cloud)))
    }
}

/// Sends a form to the provider, with the client's name and secret.
pub(super) async fn ask(
    keystone: &Keystone<'_>,
    settings: &Settings,
    url: &Url,
    mut form: Vec<(String, String)>,
) -> Result<Answer> {
    let what = &keystone.what;
    let server = server(keystone, url.clone())?;
    let client = settings.auth("client_id").unwrap_or("").to_owned();
    let secret = settings.auth("client_secret");
    if secret.is_none() {
        form.push(("client_id".to_owned(), client.clone()));
    }
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let query = url.query().map_or_else(String::new, |query| format!("?{query}"));
    let place = server.address(&format!("{}{query}", url.path()))?;
    let mut request = server.request(Verb::POST, &place)?;
    request = request.header("Content-Type", "application/x-www-form-urlencoded").header("Accept", "application/json");
    if let Some(secret) = secret {
        let (secret, origin) = (Secret::new(secret), String::new());
        request = request.basic(&Credentials { username: client, secret, identity_token: false, origin });
    }
    let answer = request.body(body).send(what).await.map_err(words::in_clouds_yaml)?;
    let status = answer.status();
    let body = shared::body(answer, LONGEST, what).await?;
    let said = serde_json::from_slice(&body).unwrap_or_default();
    Ok(Answer { status, said, origin: server.origin().clone() })
}

fn server(keystone: &Keystone<'_>, url: Url) -> Result<Server> {
    // The client certificate is for the cloud only.
    let tls = Tls { identity: None, ..tls(keystone.settings) };
    Server::new(url, tls, keystone.reach.clone()).map_err(|error| error.during(&keystone.what))
}

/// An address of the provider: the entry's setting `own`, else the field `theirs` in the discovery document.
pub(super) async fn endpoint(keystone: &Keystone<'_>, settings: &Settings, own: &str, theirs: &str) -> Result<Url> {
    let what = &keystone.what;
    let parse = |key: &str, text: &str| {
        Url::parse(text).map_err(|error| Error::usage(what, format!("{key}: {error}")).hint("check it in clouds.yaml"))
    };
    if let Some(url) = settings.auth(own) {
        return parse(own, url);
    }
    let Some(page) = settings.auth("discovery_endpoint") else {
        return Err(Error::usage(what, format!("its entry names neither discovery_endpoint nor {own}"))
            .hint("name the identity provider's address in clouds.yaml"));
    };
    let page = parse("discovery_endpoint", page)?;
    let visited = server(keystone, page.clone())?;
    let answer = visited.visitor().get(what, &page, http::HeaderMap::new()).await.map_err(words::in_clouds_yaml)?;
    if !answer.status().is_success() {
        return Err(shared::refused(what, answer.status(), "").hint("check discovery_endpoint in clouds.yaml"));
    }
    let said: Value = shared::parse(&shared::body(answer, LONGEST, what).await?, what)?;
    let named = said.get(theirs).and_then(Value::as_str).unwrap_or("");
    let url = parse(&format!("{theirs} of the identity provider"), named)?;
    // The password is sent to this address: it must be as safe as the document's own, and within reach.
    let to = server(keystone, url.clone())?;
    if to.origin() != visited.origin() {
        if !to.origin().is_secure() {
            return Err(shared::sent_elsewhere(what, visited.origin(), &url));
        }
        keystone.reach.check(what, visited.origin(), to.origin())?;
    }
    Ok(url)
}
