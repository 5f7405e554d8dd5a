//! A process in its unpacked image: the places of its mounts, its user, its command line.

use std::path::{Path, PathBuf};

use super::{inside::SandboxLayout, plan, sandbox_program::SandboxProgram, sandboxed::Sandboxed};
use crate::prepared::{below::RootFolder, people};
use wharf_core::base::error::{During, Result};

/// The same process in an image that is unpacked at `root`, ready to run; `copied` where that is of this process alone.
pub(super) fn placed(mut sandboxed: Sandboxed, root: &Path, copied: bool) -> Result<Sandboxed> {
    let below = RootFolder::new(root)?;
    // The shared image is never changed: what it lacks is made in the sandbox.
    if copied {
        plan::points(&sandboxed.inside).iter().try_for_each(|point| below.make(point).map(drop))?;
    }
    plan::must_start(&sandboxed.inside, &below)?;
    let who = people::resolve(&sandboxed.user, &below)?;
    plan::complete(&mut sandboxed.inside, &who, &below)?;
    if sandboxed.runtime == SandboxProgram::Runsc {
        make_places(&sandboxed, root).during("launch on local")?;
    }
    sandboxed.argv = plan::argv(sandboxed.runtime, &sandboxed.inside, &who.clone().into(), "WHARF", "TASK");
    sandboxed.who = Some(who);
    Ok(sandboxed)
}

/// The places of mounts in the unpacked image at `root`. The paths of a complete sandbox have no links.
fn places(inside: &SandboxLayout, root: &Path) -> Vec<(PathBuf, bool)> {
    let below = |at: &Path| root.join(at.strip_prefix("/").unwrap_or(at));
    let mounts = inside.mounts.iter().map(|mount| (below(&mount.inside), mount.host.is_dir()));
    mounts.chain(inside.texts.iter().map(|text| (below(&text.at), false))).collect()
}

/// Whether the image lacks a place for a mount. gVisor would make it in the image, which all workloads share.
pub(super) fn lacks_places(mut sandboxed: Sandboxed, root: &Path) -> Result<bool> {
    if sandboxed.runtime != SandboxProgram::Runsc {
        return Ok(false);
    }
    let below = RootFolder::new(root)?;
    let who = people::resolve(&sandboxed.user, &below)?;
    plan::complete(&mut sandboxed.inside, &who, &below)?;
    Ok(places(&sandboxed.inside, root).iter().any(|(place, _)| place.symlink_metadata().is_err()))
}

/// Makes the places of mounts that a copy of the image lacks, also those in its `/tmp` and `/run`.
fn make_places(sandboxed: &Sandboxed, root: &Path) -> std::io::Result<()> {
    for (place, folder) in places(&sandboxed.inside, root) {
        if place.symlink_metadata().is_ok() {
            continue;
        }
        std::fs::create_dir_all(if folder { &place } else { place.parent().unwrap_or(root) })?;
        if !folder {
            std::fs::File::create_new(&place)?;
        }
    }
    Ok(())
}
