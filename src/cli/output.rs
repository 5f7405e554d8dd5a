//! Printing: tables, JSON, errors.

use std::io::{IsTerminal, Write};

use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use super::times;
use wharf_core::base::{
    clean,
    error::{During, Error, Kind, Result},
    quote::MARK,
    text,
};

/// Prints a value as indented JSON; times in it become RFC 3339 dates.
pub(crate) fn json(value: &impl Serialize) -> Result<()> {
    json_as_sent(&times::dated(serde_json::to_value(value).during("write JSON")?))
}

/// Prints a value as JSON on one line, for output of many objects (JSON Lines).
pub(crate) fn json_line(value: &impl Serialize) -> Result<()> {
    let value = times::dated(serde_json::to_value(value).during("write JSON")?);
    print(&clean::json(&value.to_string()))
}

/// Prints a value as JSON exactly as it is sent to a backend, without turning its times into dates.
pub(crate) fn json_as_sent(value: &impl Serialize) -> Result<()> {
    let mut page = Page::default();
    page.json_as_sent(value)?;
    page.print()
}

/// Text that is printed at once, so that a reader that closes early (`| head`) cannot cut it between lines.
#[derive(Default)]
pub(crate) struct Page(Vec<String>);

impl Page {
    /// Adds a line of text, cleaned and folded at the terminal's width.
    pub(crate) fn line(&mut self, text: &str) {
        self.0.push(folded(&clean::line(text)));
    }

    /// Adds a step of a plan with its number, and below it what is written or sent.
    pub(crate) fn step(&mut self, number: usize, step: &wharf_core::launch::plan::Step) {
        self.line(&format!("{number}. {}", step.describe()));
        self.0.extend(step.content());
    }

    /// Adds a value as JSON exactly as it is sent to a backend.
    pub(crate) fn json_as_sent(&mut self, value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string_pretty(value).during("write JSON")?;
        self.0.push(clean::json(&text).into_owned());
        Ok(())
    }

    /// Prints all that was added, in one write.
    pub(crate) fn print(&self) -> Result<()> {
        put(format!("{}\n", self.0.join("\n")).as_bytes())
    }
}

/// Prints a text as one line: line breaks in it are cleaned away.
pub(crate) fn line(text: &str) -> Result<()> {
    print(&folded(&clean::line(text)))
}

/// Prints a text of several lines, which [`quote::Text`](wharf_core::base::quote::Text) has made.
pub(crate) fn text(text: &str) -> Result<()> {
    text.lines().try_for_each(line)
}

/// A line that is longer than the terminal, broken at spaces. Its further lines are indented, and marked if they are
/// quoted: only Wharf's own lines may begin in the first column.
fn folded(text: &str) -> String {
    // Only a terminal is asked for its width: without one, crossterm starts a program for every line to find it out.
    if !std::io::stdout().is_terminal() {
        return text.to_owned();
    }
    crossterm::terminal::size().map_or_else(|_| text.to_owned(), |(columns, _)| fold(text, usize::from(columns)))
}

fn fold(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let begin = text.len() - text.trim_start().len();
    let (indent, rest) = text.split_at(begin);
    let mark = if rest.starts_with(MARK) { MARK } else { "" };
    let next = format!("{indent}{}", if mark.is_empty() { "    " } else { mark });
    let words = rest.strip_prefix(mark).unwrap_or(rest);
    let parts = text::wrap_words(words, columns.saturating_sub(next.width()).max(20));
    format!("{indent}{mark}{}", parts.join(&format!("\n{next}")))
}

/// Prints a text unchanged: JSON on one line, a QR code, a record whose bytes must stay the same.
pub(crate) fn exact(text: &str) -> Result<()> {
    print(text)
}

/// Prints a script: unchanged into a file or a pipe. On a terminal its control characters are escaped, so that it cannot
/// tell the terminal anything.
pub(crate) fn script(text: &str) -> Result<()> {
    if std::io::stdout().is_terminal() { put(clean::json(text).as_bytes()) } else { put(text.as_bytes()) }
}

/// Prints a text that has been cleaned.
fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    written(writeln!(out, "{text}"))
}

/// A reader that closes early (`| head`) ends the program quietly with code 141, as SIGPIPE would.
fn written(result: std::io::Result<()>) -> Result<()> {
    match result {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(141),
        other => other.during("write to standard output"),
    }
}

/// Prints to standard error. If that cannot be written, there is nowhere to say so.
pub(crate) fn beside(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Prints a table whose columns are as wide as their widest cell; the cells are cleaned.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> Result<()> {
    let columns = head.len();
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| clean::line(cell).into_owned()).collect()).collect();
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.width()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    let print_row = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for (column, cell) in cells.enumerate() {
            text.push_str(cell);
            if column + 1 < columns {
                let pad = widths.get(column).copied().unwrap_or(0).saturating_sub(cell.width()) + 2;
                text.extend(std::iter::repeat_n(' ', pad));
            }
        }
        line(text.trim_end())
    };
    print_row(&mut head.iter().copied())?;
    rows.iter().try_for_each(|row| print_row(&mut row.iter().map(String::as_str)))
}

