//! The disks of images, each fetched once, compared with its digest, and never changed: machines write into files of their
//! own above them.
//!
//! ```text
//! FOLDER/sha256-DIGEST.FORMAT             a disk
//! FOLDER/sha256-DIGEST.FORMAT.RANDOM.making/disk   what is not complete yet
//! ```

use std::{
    collections::BTreeMap,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::TryStreamExt;
use serde::Deserialize;
use tokio::io::AsyncWriteExt;

use crate::{
    formats::{
        disk_header::{self, KERNEL, PROGRAM},
        disk_image,
    },
    shared::private::{self, Scratch},
};
use wharf_core::{
    base::{
        blocking::{blocking, stoppable},
        context::Context,
        digest::Digest,
        error::{During, Error, Kind, Result},
    },
    image::{
        manifest::{Descriptor, Manifest},
        model::{BootProtocol, Image},
        reference::ImageRef,
    },
    launch::{
        kept::KeptImage,
        plan::{Plan, Step},
    },
    ports::Supply,
};

/// The formats of disks with which machines start.
const DISKS: [&str; 2] = ["qcow2", "raw"];
/// The processor that machines have, in Go's words.
const ARCHITECTURE: &str = "amd64";
/// The name of a disk that is not complete yet, in a folder of its own.
const DISK: &str = "disk";
/// The name of the layer that holds it, before it is unpacked.
const LAYER: &str = "layer";
/// The end of the names of the folders of what is not complete.
pub const MAKING: &str = "making";
/// After this time something incomplete was left by a program that was ended.
const LEFT: Duration = Duration::from_secs(24 * 3600);

/// The folder of the disks.
#[derive(Debug, Clone)]
pub struct Disks(pub PathBuf);

/// What has to be known of a disk before it is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedDisk {
    /// The digest of its bytes.
    pub digest: Digest,
    /// Its format.
    pub format: String,
    /// The bytes that are fetched: those of its file, or of the layer that holds it.
    pub size: u64,
    /// Whether it is a layer of a registry's image, or in one.
    pub in_layer: bool,
}

impl WantedDisk {
    /// The disk of an image, as it has to be fetched.
    ///
    /// # Errors
    /// `Unsupported` for an image without a digest.
    pub fn of(image: &Image, what: &str) -> Result<Self> {
        let pinned = image.pinned.as_ref().ok_or_else(|| Error::unsupported(what, "the image has no digest"))?;
        let format = image.disk.as_ref().map(|disk| disk.format.clone()).unwrap_or_default();
        let in_layer = matches!(image.reference, ImageRef::Oci(_));
        Ok(Self { digest: pinned.manifest.clone(), format, size: image.size, in_layer })
    }

    /// The disk that a plan was made for, as the file of this name says that it writes.
    ///
    /// # Errors
    /// `Usage` for the plan of another backend.
    pub fn planned(plan: &Plan, name: &str, what: &str) -> Result<Self> {
        /// The name of the disk's file, which ends in its format, and the bytes that are fetched.
        #[derive(Deserialize)]
        struct Noted {
            disk: String,
            size: u64,
        }
        let written = plan.steps.iter().find_map(|step| match step {
            Step::Write { path, text, .. } if Path::new(path).ends_with(name) => Some(text),
            _ => None,
        });
        let text = written.ok_or_else(|| Error::usage(what, "this plan was made by another backend"))?;
        let Noted { disk, size } = serde_json::from_str(text).during(what)?;
        let format = disk.rsplit('.').next().unwrap_or_default().to_owned();
        let in_layer = matches!(plan.image.reference, ImageRef::Oci(_));
        Ok(Self { digest: plan.image.manifest.clone(), format, size, in_layer })
    }
}

