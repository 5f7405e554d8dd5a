//! The output of a workload: its lines, which of them are shown, the scroll position, and the search.

mod finding;
mod fold;
mod plain;
mod search;
mod shown;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Range,
};

use self::{fold::folded, plain::plain, search::Search};
use crate::kit::{action::Action, input::Input};
use wharf_core::{
    base::clean,
    launch::{level::Level, logs},
};

/// The most lines that are kept.
const KEPT: usize = 20_000;
/// The length in bytes at which an unfinished line is broken.
const LONGEST: usize = 64 << 10;
/// If output ends within this many milliseconds, the backend probably cannot follow it.
pub const AT_ONCE: u64 = 3000;

/// A line of output, cleaned.
#[derive(Debug)]
struct Entry {
    text: String,
    level: Option<Level>,
}

/// The room on the screen for lines of output, in rows and columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// How many rows there are.
    pub height: usize,
    /// How many columns each has.
    pub width: usize,
}

/// A search that is being typed, and the scroll position before it.
#[derive(Debug)]
pub struct Typing {
    /// The text that was typed so far.
    pub input: Input,
    back: usize,
    held: bool,
}

/// The lines of a workload's output. Lines have numbers, which stay when older lines are dropped; a line's place is that
/// among the lines that pass the filters.
#[derive(Debug, Default)]
pub struct Output {
    lines: VecDeque<Entry>,
    rest: String,
    dropped: usize,
    /// The number of lines below the visible ones.
    back: usize,
    /// Whether the visible lines stay where they are while more are written below.
    held: bool,
    search: Option<Search>,
    /// Whether only lines that match the search are shown.
    only: bool,
    /// The numbers of the lines of at least the level; `None` where all lines pass.
    passing: Option<VecDeque<usize>>,
    least: Option<Level>,
    /// The line with an error that was gone to.
    error: Option<usize>,
    counts: BTreeMap<Level, usize>,
    /// The search that is being typed, if there is one.
    pub typing: Option<Typing>,
    /// Whether each line begins with its time.
    pub times: bool,
    /// Whether long lines go on in the next row.
    pub wrap: bool,
}

impl Output {
    /// Drops all lines; the searched text stays.
    pub fn again(&mut self) {
        self.dropped += self.lines.len();
        self.lines.clear();
        self.rest.clear();
        self.counts.clear();
        (self.back, self.held, self.error) = (0, false, None);
        if let Some(passing) = &mut self.passing {
            passing.clear();
        }
        if let Some(search) = &mut self.search {
            search.found.clear();
            search.at = None;
        }
    }

    /// Adds output, cleaned and without colours; `now` (seconds since 1970) decides how times are shown.
    pub fn append(&mut self, bytes: &[u8], now: i64) {
        self.rest.push_str(&String::from_utf8_lossy(bytes));
        while let Some(at) = self.rest.find('\n') {
            let line: String = self.rest.drain(..=at).collect();
            self.push(&line, now);
        }
        // A program that never ends its line must not fill the memory.
        if self.rest.len() > LONGEST {
            self.finish(now);
        }
    }

    /// Ends an unfinished line, because nothing follows.
    pub fn finish(&mut self, now: i64) {
        let line = std::mem::take(&mut self.rest);
        if !line.is_empty() {
            self.push(&line, now);
        }
    }

    fn push(&mut self, line: &str, now: i64) {
        let line = line.trim_end_matches(['\r', '\n']);
        let (time, rest) = match logs::split(line).filter(|_| self.times) {
            Some((time, rest)) => (format!("{} ", logs::clock(time, now)), plain(rest)),
            None => (String::new(), plain(line)),
        };
        let level = Level::of(&rest).or_else(|| {
            // An indented line continues what was said before it, like the places of a stack.
            let last = self.lines.back().filter(|_| rest.starts_with([' ', '\t']))?;
            last.level
        });
        let entry = Entry { text: clean::lines(&format!("{time}{rest}")), level };
        let number = self.dropped + self.lines.len();
        let passes = self.least.is_none_or(|least| level >= Some(least));
        if let Some(passing) = self.passing.as_mut().filter(|_| passes) {
            passing.push_back(number);
        }
        let matches = passes && self.search.as_ref().is_some_and(|search| search.is_in(&entry.text));
        if let Some(search) = self.search.as_mut().filter(|_| matches) {
            search.found.push_back(number);
        }
        if let Some(level) = level {
            *self.counts.entry(level).or_default() += 1;
        }
        self.lines.push_back(entry);
        if self.lines.len() > KEPT {
            self.drop_oldest();
        }
        let is_shown = if self.shows_only_matches() { matches } else { passes };
        if self.held && is_shown {
            self.back += 1;
        }
        self.back = self.back.min(self.count());
    }

    fn drop_oldest(&mut self) {
        let oldest = self.lines.pop_front();
        self.dropped += 1;
        if let Some(level) = oldest.and_then(|oldest| oldest.level) {
            let left = self.tells(level).saturating_sub(1);
            self.counts.insert(level, left);
        }
        let first = self.dropped;
        if let Some(passing) = &mut self.passing {
            passing.pop_front_if(|number| *number < first);
        }
        if let Some(search) = &mut self.search {
            search.drop_before(first);
        }
        self.error = self.error.filter(|number| *number >= first);
    }

