//! Transfers that are kept from their first byte to their end, so that they go on after a break, a crash or a reboot.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{journal::Journal, sources::Sources};
use crate::{
    base::{
        blocking::blocking,
        checkpoint::OptionalCheckpoints,
        context::Context,
        error::{During, Error, Kind, Result},
        pace::Pace,
    },
    image::reference::ImageRef,
    ports::{
        TakenTransfer, TransferLog,
        transfer_record::{self as record, BETWEEN, KeptTransfer, TransferRecord, TransferState, Wish},
    },
};

/// How often a running transfer is written down, and looked for what somebody wants of it.
const LOOK: Duration = Duration::from_secs(1);
/// How long a transfer that shall pause has to get to where it can go on.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often at least a running transfer is written down.
const ALIVE: Duration = Duration::from_secs(20);
/// How long to wait for another program to do what it was told.
const ANSWER: Duration = Duration::from_secs(40);

/// The list of this person's transfers.
pub struct KeptTransfers {
    log: Arc<dyn TransferLog>,
    sources: Arc<Sources>,
    journal: Arc<Journal>,
    /// How fast transfers are, all together, where a call does not say otherwise.
    pace: Pace,
}

impl KeptTransfers {
    /// The transfers in this list, no faster than this.
    pub(super) fn new(log: Arc<dyn TransferLog>, sources: Arc<Sources>, journal: Arc<Journal>, pace: Pace) -> Self {
        Self { log, sources, journal, pace }
    }

    /// The transfers that are kept, the newest first.
    ///
    /// # Errors
    /// Where the list cannot be read.
    pub async fn all(&self) -> Result<Vec<KeptTransfer>> {
        let log = self.log.clone();
        blocking(move || log.all()).await.during("read the list of transfers")?
    }

    /// The kept transfer that `id` means, which may be cut short.
    ///
    /// # Errors
    /// `NotFound` where none is meant, `Usage` where several are.
    pub async fn meant(&self, id: &str) -> Result<KeptTransfer> {
        record::meant(&self.all().await?, id).cloned()
    }

    /// The kept transfer that `id` means, which can go on now.
    ///
    /// # Errors
    /// `Usage` where it is at its end, `Unavailable` where another program carries it out.
    pub(super) async fn waiting(&self, id: &str) -> Result<TransferRecord> {
        let kept = self.open(id, "resume").await?;
        if kept.runs {
            let what = format!("resume the transfer {}", kept.record.id);
            return Err(Error::new(Kind::Unavailable, what, "another Wharf carries it out")
                .hint("'wharf transfers' shows how far it is"));
        }
        Ok(kept.record)
    }

    /// Has a running transfer stop where it can go on. One that waits already stays as it is.
    ///
    /// # Errors
    /// `Usage` where it is at its end, `Unavailable` where the program that carries it out does not answer.
    pub async fn pause(&self, id: &str) -> Result<KeptTransfer> {
        let kept = self.open(id, "pause").await?;
        if !kept.runs {
            return Ok(kept);
        }
        self.told(&kept, Wish::Pause).await
    }

    /// Gives a transfer up and removes what it has left: uploads that a registry keeps, and files that are not whole.
    ///
    /// # Errors
    /// `Usage` where it is at its end, and those of removing: then it stays in the list.
    pub async fn cancel(&self, cx: &Context, id: &str) -> Result<KeptTransfer> {
        let kept = self.open(id, "cancel").await?;
        if kept.runs {
            return self.told(&kept, Wish::Cancel).await;
        }
        let (log, id) = (self.log.clone(), kept.record.id.clone());
        let taken = blocking(move || log.take_kept(&id)).await.during("take a transfer")??;
        let entry = self.journal.entry("cancel", format!("copy {} to {}", kept.record.from, kept.record.to));
        self.journal.recorded(entry, self.give_up(cx, &taken)).await?;
        self.meant(&kept.record.id).await
    }

    /// How fast a call moves bytes: what it says itself, and where it says nothing what the configuration says.
    pub(super) fn pace(&self, cx: &Context) -> Pace {
        cx.pace.and(&self.pace)
    }

    async fn open(&self, id: &str, verb: &str) -> Result<KeptTransfer> {
        let kept = self.meant(id).await?;
        if kept.record.is_open() {
            return Ok(kept);
        }
        let what = format!("{verb} the transfer {}", kept.record.id);
        Err(Error::usage(what, format!("it is {} already", kept.word()))
            .hint("'wharf transfers' lists those that go on"))
    }

    /// Tells the program that carries out a transfer what is wanted, and waits until it has done it.
    async fn told(&self, kept: &KeptTransfer, wish: Wish) -> Result<KeptTransfer> {
        let (log, id) = (self.log.clone(), kept.record.id.clone());
        blocking(move || log.wish(&id, wish)).await.during("tell a transfer")??;
        let end = tokio::time::Instant::now() + ANSWER;
        loop {
            tokio::time::sleep(LOOK / 4).await;
            let now = self.meant(&kept.record.id).await?;
            if !now.runs {
                let done = match wish {
                    Wish::Pause => true,
                    Wish::Cancel => !now.record.is_open(),
                };
                return if done {
                    Ok(now)
                } else {
                    let what = format!("cancel the transfer {}", now.record.id);
                    Err(Error::new(Kind::Unavailable, what, "it ended before it was told").hint("cancel it again"))
                };
            }
            if tokio::time::Instant::now() > end {
                let what = format!("tell the program that carries out {}", kept.record.id);
                return Err(Error::new(Kind::Unavailable, what, "it does not answer")
                    .hint("end that program; then the transfer waits, and can go on or be cancelled"));
            }
        }
    }

