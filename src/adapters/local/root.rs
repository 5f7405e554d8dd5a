//! Unpacked root file systems, kept by the digest of their manifest.
//!
//! `roots/HEX/root` is the tree and `roots/HEX/done` its seal. A tree that is not sealed yet is in a folder with a
//! random name, which its maker has locked: so processes that unpack the same image, also on two machines with one
//! home, do not collide.

use std::{
    io::{Read, Seek, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustix::fs::{FlockOperation, flock};

use super::{
    plan,
    seal::{self, SealState},
    sif_root,
};
use crate::{
    formats::sif_file,
    prepared::{
        below::{MountPoint, RootFolder},
        layers::{self, StoredLayer},
        unpack::Root,
    },
    shared::private::{self, Scratch},
};
use wharf_core::{
    base::{
        blocking::blocking,
        context::Context,
        digest::Digest,
        error::{During, Error, Kind, Result},
        small_file,
    },
    ports::Supply,
    transfer::copy::CopyEnd,
};

/// The folders that every root gets.
const ALWAYS: [&str; 4] = ["proc", "dev", "tmp", "run"];
/// The age at which an unfinished tree from another machine counts as abandoned, because locks may not reach across
/// machines.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);
/// How long a tree that was changed is kept aside, because a workload may still run in it.
const ASIDE: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long to wait for the end of an unpacking that was cancelled.
const ENDING: Duration = Duration::from_secs(10);

/// The root of the pinned image. It is unpacked once, depends on the image alone, and is used again only if nothing in it
/// has changed. Layers are hashed while they are unpacked; after a wrong one nothing is kept.
pub(super) async fn provide(cx: &Context, roots: &Path, supply: &Supply) -> Result<PathBuf> {
    let what = format!("unpack {}", supply.image.reference);
    let image = supply.image.manifest.clone();
    let home = roots.join(image.hex());
    let (below, at) = (roots.to_owned(), home.clone());
    let digest = image.clone();
    let kept = blocking(move || -> Result<SealState> {
        private::folder(&below)?;
        sweep(&below);
        Ok(seal::check(&at, &digest))
    });
    match kept.await.during(&what)?? {
        SealState::Sound => {
            let used = home.clone();
            blocking(move || note_use(&used)).await.during(&what)?;
            return Ok(home.join("root"));
        }
        SealState::Missing => {}
        SealState::Changed(why) => {
            tracing::warn!(image = %image, why, "an unpacked image is not used again");
            cx.progress.phase(format!("unpacking again: {why}"));
        }
    }
    if sif_file::is_meant(cx, supply).await? {
        let file = sif_file::open(cx, supply, &roots.join(sif_root::FILES)).await?;
        let working = UnpackingTree::begin(roots, &image, &what)?;
        let points = plan::usual_points(&sif_root::run_config());
        cx.unless_cancelled(&what, working.unpack_sif(cx, file, &points, &what)).await?;
        let below = roots.to_owned();
        blocking(move || working.publish(&below, &image)).await.during(&what)??;
        return Ok(home.join("root"));
    }
    let stored = layers::of(cx, supply, &what).await?;
    let points = plan::usual_points(&stored.config.run);
    let working = UnpackingTree::begin(roots, &image, &what)?;
    cx.unless_cancelled(&what, working.unpack(cx, &stored.place, stored.layers, &points, &what)).await?;
    let below = roots.to_owned();
    blocking(move || working.publish(&below, &image)).await.during(&what)??;
    Ok(home.join("root"))
}

/// Notes that an unpacked image is used now.
fn note_use(home: &Path) {
    if let Err(error) = private::write(&home.join("used"), wharf_core::base::text::now().to_string().as_bytes()) {
        tracing::debug!(%error, "when an unpacked image was used is not noted");
    }
}

/// The lock under which finished trees are moved into place.
fn lock(roots: &Path) -> Result<std::fs::File> {
    let path = roots.join(".lock");
    let what = format!("lock {}", path.display());
    let file = private::open(&path, |options| options.create(true).truncate(false).write(true))?;
    private::lock(&file, private::PATIENCE, &what)?;
    Ok(file)
}

/// A tree that is being unpacked. It is removed when dropped, once no thread writes to it any more.
struct UnpackingTree {
    /// Shared with every thread that writes into the tree.
    inner: Arc<Inner>,
}

struct Inner {
    scratch: std::sync::Mutex<Scratch>,
    /// Tells other processes that this tree is in use.
    lock: std::fs::File,
}

impl UnpackingTree {
    fn begin(roots: &Path, image: &Digest, what: &str) -> Result<Self> {
        // The lock tells whether a tree is in use: the folder gets the name that is cleaned up only after it is locked.
        let begun = private::beside(&roots.join(image.hex()), "begun");
        let partial = begun.with_extension("partial");
        let mut scratch = Scratch::make(begun)?;
        let mut lock = private::open(&scratch.path().join("lock"), |options| options.create_new(true).write(true))?;
        private::lock(&lock, private::PATIENCE, what)?;
        lock.write_all(boot().as_bytes()).during(what)?;
        std::fs::DirBuilder::new().mode(0o755).create(scratch.path().join("root")).during(what)?;
        scratch.rename(partial).during(what)?;
        Ok(Self { inner: Arc::new(Inner { scratch: std::sync::Mutex::new(scratch), lock }) })
    }

    fn path(&self) -> PathBuf {
        self.inner.scratch.lock().unwrap_or_else(std::sync::PoisonError::into_inner).path().to_owned()
    }

    async fn unpack(
        &self,
        cx: &Context,
        place: &CopyEnd,
        layers: Vec<StoredLayer>,
        points: &[MountPoint],
        what: &str,
    ) -> Result<()> {
        let mut root = Root::new(&self.path().join("root"))?;
        for (number, layer) in layers.iter().enumerate() {
            cx.progress.phase(format!("unpacking layer {} of {}", number + 1, layers.len()));
            // Tells cleaning processes on other machines that this tree is in use.
            let _ = self.inner.lock.set_modified(SystemTime::now());
            root = layers::unpack(cx, place, layer, root, self.inner.clone(), what).await?;
        }
        if root.left_out > 0 {
            tracing::info!(count = root.left_out, "devices in the image were left out");
        }
        self.make_points(root, points, what)
    }

    /// The same for a SIF file.
    async fn unpack_sif(&self, cx: &Context, file: std::fs::File, points: &[MountPoint], what: &str) -> Result<()> {
        let path = self.path().join("root");
        sif_root::unpack(cx, file, &path, what).await?;
        self.make_points(Root::new(&path)?, points, what)
    }

    /// Makes the places that every root has.
    fn make_points(&self, mut root: Root, points: &[MountPoint], what: &str) -> Result<()> {
        root.mount_points(&ALWAYS.map(Path::new), what)?;
        let below = RootFolder::new(&self.path().join("root"))?;
        for point in points {
            // Where the image has something else there, a launch that needs the place says so.
            let _ = below.make(point);
        }
        Ok(())
    }

    /// Seals the tree and moves it into place, unless another process has done so with the same bytes.
    fn publish(&self, roots: &Path, image: &Digest) -> Result<()> {
        let what = "keep an unpacked image";
        let path = self.path();
        seal::write(&path, image)?;
        let home = roots.join(image.hex());
        let _lock = lock(roots)?;
        match seal::check(&home, image) {
            SealState::Sound => return Ok(()),
            SealState::Missing => {}
            // A workload may still run in it.
            SealState::Changed(_) => std::fs::rename(&home, private::beside(&home, "aside")).during(what)?,
        }
        let mut scratch = self.inner.scratch.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        scratch.keep_as(&home).during(what)?;
        let _ = std::fs::remove_file(home.join("lock"));
        note_use(&home);
        Ok(())
    }
}

impl Drop for UnpackingTree {
    fn drop(&mut self) {
        // A thread that still writes would put new files into the folder that is being removed.
        let end = std::time::Instant::now() + ENDING;
        while Arc::strong_count(&self.inner) > 1 && std::time::Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The id of this machine's current boot.
fn boot() -> String {
    small_file::text("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// Removes abandoned unfinished trees, and changed trees that were set aside long ago.
fn sweep(roots: &Path) {
    let Ok(entries) = std::fs::read_dir(roots) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let gone = match path.extension().and_then(std::ffi::OsStr::to_str) {
            Some("partial") => is_abandoned(&path),
            Some("begun") => older(&path, ABANDONED),
            Some("aside") => older(&path, ASIDE),
            _ => false,
        };
        if gone {
            match private::remove(&path) {
                Ok(()) => tracing::info!(path = %path.display(), "removed what an earlier unpacking left"),
                Err(error) => tracing::warn!(%error, path = %path.display(), "it cannot be removed"),
            }
        }
    }
}

/// Whether an unfinished tree is no longer in use.
fn is_abandoned(path: &Path) -> bool {
    let Ok(mut lock) = private::open(&path.join("lock"), |options| options.read(true).write(true)) else {
        return older(path, ABANDONED);
    };
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err_and(|error| error == rustix::io::Errno::WOULDBLOCK)
    {
        return false;
    }
    let mut maker = String::new();
    let read = lock.rewind().and_then(|()| (&lock).take(64).read_to_string(&mut maker));
    // A free lock means that its holder is gone only on this machine; for other machines the age decides.
    (read.is_ok() && !maker.is_empty() && maker == boot()) || older(&path.join("lock"), ABANDONED)
}

fn older(path: &Path, than: Duration) -> bool {
    let changed = path.symlink_metadata().and_then(|meta| meta.modified());
    changed.is_ok_and(|changed| changed.elapsed().is_ok_and(|age| age > than))
}

/// Unpacks a squashfs that begins at `offset` of an open file into the new folder `root` of one workload. `before` are the
/// words before those of the program that does it.
pub(super) async fn unpack_for_one(
    cx: &Context,
    before: &[String],
    file: std::fs::File,
    offset: u64,
    root: &Path,
) -> Result<()> {
    let what = format!("unpack the image into {}", root.display());
    let size = file.metadata().during(&what)?.len().saturating_sub(offset);
    std::fs::DirBuilder::new().mode(0o755).create(root).during(&what)?;
    sif_root::unpack_squashfs(cx, before, file, (offset, size), root, &what).await?;
    Root::new(root)?.mount_points(&ALWAYS.map(Path::new), &what)
}

/// A copy of a root for a workload that may write to it.
pub(super) async fn private_copy(root: PathBuf, target: PathBuf) -> Result<()> {
    let what = format!("copy the image into {}", target.display());
    let arguments = [root.display().to_string(), target.display().to_string()];
    let argv = ["cp", "-a", "--reflink=auto", "--", &arguments[0], &arguments[1]];
    let output = crate::shared::exec::run(&argv, b"", 1 << 10, std::time::Duration::from_secs(600)).await?;
    if output.code == 0 {
        Ok(())
    } else {
        Err(Error::new(Kind::Failed, what, output.stderr).hint("check the space left on that file system"))
    }
}
