//! The page of one workload: its state, its addresses, what it uses, and its output while it is written.

mod actions;
mod output;

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr;

pub use self::output::Output;
use crate::kit::{
    action::Action,
    list::DrawnItem,
    theme::Theme,
    widgets::{below, fit, put, row, sparkline, state_role, tone},
};
use wharf_core::{
    base::{
        badge::Tone,
        clean,
        error::{Error, Result},
        text,
    },
    launch::{plan::Workload, usage::Usage},
};

/// The most measurements that are kept.
const READINGS: usize = 240;

/// The state of a workload's page.
#[derive(Debug)]
pub struct Page {
    /// The workload as it was last listed.
    pub workload: DrawnItem<Workload>,
    /// The output that it has written.
    pub output: Output,
    /// Whether following the output has ended, and its error if there is one.
    pub ended: Option<Result<(), Error>>,
    /// Processor use in per cent of one processor, the newest last.
    pub cpu: Vec<f64>,
    /// Memory use in bytes, the newest last.
    pub memory: Vec<f64>,
    /// The last measurement, or why there is none, in words.
    pub usage: Option<Result<Usage, String>>,
    /// When the output was requested, in milliseconds of the loop's clock.
    pub asked: u64,
    /// Whether the output could be followed for a while: only then its end means that the workload ended.
    pub lasted: bool,
}

impl Page {
    /// A page for a workload whose output has not arrived yet.
    pub fn new(workload: Workload) -> Self {
        Self {
            workload: DrawnItem::new(workload),
            output: Output::default(),
            ended: None,
            cpu: Vec::new(),
            memory: Vec::new(),
            usage: None,
            asked: 0,
            lasted: false,
        }
    }

    /// Empties the output: the workload was started again, and its output is read from the beginning.
    pub fn again(&mut self, clock: u64) {
        self.output.again();
        self.ended = None;
        self.asked = clock;
    }

    /// Adds a measurement to the history that is shown.
    pub fn reading(&mut self, told: Result<Option<Usage>>) {
        let usage = match told {
            Ok(Some(usage)) => usage,
            Ok(None) => {
                self.usage = Some(Err(format!("{} does not tell what it uses", self.workload.backend)));
                return;
            }
            Err(error) => {
                self.usage = Some(Err(format!("what it uses is not known: {}", error.why)));
                return;
            }
        };
        for (values, value) in
            [(&mut self.cpu, usage.cpu_percent), (&mut self.memory, usage.memory.map(|bytes| bytes as f64))]
        {
            values.extend(value);
            if values.len() > READINGS {
                values.remove(0);
            }
        }
        self.usage = Some(Ok(usage));
    }

    /// The number of lines above the output.
    fn head(&self) -> u16 {
        4 + u16::from(!self.workload.reached().is_empty()) + u16::from(!self.workload.facts.is_empty())
    }

    /// The number of lines of output on a screen whose list has `page` lines.
    pub fn height(&self, page: usize) -> usize {
        (page + 3).saturating_sub(usize::from(self.head())).max(1)
    }

    /// Scrolls the output; `false` if the action does not scroll.
    pub fn go(&mut self, action: Action, page: usize) -> bool {
        let height = self.height(page);
        self.output.go(action, height)
    }

    /// Draws the workload's state, use and output.
    pub fn view(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, now: i64) {
        let workload = &self.workload;
        let (sign, word) = workload.state.label();
        let age = workload.created.map(|created| format!(" · {}", text::ago(created, now))).unwrap_or_default();
        let note = if workload.note.is_empty() { String::new() } else { format!(" · {}", workload.note) };
        put(
            frame,
            row(area, 0),
            Line::from(vec![
                Span::styled(format!(" {} ", workload.name), theme.style("title")),
                Span::styled(format!("{sign} {word}"), theme.style(state_role(&workload.state))),
                Span::styled(format!(" on {}{age}{note}", workload.backend), theme.style("dim")),
            ]),
        );
        put(frame, row(area, 1), Line::styled(format!(" {}", workload.image_words()), theme.style("dim")));
        let mut at = 2;
        let reached = workload.reached();
        if !reached.is_empty() {
            let width = usize::from(area.width).saturating_sub(13);
            put(
                frame,
                row(area, at),
                Line::from(vec![
                    Span::styled(" reached at ", theme.style("dim")),
                    Span::styled(fit(&reached, width), theme.style("text")),
                ]),
            );
            at += 1;
        }
        if !workload.facts.is_empty() {
            let words = fit(&format!(" {}", clean::line(&workload.facts_words())), usize::from(area.width));
            put(frame, row(area, at), Line::styled(words, theme.style("text")));
            at += 1;
        }
        self.usage_line(frame, row(area, at), theme);
        self.output_line(frame, row(area, at + 1), theme);
        self.lines(frame, below(area, self.head()), theme);
    }

