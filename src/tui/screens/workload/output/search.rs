//! Looking for a text in lines of output.

use std::{collections::VecDeque, ops::Range};

/// The searched text, the numbers of the lines that contain it, and the selected one. Line numbers do not change when
/// older lines are dropped.
#[derive(Debug, Default)]
pub(super) struct Search {
    pub(super) words: String,
    pub(super) found: VecDeque<usize>,
    pub(super) at: Option<usize>,
}

impl Search {
    /// Where a line contains the text, in bytes. Lower-case letters also match upper-case ones.
    pub(super) fn places(&self, line: &str) -> Vec<Range<usize>> {
        let exact = self.words.chars().any(char::is_uppercase);
        let folded = if exact { line.to_owned() } else { fold(line) };
        let words = if exact { self.words.clone() } else { fold(&self.words) };
        folded.match_indices(&words).map(|(at, found)| at..at + found.len()).collect()
    }

    /// Whether a line contains the text.
    pub(super) fn is_in(&self, line: &str) -> bool {
        !self.places(line).is_empty()
    }

    /// Whether every line that has this text also has the text of an earlier search, so that only the lines found then
    /// need to be read.
    pub(super) fn narrows(&self, earlier: &Self) -> bool {
        !earlier.words.is_empty() && self.words.starts_with(&earlier.words)
    }

    /// Forgets what was found in lines before this number.
    pub(super) fn drop_before(&mut self, first: usize) {
        self.found.pop_front_if(|found| *found < first);
        self.at = self.at.filter(|at| *at >= first);
    }
}

/// The number after the selected one, or before it; after the last one the first. Without a selected one, the first in
/// that direction.
pub(super) fn next(found: &VecDeque<usize>, at: Option<usize>, forward: bool) -> Option<usize> {
    match (at, forward) {
        (Some(at), true) => found.iter().find(|number| **number > at).or(found.front()),
        (Some(at), false) => found.iter().rev().find(|number| **number < at).or(found.back()),
        (None, true) => found.front(),
        (None, false) => found.back(),
    }
    .copied()
}

/// In lower case, except letters whose length would change.
fn fold(text: &str) -> String {
    let small = |c: char| {
        let mut small = c.to_lowercase();
        match (small.next(), small.next()) {
            (Some(one), None) if one.len_utf8() == c.len_utf8() => one,
            _ => c,
        }
    };
    text.chars().map(small).collect()
}
