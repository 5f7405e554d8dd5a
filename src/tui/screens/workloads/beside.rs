//! What is known of the selected workload: in a pane beside the list, or on a few lines below it.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{Page, columns::Used, described::Described};
use crate::{
    kit::{
        action::Action,
        panel,
        plot::{chart::Charts, spark::sparkline},
        spinner,
        theme::Theme,
        widgets::{below, fit, fit_path, put, row, state_role, tone, wrap},
    },
    model::Model,
    output::Room,
    usage::charts::{Measured, memory_words},
};
use wharf_core::{
    base::{clean, error::Kind, text},
    catalog::marks::{Facet, Marks},
    launch::plan::Workload,
    portal::evidence::brief::Brief,
};

/// The lines of a pane from which the use is drawn as charts.
const CHARTS_FROM: u16 = 16;
/// The most lines of a chart, with its title.
const CHART: u16 = 9;

impl Page {
    /// What was read of the selected workload.
    fn description(&self, workload: &Workload) -> Option<&Described> {
        self.described.as_ref().filter(|described| described.id == workload.key())
    }

    /// Draws the pane about the selected workload; returns the lines of the terminal on which it has rules.
    pub(super) fn pane(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) -> Vec<u16> {
        let Some(workload) = self.rows.selected() else {
            panel::titled(frame, area, "", "", false, theme);
            return vec![area.y];
        };
        let mut rules = vec![area.y];
        let mut rest = panel::titled(frame, area, &workload.name, &workload.backend, false, theme);
        let lines = self.facts(workload, usize::from(area.width), theme, model.now);
        for line in lines {
            put(frame, row(rest, 0), line);
            rest = below(rest, 1);
        }
        match self.usage(workload) {
            Used::Told(measured) if rest.height >= CHARTS_FROM && model.charts != Charts::Off => {
                let height = (rest.height / 4).clamp(3, CHART);
                for draw in [Measured::draw_cpu, Measured::draw_memory] {
                    rules.push(rest.y);
                    draw(&measured, frame, Rect { height, ..rest }, model.charts, theme);
                    rest = below(rest, height);
                }
                if let Some(words) = measured.traffic_words() {
                    rules.push(rest.y);
                    let under = panel::titled(frame, rest, "Network", &words, false, theme);
                    let width = usize::from(area.width).saturating_sub(2);
                    let drawn = format!(" {}", sparkline(&measured.readings.rates(), None, width));
                    put(frame, row(under, 0), Line::styled(drawn, theme.style("chart.bar")));
                    rest = below(rest, 2);
                }
            }
            Used::Told(measured) => {
                for line in use_lines(&measured, usize::from(area.width), theme) {
                    put(frame, row(rest, 0), line);
                    rest = below(rest, 1);
                }
            }
            Used::Untold => {
                let words = format!(" {} does not tell what it uses", workload.backend);
                put(frame, row(rest, 0), Line::styled(words, theme.style("dim")));
                rest = below(rest, 1);
            }
            Used::Unknown if workload.state.is_live() => {
                let words = format!(" {} measuring…", spinner::sign(model.clock));
                put(frame, row(rest, 0), Line::styled(words, theme.style("dim")));
                rest = below(rest, 1);
            }
            Used::Unknown => {}
        }
        if rest.height > 1 {
            rules.push(rest.y);
            let key = model.keymap.label("workloads", Action::Open);
            let under = panel::titled(frame, rest, "Output", &format!("{key} opens it"), false, theme);
            self.last_lines(frame, under, workload, theme);
        }
        rules
    }

