//! Asking Harbor: its addresses, pages and passwords.

use std::sync::Arc;

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use url::Url;

use crate::{
    adapters::http::{self, Lazy, Tls},
    core::{
        config::SourceConfig,
        error::{Error, Kind, Result},
        ports::Catalog,
        progress::Context,
        reference::ImageRef,
    },
};

/// Entries of a page; Harbor gives no more.
const PAGE: usize = 100;
/// Pages of a list that never ends.
const MOST_PAGES: usize = 10_000;
/// No report is larger.
const REPORT: usize = 256 << 20;

/// One Harbor.
pub struct Api {
    host: String,
    base: Url,
    http: Lazy,
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
    pub fn new(source: &SourceConfig, registry: Arc<dyn Catalog>) -> Result<Self> {
        let what = format!("source '{}'", source.name);
        let text = if source.url.contains("://") { source.url.clone() } else { format!("https://{}", source.url) };
        let unfit = |why: String| Error::usage(&what, format!("url '{text}': {why}")).hint("write https://host[:port]");
        let mut base = Url::parse(&text).map_err(|error| unfit(error.to_string()))?;
        let name = base.host_str().ok_or_else(|| unfit("it names no host".to_owned()))?;
        let host = base.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"));
        base.set_path("/api/v2.0/");
        let tls =
            Tls { authorities: source.ca.clone().into_iter().collect(), identity: source.client_certificate.clone() };
        Ok(Self { host, base, http: Lazy::new(tls), registry })
    }

    /// Its host, as references name it.
    pub fn host(&self) -> &str {
        &self.host
    }

    async fn request(&self, what: &str, method: Method, url: Url) -> Result<RequestBuilder> {
        let request = self.http.client(what)?.request(method, url);
        let account = self.registry.credentials(&ImageRef::oci(&self.host, "library/any", None)).await;
        Ok(match account.filter(|account| !account.identity_token) {
            Some(account) => request.basic_auth(&account.username, Some(account.secret.reveal())),
            None => request,
        })
    }

    async fn answer(&self, what: &str, method: Method, url: Url) -> Result<Response> {
        let request = self.request(what, method, url).await?;
        // Without it, a list of findings comes in a form of long ago.
        let request =
            request.header("X-Accept-Vulnerabilities", "application/vnd.security.vulnerability.report; version=1.1");
        let response = request.send().await.map_err(|error| http::no_answer(what, &error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let wants_sign_in = (status == StatusCode::UNAUTHORIZED).then(|| self.host.clone());
        Err(http::refused(what, status, "").sign_in_at(wants_sign_in))
    }

    fn url(&self, what: &str, path: &str) -> Result<Url> {
        self.base.join(path).map_err(|error| Error::usage(what, error.to_string()))
    }

    /// One answer.
    pub async fn get<T: DeserializeOwned>(&self, cx: &Context, what: &str, path: &str) -> Result<T> {
        let url = self.url(what, path)?;
        cx.run(what, async { http::json(self.answer(what, Method::GET, url).await?, what).await }).await
    }

    /// The bytes of a report.
    pub async fn report(&self, cx: &Context, what: &str, path: &str) -> Result<Vec<u8>> {
        let url = self.url(what, path)?;
        let read = async { http::body(self.answer(what, Method::GET, url).await?, REPORT, what).await };
        cx.run(what, read).await.map(|bytes| bytes.to_vec())
    }

    /// Asks for something to be done; asked for already is fine.
    pub async fn post(&self, cx: &Context, what: &str, path: &str) -> Result<()> {
        let url = self.url(what, path)?;
        match cx.run(what, self.answer(what, Method::POST, url)).await {
            // Harbor answers so while the same is under way.
            Err(error) if error.kind == Kind::Failed && error.why.contains("409") => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// All entries of a list, page by page, by their count.
    pub async fn all<T: DeserializeOwned>(&self, cx: &Context, what: &str, path: &str) -> Result<Vec<T>> {
        let mut all: Vec<T> = Vec::new();
        let sign = if path.contains('?') { '&' } else { '?' };
        for page in 1..=MOST_PAGES {
            let url = self.url(what, &format!("{path}{sign}page={page}&page_size={PAGE}"))?;
            let (found, total): (Vec<T>, Option<usize>) = cx
                .run(what, async {
                    let response = self.answer(what, Method::GET, url).await?;
                    let total =
                        response.headers().get("X-Total-Count").and_then(|total| total.to_str().ok()?.parse().ok());
                    Ok((http::json(response, what).await?, total))
                })
                .await?;
            let (count, ended) = (found.len(), found.is_empty());
            all.extend(found);
            if ended || count < PAGE || total.is_some_and(|total| all.len() >= total) {
                break;
            }
        }
        Ok(all)
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
