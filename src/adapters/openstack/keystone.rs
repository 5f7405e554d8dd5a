//! The identity service: requests to it, and its answers (Identity API v3).

use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::{
    endpoints::{self, Endpoint},
    settings::{Settings, SettingsFault, at_home},
    words,
};
use crate::shared::http::{self as shared, AllowedServers, Origin, Server, Tls};
use wharf_core::base::{
    clean, context,
    error::{Error, Result},
    secret::Secret,
    text,
};

/// The header with the token of a request.
pub(super) const TOKEN: &str = "X-Auth-Token";
/// The header with a token that was created or is asked about.
const SUBJECT: &str = "X-Subject-Token";
/// How long the service may take to tell its versions.
const LOOK: Duration = Duration::from_secs(8);
/// How long checking a secret may take, which is slow by design.
pub(super) const CHECK: Duration = Duration::from_secs(25);
/// Longest answer that is read, in bytes: a catalogue of many regions.
const LONGEST: usize = 8 << 20;

/// The project that a session is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Project {
    pub id: String,
    pub name: String,
}

/// A successful sign-in, with its token.
pub(super) struct Session {
    /// The token to send with every request.
    pub token: Secret,
    /// When it ends, in seconds since 1970.
    pub expires: i64,
    /// The user in words, with the domain.
    pub user: String,
    /// The project; `None` if the session is for none.
    pub project: Option<Project>,
    /// The addresses of the services.
    pub endpoints: Vec<Endpoint>,
    /// The address of the identity service.
    pub identity: Url,
}

/// The TLS settings in `clouds.yaml`, by openstackclient's names for them.
pub(super) fn tls(settings: &Settings) -> Tls {
    let path = |key: &str| settings.option(key).map(at_home);
    Tls {
        authorities: path("cacert").into_iter().collect(),
        // A certificate without a key file contains the key.
        identity: path("cert").map(|cert| (cert.clone(), path("key").unwrap_or(cert))),
        unchecked: settings.flag("verify") == Some(false) || settings.flag("insecure") == Some(true),
        only_these: false,
    }
}

/// The identity service of a cloud.
pub(super) struct Keystone<'a> {
    pub cloud: &'a str,
    pub settings: &'a Settings,
    pub reach: &'a AllowedServers,
    /// What is being done, for error messages.
    pub what: String,
    pub(super) server: Server,
}

impl<'a> Keystone<'a> {
    /// Finds version 3 of the service at the address that the files name. No secret is sent.
    pub(super) async fn find(cloud: &'a str, settings: &'a Settings, reach: &'a AllowedServers) -> Result<Self> {
        let what = format!("sign in to {cloud}");
        if let Some(why) = &settings.broken {
            return Err(Error::usage(what, why).hint("correct the entry in clouds.yaml"));
        }
        let Some(address) = settings.auth("auth_url") else {
            let profile = settings.option("unknown_profile");
            let why = profile.map_or_else(
                || "its entry names no auth_url".to_owned(),
                |name| format!("the profile '{name}' is unknown, and its entry has no auth_url"),
            );
            return Err(Error::usage(what, why).hint("name the address of its identity service: auth_url: https://…"));
        };
        let hint = "check auth_url in clouds.yaml";
        let url = Url::parse(address).map_err(|error| Error::usage(&what, format!("auth_url: {error}")).hint(hint))?;
        let server = Server::new(url, tls(settings), reach.clone()).map_err(|error| error.during(&what).hint(hint))?;
        let what = format!("sign in to {cloud} at {}", server.origin());
        let page = with_timeout(LOOK, &what, visit(&server, &what)).await?;
        let root = version_root(&server, &page, &what)?;
        let server = Server::new(root, tls(settings), reach.clone()).map_err(|error| error.during(&what))?;
        Ok(Self { cloud, settings, reach, what, server })
    }

    /// The page to open in a browser, which at the end leads it to `back`.
    pub(super) fn page_of_sign_in(&self, settings: &Settings, back: &str) -> Result<Url> {
        let mut page = self.server.address(&format!("auth/{}/websso", federation(settings)))?.url().clone();
        page.set_query(Some(&format!("origin={back}")));
        Ok(page)
    }

    /// The session of a token, from the cloud's own information about it.
    pub(super) async fn known(&self, token: &str) -> Result<Session> {
        let request = self.server.get(&self.server.address("auth/tokens")?)?;
        let (status, _, body) = self.send(request.secret_header(TOKEN, token).secret_header(SUBJECT, token)).await?;
        if status != 200 {
            return Err(words::sign_in_error(&self.what, self.cloud, status, &body));
        }
        self.read(Secret::new(token), &body).await
    }

