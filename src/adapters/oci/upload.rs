//! Uploads of blobs, chunk by chunk, so that one that breaks off goes on where it was (OCI Distribution Specification,
//! "Pushing a blob in chunks" and "Resuming an upload").

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{TryStreamExt, stream};
use reqwest::{Body, Method, Response, StatusCode, header};
use tokio::sync::Mutex;

use super::{
    Oci,
    client::{self, success},
    lanes::Lane,
};
use crate::shared::http::{self, Moving, NextPage, Origin, ServerAddress};
use wharf_core::{
    base::{
        context::Context,
        error::{Error, Kind, Result},
    },
    image::{manifest::Descriptor, reference::Name},
    ports::{BlobSource, ByteStream},
    transfer::patience::Patience,
};

/// Blobs up to this size are sent in one piece; larger ones in chunks of at least this size. Registries that keep their
/// blobs in S3 can add nothing to a smaller part, and copy all that came before.
const SMALL: u64 = 5 << 20;
/// The largest chunk, which is what is lost at most when a connection breaks, and into how many chunks a blob is cut where
/// neither is reached: while nothing has broken, and afterwards. Between two chunks the registry only writes, so that fewer
/// of them are faster.
const CALM: (u64, u64) = (64 << 20, 64);
const AFTER_BREAKS: (u64, u64) = (32 << 20, 128);
/// How long the registry may take nothing of a chunk, or not answer after its last byte.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often whoever waits for others looks whether to stop.
const LOOK: Duration = Duration::from_secs(1);
/// How often an upload may begin again from its first byte.
const RESTARTS: u32 = 8;

/// The largest chunk that a registry may want at least. Where one names more, chunks are sent as if it had named none, and a
/// registry that takes none of them gets the blob in one piece.
const MOST_WANTED: u64 = 1 << 30;

/// The smallest chunk that a registry takes, by its `OCI-Chunk-Min-Length` or what was written down of it; 0 where there is no
/// such limit.
fn least_chunk(told: u64) -> u64 {
    if told > MOST_WANTED { 0 } else { told }
}

/// How many bytes are sent at a time of a blob of this size; the registry may want more.
fn chunk_of(size: u64, least: u64, (largest, chunks): (u64, u64)) -> u64 {
    (size / chunks).clamp(SMALL, largest).max(least)
}

/// An upload that a registry has begun.
#[derive(Clone)]
struct Upload {
    address: ServerAddress,
    /// How many bytes the registry has.
    sent: u64,
    /// The smallest chunk that the registry takes, in bytes (`OCI-Chunk-Min-Length`).
    least: u64,
}

/// The blob that is sent, and where.
struct Sending<'a> {
    oci: &'a Oci,
    cx: &'a Context,
    name: &'a Name,
    scopes: client::Scopes,
    blob: &'a Descriptor,
    source: &'a dyn BlobSource,
    what: &'a str,
}

/// Why a chunk was not taken.
enum Break {
    /// The connection or the registry failed: the upload can perhaps go on.
    Passing(Error),
    /// The registry takes no chunks.
    NoChunks(Error),
    /// What an earlier run has sent is wrong, or the registry takes it for that.
    Wrong(Error),
    /// It would fail again.
    Final(Error),
}

/// The bytes of the source that are not sent yet.
struct Pieces {
    stream: ByteStream,
    rest: Bytes,
    /// What broke the source: reqwest hides errors of a body.
    broken: Option<Error>,
}

impl Pieces {
    /// The next bytes, at most `most`; `None` at the end of the source.
    async fn next(&mut self, most: u64) -> Option<std::result::Result<Bytes, std::io::Error>> {
        while self.rest.is_empty() {
            match self.stream.try_next().await {
                Ok(Some(chunk)) => self.rest = chunk,
                Ok(None) => return None,
                Err(error) => {
                    let shown = std::io::Error::other(error.to_string());
                    self.broken = Some(error);
                    return Some(Err(shown));
                }
            }
        }
        let length = self.rest.len().min(usize::try_from(most).unwrap_or(usize::MAX));
        Some(Ok(self.rest.split_to(length)))
    }
}

