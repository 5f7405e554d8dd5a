//! What a launch screen tells of a launch that is made again: what differs from then.

use ratatui::text::Line;

use crate::kit::theme::Theme;
use wharf_core::{
    base::{clean, text},
    launch::{form::Form, ledger, ledger::LaunchRecord, plan::Plan},
};

/// A launch that is made again.
#[derive(Debug)]
pub(super) struct Again {
    record: LaunchRecord,
    /// What has become of its tag and its backend since, in words.
    changes: Vec<String>,
    /// The answers of then that the backend does not take any more, in words.
    left_out: Vec<String>,
    /// What differs from the plan of then in the shown one; `None` while there is none.
    differs: Option<Vec<String>>,
}

impl Again {
    /// A launch that is made again, and what has changed since, in words.
    pub(super) fn new(record: LaunchRecord, mut changes: Vec<String>) -> Self {
        if record.is_open() {
            let key = record.key();
            changes.push(format!(
                "nobody knows whether it made a workload: 'wharf launch --again {key}' finds or finishes it; this makes a new one"
            ));
        }
        Self { record, changes, left_out: Vec::new(), differs: None }
    }

    /// Keeps which answers a new form does not take.
    pub(super) fn form_arrived(&mut self, form: &Form) {
        let answers = self.record.answers();
        let words = |(key, why): (String, String)| {
            format!("{key} was '{}': {why}; it is left out", clean::short(answers.get(&key), 60))
        };
        self.left_out = form.not_taken(&answers).into_iter().map(words).collect();
    }

    /// Compares a new plan with that of then.
    pub(super) fn plan_arrived(&mut self, plan: Option<&Plan>) {
        self.differs = plan.map(|plan| ledger::differences(&self.record.plan, plan));
    }

    /// The launch that is made again: its key and when it was.
    pub(super) fn of(&self) -> String {
        format!("{} of {}", clean::line(self.record.key()), text::timestamp(self.record.began))
    }

    /// What differs from the launch that is made again.
    pub(super) fn lines(&self, theme: &Theme) -> Vec<Line<'static>> {
        let verdict = clean::line(&self.record.verdict);
        let mut lines = vec![Line::styled(format!("   on this verdict: {verdict}"), theme.style("text"))];
        let told = self.changes.iter().chain(&self.left_out);
        lines.extend(told.map(|words| Line::styled(format!(" ! {}", clean::line(words)), theme.style("caution"))));
        match self.differs.as_deref() {
            None => {}
            Some([]) => lines.push(Line::styled("   the plan is that of then", theme.style("text"))),
            Some(differs) => {
                lines.push(Line::styled("   what differs from then (- was, + is):", theme.style("text")));
                let line = |line: &String| Line::styled(format!("   {}", clean::line(line)), theme.style("dim"));
                lines.extend(differs.iter().map(line));
            }
        }
        lines
    }
}
