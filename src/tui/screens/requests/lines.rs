//! The lines of the list: requests, and in the queue a line above each group of them.

use super::{Page, grouped::key_of};
use crate::kit::{
    action::Action,
    list::{ListCursor, Scrollable},
};
use wharf_core::request::Request;

/// A line of the list, with the index of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ListLine {
    /// The line above a group, which begins with this request.
    Group(usize),
    /// The request itself.
    Request(usize),
}

impl ListLine {
    /// The request of this line; of the line above a group, the first of the group.
    pub(super) fn request(self) -> usize {
        match self {
            Self::Group(index) | Self::Request(index) => index,
        }
    }
}

/// Whether the same rule blocks both on the same base image.
pub(super) fn are_alike(one: &Request, other: &Request) -> bool {
    (one.rule(), one.base()) == (other.rule(), other.base())
}

/// The list and its lines, as the movement keys and clicks go through them.
pub(super) struct ListLines<'a>(pub &'a mut Page);

impl Page {
    /// Whether groups have lines of their own: not where each request is the only one of its group.
    pub(super) fn has_groups(&self) -> bool {
        let all = self.rows.all().unwrap_or_default();
        let several = self.groups.iter().any(|group| group.count > 1);
        self.decides() && (several || all.windows(2).any(|two| matches!(two, [one, other] if are_alike(one, other))))
    }

    /// All lines of the list, from top to bottom.
    pub(super) fn lines(&self) -> Vec<ListLine> {
        let all = self.rows.all().unwrap_or_default();
        if !self.has_groups() {
            return (0..all.len()).map(ListLine::Request).collect();
        }
        let mut lines = Vec::with_capacity(all.len());
        for (index, one) in all.iter().enumerate() {
            let before = index.checked_sub(1).and_then(|before| all.get(before));
            if before.is_none_or(|before| !are_alike(before, one)) {
                lines.push(ListLine::Group(index));
            }
            if !self.grouped.folded.contains(&key_of(one)) {
                lines.push(ListLine::Request(index));
            }
        }
        lines
    }

    /// The line of the selected request.
    pub(super) fn selected_line(&self, lines: &[ListLine]) -> Option<usize> {
        let selected = self.rows.selected_index()?;
        if let Some(group) = self.selected_group() {
            let all = self.rows.all().unwrap_or_default();
            let is_it = |index: &usize| all.get(*index).is_some_and(|one| are_alike(one, group));
            return lines.iter().position(|line| matches!(line, ListLine::Group(index) if is_it(index)));
        }
        lines.iter().position(|line| *line == ListLine::Request(selected))
    }

    /// The first visible of these lines on a screen of `height` lines. A group's first request shows with the line above
    /// it.
    pub(super) fn first_line(&self, lines: &[ListLine], height: usize) -> usize {
        let selected = self.selected_line(lines);
        let top = ListCursor { selected: selected.unwrap_or(self.top), top: self.top }.window(lines.len(), height);
        let above = top.checked_sub(1).filter(|_| selected == Some(top) && height > 1);
        above.filter(|above| matches!(lines.get(*above), Some(ListLine::Group(_)))).unwrap_or(top)
    }
}

impl Scrollable for ListLines<'_> {
    fn count(&self) -> usize {
        self.0.lines().len()
    }
    fn selected_index(&self) -> Option<usize> {
        self.0.selected_line(&self.0.lines())
    }
    fn top(&self) -> usize {
        self.0.top
    }
    fn go(&mut self, action: Action, page: usize) -> bool {
        self.0.go_along(action, page)
    }
    fn select_index(&mut self, place: usize) {
        if let Some(line) = self.0.lines().get(place) {
            self.0.select_line(*line);
        }
    }
    fn keep_visible(&mut self, height: Option<usize>) {
        self.0.rows.keep_visible(None);
        self.0.settle();
        if let Some(height) = height {
            self.0.top = self.0.first_line(&self.0.lines(), height);
        }
    }
    fn drawn(&mut self) {
        self.0.rows.drawn();
    }
}
