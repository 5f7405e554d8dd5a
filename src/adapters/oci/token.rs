//! Tokens from a registry's token server (distribution specification, "Token Authentication" and "Oauth2 Token
//! Authentication"; RFC 6749 and RFC 6750).
//!
//! Everything that a token server answers is treated as secret: no message repeats any of it.

use std::time::Duration;

use reqwest::{Method, StatusCode, header};
use serde::{Deserialize, Deserializer};
use url::Url;

use super::challenge::Challenge;
use crate::shared::http::{self, AllowedServers, Origin, Server, Tls};
use wharf_core::base::{
    error::{Error, Kind, Result},
    secret::{Credentials, Secret},
    text,
};

/// Longest answer of a token server that is read, in bytes.
const ANSWER: usize = 1 << 20;
/// Shortest lifetime of a token, in seconds, also used if the server names none.
const LEAST: u64 = 60;
/// Longest lifetime of a token, in seconds.
const MOST: u64 = 86_400;
/// Wharf's client id (RFC 6749, appendix A.1).
const CLIENT: &str = "wharf";

/// The token server that a registry names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Realm {
    url: Url,
    /// Scheme, host and port of the token server.
    pub origin: Origin,
    service: Option<String>,
    scopes: Vec<String>,
}

impl Realm {
    /// The token server in a challenge; `None` if the challenge is not for tokens or has no usable address.
    pub(super) fn from_challenge(challenge: &Challenge) -> Option<Self> {
        if challenge.scheme != "bearer" {
            return None;
        }
        let mut url = Url::parse(challenge.get("realm")).ok()?;
        let origin = Origin::from_url(&url)?;
        // An account inside the address is not used.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_fragment(None);
        let service = Some(challenge.get("service").to_owned()).filter(|service| !service.is_empty());
        let scopes = challenge.get("scope").split_ascii_whitespace().map(str::to_owned).collect();
        Some(Self { url, origin, service, scopes })
    }

    /// Fails if a client of `registry` must not ask this server: unencrypted, although the registry is encrypted.
    pub(super) fn check(&self, registry: &Origin, what: &str) -> Result<()> {
        if registry.is_secure() && !self.origin.is_secure() {
            return Err(Error::new(
                Kind::NotAllowed,
                what,
                format!("its token server {} is on plain http", self.origin),
            )
            .hint("tell the administrators of the registry"));
        }
        Ok(())
    }

    /// Whether an account for `registry` may be sent there without asking the person: the server is on the same host or
    /// domain, and encrypted unless the registry itself is unencrypted on the same host.
    pub(super) fn is_known_to(&self, registry: &Origin) -> bool {
        let same_host = self.origin.host() == registry.host();
        if !self.origin.is_secure() {
            return same_host && !registry.is_secure();
        }
        same_host || self.origin.is_family_of(registry)
    }

    /// Like `is_known_to`, but also true for an encrypted server that the person has agreed to or configured
    /// (`agreed`).
    pub(super) fn may_know(&self, registry: &Origin, agreed: Option<&Origin>) -> bool {
        self.is_known_to(registry) || (self.origin.is_secure() && agreed == Some(&self.origin))
    }

    /// The scopes to ask for: ours, and those that the registry names for this request if they ask for nothing more.
    /// Registries with tenants or behind another name grant only what they named.
    fn scopes(&self, ours: &[String]) -> Vec<String> {
        let mut wanted: Vec<String> = ours.to_vec();
        let actions: Vec<&str> = ours.iter().flat_map(|scope| actions(scope)).collect();
        for scope in &self.scopes {
            let Some((resource, named)) = scope.rsplit_once(':') else { continue };
            let fit: Vec<&str> = named.split(',').filter(|action| actions.contains(action)).collect();
            let scope = format!("{resource}:{}", fit.join(","));
            if !fit.is_empty() && !wanted.contains(&scope) {
                wanted.push(scope);
            }
        }
        wanted
    }