    fn lines(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
        let (height, width) = (usize::from(area.height), usize::from(area.width));
        let last = row(area, area.height.saturating_sub(1));
        for (number, line) in self.output.shown(height, width, theme).into_iter().enumerate() {
            put(frame, row(area, number as u16), line);
        }
        if self.output.count() == 0 {
            let words = if self.ended.is_some() { "it printed nothing" } else { "no output yet" };
            put(frame, row(area, 0), Line::styled(format!(" {words}"), theme.style("dim")));
        }
        if let Some(Err(error)) = &self.ended {
            put(frame, last, Line::styled(fit(&format!("✗ {}", error.why), width), theme.style("bad")));
        }
        if self.output.below() > 0 {
            let words = format!(" {} lines below: G follows again", text::count(self.output.below() as u64));
            put(frame, last, Line::styled(fit(&words, width), theme.style("selected")));
        }
    }

    /// Draws the title of the output: the number of lines, and the search.
    fn output_line(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
        let width = usize::from(area.width);
        let times = if self.output.times { " · times are UTC" } else { "" };
        let Some((words, count)) = self.output.search_words() else {
            let lines = text::plural(self.output.count() as u64, "line", "lines");
            let words = format!(" output: {lines}{times}");
            return put(frame, area, Line::styled(fit(&words, width), theme.style("dim")));
        };
        let count = format!("{count}{times} ");
        let room = width.saturating_sub(count.width() + 3);
        let (shown, column) = match &self.output.typing {
            Some(typing) => typing.input.window(room),
            None => (words, 0),
        };
        put(
            frame,
            area,
            Line::from(vec![
                Span::styled(" /", theme.style("match")),
                Span::styled(fit(&shown, room + 1), theme.style("text")),
                Span::styled(count, theme.style("dim")),
            ]),
        );
        if self.output.typing.is_some() && area.width > 2 && area.height > 0 {
            let at = area.x + 2 + u16::try_from(column.min(room)).unwrap_or(0);
            frame.set_cursor_position((at.min(area.right().saturating_sub(1)), area.y));
        }
    }

    fn usage_line(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
        // A workload that has ended uses nothing.
        let known = self.usage.as_ref().filter(|_| self.workload.state.is_live());
        let usage = match known {
            Some(Ok(usage)) => usage,
            Some(Err(why)) => {
                let words = fit(&format!(" {why}"), usize::from(area.width));
                return put(frame, area, Line::styled(words, theme.style("dim")));
            }
            None => {
                let words = if self.workload.state.is_live() { " measuring…" } else { "" };
                return put(frame, area, Line::styled(words, theme.style("dim")));
            }
        };
        let width = (area.width as usize / 5).clamp(4, 30);
        let of =
            usage.processors.map(|count| format!(" of {}", text::plural(count, "cpu", "cpus"))).unwrap_or_default();
        let full = usage.is_nearly_full();
        let mut spans = vec![
            Span::styled(format!(" cpu {:>6}{of} ", usage.cpu_words()), theme.style("text")),
            Span::styled(sparkline(&self.cpu, width), theme.style("bar")),
            Span::styled(
                format!("  memory {}{} ", usage.memory_of_words(), if full { " ! nearly full" } else { "" }),
                theme.style(if full { tone(Tone::Bad) } else { "text" }),
            ),
            Span::styled(sparkline(&self.memory, width), theme.style("bar")),
        ];
        if let Some(count) = usage.processes {
            spans.push(Span::styled(format!("  {}", text::plural(count, "process", "processes")), theme.style("dim")));
        }
        put(frame, area, Line::from(spans));
    }
}
