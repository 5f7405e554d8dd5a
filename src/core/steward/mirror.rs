//! The site's mirror: one of its stewards goes through the list, at the list's own pause. Which registries are to be left
//! alone is kept in the store with the claim, so that it holds for all stewards and after a restart.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::round::Round;
use crate::{
    base::{
        context::{Context, Progress},
        error::{During, Error, Kind, Result},
        text,
    },
    config::Config,
    portal::{mirror_round::MirrorRound, mirroring::Mirroring, stewardship::Stewardship},
    ports::store::{JobTurn, MIRROR_JOB, Store},
    transfer::mirror::{MirrorList, SHORTEST},
};

/// How long the claim on the mirror lasts unless it is renewed, and how often it is.
const LEASE: Duration = Duration::from_secs(120);
const RENEW: Duration = Duration::from_secs(30);
/// The longest pause between two rounds, in seconds.
const LONGEST: i64 = 30 * 86_400;

/// Keeps the site's mirror.
pub(super) struct MirrorKeeper {
    config: Arc<Config>,
    store: Arc<dyn Store>,
    mirroring: Arc<Mirroring>,
}

impl MirrorKeeper {
    /// Keeps the mirror that the site's configuration names.
    pub(super) fn new(parts: &Stewardship) -> Self {
        let (config, store, mirroring) = (parts.config.clone(), parts.store.clone(), parts.mirroring.clone());
        Self { config, store, mirroring }
    }

    /// Whether there is a mirror to keep.
    pub(super) fn is_set_up(&self) -> bool {
        self.config.mirror.list.is_some()
    }

    /// Goes through the list where that is due and no other steward does.
    pub(super) async fn round(&self, cx: &Context) -> Result<Round> {
        let Some(file) = &self.config.mirror.list else { return Ok(Round::default()) };
        // A list that cannot be read is told before anything is claimed: another steward may have a good one.
        let list = MirrorList::read(file).await?;
        let Some(kept) = self.store.claim_job(MIRROR_JOB, LEASE).await? else { return Ok(Round::default()) };
        let kept: MirrorRound = serde_json::from_str(&kept).unwrap_or_default();
        self.mirroring.learn(kept.pauses);
        let counted = Mutex::new(MirrorRound::default());
        let own = Context { progress: Progress::silent(), ..cx.clone() };
        let told = |image: &_, result: &_| counted.lock().unwrap_or_else(PoisonError::into_inner).note(image, result);
        tokio::select! {
            _ = Box::pin(self.mirroring.round(&own, &list, &told)) => {}
            lost = self.hold(&counted) => return Err(lost),
        }
        if cx.cancel.is_cancelled() {
            // The claim ends by itself; another steward goes on, or this one after its restart.
            return Ok(Round::default());
        }
        let seconds = self.mirroring.pauses().next_round(list.every, SHORTEST, text::now()).min(LONGEST);
        let again = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
        self.keep(&counted, JobTurn::Done(again)).await?;
        let counted = counted.into_inner().unwrap_or_else(PoisonError::into_inner);
        let failed = counted.failures.into_iter().map(|failure| format!("mirror {failure}")).collect();
        Ok(Round { mirrored: counted.lines.into_iter().collect(), failed, ..Round::default() })
    }

    /// Renews the claim, and keeps how far the round is; returns only when the claim is lost.
    async fn hold(&self, counted: &Mutex<MirrorRound>) -> Error {
        let mut renewed = tokio::time::Instant::now();
        loop {
            tokio::time::sleep(RENEW).await;
            match self.keep(counted, JobTurn::Renewed(LEASE)).await {
                Ok(()) => renewed = tokio::time::Instant::now(),
                // A store that is away may come back before the claim ends.
                Err(error) if error.kind == Kind::Unavailable && renewed.elapsed() < LEASE => {}
                Err(error) => return error,
            }
        }
    }

    async fn keep(&self, counted: &Mutex<MirrorRound>, turn: JobTurn) -> Result<()> {
        let counted = counted.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let notes = MirrorRound { pauses: self.mirroring.pauses(), ..counted };
        let notes = serde_json::to_string(&notes).during("keep how the mirror stands")?;
        self.store.keep_job(MIRROR_JOB, &notes, turn).await
    }
}
