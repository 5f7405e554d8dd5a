//! Unpacking image layers into a folder (OCI image specification, "Applying Changesets").
//!
//! Layers are untrusted input: `..`, absolute paths and symbolic links that point outside must not reach the host. The
//! kernel opens every parent folder inside the root (`openat2` with `RESOLVE_IN_ROOT`), and a link in the last part of
//! a path is never followed. The limits of an image and the reading of layers are in
//! [`crate::formats::layer`]. Names are bytes: not all of them are UTF-8.

use std::{
    collections::{HashMap, HashSet},
    ffi::{OsStr, OsString},
    fs::File,
    hash::{BuildHasher, RandomState},
    io::{Read, Seek, SeekFrom},
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::{OsStrExt, OsStringExt},
    },
    path::{Component, Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use rustix::{
    fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, RawMode, ResolveFlags, Timespec, Timestamps},
    io::Errno,
};

use crate::formats::layer::{Budget, EntryKind, Item, Layer, TooMuch, too_much};
use wharf_core::base::{
    digest::Digest,
    error::{During, Error, Kind, Result},
};

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Most folders inside each other: more than usual images have, and few enough to be removed with few open files.
const DEEPEST: usize = 200;
/// The permission bits that are kept. All files belong to the user who runs the image, so setuid and setgid mean
/// nothing.
const PERMISSIONS: RawMode = 0o1777;

/// A root file system that is being unpacked.
pub struct Root {
    fd: OwnedFd,
    budget: Budget,
    /// The depth of each folder by its inode: links in an image may lead deeper than a name tells.
    depths: HashMap<u64, usize>,
    /// The number of devices that were left out, which only root can create.
    pub left_out: u64,
}

/// What the current layer has created: its opaque folders hide only files of lower layers.
#[derive(Default)]
struct LayerEntries {
    hash: RandomState,
    /// Hashes of folder (inode) and name.
    placed: HashSet<u64>,
    /// The inodes of folders from which everything of lower layers was removed.
    emptied: HashSet<u64>,
}

impl LayerEntries {
    fn key(&self, folder: u64, name: &OsStr) -> u64 {
        self.hash.hash_one((folder, name))
    }
}

impl Root {
    /// Begins in an empty folder.
    pub fn new(folder: &Path) -> Result<Self> {
        let what = format!("unpack into {}", folder.display());
        let fd = rustix::fs::openat(CWD, folder, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).during(&what)?;
        Ok(Self { fd, budget: Budget::default(), depths: HashMap::new(), left_out: 0 })
    }

    /// Set from another thread, this ends the unpacking at the next entry.
    pub fn stop(&self) -> Arc<AtomicBool> {
        self.budget.stop.clone()
    }

    /// Unpacks a layer: plain, gzip or zstd, detected by its first bytes. With `diff_id`, the digest of its
    /// uncompressed bytes is verified.
    pub fn apply(&mut self, layer: impl Read, diff_id: Option<&Digest>, what: &str) -> Result<()> {
        let layer = match diff_id {
            Some(known) => Layer::known(layer, known, &self.budget),
            None => Layer::new(layer, &self.budget),
        };
        let mut layer = layer.map_err(|error| unreadable(what, &error))?;
        let mut own = LayerEntries::default();
        let (mut folders, mut root_modified) = (Vec::new(), None);
        while let Some(item) = layer.next(&mut self.budget).map_err(|error| unreadable(what, &error))? {
            let path = PathBuf::from(OsString::from_vec(item.name.clone()));
            let Some(path) = inside(&path, what)? else {
                if item.what == EntryKind::Folder {
                    let mode = Mode::from_raw_mode(item.mode & PERMISSIONS);
                    rustix::fs::fchmod(&self.fd, mode | Mode::RWXU).during(what)?;
                    root_modified = Some(item.modified);
                }
                continue;
            };
            let Some(name) = path.file_name().map(OsStr::to_owned) else { continue };
            let parent = path.parent().unwrap_or(Path::new("")).to_owned();
            if name.as_bytes() == OPAQUE {
                if let Ok(folder) = self.open(&parent) {
                    empty(&folder, &mut own).during(what)?;
                }
            } else if let Some(hidden) = name.as_bytes().strip_prefix(WHITEOUT) {
                if !matches!(hidden, b"" | b"." | b"..") {
                    if let Ok(folder) = self.open(&parent) {
                        hide(&folder, OsStr::from_bytes(hidden), &mut own).during(what)?;
                    }
                }
            } else {
                let folder = self.place(&mut layer, &item, &parent, &name, what)?;
                own.placed.insert(own.key(folder, &name));
                if item.what == EntryKind::Folder {
                    folders.push((parent, name, item.modified));
                }
            }
        }
        layer.finish().map_err(|error| unreadable(what, &error))?;
        // Adding files changes a folder's time, so those times are set last.
        for (parent, name, modified) in folders {
            if let Ok(parent) = self.open(&parent) {
                set_time(&parent, &name, modified);
            }
        }
        if let Some(modified) = root_modified {
            set_time(&self.fd, OsStr::new("."), modified);
        }
        Ok(())
    }