    /// Asks for a token for the scopes `ours`, with an account or anonymously.
    pub(super) async fn token(
        &self,
        asking: &TokenRequest<'_>,
        account: Option<&Credentials>,
        ours: &[String],
    ) -> Result<IssuedToken> {
        let what = format!("{}: token server {}", asking.what, self.origin);
        let tls = Tls {
            // A client certificate is sent only to the registry that it was configured for.
            identity: asking.tls.identity.clone().filter(|_| self.origin == *asking.registry),
            ..asking.tls.clone()
        };
        let mut root = self.url.clone();
        root.set_path("/");
        let server = Server::new(root, tls, asking.reach.clone())?;
        asking.reach.check(&what, asking.registry, &self.origin)?;
        let place = server.address(self.url.path())?;
        let scopes = self.scopes(ours);
        let mut pairs: Vec<(&str, &str)> = self.service.iter().map(|service| ("service", service.as_str())).collect();
        let request = match account {
            Some(account) if account.identity_token => {
                let mut form = url::form_urlencoded::Serializer::new(String::new());
                form.append_pair("grant_type", "refresh_token").append_pair("client_id", CLIENT).extend_pairs(&pairs);
                if !scopes.is_empty() {
                    form.append_pair("scope", &scopes.join(" "));
                }
                form.append_pair("refresh_token", account.secret.reveal());
                let request = server.request(Method::POST, &self.queried(place))?;
                request.header(header::CONTENT_TYPE.as_str(), "application/x-www-form-urlencoded").body(form.finish())
            }
            _ => {
                pairs.extend(scopes.iter().map(|scope| ("scope", scope.as_str())));
                let request = server.get(&self.queried(place))?.query(&pairs);
                match account {
                    Some(account) => request.basic(account),
                    None => request,
                }
            }
        };
        let response = request.send(&what).await?;
        let status = response.status();
        // The answer is read but not repeated in messages, because it may contain what was sent.
        let bytes = http::body(response, ANSWER, &what).await?;
        if !status.is_success() {
            return Err(refused(&what, status, &bytes, account));
        }
        Answer::read(&bytes, &what)?.fresh(&what, text::now())
    }

    /// Adds the query of the realm's own address.
    fn queried(&self, place: http::ServerAddress) -> http::ServerAddress {
        self.url.query_pairs().fold(place, |place, (key, value)| place.with(&key, &value))
    }
}

/// The actions of a scope; the name before them may contain a colon.
fn actions(scope: &str) -> impl Iterator<Item = &str> {
    scope.rsplit_once(':').map_or("", |(_, actions)| actions).split(',').filter(|action| !action.is_empty())
}

/// What a token is asked for.
pub(super) struct TokenRequest<'a> {
    /// What is being done, for error messages.
    pub what: &'a str,
    /// The registry's scheme, host and port.
    pub registry: &'a Origin,
    /// The TLS settings of the registry.
    pub tls: &'a Tls,
    /// The addresses that may be contacted.
    pub reach: &'a AllowedServers,
}

/// A token that was just issued.
#[derive(Debug)]
pub(super) struct IssuedToken {
    /// The token to send with requests.
    pub token: Secret,
    /// How long the token is used: nine tenths of its lifetime.
    pub lasts: Duration,
    /// The refresh token that replaces the one that was sent (RFC 6749, section 6).
    pub refresh: Option<Secret>,
}

/// A token server's answer; `null` counts as absent, and fields that cannot be read are left out.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    #[serde(deserialize_with = "text_or_nothing")]
    token: Option<Secret>,
    #[serde(deserialize_with = "text_or_nothing")]
    access_token: Option<Secret>,
    #[serde(deserialize_with = "text_or_nothing")]
    refresh_token: Option<Secret>,
    expires_in: serde_json::Value,
    issued_at: serde_json::Value,
}

fn text_or_nothing<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Secret>, D::Error> {
    let value = serde_json::Value::deserialize(from)?;
    Ok(value.as_str().filter(|text| !text.is_empty()).map(Secret::new))
}

impl Answer {
    fn read(bytes: &[u8], what: &str) -> Result<Self> {
        http::parse(bytes, what)
    }