/// A body of the next `length` bytes.
fn body(pieces: &Arc<Mutex<Pieces>>, length: u64, moving: &Arc<Moving>) -> Body {
    let stream = stream::unfold((pieces.clone(), length), |(pieces, left)| async move {
        if left == 0 {
            return None;
        }
        let next = pieces.lock().await.next(left).await?;
        let left = next.as_ref().map_or(0, |bytes| left - bytes.len() as u64);
        Some((next, (pieces, left)))
    });
    moving.body(stream)
}

impl Oci {
    /// Sends a blob, and completes its upload when the registry has all of it. An upload that was begun before, and is
    /// written down, is taken up.
    pub(super) async fn upload(
        &self,
        cx: &Context,
        name: &Name,
        blob: &Descriptor,
        source: &dyn BlobSource,
        what: &str,
    ) -> Result<()> {
        let scopes = client::push(&name.repository);
        let sending = Sending { oci: self, cx, name, scopes, blob, source, what };
        let sent = sending.all().await;
        if !sent.as_ref().is_err_and(stays) {
            cx.checkpoints.forget(blob.digest.as_str()).await;
        }
        sent
    }

    /// The address of an upload that was written down, if it is one of this registry.
    pub(super) fn upload_at(&self, name: &Name, written: &str) -> Result<Option<ServerAddress>> {
        let start = self.registry.address(&format!("v2/{}/blobs/uploads/", name.repository))?;
        Ok(match self.registry.server.next(&start, written) {
            // Not every registry keeps its uploads below the repository. The list of transfers is this person's own.
            Some(NextPage::Here(place)) => Some(place),
            _ => None,
        })
    }

    /// Where an upload continues, which must be at this registry. A registry behind a proxy may name its own host with
    /// another scheme or port: then this registry's scheme and port are used.
    pub(super) fn location(
        &self,
        what: &str,
        response: &Response,
        current: &ServerAddress,
    ) -> Result<Option<ServerAddress>> {
        let Some(target) = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok()) else {
            return Ok(None);
        };
        let own = self.registry.server.origin();
        match self.registry.server.next(current, target) {
            None => Ok(None),
            Some(NextPage::Here(place)) => Ok(Some(place)),
            Some(NextPage::Elsewhere(url))
                if Origin::from_url(&url).is_some_and(|other| other.host() == own.host()) =>
            {
                Ok(self.registry.server.rebased(current, target))
            }
            Some(NextPage::Elsewhere(url)) => Err(http::sent_elsewhere(what, own, &url)),
        }
    }

    /// Begins an upload; returns its address and the smallest chunk that the registry takes.
    pub(super) async fn begin_upload(
        &self,
        cx: &Context,
        what: &str,
        scopes: &client::Scopes,
        start: &ServerAddress,
    ) -> Result<(ServerAddress, u64)> {
        let make = || Ok(self.registry.request(Method::POST, start)?.header("Content-Length", "0"));
        let response = cx.run(what, self.registry.send(what, scopes, make)).await?;
        let response = success(what, response).await?;
        let least = response.headers().get("oci-chunk-min-length").and_then(|value| value.to_str().ok());
        let least = least.and_then(|least| least.trim().parse().ok()).map_or(0, least_chunk);
        let address = self.location(what, &response, start)?;
        let address = address.ok_or_else(|| Error::failed(what, "the registry gave no upload address"))?;
        Ok((address, least))
    }

    /// Cancels an upload. If the account may not, the registry removes it some day.
    pub(super) async fn cancel_upload(&self, what: &str, repository: &str, upload: &ServerAddress) {
        let scopes = client::cancel_scopes(repository);
        let _ = self.registry.send(what, &scopes, || self.registry.request(Method::DELETE, upload)).await;
    }
}

