//! The groups of the queue as lines of their own: selecting, folding, and what is selected when requests go.

use super::{
    Page,
    grouped::key_of,
    lines::{ListLine, are_alike},
};
use crate::kit::{
    action::Action,
    list::{ListCursor, Scrollable},
};
use wharf_core::request::Request;

impl Page {
    /// Whether the requests of this one's group are not shown.
    pub(super) fn is_folded(&self, one: &Request) -> bool {
        self.has_groups() && self.grouped.folded.contains(&key_of(one))
    }

    /// The first request of the group whose line is selected; `None` if a request is selected.
    pub(super) fn selected_group(&self) -> Option<&Request> {
        let on = self.grouped.on.as_ref()?;
        self.rows.selected().filter(|one| self.has_groups() && key_of(one) == *on)
    }

    /// The requests of a group that were read.
    pub(super) fn members<'a>(&'a self, of: &'a Request) -> impl Iterator<Item = &'a Request> {
        self.rows.iter().filter(move |one| are_alike(one, of))
    }

    /// Folds the selected group, or unfolds it.
    pub(super) fn fold(&mut self) {
        let Some(key) = self.grouped.on.clone() else { return };
        if !self.grouped.folded.remove(&key) {
            self.grouped.folded.insert(key);
        }
    }

    /// Selects what a line of the list shows.
    pub(super) fn select_line(&mut self, line: ListLine) {
        self.rows.select_index(line.request());
        let group = matches!(line, ListLine::Group(_));
        self.grouped.on = self.rows.selected().filter(|_| group).map(key_of);
    }

    /// Moves the selection along the lines; `false` if the action is no movement.
    pub(super) fn go_along(&mut self, action: Action, page: usize) -> bool {
        let lines = self.lines();
        let Some(here) = self.selected_line(&lines) else {
            self.grouped.on = None;
            return self.rows.go(action, page);
        };
        let mut to = ListCursor { selected: here, top: 0 };
        if !to.go(action, lines.len(), page) {
            return false;
        }
        if let Some(line) = lines.get(to.selected) {
            self.select_line(*line);
        }
        true
    }

    /// Keeps a line selected that is shown: the line of a folded group in place of its requests, and that of a group whose
    /// first request was decided.
    pub(super) fn settle(&mut self) {
        if let Some(on) = self.grouped.on.clone() {
            if self.selected_group().is_some() {
                return;
            }
            self.grouped.on = None;
            if !self.has_groups() {
                // A request is selected now where a group was: nobody has chosen it yet.
                self.rows.unseen();
                return;
            }
            if let Some(first) = self.rows.iter().position(|one| key_of(one) == on) {
                self.rows.select_index(first);
                self.grouped.on = Some(on);
                return;
            }
        }
        let folded = self.rows.selected().filter(|one| self.is_folded(one)).map(key_of);
        if let Some(key) = folded {
            let first = self.rows.iter().position(|one| key_of(one) == key);
            self.rows.select_index(first.unwrap_or_default());
            self.grouped.on = Some(key);
        }
    }
}