/// Prints a table in the terminal's width: columns are left out until the others fit, the highest number first; those
/// with 0 always stay. What is printed into a file or a pipe has all columns.
pub(crate) fn fitting_table(columns: &[(&str, u8)], rows: &[Vec<String>]) -> Result<()> {
    let width = std::io::stdout().is_terminal().then(|| crossterm::terminal::size().ok()).flatten();
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(at, (head, _))| {
            let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| clean::line(cell).width());
            cells.chain([head.width()]).max().unwrap_or(0)
        })
        .collect();
    let order: Vec<u8> = columns.iter().map(|(_, number)| *number).collect();
    let shown = width
        .map_or_else(|| (0..columns.len()).collect(), |(width, _)| columns_within(&widths, &order, usize::from(width)));
    let head: Vec<&str> = shown.iter().filter_map(|at| columns.get(*at)).map(|(head, _)| *head).collect();
    let cells = |row: &Vec<String>| shown.iter().filter_map(|at| row.get(*at).cloned()).collect();
    table(&head, &rows.iter().map(cells).collect::<Vec<_>>())
}

/// The positions of the columns that fit into `room`, with two columns between them.
fn columns_within(widths: &[usize], order: &[u8], room: usize) -> Vec<usize> {
    let mut shown: Vec<usize> = (0..widths.len()).collect();
    let total = |shown: &[usize]| shown.iter().map(|at| widths[*at] + 2).sum::<usize>().saturating_sub(2);
    while total(&shown) > room {
        let goes = shown.iter().enumerate().max_by_key(|(_, at)| order[**at]);
        match goes.filter(|(_, at)| order[**at] > 0) {
            Some((position, _)) => _ = shown.remove(position),
            None => break,
        }
    }
    shown
}

/// Prints an error to standard error, as one JSON object with `--json`.
pub fn report(error: &Error, json: bool) {
    if json {
        let object = serde_json::json!({"error": object(error)});
        beside(&format!("{}\n", clean::json(&object.to_string())));
    } else {
        beside(&format!("wharf: {}\n", clean::line(&error.to_string())));
    }
}

/// An error as a JSON object: kind, what, why, hint.
fn object(error: &Error) -> serde_json::Value {
    serde_json::json!({"kind": error.kind.name(), "what": error.what, "why": error.why, "hint": error.hint})
}

/// The results for several projects or images: each is printed when it is there, or all as JSON at the end.
pub(crate) struct Results {
    json: bool,
    /// The JSON key under which each result has its name.
    key: &'static str,
    all: Vec<serde_json::Value>,
    first: Option<Kind>,
}

impl Results {
    /// No results yet; their names are projects.
    pub(crate) fn new(json: bool) -> Self {
        Self::under_key(json, "project")
    }

    /// No results yet; their names are under this JSON key.
    pub(crate) fn under_key(json: bool, key: &'static str) -> Self {
        Self { json, key, all: Vec::new(), first: None }
    }

    /// Adds the result for one of them: a JSON object, or the error, which is printed at once without `--json`.
    pub(crate) fn add(&mut self, name: &str, result: Result<serde_json::Value>) {
        self.all.push(match result {
            Ok(object) => object,
            Err(error) => {
                if !self.json {
                    report(&error, false);
                }
                self.first.get_or_insert(error.kind);
                serde_json::json!({self.key: name, "error": object(&error)})
            }
        });
    }

    /// Whether nothing was added.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Prints the results if they are JSON; returns the exit code, which is that of the first failure.
    pub(crate) fn finish(self) -> Result<u8> {
        if self.json {
            json(&self.all)?;
        }
        Ok(self.taken().1)
    }

    /// All results as JSON, and the exit code.
    pub(crate) fn taken(self) -> (Vec<serde_json::Value>, u8) {
        (self.all, self.first.map_or(0, Kind::exit_code))
    }
}

/// Output of a program, printed as it is, but on a terminal without control sequences that the terminal would obey.
pub(crate) struct Foreign(Option<clean::Output>);

impl Foreign {
    /// Output is cleaned if standard output is a terminal and `raw` is false.
    pub(crate) fn new(raw: bool) -> Self {
        Self((!raw && std::io::stdout().is_terminal()).then(clean::Output::default))
    }

    /// Prints the next bytes of the output.
    pub(crate) fn print(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.0 {
            Some(cleaner) => put(cleaner.pass(bytes).as_bytes()),
            None => put(bytes),
        }
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        if let Some(cleaner) = &mut self.0 {
            let _ = put(cleaner.finish().as_bytes());
        }
    }
}

fn put(bytes: &[u8]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    written(out.write_all(bytes).and_then(|()| out.flush()))
}

/// Prints a remark to standard error, like a source that failed while others answered.
pub(crate) fn remark(text: &str) {
    beside(&format!("wharf: {}\n", clean::line(text)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_a_narrow_terminal_the_least_useful_columns_are_left_out_first() {
        let (widths, order) = ([20, 5, 10, 30], [0, 2, 1, 3]);
        assert_eq!(columns_within(&widths, &order, 80), [0, 1, 2, 3]);
        assert_eq!(columns_within(&widths, &order, 70), [0, 1, 2]);
        assert_eq!(columns_within(&widths, &order, 33), [0, 2]);
        assert_eq!(columns_within(&widths, &order, 8), [0], "what names the row stays");
    }

    #[test]
    fn what_runs_on_over_the_edge_of_the_terminal_begins_no_line() {
        let words = format!("  │ {}✓ verified: signed", "pad ".repeat(20));
        assert!(
            fold(&words, 40).lines().all(|line| line.starts_with("  │ ") && line.width() <= 40),
            "{}",
            fold(&words, 40)
        );
        let ours = format!("rejected: {}✓ verified", "pad ".repeat(20));
        assert!(fold(&ours, 40).lines().skip(1).all(|line| line.starts_with("    ")));
        let link = "x".repeat(100);
        assert_eq!(fold(&link, 40), link, "a link stays whole");
    }
}