    /// Creates folders below the root as mount points. Links in the image stay inside it.
    pub fn mount_points(&mut self, folders: &[&Path], what: &str) -> Result<()> {
        for folder in folders {
            if let Some(folder) = inside(folder, what)? {
                self.make(&folder, what)?;
            }
        }
        Ok(())
    }

    /// Creates an empty file below the root to mount something on, unless something is there. Links in the image stay
    /// inside it.
    ///
    /// # Errors
    /// Where a folder above it cannot be made.
    pub fn mount_file(&mut self, file: &Path, what: &str) -> Result<()> {
        let Some(path) = inside(file, what)? else { return Ok(()) };
        let folder = self.make(path.parent().unwrap_or(Path::new("")), what)?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(&folder, path.file_name().unwrap_or_default(), flags, Mode::RUSR | Mode::WUSR) {
            Ok(made) => rustix::fs::fchmod(made, Mode::from_raw_mode(0o644)).during(what),
            Err(Errno::EXIST) => Ok(()),
            Err(error) => Err(Error::failed(what, error)),
        }
    }

    /// Creates an entry in its folder; returns the folder's inode.
    fn place(&mut self, data: &mut Layer<'_>, item: &Item, parent: &Path, name: &OsStr, what: &str) -> Result<u64> {
        let folder = self.make(parent, what)?;
        let number = rustix::fs::fstat(&folder).during(what)?.st_ino;
        let target = OsStr::from_bytes(&item.target);
        match &item.what {
            EntryKind::Folder => {
                make_dir(&folder, name, Mode::from_raw_mode(item.mode & PERMISSIONS)).during(what)?;
                self.deeper(&folder, number, name, what)?;
            }
            EntryKind::HardLink => self.hard_link(&folder, name, Path::new(target), parent, what)?,
            EntryKind::Link => {
                remove(&folder, name).during(what)?;
                // The target is kept unchanged: only programs inside the root follow it.
                rustix::fs::symlinkat(target, &folder, name).during(what)?;
                set_time(&folder, name, item.modified);
            }
            EntryKind::File | EntryKind::Sparse(..) => {
                remove(&folder, name).during(what)?;
                let mode = Mode::from_raw_mode(item.mode & PERMISSIONS);
                let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let fd = rustix::fs::openat(&folder, name, flags, Mode::RUSR | Mode::WUSR).during(what)?;
                let mut file = File::from(fd);
                fill(&mut file, data, &item.what).map_err(|error| unreadable(what, &error))?;
                rustix::fs::fchmod(&file, mode | Mode::RUSR).during(what)?;
                set_time(&folder, name, item.modified);
            }
            EntryKind::Pipe => {
                remove(&folder, name).during(what)?;
                let mode = Mode::from_raw_mode(item.mode & PERMISSIONS);
                rustix::fs::mknodat(&folder, name, FileType::Fifo, mode, 0).during(what)?;
                // The umask may have removed permissions.
                rustix::fs::chmodat(&folder, name, mode, AtFlags::empty()).during(what)?;
                set_time(&folder, name, item.modified);
            }
            EntryKind::Other => {
                remove(&folder, name).during(what)?;
                self.left_out += 1;
            }
        }
        Ok(number)
    }

