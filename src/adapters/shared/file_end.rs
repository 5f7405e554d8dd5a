//! Files of which the last lines are enough, such as long output.

use std::{
    io::{Result, SeekFrom},
    path::Path,
};

use tokio::{fs::File, io::AsyncSeekExt};

/// How many bytes a line is taken to have: most have fewer.
const LINE: u64 = 256;

/// Opens a file to be read, with `lines` from about where so many last lines begin: the first may be cut.
pub async fn open(path: &Path, lines: Option<usize>) -> Result<File> {
    let mut file = File::open(path).await?;
    if let Some(lines) = lines {
        let size = file.metadata().await?.len();
        file.seek(SeekFrom::Start(size.saturating_sub(lines as u64 * LINE))).await?;
    }
    Ok(file)
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
        assert!(read.len() == 512 && read.ends_with("line 998\nline 999\n"), "{read}");
        read.clear();
        open(&path, None).await.unwrap().read_to_string(&mut read).await.unwrap();
        assert_eq!(read, text);
    }
}
