//! Listing and describing what a registry holds.

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::{Method, Response, header};
use serde::Deserialize;
use tokio::sync::mpsc;
use url::Url;

use super::{
    Oci,
    client::{self, success},
};
use crate::{
    adapters::http,
    core::{
        error::{Error, Kind, Result},
        fetch,
        model::{Health, Image, Platform},
        ports::Catalog,
        progress::Context,
        reference::{self, ImageRef, Name},
        rows::Row,
        secret::Credentials,
    },
};

/// Repositories asked for their tags at a time.
const TAG_LISTS: usize = 16;
/// Beyond this many repositories, tags are read when a person looks at one.
const TAGS_OF_AT_MOST: usize = 5_000;
/// Pages of a list that never ends.
const MOST_PAGES: usize = 10_000;

#[derive(Deserialize)]
struct Repositories {
    repositories: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Tags {
    tags: Option<Vec<String>>,
}

impl Oci {
    /// One page of a list, and the address of the next by its `Link`.
    async fn page<T: serde::de::DeserializeOwned>(
        &self,
        what: &str,
        url: Url,
        scopes: &client::Scopes,
    ) -> Result<(T, Option<Url>)> {
        let response = self.registry.send(what, scopes, || self.registry.request(Method::GET, url.clone())).await?;
        let response = success(what, response).await?;
        let next = next_page(&response, &url).filter(|next| *next != url);
        Ok((http::json(response, what).await?, next))
    }

    async fn repositories(&self, what: &str, pages: &mpsc::Sender<Vec<Row>>) -> Result<Vec<String>> {
        let mut all = self.repositories.clone();
        let mut next = if all.is_empty() { Some(self.registry.url("v2/_catalog?n=1000")?) } else { None };
        for _ in 0..MOST_PAGES {
            let Some(url) = next.take() else { break };
            let page = match self.page::<Repositories>(what, url, &client::listing()).await {
                Ok((page, after)) => {
                    next = after;
                    page
                }
                Err(error) => return Err(self.no_listing(what, error)),
            };
            let names: Vec<String> = page
                .repositories
                .unwrap_or_default()
                .into_iter()
                .filter(|name| reference::is_repository(name))
                .collect();
            let _ = pages.send(names.iter().map(|name| Row { name: name.clone(), ..Row::default() }).collect()).await;
            all.extend(names);
        }
        Ok(all)
    }

    /// Many registries serve images and keep their list to themselves.
    fn no_listing(&self, what: &str, error: Error) -> Error {
        match error.kind {
            Kind::NotFound | Kind::Unsupported => {
                Error::unsupported(what, "this registry does not list its repositories").hint(format!(
                    "name them in the configuration: repositories = [\"project/name\"] under source '{}'",
                    self.name
                ))
            }
            Kind::NotAllowed => error
                .hint(format!("sign in with 'wharf login {}', or name repositories in the configuration", self.name)),
            _ => error,
        }
    }

    async fn tags_of(&self, repository: &str) -> Result<Vec<String>> {
        let what = format!("list versions of {}/{repository}", self.registry.host);
        let mut tags = Vec::new();
        let mut next = Some(self.registry.url(&format!("v2/{repository}/tags/list"))?);
        for _ in 0..MOST_PAGES {
            let Some(url) = next.take() else { break };
            let (page, after) = self.page::<Tags>(&what, url, &client::pull(repository)).await?;
            next = after;
            tags.extend(
                page.tags.unwrap_or_default().into_iter().filter(|tag| reference::is_tag(tag) && !is_attachment(tag)),
            );
        }
        tags.sort_by(|a, b| natural(a).cmp(&natural(b)));
        Ok(tags)
    }

    /// A repository with its tags. One whose tags cannot be read is still a row.
    async fn row(&self, cx: &Context, name: String) -> Result<Row> {
        match cx.run("list versions", self.tags_of(&name)).await {
            Ok(tags) => Ok(Row { name, tags, ..Row::default() }),
            Err(error) if matches!(error.kind, Kind::Unavailable | Kind::Cancelled) => Err(error),
            Err(error) => Ok(Row { note: error.why, name, ..Row::default() }),
        }
    }
}

#[async_trait]
impl Catalog for Oci {
    async fn list(&self, cx: &Context, _query: Option<&str>, pages: mpsc::Sender<Vec<Row>>) -> Result<()> {
        let what = format!("list {}", self.name);
        let names = cx.run(&what, self.repositories(&what, &pages)).await?;
        if names.len() > TAGS_OF_AT_MOST {
            return Ok(());
        }
        let mut rows =
            stream::iter(names.into_iter().map(|name| self.row(cx, name))).buffer_unordered(TAG_LISTS).chunks(64);
        while let Some(chunk) = rows.next().await {
            let page = chunk.into_iter().collect::<Result<Vec<Row>>>()?;
            let _ = pages.send(page).await;
        }
        Ok(())
    }

