//! Copying disk images between files and clouds: inspected before, hashed on the way, compared afterwards.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use async_trait::async_trait;

use super::{evidence::Evidence, sources::Sources};
use crate::{
    base::{
        context::Context,
        error::{Error, Kind, Result},
    },
    config::Config,
    image::{
        lineage::{DiskNeeds, made_from},
        model::{DataSignature, DiskFacts, Image, ImageKind, Platform},
        reference::ImageRef,
    },
    ports::{
        content::Outcome as Copied,
        disks::{FOR_VOLUME, FitsFile, Upload},
        transfer_record::BETWEEN,
    },
    transfer::copy::{self, Options},
};

/// Refuses a disk image whose header names other files: a server that opened it would read files of its own host.
pub fn refuse_references(what: &str, refers: bool, warnings: &[String]) -> Result<()> {
    if !refers {
        return Ok(());
    }
    Err(Error::new(Kind::Denied, what, warnings.join("; "))
        .hint("make a whole image of it: qemu-img convert -O qcow2 FILE NEW"))
}

/// What goes to another place of a signature over a disk's data, and what stays behind, in words.
type Carried = (Option<DataSignature>, Option<String>);

/// The signature over an image's data where the same bytes go. Its certificate is kept in the key manager of its cloud, and
/// known by that name only there.
fn carried(signed: Option<DataSignature>, from: &ImageRef, to: &ImageRef) -> Carried {
    let Some(signed) = signed else { return (None, None) };
    match (from, to) {
        (ImageRef::Glance { cloud: from, .. }, ImageRef::Glance { cloud: to, .. }) if from == to => {
            (Some(signed), None)
        }
        (ImageRef::Glance { cloud, .. }, ImageRef::Glance { .. }) => {
            let left = format!("the certificate of its signature: it is in the key manager of {cloud}");
            (Some(signed.without_certificate()), Some(left))
        }
        _ => (None, Some("the signature over its data: registries have no place for it".to_owned())),
    }
}

/// Whether a cloud refuses an image because of its signature, which it verifies by the certificate.
fn refuses_signature(error: &Error, signed: Option<&DataSignature>) -> bool {
    let is_verified = signed.is_some_and(|signed| !signed.certificate.is_empty());
    let why = error.why.to_ascii_lowercase();
    is_verified && error.kind != Kind::Cancelled && ["signature", "certificate"].iter().any(|word| why.contains(word))
}

/// The signature over the data of an image, with which a file is compared before it gets its name.
struct Signed<'a> {
    evidence: &'a Evidence,
    cx: &'a Context,
    of: &'a ImageRef,
}

#[async_trait]
impl FitsFile for Signed<'_> {
    async fn fits(&self, file: &Path) -> Result<()> {
        self.evidence.data_fits(self.cx, self.of, file).await
    }
}

/// Copying disk images. The caller writes the audit's entry.
pub(super) struct DiskImages {
    config: Arc<Config>,
    sources: Arc<Sources>,
    evidence: Arc<Evidence>,
}

impl DiskImages {
    /// Disk images of these sources; signatures over their data are checked by `evidence`.
    pub(super) fn new(config: Arc<Config>, sources: Arc<Sources>, evidence: Arc<Evidence>) -> Self {
        Self { config, sources, evidence }
    }

    /// Whether a copy between these references is one of a disk image.
    pub(super) fn are_meant(from: &ImageRef, to: &ImageRef) -> bool {
        matches!(from, ImageRef::Glance { .. }) || matches!(to, ImageRef::Glance { .. } | ImageRef::Volume { .. })
    }