impl Sending<'_> {
    /// Sends what the registry does not have yet, as often as the upload breaks and gets further, and completes it.
    async fn all(&self) -> Result<()> {
        let (mut patience, mut restarts, mut in_chunks) = (Patience::default(), 0, true);
        let mut upload = self.taken_up().await?;
        // What was there is counted as spared, until it turns out to be lost.
        let mut spared = upload.as_ref().map_or(0, |upload| upload.sent);
        loop {
            let reached = upload.as_ref().map_or(0, |upload| upload.sent);
            let lane = self.lane().await?;
            let sent = self.once(&mut upload, in_chunks).await;
            if sent.is_ok() {
                self.oci.lanes.came_through();
            }
            // Whoever waits sees what that has changed.
            drop(lane);
            let Err(broken) = sent else { return Ok(()) };
            let error = match broken {
                Break::Final(error) if stays(&error) => return Err(error),
                Break::NoChunks(error) if in_chunks => {
                    tracing::info!(%error, "the registry takes no chunks: sending the blob in one piece");
                    self.give_up(upload.take()).await;
                    in_chunks = false;
                    continue;
                }
                Break::Wrong(error) if restarts < RESTARTS => {
                    tracing::warn!(%error, "what was sent before is not taken: sending the blob again");
                    self.give_up(upload.take()).await;
                    self.cx.progress.take_back(std::mem::take(&mut spared));
                    restarts += 1;
                    continue;
                }
                Break::Final(error) | Break::NoChunks(error) | Break::Wrong(error) => {
                    self.give_up(upload.take()).await;
                    return Err(error);
                }
                Break::Passing(error) => error,
            };
            if self.cx.shall_stop() {
                return Err(self.stopped(error));
            }
            let reached = upload.as_ref().map_or(0, |upload| upload.sent).max(reached);
            let Some(pause) = patience.after(reached) else { return Err(error) };
            self.oci.lanes.broke();
            tracing::warn!(%error, reached, "an upload broke; taking it up again");
            self.cx.pause(self.what, pause).await?;
            let Some(known) = upload.take() else { continue };
            upload = match self.state(&known).await {
                Ok(state) => {
                    self.keep(&state).await;
                    Some(state)
                }
                Err(error) if !is_lost(&error) => {
                    if !stays(&error) {
                        return Err(error);
                    }
                    Some(known)
                }
                // Not every registry can take up an upload that broke off within a chunk: docker-registry before 3.0 cannot.
                Err(error) if restarts < RESTARTS => {
                    tracing::warn!(%error, "the registry has lost the upload; sending the blob again");
                    restarts += 1;
                    self.cx.checkpoints.forget(self.blob.digest.as_str()).await;
                    self.cx.progress.take_back(std::mem::take(&mut spared));
                    None
                }
                Err(error) => return Err(error),
            };
        }
    }

    /// Waits until the blob may be sent.
    ///
    /// # Errors
    /// `Cancelled` where it shall stop before.
    async fn lane(&self) -> Result<Lane> {
        loop {
            if let Ok(lane) = tokio::time::timeout(LOOK, self.oci.lanes.enter()).await {
                return Ok(lane);
            }
            if self.cx.shall_stop() {
                return Err(Error::cancelled(self.what));
            }
        }
    }

    /// The error of an upload that shall stop, rather than the one that stopping has caused.
    fn stopped(&self, error: Error) -> Error {
        if error.kind == Kind::Cancelled { error } else { Error::cancelled(self.what) }
    }

    /// An upload that an earlier run has begun, if the registry still knows it.
    ///
    /// # Errors
    /// Those that may pass: the upload is not given up because the registry is busy.
    async fn taken_up(&self) -> Result<Option<Upload>> {
        let Some(written) = self.cx.checkpoints.last(self.blob.digest.as_str()).await else { return Ok(None) };
        let Some(address) = self.oci.upload_at(self.name, &written.at).ok().flatten() else { return Ok(None) };
        let known = Upload { address, sent: written.bytes, least: least_chunk(written.least) };
        let mut patience = Patience::default();
        loop {
            match self.state(&known).await {
                Ok(upload) => {
                    self.keep(&upload).await;
                    self.cx.progress.add_saved_bytes(upload.sent);
                    return Ok(Some(upload));
                }
                Err(error) if is_lost(&error) => {
                    tracing::info!(%error, "the registry does not go on with an earlier upload");
                    self.cx.checkpoints.forget(self.blob.digest.as_str()).await;
                    return Ok(None);
                }
                Err(error) => {
                    let Some(pause) = patience.after(0).filter(|_| stays(&error) && !self.cx.shall_stop()) else {
                        return Err(error);
                    };
                    self.cx.pause(self.what, pause).await?;
                }
            }
        }
    }

    /// Asks once how far an upload is. One that has more than was ever sent is no upload of ours.
    async fn state(&self, known: &Upload) -> Result<Upload> {
        let asked =
            self.oci.registry.send(self.what, &self.scopes, || self.oci.registry.request(Method::GET, &known.address));
        let response = success(self.what, self.cx.run(self.what, asked).await?).await?;
        let range = response.headers().get(header::RANGE).and_then(|value| value.to_str().ok()).unwrap_or("");
        let sent = received(range);
        let most = known.sent.saturating_add(chunk_of(self.blob.size, known.least, CALM)).min(self.blob.size);
        if sent > most {
            let why = format!("the registry says that it has {sent} bytes, and at most {most} were sent");
            return Err(Error::failed(self.what, why));
        }
        let address = self.oci.location(self.what, &response, &known.address)?;
        Ok(Upload { address: address.unwrap_or_else(|| known.address.clone()), sent, least: known.least })
    }

    async fn give_up(&self, upload: Option<Upload>) {
        self.cx.checkpoints.forget(self.blob.digest.as_str()).await;
        if let Some(upload) = upload {
            self.oci.cancel_upload(self.what, &self.name.repository, &upload.address).await;
        }
    }

    /// Sends the rest and completes the upload, unless it breaks. `upload` says how far it is in either case.
    async fn once(&self, upload: &mut Option<Upload>, in_chunks: bool) -> std::result::Result<(), Break> {
        let mut going = match upload.take() {
            Some(going) => going,
            None => self.begun().await.map_err(sort)?,
        };
        *upload = Some(going.clone());
        let is_taken_up = going.sent > 0;
        let opened = self.source.open(going.sent).await.map_err(Break::Final)?;
        let pieces = Arc::new(Mutex::new(Pieces { stream: opened, rest: Bytes::new(), broken: None }));
        let size = self.blob.size;
        let chunk = if in_chunks {
            chunk_of(size, going.least, if self.oci.lanes.are_calm() { CALM } else { AFTER_BREAKS })
        } else {
            u64::MAX
        };
        while going.sent < size || size == 0 {
            if self.cx.shall_stop() {
                return Err(Break::Passing(Error::cancelled(self.what)));
            }
            let length = chunk.min(size - going.sent);
            let whole = length == size;
            let sent = self.chunk(&going, &pieces, length, (whole, is_taken_up)).await;
            if let Some(error) = pieces.lock().await.broken.take() {
                return Err(Break::Final(error));
            }
            going = sent?;
            *upload = Some(going.clone());
            if size == 0 {
                break;
            }
            self.keep(&going).await;
        }
        // The source compares the digest at its end.
        let end = pieces.lock().await.next(1).await;
        match (end, pieces.lock().await.broken.take()) {
            (_, Some(error)) => return Err(Break::Final(error)),
            (Some(_), None) => {
                return Err(Break::Final(Error::new(Kind::Integrity, self.what, "more bytes came than the blob has")));
            }
            (None, None) => {}
        }
        self.complete(&going, is_taken_up).await
    }

    /// Writes down how far the upload is.
    async fn keep(&self, upload: &Upload) {
        let reached = (upload.sent, upload.least);
        self.cx.checkpoints.keep_pieces(self.blob.digest.as_str(), upload.address.url().as_str(), reached).await;
    }

    async fn begun(&self) -> Result<Upload> {
        let start = self.oci.registry.address(&format!("v2/{}/blobs/uploads/", self.name.repository))?;
        let (address, least) = self.oci.begin_upload(self.cx, self.what, &self.scopes, &start).await?;
        Ok(Upload { address, sent: 0, least })
    }

    /// Sends one chunk; gives the upload as it is afterwards.
    async fn chunk(
        &self,
        upload: &Upload,
        pieces: &Arc<Mutex<Pieces>>,
        length: u64,
        (whole, is_taken_up): (bool, bool),
    ) -> std::result::Result<Upload, Break> {
        let registry = &self.oci.registry;
        // The token may have ended since the last chunk; a body cannot be sent twice.
        registry.prepare(self.what, &self.scopes).await.map_err(sort)?;
        // Outside of the hours in which bytes are moved, no request waits for them.
        self.cx.pace.hours(&self.cx.progress).await;
        let moving = Moving::new();
        let sendable = std::sync::Mutex::new(Some(body(pieces, length, &moving)));
        let make = || {
            let body = sendable.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take().ok_or_else(|| {
                Error::new(Kind::Unavailable, self.what, "the registry wanted a new sign-in in the middle of an upload")
            })?;
            let last = (upload.sent + length).saturating_sub(1);
            let request = registry
                .request(Method::PATCH, &upload.address)?
                .header("Content-Type", "application/octet-stream")
                .header("Content-Length", length.to_string())
                .patient()
                .body(body);
            Ok(if whole { request } else { request.header("Content-Range", format!("{}-{last}", upload.sent)) })
        };
        let sending = registry.send_signed(self.what, &self.scopes, &make);
        let response = moving.watched(self.what, PATIENCE, sending).await.map_err(sort)?;
        let status = response.status();
        if status.is_success() {
            let address = self.oci.location(self.what, &response, &upload.address).map_err(Break::Final)?;
            let address = address.unwrap_or_else(|| upload.address.clone());
            return Ok(Upload { address, sent: upload.sent + length, least: upload.least });
        }
        let Err(error) = success(self.what, response).await else {
            return Err(Break::Final(Error::failed(self.what, "the registry changed its answer")));
        };
        Err(refused(status, error, upload.sent, (whole, is_taken_up)))
    }

    /// Completes an upload. If the answer is lost, the blob may be there.
    async fn complete(&self, upload: &Upload, is_taken_up: bool) -> std::result::Result<(), Break> {
        let address = upload.address.clone().with("digest", self.blob.digest.as_str());
        let registry = &self.oci.registry;
        let make = || Ok(registry.request(Method::PUT, &address)?.header("Content-Length", "0").patient());
        // The registry hashes the whole blob before it answers, so large blobs get more time.
        let patience = self.cx.deadline.max(Duration::from_secs(60 + self.blob.size / (20 << 20)));
        let cx = self.cx.clone().with_deadline(patience);
        let sent = cx.run(self.what, registry.send(self.what, &self.scopes, make)).await;
        let done = match sent {
            Ok(response) => success(self.what, response).await.map(|_| ()),
            Err(error) => Err(error),
        };
        match done {
            Err(error) if error.kind == Kind::Cancelled => Err(Break::Passing(error)),
            Err(error) => match self.is_there().await {
                true => Ok(()),
                // What an earlier run has sent may be wrong: all of it is sent again, and compared on the way.
                false if is_taken_up && !stays(&error) => {
                    self.cx.checkpoints.forget(self.blob.digest.as_str()).await;
                    Err(Break::Wrong(error))
                }
                false => Err(sort(error)),
            },
            Ok(()) => Ok(()),
        }
    }

    /// Whether the registry has the blob; where that cannot be told, it has not.
    async fn is_there(&self) -> bool {
        self.oci.has_blob_here(self.cx, self.name, self.blob, self.what).await.unwrap_or(false)
    }
}

