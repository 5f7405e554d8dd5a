//! Looking for a text in lines of output.

use std::{borrow::Cow, collections::VecDeque, ops::Range};

/// The searched text, the numbers of the lines that contain it, and the selected one. Line numbers do not change when
/// older lines are dropped.
#[derive(Debug, Default)]
pub(super) struct Search {
    pub(super) words: String,
    /// The text as lines are compared with it.
    needle: String,
    /// Whether letters must have the same case.
    exact: bool,
    pub(super) found: VecDeque<usize>,
    pub(super) at: Option<usize>,
}

impl Search {
    /// A search for a text that has found nothing yet. Lower-case letters also match upper-case ones.
    pub(super) fn new(words: String) -> Self {
        let exact = words.chars().any(char::is_uppercase);
        let needle = if exact { words.clone() } else { fold(&words) };
        Self { words, needle, exact, ..Self::default() }
    }

    /// A line as the text is looked for in it; its bytes stand where they stood.
    fn comparable<'a>(&self, line: &'a str) -> Cow<'a, str> {
        if self.exact { line.into() } else { fold(line).into() }
    }

    /// Where a line contains the text, in bytes.
    pub(super) fn places(&self, line: &str) -> Vec<Range<usize>> {
        self.comparable(line).match_indices(&self.needle).map(|(at, found)| at..at + found.len()).collect()
    }

    /// Whether a line contains the text.
    pub(super) fn is_in(&self, line: &str) -> bool {
        self.comparable(line).contains(&self.needle)
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