/// Fails if no machine starts from an image; `kernels` says whether kernels are started too, which have no disk.
///
/// # Errors
/// `Unsupported`, with the reason.
pub fn accepts(image: &Image, kernels: bool) -> Result<()> {
    let refused = |why: String, hint: &str| {
        Err(Error::unsupported(format!("start a machine from {}", image.reference), why).hint(hint))
    };
    let Some(disk) = &image.disk else { return refused("it is no disk image".to_owned(), "choose one of kind vm") };
    if matches!(image.reference, ImageRef::Volume { .. }) {
        return refused("it is a volume of a cloud".to_owned(), "make an image of it, and launch that");
    }
    if disk.refers {
        return refused(
            format!("its header names other files ({})", disk.warnings.join("; ")),
            "make one file of it that you trust: qemu-img convert -O qcow2",
        );
    }
    // What is known of the disk counts more than the platform of the image that it is in.
    let platform = image.pinned.as_ref().and_then(|pinned| pinned.platform.as_ref());
    let packed = platform.map_or("", |platform| &platform.architecture);
    let architecture = if disk.architecture.is_empty() { packed } else { &disk.architecture };
    if !["", ARCHITECTURE, "386"].contains(&architecture) {
        return refused(format!("it is for another processor ({architecture})"), "machines here have an amd64 one");
    }
    match disk.boots {
        None if DISKS.contains(&disk.format.as_str()) => Ok(()),
        None if disk.format == PROGRAM => refused("it is a program, and no kernel that is known".to_owned(), ""),
        None => refused(format!("its format is {}", disk.format), "make another file of it: qemu-img convert -O qcow2"),
        Some(protocol @ (BootProtocol::Multiboot2 | BootProtocol::Multiboot64)) => {
            let why = format!("it is a kernel for {}", protocol.words());
            refused(why, "use one for PVH, or for Multiboot 1 in a file of 32 bits: QEMU loads those")
        }
        Some(_) if kernels => Ok(()),
        Some(_) => refused("it is a kernel and no disk".to_owned(), "launch it on a backend of the type 'qemu'"),
    }
}

impl Disks {
    /// Where a disk is, or will be.
    pub fn place(&self, digest: &Digest, format: &str) -> PathBuf {
        self.0.join(format!("{}-{}.{format}", digest.algorithm(), digest.hex()))
    }

    /// Whether a disk is there, complete.
    pub fn has(&self, wanted: &WantedDisk) -> bool {
        let place = self.place(&wanted.digest, &wanted.format);
        // What was unpacked has another size than what was fetched; a disk is put into its place when it is complete.
        place.metadata().is_ok_and(|meta| meta.is_file() && (wanted.in_layer || meta.len() == wanted.size))
    }

    /// The path of a disk, which is fetched and compared if it is not there.
    ///
    /// # Errors
    /// `Integrity` where its bytes are others, or its header is not what was planned for; else what the source or the
    /// file system says.
    pub async fn provide(&self, cx: &Context, supply: &Supply, wanted: &WantedDisk) -> Result<PathBuf> {
        let what = format!("fetch the disk of {}", supply.image.reference);
        let place = self.place(&wanted.digest, &wanted.format);
        if self.has(wanted) {
            return Ok(place);
        }
        let folder = self.0.clone();
        blocking(move || private::folder(&folder).map(|()| remove_left(&folder))).await.during(&what)??;
        cx.progress.phase("fetching the disk");
        cx.progress.total(wanted.size);
        let making = Scratch::make(private::beside(&place, MAKING))?;
        let from = making.path().join(DISK);
        let fetched = if wanted.in_layer { making.path().join(LAYER) } else { from.clone() };
        cx.unless_cancelled(&what, fetch(cx, supply, wanted, &fetched, &what)).await?;
        if wanted.in_layer {
            cx.progress.phase("unpacking the disk");
            let (to, task) = (from.clone(), what.clone());
            // Whoever leaves ends it, before its folder is removed.
            let unpacking = stoppable(move |stop| unpack(&fetched, &to, stop, &task));
            cx.unless_cancelled(&what, async { unpacking.await.during(&*what)? }).await?;
        }
        let (to, format, task) = (place.clone(), wanted.format.clone(), what.clone());
        let finish = move || {
            let facts = disk_header::inspect(&from)?;
            if facts.refers || facts.format != format {
                return Err(Error::new(Kind::Integrity, &task, "its header is not what was planned for"));
            }
            std::fs::set_permissions(&from, std::fs::Permissions::from_mode(0o400)).during(&task)?;
            std::fs::rename(&from, &to).during(&task)
        };
        blocking(finish).await.during(&what)??;
        Ok(place)
    }

    /// The disks that are kept; `busy` has who uses which, by the names of their files.
    pub fn list(&self, backend: &str, busy: &BTreeMap<String, String>) -> Vec<KeptImage> {
        let entries = std::fs::read_dir(&self.0).into_iter().flatten().flatten();
        let kept = entries.filter_map(|entry| {
            let (id, meta) = (entry.file_name().into_string().ok()?, entry.metadata().ok()?);
            let (stem, format) = id.split_once('.')?;
            let seconds = |time: SystemTime| i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok();
            is_kept(format).then(|| KeptImage {
                backend: backend.to_owned(),
                digest: stem.replacen('-', ":", 1),
                form: if format == KERNEL { format.to_owned() } else { format!("{format} disk") },
                place: entry.path().display().to_string(),
                size: meta.len(),
                made: meta.modified().ok().and_then(seconds),
                used: meta.accessed().ok().and_then(seconds),
                busy: busy.get(&id).cloned(),
                id: id.clone(),
                ..KeptImage::default()
            })
        });
        kept.collect()
    }

