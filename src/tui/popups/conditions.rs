//! A popup to approve requests on conditions: until when, where, which findings are accepted, and why.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::{
    Frame,
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr;

use crate::kit::{
    input::Input,
    list::SeenRow,
    theme::Theme,
    widgets::{boxed, fit, put, row, select, wrap},
};
use wharf_core::{
    base::{quote::inline, text},
    portal::requests::ApproverDecision,
    request::{Id, Terms},
};

/// The columns of the popup.
const WIDTH: u16 = 76;
/// The columns of the name before each field.
const LABEL: usize = 19;
/// So many fields are on every screen at once.
const FEW: usize = 5;

/// A field of the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    /// When the approval ends.
    Until,
    /// Whether it counts in this project only.
    Only,
    /// Whether the finding of this index is accepted.
    Finding(usize),
    /// Why it is approved.
    Reason,
}

/// The form.
#[derive(Debug)]
pub struct Conditions {
    /// What is approved.
    pub title: String,
    /// The requests that are approved, as they were shown.
    requests: Vec<SeenRow<Id>>,
    /// The rules that are accepted with the approval, in words.
    about: Vec<String>,
    /// When the approval ends, as it is typed.
    until: Input,
    /// Whether it counts in this project only.
    only: bool,
    /// The findings that hold the requests back, and whether each is accepted.
    findings: Vec<(String, bool)>,
    /// Why it is approved, as it is typed.
    reason: Input,
    /// The index of the selected field.
    at: usize,
    /// The last field to which the person has gone line by line.
    reached: usize,
    /// Why the form was not accepted; empty if it was not tried.
    wrong: String,
}

/// What the popup's owner has to do after a key.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing; the popup stays open.
    Stay,
    /// Close the popup and approve nothing.
    Close,
    /// Close the popup and approve these requests.
    Go(Vec<SeenRow<Id>>, ApproverDecision),
}

impl Conditions {
    /// A form for these requests. `rules` and `findings`: all that holds them back, each once; at first all of it is
    /// accepted.
    pub fn new(title: String, requests: Vec<SeenRow<Id>>, rules: &[String], findings: Vec<String>) -> Self {
        let named: Vec<String> = rules.iter().map(|rule| inline(rule)).collect();
        let about = if named.is_empty() { Vec::new() } else { vec![format!("It takes {}.", named.join(", "))] };
        let findings = findings.into_iter().map(|finding| (finding, true)).collect();
        let (until, reason) = (Input::default(), Input::default());
        Self { title, requests, about, until, only: false, findings, reason, at: 0, reached: 0, wrong: String::new() }
    }

    fn fields(&self) -> Vec<Field> {
        let findings = (0..self.findings.len()).map(Field::Finding);
        [Field::Until, Field::Only].into_iter().chain(findings).chain([Field::Reason]).collect()
    }

    fn field(&self) -> Field {
        self.fields().get(self.at).copied().unwrap_or(Field::Until)
    }

    /// Handles a key: arrows and tab go through the fields, space marks, enter approves, esc closes.
    pub fn key(&mut self, key: &KeyEvent) -> Outcome {
        let count = self.fields().len();
        match key.code {
            KeyCode::Esc => return Outcome::Close,
            KeyCode::Enter if self.reached + FEW < count => {
                "↓ shows the other findings first: all that are marked would be accepted".clone_into(&mut self.wrong);
            }
            KeyCode::Enter => match self.decision() {
                Ok(ruling) => return Outcome::Go(self.requests.clone(), ruling),
                Err(why) => self.wrong = why,
            },
            KeyCode::Down | KeyCode::Tab => self.at = (self.at + 1) % count,
            KeyCode::Up | KeyCode::BackTab => self.at = (self.at + count - 1) % count,
            _ => {
                self.wrong.clear();
                match (self.field(), key.code) {
                    (Field::Until, _) => _ = self.until.key(key),
                    (Field::Reason, _) => _ = self.reason.key(key),
                    (Field::Only, KeyCode::Char(' ')) => self.only = !self.only,
                    (Field::Finding(index), KeyCode::Char(' ')) => {
                        if let Some((_, taken)) = self.findings.get_mut(index) {
                            *taken = !*taken;
                        }
                    }
                    _ => {}
                }
            }
        }
        if self.at <= self.reached + 1 {
            self.reached = self.reached.max(self.at);
        }
        Outcome::Stay
    }

    /// Inserts pasted text into a field that is typed. Fails with the reason if it is too long.
    pub fn paste(&mut self, text: &str) -> Result<(), String> {
        match self.field() {
            Field::Until => self.until.paste(text),
            Field::Reason => self.reason.paste(text),
            Field::Only | Field::Finding(_) => Ok(()),
        }
    }

    /// The findings that are accepted, or that are not.
    fn findings(&self, accepted: bool) -> Vec<String> {
        self.findings.iter().filter(|(_, taken)| *taken == accepted).map(|(finding, _)| finding.clone()).collect()
    }

    /// The decision that the form states; the reason why it cannot be made.
    fn decision(&self) -> Result<ApproverDecision, String> {
        let until = match self.until.text.trim() {
            "" => None,
            typed => Some(text::parse_future_time(typed).map_err(|error| format!("until: {error}"))?),
        };
        let (taken, left) = (self.findings(true), self.findings(false));
        match left.first() {
            Some(first) if self.requests.len() == 1 || taken.is_empty() => {
                return Err(format!(
                    "{} would hold it back all the same: mark it, or reject the request",
                    inline(first)
                ));
            }
            _ => {}
        }
        // Where all findings are accepted, each request has its own ones accepted.
        let exceptions = if left.is_empty() { Vec::new() } else { taken };
        let terms = Terms { until, only: self.only, exceptions, ..Terms::default() };
        Ok(ApproverDecision { approve: true, reason: self.reason.text.trim().to_owned(), terms, key: None })
    }

