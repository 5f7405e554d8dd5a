//! The folder in which an archive is gathered, and the archive that is made of it. Both lie where others may write, too:
//! only what the index reaches is packed, each blob is compared once more, and no link is followed.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufWriter, Read, Write},
    os::unix::fs::MetadataExt,
    path::Path,
};

use rustix::fs::{Mode, OFlags, openat};

use crate::{
    formats::archive,
    shared::{partial, private},
};
use wharf_core::{
    base::{
        digest::{Digest, Hasher},
        error::{During, Error, Result},
    },
    image::manifest::{MANIFEST_LIMIT, Manifest, RawManifest},
};

/// Packs a layout that was gathered in `folder` as the archive `target`, and removes the folder.
///
/// # Errors
/// `NotAllowed` where the folder is not this user's alone; `Integrity` where a blob has other bytes than its digest says.
pub(super) fn pack(folder: &Path, target: &Path, what: &str) -> Result<()> {
    let root = private::own_folder(folder)?
        .ok_or_else(|| Error::failed(what, format!("{} is gone", folder.display())).hint("copy it again"))?;
    let index = small(&root, &["index.json"], what)?;
    let reached = reached(&root, &index, what)?;
    let partial = private::beside(target, "packing");
    let packed = (|| {
        let mut builder = tar::Builder::new(BufWriter::new(private::new_file(&partial, what)?));
        append(&mut builder, (&root, &["oci-layout"]), None, what)?;
        append(&mut builder, (&root, &["index.json"]), Some(&Digest::of(&index)), what)?;
        for digest in &reached {
            append(&mut builder, (&root, &in_layout(digest)), Some(digest), what)?;
        }
        builder.into_inner().during(what)?.into_inner().map_err(|error| Error::failed(what, error.error()))?;
        std::fs::rename(&partial, target).during(what)
    })();
    if packed.is_err() {
        let _ = std::fs::remove_file(&partial);
        return packed;
    }
    if partial::leads_to(folder, &root) { std::fs::remove_dir_all(folder).during(what) } else { Ok(()) }
}

fn in_layout(digest: &Digest) -> [&str; 3] {
    ["blobs", digest.algorithm(), digest.hex()]
}

/// All manifests and blobs that the images of an index consist of, as far as they lie in the layout itself.
fn reached(root: &File, index: &[u8], what: &str) -> Result<BTreeSet<Digest>> {
    let mut left: Vec<Digest> = archive::layout_index(index, what)?.into_iter().map(|(_, digest)| digest).collect();
    let (mut manifests, mut all) = (BTreeSet::new(), BTreeSet::new());
    while let Some(digest) = left.pop() {
        if !manifests.insert(digest.clone()) {
            continue;
        }
        let bytes = small(root, &in_layout(&digest), what)?;
        match RawManifest::with_digest(&digest, None, bytes.into(), what)?.parsed() {
            Manifest::Index { manifests, .. } => left.extend(manifests.iter().map(|one| one.digest.clone())),
            Manifest::Image { config, layers, .. } => {
                let own = layers.iter().filter(|layer| !layer.is_foreign()).chain([config]);
                all.extend(own.map(|blob| blob.digest.clone()));
            }
        }
    }
    all.append(&mut manifests);
    Ok(all)
}

/// Appends a file of the layout; its bytes must have the digest, if one is known.
fn append(
    builder: &mut tar::Builder<impl Write>,
    (root, path): (&File, &[&str]),
    digest: Option<&Digest>,
    what: &str,
) -> Result<()> {
    let file = below(root, path, what)?;
    let meta = file.metadata().during(what)?;
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_size(meta.len());
    header.set_mode(0o644);
    header.set_mtime(u64::try_from(meta.mtime()).unwrap_or(0));
    let mut reading = Hashed { from: file.take(meta.len()), hasher: digest.map(Digest::hasher) };
    builder.append_data(&mut header, path.join("/"), &mut reading).during(what)?;
    match (digest, reading.hasher) {
        (Some(digest), Some(hasher)) => digest.matches(&hasher.finish(), what),
        _ => Ok(()),
    }
}

/// What is read through it is hashed.
struct Hashed<R> {
    from: R,
    hasher: Option<Hasher>,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let count = self.from.read(into)?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&into[..count]);
        }
        Ok(count)
    }
}

fn small(root: &File, path: &[&str], what: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    below(root, path, what)?.take(MANIFEST_LIMIT as u64 + 1).read_to_end(&mut bytes).during(what)?;
    if bytes.len() > MANIFEST_LIMIT {
        return Err(Error::failed(what, format!("{} is larger than Wharf accepts", path.join("/"))));
    }
    Ok(bytes)
}

