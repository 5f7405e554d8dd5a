//! What was found on this machine, and the other checks of `wharf doctor`.

use super::Page;
use crate::{kit::reading::Reading, model::Model};
use wharf_core::portal::doctor::{Finding, State};

impl Page {
    fn findings<'a>(&'a self, model: &'a Model) -> impl Iterator<Item = &'a Finding> {
        model.findings.iter().chain(&self.checks)
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

    /// How many of the checks are good: `6 of 8`; empty where there are none yet.
    pub(super) fn checks_facts(&self, model: &Model) -> String {
        let (mut good, mut all) = (0, 0);
        for finding in self.findings(model) {
            all += 1;
            good += usize::from(finding.state == State::Good);
        }
        if all == 0 { String::new() } else { format!("{good} of {all}") }
    }
}
