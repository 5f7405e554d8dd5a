//! Listing the repositories and tags of a registry, and describing its images.

use std::collections::HashSet;

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::{Method, Response};
use serde::Deserialize;
use tokio::sync::mpsc;

use super::{
    Oci,
    client::{self, Registry, success},
    disks,
};
use crate::shared::http::{self, Allowance, Part, ServerAddress};
use wharf_core::{
    base::{
        context::Context,
        error::{Error, Kind, Result},
        secret::Credentials,
    },
    catalog::rows::Row,
    image::{
        model::{Health, Image, Platform},
        reference::{self, ImageRef, Name},
    },
    ports::{Catalog, Extent, SignInServer},
    transfer::fetch,
};

/// How many repositories' tags are read at the same time.
const TAG_LISTS: usize = 16;
/// With more repositories than this, tags are read only when a person opens an image.
const TAGS_OF_AT_MOST: usize = 5_000;
/// Most bytes that the tags in a list of repositories may take.
const MOST_OF_TAGS: usize = 96 << 20;

/// A page of `GET /v2/_catalog` or `GET /v2/NAME/tags/list`, which have one of the two lists.
#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    repositories: Option<Vec<Option<String>>>,
    #[serde(default)]
    tags: Option<Vec<Option<String>>>,
}

/// The largest page of a web server that is looked at, in bytes.
const WEB_PAGE: usize = 1 << 20;

/// Whether an answer is a page for people. Some registries call their short answer HTML, so that it is looked at.
async fn is_page(answer: Response, what: &str) -> bool {
    let kind = answer.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("text/html") {
        return false;
    }
    let body = http::body(answer, WEB_PAGE, what).await;
    body.map_or(true, |bytes| bytes.trim_ascii_start().starts_with(b"<"))
}

/// The page size that is asked for.
const PAGE: usize = 1000;

/// A list that is read page by page.
struct Pages<'a> {
    registry: &'a Registry,
    what: &'a str,
    scopes: client::Scopes,
    allowance: &'a Allowance,
    next: Option<ServerAddress>,
    seen: HashSet<ServerAddress>,
    /// Why the list ended early, if it did.
    cut: Option<String>,
}

impl Pages<'_> {
    /// The names of the next page; `None` after the last one.
    async fn next(&mut self) -> Result<Option<Vec<String>>> {
        let Some(place) = self.next.take() else { return Ok(None) };
        let make = || self.registry.request(Method::GET, &place);
        let response = success(self.what, self.registry.send(self.what, &self.scopes, make).await?).await?;
        let after = http::next_page(&self.registry.server, &response, &place);
        let (page, bytes): (Page, usize) = http::counted_json(response, self.what).await?;
        let names: Vec<String> = page.repositories.or(page.tags).unwrap_or_default().into_iter().flatten().collect();
        self.seen.insert(place);
        if let Some(after) = after {
            if self.seen.contains(&after) {
                self.cut = Some("its pages lead in a circle".to_owned());
            } else {
                self.cut = self.allowance.count_page(names.len(), bytes);
            }
            self.next = Some(after).filter(|_| self.cut.is_none());
        } else {
            // The last page counts too, because other lists share the allowance.
            let _ = self.allowance.count_page(names.len(), bytes);
        }
        Ok(Some(names))
    }
}

