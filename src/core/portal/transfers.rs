//! Copying images between any two sources: judged first, recorded in the audit, and reported to the site's store.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{mpsc, oneshot, watch};

use super::{
    disks::DiskImages, evidence::Evidence, journal::Journal, kept_transfers::KeptTransfers, sources::Sources,
    uses::Uses,
};
use crate::{
    base::{
        clean,
        context::{Context, Note, Progress},
        digest::Digest,
        error::{During, Error, Kind, Result},
    },
    image::{
        lineage::{DiskNeeds, made_from},
        model::{Image, ImageKind, Platform},
        names,
        reference::ImageRef,
    },
    ports::{
        KnownAttachments, Launcher, Supply, content::Outcome, disks::Import, store::UseKind,
        transfer_record::TransferRecord,
    },
    transfer::copy::{self, CopyEnd, Destination, Options},
};

/// Copies images from one source to another.
pub struct Transfers {
    sources: Arc<Sources>,
    evidence: Arc<Evidence>,
    disks: Arc<DiskImages>,
    /// What makes SIF files of container images, if something here does.
    sif_maker: Option<Arc<dyn Launcher>>,
    kept: Arc<KeptTransfers>,
    uses: Arc<Uses>,
    journal: Arc<Journal>,
}

/// How often the progress of several copies is shown.
const SHOWN: Duration = Duration::from_millis(200);

/// A destination that was admitted, and waits until all are.
struct Waiting {
    cx: Context,
    from: CopyEnd,
    to: CopyEnd,
    answer: Mutex<Option<oneshot::Sender<Result<Outcome>>>>,
}

impl Waiting {
    /// Whoever waited may have been cancelled.
    fn answer(&self, result: Result<Outcome>) {
        if let Some(answer) = self.answer.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = answer.send(result);
        }
    }
}

/// Moves the bytes to all destinations that were admitted; each hears of its own result as soon as it is known.
async fn moved_to_all(cx: &Context, mut waiting: mpsc::UnboundedReceiver<Waiting>, options: &Options) {
    let mut all: Vec<Arc<Waiting>> = Vec::new();
    while let Some(one) = waiting.recv().await {
        let first = all.first().map(|first| first.from.at.clone());
        // A tag may have moved between: nobody gets the image that was judged for somebody else.
        if first.is_some_and(|first| first != one.from.at) {
            let why = "its tag has moved while it was judged";
            one.answer(Err(Error::new(Kind::Integrity, format!("copy {}", one.from.at), why).hint("copy it again")));
            continue;
        }
        all.push(Arc::new(one));
    }
    let Some(from) = all.first().map(|first| first.from.clone()) else { return };
    let destination = |one: Arc<Waiting>| {
        let (cx, to) = (one.cx.clone(), one.to.clone());
        Destination { cx, to, told: Some(Box::new(move |result| one.answer(result.clone()))) }
    };
    let destinations: Vec<Destination> = all.into_iter().map(destination).collect();
    copy::copy_to_all(cx, &from, &destinations, options).await;
}

/// Shows how far several copies are together as the progress of one, for as long as they run.
async fn shown_as_one(cx: &Context, notes: Vec<watch::Receiver<Note>>) -> Infallible {
    loop {
        tokio::time::sleep(SHOWN).await;
        let mut all = Note::default();
        for note in &notes {
            let note = note.borrow().clone();
            (all.done, all.spared, all.again) =
                (all.done + note.done, all.spared + note.spared, all.again + note.again);
            all.total = note.total.map(|total| all.total.unwrap_or(0) + total).or(all.total);
            if all.phase.is_empty() {
                all.phase = note.phase;
            }
        }
        cx.progress.show(all);
    }
}

/// A path from the root: whoever goes on with a transfer may be in another folder.
fn from_root(reference: &ImageRef) -> Result<ImageRef> {
    let ImageRef::File { path, tag, digest } = reference else { return Ok(reference.clone()) };
    let path = std::path::absolute(path).during(format!("find {path}"))?.display().to_string();
    Ok(ImageRef::File { path, tag: tag.clone(), digest: digest.clone() })
}

/// What moves and judges images, what makes SIF files of them if something here does, and the list of transfers.
pub(super) type Moving = (Arc<Evidence>, Arc<DiskImages>, Option<Arc<dyn Launcher>>, Arc<KeptTransfers>);

/// Where a SIF file shall be written, if this is the destination.
fn sif_file(to: &ImageRef) -> Option<&Path> {
    let ImageRef::File { path, .. } = to else { return None };
    Some(Path::new(path)).filter(|path| path.extension().is_some_and(|ending| ending == "sif"))
}

