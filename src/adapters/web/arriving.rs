//! A file as it arrives: beside its place, so that another attempt goes on where one has ended.
//!
//! ```text
//! .NAME.arriving        what has arrived
//! .NAME.arriving.json   from where, in which version
//! ```

use std::{
    fs::File,
    io::{Seek, SeekFrom},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Arc,
    time::Duration,
};

use futures_util::TryStreamExt;
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncSeekExt, AsyncWriteExt};

use super::{opened::Opened, place};
use crate::shared::{partial, private, room};
use wharf_core::{
    base::{
        blocking::blocking,
        context::Context,
        digest::{self, Digest, Hasher},
        error::{During, Error, Kind, Result},
        small_file, text,
    },
    ports::web::{Arrived, shown_address},
};

/// How often a broken connection is taken up again without a byte having come.
const ATTEMPTS: u32 = 5;
/// The pause before the first of these, doubled each time.
const PAUSE: Duration = Duration::from_millis(200);
/// How long nothing may come.
const SILENCE: Duration = Duration::from_secs(60);
/// How long another fetch of the same file is waited for.
const ALONE: Duration = Duration::from_secs(2);

/// From where a file arrives.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Origin {
    /// The digest of its address, which may hold secrets.
    url: String,
    version: String,
    total: Option<u64>,
}

/// See [`Web::fetch`](wharf_core::ports::web::Web::fetch). `open` opens the file from a byte on; it gives none where there is
/// no such file.
pub(super) async fn fetch<O: Future<Output = Result<Option<Opened>>>>(
    open: impl Fn(u64) -> O,
    cx: &Context,
    url: &str,
    to: &Path,
    most: u64,
) -> Result<Arrived> {
    let what = format!("fetch {}", shown_address(url));
    let (partial, task) = (place::partial(to), what.clone());
    let at = partial.clone();
    let file = blocking(move || locked(&at, &task)).await.during(&what)??;
    let held = Arc::new(file.try_clone().during(&what)?);
    let mut file = tokio::fs::File::from_std(file);
    let known = known(&partial);
    let mut there = file.metadata().await.during(&what)?.len();
    // Without a version, another file of the same length could not be told from it.
    if known.url != named(url) || known.version.is_empty() {
        there = 0;
    }
    let mut resumed = there;
    let mut origin = known;
    let mut failures = 0;
    cx.progress.phase("fetching");
    loop {
        let attempt =
            receive(&open, cx, (&mut file, &partial), (&mut origin, &mut there, &mut resumed), (url, most, &what))
                .await;
        let before = match attempt {
            Ok(()) => break,
            Err((error, before)) if error.kind == Kind::Unavailable && failures + 1 < ATTEMPTS => (error, before),
            // The server cannot go on in the middle: it begins anew, once.
            Err((error, before)) if error.kind == Kind::Unsupported && there > 0 => {
                (there, resumed) = (0, 0);
                (error, before)
            }
            Err((error, _)) => return Err(error),
        };
        failures = if there > before.1 { 0 } else { failures + 1 };
        tracing::info!(error = %before.0, there, "the connection is taken up again");
        cx.progress.phase("the connection broke: going on");
        cx.pause(&what, PAUSE * 2_u32.pow(failures)).await?;
    }
    file.sync_all().await.during(&what)?;
    drop(file);
    cx.progress.phase("comparing");
    let (read, task) = (held.clone(), what.clone());
    let hashing = blocking(move || digests(&read, &task));
    let digests = cx.unless_cancelled(&what, async { hashing.await.during(&*what)? }).await?;
    Ok(Arrived { partial, file: held, size: there, resumed, digests })
}

/// The digest by which an address is known again.
fn named(url: &str) -> String {
    Digest::of(url.as_bytes()).to_string()
}

/// Opens the file for what arrives, and keeps others from it until it is closed.
fn locked(at: &Path, what: &str) -> Result<File> {
    private::make_parent(at)?;
    // Whatever the umask is, no group may write to what is being compared.
    let mode = private::file_mode(at) & 0o644;
    let flags = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0);
    for _ in 0..ATTEMPTS {
        let mut options = File::options();
        options.read(true).write(true).create(true).mode(mode).custom_flags(flags);
        let file = options.open(at).during(what)?;
        if !private::is_ours(&file) {
            return Err(Error::new(Kind::NotAllowed, what, format!("others may write to {}", at.display()))
                .hint("remove it, or name another folder"));
        }
        private::lock(&file, ALONE, what)?;
        // Whoever had it before may have put it into its place meanwhile: that file is not touched.
        if partial::leads_to(at, &file) {
            return Ok(file);
        }
    }
    Err(Error::new(Kind::Unavailable, what, "others fetch the same file all the time").hint("try again in a while"))
}

