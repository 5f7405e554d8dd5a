//! The screens as plain lines, for screen readers and for terminals that can only print: nothing is drawn over. What has
//! changed since the last frame is printed below what was printed before, a line for each thing.

use std::{
    collections::BTreeSet,
    io::{self, Write},
};

use ratatui::{
    backend::{Backend, ClearType, CrosstermBackend, WindowSize},
    buffer::{Buffer, Cell},
    layout::{Position, Rect, Size},
    style::Modifier,
};

use super::glyphs::Glyphs;

/// The columns of a screen: with more, panes would stand beside each other on one line. Longer lines wrap in the terminal.
const COLUMNS: u16 = 80;
/// Least and most lines of a screen, whatever the terminal's size: what is printed scrolls.
const LINES: (u16, u16) = (24, 50);

/// The columns and lines of the screens on a terminal of so many lines.
pub fn size_on(lines: u16) -> (u16, u16) {
    (COLUMNS, lines.clamp(LINES.0, LINES.1))
}

/// A line of a drawn screen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct PlainLine {
    text: String,
    /// Whether it is the selected one.
    selected: bool,
}

/// What has led to a frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Cause {
    /// The person: whatever has changed is what they asked for.
    Person,
    /// Something arrived, or time has passed.
    #[default]
    Itself,
}

impl PlainLine {
    /// Whether a line is about the same thing: its first cell, often a name with a number, is the same.
    fn is_same(&self, other: &Self, cause: Cause) -> bool {
        let first = |line: &Self| line.text.split("  ").next().map(str::to_owned);
        first(self) == first(other) && self.lasting(cause) == other.lasting(cause)
    }

    /// The line without what changes by itself, such as an age or a use of memory; after a key, all of it.
    fn lasting(&self, cause: Cause) -> String {
        self.text.chars().filter(|c| cause == Cause::Person || !c.is_ascii_digit()).collect()
    }
}

/// A terminal that may be told why a frame is drawn.
pub trait Listener: Backend {
    /// The next frame answers a key or the mouse.
    fn answers(&mut self) {}
}

impl<W: Write> Listener for CrosstermBackend<W> {}

impl<W: Write> Listener for LineBackend<W> {
    fn answers(&mut self) {
        self.cause = Cause::Person;
    }
}

/// A terminal to which only lines are printed.
pub struct LineBackend<W: Write> {
    out: W,
    glyphs: Glyphs,
    size: fn() -> io::Result<(u16, u16)>,
    drawn: Buffer,
    said: Vec<PlainLine>,
    cause: Cause,
    cursor: Position,
}

impl<W: Write> LineBackend<W> {
    /// Prints to `out` with these characters; `size` tells the columns and lines of the terminal.
    pub fn new(out: W, glyphs: Glyphs, size: fn() -> io::Result<(u16, u16)>) -> Self {
        let (drawn, said, cause) = (Buffer::empty(Rect::ZERO), Vec::new(), Cause::Itself);
        Self { out, glyphs, size, drawn, said, cause, cursor: Position::ORIGIN }
    }

    /// The lines of the drawn frame that say something.
    fn lines(&self) -> Vec<PlainLine> {
        let area = self.drawn.area;
        (area.top()..area.bottom())
            .map(|y| {
                let cells: Vec<&Cell> = (area.left()..area.right()).filter_map(|x| self.drawn.cell((x, y))).collect();
                // The first line is the bar of screens, where the shown screen stands in brackets.
                let selected = y > 0 && cells.iter().any(|cell| cell.modifier.contains(Modifier::REVERSED));
                PlainLine { text: words(cells.iter().map(|cell| cell.symbol())), selected }
            })
            .filter(|line| !line.text.is_empty())
            .collect()
    }

    /// Prints what is new in the frame.
    fn say(&mut self) -> io::Result<()> {
        let lines = self.lines();
        for line in news(&self.said, &lines, std::mem::take(&mut self.cause)) {
            let sign = if line.selected { "> " } else { "" };
            write!(self.out, "{sign}{}\r\n", self.glyphs.of_text(&line.text))?;
        }
        self.said = lines;
        self.out.flush()
    }
}

/// The text of a line without what is only drawn: rules, bars, frames and charts; gaps between cells are two blanks.
fn words<'a>(symbols: impl Iterator<Item = &'a str>) -> String {
    let is_drawing = |symbol: &str| symbol.chars().all(|c| ('\u{2500}'..='\u{259f}').contains(&c) || is_drawn(c));
    let text: String = symbols.map(|symbol| if is_drawing(symbol) { " " } else { symbol }).collect();
    let parts = text.split("  ").map(str::trim).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("  ")
}