/// Whether the disk in an image shall be written as a file of its own.
fn is_disk_file(to: &ImageRef) -> bool {
    matches!(to, ImageRef::File { path, .. } if names::is_disk_file(Path::new(path)))
}

/// The platform of what is one file; all of them were judged, and there is one at most.
fn only_platform(options: &Options) -> Option<&Platform> {
    options.platforms.as_ref().and_then(|platforms| platforms.first())
}

/// Refuses several platforms where one file is made, which has one.
///
/// # Errors
/// `Usage` where several are wanted.
fn refuse_several(from: &ImageRef, to: &ImageRef, options: &Options) -> Result<()> {
    let several = options.platforms.as_ref().is_some_and(|platforms| platforms.len() > 1);
    let is_one = DiskImages::are_meant(from, to) || sif_file(to).is_some() || is_disk_file(to);
    if !several || !is_one {
        return Ok(());
    }
    Err(Error::usage(format!("copy {from} to {to}"), "a disk, or a SIF file, is of one platform only")
        .hint("name one platform, and copy each under a name of its own"))
}

impl Transfers {
    /// Copies between these sources, gated by the policy.
    pub(super) fn new(
        sources: Arc<Sources>,
        (evidence, disks, sif_maker, kept): Moving,
        uses: Arc<Uses>,
        journal: Arc<Journal>,
    ) -> Self {
        Self { sources, evidence, disks, sif_maker, kept, uses, journal }
    }

    /// Whether a copy between these references is one of a disk image.
    pub fn moves_disk(from: &ImageRef, to: &ImageRef) -> bool {
        DiskImages::are_meant(from, to)
    }

    /// Copies an image between any two sources. A container image becomes a SIF file where the destination is one.
    ///
    /// # Errors
    /// Those of reading and writing, and of the gate if the policy holds the image back.
    pub async fn copy(&self, cx: &Context, from: &ImageRef, to: &ImageRef, options: &Options) -> Result<Outcome> {
        Box::pin(self.copy_with(cx, from, to, options, None)).await
    }

    /// Copies an image to several destinations at once, and reads each byte once. Each has its own result, in their order.
    /// A destination that is a file of another kind (a disk, a SIF) is written on its own.
    pub async fn copy_to_all(
        &self,
        cx: &Context,
        from: &ImageRef,
        to: &[ImageRef],
        options: &Options,
    ) -> Vec<Result<Outcome>> {
        let (ready, waiting) = mpsc::unbounded_channel();
        let (contexts, notes): (Vec<Context>, Vec<_>) = to
            .iter()
            .map(|_| {
                let (progress, notes) = Progress::channel();
                (Context { progress, ..cx.clone() }, notes)
            })
            .unzip();
        let copies: Vec<_> = to
            .iter()
            .zip(&contexts)
            .map(|(to, cx)| {
                let together = (!Self::is_written_alone(from, to)).then(|| ready.clone());
                async move { Box::pin(self.copy_with(cx, from, to, options, together)).await }
            })
            .collect();
        drop(ready);
        // The bytes are read for all of them: no faster than this person and the site want it.
        let reading = Context { pace: self.kept.pace(cx), ..cx.clone() };
        let all =
            async { tokio::join!(futures_util::future::join_all(copies), moved_to_all(&reading, waiting, options)).0 };
        tokio::select! {
            results = all => results,
            never = shown_as_one(cx, notes) => match never {},
        }
    }

    /// Whether a destination is written in a way of its own, and not as the blobs of an image.
    fn is_written_alone(from: &ImageRef, to: &ImageRef) -> bool {
        // A disk file is described in its own copy alone.
        Self::moves_disk(from, to) || sif_file(to).is_some() || is_disk_file(to) || is_disk_file(from)
    }