    fn reference(&self, name: &str, tag: Option<&str>) -> Result<ImageRef> {
        ImageRef::oci(&self.registry.host, name, tag.map(str::to_owned)).to_string().parse()
    }

    fn owns(&self, reference: &ImageRef) -> bool {
        matches!(reference, ImageRef::Oci(name) if name.host == self.registry.host)
    }

    async fn image(&self, cx: &Context, reference: &ImageRef, platform: Option<&Platform>) -> Result<Image> {
        fetch::image(cx, self, reference, platform).await
    }

    async fn tags(&self, _cx: &Context, reference: &ImageRef) -> Result<Vec<String>> {
        match reference {
            ImageRef::Oci(name) => self.tags_of(&name.repository).await,
            _ => Ok(Vec::new()),
        }
    }

    fn sign_in_place(&self) -> Option<String> {
        Some(self.registry.host.clone())
    }

    fn looks_are_cheap(&self) -> bool {
        // Docker Hub counts every manifest that is read.
        self.registry.host != reference::DOCKER_HUB
    }

    async fn health(&self, cx: &Context) -> Result<Health> {
        let what = format!("ask {}", self.name);
        let url = self.registry.url("v2/")?;
        let response =
            self.registry.send(&what, &Vec::new(), || self.registry.request(Method::GET, url.clone())).await?;
        let account = self.registry.account("").await;
        success(&what, response).await?;
        if self.registry.host == reference::DOCKER_HUB && self.registry.limits().is_none() {
            // Docker's own way to ask how many pulls are left: a HEAD of this image counts as none.
            let probe = Name {
                host: self.registry.host.clone(),
                repository: "ratelimitpreview/test".into(),
                tag: None,
                digest: None,
            };
            let _ = self.has_manifest(cx, &probe, "latest").await;
        }
        let note = self.registry.limits().unwrap_or_default();
        Ok(Health {
            reachable: true,
            account: account.as_ref().map(|account| account.username.clone()).unwrap_or_default(),
            credentials: account.map(|account| account.origin).unwrap_or_default(),
            note: if self.registry.base.scheme() == "http" {
                format!("plain http. {note}").trim().to_owned()
            } else {
                note
            },
        })
    }

    async fn credentials(&self, reference: &ImageRef) -> Option<Credentials> {
        let name = reference.name()?;
        self.registry.account(&name.repository).await
    }
}

/// `Link: </v2/_catalog?last=x&n=100>; rel="next"` (RFC 8288), relative or absolute, never to another host.
pub(super) fn next_page(response: &Response, current: &Url) -> Option<Url> {
    let link = response.headers().get(header::LINK)?.to_str().ok()?;
    let (_, rest) = link.split_once('<')?;
    let (target, parameters) = rest.split_once('>')?;
    let next = current.join(target).ok()?;
    (parameters.contains("next") && next.host_str() == current.host_str()).then_some(next)
}

/// Tags that hold signatures, attestations and referrers, not versions.
pub fn is_attachment(tag: &str) -> bool {
    let Some(rest) = tag.strip_prefix("sha256-").or(tag.strip_prefix("sha512-")) else { return false };
    let (hex, ending) = rest.split_once('.').unwrap_or((rest, ""));
    hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()) && matches!(ending, "" | "sig" | "att" | "sbom")
}

/// Splits digits from the rest so that `1.9` comes before `1.10`.
fn natural(tag: &str) -> Vec<(u64, &str)> {
    let mut parts = Vec::new();
    let mut rest = tag;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let words = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (word, after) = after.split_at(words);
        parts.push((number.parse().unwrap_or(if number.is_empty() { 0 } else { u64::MAX }), word));
        rest = after;
    }
    parts
}

impl Oci {
    /// The name inside a reference of this registry.
    pub(super) fn name<'a>(&self, at: &'a ImageRef) -> Result<&'a Name> {
        match at {
            ImageRef::Oci(name) if name.host == self.registry.host => Ok(name),
            _ => Err(Error::usage(format!("read {at}"), format!("it is not in {}", self.registry.host))),
        }
    }

    /// The blob as a stream, whatever host it is redirected to.
    pub(super) fn stream(response: Response, what: String) -> crate::core::ports::ByteStream {
        Box::pin(http::stream(response, what).into_stream())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_sort_as_people_count() {
        let mut tags = vec!["1.10", "latest", "1.9", "2024.1", "v2", "1.9-rc1"];
        tags.sort_by(|a, b| natural(a).cmp(&natural(b)));
        assert_eq!(tags, ["latest", "v2", "1.9", "1.9-rc1", "1.10", "2024.1"]);
    }

    #[test]
    fn attachment_tags_are_not_versions() {
        let hex = "a".repeat(64);
        assert!(is_attachment(&format!("sha256-{hex}")) && is_attachment(&format!("sha256-{hex}.sig")));
        assert!(is_attachment(&format!("sha512-{hex}")), "the figures of a longer digest are cut");
        assert!(!is_attachment("sha256-abc") && !is_attachment("v1.sig"));
    }
}
