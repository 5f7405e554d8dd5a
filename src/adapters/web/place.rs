//! Where a file lies while it arrives, and where it is put then.

use std::path::{Path, PathBuf};

use crate::shared::{origin as address, partial::leads_to, private};
use wharf_core::{
    base::{
        blocking::blocking,
        error::{During, Error, Kind, Result},
    },
    ports::web::Arrived,
};

/// Where the bytes lie before they are complete: its name begins with a dot, so that it is no image in a list.
pub(super) fn partial(to: &Path) -> PathBuf {
    let name = to.file_name().unwrap_or_default().to_string_lossy();
    to.with_file_name(format!(".{name}.arriving"))
}

/// The note from where they are.
pub(super) fn origin(partial: &Path) -> PathBuf {
    let name = partial.file_name().unwrap_or_default().to_string_lossy();
    partial.with_file_name(format!("{name}.json"))
}

/// See [`Web::put`](wharf_core::ports::web::Web::put).
pub(super) async fn put(arrived: Arrived, to: PathBuf, url: String) -> Result<()> {
    let what = format!("put {}", to.display());
    let task = what.clone();
    let work = move || {
        let from = &arrived.partial;
        let swapped = || {
            Error::new(Kind::Integrity, &task, "somebody put another file in its place while it was compared")
                .hint("use a folder that others cannot write to")
        };
        if !leads_to(from, &arrived.file) {
            return Err(swapped());
        }
        // Not every file system keeps such a note.
        address::note_open(&*arrived.file, &url);
        private::put_new(from, &to).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => Error::usage(&task, "something is there").hint("name another file"),
            _ => Error::failed(&task, error),
        })?;
        let _ = std::fs::remove_file(origin(from));
        if leads_to(&to, &arrived.file) { Ok(()) } else { Err(swapped()) }
    };
    blocking(work).await.during(what)?
}

/// Removes what has arrived.
pub(super) async fn forget(partial: &Path) {
    let _ = tokio::fs::remove_file(partial).await;
    let _ = tokio::fs::remove_file(origin(partial)).await;
}
