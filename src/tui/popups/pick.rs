//! A list to choose from, narrowed by typing.

use crossterm::event::{KeyCode, KeyEvent};
use fuzzy_matcher::{FuzzyMatcher, skim::SkimMatcherV2};

use crate::{
    core::base::secret::Secret,
    tui::{
        kit::{
            action::Action,
            input::Input,
            list::{Position, Seen},
        },
        msg::Target,
        rows::WorkloadId,
    },
};

/// What the choice is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// Carry out a command.
    Command,
    /// Add or remove a facet.
    Facet,
    /// Use a saved filter.
    Filter,
    /// Use a theme.
    Theme,
    /// Share an image, or one platform of it, into projects.
    Share(Target, Option<String>),
    /// Copy an image, or one platform of it, somewhere.
    CopyTo(Target, Option<String>),
    /// Show an image for another platform.
    Platform,
    /// Sign in to a source.
    SignIn,
    /// Take a gift at a cloud: the transfer, and its key if it was sent along.
    TakeAt(String, Option<Secret>),
    /// Make an image of a workload under a name, and share it.
    Snapshot(Seen<WorkloadId>, String),
    /// Fetch an image from the web into a cloud.
    Import(String),
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What is shown and searched.
    pub label: String,
    /// More, to the right.
    pub note: String,
    /// What is chosen.
    pub value: String,
    /// Why it cannot be chosen, if it cannot.
    pub disabled: Option<String>,
}

impl Item {
    /// A line whose value is its label.
    pub fn plain(label: impl Into<String>, note: impl Into<String>) -> Self {
        let label = label.into();
        Self { value: label.clone(), label, note: note.into(), disabled: None }
    }
}

/// The popup's state.
#[derive(Debug)]
pub struct Pick {
    /// Its title.
    pub title: String,
    /// What for.
    pub purpose: Purpose,
    /// All lines.
    pub items: Vec<Item>,
    /// What was typed.
    pub input: Input,
    /// Lines that fit, best first.
    pub shown: Vec<usize>,
    /// Where one stands.
    pub at: Position,
    /// Marked lines, where several can be chosen.
    pub marked: Vec<usize>,
    /// Whether several can be chosen.
    pub several: bool,
    /// Whether what was typed may be chosen although it is in no line.
    pub free: bool,
}

/// What a key did.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing to report.
    Stay,
    /// Close without a choice.
    Close,
    /// These values were chosen.
    Chosen(Vec<String>),
}

impl Pick {
    /// A popup with these lines.
    pub fn new(title: impl Into<String>, purpose: Purpose, items: Vec<Item>) -> Self {
        let shown = (0..items.len()).collect();
        Self {
            title: title.into(),
            purpose,
            items,
            input: Input::default(),
            shown,
            at: Position::default(),
            marked: Vec::new(),
            several: false,
            free: false,
        }
    }

    /// Columns and rows of its box.
    pub fn size(&self) -> (u16, u16) {
        (76, (self.items.len() as u16).saturating_add(5).clamp(8, 24))
    }

    /// A click on a line of the list: marks it where several can be chosen, else chooses it.
    pub fn click(&mut self, line: usize, height: usize) -> Outcome {
        let position = self.at.window(self.count(), height) + line;
        if position >= self.count() {
            return Outcome::Stay;
        }
        self.at.selected = position;
        if self.several {
            self.mark();
            self.at.selected = position;
            return Outcome::Stay;
        }
        self.choose()
    }

    /// Takes a key.
    pub fn key(&mut self, key: &KeyEvent) -> Outcome {
        match key.code {
            KeyCode::Esc => return Outcome::Close,
            KeyCode::Enter => return self.choose(),
            KeyCode::Down | KeyCode::Tab => _ = self.at.go(Action::Down, self.count(), 1),
            KeyCode::Up | KeyCode::BackTab => _ = self.at.go(Action::Up, self.count(), 1),
            KeyCode::PageDown => _ = self.at.go(Action::PageDown, self.count(), 10),
            KeyCode::PageUp => _ = self.at.go(Action::PageUp, self.count(), 10),
            KeyCode::Char(' ') if self.several => self.mark(),
            _ => {
                if self.input.key(key) {
                    self.narrow();
                }
            }
        }
        Outcome::Stay
    }

