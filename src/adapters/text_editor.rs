//! The person's own text editor: `VISUAL`, `EDITOR` (environ(7)), or a usual one.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;

use crate::shared::{exec, private, terminal};
use wharf_core::{
    base::{
        blocking::blocking,
        error::{During, Error, Result},
        small_file,
    },
    launch::form::split_words,
    ports::{Editor, FileInEditor},
};

/// Editors that are looked for where none is named, the easiest first.
const USUAL: [&str; 5] = ["nano", "vim", "vi", "micro", "emacs"];
/// How long a file is kept that was not taken.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// What the embedded terminal understands.
const TERM: &str = "TERM=xterm-256color";

/// The editor of this person, with files below `folder`.
pub(crate) struct OwnEditor {
    folder: PathBuf,
}

impl OwnEditor {
    /// The editor with files in a folder of the state.
    pub(crate) fn new(state: &Path) -> Self {
        Self { folder: state.join("edited") }
    }
}

/// Removes what was left behind by editors that were not waited for.
fn sweep(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let age = entry.metadata().and_then(|meta| meta.modified()).ok().and_then(|at| at.elapsed().ok());
        if age.is_some_and(|age| age > KEPT) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// The words that start the editor that these variables name.
fn words(visual: Option<String>, editor: Option<String>) -> Result<Vec<String>> {
    let what = "open an editor";
    let named = [("VISUAL", visual), ("EDITOR", editor)];
    for (name, value) in named {
        let Some(value) = value.filter(|value| !value.trim().is_empty()) else { continue };
        return split_words(&value)
            .map_err(|why| Error::usage(what, format!("{name} is no command: {why}")).hint("correct that variable"));
    }
    USUAL
        .into_iter()
        .find(|program| exec::on_path(program).is_some())
        .map(|program| vec![program.to_owned()])
        .ok_or_else(|| {
            Error::unsupported(what, "no editor was found on this machine")
                .hint("name one in EDITOR, then start Wharf again")
        })
}

#[async_trait]
impl Editor for OwnEditor {
    async fn open(&self, name: &str, text: &str, size: (u16, u16)) -> Result<FileInEditor> {
        let what = "open an editor";
        let (folder, path, text) = (self.folder.clone(), self.folder.join(name), text.to_owned());
        let file = path.clone();
        let write = move || {
            private::folder(&folder)?;
            sweep(&folder);
            private::write(&file, text.as_bytes())
        };
        blocking(write).await.during(what)??;
        let variable = |name: &str| std::env::var(name).ok();
        let mut argv = words(variable("VISUAL"), variable("EDITOR"))?;
        argv.push(path.display().to_string());
        // It is a program of the person's own session, with all that this session has.
        let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        let own = std::env::vars_os().filter_map(text).filter(|(name, _)| name != "TERM");
        let own = own.map(|(name, value)| format!("{name}={value}"));
        let environment: Vec<String> = own.chain([TERM.to_owned()]).collect();
        let terminal = terminal::open(what, &argv, &environment, size)?;
        Ok(FileInEditor { terminal, path })
    }

    async fn text(&self, path: &Path) -> Result<String> {
        let path = path.to_owned();
        let what = format!("read {}", path.display());
        blocking(move || small_file::text(path)).await.during(&what)?.during(what)
    }

    async fn remove(&self, path: &Path) {
        let path = path.to_owned();
        if let Ok(Err(error)) = blocking(move || std::fs::remove_file(path)).await {
            tracing::debug!(%error, "an edited file is still there, or was gone");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_editor_is_the_one_that_the_person_has_named() {
        let named = |visual: &str, editor: &str| {
            words(Some(visual.to_owned()), Some(editor.to_owned())).map(|words| words.join("|"))
        };
        assert_eq!(named("code --wait", "vi").unwrap(), "code|--wait");
        assert_eq!(named(" ", "'/opt/my editor/e' -n").unwrap(), "/opt/my editor/e|-n");
        assert!(named("", "vi '").unwrap_err().why.contains("EDITOR is no command"));
    }

    #[tokio::test]
    async fn a_text_is_edited_in_a_private_file() {
        use std::os::unix::fs::PermissionsExt;
        let state = tempfile::tempdir().unwrap();
        let editor = OwnEditor::new(state.path());
        private::folder(&editor.folder).unwrap();
        let path = editor.folder.join("a.sh");
        private::write(&path, b"text").unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o077, 0);
        assert_eq!(editor.text(&path).await.unwrap(), "text");
        editor.remove(&path).await;
        assert!(!path.exists() && editor.text(&path).await.is_err());
        editor.remove(&path).await;
    }
}
