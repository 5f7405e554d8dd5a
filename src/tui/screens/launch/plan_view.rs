//! Drawing the plan of a launch: what it may do, what happens, the free capacity, and what will be sent.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr;

use super::{Page, regions::Regions};
use crate::{
    kit::{
        action::Action,
        fold::fold_text,
        panel,
        theme::{Depth, Theme},
        widgets::{bar, cell, failure, fit, fit_whole, put, put_lines, row, weight, wrap},
    },
    model::Model,
};
use wharf_core::{
    base::clean,
    launch::{
        plan::Plan,
        risk::{Risk, RiskLevel, Weight},
        room::Room,
    },
};

/// The least and the most width of the names of resources, in columns; bars follow them.
const LABEL: usize = 13;
const MOST_LABEL: usize = 24;
const BAR: usize = 16;

/// A line of the plan; rules are those over its sections.
struct PlanLine {
    line: Line<'static>,
    is_rule: bool,
}

impl Page {
    /// Draws the plan, or why there is none; returns the lines of the terminal on which it has rules.
    pub(super) fn plan_view(&self, frame: &mut Frame<'_>, parts: &Regions, theme: &Theme, model: &Model) -> Vec<u16> {
        let area = parts.plan;
        let rows = self.plan_rows(parts, theme, model);
        let top = usize::from(self.plan_top).min(rows.len().saturating_sub(usize::from(area.height)));
        let mut rules = Vec::new();
        for (number, plan_line) in (0..area.height).zip(rows.into_iter().skip(top)) {
            if plan_line.is_rule {
                rules.push(area.y + number);
            }
            put(frame, row(area, number), plan_line.line);
        }
        rules
    }

    /// Draws what will be sent, where it has a pane of its own.
    pub(super) fn request_view(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
        let under = panel::titled(frame, area, "What will be sent", &sent_facts(model), false, theme);
        let Some(plan) = self.plan.as_deref().filter(|_| self.error.is_none()) else { return };
        let rows = folded(sent(plan, theme), usize::from(under.width));
        for (number, line) in (0..under.height).zip(rows) {
            put(frame, row(under, number), line);
        }
    }

    /// Draws the risk in brief: under a rule, the gauge with what is to be considered, and what is harmless.
    pub(super) fn summary_view(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
        if area.height == 0 {
            return;
        }
        let key = |action| model.keymap.label("launch", action);
        let facts = format!("{} reads it all, {} what is sent", key(Action::NextPane), key(Action::Sent));
        let under = panel::titled(frame, area, "Risk", &facts, false, theme);
        let width = usize::from(under.width);
        if let Some(error) = &self.error {
            return put_lines(frame, under, failure(error, width, theme), 0);
        }
        let Some(plan) = &self.plan else {
            return put(frame, row(under, 0), Line::styled(" making the plan…", theme.style("dim")));
        };
        let risks = by_weight(&plan.risks);
        let (fine, serious): (Vec<&Risk>, Vec<&Risk>) = risks.iter().partition(|risk| risk.weight == Weight::Fine);
        let words = |all: &[&Risk], room| fit_whole(all.iter().map(|risk| risk.text.as_str()), room);
        let mut first = gauge(&plan.risks, " ", theme);
        if let Some(worst) = serious.first() {
            let room = width.saturating_sub(first.width() + 5);
            first.spans.push(Span::styled(format!("  {} ", worst.weight.sign()), theme.style(weight(worst.weight))));
            first.spans.push(Span::styled(words(&serious, room), theme.style("text")));
        }
        put(frame, row(under, 0), first);
        if !fine.is_empty() {
            let line = words(&fine, width.saturating_sub(3));
            put(frame, row(under, 1), told(Weight::Fine, &line, true, theme));
        }
    }

    /// The largest first visible line of the plan: its end is then at the bottom.
    pub(super) fn plan_end(&self, parts: &Regions, model: &Model) -> u16 {
        let count = self.plan_rows(parts, &Theme::load("default", None, Depth::None), model).len();
        u16::try_from(count).unwrap_or(u16::MAX).saturating_sub(parts.plan.height.max(1))
    }

    /// The plan folded into its columns: long lines go on in the next row.
    fn plan_rows(&self, parts: &Regions, theme: &Theme, model: &Model) -> Vec<PlanLine> {
        let width = usize::from(parts.plan.width).max(1);
        let mut rows = Vec::new();
        let rule = |rows: &mut Vec<PlanLine>, title: &str, facts: &str| {
            let live = rows.is_empty() && self.in_plan;
            rows.push(PlanLine { line: panel::rule(width, title, facts, live, theme), is_rule: true });
        };
        let plain =
            |lines: Vec<Line<'static>>| folded(lines, width).into_iter().map(|line| PlanLine { line, is_rule: false });
        if let Some(again) = &self.again {
            rule(&mut rows, "Again", &again.of());
            rows.extend(plain(again.lines(theme)));
        }
        let told = self.lock.lines(theme);
        if !told.is_empty() {
            rule(&mut rows, "Version", "");
            rows.extend(plain(told));
        }
        rule(&mut rows, "What it may do", "");
        if let Some(error) = &self.error {
            rows.extend(plain(failure(error, width, theme)));
            return rows;
        }
        let Some(plan) = self.plan.as_deref() else {
            rows.extend(plain(vec![Line::styled(" making the plan…", theme.style("dim"))]));
            return rows;
        };
        rows.extend(plain(self.risk_lines(plan, width, theme, model)));
        rule(&mut rows, "What happens", "");
        rows.extend(plain(happens(plan, theme)));
        let room = self.room_lines(width, theme);
        if !room.is_empty() {
            rule(&mut rows, "Room", "");
            rows.extend(plain(room));
        }
        if parts.request.width == 0 {
            rule(&mut rows, "What will be sent", &sent_facts(model));
            rows.extend(plain(sent(plan, theme)));
        }
        rows
    }

