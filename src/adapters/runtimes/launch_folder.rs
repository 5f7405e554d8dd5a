//! The folder of one launch: the script that starts its process, and the hash of the image that it may start.
//!
//! ```text
//! FOLDER/image.sha256  the sha256 of the prepared file, as sha256sum reads it
//! FOLDER/variables     the environment, in the form that its reader takes
//! FOLDER/enter         runs a command inside of the process
//! FOLDER/run           starts the process; written last
//! ```

use std::path::Path;

use super::{
    entering::{self, ENTER},
    image_process::{ImageProcess, path_text},
};
use crate::{
    prepared::{Form, Prepared, Store},
    shared::private,
};
use wharf_core::{
    base::{
        blocking::blocking,
        context::Context,
        error::{During, Error, Result},
    },
    launch::form::join_words,
    ports::{Process, Supply},
};

/// The script.
const RUN: &str = "run";
/// The hash of the prepared image.
const HASH: &str = "image.sha256";
/// The environment.
pub(super) const VARIABLES: &str = "variables";
/// Begins every script: only what a runtime needs of the node's environment reaches it, because runtimes take orders from
/// variables.
const CLEAN: &str = r#"#!/bin/sh
# usage: run [PLACE [clean]], where PLACE is a folder for this process alone.
set -eu
place=${1-}
if [ "${2-}" != clean ]; then
  exec env -i PATH="$PATH" HOME="${HOME:-/}" USER="${USER:-$(id -un 2>/dev/null || id -u)}" /bin/sh "$0" "$place" clean
fi
"#;

/// What a runtime writes for a launch.
pub(super) struct Written {
    /// The lines of the script after the environment was cleaned.
    pub script: String,
    /// The file of variables.
    pub variables: String,
    /// The script that enters the process.
    pub enter: String,
}

/// The words that run what is prepared in a folder.
///
/// # Errors
/// `Usage` for a folder whose path no script can hold.
pub(super) fn argv(folder: &Path) -> Result<Vec<String>> {
    Ok(vec!["/bin/sh".to_owned(), path_text(&folder.join(RUN), "run a prepared image")?.to_owned()])
}

/// The words that compare the prepared image with the hash in a folder; `None` for an image that is a folder.
///
/// # Errors
/// As [`argv`].
pub(super) fn check(process: &Process, folder: &Path) -> Result<Option<Vec<String>>> {
    let what = "compare a prepared image";
    let process: ImageProcess = serde_json::from_value(process.0.clone()).during(what)?;
    let hash = path_text(&folder.join(HASH), what)?.to_owned();
    let words = ["sha256sum", "--quiet", "--strict", "--check"].map(str::to_owned).into_iter().chain([hash]);
    Ok((process.form == Form::Squashfs).then(|| words.collect()))
}

/// Prepares the image and writes the launch's folder. `write` makes the script for the prepared image. A folder that was
/// prepared stays as it is.
///
/// # Errors
/// Those of [`Store::provide`] and of `write`.
pub(super) async fn prepare(
    cx: &Context,
    supply: &Supply,
    process: &Process,
    store: &Store,
    folder: &Path,
    write: impl FnOnce(&ImageProcess, &Path) -> Result<Written>,
) -> Result<()> {
    let what = format!("prepare {}", supply.image.reference);
    let run = folder.join(RUN);
    // It is written last: if it exists, everything else does.
    if tokio::fs::try_exists(&run).await.during(&what)? {
        return Ok(());
    }
    let process: ImageProcess = serde_json::from_value(process.0.clone()).during(&what)?;
    let prepared = store.provide(cx, supply, process.form).await?;
    let written = write(&process, &prepared.path)?;
    let hash = hash_line(&prepared, process.form, &what)?;
    let folder = folder.to_owned();
    let work = move || {
        if let Some(hash) = hash {
            private::write(&folder.join(HASH), hash.as_bytes())?;
        }
        private::write(&folder.join(VARIABLES), written.variables.as_bytes())?;
        private::write(&folder.join(ENTER), written.enter.as_bytes())?;
        private::write(&run, whole(&written.script).as_bytes())
    };
    blocking(work).await.during(&what)?
}

/// The script that starts the process, which notes where that is.
fn whole(script: &str) -> String {
    format!("{CLEAN}{}{script}", entering::note())
}

/// The line of the prepared file for sha256sum; `None` for a folder.
fn hash_line(prepared: &Prepared, form: Form, what: &str) -> Result<Option<String>> {
    let path = path_text(&prepared.path, what)?;
    match (&prepared.sha256, form) {
        // What was planned is that the node compares a file.
        (None, Form::Squashfs) => Err(Error::failed(what, "the image was prepared as a folder, not as a file")
            .hint("remove it from the store of prepared images, and launch again")),
        // A file where a folder was planned is the better of the two.
        (None, Form::Folder) => Ok(None),
        (Some(sha256), _) if path.contains('\\') => {
            Err(Error::usage(what, format!("the path of {} has a backslash in it", sha256.short()))
                .hint("choose another folder"))
        }
        (Some(sha256), _) => Ok(Some(format!("{}  {path}\n", sha256.hex()))),
    }
}

/// A word as a shell reads it, whatever is in it.
///
/// # Errors
/// `Usage` for a zero byte, which no program can be given.
pub(super) fn quoted(word: &str, what: &str) -> Result<String> {
    if word.contains('\0') {
        return Err(Error::usage(what, "a zero byte is in its command or environment").hint("leave it out"));
    }
    Ok(join_words(&[word.to_owned()]))
}

#[cfg(test)]
pub(super) mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    /// What a script that was made for a program in place of a runtime gives that program: its arguments and its
    /// environment, as the program received them.
    pub(crate) fn received(script: &str, folder: &Path, place: &Path) -> (Vec<String>, Vec<String>) {
        let run = folder.join(RUN);
        std::fs::write(&run, whole(script)).unwrap();
        let mut command = Command::new("/bin/sh");
        command.arg(&run).arg(place).env("APPTAINER_BIND", "/etc:/x").env("SECRET", "1").stdin(Stdio::null());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}\n{script}", String::from_utf8_lossy(&output.stderr));
        let split = |name: &str| {
            let bytes = std::fs::read(folder.join(name)).unwrap();
            let text = String::from_utf8(bytes).unwrap();
            text.split_terminator('\0').map(str::to_owned).collect()
        };
        (split("arguments"), split("environment"))
    }

    /// A program that keeps what it receives in its folder.
    pub(crate) fn listener(folder: &Path) -> std::path::PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let program = folder.join("listener");
        let at = folder.display();
        let text = format!("#!/bin/sh\nprintf '%s\\0' \"$@\" >{at}/arguments\nexec env -0 >{at}/environment\n");
        std::fs::write(&program, text).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        program
    }
}
