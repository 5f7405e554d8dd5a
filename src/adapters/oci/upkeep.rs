//! Tagging and removal (OCI distribution specification 1.1, "Content Management": deleting tags and manifests).
//!
//! A single tag is deleted as the specification says. Registries that delete by digest only (docker-registry before
//! 3.0) would delete the image's other tags too: there, the tag is first moved to a placeholder, which is then deleted.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use reqwest::{Method, StatusCode, header};
use serde_json::json;

use super::{
    Oci,
    client::{self, success},
};
use crate::shared::http::Allowance;
use wharf_core::{
    base::{
        context::Context,
        digest::Digest,
        error::{Error, Kind, Result},
        text,
    },
    evidence::attachments::{Attachments, unseen_words},
    image::{
        document,
        manifest::{ALL_TYPES, Descriptor, OCI_MANIFEST, RawManifest},
        reference::{ImageRef, Name},
    },
    ports::{
        Content, InMemory, Upkeep,
        upkeep::{Removal, tags_in_words},
    },
    transfer::fetch,
};

/// How many tags are looked at at the same time.
const AT_ONCE: usize = 16;
/// Most tags of a repository that are looked at, and most manifests that its indexes may list in all.
const MOST_TAGS: usize = 20_000;
const MOST_LISTED: usize = 500_000;
/// The artifact type of the placeholder, and the media type of its content (image specification, "empty descriptor").
const PLACEHOLDER: &str = "application/vnd.wharf.removed.v1";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// What the tags of a repository mean.
struct RepositoryTags {
    /// The tags with their digests, in the repository's order.
    tags: Vec<(String, Digest)>,
    /// The tags of the indexes that list a digest, by that digest.
    inside: HashMap<Digest, Vec<String>>,
    /// The digests that are indexes.
    indexes: BTreeSet<Digest>,
}

impl RepositoryTags {
    fn tags_of(&self, digest: &Digest) -> Vec<&str> {
        self.tags.iter().filter(|(_, known)| known == digest).map(|(tag, _)| tag.as_str()).collect()
    }
}

/// How a request to delete ended.
enum Deleted {
    /// It was deleted, or did not exist.
    Gone,
    /// The registry does not delete this; with its error.
    Refused(Error),
}

impl Oci {
    /// The digest of a tag or digest and whether it is an index. The manifest is read only if the registry's headers do
    /// not tell.
    pub(super) async fn head(&self, cx: &Context, name: &Name) -> Result<(Digest, bool)> {
        let what = format!("look at {}", ImageRef::Oci(name.clone()));
        let url = self.registry.address(&format!("v2/{}/manifests/{}", name.repository, name.selector()))?;
        let accept = ALL_TYPES.join(", ");
        let said = cx
            .run(&what, async {
                let make = || Ok(self.registry.request(Method::HEAD, &url)?.header("Accept", &accept));
                let response = self.registry.send(&what, &client::pull(&name.repository), make).await?;
                let response = success(&what, response).await?;
                let header = |key: &str| response.headers().get(key).and_then(|value| value.to_str().ok());
                let digest = header("Docker-Content-Digest").and_then(|digest| digest.parse::<Digest>().ok());
                let kind =
                    header(header::CONTENT_TYPE.as_str()).map(|kind| kind.split(';').next().unwrap_or(kind).trim());
                Ok(digest.zip(kind.filter(|kind| ALL_TYPES.contains(kind)).map(document::is_index)))
            })
            .await;
        match said {
            Ok(Some(said)) => Ok(said),
            // The headers do not tell, or the registry does not answer HEAD.
            Ok(None) => self.read_head(cx, name).await,
            Err(error) if error.kind == Kind::Failed => self.read_head(cx, name).await,
            Err(error) => Err(error),
        }
    }

    async fn read_head(&self, cx: &Context, name: &Name) -> Result<(Digest, bool)> {
        // A mirror may be behind: only the registry itself says what a tag means.
        let manifest = self.manifest_here(cx, name, &format!("look at {}", ImageRef::Oci(name.clone()))).await?;
        Ok((manifest.digest.clone(), document::is_index(&manifest.media_type)))
    }

