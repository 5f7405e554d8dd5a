//! The facets as they were counted last: their lines, and the selection in them.

use ratatui::text::{Line, Span};

use crate::kit::{
    list::ListCursor,
    plot::gauge,
    theme::Theme,
    widgets::{cell, fit},
};
use wharf_core::{base::text, catalog::completion::Completion};

/// The facets with more values than the column shows, and how many it shows.
const SHOWN: [(&str, usize); 3] = [("source", 12), ("platform", 5), ("project", 10)];
/// The columns of a bar.
const BAR: usize = 5;
/// The columns of a number of rows.
const NUMBER: usize = 6;

/// A line of the column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FacetLine {
    /// The name of a facet.
    Name(String),
    /// A value of a facet, as it is typed; the rows that it leaves, and the most rows that a value of its facet leaves.
    Value { word: String, rows: usize, most: usize },
    /// How many values of a facet are left out.
    More(usize),
}

/// The facets as they were counted last, and the selection in them.
#[derive(Debug, Default)]
pub(super) struct FacetColumn {
    /// Each facet with its number of rows.
    pub(super) counted: Vec<(String, usize)>,
    /// The lines that show them.
    pub(super) lines: Vec<FacetLine>,
    /// The search and the number of known marks of the last count.
    pub(super) counted_of: Option<(u64, usize)>,
    /// Whether they are being counted.
    pub(super) counting: bool,
    /// The selected line.
    pub at: ListCursor,
    /// Whether keys go to the column.
    pub focused: bool,
    /// What the typed word may become.
    pub(super) offered: Vec<Completion>,
}

impl FacetColumn {
    /// The number of lines.
    pub(super) fn count(&self) -> usize {
        self.lines.len()
    }

    /// The facet's value on the selected line, or its name with a colon; `None` on a line that says how many are left out.
    pub(super) fn selected(&self) -> Option<String> {
        match self.lines.get(self.at.selected)? {
            FacetLine::Name(name) => Some(format!("{name}:")),
            FacetLine::Value { word, .. } => Some(word.clone()),
            FacetLine::More(_) => None,
        }
    }

    /// The line of a facet's value, or of a facet by its name with a colon.
    pub(super) fn line_of(&self, word: &str) -> Option<usize> {
        self.lines.iter().position(|line| match line {
            FacetLine::Name(name) => word.strip_suffix(':') == Some(name),
            FacetLine::Value { word: value, .. } => value == word,
            FacetLine::More(_) => false,
        })
    }
}

/// The lines of facets that are counted in the order of their names.
pub(super) fn lines_of(counted: &[(String, usize)]) -> Vec<FacetLine> {
    let name_of = |word: &str| word.split_once(':').map_or_else(String::new, |(name, _)| name.to_owned());
    let mut lines = Vec::new();
    for group in counted.chunk_by(|(one, _), (other, _)| name_of(one) == name_of(other)) {
        let Some((first, _)) = group.first() else { continue };
        let name = name_of(first);
        let shown = SHOWN.iter().find(|(known, _)| *known == name).map_or(group.len(), |(_, most)| *most);
        let most = group.iter().map(|(_, rows)| *rows).max().unwrap_or_default();
        let values = group.iter().take(shown);
        lines.push(FacetLine::Name(name));
        lines.extend(values.map(|(word, rows)| FacetLine::Value { word: word.clone(), rows: *rows, most }));
        if group.len() > shown {
            lines.push(FacetLine::More(group.len() - shown));
        }
    }
    lines
}

/// One line of the column; `named`: the words of the filter.
pub(super) fn facet_line(line: &FacetLine, named: &[String], width: usize, theme: &Theme) -> Line<'static> {
    let dim = theme.style("dim");
    match line {
        FacetLine::Name(name) => Line::styled(fit(&format!(" {}", name.to_uppercase()), width), dim),
        FacetLine::More(more) => Line::styled(fit(&format!("   … {more} more"), width), dim),
        FacetLine::Value { word, rows, most } => {
            let value = word.split_once(':').map_or(word.as_str(), |(_, value)| value);
            let chosen = named.iter().any(|typed| *typed == word.to_lowercase());
            let bar = "▆".repeat(gauge::filled(*rows as u64, *most as u64, BAR));
            // Each cell has a blank after it.
            let room = width.saturating_sub(3 + 1 + BAR + 1 + NUMBER);
            Line::from(vec![
                Span::styled(if chosen { " ● " } else { "   " }, theme.style("key")),
                Span::styled(cell(value, room), theme.style(if chosen { "title" } else { "text" })),
                Span::styled(cell(&bar, BAR), theme.style("border")),
                Span::styled(format!("{:>NUMBER$}", text::count(*rows as u64)), dim),
            ])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_below_their_facet_and_what_is_left_out_is_counted() {
        let mut counted = vec![("scan:high".to_owned(), 3), ("source:hub".to_owned(), 8)];
        counted.extend((0..14).map(|number| (format!("project:p{number}"), 14 - number)));
        let lines = lines_of(&counted);
        let name = |line: &FacetLine| match line {
            FacetLine::Name(name) => Some(name.clone()),
            _ => None,
        };
        assert_eq!(lines.iter().filter_map(name).collect::<Vec<_>>(), ["scan", "source", "project"]);
        assert_eq!(lines.last(), Some(&FacetLine::More(4)));
        assert_eq!(lines[1], FacetLine::Value { word: "scan:high".into(), rows: 3, most: 3 });
    }
}
