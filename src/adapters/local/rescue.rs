//! A workload whose image could not be mounted: its keeper unpacks the image for it alone, and its program starts there.

use std::{fs::File, path::Path};

use super::{
    mounted::{self, MountedImage},
    placing, root,
    sandboxed::Sandboxed,
    waiting::wait_for,
};
use wharf_core::base::{context::Context, error::Result};

/// The process of the workload in `folder` in its unpacked image, instead of the mounted one, which is open as `file`.
/// Waits until it is unpacked.
///
/// # Errors
/// Where the image cannot be unpacked, or lacks what the process needs.
pub(super) fn unpacked(folder: &Path, sandboxed: &Sandboxed, image: &MountedImage, file: File) -> Result<Sandboxed> {
    let own = folder.join(mounted::UNPACKED);
    wait_for(root::unpack_for_one(&Context::default(), file, image.offset, &own), "unpack the image instead")?;
    let mut sandboxed = Sandboxed { mounted: None, ..sandboxed.clone() };
    sandboxed.inside.root.clone_from(&own);
    placing::placed(sandboxed, &own, true)
}
