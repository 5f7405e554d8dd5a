//! The use of a workload as charts to its limits, each under a title with the numbers.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr;

use super::Readings;
use crate::kit::{
    plot::{
        chart::{Charts, History, chart},
        spark::sparkline,
    },
    theme::Theme,
    widgets::{below, fit, put, row, tone},
};
use wharf_core::{
    base::{badge::Tone, text},
    launch::usage::Usage,
};

/// What is known of the use of a workload.
#[derive(Debug, Clone, Copy)]
pub struct Measured<'a> {
    /// The last measurement.
    pub usage: &'a Usage,
    /// That one and those before it.
    pub readings: &'a Readings,
}

/// What all processors that a workload may use give, in per cent of one.
pub fn cpu_limit(usage: &Usage) -> Option<f64> {
    usage.processors.map(|count| count as f64 * 100.0)
}

/// Memory and its limit: `22.1 of 32 GiB`.
pub fn memory_words(usage: &Usage) -> String {
    match (usage.memory, usage.memory_limit) {
        (Some(used), Some(limit)) => text::size_of(used, limit),
        _ => usage.memory_of_words(),
    }
}

/// A title over the width of its chart: its name left, the numbers right, a line between them.
pub fn title(name: &str, words: &str, width: usize, is_urgent: bool, theme: &Theme) -> Line<'static> {
    let words = fit(words, words.width().min(width.saturating_sub(name.width() + 8)));
    let rule = "─".repeat(width.saturating_sub(name.width() + words.width() + 7));
    Line::from(vec![
        Span::styled("── ", theme.style("border")),
        Span::styled(name.to_owned(), theme.style("title")),
        Span::styled(format!(" {rule} "), theme.style("border")),
        Span::styled(words, theme.style(if is_urgent { tone(Tone::Bad) } else { "text" })),
        Span::styled(" ─", theme.style("border")),
    ])
}

impl Measured<'_> {
    /// Draws the chart of the use of processors under its title.
    pub fn draw_cpu(&self, frame: &mut Frame<'_>, area: Rect, charts: Charts, theme: &Theme) {
        let words = match (self.usage.cpu_percent, cpu_limit(self.usage)) {
            (Some(percent), Some(limit)) => format!("{} % of {limit:.0} %", text::three_digits(percent)),
            (Some(percent), None) => format!("{} %, scaled to its largest", text::three_digits(percent)),
            (None, _) => "not told".to_owned(),
        };
        let values = self.readings.cpu();
        let limit = cpu_limit(self.usage);
        let history = History { values: &values, limit, words: |end| format!("{end:.0}"), role: "chart.bar" };
        let title = title("CPU", &words, usize::from(area.width), false, theme);
        draw(frame, area, title, history, charts, theme);
    }

    /// Draws the chart of the use of memory under its title.
    pub fn draw_memory(&self, frame: &mut Frame<'_>, area: Rect, charts: Charts, theme: &Theme) {
        let full = self.full_words().map(|words| format!(" · {words}")).unwrap_or_default();
        let free = if self.usage.memory_limit.is_none() { ", no limit: scaled to its largest" } else { "" };
        let words = format!("{}{free}{full}", memory_words(self.usage));
        let values = self.readings.memory();
        let limit = self.usage.memory_limit.map(|limit| limit as f64);
        let history = History { values: &values, limit, words: |end| text::short_size(end as u64), role: "chart2.bar" };
        let title = title("Memory", &words, usize::from(area.width), self.usage.is_nearly_full(), theme);
        draw(frame, area, title, history, charts, theme);
    }

    /// The last use of processors in so many blocks, scaled to what it may use.
    pub fn cpu_spark(&self, width: usize, theme: &Theme) -> Span<'static> {
        Span::styled(sparkline(&self.readings.cpu(), cpu_limit(self.usage), width), theme.style("chart.bar"))
    }

    /// The last use of memory in so many blocks, scaled to its limit.
    pub fn memory_spark(&self, width: usize, theme: &Theme) -> Span<'static> {
        let limit = self.usage.memory_limit.map(|limit| limit as f64);
        Span::styled(sparkline(&self.readings.memory(), limit, width), theme.style("chart2.bar"))
    }

    /// That the memory is nearly full, or when it will be if it goes on as in the last minutes.
    pub fn full_words(&self) -> Option<String> {
        if self.usage.is_nearly_full() {
            return Some("! nearly full".to_owned());
        }
        self.readings.full_in().map(|seconds| format!("! full in {}", text::duration(seconds)))
    }

    /// Network traffic in words, as a rate where that is known: `in 12 KiB/s  out 3 KiB/s`; `None` if it is not told.
    pub fn traffic_words(&self) -> Option<String> {
        let rate = |bytes: f64| text::rate(bytes as u64, 1.0);
        match (self.readings.traffic(), self.usage.network) {
            (Some((received, sent)), _) => Some(format!("in {}  out {}", rate(received), rate(sent))),
            (None, Some(all)) => Some(format!("in {}  out {} in all", text::size(all.received), text::size(all.sent))),
            (None, None) => None,
        }
    }

    /// Network traffic and processes, in words.
    pub fn further_words(&self) -> String {
        let traffic = self.traffic_words().map(|words| format!("network {words}"));
        let processes = self.usage.processes.map(|count| text::plural(count, "process", "processes"));
        [traffic, processes].into_iter().flatten().collect::<Vec<_>>().join("  ")
    }
}

/// Draws a chart below its title.
fn draw(frame: &mut Frame<'_>, area: Rect, title: Line<'static>, history: History<'_>, charts: Charts, theme: &Theme) {
    put(frame, row(area, 0), title);
    let under = below(area, 1);
    let lines = chart(history, usize::from(under.width), usize::from(under.height), charts, theme);
    for (number, line) in (0..).zip(lines) {
        put(frame, row(under, number), line);
    }
}
