//! Popups: to choose from a list, type a line, confirm something, or read a text.

pub mod adding;
pub mod conditions;
pub mod pick;
pub mod removing;
pub mod scroll;
pub mod share;
pub mod tour;
pub mod view;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use self::{adding::Adding, conditions::Conditions, pick::Pick, removing::Removing, share::Sharing, tour::Tour};
use super::{
    kit::{input::Input, list::SeenRow},
    msg::{ImageTarget, LinkWish},
};
use wharf_core::{launch::usage::WorkloadId, request::Id};

/// What a typed line is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// The name to save the current filter under.
    FilterName,
    /// Words that narrow the shown findings or packages.
    Narrow,
    /// A `wharf:` link to open.
    Link,
    /// The address of a source to add.
    SourceAddress,
    /// How long the link to be made is valid.
    LinkEnd(LinkWish),
    /// The answer to a question of the core, by its number; with `true` it is a secret and not shown.
    Question(u64, bool),
    /// The text that the giver of a volume has sent: the transfer's id, perhaps with its key.
    Transfer,
    /// The key of a transfer: the cloud, and the transfer's id.
    TransferKey(String, String),
    /// Another tag for an image.
    Tag(ImageTarget),
    /// The name of the image that will be made of a workload.
    SnapshotName(SeenRow<WorkloadId>),
    /// The URL of a disk image.
    Web,
    /// Why the image is requested.
    Reason(ImageTarget),
    /// Why these requests are approved; may be empty.
    Approval(Vec<SeenRow<Id>>),
    /// Why the admission is revoked.
    TakeBack(SeenRow<Id>),
    /// Why these requests are rejected.
    Refusal(Vec<SeenRow<Id>>),
    /// The approver's question to the requester.
    AskedBack(SeenRow<Id>),
    /// A remark on a request, or the answer to its question.
    Addition(SeenRow<Id>),
    /// Until when a class is approved, and why: its base image and its rule.
    Class(String, String),
}

/// What is done when the person answers yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Confirmation {
    /// Leave Wharf although jobs run.
    Quit,
    /// Give up a transfer, by its id.
    CancelTransfer(String),
    /// Remove a workload with its logs.
    Remove(SeenRow<WorkloadId>),
    /// Answer a question of the core, by its number.
    Question(u64),
    /// Revoke a share, by its id.
    Revoke(SeenRow<String>),
    /// Create a transfer of a volume, which gives it away.
    Give(ImageTarget),
    /// Withdraw the person's own request.
    Withdraw(SeenRow<Id>),
}

/// A popup: one of the kinds that can open over a screen.
#[derive(Debug)]
pub enum Popup {
    /// A list to choose one or several entries from.
    Pick(Pick),
    /// A line to type; `about` is shown above it.
    Line { title: String, about: Vec<String>, input: Input, ask: Ask },
    /// A yes-or-no question; every key but `y` means no.
    Confirm { question: String, sure: Confirmation },
    /// To whom an image is shared, how, and what happens then; or a link to it.
    Share(Box<Sharing>),
    /// The conditions of an approval, as a form.
    Conditions(Box<Conditions>),
    /// What an address is, to keep it as a source.
    Adding(Box<Adding>),
    /// What would be removed, to agree to.
    Removing(Box<Removing>),
    /// A card of the tour.
    Tour(Box<Tour>),
    /// A text to read; `copy` is what a key copies of it, `top` its first visible line.
    Text { title: String, text: String, copy: Option<String>, top: u16, link: Option<LinkWish> },
}

impl Popup {
    /// A popup to type a line, with nothing above it.
    pub fn line(title: impl Into<String>, ask: Ask) -> Self {
        Self::Line { title: title.into(), about: Vec::new(), input: Input::default(), ask }
    }

    /// A popup with a text to read and copy.
    pub fn text(title: impl Into<String>, text: String) -> Self {
        Self::Text { title: title.into(), copy: Some(text.clone()), text, top: 0, link: None }
    }

