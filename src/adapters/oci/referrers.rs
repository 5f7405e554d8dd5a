//! What is attached to a digest in a registry: the tags that cosign uses, the referrers interface page by page, and its
//! fallback tag (OCI distribution specification 1.1, "Listing Referrers" and "Referrers Tag Schema").
//!
//! Each place either was looked at, or is told as one that was not. Registries are asked as the specification says, and
//! some of their answers are not in it: `null` for an empty list, web pages of proxies, 400 for an interface that is not
//! there.

use futures_util::future::{join, join_all};
use reqwest::{Method, Response, StatusCode, header};
use serde::Deserialize;
use serde_json::Value;

use super::{
    Oci,
    client::{self, success},
};
use crate::{
    adapters::shared::http::{self, Next},
    core::{
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
    },
};

/// How the tags end that cosign keeps with an image: signatures, attestations, lists of software.
const TAGS: [&str; 3] = [".sig", ".att", ".sbom"];
/// The kinds of signatures: of a list that is too long, these are asked for apart.
const SIGNATURES: [&str; 2] =
    ["application/vnd.dev.sigstore.bundle.v0.3+json", "application/vnd.dev.cosign.artifact.sig.v1+json"];
/// Pages and entries of a list that does not end.
const MOST_PAGES: usize = 64;
const MOST_LISTED: usize = 5_000;

/// What an answer says that should be a list of attachments.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// A list: what can be read of it, as digest and kind, and how many entries cannot.
    List { listed: Vec<(Digest, String)>, unread: usize },
    /// It is something else than an index: nobody keeps such a list there.
    None,
    /// It should be an index and cannot be read.
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

/// Reads an answer of this content type.
fn read(kind: &str, bytes: &[u8]) -> Answer {
    let says_index = kind.to_ascii_lowercase().starts_with(OCI_INDEX);
    let other = |why: String| if says_index { Answer::Broken(why) } else { Answer::None };
    let index: Index = match document::read(bytes) {
        Ok(index) => index,
        Err(Refusal::Ambiguous(why)) => return Answer::Broken(why),
        Err(Refusal::Unknown(why)) => return other(why),
    };
    let own = index.media_type.filter(|own| !own.is_empty());
    match own.as_deref() {
        Some(OCI_INDEX) => {}
        Some(own) => return other(format!("it is a '{}'", crate::core::base::clean::short(own, 80))),
        // Without a list, only its type tells an empty index from any other JSON.
        None if index.manifests.is_none() && !says_index => return Answer::None,
        None => {}
    }
    let entries = index.manifests.unwrap_or_default();
    let count = entries.len();
    let listed: Vec<_> = entries.iter().filter_map(entry).collect();
    Answer::List { unread: count - listed.len(), listed }
}

/// Digest and kind of an entry; type and size are not needed to fetch what it names.
fn entry(value: &Value) -> Option<(Digest, String)> {
    #[derive(Deserialize)]
    struct Bare {
        digest: Digest,
    }
    let digest = Bare::deserialize(value).ok()?.digest;
    let kind = Entry::deserialize(value).ok().and_then(|entry| entry.read().ok()).and_then(|one| one.artifact_type);
    Some((digest, kind.unwrap_or_default()))
}

fn content_type(response: &Response) -> String {
    let value = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

impl Oci {
    /// Everything that is attached to a digest of a repository.
    pub(super) async fn attachments(&self, cx: &Context, name: &Name, digest: &Digest) -> Result<Attachments> {
        let tags = TAGS.iter().filter_map(|ending| digest.attached_tag(ending));
        let tags = join_all(tags.map(|tag| self.by_tag(cx, name, tag)));
        let lists = join(Box::pin(self.by_interface(cx, name, digest)), Box::pin(self.by_fallback(cx, name, digest)));
        // Signatures by tag come first: of these there is one for each digest, whatever else is attached.
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

    /// Whether a tag is there. That it is not is believed of the registry, not of a proxy's page.
    async fn tag_is_there(&self, cx: &Context, name: &Name, tag: &str) -> Result<bool> {
        let what = self.place(name, &format!("the tag {tag}"));
        let url = self.registry.place(&format!("v2/{}/manifests/{tag}", name.repository))?;
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
                    Err(Error::new(Kind::Unavailable, &what, "a web page answered, not the registry")
                        .hint("check the network and the proxy"))
                }
                StatusCode::NOT_FOUND => Ok(false),
                _ => success(&what, response).await.map(|_| true),
            }
        })
        .await
    }

    /// What the referrers interface lists; nothing where a registry has none.
    async fn by_interface(&self, cx: &Context, name: &Name, digest: &Digest) -> Attachments {
        let what = self.place(name, "the referrers interface");
        let mut all = Attachments::default();
        // What the pages before a broken one list counts.
        let pages = Box::pin(self.pages(&what, name, digest, None, &mut all));
        if let Err(error) = cx.run(&what, pages).await {
            all.unseen.push(error);
        }
        // Of a list that nobody reads to its end, signatures must not stand behind it. A registry that does not filter
        // (no `OCI-Filters-Applied`) gives the same list once more: only what is of that kind is taken from it.
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

    /// Reads a list page by page; of one `kind`, where it is asked for and the registry can tell it.
    async fn pages(
        &self,
        what: &str,
        name: &Name,
        digest: &Digest,
        kind: Option<&str>,
        all: &mut Attachments,
    ) -> Result<()> {
        let mut url = self.registry.place(&format!("v2/{}/referrers/{digest}", name.repository))?;
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
            let response = success(what, response).await?;
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
                Some(Next::Here(next)) if next == url => {
                    return Err(Error::failed(what, "a page of its list leads to itself"));
                }
                Some(Next::Here(next)) => next,
                None if !continues => return Ok(()),
                _ => return Err(Error::failed(what, "its list goes on at another address")),
            };
            if all.found.len() >= MOST_LISTED {
                break;
            }
        }
        Err(too_many(what, all.found.len()))
    }

    /// What the index under the fallback tag lists. It is read also where there is an interface: some registries were
    /// given theirs later, and some proxies answer an empty list for everything.
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
        let url = self.registry.place(&format!("v2/{}/manifests/{tag}", name.repository))?;
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
        .hint("tell whoever runs the repository")
}

/// Takes in what a list names, as many as anybody reads.
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

/// For fuzzing: any answer is read as a list, or as none.
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
            // The content type must be the index's; some do not say it.
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
        // Two lists in one answer.
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
