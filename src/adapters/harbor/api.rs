//! Requests to Harbor: addresses, pages and accounts.

use std::sync::Arc;

use reqwest::{Method, Response, StatusCode};
use serde::de::DeserializeOwned;

use crate::shared::{
    http::{self, Allowance, AllowedServers, Part, Request, Server, ServerAddress, Tls},
    settings::{AdapterEntry, Registry},
};
use wharf_core::{
    base::{
        context::Context,
        error::{Kind, Result},
    },
    image::reference::{ImageRef, Name},
    ports::Catalog,
};

/// Entries of a page, the most that Harbor gives.
const PAGE: usize = 100;
/// Largest report that is read, in bytes.
const REPORT: usize = 256 << 20;

/// Longest error answer that is read, in bytes.
const REFUSAL: usize = 64 << 10;

/// The message in an error answer (`errors` in swagger.yaml).
fn error_message(bytes: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct ErrorAnswer {
        errors: Vec<ErrorItem>,
    }
    #[derive(serde::Deserialize)]
    struct ErrorItem {
        #[serde(default)]
        message: String,
    }
    let said: Option<ErrorAnswer> = serde_json::from_slice(bytes).ok();
    said.and_then(|said| said.errors.into_iter().next()).map(|one| one.message).unwrap_or_default()
}

/// A connection to one Harbor.
pub(super) struct Api {
    host: String,
    server: Server,
    /// The registry in the same Harbor: its account is used for the API too.
    registry: Arc<dyn Catalog>,
}

/// A repository name as one part of a path: encoded twice, as Harbor requires it.
pub(super) fn encode_twice(name: &str) -> String {
    name.replace('%', "%2525").replace('/', "%252F")
}

/// The project and the rest of a repository's name; `None` without a slash.
pub(super) fn split(repository: &str) -> Option<(&str, &str)> {
    repository.split_once('/')
}

/// The path of an artifact, given by tag or digest; `None` if the name has no project.
pub(super) fn artifact_path(name: &Name, selector: &str) -> Option<String> {
    let (project, rest) = split(&name.repository)?;
    Some(format!("projects/{}/repositories/{}/artifacts/{selector}", encode_twice(project), encode_twice(rest)))
}

impl Api {
    /// A connection to the Harbor of a configured source.
    pub(super) fn new(
        wanted: &AdapterEntry<Registry>,
        registry: Arc<dyn Catalog>,
        reach: AllowedServers,
    ) -> Result<Self> {
        let (what, settings) = (format!("source '{}'", wanted.name), &wanted.settings);
        let root = format!("{}/api/v2.0", settings.url.trim_end_matches('/'));
        let server = Server::at(&root, Tls::beside(settings, &settings.url), reach, &what)?;
        Ok(Self { host: server.origin().host_and_port(), server, registry })
    }

    /// The host as references name it, with the port if it has one.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    async fn request(&self, method: Method, place: &ServerAddress) -> Result<Request<'_>> {
        let request = self.server.request(method, place)?;
        let account = self.registry.credentials(&ImageRef::oci(&self.host, "library/any", None)).await;
        Ok(match account.filter(|account| !account.identity_token) {
            Some(account) => request.basic(&account),
            None => request,
        })
    }

    async fn answer(&self, what: &str, method: Method, place: &ServerAddress) -> Result<Response> {
        let request = self.request(method, place).await?;
        // Without this header, Harbor lists findings in an outdated form.
        let request =
            request.header("X-Accept-Vulnerabilities", "application/vnd.security.vulnerability.report; version=1.1");
        let response = request.send(what).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let wants_sign_in = (status == StatusCode::UNAUTHORIZED).then(|| self.host.clone());
        let said = error_message(&http::body(response, REFUSAL, what).await.unwrap_or_default());
        Err(http::refused(what, status, &said).sign_in_at(wants_sign_in))
    }

    /// Reads a JSON answer.
    pub(super) async fn get<T: DeserializeOwned>(&self, cx: &Context, what: &str, path: &str) -> Result<T> {
        let place = self.server.address(path)?;
        cx.run(what, async { http::json(self.answer(what, Method::GET, &place).await?, what).await }).await
    }

    /// Reads the bytes of a report.
    pub(super) async fn report(&self, cx: &Context, what: &str, path: &str) -> Result<Vec<u8>> {
        let place = self.server.address(path)?;
        let read = async { http::body(self.answer(what, Method::GET, &place).await?, REPORT, what).await };
        cx.run(what, read).await.map(|bytes| bytes.to_vec())
    }

    /// Sends a request that changes something, and ignores its answer.
    pub(super) async fn send(&self, cx: &Context, what: &str, method: Method, path: &str) -> Result<()> {
        let place = self.server.address(path)?;
        cx.run(what, self.answer(what, method, &place)).await.map(|_| ())
    }

    /// Starts something, like a scan; it is no error if the same is already under way.
    pub(super) async fn post(&self, cx: &Context, what: &str, path: &str) -> Result<()> {
        let place = self.server.address(path)?;
        match cx.run(what, self.answer(what, Method::POST, &place)).await {
            // Harbor answers 409 while the same is under way.
            Err(error) if error.kind == Kind::Failed && error.why.contains("409") => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// Reads all entries of a list, page by page, as far as `allowance` permits.
    pub(super) async fn all<T: DeserializeOwned>(
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
            let place = self.server.address(&format!("{path}{sign}page={page}&page_size={PAGE}"))?;
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
            if let Some(why) = allowance.count_page(count, bytes) {
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
        assert_eq!(encode_twice("gromacs"), "gromacs");
        assert_eq!(encode_twice("deep/er/tool"), "deep%252Fer%252Ftool");
        assert_eq!(split("physics/deep/tool"), Some(("physics", "deep/tool")));
    }
}
