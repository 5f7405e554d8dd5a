//! Places for mounts that the image lacks. All workloads share the unpacked image, so a place is made in the sandbox and
//! never in the image: its folder is covered by an empty one that has the place, and into which everything that the image
//! has there is mounted again.

use std::{
    collections::BTreeMap,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags},
    mount::MountFlags,
};

use crate::prepared::below::{self, MountPoint, RootFolder};
use wharf_core::base::error::{During, Error, Result};

const WHAT: &str = "make a place for a mount";
const CAREFUL: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);

/// Makes these places below the mounted root, where they are missing. They have no links in them. Afterwards the folders
/// that cover those of the image cannot be written either.
pub(super) fn make(root: &Path, points: &[MountPoint]) -> Result<()> {
    for (folder, points) in by_folder(&RootFolder::new(root)?, points) {
        // The root may be covered by now, so it is opened again.
        let covering = cover(&RootFolder::new(root)?, &folder)?;
        for point in points {
            let mut at = covering.try_clone().during(WHAT)?;
            let names: Vec<_> = point.path.strip_prefix(&folder).during(WHAT)?.iter().collect();
            for (number, name) in names.iter().enumerate() {
                at = entry(&at, Path::new(name), point.folder || number + 1 < names.len())?;
            }
        }
        rustix::mount::mount_remount(below::link(&covering), CAREFUL | MountFlags::BIND | MountFlags::RDONLY, "")
            .during(WHAT)?;
    }
    Ok(())
}

/// The missing places by the deepest folder above them that is there, outer folders first.
fn by_folder<'a>(below: &RootFolder, points: &'a [MountPoint]) -> BTreeMap<PathBuf, Vec<&'a MountPoint>> {
    let is_there = |path: &Path| below.point(path, WHAT).is_ok();
    let mut missing: BTreeMap<PathBuf, Vec<&MountPoint>> = BTreeMap::new();
    // In these every sandbox has folders of its own, but needs the place for them.
    let is_own = |path: &Path| (below::is_own(path) || path.starts_with("/dev")) && path.components().count() > 2;
    for point in points.iter().filter(|point| !is_own(&point.path) && !is_there(&point.path)) {
        let above = point.path.ancestors().skip(1).find(|above| is_there(above)).unwrap_or(Path::new("/"));
        missing.entry(above.to_owned()).or_default().push(point);
    }
    missing
}

/// Covers a folder by an empty one, in which everything that it has is mounted again; gives the new folder.
fn cover(below: &RootFolder, folder: &Path) -> Result<OwnedFd> {
    let old = below.point(folder, WHAT)?;
    let mode = rustix::fs::fstat(&old).during(WHAT)?.st_mode & 0o7777;
    let options = std::ffi::CString::new(format!("mode={mode:o},size=1m")).during(WHAT)?;
    rustix::mount::mount("tmpfs", below::link(&old), "tmpfs", CAREFUL, Some(options.as_c_str())).during(WHAT)?;
    let new = if folder == Path::new("/") { below.again()? } else { below.point(folder, WHAT)? };
    for name in std::fs::read_dir(below::link(&old)).during(WHAT)? {
        let name = PathBuf::from(name.during(WHAT)?.file_name());
        let stat = rustix::fs::statat(&old, &name, AtFlags::SYMLINK_NOFOLLOW).during(WHAT)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::Symlink {
            let target = rustix::fs::readlinkat(&old, &name, Vec::new()).during(WHAT)?;
            rustix::fs::symlinkat(&*target, &new, &name).during(WHAT)?;
            continue;
        }
        let from = open(&old, &name)?;
        let to = entry(&new, &name, kind == FileType::Directory)?;
        rustix::mount::mount_bind_recursive(below::link(&from), below::link(&to))
            .map_err(|error| Error::failed(WHAT, format!("{}: {error}", folder.join(&name).display())))?;
    }
    Ok(new)
}

/// An entry of a folder, which is made if it is missing.
fn entry(folder: &OwnedFd, name: &Path, is_folder: bool) -> Result<OwnedFd> {
    let made = if is_folder {
        rustix::fs::mkdirat(folder, name, Mode::from_raw_mode(0o755))
    } else {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(folder, name, flags, Mode::from_raw_mode(0o644)).map(drop)
    };
    match made {
        Ok(()) | Err(rustix::io::Errno::EXIST) => open(folder, name),
        Err(error) => Err(Error::failed(WHAT, format!("{}: {error}", name.display()))),
    }
}

fn open(folder: &OwnedFd, name: &Path) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(folder, name, flags, Mode::empty()).during(WHAT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_missing_places_are_made_each_in_the_deepest_folder_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("etc/there")).unwrap();
        let point = |path: &str| MountPoint { path: path.into(), folder: true };
        let points = ["/etc/there", "/etc/new/deep", "/data", "/tmp/x", "/run/x", "/etc/new"].map(point);
        let below = RootFolder::new(folder.path()).unwrap();
        let found = by_folder(&below, &points);
        let told: Vec<(&Path, Vec<&Path>)> = found
            .iter()
            .map(|(above, points)| (above.as_path(), points.iter().map(|point| point.path.as_path()).collect()))
            .collect();
        assert_eq!(
            told,
            [
                (Path::new("/"), vec![Path::new("/data")]),
                (Path::new("/etc"), vec![Path::new("/etc/new/deep"), Path::new("/etc/new")])
            ]
        );
    }
}
