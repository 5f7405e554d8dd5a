//! Popups: choosing from a list, typing a line, confirming, reading.

pub mod agree;
pub mod pick;
pub mod removing;
pub mod view;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use self::{agree::Agree, pick::Pick, removing::Removing};
use super::{
    kit::{input::Input, list::Seen},
    msg::{LinkWish, Target},
};
use crate::core::{launch::usage::WorkloadId, portal::requests::Ruling, request::Id};

/// What the answer to a typed line is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// The name of a filter to keep.
    FilterName,
    /// Words that narrow findings and packages.
    Narrow,
    /// A link to open.
    Link,
    /// How long a link is good.
    LinkEnd(LinkWish),
    /// A question of the core, by its number; `true` for a secret, which is not shown.
    Question(u64, bool),
    /// What the giver of a volume has sent.
    Gift,
    /// The key of a gift: its cloud and its transfer.
    GiftKey(String, String),
    /// Another tag of an image.
    Tag(Target),
    /// What the image of a workload will be called.
    SnapshotName(Seen<WorkloadId>),
    /// Where a disk image is on the web.
    Web,
    /// Why an image is asked for.
    Reason(Target),
    /// Why requests are approved; nothing need be said.
    Approval(Vec<Seen<Id>>),
    /// Why an admission is taken back.
    TakeBack(Seen<Id>),
    /// Conditions of an approval, and why.
    Conditions(Vec<Seen<Id>>),
    /// Why requests are rejected.
    Refusal(Vec<Seen<Id>>),
    /// A question about a request.
    AskedBack(Seen<Id>),
    /// Something to add to a request.
    Addition(Seen<Id>),
    /// Until when a class is approved, and why: base, rule.
    Class(String, String),
}

/// What is done when the person says yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sure {
    /// Leave although work is running.
    Quit,
    /// Remove a workload.
    Remove(Seen<WorkloadId>),
    /// A question of the core, by its number.
    Question(u64),
    /// Take a share back.
    Revoke(Seen<String>),
    /// Give a volume away.
    Give(Target),
    /// Take a request back.
    Withdraw(Seen<Id>),
    /// Approve requests on these conditions.
    Approve(Vec<Seen<Id>>, Ruling),
}

/// One popup.
#[derive(Debug)]
pub enum Popup {
    /// Choose one or several.
    Pick(Pick),
    /// Type a line; what is to be known for it stands above.
    Line { title: String, about: Vec<String>, input: Input, ask: Ask },
    /// Yes or no; the careful answer is the default.
    Confirm { question: String, sure: Sure },
    /// How something will be shared, to be agreed to.
    Agree(Box<Agree>),
    /// What will be removed, to be agreed to.
    Removing(Box<Removing>),
    /// Something to read, which can be copied.
    Text { title: String, text: String, copy: Option<String>, top: u16, link: Option<LinkWish> },
}

impl Popup {
    /// A line to be typed.
    pub fn line(title: impl Into<String>, ask: Ask) -> Self {
        Self::Line { title: title.into(), about: Vec::new(), input: Input::default(), ask }
    }

    /// Something to read and to copy.
    pub fn text(title: impl Into<String>, text: String) -> Self {
        Self::Text { title: title.into(), copy: Some(text.clone()), text, top: 0, link: None }
    }

    /// What it is about, in a line.
    pub fn title(&self) -> &str {
        match self {
            Self::Pick(pick) => &pick.title,
            Self::Line { title, .. } | Self::Text { title, .. } => title,
            Self::Confirm { question, .. } => question,
            Self::Agree(agree) => &agree.title,
            Self::Removing(removing) => &removing.title,
        }
    }

    /// Whether it is this question of the core.
    pub fn asks(&self, question: u64) -> bool {
        match self {
            Self::Line { ask: Ask::Question(id, _), .. } | Self::Confirm { sure: Sure::Question(id), .. } => {
                *id == question
            }
            _ => false,
        }
    }
}

/// Milliseconds after a popup came by itself in which keys are not meant for it: nobody has read it yet.
pub const MOMENT: u64 = 400;

/// The popups that are open, the top one last.
///
/// Keys reach what was drawn. What a person has opened takes letters at once, but is decided on only when a frame has
/// shown it. What came by itself takes nothing until it was on the screen for a moment without a key: those keys were
/// typed for something else.
#[derive(Debug, Default)]
pub struct Popups {
    open: Vec<Popup>,
    drawn: bool,
    /// Whether the top one came by itself, and until when it takes no keys.
    came: Option<u64>,
}

impl<'a> IntoIterator for &'a Popups {
    type Item = &'a Popup;
    type IntoIter = std::slice::Iter<'a, Popup>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Popups {
    /// Opens what the person asked for with a key.
    pub fn push(&mut self, popup: Popup) {
        self.open.push(popup);
        (self.drawn, self.came) = (false, None);
    }

    /// Opens what came by itself: a question, an answer.
    pub fn come(&mut self, popup: Popup) {
        self.open.push(popup);
        (self.drawn, self.came) = (false, Some(u64::MAX));
    }

    /// Closes the top one.
    pub fn pop(&mut self) -> Option<Popup> {
        (self.drawn, self.came) = (false, None);
        self.open.pop()
    }

    /// Closes those that are not to be kept.
    pub fn retain(&mut self, keep: impl FnMut(&Popup) -> bool) {
        let before = self.open.len();
        self.open.retain(keep);
        if self.open.len() < before {
            (self.drawn, self.came) = (false, None);
        }
    }

    /// The top one.
    pub fn last(&self) -> Option<&Popup> {
        self.open.last()
    }

    /// The top one, for a key that it takes.
    pub fn last_mut(&mut self) -> Option<&mut Popup> {
        self.open.last_mut()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Popup> {
        self.open.iter()
    }

    /// All of them, for news: what they show changes, and was not seen yet.
    pub fn news(&mut self) -> std::slice::IterMut<'_, Popup> {
        self.drawn = false;
        self.open.iter_mut()
    }

    /// A frame has shown the top one, at this time in milliseconds.
    pub fn drawn(&mut self, clock: u64) {
        self.drawn = true;
        if self.came == Some(u64::MAX) {
            self.came = Some(clock.saturating_add(MOMENT));
        }
    }

    /// Why a key is not for the top one, if it is not.
    pub fn refuses(&mut self, key: &KeyEvent, clock: u64) -> Option<&'static str> {
        if self.open.is_empty() {
            return None;
        }
        match &mut self.came {
            Some(until) if clock < *until => {
                if self.drawn {
                    *until = clock.saturating_add(MOMENT);
                }
                return Some("not taken: this has just opened. Read it, then answer");
            }
            _ => {}
        }
        let letter = matches!(key.code, KeyCode::Char(_) | KeyCode::Backspace | KeyCode::Delete)
            && !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
        let types = matches!(self.open.last(), Some(Popup::Line { .. } | Popup::Pick(_))) && letter;
        (!self.drawn && !types).then_some("not taken: it was not on the screen yet. Press it again")
    }
}
