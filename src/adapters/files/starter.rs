//! The starter catalog (`assets/starter`): an image to launch on a machine that has none.

use std::path::{Path, PathBuf};

use crate::shared::private;
use wharf_core::base::{error::Result, small_file};

macro_rules! layout {
    ($($path:literal),+ $(,)?) => { &[$(($path, include_bytes!(concat!("../../../assets/starter/layout/", $path))),)+] };
}

/// The files in the order of writing: blobs first, so that everything that `index.json` names is there.
const FILES: &[(&str, &[u8])] = layout![
    "blobs/sha256/083c391568e0332ca79f452421b5815a30f995669d0b2d28c704def482c81f4f",
    "blobs/sha256/0bc4f9fbf7156d589642eb1c29a1ad9734b2990fb1a9abc3bff0269ba1adafa3",
    "blobs/sha256/392f3167e4ce486c9e0566c694b0bcc21060f7993ba761fce0d42c7e5bf8ff9e",
    "blobs/sha256/661aa7ccc780ca249e8664952a582b3418dd61bad234f13ed8d314fd6c603186",
    "blobs/sha256/94e642a12a3080bd9230011796856d68a919246dbb1ebdb2566885a325f3f16b",
    "blobs/sha256/99a5159c61d3a0d2a2ad3732c68fc8579281b28909954d31b0fc3e3e1b7be163",
    "blobs/sha256/bce6ae353ea43bfa50f9ec06753294dbf26f78b3f8f0c7af6e3fa2ade881c154",
    "oci-layout",
    "index.json",
];

/// Writes the layout into the folder `cache` unless it is there already; returns the folder that holds it.
pub(super) fn lay_out(cache: &Path) -> Result<PathBuf> {
    let folder = cache.join("starter");
    for (path, bytes) in FILES {
        let file = folder.join("look").join(path);
        if small_file::bytes(&file).is_ok_and(|there| there == *bytes) {
            continue;
        }
        if let Some(parent) = file.parent() {
            private::folder(parent)?;
        }
        private::write(&file, bytes)?;
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_core::base::digest::Digest;

    #[test]
    fn every_blob_of_the_starter_catalog_has_the_digest_it_is_named_by() {
        for (path, bytes) in FILES {
            if let Some(hex) = path.strip_prefix("blobs/sha256/") {
                assert_eq!(Digest::of(bytes).hex(), hex);
            }
        }
    }

    #[test]
    fn it_is_laid_out_once_and_mended_when_damaged() {
        let cache = tempfile::tempdir().unwrap();
        let folder = lay_out(cache.path()).unwrap();
        std::fs::write(folder.join("look/index.json"), "broken").unwrap();
        lay_out(cache.path()).unwrap();
        assert!(std::fs::read_to_string(folder.join("look/index.json")).unwrap().contains("manifests"));
    }
}
