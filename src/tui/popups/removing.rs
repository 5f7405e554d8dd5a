//! The popup that shows what a removal would do before it is done: what is removed, what else goes with it, what stays.

use crossterm::event::{KeyCode, KeyEvent};

use super::scroll::scrolled;
use crate::msg::ImageTarget;
use wharf_core::{base::error::Result, ports::upkeep::Removal};

/// The popup with what a removal would do.
#[derive(Debug)]
pub struct Removing {
    /// The question that names what is removed.
    pub title: String,
    /// The images that the person wants to remove.
    pub targets: Vec<ImageTarget>,
    /// The removals that are possible, and why the others are not; `None` until that is known.
    pub told: Option<(Vec<Removal>, Vec<String>)>,
    /// The index of the first visible line.
    pub top: u16,
}

/// What a line says; decides its colour and indentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The reference that the next lines are about.
    Head,
    /// What will be removed.
    Goes,
    /// What stays, or is good to know.
    Fact,
    /// An image that cannot be removed, and why.
    Failed,
}

/// What the popup's owner has to do after a key.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing; the popup stays open.
    Stay,
    /// Close the popup and remove nothing.
    Close,
    /// Close the popup and carry these removals out.
    Go(Vec<Removal>),
}

impl Removing {
    /// A question about these images, whose answer is not known yet.
    pub fn new(targets: Vec<ImageTarget>) -> Self {
        let title = match targets.as_slice() {
            [one] => format!("Remove {}?", one.label()),
            many => format!("Remove {} images?", many.len()),
        };
        Self { title, targets, told: None, top: 0 }
    }

    /// Stores what the removals would do, to be shown.
    pub fn show_answers(&mut self, answers: Vec<Result<Removal>>) {
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

    /// Handles a key. Only `y` removes; j and k scroll, every other key closes.
    pub fn key(&mut self, key: &KeyEvent) -> Outcome {
        if let Some(top) = scrolled(self.top, self.lines().len(), key) {
            self.top = top;
            return Outcome::Stay;
        }
        match key.code {
            KeyCode::Char('y' | 'Y') => match self.possible() {
                None => Outcome::Stay,
                Some([]) => Outcome::Close,
                Some(removals) => Outcome::Go(removals.to_vec()),
            },
            _ => Outcome::Close,
        }
    }

    /// What can be removed; `None` until that is known.
    pub fn possible(&self) -> Option<&[Removal]> {
        self.told.as_ref().map(|(possible, _)| possible.as_slice())
    }

    /// The popup's lines, each with what it says.
    pub fn lines(&self) -> Vec<(Role, String)> {
        let Some((possible, failed)) = &self.told else {
            return vec![(Role::Fact, "looking at what goes along…".to_owned())];
        };
        let mut lines = Vec::new();
        for removal in possible {
            lines.push((Role::Head, removal.reference.short_text()));
            for line in removal.lines(|digest| format!("{}:{}…", digest.algorithm(), digest.short())) {
                let goes = line.starts_with("goes") || line.starts_with("also");
                lines.push((if goes { Role::Goes } else { Role::Fact }, line));
            }
        }
        lines.extend(failed.iter().map(|line| (Role::Failed, line.clone())));
        lines
    }
}
