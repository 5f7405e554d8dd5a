//! Signatures over the data of a cloud's image, which are checked once all data is in a file.

use std::path::Path;

use super::Evidence;
use crate::{
    base::{
        badge::Signature,
        context::Context,
        digest::Digest,
        error::{Error, Kind, Result},
    },
    evidence::record::{Outcome, Record, data_check},
    image::reference::ImageRef,
};

impl Evidence {
    /// Checks the signatures over the data of a cloud's image that was downloaded into `file`; fails if one does not
    /// fit.
    pub(in crate::portal) async fn data_fits(&self, cx: &Context, from: &ImageRef, file: &Path) -> Result<()> {
        let what = format!("verify the data of {from}");
        let image = self.sources.image(cx, from, None).await?;
        for checker in &self.checkers {
            cx.progress.phase("comparing signatures");
            let Some(record) = cx.unless_cancelled(&what, checker.check_data(cx, &image, file)).await? else {
                continue;
            };
            let record = Record { check: data_check(checker.name()), ..record };
            if let Err(error) = self.cache.keep_evidence(&record).await {
                tracing::warn!(%error, "the evidence was not kept");
            }
            if matches!(record.outcome, Outcome::Signature { state: Signature::Invalid, .. }) {
                return Err(Error::new(Kind::Integrity, what, format!("its signature FAILED: {}", record.reason))
                    .hint("do not use it; tell its publisher"));
            }
        }
        Ok(())
    }

    /// Downloads all data of a cloud's image into a temporary file, to check the signatures over it.
    pub async fn verify_data(&self, cx: &Context, reference: &ImageRef) -> Result<()> {
        let what = format!("verify the data of {reference}");
        if !matches!(reference, ImageRef::Glance { .. }) {
            return Err(Error::unsupported(what, "only images of clouds are signed over their data"));
        }
        let disks = self.sources.disks(reference, "download from")?;
        let file = self
            .config
            .cache_dir
            .join("moving")
            .join(format!("{}.verify", Digest::of(reference.to_string().as_bytes()).hex()));
        disks.download(cx, reference, &file).await?;
        let checked = self.data_fits(cx, reference, &file).await;
        let _ = tokio::fs::remove_file(&file).await;
        // A signature that does not fit is in the evidence now, and the verdict reports it.
        checked.or_else(|error| if error.kind == Kind::Integrity { Ok(()) } else { Err(error) })
    }
}