/// Whether the registry has lost an upload, by its answer to the question how far it is.
fn is_lost(error: &Error) -> bool {
    matches!(error.kind, Kind::NotFound | Kind::Failed)
}

/// Whether an upload that ended so can be taken up; any other is given up.
fn stays(error: &Error) -> bool {
    matches!(error.kind, Kind::Unavailable | Kind::Cancelled)
}

/// Whether an error may pass.
fn sort(error: Error) -> Break {
    if stays(&error) { Break::Passing(error) } else { Break::Final(error) }
}

/// What it means that a registry refuses a chunk with this status, after it has taken `sent` bytes.
fn refused(status: StatusCode, error: Error, sent: u64, (whole, is_taken_up): (bool, bool)) -> Break {
    match status {
        // It has another number of bytes, has lost the upload, or is busy: it is asked how far it is.
        StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::NOT_FOUND if sent > 0 => Break::Passing(error),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Break::Passing(error),
        StatusCode::NOT_IMPLEMENTED if !whole && sent == 0 => Break::NoChunks(error),
        status if status.is_server_error() => Break::Passing(error),
        StatusCode::BAD_REQUEST
        | StatusCode::NOT_FOUND
        | StatusCode::METHOD_NOT_ALLOWED
        | StatusCode::LENGTH_REQUIRED
        | StatusCode::RANGE_NOT_SATISFIABLE
            if !whole && sent == 0 =>
        {
            Break::NoChunks(error)
        }
        // Only whoever begins an upload is told how large its chunks must be.
        StatusCode::BAD_REQUEST if is_taken_up => Break::Wrong(error),
        _ => Break::Final(error),
    }
}

