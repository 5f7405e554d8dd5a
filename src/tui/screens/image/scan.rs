//! Drawing the scan pane: how bad it is, the list of findings, and the selected one beside or below it.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{
    Page,
    finding::{role, stated},
};
use crate::{
    kit::{
        layout::{Alone, Panes, Shape, Side, View, WIDE, panes},
        panel::{self, Window},
        table::{self, Column, TableRow, Width, number_cell, text_cell},
        theme::Theme,
        widgets::{above, below, fit, put, put_lines, row},
    },
    model::Model,
};
use wharf_core::{
    base::{clean, text},
    evidence::record::{Statement, Vulnerability},
};

/// The pane about the selected finding.
const SIDE: Side = Side { from: WIDE, share: 38, bounds: (44, 64) };
/// The lines of the pane from which its head tells all, and the list has a rule.
pub(super) const FULL: u16 = 30;
/// The least and the most lines about the selected finding below the list, with their title.
const STRIP: (u16, u16) = (3, 4);
/// The head of the column that is left out where no finding has a score.
const SCORE: &str = "CVSS";

/// The parts of the pane where it lists findings.
pub(super) struct Regions {
    /// The list and what is beside or below it.
    panes: Panes,
    /// How bad it is.
    head: Rect,
    /// The rule above the list, if it has one.
    rule: Option<Rect>,
    /// The heads of the columns and the rows.
    table: Rect,
    /// The rows.
    pub rows: Rect,
}

impl Regions {
    /// Whether the list is on the screen.
    pub(super) fn has_list(&self) -> bool {
        !self.panes.main.is_empty()
    }
}

/// What the columns say about a finding.
struct FindingRow<'a> {
    one: &'a Vulnerability,
    said: Option<&'a Statement>,
}

/// The columns in their order.
const fn columns<'a>() -> [Column<FindingRow<'a>>; 7] {
    [
        Column { head: "FINDING", width: Width::Fixed(19), goes: 0, right: false, cell: finding },
        Column { head: "SEVERITY", width: Width::Fixed(10), goes: 0, right: false, cell: severity },
        Column { head: SCORE, width: Width::Fixed(4), goes: 4, right: true, cell: score },
        Column { head: "PACKAGE", width: Width::Fill(8), goes: 0, right: false, cell: package },
        Column { head: "INSTALLED", width: Width::Fixed(11), goes: 3, right: false, cell: installed },
        Column { head: "FIXED IN", width: Width::Fixed(11), goes: 1, right: false, cell: fixed },
        Column { head: "WHAT", width: Width::Fill(12), goes: 2, right: false, cell: what },
    ]
}

fn finding(row: &FindingRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    let sign = if row.one.exploited { "!" } else { " " };
    text_cell(&format!("{sign}{}", clean::line(&row.one.id)), width, "text", theme)
}

fn severity(row: &FindingRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    let of = row.one.severity;
    text_cell(&format!("{} {}", of.letter(), of.name()), width, role(of), theme)
}

fn score(row: &FindingRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    number_cell(&row.one.score_words().unwrap_or_default(), width, "text", theme)
}

fn package(row: &FindingRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    text_cell(&clean::line(&row.one.package), width, "text", theme)
}

fn installed(row: &FindingRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    text_cell(&clean::line(&row.one.installed), width, "text", theme)
}

fn fixed(row: &FindingRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    let fixed = clean::line(&row.one.fixed);
    let (words, role) = if fixed.is_empty() { ("no fix yet", "dim") } else { (&*fixed, "text") };
    text_cell(words, width, role, theme)
}

fn what(row: &FindingRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    let mut words = clean::line(&row.one.title).into_owned();
    if row.one.exploited {
        words = format!("known to be exploited · {words}");
    }
    if let Some(said) = row.said {
        words = format!("VEX: {} · {words}", stated(said));
    }
    text_cell(&words, width, "dim", theme)
}

