//! Files of which the last lines are enough, such as long output.

use std::{
    fs::File,
    io::{Error, Result, Seek, SeekFrom},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use wharf_core::base::blocking::blocking;

/// How many bytes are looked through at a time, and the most: lines may have any length.
const CHUNK: u64 = 64 << 10;
const MOST: u64 = 16 << 20;

/// Opens a file to be read, with `lines` from where so many last lines begin.
pub async fn open(path: &Path, lines: Option<usize>) -> Result<tokio::fs::File> {
    let path = path.to_owned();
    let opened = blocking(move || {
        let mut file = File::open(&path)?;
        if let Some(lines) = lines {
            let (at, _) = beginning(&file, lines)?;
            file.seek(SeekFrom::Start(at))?;
        }
        Ok::<_, Error>(file)
    });
    Ok(tokio::fs::File::from_std(opened.await.map_err(|crashed| Error::other(crashed.to_string()))??))
}

/// In which of these parts of one text, the oldest first, so many last lines begin, and how many of them end in it.
pub fn part(parts: &[PathBuf], lines: usize) -> Result<Option<(usize, usize)>> {
    let mut left = lines;
    for (number, path) in parts.iter().enumerate().rev() {
        let (at, found) = beginning(&File::open(path)?, left)?;
        if at > 0 || number == 0 {
            return Ok(Some((number, left)));
        }
        left = left.saturating_sub(found);
    }
    Ok(None)
}

/// Where the last `lines` lines of a file begin, and how many lines end in the rest of it. A last line without an end
/// comes in addition.
fn beginning(file: &File, lines: usize) -> Result<(u64, usize)> {
    let size = file.metadata()?.len();
    let (mut end, mut found) = (size, 0);
    let mut buffer = vec![0; CHUNK as usize];
    while end > 0 {
        let begin = end.saturating_sub(CHUNK);
        let part = buffer.get_mut(..(end - begin) as usize).unwrap_or_default();
        file.read_exact_at(part, begin)?;
        for at in (0..part.len()).rev().filter(|at| part.get(*at) == Some(&b'\n')) {
            if found == lines {
                return Ok((begin + at as u64 + 1, found));
            }
            found += 1;
        }
        if size - begin >= MOST {
            return Ok((begin, found));
        }
        end = begin;
    }
    Ok((0, found))
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn only_the_end_of_a_long_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("output");
        let lines: Vec<String> = (0..1000).map(|number| format!("line {number}\n")).collect();
        let text = lines.concat();
        std::fs::write(&path, &text).unwrap();
        let mut read = String::new();
        open(&path, Some(2)).await.unwrap().read_to_string(&mut read).await.unwrap();
        assert_eq!(read, "line 998\nline 999\n");
        read.clear();
        open(&path, None).await.unwrap().read_to_string(&mut read).await.unwrap();
        assert_eq!(read, text);
    }

    #[test]
    fn lines_of_any_length_are_counted_and_go_on_in_the_part_before() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let long = "x".repeat(3 * CHUNK as usize);
        let path = write("long", &format!("a\n{long}\nb\nend"));
        let begins = |lines| beginning(&File::open(&path).unwrap(), lines).unwrap();
        assert_eq!((begins(1), begins(2)), ((2 + long.len() as u64 + 1, 1), (2, 2)));
        assert_eq!((begins(3), begins(9)), ((0, 3), (0, 3)));
        let parts = [write("log.3", "1\n2\n3\n"), write("log.4", "4\n5\n")];
        assert_eq!(part(&parts, 1).unwrap(), Some((1, 1)));
        assert_eq!(part(&parts, 4).unwrap(), Some((0, 2)));
        assert_eq!(part(&parts, 99).unwrap(), Some((0, 97)));
        assert_eq!(part(&[], 99).unwrap(), None);
    }
}
