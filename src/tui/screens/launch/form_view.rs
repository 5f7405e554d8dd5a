//! Drawing the form of a launch: the backend, the sections with their questions, and a line of help.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{FormLine, Page};
use crate::kit::{
    theme::Theme,
    widgets::{fit, put, row, select},
};
use wharf_core::launch::form::FieldKind;

/// The width of the labels, in columns.
const LABEL: usize = 13;

impl Page {
    /// Draws the form, one line each for backend, titles and questions.
    pub(super) fn form_view(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
        let height = usize::from(area.height).saturating_sub(2);
        let lines = self.lines();
        let top = self.at.window(lines.len(), height);
        for (number, line) in lines.iter().enumerate().skip(top).take(height) {
            let place = row(area, (number - top) as u16);
            let selected = number == self.at.selected && !self.in_plan;
            match line {
                FormLine::Title(section) => {
                    put(frame, place, select(self.title(*section, area.width, theme), selected, theme))
                }
                other => self.answer_line(frame, place, *other, selected, theme),
            }
        }
        // The free line above the help says what is out of sight.
        let (above, below) = (top, lines.len().saturating_sub(top + height));
        let hidden = match (above, below) {
            (0, 0) => String::new(),
            (0, below) => format!(" ↓ {below} more"),
            (above, 0) => format!(" ↑ {above} more"),
            (above, below) => format!(" ↑ {above} more  ↓ {below} more"),
        };
        put(frame, row(area, area.height.saturating_sub(2)), Line::styled(hidden, theme.style("dim")));
        let place = row(area, area.height.saturating_sub(1));
        let help = fit(&format!(" {}", self.help()), usize::from(area.width));
        put(frame, place, Line::styled(help, theme.style("dim")));
    }

    /// The title of a section; of a folded section, also the answers that differ from the defaults.
    fn title(&self, number: usize, width: u16, theme: &Theme) -> Line<'static> {
        let Some(section) = self.sections().get(number) else { return Line::default() };
        let sign = if section.folded { "▸" } else { "▾" };
        let changes = if section.folded { section.changes(&self.answers) } else { String::new() };
        let room = usize::from(width).saturating_sub(LABEL + 3);
        Line::from(vec![
            Span::styled(format!("{sign} {} ", fit(section.title, LABEL)), theme.style("title")),
            Span::styled(fit(&changes, room), theme.style("text")),
        ])
    }

    /// Draws a question and its answer; while it is typed, the cursor is there.
    fn answer_line(&self, frame: &mut Frame<'_>, place: Rect, line: FormLine, selected: bool, theme: &Theme) {
        let width = usize::from(place.width).saturating_sub(LABEL + 3);
        let (label, value, turns) = match self.question(line) {
            Some(field) => {
                let turns = matches!(field.kind, FieldKind::Flag | FieldKind::Choice(_) | FieldKind::Number { .. });
                (field.label, self.answer(field), turns)
            }
            None => ("Backend", self.backend_name(), self.backends.len() > 1),
        };
        let editing = if selected { self.editing.as_ref() } else { None };
        let shown = match editing {
            Some(input) => input.window(width).0,
            None if turns && selected => format!("‹ {value} ›"),
            None if value.is_empty() => "–".into(),
            None => value,
        };
        let line = Line::from(vec![
            Span::styled(format!(" {} ", fit(label, LABEL)), theme.style("dim")),
            Span::styled(fit(&shown, width), theme.style("text")),
        ]);
        put(frame, place, if editing.is_some() { line } else { select(line, selected, theme) });
        if let Some(input) = editing {
            let column = (LABEL + 2 + input.window(width).1) as u16;
            frame.set_cursor_position((place.x + column.min(place.width.saturating_sub(1)), place.y));
        }
    }

    /// The line of help for the selected line.
    fn help(&self) -> &'static str {
        match self.line() {
            FormLine::Backend if self.backends.len() > 1 => "where it runs: ← → choose another",
            FormLine::Backend => "where it runs",
            FormLine::Title(number) => self.sections().get(number).map_or("", |section| section.help),
            question @ FormLine::Question(..) => self.question(question).map_or("", |field| field.help),
        }
    }
}
