//! Reading and writing the manifests and blobs of a registry.

use super::{
    Oci,
    client::{self, success},
};
use crate::shared::http;
use async_trait::async_trait;
use futures_util::StreamExt;
use reqwest::{Method, Response, StatusCode, header};
use wharf_core::{
    base::{
        checkpoint::Checkpoint,
        context::Context,
        digest::Digest,
        error::{Error, Kind, Result},
        pulls_left::PullsLeft,
    },
    evidence::attachments::Attachments,
    image::{
        manifest::{ALL_TYPES, Descriptor, MANIFEST_LIMIT, OCI_INDEX, RawManifest},
        reference::{ImageRef, Name},
    },
    ports::{BlobSource, ByteStream, Content},
};

/// Which bytes of a blob are wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    /// The first byte.
    pub from: u64,
    /// The byte behind the last one; `None` means all that is left.
    pub until: Option<u64>,
}

#[async_trait]
impl Content for Oci {
    fn place(&self) -> String {
        self.registry.host.clone()
    }

    async fn manifest(&self, cx: &Context, at: &ImageRef) -> Result<RawManifest> {
        let what = format!("read {at}");
        let name = self.name(at)?;
        self.pulled_manifest(cx, name, &what).await
    }

    async fn digest(&self, cx: &Context, at: &ImageRef) -> Result<Digest> {
        // Registries that count pulls do not count this one.
        Ok(self.head(cx, self.name(at)?).await?.0)
    }

    fn pulls_left(&self, at: &ImageRef) -> Option<PullsLeft> {
        let (place, _) = self.final_place("look how many pulls are left", self.name(at).ok()?).ok()?;
        place.registry.pulls_left()
    }

    async fn blob(&self, cx: &Context, at: &ImageRef, blob: &Descriptor, from: u64) -> Result<ByteStream> {
        let what = format!("read blob {} of {at}", blob.digest.short());
        self.pulled_blob(cx, self.name(at)?, blob, Part { from, until: None }, &what).await
    }

    async fn blob_head(&self, cx: &Context, at: &ImageRef, blob: &Descriptor, most: u64) -> Result<ByteStream> {
        let what = format!("read the beginning of blob {} of {at}", blob.digest.short());
        let head = Part { from: 0, until: Some(most.max(1)) };
        self.pulled_blob(cx, self.name(at)?, blob, head, &what).await
    }

    async fn attached(&self, cx: &Context, at: &ImageRef, digest: &Digest) -> Result<Attachments> {
        self.pulled_attachments(cx, self.name(at)?, digest).await
    }

    async fn has_blob(&self, cx: &Context, at: &ImageRef, blob: &Descriptor) -> Result<bool> {
        let what = format!("look for blob {} in {at}", blob.digest.short());
        self.has_blob_here(cx, self.name(at)?, blob, &what).await
    }

    async fn mount(&self, cx: &Context, at: &ImageRef, from: &ImageRef, blob: &Descriptor) -> Result<bool> {
        let (Ok(to), Ok(from)) = (self.name(at), self.name(from)) else { return Ok(false) };
        let what = format!("mount blob {} into {at}", blob.digest.short());
        let url = self
            .registry
            .address(&format!("v2/{}/blobs/uploads/?mount={}&from={}", to.repository, blob.digest, from.repository))?;
        // Token servers want the scopes for reading and for writing in one token.
        let mut scopes = client::push(&to.repository);
        scopes.extend(client::pull(&from.repository));
        cx.run(&what, async {
            let make = || Ok(self.registry.request(Method::POST, &url)?.header("Content-Length", "0"));
            // Mounting only saves time: if it or its token is refused, the bytes are copied.
            let response = match self.registry.send(&what, &scopes, make).await {
                Err(error) if matches!(error.kind, Kind::Cancelled | Kind::Unavailable) => return Err(error),
                Err(_) => return Ok(false),
                Ok(response) => response,
            };
            match response.status() {
                StatusCode::CREATED => Ok(true),
                // The registry has begun an upload instead. It is cancelled; the copy makes its own.
                StatusCode::ACCEPTED => {
                    if let Ok(Some(upload)) = self.location(&what, &response, &url) {
                        self.cancel_upload(&what, &to.repository, &upload).await;
                    }
                    Ok(false)
                }
                _ => Ok(false),
            }
        })
        .await
    }

    /// Begins an upload and cancels it: nothing is written, and no repository is created.
    async fn may_write(&self, cx: &Context, at: &ImageRef) -> Result<()> {
        let name = self.name(at)?;
        let what = format!("write {at}");
        let scopes = client::push(&name.repository);
        let start = self.registry.address(&format!("v2/{}/blobs/uploads/", name.repository))?;
        let (upload, _) = self.begin_upload(cx, &what, &scopes, &start).await?;
        let given = async {
            self.cancel_upload(&what, &name.repository, &upload).await;
            Ok(())
        };
        let _ = cx.run(&what, given).await;
        Ok(())
    }