    /// What all tags of a repository mean, and what its indexes list.
    async fn read_tags(&self, cx: &Context, name: &Name) -> Result<RepositoryTags> {
        let what = format!("look at the tags of {}", name.bare());
        let tags = cx.unless_cancelled(&what, self.tags_of(&name.repository, &Allowance::default())).await?;
        let tags = tags.whole(&what)?;
        if tags.len() > MOST_TAGS {
            let why = format!(
                "it has {} tags: more than are looked at for what shares an image",
                text::count(tags.len() as u64)
            );
            return Err(Error::unsupported(what, why).hint("use the registry's own pages"));
        }
        cx.progress.phase("looking at the tags");
        let at = |tag: &str| Name { tag: Some(tag.to_owned()), digest: None, ..name.clone() };
        let asked = tags.into_iter().map(|tag| async {
            let head = self.head(cx, &at(&tag)).await;
            (tag, head)
        });
        let heads: Vec<_> = stream::iter(asked).buffered(AT_ONCE).collect().await;
        let mut look = RepositoryTags { tags: Vec::new(), inside: HashMap::new(), indexes: BTreeSet::new() };
        for (tag, head) in heads {
            match head {
                Ok((digest, is_index)) => {
                    if is_index {
                        look.indexes.insert(digest.clone());
                    }
                    look.tags.push((tag, digest));
                }
                // The tag was deleted meanwhile.
                Err(error) if error.kind == Kind::NotFound => {}
                Err(error) => return Err(error.during(&what)),
            }
        }
        cx.progress.phase("looking into indexes");
        let asked: Vec<_> = look.indexes.iter().cloned().map(|index| self.digests_in(cx, name, index)).collect();
        let mut listed = stream::iter(asked).buffered(AT_ONCE);
        let mut count = 0;
        while let Some(answer) = listed.next().await {
            let (index, digests) = answer?;
            let tags: Vec<String> = look.tags_of(&index).into_iter().map(str::to_owned).collect();
            count += digests.len() * tags.len().max(1);
            if count > MOST_LISTED {
                return Err(Error::new(Kind::Integrity, what, "its indexes list more images than Wharf accepts"));
            }
            for digest in digests {
                look.inside.entry(digest).or_default().extend(tags.iter().cloned());
            }
        }
        drop(listed);
        Ok(look)
    }

    /// The digests of everything that an index lists.
    async fn digests_in(&self, cx: &Context, name: &Name, index: Digest) -> Result<(Digest, Vec<Digest>)> {
        let at = ImageRef::Oci(Name { tag: None, digest: Some(index.clone()), ..name.clone() });
        let top = self.manifest(cx, &at).await?;
        let listed = fetch::listed(cx, self, &at, &top).await?;
        let inner = listed.indexes.iter().map(|one| one.digest.clone());
        let digests = listed.entries.iter().map(|entry| entry.digest.clone()).chain(inner).collect();
        Ok((index, digests))
    }

    /// What removing one of several images of a repository would do; `before` and `after` are the others in the order.
    async fn removal(
        &self,
        cx: &Context,
        name: &Name,
        look: &RepositoryTags,
        before: &[&Name],
        after: &[&Name],
    ) -> Result<Removal> {
        let reference = ImageRef::Oci(name.clone());
        let means = |one: &Name| one.tag.as_ref().and_then(|tag| look.tags.iter().find(|(known, _)| known == tag));
        let Some(tag) = name.tag.as_deref().filter(|_| name.digest.is_none()) else {
            let digest = self.head(cx, name).await?.0;
            let tags: Vec<String> = look.tags_of(&digest).into_iter().map(str::to_owned).collect();
            return Box::pin(self.whole(cx, name, look, digest, &tags, &reference)).await;
        };
        let digest = match means(name) {
            Some((_, digest)) => digest.clone(),
            // An attachment, or something that was pushed meanwhile.
            None => self.head(cx, name).await?.0,
        };
        let gone = |one: &str, names: &[&Name]| {
            names.iter().any(|name| name.digest.is_none() && name.tag.as_deref() == Some(one))
        };
        let others: Vec<&str> =
            look.tags_of(&digest).into_iter().filter(|other| *other != tag && !gone(other, before)).collect();
        if others.is_empty() {
            return Box::pin(self.whole(cx, name, look, digest, &[], &reference)).await;
        }
        let kept: Vec<String> =
            others.iter().filter(|other| !gone(other, after)).map(|other| (*other).to_owned()).collect();
        Ok(Removal::for_tag(&reference, tag, digest, &kept))
    }

