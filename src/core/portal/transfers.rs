//! Copying images between any two sources: judged first, recorded in the audit, and reported to the site's store.

use std::sync::Arc;

use super::{disks::DiskImages, evidence::Evidence, journal::Journal, sources::Sources, uses::Uses};
use crate::{
    base::{
        clean,
        context::Context,
        error::{Error, Result},
    },
    image::reference::ImageRef,
    ports::{content::Outcome, disks::Import, store::UseKind},
    transfer::copy::{self, Options},
};

/// Copies images from one source to another.
pub struct Transfers {
    sources: Arc<Sources>,
    evidence: Arc<Evidence>,
    disks: Arc<DiskImages>,
    uses: Arc<Uses>,
    journal: Arc<Journal>,
}

impl Transfers {
    /// Copies between these sources, gated by the policy.
    pub(super) fn new(
        sources: Arc<Sources>,
        evidence: Arc<Evidence>,
        disks: Arc<DiskImages>,
        uses: Arc<Uses>,
        journal: Arc<Journal>,
    ) -> Self {
        Self { sources, evidence, disks, uses, journal }
    }

    /// Whether a copy between these references is one of a disk image.
    pub fn moves_disk(from: &ImageRef, to: &ImageRef) -> bool {
        DiskImages::are_meant(from, to)
    }

    /// Copies an image between any two sources.
    ///
    /// # Errors
    /// Those of reading and writing, and of the gate if the policy holds the image back.
    pub async fn copy(&self, cx: &Context, from: &ImageRef, to: &ImageRef, options: &Options) -> Result<Outcome> {
        // Places that cannot do this are told before the policy is asked.
        if !Self::moves_disk(from, to) {
            self.sources.place(from)?;
            self.sources.place(to)?;
        }
        let entry = self.journal.open_entry("copy", format!("{from} to {to}"));
        let copying = async {
            // A place that is not known here is refused before anything is judged.
            self.sources.source(to)?;
            cx.progress.phase("asking the policy");
            let pinned = self.evidence.admit_copy(cx, &entry, from, options).await?;
            if Self::moves_disk(from, to) {
                return self.disks.copy(cx, &pinned, to).await.map(|(_, outcome)| outcome);
            }
            copy::copy(cx, &self.sources.place(&pinned)?, &self.sources.place(to)?, options).await
        };
        let outcome = self.journal.recorded_as(&entry, copying).await?;
        // A copy into a registry or a cloud supplies it to others; any other copy is a download.
        let (how, named) = match to {
            ImageRef::Oci(_) | ImageRef::Glance { .. } => (UseKind::Supplied, to),
            _ => (UseKind::Downloaded, from),
        };
        self.uses.remember(how, &named.with_digest(&outcome.digest), &outcome.digest, &to.to_string()).await;
        Ok(outcome)
    }

    /// Makes a cloud fetch a disk image from the web: the bytes do not pass through this machine.
    pub async fn import(&self, cx: &Context, url: &str, to: &ImageRef) -> Result<Outcome> {
        let subject = format!("{} into {to}", clean::short(url, 200));
        let what = format!("import {subject}");
        let ImageRef::Glance { image: name, .. } = to else {
            return Err(Error::unsupported(what, "only clouds fetch from the web by themselves")
                .hint("download it, then push the file"));
        };
        let authority = url.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or("");
        if authority.is_empty() || authority.contains('@') {
            return Err(Error::usage(what, "a URL with a host, and without an account or password, is needed")
                .hint("what needs a password is downloaded first, then pushed as a file"));
        }
        let disks = self.sources.disks(to, "import into")?;
        let import = Import { name: name.clone(), url: url.to_owned() };
        let importing = disks.import(cx, &import);
        let (_, outcome) = self.journal.recorded(self.journal.entry("import", subject), importing).await?;
        Ok(outcome)
    }
}
