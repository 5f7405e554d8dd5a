//! What is attached to an image in its registry, and which places could not be looked at.
//!
//! That an image is unsigned may be said only where every place was looked at: what could not be read is kept beside
//! what was found, so that nobody takes the one for the other.

use std::collections::BTreeSet;

use crate::core::{base::error::Error, image::reference::ImageRef};

/// A manifest that is attached to another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its reference, by digest.
    pub at: ImageRef,
    /// The tag that it is found by, where it is found by one.
    pub tag: Option<String>,
    /// What kind of artifact it is, as its registry lists it; empty where nobody says.
    pub kind: String,
}

/// Everything that is attached to one digest, as far as it could be seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attachments {
    /// What was found: by tags first, then as registries list it; each once.
    pub found: Vec<Attachment>,
    /// Places that could not be looked at, and why.
    pub unseen: Vec<Error>,
}

impl Attachments {
    /// Takes in what was found in another place.
    pub fn extend(&mut self, other: Self) {
        let known: BTreeSet<String> = self.found.iter().map(|one| one.at.to_string()).collect();
        self.found.extend(other.found.into_iter().filter(|one| !known.contains(&one.at.to_string())));
        self.unseen.extend(other.unseen);
    }
}

/// Places that could not be looked at, in one sentence; empty if all were.
pub fn unseen_words(unseen: &[Error]) -> String {
    let mut words: Vec<String> = unseen.iter().map(|error| format!("{}: {}", error.what, error.why)).collect();
    words.dedup();
    let more = words.len().saturating_sub(3);
    words.truncate(3);
    if more > 0 {
        words.push(format!("and {more} more"));
    }
    words.join("; ")
}
