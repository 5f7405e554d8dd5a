//! What a screen shows where it has no rows: what is not there, when there would be something, and keys that lead to it.

use ratatui::{Frame, layout::Rect, text::Line};

use super::{
    action::Action,
    keymap::Keymap,
    theme::Theme,
    widgets::{key_line, put, row, wrap},
};

/// The widest that its words are drawn: longer lines are hard to read.
const WIDEST: usize = 76;

/// What stands in place of the rows of a screen that has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nothing {
    what: String,
    when: String,
    keys: Vec<(String, String)>,
}

impl Nothing {
    /// A sentence that says what is not there, and one that says when there would be something.
    pub fn new(what: impl Into<String>, when: impl Into<String>) -> Self {
        Self { what: what.into(), when: when.into(), keys: Vec::new() }
    }

    /// The same with a line that says what the key of this action does, where it has one in this scope.
    #[must_use]
    pub fn key(mut self, keymap: &Keymap, scope: &str, action: Action, does: impl Into<String>) -> Self {
        self.keys.extend(keymap.key(scope, action).map(|key| (key.label(), does.into())));
        self
    }

    /// Draws it where the first row would stand.
    pub fn draw(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
        let width = usize::from(area.width).saturating_sub(4).clamp(8, WIDEST);
        let words = |text: &str, role: &str| {
            let style = theme.style(role);
            wrap(text, width).into_iter().map(|line| Line::styled(format!("  {line}"), style)).collect::<Vec<_>>()
        };
        let mut lines = words(&self.what, "text");
        if !self.when.is_empty() {
            lines.extend(words(&self.when, "dim"));
        }
        lines.extend(self.keys.iter().map(|(label, does)| key_line(&format!("  {label}"), does, theme)));
        for (number, line) in (1..area.height).zip(lines) {
            put(frame, row(area, number), line);
        }
    }
}
