//! Popups: choosing from a list, typing a line, confirming, reading.

pub mod agree;
pub mod pick;
pub mod view;

use self::{agree::Agree, pick::Pick};
use super::{input::Input, msg::Target};
use crate::core::request::Id;

/// What the answer to a typed line is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// The name of a filter to keep.
    FilterName,
    /// Words that narrow findings and packages.
    Narrow,
    /// A link to open.
    Link,
    /// A question of the core, by its number; `true` for a secret, which is not shown.
    Question(u64, bool),
    /// What the giver of a volume has sent.
    Gift,
    /// The key of a gift: its cloud and its transfer.
    GiftKey(String, String),
    /// What the image of a workload will be called: backend, id.
    SnapshotName(String, String),
    /// Where a disk image is on the web.
    Web,
    /// Why an image is asked for.
    Reason(Target),
    /// Conditions of an approval, and why.
    Conditions(Vec<Id>),
    /// Why requests are rejected.
    Refusal(Vec<Id>),
    /// A question about a request.
    AskedBack(Id),
    /// Something to add to a request.
    Addition(Id),
    /// Until when a class is approved, and why: base, rule.
    Class(String, String),
}

/// What is done when the person says yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sure {
    /// Leave although work is running.
    Quit,
    /// Remove a workload: backend, id.
    Remove(String, String),
    /// A question of the core, by its number.
    Question(u64),
    /// Take a share back: its id.
    Revoke(String),
    /// Give a volume away.
    Give(Target),
    /// Take a request back.
    Withdraw(Id),
}

/// One popup.
#[derive(Debug)]
pub enum Popup {
    /// Choose one or several.
    Pick(Pick),
    /// Type a line.
    Line { title: String, input: Input, ask: Ask },
    /// Yes or no; the careful answer is the default.
    Confirm { question: String, sure: Sure },
    /// How something will be shared, to be agreed to.
    Agree(Box<Agree>),
    /// Something to read, which can be copied.
    Text { title: String, text: String, copy: Option<String>, top: u16 },
}