    /// Copies a disk image into a cloud, a cloud's image into a file or a registry, or between clouds. Gives the image's new
    /// reference, by its id if it is in a cloud now. Of several disks it is the one for `platform`, which was judged.
    pub(super) async fn copy(
        &self,
        cx: &Context,
        (from, platform): (&ImageRef, Option<&Platform>),
        to: &ImageRef,
        as_file: bool,
    ) -> Result<(ImageRef, Copied)> {
        match (from, to) {
            (ImageRef::File { .. }, ImageRef::Glance { .. }) => self.send_file(cx, from, to, (None, None)).await,
            (ImageRef::Glance { .. }, ImageRef::File { .. }) => {
                let outcome = self.download(cx, from, to).await?;
                if let Ok(image) = self.sources.image(cx, from, None).await {
                    self.note_origin(cx, &image, to).await;
                }
                Ok((to.clone(), outcome))
            }
            (ImageRef::Glance { .. } | ImageRef::Oci(_), ImageRef::Glance { .. } | ImageRef::Oci(_)) => {
                self.through_a_file(cx, (from, platform), to, as_file).await
            }
            (_, ImageRef::Volume { cloud, volume: name }) => {
                self.make_volume(cx, (from, platform), (to, cloud, name)).await
            }
            _ => Err(Error::unsupported(
                format!("copy {from} to {to}"),
                "disk images move between files, registries and clouds only",
            )
            .hint("wharf pull it into a file, then wharf push that file")),
        }
    }

    /// Sends a disk file to a cloud, which is told what the disk needs and was made of: by the file, or as `needs` says;
    /// and a signature over it.
    async fn send_file(
        &self,
        cx: &Context,
        from: &ImageRef,
        to: &ImageRef,
        (needs, signed): (Option<DiskNeeds>, Option<DataSignature>),
    ) -> Result<(ImageRef, Copied)> {
        let what = format!("copy {from} to {to}");
        let (ImageRef::File { path, .. }, ImageRef::Glance { image: name, .. }) = (from, to) else {
            return Err(Error::unsupported(what, "only files are sent to clouds"));
        };
        let source = self.sources.source(from)?;
        let image = cx.run(&what, source.catalog.image(cx, from, None)).await?;
        let Some(disk) = image.disk.as_ref().filter(|_| image.kind == ImageKind::Vm) else {
            return Err(
                Error::unsupported(what, "it is not a disk image").hint("clouds boot qcow2, raw and vmdk disks")
            );
        };
        refuse_references(&what, disk.refers, &disk.warnings)?;
        let format = DiskFacts::format_in_cloud(&disk.format).to_owned();
        let needs = needs.unwrap_or_else(|| DiskNeeds::of(&image, made_from(&image)));
        let upload = Upload { name: name.clone(), file: path.into(), format, size: image.size, needs, signed };
        self.sources.disks(to, "upload to")?.upload(cx, &upload).await
    }

    /// Sends a disk file with the signature that it had in another image. Where the cloud refuses that, it goes without what
    /// the cloud would verify it with.
    async fn send_signed(
        &self,
        cx: &Context,
        file: &ImageRef,
        to: &ImageRef,
        (needs, (signed, _)): (DiskNeeds, &Carried),
    ) -> Result<(ImageRef, Copied)> {
        let error = match self.send_file(cx, file, to, (Some(needs.clone()), signed.clone())).await {
            Err(error) if refuses_signature(&error, signed.as_ref()) => error,
            done => return done,
        };
        let without = signed.clone().map(DataSignature::without_certificate);
        let (there, mut outcome) = self.send_file(cx, file, to, (Some(needs), without)).await?;
        outcome.left.push(format!("the certificate of its signature: {}", error.why));
        Ok((there, outcome))
    }

    /// Writes a cloud's image as a new file, which is there only if its signature fits its bytes.
    async fn download(&self, cx: &Context, from: &ImageRef, to: &ImageRef) -> Result<Copied> {
        let ImageRef::File { path, .. } = to else {
            return Err(Error::unsupported(format!("copy {from} to {to}"), "it is written as a file only"));
        };
        let signed = Signed { evidence: &self.evidence, cx, of: from };
        self.sources.disks(from, "download from")?.download_new(cx, from, Path::new(path), &signed).await
    }

    /// Writes the disk in an image of a registry as a file.
    pub(super) async fn write_file(
        &self,
        cx: &Context,
        from: &ImageRef,
        to: &ImageRef,
        platform: Option<&Platform>,
    ) -> Result<Copied> {
        let image = self.sources.image(cx, from, platform).await?;
        let mut copied = self.write_disk(cx, &image, to).await?;
        self.note_origin(cx, &image, to).await;
        copied.left.push("signatures and attachments: they are of the image, not of the file in it".to_owned());
        Ok(copied)
    }