impl Page {
    /// The parts of the pane in its area; `None` where it lists no findings.
    pub(super) fn scan_regions(&self, area: Rect, view: View, now: i64) -> Option<Regions> {
        if !self.has_findings(now) {
            return None;
        }
        let strip = if view.hidden { 0 } else { (area.height / 4).clamp(STRIP.0, STRIP.1) };
        let panes = panes(area, Shape { side: SIDE, strip }, view);
        let main = panes.main;
        let full = area.height >= FULL;
        let lines = self.scan_head(main.width, full, &Theme::plain(), now).len();
        // At least as many lines are left to the list.
        let head = u16::try_from(lines).unwrap_or(u16::MAX).min(main.height / 2);
        let ruled = u16::from(full).min(main.height);
        let rest = below(main, head);
        let table = below(rest, ruled);
        Some(Regions {
            panes,
            head: above(main, main.height - head),
            rule: (ruled > 0).then(|| row(rest, 0)),
            table,
            rows: below(table, 1),
        })
    }

    /// Draws the pane.
    pub(super) fn draw_scan(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
        let (view, now) = (model.views.of("image"), model.now);
        let Some(parts) = self.scan_regions(area, view, now) else {
            return put_lines(frame, area, self.scan_words(area.width, theme, now), self.at.selected);
        };
        let head = self.scan_head(parts.head.width, area.height >= FULL, theme, now);
        for (number, line) in (0..parts.head.height).zip(head) {
            put(frame, row(parts.head, number), line);
        }
        let (shown, all) = self.shown_findings(now);
        if let Some(rule) = parts.rule {
            let words = self.narrowed_words(shown.len(), all);
            put(frame, rule, panel::rule(usize::from(rule.width), "Findings", &words, true, theme));
        }
        if parts.has_list() {
            self.findings_table(frame, &parts, &shown, theme, now);
        }
        let selected = shown.get(self.at.selected).copied();
        let place = format!("{} of {}", text::count(self.at.selected as u64 + 1), text::count(shown.len() as u64));
        if let Some(right) = parts.panes.right {
            let (title, facts, lines) = selected.map_or_else(Default::default, |one| {
                let told = self.told(one, model);
                let size = (usize::from(right.width), usize::from(right.height.saturating_sub(1)));
                let lines = told.lines(size, theme);
                (told.id, place, lines)
            });
            let under = panel::titled(frame, right, &title, &facts, view.alone == Alone::Other, theme);
            put_lines(frame, under, lines, 0);
            if right.x > area.x {
                let x = right.x - 1;
                let height = usize::from(parts.rows.height);
                let list = Window { top: self.at.window(shown.len(), height), shown: height, count: shown.len() };
                panel::divider(frame, x, area, Some(list), theme);
                panel::joint(frame, x, right.y, "├", theme);
                if let Some(rule) = parts.rule {
                    panel::joint(frame, x, rule.y, if rule.y == right.y { "┬" } else { "┤" }, theme);
                }
            }
        }
        let strip = parts.panes.strip;
        if let Some(one) = selected.filter(|_| strip.height > 0) {
            let told = self.told(one, model);
            let under = panel::titled(frame, strip, &told.id, &told.fixed, false, theme);
            let lines = told.strip(usize::from(strip.width), usize::from(under.height), theme);
            put_lines(frame, under, lines, 0);
        }
    }

    /// Draws the heads of the columns and the visible findings.
    fn findings_table(&self, frame: &mut Frame<'_>, parts: &Regions, all: &[&Vulnerability], theme: &Theme, now: i64) {
        if all.is_empty() {
            let words =
                fit(&format!("  no finding has '{}'", clean::line(&self.narrowed)), usize::from(parts.table.width));
            return put(frame, row(parts.table, 0), Line::from(Span::styled(words, theme.style("dim"))));
        }
        let scored = all.iter().any(|one| one.score.is_some());
        let columns = columns();
        let shown = table::fitting(&columns, parts.table.width, |column| column.head != SCORE || scored);
        let height = usize::from(parts.rows.height);
        let top = self.at.window(all.len(), height);
        let rows = all.iter().skip(top).take(height).map(|one| {
            let said = self.statement(&one.id, now).map(|(said, _)| said);
            TableRow { row: FindingRow { one, said }, marked: false }
        });
        let selected = self.at.selected.checked_sub(top).filter(|at| *at < height);
        table::draw(frame, parts.table, (&columns, &shown), rows, (selected, true), "", theme);
    }
}
