//! Drawing the gate of a launch: what the policy says, and what the launch key will do.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr;

use super::Page;
use crate::{
    kit::{
        action::Action,
        panel,
        theme::Theme,
        widgets::{below, fit, put, row, tone},
    },
    model::Model,
};
use wharf_core::{
    base::clean,
    launch::{
        form::Form,
        isolation,
        room::{Gate, GateRequirement},
        safer,
    },
};

impl Page {
    /// Draws the rule and the line of the gate; without a policy, that nobody has set one.
    pub(super) fn gate_view(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
        let line = if area.height > 1 {
            put(frame, row(area, 0), panel::rule(usize::from(area.width), "", "", true, theme));
            below(area, 1)
        } else {
            area
        };
        let (Some(_), Some(form)) = (&self.plan, &self.form) else { return };
        let Some(gate) = self.gate() else {
            let launch = model.keymap.label("launch", Action::Confirm);
            let words = format!(" · no policy says what may run   {launch} launches now");
            let words = fit(&words, usize::from(line.width));
            return put(frame, line, Line::styled(words, theme.style("text")));
        };
        let badge = gate.verdict.badge();
        let (role, does) = outcome(&gate, form, model);
        let verdict = format!(" {} {} ", badge.sign, badge.word);
        let whole = verdict.width() + does.width() + 2 <= usize::from(line.width);
        let verdict = if whole { verdict } else { format!(" {}", badge.sign) };
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
fn outcome(gate: &Gate, form: &Form, model: &Model) -> (&'static str, String) {
    let key = |action| model.keymap.label("launch", action);
    let (launch, ask) = (key(Action::Confirm), key(Action::Request));
    match &gate.passage {
        GateRequirement::Open => ("gate.good", format!("{launch} launches now")),
        GateRequirement::Checked(checks) => {
            ("gate.caution", format!("{launch} checks its {} and launches", checks.join(" and ")))
        }
        GateRequirement::Isolated(least) => {
            let way = match safer::demanded(gate, form) {
                Some(_) => format!("{} chooses safer", key(Action::Safer)),
                None => "this backend has none, choose another".to_owned(),
            };
            ("gate.caution", format!("held back unless {} is {}: {way}", isolation::KEY, least.name()))
        }
        GateRequirement::WithReason => {
            ("gate.caution", format!("{launch} asks you for a reason   {ask} asks for approval"))
        }
        GateRequirement::Closed => ("gate.bad", format!("held back   {ask} asks for approval")),
    }
}
