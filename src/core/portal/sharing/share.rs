//! The ways to share an image: a copy inside a registry, a grant, publishing to everybody, or a copy into another
//! cloud. Each is planned first: the steps, the cost, the rights that it needs, and what the receiver must do.

use std::sync::Arc;

use super::{
    Sharing,
    shared::{CopyResult, ShareResult},
};
use crate::{
    base::{
        context::Context,
        error::{Error, Result},
        text,
    },
    image::{
        model::Platform,
        reference::{ImageRef, Name},
    },
    portal::{
        journal::OpenEntry,
        sources::{Source, in_cloud},
    },
    ports::{
        Sharer, cannot,
        store::UseKind,
        transfer_record::{KeptShare, TransferRecord},
    },
    sharing::{
        naming::CopyName,
        offer::SharePlan,
        receiver::{Receiver, Terms, in_registry},
    },
    transfer::copy::{self, Options},
};

impl Sharing {
    /// Where a share of `reference` with `project` goes: the same registry, or `host/project` of another one; under its
    /// own name, or under `named`.
    pub fn destination(reference: &ImageRef, project: &str, named: Option<&CopyName>) -> Result<ImageRef> {
        let what = format!("share {reference} to '{project}'");
        let ImageRef::Oci(name) = reference else {
            return Err(Error::unsupported(what, "only images in registries and clouds are shared into projects")
                .hint("copy it to a registry first: wharf copy"));
        };
        let (host, path) = in_registry(project).unwrap_or((name.host.as_str(), project));
        let to = Name {
            host: host.to_owned(),
            repository: format!(
                "{}/{}",
                path.trim_matches('/'),
                named.map_or_else(|| name.base(), |named| named.path.as_str())
            ),
            tag: named.and_then(|named| named.tag.clone()).or_else(|| name.tag.clone()),
            digest: None,
        };
        // Parsing it checks the grammar of references.
        let to: ImageRef = format!("oci://{to}").parse().map_err(|error: Error| error.during(&what))?;
        if to.name().map(|to| (&to.host, &to.repository)) == Some((&name.host, &name.repository)) {
            return Err(Error::usage(what, "it is in that project already"));
        }
        Ok(to)
    }

