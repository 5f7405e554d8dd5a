//! Finding lines of the output: by a text, and those that tell of an error.

use std::collections::VecDeque;

use super::{
    Entry, Output, Room, Typing,
    search::{Search, next},
};
use crate::kit::input::Input;
use wharf_core::{base::text, launch::level::Level};

impl Output {
    /// The numbers of the lines that have the searched text; `among`: the lines found for a part of the text.
    pub(super) fn found(&self, search: &Search, among: Option<&VecDeque<usize>>) -> VecDeque<usize> {
        let has = |number: &usize| {
            let place = number.checked_sub(self.dropped);
            place.and_then(|place| self.lines.get(place)).is_some_and(|entry| search.is_in(&entry.text))
        };
        match among.or(self.passing.as_ref()) {
            Some(numbers) => numbers.iter().copied().filter(has).collect(),
            None => (self.dropped..self.dropped + self.lines.len()).filter(has).collect(),
        }
    }

    /// Starts typing a search, beginning with the text of the last one.
    pub fn begin(&mut self) {
        let words = self.search.as_ref().map_or_else(String::new, |search| search.words.clone());
        self.typing = Some(Typing { input: Input::new(words), back: self.back, held: self.held });
    }

    /// Searches for the typed text: upwards from the position where typing began, then downwards.
    pub fn typed(&mut self, room: Room) {
        let Some(typing) = &self.typing else { return };
        (self.back, self.held) = (typing.back, typing.held);
        let mut search = Search::new(typing.input.text.clone());
        let earlier = self.search.take();
        if search.words.is_empty() {
            return;
        }
        let among = earlier.as_ref().filter(|earlier| search.narrows(earlier)).map(|earlier| &earlier.found);
        search.found = self.found(&search, among);
        let end = self.window(room).end;
        let above = search.found.iter().rev().find(|number| self.place(**number) < end);
        search.at = above.or(search.found.front()).copied();
        let at = search.at;
        self.search = Some(search);
        self.show(at, room);
    }

    /// Ends typing; with `keep` the match stays selected, otherwise the search is dropped and the old position
    /// restored.
    pub fn end(&mut self, keep: bool) {
        let Some(typing) = self.typing.take() else { return };
        if !keep {
            (self.search, self.only) = (None, false);
            (self.back, self.held) = (typing.back.min(self.count()), typing.held);
        }
    }

    /// Drops the search and the selected error; `false` if there was neither.
    pub fn forget(&mut self) -> bool {
        let had = self.has_signs();
        self.keeping_place(|output| (output.search, output.only, output.error) = (None, false, None));
        had
    }

    /// Whether there is a search.
    pub fn searches(&self) -> bool {
        self.search.is_some()
    }

    /// The number of the selected line: of a match, or an error that was gone to.
    pub(super) fn selected(&self) -> Option<usize> {
        self.error.or_else(|| self.search.as_ref()?.at)
    }

    /// Whether lines have a sign before them.
    pub(super) fn has_signs(&self) -> bool {
        self.search.is_some() || self.error.is_some()
    }

    /// Selects the next or previous match; after the last one, the first.
    pub fn next(&mut self, forward: bool, room: Room) {
        self.error = None;
        let Some(search) = &mut self.search else { return };
        search.at = next(&search.found, search.at, forward);
        let at = search.at;
        self.show(at, room);
    }

    /// Selects the next line with an error: at first the newest one that is not below the visible lines, then the ones
    /// after it, and after the last one the first. `false` if no shown line has one.
    pub fn next_error(&mut self, room: Room) -> bool {
        let end = self.window(room).end;
        let is_error = |(_, entry): &(usize, &Entry)| entry.level == Some(Level::Error);
        let errors: VecDeque<usize> = (0..self.count())
            .filter_map(|place| self.entry(place))
            .filter(is_error)
            .map(|(number, _)| number)
            .collect();
        let before = errors.iter().rev().find(|number| self.place(**number) < end).copied();
        self.error = match self.error {
            Some(at) => next(&errors, Some(at), true),
            None => before.or(errors.front().copied()),
        };
        self.show(self.error, room);
        self.error.is_some()
    }

    /// Scrolls until a line is visible, but not in the bottom row, which may be covered.
    fn show(&mut self, number: Option<usize>, room: Room) {
        let Some(place) = number.map(|number| self.place(number)).filter(|place| *place < self.count()) else {
            return;
        };
        let shown = self.window(room);
        let covered = usize::from(shown.end < self.count());
        if shown.contains(&place) && place + covered < shown.end {
            return;
        }
        let half = Room { height: room.height / 2, ..room };
        let count = self.count();
        let last = (place + self.fitting(place + 1..count, half) + 1).max(self.fitting(0..count, room)).min(count);
        self.back = count - last;
        self.held = self.held || self.back > 0;
    }

    /// The searched text, and the number of lines that contain it, in words.
    pub fn search_words(&self) -> Option<(String, String)> {
        let typed = self.typing.as_ref().map(|typing| typing.input.text.clone());
        let words = typed.or_else(|| self.search.as_ref().map(|search| search.words.clone()))?;
        let count = match &self.search {
            None => String::new(),
            Some(search) if search.found.is_empty() => "no line has it".to_owned(),
            Some(search) => {
                let all = text::plural(search.found.len() as u64, "line", "lines");
                match search.at.and_then(|at| search.found.iter().position(|number| *number == at)) {
                    Some(place) => format!("{} of {all}", text::count(place as u64 + 1)),
                    None => all,
                }
            }
        };
        Some((words, count))
    }
}
