//! Notices as JSON, sent to an address of the site. They are signed with a shared secret (HMAC-SHA-256) as GitHub signs
//! its webhooks: `X-Wharf-Signature-256: sha256=HEX` over the body. A number tells repeated deliveries.

use std::path::Path;

use async_trait::async_trait;
use aws_lc_rs::hmac;
use reqwest::Method;
use serde_json::json;

use crate::shared::http::{AllowedServers, NextPage, Server, ServerAddress, Tls};
use wharf_core::{
    base::{
        context::Context,
        digest::Digest,
        error::{Error, Kind, Result},
        small_file, text,
    },
    config::Config,
    ports::{Notifier, store::DueNotice},
    sharing::letter::Letter,
};

/// Sends notices to the site's webhook.
pub struct Webhook {
    server: Server,
    place: ServerAddress,
    /// The secret; if it cannot be read, that is told when a notice is sent, because only the steward may read it.
    key: Result<hmac::Key>,
}

impl Webhook {
    /// The webhook that the configuration wants; `None` if it wants none.
    pub fn from_config(config: &Config) -> Result<Option<Self>> {
        let what = "read [notify]";
        let address = config.notify.webhook.clone();
        if address.is_empty() {
            return Ok(None);
        }
        let Some(file) = &config.notify.webhook_secret else {
            return Err(Error::usage(what, "webhook needs a secret that its notices are signed with")
                .hint("webhook_secret = \"/etc/wharf/webhook.secret\""));
        };
        let key = match small_file::text(file) {
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
        // The path may be known to both ends only, so it is not repeated in messages.
        let address = url::Url::parse(&address)
            .map_err(|error| Error::usage(what, format!("webhook: {error}")).hint("write https://host/path"))?;
        let server = Server::new(address.clone(), Tls::default(), AllowedServers::default())
            .map_err(|error| error.during(what))?;
        let place = server.next(&server.address("")?, address.as_str());
        let Some(NextPage::Here(place)) = place else {
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
    fn name(&self) -> &'static str {
        "webhook"
    }

    /// The webhook cannot be tried without a delivery, but whether its secret can be read is checked.
    async fn ready(&self, _cx: &Context) -> Result<String> {
        self.key.as_ref().map_err(Clone::clone)?;
        Ok(format!("{}, its secret is there", self.server.origin()))
    }

    async fn deliver(&self, _cx: &Context, due: &DueNotice) -> Result<bool> {
        let notice = &due.notice;
        let body = json!({"id": notice.id, "at": text::timestamp(notice.at), "to": notice.to, "topic": notice.topic,
            "title": notice.title, "words": notice.words, "request": notice.request, "warning": notice.warning});
        self.post(&body.to_string(), &notice.id.to_string()).await.map(|()| true)
    }

    async fn send(&self, _cx: &Context, letter: &Letter) -> Result<bool> {
        if !letter.to.is_empty() {
            return Ok(false);
        }
        let body = json!({"at": text::timestamp(text::now()), "topic": "link", "title": letter.subject,
            "words": letter.text, "link": letter.link});
        self.post(&body.to_string(), &Digest::of(letter.link.as_bytes()).hex()[..16]).await.map(|()| true)
    }
}

impl Webhook {
    /// Posts a text, signed; the receiver knows a repetition by its number.
    async fn post(&self, body: &str, number: &str) -> Result<()> {
        let what = format!("send a notice to {}", self.server.origin());
        let key = self.key.as_ref().map_err(Clone::clone)?;
        let signature = format!("sha256={}", text::hex(hmac::sign(key, body.as_bytes()).as_ref()));
        let sent = self.server.request(Method::POST, &self.place)?;
        let sent = sent.header("Content-Type", "application/json").header("X-Wharf-Delivery", number);
        let answer = sent.header("X-Wharf-Signature-256", signature).body(body.to_owned()).send(&what).await?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let kind = if status.is_client_error() && status.as_u16() != 429 { Kind::Usage } else { Kind::Unavailable };
        Err(Error::new(kind, what, format!("it answered {status}")))
    }
}