    /// Removes a disk that nobody uses.
    ///
    /// # Errors
    /// `Usage` where somebody does, or for a name that is none of a disk.
    pub fn remove(&self, id: &str, busy: &BTreeMap<String, String>) -> Result<()> {
        let what = format!("remove the disk {id}");
        if let Some(who) = busy.get(id) {
            return Err(Error::usage(what, format!("{who} uses it")).hint("remove that first"));
        }
        if id.contains('/') || !id.split_once('.').is_some_and(|(_, format)| is_kept(format)) {
            return Err(Error::usage(what, "there is no such disk"));
        }
        match std::fs::remove_file(self.0.join(id)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).during(what),
            _ => Ok(()),
        }
    }
}

/// Whether files of this format are kept.
fn is_kept(format: &str) -> bool {
    format == KERNEL || DISKS.contains(&format)
}

/// The only layer of the image, as the manifest that was judged names it.
async fn layer(cx: &Context, supply: &Supply, what: &str) -> Result<Descriptor> {
    let at = supply.image.reference.with_digest(&supply.image.manifest);
    let manifest = cx.run(what, async { supply.bytes()?.manifest(cx, &at).await }).await?;
    supply.image.manifest.matches(&manifest.digest, what)?;
    match manifest.parsed() {
        Manifest::Image { layers, .. } if layers.len() == 1 => Ok(layers[0].clone()),
        _ => Err(Error::unsupported(what, "it has more layers than the disk")),
    }
}

/// Writes the bytes of a disk, or of the layer that holds it, into a new file, and compares them.
async fn fetch(cx: &Context, supply: &Supply, wanted: &WantedDisk, to: &Path, what: &str) -> Result<()> {
    if let reference @ ImageRef::Glance { .. } = &supply.image.reference {
        let arrived = supply.files()?.download(cx, reference, to).await?;
        return wanted.digest.matches(&arrived.digest, what);
    }
    let blob = if wanted.in_layer {
        layer(cx, supply, what).await?
    } else {
        Descriptor::blob("application/octet-stream", wanted.digest.clone(), wanted.size)
    };
    write(cx, supply, &blob, to, what).await
}

/// Unpacks the disk in a layer, whose bytes were compared, and removes the layer.
fn unpack(layer: &Path, to: &Path, stop: &AtomicBool, what: &str) -> Result<()> {
    let from = std::fs::File::open(layer).during(what)?;
    let disk = private::open(to, |options| options.write(true).create_new(true))?;
    let unpacked = disk_image::unpack(&from, &disk, stop).and_then(|()| disk.sync_all());
    unpacked.map_err(|error| Error::failed(what, error).hint("check the space left in the state folder"))?;
    std::fs::remove_file(layer).during(what)
}

/// Writes bytes into a new file, and compares them.
async fn write(cx: &Context, supply: &Supply, wanted: &Descriptor, to: &Path, what: &str) -> Result<()> {
    let mut bytes = supply.bytes()?.blob(cx, &supply.image.reference, wanted, 0).await?;
    let file = private::open(to, |options| options.write(true).create_new(true))?;
    let mut file = tokio::fs::File::from_std(file);
    let (mut hasher, mut size) = (wanted.digest.hasher(), 0u64);
    while let Some(chunk) = bytes.try_next().await? {
        size = size.saturating_add(chunk.len() as u64);
        if size > wanted.size {
            return Err(Error::new(Kind::Integrity, what, "it has more bytes than it should have"));
        }
        hasher.update(&chunk);
        let written = file.write_all(&chunk).await;
        written.map_err(|error| Error::failed(what, error).hint("check the space left in the cache folder"))?;
        cx.progress.add(chunk.len() as u64);
    }
    file.sync_all().await.during(what)?;
    wanted.digest.matches(&hasher.finish(), what)
}

/// Removes what programs that were ended have left incomplete.
pub fn remove_left(folder: &Path) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().ends_with(MAKING)) {
        let changed = entry.metadata().and_then(|meta| meta.modified());
        if changed.is_ok_and(|time| time.elapsed().is_ok_and(|age| age > LEFT)) {
            let _ = private::remove(&entry.path());
        }
    }
}
