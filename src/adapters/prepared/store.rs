//! The store of prepared images: each is prepared once, by one process at a time, and moved into place complete.
//!
//! ```text
//! STORE/sha256-MANIFEST/image.sqfs      the image; `root` where it is a folder
//! STORE/sha256-MANIFEST/facts.json      what it is, and its sha256; written last
//! STORE/sha256-MANIFEST/used            written at each use
//! STORE/sha256-MANIFEST.lease           who prepares it
//! STORE/sha256-MANIFEST.RANDOM.making   what is not complete yet
//! ```

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use super::{
    below::RootFolder,
    facts::{FILE as FACTS, Facts, Form, Kept, Prepared, check},
    layers::{self, StoredImage},
    lease::{Attempt, BEAT, Lease, PATIENCE, Waiting},
    people, squashfs,
    unpack::Root,
};
use crate::shared::{
    exec,
    private::{self, Scratch},
};
use wharf_core::{
    base::{
        blocking::blocking,
        context::{Context, Note, Progress},
        digest::Digest,
        error::{During, Error, Kind, Result},
        text,
    },
    ports::Supply,
};

/// The longest path of a home folder that is noted: the facts of an image are small.
const LONGEST_HOME: usize = 4096;
/// The folders that every prepared image has, because programs that run it mount something there.
const FOLDERS: [&str; 9] = ["proc", "sys", "dev", "tmp", "var/tmp", "run", "home", "root", "mnt"];
/// The files that every prepared image has, for the same reason; empty where the image has none.
const FILES: [&str; 5] = ["etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/passwd", "etc/group"];
/// The pause between two looks at somebody else's lease.
const LOOK: Duration = Duration::from_secs(1);
/// How long an image that was changed is kept aside, because a job may still run from it.
const ASIDE: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long to wait for the end of an unpacking that was cancelled.
const ENDING: Duration = Duration::from_secs(10);

/// Where prepared images are.
#[derive(Debug, Clone)]
pub struct Store {
    /// The person's own folder, in which images are prepared. It is closed to others.
    pub own: PathBuf,
    /// The site's folder, which is only read, and looked into first.
    pub site: Option<PathBuf>,
}

/// The name of an image's folder in a store.
pub(super) fn name(manifest: &Digest) -> String {
    format!("{}-{}", manifest.algorithm(), manifest.hex())
}

impl Store {
    /// The prepared image of the pinned manifest: the site's, else the person's, else it is prepared now in this form.
    /// Somebody else who prepares it is waited for, and the progress says who. Its bytes were compared with what was
    /// prepared.
    ///
    /// # Errors
    /// `Integrity` where the layers are not those of the image; else what the source or the file system says.
    pub async fn provide(&self, cx: &Context, supply: &Supply, form: Form) -> Result<Prepared> {
        let what = format!("prepare {}", supply.image.reference);
        let manifest = supply.image.manifest.clone();
        if let Some(found) = self.of_the_site(cx, &manifest, &what).await? {
            return Ok(found);
        }
        if let Some(found) = self.own(cx, &manifest, &what).await? {
            return Ok(found);
        }
        let mut waiting = Waiting::new(self.own.join(format!("{}.lease", name(&manifest))), PATIENCE);
        loop {
            let attempt;
            (waiting, attempt) = blocking(move || {
                let attempt = waiting.attempt();
                (waiting, attempt)
            })
            .await
            .during(&what)?;
            match attempt? {
                Attempt::Held(holder) => {
                    cx.progress.phase(holder.words());
                    let pause = async {
                        tokio::time::sleep(LOOK).await;
                        Ok(())
                    };
                    cx.unless_cancelled(&what, pause).await?;
                }
                Attempt::Taken(lease) => {
                    if let Some(found) = self.own(cx, &manifest, &what).await? {
                        return Ok(found);
                    }
                    if let Some(made) = self.make(cx, supply, form, lease, &what).await? {
                        return Ok(made);
                    }
                    // Somebody has taken the lease over: this process was thought to be gone.
                }
            }
        }
    }

    /// What the site has prepared as a file. A store in which others than root and this person could change something is
    /// not used.
    async fn of_the_site(&self, cx: &Context, manifest: &Digest, what: &str) -> Result<Option<Prepared>> {
        let Some(folder) = self.site.as_ref().map(|site| site.join(name(manifest))) else { return Ok(None) };
        cx.progress.phase("looking into the site's store");
        let wanted = manifest.clone();
        let look = move || {
            if !folder.is_dir() {
                return None;
            }
            let kept = match others_may_change(&folder) {
                Some(why) => Kept::Changed(why),
                None => check(&folder, &wanted),
            };
            match kept {
                Kept::Sound(found) if found.sha256.is_some() => Some(found),
                Kept::Missing | Kept::Sound(_) => None,
                Kept::Changed(why) => {
                    tracing::warn!(folder = %folder.display(), why, "an image of the site's store is not used");
                    None
                }
            }
        };
        blocking(look).await.during(what)
    }

