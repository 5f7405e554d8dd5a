//! The facets by which a list can be narrowed, with the numbers of rows.

use std::collections::BTreeMap;

use crate::base::badge::Publisher;

use super::{
    marks::Facet,
    query::{MINUS, Query},
    rows::project_of,
    search::{self, Known, RowId, RowSets, Sort},
};

/// Most facets that are offered.
const MOST: usize = 2000;
/// The group of the projects, which are the last.
const PROJECTS: u8 = 6;
/// The groups of the marks.
const MARKS: [(u8, Facet); 3] = [(0, Facet::Verdict), (1, Facet::Trust), (2, Facet::Scan)];

/// The names of the facets, by their groups.
const NAMES: [&str; 7] = ["verdict", "trust", "scan", "source", "kind", "platform", "project"];

/// The rows that have each facet, by its group and its word.
type Counts = BTreeMap<(u8, String), usize>;

/// Facets with the numbers of rows that a filter leaves: `verdict:`, `trust:`, `scan:`, `source:`, `kind:`, `platform:`,
/// `project:`. Projects come last, the largest first. The values of a facet that the filter names are counted as if it did
/// not name it, so that another can be chosen in its place. Marks are counted of the rows whose marks are known; trust also
/// where the list names a publisher.
pub fn count(sets: &RowSets, filter: &str, known: &Known) -> Vec<(String, usize)> {
    let all = search::order(sets, Sort::Source, known);
    let mut counts = of_rows(sets, &fitting(sets, filter, &all, known), known);
    for (group, name) in (0..).zip(NAMES) {
        if let Some(rest) = without(filter, name) {
            counts.retain(|(counted, _), _| *counted != group);
            let other = of_rows(sets, &fitting(sets, &rest, &all, known), known);
            counts.extend(other.into_iter().filter(|((counted, _), _)| *counted == group));
        }
    }
    let mut all: Vec<_> = counts.into_iter().collect();
    all.sort_by_key(|((group, _), count)| {
        (*group, if *group == PROJECTS { std::cmp::Reverse(*count) } else { std::cmp::Reverse(0) })
    });
    all.truncate(MOST);
    all.into_iter().map(|((_, word), count)| (word, count)).collect()
}

/// The filter without its words of a facet; `None` if it has none.
fn without(filter: &str, facet: &str) -> Option<String> {
    let named =
        |word: &str| word.trim_start_matches(['-', MINUS]).strip_prefix(facet).map(|rest| rest.starts_with(':'));
    let names = |word: &&str| named(word) == Some(true);
    let words = filter.split_whitespace();
    words.clone().any(|word| names(&word)).then(|| words.filter(|word| !names(word)).collect::<Vec<_>>().join(" "))
}

/// The rows that fit a filter, with the marks that it asks for.
fn fitting(sets: &RowSets, filter: &str, all: &[RowId], known: &Known) -> Vec<RowId> {
    let query = Query::parse(filter);
    let mut rows = search::search(sets, &query, all, known);
    if !query.marks.is_empty() {
        rows.retain(|id| query.matches_marks(&search::marks_of(sets, *id, known)));
    }
    rows
}