    /// What a workload is: its state, its image, the verdict on that, where it is reached, facts of its backend.
    fn facts(&self, workload: &Workload, width: usize, theme: &Theme, now: i64) -> Vec<Line<'static>> {
        let room = width.saturating_sub(2);
        let (sign, word) = workload.state.label();
        let age = workload.created.map(|created| format!(" · {}", text::ago(created, now))).unwrap_or_default();
        let note =
            if workload.note.is_empty() { String::new() } else { format!(" · {}", clean::line(&workload.note)) };
        let mut lines = vec![
            Line::from(vec![
                Span::styled(format!(" {sign} {}", clean::line(&word)), theme.style(state_role(&workload.state))),
                Span::styled(format!("{age}{note}"), theme.style("dim")),
            ]),
            Line::styled(format!(" {}", fit_path(&workload.image_words(), room).0), theme.style("text")),
        ];
        if let Some(described) = self.description(workload) {
            lines.push(verdict_line(described.verdict.as_deref(), width, theme));
        }
        let reached = workload.reached();
        if !reached.is_empty() {
            lines.push(Line::styled(fit(&format!(" reached at {reached}"), room + 1), theme.style("dim")));
        }
        let facts = clean::line(&workload.facts_words()).into_owned();
        if !facts.is_empty() {
            let parts = wrap(&facts, room.max(8)).into_iter().take(2);
            lines.extend(parts.map(|part| Line::styled(format!(" {part}"), theme.style("dim"))));
        }
        lines
    }

    /// Draws the lines about the selected workload below the list: what it uses, and the end of its output.
    pub(super) fn strip(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
        let Some(workload) = self.rows.selected().filter(|_| area.height > 0) else { return };
        let mut rest = panel::titled(frame, area, &workload.name, &workload.image_words(), false, theme);
        if let Used::Told(measured) = self.usage(workload) {
            for line in use_lines(&measured, usize::from(area.width), theme) {
                put(frame, row(rest, 0), line);
                rest = below(rest, 1);
            }
        }
        self.last_lines(frame, rest, workload, theme);
    }

    /// Draws the end of the output, or why there is none.
    fn last_lines(&self, frame: &mut Frame<'_>, area: Rect, workload: &Workload, theme: &Theme) {
        let Some(described) = self.description(workload) else { return };
        let width = usize::from(area.width).saturating_sub(1);
        let lines = described.output.shown(Room { height: usize::from(area.height), width }, theme);
        for (number, mut line) in (0..area.height).zip(lines) {
            line.spans.insert(0, Span::raw(" "));
            put(frame, row(area, number), line);
        }
        if described.output.count() == 0 {
            let words = match &described.ended {
                // Not a failure: there is no one output of it, and the reason says so.
                Some(Err(error)) if error.kind == Kind::Usage => format!("· {}", error.why),
                Some(Err(error)) => format!("✗ {}", error.why),
                Some(Ok(())) => "it printed nothing".to_owned(),
                None => "no output yet".to_owned(),
            };
            for (number, line) in (0..area.height).zip(wrap(&words, width.max(8))) {
                put(frame, row(area, number), Line::styled(format!(" {line}"), theme.style("dim")));
            }
        }
    }
}

/// The verdict with its strictest reason, else with the signature and the scan.
fn verdict_line(verdict: Option<&(Marks, Brief)>, width: usize, theme: &Theme) -> Line<'static> {
    let Some((marks, brief)) = verdict else {
        return Line::styled(" · nothing is known of its image here", theme.style("dim"));
    };
    let badge = marks.badge(Facet::Verdict);
    let words = match brief.reasons.first() {
        Some((_, words)) => words.clone(),
        None => format!("{} · {}", marks.short(Facet::Trust), marks.short(Facet::Scan)),
    };
    let shown = format!(" {} {}", badge.sign, badge.word);
    let room = width.saturating_sub(shown.chars().count() + 3);
    Line::from(vec![
        Span::styled(shown, theme.style(tone(badge.tone))),
        Span::styled(format!("  {}", fit(&words, room)), theme.style("text")),
    ])
}

/// Processors and memory on a line each: the last values as blocks, and the numbers with their limit.
fn use_lines(measured: &Measured<'_>, width: usize, theme: &Theme) -> [Line<'static>; 2] {
    let usage = measured.usage;
    let bars = (width / 2).clamp(4, 40);
    let padded = |span: Span<'static>| {
        let gap = bars.saturating_sub(span.width());
        [Span::raw(" ".repeat(gap)), span]
    };
    let of = usage.processors.map(|count| format!(" of {}", text::plural(count, "cpu", "cpus"))).unwrap_or_default();
    let line = |name: &str, [gap, span]: [Span<'static>; 2], words: String, role: &str| {
        Line::from(vec![
            Span::styled(format!(" {name} "), theme.style("dim")),
            gap,
            span,
            Span::styled(format!("  {words}"), theme.style(role)),
        ])
    };
    let full = measured.full_words().map(|words| format!("  {words}")).unwrap_or_default();
    let role = if full.is_empty() { "text" } else { "bad" };
    let cpu = format!("{}{of}", usage.cpu_words());
    [
        line("cpu", padded(measured.cpu_spark(bars, theme)), cpu, "text"),
        line("mem", padded(measured.memory_spark(bars, theme)), format!("{}{full}", memory_words(usage)), role),
    ]
}
