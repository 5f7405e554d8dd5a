//! What a site's nodes have to run prepared images with: Apptainer, Podman and Charliecloud. They are runtimes for backends
//! that start no containers on their own.
//!
//! An image is prepared once (`crate::prepared`). Each launch has a folder with a small script that starts the program of
//! the image, so that nothing of the environment is on a command line, and with the hash of the prepared file.

mod apptainer;
mod charliecloud;
mod entering;
mod image_process;
mod launch_folder;
mod podman;

use std::sync::Arc;

pub use self::{apptainer::Apptainer, charliecloud::Charliecloud, podman::Podman};
use super::{
    parts::{Parts, Surroundings},
    shared::exec,
};
use wharf_core::{
    base::error::Result,
    config::{Config, EntryKind},
};

/// A configuration has no entry for runtimes: the backends that use them have settings for that.
pub const KIND: EntryKind = EntryKind { name: "", source: None, backend: None, address: None, from_address: None };

/// Registers the runtimes whose programs are on this machine's path.
///
/// # Errors
/// None; other adapters may fail here.
pub fn register(_config: &Config, _around: &Surroundings, parts: &mut Parts) -> Result<()> {
    if let Some(program) = exec::on_path("apptainer") {
        parts.runtimes.push(Arc::new(Apptainer::new(program)));
    }
    if let Some(program) = exec::on_path("podman") {
        parts.runtimes.push(Arc::new(Podman::new(program)));
    }
    if let Some(program) = exec::on_path("ch-run") {
        parts.runtimes.push(Arc::new(Charliecloud::new(program)));
    }
    Ok(())
}