impl Oci {
    fn names<'a>(
        &'a self,
        what: &'a str,
        first: ServerAddress,
        scopes: client::Scopes,
        allowance: &'a Allowance,
    ) -> Pages<'a> {
        let (registry, next) = (&*self.registry, Some(first));
        Pages { registry, what, scopes, allowance, next, seen: HashSet::new(), cut: None }
    }

    async fn repositories(&self, what: &str, out: &mpsc::Sender<Vec<Row>>) -> Result<Part<String>> {
        if !self.repositories.is_empty() {
            return Ok(Part { rows: self.repositories.clone(), cut: None });
        }
        let allowance = Allowance::default();
        let first = self.registry.address(&format!("v2/_catalog?n={PAGE}"))?;
        let mut pages = self.names(what, first, client::listing(), &allowance);
        let mut page = pages.next().await;
        if page.as_ref().is_err_and(|error| error.kind == Kind::Failed) {
            // docker-registry with `catalog.maxentries` refuses larger pages (PAGINATION_NUMBER_INVALID), and others
            // refuse any page size: they are asked for pages of their own size.
            pages = self.names(what, self.registry.address("v2/_catalog")?, client::listing(), &allowance);
            page = pages.next().await;
        }
        let mut all = Vec::new();
        while let Some(names) = page.map_err(|error| self.no_listing(what, error))? {
            let names: Vec<String> = names.into_iter().filter(|name| reference::is_repository(name)).collect();
            let _ = out.send(names.iter().map(|name| Row { name: name.clone(), ..Row::default() }).collect()).await;
            // A page with fewer than n names is the last. Some registries send full pages without a link and know
            // `last` only.
            let last = names.last().filter(|_| names.len() >= PAGE && pages.next.is_none() && pages.cut.is_none());
            if let Some(last) = last.filter(|last| all.last().is_none_or(|before| before < *last)) {
                let first = self.registry.address(&format!("v2/_catalog?n={PAGE}"))?;
                pages.next = Some(first.with("last", last)).filter(|next| !pages.seen.contains(next));
            }
            all.extend(names);
            page = pages.next().await;
        }
        let mut known = HashSet::new();
        all.retain(|name| known.insert(name.clone()));
        Ok(Part { rows: all, cut: pages.cut })
    }

    /// The error of a registry that does not list its repositories, with what to do about it.
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

    pub(super) async fn tags_of(&self, repository: &str, allowance: &Allowance) -> Result<Part<String>> {
        let what = format!("list versions of {}/{repository}", self.registry.host);
        let first = self.registry.address(&format!("v2/{repository}/tags/list"))?;
        let mut pages = self.names(&what, first, client::pull(repository), allowance);
        let mut tags = Vec::new();
        while let Some(names) = pages.next().await? {
            tags.extend(names.into_iter().filter(|tag| reference::is_tag(tag) && !is_attachment(tag)));
        }
        let cut = pages.cut;
        tags.sort_by(|a, b| natural(a).cmp(&natural(b)));
        // If the list changes while it is read, a tag may be on two pages.
        tags.dedup();
        Ok(Part { rows: tags, cut })
    }

    /// The row of a repository with its tags. A repository whose tags cannot be read still has a row.
    async fn row(&self, cx: &Context, name: String, allowance: &Allowance) -> Result<Row> {
        if let Some(why) = allowance.ended() {
            return Ok(Row { note: format!("versions were not read: {why}"), name, ..Row::default() });
        }
        match cx.run("list versions", self.tags_of(&name, allowance)).await {
            Ok(Part { rows: tags, cut }) => {
                let note = cut.map(|why| format!("not all versions: {why}")).unwrap_or_default();
                Ok(Row { name, tags, note, ..Row::default() })
            }
            Err(error) if matches!(error.kind, Kind::Unavailable | Kind::Cancelled) => Err(error),
            Err(error) => Ok(Row { note: error.why, name, ..Row::default() }),
        }
    }
}

#[async_trait]
impl Catalog for Oci {
    async fn list(&self, cx: &Context, _query: Option<&str>, pages: mpsc::Sender<Vec<Row>>) -> Result<Extent> {
        let what = format!("list {}", self.name);
        let Part { rows: names, cut } = cx.run(&what, self.repositories(&what, &pages)).await?;
        if names.len() > TAGS_OF_AT_MOST {
            return Ok(Extent::cut_short(cut));
        }
        let allowance = Allowance::new(usize::MAX, MOST_OF_TAGS);
        let asked: Vec<_> = names.into_iter().map(|name| self.row(cx, name, &allowance)).collect();
        let mut rows = stream::iter(asked).buffer_unordered(TAG_LISTS).chunks(64);
        while let Some(chunk) = rows.next().await {
            let page = chunk.into_iter().collect::<Result<Vec<Row>>>()?;
            let _ = pages.send(page).await;
        }
        drop(rows);
        Ok(Extent::cut_short(cut.or(allowance.ended())))
    }

