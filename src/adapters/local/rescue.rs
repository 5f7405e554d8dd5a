//! A workload whose image could not be mounted: its keeper unpacks the image for it alone, and its program starts there.

use std::{fs::File, path::Path};

use super::{
    mounted::{self, MountedImage},
    placing, root,
    sandboxed::Sandboxed,
    sealed,
    stop_request::StopRequest,
    tied,
};
use wharf_core::base::{context::Context, error::Result};

/// The process of the workload in `folder` in its unpacked image, instead of the mounted one, which is open as `file`.
/// Waits until it is unpacked; `None` where the workload is stopped meanwhile. `ourselves` is this program.
///
/// # Errors
/// Where the image cannot be unpacked, or lacks what the process needs.
pub(super) fn unpacked(
    stop: &mut StopRequest,
    folder: &Path,
    (sandboxed, image): (&Sandboxed, &MountedImage),
    file: File,
    ourselves: &File,
) -> Result<Option<Sandboxed>> {
    let own = folder.join(mounted::UNPACKED);
    // However this process ends, what unpacks ends with it.
    let before = tied::words(&sealed::path(ourselves));
    let cx = Context::default();
    let unpacking = root::unpack_for_one(&cx, &before, file, image.offset, &own);
    if stop.unless_asked(unpacking)?.is_none() {
        return Ok(None);
    }
    let mut sandboxed = Sandboxed { mounted: None, ..sandboxed.clone() };
    sandboxed.inside.root.clone_from(&own);
    let placed = placing::placed(sandboxed, &own, true)?;
    Ok(Some(placed).filter(|_| !stop.is_asked()))
}