    /// Removes what a transfer has left at its destination.
    async fn give_up(&self, cx: &Context, taken: &Arc<dyn TakenTransfer>) -> Result<()> {
        let mut record = taken.record();
        let parts = {
            let taken = taken.clone();
            blocking(move || taken.parts()).await.during("read a transfer")?
        };
        let source = match self.sources.source(&record.to) {
            Ok(source) => Some(source),
            Err(error) => {
                self.journal.trouble(format!("what it has left at its destination stays there: {}", error.why));
                None
            }
        };
        for part in parts {
            if part.part == BETWEEN {
                let _ = tokio::fs::remove_dir_all(&part.at).await;
                continue;
            }
            let Some(source) = &source else { continue };
            match (&record.to, &source.disks, &source.content) {
                (ImageRef::Glance { .. } | ImageRef::Volume { .. }, Some(disks), _) => disks.give_up(cx, &part).await?,
                (_, _, Some(content)) => content.give_up(cx, &record.to, &part).await?,
                _ => {}
            }
        }
        record.state = TransferState::Cancelled;
        written(taken, record).await
    }

    /// Does the work of a transfer and keeps how far it is. One that is the same and waits is taken up. What cannot be
    /// written becomes a trouble: the work goes on.
    ///
    /// # Errors
    /// Those of the work; `Cancelled` where somebody paused or cancelled it.
    pub(super) async fn carried_out<T, F: Future<Output = Result<T>>>(
        &self,
        cx: &Context,
        wanted: TransferRecord,
        work: impl FnOnce(Context) -> F,
    ) -> Result<T> {
        let (pace, wanted) = (self.pace(cx), wanted.at_pace(&cx.pace));
        let log = self.log.clone();
        let taken = match blocking(move || log.take(&wanted)).await.during("begin a transfer").and_then(|taken| taken) {
            Ok(taken) => taken,
            Err(error) => {
                tracing::warn!(%error, "a transfer is not kept");
                self.journal.trouble(format!("not kept, so that it cannot go on after a break: {error}"));
                return Box::pin(work(Context { pace, ..cx.clone() })).await;
            }
        };
        let TransferRecord { id, from, to, rate, hours, .. } = taken.record();
        // One that is taken up keeps its own limits, where no others are said.
        let pace = cx.pace.or(rate, hours).and(&self.pace);
        cx.progress.kept_as(&id);
        let own = Context {
            cancel: cx.cancel.child_token(),
            checkpoints: OptionalCheckpoints(Some(taken.clone())),
            pace,
            ..cx.clone()
        };
        let (done, wish) = watched(&own, &taken, Box::pin(work(own.clone()))).await;
        if wish == Some(Wish::Cancel) && done.is_err() {
            // The person's own context, in which nothing is cancelled.
            self.give_up(&Context { cancel: cx.cancel.clone(), ..Context::default() }, &taken).await?;
            let what = format!("copy {} to {}", taken.record().from, taken.record().to);
            return Err(Error::cancelled(what).hint("nothing of it is left"));
        }
        let mut record = taken.record();
        record.note(&cx.progress.note());
        record.ended(&done);
        if let Err(error) = written(&taken, record).await {
            self.journal.trouble(format!("how the transfer {id} ended was not written: {error}"));
        }
        done.map_err(|error| match error.kind {
            Kind::Cancelled | Kind::Unavailable => {
                let begins_again = self.sources.begins_again(&from, &to).is_some();
                let how = if begins_again { "sends it again" } else { "goes on where it stopped" };
                let go_on = format!("'wharf transfers resume {id}' {how}");
                let hint = if error.hint.is_empty() { go_on } else { format!("{}; {go_on}", error.hint) };
                error.hint(hint)
            }
            _ => error,
        })
    }
}

/// Does the work, while it is written down how far it is, and looked for what somebody wants of it.
async fn watched<T>(
    cx: &Context,
    taken: &Arc<dyn TakenTransfer>,
    work: impl Future<Output = Result<T>>,
) -> (Result<T>, Option<Wish>) {
    let wish = Mutex::new(None);
    let done = tokio::select! {
        biased;
        done = work => done,
        never = looking(cx, taken, &wish) => match never {},
    };
    (done, wish.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Looks again and again what somebody wants of a transfer, and writes down how far it is. A slow disk does not stop the
/// transfer itself.
async fn looking(cx: &Context, taken: &Arc<dyn TakenTransfer>, wish: &Mutex<Option<Wish>>) -> Infallible {
    let (mut asked, mut seen) = (None, cx.progress.note());
    let mut written_at = tokio::time::Instant::now();
    loop {
        tokio::time::sleep(LOOK).await;
        let reading = taken.clone();
        if let Some(wanted) = blocking(move || reading.wish()).await.ok().flatten() {
            *wish.lock().unwrap_or_else(PoisonError::into_inner) = Some(wanted);
            asked.get_or_insert_with(tokio::time::Instant::now);
            match wanted {
                Wish::Pause => taken.pause(),
                Wish::Cancel => cx.cancel.cancel(),
            }
        }
        if asked.is_some_and(|asked| asked.elapsed() > PATIENCE) {
            cx.cancel.cancel();
        }
        let note = cx.progress.note();
        // Where nothing can be locked, what is written again and again is what shows that it runs.
        if note != seen || written_at.elapsed() > ALIVE {
            written_at = tokio::time::Instant::now();
            let mut record = taken.record();
            record.note(&note);
            if let Err(error) = written(taken, record).await {
                tracing::warn!(%error, "how far a transfer is was not written");
            }
            seen = note;
        }
    }
}

async fn written(taken: &Arc<dyn TakenTransfer>, record: TransferRecord) -> Result<()> {
    let taken = taken.clone();
    blocking(move || taken.keep_record(&record)).await.during("write down a transfer")?
}
