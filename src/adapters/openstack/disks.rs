//! Bytes of a cloud's images (Image API v2, "Image data"): up and down as a stream, hashed on the way.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt};
use http::Method;
use reqwest::Body as HttpBody;
use secrecy::ExposeSecret;
use serde_json::json;
use tokio::{fs, io::AsyncWriteExt};

use super::{
    Images,
    answers::GlanceImage,
    cloud::{Body, Request, Service},
};
use crate::{
    adapters::http as shared,
    core::{
        copy::Outcome,
        digest::{Digest, Hasher},
        disk::Upload,
        error::{During, Error, Kind, Result},
        ports::Disks,
        progress::Context,
        reference::ImageRef,
    },
};

/// Bytes read or written at a time.
const PIECE: usize = 1 << 20;

impl Images {
    /// A client for bytes: its deadlines are for every step, not for the whole.
    async fn bytes_request(&self, what: &str, method: Method, path: &str) -> Result<reqwest::RequestBuilder> {
        let url = self.cloud.endpoint(Service::Image).await?.join(path).during(what)?;
        let token = self.cloud.token(what).await?;
        let client = self.cloud.bytes_client(what)?;
        let mut value = reqwest::header::HeaderValue::from_str(token.expose_secret()).during(what)?;
        value.set_sensitive(true);
        Ok(client.request(method, url).header("X-Auth-Token", value))
    }

    /// An image of this name that is this file already: sending it again would make a second one.
    async fn sent_already(&self, what: &str, upload: &Upload) -> Result<Option<GlanceImage>> {
        let known = self.named(what, &upload.name, "limit=20&status=active").await?;
        let (project, _) = self.cloud.project().await?;
        let same = known.into_iter().find(|image| {
            image.owner.as_deref() == Some(&project) && image.size == Some(upload.size) && image.digest().is_some()
        });
        let Some(image) = same else { return Ok(None) };
        let (file, mut hasher) = (upload.file.clone(), image.hasher());
        let task = what.to_owned();
        let digest = tokio::task::spawn_blocking(move || {
            hasher.read(std::fs::File::open(file).during(&task)?).during(&task)?;
            Ok::<_, Error>(hasher.finish())
        })
        .await
        .during(what)??;
        Ok((Some(digest) == image.digest()).then_some(image))
    }

    async fn send_bytes(&self, cx: &Context, what: &str, id: &str, upload: &Upload) -> Result<Digest> {
        let file = fs::File::open(&upload.file).await.during(what)?;
        let hasher = Arc::new(Mutex::new(Hasher::of("sha512")));
        let (hashing, progress) = (hasher.clone(), cx.progress.clone());
        let stream = tokio_util::io::ReaderStream::with_capacity(file, PIECE).inspect(move |chunk| {
            if let Ok(chunk) = chunk {
                hashing.lock().unwrap_or_else(PoisonError::into_inner).update(chunk);
                progress.add(chunk.len() as u64);
            }
        });
        let request = self
            .bytes_request(what, Method::PUT, &format!("images/{id}/file"))
            .await?
            .header("Content-Type", "application/octet-stream")
            .body(HttpBody::wrap_stream(stream));
        let answer = request.send().await.map_err(|error| shared::no_answer(what, &error))?;
        self.good(what, answer).await?;
        let hasher = hasher.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(hasher.finish())
    }

    async fn good(&self, what: &str, answer: reqwest::Response) -> Result<reqwest::Response> {
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body = shared::body(answer, 64 << 10, what).await.unwrap_or_default();
        Err(super::words::of_refusal(what, &self.cloud.name, Service::Image, status.as_u16(), &body))
    }

    async fn forget(&self, what: &str, id: &str) {
        let path = format!("images/{id}");
        let _ = self.cloud.send(what, Service::Image, Request::new(Method::DELETE, &path, Body::None)).await;
    }
}

