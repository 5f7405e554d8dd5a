//! One workload: its state, what it uses, its output as it comes.

use std::collections::VecDeque;

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use crate::{
    core::{
        base::{clean, error::Error, text},
        launch::plan::{Usage, Workload},
    },
    tui::{
        action::Action,
        list::Drawn,
        theme::Theme,
        widgets::{below, fit, put, row, sparkline, state_role, tone},
    },
};

/// Lines of output that are kept.
const KEPT: usize = 20_000;
/// Readings that are kept.
const READINGS: usize = 240;

/// The page's state.
#[derive(Debug)]
pub struct Page {
    /// What is shown.
    pub workload: Drawn<Workload>,
    /// Its output, whole lines.
    pub lines: VecDeque<String>,
    /// The line that has not ended yet.
    pub rest: String,
    /// Whether the output has ended, and how.
    pub ended: Option<Result<(), Error>>,
    /// Lines above the end that the view is scrolled to; 0 follows.
    pub back: usize,
    /// Processor readings.
    pub cpu: Vec<f64>,
    /// Memory readings.
    pub memory: Vec<f64>,
    /// The last reading.
    pub usage: Option<Usage>,
    /// Milliseconds, by the loop's clock, when its output was asked for.
    pub asked: u64,
    /// Whether it could be followed: then its end means that something ended.
    pub lasted: bool,
}

impl Page {
    /// A page that waits for output.
    pub fn new(workload: Workload) -> Self {
        Self {
            workload: Drawn::new(workload),
            lines: VecDeque::new(),
            rest: String::new(),
            ended: None,
            back: 0,
            cpu: Vec::new(),
            memory: Vec::new(),
            usage: None,
            asked: 0,
            lasted: false,
        }
    }

    /// Begins its output anew: it was started again, and what it prints is told from its beginning.
    pub fn again(&mut self, clock: u64) {
        self.lines.clear();
        self.rest.clear();
        self.ended = None;
        self.back = 0;
        self.asked = clock;
    }

    /// Takes output in, cleaned; colours of programs are left out.
    pub fn output(&mut self, bytes: &[u8]) {
        self.rest.push_str(&String::from_utf8_lossy(bytes));
        while let Some(at) = self.rest.find('\n') {
            let line: String = self.rest.drain(..=at).collect();
            self.push(&line);
        }
        // A program that never ends its line must not fill the memory.
        if self.rest.len() > 64 << 10 {
            let line = std::mem::take(&mut self.rest);
            self.push(&line);
        }
    }

    fn push(&mut self, line: &str) {
        self.lines.push_back(clean::lines(&plain(line.trim_end_matches(['\r', '\n']))));
        if self.lines.len() > KEPT {
            self.lines.pop_front();
        }
        if self.back > 0 {
            self.back = (self.back + 1).min(self.lines.len());
        }
    }

    /// Takes a reading in.
    pub fn reading(&mut self, usage: Usage) {
        for (values, value) in [(&mut self.cpu, usage.cpu_percent), (&mut self.memory, usage.memory as f64)] {
            values.push(value);
            if values.len() > READINGS {
                values.remove(0);
            }
        }
        self.usage = Some(usage);
    }

    /// Scrolls; `false` if the action is none that scrolls.
    pub fn go(&mut self, action: Action, page: usize) -> bool {
        let most = self.lines.len();
        self.back = match action {
            Action::Up => (self.back + 1).min(most),
            Action::Down => self.back.saturating_sub(1),
            Action::PageUp => (self.back + page).min(most),
            Action::PageDown => self.back.saturating_sub(page),
            Action::First => most,
            Action::Last => 0,
            _ => return false,
        };
        true
    }

    /// Draws the page.
    pub fn view(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, now: i64) {
        let workload = &self.workload;
        let (sign, word) = workload.state.words();
        let age = workload.created.map(|created| format!(" · {}", text::ago(created, now))).unwrap_or_default();
        put(
            frame,
            row(area, 0),
            Line::from(vec![
                Span::styled(format!(" {} ", workload.name), theme.style("title")),
                Span::styled(format!("{sign} {word}"), theme.style(state_role(&workload.state))),
                Span::styled(format!(" on {}{age} · {}", workload.backend, workload.note), theme.style("dim")),
            ]),
        );
        put(frame, row(area, 1), Line::styled(format!(" {}", workload.image_words()), theme.style("dim")));
        self.usage_line(frame, row(area, 2), theme);
        let area = below(area, 4);
        let height = area.height as usize;
        let count = self.lines.len();
        let last = count.saturating_sub(self.back);
        let first = last.saturating_sub(height);
        for (number, line) in self.lines.iter().skip(first).take(height.min(last)).enumerate() {
            put(frame, row(area, number as u16), Line::styled(fit(line, area.width as usize), theme.style("text")));
        }
        if count == 0 {
            let words = if self.ended.is_some() { "it printed nothing" } else { "no output yet" };
            put(frame, row(area, 0), Line::styled(format!(" {words}"), theme.style("dim")));
        }
        if let Some(Err(error)) = &self.ended {
            put(
                frame,
                row(area, area.height.saturating_sub(1)),
                Line::styled(format!("✗ {}", error.why), theme.style("bad")),
            );
        }
        if self.back > 0 {
            put(
                frame,
                row(area, area.height.saturating_sub(1)),
                Line::styled(
                    fit(&format!(" {} lines below: G follows again", self.back), area.width as usize),
                    theme.style("selected"),
                ),
            );
        }
    }

    fn usage_line(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
        // What has ended uses nothing.
        let Some(usage) = self.usage.as_ref().filter(|_| self.workload.state.is_live()) else {
            return put(
                frame,
                area,
                Line::styled(if self.workload.state.is_live() { " measuring…" } else { "" }, theme.style("dim")),
            );
        };
        let width = (area.width as usize / 5).clamp(4, 30);
        let limit = if usage.memory_limit > 0 && usage.memory_limit < 1 << 50 {
            format!(" of {}", text::size(usage.memory_limit))
        } else {
            String::new()
        };
        let full = usage.memory_limit > 0 && usage.memory * 10 > usage.memory_limit * 9;
        put(
            frame,
            area,
            Line::from(vec![
                Span::styled(format!(" cpu {:>5.1} % ", usage.cpu_percent), theme.style("text")),
                Span::styled(sparkline(&self.cpu, width), theme.style("bar")),
                Span::styled(
                    format!("  memory {}{limit} ", text::size(usage.memory)),
                    theme.style(if full { tone(crate::core::base::badge::Tone::Bad) } else { "text" }),
                ),
                Span::styled(sparkline(&self.memory, width), theme.style("bar")),
                Span::styled(format!("  {} processes", usage.processes), theme.style("dim")),
            ]),
        );
    }
}

/// Leaves out the escape sequences that programs colour their output with (ECMA-48, CSI and OSC).
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\u{1b}', Some('[')) => {
                while chars.next().is_some_and(|c| !('\u{40}'..='\u{7e}').contains(&c) || c == '[') {}
            }
            ('\u{1b}', Some(']')) => while chars.next().is_some_and(|c| c != '\u{7}' && c != '\u{1b}') {},
            ('\r', Some(_)) => out.clear(),
            (c, _) => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_titles_and_overwritten_progress_are_left_out() {
        assert_eq!(plain("\u{1b}[31mred\u{1b}[0m"), "red");
        assert_eq!(plain("\u{1b}]0;title\u{7}text"), "text");
        assert_eq!(plain("10 %\r20 %"), "20 %");
    }
}
