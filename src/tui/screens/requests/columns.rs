//! The columns of the list of requests, as data.

use ratatui::text::Line;

use super::dossier::{role, scan_mark};
use crate::kit::{
    table::{Column, Width, number_cell, text_cell},
    theme::Theme,
    widgets::{fit_path, tone},
};
use wharf_core::{
    base::{clean, text},
    catalog::marks::WIDTH,
    request::Request,
};

/// What the columns say about a line of the list.
pub(super) struct RequestRow<'a> {
    /// The request; none on the line above a group, which is drawn over its columns.
    pub request: Option<&'a Request>,
    /// How it stands, in a sentence.
    pub standing: String,
    /// The time in seconds since 1970.
    pub now: i64,
}

/// The columns of requests that wait for a decision.
pub(super) const fn queue<'a>() -> [Column<RequestRow<'a>>; 7] {
    [
        Column { head: "NR", width: Width::Fixed(4), goes: 3, right: true, cell: number },
        Column { head: "IMAGE", width: Width::Fill(14), goes: 0, right: false, cell: image },
        Column { head: "ASKED BY", width: Width::Fixed(12), goes: 4, right: false, cell: people },
        Column { head: "AGE", width: Width::Fixed(7), goes: 2, right: true, cell: age },
        Column { head: "SCAN", width: Width::Fixed(WIDTH as u16), goes: 1, right: false, cell: scan },
        Column { head: "VERDICT", width: Width::Fixed(9), goes: 6, right: false, cell: verdict },
        Column { head: "STAGE", width: Width::Fixed(11), goes: 7, right: false, cell: stage },
    ]
}

/// The columns of the person's own requests, and of all.
pub(super) const fn any<'a>() -> [Column<RequestRow<'a>>; 7] {
    [
        Column { head: "NR", width: Width::Fixed(4), goes: 4, right: true, cell: number },
        Column { head: "STAGE", width: Width::Fixed(11), goes: 1, right: false, cell: stage },
        Column { head: "IMAGE", width: Width::Fill(14), goes: 0, right: false, cell: image },
        Column { head: "ASKED BY", width: Width::Fixed(12), goes: 3, right: false, cell: people },
        Column { head: "AGE", width: Width::Fixed(7), goes: 2, right: true, cell: age },
        Column { head: "SCAN", width: Width::Fixed(WIDTH as u16), goes: 5, right: false, cell: scan },
        Column { head: "HOW IT STANDS", width: Width::Fill(30), goes: 6, right: false, cell: standing },
    ]
}

fn number(row: &RequestRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    let words = row.request.map(|one| one.id.to_string()).unwrap_or_default();
    number_cell(&words, width, "dim", theme)
}

fn image(row: &RequestRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    let words = row.request.map(|one| clean::line(&one.asked.title)).unwrap_or_default();
    Line::styled(fit_path(&words, width).0, theme.style("text"))
}

/// The first requesters; the others are a number.
fn people(row: &RequestRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    let people: Vec<&str> =
        row.request.into_iter().flat_map(|one| one.open_wishes().map(|wish| wish.person.as_str())).collect();
    let words = match people.as_slice() {
        [first, second, rest @ ..] if !rest.is_empty() => format!("{first} {second} +{}", rest.len()),
        few => few.join(" "),
    };
    text_cell(&clean::line(&words), width, "dim", theme)
}

fn age(row: &RequestRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    let words = row.request.map(|one| text::age(one.since, row.now)).unwrap_or_default();
    number_cell(&words, width, "dim", theme)
}

fn stage(row: &RequestRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    let Some(one) = row.request else { return Line::default() };
    text_cell(&format!("{} {}", one.stage.sign(), one.stage.name()), width, role(one.stage), theme)
}

fn scan(row: &RequestRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    let Some(mark) = row.request.and_then(|one| one.dossier.as_ref()).map(scan_mark) else { return Line::default() };
    text_cell(&mark.to_string(), width, tone(mark.tone), theme)
}

fn verdict(row: &RequestRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    let Some(dossier) = row.request.and_then(|one| one.dossier.as_ref()) else { return Line::default() };
    let badge = dossier.verdict.badge();
    text_cell(&format!("{} {}", badge.sign, dossier.verdict.short()), width, tone(badge.tone), theme)
}

fn standing(row: &RequestRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    text_cell(&clean::line(&row.standing), width, "text", theme)
}
