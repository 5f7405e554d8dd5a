//! Signing in to the identity service, in each way that it knows.

use reqwest::Method as Verb;
use serde_json::Value;

use super::{
    asking::Answers,
    device,
    keystone::{CHECK, Keystone, Session, federation, with_timeout},
    methods::{self, Grant, Method, SignInMethod},
    openid,
    settings::Settings,
    websso,
};
use wharf_core::base::error::{Error, Kind, Result};

/// The header with a receipt of what was proven, if the cloud wants more ("Multi-Factor Authentication").
const RECEIPT: &str = "Openstack-Auth-Receipt";

impl Keystone<'_> {
    /// Signs in; `settings` are complete with all secrets.
    pub(super) async fn sign_in(&self, settings: &Settings, way: &SignInMethod, answers: &Answers) -> Result<Session> {
        match way {
            SignInMethod::Methods(methods) => {
                let own = settings.auth("token").filter(|_| methods.as_slice() == [Method::Token]);
                match own {
                    // A token without a scope to sign in to is used as it is.
                    Some(token) if methods::scope(settings).is_none() => self.known(token).await,
                    Some(token) => match self.prove(settings, methods, answers).await {
                        Err(error) if error.kind == Kind::NotAllowed => {
                            // Some clouds do not exchange tokens: it may be for that project already.
                            let known = self.known(token).await.ok().filter(|session| is_for(session, settings));
                            known.ok_or(error)
                        }
                        other => other,
                    },
                    None => self.prove(settings, methods, answers).await,
                }
            }
            SignInMethod::OpenId(grant) => {
                let bearer = match grant {
                    Grant::Device => device::token(self, settings, answers).await?,
                    grant => with_timeout(CHECK, &self.what, openid::token(self, settings, *grant)).await?,
                };
                let path = format!("{}/auth", federation(settings));
                let request = self.server.request(Verb::POST, &self.server.address(&path)?)?;
                let (status, headers, body) = self.send(request.bearer(&bearer)).await?;
                let first = self.session(status, &headers, &body).await?;
                self.scoped(first, settings, answers).await
            }
            SignInMethod::Browser => {
                let first = websso::session(self, settings, answers).await?;
                self.scoped(first, settings, answers).await
            }
            SignInMethod::Unknown(name) => {
                Err(Error::unsupported(&self.what, format!("Wharf cannot sign in by '{name}'"))
                    .hint(methods::advice(name)))
            }
        }
    }

    /// A session for the wanted project, from one without a project.
    async fn scoped(&self, first: Session, settings: &Settings, answers: &Answers) -> Result<Session> {
        if methods::scope(settings).is_none() {
            return Ok(first);
        }
        let settings = settings.clone().with_auth("token", first.token.reveal());
        self.prove(&settings, &[Method::Token], answers).await
    }

    /// Sends the proofs of a sign-in; the cloud may then ask for another one.
    async fn prove(&self, settings: &Settings, methods: &[Method], answers: &Answers) -> Result<Session> {
        let place = self.server.address("auth/tokens")?;
        let request = |body: Value| {
            let request = self.server.request(Verb::POST, &place)?;
            Ok::<_, Error>(request.header("Content-Type", "application/json").body(body.to_string()))
        };
        let (status, headers, body) = self.send(request(methods::body(settings, methods))?).await?;
        let receipt = headers.get(RECEIPT).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (Some(receipt), 401) = (receipt, status) else { return self.session(status, &headers, &body).await };
        let more = wanted(&body, methods);
        if more != [Method::Totp] {
            return Err(Error::new(Kind::NotAllowed, &self.what, "the cloud wants a further proof of this account")
                .hint(
                    "name all of them in clouds.yaml: auth_type: v3multifactor, auth_methods: [v3password, v3totp]",
                ));
        }
        let passcode = match settings.auth("passcode") {
            Some(passcode) => passcode.to_owned(),
            None => answers.secret("passcode").await?.reveal().to_owned(),
        };
        let settings = settings.clone().with_auth("passcode", &passcode);
        let request = request(methods::body(&settings, &more))?.secret_header(RECEIPT, &receipt);
        let (status, headers, body) = self.send(request).await?;
        self.session(status, &headers, &body).await
    }
}

/// Whether a session is for the project that the settings name.
fn is_for(session: &Session, settings: &Settings) -> bool {
    session.project.as_ref().is_some_and(|project| match settings.auth("project_id") {
        Some(id) => project.id == id,
        None => settings.auth("project_name") == Some(project.name.as_str()),
    })
}

/// The further methods that the cloud requires (`required_auth_methods`, of which one rule is enough).
fn wanted(body: &[u8], shown: &[Method]) -> Vec<Method> {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let rules = answer.get("required_auth_methods").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut ways = rules.iter().filter_map(Value::as_array).filter_map(|rule| {
        let names = rule.iter().map(|name| match name.as_str() {
            Some("password") => Some(Method::Password),
            Some("totp") => Some(Method::Totp),
            _ => None,
        });
        let all: Option<Vec<Method>> = names.collect();
        Some(all?.into_iter().filter(|method| !shown.contains(method)).collect::<Vec<_>>())
    });
    ways.find(|more| !more.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_cloud_wants_beside_a_proof_is_found_in_its_rules() {
        let body = json!({"receipt": {"methods": ["password"]}, "required_auth_methods": [["password", "mapped"], ["password", "totp"]]});
        assert_eq!(wanted(body.to_string().as_bytes(), &[Method::Password]), [Method::Totp]);
        assert!(wanted(b"odd", &[Method::Password]).is_empty());
    }
}
