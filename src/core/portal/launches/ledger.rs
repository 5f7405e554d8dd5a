//! The ledger of launches: each is written down before anything is sent, and again when its end is known.

use super::Launches;
use crate::{
    base::{
        blocking::blocking,
        context::Context,
        error::{During, Error, Kind, Result},
        text,
    },
    image::{model::Image, reference::ImageRef},
    launch::{
        ledger::{self, LaunchAgain, LaunchRecord, Outcome},
        plan::{Plan, Workload},
        usage::full_id,
    },
};

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

    /// The launch that made a workload, or the workload of which it is a part.
    ///
    /// # Errors
    /// `NotFound` where Wharf keeps no launch of it.
    pub async fn launch_of(&self, backend: &str, id: &str) -> Result<LaunchRecord> {
        let all = self.kept().await?;
        let launcher = self.launcher(Some(backend), None)?;
        let ids = [Some(id), launcher.whole(id)];
        let found = ids.into_iter().flatten().find_map(|id| ledger::made(&all, &full_id(backend, id)));
        found.cloned().ok_or_else(|| {
            Error::not_found(
                format!("launch {} again", full_id(backend, id)),
                "it was not launched with Wharf by you here, or long ago",
            )
            .hint("launch its image: 1 lists the images")
        })
    }

    /// What is needed to launch something again: the same image, and what has become of its tag.
    ///
    /// # Errors
    /// Those of [`image_again`](Self::image_again).
    pub async fn again(&self, cx: &Context, record: LaunchRecord) -> Result<LaunchAgain> {
        let (image, tag) = tokio::join!(self.image_again(cx, &record, false), self.tag_today(cx, &record));
        Ok(LaunchAgain { image: image?, tag, record })
    }

    /// What the tag of a launch means today in words, where that is another image or cannot be told; `None` where it is the
    /// same, or there was none.
    pub async fn tag_today(&self, cx: &Context, record: &LaunchRecord) -> Option<String> {
        let then = &record.plan.image;
        let tag = then.reference.tag().filter(|_| then.reference.digest().is_some())?;
        let latest = then.reference.with_tag(tag);
        match self.sources.image(cx, &latest, then.platform.as_ref()).await {
            Ok(image) => ledger::tag_moved(tag, then, image.pinned.as_ref()),
            Err(error) if error.kind == Kind::NotFound => Some(format!("the tag {tag} is not there any more")),
            Err(error) => Some(format!("what the tag {tag} means today is unknown: {}", error.why)),
        }
    }

    /// The launches of which nobody knows whether they made a workload. Carried out again, their plans find what was made,
    /// or make it.
    pub async fn unanswered(&self) -> Vec<LaunchRecord> {
        let all = self.kept().await.unwrap_or_default();
        let now = text::now();
        let is_lost = |one: &&LaunchRecord| one.is_lost(now) && now.saturating_sub(one.began) < LATE;
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
            (true, None, _) => Err(Error::usage(
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
    pub async fn image_again(&self, cx: &Context, record: &LaunchRecord, latest: bool) -> Result<Image> {
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
