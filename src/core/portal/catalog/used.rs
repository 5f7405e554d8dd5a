//! Which rows a person has used, by the audit of what they did.

use std::collections::HashSet;

use super::Catalog;
use crate::{
    audit::{self, Reading},
    base::blocking::blocking,
    catalog::search::{RowId, RowSets},
    image::reference::ImageRef,
    portal::sources::Sources,
};

/// The actions that count as using an image.
const USES: [&str; 3] = ["launch", "copy", "share"];

/// The images, without tag and digest, that an audit says were used: the first word of an action's subject.
fn used_images(reading: &Reading) -> HashSet<String> {
    let entries = reading.lines.iter().map(|(_, line)| &line.entry);
    let done = entries.filter(|entry| USES.contains(&entry.action.as_str()) && entry.outcome == "done");
    let names = done.filter_map(|entry| entry.subject.split(' ').next());
    names.filter_map(|name| name.parse::<ImageRef>().ok()).map(|image| image.without_version().to_string()).collect()
}

impl Catalog {
    /// The rows whose image this person has launched, copied or shared here. Contacts nobody. Of an audit that cannot
    /// be read, none.
    pub async fn used(&self, sets: &RowSets) -> HashSet<RowId> {
        let written = self.journal.written().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "what was used is not known");
            String::new()
        });
        let used = used_images(&audit::read(&written));
        if used.is_empty() {
            return HashSet::new();
        }
        let (sources, sets) = (self.sources.clone(), sets.to_vec());
        // Lists may be long, and each row's reference has to be made.
        blocking(move || rows_of(&used, &sources, &sets)).await.unwrap_or_default()
    }
}

/// The rows that stand for one of these images.
fn rows_of(used: &HashSet<String>, sources: &Sources, sets: &RowSets) -> HashSet<RowId> {
    let mut rows = HashSet::new();
    for (set, (name, list)) in sets.iter().enumerate() {
        let Ok(source) = sources.called(name) else { continue };
        for at in 0..list.len() {
            let Some(row) = list.get(at) else { continue };
            let reference = source.catalog.reference(row.name, row.favourite_tag());
            if reference.is_ok_and(|reference| used.contains(&reference.without_version().to_string())) {
                rows.insert(RowId { set: set as u32, row: at as u32 });
            }
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::digest::Digest;

    #[test]
    fn what_was_launched_or_copied_counts_and_what_failed_or_was_only_removed_does_not() {
        let pinned = format!("oci://site.example/physics/gromacs:2024@{} on podman", Digest::of(b"x"));
        let entry = |action: &str, subject: &str, outcome: &str| audit::Entry {
            outcome: outcome.to_owned(),
            ..audit::Entry::new("ada", action, subject)
        };
        let mut text = String::new();
        let mut last = None;
        for entry in [
            entry("launch", &pinned, "done"),
            entry("launch", "oci://site.example/physics/lammps:1 on podman", "done"),
            entry("copy", "oci://site.example/geo/gdal:3 to file:x", "done"),
            entry("launch", "oci://site.example/denied:1 on podman", "denied: no"),
            entry("remove-image", "oci://site.example/old:1", "done"),
        ] {
            let line = audit::next(last.as_ref(), entry).unwrap();
            text.push_str(&format!("{}\n", serde_json::to_string(&line).unwrap()));
            last = Some(line);
        }
        let used = used_images(&audit::read(&text));
        let mut names: Vec<_> = used.iter().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            ["oci://site.example/geo/gdal", "oci://site.example/physics/gromacs", "oci://site.example/physics/lammps"]
        );
    }
}
