//! How long sources and backends took to answer the last times, shown below what is known of the selected one.

use std::time::Duration;

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::rows::rows;
use crate::{
    kit::{
        panel,
        plot::{bars::name_width, spark::sparkline},
        theme::Theme,
        widgets::{cell, put, row},
    },
    model::Model,
};
use wharf_core::base::clean;

/// The most lines.
const LINES: usize = 8;
/// The columns of a line of blocks, one for each kept answer.
const BLOCKS: usize = 10;

/// The names of sources and backends with their times, the slowest first: those without an answer, then by the last time.
fn timed(model: &Model) -> Vec<(String, &[Option<Duration>])> {
    let hidden = |name: &str| model.sources.iter().any(|source| source.name == name && source.hidden);
    let mut all: Vec<(String, &[Option<Duration>])> = rows(model, &[])
        .into_iter()
        .filter(|row| !hidden(&row.name))
        .map(|row| (model.response_times.of(&row.name), row.name))
        .filter(|(times, _)| !times.is_empty())
        .map(|(times, name)| (name, times))
        .collect();
    let last = |times: &[Option<Duration>]| times.last().copied().flatten().unwrap_or(Duration::MAX);
    all.sort_by_key(|(_, times)| std::cmp::Reverse(last(times)));
    all.truncate(LINES);
    all
}

/// How many lines the plot takes with its title; none where nothing was asked yet.
pub(super) fn lines(model: &Model) -> u16 {
    match timed(model).len() {
        0 => 0,
        some => u16::try_from(some + 1).unwrap_or_default(),
    }
}

/// Draws a line for each.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, model: &Model, theme: &Theme) {
    if area.is_empty() {
        return;
    }
    let inner = panel::titled(frame, area, "How long they take", "last 10 answers", false, theme);
    let name = name_width(usize::from(inner.width));
    for (place, (words, times)) in (0..inner.height).zip(timed(model)) {
        let (said, role) = match times.last().copied().flatten() {
            Some(took) => (taken(took), "text"),
            None => ("no answer".to_owned(), "bad"),
        };
        let line = Line::from(vec![
            Span::styled(format!(" {}", cell(&clean::line(&words), name)), theme.style("text")),
            Span::styled(cell(&blocks(times), BLOCKS), theme.style("chart.bar")),
            Span::styled(format!("  {said}"), theme.style(role)),
        ]);
        put(frame, row(inner, place), line);
    }
}

/// The times as blocks of different heights, with a point for each answer that did not come.
fn blocks(times: &[Option<Duration>]) -> String {
    let values: Vec<f64> = times.iter().map(|took| took.map_or(f64::NAN, |took| took.as_secs_f64())).collect();
    let shown = sparkline(&values, None, BLOCKS);
    let missed = times.get(times.len().saturating_sub(BLOCKS)..).unwrap_or_default();
    shown.chars().zip(missed).map(|(block, took)| if took.is_some() { block } else { '·' }).collect()
}

/// A time as people read it: milliseconds below a second, else seconds with a decimal.
fn taken(took: Duration) -> String {
    match took.as_millis() {
        0 => "under 1 ms".to_owned(),
        ms if ms < 1000 => format!("{ms} ms"),
        _ => format!("{:.1} s", took.as_secs_f64()),
    }
}
