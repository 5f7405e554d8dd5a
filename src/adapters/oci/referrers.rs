//! What is attached to a digest in a registry: cosign's tags, the pages of the referrers API, and its fallback tag
//! (OCI distribution specification 1.1, "Listing Referrers" and "Referrers Tag Schema").
//!
//! Each of these places was either read, or is reported as not read. Some registries' answers are not in the
//! specification:
//! `null` for an empty list, web pages of proxies, and 400 where there is no referrers API.

use futures_util::future::{join, join_all};
use reqwest::{Method, Response, StatusCode, header};
use serde::Deserialize;
use serde_json::Value;

use super::{
    Oci,
    client::{self, success},
};
use crate::shared::http::{self, NextPage};
use wharf_core::{
    base::{
        context::Context,
        digest::Digest,
        error::{Error, Kind, Result},
    },
    evidence::attachments::{Attachment, Attachments},
    image::{
        document::{self, Entry, Refusal},
        manifest::{ALL_TYPES, MANIFEST_LIMIT, OCI_INDEX},
        reference::{ImageRef, Name},
    },
};

/// The endings of cosign's tags: signatures, attestations, bills of materials.
const TAGS: [&str; 3] = [".sig", ".att", ".sbom"];
/// The types of signatures: if a list is too long, these are asked for separately.
const SIGNATURES: [&str; 2] =
    ["application/vnd.dev.sigstore.bundle.v0.3+json", "application/vnd.dev.cosign.artifact.sig.v1+json"];
/// At most this many pages and entries of a list are read.
const MOST_PAGES: usize = 64;
const MOST_LISTED: usize = 5_000;

/// What an answer is that should be a list of attachments.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// A list: the digest and type of each readable entry, and the number of unreadable ones.
    List { listed: Vec<(Digest, String)>, unread: usize },
    /// Something else than an index: there is no such list.
    None,
    /// It says that it is an index, but cannot be read; with the reason.
    Broken(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    media_type: Option<String>,
    manifests: Option<Vec<Value>>,
}

fn is_web_page(kind: &str) -> bool {
    kind.trim_start().to_ascii_lowercase().starts_with("text/html")
}

/// Reads an answer with this content type.
fn read(kind: &str, bytes: &[u8]) -> Answer {
    let says_index = kind.to_ascii_lowercase().starts_with(OCI_INDEX);
    let other = |why: String| if says_index { Answer::Broken(why) } else { Answer::None };
    let index: Index = match document::parse(bytes) {
        Ok(index) => index,
        Err(Refusal::Ambiguous(why)) => return Answer::Broken(why),
        Err(Refusal::Unknown(why)) => return other(why),
    };
    let own = index.media_type.filter(|own| !own.is_empty());
    match own.as_deref() {
        Some(OCI_INDEX) => {}
        Some(own) => return other(format!("it is a '{}'", wharf_core::base::clean::short(own, 80))),
        // Without `manifests`, only the type distinguishes an empty index from other JSON.
        None if index.manifests.is_none() && !says_index => return Answer::None,
        None => {}
    }
    let entries = index.manifests.unwrap_or_default();
    let count = entries.len();
    let listed: Vec<_> = entries.iter().filter_map(entry).collect();
    Answer::List { unread: count - listed.len(), listed }
}

/// The digest and type of an entry; its media type and size are not needed to fetch it.
fn entry(value: &Value) -> Option<(Digest, String)> {
    #[derive(Deserialize)]
    struct ReferrerEntry {
        digest: Digest,
    }
    let digest = ReferrerEntry::deserialize(value).ok()?.digest;
    let kind = Entry::deserialize(value).ok().and_then(|entry| entry.parse().ok()).and_then(|one| one.artifact_type);
    Some((digest, kind.unwrap_or_default()))
}

/// A page of the referrers interface, if it is none of an error. Where that interface itself fails (500), it will fail
/// tomorrow as well: nobody waits for it, as for a registry that is away or busy.
async fn told(what: &str, response: Response) -> Result<Response> {
    let status = response.status();
    let is_away = matches!(status.as_u16(), 502..=504);
    let lasts =
        |error: Error| if status.is_server_error() && !is_away { Error { kind: Kind::Failed, ..error } } else { error };
    success(what, response).await.map_err(lasts)
}

