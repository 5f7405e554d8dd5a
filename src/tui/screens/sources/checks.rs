//! What was found on this machine, and the other checks of `wharf doctor`.

use super::Page;
use crate::{kit::reading::Reading, model::Model};
use wharf_core::portal::doctor::{Finding, State};

impl Page {
    /// All findings, those that are not good first.
    fn findings<'a>(&'a self, model: &'a Model) -> Vec<&'a Finding> {
        let mut all: Vec<&Finding> = model.findings.iter().chain(&self.checks).collect();
        all.sort_by_key(|finding| match finding.state {
            State::Bad => 0,
            State::Caution => 1,
            State::Good => 2,
        });
        all
    }

    /// The checks as a text, for a pane of so many columns. Never cut off: no other screen shows it.
    pub(super) fn checks_text(&self, width: u16, model: &Model) -> Reading {
        let mut told = Reading::new(width);
        for finding in self.findings(model) {
            told.signed(finding.state.sign(), finding.state.role(), &format!("{}: {}", finding.what, finding.found));
            if !finding.advice.is_empty() {
                told.say(&format!("  → {}", finding.advice), "dim");
            }
        }
        told
    }

    /// How many of the checks are good: `6 of 8 good`; empty where there are none yet.
    pub(super) fn checks_facts(&self, model: &Model) -> String {
        let all = self.findings(model);
        let good = all.iter().filter(|finding| finding.state == State::Good).count();
        if all.is_empty() { String::new() } else { format!("{good} of {} good", all.len()) }
    }
}
