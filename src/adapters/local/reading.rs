//! What the program that reads an image may touch: the image's open file, and what it needs to be loaded (landlock(7)).

use std::{
    os::fd::AsFd,
    path::{Path, PathBuf},
    time::Duration,
};

use landlock::{
    ABI, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError, Scope,
};

use super::waiting::wait_for;
use crate::shared::exec;
use wharf_core::base::error::{During, Result};

/// The most bytes of the list of libraries, and the most time for it.
const MOST: usize = 64 << 10;
const PATIENCE: Duration = Duration::from_secs(5);
/// The loader's list of where libraries are (ld.so(8)).
const LIBRARIES: &str = "/etc/ld.so.cache";
/// Where libraries are, for a program whose loader does not list them.
const FOLDERS: [&str; 5] = ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib"];

/// The files that a program needs to be loaded.
pub(super) struct Needed {
    program: PathBuf,
    libraries: Vec<PathBuf>,
}

impl Needed {
    /// What this program needs, as its loader tells: it lists the libraries and does not begin the program.
    pub(super) fn by(program: &Path) -> Self {
        let words = [&*program.to_string_lossy()];
        let environment = ["LD_TRACE_LOADED_OBJECTS=1".to_owned()];
        let work = exec::run_in(&words, Some(&environment), b"", MOST, PATIENCE);
        let told = wait_for(work, "list libraries").map(|output| output.stdout).unwrap_or_default();
        let mut libraries = listed(&String::from_utf8_lossy(&told));
        if libraries.is_empty() {
            libraries = FOLDERS.map(PathBuf::from).to_vec();
        }
        Self { program: program.to_owned(), libraries }
    }
}

/// The paths in what the loader lists: lines like `NAME => PATH (ADDRESS)` and `PATH (ADDRESS)`.
fn listed(text: &str) -> Vec<PathBuf> {
    let path = |line: &str| {
        let line = line.trim().rsplit_once(" (0x")?.0;
        let path = line.split_once(" => ").map_or(line, |(_, path)| path);
        path.starts_with('/').then(|| PathBuf::from(path))
    };
    text.lines().filter_map(path).collect()
}

fn rules() -> Result<Ruleset, RulesetError> {
    Ruleset::default().handle_access(AccessFs::from_read(ABI::V5) | AccessFs::from_write(ABI::V5))
}

/// Whether this kernel can limit what a program reads.
pub(super) fn can_be_limited() -> bool {
    let rules = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    rules.handle_access(AccessFs::ReadFile).is_ok()
}

/// Forbids this process and everything that it starts, for good, to open any file but `image` and those that are needed,
/// to write to what is not open already, and to send signals to others. Does what the kernel can.
pub(super) fn only(image: impl AsFd, needed: &Needed, what: &str) -> Result<()> {
    let (read, run) = (BitFlags::from(AccessFs::ReadFile), AccessFs::ReadFile | AccessFs::Execute);
    // The loader itself is among what it lists, and the kernel starts it.
    let files = needed.libraries.iter().map(|path| (path.as_path(), run));
    let files = files.chain([(needed.program.as_path(), run), (Path::new(LIBRARIES), read)]);
    let limit = || -> Result<(), RulesetError> {
        let scope = Scope::AbstractUnixSocket | Scope::Signal;
        let mut rules = rules()?.scope(scope)?.create()?.add_rule(PathBeneath::new(image, read))?;
        // What is not there cannot be read.
        for (path, access) in files.filter_map(|(path, access)| Some((PathFd::new(path).ok()?, access))) {
            rules = rules.add_rule(PathBeneath::new(path, access))?;
        }
        rules.restrict_self().map(drop)
    };
    limit().during(what)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn what_the_loader_lists_is_read() {
        let text = "\tlinux-vdso.so.1 (0x7ffd)\n\tlibfuse3.so.3 => /lib/x y/libfuse3.so.3 (0x7f00)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x7f01)\n\tlibgone.so => not found\nusage: it (0xff)\n";
        assert_eq!(listed(text), ["/lib/x y/libfuse3.so.3", "/lib64/ld-linux-x86-64.so.2"].map(PathBuf::from));
        assert_eq!(listed(""), Vec::<PathBuf>::new());
    }

    #[test]
    fn only_the_image_and_what_is_needed_can_be_opened() {
        if !can_be_limited() {
            return eprintln!("left out: this kernel cannot limit what is read");
        }
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["image", "library", "secret"] {
            std::fs::write(at(name), name).unwrap();
        }
        let (image, path) = (File::open(at("image")).unwrap(), folder.path().to_owned());
        // It applies to the calling thread and what that starts.
        std::thread::spawn(move || {
            let needed = Needed { program: "/nowhere".into(), libraries: vec![path.join("library")] };
            only(&image, &needed, "test").unwrap();
            let opens = |name: &str| std::fs::read(path.join(name)).is_ok();
            assert!(opens("image") && opens("library"));
            assert!(
                !opens("secret") && std::fs::read_dir(&path).is_err() && std::fs::read("/proc/self/environ").is_err()
            );
            assert!(
                std::fs::write(path.join("image"), "other").is_err() && std::fs::write(path.join("new"), "").is_err()
            );
        })
        .join()
        .unwrap();
    }
}
