//! The output of a workload: its lines, the scroll position, and the search.

use std::{collections::VecDeque, ops::Range};

use ratatui::text::{Line, Span};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::kit::{action::Action, input::Input, theme::Theme, widgets::fit};
use wharf_core::{
    base::{clean, text},
    launch::logs,
};

/// The most lines that are kept.
const KEPT: usize = 20_000;
/// The length in bytes at which an unfinished line is broken.
const LONGEST: usize = 64 << 10;

/// The searched text, the numbers of the lines that contain it, and the selected one. Line numbers do not change when
/// older lines are dropped.
#[derive(Debug, Default)]
struct Search {
    words: String,
    found: VecDeque<usize>,
    at: Option<usize>,
}

/// A search that is being typed, and the scroll position before it.
#[derive(Debug)]
pub struct Typing {
    /// The text that was typed so far.
    pub input: Input,
    back: usize,
}

/// The lines of a workload's output, cleaned.
#[derive(Debug, Default)]
pub struct Output {
    lines: VecDeque<String>,
    rest: String,
    dropped: usize,
    /// The number of lines below the visible ones; 0 follows the output.
    back: usize,
    search: Option<Search>,
    /// The search that is being typed, if there is one.
    pub typing: Option<Typing>,
    /// Whether each line begins with its time.
    pub times: bool,
}

impl Output {
    /// Drops all lines; the searched text stays.
    pub fn again(&mut self) {
        self.dropped += self.lines.len();
        self.lines.clear();
        self.rest.clear();
        self.back = 0;
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
        let line = match logs::split(line).filter(|_| self.times) {
            Some((time, rest)) => format!("{} {}", logs::clock(time, now), plain(rest)),
            None => plain(line),
        };
        let line = clean::lines(&line);
        let number = self.dropped + self.lines.len();
        if let Some(search) = self.search.as_mut().filter(|search| !search.places(&line).is_empty()) {
            search.found.push_back(number);
        }
        self.lines.push_back(line);
        if self.lines.len() > KEPT {
            self.lines.pop_front();
            self.dropped += 1;
            if let Some(search) = &mut self.search {
                search.found.pop_front_if(|found| *found < self.dropped);
                search.at = search.at.filter(|at| *at >= self.dropped);
            }
        }
        if self.back > 0 {
            self.back = (self.back + 1).min(self.lines.len());
        }
    }

    /// The number of lines that are kept.
    pub fn count(&self) -> usize {
        self.lines.len()
    }

    /// The number of lines below the visible ones.
    pub fn below(&self) -> usize {
        self.back
    }

    /// Scrolls a view of `height` lines; `false` if the action does not scroll.
    pub fn go(&mut self, action: Action, height: usize) -> bool {
        let most = self.lines.len().saturating_sub(height);
        let page = height.saturating_sub(1).max(1);
        self.back = match action {
            Action::Up => self.back + 1,
            Action::Down => self.back.saturating_sub(1),
            Action::PageUp => self.back + page,
            Action::PageDown => self.back.saturating_sub(page),
            Action::First => most,
            Action::Last => 0,
            _ => return false,
        }
        .min(most);
        true
    }

    /// The range of lines that a view of `height` lines shows.
    fn window(&self, height: usize) -> Range<usize> {
        let last = self.lines.len().saturating_sub(self.back);
        last.saturating_sub(height)..last
    }

    /// Starts typing a search, beginning with the text of the last one.
    pub fn begin(&mut self) {
        let words = self.search.as_ref().map_or_else(String::new, |search| search.words.clone());
        self.typing = Some(Typing { input: Input::new(words), back: self.back });
    }

    /// Searches for the typed text: upwards from the position where typing began, then downwards.
    pub fn typed(&mut self, height: usize) {
        let Some(typing) = &self.typing else { return };
        self.back = typing.back;
        let mut search = Search { words: typing.input.text.clone(), ..Search::default() };
        if search.words.is_empty() {
            self.search = None;
            return;
        }
        let dropped = self.dropped;
        let fits = self.lines.iter().enumerate().filter(|(_, line)| !search.places(line).is_empty());
        search.found = fits.map(|(place, _)| dropped + place).collect();
        let end = dropped + self.window(height).end;
        let above = search.found.iter().rev().find(|number| **number < end);
        search.at = above.or(search.found.front()).copied();
        let at = search.at;
        self.search = Some(search);
        self.show(at, height);
    }

    /// Ends typing; with `keep` the match stays selected, otherwise the search is dropped and the old position
    /// restored.
    pub fn end(&mut self, keep: bool) {
        let Some(typing) = self.typing.take() else { return };
        if !keep {
            self.back = typing.back.min(self.lines.len());
            self.search = None;
        }
    }

