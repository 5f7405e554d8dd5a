//! Checking that what will be started is a program for the kernel.
//!
//! The C library gives a file that the kernel refuses to `/bin/sh` (execvp(3)). Engines do not, so such an image would
//! run here but nowhere else.

use std::{
    fs::{File, OpenOptions},
    io::Read,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;

use wharf_core::{
    base::error::{Error, Result},
    image::model::Foreign,
};

/// How many bytes are read to tell whether a file is text; shells do the same.
const FIRST: usize = 128;

/// Fails if the program is a text file that names no interpreter. In all other cases the kernel decides.
pub(super) fn check(program: &str, environment: &[Foreign], what: &str) -> Result<()> {
    let Some(mut file) = found(program, environment) else { return Ok(()) };
    let mut first = [0; FIRST];
    let Ok(count) = file.read(&mut first) else { return Ok(()) };
    let first = &first[..count];
    if first.starts_with(b"#!") || first.contains(&0) {
        return Ok(());
    }
    Err(Error::failed(what, "exec format error: it is a text whose first line names no interpreter")
        .hint("begin it with a line like #!/bin/sh, or start it with a shell: no engine runs it as it is"))
}

/// The file that would be started: a path, or the first of that name in `PATH`.
fn found(program: &str, environment: &[Foreign]) -> Option<File> {
    if program.contains('/') {
        return open(Path::new(program));
    }
    let path = environment.iter().rev().find_map(|pair| pair.raw().strip_prefix("PATH="))?;
    path.split(':').find_map(|folder| open(&PathBuf::from(if folder.is_empty() { "." } else { folder }).join(program)))
}

fn open(path: &Path) -> Option<File> {
    let starts = |meta: std::fs::Metadata| meta.is_file() && meta.permissions().mode() & 0o111 != 0;
    // Its type is checked before it is opened: opening a pipe or device could change something.
    if !path.metadata().is_ok_and(starts) {
        return None;
    }
    OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_interpreter_is_no_program() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |text: &[u8], mode: u32| {
            let path = folder.path().join("it");
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            let on_path = check("it", &[Foreign::new(format!("PATH=/nothing:{}", folder.path().display()))], "start");
            let by_path = check(&path.display().to_string(), &[], "start");
            assert_eq!(on_path.is_err(), by_path.is_err());
            by_path.is_err()
        };
        assert!(refused(b"echo it\n", 0o755) && refused(b"", 0o755));
        // What may not be executed is refused by the kernel in its own words.
        assert!(!refused(b"echo it\n", 0o644) && !refused(b"#!/bin/sh\n", 0o755) && !refused(b"\x7fELF\0", 0o755));
        assert!(check("/nothing", &[], "start").is_ok());
    }
}
