//! A text to read in a pane: lines that fold at its width, with signs, quotes of others, rules and bars.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{
    panel,
    plot::severities::{Severity, severities},
    theme::Theme,
    widgets::{fit, put, put_lines, row, wrap},
};
use wharf_core::base::{clean, quote::quote};

/// A part of the text: a line, or the bars of findings.
enum Part {
    /// The rule above a section: its title and facts.
    Rule(String, String),
    /// A line: its lead with its role, then words with theirs.
    Words((String, &'static str), (String, &'static str)),
    /// Findings by severity, a line each.
    Bars(Vec<Severity>),
}

impl Part {
    fn drawn(self, width: usize, theme: &Theme) -> Vec<Line<'static>> {
        match self {
            Self::Rule(title, facts) => vec![panel::rule(width, &title, &facts, false, theme)],
            Self::Words((lead, role), (words, tone)) => {
                vec![Line::from(vec![Span::styled(lead, theme.style(role)), Span::styled(words, theme.style(tone))])]
            }
            Self::Bars(bars) => severities(&bars, width.saturating_sub(2), theme)
                .into_iter()
                .map(|line| Line::from(std::iter::once(Span::raw(" ")).chain(line.spans).collect::<Vec<_>>()))
                .collect(),
        }
    }
}

/// The text, made from top to bottom. Roles are those of the theme.
pub struct Reading {
    parts: Vec<Part>,
    width: usize,
}

impl Reading {
    /// An empty text for a pane of so many columns.
    pub fn new(width: u16) -> Self {
        Self { parts: Vec::new(), width: usize::from(width) }
    }

    /// The number of lines so far; the bars of findings count as one.
    pub fn count(&self) -> usize {
        self.parts.len()
    }

    /// Adds the rule above a section.
    pub fn section(&mut self, title: &str, facts: &str) {
        self.parts.push(Part::Rule(title.to_owned(), facts.to_owned()));
    }

    /// Adds words in a role, folded; further lines are indented.
    pub fn say(&mut self, words: &str, role: &'static str) {
        self.fold("", role, words, role);
    }

    /// Adds a sign in its role, then words.
    pub fn signed(&mut self, sign: &str, role: &'static str, words: &str) {
        self.fold(&format!("{sign} "), role, words, "text");
    }

    fn fold(&mut self, lead: &str, role: &'static str, words: &str, tone: &'static str) {
        let parts = wrap(&clean::line(words), self.width.saturating_sub(4).max(8));
        for (number, part) in parts.into_iter().enumerate() {
            let lead = if number == 0 { format!(" {lead}") } else { "   ".to_owned() };
            self.parts.push(Part::Words((lead, role), (part, tone)));
        }
    }

    /// Adds somebody else's words, each line marked as such; `who` may be empty.
    pub fn quote(&mut self, who: &str, words: &str) {
        let lines = quote(who, words, self.width.saturating_sub(4).max(8));
        self.parts.extend(lines.into_iter().map(|line| Part::Words((" ".to_owned(), "text"), (line, "text"))));
    }

    /// Adds findings by severity as bars.
    pub fn bars(&mut self, bars: Vec<Severity>) {
        self.parts.push(Part::Bars(bars));
    }

    /// Draws the text from the line `top` on; the last lines stay at the bottom.
    pub fn draw_from(self, frame: &mut Frame<'_>, area: Rect, top: usize, theme: &Theme) {
        let width = self.width;
        put_lines(frame, area, self.parts.into_iter().flat_map(|part| part.drawn(width, theme)).collect(), top);
    }

    /// Draws the text. Where it has no room, the last line says how much is hidden and what shows it: `enter shows all
    /// of it`.
    pub fn draw(self, frame: &mut Frame<'_>, area: Rect, more: &str, theme: &Theme) {
        let width = self.width;
        let lines: Vec<Line<'static>> = self.parts.into_iter().flat_map(|part| part.drawn(width, theme)).collect();
        let height = usize::from(area.height);
        let hidden = if lines.len() > height { lines.len() - height.saturating_sub(1) } else { 0 };
        let shown = if hidden > 0 { height.saturating_sub(1) } else { height };
        for (number, line) in (0..area.height).zip(lines.into_iter().take(shown)) {
            put(frame, row(area, number), line);
        }
        if hidden > 0 {
            let words = fit(&format!(" {hidden} lines more: {more}"), width);
            put(frame, row(area, area.height.saturating_sub(1)), Line::styled(words, theme.style("dim")));
        }
    }
}
