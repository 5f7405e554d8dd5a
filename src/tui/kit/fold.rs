//! Lines that are longer than their place go on in the next row, each part in its own style.

use ratatui::{
    style::Style,
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr;

/// A character as people see it, which may be several code points, and its style.
type Styled = (String, Style);

/// The line in rows of at most `width` columns, broken at spaces where there are any. Continued rows begin after `indent`
/// columns, which are less than half of the width.
pub fn fold(line: Line<'static>, width: usize, indent: usize) -> Vec<Line<'static>> {
    let width = width.max(1);
    if line.width() <= width {
        return vec![line];
    }
    let base = line.style;
    // A character may be two columns wide.
    let indent = indent.min(width.saturating_sub(2) / 2);
    let all: Vec<Styled> = line
        .spans
        .iter()
        .flat_map(|span| span.styled_graphemes(Style::new()))
        .map(|one| (one.symbol.to_owned(), one.style))
        .collect();
    let mut rows = Vec::new();
    let mut left = all.as_slice();
    while !left.is_empty() {
        let before = if rows.is_empty() { 0 } else { indent };
        let (row, rest) = left.split_at(fitting(left, width - before, indent - before));
        let margin = std::iter::repeat_n((" ".to_owned(), Style::new()), before);
        rows.push(joined(margin.chain(row.iter().cloned()).collect()).style(base));
        let words = rest.iter().position(|(c, _)| c != " ").unwrap_or(rest.len());
        left = rest.get(words..).unwrap_or_default();
    }
    rows
}

/// Lines in rows of at most `width` columns, each as [`fold`] does.
pub fn fold_all(lines: Vec<Line<'static>>, width: usize, indent: usize) -> Vec<Line<'static>> {
    lines.into_iter().flat_map(|line| fold(line, width, indent)).collect()
}

/// The line in rows of at most `width` columns that begin where its text does.
pub fn fold_text(line: Line<'static>, width: usize) -> Vec<Line<'static>> {
    let text = line.to_string();
    let indent = text.width() - text.trim_start().width();
    fold(line, width, indent)
}

/// How many of these characters stand in a row of so many columns. A row is broken at a space behind its label, which takes
/// so many characters, so that no label stands alone before a long word.
fn fitting(all: &[Styled], columns: usize, label: usize) -> usize {
    let mut used = 0;
    let past = all.iter().position(|(c, _)| {
        used += c.width();
        used > columns
    });
    let Some(past) = past else { return all.len() };
    let is_space = |at: &usize| all.get(*at).is_some_and(|(c, _)| c == " ");
    let words = all.iter().skip(label).position(|(c, _)| c != " ").unwrap_or_default() + label;
    (words + 1..=past).rev().find(is_space).unwrap_or(past).max(1)
}

/// Characters as a line: neighbours of one style are one part, spaces at its end are left out.
fn joined(mut row: Vec<Styled>) -> Line<'static> {
    let end = row.iter().rposition(|(c, _)| c != " ").map_or(0, |at| at + 1);
    row.truncate(end);
    let parts = row.chunk_by(|(_, a), (_, b)| a == b);
    let span = |part: &[Styled]| {
        let style = part.first().map(|(_, style)| *style).unwrap_or_default();
        Span::styled(part.iter().map(|(c, _)| c.as_str()).collect::<String>(), style)
    };
    Line::from(parts.map(span).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(text: &'static str, width: usize, indent: usize) -> Vec<String> {
        fold(Line::raw(text), width, indent).iter().map(Line::to_string).collect()
    }

    #[test]
    fn a_long_line_goes_on_below_its_text() {
        assert_eq!(rows("Findings  9 high, 3 low", 14, 10), ["Findings  9", "      high, 3", "      low"]);
        assert_eq!(rows("short", 14, 2), ["short"]);
        assert_eq!(rows("abcdefghij", 4, 1), ["abcd", " efg", " hij"]);
        assert_eq!(rows("名前名前", 5, 0), ["名前", "名前"]);
        assert_eq!(rows("About     sha256:0123456789", 20, 10), ["About     sha256:012", "         3456789"]);
    }

    #[test]
    fn each_part_keeps_its_style() {
        let line = Line::from(vec![Span::raw("aa bb "), Span::styled("cc dd", Style::new().bold())]);
        let folded = fold(line, 8, 0);
        assert_eq!(folded.iter().map(Line::to_string).collect::<Vec<_>>(), ["aa bb cc", "dd"]);
        assert_eq!(folded[0].spans.len(), 2);
        assert_eq!(folded[1].spans[0].style, Style::new().bold());
    }

    proptest! {
        #[test]
        fn no_row_is_too_long_and_no_word_is_lost(text in "[a-z 名é️👩‍🚀\u{301}]{0,80}", width in 8usize..40, indent in 0usize..20) {
            let folded = fold(Line::raw(text.clone()), width, indent);
            prop_assert!(folded.iter().all(|row| row.width() <= width));
            let letters = |text: &str| text.chars().filter(|c| *c != ' ').collect::<String>();
            let after: String = folded.iter().map(Line::to_string).collect();
            prop_assert_eq!(letters(&after), letters(&text));
        }
    }
}
