//! Paths below the root of an image: the kernel resolves them inside of it (openat2, `RESOLVE_IN_ROOT`), wherever the
//! image's links point to.

use std::{
    fs::File,
    io::Read,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::{Component, Path, PathBuf},
};

use rustix::{
    fs::{CWD, FileType, Mode, OFlags, ResolveFlags},
    io::Errno,
};

use wharf_core::base::{
    clean,
    error::{During, Error, Result},
};

/// Largest list of users or groups that is read, in bytes.
const MOST: u64 = 1 << 20;

/// The root folder of an unpacked image.
pub struct RootFolder {
    fd: OwnedFd,
    path: PathBuf,
}

/// A place in the image that a sandbox needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountPoint {
    /// The absolute path as seen inside.
    pub path: PathBuf,
    /// Whether it is a folder; else it is a file.
    pub folder: bool,
}

/// Whether a path is in `/tmp` or `/run`, where each sandbox has its own empty folders.
pub fn is_own(path: &Path) -> bool {
    ["/tmp", "/run"].iter().any(|own| path.starts_with(own))
}

impl RootFolder {
    /// Opens the root folder.
    pub fn new(root: &Path) -> Result<Self> {
        let what = format!("open {}", root.display());
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(CWD, root, flags, Mode::empty()).during(&what)?;
        let path = std::fs::read_link(link(&fd)).during(what)?;
        Ok(Self { fd, path })
    }

    /// The root folder of this process, which may be in a sandbox whose `/proc` does not know it.
    pub fn own() -> Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(CWD, "/", flags, Mode::empty()).during("open the image")?;
        Ok(Self { fd, path: "/".into() })
    }

    /// A small regular file as text; `None` if it is missing. Anything else is an error, and nothing is waited for.
    pub fn read(&self, at: &str) -> Result<Option<String>> {
        let what = format!("read the image's {at}");
        // Its type is checked before it is opened for reading: opening a pipe or device could change something.
        let seen = match self.open(Path::new(at), OFlags::PATH) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
            other => other.during(&what)?,
        };
        let stat = rustix::fs::fstat(&seen).during(&what)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Error::failed(what, "it is not a regular file"));
        }
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = File::from(self.open(Path::new(at), flags).during(&what)?);
        if !file.metadata().during(&what)?.is_file() {
            return Err(Error::failed(what, "it is not a regular file"));
        }
        let mut bytes = Vec::new();
        file.take(MOST + 1).read_to_end(&mut bytes).during(&what)?;
        if bytes.len() as u64 > MOST {
            return Err(Error::failed(what, "it is larger than 1 MiB"));
        }
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// The path of a mount or working folder with all links resolved; `None` if the image lacks it. Places in the
    /// sandbox's own `/tmp` and `/run` are always there, because they are created when it starts.
    pub fn find(&self, point: &MountPoint) -> Result<Option<PathBuf>> {
        let at = point.path.as_path();
        let what = format!("use {} of the image", clean::short(&at.display().to_string(), 200));
        let plain =
            at.is_absolute() && at.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
        if !plain {
            return Err(Error::usage(what, "it is not a plain absolute path"));
        }
        if is_own(at) {
            return Ok(Some(at.to_owned()));
        }
        match self.open(at, OFlags::PATH) {
            Ok(there) => {
                let path = self.real(&there, &what)?;
                let stat = rustix::fs::fstat(&there).during(&what)?;
                if !is_own(&path) && (FileType::from_raw_mode(stat.st_mode) == FileType::Directory) != point.folder {
                    let is = if point.folder { "a file" } else { "a folder" };
                    return Err(Error::usage(what, format!("in the image it is {is}")));
                }
                Ok(Some(path))
            }
            Err(Errno::NOENT) => match at.parent() {
                // A folder of the image may be a link to one of the sandbox's own folders.
                Some(parent) => {
                    let above = self.find(&MountPoint { path: parent.to_owned(), folder: true })?;
                    let path = above.map(|above| above.join(at.file_name().unwrap_or_default()));
                    Ok(path.filter(|path| is_own(path)))
                }
                None => Ok(None),
            },
            Err(Errno::LOOP) => Err(Error::usage(what, "its links go in a circle")),
            Err(error) => Err(Error::failed(what, error)),
        }
    }

    /// The path that a place has or would have, with all links resolved. It fails where the image has something else there.
    pub fn place(&self, point: &MountPoint) -> Result<PathBuf> {
        if let Some(path) = self.find(point)? {
            return Ok(path);
        }
        let parent = point.path.parent().unwrap_or(Path::new("/")).to_owned();
        let path =
            self.place(&MountPoint { path: parent, folder: true })?.join(point.path.file_name().unwrap_or_default());
        match self.open(&path, OFlags::PATH | OFlags::NOFOLLOW) {
            Err(Errno::NOENT) => Ok(path),
            _ => Err(Error::usage(
                format!("use {} of the image", clean::short(&point.path.display().to_string(), 200)),
                "in the image it is a link to nowhere",
            )),
        }
    }

    /// Opens the root folder once more, with what is mounted over it by now.
    pub fn again(&self) -> Result<OwnedFd> {
        Ok(Self::new(&self.path)?.fd)
    }

    /// Like `place`, but creates the place and the folders above it if the image lacks them.
    pub fn make(&self, point: &MountPoint) -> Result<PathBuf> {
        if let Some(path) = self.find(point)? {
            return Ok(path);
        }
        let what = format!("make {} in the image", clean::short(&point.path.display().to_string(), 200));
        let parent = point.path.parent().unwrap_or(Path::new("/")).to_owned();
        let above = self.make(&MountPoint { path: parent, folder: true })?;
        let name = point.path.file_name().unwrap_or_default();
        let folder = self.open(&above, OFlags::PATH | OFlags::DIRECTORY).during(&what)?;
        let made = if point.folder {
            rustix::fs::mkdirat(&folder, name, Mode::from_raw_mode(0o755))
        } else {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            rustix::fs::openat(&folder, name, flags, Mode::from_raw_mode(0o644)).map(drop)
        };
        match made {
            Ok(()) => Ok(above.join(name)),
            Err(Errno::EXIST) => Err(Error::usage(what, "in the image it is a link to nowhere")),
            Err(error) => Err(Error::failed(what, error)),
        }
    }

    /// Opens a path to mount over it; fails if there is a link on the way.
    pub fn point(&self, at: &Path, what: &str) -> Result<OwnedFd> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
        rustix::fs::openat2(&self.fd, relative(at), OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve)
            .map_err(|error| Error::failed(what, format!("{}: {error}", at.display())))
    }

    fn open(&self, at: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        rustix::fs::openat2(&self.fd, relative(at), flags | OFlags::CLOEXEC, Mode::empty(), resolve)
    }

    fn real(&self, fd: &OwnedFd, what: &str) -> Result<PathBuf> {
        let real = std::fs::read_link(link(fd)).during(what)?;
        let inside = real.strip_prefix(&self.path).during(what)?;
        Ok(Path::new("/").join(inside))
    }
}

