//! Drawing the gate of a launch: what the policy says, and what the launch key will do.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr;

use super::Page;
use crate::kit::{
    panel,
    theme::Theme,
    widgets::{below, fit, put, row, tone},
};
use wharf_core::{
    base::clean,
    launch::{
        isolation,
        room::{Gate, GateRequirement},
    },
};

impl Page {
    /// Draws the rule and the line of the gate; without a policy, that nobody has set one.
    pub(super) fn gate_view(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
        let line = if area.height > 1 {
            put(frame, row(area, 0), panel::rule(usize::from(area.width), "", "", true, theme));
            below(area, 1)
        } else {
            area
        };
        if self.plan.is_none() {
            return;
        }
        let Some(gate) = self.gate() else {
            let words = fit(" · no policy says what may run   L launches now", usize::from(line.width));
            return put(frame, line, Line::styled(words, theme.style("text")));
        };
        let badge = gate.verdict.badge();
        let (role, does) = outcome(&gate);
        let verdict = format!(" {} {} ", badge.sign, badge.word);
        // What the key does decides, so it stays whole.
        let room = usize::from(line.width).saturating_sub(verdict.width() + does.width() + 3);
        let grounds = clean::line(&gate.grounds);
        let grounds = fit(&grounds, grounds.width().min(room));
        put(
            frame,
            line,
            Line::from(vec![
                Span::styled(verdict, theme.style(tone(badge.tone))),
                Span::styled(grounds, theme.style("text")),
                Span::styled(format!("  {does}"), theme.style(role)),
            ]),
        );
    }
}

/// The role of the gate, and what the keys do there.
fn outcome(gate: &Gate) -> (&'static str, String) {
    match &gate.passage {
        GateRequirement::Open => ("gate.good", "L launches now".to_owned()),
        GateRequirement::Checked(checks) => {
            ("gate.caution", format!("L checks its {} and launches", checks.join(" and ")))
        }
        GateRequirement::Isolated(least) => {
            ("gate.caution", format!("held back unless {} is {}: ! chooses safer", isolation::KEY, least.name()))
        }
        GateRequirement::WithReason => ("gate.caution", "L asks you for a reason   R asks for approval".to_owned()),
        GateRequirement::Closed => ("gate.bad", "held back   R asks for approval".to_owned()),
    }
}