    /// What enter does, in words.
    fn told(&self) -> String {
        let what = text::plural(self.requests.len() as u64, "request", "requests");
        let until = match self.until.text.trim() {
            "" => "without an end".to_owned(),
            typed => format!("until {typed}"),
        };
        let place = if self.only { ", in this project only" } else { "" };
        let taken = match self.findings(true).len() {
            0 => String::new(),
            taken => format!(", accepting {}", text::plural(taken as u64, "finding", "findings")),
        };
        let left = self.findings(false).len();
        let left = if left == 0 { String::new() } else { format!(", {} not accepted", text::count(left as u64)) };
        format!("enter approves {what} {until}{place}{taken}{left} · esc does not")
    }

    /// Draws the form in the middle of the screen.
    pub fn view(&self, frame: &mut Frame<'_>, theme: &Theme) {
        let room = WIDTH.min(frame.area().width);
        let inside = usize::from(room.saturating_sub(2)).max(10);
        let fold = |words: &String| wrap(words, inside.saturating_sub(2).max(8));
        let head: Vec<String> = std::iter::once(&self.title).chain(&self.about).flat_map(fold).collect();
        let foot = fold(&if self.wrong.is_empty() { self.told() } else { self.wrong.clone() });
        let fields = self.fields();
        let lines = head.len() + fields.len() + foot.len() + 4;
        let inner = boxed(frame, room, u16::try_from(lines).unwrap_or(u16::MAX), "Approve on conditions", theme);
        let height = usize::from(inner.height);
        // Which request it is, and what it takes, keep half of the room; what is cut is said.
        let head_room = head.len().min(height / 2);
        let shown = fields.len().min(height.saturating_sub(head_room + foot.len() + 2)).max(1);
        let cut = head.len() - head_room;
        let mut head: Vec<String> = head.into_iter().take(head_room).collect();
        if let Some(last) = head.last_mut().filter(|_| cut > 0) {
            *last = format!("… {} more", text::plural(cut as u64 + 1, "line", "lines"));
        }
        let mut line = 0;
        for words in head {
            put(frame, row(inner, line), Line::styled(format!(" {words}"), theme.style("text")));
            line += 1;
        }
        line += u16::from(head_room > 0);
        let top = (self.at + 1).saturating_sub(shown);
        for (number, field) in fields.into_iter().enumerate().skip(top).take(shown) {
            let (label, value, column) = self.shown(field, inside.saturating_sub(LABEL + 2));
            let spans = vec![
                Span::styled(fit(&format!(" {label}"), LABEL), theme.style("dim")),
                Span::styled(fit(&value, inside.saturating_sub(LABEL)), theme.style("text")),
            ];
            put(frame, row(inner, line), select(Line::from(spans), number == self.at, theme));
            if let Some(column) = column.filter(|_| number == self.at) {
                let column = u16::try_from(LABEL + column).unwrap_or(u16::MAX);
                if column < inner.width && line < inner.height {
                    frame.set_cursor_position((inner.x + column, inner.y + line));
                }
            }
            line += 1;
        }
        let role = if self.wrong.is_empty() { "dim" } else { "bad" };
        for words in foot {
            line += 1;
            put(frame, row(inner, line), Line::styled(format!(" {words}"), theme.style(role)));
        }
    }

    /// The name and the value of a field in `columns` columns, and the column of the cursor in it if it is typed.
    fn shown(&self, field: Field, columns: usize) -> (&'static str, String, Option<usize>) {
        let mark = |on: bool| if on { "●" } else { "○" };
        let typed = |input: &Input, empty: &str| {
            let (words, column) = input.window(columns);
            let words = if input.text.is_empty() && empty.width() < columns { empty.to_owned() } else { words };
            (words, Some(column))
        };
        match field {
            Field::Until => {
                let (words, column) = typed(&self.until, "(no end: 90d, 12h or 2030-01-31T12:00:00Z sets one)");
                ("until", words, column)
            }
            Field::Only => ("only here", format!("{} in this project only", mark(self.only)), None),
            Field::Finding(index) => {
                let (finding, taken) = self.findings.get(index).map_or(("", false), |(one, on)| (one.as_str(), *on));
                let label = if index == 0 { "accepted findings" } else { "" };
                (label, format!("{} {}", mark(taken), inline(finding)), None)
            }
            Field::Reason => {
                let (words, column) = typed(&self.reason, "(why: everybody who reads the approval reads it)");
                ("reason", words, column)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_that_no_screen_has_shown_are_not_accepted() {
        let findings = (0..9).map(|number| format!("CVE-2026-{number:04}")).collect();
        let mut form = Conditions::new("Approve 1".into(), Vec::new(), &[], findings);
        let mut press = |code| form.key(&KeyEvent::from(code));
        assert_eq!(press(KeyCode::Enter), Outcome::Stay);
        // The last field, gone to from the first one, says nothing of those between.
        assert_eq!(press(KeyCode::Up), Outcome::Stay);
        assert_eq!(press(KeyCode::Enter), Outcome::Stay);
        (0..12).for_each(|_| assert_eq!(press(KeyCode::Down), Outcome::Stay));
        assert!(matches!(press(KeyCode::Enter), Outcome::Go(_, decision) if decision.approve));
    }
}
