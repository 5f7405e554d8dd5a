//! What is around an image: the version that may run in its place, what of mine runs it, and who else has it.

use ratatui::text::{Line, Span};

use super::Page;
use crate::{
    kit::{
        action::Action,
        fold::{fold, fold_all},
        list::Row,
        theme::Theme,
        widgets::{FACT, fact},
    },
    model::Model,
};
use wharf_core::{base::clean, image::model::Image, launch::plan::Workload};

/// The most workloads that are named.
const RUNNING: usize = 3;

/// What is around an image, in clean words.
#[derive(Debug, Default)]
pub(super) struct Around {
    /// The key that launches the version that is allowed, and what it does.
    way_out: Option<(String, String)>,
    /// The workloads that run it.
    runs: Vec<String>,
    /// The projects that it is shared with.
    shared: Vec<String>,
    /// The other sources that have the same digest.
    also: Vec<String>,
}

impl Page {
    /// What is around the image, as far as backends and lists have told.
    pub(super) fn around(&self, image: &Image, model: &Model) -> Around {
        let digest = image.pinned.as_ref().map(|pinned| pinned.digest.to_string()).unwrap_or_default();
        let run = model.lists.running(&digest, &image.reference.to_string());
        let named = |one: &&Workload| format!("● {} on {}", clean::line(&one.name), one.backend);
        let mut runs: Vec<String> = run.iter().take(RUNNING).map(named).collect();
        if run.len() > RUNNING {
            runs.push(format!("{} more", run.len() - RUNNING));
        }
        let shares = self.shares.as_ref().and_then(|shares| shares.as_ref().ok());
        let shared =
            shares.iter().flat_map(|shares| shares.iter()).map(|share| clean::line(&share.called()).into_owned());
        Around {
            way_out: self.way_out().map(|(mend, _)| {
                let words = format!("launches {}, which is allowed", clean::line(&mend.tag));
                (model.keymap.label("image", Action::LaunchAllowed), words)
            }),
            runs,
            shared: shared.collect(),
            also: self.also_in.iter().map(|source| clean::line(source).into_owned()).collect(),
        }
    }
}

impl Around {
    /// How the version that is allowed is launched, in lines of so many columns.
    pub(super) fn way_out_lines(&self, columns: usize, theme: &Theme) -> Vec<Line<'static>> {
        let Some((key, does)) = &self.way_out else { return Vec::new() };
        let line = Line::from(vec![
            Span::styled(format!("  → {key} "), theme.style("key")),
            Span::styled(does.clone(), theme.style("text")),
        ]);
        fold(line, columns, 4)
    }

    /// What of mine runs it, whom it is shared with, and where else it is, in lines of so many columns.
    pub(super) fn who_has_it(&self, columns: usize, theme: &Theme) -> Vec<Line<'static>> {
        let same = |words: String| if words.is_empty() { words } else { format!("{words} (same digest)") };
        let told = [
            ("Used by", self.runs.join(", ")),
            ("Shared with", self.shared.join(", ")),
            ("Also in", same(self.also.join(", "))),
        ];
        let lines = told.into_iter().filter(|(_, words)| !words.is_empty());
        fold_all(lines.map(|(label, words)| fact(label, words, theme)).collect(), columns, FACT)
    }
}
