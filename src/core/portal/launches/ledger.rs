//! The ledger of launches: each is written down before anything is sent, and again when its end is known.

use super::Launches;
use crate::{
    base::{
        blocking::blocking,
        error::{During, Result},
        text,
    },
    image::{model::Image, reference::ImageRef},
    launch::{
        ledger::{self, LaunchRecord, Outcome},
        plan::{Plan, Workload},
    },
};

/// After how many seconds a launch without an answer is told of: most have one sooner.
const SOON: i64 = 60;
/// For how many seconds it is told of: whoever still wants it has launched it again by then.
const LATE: i64 = 2 * 24 * 3600;

impl Launches {
    /// The launches that are kept, the newest first.
    ///
    /// # Errors
    /// Where the ledger cannot be read.
    pub async fn kept(&self) -> Result<Vec<LaunchRecord>> {
        let ledger = self.ledger.clone();
        blocking(move || ledger.all()).await.during("read the ledger of launches")?
    }

    /// The launch that `id` means: its key, which may be cut short, or the workload that it made.
    ///
    /// # Errors
    /// `NotFound` where none is meant, `Usage` where several are.
    pub async fn kept_launch(&self, id: &str) -> Result<LaunchRecord> {
        ledger::meant(&self.kept().await?, id).cloned()
    }

    /// The launches of which nobody knows whether they made a workload. Carried out again, their plans find what was made,
    /// or make it.
    pub async fn unanswered(&self) -> Vec<LaunchRecord> {
        let all = self.kept().await.unwrap_or_default();
        let now = text::now();
        let is_lost = |one: &&LaunchRecord| one.is_open() && (SOON..LATE).contains(&now.saturating_sub(one.began));
        all.iter().filter(is_lost).cloned().collect()
    }

    /// The reference of a launch to be made again: the same digest, or with `latest` what its tag means today.
    ///
    /// # Errors
    /// `Usage` with `latest`, where it was launched without a tag.
    pub fn reference_again(record: &LaunchRecord, latest: bool) -> Result<ImageRef> {
        let reference = &record.plan.image.reference;
        match (latest, reference.tag(), reference) {
            (false, ..) | (true, None, ImageRef::Glance { .. }) => Ok(reference.clone()),
            (true, Some(tag), _) => Ok(reference.with_tag(tag)),
            (true, None, _) => Err(crate::base::error::Error::usage(
                format!("find the latest of {reference}"),
                "it was launched by its digest, without a tag",
            )
            .hint("leave --latest out, or name the image with a tag")),
        }
    }

    /// The image of a launch to be made again, for the same platform.
    ///
    /// # Errors
    /// Those of [`reference_again`](Self::reference_again), and of its source.
    pub async fn image_again(
        &self,
        cx: &crate::base::context::Context,
        record: &LaunchRecord,
        latest: bool,
    ) -> Result<Image> {
        let reference = Self::reference_again(record, latest)?;
        let image = self.sources.image(cx, &reference, record.plan.image.platform.as_ref()).await?;
        if latest || reference.digest().is_some() {
            return Ok(image);
        }
        // A file is named without its digest: it may be another one by now.
        let image = self.evidence.pinned(cx, image).await?;
        if let Some(now) = &image.pinned {
            let what = format!("launch {reference} again");
            let same = record.plan.image.digest.matches(&now.digest, &what);
            same.map_err(|error| error.hint("it was changed since: launch it with --latest, if that is right"))?;
        }
        Ok(image)
    }

    /// Writes down that a launch begins. What cannot be written becomes a trouble: the launch goes on.
    pub(super) async fn begun(&self, plan: &Plan, verdict: &str) -> LaunchRecord {
        let record = LaunchRecord::new(plan, self.journal.person(), verdict);
        self.write_down(record.clone()).await;
        record
    }

    /// Writes down how it ended.
    pub(super) async fn ended(&self, record: LaunchRecord, launched: &Result<Workload>) {
        self.write_down(LaunchRecord { outcome: Outcome::of(launched), ..record }).await;
    }

    async fn write_down(&self, record: LaunchRecord) {
        let (ledger, key) = (self.ledger.clone(), record.key().to_owned());
        let written = blocking(move || ledger.keep(&record)).await.during("write the ledger");
        if let Err(error) = written.and_then(|written| written) {
            tracing::warn!(%error, "a launch was not written down");
            self.journal.trouble(format!("not in the ledger: launch {key}: {error}"));
        }
    }
}
