//! A machine's own disk above that of its image.

use std::{path::Path, time::Duration};

use super::seed;
use crate::shared::exec;
use wharf_core::{
    base::{
        clean,
        error::{Error, Result},
    },
    launch::plan::Step,
};

/// The program that makes disks.
pub const IMAGES: &str = "qemu-img";
/// How long the program may take for a disk without content.
const PATIENCE: Duration = Duration::from_secs(60);
/// The most bytes of its output.
const OUTPUT: usize = 64 << 10;
/// The machine's own disk in the folder of its launch, which has what differs from the image.
pub const OVERLAY: &str = "overlay.qcow2";

/// The words that make the machine's own disk, `overlay`, over the prepared one, which is of this format; with a size in
/// bytes, it is grown to that.
pub fn own_disk(overlay: &Path, prepared: &Path, format: &str, size: Option<u64>) -> Vec<String> {
    let (overlay, prepared) = (overlay.display().to_string(), prepared.display().to_string());
    let words = [IMAGES, "create", "-q", "-f", "qcow2", "-F", format, "-b", &prepared, &overlay];
    words.map(str::to_owned).into_iter().chain(size.map(|size| size.to_string())).collect()
}

/// The step that runs these words of `qemu-img`.
pub fn step(argv: Vec<String>) -> Step {
    Step::Run { argv, environment: vec!["PATH".to_owned()] }
}

/// Runs the words of such a step.
///
/// # Errors
/// What `qemu-img` says.
pub async fn run(argv: &[String], what: &str) -> Result<()> {
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    let output = exec::run_in(&words, Some(&exec::path_alone()), b"", OUTPUT, PATIENCE).await?;
    if output.code == 0 {
        return Ok(());
    }
    let said = clean::short(output.stderr.trim(), 300);
    Err(Error::failed(what, said).hint("check the space left in the state folder"))
}

/// The words that make a disk of the folder of a seed, for those who cannot be given a folder.
pub fn seed_disk(folder: &Path, disk: &Path) -> Vec<String> {
    // Two commas stand for one.
    let plain = |path: &Path| path.display().to_string().replace(',', ",,");
    let from = format!("driver=vvfat,dir={},label={}", plain(folder), seed::LABEL);
    let words = [IMAGES, "convert", "-q", "--image-opts", &from, "-O", "qcow2", &disk.display().to_string()];
    words.map(str::to_owned).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_overlay_names_the_format_of_what_is_below_it() {
        let words = own_disk(Path::new("/state/o.qcow2"), Path::new("/cache/a.raw"), "raw", Some(1 << 30)).join(" ");
        assert_eq!(words, "qemu-img create -q -f qcow2 -F raw -b /cache/a.raw /state/o.qcow2 1073741824");
    }

    #[test]
    fn a_seed_in_an_odd_folder_is_still_one_word() {
        let words = seed_disk(Path::new("/a,b/seed"), Path::new("/a,b/seed.qcow2"));
        assert_eq!(words[4], "driver=vvfat,dir=/a,,b/seed,label=cidata");
    }
}
