//! What a launch screen tells of a launch that is made again: what differs from then.

use ratatui::text::Line;

use super::Page;
use crate::kit::theme::Theme;
use wharf_core::{
    base::{clean, text},
    launch::{form::Form, ledger, ledger::LaunchRecord, plan::Plan},
    portal::launches::LaunchAgain,
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
}

impl Page {
    /// A launch screen for what was launched before, with its backend and its answers.
    pub fn again(again: LaunchAgain, backends: Vec<String>) -> Self {
        let LaunchAgain { record, image, tag } = again;
        let mut changes: Vec<String> = tag.into_iter().collect();
        let mut page = Self::new(image, backends);
        match page.backends.iter().position(|name| *name == record.plan.backend) {
            Some(at) => (page.backend, page.chosen) = (at, true),
            None => changes.push(format!("the backend {} is not here any more", record.plan.backend)),
        }
        if record.is_open() {
            let key = record.key();
            changes.push(format!(
                "nobody knows whether it made a workload: 'wharf launch --again {key}' finds or finishes it; this makes a new one"
            ));
        }
        page.answers = record.answers();
        page.again = Some(Again { record, changes, left_out: Vec::new(), differs: None });
        page
    }

    /// The launch that is made again: its key and when it was; `None` for another launch.
    pub(super) fn again_of(&self) -> Option<String> {
        let record = &self.again.as_ref()?.record;
        Some(format!("{} of {}", clean::line(record.key()), text::timestamp(record.began)))
    }

    /// What differs from the launch that is made again; nothing for another launch.
    pub(super) fn again_lines(&self, theme: &Theme) -> Vec<Line<'static>> {
        let Some(again) = &self.again else { return Vec::new() };
        let verdict = clean::line(&again.record.verdict);
        let mut lines = vec![Line::styled(format!("   on this verdict: {verdict}"), theme.style("text"))];
        let told = again.changes.iter().chain(&again.left_out);
        lines.extend(told.map(|words| Line::styled(format!(" ! {}", clean::line(words)), theme.style("caution"))));
        match again.differs.as_deref() {
            None => {}
            Some([]) => lines.push(Line::styled("   the plan is that of then", theme.style("text"))),
            Some(differs) => {
                lines.push(Line::styled("   what differs from then (- was, + is):", theme.style("text")));
                lines.extend(
                    differs.iter().map(|line| Line::styled(format!("   {}", clean::line(line)), theme.style("dim"))),
                );
            }
        }
        lines
    }
}