    /// Sends a request and reads the answer: status, headers, body.
    pub(super) async fn send(&self, request: shared::Request<'_>) -> Result<(u16, http::HeaderMap, bytes::Bytes)> {
        let asked = async {
            let answer = request.send(&self.what).await.map_err(words::in_clouds_yaml)?;
            let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
            Ok((status, headers, shared::body(answer, LONGEST, &self.what).await?))
        };
        with_timeout(CHECK, &self.what, asked).await
    }

    /// The session in an answer, or why the cloud has refused it.
    pub(super) async fn session(&self, status: u16, headers: &http::HeaderMap, body: &[u8]) -> Result<Session> {
        let token = headers.get(SUBJECT).and_then(|value| value.to_str().ok());
        match token {
            Some(token) if (200..300).contains(&status) => self.read(Secret::new(token), body).await,
            _ => Err(words::sign_in_error(&self.what, self.cloud, status, body)),
        }
    }

    /// Reads the cloud's information about a token; parts that cannot be read are left out.
    async fn read(&self, token: Secret, body: &[u8]) -> Result<Session> {
        let answer: Value = shared::parse(body, &self.what)?;
        let said = answer.get("token").cloned().unwrap_or_default();
        let project = said.get("project").filter(|project| project.is_object()).map(|project| {
            let text = |key: &str| project.get(key).and_then(Value::as_str).unwrap_or("");
            Project { id: clean::short(text("id"), 80), name: clean::short(text("name"), 100) }
        });
        let expires = said.get("expires_at").and_then(Value::as_str).and_then(text::parse_timestamp);
        let catalog = match said.get("catalog").and_then(Value::as_array) {
            Some(catalog) if !catalog.is_empty() => Value::Array(catalog.clone()),
            _ if project.is_some() => self.ask("auth/catalog", "catalog", &token).await,
            _ => Value::Null,
        };
        let id = project.as_ref().map_or("", |project| project.id.as_str());
        Ok(Session {
            user: user_in_words(&said),
            endpoints: endpoints::read(&catalog, id),
            token,
            // Without a time it counts as valid for an hour; a refusal renews it anyway.
            expires: expires.unwrap_or_else(|| text::now() + 3600),
            project,
            identity: self.server.base().clone(),
        })
    }

    /// Reads another piece of information; null if the service does not tell it.
    async fn ask(&self, path: &str, key: &str, token: &Secret) -> Value {
        let asked = async {
            let request = self.server.get(&self.server.address(path)?)?.secret_header(TOKEN, token.reveal());
            let (_, _, body) = self.send(request).await?;
            let mut answer: Value = shared::parse(&body, &self.what)?;
            Ok::<_, Error>(answer.get_mut(key).map(Value::take).unwrap_or_default())
        };
        asked.await.unwrap_or_default()
    }

    /// The names of the projects that the account may use, at most ten, for a person who has named none.
    pub(super) async fn projects(&self, session: &Session) -> Vec<String> {
        let list = self.ask("auth/projects", "projects", &session.token).await;
        let names = list.as_array().into_iter().flatten().filter_map(|project| project.get("name")?.as_str());
        names.take(10).map(|name| clean::short(name, 60)).collect()
    }
}

/// The path of an identity provider and its protocol.
pub(super) fn federation(settings: &Settings) -> String {
    format!(
        "OS-FEDERATION/identity_providers/{}/protocols/{}",
        part(settings.auth("identity_provider").unwrap_or("")),
        part(settings.auth("protocol").unwrap_or("")),
    )
}

/// The user of a token, with the domain unless that is the default.
fn user_in_words(token: &Value) -> String {
    let text = |at: &str| token.pointer(at).and_then(Value::as_str).filter(|text| !text.is_empty());
    let name =
        text("/user/name").or_else(|| text("/user/id")).map_or_else(|| "?".to_owned(), |name| clean::short(name, 100));
    match text("/user/domain/name").or_else(|| text("/user/domain/id")) {
        Some(domain) if !domain.eq_ignore_ascii_case("default") => format!("{name} of {}", clean::short(domain, 60)),
        _ => name,
    }
}