fn content_type(response: &Response) -> String {
    let value = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

impl Oci {
    /// Everything that is attached to a digest of a repository. Fails only if the person has cancelled.
    pub(super) async fn attachments(&self, cx: &Context, name: &Name, digest: &Digest) -> Result<Attachments> {
        let tags = TAGS.iter().filter_map(|ending| digest.attached_tag(ending));
        let tags = join_all(tags.map(|tag| self.by_tag(cx, name, tag)));
        let lists = join(Box::pin(self.by_interface(cx, name, digest)), Box::pin(self.by_fallback(cx, name, digest)));
        // Signatures by tag come first: there is only one for each digest, however much else is attached.
        let (tags, (listed, fallback)) = join(tags, lists).await;
        let mut all = Attachments::default();
        tags.into_iter().chain([listed, fallback]).for_each(|one| all.extend(one));
        if let Some(cancelled) = all.unseen.iter().find(|error| error.kind == Kind::Cancelled) {
            return Err(cancelled.clone());
        }
        Ok(all)
    }

    fn place(&self, name: &Name, part: &str) -> String {
        format!("look into {part} of {}/{}", self.registry.host, name.repository)
    }

    async fn by_tag(&self, cx: &Context, name: &Name, tag: String) -> Attachments {
        let mut all = Attachments::default();
        match self.tag_is_there(cx, name, &tag).await {
            Ok(true) => {
                let at = ImageRef::Oci(Name { tag: Some(tag.clone()), digest: None, ..name.clone() });
                all.found.push(Attachment { at, tag: Some(tag), kind: String::new() });
            }
            Ok(false) => {}
            Err(error) => all.unseen.push(error),
        }
        all
    }

    /// Whether a tag exists. That it does not is believed only of the registry, not of a proxy's web page.
    async fn tag_is_there(&self, cx: &Context, name: &Name, tag: &str) -> Result<bool> {
        let what = self.place(name, &format!("the tag {tag}"));
        let url = self.registry.address(&format!("v2/{}/manifests/{tag}", name.repository))?;
        let accept = ALL_TYPES.join(", ");
        cx.run(&what, async {
            let ask = async |method: Method| {
                let make = || Ok(self.registry.request(method.clone(), &url)?.header("Accept", &accept));
                self.registry.send(&what, &client::pull(&name.repository), make).await
            };
            let mut response = ask(Method::HEAD).await?;
            let unsure = match response.status() {
                StatusCode::NOT_FOUND => is_web_page(&content_type(&response)),
                StatusCode::BAD_REQUEST | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => true,
                _ => false,
            };
            if unsure {
                response = ask(Method::GET).await?;
            }
            match response.status() {
                StatusCode::NOT_FOUND if is_web_page(&content_type(&response)) => {
                    Err(Error::new(Kind::Failed, &what, "a web page answered, not the registry")
                        .hint("check the network and the proxy"))
                }
                StatusCode::NOT_FOUND => Ok(false),
                _ => success(&what, response).await.map(|_| true),
            }
        })
        .await
    }

    /// The list of the referrers API; empty if the registry has none.
    async fn by_interface(&self, cx: &Context, name: &Name, digest: &Digest) -> Attachments {
        let what = self.place(name, "the referrers interface");
        let mut all = Attachments::default();
        // Pages that were read before a broken one count.
        let pages = Box::pin(self.pages(&what, name, digest, None, &mut all));
        if let Err(error) = cx.run(&what, pages).await {
            all.unseen.push(error);
        }
        // Signatures must not be missed at the end of a list that is too long. A registry that does not filter (no
        // `OCI-Filters-Applied`) sends the same list again, of which only entries of that type are taken.
        if all.unseen.iter().any(|error| matches!(error.kind, Kind::Failed | Kind::Integrity)) {
            for kind in SIGNATURES {
                let mut some = Attachments::default();
                let pages = Box::pin(self.pages(&what, name, digest, Some(kind), &mut some));
                if let Err(error) = cx.run(&what, pages).await {
                    tracing::info!(%error, kind, "attachments of one kind could not be listed");
                }
                some.found.retain(|one| one.kind == kind);
                all.extend(Attachments { unseen: Vec::new(), ..some });
            }
        }
        all
    }

    /// Reads a list page by page; only one `kind` of entries, if that is asked for.
    async fn pages(
        &self,
        what: &str,
        name: &Name,
        digest: &Digest,
        kind: Option<&str>,
        all: &mut Attachments,
    ) -> Result<()> {
        let mut url = self.registry.address(&format!("v2/{}/referrers/{digest}", name.repository))?;
        if let Some(kind) = kind {
            url = url.with("artifactType", kind);
        }
        for page in 0..MOST_PAGES {
            let make = || Ok(self.registry.request(Method::GET, &url)?.header("Accept", OCI_INDEX));
            let response = self.registry.send(what, &client::pull(&name.repository), make).await?;
            let none = matches!(response.status().as_u16(), 404 | 400 | 405 | 501);
            if page == 0 && none {
                return Ok(());
            }
            let response = told(what, response).await?;
            let continues = response.headers().get_all(header::LINK).iter().any(is_next);
            let next = http::next_link(&response).and_then(|target| self.registry.server.next(&url, &target));
            let kind = content_type(&response);
            let bytes = http::body(response, MANIFEST_LIMIT, what).await?;
            match read(&kind, &bytes) {
                Answer::None if page == 0 => return Ok(()),
                Answer::None => return Err(Error::failed(what, "a page of its list is none")),
                Answer::Broken(why) => return Err(Error::failed(what, format!("its answer cannot be read: {why}"))),
                Answer::List { listed, unread } => take(all, name, listed, unread, what),
            }
            url = match next {
                Some(NextPage::Here(next)) if next == url => {
                    return Err(Error::failed(what, "a page of its list leads to itself"));
                }
                Some(NextPage::Here(next)) => next,
                None if !continues => return Ok(()),
                _ => return Err(Error::failed(what, "its list goes on at another address")),
            };
            if all.found.len() >= MOST_LISTED {
                break;
            }
        }
        Err(too_many(what, all.found.len()))
    }

    /// The index under the fallback tag. It is read even if there is a referrers API: some registries got theirs later,
    /// and some proxies answer every request with an empty list.
    async fn by_fallback(&self, cx: &Context, name: &Name, digest: &Digest) -> Attachments {
        let mut all = Attachments::default();
        if let Err(error) = self.fallback(cx, name, digest, &mut all).await {
            all.unseen.push(error);
        }
        all
    }

    async fn fallback(&self, cx: &Context, name: &Name, digest: &Digest, all: &mut Attachments) -> Result<()> {
        let tag = digest.referrers_tag();
        if !self.tag_is_there(cx, name, &tag).await? {
            return Ok(());
        }
        let what = self.place(name, &format!("the tag {tag}"));
        let url = self.registry.address(&format!("v2/{}/manifests/{tag}", name.repository))?;
        let accept = ALL_TYPES.join(", ");
        let (kind, bytes) = cx
            .run(&what, async {
                let make = || Ok(self.registry.request(Method::GET, &url)?.header("Accept", &accept));
                let response = self.registry.send(&what, &client::pull(&name.repository), make).await?;
                let response = success(&what, response).await?;
                Ok((content_type(&response), http::body(response, MANIFEST_LIMIT, &what).await?))
            })
            .await?;
        match read(&kind, &bytes) {
            Answer::List { listed, unread } => take(all, name, listed, unread, &what),
            Answer::Broken(why) => return Err(Error::failed(what, format!("it cannot be read: {why}"))),
            Answer::None if serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_err() => {
                return Err(Error::new(Kind::Unavailable, what, "what answered is not the registry"));
            }
            // "If the tag schema does not return a valid image index, the client SHOULD assume there are no referrers."
            Answer::None => {}
        }
        Ok(())
    }
}

fn is_next(link: &header::HeaderValue) -> bool {
    link.to_str().is_ok_and(|link| link.contains("next"))
}

fn too_many(what: &str, count: usize) -> Error {
    Error::new(Kind::Failed, what, format!("too many attachments: its list goes on after {count}"))
        .hint("tell the administrators of the repository")
}

/// Adds the entries of a list, up to the limit.
fn take(all: &mut Attachments, name: &Name, listed: Vec<(Digest, String)>, unread: usize, what: &str) {
    let count = listed.len();
    let room = MOST_LISTED.saturating_sub(all.found.len());
    let at = |digest| ImageRef::Oci(Name { tag: None, digest: Some(digest), ..name.clone() });
    all.found.extend(listed.into_iter().take(room).map(|(digest, kind)| Attachment {
        at: at(digest),
        tag: None,
        kind,
    }));
    if count > room {
        all.unseen.push(too_many(what, MOST_LISTED));
    }
    if unread > 0 {
        let words = if unread == 1 { "1 entry" } else { &format!("{unread} entries") };
        all.unseen.push(Error::failed(what, format!("{words} of its list cannot be read")));
    }
}

/// For fuzzing: reads any answer and returns the number of its entries.
pub fn foreign(kind: &str, bytes: &[u8]) -> usize {
    match read(kind, bytes) {
        Answer::List { listed, .. } => listed.len(),
        Answer::None | Answer::Broken(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(answer: Answer) -> (usize, usize) {
        match answer {
            Answer::List { listed, unread } => (listed.len(), unread),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_empty_list_is_a_list_whichever_way_it_is_written() {
        let own = format!(r#""schemaVersion":2,"mediaType":"{OCI_INDEX}""#);
        for (kind, text) in [
            (OCI_INDEX, format!(r#"{{{own},"manifests":[]}}"#)),
            (OCI_INDEX, format!(r#"{{{own},"manifests":null}}"#)),
            (OCI_INDEX, format!("{{{own}}}")),
            (OCI_INDEX, "{}".to_owned()),
            // The content type must be that of an index, but some registries do not send it.
            ("application/json", format!(r#"{{{own},"manifests":null}}"#)),
            ("", format!("{{{own}}}")),
            ("text/plain", r#"{"manifests":[]}"#.to_owned()),
        ] {
            assert_eq!(list(read(kind, text.as_bytes())), (0, 0), "{kind} {text}");
        }
    }

    #[test]
    fn what_is_no_index_is_no_list_and_what_should_be_one_is_broken() {
        for (kind, text) in [
            ("text/html", "<html></html>"),
            ("text/html", ""),
            ("application/json", "{}"),
            ("application/json", "[]"),
            ("application/json", r#"{"errors":[]}"#),
            ("application/json", r#"{"mediaType":"application/vnd.oci.image.manifest.v1+json","layers":[]}"#),
        ] {
            assert_eq!(read(kind, text.as_bytes()), Answer::None, "{kind} {text}");
        }
        for text in ["", "<html>", r#"{"manifests":["#, r#"{"manifests":"x"}"#, "[]", r#"{"mediaType":"x"}"#] {
            assert!(matches!(read(OCI_INDEX, text.as_bytes()), Answer::Broken(_)), "{text}");
        }
        // The key `manifests` twice in one answer.
        let twice = r#"{"manifests":[],"manifests":[]}"#;
        assert!(matches!(read("application/json", twice.as_bytes()), Answer::Broken(_)));
    }

    #[test]
    fn entries_are_read_one_by_one() {
        let digest = Digest::of(b"x");
        let text = format!(
            r#"{{"manifests":[{{"mediaType":"m","digest":"{digest}","size":1,"artifactType":"a/b"}},
                {{"digest":"{digest}","artifactType":null}},{{"mediaType":"m","digest":"blake3:aa","size":1}},null,3,
                {{"mediaType":"m","digest":"{digest}","size":-1}}]}}"#
        );
        let Answer::List { listed, unread } = read(OCI_INDEX, text.as_bytes()) else { panic!("no list") };
        let kinds: Vec<&str> = listed.iter().map(|(_, kind)| kind.as_str()).collect();
        assert_eq!((kinds, unread), (vec!["a/b", "", ""], 3));
    }
}
