//! Drawing the form of a launch: the backend, the sections with their questions, and help on the selected line.

use ratatui::{
    Frame,
    layout::Rect,
    style::Modifier,
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr;

use super::{FormLine, Page, regions::Regions};
use crate::{
    kit::{
        action::Action,
        panel,
        theme::Theme,
        widgets::{fit, put, row, select},
    },
    model::Model,
};
use wharf_core::{
    base::text,
    launch::form::{Field, FieldKind, Form},
};

/// The width of the labels, in columns.
const LABEL: usize = 13;

impl Page {
    /// Draws the form: its rule where it has one, a line each for backend, titles and questions, and help.
    pub(super) fn form_view(&self, frame: &mut Frame<'_>, parts: &Regions, theme: &Theme, model: &Model) {
        if parts.rule.height > 0 {
            let rule = panel::rule(usize::from(parts.rule.width), "Answers", &self.facts(model), !self.in_plan, theme);
            put(frame, parts.rule, rule);
        }
        let area = parts.fields;
        let height = usize::from(area.height);
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
        let hidden = match (top, lines.len().saturating_sub(top + height)) {
            (0, 0) => String::new(),
            (0, below) => format!("↓ {below} more"),
            (above, 0) => format!("↑ {above} more"),
            (above, below) => format!("↑ {above}  ↓ {below} more"),
        };
        self.help_view(frame, parts.help, &hidden, theme, model);
    }

    /// How many answers differ from the form's own, and which preset the key takes next.
    fn facts(&self, model: &Model) -> String {
        let changed = self.form.iter().flat_map(Form::fields).filter(|field| self.is_changed(field)).count();
        let changed = (changed > 0).then(|| format!("{changed} changed"));
        let next = self.preset.map_or(0, |at| at + 1);
        let preset = self.form.as_ref().and_then(|form| form.presets.get(next));
        let preset = preset.map(|preset| format!("{} {}", model.keymap.label("launch", Action::Preset), preset.name));
        changed.into_iter().chain(preset).collect::<Vec<_>>().join(" · ")
    }

    /// Whether the answer to a question is another one than the form's own.
    fn is_changed(&self, field: &Field) -> bool {
        self.answers.0.get(field.key).is_some_and(|answer| *answer != field.default)
    }

    /// Draws the help on the selected line: under a rule with its name where there is room, else in one line.
    fn help_view(&self, frame: &mut Frame<'_>, area: Rect, hidden: &str, theme: &Theme, model: &Model) {
        let width = usize::from(area.width);
        let help = self.help();
        if area.height < 3 {
            let room = width.saturating_sub(hidden.width() + 2);
            let line = format!(" {}{hidden}", fit(help, room));
            return put(frame, row(area, 0), Line::styled(line, theme.style("dim")));
        }
        let name = match self.line() {
            FormLine::Backend => "Backend",
            FormLine::Lock => "Version",
            FormLine::Title(number) => self.sections().get(number).map_or("", |section| section.title),
            question @ FormLine::Question(..) => self.question(question).map_or("", |field| field.label),
        };
        let under = panel::titled(frame, area, name, hidden, false, theme);
        put(frame, row(under, 0), Line::styled(fit(&format!(" {help}"), width), theme.style("text")));
        put(frame, row(under, 1), self.keys(width, theme, model));
    }

    /// The keys that mean something on the selected line.
    fn keys(&self, width: usize, theme: &Theme, model: &Model) -> Line<'static> {
        let field = self.field();
        let turns = match self.line() {
            FormLine::Backend => self.backends.len() > 1,
            FormLine::Lock => true,
            FormLine::Title(_) => false,
            FormLine::Question(..) => field.is_some_and(turns),
        };
        let words = [
            (turns, "← →".to_owned(), "changes"),
            (field.is_some_and(Field::is_typed), model.keymap.label("launch", Action::Open), "types"),
            (
                field.is_some_and(|field| self.is_changed(field)),
                model.keymap.label("launch", Action::Forget),
                "forgets it",
            ),
        ];
        let mut spans = Vec::new();
        let mut used = 1;
        for (_, key, does) in words.into_iter().filter(|(means, ..)| *means) {
            used += key.width() + does.width() + 4;
            if used > width {
                break;
            }
            spans.push(Span::styled(format!(" {key}"), theme.style("key")));
            spans.push(Span::styled(format!(" {does}  "), theme.style("dim")));
        }
        Line::from(spans)
    }

    /// The title of a section; of a folded section, also the answers that differ from the defaults.
    fn title(&self, number: usize, width: u16, theme: &Theme) -> Line<'static> {
        let Some(section) = self.sections().get(number) else { return Line::default() };
        let sign = if section.folded { "▸" } else { "▾" };
        let changes = if section.folded { section.changes(&self.answers) } else { String::new() };
        let room = usize::from(width).saturating_sub(LABEL + 3);
        Line::from(vec![
            Span::styled(format!("{sign} {} ", fit(section.title, LABEL)), theme.style("title")),
            Span::styled(fit(&changes, room), theme.style("text").add_modifier(Modifier::BOLD)),
        ])
    }

    /// Draws a question with its answer, bold if it is not the form's own, and what is good to know; while an answer is
    /// typed, the cursor is there.
    fn answer_line(&self, frame: &mut Frame<'_>, place: Rect, line: FormLine, selected: bool, theme: &Theme) {
        let width = usize::from(place.width).saturating_sub(LABEL + 3);
        let field = self.question(line);
        let (label, value, turned, others) = match field {
            Some(field) => (field.label, self.answer(field), turns(field), self.others(field)),
            None if line == FormLine::Lock => {
                let (value, other) = self.lock.choice();
                ("Version", value.to_owned(), true, vec![other.to_owned()])
            }
            None => ("Backend", self.backend_name(), self.backends.len() > 1, self.other_backends()),
        };
        let label = Span::styled(format!(" {} ", fit(label, LABEL)), theme.style("dim"));
        if let Some(input) = self.editing.as_ref().filter(|_| selected) {
            let (shown, column) = input.window(width);
            put(frame, place, Line::from(vec![label, Span::styled(fit(&shown, width), theme.style("text"))]));
            let column = (LABEL + 2 + column) as u16;
            frame.set_cursor_position((place.x + column.min(place.width.saturating_sub(1)), place.y));
            return;
        }
        let note = match field {
            Some(field) if !selected || others.is_empty() => self.note(field),
            _ if selected => others.join(" "),
            _ => String::new(),
        };
        let shown = match value {
            value if turned && selected => format!("‹ {value} ›"),
            value if value.is_empty() => "–".to_owned(),
            value if value.contains('\n') => {
                let lines = text::plural(value.lines().count() as u64, "line", "lines");
                format!("{lines}: {}", value.lines().next().unwrap_or_default())
            }
            value => value,
        };
        let style = theme.style("text");
        let style =
            if field.is_some_and(|field| self.is_changed(field)) { style.add_modifier(Modifier::BOLD) } else { style };
        let shown = fit(&shown, shown.width().min(width));
        let room = width.saturating_sub(shown.width() + 2);
        let note = if note.is_empty() || room < 4 {
            String::new()
        } else {
            format!("  {}", fit(&note, note.width().min(room)))
        };
        let line = Line::from(vec![label, Span::styled(shown, style), Span::styled(note, theme.style("dim"))]);
        put(frame, place, select(line, selected, theme));
    }

    /// The line of help for the selected line.
    fn help(&self) -> &'static str {
        match self.line() {
            FormLine::Backend if self.backends.len() > 1 => "where it runs: ← → choose another",
            FormLine::Backend => "where it runs",
            FormLine::Lock => "the bytes that wharf.lock of this folder names, or those that the name means now",
            FormLine::Title(number) => self.sections().get(number).map_or("", |section| section.help),
            question @ FormLine::Question(..) => self.question(question).map_or("", |field| field.help),
        }
    }
}

/// Whether a question is answered by choosing the next or the previous value.
fn turns(field: &Field) -> bool {
    matches!(field.kind, FieldKind::Flag | FieldKind::Choice(_) | FieldKind::Number { .. })
}