    /// What is in the person's own store, if it is sound.
    async fn own(&self, cx: &Context, manifest: &Digest, what: &str) -> Result<Option<Prepared>> {
        let (own, wanted) = (self.own.clone(), manifest.clone());
        cx.progress.phase("comparing the prepared image");
        let look = move || -> Result<Option<Prepared>> {
            private::folder(&own)?;
            let folder = own.join(name(&wanted));
            match check(&folder, &wanted) {
                Kept::Sound(found) => {
                    if let Err(error) = private::write(&folder.join("used"), text::now().to_string().as_bytes()) {
                        tracing::debug!(%error, "when a prepared image was used is not noted");
                    }
                    Ok(Some(found))
                }
                Kept::Missing => Ok(None),
                Kept::Changed(why) => {
                    tracing::warn!(folder = %folder.display(), why, "a prepared image is not used again");
                    Ok(None)
                }
            }
        };
        blocking(look).await.during(what)?
    }

    /// Prepares the image under the lease; `None` if the lease was taken over meanwhile.
    async fn make(
        &self,
        cx: &Context,
        supply: &Supply,
        form: Form,
        lease: Lease,
        what: &str,
    ) -> Result<Option<Prepared>> {
        let (progress, notes) = Progress::channel();
        let inner = Context { progress, ..cx.clone() };
        let lease = Arc::new(Mutex::new(lease));
        let work = self.make_renewed(&inner, supply, form, &lease, what);
        let renewing = renew(cx, notes, lease.clone());
        tokio::select! {
            made = cx.unless_cancelled(what, work) => made.map(Some),
            lost = renewing => lost.map(|()| None),
        }
    }

    async fn make_renewed(
        &self,
        cx: &Context,
        supply: &Supply,
        form: Form,
        lease: &Arc<Mutex<Lease>>,
        what: &str,
    ) -> Result<Prepared> {
        let manifest = supply.image.manifest.clone();
        let home = self.own.join(name(&manifest));
        let stored = layers::of(cx, supply, what).await?;
        let at = home.clone();
        let (ours, task) = (lease.clone(), what.to_owned());
        let begin = move || {
            if !locked(&ours).is_ours() {
                // Whoever has it now is at work in the same place.
                return Err(Error::new(Kind::Unavailable, task, "somebody else prepares the image by now")
                    .hint("try again: what they have made is used then"));
            }
            Working::begin(&at)
        };
        let working = blocking(begin).await.during(what)??;
        let (folder, root) = (working.path(), working.path().join("root"));
        working.unpack(cx, &stored, what).await?;
        let (named, below) = (stored.config.run.user.clone(), root.clone());
        let user = blocking(move || people::resolve(&named, &RootFolder::new(&below)?)).await.during(what)?;
        let source = supply.image.reference.to_string();
        let mut facts = Facts::new(source, manifest.clone(), form, String::new(), text::now());
        // An image whose user is in no list is refused where it is launched.
        facts.user = user.ok().filter(|user| user.home.len() <= LONGEST_HOME);
        match form {
            Form::Squashfs => {
                cx.progress.phase("packing it into one file");
                facts.tool = squashfs::version().await;
                let (sha256, size) = squashfs::pack(&root, &folder.join(form.name())).await?;
                (facts.sha256, facts.size) = (Some(sha256), size);
            }
            Form::Folder => {
                facts.tool = format!("wharf {}", env!("CARGO_PKG_VERSION"));
                facts.size = stored.layers.iter().map(|(layer, _)| layer.size).fold(0, u64::saturating_add);
            }
        }
        let lease = lease.clone();
        let publish = move || working.publish(&home, &facts, &lease);
        blocking(publish).await.during(what)?
    }
}

/// Why others could change a prepared file, if they could: itself, its facts, or a folder above them.
pub(super) fn others_may_change(folder: &Path) -> Option<String> {
    [FACTS, Form::Squashfs.name()].iter().find_map(|name| exec::changed_by_others(&folder.join(name)))
}

/// Renews a lease with what the notes say, and passes them on. Ends when the lease was taken over.
///
/// # Errors
/// Where the lease cannot be written.
async fn renew(cx: &Context, mut notes: tokio::sync::watch::Receiver<Note>, lease: Arc<Mutex<Lease>>) -> Result<()> {
    let mut beat = tokio::time::interval(BEAT);
    loop {
        tokio::select! {
            changed = notes.changed() => {
                let note = notes.borrow_and_update().clone();
                cx.progress.phase(note.phase);
                cx.progress.set(note.done, note.total);
                if changed.is_err() {
                    // The work is over: its end is what counts.
                    std::future::pending::<()>().await;
                }
            }
            _ = beat.tick() => {
                let (note, lease) = (notes.borrow().clone(), lease.clone());
                let all = note.total.filter(|total| *total > 0);
                let percent = all.map(|total| note.done.saturating_mul(100).checked_div(total).unwrap_or(0));
                let percent = percent.and_then(|percent| u8::try_from(percent.min(100)).ok());
                let write = move || locked(&lease).renew(&note.phase, percent);
                if !blocking(write).await.during("renew a lease")?? {
                    tracing::warn!("the lease on an image was taken over");
                    return Ok(());
                }
            }
        }
    }
}

