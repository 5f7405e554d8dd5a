//! What will be removed, shown before it is done: what goes, what goes along, what stays.

use crossterm::event::{KeyCode, KeyEvent};

use crate::{
    core::{base::error::Result, ports::upkeep::Removal},
    tui::msg::Target,
};

/// The popup's state.
#[derive(Debug)]
pub struct Removing {
    /// What is removed, in words.
    pub title: String,
    /// What was asked for.
    pub targets: Vec<Target>,
    /// What that would do, once it is known: what can be removed, and why the rest cannot.
    pub told: Option<(Vec<Removal>, Vec<String>)>,
    /// First shown line.
    pub top: u16,
}

/// What a line is, for its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The reference.
    Head,
    /// Something that goes.
    Goes,
    /// Something to know.
    Fact,
    /// Something that cannot be removed.
    Failed,
}

/// What a key did.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing to report.
    Stay,
    /// Close, and remove nothing.
    Close,
    /// Remove these.
    Go(Vec<Removal>),
}

impl Removing {
    /// A question about these, which is not worked out yet.
    pub fn new(targets: Vec<Target>) -> Self {
        let title = match targets.as_slice() {
            [one] => format!("Remove {}?", one.words()),
            many => format!("Remove {} images?", many.len()),
        };
        Self { title, targets, told: None, top: 0 }
    }

    /// What was worked out.
    pub fn told(&mut self, answers: Vec<Result<Removal>>) {
        let (mut possible, mut failed) = (Vec::new(), Vec::new());
        for answer in answers {
            match answer {
                Ok(removal) => possible.push(removal),
                Err(error) => {
                    let hint = if error.hint.is_empty() { String::new() } else { format!(" → {}", error.hint) };
                    failed.push(format!("✗ {}: {}{hint}", error.what, error.why));
                }
            }
        }
        self.told = Some((possible, failed));
    }

    /// Takes a key. Only `y` removes: the careful answer is every other one.
    pub fn key(&mut self, key: &KeyEvent) -> Outcome {
        match key.code {
            KeyCode::Char('j') | KeyCode::Down => {
                self.top = (self.top + 1).min(self.lines().len().saturating_sub(1) as u16);
                Outcome::Stay
            }
            KeyCode::Char('k') | KeyCode::Up => {
                self.top = self.top.saturating_sub(1);
                Outcome::Stay
            }
            KeyCode::Char('y' | 'Y') => match self.possible() {
                None => Outcome::Stay,
                Some([]) => Outcome::Close,
                Some(removals) => Outcome::Go(removals.to_vec()),
            },
            _ => Outcome::Close,
        }
    }

    /// What can be removed; `None` while nothing is known.
    pub fn possible(&self) -> Option<&[Removal]> {
        self.told.as_ref().map(|(possible, _)| possible.as_slice())
    }

    /// What is shown, line by line.
    pub fn lines(&self) -> Vec<(Role, String)> {
        let Some((possible, failed)) = &self.told else {
            return vec![(Role::Fact, "looking at what goes along…".to_owned())];
        };
        let mut lines = Vec::new();
        for removal in possible {
            lines.push((Role::Head, removal.reference.spoken()));
            for line in removal.lines(|digest| format!("{}:{}…", digest.algorithm(), digest.short())) {
                let goes = line.starts_with("goes") || line.starts_with("also");
                lines.push((if goes { Role::Goes } else { Role::Fact }, line));
            }
        }
        lines.extend(failed.iter().map(|line| (Role::Failed, line.clone())));
        lines
    }
}