    fn hard_link(&self, folder: &OwnedFd, name: &OsStr, target: &Path, parent: &Path, what: &str) -> Result<()> {
        let Some(path) = inside(target, what)? else { return Ok(()) };
        let from_parent = path.parent().unwrap_or(Path::new(""));
        let from = self.open(from_parent).during(what)?;
        let from_name = path.file_name().unwrap_or_default();
        // A hard link to itself must not be removed first.
        if name != from_name || from_parent != parent {
            remove(folder, name).during(what)?;
            rustix::fs::linkat(&from, from_name, folder, name, AtFlags::empty())
                .map_err(|error| Error::failed(what, format!("hard link to {}: {error}", shown(&path))))?;
        }
        Ok(())
    }

    /// Opens a folder below the root; links in its path stay inside the root.
    fn open(&self, folder: &Path) -> Result<OwnedFd, Errno> {
        let path = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat2(&self.fd, path, flags, Mode::empty(), ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS)
    }

    /// Like `open`, but creates missing folders.
    fn make(&mut self, folder: &Path, what: &str) -> Result<OwnedFd> {
        match self.open(folder) {
            Ok(fd) => return Ok(fd),
            Err(Errno::NOSYS) => {
                return Err(Error::unsupported(
                    what,
                    "this kernel is older than 5.6: it cannot unpack safely (openat2)",
                )
                .hint("launch on another backend"));
            }
            Err(Errno::NOENT) => {}
            Err(error) => return Err(Error::failed(what, format!("{}: {error}", shown(folder)))),
        }
        let parent = self.make(folder.parent().unwrap_or(Path::new("")), what)?;
        let name = folder.file_name().unwrap_or_default();
        match rustix::fs::mkdirat(&parent, name, Mode::RWXU) {
            Ok(()) => {
                let mode = Mode::from_raw_mode(0o755);
                rustix::fs::chmodat(&parent, name, mode, AtFlags::empty()).during(what)?;
                let number = rustix::fs::fstat(&parent).during(what)?.st_ino;
                self.deeper(&parent, number, name, what)?;
            }
            Err(Errno::EXIST) => {}
            Err(error) => return Err(Error::failed(what, error)),
        }
        self.open(folder).map_err(|error| Error::failed(what, format!("{}: {error}", shown(folder))))
    }

    /// Notes the depth of a new folder; fails if it is too deep.
    fn deeper(&mut self, parent: &OwnedFd, number: u64, name: &OsStr, what: &str) -> Result<()> {
        let depth = self.depths.get(&number).copied().unwrap_or(0) + 1;
        if depth > DEEPEST {
            return Err(unreadable(what, &too_much("its folders are nested deeper than Wharf accepts")));
        }
        let made = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).during(what)?;
        self.depths.insert(made.st_ino, depth);
        Ok(())
    }
}

/// Sets the time of an entry as the layer has it. A time that the file system does not support is left out.
fn set_time(folder: &OwnedFd, name: &OsStr, (seconds, nanoseconds): (i64, u32)) {
    let time = Timespec { tv_sec: seconds, tv_nsec: nanoseconds.into() };
    let times = Timestamps { last_access: time, last_modification: time };
    if let Err(error) = rustix::fs::utimensat(folder, name, &times, AtFlags::SYMLINK_NOFOLLOW) {
        tracing::debug!(%error, "the time of an entry is not kept");
    }
}

/// Writes a file's data; holes stay holes.
fn fill(file: &mut File, data: &mut Layer<'_>, what: &EntryKind) -> std::io::Result<()> {
    let EntryKind::Sparse(parts, length) = what else { return std::io::copy(data, file).map(|_| ()) };
    for (offset, count) in parts {
        file.seek(SeekFrom::Start(*offset))?;
        std::io::copy(&mut data.take(*count), file)?;
    }
    file.set_len(*length)
}