/// From where the bytes are that have arrived.
fn known(partial: &Path) -> Origin {
    let text = small_file::bytes(place::origin(partial)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Reads until the end, or until the connection breaks: then the error, and what was there before.
async fn receive<O: Future<Output = Result<Option<Opened>>>>(
    open: impl Fn(u64) -> O,
    cx: &Context,
    (file, partial): (&mut tokio::fs::File, &Path),
    (origin, there, resumed): (&mut Origin, &mut u64, &mut u64),
    (url, most, what): (&str, u64, &str),
) -> Result<(), (Error, u64)> {
    let before = *there;
    let work = async {
        let opened = open(*there).await?;
        let Opened { mut bytes, from, total, version } = opened.ok_or_else(|| {
            Error::not_found(what, "there is no such file").hint("check the address: publishers remove old versions")
        })?;
        let now = Origin { url: named(url), version, total };
        let same = !now.version.is_empty()
            && now.version == origin.version
            && (now.total == origin.total || now.total.is_none());
        // What was told once of this version stays true.
        let now = Origin { total: now.total.or(origin.total.filter(|_| same)), ..now };
        if *there > 0 && (from != *there || !same) {
            // Another version, or a server that sends all of it: what has arrived is of no use.
            (*there, *resumed) = (0, 0);
            if from != 0 {
                let again = open(0).await?;
                bytes = again.ok_or_else(|| Error::not_found(what, "it is gone"))?.bytes;
            }
        }
        if total.is_some_and(|total| total > most) {
            let why =
                format!("it has {}, and at most {} are fetched", text::size(total.unwrap_or(0)), text::size(most));
            return Err(Error::usage(what, why).hint("allow more with --at-most"));
        }
        if let (Some(total), Some(free)) = (total, room::free(partial.parent().unwrap_or(Path::new("."))))
            && total.saturating_sub(*there) > free
        {
            return Err(
                Error::failed(what, format!("only {} are free there", text::size(free))).hint("name another folder")
            );
        }
        if now != *origin {
            let note = serde_json::to_vec(&now).during(what)?;
            let at = place::origin(partial);
            blocking(move || private::write(&at, &note)).await.during(what)??;
            *origin = now;
        }
        file.set_len(*there).await.during(what)?;
        file.seek(SeekFrom::Start(*there)).await.during(what)?;
        cx.progress.set(*there, origin.total);
        while let Some(chunk) = next(cx, &mut bytes, what).await? {
            if there.saturating_add(chunk.len() as u64) > most {
                return Err(Error::usage(what, format!("it has more than {}", text::size(most)))
                    .hint("allow more with --at-most"));
            }
            let written = file.write_all(&chunk).await;
            written.map_err(|error| Error::failed(what, error).hint("check the space left there"))?;
            *there += chunk.len() as u64;
            cx.progress.set(*there, origin.total);
        }
        file.flush().await.during(what)?;
        match origin.total {
            Some(total) if *there < total => {
                Err(Error::new(Kind::Unavailable, what, "the connection broke").hint("call it again: it goes on there"))
            }
            Some(total) if *there > total => Err(Error::new(Kind::Integrity, what, "more came than the server said")),
            _ => Ok(()),
        }
    };
    let done = work.await;
    done.map_err(|error| (error, before))
}

/// The next bytes; a server that is silent for long has broken off.
async fn next(cx: &Context, bytes: &mut wharf_core::ports::ByteStream, what: &str) -> Result<Option<bytes::Bytes>> {
    let waited = async {
        match tokio::time::timeout(SILENCE, bytes.try_next()).await {
            Ok(next) => next,
            Err(_) => Err(Error::new(Kind::Unavailable, what, "nothing came for a minute")),
        }
    };
    cx.unless_cancelled(what, waited).await
}

/// The digests of a file, both in one reading.
fn digests(mut file: &File, what: &str) -> Result<[Digest; 2]> {
    file.seek(SeekFrom::Start(0)).during(what)?;
    let mut hashers = [Hasher::of("sha256"), Hasher::of("sha512")];
    digest::hash_all(file, &mut hashers).during(what)?;
    Ok(hashers.map(Hasher::finish))
}