    async fn put_blob(&self, cx: &Context, at: &ImageRef, blob: &Descriptor, source: &dyn BlobSource) -> Result<()> {
        let what = format!("write blob {} to {at}", blob.digest.short());
        self.upload(cx, self.name(at)?, blob, source, &what).await
    }

    async fn give_up(&self, cx: &Context, at: &ImageRef, reached: &Checkpoint) -> Result<()> {
        let name = self.name(at)?;
        let what = format!("cancel an upload to {at}");
        let Some(upload) = self.upload_at(name, &reached.at)? else { return Ok(()) };
        let cancelled = async {
            self.cancel_upload(&what, &name.repository, &upload).await;
            Ok(())
        };
        cx.run(&what, cancelled).await
    }

    async fn forget(&self, cx: &Context, at: &ImageRef) -> Result<bool> {
        let name = self.name(at)?;
        let what = format!("delete {at}");
        let Some(digest) = &name.digest else { return Err(Error::usage(what, "a manifest is deleted by its digest")) };
        match self.delete(cx, name, digest.as_str(), &what).await {
            Err(error) if error.kind == Kind::NotAllowed => Ok(false),
            other => other,
        }
    }

    fn puts_by_digest(&self, _at: &ImageRef) -> bool {
        true
    }

    async fn put_manifest(&self, cx: &Context, at: &ImageRef, tag: Option<&str>, manifest: &RawManifest) -> Result<()> {
        let name = self.name(at)?;
        let what = format!("write the manifest of {at}");
        let response = self.put_raw(cx, name, tag.unwrap_or(manifest.digest.as_str()), manifest, &what).await?;
        let knows_referrers = response.headers().contains_key("oci-subject");
        let response = success(&what, response).await?;
        if let Some(kept) = digest_header(&response).filter(|kept| kept.algorithm() == manifest.digest.algorithm()) {
            // A registry that rewrites a manifest would keep another image than the one that was judged.
            manifest.digest.matches(&kept, &what)?;
        }
        if let (false, Some(subject)) = (knows_referrers, manifest.parsed().subject()) {
            self.add_referrer(cx, name, &subject.digest, manifest, &what).await?;
        }
        Ok(())
    }
}

impl Oci {
    /// The manifest that this registry itself has under a name, without asking mirrors.
    pub(super) async fn manifest_here(&self, cx: &Context, name: &Name, what: &str) -> Result<RawManifest> {
        let url = self.registry.address(&format!("v2/{}/manifests/{}", name.repository, name.selector()))?;
        let accept = ALL_TYPES.join(", ");
        cx.run(what, async {
            let make = || Ok(self.registry.request(Method::GET, &url)?.header("Accept", &accept));
            let response = self.registry.send(what, &client::pull(&name.repository), make).await?;
            let response = success(what, response).await?;
            let stated =
                response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
            let promised = digest_header(&response);
            let bytes = http::body(response, MANIFEST_LIMIT, what).await?;
            if let Some(promised) = promised {
                promised.check(&bytes, what)?;
            }
            match &name.digest {
                Some(wanted) => RawManifest::with_digest(wanted, stated.as_deref(), bytes, what),
                None => RawManifest::new(stated.as_deref(), bytes, what),
            }
        })
        .await
    }

    /// These bytes of a blob from this registry itself, without asking mirrors. It may send more than is asked for.
    pub(super) async fn blob_here(
        &self,
        cx: &Context,
        name: &Name,
        blob: &Descriptor,
        part: Part,
        what: &str,
    ) -> Result<ByteStream> {
        let from = part.from;
        let url = self.registry.address(&format!("v2/{}/blobs/{}", name.repository, blob.digest))?;
        let make = || {
            let request = self.registry.request(Method::GET, &url)?;
            Ok(match part.until {
                Some(end) => request.header("Range", format!("bytes={from}-{}", end.saturating_sub(1))),
                None if from > 0 => request.header("Range", format!("bytes={from}-")),
                None => request,
            })
        };
        let response = cx.run(what, self.registry.send(what, &client::pull(&name.repository), make)).await?;
        let response = success(what, response).await?;
        let start = range_start(&response, from);
        let stream = cx.budget.paced(Self::stream(response, what.to_owned()), what);
        match from.checked_sub(start) {
            Some(0) => Ok(stream),
            Some(more) => Ok(skip(stream, more)),
            None => Err(Error::failed(what, format!("the answer begins at byte {start}, not at {from}"))
                .hint("tell the administrators of the registry")),
        }
    }

    /// Whether this registry itself has a blob in a repository.
    pub(super) async fn has_blob_here(&self, cx: &Context, name: &Name, blob: &Descriptor, what: &str) -> Result<bool> {
        let url = self.registry.address(&format!("v2/{}/blobs/{}", name.repository, blob.digest))?;
        cx.run(what, async {
            let response = self
                .registry
                .send(what, &client::pull(&name.repository), || self.registry.request(Method::HEAD, &url))
                .await?;
            match response.status() {
                StatusCode::NOT_FOUND => Ok(false),
                // A repository that does not exist may answer 401 or 403 to a read; writing will show if it may be
                // created.
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Ok(false),
                _ => success(what, response).await.map(|_| true),
            }
        })
        .await
    }

