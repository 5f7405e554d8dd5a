//! The facets by which a list can be narrowed, with the number of rows that each leaves.

use std::collections::BTreeMap;

use super::{rows::project_of, search::RowSets};

/// Most facets that are offered.
const MOST: usize = 2000;

/// Facets (`source:`, `kind:`, `platform:`, `project:`) with their numbers of rows; projects last, the largest first.
pub fn count(sets: &RowSets) -> Vec<(String, usize)> {
    let mut counts: BTreeMap<(u8, String), usize> = BTreeMap::new();
    let mut add = |group: u8, word: String, rows: usize| *counts.entry((group, word)).or_default() += rows;
    for (source, rows) in sets {
        add(0, format!("source:{source}"), rows.len());
        for at in 0..rows.len() {
            let Some(row) = rows.get(at) else { continue };
            add(1, format!("kind:{}", row.kind.name()), 1);
            for platform in row.platforms.split(' ').filter(|platform| !platform.is_empty()) {
                add(2, format!("platform:{platform}"), 1);
            }
            let project = project_of(row.name);
            if !project.is_empty() {
                add(3, format!("project:{project}"), 1);
            }
        }
    }
    let mut all: Vec<_> = counts.into_iter().collect();
    all.sort_by_key(|((group, _), count)| {
        (*group, if *group == 3 { std::cmp::Reverse(*count) } else { std::cmp::Reverse(0) })
    });
    all.truncate(MOST);
    all.into_iter().map(|((_, word), count)| (word, count)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::catalog::rows::{Row, RowSet};

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
        let counted = count(&[("lab".to_owned(), Arc::new(rows))]);
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
}
