//! The root file system of a SIF image: its SquashFS, unpacked by `unsquashfs` after its list of files was looked
//! through.
//!
//! The list decides before anything is written: how many files, how large, and that no file is placed through a link.
//! A second entry of the same name is what hostile images use for that.

use std::{
    collections::HashMap,
    fs::File,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::Path,
    time::Duration,
};

use crate::{
    formats::{
        sif::{self, FileSystem, Partition},
        sif_file,
    },
    shared::exec,
};
use wharf_core::{
    base::{
        blocking::blocking,
        clean,
        context::Context,
        error::{During, Error, Kind, Result},
        text,
    },
    image::model::{Foreign, RunConfig},
};

/// The program that unpacks.
pub(super) const PROGRAM: &str = "unsquashfs";
/// The folder, beside unpacked images, for copies of SIF files.
pub(super) const FILES: &str = "sif-files";
/// The most time for the list, and for unpacking.
const LIST: Duration = Duration::from_secs(300);
const UNPACK: Duration = Duration::from_secs(3600);
/// The most bytes of the list.
const LISTED: usize = 128 << 20;
/// The most files, and bytes of all of them; of these also as many times the size of the image beyond the free ones.
const MOST_FILES: usize = 2_000_000;
const MOST_BYTES: u64 = 200 << 30;
const FREE_BYTES: u64 = 1 << 30;
const EXPANSION: u64 = 100;
/// The folder that all paths of the list begin with.
const TOP: &str = "squashfs-root";

/// Sets the image's environment, and becomes the program.
pub(super) const SCRIPT: &str =
    r#"for part in /.singularity.d/env/*.sh; do [ ! -f "$part" ] || . "$part"; done; exec "$@""#;

/// The user and the program of a SIF image: as with Apptainer the user is the person, and the program is the image's
/// script, after the files that set its environment.
pub(super) fn run_config() -> RunConfig {
    let words = ["/bin/sh", "-c", SCRIPT, "sh"];
    let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    RunConfig {
        entrypoint: words.map(Foreign::new).to_vec(),
        command: Vec::new(),
        user: Foreign::new(format!("{user}:{group}")),
        // Arguments reach the program as they are, and are not read by a shell once more.
        environment: vec![Foreign::new("SINGULARITY_NO_EVAL=1"), Foreign::new("APPTAINER_NO_EVAL=1")],
        working_dir: Foreign::new("/"),
        ..RunConfig::default()
    }
}

/// The image's own script, which runs its program.
pub(super) const RUNSCRIPT: &str = "/.singularity.d/runscript";

/// Fails if a SIF cannot be unpacked on this machine.
pub(super) fn must_unpack(what: &str, there: bool) -> Result<()> {
    if there {
        return Ok(());
    }
    let why = format!("{PROGRAM}, which unpacks such an image, is not on the path");
    Err(Error::unsupported(what, why).hint("install squashfs-tools, or launch the image on apptainer"))
}

/// Where the root file system of an open SIF file is.
///
/// # Errors
/// `Unsupported` for another processor or file system.
pub(super) fn partition(file: &File, what: &str) -> Result<Partition> {
    let partition = sif::primary(file, what)?;
    partition.must_run_here(what)?;
    if partition.system != FileSystem::SquashFs {
        return Err(Error::unsupported(what, "its root file system is no SquashFS").hint("launch it on apptainer"));
    }
    Ok(partition)
}

/// Unpacks an open SIF file into the folder `root`, which is there and empty.
///
/// # Errors
/// `Unsupported` for another processor or file system; `Integrity` for an image that is made to do harm.
pub(super) async fn unpack(cx: &Context, file: File, root: &Path, what: &str) -> Result<()> {
    let partition = partition(&file, what)?;
    unpack_squashfs(cx, &[], file, (partition.offset, partition.size), root, what).await
}