/// Whether this sign turns while something is waited for, or is a part of a gauge or a dot of a chart.
fn is_drawn(c: char) -> bool {
    matches!(c, '▰' | '▱' | '◐' | '◓' | '◑' | '◒' | '\u{2800}'..='\u{28ff}')
}

/// What is printed of a frame: all of it where most is new, else the lines that are new and the newly selected one. A line
/// in which only numbers have changed by themselves is not new.
fn news<'a>(said: &[PlainLine], lines: &'a [PlainLine], cause: Cause) -> Vec<&'a PlainLine> {
    let before: BTreeSet<String> = said.iter().map(|line| line.lasting(cause)).collect();
    let chosen = said.iter().find(|line| line.selected);
    let is_new = |line: &&PlainLine| {
        !before.contains(&line.lasting(cause))
            || (line.selected && chosen.is_none_or(|chosen| !chosen.is_same(line, cause)))
    };
    let new: Vec<&PlainLine> = lines.iter().filter(is_new).collect();
    if new.len() * 2 > lines.len() { lines.iter().collect() } else { new }
}

impl<W: Write> Backend for LineBackend<W> {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let size = self.size()?;
        let area = Rect::from((Position::ORIGIN, size));
        if self.drawn.area != area {
            self.drawn.resize(area);
        }
        for (x, y, cell) in content {
            if let Some(place) = self.drawn.cell_mut((x, y)) {
                *place = cell.clone();
            }
        }
        Ok(())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(self.cursor)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.cursor = position.into();
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.drawn.reset();
        Ok(())
    }

    fn clear_region(&mut self, _region: ClearType) -> io::Result<()> {
        self.clear()
    }

    fn size(&self) -> io::Result<Size> {
        let (_, lines) = (self.size)()?;
        Ok(Size::from(size_on(lines)))
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize { columns_rows: self.size()?, pixels: Size::ZERO })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.say()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> PlainLine {
        PlainLine { text: text.into(), selected: false }
    }

    fn chosen(text: &str) -> PlainLine {
        PlainLine { text: text.into(), selected: true }
    }

    #[test]
    fn what_is_only_drawn_is_left_out_of_a_line() {
        let said = |text: &str| {
            let symbols: Vec<String> = text.chars().map(String::from).collect();
            words(symbols.iter().map(String::as_str))
        };
        assert_eq!(said("── Scan ──────── 16 findings ──"), "Scan  16 findings");
        assert_eq!(said("▌ physics/gromacs   2024.2 +4  │ 1.2 GiB ██▎"), "physics/gromacs  2024.2 +4  1.2 GiB");
        assert_eq!(said("╰──────╯"), "");
    }

    #[test]
    fn a_move_of_the_selection_says_the_selected_line_alone() {
        let before = [line("Images"), chosen("job-1"), line("job-2"), line("keys")];
        let after = [line("Images"), line("job-1"), chosen("job-2"), line("keys")];
        assert_eq!(news(&before, &after, Cause::Person), [&after[2]]);
        assert!(news(&after, &after, Cause::Person).is_empty());
    }

    #[test]
    fn another_screen_is_said_whole_and_numbers_that_change_by_themselves_are_not_said() {
        let images = [line("Images"), chosen("gromacs"), line("3 min old")];
        assert!(news(&images, &[line("Images"), chosen("gromacs"), line("4 min old")], Cause::Itself).is_empty());
        assert!(news(&[line("a"), chosen("look  5 s")], &[line("a"), chosen("look  6 s")], Cause::Itself).is_empty());
        let workloads = [line("Workloads"), line("Nothing runs."), line("3 min old")];
        assert_eq!(news(&images, &workloads, Cause::Itself).len(), 3, "most of it is new");
    }

    #[test]
    fn after_a_key_a_change_of_numbers_alone_is_said() {
        let before = [line("Launch"), chosen("  processors  ‹2›"), line("memory  2 GiB"), line("keys")];
        let after = [line("Launch"), chosen("  processors  ‹3›"), line("memory  2 GiB"), line("keys")];
        assert_eq!(news(&before, &after, Cause::Person), [&after[1]]);
        assert!(news(&before, &after, Cause::Itself).is_empty());
    }
}
