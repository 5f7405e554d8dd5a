//! What is in a folder of images that are ready to run: prepared ones, and trees that were unpacked.

use std::{collections::BTreeMap, path::Path};

use super::facts::{Facts, Form};
use crate::shared::private;
use wharf_core::{
    base::{
        digest::Digest,
        error::{During, Error, Result},
        small_file,
    },
    launch::kept::KeptImage,
};

/// The most files of a tree that are counted: a folder that somebody else controls may have any number.
const MOST_FILES: usize = 2_000_000;

/// The images in a folder; none where the folder is not there. `busy` tells who uses images, in words, by the hexadecimal
/// digits of their manifests. Reads sizes, and changes nothing.
pub fn list(folder: &Path, backend: &str, busy: &BTreeMap<String, String>) -> Vec<KeptImage> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut all: Vec<KeptImage> = entries
        .filter_map(|entry| {
            let id = entry.file_name().into_string().ok()?;
            let hex = hex_of(&id)?;
            let at = entry.path();
            let is_folder = at.symlink_metadata().is_ok_and(|meta| meta.is_dir());
            let mut kept = is_folder.then(|| described(&at, &id))?;
            backend.clone_into(&mut kept.backend);
            let lease = folder.join(format!("{id}.lease"));
            let prepared = lease.symlink_metadata().is_ok().then(|| "it is being prepared".to_owned());
            kept.busy = busy.get(hex).cloned().or(prepared);
            Some(kept)
        })
        .collect();
    all.sort_by(|a, b| a.id.cmp(&b.id));
    all
}

/// Removes an image from a folder; one that is gone counts as removed. `busy` is that of [`list`].
///
/// # Errors
/// `Usage` for one that is in use, `NotFound` for a name that no image has.
pub fn remove(folder: &Path, id: &str, busy: &BTreeMap<String, String>) -> Result<()> {
    let what = format!("remove {id} from {}", folder.display());
    let Some(hex) = hex_of(id) else { return Err(Error::not_found(what, "no image has such a name")) };
    if let Some(who) = busy.get(hex) {
        return Err(Error::usage(what, format!("it is in use: {who}")).hint("stop that first, or wait for its end"));
    }
    if folder.join(format!("{id}.lease")).symlink_metadata().is_ok() {
        return Err(Error::usage(what, "it is being prepared").hint("wait for its end"));
    }
    let at = folder.join(id);
    // It is gone for every new launch before its files are removed, one by one.
    let aside = private::beside(&at, "aside");
    match std::fs::rename(&at, &aside) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).during(what),
        Ok(()) => private::remove(&aside).during(what),
    }
}

/// The digits of the manifest in the name of an image's folder: `sha256-HEX`, or `HEX` for an unpacked tree.
fn hex_of(id: &str) -> Option<&str> {
    let hex = id.strip_prefix("sha256-").unwrap_or(id);
    format!("sha256:{hex}").parse::<Digest>().is_ok().then_some(hex)
}

fn described(at: &Path, id: &str) -> KeptImage {
    let digest = hex_of(id).map(|hex| format!("sha256:{hex}")).unwrap_or_default();
    let seconds = |path: &Path| {
        let changed = path.symlink_metadata().and_then(|meta| meta.modified()).ok()?;
        let since = changed.duration_since(std::time::UNIX_EPOCH).ok()?;
        i64::try_from(since.as_secs()).ok()
    };
    let used = small_file::text(at.join("used")).ok().and_then(|text| text.trim().parse().ok());
    let mut kept =
        KeptImage { id: id.to_owned(), digest, place: at.display().to_string(), used, ..KeptImage::default() };
    match Facts::read(at) {
        Ok(facts) if facts.form == Form::Squashfs => {
            (kept.form, kept.source, kept.made) = ("squashfs".to_owned(), facts.source, Some(facts.made));
        }
        Ok(facts) => (kept.form, kept.source, kept.made) = ("folder".to_owned(), facts.source, Some(facts.made)),
        Err(_) => (kept.form, kept.made) = ("folder".to_owned(), seconds(&at.join("done")).or_else(|| seconds(at))),
    }
    kept.size = size(at);
    kept
}

/// The bytes that a folder takes on the disk, as far as it can be read. Links are not followed.
fn size(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let (mut left, mut bytes, mut files) = (vec![folder.to_owned()], 0_u64, 0);
    while let Some(folder) = left.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(meta) = entry.metadata() else { continue };
            files += 1;
            if files > MOST_FILES {
                return bytes;
            }
            // A file with several names is counted by its share, so that all of them together are one.
            let links = if meta.is_dir() { 1 } else { meta.nlink().max(1) };
            bytes = bytes.saturating_add(meta.blocks().saturating_mul(512) / links);
            if meta.is_dir() {
                left.push(entry.path());
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_listed_with_who_uses_them_and_others_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        let prepared = format!("sha256-{}", one.hex());
        std::fs::create_dir_all(at(&prepared)).unwrap();
        std::fs::write(at(&prepared).join("image.sqfs"), vec![1; 100_000]).unwrap();
        std::fs::write(at(&prepared).join("used"), "77").unwrap();
        Facts::new("oci://r/a".into(), one.clone(), Form::Squashfs, "t".into(), 50).write(&at(&prepared)).unwrap();
        std::fs::create_dir_all(at(two.hex()).join("root")).unwrap();
        for other in ["photos", ".lock", "sha256-x", "sha256-x.lease"] {
            std::fs::create_dir(at(other)).unwrap();
        }
        let busy = BTreeMap::from([(two.hex().to_owned(), "job 7".to_owned())]);
        let all = list(folder.path(), "lab", &busy);
        assert_eq!(all.len(), 2, "{all:?}");
        let kept = all.iter().find(|kept| kept.id == prepared).unwrap();
        assert_eq!(
            (kept.form.as_str(), kept.source.as_str(), kept.made, kept.used),
            ("squashfs", "oci://r/a", Some(50), Some(77))
        );
        assert!(kept.size >= 100_000 && kept.busy.is_none() && kept.digest == one.as_str());
        assert!(remove(folder.path(), two.hex(), &busy).unwrap_err().why.contains("job 7"));
        for name in ["photos", "..", ""] {
            assert!(remove(folder.path(), name, &busy).is_err(), "{name}");
        }
        for _ in 0..2 {
            remove(folder.path(), &prepared, &busy).unwrap();
        }
        assert_eq!(list(folder.path(), "lab", &busy).len(), 1);
        std::fs::write(at(&format!("{}.lease", two.hex())), "").unwrap();
        assert!(list(folder.path(), "lab", &BTreeMap::new())[0].busy.is_some());
        assert!(remove(folder.path(), two.hex(), &BTreeMap::new()).unwrap_err().why.contains("being prepared"));
    }
}
