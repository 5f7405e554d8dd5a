//! The filters that were used earlier, and the one of them that is in the field.

use crate::kept::filters;

/// Filters that were used earlier, the newest first.
#[derive(Debug, Default)]
pub(super) struct OlderFilters {
    all: Vec<String>,
    /// The number of the one in the field, and what was typed before; `None` while none was taken.
    at: Option<(usize, String)>,
}

impl OlderFilters {
    /// Where the one in the field stands, from 1, and how many there are; `None` while none was taken.
    pub(super) fn place(&self) -> Option<(usize, usize)> {
        self.at.as_ref().map(|(at, _)| (at + 1, self.all.len()))
    }

    /// Whether there are any.
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// What is typed now is no older filter any more, and `up` begins with the newest one again.
    pub(super) fn leave(&mut self) {
        self.at = None;
    }

    /// Takes those that were used before this start.
    pub(super) fn set(&mut self, all: Vec<String>) {
        self.all = all;
    }

    /// Puts a filter before all others; `false` if it is the newest one already.
    pub(super) fn add(&mut self, filter: &str) -> bool {
        let newest = self.all.first().is_some_and(|newest| newest == filter);
        if !newest {
            filters::add(&mut self.all, filter);
        }
        !newest
    }

    /// Takes the one before or after the one in the field, which holds `typed`. Before the newest one there is what was
    /// typed, and after the oldest one nothing. `None` if none was taken and there is none to take.
    pub(super) fn step(&mut self, older: bool, typed: &str) -> Option<String> {
        let (at, typed) = match self.at.take() {
            Some((at, typed)) => (Some(at), typed),
            None if older => (None, typed.to_owned()),
            None => return None,
        };
        // What was typed is no step from itself.
        let is_other = |at: &usize| self.all.get(*at).is_some_and(|filter| filter != typed.trim());
        let next = match (at, older) {
            (Some(at), true) => (at + 1..self.all.len()).find(is_other).or(Some(at)),
            (Some(at), false) => (0..at).rev().find(is_other),
            (None, _) => Some((0..self.all.len()).find(is_other)?),
        };
        let text = next.and_then(|at| self.all.get(at)).unwrap_or(&typed).clone();
        self.at = next.map(|at| (at, typed));
        Some(text)
    }
}