fn of_rows(sets: &RowSets, ids: &[RowId], known: &Known) -> Counts {
    let mut counts = Counts::new();
    // A source and a kind are those of most rows: they are counted without a word for each row.
    let mut sources = vec![0; sets.len()];
    let mut kinds: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut add = |group: u8, word: String, rows: usize| *counts.entry((group, word)).or_default() += rows;
    for id in ids {
        let Some(row) = sets.get(id.set as usize).and_then(|(_, rows)| rows.get(id.row as usize)) else { continue };
        sources[id.set as usize] += 1;
        *kinds.entry(row.kind.name()).or_default() += 1;
        if let Some(marks) = known.marks.get(id) {
            let marks = marks.with_publisher(row.publisher);
            for (group, facet) in MARKS {
                facet.fitting(&marks).into_iter().for_each(|word| add(group, facet.typed(word), 1));
            }
        } else if row.publisher != Publisher::Unknown {
            add(1, Facet::Trust.typed(row.publisher.short()), 1);
        }
        for platform in row.platforms.split(' ').filter(|platform| !platform.is_empty()) {
            add(5, format!("platform:{platform}"), 1);
        }
        let project = project_of(row.name);
        if !project.is_empty() {
            add(PROJECTS, format!("project:{project}"), 1);
        }
    }
    for ((source, _), rows) in sets.iter().zip(sources).filter(|(_, rows)| *rows > 0) {
        add(3, format!("source:{source}"), rows);
    }
    for (kind, rows) in kinds {
        add(4, format!("kind:{kind}"), rows);
    }
    counts
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        base::{
            badge::{Scan, Verdict},
            severity::{self, Severity},
        },
        catalog::{
            marks::{Marks, ScanMark},
            rows::{Row, RowSet},
        },
        image::model::ImageKind,
    };

    #[test]
    fn platforms_come_before_projects_and_large_projects_first() {
        let row = |name: &str, platforms: &[&str]| Row {
            name: name.into(),
            platforms: platforms.iter().map(ToString::to_string).collect(),
            ..Row::default()
        };
        let rows = RowSet::build(vec![
            row("a/x", &["linux/amd64", "linux/arm64"]),
            row("b/x", &["linux/amd64"]),
            row("b/y", &[]),
        ]);
        let counted = count(&[("lab".to_owned(), Arc::new(rows))], "", &Known::default());
        let words: Vec<_> = counted.iter().map(|(word, count)| format!("{word} {count}")).collect();
        assert_eq!(
            words,
            [
                "source:lab 3",
                "kind:container 3",
                "platform:linux/amd64 2",
                "platform:linux/arm64 1",
                "project:b 2",
                "project:a 1"
            ]
        );
    }

    #[test]
    fn marks_are_counted_where_they_are_known_with_the_words_of_the_filter() {
        let row = |name: &str, publisher| Row { name: name.into(), publisher, ..Row::default() };
        let rows = RowSet::build(vec![row("a", Publisher::Unknown), row("b", Publisher::Official)]);
        let counts = severity::Counts { high: 2, ..severity::Counts::default() };
        let scan = ScanMark { state: Scan::Findings, counts, fixable: Some(Severity::Medium) };
        let marks = Marks { scan, verdict: Verdict::Deny, ..Marks::default() };
        let known = Known { marks: [(RowId { set: 0, row: 0 }, marks)].into_iter().collect(), ..Known::default() };
        let counted = count(&[("lab".to_owned(), Arc::new(rows))], "", &known);
        let words: Vec<_> = counted.iter().map(|(word, count)| format!("{word} {count}")).collect();
        assert_eq!(
            words[..9],
            [
                "verdict:deny 1",
                "trust:official 1",
                "trust:unchecked 1",
                "scan:findings 1",
                "scan:high 1",
                "scan:low 1",
                "scan:low+fix 1",
                "scan:medium 1",
                "scan:medium+fix 1",
            ]
        );
        for (word, _) in &counted {
            assert!(Query::parse(word).unknown.is_empty(), "{word}");
        }
    }

    #[test]
    fn the_rows_that_a_filter_leaves_are_counted_and_a_chosen_facet_keeps_its_siblings() {
        let row = |name: &str, kind| Row { name: name.into(), kind, ..Row::default() };
        let lab = RowSet::build(vec![row("a/x", ImageKind::Container), row("b/x", ImageKind::Vm)]);
        let hub = RowSet::build(vec![row("a/y", ImageKind::Container), row("c/z", ImageKind::Sif)]);
        let sets = [("lab".to_owned(), Arc::new(lab)), ("hub".to_owned(), Arc::new(hub))];
        let counted = |filter: &str| -> Vec<String> {
            let all = count(&sets, filter, &Known::default());
            all.iter().map(|(word, count)| format!("{word} {count}")).collect()
        };
        let expected = ["source:hub 2", "source:lab 2", "kind:container 1", "kind:vm 1", "project:a 1", "project:b 1"];
        assert_eq!(counted("source:lab"), expected, "the other source can still be chosen");
        assert_eq!(counted("a/ -kind:vm")[..3], ["source:hub 1", "source:lab 1", "kind:container 2"]);
        assert!(counted("-kind:container").contains(&"kind:container 2".to_owned()), "it can be taken back");
    }
}
