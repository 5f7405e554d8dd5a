//! Asking Harbor: its addresses, pages and passwords.

use std::sync::Arc;

use reqwest::{Method, Response, StatusCode};
use serde::de::DeserializeOwned;

use crate::{
    adapters::shared::{
        http::{self, Allowance, Part, Place, Reach, Request, Server, Tls},
        settings::{Registry, Wanted},
    },
    core::{
        base::{
            context::Context,
            error::{Kind, Result},
        },
        image::reference::ImageRef,
        ports::Catalog,
    },
};

/// Entries of a page; Harbor gives no more.
const PAGE: usize = 100;
/// No report is larger.
const REPORT: usize = 256 << 20;

/// No refusal that is read is longer.
const REFUSAL: usize = 64 << 10;

/// What a refusal says (`errors` of swagger.yaml).
fn said(bytes: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Said {
        errors: Vec<One>,
    }
    #[derive(serde::Deserialize)]
    struct One {
        #[serde(default)]
        message: String,
    }
    let said: Option<Said> = serde_json::from_slice(bytes).ok();
    said.and_then(|said| said.errors.into_iter().next()).map(|one| one.message).unwrap_or_default()
}

/// One Harbor.
pub struct Api {
    host: String,
    server: Server,
    /// Knows how to sign in to its registry, which is how to sign in here.
    registry: Arc<dyn Catalog>,
}

/// `a/b` as one part of a path: encoded twice, as Harbor wants it.
pub fn twice(name: &str) -> String {
    name.replace('%', "%2525").replace('/', "%252F")
}

/// Project and the rest of a repository's name.
pub fn split(repository: &str) -> Option<(&str, &str)> {
    repository.split_once('/')
}

impl Api {
    /// The one of a source.
    pub fn new(wanted: &Wanted<Registry>, registry: Arc<dyn Catalog>, reach: Reach) -> Result<Self> {
        let (what, settings) = (format!("source '{}'", wanted.name), &wanted.settings);
        let root = format!("{}/api/v2.0", settings.url.trim_end_matches('/'));
        let server = Server::at(&root, Tls::beside(settings, &settings.url), reach, &what)?;
        Ok(Self { host: server.origin().place(), server, registry })
    }

    /// Its host, as references name it.
    pub fn host(&self) -> &str {
        &self.host
    }

    async fn request(&self, method: Method, place: &Place) -> Result<Request<'_>> {
        let request = self.server.request(method, place)?;
        let account = self.registry.credentials(&ImageRef::oci(&self.host, "library/any", None)).await;
        Ok(match account.filter(|account| !account.identity_token) {
            Some(account) => request.basic(&account),
            None => request,
        })
    }

    async fn answer(&self, what: &str, method: Method, place: &Place) -> Result<Response> {
        let request = self.request(method, place).await?;
        // Without it, a list of findings comes in a form of long ago.
        let request =
            request.header("X-Accept-Vulnerabilities", "application/vnd.security.vulnerability.report; version=1.1");
        let response = request.send(what).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let wants_sign_in = (status == StatusCode::UNAUTHORIZED).then(|| self.host.clone());
        let said = said(&http::body(response, REFUSAL, what).await.unwrap_or_default());
        Err(http::refused(what, status, &said).sign_in_at(wants_sign_in))
    }

    /// One answer.
    pub async fn get<T: DeserializeOwned>(&self, cx: &Context, what: &str, path: &str) -> Result<T> {
        let place = self.server.place(path)?;
        cx.run(what, async { http::json(self.answer(what, Method::GET, &place).await?, what).await }).await
    }

    /// The bytes of a report.
    pub async fn report(&self, cx: &Context, what: &str, path: &str) -> Result<Vec<u8>> {
        let place = self.server.place(path)?;
        let read = async { http::body(self.answer(what, Method::GET, &place).await?, REPORT, what).await };
        cx.run(what, read).await.map(|bytes| bytes.to_vec())
    }

    /// Changes something.
    pub async fn send(&self, cx: &Context, what: &str, method: Method, path: &str) -> Result<()> {
        let place = self.server.place(path)?;
        cx.run(what, self.answer(what, method, &place)).await.map(|_| ())
    }

    /// Asks for something to be done; asked for already is fine.
    pub async fn post(&self, cx: &Context, what: &str, path: &str) -> Result<()> {
        let place = self.server.place(path)?;
        match cx.run(what, self.answer(what, Method::POST, &place)).await {
            // Harbor answers so while the same is under way.
            Err(error) if error.kind == Kind::Failed && error.why.contains("409") => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// The entries of a list, page by page, by their count, as far as `allowance` goes.
    pub async fn all<T: DeserializeOwned>(
        &self,
        cx: &Context,
        what: &str,
        path: &str,
        allowance: &Allowance,
    ) -> Result<Part<T>> {
        let mut all: Vec<T> = Vec::new();
        let sign = if path.contains('?') { '&' } else { '?' };
        for page in 1.. {
            if let Some(why) = allowance.ended() {
                return Ok(Part { rows: all, cut: Some(why) });
            }
            let place = self.server.place(&format!("{path}{sign}page={page}&page_size={PAGE}"))?;
            let (found, bytes, total): (Vec<T>, usize, Option<usize>) = cx
                .run(what, async {
                    let response = self.answer(what, Method::GET, &place).await?;
                    let total =
                        response.headers().get("X-Total-Count").and_then(|total| total.to_str().ok()?.parse().ok());
                    let (found, bytes) = http::counted_json(response, what).await?;
                    Ok((found, bytes, total))
                })
                .await?;
            let count = found.len();
            all.extend(found);
            if count < PAGE || total.is_some_and(|total| all.len() >= total) {
                break;
            }
            if let Some(why) = allowance.spend(count, bytes) {
                return Ok(Part { rows: all, cut: Some(why) });
            }
        }
        Ok(Part { rows: all, cut: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_one_part_of_a_path() {
        assert_eq!(twice("gromacs"), "gromacs");
        assert_eq!(twice("deep/er/tool"), "deep%252Fer%252Ftool");
        assert_eq!(split("physics/deep/tool"), Some(("physics", "deep/tool")));
    }
}
