//! Making one file of a folder: `mksquashfs`, so that the same files give the same bytes.

use std::{path::Path, time::Duration};

use super::files;
use crate::shared::exec;
use wharf_core::base::{
    blocking::blocking,
    digest::Digest,
    error::{During, Error, Result},
};

/// The program.
const PROGRAM: &str = "mksquashfs";
/// The longest that it may take.
const LONGEST: Duration = Duration::from_secs(3600);
/// The most bytes of its output that are kept.
const OUTPUT: usize = 16 << 10;

/// Whether a squashfs can be made here.
pub fn is_there() -> bool {
    exec::on_path(PROGRAM).is_some()
}

/// The version of the program: `mksquashfs version 4.5.1 (2022/03/17)`.
pub(super) async fn version() -> String {
    let output = exec::run(&[PROGRAM, "-version"], b"", OUTPUT, Duration::from_secs(20)).await;
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    wharf_core::base::clean::short(text.lines().next().unwrap_or(PROGRAM), 80)
}

/// Makes `file` of the folder `root`: its owner is root, all times are 0, and nothing of this machine is in it. Gives the
/// sha256 and the size in bytes of what is on the disk then.
///
/// # Errors
/// What the program says.
pub(super) async fn pack(root: &Path, file: &Path) -> Result<(Digest, u64)> {
    let what = format!("make {}", file.display());
    let text = |path: &Path| {
        path.to_str()
            .map(str::to_owned)
            .ok_or_else(|| Error::unsupported(&what, "the path is not text").hint("choose another folder"))
    };
    let (from, to) = (text(root)?, text(file)?);
    // Two processors: this machine is everybody's. A time in the environment would contradict those here.
    let order = ["-all-root", "-reproducible", "-all-time", "0", "-mkfs-time", "0", "-noappend", "-no-xattrs"];
    // What cannot be read would be left out with a warning only.
    let manner = ["-exit-on-error", "-comp", "gzip", "-processors", "2", "-quiet", "-no-progress"];
    let argv = [&[PROGRAM, &from, &to], &order[..], &manner[..]].concat();
    let environment = vec![format!("PATH={}", std::env::var("PATH").unwrap_or_default())];
    let output = exec::run_in(&argv, Some(&environment), b"", OUTPUT, LONGEST).await?;
    if output.code != 0 {
        let why = if output.stderr.is_empty() { format!("it ended with {}", output.code) } else { output.stderr };
        return Err(Error::failed(what, format!("{PROGRAM}: {why}"))
            .hint("check the space left in its folder, and that squashfs-tools is 4.5 or newer"));
    }
    let made = file.to_owned();
    let read = move || {
        files::open(&made)?.sync_all()?;
        files::sha256(&made)
    };
    blocking(read).await.during(&what)?.during(&what)
}
