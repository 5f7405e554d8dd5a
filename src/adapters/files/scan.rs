//! Searching a folder for images: the folder itself and two levels below it.

use std::path::Path;

use super::layout::{self, Layout};
use crate::formats::{
    archive::{self, Form},
    disk_header,
};
use wharf_core::{
    base::error::{Error, Result},
    catalog::rows::Row,
    image::model::ImageKind,
    ports::Extent,
};

/// At most this many directory entries are looked at, more than a person keeps in one folder.
const MOST_ENTRIES: usize = 20_000;
const DEPTH: usize = 3;

/// A row for each image in `root`. The extent says if the search ended early.
pub(super) fn rows(root: &Path) -> Result<(Vec<Row>, Extent)> {
    let mut rows = Vec::new();
    let mut seen = 0;
    std::fs::read_dir(root).map_err(|error| {
        Error::not_found(format!("list {}", root.display()), error.to_string())
            .hint("make the folder, or name another one in the configuration")
    })?;
    walk(root, root, DEPTH, &mut seen, &mut rows);
    let cut = (seen > MOST_ENTRIES).then(|| format!("{} holds more than {MOST_ENTRIES} files", root.display()));
    Ok((rows, Extent::cut_short(cut)))
}

fn walk(root: &Path, folder: &Path, depth: usize, seen: &mut usize, rows: &mut Vec<Row>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        *seen += 1;
        if *seen > MOST_ENTRIES {
            return;
        }
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')) {
            continue;
        }
        let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        if layout::is_layout(&path) {
            rows.push(layout_row(name, &path));
        } else if path.is_dir() {
            if depth > 1 {
                walk(root, &path, depth - 1, seen, rows);
            }
        } else if let Some(row) = file_row(name, &path) {
            rows.push(row);
        }
    }
}

fn layout_row(name: String, path: &Path) -> Row {
    // A compressed archive would have to be decompressed completely just for its row.
    let compressed = archive::form(path) == Some(Form::Compressed);
    let opened = if compressed { None } else { Some(Layout::open(path, path)) };
    let sound = opened.as_ref().and_then(|opened| opened.as_ref().ok());
    let tags = sound.map(Layout::tags).unwrap_or_default();
    let digest = sound.and_then(|layout| layout.resolve(None, "list").ok());
    let size = path.is_file().then(|| path.metadata().map(|meta| meta.len()).ok()).flatten();
    let updated = path
        .metadata()
        .and_then(|meta| meta.modified())
        .ok()
        .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok())
        .and_then(|age| i64::try_from(age.as_secs()).ok());
    Row {
        name,
        tags,
        digest,
        size,
        updated,
        note: match opened {
            None => "compressed".to_owned(),
            Some(opened) => opened.err().map(|error| error.why).unwrap_or_default(),
        },
        ..Row::default()
    }
}

/// The row of a disk image or SIF file, recognized by its header. Any file could be a raw disk, so that is recognized
/// by its name's ending only.
fn file_row(name: String, path: &Path) -> Option<Row> {
    let facts = disk_header::inspect(path).ok()?;
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
    let raw_by_name = matches!(ending.as_str(), "raw" | "img" | "iso");
    if !is_disk(facts.kind) || facts.format == disk_header::PROGRAM || (facts.format == "raw" && !raw_by_name) {
        return None;
    }
    let kind = if facts.kind == ImageKind::Sif { ImageKind::Sif } else { ImageKind::Vm };
    let note = [vec![facts.format], facts.warnings].concat().join("; ");
    Some(Row { name, kind, size: Some(facts.size), updated: facts.modified, note, ..Row::default() })
}

/// Whether a file of this kind is listed as a disk image or SIF file.
fn is_disk(kind: ImageKind) -> bool {
    kind != ImageKind::Container
}
