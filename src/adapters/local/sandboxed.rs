//! One process in a sandbox, as data.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use wharf_core::{
    base::{
        error::{During, Error, Result},
        small_file,
    },
    image::model::Foreign,
};

use super::{inside::SandboxLayout, mounted::MountedImage, sandbox_program::SandboxProgram};
use crate::prepared::people::ImageUser;

/// One process in a sandbox, as data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandboxed {
    /// The program that makes the sandbox.
    pub runtime: SandboxProgram,
    /// The command line as the plan shows it; the real one has the values that are known later.
    pub argv: Vec<String>,
    /// What the sandbox looks like from the inside.
    pub inside: SandboxLayout,
    /// The image's file, where it is mounted in the sandbox; else the image is unpacked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mounted: Option<MountedImage>,
    /// User and group, as the image names them.
    pub user: Foreign,
    /// The user's numbers and home, once the image is unpacked.
    pub who: Option<ImageUser>,
    /// The most memory of a single process, in bytes; 0 for no limit.
    pub memory: u64,
    /// The most processors that it may use; 0 for no limit.
    pub processors: u64,
    /// The most processes that it may add to those of its user; 0 for no limit.
    pub processes: u64,
}

impl Sandboxed {
    /// Who runs it.
    ///
    /// # Errors
    /// Where that is not known yet.
    pub(super) fn who(&self, what: &str) -> Result<&ImageUser> {
        self.who.as_ref().ok_or_else(|| Error::failed(what, "nobody was found to run as"))
    }
}

/// The file in a prepared folder that describes its process.
pub(super) fn file(folder: &Path) -> PathBuf {
    folder.join("process.json")
}

/// The process that is described in a prepared folder.
pub(super) fn read(folder: &Path) -> Result<Sandboxed> {
    let file = file(folder);
    let what = format!("read {}", file.display());
    serde_json::from_slice(&small_file::bytes(&file).during(&what)?).during(what)
}
