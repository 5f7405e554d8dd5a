//! Printing: tables, JSON, errors, and progress on one line.

use std::io::{IsTerminal, Write};

use serde::Serialize;
use tokio::sync::watch;
use unicode_width::UnicodeWidthStr;

use super::times;
use crate::core::base::{
    clean,
    context::{Context, Note, Progress},
    error::{During, Error, Kind, Result},
    quote::MARK,
    text,
};

/// Prints a value as JSON, with dates for moments.
pub fn json(value: &impl Serialize) -> Result<()> {
    json_as_sent(&times::dated(serde_json::to_value(value).during("write JSON")?))
}

/// Prints a value as JSON in one line, of which more follow.
pub fn json_line(value: &impl Serialize) -> Result<()> {
    let value = times::dated(serde_json::to_value(value).during("write JSON")?);
    print(&clean::json(&value.to_string()))
}

/// Prints what somebody else gets, as they get it.
pub fn json_as_sent(value: &impl Serialize) -> Result<()> {
    let mut page = Page::default();
    page.json_as_sent(value)?;
    page.print()
}

/// What is printed in one piece: a reader that takes only its beginning, or keeps it on the way, has all of it.
#[derive(Default)]
pub struct Page(Vec<String>);

impl Page {
    /// Adds a line.
    pub fn line(&mut self, text: &str) {
        self.0.push(folded(&clean::line(text)));
    }

    /// Adds what a backend is sent, as it is sent it.
    pub fn request(&mut self, request: &crate::core::launch::plan::Request) {
        self.0.push(request.shown());
    }

    /// Adds what somebody else gets, as they get it.
    pub fn json_as_sent(&mut self, value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string_pretty(value).during("write JSON")?;
        self.0.push(clean::json(&text).into_owned());
        Ok(())
    }

    /// Prints it.
    pub fn print(&self) -> Result<()> {
        put(format!("{}\n", self.0.join("\n")).as_bytes())
    }
}

/// Prints one line: whatever stands in it, it stays one.
pub fn line(text: &str) -> Result<()> {
    print(&folded(&clean::line(text)))
}

/// Prints a text of several lines that [`quote::Text`](crate::core::base::quote::Text) made.
pub fn text(text: &str) -> Result<()> {
    text.lines().try_for_each(line)
}

/// A line that is longer than the terminal, broken at spaces: what runs on is indented, and marked where it is quoted. A
/// terminal would begin it in the first column, where only lines of ours begin.
fn folded(text: &str) -> String {
    // Asked only of a terminal: where there is none, crossterm starts a program to find out, for every line.
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

/// Prints what is ours as it is: JSON in a line, a picture of a link, a record that must keep its bytes.
pub fn exact(text: &str) -> Result<()> {
    print(text)
}

/// Prints what is ready to be printed.
fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    written(writeln!(out, "{text}"))
}

/// A reader that went away (`| head`) is a quiet end, as of a program that SIGPIPE ends.
fn written(result: std::io::Result<()>) -> Result<()> {
    match result {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(141),
        other => other.during("write to standard output"),
    }
}

/// Prints beside the results. Where nobody can read that, nothing is to be done about it.
pub fn beside(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Prints rows in columns that are as wide as their widest cell.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> Result<()> {
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

/// Prints an error to standard error, as one JSON object with `--json`.
pub fn report(error: &Error, json: bool) {
    if json {
        let object = serde_json::json!({"error": object(error)});
        beside(&format!("{}\n", clean::json(&object.to_string())));
    } else {
        beside(&format!("wharf: {}\n", clean::line(&error.to_string())));
    }
}

/// An error as JSON.
fn object(error: &Error) -> serde_json::Value {
    serde_json::json!({"kind": error.kind.word(), "what": error.what, "why": error.why, "hint": error.hint})
}

/// What was done for each of several projects, or images: said as it comes, or all at the end as JSON.
pub struct Results {
    json: bool,
    /// What each of them is called in JSON.
    key: &'static str,
    all: Vec<serde_json::Value>,
    first: Option<Kind>,
}

impl Results {
    /// None yet, of projects.
    pub fn new(json: bool) -> Self {
        Self::of(json, "project")
    }

    /// None yet, of what is called so in JSON.
    pub fn of(json: bool, key: &'static str) -> Self {
        Self { json, key, all: Vec::new(), first: None }
    }

    /// Adds that of one of them: an object, or why there is none.
    pub fn add(&mut self, name: &str, result: Result<serde_json::Value>) {
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

    /// Prints what is left to print; gives the exit code, that of the first failure.
    pub fn finish(self) -> Result<u8> {
        if self.json {
            json(&self.all)?;
        }
        Ok(self.taken().1)
    }

    /// All of them as JSON, and the exit code.
    pub fn taken(self) -> (Vec<serde_json::Value>, u8) {
        (self.all, self.first.map_or(0, Kind::exit_code))
    }
}

/// What a program printed, on its way out: as it came, unless a person's terminal would obey it.
pub struct Foreign(Option<clean::Output>);

impl Foreign {
    /// Cleans where standard output is a terminal and `raw` was not said.
    pub fn new(raw: bool) -> Self {
        Self((!raw && std::io::stdout().is_terminal()).then(clean::Output::default))
    }

    /// Prints the next bytes.
    pub fn print(&mut self, bytes: &[u8]) -> Result<()> {
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

/// A remark beside the results: a source that failed while others answered.
pub fn remark(text: &str) {
    beside(&format!("wharf: {}\n", clean::line(text)));
}

/// A context whose progress is drawn on standard error, if that is a terminal.
pub fn context() -> Context {
    let (progress, notes) = Progress::channel();
    if std::io::stderr().is_terminal() {
        tokio::spawn(draw(notes));
    }
    let cx = Context { progress, ..Context::default() }.asking(super::ask::asker());
    let cancel = cx.cancel.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            cancel.cancel();
        }
    });
    cx
}

async fn draw(mut notes: watch::Receiver<Note>) {
    let started = std::time::Instant::now();
    let mut drawn = false;
    loop {
        // At most ten lines a second, whatever moves.
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        if notes.changed().await.is_err() {
            break;
        }
        let note = notes.borrow_and_update().clone();
        let words = progress_words(&note, started.elapsed().as_secs_f64());
        beside(&format!("\r\x1b[K{}", clean::line(&words)));
        drawn = true;
    }
    if drawn {
        beside("\r\x1b[K");
    }
}

/// A note in words: `copying layers 12.0 MiB of 1.00 GiB, 300 MiB/s`.
pub fn progress_words(note: &Note, seconds: f64) -> String {
    match note.total {
        Some(total) if total > 0 => format!(
            "{} {} of {}, {}",
            note.phase,
            text::size(note.done),
            text::size(total),
            text::rate(note.done - note.spared.min(note.done), seconds)
        ),
        _ if note.done > 0 => format!("{} {}", note.phase, text::size(note.done)),
        _ => note.phase.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