/// A name as one part of a path.
fn part(name: &str) -> String {
    name.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

pub(super) async fn with_timeout<T>(most: Duration, what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(most, work)
        .await
        .map_err(|_| context::timed_out(what, most).hint("check auth_url, the network and the proxy, then try again"))?
}

/// Reads what the identity service says about itself. Being redirected to another server is an error, because the
/// password would be sent there next.
async fn visit(server: &Server, what: &str) -> Result<Value> {
    let answer = server.get(&server.address("")?)?.send(what).await.map_err(words::in_clouds_yaml)?;
    if Origin::from_url(answer.url()).as_ref() != Some(server.origin()) {
        return Err(shared::sent_elsewhere(what, server.origin(), answer.url())
            .hint("if that is the identity service, name it as auth_url in clouds.yaml"));
    }
    if answer.status().is_server_error() {
        return Err(shared::refused(what, answer.status(), ""));
    }
    // If it is something else, signing in will show it.
    let page = shared::body(answer, 1 << 20, what).await?;
    Ok(serde_json::from_slice(&page).unwrap_or_default())
}

/// The root of version 3: the address that the service names if it is at the same server, else below the configured
/// one.
fn version_root(server: &Server, page: &Value, what: &str) -> Result<Url> {
    let versions = versions(page);
    if !versions.is_empty() && !versions.iter().any(|(id, _)| id.starts_with("v3")) {
        let ids: Vec<String> = versions.iter().map(|(id, _)| clean::short(id, 20)).collect();
        return Err(Error::unsupported(
            what,
            format!("its identity service has no version 3, only {}", ids.join(", ")),
        )
        .hint("check auth_url in clouds.yaml"));
    }
    let link = versions.into_iter().find(|(id, _)| id.starts_with("v3")).and_then(|(_, link)| link);
    let place = match link {
        Some(link) => server.rebased(&server.address("")?, &link),
        None => None,
    };
    let mut root = place.map_or_else(|| server.base().clone(), |place| place.url().clone());
    if !root.path().trim_end_matches('/').ends_with("/v3") {
        let path = root.path().trim_end_matches('/').trim_end_matches("/v2.0").to_owned();
        root.set_path(&format!("{path}/v3"));
    }
    root.set_path(&format!("{}/", root.path().trim_end_matches('/')));
    root.set_query(None);
    Ok(root)
}

/// The versions that the service supports, each with its link (API-SIG, "Version discovery").
fn versions(page: &Value) -> Vec<(String, Option<String>)> {
    let list = page.pointer("/versions/values").or(page.get("versions")).and_then(Value::as_array);
    let all = list.into_iter().flatten().chain(page.get("version"));
    all.filter_map(|version| {
        let id = version.get("id")?.as_str()?.to_owned();
        let links = version.get("links").and_then(Value::as_array).into_iter().flatten();
        let mut own = links.filter(|link| link.get("rel").and_then(Value::as_str) == Some("self"));
        let link = own.find_map(|link| link.get("href")?.as_str()).map(str::to_owned);
        Some((id, link))
    })
    .collect()
}

/// What cannot be used of the files, in one line.
pub(super) fn describe_faults(troubles: &[SettingsFault]) -> String {
    let all = troubles.iter().map(|trouble| format!("{}: {}", trouble.place, trouble.why));
    clean::short(&all.collect::<Vec<_>>().join("; "), 600)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn root(page: &Value, address: &str) -> Result<String> {
        let server = Server::new(Url::parse(address).unwrap(), Tls::default(), AllowedServers::default()).unwrap();
        version_root(&server, page, "test").map(|url| url.to_string())
    }

    #[test]
    fn version_3_is_asked_at_the_address_that_the_file_names() {
        let own = |href: &str| json!({"version": {"id": "v3.14", "links": [{"rel": "self", "href": href}]}});
        for (page, address, wanted) in [
            (own("http://inside:5000/v3/"), "https://c.example/identity/v3", "https://c.example/v3/"),
            (own("https://c.example/identity/v3"), "https://c.example/identity", "https://c.example/identity/v3/"),
            (json!({"versions": {"values": []}}), "http://c:5000", "http://c:5000/v3/"),
            (json!("odd"), "http://c/identity/v2.0/", "http://c/identity/v3/"),
            (json!({"version": {"id": "v3", "links": null}}), "http://c/v3/", "http://c/v3/"),
        ] {
            assert_eq!(root(&page, address).unwrap(), wanted);
        }
        assert!(root(&json!({"version": {"id": "v2.0"}}), "http://c/v2.0").unwrap_err().why.contains("v2.0"));
    }

    #[test]
    fn a_name_is_one_part_of_a_path() {
        assert_eq!(part("a/../b c"), "a%2F%2E%2E%2Fb%20c");
    }
}
