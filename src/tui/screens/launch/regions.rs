//! Where the parts of the launch screen stand: for drawing, clicking and paging alike.

use ratatui::layout::Rect;

use super::Page;
use crate::kit::{
    theme::Theme,
    widgets::{above, below, failure},
};

/// Columns from which the form and the plan stand beside each other.
const BESIDE: u16 = 100;
/// Columns from which what will be sent has a pane of its own.
const THREE: u16 = 150;
/// Lines from which the risk is summed up below the form where the plan is not beside it.
const SUMMED: u16 = 10;
/// Lines of that summary: a rule and two lines. Why there is no plan may take up to half of the screen.
const SUMMARY: u16 = 3;

/// The parts of the screen's own area. A part without room is empty.
pub(super) struct Regions {
    /// The rule over the form; empty where only one pane is shown.
    pub rule: Rect,
    /// The lines of the form.
    pub fields: Rect,
    /// Help on the selected line, below the form.
    pub help: Rect,
    /// The plan, beside the form or in its place.
    pub plan: Rect,
    /// What will be sent, where it has a pane of its own.
    pub request: Rect,
    /// The risk in brief, where the plan is not beside the form.
    pub summary: Rect,
    /// What the policy says, and what the launch key does.
    pub gate: Rect,
}

impl Regions {
    /// Whether the form and the plan are both shown.
    pub(super) fn is_wide(&self) -> bool {
        self.fields.width > 0 && self.plan.width > 0
    }
}

impl Page {
    /// The parts of the screen in an area.
    pub(super) fn regions(&self, body: Rect) -> Regions {
        // A rule and a line, where there is room for both.
        let gate = if body.height >= 12 { 2 } else { 1 };
        let (rest, gate) = (above(body, gate), below(body, body.height.saturating_sub(gate)));
        let none = Rect::new(rest.x, rest.y, 0, 0);
        let empty = Regions { rule: none, fields: none, help: none, plan: none, request: none, summary: none, gate };
        if rest.width < BESIDE {
            if self.in_plan {
                return Regions { plan: rest, ..empty };
            }
            let summary = if rest.height >= SUMMED { self.summary_height(rest) } else { 0 };
            let form = above(rest, summary);
            let (fields, help) = (above(form, 1), below(form, form.height.saturating_sub(1)));
            return Regions { fields, help, summary: below(rest, rest.height - summary), ..empty };
        }
        let share = if rest.width >= THREE { 30 } else { 44 };
        let width = (u32::from(rest.width) * share / 100) as u16;
        let form = Rect { width, ..rest };
        let right = Rect { x: rest.x + width + 1, width: rest.width - width - 1, ..rest };
        let (plan, request) = if rest.width >= THREE {
            let width = right.width / 2;
            let request = Rect { x: right.x + width + 1, width: right.width - width - 1, ..right };
            (Rect { width, ..right }, request)
        } else {
            (right, none)
        };
        let under = below(form, 1);
        let lines = if under.height >= 12 { 3 } else { 1 };
        let (fields, help) = (above(under, lines), below(under, under.height.saturating_sub(lines)));
        Regions { rule: Rect { height: 1.min(form.height), ..form }, fields, help, plan, request, ..empty }
    }

    /// The lines of the summary.
    fn summary_height(&self, rest: Rect) -> u16 {
        let refused = self.error.as_ref().map(|error| failure(error, usize::from(rest.width), &Theme::plain()).len());
        let lines = u16::try_from(refused.unwrap_or_default()).unwrap_or(u16::MAX).saturating_add(1);
        lines.min(rest.height / 2).max(SUMMARY)
    }
}