    /// Drops the search; `false` if there was none.
    pub fn forget(&mut self) -> bool {
        self.search.take().is_some()
    }

    /// Whether there is a search.
    pub fn searches(&self) -> bool {
        self.search.is_some()
    }

    /// Selects the next or previous match; after the last one, the first.
    pub fn next(&mut self, forward: bool, height: usize) {
        let Some(search) = &mut self.search else { return };
        let found = &search.found;
        search.at = match (search.at, forward) {
            (Some(at), true) => found.iter().find(|number| **number > at).or(found.front()),
            (Some(at), false) => found.iter().rev().find(|number| **number < at).or(found.back()),
            (None, true) => found.front(),
            (None, false) => found.back(),
        }
        .copied();
        let at = search.at;
        self.show(at, height);
    }

    /// Scrolls until a line is visible, but not in the bottom row, which may be covered.
    fn show(&mut self, number: Option<usize>, height: usize) {
        let Some(place) = number.and_then(|number| number.checked_sub(self.dropped)) else { return };
        let shown = self.window(height);
        let covered = usize::from(self.back > 0);
        if shown.contains(&place) && place + covered < shown.end {
            return;
        }
        let last = (place + height / 2 + 1).max(height).min(self.lines.len());
        self.back = self.lines.len() - last;
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

    /// The visible lines, with matches highlighted: `▸` before the selected match, `·` before other matches.
    pub fn shown(&self, height: usize, width: usize, theme: &Theme) -> Vec<Line<'static>> {
        let plain = |line: &String| Line::styled(fit(line, width), theme.style("text"));
        let window = self.window(height);
        let lines = self.lines.iter().skip(window.start).take(window.len());
        let Some(search) = &self.search else { return lines.map(plain).collect() };
        let marked = |(place, line): (usize, &String)| {
            let places = search.places(line);
            let sign = match (places.is_empty(), search.at == Some(self.dropped + window.start + place)) {
                (true, _) => "  ",
                (false, true) => "▸ ",
                (false, false) => "· ",
            };
            let mut spans = vec![Span::styled(sign, theme.style("match"))];
            let pieces = pieces(line, &places, width.saturating_sub(2));
            let role = |found| theme.style(if found { "match" } else { "text" });
            spans.extend(pieces.into_iter().map(|(text, found)| Span::styled(text, role(found))));
            Line::from(spans)
        };
        lines.enumerate().map(marked).collect()
    }
}

impl Search {
    /// Where a line contains the text. Lower-case letters also match upper-case ones.
    fn places(&self, line: &str) -> Vec<Range<usize>> {
        let exact = self.words.chars().any(char::is_uppercase);
        let folded = if exact { line.to_owned() } else { fold(line) };
        let words = if exact { self.words.clone() } else { fold(&self.words) };
        folded.match_indices(&words).map(|(at, found)| at..at + found.len()).collect()
    }
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

/// A line cut to `width` columns, in pieces with `true` for a match; a long line is cut so that its first match is
/// visible.
fn pieces(line: &str, found: &[Range<usize>], width: usize) -> Vec<(String, bool)> {
    let before = |end: usize| line.get(..end).map_or(0, UnicodeWidthStr::width);
    let mut begin = 0;
    if let Some(first) = found.first().filter(|first| before(first.end) + 1 > width) {
        let wanted = before(first.start).saturating_sub(width / 4);
        begin = line.char_indices().map(|(at, _)| at).find(|at| before(*at) >= wanted).unwrap_or(0);
    }
    let mut pieces: Vec<(String, bool)> = Vec::new();
    let mut add = |c: char, is_found: bool| match pieces.last_mut() {
        Some((text, was_found)) if *was_found == is_found => text.push(c),
        _ => pieces.push((c.into(), is_found)),
    };
    let mut used = 0;
    if begin > 0 {
        add('…', false);
        used = 1;
    }
    for (at, c) in line.char_indices().filter(|(at, _)| *at >= begin) {
        let columns = c.width().unwrap_or(0);
        let more = usize::from(at + c.len_utf8() < line.len());
        if used + columns + more > width {
            add('…', false);
            break;
        }
        used += columns;
        add(c, found.iter().any(|range| range.contains(&at)));
    }
    pieces
}

/// Removes the escape sequences with which programs colour their output (ECMA-48, CSI and OSC).
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\u{1b}', Some('[')) => {
                while chars.next().is_some_and(|c| !('\u{40}'..='\u{7e}').contains(&c) || c == '[') {}
            }
            ('\u{1b}', Some(']')) => while chars.next().is_some_and(|c| c != '\u{7}' && c != '\u{1b}') {},
            ('\r', Some(_)) => out.clear(),
            (c, _) => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(lines: usize) -> Output {
        let mut output = Output::default();
        for number in 0..lines {
            output.append(format!("step {number}{}\n", if number % 10 == 3 { " Error" } else { "" }).as_bytes(), 0);
        }
        output
    }