    /// What removing a digest would do, with these tags of it and what is attached to it.
    async fn whole(
        &self,
        cx: &Context,
        name: &Name,
        look: &RepositoryTags,
        digest: Digest,
        tags: &[String],
        reference: &ImageRef,
    ) -> Result<Removal> {
        let what = format!("remove {reference}");
        if let Some(indexes) = look.inside.get(&digest) {
            let why = format!("it is one platform of {}, which would be broken without it", tags_in_words(indexes));
            return Err(Error::failed(what, why).hint("remove that image as a whole"));
        }
        let exactly = |digest: Digest| ImageRef::Oci(Name { tag: None, digest: Some(digest), ..name.clone() });
        let attached = self.attachments(cx, name, &digest).await?;
        let named = name.tag.as_deref().filter(|_| name.digest.is_none());
        let mut removal = Removal::for_image(reference, named, digest.clone(), tags);
        for one in Box::pin(self.digests_of(cx, name, &digest, &attached)).await? {
            let one = exactly(one);
            if !removal.removes.contains(&one) {
                removal.removes.push(one);
            }
        }
        if !attached.found.is_empty() {
            removal.along.push(format!("attached to it: {}", kinds(&attached)));
        }
        if !attached.unseen.is_empty() {
            removal.stays.push(format!("attachments that could not be looked at: {}", unseen_words(&attached.unseen)));
        }
        if look.indexes.contains(&digest) {
            removal.stays.push("the images of its platforms, without a tag, until the registry clears up".to_owned());
        }
        Ok(removal)
    }

    /// The digests of the attachments, and of the fallback index if that lists them.
    async fn digests_of(&self, cx: &Context, name: &Name, digest: &Digest, all: &Attachments) -> Result<Vec<Digest>> {
        let fallback = Name { tag: Some(digest.referrers_tag()), digest: None, ..name.clone() };
        let names = all.found.iter().filter_map(|one| one.at.name()).chain([&fallback]);
        let mut digests = Vec::new();
        for one in names {
            if let Some(digest) = &one.digest {
                digests.push(digest.clone());
                continue;
            }
            match Box::pin(self.head(cx, one)).await {
                Ok((digest, _)) => digests.push(digest),
                Err(error) if error.kind == Kind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(digests)
    }

    /// Deletes a tag or digest; `false` if the registry refuses. It is no error if it does not exist.
    pub(super) async fn delete(&self, cx: &Context, name: &Name, selector: &str, what: &str) -> Result<bool> {
        match self.deleted(cx, name, selector, what).await? {
            Deleted::Gone => Ok(true),
            Deleted::Refused(_) => Ok(false),
        }
    }

    async fn deleted(&self, cx: &Context, name: &Name, selector: &str, what: &str) -> Result<Deleted> {
        let url = self.registry.address(&format!("v2/{}/manifests/{selector}", name.repository))?;
        let scopes = client::cancel_scopes(&name.repository);
        cx.run(what, async {
            let response = self.registry.send(what, &scopes, || self.registry.request(Method::DELETE, &url)).await?;
            let status = response.status();
            match status {
                StatusCode::NOT_FOUND => Ok(Deleted::Gone),
                StatusCode::BAD_REQUEST | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {
                    Ok(Deleted::Refused(success(what, response).await.err().unwrap_or_else(|| deleted_nothing(what))))
                }
                _ => success(what, response).await.map(|_| Deleted::Gone),
            }
        })
        .await
    }

    /// Removes a tag from an image that has other tags.
    async fn untag(&self, cx: &Context, name: &Name, tag: &str, what: &str) -> Result<()> {
        if let Deleted::Gone = self.deleted(cx, name, tag, what).await? {
            return Ok(());
        }
        tracing::info!(what, "the registry deletes by digest only: the tag gets a placeholder");
        let blob = Bytes::from_static(b"{}");
        let empty = Descriptor::blob(EMPTY, Digest::of(&blob), blob.len() as u64);
        let at = ImageRef::Oci(Name { tag: None, digest: None, ..name.clone() });
        if !self.has_blob(cx, &at, &empty).await? {
            self.put_blob(cx, &at, &empty, &InMemory(blob)).await?;
        }
        // Tried without the tag first: a registry that deletes nothing must not be left with a tag on a placeholder.
        for under in [None, Some(tag)] {
            let placeholder = placeholder(&empty, tag, what)?;
            self.put_manifest(cx, &at, under, &placeholder).await?;
            if let Deleted::Refused(_) = self.deleted(cx, name, placeholder.digest.as_str(), what).await? {
                return Err(deleted_nothing(what));
            }
        }
        Ok(())
    }
}

/// A manifest with a digest that no other manifest in the repository has.
fn placeholder(empty: &Descriptor, tag: &str, what: &str) -> Result<RawManifest> {
    let part = json!({"mediaType": empty.media_type, "digest": empty.digest, "size": empty.size});
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": PLACEHOLDER, "config": part, "layers": [part],
        "annotations": {"org.opencontainers.image.description": format!("{tag} is being removed"), "wharf.removed": now.to_string()}
    });
    RawManifest::new(Some(OCI_MANIFEST), manifest.to_string().into(), what)
}