/// Unpacks a squashfs that begins at `offset` of an open file, and has at most `size` bytes there, into the folder `root`,
/// which is there and empty. `before` are the words before those of the program that does it.
///
/// # Errors
/// `Integrity` for an image that is made to do harm.
pub(super) async fn unpack_squashfs(
    cx: &Context,
    before: &[String],
    file: File,
    (offset, size): (u64, u64),
    root: &Path,
    what: &str,
) -> Result<()> {
    must_unpack(what, exec::on_path(PROGRAM).is_some())?;
    let (path, offset) = (sif_file::inherited(&file)?.display().to_string(), offset.to_string());
    cx.progress.phase("looking through the files in it");
    let list = [PROGRAM, "-offset", &offset, "-lln", "-no-progress", &path];
    let words = |own: &[&str]| before.iter().cloned().chain(own.iter().map(|&word| word.to_owned())).collect();
    let told = run(words(&list), LISTED, LIST).await?;
    if told.code != 0 {
        return Err(unreadable(what, &told.stderr));
    }
    if told.stdout.len() >= LISTED {
        return Err(harmful(what, "it holds more files than Wharf unpacks"));
    }
    let listed = told.stdout;
    let task = what.to_owned();
    blocking(move || look_through(&listed, size, &task)).await.during(what)??;
    cx.progress.phase("unpacking");
    let to = root.display().to_string();
    let argv = [
        PROGRAM,
        "-offset",
        &offset,
        "-no-progress",
        "-quiet",
        "-no-xattrs",
        "-no-exit-code",
        "-force",
        "-dest",
        &to,
        &path,
    ];
    let said = run(words(&argv), 1 << 20, UNPACK).await?;
    if said.code != 0 {
        return Err(unreadable(what, &said.stderr));
    }
    drop(file);
    let (root, task) = (root.to_owned(), what.to_owned());
    blocking(move || own(&root, &task)).await.during(what)?
}

async fn run(words: Vec<String>, limit: usize, deadline: Duration) -> Result<exec::Output> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    exec::run(&words, b"", limit, deadline).await
}

fn unreadable(what: &str, stderr: &str) -> Error {
    let why = stderr.lines().next().unwrap_or("it gave no reason").to_owned();
    Error::failed(what, format!("{PROGRAM}: {why}")).hint("check the space left; else get the image again")
}

fn harmful(what: &str, why: impl Into<String>) -> Error {
    Error::new(Kind::Integrity, what, why.into()).hint("do not use it; tell its publisher")
}

/// What `unsquashfs` writes between the name of a link and its target.
const ARROW: &str = " -> ";

/// Looks through what `unsquashfs -lln` lists. Names and targets of links are in it as they are, also with line breaks: what
/// could be read in two ways is refused, and nothing is done with a path of the list.
///
/// # Errors
/// `Integrity` where files are too many or too large, or placed through a link.
fn look_through(list: &[u8], size: u64, what: &str) -> Result<()> {
    let list = String::from_utf8_lossy(list);
    let most = MOST_BYTES.min(FREE_BYTES.saturating_add(size.saturating_mul(EXPANSION)));
    let (mut folders, mut bytes) = (HashMap::new(), 0_u64);
    for line in list.lines().filter(|line| !line.is_empty()) {
        let odd = || harmful(what, format!("a file in it has an odd name: {}", clean::short(line, 100)));
        let (facts, path) = line.split_once(&format!(" {TOP}")).ok_or_else(odd)?;
        let kind = facts.chars().next().ok_or_else(odd)?;
        // A name with an arrow in it could hide where the name of a link ends.
        if path.matches(ARROW).count() != usize::from(kind == 'l') {
            return Err(odd());
        }
        let path = path.split(ARROW).next().unwrap_or(path);
        let path = path.trim_start_matches('/');
        if folders.len() >= MOST_FILES {
            return Err(harmful(what, "it holds more files than Wharf unpacks"));
        }
        if folders.insert(path.to_owned(), kind == 'd').is_some() {
            return Err(harmful(what, format!("two files in it have the name {}", clean::short(path, 100))));
        }
        if path.is_empty() {
            continue;
        }
        if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(odd());
        }
        let above = path.rsplit_once('/').map_or("", |(above, _)| above);
        if folders.get(above) != Some(&true) {
            return Err(harmful(what, format!("{} is in something that is no folder", clean::short(path, 100))));
        }
        if kind == '-' {
            let length = facts.split_whitespace().nth(2).and_then(|word| word.parse::<u64>().ok()).ok_or_else(odd)?;
            bytes = bytes.saturating_add(length);
        }
        if bytes > most {
            return Err(harmful(
                what,
                format!("its files have more than {}, far more than the image", text::size(most)),
            ));
        }
    }
    Ok(())
}

