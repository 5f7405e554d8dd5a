//! Images of machines: the whole disk as it is at one moment, in a new file that depends on no other.

use std::{
    fs::{File, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    disk::{self, MAKING},
    overlay::{IMAGES, OVERLAY},
};
use crate::shared::{
    exec,
    private::{self, Scratch},
};
use wharf_core::{
    base::{
        blocking::blocking,
        clean,
        error::{During, Error, Result},
        small_file,
    },
    image::reference::ImageRef,
};

/// The most time in which the disk of a machine is copied.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// The most bytes of output of QEMU's programs.
const OUTPUT: usize = 64 << 10;
/// The file with the names of the images that were made of a machine.
const MADE: &str = "snapshots.json";

/// The folder for images of machines.
pub struct Snapshots(pub PathBuf);

impl Snapshots {
    /// Makes the image `name` of the machine whose launch is in `folder`; `copy` writes its disk into a file. While it runs,
    /// the image is as after a power cut. What was made of this machine under the name before is given again.
    ///
    /// # Errors
    /// `Usage` for a name that is none of a file, or that another image has.
    pub async fn make<C: Future<Output = Result<()>>>(
        &self,
        folder: &Path,
        name: &str,
        copy: impl FnOnce(PathBuf) -> C,
    ) -> Result<ImageRef> {
        let what = format!("make the image {}", clean::short(name, 60));
        let name = name.strip_suffix(".qcow2").unwrap_or(name);
        let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > 100 || name.starts_with(['.', '-']) || !name.chars().all(valid) {
            return Err(Error::usage(what, "it is no name of a file").hint("use letters, digits, -, _ and ."));
        }
        let image = self.0.join(format!("{name}.qcow2"));
        let reference = ImageRef::File { path: image.display().to_string(), tag: None, digest: None };
        let mut made = made(folder);
        if image.exists() {
            let known = made.iter().any(|known| known == name);
            let taken = Error::usage(what, format!("{} is there already", image.display())).hint("choose another name");
            return if known { Ok(reference) } else { Err(taken) };
        }
        let images = self.0.clone();
        let make = move || std::fs::create_dir_all(&images).map(|()| disk::remove_left(&images));
        blocking(make).await.during(&what)?.during(&what)?;
        // Its name begins with a dot, so that it is not listed as an image.
        let making = self.0.join(format!(".{name}.{}.{MAKING}", private::random()));
        let scratch = Scratch::make(making)?;
        let whole = scratch.path().join("disk.qcow2");
        copy(whole.clone()).await.map_err(|error| error.during(&what))?;
        made.push(name.to_owned());
        let (list, note) = (serde_json::to_vec(&made).during(&what)?, folder.join(MADE));
        let finish = move || {
            let what = "put the image into its place";
            // Whatever the machine had is in it.
            let file = File::open(&whole).during(what)?;
            file.set_permissions(Permissions::from_mode(0o600)).and_then(|()| file.sync_all()).during(what)?;
            // A name that was taken meanwhile is not written over.
            private::put_new(&whole, &image).during(what)?;
            private::write(&note, &list)
        };
        blocking(finish).await.during(&what)??;
        drop(scratch);
        Ok(reference)
    }
}

/// The names of the images that were made of a machine.
fn made(folder: &Path) -> Vec<String> {
    let text = small_file::bytes(folder.join(MADE)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Runs `qemu-img` with these words; gives its output.
pub async fn images(words: &[&str], what: &str) -> Result<Vec<u8>> {
    let words = [&[IMAGES], words].concat();
    let output = exec::run_in(&words, Some(&exec::path_alone()), b"", OUTPUT, LONGEST).await?;
    if output.code == 0 {
        return Ok(output.stdout);
    }
    Err(Error::failed(what, clean::short(output.stderr.trim(), 300)).hint("check the space left for images"))
}

/// Copies the disk of a machine that does not run.
pub async fn copy_stopped(folder: &Path, to: &Path, what: &str) -> Result<()> {
    let (from, to) = (folder.join(OVERLAY).display().to_string(), to.display().to_string());
    images(&["convert", "-q", "-f", "qcow2", "-O", "qcow2", &from, &to], what).await.map(|_| ())
}