    /// The number of lines that are kept, shown or not.
    pub fn total(&self) -> usize {
        self.lines.len()
    }

    /// The number of lines of a level that are kept.
    pub fn tells(&self, level: Level) -> usize {
        self.counts.get(&level).copied().unwrap_or(0)
    }

    /// The number of lines that pass the filters.
    pub fn count(&self) -> usize {
        self.numbers().map_or(self.lines.len(), VecDeque::len)
    }

    /// The number of shown lines below the visible ones.
    pub fn below(&self, room: Room) -> usize {
        self.count() - self.window(room).end
    }

    /// Whether new lines come into sight by themselves.
    pub fn follows(&self) -> bool {
        !self.held
    }

    /// Goes to the newest line and follows the output, or stays at the visible lines.
    pub fn toggle_follow(&mut self) {
        self.held = !self.held;
        if !self.held {
            self.back = 0;
        }
    }

    /// The shown lines as they are written to a file.
    pub fn text(&self) -> String {
        (0..self.count())
            .filter_map(|place| self.entry(place))
            .fold(String::new(), |text, (_, entry)| text + &entry.text + "\n")
    }

    /// The numbers of the shown lines; `None` where all are shown.
    fn numbers(&self) -> Option<&VecDeque<usize>> {
        match &self.search {
            Some(search) if self.only => Some(&search.found),
            _ => self.passing.as_ref(),
        }
    }

    /// The number of the line at a place.
    fn number(&self, place: usize) -> Option<usize> {
        match self.numbers() {
            Some(numbers) => numbers.get(place).copied(),
            None => (place < self.lines.len()).then_some(self.dropped + place),
        }
    }

    /// The place of a line, or of the next shown one where it is not shown.
    fn place(&self, number: usize) -> usize {
        match self.numbers() {
            Some(numbers) => numbers.partition_point(|shown| *shown < number),
            None => number.saturating_sub(self.dropped),
        }
    }

    /// The line at a place, with its number.
    fn entry(&self, place: usize) -> Option<(usize, &Entry)> {
        let number = self.number(place)?;
        Some((number, self.lines.get(number.checked_sub(self.dropped)?)?))
    }

    /// How many rows the line at a place takes.
    fn rows(&self, place: usize, room: Room) -> usize {
        let signs = if self.has_signs() { 2 } else { 0 };
        match self.entry(place) {
            Some((_, entry)) if self.wrap => folded(&entry.text, room.width.saturating_sub(signs)).len(),
            _ => 1,
        }
    }

    /// How many of these places fit into the rows, one after the other; at least one.
    fn fitting(&self, places: impl Iterator<Item = usize>, room: Room) -> usize {
        let (mut used, mut count) = (0, 0);
        for place in places {
            used += self.rows(place, room);
            if used > room.height && count > 0 {
                break;
            }
            count += 1;
        }
        count
    }

    /// Scrolls; `false` if the action does not scroll. Away from the newest line, the output is no longer followed.
    pub fn go(&mut self, action: Action, room: Room) -> bool {
        let count = self.count();
        let most = count - self.fitting(0..count, room);
        let page = self.window(room).len().saturating_sub(1).max(1);
        let back = match action {
            Action::Up => self.back + 1,
            Action::Down => self.back.saturating_sub(1),
            Action::PageUp => self.back + page,
            Action::PageDown => self.back.saturating_sub(page),
            Action::First => most,
            Action::Last => 0,
            _ => return false,
        };
        let back = back.min(most);
        let is_down = matches!(action, Action::Down | Action::PageDown | Action::Last);
        self.held = if is_down { back > 0 } else { self.held || back > 0 };
        self.back = back;
        true
    }

    /// The places of the visible lines.
    fn window(&self, room: Room) -> Range<usize> {
        let count = self.count();
        // The rows are filled from the first line on, also where one stayed at lines that did not fill them.
        let last = count.saturating_sub(self.back).max(self.fitting(0..count, room));
        last - self.fitting((0..last).rev(), room)..last
    }

    /// Shows only lines of at least a level; `None` shows all.
    pub fn set_least(&mut self, least: Option<Level>) {
        self.keeping_place(|output| {
            output.least = least;
            output.passing = least.map(|least| {
                let passes = output.lines.iter().zip(output.dropped..).filter(|(entry, _)| entry.level >= Some(least));
                passes.map(|(_, number)| number).collect()
            });
            if let Some(mut search) = output.search.take() {
                search.found = output.found(&search, None);
                search.at = search.at.filter(|at| search.found.contains(at));
                output.search = Some(search);
            }
        });
    }

    /// The least level that is shown.
    pub fn least(&self) -> Option<Level> {
        self.least
    }

    /// Shows only lines that match the search, or all again.
    pub fn toggle_only(&mut self) {
        self.keeping_place(|output| output.only = !output.only);
    }

    /// Whether only lines that match the search are shown.
    pub fn shows_only_matches(&self) -> bool {
        self.only && self.search.is_some()
    }

    /// Changes which lines are shown; the lowest visible line stays where it is, or the next one that is shown.
    fn keeping_place(&mut self, change: impl FnOnce(&mut Self)) {
        let lowest = self.count().checked_sub(self.back + 1).and_then(|place| self.number(place));
        change(self);
        let below = lowest.map_or(0, |number| self.count().saturating_sub(self.place(number) + 1));
        self.back = if self.held { below } else { 0 };
    }
}
