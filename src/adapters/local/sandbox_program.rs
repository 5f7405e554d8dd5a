//! The program that makes the sandbox.

use serde::{Deserialize, Serialize};

use crate::shared::exec;
use wharf_core::launch::isolation::Isolation;

/// The program that makes the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SandboxProgram {
    /// The program `bwrap` of Bubblewrap.
    Bwrap,
    /// The program `unshare` of util-linux.
    Unshare,
    /// The program `runsc` of gVisor, which makes no namespaces for this program, but runs the image itself.
    Runsc,
}

impl SandboxProgram {
    /// The better of the two programs in `PATH` that make namespaces; `None` if neither is there.
    pub fn find() -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        // A setuid `bwrap` gives ordinary users no rights over their own sandbox.
        let plain = |file: std::path::PathBuf| file.metadata().is_ok_and(|meta| meta.mode() & 0o4000 == 0);
        if exec::on_path("bwrap").is_some_and(plain) {
            Some(Self::Bwrap)
        } else {
            exec::on_path("unshare").map(|_| Self::Unshare)
        }
    }

    /// The name of the program.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bwrap => "bwrap",
            Self::Unshare => "unshare",
            Self::Runsc => "runsc",
        }
    }

    /// How it keeps a workload apart from this machine's kernel.
    pub fn isolation(self) -> Isolation {
        match self {
            Self::Bwrap | Self::Unshare => Isolation::SharedKernel,
            Self::Runsc => Isolation::UserSpaceKernel,
        }
    }
}
