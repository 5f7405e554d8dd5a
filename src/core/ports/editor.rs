//! The port for the person's own text editor.

use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::launcher::Terminal;
use crate::base::error::Result;

/// A file that is being edited.
pub struct FileInEditor {
    /// The editor's terminal; it ends with the editor.
    pub terminal: Terminal,
    /// The file.
    pub path: PathBuf,
}

/// Edits text with the person's own editor, in a terminal that is shown by whoever asked.
#[async_trait]
pub trait Editor: Send + Sync {
    /// Opens a private file with this text. `name` is that of the file, `size` the terminal's columns and lines.
    ///
    /// # Errors
    /// `Unsupported` where there is no editor, or what the file system says.
    async fn open(&self, name: &str, text: &str, size: (u16, u16)) -> Result<FileInEditor>;

    /// What is in the file by now.
    ///
    /// # Errors
    /// Where it is gone, too large, or no text.
    async fn text(&self, path: &Path) -> Result<String>;

    /// Removes the file; one that is gone is fine.
    async fn remove(&self, path: &Path);
}