    /// The other cloud in `CLOUD/PROJECT`, and the project there; an empty project means the person's own.
    fn elsewhere<'a>(&self, reference: &ImageRef, project: &'a str) -> Option<(&Source, &'a str)> {
        let (cloud, project) = project.split_once('/')?;
        let there = self.sources.all().iter().find(|source| source.name == cloud)?;
        let other = there.sharer.is_some() && there.disks.is_some() && !there.catalog.owns(reference);
        other.then_some((there, project))
    }

    /// What to know before a share moves bytes, where their place cannot go on after a break. Contacts nobody.
    pub fn begins_again(&self, reference: &ImageRef, to: &Receiver) -> Option<String> {
        let Receiver::Project(project) = to else { return None };
        let (there, _) = self.elsewhere(reference, project)?;
        self.sources.begins_again(reference, &in_cloud(&there.name))
    }

    /// How a share would be made: of one platform, or of all. Changes nothing.
    pub async fn share_plan(
        &self,
        cx: &Context,
        reference: &ImageRef,
        platform: Option<&Platform>,
        to: &Receiver,
        terms: &Terms,
    ) -> Result<SharePlan> {
        if to.is_person() {
            return self.person_plan(cx, reference, platform, (to, terms.until)).await;
        }
        let mut plan = self.plan_as_fits(cx, reference, platform, (to, terms.named.as_ref())).await?;
        if let Some(end) = terms.ends {
            let end = text::timestamp(end);
            plan.steps.push(if self.takes_back(reference, to) {
                format!("note its end, {end}: 'wharf shared --take-back-ended' takes it back then")
            } else {
                "note no end: it is a copy in your own project there".to_owned()
            });
        }
        Ok(plan)
    }

    /// Whether what is shared so can be taken back when it ends.
    fn takes_back(&self, reference: &ImageRef, to: &Receiver) -> bool {
        let Receiver::Project(project) = to else { return true };
        self.elsewhere(reference, project).is_none_or(|(_, project)| !project.is_empty())
    }

    /// Whether `project` is in another cloud than the image.
    pub(super) fn is_elsewhere(&self, reference: &ImageRef, project: &str) -> bool {
        self.elsewhere(reference, project).is_some()
    }

    /// Where a share with `to` makes a copy in a registry; `None` where it makes none.
    pub(super) async fn copy_place(
        &self,
        cx: &Context,
        reference: &ImageRef,
        to: &Receiver,
        named: Option<&CopyName>,
    ) -> Option<ImageRef> {
        let Receiver::Project(project) = to else { return None };
        if !self.shares_by_grant(reference) {
            return Self::destination(reference, project, named).ok();
        }
        self.place_in_registry(cx, reference, project).await.ok().flatten().map(|(copy, _)| copy)
    }

    async fn plan_as_fits(
        &self,
        cx: &Context,
        reference: &ImageRef,
        platform: Option<&Platform>,
        (to, named): (&Receiver, Option<&CopyName>),
    ) -> Result<SharePlan> {
        let what = format!("plan a share of {reference}");
        let Ok(sharer) = self.sources.sharer(reference) else {
            return self.copy_plan(cx, reference, platform, to, named).await;
        };
        keeps_its_name(&what, named)?;
        if let Receiver::Project(project) = to {
            if let Some((there, project)) = self.elsewhere(reference, project) {
                return self.elsewhere_plan(cx, reference, there, project).await;
            }
            if let Some(to) = self.place_in_registry(cx, reference, project).await? {
                return self.registry_plan(cx, reference, &to).await;
            }
        }
        cx.run(&what, sharer.plan(cx, reference, to)).await
    }

    async fn copy_plan(
        &self,
        cx: &Context,
        reference: &ImageRef,
        platform: Option<&Platform>,
        to: &Receiver,
        named: Option<&CopyName>,
    ) -> Result<SharePlan> {
        let Receiver::Project(project) = to else { return Err(not_in_registries(reference, to)) };
        let destination = Self::destination(reference, project, named)?;
        let image = self.sources.image(cx, reference, platform).await?;
        self.may_push(cx, &destination).await?;
        let inside = destination.name().map(|name| &name.host) == reference.name().map(|name| &name.host);
        let digest = image.pinned.as_ref().map_or("the manifest", |pinned| pinned.digest.short());
        Ok(SharePlan {
            steps: vec![
                format!(
                    "{} its blobs {} {destination}",
                    if inside { "mount" } else { "copy" },
                    if inside { "in" } else { "to" }
                ),
                format!("write {digest} and what is attached to it there"),
            ],
            cost: if inside {
                "no bytes move".into()
            } else {
                format!("{} move through this machine", text::size(image.size))
            },
            rights: format!("to push to {}", destination.name().map_or("", |name| name.repository.as_str())),
            receiver: "sees it in its list at once".into(),
        })
    }

    async fn elsewhere_plan(
        &self,
        cx: &Context,
        reference: &ImageRef,
        there: &Source,
        project: &str,
    ) -> Result<SharePlan> {
        let image = self.sources.image(cx, reference, None).await?;
        let size = text::size(image.size);
        let here = self.sources.source(reference)?.name;
        let mut steps = vec![
            format!("download {size} from {here}, and compare its hash"),
            format!("look at its header, and upload it to {}", there.name),
        ];
        steps.extend(self.sources.begins_again(reference, &in_cloud(&there.name)));
        let mut receiver = "finds it in its list";
        if !project.is_empty() {
            steps.push(format!("share it there with {project}"));
            receiver = "accepts it to see it in its list";
        }
        Ok(SharePlan {
            steps,
            cost: format!("{size} move through this machine, twice"),
            rights: format!("to upload images to {}", there.name),
            receiver: receiver.to_owned(),
        })
    }

    /// Shares an image. Repeated, it changes nothing, but a person gets a link again.
    pub async fn share_to(
        &self,
        cx: &Context,
        reference: &ImageRef,
        to: &Receiver,
        terms: &Terms,
        options: &Options,
    ) -> Result<ShareResult> {
        if to.is_person() {
            return self.send_to_person(cx, reference, options, (to, terms.until)).await;
        }
        let share = KeptShare::new(reference, to, terms);
        self.share_kept(cx, reference, (&share, to, terms), options).await
    }

    /// Shares what a transfer that goes on was for: its bytes come, and then the grant, where it needs one.
    ///
    /// # Errors
    /// Those of [`share_to`](Self::share_to).
    pub(in crate::portal) async fn resume(
        &self,
        cx: &Context,
        record: &TransferRecord,
        share: &KeptShare,
    ) -> Result<ShareResult> {
        let (to, terms) = share.terms()?;
        self.share_kept(cx, &record.shared_image(share), (share, &to, &terms), &record.options()).await
    }

    /// Shares `image`, which the person named as the share says, and writes that down.
    async fn share_kept(
        &self,
        cx: &Context,
        image: &ImageRef,
        (share, to, terms): (&KeptShare, &Receiver, &Terms),
        options: &Options,
    ) -> Result<ShareResult> {
        let (reference, named) = (&share.reference, terms.named.as_ref());
        let entry = self.journal.open_entry("share", format!("{reference} with {}", share.receiver_in_words()));
        let before = self.had_before(cx, share, (to, named)).await?;
        let sharing = self.share_as_fits(cx, &entry, (image, share), (to, named), options);
        let shared = self.journal.recorded_as(&entry, sharing).await?;
        self.note_end(share, &shared, &before).await;
        if let Some(digest) = entry.digest() {
            self.uses.remember(UseKind::Supplied, &reference.with_digest(&digest), &digest, &to.to_string()).await;
        }
        Ok(shared)
    }

    /// Shares in the way that fits the image and its receiver.
    async fn share_as_fits(
        &self,
        cx: &Context,
        entry: &OpenEntry,
        (reference, share): (&ImageRef, &KeptShare),
        (to, named): (&Receiver, Option<&CopyName>),
        options: &Options,
    ) -> Result<ShareResult> {
        // A volume is no image yet: it has no digest to judge.
        let is_image = !matches!(reference, ImageRef::Volume { .. });
        let pinned = if is_image {
            self.evidence.admit_copy(cx, entry, (reference, reference), options).await?
        } else {
            reference.clone()
        };
        let Ok(sharer) = self.sources.sharer(reference) else {
            let Receiver::Project(project) = to else { return Err(not_in_registries(reference, to)) };
            // The pinned image that was judged is shared, whatever the tag means by now.
            let copying = self.copy_into(cx, (reference, &pinned), (project, named), (share, options));
            return copying.await.map(ShareResult::Shared);
        };
        keeps_its_name(&format!("share {reference} to '{to}'"), named)?;
        if let Receiver::Project(project) = to {
            if let Some((there, project)) = self.elsewhere(reference, project) {
                return self.share_elsewhere(cx, reference, &sharer, (there, project), (share, options)).await;
            }
            if let Some((to, _)) = self.place_in_registry(cx, reference, project).await? {
                return self.copy_into_registry(cx, (reference, &pinned), &to, (share, options)).await;
            }
        }
        let what = format!("share {reference} to '{to}'");
        cx.unless_cancelled(&what, sharer.share(cx, reference, to)).await.map(ShareResult::Share)
    }

    /// Copies an image by digest into a project of a registry.
    async fn copy_into(
        &self,
        cx: &Context,
        (reference, pinned): (&ImageRef, &ImageRef),
        (project, named): (&str, Option<&CopyName>),
        (share, options): (&KeptShare, &Options),
    ) -> Result<CopyResult> {
        let to = Self::destination(reference, project, named)?;
        let wanted = TransferRecord::new(pinned, &to, options, self.journal.person()).of_share(share);
        let (from, there) = (self.sources.place(pinned)?, self.sources.place(&to)?);
        let copying = self.kept.carried_out(cx, wanted, async |cx| copy::copy(&cx, &from, &there, options).await);
        let outcome = copying.await?;
        Ok(CopyResult { project: project.to_owned(), destination: to.to_string(), outcome })
    }

    /// Makes an image of a workload as it is now, and shares it. After a crash or a broken connection, a call with the
    /// same name continues it. Each receiver has its own result.
    pub async fn snapshot(
        &self,
        cx: &Context,
        backend: &str,
        id: &str,
        name: &str,
        to: &[Receiver],
    ) -> Result<(ImageRef, Vec<Result<ShareResult>>)> {
        let image = self.launches.snapshot(cx, backend, id, name).await?;
        let mut results = Vec::new();
        for receiver in to {
            cx.progress.phase(format!("sharing it with {receiver}"));
            results.push(self.share_to(cx, &image, receiver, &Terms::default(), &Options::default()).await);
        }
        Ok((image, results))
    }

    /// Copies an image into another cloud, and grants it there where a project is named. The transfer is done when both
    /// are, so that a break in between leaves a share that can go on.
    async fn share_elsewhere(
        &self,
        cx: &Context,
        reference: &ImageRef,
        sharer: &Arc<dyn Sharer>,
        (there, project): (&Source, &str),
        (share, options): (&KeptShare, &Options),
    ) -> Result<ShareResult> {
        let what = format!("share {reference} to '{}/{project}'", there.name);
        let from = cx.unless_cancelled(&what, sharer.image_to_share(cx, reference)).await?;
        let image = self.sources.image(cx, &from, None).await?;
        let name = image.annotations.get("name").cloned().unwrap_or_else(|| from.title());
        let to = ImageRef::Glance { cloud: there.name.clone(), image: name };
        let theirs = there.sharer.as_ref().ok_or_else(|| cannot(&there.name, "share from"))?;
        // Of the options, only the reason means something to a whole disk.
        let options = Options { because: options.because.clone(), ..Options::default() };
        let wanted = TransferRecord::new(&from, &to, &options, self.journal.person()).of_share(share);
        let sharing = self.kept.carried_out(cx, wanted, async |cx| {
            let cx = &cx;
            let (reference, outcome) = self.disks.through_a_file(cx, (&from, None), &to, false).await?;
            let own = cx.run(&what, theirs.own(cx)).await?;
            let share = if project.is_empty() || own.name == project || own.id == project {
                None
            } else {
                let receiver = Receiver::Project(project.to_owned());
                Some(cx.run(&what, theirs.share(cx, &reference, &receiver)).await?)
            };
            Ok(ShareResult::Elsewhere { reference, outcome, share })
        });
        sharing.await
    }
}