    fn fresh(self, what: &str, now: i64) -> Result<IssuedToken> {
        let token = self.token.or(self.access_token);
        let token = token.filter(|token| token.reveal().bytes().all(|byte| byte.is_ascii_graphic()));
        let token = token.ok_or_else(|| {
            Error::failed(what, "its answer holds no token that could be used")
                .hint("tell the administrators of the registry")
        })?;
        let seconds = match &self.expires_in {
            serde_json::Value::Number(number) => number.as_f64(),
            serde_json::Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        let lasts = seconds.filter(|seconds| seconds.is_finite() && *seconds > 0.0).map_or(LEAST, |s| s as u64);
        // The lifetime counts from when the token was issued; clocks that differ must not make every token expired.
        let issued = self.issued_at.as_str().and_then(text::parse_timestamp).unwrap_or(now);
        let age = u64::try_from(now.saturating_sub(issued)).unwrap_or(0);
        let left = lasts.saturating_sub(age).clamp(LEAST, MOST);
        Ok(IssuedToken { token, lasts: Duration::from_secs(left * 9 / 10), refresh: self.refresh_token })
    }
}

/// The error for a refusal. Only error codes of the specifications are repeated from the answer.
fn refused(what: &str, status: StatusCode, bytes: &[u8], account: Option<&Credentials>) -> Error {
    const CODES: &[&str] = &[
        // RFC 6749, section 5.2.
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
        // Distribution specification, "Error Codes".
        "UNAUTHORIZED",
        "DENIED",
        "UNSUPPORTED",
        "TOOMANYREQUESTS",
        "NAME_UNKNOWN",
    ];
    let said: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
    let named = [said.get("error"), said.pointer("/errors/0/code")].into_iter().flatten();
    let code = named.filter_map(serde_json::Value::as_str).find_map(|said| CODES.iter().find(|code| **code == said));
    let code = code.copied().unwrap_or("");
    if account.is_some() && (status == StatusCode::UNAUTHORIZED || matches!(code, "invalid_grant" | "invalid_client")) {
        let because = if code.is_empty() { status.to_string() } else { code.to_owned() };
        return Error::new(Kind::NotAllowed, what, format!("it does not take this account ({because})"))
            .hint("run 'wharf login' for this source");
    }
    let by_token = account.is_some_and(|account| account.identity_token);
    if by_token && matches!(status.as_u16(), 404 | 405) {
        return Error::new(Kind::NotAllowed, what, "it takes no identity tokens")
            .hint("sign in with account and password: run 'wharf login' for this source");
    }
    http::refused(what, status, code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn realm(text: &str, scope: &str) -> Realm {
        let header = format!(r#"Bearer realm="{text}",service="s",scope="{scope}""#);
        Realm::from_challenge(&crate::oci::challenge::parse(&header)[0]).unwrap()
    }

    fn origin(text: &str) -> Origin {
        Origin::from_url(&Url::parse(text).unwrap()).unwrap()
    }

    fn answer(text: &str, now: i64) -> Result<IssuedToken> {
        Answer::read(text.as_bytes(), "t")?.fresh("t", now)
    }

    #[test]
    fn an_account_goes_to_the_registrys_own_host_and_family_and_to_what_was_agreed_to() {
        let https = origin("https://registry.example.org");
        for known in
            ["https://registry.example.org/t", "https://registry.example.org:8443/t", "https://auth.example.org/t"]
        {
            assert!(realm(known, "").is_known_to(&https), "{known}");
        }
        for other in ["https://auth.example.com/t", "http://registry.example.org/t", "https://example.org.evil.net/t"] {
            assert!(!realm(other, "").is_known_to(&https), "{other}");
        }
        let elsewhere = realm("https://auth.other.net/t", "");
        assert!(!elsewhere.may_know(&https, None));
        assert!(elsewhere.may_know(&https, Some(&origin("https://auth.other.net"))));
        assert!(!elsewhere.may_know(&https, Some(&origin("https://auth.other.net:8443"))));
        // Unencrypted only if everything is on one host.
        let plain = origin("http://10.0.0.1:5000");
        assert!(realm("http://10.0.0.1:5001/t", "").is_known_to(&plain));
        let other = realm("http://10.0.0.2:5001/t", "");
        assert!(!other.may_know(&plain, Some(&origin("http://10.0.0.2:5001"))));
        assert!(realm("http://r.example/t", "").check(&https, "t").is_err());
    }

    #[test]
    fn a_challenge_that_names_no_server_is_none() {
        for unusable in [
            "Bearer",
            r#"Bearer realm="""#,
            r#"Bearer realm="/token""#,
            r#"Bearer realm="ftp://x/""#,
            r#"Basic realm="https://x/""#,
        ] {
            assert!(Realm::from_challenge(&crate::oci::challenge::parse(unusable)[0]).is_none(), "{unusable}");
        }
        let with_account = realm("https://user:secret@auth.example/t?x=1#f", "");
        assert_eq!(with_account.url.as_str(), "https://auth.example/t?x=1");
    }

    #[test]
    fn the_scope_of_a_challenge_is_asked_for_beside_ours_but_never_more_than_ours_means() {
        let ours = vec!["repository:a/b:pull".to_owned()];
        let asked = |scope: &str| realm("https://a.example/t", scope).scopes(&ours);
        assert_eq!(asked(""), ours);
        assert_eq!(asked("repository:a/b:pull"), ours);
        assert_eq!(asked("repository:tenant/a/b:pull"), ["repository:a/b:pull", "repository:tenant/a/b:pull"]);
        // A repository name may contain a port, and a challenge several scopes.
        assert_eq!(
            asked("repository:host:5000/a/b:pull,push,delete registry:catalog:*"),
            ["repository:a/b:pull", "repository:host:5000/a/b:pull"]
        );
        assert!(realm("https://a.example/t", "repository:a/b:pull").scopes(&[]).is_empty());
    }

    #[test]
    fn either_name_of_a_token_is_taken_and_null_is_absent() {
        for text in [
            r#"{"token": "good"}"#,
            r#"{"access_token": "good"}"#,
            r#"{"token": null, "access_token": "good"}"#,
            r#"{"token": "", "access_token": "good"}"#,
            r#"{"token": "good", "access_token": null, "unknown": [1], "refresh_token": null}"#,
            r#"{"token": 7, "access_token": "good"}"#,
        ] {
            assert_eq!(answer(text, 0).unwrap().token.reveal(), "good", "{text}");
        }
        for text in [r#"{"token": null}"#, "{}", r#"{"token": "two words"}"#, r#"{"token": "a\nb"}"#, "[]", "7", ""] {
            assert!(answer(text, 0).is_err(), "{text}");
        }
    }

    #[test]
    fn a_token_lasts_as_its_server_says_and_at_least_a_minute() {
        let lasts = |rest: &str| answer(&format!(r#"{{"token": "t"{rest}}}"#), 1_000_000).unwrap().lasts.as_secs();
        let least = LEAST * 9 / 10;
        for (rest, seconds) in [
            ("", least),
            (r#", "expires_in": null"#, least),
            (r#", "expires_in": 0"#, least),
            (r#", "expires_in": -1"#, least),
            (r#", "expires_in": "soon""#, least),
            (r#", "expires_in": [1]"#, least),
            (r#", "expires_in": 300"#, 270),
            (r#", "expires_in": 300.9"#, 270),
            (r#", "expires_in": "300""#, 270),
            (r#", "expires_in": 1e300"#, MOST * 9 / 10),
            (r#", "expires_in": 18446744073709551615"#, MOST * 9 / 10),
            // 1970-01-12T13:46:40Z is second 1,000,000.
            (r#", "expires_in": 300, "issued_at": "1970-01-12T13:45:00Z""#, 180),
            (r#", "expires_in": 300, "issued_at": "1970-01-02T00:00:00Z""#, least),
            (r#", "expires_in": 300, "issued_at": "2970-01-01T00:00:00Z""#, 270),
            (r#", "expires_in": 300, "issued_at": 12"#, 270),
        ] {
            assert_eq!(lasts(rest), seconds, "{rest}");
        }
    }

    #[test]
    fn nothing_that_a_token_server_says_is_repeated() {
        let secret = "SECRETSECRET";
        let account = Credentials {
            username: "ada".into(),
            secret: Secret::new(secret),
            identity_token: true,
            origin: "x".into(),
        };
        for text in [
            format!(r#"{{"token": "{secret}", "expires_in": "x""#),
            format!(r#"{{"token": ["{secret}"]}}"#),
            secret.to_owned(),
            format!(r#""{secret}""#),
            format!("<html>{secret}"),
            format!(r#"{{"token": "{secret} {secret}"}}"#),
        ] {
            let error = answer(&text, 0).unwrap_err();
            assert!(!format!("{error:?}").contains("SECRET"), "{error}");
        }
        for body in [
            format!(r#"{{"error": "invalid_grant", "error_description": "{secret} is no token"}}"#),
            format!(r#"{{"error": "{secret}"}}"#),
            format!(r#"{{"errors": [{{"code": "{secret}", "message": "{secret}"}}]}}"#),
            secret.to_owned(),
        ] {
            for status in [400, 401, 403, 404, 405, 429, 500] {
                let status = StatusCode::from_u16(status).unwrap();
                for account in [Some(&account), None] {
                    let error = refused("t", status, body.as_bytes(), account);
                    assert!(!format!("{error:?}").contains("SECRET"), "{error}");
                }
            }
        }
        let fresh = answer(&format!(r#"{{"token": "{secret}", "refresh_token": "{secret}"}}"#), 0).unwrap();
        assert!(!format!("{fresh:?}").contains(secret));
    }

    #[test]
    fn a_code_that_the_specifications_know_is_named() {
        let account =
            Credentials { username: "ada".into(), secret: Secret::new("x"), identity_token: true, origin: "x".into() };
        let refuse = |status: u16, body: &str, account: Option<&Credentials>| {
            refused("t", StatusCode::from_u16(status).unwrap(), body.as_bytes(), account)
        };
        let grant = refuse(400, r#"{"error": "invalid_grant"}"#, Some(&account));
        assert!(grant.kind == Kind::NotAllowed && grant.why.contains("invalid_grant"), "{grant}");
        assert!(refuse(405, "", Some(&account)).why.contains("identity tokens"));
        assert!(refuse(403, r#"{"errors": [{"code": "DENIED"}]}"#, None).why.contains("DENIED"));
    }
}