    async fn copy_with(
        &self,
        cx: &Context,
        from: &ImageRef,
        to: &ImageRef,
        options: &Options,
        together: Option<mpsc::UnboundedSender<Waiting>>,
    ) -> Result<Outcome> {
        let (from, to) = (&from_root(from)?, &from_root(to)?);
        refuse_several(from, to, options)?;
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
            let pinned = self.evidence.admit_copy(cx, &entry, (from, to), options).await?;
            if let Some(file) = sif_file(to) {
                let image = self.sources.image(cx, &pinned, only_platform(options)).await?;
                if image.kind == ImageKind::Container {
                    return self.make_sif(cx, &image, file).await;
                }
            }
            let wanted = TransferRecord::new(&pinned, to, options, self.journal.person());
            let moving = self.kept.carried_out(cx, wanted, async |cx| match together {
                Some(together) => self.moved_together(cx, &pinned, to, together).await,
                None => self.moved(&cx, &pinned, to, options).await,
            });
            Ok((moving.await?, None))
        };
        let (outcome, made_from) = self.journal.recorded_as(&entry, copying).await?;
        // A copy into a registry or a cloud supplies it to others; any other copy is a download.
        let (how, named) = match to {
            ImageRef::Oci(_) | ImageRef::Glance { .. } => (UseKind::Supplied, to),
            _ => (UseKind::Downloaded, from),
        };
        let used = made_from.as_ref().unwrap_or(&outcome.digest);
        self.uses.remember(how, &named.with_digest(used), used, &to.to_string()).await;
        Ok(outcome)
    }

    /// Waits until the bytes have been moved to all destinations together.
    async fn moved_together(
        &self,
        cx: Context,
        pinned: &ImageRef,
        to: &ImageRef,
        together: mpsc::UnboundedSender<Waiting>,
    ) -> Result<Outcome> {
        let what = format!("copy {pinned} to {to}");
        let (answer, result) = oneshot::channel();
        let answer = Mutex::new(Some(answer));
        let one = Waiting { cx, from: self.sources.place(pinned)?, to: self.sources.place(to)?, answer };
        together.send(one).map_err(|_| Error::cancelled(&what))?;
        // The copy begins when nobody else can come any more.
        drop(together);
        result.await.map_err(|_| Error::cancelled(&what))?
    }

    /// Moves the bytes of an image that was judged.
    async fn moved(&self, cx: &Context, pinned: &ImageRef, to: &ImageRef, options: &Options) -> Result<Outcome> {
        if Self::moves_disk(pinned, to) {
            let from = (pinned, only_platform(options));
            return self.disks.copy(cx, from, to, options.as_file).await.map(|(_, outcome)| outcome);
        }
        if is_disk_file(to) && matches!(pinned, ImageRef::Oci(_)) {
            return self.disks.write_file(cx, pinned, to, only_platform(options)).await;
        }
        let (source, there) = (self.sources.place(pinned)?, self.sources.place(to)?);
        if !matches!((pinned, to), (ImageRef::File { .. }, ImageRef::Oci(_))) {
            return copy::copy(cx, &source, &there, options).await;
        }
        // What a disk file needs and is from is written down with it.
        let image = self.sources.image(cx, pinned, None).await?;
        let annotations = match image.kind {
            ImageKind::Vm => DiskNeeds::of(&image, made_from(&image)).annotations(),
            _ => BTreeMap::new(),
        };
        copy::copy(cx, &source, &there, &Options { annotations, ..options.clone() }).await
    }

    /// Makes a SIF file of a container image; gives the digest of that image too.
    async fn make_sif(&self, cx: &Context, image: &Image, to: &Path) -> Result<(Outcome, Option<Digest>)> {
        let what = format!("make a SIF of {}", image.reference);
        let Some(maker) = &self.sif_maker else {
            return Err(Error::unsupported(what, "apptainer, which makes SIF files, is not here")
                .hint("install it, or name a folder or a .tar file"));
        };
        let pinned = image.pinned.clone().ok_or_else(|| Error::unsupported(&what, "the image has no digest"))?;
        let (content, from) = (self.sources.source(&pinned.reference)?.content.clone(), pinned.digest.clone());
        let supply =
            Supply { image: pinned, content, disks: None, credentials: None, known: KnownAttachments::default() };
        let digest = cx.unless_cancelled(&what, maker.make_sif(cx, &supply, to)).await?;
        let left = vec!["signatures and attachments: they are of the container image, not of the new file".to_owned()];
        Ok((Outcome { digest, moved: image.size, spared: 0, attachments: 0, left }, Some(from)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_one_file_is_of_one_platform() {
        let platforms = |all: &[&str]| {
            let platforms = all.iter().map(|one| one.parse().unwrap()).collect();
            Options { platforms: Some(platforms), ..Options::default() }
        };
        let image = ImageRef::oci("r.example", "vm", Some("1".to_owned()));
        let file = |path: &str| ImageRef::File { path: path.into(), tag: None, digest: None };
        let cloud = ImageRef::Glance { cloud: "site".into(), image: "vm".into() };
        let volume = ImageRef::Volume { cloud: "site".into(), volume: "vm".into() };
        let two = platforms(&["linux/amd64", "linux/arm64"]);
        for to in [cloud, volume, file("vm.img"), file("vm.sif")] {
            assert_eq!(refuse_several(&image, &to, &two).unwrap_err().kind, Kind::Usage, "{to}");
            assert!(refuse_several(&image, &to, &platforms(&["linux/arm64"])).is_ok());
        }
        assert!(refuse_several(&image, &file("vm.tar"), &two).is_ok());
    }
}