/// How many bytes a registry has by the `Range` header of its answer. `0-1023` means 1024 bytes. An upload without bytes
/// also says `0-0`, so that one is sent from the start.
fn received(range: &str) -> u64 {
    let last: u64 = range.rsplit('-').next().and_then(|last| last.trim().parse().ok()).unwrap_or(0);
    if last == 0 { 0 } else { last.saturating_add(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_grow_with_the_blob_and_lose_little() {
        for (size, calm, later) in [
            (1, SMALL, SMALL),
            (100 << 20, SMALL, SMALL),
            (2 << 30, 32 << 20, 16 << 20),
            (100 << 30, CALM.0, AFTER_BREAKS.0),
        ] {
            assert_eq!((chunk_of(size, 0, CALM), chunk_of(size, 0, AFTER_BREAKS)), (calm, later), "{size}");
        }
        assert_eq!(chunk_of(1 << 20, 80 << 20, CALM), 80 << 20, "a registry may want larger ones");
    }

    #[test]
    fn a_registry_may_want_larger_chunks_within_reason() {
        for (told, least) in
            [(0, 0), (16 << 20, 16 << 20), (MOST_WANTED, MOST_WANTED), (MOST_WANTED + 1, 0), (u64::MAX, 0)]
        {
            assert_eq!(least_chunk(told), least, "{told}");
        }
    }

    #[test]
    fn a_refused_chunk_of_an_upload_that_was_taken_up_begins_it_again() {
        let means = |status: u16, sent: u64, is_taken_up: bool| {
            let status = StatusCode::from_u16(status).unwrap();
            match refused(status, Error::failed("upload", "refused"), sent, (false, is_taken_up)) {
                Break::Passing(_) => "passing",
                Break::NoChunks(_) => "no chunks",
                Break::Wrong(_) => "wrong",
                Break::Final(_) => "final",
            }
        };
        for (status, sent, is_taken_up, meaning) in [
            (400, 5, true, "wrong"),
            (400, 5, false, "final"),
            (400, 0, false, "no chunks"),
            (403, 5, true, "final"),
            (413, 5, true, "final"),
            (416, 5, true, "passing"),
            (503, 5, true, "passing"),
        ] {
            assert_eq!(means(status, sent, is_taken_up), meaning, "{status} {sent} {is_taken_up}");
        }
    }

    #[test]
    fn what_a_registry_has_received_is_read_from_its_range() {
        for (range, bytes) in [
            ("0-1023", 1024),
            ("bytes=0-1023", 1024),
            ("0-0", 0),
            ("", 0),
            ("x", 0),
            ("0-18446744073709551615", u64::MAX),
        ] {
            assert_eq!(received(range), bytes, "{range}");
        }
    }
}
