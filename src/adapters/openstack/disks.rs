//! The data of a cloud's images (Image API v2, "Image data"): uploads and downloads as streams, hashed on the way.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt};
use reqwest::Method;
use serde_json::json;
use tokio::{
    fs,
    io::{AsyncSeekExt, AsyncWriteExt},
};

use super::{
    Images,
    answers::GlanceImage,
    cloud::TOKEN,
    service::{Body, Request, Service},
    volumes::{ASKED_FOR, VOLUME},
};
use crate::{
    formats::disk_header,
    shared::{http as shared, partial, private},
};
use wharf_core::{
    base::{
        blocking::blocking,
        checkpoint::Checkpoint,
        clean,
        context::Context,
        digest::{Digest, Hasher},
        error::{During, Error, Kind, Result},
    },
    image::{model::DataSignature, reference::ImageRef},
    ports::{
        Disks,
        content::Outcome,
        disks::{FOR_VOLUME, FitsFile, Import, Published, Upload},
    },
    transfer::patience::Patience,
};

/// Bytes that are read or written at a time.
const PIECE: usize = 1 << 20;
/// How often a transfer is tried if its connection breaks.
const TRIES: usize = 4;
/// The part of a transfer that is an image of this cloud.
const UPLOAD: &str = "upload";
/// The pause between looks at an image whose status changes, and between tries.
pub(super) const PAUSE: Duration = Duration::from_millis(500);

fn hash(file: &Path, mut hasher: Hasher, what: &str) -> Result<Digest> {
    hasher.update_from(disk_header::open(file)?).during(what)?;
    Ok(hasher.finish())
}

