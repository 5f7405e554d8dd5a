//! Sharing a cloud's image into a project of a registry: it becomes a disk image there, as a copy.

use super::{Sharing, shared::ShareResult};
use crate::{
    base::{
        context::Context,
        error::{Error, Kind, Result},
        text,
    },
    image::{names, reference::ImageRef},
    ports::transfer_record::{KeptShare, TransferRecord},
    sharing::{offer::SharePlan, receiver::in_registry},
    transfer::copy::Options,
};

impl Sharing {
    /// Where a cloud's image goes that is shared with `HOST/PROJECT`; `None` for other images and receivers.
    ///
    /// # Errors
    /// Those of reading the image, and of names that no registry has.
    pub(super) async fn place_in_registry(
        &self,
        cx: &Context,
        reference: &ImageRef,
        project: &str,
    ) -> Result<Option<(ImageRef, u64)>> {
        let (ImageRef::Glance { .. }, Some((host, path))) = (reference, in_registry(project)) else { return Ok(None) };
        let image = self.sources.image(cx, reference, None).await?;
        let name = image.annotations.get("name").cloned().unwrap_or_else(|| reference.title());
        let to = format!("oci://{host}/{}/{}:latest", path.trim_matches('/'), names::as_repository(&name));
        let what = format!("share {reference} to '{project}'");
        let to = to.parse().map_err(|error: Error| error.during(what))?;
        Ok(Some((to, image.size)))
    }

    /// Tries whether this person may push there, and leaves nothing: a plan that cannot be carried out is none.
    ///
    /// # Errors
    /// `NotAllowed` where they may not, and those of reaching the registry.
    pub(super) async fn may_push(&self, cx: &Context, to: &ImageRef) -> Result<()> {
        let place = self.sources.place(to)?;
        match cx.run(&format!("push to {to}"), place.content.may_write(cx, to)).await {
            Err(error) if error.kind == Kind::Unsupported => Ok(()),
            tried => tried,
        }
    }

    /// How such a copy would be made.
    pub(super) async fn registry_plan(
        &self,
        cx: &Context,
        reference: &ImageRef,
        (to, size): &(ImageRef, u64),
    ) -> Result<SharePlan> {
        let size = text::size(*size);
        self.may_push(cx, to).await?;
        let place = self.sources.place(to)?;
        let before = match cx.run("look what is there", place.content.digest(cx, to)).await {
            Ok(digest) => format!(", which means {} until then", digest.short()),
            Err(error) if error.kind == Kind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        Ok(SharePlan {
            steps: vec![
                format!("download {size} from {}, and compare its hash", self.sources.source(reference)?.name),
                format!("look at its header, and put it into {to}{before}"),
            ],
            cost: format!("{size} move through this machine, twice"),
            rights: format!("to push to {}", to.name().map_or("", |name| name.repository.as_str())),
            receiver: "sees it in its list at once".into(),
        })
    }

    /// Makes such a copy.
    pub(super) async fn copy_into_registry(
        &self,
        cx: &Context,
        (from, pinned): (&ImageRef, &ImageRef),
        to: &ImageRef,
        (share, options): (&KeptShare, &Options),
    ) -> Result<ShareResult> {
        let from = if matches!(pinned, ImageRef::Glance { .. }) { pinned } else { from };
        let wanted = TransferRecord::new(from, to, options, self.journal.person()).of_share(share);
        let moving = self.kept.carried_out(cx, wanted, async |cx| {
            self.disks.through_a_file(&cx, (from, None), to, options.as_file).await
        });
        let (reference, outcome) = moving.await?;
        Ok(ShareResult::Elsewhere { reference, outcome, share: None })
    }
}