/// Makes the files the person's own, as those of container images are: without rights of other users, with folders that
/// can be entered and removed, and without devices. Links are not followed.
fn own(root: &Path, what: &str) -> Result<()> {
    let is_root = rustix::process::geteuid().is_root();
    let mut ahead = vec![root.to_owned()];
    while let Some(folder) = ahead.pop() {
        for entry in std::fs::read_dir(&folder).during(what)? {
            let path = entry.during(what)?.path();
            let meta = path.symlink_metadata().during(what)?;
            if meta.file_type().is_block_device() || meta.file_type().is_char_device() {
                std::fs::remove_file(&path).during(what)?;
                continue;
            }
            if is_root {
                std::os::unix::fs::lchown(&path, Some(0), Some(0)).during(what)?;
            }
            if meta.is_symlink() {
                continue;
            }
            let (old, least) = (meta.permissions().mode(), if meta.is_dir() { 0o700 } else { 0o400 });
            let mode = old & 0o1777 | least;
            if mode != old & 0o7777 {
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).during(what)?;
            }
            if meta.is_dir() {
                ahead.push(path);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(list: &str) -> String {
        look_through(list.as_bytes(), 4096, "unpack").map_or_else(|error| error.why, |()| String::new())
    }

    const HEAD: &str = "drwxr-xr-x 0/0 229 2026-11-28 18:42 squashfs-root\n";

    #[test]
    fn a_list_is_looked_through_before_anything_is_written() {
        let good = "drwxr-xr-x 0/0 3 2026-11-28 18:42 squashfs-root/bin\n-rwxr-xr-x 0/0 630 2026-11-28 18:42 squashfs-root/bin/a b\n\
                    lrwxrwxrwx 0/0 27 2026-11-28 18:42 squashfs-root/up -> ../../etc\ncrw-r--r-- 0/0 1, 3 2026-11-28 18:42 squashfs-root/null\n";
        assert_eq!(said(&format!("{HEAD}{good}")), "");
    }

    #[test]
    fn what_would_be_written_through_a_link_is_refused() {
        let link = "lrwxrwxrwx 0/0 4 2026-11-28 18:42 squashfs-root/a -> /etc\n";
        let twice = format!("{HEAD}{link}drwxr-xr-x 0/0 3 2026-11-28 18:42 squashfs-root/a\n");
        assert!(said(&twice).contains("two files"), "{}", said(&twice));
        let below = format!("{HEAD}{link}-rw-r--r-- 0/0 3 2026-11-28 18:42 squashfs-root/a/passwd\n");
        assert!(said(&below).contains("no folder"), "{}", said(&below));
        let up = format!("{HEAD}-rw-r--r-- 0/0 3 2026-11-28 18:42 squashfs-root/../passwd\n");
        assert!(said(&up).contains("odd name"), "{}", said(&up));
    }

    /// A link `b -> c` to a folder of the person, and the target of another link that pretends that it is a folder.
    #[test]
    fn names_that_pretend_to_be_lines_of_the_list_are_refused() {
        let link = "lrwxrwxrwx 0/0 9 2026-11-28 18:42 squashfs-root/b -> c -> /home/you\n";
        let fake = "lrwxrwxrwx 0/0 99 2026-11-28 18:42 squashfs-root/d -> t\ndrwxr-xr-x 0/0 3 2026-11-28 18:42 squashfs-root/b -> c\n\
                    crw-r--r-- 0/0 1, 3 2026-11-28 18:42 squashfs-root/b -> c/.bashrc\n";
        for list in [format!("{HEAD}{link}"), format!("{HEAD}{fake}"), format!("{HEAD}{link}{fake}")] {
            assert!(said(&list).contains("odd name"), "{}", said(&list));
        }
        let broken = "lrwxrwxrwx 0/0 9 2026-11-28 18:42 squashfs-root/b\nc -> /home/you\n";
        assert!(said(&format!("{HEAD}{broken}")).contains("odd name"));
    }

    #[test]
    fn a_bomb_is_refused_by_its_list() {
        let bomb = format!("{HEAD}-rw-r--r-- 0/0 9999999999999 2026-11-28 18:42 squashfs-root/zeros\n");
        assert!(said(&bomb).contains("far more than the image"), "{}", said(&bomb));
    }
}
