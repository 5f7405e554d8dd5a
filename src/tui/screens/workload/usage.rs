//! What a workload uses, as charts to their limits where there is room for them, else in a line.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr;

use super::Page;
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

/// What all processors that a workload may use give, in per cent of one.
fn cpu_limit(usage: &Usage) -> Option<f64> {
    usage.processors.map(|count| count as f64 * 100.0)
}

/// Draws the charts of processor and memory use beside each other, each under its title.
pub(super) fn charts(page: &Page, frame: &mut Frame<'_>, area: Rect, charts: Charts, theme: &Theme) {
    let Some(Ok(usage)) = &page.usage else { return };
    let [left, _, right] =
        Layout::horizontal([Constraint::Fill(1), Constraint::Length(1), Constraint::Fill(1)]).areas(area);
    let (cpu, memory) = (page.readings.cpu(), page.readings.memory());
    let percent: fn(f64) -> String = |end| format!("{end:.0}");
    let size: fn(f64) -> String = |end| text::short_size(end as u64);
    let both = [
        (
            left,
            "CPU",
            cpu_words(usage),
            History { values: &cpu, limit: cpu_limit(usage), words: percent, role: "chart.bar" },
        ),
        (
            right,
            "Memory",
            memory_title(page, usage),
            History {
                values: &memory,
                limit: usage.memory_limit.map(|limit| limit as f64),
                words: size,
                role: "chart2.bar",
            },
        ),
    ];
    for (area, name, words, history) in both {
        let is_urgent = name == "Memory" && usage.is_nearly_full();
        let title = title(name, &words, usize::from(area.width), is_urgent, theme);
        put(frame, row(area, 0), title);
        let under = below(area, 1);
        let lines = chart(history, usize::from(under.width), usize::from(under.height), charts, theme);
        for (number, line) in (0..).zip(lines) {
            put(frame, row(under, number), line);
        }
    }
}

/// A title over the width of its chart: its name left, the numbers right, a line between them.
fn title(name: &str, words: &str, width: usize, is_urgent: bool, theme: &Theme) -> Line<'static> {
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

fn cpu_words(usage: &Usage) -> String {
    match (usage.cpu_percent, cpu_limit(usage)) {
        (Some(percent), Some(limit)) => format!("{} % of {limit:.0} %", text::three_digits(percent)),
        (Some(percent), None) => format!("{} %, scaled to its largest", text::three_digits(percent)),
        (None, _) => "not told".to_owned(),
    }
}

fn memory_title(page: &Page, usage: &Usage) -> String {
    let full = full_words(page, usage).map(|words| format!(" · {words}")).unwrap_or_default();
    let free = if usage.memory_limit.is_none() { ", no limit: scaled to its largest" } else { "" };
    format!("{}{free}{full}", memory_words(usage))
}

/// Memory and its limit: `22.1 of 32 GiB`.
fn memory_words(usage: &Usage) -> String {
    match (usage.memory, usage.memory_limit) {
        (Some(used), Some(limit)) => text::size_of(used, limit),
        _ => usage.memory_of_words(),
    }
}

/// That the memory is nearly full, or when it will be if it goes on as in the last minutes.
fn full_words(page: &Page, usage: &Usage) -> Option<String> {
    if usage.is_nearly_full() {
        return Some("! nearly full".to_owned());
    }
    page.readings.full_in().map(|seconds| format!("! full in {}", text::duration(seconds)))
}

/// Network traffic and processes, in words.
fn further_words(page: &Page, usage: &Usage) -> String {
    let rate = |bytes: f64| text::rate(bytes as u64, 1.0);
    let traffic = match (page.readings.traffic(), usage.network) {
        (Some((received, sent)), _) => format!("network in {}  out {}", rate(received), rate(sent)),
        (None, Some(all)) => format!("network in {}  out {} in all", text::size(all.received), text::size(all.sent)),
        (None, None) => String::new(),
    };
    let processes = usage.processes.map(|count| text::plural(count, "process", "processes"));
    [Some(traffic).filter(|words| !words.is_empty()), processes].into_iter().flatten().collect::<Vec<_>>().join("  ")
}

/// The line below the charts.
pub(super) fn beside_charts(page: &Page, width: usize, theme: &Theme) -> Line<'static> {
    let Some(Ok(usage)) = &page.usage else { return Line::default() };
    Line::styled(fit(&format!(" {}", further_words(page, usage)), width), theme.style("dim"))
}

/// What is used, in one line; `sign` turns while the first measurement is awaited.
pub(super) fn line(page: &Page, width: usize, sign: &str, theme: &Theme) -> Line<'static> {
    // A workload that has ended uses nothing.
    let known = page.usage.as_ref().filter(|_| page.workload.state.is_live());
    let usage = match known {
        Some(Ok(usage)) => usage,
        Some(Err(why)) => return Line::styled(fit(&format!(" {why}"), width), theme.style("dim")),
        None if page.workload.state.is_live() => {
            return Line::styled(format!(" {sign} measuring…"), theme.style("dim"));
        }
        None => return Line::default(),
    };
    let bars = (width / 5).clamp(4, 30);
    let of = usage.processors.map(|count| format!(" of {}", text::plural(count, "cpu", "cpus"))).unwrap_or_default();
    let limit = usage.memory_limit.map(|limit| limit as f64);
    let mut spans = vec![
        Span::styled(format!(" cpu {:>6}{of} ", usage.cpu_words()), theme.style("text")),
        Span::styled(sparkline(&page.readings.cpu(), cpu_limit(usage), bars), theme.style("chart.bar")),
        Span::styled(format!("  memory {} ", memory_words(usage)), theme.style("text")),
        Span::styled(sparkline(&page.readings.memory(), limit, bars), theme.style("chart2.bar")),
    ];
    if let Some(words) = full_words(page, usage) {
        spans.push(Span::styled(format!(" {words}"), theme.style(tone(Tone::Bad))));
    }
    spans.push(Span::styled(format!("  {}", further_words(page, usage)), theme.style("dim")));
    Line::from(spans)
}