/// The path below `/proc/self/fd` of an open file.
pub fn link(fd: impl AsFd) -> PathBuf {
    format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd()).into()
}

fn relative(at: &Path) -> &Path {
    let path = at.strip_prefix("/").unwrap_or(at);
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn root() -> (tempfile::TempDir, RootFolder) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("root/etc")).unwrap();
        let below = RootFolder::new(&folder.path().join("root")).unwrap();
        (folder, below)
    }

    #[test]
    fn lists_of_users_are_small_regular_files_of_the_image_or_nothing() {
        let (folder, below) = root();
        let etc = folder.path().join("root/etc");
        std::fs::write(folder.path().join("secret"), "secret").unwrap();
        assert_eq!(below.read("etc/passwd").unwrap(), None);
        for outside in ["/dev/zero", "/etc/passwd", "../../../secret", "/proc/self/environ"] {
            symlink(outside, etc.join("passwd")).unwrap();
            assert_eq!(below.read("etc/passwd").unwrap(), None, "{outside} is looked up in the image");
            std::fs::remove_file(etc.join("passwd")).unwrap();
        }
        rustix::fs::mknodat(CWD, etc.join("pipe"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        symlink("pipe", etc.join("group")).unwrap();
        assert!(below.read("etc/group").unwrap_err().why.contains("regular"));
        std::fs::write(etc.join("large"), vec![b'x'; MOST as usize + 1]).unwrap();
        assert!(below.read("etc/large").unwrap_err().why.contains("1 MiB"));
        std::fs::write(etc.join("own"), "own").unwrap();
        symlink("/etc/own", etc.join("passwd")).unwrap();
        assert_eq!(below.read("etc/passwd").unwrap().as_deref(), Some("own"));
    }

    #[test]
    fn places_are_made_inside_whatever_the_links_say() {
        let (folder, below) = root();
        let outside = folder.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        symlink(&outside, folder.path().join("root/data")).unwrap();
        symlink("/run", folder.path().join("root/etc/run")).unwrap();
        std::fs::create_dir(folder.path().join("root/run")).unwrap();
        let point = |path: &str, folder| MountPoint { path: path.into(), folder };
        assert_eq!(below.find(&point("/a/b", true)).unwrap(), None);
        assert_eq!(below.place(&point("/a/b", true)).unwrap(), Path::new("/a/b"));
        assert_eq!(below.place(&point("/etc/run/x", true)).unwrap(), Path::new("/run/x"));
        assert!(below.place(&point("/data/x", true)).is_err() && !folder.path().join("root/a").exists());
        assert_eq!(below.make(&point("/a/b", true)).unwrap(), Path::new("/a/b"));
        assert_eq!(below.find(&point("/a/b", true)).unwrap().unwrap(), Path::new("/a/b"));
        assert!(below.make(&point("/data/x", true)).is_err());
        assert_eq!(below.make(&point("/etc/run/x", true)).unwrap(), Path::new("/run/x"));
        assert_eq!(below.make(&point("/tmp/x/y", false)).unwrap(), Path::new("/tmp/x/y"));
        assert!(below.make(&point("/a/b", false)).is_err(), "a folder is no file");
        for bad in ["relative", "/a/../b"] {
            assert!(below.make(&point(bad, true)).is_err(), "{bad}");
        }
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
        assert!(!folder.path().join("root/tmp").exists() && !folder.path().join("root/run/x").exists());
    }
}