    /// The gauge with what the key for a safer launch changes, and the risks, the most serious first.
    fn risk_lines(&self, plan: &Plan, width: usize, theme: &Theme, model: &Model) -> Vec<Line<'static>> {
        let mut first = gauge(&plan.risks, " Risk  ", theme);
        if let Some(safer) = self.safer_answer(model) {
            let key = model.keymap.label("launch", Action::Safer);
            let words = format!("makes it safer: {}", safer.words);
            let room = width.saturating_sub(first.width() + key.width() + 5);
            first.spans.push(Span::styled(format!("    {key} "), theme.style("key")));
            first.spans.push(Span::styled(fit(&words, words.width().min(room)), theme.style("dim")));
        }
        let mut lines = vec![first];
        for risk in by_weight(&plan.risks) {
            // Continued lines are indented below their text.
            let parts = wrap(&risk.text, width.saturating_sub(4).max(10)).into_iter().enumerate();
            lines.extend(parts.map(|(number, part)| told(risk.weight, &part, number == 0, theme)));
        }
        lines
    }

    /// The free capacity, as far as the backend tells it.
    fn room_lines(&self, columns: usize, theme: &Theme) -> Vec<Line<'static>> {
        let all = self.form.as_ref().map_or(&[][..], |form| &form.room);
        // Names of partitions are longer than those of resources.
        let longest = all.iter().map(|room| clean::line(&room.label).width()).max().unwrap_or(0);
        let label = longest.clamp(LABEL, MOST_LABEL);
        let bars = columns >= label + BAR + 28 && all.iter().any(|room| room.share().is_some());
        let line = |room: &Room| {
            let mut spans =
                vec![Span::styled(format!(" {} ", cell(&clean::line(&room.label), label)), theme.style("dim"))];
            if bars {
                let shown = room.share().map_or_else(String::new, |(used, total)| bar(used, total, BAR));
                spans.push(Span::styled(format!("{} ", cell(&shown, BAR)), theme.style("bar")));
            }
            let full = room.is_full();
            let words = format!("{}{}", if full { "! " } else { "" }, clean::line(&room.describe()));
            spans.push(Span::styled(words, theme.style(if full { "bad" } else { "text" })));
            Line::from(spans)
        };
        all.iter().map(line).collect()
    }
}

/// The keys for the whole of what will be sent.
fn sent_facts(model: &Model) -> String {
    format!("{} all of it", model.keymap.label("launch", Action::Sent))
}

/// The risks, the most serious first.
fn by_weight(risks: &[Risk]) -> Vec<Risk> {
    let mut risks = risks.to_vec();
    risks.sort_by_key(|risk| std::cmp::Reverse(risk.weight));
    risks
}

/// A line of the risk preview, with its sign in the first row of it.
fn told(of: Weight, words: &str, is_first: bool, theme: &Theme) -> Line<'static> {
    let sign = if is_first { of.sign() } else { " " };
    Line::from(vec![
        Span::styled(format!(" {sign} "), theme.style(weight(of))),
        Span::styled(words.to_owned(), theme.style("text")),
    ])
}

/// The steps in their order.
fn happens(plan: &Plan, theme: &Theme) -> Vec<Line<'static>> {
    let digest = Line::styled(format!(" {}", plan.image.digest), theme.style("dim"));
    let steps = plan.steps.iter().enumerate();
    let steps =
        steps.map(|(number, step)| Line::styled(format!(" {}. {}", number + 1, step.describe()), theme.style("text")));
    std::iter::once(digest).chain(steps).collect()
}

/// What the steps write and send, each below its step.
fn sent(plan: &Plan, theme: &Theme) -> Vec<Line<'static>> {
    let with_content = plan.steps.iter().filter_map(|step| Some((step.describe(), step.content()?)));
    with_content
        .flat_map(|(step, content)| {
            let step = Line::styled(format!(" {step}"), theme.style("text"));
            let lines: Vec<Line<'static>> =
                content.lines().map(|line| Line::styled(format!(" {line}"), theme.style("dim"))).collect();
            std::iter::once(step).chain(lines)
        })
        .collect()
}

/// Lines in so many columns: long ones go on in the next row, as far to the right as they begin.
fn folded(lines: Vec<Line<'static>>, width: usize) -> Vec<Line<'static>> {
    lines.into_iter().flat_map(|line| fold_text(line, width)).collect()
}

/// How risky the launch is altogether: five parts, filled as far as it is, and a word.
fn gauge(risks: &[Risk], before: &str, theme: &Theme) -> Line<'static> {
    let level = RiskLevel::of_risks(risks);
    let filled = level.parts();
    Line::from(vec![
        Span::styled(before.to_owned(), theme.style("title")),
        Span::styled(format!("{}{}", "▰".repeat(filled), "▱".repeat(5 - filled)), theme.style(weight(level.weight()))),
        Span::styled(format!(" {}", level.name()), theme.style(weight(level.weight()))),
    ])
}