    async fn put_raw(
        &self,
        cx: &Context,
        name: &Name,
        selector: &str,
        manifest: &RawManifest,
        what: &str,
    ) -> Result<Response> {
        let url = self.registry.address(&format!("v2/{}/manifests/{selector}", name.repository))?;
        let make = || {
            Ok(self
                .registry
                .request(Method::PUT, &url)?
                .header("Content-Type", &manifest.media_type)
                .body(manifest.bytes.clone()))
        };
        cx.run(what, self.registry.send(what, &client::push(&name.repository), make)).await
    }

    pub(super) async fn has_manifest(&self, cx: &Context, name: &Name, selector: &str) -> Result<bool> {
        let what = format!("look for {selector}");
        let url = self.registry.address(&format!("v2/{}/manifests/{selector}", name.repository))?;
        let accept = ALL_TYPES.join(", ");
        cx.run(&what, async {
            let make = || Ok(self.registry.request(Method::HEAD, &url)?.header("Accept", &accept));
            let response = self.registry.send(&what, &client::pull(&name.repository), make).await?;
            match response.status() {
                StatusCode::NOT_FOUND => Ok(false),
                _ => success(&what, response).await.map(|_| true),
            }
        })
        .await
    }

    async fn fallback_index(&self, cx: &Context, name: &Name, digest: &Digest) -> Result<Option<RawManifest>> {
        let at = Name { tag: Some(digest.referrers_tag()), digest: None, ..name.clone() };
        match self.manifest_here(cx, &at, &format!("read {at}")).await {
            Ok(index) => Ok(Some(index)),
            Err(error) if error.kind == Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Adds a manifest to its subject's fallback index (distribution specification, "Referrers Tag Schema").
    async fn add_referrer(
        &self,
        cx: &Context,
        name: &Name,
        subject: &Digest,
        manifest: &RawManifest,
        what: &str,
    ) -> Result<()> {
        let known = self.fallback_index(cx, name, subject).await?;
        let is_index = known.as_ref().is_none_or(|index| index.media_type == OCI_INDEX);
        let mut index: serde_json::Value = match known {
            Some(index) => serde_json::from_slice(&index.bytes).map_err(|error| Error::failed(what, error))?,
            None => serde_json::json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}),
        };
        let document: serde_json::Value =
            serde_json::from_slice(&manifest.bytes).map_err(|error| Error::failed(what, error))?;
        let mut entry = serde_json::json!({"mediaType": manifest.media_type, "digest": manifest.digest, "size": manifest.bytes.len()});
        if let Some(entry) = entry.as_object_mut() {
            if let Some(kind) = manifest.parsed().kind() {
                entry.insert("artifactType".into(), kind.into());
            }
            if let Some(annotations) = document.get("annotations") {
                entry.insert("annotations".into(), annotations.clone());
            }
        }
        let list = index.get_mut("manifests").filter(|_| is_index);
        let Some(entries) = list.and_then(serde_json::Value::as_array_mut) else {
            return Err(Error::failed(what, "what stands under the tag of its attachments is not an index"));
        };
        if entries
            .iter()
            .any(|known| known.get("digest").and_then(serde_json::Value::as_str) == Some(manifest.digest.as_str()))
        {
            return Ok(());
        }
        entries.push(entry);
        let bytes = serde_json::to_vec(&index).map_err(|error| Error::failed(what, error))?;
        let raw = RawManifest::new(Some(OCI_INDEX), bytes.into(), what)?;
        let response = self.put_raw(cx, name, &subject.referrers_tag(), &raw, what).await?;
        success(what, response).await.map(|_| ())
    }
}

/// The digest in the response's header, if it is of a known kind.
fn digest_header(response: &Response) -> Option<Digest> {
    response.headers().get("docker-content-digest")?.to_str().ok()?.trim().parse().ok()
}

/// The byte at which a response to a range request begins (RFC 9110, section 14.4).
fn range_start(response: &Response, asked: u64) -> u64 {
    if response.status() != StatusCode::PARTIAL_CONTENT {
        return 0;
    }
    let range = response.headers().get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let first = range.and_then(|range| range.trim().strip_prefix("bytes")?.trim().split('-').next()?.parse().ok());
    first.unwrap_or(asked)
}

/// Drops the first bytes of a response whose server ignored `Range`.
fn skip(stream: ByteStream, bytes: u64) -> ByteStream {
    let mut left = bytes;
    Box::pin(stream.filter_map(move |chunk| {
        let kept = match chunk {
            Ok(chunk) => {
                let cut = left.min(chunk.len() as u64);
                left -= cut;
                (cut < chunk.len() as u64).then(|| Ok(chunk.slice(cut as usize..)))
            }
            Err(error) => Some(Err(error)),
        };
        std::future::ready(kept)
    }))
}
