//! The columns of the list of images, as data.

use ratatui::text::{Line, Span};

use crate::kit::{
    table::{Column, Width, number_cell, text_cell},
    theme::Theme,
    widgets::{fit, fit_path, tone},
};
use wharf_core::{
    base::text,
    catalog::{
        marks::{Facet, Marks, WIDTH},
        query::Query,
        rows::RowView,
        search,
    },
    image::model::ImageKind,
};

/// What the columns say about a row.
pub(super) struct ImageRow<'a> {
    /// The row of the source's list, with what was fetched since.
    pub view: RowView<'a>,
    /// The source's name.
    pub source: &'a str,
    /// What is known of its signatures, its scan and its verdict.
    pub marks: Marks,
    /// The filter, whose letters are shown in the name.
    pub query: &'a Query,
    /// The time in seconds since 1970.
    pub now: i64,
}

/// The heads of columns that are left out where all rows would say the same.
pub(super) const SOURCE: &str = "SOURCE";
pub(super) const KIND: &str = "KIND";

/// The columns in their order.
pub(super) const fn columns<'a>() -> [Column<ImageRow<'a>>; 9] {
    [
        Column { head: "NAME", width: Width::Fill(22), goes: 0, right: false, cell: name },
        Column { head: KIND, width: Width::Fixed(4), goes: 7, right: false, cell: kind },
        Column { head: "TAG", width: Width::Fixed(10), goes: 4, right: false, cell: tag },
        Column { head: SOURCE, width: Width::Fixed(8), goes: 6, right: false, cell: source },
        Column { head: "TRUST", width: Width::Fixed(WIDTH as u16), goes: 2, right: false, cell: trust },
        Column { head: "SCAN", width: Width::Fixed(WIDTH as u16), goes: 3, right: false, cell: scan },
        Column { head: "VERDICT", width: Width::Fixed(9), goes: 1, right: false, cell: verdict },
        Column { head: "SIZE", width: Width::Fixed(8), goes: 8, right: true, cell: size },
        Column { head: "CHANGED", width: Width::Fixed(8), goes: 9, right: true, cell: changed },
    ]
}

/// The columns where there is no room for the words of the badges: their signs, and the verdict in a word.
pub(super) const fn narrow_columns<'a>() -> [Column<ImageRow<'a>>; 4] {
    [
        Column { head: "NAME", width: Width::Fill(8), goes: 0, right: false, cell: name },
        Column { head: "T", width: Width::Fixed(1), goes: 2, right: false, cell: trust },
        Column { head: "S", width: Width::Fixed(2), goes: 3, right: false, cell: scan },
        Column { head: "VERDICT", width: Width::Fixed(9), goes: 1, right: false, cell: verdict },
    ]
}

/// Columns of the pane below which only the signs of the badges are shown.
pub(super) const SIGNS_ONLY: u16 = 60;

fn mark_cell(row: &ImageRow<'_>, of: Facet, width: usize, theme: &Theme) -> Line<'static> {
    let mark = row.marks.short(of);
    // Where there is room for one column only, the sign says it.
    let words = if width > 2 { mark.to_string() } else { mark.sign.to_owned() };
    text_cell(&words, width, tone(mark.tone), theme)
}

fn name(row: &ImageRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    Line::from(name_spans(row.view.name, row.query, width, theme))
}

fn kind(row: &ImageRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    let word = match row.view.kind {
        ImageKind::Container => "ctr",
        ImageKind::Volume => "vol",
        _ => "disk",
    };
    text_cell(word, width, "dim", theme)
}

fn tag(row: &ImageRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    let view = &row.view;
    let favourite = view.favourite_tag().unwrap_or("");
    let words = match view.tag_count {
        // The tag of a cloud image is its id, which says nothing to a person.
        _ if view.kind != ImageKind::Container && !view.note.is_empty() => view.note.to_owned(),
        0 | 1 => favourite.to_owned(),
        more => {
            let more = format!(" +{}", more - 1);
            let room = width.saturating_sub(more.len());
            format!("{}{more}", fit(favourite, room.min(favourite.chars().count())))
        }
    };
    text_cell(&words, width, "text", theme)
}

fn source(row: &ImageRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    text_cell(row.source, width, "dim", theme)
}

fn trust(row: &ImageRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    mark_cell(row, Facet::Trust, width, theme)
}

fn scan(row: &ImageRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    mark_cell(row, Facet::Scan, width, theme)
}

fn verdict(row: &ImageRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    mark_cell(row, Facet::Verdict, width, theme)
}

fn size(row: &ImageRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    let words = row.view.size.map(text::size).unwrap_or_default();
    number_cell(&words, width, "dim", theme)
}

fn changed(row: &ImageRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    let words = row.view.updated.map(|updated| text::age(updated, row.now)).unwrap_or_default();
    number_cell(&words, width, "dim", theme)
}

/// The name, with the characters that the filter matched in another style.
fn name_spans(name: &str, query: &Query, width: usize, theme: &Theme) -> Vec<Span<'static>> {
    let (shown, left_out) = fit_path(name, width);
    if query.words.is_empty() {
        return vec![Span::styled(shown, theme.style("text"))];
    }
    let matched = search::matched(name, query);
    let mut spans: Vec<Span<'static>> = Vec::new();
    let mut run = String::new();
    let mut run_matched = false;
    for (at, c) in shown.chars().enumerate() {
        let of_name = match left_out {
            Some((before, _)) if at == before => None,
            Some((before, skipped)) if at > before => Some(at - 1 + skipped),
            _ => Some(at),
        };
        let is_match = of_name.is_some_and(|at| matched.binary_search(&at).is_ok());
        if is_match != run_matched && !run.is_empty() {
            spans.push(Span::styled(std::mem::take(&mut run), theme.style(if run_matched { "match" } else { "text" })));
        }
        run_matched = is_match;
        run.push(c);
    }
    spans.push(Span::styled(run, theme.style(if run_matched { "match" } else { "text" })));
    spans
}
