//! Applying image layers to a folder (OCI image specification, "Applying Changesets").
//!
//! Layers are hostile input: `..`, absolute paths and symbolic links that point outside must not
//! reach the host. Every parent is opened by the kernel inside the root (`openat2` with
//! `RESOLVE_IN_ROOT`), and the last part of a path is never followed.

use std::{
    collections::HashSet,
    fs::File,
    io::{BufRead, BufReader, Read},
    os::fd::{AsFd, OwnedFd},
    path::{Component, Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags},
    io::Errno,
};

use crate::core::error::{During, Error, Kind, Result};

/// More files than any image has.
const MOST_ENTRIES: u64 = 5_000_000;
/// Unpacked bytes of one image; a few kilobytes of gzip can claim far more.
const MOST_BYTES: u64 = 200 << 30;
const WHITEOUT: &str = ".wh.";
const OPAQUE: &str = ".wh..wh..opq";

/// A root file system being built.
pub struct Root {
    fd: OwnedFd,
    entries: u64,
    bytes: u64,
    /// Devices, sockets and pipes that were left out.
    pub left_out: u64,
}

impl Root {
    /// Starts in an empty folder.
    pub fn new(folder: &Path) -> Result<Self> {
        let what = format!("unpack into {}", folder.display());
        let fd = rustix::fs::openat(CWD, folder, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).during(&what)?;
        Ok(Self { fd, entries: 0, bytes: 0, left_out: 0 })
    }

    /// Applies one layer: plain, gzip or zstd, told apart by its first bytes.
    pub fn apply(&mut self, layer: impl Read, what: &str) -> Result<()> {
        let mut reader = BufReader::with_capacity(256 << 10, layer);
        let magic = reader.fill_buf().during(what)?.get(..4).map(<[u8]>::to_vec).unwrap_or_default();
        if magic.starts_with(&[0x1f, 0x8b]) {
            self.entries(flate2::bufread::MultiGzDecoder::new(reader), what)
        } else if magic == [0x28, 0xb5, 0x2f, 0xfd] {
            let decoder =
                ruzstd::decoding::StreamingDecoder::new(reader).map_err(|error| Error::failed(what, error))?;
            self.entries(decoder, what)
        } else {
            self.entries(reader, what)
        }
    }

    /// Makes folders below the root: mount points that the image lacks. Links in the image stay inside it.
    pub fn mount_points(&self, folders: &[&Path], what: &str) -> Result<()> {
        for folder in folders {
            if let Some(folder) = inside(folder, what)? {
                self.make(&folder, what)?;
            }
        }
        Ok(())
    }

    fn entries(&mut self, reader: impl Read, what: &str) -> Result<()> {
        let mut archive = tar::Archive::new(reader);
        // What this layer added itself must survive its own whiteouts.
        let mut added: HashSet<PathBuf> = HashSet::new();
        for entry in archive.entries().during(what)? {
            let mut entry = entry.map_err(|error| unreadable(what, &error))?;
            self.entries += 1;
            self.bytes = self.bytes.saturating_add(entry.size());
            if self.entries > MOST_ENTRIES || self.bytes > MOST_BYTES {
                return Err(Error::new(Kind::Integrity, what, "the layer unpacks to more than any honest image"));
            }
            let path = entry.path().map_err(|error| unreadable(what, &error))?.into_owned();
            let Some(path) = inside(&path, what)? else { continue };
            let Some(name) = path.file_name().and_then(|name| name.to_str()).map(str::to_owned) else { continue };
            let parent = path.parent().unwrap_or(Path::new("")).to_owned();
            if name == OPAQUE {
                self.empty(&parent, &added, what)?;
            } else if let Some(hidden) = name.strip_prefix(WHITEOUT) {
                if !hidden.is_empty() && hidden != "." && hidden != ".." {
                    if let Ok(fd) = self.open(&parent) {
                        remove(&fd, hidden).during(what)?;
                    }
                }
            } else {
                self.place(&mut entry, &parent, &name, what)?;
                added.insert(path);
            }
        }
        Ok(())
    }