fn unreadable(what: &str, error: &std::io::Error) -> Error {
    // A wrong digest or a broken connection arrives here as an input error.
    let why = format!("the layer cannot be unpacked: {error}");
    if error.get_ref().and_then(|inner| inner.downcast_ref::<TooMuch>()).is_some() {
        return Error::new(Kind::Integrity, what, why).hint("do not use this image; tell its publisher");
    }
    Error::failed(what, why)
}

fn shown(path: &Path) -> String {
    wharf_core::base::clean::short(&path.display().to_string(), 200)
}

/// The path below the root; `None` for the root itself. Fails if the path leaves the root.
fn inside(path: &Path, what: &str) -> Result<Option<PathBuf>> {
    let refused =
        |why: String| Error::new(Kind::Integrity, what, why).hint("do not use this image; tell its publisher");
    let mut clean = PathBuf::new();
    for (depth, part) in path.components().enumerate() {
        match part {
            Component::Normal(_) if depth > DEEPEST => {
                return Err(refused(format!("its folders are nested deeper than Wharf accepts: {}", shown(path))));
            }
            Component::Normal(name) => clean.push(name),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
            Component::ParentDir => {
                return Err(refused(format!("a layer wants to write outside of the image: {}", shown(path))));
            }
        }
    }
    Ok((!clean.as_os_str().is_empty()).then_some(clean))
}

fn make_dir(folder: &OwnedFd, name: &OsStr, mode: Mode) -> Result<(), Errno> {
    match rustix::fs::mkdirat(folder, name, Mode::RWXU) {
        Err(Errno::EXIST) => {
            let there = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if FileType::from_raw_mode(there.st_mode) != FileType::Directory {
                remove(folder, name)?;
                rustix::fs::mkdirat(folder, name, Mode::RWXU)?;
            }
        }
        other => other?,
    }
    // Without all permissions its owner could not fill or remove it.
    rustix::fs::chmodat(folder, name, mode | Mode::RWXU, AtFlags::empty())
}

/// Removes files of lower layers from `folder`; returns whether it is empty then. Each folder is searched once for a
/// layer.
fn empty(folder: &OwnedFd, own: &mut LayerEntries) -> Result<bool, Errno> {
    let number = rustix::fs::fstat(folder)?.st_ino;
    if !own.emptied.insert(number) {
        return Ok(false);
    }
    let mut left = false;
    for name in names(folder)? {
        let placed = own.placed.contains(&own.key(number, &name));
        let there = rustix::fs::statat(folder, &name, AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(there.st_mode) == FileType::Directory {
            // The folder may contain what this layer has created in it.
            if empty(&open_dir(folder, &name)?, own)? && !placed {
                rustix::fs::unlinkat(folder, &name, AtFlags::REMOVEDIR)?;
            } else {
                left = true;
            }
        } else if placed {
            left = true;
        } else {
            rustix::fs::unlinkat(folder, &name, AtFlags::empty())?;
        }
    }
    Ok(!left)
}

/// Removes what lower layers have under a name, but nothing that this layer has created there or deeper.
fn hide(folder: &OwnedFd, name: &OsStr, own: &mut LayerEntries) -> Result<(), Errno> {
    let placed = own.placed.contains(&own.key(rustix::fs::fstat(folder)?.st_ino, name));
    let there = match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(()),
        other => other?,
    };
    let is_folder = FileType::from_raw_mode(there.st_mode) == FileType::Directory;
    if is_folder {
        empty(&open_dir(folder, name)?, own)?;
    }
    if placed {
        return Ok(());
    }
    match rustix::fs::unlinkat(folder, name, if is_folder { AtFlags::REMOVEDIR } else { AtFlags::empty() }) {
        Err(Errno::NOTEMPTY | Errno::EXIST) if is_folder => Ok(()),
        other => other,
    }
}

fn open_dir(folder: impl AsFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(folder, name, flags, Mode::empty())
}

