//! Notices as JSON to an address of the site's, signed with a secret that both know (HMAC-SHA-256), as GitHub signs its
//! own: `X-Wharf-Signature-256: sha256=HEX` over the body, and a number that tells a repeated one.

use std::path::Path;

use async_trait::async_trait;
use aws_lc_rs::hmac;
use reqwest::Method;
use serde_json::json;

use crate::adapters::shared::http::{Next, Place, Reach, Server, Tls};
use crate::core::{
    base::{
        context::Context,
        error::{Error, Kind, Result},
        text,
    },
    config::Config,
    ports::{Notifier, store::Due},
};

/// Sends them.
pub struct Webhook {
    server: Server,
    place: Place,
    /// Why it cannot be read is told when a notice is sent: the site's file is everybody's, the secret is the steward's.
    key: Result<hmac::Key>,
}

impl Webhook {
    /// What the configuration wants; `None` where it wants none.
    pub fn of(config: &Config) -> Result<Option<Self>> {
        let what = "read [notify]";
        let address = config.notify.webhook.clone();
        if address.is_empty() {
            return Ok(None);
        }
        let Some(file) = &config.notify.webhook_secret else {
            return Err(Error::usage(what, "webhook needs a secret that its notices are signed with")
                .hint("webhook_secret = \"/etc/wharf/webhook.secret\""));
        };
        let key = match std::fs::read_to_string(file) {
            Ok(text) => Ok(key(&text, file, what)?),
            Err(error) => {
                let denied = error.kind() == std::io::ErrorKind::PermissionDenied;
                let kind = if denied { Kind::NotAllowed } else { Kind::Failed };
                let hint =
                    "the steward must be able to read it: openssl rand -hex 32, mode 0400, owned by that account";
                Err(Error::new(
                    kind,
                    format!("{what}: webhook_secret {}", file.display()),
                    format!("{}: {error}", file.display()),
                )
                .hint(hint))
            }
        };
        // Its path may be what only the two ends know: it is in no message.
        let address = url::Url::parse(&address)
            .map_err(|error| Error::usage(what, format!("webhook: {error}")).hint("write https://host/path"))?;
        let server =
            Server::new(address.clone(), Tls::default(), Reach::default()).map_err(|error| error.during(what))?;
        let place = server.next(&server.place("")?, address.as_str());
        let Some(Next::Here(place)) = place else {
            return Err(Error::usage(what, "webhook: no address").hint("write https://host/path"));
        };
        Ok(Some(Self { server, place, key }))
    }
}

fn key(text: &str, file: &Path, what: &str) -> Result<hmac::Key> {
    let secret = text.trim();
    if secret.len() < 16 {
        return Err(Error::usage(what, format!("the secret in {} is too short", file.display()))
            .hint("make one: openssl rand -hex 32"));
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()))
}

#[async_trait]
impl Notifier for Webhook {
    fn way(&self) -> &'static str {
        "webhook"
    }

    /// What is sent there cannot be tried without sending it; the secret can.
    async fn ready(&self, _cx: &Context) -> Result<String> {
        self.key.as_ref().map_err(Clone::clone)?;
        Ok(format!("{}, its secret is there", self.server.origin()))
    }

    async fn deliver(&self, _cx: &Context, due: &Due) -> Result<bool> {
        let what = format!("send a notice to {}", self.server.origin());
        let key = self.key.as_ref().map_err(Clone::clone)?;
        let notice = &due.notice;
        let body = json!({"id": notice.id, "at": text::timestamp(notice.at), "to": notice.to, "topic": notice.topic,
            "title": notice.title, "words": notice.words, "request": notice.request, "warning": notice.warning});
        let body = body.to_string();
        let signature = format!("sha256={}", text::hex(hmac::sign(key, body.as_bytes()).as_ref()));
        let sent = self.server.request(Method::POST, &self.place)?;
        let sent = sent.header("Content-Type", "application/json").header("X-Wharf-Delivery", notice.id.to_string());
        let answer = sent.header("X-Wharf-Signature-256", signature).body(body).send(&what).await?;
        let status = answer.status();
        if status.is_success() {
            return Ok(true);
        }
        let kind = if status.is_client_error() && status.as_u16() != 429 { Kind::Usage } else { Kind::Unavailable };
        Err(Error::new(kind, what, format!("it answered {status}")))
    }
}
