//! Tables whose columns are data: which columns there are, which go first where the room is short, and what a row says
//! in each. Only the rows on the screen are ever asked for.

use ratatui::{
    Frame,
    layout::{Constraint, Rect},
    text::{Line, Span},
    widgets::{Cell, Row, Table as Rows, TableState},
};

use super::{theme::Theme, widgets::fit};

/// How wide a column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// So many columns of the terminal.
    Fixed(u16),
    /// All that the others leave, at least so many.
    Fill(u16),
}

/// A column of a table whose rows are `R`.
pub struct Column<R> {
    /// The word above the column.
    pub head: &'static str,
    /// How wide it is.
    pub width: Width,
    /// Which columns go where there is no room for all: those with the highest number first. 0 never goes.
    pub goes: u8,
    /// Whether the column ends at the right, as numbers do.
    pub right: bool,
    /// What a row says in this column of so many columns of the terminal.
    pub cell: fn(&R, usize, &Theme) -> Line<'static>,
}

/// Words in a cell, cut or padded to its columns.
pub fn text_cell(words: &str, width: usize, role: &str, theme: &Theme) -> Line<'static> {
    Line::styled(fit(words, width), theme.style(role))
}

/// Words that end at the right of their cell, as numbers do.
pub fn number_cell(words: &str, width: usize, role: &str, theme: &Theme) -> Line<'static> {
    text_cell(&format!("{words:>width$}"), width, role, theme)
}

/// A column that is shown: its index and its width.
pub type Shown = (usize, u16);

/// The columns that fit into `width`, of those that `wanted` lets through, with their widths.
pub fn fitting<R>(columns: &[Column<R>], width: u16, wanted: impl Fn(&Column<R>) -> bool) -> Vec<Shown> {
    let least = |column: &Column<R>| match column.width {
        Width::Fixed(columns) | Width::Fill(columns) => columns,
    };
    let mut shown: Vec<usize> = (0..columns.len()).filter(|at| columns.get(*at).is_some_and(&wanted)).collect();
    // Two columns for the signs of selection and mark, and one between each two.
    let needed = |shown: &[usize]| -> usize {
        2 + shown.iter().filter_map(|at| columns.get(*at)).map(|column| usize::from(least(column)) + 1).sum::<usize>()
    };
    while needed(&shown) > usize::from(width) + 1 {
        let goes = |at: &usize| columns.get(*at).map_or(0, |column| column.goes);
        match shown.iter().enumerate().max_by_key(|(_, at)| goes(at)) {
            Some((place, at)) if goes(at) > 0 => _ = shown.remove(place),
            _ => break,
        }
    }
    let left = usize::from(width).saturating_sub(needed(&shown)) as u16;
    let fills = shown.iter().filter(|at| matches!(columns[**at].width, Width::Fill(_))).count() as u16;
    let width_of = |at: usize| match columns[at].width {
        Width::Fixed(columns) => columns,
        Width::Fill(least) => least + left / fills.max(1),
    };
    shown.into_iter().map(|at| (at, width_of(at))).collect()
}

/// A row of a table, and what the person did to it.
pub struct TableRow<R> {
    /// The row.
    pub row: R,
    /// Whether the person has marked it.
    pub marked: bool,
}

/// Draws the head and the rows of a window. `selected`: the place of the selected row in the window. `live`: whether
/// the keys go to this table; `sorted`: the head of the column by which the rows are sorted.
pub fn draw<R>(
    frame: &mut Frame<'_>,
    area: Rect,
    (columns, shown): (&[Column<R>], &[Shown]),
    rows: impl Iterator<Item = TableRow<R>>,
    (selected, live): (Option<usize>, bool),
    sorted: &str,
    theme: &Theme,
) {
    let head = |(at, width): &Shown| {
        let column = &columns[*at];
        let words = if !sorted.is_empty() && column.head == sorted {
            format!("{} ▲", column.head)
        } else {
            column.head.to_owned()
        };
        let words = if column.right { format!("{words:>width$}", width = usize::from(*width)) } else { words };
        Cell::from(Line::styled(fit(&words, usize::from(*width)), theme.style("dim")))
    };
    let body = rows.map(|line| {
        let mark = if line.marked { "●" } else { " " };
        let first = Cell::from(Span::styled(mark, theme.style("key")));
        let cells =
            shown.iter().map(|(at, width)| Cell::from((columns[*at].cell)(&line.row, usize::from(*width), theme)));
        Row::new(std::iter::once(first).chain(cells))
    });
    // Where all columns are taken, none is left after the last one: it would be taken from any of them.
    let full = shown.iter().map(|(_, width)| width + 1).sum::<u16>() + 2 > area.width;
    let last = shown.len().saturating_sub(1);
    let with_gap = |(place, (_, width)): (usize, &Shown)| Constraint::Length(width + u16::from(place < last || !full));
    let widths = std::iter::once(Constraint::Length(1)).chain(shown.iter().enumerate().map(with_gap));
    let table = Rows::new(body, widths)
        .header(Row::new(std::iter::once(Cell::from(" ")).chain(shown.iter().map(head))))
        .column_spacing(0)
        .highlight_symbol("▌")
        .highlight_spacing(ratatui::widgets::HighlightSpacing::Always)
        .row_highlight_style(theme.style(if live { "selected" } else { "inactive.selected" }));
    frame.render_stateful_widget(table, area, &mut TableState::new().with_selected(selected));
}