    fn place<R: Read>(&mut self, entry: &mut tar::Entry<'_, R>, parent: &Path, name: &str, what: &str) -> Result<()> {
        let folder = self.make(parent, what)?;
        let mode = Mode::from_raw_mode(entry.header().mode().unwrap_or(0o644) & 0o777);
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            return make_dir(&folder, name, mode).during(what);
        }
        let target = entry.link_name().map_err(|error| unreadable(what, &error))?.map(std::borrow::Cow::into_owned);
        if kind.is_hard_link() {
            let Some(path) = inside(&target.unwrap_or_default(), what)? else { return Ok(()) };
            let from = self.open(path.parent().unwrap_or(Path::new(""))).during(what)?;
            let from_name = path.file_name().unwrap_or_default();
            // Remove only what is another file: a link to itself would vanish.
            if name != from_name.to_string_lossy() || path.parent() != Some(parent) {
                remove(&folder, name).during(what)?;
                rustix::fs::linkat(&from, from_name, &folder, name, AtFlags::empty())
                    .map_err(|error| Error::failed(what, format!("hard link to {}: {error}", path.display())))?;
            }
            return Ok(());
        }
        remove(&folder, name).during(what)?;
        if kind.is_symlink() {
            // Its text is kept as it is: it is read by programs inside the root only.
            return rustix::fs::symlinkat(target.unwrap_or_default(), &folder, name).during(what);
        }
        if !kind.is_file() && kind != tar::EntryType::Continuous && kind != tar::EntryType::GNUSparse {
            self.left_out += 1;
            return Ok(());
        }
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // The owner keeps the right to write: a later layer or the clean-up needs it.
        let fd = rustix::fs::openat(&folder, name, flags, mode | Mode::WUSR | Mode::RUSR).during(what)?;
        let mut file = File::from(fd);
        std::io::copy(entry, &mut file).map_err(|error| unreadable(what, &error))?;
        rustix::fs::fchmod(&file, mode | Mode::RUSR).during(what)
    }

    /// Opens a folder below the root; links in its path stay inside the root.
    fn open(&self, folder: &Path) -> Result<OwnedFd, Errno> {
        let path = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat2(&self.fd, path, flags, Mode::empty(), ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS)
    }

    /// The same, making what is missing.
    fn make(&self, folder: &Path, what: &str) -> Result<OwnedFd> {
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
            Err(error) => return Err(Error::failed(what, format!("{}: {error}", folder.display()))),
        }
        let parent = self.make(folder.parent().unwrap_or(Path::new("")), what)?;
        let name = folder.file_name().unwrap_or_default();
        match rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(Error::failed(what, error)),
        }
        self.open(folder).map_err(|error| Error::failed(what, format!("{}: {error}", folder.display())))
    }

    /// Removes what lower layers left in `folder`.
    fn empty(&self, folder: &Path, added: &HashSet<PathBuf>, what: &str) -> Result<()> {
        let Ok(fd) = self.open(folder) else { return Ok(()) };
        for name in names(&fd).during(what)? {
            let path = folder.join(&name);
            if !added.iter().any(|kept| kept.starts_with(&path)) {
                remove(&fd, &name).during(what)?;
            }
        }
        Ok(())
    }
}

fn unreadable(what: &str, error: &std::io::Error) -> Error {
    // A broken digest or connection below arrives here wrapped as an input error.
    Error::failed(what, format!("the layer cannot be unpacked: {error}"))
}

/// The path below the root, or an error if it tries to leave it. `None` for the root itself.
fn inside(path: &Path, what: &str) -> Result<Option<PathBuf>> {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => clean.push(name),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
            Component::ParentDir => {
                return Err(Error::new(
                    Kind::Integrity,
                    what,
                    format!(
                        "a layer wants to write outside of the image: {}",
                        crate::core::clean::short(&path.display().to_string(), 200)
                    ),
                )
                .hint("do not use this image; tell whoever published it"));
            }
        }
    }
    Ok((!clean.as_os_str().is_empty()).then_some(clean))
}

fn make_dir(folder: &OwnedFd, name: &str, mode: Mode) -> Result<(), Errno> {
    // Without these the owner could not fill or remove it.
    let mode = mode | Mode::RWXU;
    match rustix::fs::mkdirat(folder, name, mode) {
        Err(Errno::EXIST) => {
            let there = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if FileType::from_raw_mode(there.st_mode) != FileType::Directory {
                remove(folder, name)?;
                rustix::fs::mkdirat(folder, name, mode)?;
            }
        }
        other => other?,
    }
    rustix::fs::chmodat(folder, name, mode, AtFlags::empty())
}

/// Removes a file, a link or a whole folder; what is not there is removed already.
fn remove(folder: impl AsFd, name: &str) -> Result<(), Errno> {
    let folder = folder.as_fd();
    match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {
            let inner = rustix::fs::openat(
                folder,
                name,
                OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                Mode::empty(),
            )?;
            for child in names(&inner)? {
                remove(&inner, &child)?;
            }
            rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR)
        }
        Err(error) => Err(error),
    }
}

fn names(folder: &OwnedFd) -> Result<Vec<String>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        match entry.file_name().to_str() {
            Ok("." | "..") | Err(_) => {}
            Ok(name) => names.push(name.to_owned()),
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    enum Item<'a> {
        Dir(&'a str),
        File(&'a str, &'a str),
        Link(&'a str, &'a str),
        Hard(&'a str, &'a str),
    }
    use Item::{Dir, File as Plain, Hard, Link};

    /// A tar with any names, also those that the tar crate itself refuses to write.
    fn layer(items: &[Item<'_>]) -> Vec<u8> {
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
        let result = layers.iter().try_for_each(|layer| root.apply(&**layer, "unpack"));
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
        // The link's target is looked up inside the root, where it is made.
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
