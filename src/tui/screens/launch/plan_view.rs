//! Drawing the plan of a launch: the risks, the free capacity, and what will be sent.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr;

use super::Page;
use crate::kit::{
    theme::{Depth, Theme},
    widgets::{bar, cell, failure, put_lines, weight, wrap},
};
use wharf_core::{
    base::clean,
    launch::{
        risk::{Risk, RiskLevel},
        room::Room,
    },
};

/// The least and the most width of the names of resources, in columns; bars follow them.
const LABEL: usize = 13;
const MOST_LABEL: usize = 24;
const BAR: usize = 16;

impl Page {
    /// Draws the plan, or why there is none.
    pub(super) fn plan_view(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
        let rows = self.plan_rows(area.width, theme);
        put_lines(frame, area, rows, usize::from(self.plan_top));
    }

    /// The largest first visible line on a terminal of this size: the plan's end is then at the bottom.
    pub fn plan_end(&self, body: Rect) -> u16 {
        let area = self.plan_area(body);
        let count = self.plan_rows(area.width, &Theme::load("default", None, Depth::None)).len();
        u16::try_from(count).unwrap_or(u16::MAX).saturating_sub(area.height.max(1))
    }

    /// The plan folded into this many columns: long lines go on in the next row.
    fn plan_rows(&self, columns: u16, theme: &Theme) -> Vec<Line<'static>> {
        let room = usize::from(columns).max(1);
        let rows = |line: Line<'static>| {
            if line.width() <= room {
                return vec![line];
            }
            let style = line.spans.last().map_or(line.style, |span| line.style.patch(span.style));
            wrap(&line.to_string(), room).into_iter().map(|part| Line::styled(part, style)).collect()
        };
        self.plan_lines(columns, theme).into_iter().flat_map(rows).collect()
    }

    fn plan_lines(&self, columns: u16, theme: &Theme) -> Vec<Line<'static>> {
        let mut lines = self.again.as_ref().map(|again| again.lines(theme)).unwrap_or_default();
        if let Some(error) = &self.error {
            lines.extend(failure(error, theme));
            return lines;
        }
        let Some(plan) = &self.plan else {
            lines.push(Line::styled(" making the plan…", theme.style("dim")));
            return lines;
        };
        lines.push(gauge(&plan.risks, theme));
        // The most serious risks come first.
        let mut risks = plan.risks.clone();
        risks.sort_by_key(|risk| std::cmp::Reverse(risk.weight));
        let width = usize::from(columns).saturating_sub(4).max(10);
        for risk in risks {
            // Continued lines are indented below their text.
            for (number, part) in wrap(&risk.text, width).into_iter().enumerate() {
                let sign = if number == 0 { risk.weight.sign() } else { " " };
                lines.push(Line::from(vec![
                    Span::styled(format!(" {sign} "), theme.style(weight(risk.weight))),
                    Span::styled(part, theme.style("text")),
                ]));
            }
        }
        lines.extend(self.room_lines(columns, theme));
        lines.push(Line::raw(""));
        lines.push(Line::styled("What will be sent", theme.style("title")));
        lines.push(Line::styled(format!(" {}", plan.image.digest), theme.style("dim")));
        for (number, step) in plan.steps.iter().enumerate() {
            lines.push(Line::styled(format!(" {}. {}", number + 1, step.describe()), theme.style("text")));
            let content = step.content().unwrap_or_default();
            lines.extend(content.lines().map(|line| Line::styled(format!(" {line}"), theme.style("dim"))));
        }
        lines
    }

    /// The free capacity, as far as the backend tells it.
    fn room_lines(&self, columns: u16, theme: &Theme) -> Vec<Line<'static>> {
        let all = self.form.as_ref().map_or(&[][..], |form| &form.room);
        if all.is_empty() {
            return Vec::new();
        }
        // Names of partitions are longer than those of resources.
        let longest = all.iter().map(|room| clean::line(&room.label).width()).max().unwrap_or(0);
        let label = longest.clamp(LABEL, MOST_LABEL);
        let bars = usize::from(columns) >= label + BAR + 28 && all.iter().any(|room| room.share().is_some());
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
        let title = [Line::raw(""), Line::styled("Room", theme.style("title"))];
        title.into_iter().chain(all.iter().map(line)).collect()
    }
}

/// How risky the launch is altogether: five parts, filled as far as it is, and a word.
fn gauge(risks: &[Risk], theme: &Theme) -> Line<'static> {
    let level = RiskLevel::of_risks(risks);
    let filled = level.parts();
    Line::from(vec![
        Span::styled("Risk  ", theme.style("title")),
        Span::styled(format!("{}{}", "▰".repeat(filled), "▱".repeat(5 - filled)), theme.style(weight(level.weight()))),
        Span::styled(format!(" {}", level.name()), theme.style(weight(level.weight()))),
    ])
}