impl Images {
    /// A request for data, which has time limits for each step but not for the whole.
    pub async fn bytes_request(&self, method: Method, path: &str) -> Result<shared::Request<'_>> {
        let server = self.cloud.server(Service::Image).await?;
        let token = self.cloud.token().await?;
        Ok(server.request(method, &server.address(path)?)?.secret_header(TOKEN, token.reveal()))
    }

    /// An active image of this project with this name and the same data, so that it need not be sent again.
    async fn sent_already(&self, what: &str, upload: &Upload) -> Result<Option<GlanceImage>> {
        let known = self.named(what, &upload.name, "limit=20&status=active").await?;
        let (project, _) = self.cloud.project().await?;
        let same = known.into_iter().find(|image| {
            image.owner.as_deref() == Some(&project) && image.size == Some(upload.size) && image.digest().is_some()
        });
        let Some(image) = same else { return Ok(None) };
        let (file, hasher, task) = (upload.file.clone(), image.hasher(), what.to_owned());
        let digest = blocking(move || hash(&file, hasher, &task)).await.during(what)??;
        Ok((Some(digest) == image.digest()).then_some(image))
    }

    /// Sends the data of a file once; returns the digest of what was sent.
    async fn send_once(&self, cx: &Context, what: &str, id: &str, upload: &Upload) -> Result<Digest> {
        let file = fs::File::from_std(disk_header::open(&upload.file)?);
        let hasher = Arc::new(Mutex::new(Hasher::of("sha512")));
        let (hashing, progress) = (hasher.clone(), cx.progress.clone());
        let (pace, moving) = (cx.pace.clone(), shared::Moving::new());
        let stream = tokio_util::io::ReaderStream::with_capacity(file, PIECE).then(move |chunk| {
            let (hashing, progress, pace) = (hashing.clone(), progress.clone(), pace.clone());
            async move {
                if let Ok(chunk) = &chunk {
                    pace.take(chunk.len() as u64, &progress).await;
                    hashing.lock().unwrap_or_else(PoisonError::into_inner).update(chunk);
                    progress.add(chunk.len() as u64);
                }
                chunk
            }
        });
        let request = self
            .bytes_request(Method::PUT, &format!("images/{id}/file"))
            .await?
            .header("Content-Type", "application/octet-stream")
            .patient()
            .body(moving.body(stream));
        // Where all of it is gathered before it is passed on, the answer takes longer.
        let patience = Duration::from_secs(120 + upload.size / (20 << 20));
        let answer = moving.watched(what, patience, request.send(what)).await?;
        self.check(what, answer).await?;
        let hasher = hasher.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(hasher.finish())
    }

    /// Creates an image and sends the data of a file; returns the image's id and the digest of what was sent.
    ///
    /// Glance cannot continue a broken upload, and notices late that it broke: each try creates a new image, and the
    /// unfinished one is removed.
    async fn send_bytes(&self, cx: &Context, what: &str, upload: &Upload) -> Result<(String, Digest)> {
        // An earlier run may have been killed: what it had begun cannot be taken up.
        if let Some(reached) = cx.checkpoints.last(UPLOAD).await {
            self.give_up(cx, &reached).await?;
        }
        let mut body = json!({"name": upload.name, "disk_format": upload.format, "container_format": "bare",
            "visibility": "private", "min_disk": upload.needs.least_disk.div_ceil(1 << 30),
            "min_ram": upload.needs.least_memory.div_ceil(1 << 20)});
        for (name, value) in upload.needs.properties() {
            body[name] = value.into();
        }
        // Those of signatures may be longer, and are nothing if they are cut.
        for (name, value) in upload.signed.iter().flat_map(DataSignature::properties) {
            body[name] = value.into();
        }
        for again in 1.. {
            let request = Request::new(Method::POST, "images", Body::Json(body.clone()));
            let made: GlanceImage = self.cloud.json(what, Service::Image, request).await?;
            cx.checkpoints.keep(UPLOAD, &made.id, 0).await;
            cx.progress.phase(if again == 1 { "uploading" } else { "the connection broke: sending it again" });
            cx.progress.set(0, Some(upload.size));
            let error = match cx.unless_cancelled(what, self.send_once(cx, what, &made.id, upload)).await {
                Ok(digest) => return Ok((made.id, digest)),
                Err(error) => error,
            };
            let may_try = again < TRIES && error.kind == Kind::Unavailable;
            if may_try && self.find(what, &made.id).await.is_ok_and(|image| image.status == "active") {
                // Everything had arrived; only the answer was lost.
                let (file, task) = (upload.file.clone(), what.to_owned());
                let digest = blocking(move || hash(&file, Hasher::of("sha512"), &task));
                return Ok((made.id, digest.await.during(what)??));
            }
            self.delete_incomplete(what, &made.id).await;
            if !may_try {
                return Err(error);
            }
            tracing::info!(%error, again, "sending again");
            tokio::time::sleep(PAUSE).await;
        }
        Err(Error::failed(what, "it was not sent"))
    }

    pub async fn check(&self, what: &str, answer: reqwest::Response) -> Result<reqwest::Response> {
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body = shared::body(answer, 64 << 10, what).await.unwrap_or_default();
        Err(self.cloud.refusal(what, Service::Image, status.as_u16(), &body))
    }

    pub async fn delete_incomplete(&self, what: &str, id: &str) {
        let path = format!("images/{id}");
        let _ = self.cloud.send(what, Service::Image, Request::new(Method::DELETE, &path, Body::None)).await;
    }
}

#[async_trait]
impl Disks for Images {
    async fn upload(&self, cx: &Context, upload: &Upload) -> Result<(ImageRef, Outcome)> {
        let what = format!("upload {} to {}", upload.file.display(), self.cloud.name);
        cx.progress.total(upload.size);
        cx.progress.phase("looking whether it is there");
        if let Some(image) = self.sent_already(&what, upload).await? {
            cx.progress.add_saved_bytes(upload.size);
            let digest = image.digest().ok_or_else(|| Error::failed(&what, "the cloud keeps no hash"))?;
            return Ok((self.image_ref(&image.id), outcome(digest, 0, upload.size)));
        }
        self.cloud.account().renewed().await?;
        let (id, ours) = self.send_bytes(cx, &what, upload).await?;
        let now = self.find(&what, &id).await?;
        match now.digest() {
            // A cloud with another kind of hash is not asked further: its own record is used later.
            Some(digest) if digest.algorithm() == ours.algorithm() && digest != ours => {
                self.delete_incomplete(&what, &id).await;
                Err(Error::new(Kind::Integrity, what, "the cloud has other bytes than were sent").hint("try again"))
            }
            digest => Ok((self.image_ref(&id), outcome(digest.unwrap_or(ours), upload.size, 0))),
        }
    }

