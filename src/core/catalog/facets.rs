//! The facets by which a list can be narrowed, with the number of rows that each leaves.

use std::collections::BTreeMap;

use crate::base::badge::Publisher;

use super::{
    marks::Facet,
    rows::project_of,
    search::{Known, RowId, RowSets},
};

/// Most facets that are offered.
const MOST: usize = 2000;
/// The group of the projects, which are the last.
const PROJECTS: u8 = 6;
/// The groups of the marks.
const MARKS: [(u8, Facet); 3] = [(0, Facet::Verdict), (1, Facet::Trust), (2, Facet::Scan)];

/// Facets with their numbers of rows: `verdict:`, `trust:`, `scan:`, `source:`, `kind:`, `platform:`, `project:`. Projects
/// come last, the largest first. Marks are counted of the rows whose marks are known; trust also where the list names a
/// publisher.
pub fn count(sets: &RowSets, known: &Known) -> Vec<(String, usize)> {
    let mut counts: BTreeMap<(u8, String), usize> = BTreeMap::new();
    let mut add = |group: u8, word: String, rows: usize| *counts.entry((group, word)).or_default() += rows;
    for (set, (source, rows)) in sets.iter().enumerate() {
        add(3, format!("source:{source}"), rows.len());
        for at in 0..rows.len() {
            let Some(row) = rows.get(at) else { continue };
            let id = RowId { set: set as u32, row: at as u32 };
            if let Some(marks) = known.marks.get(&id) {
                let marks = marks.with_publisher(row.publisher);
                for (group, facet) in MARKS {
                    facet.fitting(&marks).into_iter().for_each(|word| add(group, facet.typed(word), 1));
                }
            } else if row.publisher != Publisher::Unknown {
                add(1, Facet::Trust.typed(row.publisher.short()), 1);
            }
            add(4, format!("kind:{}", row.kind.name()), 1);
            for platform in row.platforms.split(' ').filter(|platform| !platform.is_empty()) {
                add(5, format!("platform:{platform}"), 1);
            }
            let project = project_of(row.name);
            if !project.is_empty() {
                add(PROJECTS, format!("project:{project}"), 1);
            }
        }
    }
    let mut all: Vec<_> = counts.into_iter().collect();
    all.sort_by_key(|((group, _), count)| {
        (*group, if *group == PROJECTS { std::cmp::Reverse(*count) } else { std::cmp::Reverse(0) })
    });
    all.truncate(MOST);
    all.into_iter().map(|((_, word), count)| (word, count)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        base::{
            badge::{Scan, Verdict},
            severity::{Counts, Severity},
        },
        catalog::{
            marks::{Marks, ScanMark},
            query::Query,
            rows::{Row, RowSet},
        },
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
        let counted = count(&[("lab".to_owned(), Arc::new(rows))], &Known::default());
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
        let counts = Counts { high: 2, ..Counts::default() };
        let scan = ScanMark { state: Scan::Findings, counts, fixable: Some(Severity::Medium) };
        let marks = Marks { scan, verdict: Verdict::Deny, ..Marks::default() };
        let known = Known { marks: [(RowId { set: 0, row: 0 }, marks)].into_iter().collect(), ..Known::default() };
        let counted = count(&[("lab".to_owned(), Arc::new(rows))], &known);
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
}