    async fn write_disk(&self, cx: &Context, image: &Image, to: &ImageRef) -> Result<Copied> {
        let pinned = image.pinned.as_ref().filter(|_| image.kind == ImageKind::Vm);
        let pinned = pinned.ok_or_else(|| {
            let is = image.artifact.as_ref().map(|artifact| format!(": it is {}", artifact.name)).unwrap_or_default();
            let why = format!("it is no disk of a machine{is}");
            Error::unsupported(format!("copy {} to {to}", image.reference), why).hint("name a folder or a .tar file")
        })?;
        let at = pinned.reference.with_digest(&pinned.manifest);
        self.bytes(cx, &at, to, (false, BTreeMap::new())).await
    }

    /// Copies an image between a file and a registry, without what is attached to it.
    async fn bytes(
        &self,
        cx: &Context,
        from: &ImageRef,
        to: &ImageRef,
        (as_file, annotations): (bool, BTreeMap<String, String>),
    ) -> Result<Copied> {
        let options = Options { attachments: false, as_file, annotations, ..Options::default() };
        copy::copy(cx, &self.sources.place(from)?, &self.sources.place(to)?, &options).await
    }

    /// Copies an image between clouds and registries through a file on this machine. The file is kept until the copy is
    /// done, so that a broken copy can be resumed.
    pub(super) async fn through_a_file(
        &self,
        cx: &Context,
        (from, platform): (&ImageRef, Option<&Platform>),
        to: &ImageRef,
        as_file: bool,
    ) -> Result<(ImageRef, Copied)> {
        let what = format!("copy {from} to {to}");
        let image = self.sources.image(cx, from, platform).await?;
        let needs = DiskNeeds::of(&image, self.link_to(&image));
        let pinned = image.pinned.as_ref();
        let pinned = pinned.ok_or_else(|| Error::unsupported(&what, "the cloud keeps no hash of it"))?;
        let folder = self.config.cache_dir.join("moving");
        // Each transfer has its own: another one may be cancelled, or done, while this one reads it.
        let own = cx.progress.note().transfer.unwrap_or_else(|| "own".to_owned());
        let folder = folder.join(format!("{}-{own}", pinned.manifest.hex()));
        // Artifacts have this name in them: it is the same each time.
        let path = folder.join("disk.img");
        let file = ImageRef::File { path: path.display().to_string(), tag: None, digest: None };
        cx.checkpoints.keep(BETWEEN, &folder.display().to_string(), 0).await;
        if !path.exists() {
            let fetching = async {
                match from {
                    ImageRef::Glance { .. } => self.download(cx, &pinned.reference, &file).await,
                    _ => self.write_disk(cx, &image, &file).await,
                }
            };
            cx.unless_cancelled(&what, fetching).await?;
        }
        let signed = carried(image.signed.clone(), from, to);
        let (there, mut outcome) = match (to, &signed.0) {
            (ImageRef::Glance { .. }, Some(_)) => self.send_signed(cx, &file, to, (needs, &signed)).await?,
            (ImageRef::Glance { .. }, None) => self.send_file(cx, &file, to, (Some(needs), None)).await?,
            _ => (to.clone(), self.bytes(cx, &file, to, (as_file, needs.annotations())).await?),
        };
        outcome.left.extend(signed.1);
        if outcome.moved == 0 && signed.0.is_some() {
            outcome.left.push("the signature over its data: the same disk was there, and stays as it is".to_owned());
        }
        let _ = tokio::fs::remove_dir_all(&folder).await;
        // Clouds keep the hash of the file; registries that of the image around it.
        let between_clouds = matches!((from, to), (ImageRef::Glance { .. }, ImageRef::Glance { .. }));
        if between_clouds && outcome.digest.algorithm() == pinned.digest.algorithm() {
            pinned.digest.matches(&outcome.digest, &what)?;
        }
        Ok((there, outcome))
    }

