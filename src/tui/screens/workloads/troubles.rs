//! The workloads that need the person: what a warning is about, what ended badly, what is paused and holds memory.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr;

use super::{Page, columns::Used};
use crate::{
    kit::{
        action::Action,
        list::Scrollable,
        panel,
        theme::Theme,
        widgets::{below, fit, put, row},
    },
    model::Model,
};
use wharf_core::{
    base::text,
    launch::plan::{State, Workload},
    request::notice::Warning,
};

/// For how long what ended badly is told, in seconds after it was made.
const ENDED_LATELY: i64 = 7 * 86_400;
/// How old something that is paused must be to be told, in seconds: what was paused for a moment needs nobody.
const PAUSED_LONG: i64 = 86_400;
/// The most columns of a name.
const NAME: usize = 16;

/// A workload that needs the person.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// The index of its row.
    pub at: usize,
    /// The theme's role for its sign.
    role: &'static str,
    /// What is the matter with it.
    words: String,
    /// What the person can do once it is selected.
    way_out: Action,
}

impl Page {
    /// The workloads that need the person, those that run first.
    pub(super) fn troubles(&self, model: &Model) -> Vec<Trouble> {
        let all = self.rows.iter().enumerate();
        all.filter_map(|(at, workload)| {
            let (role, words, way_out) = self.trouble(workload, model)?;
            Some(Trouble { at, role, words, way_out })
        })
        .collect()
    }

    /// What is the matter with a workload: the role of its sign, words, and the key that helps.
    fn trouble(&self, workload: &Workload, model: &Model) -> Option<(&'static str, String, Action)> {
        let age = workload.created.map_or(0, |created| model.now.saturating_sub(created));
        let can = |action: Action| model.why_not(action, Some(workload)).is_none();
        let or_open = |action: Action| if can(action) { action } else { Action::Open };
        if workload.state.is_live() {
            if let Some(warning) = self.warnings.iter().find(|warning| is_about(warning, workload)) {
                return Some(("bad", warning_words(warning), Action::Inbox));
            }
        }
        match &workload.state {
            State::OutOfMemory if age < ENDED_LATELY => {
                Some(("bad", "was killed: its memory was used up".to_owned(), or_open(Action::Start)))
            }
            State::Failed(_) if age < ENDED_LATELY => Some(("bad", workload.state.label().1, Action::Open)),
            State::Exited(code) if !matches!(code, 0 | 137 | 143) && age < ENDED_LATELY => {
                Some(("bad", format!("ended with {}", workload.state.label().1), Action::Open))
            }
            State::Paused if age >= PAUSED_LONG => {
                let holds = match self.usage(workload) {
                    Used::Told(measured) => measured.usage.memory.map(text::size),
                    Used::Untold | Used::Unknown => None,
                };
                let holds = holds.map(|size| format!(" and holds {size}")).unwrap_or_default();
                Some(("caution", format!("is paused{holds}"), or_open(Action::Restart)))
            }
            State::Running => {
                let Used::Told(measured) = self.usage(workload) else { return None };
                let words = measured.full_words()?;
                Some(("caution", format!("its memory is {}", words.trim_start_matches("! ")), Action::Open))
            }
            _ => None,
        }
    }

    /// The index of the row of the next workload that needs the person, after the selected one; after the last the first.
    pub(super) fn next_trouble(&self, model: &Model) -> Option<usize> {
        let troubles = self.troubles(model);
        let now = self.rows.selected().and_then(|_| self.rows.selected_index());
        let next = troubles.iter().find(|one| now.is_none_or(|now| one.at > now));
        next.or(troubles.first()).map(|one| one.at)
    }

    /// The row of the line of a trouble at a place of the terminal.
    pub(super) fn clicked_trouble(&self, column: u16, line: u16, model: &Model) -> Option<usize> {
        let troubles = self.troubles(model);
        let lines = below(self.regions(model.body(), model.views.of("workloads"), troubles.len()).troubles, 1);
        let at = lines.contains((column, line).into()).then(|| usize::from(line - lines.y))?;
        troubles.get(at).map(|one| one.at)
    }

    /// Draws the troubles below a rule, which says the key that goes through them; each line ends with the key that helps
    /// once the workload is selected.
    pub(super) fn troubles_view(
        &self,
        frame: &mut Frame<'_>,
        area: Rect,
        troubles: &[Trouble],
        theme: &Theme,
        model: &Model,
    ) {
        if area.height == 0 {
            return;
        }
        let key = |action: Action| model.keymap.label("workloads", action);
        let lines = below(area, 1);
        let shown = usize::from(lines.height).min(troubles.len());
        let more = match troubles.len() - shown {
            0 => String::new(),
            more => format!("{more} more · "),
        };
        let facts = format!("{more}{} selects the next", key(Action::NextTrouble));
        panel::titled(frame, area, "Look at these", &facts, false, theme);
        let called = |one: &Trouble| self.rows.iter().nth(one.at).map(|workload| workload.name.as_str());
        let name = troubles.iter().filter_map(called).map(UnicodeWidthStr::width).max().unwrap_or(0).min(NAME);
        let selected = self.rows.selected().and_then(|_| self.rows.selected_index());
        for (number, one) in (0..lines.height).zip(troubles) {
            let way_out = format!("{} {}", key(one.way_out), way_out_words(one.way_out));
            let room = usize::from(lines.width).saturating_sub(name + way_out.width() + 7);
            let role = if selected == Some(one.at) { "title" } else { "text" };
            let line = Line::from(vec![
                Span::styled(" ! ", theme.style(one.role)),
                Span::styled(fit(called(one).unwrap_or_default(), name), theme.style(role)),
                Span::styled(format!("  {}", fit(&one.words, room)), theme.style("text")),
                Span::styled(format!("  {way_out}"), theme.style("key")),
            ]);
            put(frame, row(lines, number), line);
        }
    }
}

/// What a key does for a workload that needs the person.
fn way_out_words(action: Action) -> &'static str {
    match action {
        Action::Start => "starts it again",
        Action::Restart => "restarts it",
        Action::Inbox => "reads the warning",
        _ => "opens it",
    }
}

/// Whether a warning is about a workload: about the image that it was launched from, or about its place.
fn is_about(warning: &Warning, workload: &Workload) -> bool {
    let place = format!("{}/{}", workload.backend, workload.name);
    (!workload.digest.is_empty() && warning.digest == workload.digest) || warning.workloads.contains(&place)
}

/// The worst finding of a warning, and whether another version has it no more.
fn warning_words(warning: &Warning) -> String {
    let found = match warning.findings.first() {
        Some((id, package, _)) => format!("{id} in {package}"),
        None => "its image became vulnerable".to_owned(),
    };
    let fixed = if warning.fixed.is_some() { "another version has the fix" } else { "no version has a fix yet" };
    format!("{found}; {fixed}")
}