    /// Glance takes the data of an image in one request.
    fn goes_on(&self) -> bool {
        false
    }

    async fn import(&self, cx: &Context, import: &Import) -> Result<(ImageRef, Outcome)> {
        let what = format!("import {} into {}", clean::short(&import.url, 200), self.cloud.name);
        let (image, fresh) = self.fetched_by_cloud(cx, &what, import).await?;
        let digest = image.digest().ok_or_else(|| Error::failed(&what, "the cloud keeps no hash of it"))?;
        let size = image.size.unwrap_or(0);
        let outcome = if fresh { outcome(digest, size, 0) } else { outcome(digest, 0, size) };
        Ok((self.image_ref(&image.id), outcome))
    }

    async fn make_volume(&self, cx: &Context, image: &ImageRef, (name, least): (&str, u64)) -> Result<ImageRef> {
        let what = format!("make a volume of {image}");
        let ImageRef::Glance { image, .. } = image else { return Err(Error::usage(what, "it is no image of a cloud")) };
        let found = cx.run(&what, self.find(&what, image)).await?;
        let most = found.virtual_size.or(found.size).unwrap_or(0).max(least).div_ceil(1 << 30);
        self.volume_of(cx, &what, (&found.id, found.min_disk.max(most).max(1)), name).await
    }

    async fn publish(&self, cx: &Context, reference: &ImageRef, published: &Published) -> Result<()> {
        let what = format!("publish {reference}");
        let ImageRef::Glance { image, .. } = reference else {
            return Err(Error::usage(what, "it is not an image of a cloud"));
        };
        let image = cx.run(&what, self.find(&what, image)).await?;
        let mut changes = Vec::new();
        let mut set = |path: &str, old: Option<&str>, new: &str| {
            if old != Some(new) {
                let path = format!("/{}", path.replace('~', "~0").replace('/', "~1"));
                // "add" also replaces (RFC 6902); name and visibility always exist.
                changes.push(json!({"op": "add", "path": path, "value": new}));
            }
        };
        for (name, value) in &published.properties {
            set(name, image.properties.get(name).and_then(serde_json::Value::as_str), value);
        }
        set("name", image.name.as_deref(), &published.name);
        // Last, so that nobody sees the image before everything is set.
        set("visibility", Some(image.visibility.as_str()), &published.visibility);
        if changes.is_empty() {
            return Ok(());
        }
        let path = format!("images/{}", image.id);
        let request = Request::new(Method::PATCH, &path, Body::ImagePatch(json!(changes)));
        cx.run(&what, self.cloud.send(&what, Service::Image, request)).await.map(|_| ())
    }

