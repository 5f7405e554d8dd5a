//! What is kept beside a prepared image, and whether the image still is what was prepared.
//!
//! A file says nothing about who wrote it: whoever controls the folder controls its bytes. So these facts tell an image
//! that was damaged or replaced by mistake; a launch keeps the hash in a folder of its own, and compares it again where
//! the image runs.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{files, people::ImageUser};
use crate::shared::private;
use wharf_core::base::{
    digest::Digest,
    error::{During, Error, Result},
};

/// The name of the facts in the folder of a prepared image. It is written last.
pub(super) const FILE: &str = "facts.json";
/// The version of the facts' format.
const FORMAT: u32 = 1;
/// The most bytes of facts that are read.
const LONGEST: u64 = 16 << 10;

/// In which form an image is prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// One file with a squashfs file system, the same for everybody who prepares it with the same tool.
    Squashfs,
    /// A folder with all files, where no squashfs can be made.
    Folder,
}

impl Form {
    /// The name in the folder of a prepared image.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Squashfs => "image.sqfs",
            Self::Folder => "root",
        }
    }
}

/// What is known of a prepared image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Facts {
    /// The version of this format.
    pub format: u32,
    /// The reference that it was prepared from.
    pub source: String,
    /// The digest of the manifest that was unpacked.
    pub manifest: Digest,
    /// Its form.
    pub form: Form,
    /// The sha256 of the file; `None` for a folder.
    pub sha256: Option<Digest>,
    /// The size of the file in bytes; that of its layers for a folder.
    pub size: u64,
    /// What made it, with its version.
    pub tool: String,
    /// When it was made, in seconds since 1970.
    pub made: i64,
    /// The user that its program runs as, from the image's lists; `None` where they do not have the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<ImageUser>,
}

/// A prepared image that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// The file, or the folder.
    pub path: PathBuf,
    /// The sha256 of the file; `None` for a folder.
    pub sha256: Option<Digest>,
}

/// The standing of a prepared image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kept {
    /// It is what was prepared.
    Sound(Prepared),
    /// It is not there.
    Missing,
    /// It is not what was prepared, and why.
    Changed(String),
}

impl Facts {
    /// Facts in the format of this version.
    pub(super) fn new(source: String, manifest: Digest, form: Form, tool: String, made: i64) -> Self {
        Self { format: FORMAT, source, manifest, form, sha256: None, size: 0, tool, made, user: None }
    }

    /// Writes the facts into a folder, completely or not at all.
    ///
    /// # Errors
    /// What the file system says.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let bytes = serde_json::to_vec_pretty(self).during("keep a prepared image")?;
        private::write(&folder.join(FILE), &bytes)
    }

    /// The facts in a folder.
    ///
    /// # Errors
    /// Where they are not there, or no facts of this version.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let what = format!("read {}", folder.join(FILE).display());
        let facts: Self =
            serde_json::from_slice(&files::bytes(&folder.join(FILE), LONGEST).during(&what)?).during(&what)?;
        if facts.format == FORMAT {
            Ok(facts)
        } else {
            Err(Error::failed(what, "another version of Wharf has written it"))
        }
    }
}

/// Compares what is in a folder with its facts and with the manifest that is wanted; reads the whole file.
pub(super) fn check(folder: &Path, manifest: &Digest) -> Kept {
    match folder.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Kept::Missing,
        Err(error) => return Kept::Changed(error.to_string()),
        Ok(meta) if !meta.is_dir() => return Kept::Changed("it is no folder".to_owned()),
        Ok(_) => {}
    }
    let facts = match Facts::read(folder) {
        Ok(facts) => facts,
        Err(error) => return Kept::Changed(error.why),
    };
    if facts.manifest != *manifest {
        return Kept::Changed("it was prepared from another image".to_owned());
    }
    let path = folder.join(facts.form.name());
    let sound = match (facts.form, &facts.sha256) {
        (Form::Folder, _) => path.symlink_metadata().is_ok_and(|meta| meta.is_dir()),
        (Form::Squashfs, Some(sha256)) => match files::sha256(&path) {
            Ok(found) => found == (sha256.clone(), facts.size),
            Err(error) => return Kept::Changed(error.to_string()),
        },
        (Form::Squashfs, None) => false,
    };
    if sound {
        Kept::Sound(Prepared { path, sha256: facts.sha256.filter(|_| facts.form == Form::Squashfs) })
    } else {
        Kept::Changed("its bytes are not those that were prepared".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(folder: &Path) -> Facts {
        std::fs::write(folder.join("image.sqfs"), "bytes").unwrap();
        let mut facts = Facts::new("oci://r/a".into(), Digest::of(b"m"), Form::Squashfs, "mksquashfs".into(), 1);
        (facts.sha256, facts.size) = (Some(Digest::of(b"bytes")), 5);
        facts.write(folder).unwrap();
        facts
    }

    #[test]
    fn only_the_bytes_that_were_prepared_are_sound() {
        let changes: [fn(&Path, Facts); 7] = [
            |folder, _| std::fs::write(folder.join("image.sqfs"), "BYTES").unwrap(),
            |folder, _| std::fs::write(folder.join("image.sqfs"), "bytes and more").unwrap(),
            |folder, _| std::fs::remove_file(folder.join("image.sqfs")).unwrap(),
            |folder, _| {
                std::fs::rename(folder.join("image.sqfs"), folder.join("x")).unwrap();
                std::os::unix::fs::symlink("x", folder.join("image.sqfs")).unwrap();
            },
            |folder, facts| Facts { format: 9, ..facts }.write(folder).unwrap(),
            |folder, facts| Facts { sha256: None, ..facts }.write(folder).unwrap(),
            |folder, _| std::fs::write(folder.join(FILE), vec![b' '; 1 << 20]).unwrap(),
        ];
        for (number, change) in changes.iter().enumerate() {
            let folder = tempfile::tempdir().unwrap();
            let facts = kept(folder.path());
            let Kept::Sound(prepared) = check(folder.path(), &Digest::of(b"m")) else { panic!("it is sound") };
            assert_eq!(prepared.sha256, Some(Digest::of(b"bytes")));
            assert!(matches!(check(folder.path(), &Digest::of(b"other")), Kept::Changed(_)));
            change(folder.path(), facts);
            assert!(matches!(check(folder.path(), &Digest::of(b"m")), Kept::Changed(_)), "change {number}");
        }
        assert_eq!(check(Path::new("/nowhere/at/all"), &Digest::of(b"m")), Kept::Missing);
    }
}