    /// Makes a volume of a disk. What is not in that cloud goes there as an image first, which is removed afterwards.
    async fn make_volume(
        &self,
        cx: &Context,
        (from, platform): (&ImageRef, Option<&Platform>),
        (to, cloud, name): (&ImageRef, &str, &str),
    ) -> Result<(ImageRef, Copied)> {
        let disks = self.sources.disks(to, "make volumes in")?;
        let what = format!("copy {from} to {to}");
        let source = self.sources.image(cx, from, platform).await?;
        let least = source.disk.as_ref().map_or(0, |disk| disk.virtual_size.unwrap_or(0).max(disk.least_disk));
        if matches!(from, ImageRef::Glance { cloud: own, .. } if own == cloud) {
            let digest = source.pinned.map(|pinned| pinned.digest);
            let digest = digest.ok_or_else(|| Error::unsupported(what, "the cloud keeps no hash of it"))?;
            let made = disks.make_volume(cx, from, (name, least)).await?;
            return Ok((made, Copied { digest, moved: 0, spared: source.size, attachments: 0, left: Vec::new() }));
        }
        let between = ImageRef::Glance { cloud: cloud.to_owned(), image: name.to_owned() };
        let (image, mut copied) = Box::pin(self.copy(cx, (from, platform), &between, false)).await?;
        let ImageRef::Glance { image: id, .. } = &image else {
            return Err(Error::failed(what, "the cloud names no image"));
        };
        // An image that was there before is not ours to remove; one that an earlier run has sent is.
        let known = cx.checkpoints.last(FOR_VOLUME).await.is_some_and(|reached| reached.at == *id);
        let is_ours = copied.moved > 0 || known;
        if is_ours {
            cx.checkpoints.keep(FOR_VOLUME, id, 0).await;
        }
        let made = disks.make_volume(cx, &image, (name, least)).await?;
        if is_ours {
            // Also where the person does not wait any more.
            match disks.forget(&Context::default(), &image).await {
                Ok(()) => cx.checkpoints.forget(FOR_VOLUME).await,
                Err(error) => copied.left.push(format!("{image}, of which the volume was made: {}", error.why)),
            }
        }
        Ok((made, copied))
    }

    /// A link to an image, which means the same to everybody; empty where it has no digest.
    fn link_to(&self, image: &Image) -> String {
        self.sources.link_to(image).map(|link| link.to_string()).unwrap_or_default()
    }

    /// Notes beside a file which image it was made of, and what the disk in it needs.
    async fn note_origin(&self, cx: &Context, image: &Image, to: &ImageRef) {
        if let Ok(place) = self.sources.place(to) {
            place.content.note_origin(cx, to, &DiskNeeds::of(image, self.link_to(image))).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_goes_where_its_bytes_go_and_its_certificate_stays_in_its_cloud() {
        let at = |text: &str| -> ImageRef { text.parse().unwrap() };
        let signed = DataSignature {
            signature: "c2lnbmVk".into(),
            hash: "SHA-256".into(),
            key_type: "RSA-PSS".into(),
            certificate: "0b9e".into(),
        };
        let from = at("glance://site/a");
        let carried = |to: &str| carried(Some(signed.clone()), &from, &at(to));
        assert_eq!(carried("glance://site/b"), (Some(signed.clone()), None));
        assert_eq!(signed.properties().len(), 4);
        let (other, left) = carried("glance://elsewhere/b");
        let names: Vec<String> = other.unwrap().properties().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["img_signature", "img_signature_hash_method", "img_signature_key_type"]);
        assert!(left.unwrap().contains("key manager of site"));
        let (registry, left) = carried("oci://r.example/a:1");
        assert!(registry.is_none() && left.unwrap().contains("registries"));
        assert_eq!(super::carried(None, &from, &at("oci://r.example/a:1")), (None, None));
        let refused = Error::failed("upload", "Signature verification failed for image x");
        assert!(refuses_signature(&refused, Some(&signed)));
        assert!(!refuses_signature(&refused, Some(&signed.clone().without_certificate())));
        assert!(!refuses_signature(&Error::failed("upload", "the quota is used up"), Some(&signed)));
    }
}