    fn reference(&self, name: &str, tag: Option<&str>) -> Result<ImageRef> {
        ImageRef::oci(&self.registry.host, name, tag.map(str::to_owned)).to_string().parse()
    }

    fn owns(&self, reference: &ImageRef) -> bool {
        matches!(reference, ImageRef::Oci(name) if name.host == self.registry.host)
    }

    async fn image(&self, cx: &Context, reference: &ImageRef, platform: Option<&Platform>) -> Result<Image> {
        let image = fetch::image(cx, self, reference, platform).await?;
        Ok(disks::told(cx, self, image).await)
    }

    async fn tags(&self, _cx: &Context, reference: &ImageRef) -> Result<Vec<String>> {
        match reference {
            ImageRef::Oci(name) => {
                let what = format!("list versions of {reference}");
                // The tags that can be pulled.
                let (place, there) = self.final_place(&what, name)?;
                place.tags_of(&there.repository, &Allowance::default()).await?.whole(&what)
            }
            _ => Ok(Vec::new()),
        }
    }

    fn sign_in_place(&self) -> Option<String> {
        Some(self.registry.host.clone())
    }

    async fn sign_in_server(&self, cx: &Context) -> Result<Option<SignInServer>> {
        let what = format!("ask {} where its sign-in is", self.name);
        cx.run(&what, self.registry.sign_in_server(&what)).await
    }

    fn describes_cheaply(&self) -> bool {
        // Docker Hub counts every manifest that is read against the account's limit.
        self.registry.host != reference::DOCKER_HUB
    }

    async fn health(&self, cx: &Context) -> Result<Health> {
        let what = format!("ask {}", self.name);
        let place = self.registry.address("v2/")?;
        let response = self.registry.send(&what, &Vec::new(), || self.registry.request(Method::GET, &place)).await?;
        let account = self.registry.account("").await;
        if is_page(success(&what, response).await?, &what).await {
            let why = "it answers with a web page, as no registry does";
            return Err(Error::new(Kind::Unavailable, what, why)
                .hint("check the address: a registry may have another host or port"));
        }
        if self.registry.host == reference::DOCKER_HUB && self.registry.pulls_left().is_none() {
            // Docker Hub tells the remaining pulls in the answer to a HEAD of this image, which is not counted.
            let probe = Name {
                host: self.registry.host.clone(),
                repository: "ratelimitpreview/test".into(),
                tag: None,
                digest: None,
            };
            let _ = self.has_manifest(cx, &probe, "latest").await;
        }
        let note = self.registry.pulls_left().map(|left| left.to_string()).unwrap_or_default();
        Ok(Health {
            reachable: true,
            account: account.as_ref().map(|account| account.username.clone()).unwrap_or_default(),
            credentials: account.map(|account| account.origin).unwrap_or_default(),
            note: if self.registry.server.origin().is_secure() {
                note
            } else {
                format!("plain http. {note}").trim().to_owned()
            },
        })
    }

    async fn credentials(&self, reference: &ImageRef) -> Option<Credentials> {
        let name = reference.name()?;
        self.registry.account(&name.repository).await
    }
}

/// Whether a tag holds a signature, an attestation or a referrers list, and is no version.
pub(super) fn is_attachment(tag: &str) -> bool {
    let Some(rest) = tag.strip_prefix("sha256-").or(tag.strip_prefix("sha512-")) else { return false };
    let (hex, ending) = rest.split_once('.').unwrap_or((rest, ""));
    hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()) && matches!(ending, "" | "sig" | "att" | "sbom")
}

/// The digits and other parts of a tag, for sorting `1.9` before `1.10`.
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
    /// The name in a reference of this registry; fails for another registry's.
    pub(super) fn name<'a>(&self, at: &'a ImageRef) -> Result<&'a Name> {
        match at {
            ImageRef::Oci(name) if name.host == self.registry.host => Ok(name),
            _ => Err(Error::usage(format!("read {at}"), format!("it is not in {}", self.registry.host))),
        }
    }

    /// The body of a response as a stream of bytes.
    pub(super) fn stream(response: Response, what: String) -> wharf_core::ports::ByteStream {
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