fn locked<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An image that is being prepared. It is removed when dropped, once no thread writes to it any more.
struct Working(Arc<Mutex<Scratch>>);

impl Working {
    /// A folder beside the image's own, after those that earlier holders of the lease have left are removed.
    fn begin(home: &Path) -> Result<Self> {
        sweep(home);
        let scratch = Scratch::make(private::beside(home, "making"))?;
        std::fs::create_dir(scratch.path().join("root")).during("prepare an image")?;
        Ok(Self(Arc::new(Mutex::new(scratch))))
    }

    fn path(&self) -> PathBuf {
        locked(&self.0).path().to_owned()
    }

    /// Unpacks the layers, and makes what programs that run the image need in it.
    async fn unpack(&self, cx: &Context, stored: &StoredImage, what: &str) -> Result<()> {
        let mut root = Root::new(&self.path().join("root"))?;
        for (number, layer) in stored.layers.iter().enumerate() {
            cx.progress.phase(format!("unpacking layer {} of {}", number + 1, stored.layers.len()));
            root = layers::unpack(cx, &stored.place, layer, root, self.0.clone(), what).await?;
        }
        let (held, folder, what) = (self.0.clone(), stored.config.run.working_dir.clone(), what.to_owned());
        let points = move || {
            let below = folder.raw().trim_start_matches('/').to_owned();
            // Where the image has something else there, the program that needs the place says so.
            for folder in FOLDERS.into_iter().chain([below.as_str()]) {
                let _ = root.mount_points(&[Path::new(folder)], &what);
            }
            for file in FILES {
                let _ = root.mount_file(Path::new(file), &what);
            }
            if root.left_out > 0 {
                tracing::info!(count = root.left_out, "devices in the image were left out");
            }
            drop(held);
        };
        blocking(points).await.during("prepare an image")
    }

    /// Writes the facts and moves the image into place, while the lease is held.
    fn publish(&self, home: &Path, facts: &Facts, lease: &Mutex<Lease>) -> Result<Prepared> {
        let what = "keep a prepared image";
        let folder = self.path();
        if facts.form == Form::Squashfs {
            private::remove(&folder.join("root")).during(what)?;
        }
        facts.write(&folder)?;
        std::fs::File::open(&folder).and_then(|folder| folder.sync_all()).during(what)?;
        if !locked(lease).is_ours() {
            return Err(Error::new(Kind::Unavailable, what, "another process has taken over its preparation")
                .hint("launch it again: what that process prepares is used"));
        }
        if home.symlink_metadata().is_ok() {
            // What is there was found to be changed, before the work began.
            std::fs::rename(home, private::beside(home, "aside")).during(what)?;
        }
        locked(&self.0).keep_as(home).during(what)?;
        let above = home.parent().unwrap_or(Path::new("/"));
        std::fs::File::open(above).and_then(|folder| folder.sync_all()).during(what)?;
        Ok(Prepared { path: home.join(facts.form.name()), sha256: facts.sha256.clone() })
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        // A thread that still writes would put new files into the folder that is being removed.
        let end = Instant::now() + ENDING;
        while Arc::strong_count(&self.0) > 1 && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Removes what others have left while they prepared this image: whoever holds the lease is alone.
fn sweep(home: &Path) {
    let (Some(above), Some(name)) = (home.parent(), home.file_name().and_then(std::ffi::OsStr::to_str)) else { return };
    for entry in std::fs::read_dir(above).into_iter().flatten().flatten() {
        let path = entry.path();
        let file = entry.file_name();
        if !file.to_str().and_then(|file| file.strip_prefix(name)).is_some_and(|rest| rest.starts_with('.')) {
            continue;
        }
        let old = || entry.metadata().and_then(|meta| meta.modified()).is_ok_and(|changed| is_older(changed, ASIDE));
        let gone = match path.extension().and_then(std::ffi::OsStr::to_str) {
            Some("making") => true,
            Some("aside") => old(),
            _ => false,
        };
        if gone {
            match private::remove(&path) {
                Ok(()) => tracing::info!(path = %path.display(), "removed what an earlier preparation left"),
                Err(error) => tracing::warn!(%error, path = %path.display(), "it cannot be removed"),
            }
        }
    }
}

fn is_older(changed: SystemTime, than: Duration) -> bool {
    changed.elapsed().is_ok_and(|age| age > than)
}