    fn search_line(output: &mut Output, words: &str, height: usize) -> String {
        output.begin();
        output.typing.as_mut().unwrap().input = Input::new(words);
        output.typed(height);
        output.search_words().unwrap().1
    }

    #[test]
    fn colours_titles_and_overwritten_progress_are_left_out() {
        assert_eq!(plain("\u{1b}[31mred\u{1b}[0m"), "red");
        assert_eq!(plain("\u{1b}]0;title\u{7}text"), "text");
        assert_eq!(plain("10 %\r20 %"), "20 %");
    }

    #[test]
    fn a_search_begins_at_the_newest_and_goes_round() {
        let mut output = output(100);
        assert_eq!(search_line(&mut output, "error", 10), "10 of 10 lines");
        assert!(output.window(10).contains(&93), "it is in sight");
        output.next(false, 10);
        assert!(output.window(9).contains(&83) && output.search_words().unwrap().1 == "9 of 10 lines");
        output.next(true, 10);
        output.next(true, 10);
        assert!(output.window(10).contains(&3), "from the last to the first: {:?}", output.window(10));
        // New lines are searched too, and the selected match stays selected.
        output.append(b"one more ERROR\n", 0);
        assert_eq!(output.search_words().unwrap().1, "1 of 11 lines");
        assert_eq!(search_line(&mut output, "ERROR", 10), "1 of 1 line", "large letters mean large ones");
        assert_eq!(search_line(&mut output, "nothing", 10), "no line has it");
        output.end(false);
        assert!(!output.searches() && !output.forget());
    }

    #[test]
    fn leaving_a_search_leads_back_to_where_one_was() {
        let mut output = output(100);
        output.go(Action::Up, 10);
        search_line(&mut output, "step 7", 10);
        assert!(output.below() > 1);
        output.end(false);
        assert_eq!(output.below(), 1);
    }

    #[test]
    fn what_was_dropped_is_not_found() {
        let mut output = output(KEPT);
        let _ = search_line(&mut output, "error", 10);
        for _ in 0..14 {
            output.append(b"more\n", 0);
        }
        assert_eq!(output.search_words().unwrap().1, "1,998 of 1,998 lines");
        for _ in 0..KEPT {
            output.append(b"more\n", 0);
        }
        assert_eq!(output.search_words().unwrap().1, "no line has it");
    }

    #[test]
    fn scrolling_ends_where_the_output_does() {
        let mut output = output(30);
        output.go(Action::First, 10);
        assert_eq!(output.window(10), 0..10);
        output.go(Action::PageDown, 10);
        output.go(Action::Up, 10);
        assert_eq!(output.window(10), 8..18);
        output.go(Action::Last, 10);
        assert_eq!(output.window(10), 20..30);
        let mut short = self::output(3);
        short.go(Action::Up, 10);
        assert_eq!(short.window(10), 0..3);
    }

    #[test]
    fn a_match_far_to_the_right_is_brought_into_sight() {
        let line = format!("{}needle and more{}", "x".repeat(100), "y".repeat(100));
        let shown = pieces(&line, std::slice::from_ref(&(100..106)), 40);
        let text: String = shown.iter().map(|(text, _)| text.as_str()).collect();
        assert!(text.width() <= 40 && text.starts_with('…') && text.ends_with('…'), "{text}");
        assert_eq!(shown.iter().find(|(_, found)| *found).unwrap().0, "needle");
        assert_eq!(
            pieces("a needle", std::slice::from_ref(&(2..8)), 40),
            [("a ".to_owned(), false), ("needle".to_owned(), true)]
        );
        assert_eq!(pieces("日本語", &[], 4), [("日…".to_owned(), false)]);
    }

    #[test]
    fn times_are_short_and_only_where_they_were_asked_for() {
        let mut output = Output { times: true, ..Output::default() };
        let now = 1_764_000_000;
        output.append(b"2025-11-24T16:00:00.5Z \x1b[31mred\x1b[0m\nno time\n", now);
        assert_eq!(output.lines, ["16:00:00 red", "no time"]);
        let mut output = Output::default();
        output.append(b"2025-11-24T16:00:00.5Z text\n", now);
        assert_eq!(output.lines, ["2025-11-24T16:00:00.5Z text"]);
    }

    #[test]
    fn small_letters_are_found_as_large_ones_without_losing_their_place() {
        let search = Search { words: "größe".into(), ..Search::default() };
        assert_eq!(search.places("İ GRÖßE").first(), Some(&(3..10)));
    }
}