/// The error that the registry deletes nothing.
fn deleted_nothing(what: &str) -> Error {
    Error::unsupported(what, "this registry lets nothing be deleted through its interface")
        .hint("ask its administrators to allow that, or use its own pages")
}

/// The attachments in words, counted by their types.
fn kinds(all: &Attachments) -> String {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for one in &all.found {
        let by_tag = one.tag.as_deref().and_then(|tag| tag.rsplit_once('.')).map(|(_, ending)| ending);
        let kind = match (by_tag, one.kind.as_str()) {
            (Some("sig"), _) => "signature",
            (Some("att"), _) => "attestation",
            (Some("sbom"), _) => "software list",
            (_, kind) if kind.contains("sigstore") || kind.contains("signature") || kind.contains(".sig.") => {
                "signature"
            }
            (_, kind) if kind.contains("spdx") || kind.contains("cyclonedx") => "software list",
            (_, kind) if kind.contains("in-toto") => "attestation",
            _ => "other",
        };
        *counts.entry(kind).or_default() += 1;
    }
    let words = counts.into_iter().map(|(kind, count)| match kind {
        "other" => text::plural(count, "other thing", "other things"),
        kind => text::plural(count, kind, &format!("{kind}s")),
    });
    words.collect::<Vec<_>>().join(", ")
}

#[async_trait]
impl Upkeep for Oci {
    async fn digest(&self, cx: &Context, reference: &ImageRef) -> Result<Digest> {
        Ok(self.head(cx, self.name(reference)?).await?.0)
    }

    async fn removals(&self, cx: &Context, references: &[ImageRef]) -> Vec<Result<Removal>> {
        let names: Vec<Result<&Name>> = references.iter().map(|reference| self.name(reference)).collect();
        let mut looks: BTreeMap<&str, Result<RepositoryTags>> = BTreeMap::new();
        for name in names.iter().flatten() {
            if !looks.contains_key(name.repository.as_str()) {
                looks.insert(&name.repository, self.read_tags(cx, name).await);
            }
        }
        let mut removals = Vec::new();
        for (at, name) in names.iter().enumerate() {
            let one = async {
                let name = name.as_ref().map_err(Clone::clone)?;
                let look = looks.get(name.repository.as_str()).ok_or_else(|| deleted_nothing("look"))?;
                let look = look.as_ref().map_err(Clone::clone)?;
                let same = |part: &[Result<&'_ Name>]| -> Vec<Name> {
                    let all = part.iter().flatten().filter(|other| other.repository == name.repository);
                    all.map(|other| (*other).clone()).collect()
                };
                let (before, after) = names.split_at(at);
                let (before, after) = (same(before), same(after.get(1..).unwrap_or_default()));
                let (before, after): (Vec<&Name>, Vec<&Name>) = (before.iter().collect(), after.iter().collect());
                Box::pin(self.removal(cx, name, look, &before, &after)).await
            };
            removals.push(one.await);
        }
        removals
    }

    async fn remove(&self, cx: &Context, reference: &ImageRef) -> Result<()> {
        let name = self.name(reference)?;
        let what = format!("remove {reference}");
        match (&name.digest, &name.tag) {
            (Some(digest), _) => match self.deleted(cx, name, digest.as_str(), &what).await? {
                Deleted::Gone => Ok(()),
                Deleted::Refused(error) => Err(Error { hint: deleted_nothing(&what).hint, ..error }),
            },
            (None, Some(tag)) => self.untag(cx, name, tag, &what).await,
            (None, None) => Err(Error::usage(what, "it names all versions")),
        }
    }

    async fn tag(&self, cx: &Context, image: &ImageRef, tag: &ImageRef) -> Result<()> {
        let manifest = self.manifest(cx, image).await?;
        let named = self.name(tag)?.tag.clone();
        self.put_manifest(cx, tag, named.as_deref(), &manifest).await
    }
}