/// Fails if another name is wished where the image itself is shared, and no copy.
fn keeps_its_name(what: &str, named: Option<&CopyName>) -> Result<()> {
    match named {
        Some(_) => {
            Err(Error::usage(what, "the image itself is shared, so it keeps its name").hint("leave the name as it is"))
        }
        None => Ok(()),
    }
}

fn not_in_registries(reference: &ImageRef, to: &Receiver) -> Error {
    Error::unsupported(format!("share {reference} to '{to}'"), "registries decide by project who may see an image")
        .hint("share it into a project that everybody may see")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_keeps_the_last_part_of_the_name_and_the_tag() {
        let share = |reference: &str, project: &str| {
            Sharing::destination(&reference.parse().unwrap(), project, None).map(|to| to.to_string())
        };
        assert_eq!(share("r.example/physics/gromacs:1", "biology").unwrap(), "oci://r.example/biology/gromacs:1");
        assert_eq!(
            share("r.example/physics/gromacs:1", "other.example:5000/deep/path").unwrap(),
            "oci://other.example:5000/deep/path/gromacs:1"
        );
        assert!(share("r.example/physics/gromacs:1", "physics").is_err());
        assert!(share("r.example/physics/gromacs:1", "../etc").is_err());
        assert!(share("file:/tmp/x", "physics").is_err());
    }

    #[test]
    fn a_copy_gets_the_name_that_was_wished_and_the_images_tag_where_none_was() {
        let share = |project: &str, named: &str| {
            let named: CopyName = named.parse().unwrap();
            let from = "r.example/physics/gromacs:1".parse().unwrap();
            Sharing::destination(&from, project, Some(&named)).map(|to| to.to_string())
        };
        assert_eq!(share("biology", "md/gmx:ours").unwrap(), "oci://r.example/biology/md/gmx:ours");
        assert_eq!(share("biology", "gmx").unwrap(), "oci://r.example/biology/gmx:1");
        assert_eq!(share("physics", "gmx").unwrap(), "oci://r.example/physics/gmx:1", "beside it, under another name");
        assert!(share("physics", "gromacs:2").is_err(), "that is another tag, and no share");
    }

    #[test]
    fn everybody_is_a_word_that_no_project_has_by_accident() {
        for receiver in [Receiver::Community, Receiver::Public, Receiver::Project("community".into())] {
            assert_eq!(Receiver::from(receiver.to_string().as_str()), receiver);
        }
    }
}
