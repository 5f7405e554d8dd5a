//! A workload whose image could not be mounted: its keeper unpacks the image for it alone, and its program starts there.

use std::{fs::File, path::Path};

use super::{
    mounted::{self, MountedImage},
    root, runtime,
    sandboxed::Sandboxed,
};
use wharf_core::base::{
    context::Context,
    error::{During, Result},
};

/// The process of the workload in `folder` in its unpacked image, instead of the mounted one, which is open as `file`.
/// Waits until it is unpacked.
///
/// # Errors
/// Where the image cannot be unpacked, or lacks what the process needs.
pub(super) fn unpacked(folder: &Path, sandboxed: &Sandboxed, image: &MountedImage, file: File) -> Result<Sandboxed> {
    let what = "unpack the image instead";
    let own = folder.join(mounted::UNPACKED);
    // A keeper needs nothing else of this kind.
    let waiting = tokio::runtime::Builder::new_current_thread().enable_all().build().during(what)?;
    waiting.block_on(root::unpack_for_one(&Context::default(), file, image.offset, &own))?;
    let mut sandboxed = Sandboxed { mounted: None, ..sandboxed.clone() };
    sandboxed.inside.root.clone_from(&own);
    runtime::placed(sandboxed, &own, true)
}