    /// The popup's heading or question.
    pub fn title(&self) -> &str {
        match self {
            Self::Pick(pick) => &pick.title,
            Self::Line { title, .. } | Self::Text { title, .. } => title,
            Self::Confirm { question, .. } => question,
            Self::Share(dialog) => &dialog.title,
            Self::Conditions(form) => &form.title,
            Self::Removing(removing) => &removing.title,
            Self::Adding(adding) => &adding.title,
            Self::Tour(tour) => &tour.card.title,
        }
    }

    /// Whether this popup asks the core's question of this number.
    pub fn asks(&self, question: u64) -> bool {
        match self {
            Self::Line { ask: Ask::Question(id, _), .. } | Self::Confirm { sure: Confirmation::Question(id), .. } => {
                *id == question
            }
            _ => false,
        }
    }
}

/// How long a popup that was not asked for takes no keys, in milliseconds: the person has not read it yet.
pub const MOMENT: u64 = 400;

/// The open popups, the top one last.
///
/// Keys act on what was drawn. A popup that the person opened takes letters at once, but is decided on only after a
/// frame has shown it. A popup that was not asked for takes no keys until it was on the screen for [`MOMENT`] without a
/// key: keys before that were typed for something else.
#[derive(Debug, Default)]
pub struct Popups {
    open: Vec<Popup>,
    drawn: bool,
    /// Set if the top popup was not asked for: the time in milliseconds until which it takes no keys.
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
    /// Opens a popup that the person asked for with a key.
    pub fn push(&mut self, popup: Popup) {
        self.open.push(popup);
        (self.drawn, self.came) = (false, None);
    }

    /// Opens a popup that the person did not ask for: a question, an answer.
    pub fn open_unasked(&mut self, popup: Popup) {
        self.open.push(popup);
        (self.drawn, self.came) = (false, Some(u64::MAX));
    }

    /// Closes the top popup and returns it.
    pub fn pop(&mut self) -> Option<Popup> {
        (self.drawn, self.came) = (false, None);
        self.open.pop()
    }

    /// Closes the popups for which `keep` is false.
    pub fn retain(&mut self, keep: impl FnMut(&Popup) -> bool) {
        let before = self.open.len();
        self.open.retain(keep);
        if self.open.len() < before {
            (self.drawn, self.came) = (false, None);
        }
    }

    /// The top popup, if one is open.
    pub fn last(&self) -> Option<&Popup> {
        self.open.last()
    }

    /// The top popup, to give it a key.
    pub fn last_mut(&mut self) -> Option<&mut Popup> {
        self.open.last_mut()
    }

    /// Whether no popup is open.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// The number of open popups.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// All open popups, the top one last.
    pub fn iter(&self) -> std::slice::Iter<'_, Popup> {
        self.open.iter()
    }

    /// All open popups, to change what they show; the top one then counts as not drawn.
    pub fn news(&mut self) -> std::slice::IterMut<'_, Popup> {
        self.drawn = false;
        self.open.iter_mut()
    }

    /// Notes that a frame has shown the top popup, at this time in milliseconds.
    pub fn drawn(&mut self, clock: u64) {
        self.drawn = true;
        if let Some(Popup::Share(dialog)) = self.open.last_mut() {
            dialog.drawn();
        }
        if self.came == Some(u64::MAX) {
            self.came = Some(clock.saturating_add(MOMENT));
        }
    }

    /// Why the top popup does not take this key yet; `None` if it does.
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
        let types = match self.open.last() {
            Some(Popup::Line { .. } | Popup::Pick(_) | Popup::Conditions(_)) => letter,
            Some(Popup::Share(dialog)) => letter && dialog.types(key.code),
            _ => false,
        };
        (!self.drawn && !types).then_some("not taken: it was not on the screen yet. Press it again")
    }
}
