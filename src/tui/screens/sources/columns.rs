//! The columns of the table, as data.

use ratatui::text::Line;

use super::rows::SourceRow;
use crate::kit::{
    table::{Column, Width, text_cell},
    theme::Theme,
};

/// The columns in their order.
pub(super) const fn columns() -> [Column<SourceRow>; 6] {
    [
        Column { head: "NAME", width: Width::Fill(10), goes: 0, right: false, cell: name },
        Column { head: "KIND", width: Width::Fixed(9), goes: 4, right: false, cell: kind },
        Column { head: "STATE", width: Width::Fixed(12), goes: 0, right: false, cell: state },
        Column { head: "WHO YOU ARE THERE", width: Width::Fixed(17), goes: 3, right: false, cell: who },
        Column { head: "HAS", width: Width::Fixed(11), goes: 1, right: false, cell: has },
        Column { head: "AGE", width: Width::Fixed(6), goes: 2, right: false, cell: age },
    ]
}

fn name(row: &SourceRow, width: usize, theme: &Theme) -> Line<'static> {
    text_cell(&row.name, width, "text", theme)
}

fn kind(row: &SourceRow, width: usize, theme: &Theme) -> Line<'static> {
    text_cell(&row.kind, width, "dim", theme)
}

fn state(row: &SourceRow, width: usize, theme: &Theme) -> Line<'static> {
    let (words, role) = row.state;
    text_cell(words, width, role, theme)
}

fn who(row: &SourceRow, width: usize, theme: &Theme) -> Line<'static> {
    text_cell(&row.who, width, "text", theme)
}

fn has(row: &SourceRow, width: usize, theme: &Theme) -> Line<'static> {
    text_cell(&row.has, width, "text", theme)
}

fn age(row: &SourceRow, width: usize, theme: &Theme) -> Line<'static> {
    text_cell(&row.age, width, "dim", theme)
}
