//! The popup that tries an address and shows what it is before it is kept as a source.

use crossterm::event::{KeyCode, KeyEvent};

use super::scroll::scrolled;
use wharf_core::{
    base::error::Result,
    config::own_sources::entry_text,
    portal::own_sources::{Trial, TrialAnswer},
};

/// The popup about an address that was typed.
#[derive(Debug)]
pub struct Adding {
    /// The heading.
    pub title: String,
    /// The address as it was typed.
    pub address: String,
    /// What it is, or why nothing answers; `None` until that is known.
    pub told: Option<Result<Trial>>,
    /// The index of the first visible line.
    pub top: u16,
}

/// What a line says; decides its colour and indentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The address works.
    Good,
    /// It is there, but something is to be done first.
    Caution,
    /// A fact about it, or what would be kept.
    Fact,
    /// Nothing answers, and why.
    Failed,
}

/// What the popup's owner has to do after a key.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    /// Nothing; the popup stays open.
    Stay,
    /// Close the popup and keep nothing.
    Close,
    /// Close the popup and ask for another address, beginning with this one.
    Again(String),
    /// Copy these lines to the clipboard; the popup stays open.
    Copy(String),
    /// Close the popup and keep what was tried.
    Keep(Box<Trial>),
}

impl Adding {
    /// The popup about an address that is being tried.
    pub fn new(address: String) -> Self {
        Self { title: "Add a source".to_owned(), address, told: None, top: 0 }
    }

    /// Handles a key. `y` and enter keep; `e` asks for another address, j and k scroll, every other key closes.
    pub fn key(&mut self, key: &KeyEvent) -> Outcome {
        if let Some(top) = scrolled(self.top, self.lines().len(), key) {
            self.top = top;
            return Outcome::Stay;
        }
        match (key.code, &self.told) {
            (KeyCode::Enter | KeyCode::Char('y' | 'Y'), None) => Outcome::Stay,
            (KeyCode::Enter | KeyCode::Char('y' | 'Y'), Some(Ok(trial))) => Outcome::Keep(Box::new(trial.clone())),
            (KeyCode::Char('c'), Some(Ok(trial))) => Outcome::Copy(entry_text(&trial.entry)),
            (KeyCode::Char('e'), _) => Outcome::Again(self.address.clone()),
            _ => Outcome::Close,
        }
    }

    /// The keys, for the last line.
    pub fn hint(&self) -> &'static str {
        match &self.told {
            None => "e another address · esc leaves",
            Some(Ok(_)) => "y or enter keeps it · c copies the lines · e another address · esc keeps nothing",
            Some(Err(_)) => "e another address · esc leaves · j k scroll",
        }
    }

    /// The popup's lines, each with what it says.
    pub fn lines(&self) -> Vec<(Role, String)> {
        let trial = match &self.told {
            None => return vec![(Role::Fact, format!("asking {}…", self.address))],
            Some(Err(error)) => {
                let mut lines = vec![(Role::Failed, format!("✗ {}: {}", error.what, error.why))];
                if !error.hint.is_empty() {
                    lines.push((Role::Fact, format!("→ {}", error.hint)));
                }
                return lines;
            }
            Some(Ok(trial)) => trial,
        };
        let mut lines = match &trial.answer {
            TrialAnswer::Works(_) => vec![(Role::Good, format!("✓ {} answers", trial.address))],
            TrialAnswer::WantsSignIn(why) => {
                let words = format!("! {} is there, and {why}: sign in once it is kept", trial.address);
                vec![(Role::Caution, words)]
            }
        };
        lines.push((Role::Fact, format!("type     {}", trial.entry.kind)));
        if let TrialAnswer::Works(health) = &trial.answer {
            let who = if health.account.is_empty() { "without an account" } else { &health.account };
            lines.push((Role::Fact, format!("you are  {who}")));
            lines.extend((!health.note.is_empty()).then(|| (Role::Fact, format!("it says  {}", health.note))));
        }
        lines.push((Role::Fact, String::new()));
        lines.push((Role::Fact, "kept in a file of Wharf's own, as these lines:".to_owned()));
        lines.extend(entry_text(&trial.entry).lines().map(|line| (Role::Fact, format!("  {line}"))));
        lines
    }
}