/// Removes a file, a link or a whole folder; it is no error if it does not exist.
fn remove(folder: impl AsFd, name: &OsStr) -> Result<(), Errno> {
    let folder = folder.as_fd();
    match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {
            let inner = open_dir(folder, name)?;
            for child in names(&inner)? {
                remove(&inner, &child)?;
            }
            rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR)
        }
        Err(error) => Err(error),
    }
}

/// The names in a folder, in no particular order.
pub fn names(folder: impl AsFd) -> Result<Vec<OsString>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(OsString::from_vec(name));
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    enum CreatedEntry<'a> {
        Dir(&'a str),
        File(&'a str, &'a str),
        Link(&'a str, &'a str),
        Hard(&'a str, &'a str),
    }
    use CreatedEntry::{Dir, File as Plain, Hard, Link};

    /// A tar archive with any names, even those that the tar crate refuses to write.
    fn layer(items: &[CreatedEntry<'_>]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for item in items {
            let mut header = tar::Header::new_gnu();
            let (name, kind, target, data) = match item {
                Dir(name) => (name, tag(b'5'), "", ""),
                Plain(name, data) => (name, tag(b'0'), "", *data),
                Link(name, target) => (name, tag(b'2'), *target, ""),
                Hard(name, target) => (name, tag(b'1'), *target, ""),
            };
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.as_mut_bytes()[157..157 + target.len()].copy_from_slice(target.as_bytes());
            header.set_entry_type(kind);
            header.set_mode(0o755);
            header.set_size(data.len() as u64);
            header.set_cksum();
            builder.append(&header, data.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn tag(byte: u8) -> tar::EntryType {
        tar::EntryType::new(byte)
    }

    fn unpack(layers: &[Vec<u8>]) -> (tempfile::TempDir, Result<()>) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("root")).unwrap();
        let mut root = Root::new(&folder.path().join("root")).unwrap();
        let result = layers.iter().try_for_each(|layer| root.apply(&**layer, None, "unpack"));
        (folder, result)
    }

    fn read(folder: &tempfile::TempDir, path: &str) -> Option<String> {
        std::fs::read_to_string(folder.path().join("root").join(path)).ok()
    }

    #[test]
    fn paths_that_climb_out_are_refused() {
        for path in ["../../etc/passwd", "a/../../evil", "/../evil"] {
            let (folder, result) = unpack(&[layer(&[Plain(path, "evil")])]);
            assert_eq!(result.unwrap_err().kind, Kind::Integrity, "{path}");
            assert!(!folder.path().join("evil").exists());
        }
    }

    #[test]
    fn links_cannot_be_used_to_write_outside() {
        let outside = tempfile::tempdir().unwrap();
        let target = outside.path().display().to_string();
        let (folder, result) = unpack(&[layer(&[Link("out", &target), Plain("out/evil", "evil")])]);
        // The link's target is resolved inside the root, where it is created.
        assert!(!outside.path().join("evil").exists());
        assert!(result.is_ok() || read(&folder, "out/evil").is_none());
        let (_, climbing) = unpack(&[layer(&[Link("up", "../../../../../../.."), Plain("up/tmp/wharf-evil", "evil")])]);
        assert!(climbing.is_ok() && !Path::new("/tmp/wharf-evil").exists());
        let secret = outside.path().join("secret");
        std::fs::write(&secret, "secret").unwrap();
        let (folder, _) = unpack(&[layer(&[Hard("stolen", &secret.display().to_string())])]);
        assert_eq!(read(&folder, "stolen"), None);
    }

    #[test]
    fn modes_are_the_images_and_names_are_bytes() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mut builder = tar::Builder::new(Vec::new());
        let entries: [(&[u8], u8, u32); 6] = [
            (b"tmp", b'5', 0o1777),
            (b"open", b'5', 0o777),
            (b"closed", b'5', 0),
            (b"su", b'0', 0o6755),
            (b"none", b'0', 0),
            (b"na\xefve/f\xff", b'0', 0o604),
        ];
        for (name, kind, mode) in entries {
            let mut header = tar::Header::new_gnu();
            header.as_mut_bytes()[..name.len()].copy_from_slice(name);
            header.set_entry_type(tag(kind));
            header.set_mode(mode);
            header.set_size(0);
            header.set_cksum();
            builder.append(&header, &b""[..]).unwrap();
        }
        let mut root = Root::new(folder.path()).unwrap();
        root.apply(&*builder.into_inner().unwrap(), None, "unpack").unwrap();
        let mode = |name: &[u8]| {
            folder.path().join(OsStr::from_bytes(name)).symlink_metadata().unwrap().permissions().mode() & 0o7777
        };
        let expected = [0o1777, 0o777, 0o700, 0o755, 0o400, 0o604];
        for ((name, ..), expected) in entries.iter().zip(expected) {
            assert_eq!(mode(name), expected, "{}", String::from_utf8_lossy(name));
        }
        assert_eq!(mode(b"na\xefve"), 0o755);
        // A whiteout of such a name, and of the folder that holds one.
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes()[..9].copy_from_slice(b".wh.na\xefve");
        header.set_entry_type(tag(b'0'));
        header.set_size(0);
        header.set_cksum();
        root.apply(&header.as_bytes()[..], None, "unpack").unwrap();
        assert!(!folder.path().join(OsStr::from_bytes(b"na\xefve")).exists());
    }

    #[test]
    fn opaque_folders_without_number_take_no_quadratic_time() {
        let names: Vec<String> = (0..20_000).map(|number| format!("d/f{number}")).collect();
        let mut items: Vec<CreatedEntry<'_>> = names.iter().map(|name| Plain(name, "")).collect();
        items.extend((0..20_000).map(|_| Plain("d/.wh..wh..opq", "")));
        let began = std::time::Instant::now();
        let (folder, result) = unpack(&[layer(&[Plain("d/old", "")]), layer(&items)]);
        result.unwrap();
        assert_eq!(std::fs::read_dir(folder.path().join("root/d")).unwrap().count(), 20_000);
        assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
    }

    #[test]
    fn opaque_folders_spare_what_their_layer_placed_through_links_and_deeper() {
        let (folder, result) = unpack(&[
            layer(&[Dir("usr"), Link("bin", "usr"), Plain("usr/old", "1"), Plain("usr/a/b/old", "1"), Dir("usr/gone")]),
            layer(&[Plain("bin/new", "2"), Plain("usr/a/b/new", "2"), Dir("usr/kept"), Plain("usr/.wh..wh..opq", "")]),
        ]);
        result.unwrap();
        let there = |path: &str| folder.path().join("root").join(path).exists();
        assert!(there("usr/new") && there("usr/a/b/new") && there("usr/kept"));
        assert!(!there("usr/old") && !there("usr/a/b/old") && !there("usr/gone"));
    }

    #[test]
    fn folders_nested_beyond_measure_are_refused_also_through_links() {
        let deep = format!("{}x", "a/".repeat(45));
        let (_, result) = unpack(&[layer(&[Dir(&deep)])]);
        result.unwrap();
        let end = &deep[..deep.len() - 2];
        let links: Vec<(String, String)> = (0..6)
            .map(|number| {
                let before = if number == 0 { String::new() } else { format!("l{}/", number - 1) };
                (format!("l{number}"), format!("{before}{end}"))
            })
            .collect();
        let mut items = vec![Dir(&deep)];
        let below: Vec<String> = links.iter().map(|(link, _)| format!("{link}/{deep}")).collect();
        for ((link, target), below) in links.iter().zip(&below) {
            items.extend([Link(link, target), Dir(below)]);
        }
        let (folder, result) = unpack(&[layer(&items)]);
        assert_eq!(result.unwrap_err().kind, Kind::Integrity);
        folder.close().unwrap();
    }

    #[test]
    fn a_file_written_through_an_existing_link_replaces_the_link() {
        let outside = tempfile::tempdir().unwrap();
        let victim = outside.path().join("victim");
        std::fs::write(&victim, "safe").unwrap();
        let (folder, result) =
            unpack(&[layer(&[Link("link", &victim.display().to_string())]), layer(&[Plain("link", "new")])]);
        result.unwrap();
        assert_eq!(std::fs::read_to_string(victim).unwrap(), "safe");
        assert_eq!(read(&folder, "link").as_deref(), Some("new"));
    }

    #[test]
    fn whiteouts_hide_lower_layers_and_spare_their_own() {
        let (folder, result) = unpack(&[
            layer(&[Plain("a", "1"), Dir("d"), Plain("d/old", "1"), Plain("d/deep/er", "1")]),
            layer(&[Plain(".wh.a", ""), Plain("d/new", "2"), Plain("d/.wh..wh..opq", "")]),
        ]);
        result.unwrap();
        assert_eq!((read(&folder, "a"), read(&folder, "d/old"), read(&folder, "d/deep/er")), (None, None, None));
        assert_eq!(read(&folder, "d/new").as_deref(), Some("2"));
    }

    #[test]
    fn a_whiteout_hides_nothing_of_its_own_layer_wherever_it_stands() {
        let lower = layer(&[Plain("a", "1"), Plain("d/old", "1"), Plain("e/old", "1")]);
        let upper = [Plain("a", "2"), Plain("d/new", "2"), Dir("e"), Plain(".wh.a", ""), Plain(".wh.d", "")];
        let (folder, result) = unpack(&[lower, layer(&upper), layer(&[Plain("f", "3"), Plain(".wh.e", "")])]);
        result.unwrap();
        assert_eq!((read(&folder, "a").as_deref(), read(&folder, "d/new").as_deref()), (Some("2"), Some("2")));
        assert_eq!((read(&folder, "d/old"), folder.path().join("root/e").exists()), (None, false));
    }

    #[test]
    fn pipes_are_made_and_the_root_has_its_own_mode_and_time() {
        use std::os::unix::fs::{FileTypeExt, MetadataExt};
        let mut archive = Vec::new();
        for (name, kind, mode) in [(&b"./"[..], b'5', 0o711), (b"pipe", b'6', 0o666)] {
            let mut header = tar::Header::new_gnu();
            header.as_mut_bytes()[..name.len()].copy_from_slice(name);
            header.set_entry_type(tag(kind));
            header.set_mode(mode);
            header.set_mtime(1_000_000_000);
            header.set_size(0);
            header.set_cksum();
            archive.extend(header.as_bytes());
        }
        let (folder, result) = unpack(&[archive]);
        result.unwrap();
        let root = folder.path().join("root").metadata().unwrap();
        let pipe = folder.path().join("root/pipe").metadata().unwrap();
        assert_eq!((root.mode() & 0o7777, root.mtime()), (0o711, 1_000_000_000));
        assert!(pipe.file_type().is_fifo());
        assert_eq!((pipe.mode() & 0o7777, pipe.mtime()), (0o666, 1_000_000_000));
    }

    #[test]
    fn hard_links_and_links_between_folders_work() {
        let (folder, result) = unpack(&[layer(&[
            Dir("usr"),
            Link("bin", "usr"),
            Plain("bin/tool", "x"),
            Hard("usr/same", "usr/tool"),
            Link("abs", "/usr/tool"),
        ])]);
        result.unwrap();
        assert_eq!(
            (read(&folder, "usr/tool").as_deref(), read(&folder, "usr/same").as_deref()),
            (Some("x"), Some("x"))
        );
    }

    #[test]
    fn compressed_and_broken_layers() {
        use std::io::Write;
        let plain = layer(&[Plain("a", "1")]);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&plain).unwrap();
        let gzip = gzip.finish().unwrap();
        let (folder, result) = unpack(std::slice::from_ref(&gzip));
        result.unwrap();
        assert_eq!(read(&folder, "a").as_deref(), Some("1"));
        assert!(unpack(&[gzip[..gzip.len() / 2].to_vec()]).1.is_err());
        assert!(unpack(&[vec![7; 700]]).1.is_err());
    }
}