#[async_trait]
impl Disks for Images {
    async fn upload(&self, cx: &Context, upload: &Upload) -> Result<Outcome> {
        let what = format!("upload {} to {}", upload.file.display(), self.cloud.name);
        cx.progress.total(upload.size);
        cx.progress.phase("looking whether it is there");
        if let Some(image) = self.sent_already(&what, upload).await? {
            cx.progress.spare(upload.size);
            let digest = image.digest().ok_or_else(|| Error::failed(&what, "the cloud keeps no hash"))?;
            return Ok(outcome(digest, 0, upload.size));
        }
        let body = json!({"name": upload.name, "disk_format": upload.format, "container_format": "bare", "visibility": "private"});
        let made: GlanceImage =
            self.cloud.json(&what, Service::Image, Request::new(Method::POST, "images", Body::Json(body))).await?;
        cx.progress.phase("uploading");
        let sent = cx.unless_cancelled(&what, self.send_bytes(cx, &what, &made.id, upload)).await;
        let ours = match sent {
            Ok(digest) => digest,
            Err(error) => {
                // Nothing half-made is left in the cloud.
                self.forget(&what, &made.id).await;
                return Err(error);
            }
        };
        let now = self.find(&what, &made.id).await?;
        match now.digest() {
            // A cloud that hashes otherwise than we did is asked nothing more: its own record is what counts later.
            Some(digest) if digest.algorithm() == ours.algorithm() && digest != ours => {
                self.forget(&what, &made.id).await;
                Err(Error::new(Kind::Integrity, what, "the cloud has other bytes than were sent").hint("try again"))
            }
            digest => Ok(outcome(digest.unwrap_or(ours), upload.size, 0)),
        }
    }

    async fn download(&self, cx: &Context, reference: &ImageRef, target: &Path) -> Result<Outcome> {
        let what = format!("download {reference}");
        let ImageRef::Glance { image, .. } = reference else {
            return Err(Error::usage(what, "it is not an image of a cloud"));
        };
        let image = self.find(&what, image).await?;
        let wanted = image.digest().ok_or_else(|| {
            Error::unsupported(&what, "the cloud keeps no hash of it, so nothing says whether it arrives whole")
                .hint("ask its owner to upload it again")
        })?;
        let size = image.size.unwrap_or(0);
        cx.progress.total(size);
        cx.progress.phase("downloading");
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).await.during(&what)?;
        }
        let partial = target.with_extension(format!("{}.partial", std::process::id()));
        let arrived = cx.unless_cancelled(&what, self.receive(cx, &what, &image, &partial)).await;
        let checked = arrived.and_then(|digest| wanted.matches(&digest, &what));
        match checked {
            Ok(()) => fs::rename(&partial, target).await.during(&what)?,
            Err(error) => {
                let _ = fs::remove_file(&partial).await;
                return Err(error);
            }
        }
        Ok(outcome(wanted, size, 0))
    }
}

impl Images {
    async fn receive(&self, cx: &Context, what: &str, image: &GlanceImage, partial: &Path) -> Result<Digest> {
        let request = self.bytes_request(what, Method::GET, &format!("images/{}/file", image.id)).await?;
        let answer = request.send().await.map_err(|error| shared::no_answer(what, &error))?;
        let mut stream = shared::stream(self.good(what, answer).await?, what.to_owned());
        let mut file = fs::File::create(partial).await.during(what)?;
        let mut hasher = image.hasher();
        while let Some(chunk) = stream.try_next().await? {
            hasher.update(&chunk);
            file.write_all(&chunk).await.during(what)?;
            cx.progress.add(chunk.len() as u64);
        }
        file.flush().await.during(what)?;
        file.sync_all().await.during(what)?;
        Ok(hasher.finish())
    }
}

fn outcome(digest: Digest, moved: u64, spared: u64) -> Outcome {
    Outcome { digest, moved, spared, attachments: 0, left: Vec::new() }
}
