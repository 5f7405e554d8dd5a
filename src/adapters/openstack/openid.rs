//! The token of an identity provider beside the cloud (OpenID Connect Core; RFC 6749, sections 4.1, 4.3 and 4.4).

use reqwest::Method as Verb;
use serde_json::Value;
use url::Url;

use super::{
    keystone::{Keystone, tls_of},
    methods::{Grant, grant_form},
    settings::Settings,
    words,
};
use crate::{
    adapters::http::{self as shared, Server, Tls},
    core::{
        clean,
        error::{Error, Kind, Result},
        secret::{Credentials, Secret},
    },
};

/// The longest answer.
const LONGEST: usize = 1 << 20;

/// The provider's token: asked for at the address that the file names, or that the provider's own page names.
pub async fn token(keystone: &Keystone<'_>, settings: &Settings, grant: Grant) -> Result<Secret> {
    let what = &keystone.what;
    for key in ["identity_provider", "protocol"] {
        if settings.auth(key).is_none() {
            return Err(Error::usage(what, format!("its entry names no {key}")).hint("name it in clouds.yaml"));
        }
    }
    if grant == Grant::AccessToken {
        return Ok(Secret::new(settings.auth("access_token").unwrap_or("")));
    }
    let url = endpoint(keystone, settings).await?;
    let server = server(keystone, url.clone())?;
    let mut form = grant_form(settings, grant);
    let client = settings.auth("client_id").unwrap_or("").to_owned();
    let secret = settings.auth("client_secret");
    if secret.is_none() {
        form.push(("client_id".to_owned(), client.clone()));
    }
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let query = url.query().map_or_else(String::new, |query| format!("?{query}"));
    let place = server.place(&format!("{}{query}", url.path()))?;
    let mut request = server.request(Verb::POST, &place)?;
    request = request.header("Content-Type", "application/x-www-form-urlencoded").header("Accept", "application/json");
    if let Some(secret) = secret {
        let (secret, origin) = (Secret::new(secret), String::new());
        request = request.basic(&Credentials { username: client, secret, identity_token: false, origin });
    }
    let answer = request.body(body).send(what).await.map_err(words::in_clouds_yaml)?;
    let status = answer.status();
    let body = shared::body(answer, LONGEST, what).await?;
    let said: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |key: &str| said.get(key).and_then(Value::as_str);
    let kind = settings.auth("access_token_type").unwrap_or("access_token");
    match text(kind).filter(|_| status.is_success()) {
        Some(token) => Ok(Secret::new(token)),
        None if status.is_server_error() => Err(shared::refused(what, status, "")),
        None => {
            let why = text("error_description").or(text("error")).unwrap_or("it says no more");
            let why = clean::short(why, 200);
            let origin = server.origin();
            Err(Error::new(Kind::NotAllowed, what, format!("the identity provider at {origin} refuses it: {why}"))
                .hint("check account and secret, client_id and client_secret in clouds.yaml")
                .sign_in_at(Some(super::cloud::Cloud::place(keystone.cloud))))
        }
    }
}

fn server(keystone: &Keystone<'_>, url: Url) -> Result<Server> {
    // The client certificate is for the cloud alone.
    let tls = Tls { identity: None, ..tls_of(keystone.settings) };
    Server::new(url, tls, keystone.reach.clone()).map_err(|error| error.during(&keystone.what))
}

/// Where the provider gives tokens.
async fn endpoint(keystone: &Keystone<'_>, settings: &Settings) -> Result<Url> {
    let what = &keystone.what;
    let parse = |key: &str, text: &str| {
        Url::parse(text).map_err(|error| Error::usage(what, format!("{key}: {error}")).hint("check it in clouds.yaml"))
    };
    if let Some(url) = settings.auth("access_token_endpoint") {
        return parse("access_token_endpoint", url);
    }
    let Some(page) = settings.auth("discovery_endpoint") else {
        return Err(Error::usage(what, "its entry names neither discovery_endpoint nor access_token_endpoint")
            .hint("name the identity provider's address in clouds.yaml"));
    };
    let page = parse("discovery_endpoint", page)?;
    let visited = server(keystone, page.clone())?;
    let answer = visited.visitor().get(what, &page, http::HeaderMap::new()).await.map_err(words::in_clouds_yaml)?;
    if !answer.status().is_success() {
        return Err(shared::refused(what, answer.status(), "").hint("check discovery_endpoint in clouds.yaml"));
    }
    let said: Value = shared::parse(&shared::body(answer, LONGEST, what).await?, what)?;
    let named = said.get("token_endpoint").and_then(Value::as_str).unwrap_or("");
    let url = parse("token_endpoint of the identity provider", named)?;
    // The page says where the password goes: only as safely as the page itself came, and nowhere out of reach.
    let to = server(keystone, url.clone())?;
    if to.origin() != visited.origin() {
        if !to.origin().is_secure() {
            return Err(shared::sent_elsewhere(what, visited.origin(), &url));
        }
        keystone.reach.check(what, visited.origin(), to.origin())?;
    }
    Ok(url)
}