/// Opens a file below an open folder; a link is refused in each part of its path, and a pipe is not waited for.
fn below(root: &File, path: &[&str], what: &str) -> Result<File> {
    let failed = |why: String| {
        Error::failed(what, format!("{}: {why}", path.join("/")))
            .hint("another transfer into it may have been cancelled: copy it again")
    };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let mut at = root.try_clone().during(what)?;
    for (number, part) in path.iter().enumerate() {
        let flags = if number + 1 < path.len() { flags | OFlags::DIRECTORY } else { flags };
        at = openat(&at, *part, flags, Mode::empty()).map_err(|error| failed(error.to_string()))?.into();
    }
    if at.metadata().during(what)?.is_file() { Ok(at) } else { Err(failed("it is no file".to_owned())) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use wharf_core::{base::error::Kind, image::manifest::OCI_MANIFEST};

    /// A layout with one image; gives the digest of its layer.
    fn gathered(folder: &Path) -> Digest {
        private::working_folder(folder).unwrap();
        let put = |bytes: &[u8]| {
            let digest = Digest::of(bytes);
            let path = in_layout(&digest).iter().fold(folder.to_owned(), |path, part| path.join(part));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
            digest
        };
        let (config, layer) = (put(b"{}"), put(b"layer"));
        let manifest = serde_json::json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 2},
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer, "size": 5}]});
        let manifest = serde_json::to_vec(&manifest).unwrap();
        let top = put(&manifest);
        let index = serde_json::json!({"schemaVersion": 2,
            "manifests": [{"mediaType": OCI_MANIFEST, "digest": top, "size": manifest.len()}]});
        std::fs::write(folder.join("index.json"), serde_json::to_vec(&index).unwrap()).unwrap();
        std::fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        layer
    }

    #[test]
    fn only_what_the_index_reaches_is_packed_and_no_link_is_followed() {
        let home = tempfile::tempdir().unwrap();
        let (folder, target) = (home.path().join("x.tar.partial"), home.path().join("x.tar"));
        gathered(&folder);
        let keys = home.path().join("keys");
        std::fs::create_dir(&keys).unwrap();
        std::fs::write(keys.join("id"), "secret").unwrap();
        symlink(&keys, folder.join("k")).unwrap();
        std::fs::write(folder.join("blobs/sha256/stray"), "stray").unwrap();
        pack(&folder, &target, "pack").unwrap();
        assert!(!folder.exists() && keys.join("id").exists());
        let mut archive = tar::Archive::new(File::open(&target).unwrap());
        let names: Vec<String> =
            archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect();
        assert_eq!((names.len(), &names[..2]), (5, &["oci-layout".to_owned(), "index.json".to_owned()][..]));
        assert!(names[2..].iter().all(|name| name.starts_with("blobs/sha256/") && !name.ends_with("stray")));
    }

    #[test]
    fn a_blob_with_other_bytes_or_behind_a_link_is_not_packed() {
        let home = tempfile::tempdir().unwrap();
        let (folder, target) = (home.path().join("x.tar.partial"), home.path().join("x.tar"));
        let layer = gathered(&folder);
        let blob = folder.join("blobs/sha256").join(layer.hex());
        std::fs::write(&blob, "wrong").unwrap();
        assert_eq!(pack(&folder, &target, "pack").unwrap_err().kind, Kind::Integrity);
        std::fs::write(home.path().join("right"), "layer").unwrap();
        std::fs::remove_file(&blob).unwrap();
        symlink(home.path().join("right"), &blob).unwrap();
        assert!(pack(&folder, &target, "pack").is_err());
        // The folder stays for the next try; the archive is not there, and nothing half packed is.
        assert_eq!((folder.exists(), std::fs::read_dir(home.path()).unwrap().count()), (true, 2));
    }

    #[test]
    fn a_folder_that_others_could_have_filled_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let (folder, target) = (home.path().join("x.tar.partial"), home.path().join("x.tar"));
        gathered(&folder);
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o777)).unwrap();
        assert_eq!(pack(&folder, &target, "pack").unwrap_err().kind, Kind::NotAllowed);
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o700)).unwrap();
        std::fs::rename(&folder, home.path().join("other")).unwrap();
        symlink(home.path().join("other"), &folder).unwrap();
        assert_eq!(pack(&folder, &target, "pack").unwrap_err().kind, Kind::NotAllowed);
    }
}
