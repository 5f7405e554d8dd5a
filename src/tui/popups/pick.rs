//! A popup with a list to choose from, which typing narrows.

use crossterm::event::{KeyCode, KeyEvent};
use fuzzy_matcher::{FuzzyMatcher, skim::SkimMatcherV2};

use crate::{
    kit::{
        action::Action,
        input::Input,
        list::{ListCursor, SeenRow},
    },
    msg::ImageTarget,
    rows::WorkloadId,
};
use wharf_core::{base::secret::Secret, launch::ledger::LaunchRecord};

/// What the choice is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// Carry out the chosen command.
    Command,
    /// Add the chosen facets to the filter, or remove them.
    Facet,
    /// Use the chosen saved filter.
    Filter,
    /// Use the chosen theme.
    Theme,
    /// Copy an image, or one platform of it, to the chosen place.
    CopyTo(ImageTarget, Option<String>),
    /// Show the image for the chosen platform.
    Platform,
    /// Sign in to the chosen source.
    SignIn,
    /// Accept a volume at the chosen cloud: the transfer's id, and its key if that was pasted along.
    TakeAt(String, Option<Secret>),
    /// Make an image of a workload under this name, and share it with the chosen projects.
    Snapshot(SeenRow<WorkloadId>, String),
    /// Open the chosen task of a workload of this backend.
    Task(String),
    /// Launch one of the kept launches again, or finish one of these, of which nobody knows what they made.
    Again(Vec<LaunchRecord>),
    /// Have the chosen cloud fetch a disk image from this URL.
    Import(String),
}

/// An entry of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The text that is shown and searched.
    pub label: String,
    /// More about the entry, to the right of it.
    pub note: String,
    /// What choosing the entry gives.
    pub value: String,
    /// Why the entry cannot be chosen; `None` if it can.
    pub disabled: Option<String>,
}

impl Item {
    /// An entry whose value is its label.
    pub fn plain(label: impl Into<String>, note: impl Into<String>) -> Self {
        let label = label.into();
        Self { value: label.clone(), label, note: note.into(), disabled: None }
    }
}

/// The popup with its list.
#[derive(Debug)]
pub struct Pick {
    /// The heading of the box.
    pub title: String,
    /// What the choice is for.
    pub purpose: Purpose,
    /// All entries, in their order.
    pub items: Vec<Item>,
    /// The typed text that narrows the list.
    pub input: Input,
    /// The indices of the entries that fit the typed text, the best first.
    pub shown: Vec<usize>,
    /// The selection among the shown entries.
    pub at: ListCursor,
    /// The indices of the marked entries, where several can be chosen.
    pub marked: Vec<usize>,
    /// Whether several entries can be chosen.
    pub several: bool,
    /// Whether the typed text itself may be chosen if no entry is exactly that.
    pub free: bool,
}

/// What the popup's owner has to do after a key.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing; the popup stays open.
    Stay,
    /// Close the popup without a choice.
    Close,
    /// Close the popup: these values were chosen.
    Chosen(Vec<String>),
}

impl Pick {
    /// A popup with these entries, of which one can be chosen.
    pub fn new(title: impl Into<String>, purpose: Purpose, items: Vec<Item>) -> Self {
        let shown = (0..items.len()).collect();
        Self {
            title: title.into(),
            purpose,
            items,
            input: Input::default(),
            shown,
            at: ListCursor::default(),
            marked: Vec::new(),
            several: false,
            free: false,
        }
    }

    /// The size of its box: columns and lines.
    pub fn size(&self) -> (u16, u16) {
        (76, (self.items.len() as u16).saturating_add(5).clamp(8, 24))
    }

    /// The selected entry; `None` where no entry fits the typed text.
    pub fn selected(&self) -> Option<&Item> {
        self.items.get(*self.shown.get(self.at.selected)?)
    }

    /// Handles a click on a line of the list: marks the entry if several can be chosen, else chooses it.
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

    /// Handles a key: enter chooses, arrows move, space marks, esc closes, all others narrow the list.
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

    /// The typed text, if it may be chosen itself and no entry is exactly that.
    pub fn typed(&self) -> Option<&str> {
        let text = self.input.text.trim();
        let is = |item: &Item| item.label == text || item.value == text;
        (self.free && !text.is_empty() && !self.items.iter().any(is)).then_some(text)
    }

    /// The number of lines to choose from: the entries that fit, and the typed text if it may be chosen.
    pub fn count(&self) -> usize {
        self.shown.len() + usize::from(self.typed().is_some())
    }

    fn choose(&self) -> Outcome {
        let value =
            |item: &usize| self.items.get(*item).filter(|item| item.disabled.is_none()).map(|item| item.value.clone());
        if !self.marked.is_empty() {
            // A text that is typed in addition to marked entries is chosen with them.
            let typed = self.typed().filter(|_| self.at.selected == self.shown.len()).map(str::to_owned);
            return Outcome::Chosen(self.marked.iter().filter_map(value).chain(typed).collect());
        }
        match self.shown.get(self.at.selected) {
            Some(item) => value(item).map_or(Outcome::Stay, |value| Outcome::Chosen(vec![value])),
            None => self.typed().map_or(Outcome::Stay, |typed| Outcome::Chosen(vec![typed.to_owned()])),
        }
    }

    /// Adds entries that arrived later before the others. Marks stay, and so does the selection if the person has moved
    /// it.
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

    /// How well an entry fits the typed text; `None` if it does not.
    fn score(&self, matcher: &SkimMatcherV2, item: &Item, text: &str) -> Option<i64> {
        // Notes are searched for the text in one piece: in a sentence, fuzzy matches would mean nothing.
        let noted = item.note.to_lowercase().contains(&text.to_lowercase());
        if self.purpose == Purpose::Command {
            // A key in full, or the words of the command line, mean the command that has them.
            let mut words = item.note.split_whitespace();
            if words.any(|word| word == text) || (noted && text.starts_with("wharf")) {
                return Some(i64::MAX);
            }
        }
        matcher.fuzzy_match(&item.label, text).or(noted.then_some(0))
    }

    /// Shows the entries that fit the typed text, the best first, and selects the first.
    pub fn narrow(&mut self) {
        let matcher = SkimMatcherV2::default().ignore_case();
        let text = self.input.text.trim();
        let mut scored: Vec<(i64, usize)> = self
            .items
            .iter()
            .enumerate()
            .filter_map(|(index, item)| {
                let score = if text.is_empty() { 0 } else { self.score(&matcher, item, text)? };
                Some((score, index))
            })
            .collect();
        scored.sort_by_key(|(score, index)| (std::cmp::Reverse(*score), *index));
        self.shown = scored.into_iter().map(|(_, index)| index).collect();
        self.at = ListCursor::default();
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
        // A partial match does not replace the typed text.
        let mut partly = pick();
        press(&mut partly, "bio");
        partly.key(&KeyEvent::from(KeyCode::Down));
        assert_eq!(press(&mut partly, "⏎"), Outcome::Chosen(vec!["bio".into()]));
        assert_eq!(pick().key(&KeyEvent::from(KeyCode::Esc)), Outcome::Close);
    }
}
