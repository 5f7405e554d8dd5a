//! Reading files that people name: settings, keys, certificates, themes. Such a name may be a pipe, a device or a file
//! without an end, so only regular files of a bounded size are read.

use std::{
    fs::File,
    io::{Error, ErrorKind, Read, Result},
    path::Path,
};

/// The largest such file, in bytes. Lists of exploited vulnerabilities are the largest that people have, with 2 MB.
const LARGEST: u64 = 16 << 20;

/// The bytes of a file.
///
/// # Errors
/// What the system says; [`ErrorKind::InvalidInput`] for what is no regular file, [`ErrorKind::FileTooLarge`] beyond 16 MiB.
pub fn bytes(path: impl AsRef<Path>) -> Result<Vec<u8>> {
    let path = path.as_ref();
    // Opening a pipe would wait for a writer, so it is asked before what it is. `/dev/null` is how people name no file, and
    // a pipe that the shell opened (`<(…)`) has a writer.
    let named = path == Path::new("/dev/null") || path.starts_with("/dev/fd");
    if !named && !path.metadata()?.is_file() {
        return Err(Error::new(ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let mut all = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut all)?;
    if all.len() as u64 > LARGEST {
        return Err(Error::new(ErrorKind::FileTooLarge, "it is larger than 16 MiB"));
    }
    Ok(all)
}

/// The text of a file.
///
/// # Errors
/// Those of [`bytes()`]; [`ErrorKind::InvalidData`], with the line, for what is not UTF-8.
pub fn text(path: impl AsRef<Path>) -> Result<String> {
    String::from_utf8(bytes(path)?).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = error.as_bytes().iter().take(good).filter(|byte| **byte == b'\n').count() + 1;
        Error::new(ErrorKind::InvalidData, format!("line {line} is not UTF-8 text"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_of_a_bounded_size_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("settings");
        std::fs::write(&at, "a = 1\n").unwrap();
        assert_eq!(text(&at).unwrap(), "a = 1\n");
        assert_eq!(bytes(folder.path()).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(text("/dev/null").unwrap(), "");
        assert_eq!(bytes("/dev/zero").unwrap_err().kind(), ErrorKind::InvalidInput);
        File::create(&at).unwrap().set_len(LARGEST + 1).unwrap();
        assert_eq!(bytes(&at).unwrap_err().kind(), ErrorKind::FileTooLarge);
        std::fs::write(&at, b"a = 1\nb = \xff\n").unwrap();
        assert!(text(&at).unwrap_err().to_string().contains("line 2"));
    }
}
