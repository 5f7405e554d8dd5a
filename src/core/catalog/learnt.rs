//! Details that a registry's list lacks and that were read for rows on the screen: size, date, platforms, and what it is.
//!
//! A registry's list has names and tags only. Details of a row are shown at once, and kept in the list when the source
//! is listed again, as long as the row's tag is the same.

use super::rows::{Row, RowSet, favourite};
use crate::image::model::ImageKind;

pub use super::rows::DetailsByName;

/// Whether a row has no details besides its names.
pub fn is_bare(row: &Row) -> bool {
    row.size.is_none() && row.updated.is_none() && row.platforms.is_empty()
}

/// Whether a row may be more than its source says: a list calls everything a container of which it knows nothing.
pub fn may_learn(row: &Row) -> bool {
    is_bare(row) || row.kind == ImageKind::Container
}

/// Adds details to rows that have none: from `learnt`, else from the same row in the `old` list.
pub fn enrich(rows: &mut [Row], learnt: &DetailsByName, old: &RowSet) {
    for row in rows.iter_mut().filter(|row| may_learn(row)) {
        let Some(tag) = favourite(row.tags.iter().map(String::as_str)) else { continue };
        let is_bare = is_bare(row);
        if let Some(version) = learnt.get(&row.name).filter(|version| version.tag == tag) {
            if is_bare {
                row.size = version.size;
                row.updated = version.created;
                row.platforms = version.platforms.iter().map(ToString::to_string).collect();
            }
            let (kind, note) = version.kind_and_note(row.kind, &row.note);
            (row.kind, row.note) = (kind, note.to_owned());
        } else if let Some(known) = old.find(&row.name).and_then(|at| old.get(at)) {
            if known.favourite_tag() != Some(tag) {
                continue;
            }
            if is_bare {
                row.size = known.size;
                row.updated = known.updated;
                row.platforms = known.platforms.split_whitespace().map(str::to_owned).collect();
            }
            if matches!(known.kind, ImageKind::Artifact | ImageKind::Sif | ImageKind::Vm) && row.kind != known.kind {
                row.kind = known.kind;
                known.note.clone_into(&mut row.note);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::model::Version;

    fn row(name: &str, tag: &str) -> Row {
        Row { name: name.into(), tags: vec![tag.into()], ..Row::default() }
    }

    #[test]
    fn what_was_learnt_stays_while_the_tag_does() {
        let old = RowSet::build(vec![Row { size: Some(7), platforms: vec!["linux/amd64".into()], ..row("a/b", "1") }]);
        let version = Version {
            tag: "3".into(),
            digest: None,
            created: Some(9),
            size: Some(8),
            platforms: vec!["linux/arm64".parse().unwrap()],
            kind: ImageKind::Container,
            artifact: None,
        };
        let learnt = DetailsByName::from([("a/c".to_owned(), version)]);
        let mut rows = vec![row("a/b", "1"), row("a/c", "3"), row("a/d", "1")];
        enrich(&mut rows, &learnt, &old);
        assert_eq!((rows[0].size, rows[0].platforms.as_slice()), (Some(7), &["linux/amd64".to_owned()][..]));
        assert_eq!((rows[1].size, rows[1].updated, rows[1].platforms[0].as_str()), (Some(8), Some(9), "linux/arm64"));
        assert_eq!(rows[2].size, None);
        let mut moved = vec![row("a/b", "2"), row("a/c", "4")];
        enrich(&mut moved, &learnt, &old);
        assert!(moved.iter().all(|row| row.size.is_none()), "another tag is another image");
    }

    #[test]
    fn what_turned_out_to_be_a_disk_is_listed_as_one_from_then_on() {
        let version = Version {
            tag: "1".into(),
            digest: None,
            created: None,
            size: Some(8),
            platforms: Vec::new(),
            kind: ImageKind::Vm,
            artifact: Some("disk image (qcow2)".into()),
        };
        let learnt = DetailsByName::from([("a/disk".to_owned(), version)]);
        // Also where the source tells its size.
        let mut rows = vec![Row { size: Some(9), ..row("a/disk", "1") }];
        enrich(&mut rows, &learnt, &RowSet::default());
        assert_eq!((rows[0].kind, rows[0].note.as_str()), (ImageKind::Vm, "disk image (qcow2)"));
        assert_eq!(rows[0].size, Some(9));
        let old = RowSet::build(rows);
        let mut again = vec![row("a/disk", "1"), Row { size: Some(9), ..row("a/disk", "1") }, row("a/disk", "2")];
        enrich(&mut again, &DetailsByName::default(), &old);
        let kinds: Vec<ImageKind> = again.iter().map(|row| row.kind).collect();
        assert_eq!(kinds, [ImageKind::Vm, ImageKind::Vm, ImageKind::Container], "another tag is another image");
        // A list that knows disks by itself says more of them.
        let cloud = RowSet::build(vec![Row { kind: ImageKind::Vm, note: "raw public".into(), ..row("a/disk", "1") }]);
        assert_eq!(cloud.enriched(&learnt).unwrap().get(0).unwrap().note, "raw public");
    }
}
