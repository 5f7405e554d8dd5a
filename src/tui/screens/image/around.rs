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
use wharf_core::{
    base::clean,
    image::{model::Image, reference::ImageRef},
    launch::plan::Workload,
};

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
        if let (true, Some(words)) = (runs.is_empty(), unanswered_words(model)) {
            runs.push(words);
        }
        let shares = self.shares.as_ref().and_then(|shares| shares.as_ref().ok());
        let shared =
            shares.iter().flat_map(|shares| shares.iter()).map(|share| clean::line(&share.called()).into_owned());
        Around {
            way_out: self.way_out().ok().map(|(mend, _)| {
                let words = format!("launches {}, which is allowed", clean::line(&mend.tag));
                (model.keymap.label("image", Action::LaunchAllowed), words)
            }),
            runs,
            shared: shared.collect(),
            also: own_source(&image.reference, model).map_or_else(Vec::new, |own| {
                let others = self.also_in.iter().filter(|source| **source != own);
                others.map(|source| clean::line(source).into_owned()).collect()
            }),
        }
    }
}

/// The source that an image is in; `None` for a file and what no source owns.
fn own_source(reference: &ImageRef, model: &Model) -> Option<String> {
    match reference {
        ImageRef::Oci(_) => model.source_of(reference).map(|source| source.name.clone()),
        ImageRef::Engine(name) => Some(name.host.clone()),
        ImageRef::Glance { cloud, .. } | ImageRef::Volume { cloud, .. } => Some(cloud.clone()),
        ImageRef::File { .. } | ImageRef::Other(_) => None,
    }
}

/// That what runs is not known, where backends have not answered.
pub(super) fn unanswered_words(model: &Model) -> Option<String> {
    let is_silent = |backend: &&String| !model.lists.has_answered(backend);
    let silent: Vec<&str> = model.backends.iter().filter(is_silent).map(String::as_str).collect();
    let answer = if silent.len() == 1 { "answers" } else { "answer" };
    (!silent.is_empty()).then(|| format!("unknown until {} {answer}", silent.join(" and ")))
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