    async fn forget(&self, cx: &Context, reference: &ImageRef) -> Result<()> {
        let what = format!("delete {reference}");
        let ImageRef::Glance { image, .. } = reference else {
            return Err(Error::usage(what, "it is not an image of a cloud"));
        };
        let path = format!("images/{image}");
        let request = Request::new(Method::DELETE, &path, Body::None);
        match cx.run(&what, self.cloud.send(&what, Service::Image, request)).await {
            Err(error) if error.kind != Kind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    async fn give_up(&self, cx: &Context, reached: &Checkpoint) -> Result<()> {
        let what = format!("remove what is left of an upload to {}", self.cloud.name);
        match reached.part.as_str() {
            UPLOAD => {}
            FOR_VOLUME => return self.forget(cx, &self.image_ref(&reached.at)).await,
            VOLUME => return self.remove_begun_volume(&what, &reached.at).await,
            ASKED_FOR => return self.remove_asked_for(cx, &what, &reached.at).await,
            _ => return Ok(()),
        }
        match cx.run(&what, self.find(&what, &reached.at)).await {
            Ok(image) if ["queued", "saving"].contains(&image.status.as_str()) => {
                self.delete_incomplete(&what, &image.id).await;
                Ok(())
            }
            Err(error) if error.kind != Kind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    async fn download(&self, cx: &Context, reference: &ImageRef, target: &Path) -> Result<Outcome> {
        self.downloaded(cx, reference, target, None).await
    }

    async fn download_new(
        &self,
        cx: &Context,
        reference: &ImageRef,
        target: &Path,
        fits: &dyn FitsFile,
    ) -> Result<Outcome> {
        self.downloaded(cx, reference, target, Some(fits)).await
    }
}

impl Images {
    /// Downloads an image into a file. With `fits`, the file is new and gets its name only after that; without, it
    /// replaces another one.
    async fn downloaded(
        &self,
        cx: &Context,
        reference: &ImageRef,
        target: &Path,
        fits: Option<&dyn FitsFile>,
    ) -> Result<Outcome> {
        let what = format!("download {reference}");
        let ImageRef::Glance { image, .. } = reference else {
            return Err(Error::usage(what, "it is not an image of a cloud"));
        };
        let image = self.find(&what, image).await?;
        let wanted = image.digest().ok_or_else(|| {
            Error::unsupported(&what, "the cloud keeps no hash of it, so nothing says whether it arrives whole")
                .hint("ask its owner to upload it again")
        })?;
        // Without it nothing bounds what comes.
        let size = image.size.ok_or_else(|| Error::unsupported(&what, "the cloud does not tell its size"))?;
        cx.progress.total(size);
        if let Some(fits) = fits.filter(|_| target.symlink_metadata().is_ok()) {
            return there_already(cx, target, &image, fits, &what).await;
        }
        cx.progress.phase("downloading");
        self.cloud.account().renewed().await?;
        private::make_parent(target)?;
        let partial = partial::of(target);
        cx.checkpoints.keep("download", &partial.display().to_string(), 0).await;
        let receiving = || self.receive(cx, &what, &image, &partial);
        let (mut file, mut digest, mut had) = cx.unless_cancelled(&what, receiving()).await?;
        if had > 0 && wanted.matches(&digest, &what).is_err() {
            // What an earlier run has left may be of another image: all of it is fetched once more.
            cx.progress.take_back(had);
            file.set_len(0).await.during(&what)?;
            drop(file);
            (file, digest, had) = cx.unless_cancelled(&what, receiving()).await?;
        }
        let judged = match (wanted.matches(&digest, &what), fits) {
            (Ok(()), Some(fits)) => fits.fits(&partial).await,
            (compared, _) => compared,
        };
        if let Err(error) = judged {
            if error.kind == Kind::Integrity {
                let _ = fs::remove_file(&partial).await;
            }
            return Err(error);
        }
        // It gets its name while it is still locked.
        let (file, to, task) = (file.into_std().await, target.to_owned(), what.clone());
        let over = fits.is_none();
        blocking(move || partial::put(&file, &partial, &to, over, &task)).await.during(&what)??;
        Ok(outcome(wanted, size - had.min(size), had))
    }
}

/// A file that is there already counts if it has the same bytes.
async fn there_already(
    cx: &Context,
    target: &Path,
    image: &GlanceImage,
    fits: &dyn FitsFile,
    what: &str,
) -> Result<Outcome> {
    let size = image.size.unwrap_or(0);
    if fs::metadata(target).await.is_ok_and(|meta| meta.is_file() && meta.len() == size) {
        let (file, hasher, task) = (target.to_owned(), image.hasher(), what.to_owned());
        let hashing = async { blocking(move || hash(&file, hasher, &task)).await.during(what)? };
        let found = cx.unless_cancelled(what, hashing).await?;
        if image.digest().as_ref() == Some(&found) {
            fits.fits(target).await?;
            cx.progress.add_saved_bytes(size);
            return Ok(outcome(found, 0, size));
        }
    }
    Err(Error::usage(what, "there is another file of that name").hint("choose another name, or move it away"))
}

impl Images {
    /// Downloads the data into a file that stays locked as long as it is held; goes on with what an earlier run has begun,
    /// and after a broken connection. Gives the file, its hash, and how much of it was there.
    async fn receive(
        &self,
        cx: &Context,
        what: &str,
        image: &GlanceImage,
        partial: &Path,
    ) -> Result<(fs::File, Digest, u64)> {
        let (path, hasher, size, task) = (partial.to_owned(), image.hasher(), image.size, what.to_owned());
        let begun =
            blocking(move || partial::continued(&path, size.unwrap_or(0), hasher, &task)).await.during(what)??;
        let (file, mut hasher, had) = begun.ok_or_else(|| {
            Error::new(Kind::Unavailable, what, "another Wharf downloads it there")
                .hint("wait for it, or name another file")
        })?;
        let mut file = fs::File::from_std(file);
        file.set_len(had).await.during(what)?;
        file.seek(std::io::SeekFrom::Start(had)).await.during(what)?;
        cx.progress.add_saved_bytes(had);
        let (mut arrived, mut patience) = (had, Patience::default());
        while let Err(error) = self.receive_from(cx, what, image, &mut file, &mut hasher, &mut arrived).await {
            file.flush().await.during(what)?;
            if error.kind != Kind::Unavailable || cx.shall_stop() {
                return Err(error);
            }
            let Some(pause) = patience.after(arrived) else { return Err(error) };
            tracing::info!(%error, arrived, "fetching the rest");
            cx.progress.phase("the connection broke: fetching the rest");
            cx.pause(what, pause).await?;
        }
        file.flush().await.during(what)?;
        file.sync_all().await.during(what)?;
        Ok((file, hasher.finish(), had))
    }

    async fn receive_from(
        &self,
        cx: &Context,
        what: &str,
        image: &GlanceImage,
        file: &mut fs::File,
        hasher: &mut Hasher,
        arrived: &mut u64,
    ) -> Result<()> {
        if image.size == Some(*arrived) {
            return Ok(());
        }
        let mut request = self.bytes_request(Method::GET, &format!("images/{}/file", image.id)).await?;
        if *arrived > 0 {
            request = request.header("Range", format!("bytes={arrived}-"));
        }
        let answer = request.send(what).await?;
        let answer = self.check(what, answer).await?;
        if *arrived > 0 && answer.status() != reqwest::StatusCode::PARTIAL_CONTENT {
            // The server sends only the whole data, so it begins again.
            file.set_len(0).await.during(what)?;
            file.rewind().await.during(what)?;
            (*hasher, *arrived) = (image.hasher(), 0);
            cx.progress.take_back(cx.progress.note().spared);
            cx.progress.set(0, image.size);
        }
        let mut stream = cx.budget.paced(shared::stream(answer, what.to_owned()), what);
        while let Some(chunk) = stream.try_next().await? {
            if cx.shall_stop() {
                return Err(Error::cancelled(what));
            }
            cx.pace.take(chunk.len() as u64, &cx.progress).await;
            file.write_all(&chunk).await.during(what)?;
            hasher.update(&chunk);
            *arrived += chunk.len() as u64;
            if image.size.is_some_and(|size| *arrived > size) {
                return Err(Error::new(Kind::Integrity, what, "it has more bytes than the cloud says"));
            }
            cx.progress.add(chunk.len() as u64);
        }
        match image.size.filter(|size| *arrived < *size) {
            Some(size) => {
                let why = format!("the answer ended after {arrived} of {size} bytes");
                Err(Error::new(Kind::Unavailable, what, why))
            }
            None => Ok(()),
        }
    }
}

fn outcome(digest: Digest, moved: u64, spared: u64) -> Outcome {
    Outcome { digest, moved, spared, attachments: 0, left: Vec::new() }
}