    fn mark(&mut self) {
        if let Some(item) = self.shown.get(self.at.selected).copied() {
            match self.marked.iter().position(|marked| *marked == item) {
                Some(at) => _ = self.marked.remove(at),
                None => self.marked.push(item),
            }
            self.at.go(Action::Down, self.count(), 1);
        }
    }

    /// What was typed, where it may be chosen as it is and no line is exactly that.
    pub fn typed(&self) -> Option<&str> {
        let text = self.input.text.trim();
        let is = |item: &Item| item.label == text || item.value == text;
        (self.free && !text.is_empty() && !self.items.iter().any(is)).then_some(text)
    }

    /// Lines to choose from: those that fit, and what was typed as it is.
    pub fn count(&self) -> usize {
        self.shown.len() + usize::from(self.typed().is_some())
    }

    fn choose(&self) -> Outcome {
        let value =
            |item: &usize| self.items.get(*item).filter(|item| item.disabled.is_none()).map(|item| item.value.clone());
        if !self.marked.is_empty() {
            // Whoever types one more beside what is marked means both.
            let typed = self.typed().filter(|_| self.at.selected == self.shown.len()).map(str::to_owned);
            return Outcome::Chosen(self.marked.iter().filter_map(value).chain(typed).collect());
        }
        match self.shown.get(self.at.selected) {
            Some(item) => value(item).map_or(Outcome::Stay, |value| Outcome::Chosen(vec![value])),
            None => self.typed().map_or(Outcome::Stay, |typed| Outcome::Chosen(vec![typed.to_owned()])),
        }
    }

    /// Adds lines before the others, as they come: what was marked stays marked, and what was gone to stays selected.
    pub fn put_first(&mut self, new: Vec<Item>) {
        let moved = self.at.selected > 0;
        let on = self.shown.get(self.at.selected).map(|item| item + new.len());
        self.marked.iter_mut().for_each(|at| *at += new.len());
        self.items.splice(0..0, new);
        self.narrow();
        if let Some(place) = on.filter(|_| moved).and_then(|on| self.shown.iter().position(|item| *item == on)) {
            self.at.selected = place;
        }
    }

    /// Shows the lines that fit what was typed.
    pub fn narrow(&mut self) {
        let matcher = SkimMatcherV2::default().ignore_case();
        let text = self.input.text.trim();
        let mut scored: Vec<(i64, usize)> = self
            .items
            .iter()
            .enumerate()
            .filter_map(|(index, item)| {
                // A note is found by a piece of it: letters scattered over a sentence mean nothing.
                let noted = || item.note.to_lowercase().contains(&text.to_lowercase()).then_some(0);
                let score = if text.is_empty() { 0 } else { matcher.fuzzy_match(&item.label, text).or_else(noted)? };
                Some((score, index))
            })
            .collect();
        scored.sort_by_key(|(score, index)| (std::cmp::Reverse(*score), *index));
        self.shown = scored.into_iter().map(|(_, index)| index).collect();
        self.at = Position::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pick() -> Pick {
        let mut pick = Pick::new(
            "t",
            Purpose::Facet,
            ["physics", "biology", "chemistry"].map(|name| Item::plain(name, "")).to_vec(),
        );
        pick.several = true;
        pick.free = true;
        pick
    }

    fn press(pick: &mut Pick, keys: &str) -> Outcome {
        keys.chars()
            .map(|c| pick.key(&KeyEvent::from(if c == '⏎' { KeyCode::Enter } else { KeyCode::Char(c) })))
            .last()
            .unwrap()
    }

    #[test]
    fn typing_narrows_space_marks_enter_chooses() {
        assert_eq!(press(&mut pick(), "bio⏎"), Outcome::Chosen(vec!["biology".into()]));
        assert_eq!(press(&mut pick(), "  ⏎"), Outcome::Chosen(vec!["physics".into(), "biology".into()]));
        assert_eq!(press(&mut pick(), " new-one⏎"), Outcome::Chosen(vec!["physics".into(), "new-one".into()]));
        assert_eq!(press(&mut pick(), "new-one⏎"), Outcome::Chosen(vec!["new-one".into()]));
        // What fits in part does not take the place of what was typed.
        let mut partly = pick();
        press(&mut partly, "bio");
        partly.key(&KeyEvent::from(KeyCode::Down));
        assert_eq!(press(&mut partly, "⏎"), Outcome::Chosen(vec!["bio".into()]));
        assert_eq!(pick().key(&KeyEvent::from(KeyCode::Esc)), Outcome::Close);
    }
}
