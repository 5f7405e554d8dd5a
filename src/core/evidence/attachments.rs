//! What is attached to an image in its registry, and which places could not be looked at.
//!
//! An image may be called unsigned only if every place was looked at: so what could not be read is kept together with
//! what was found.

use std::collections::BTreeSet;

use crate::{base::error::Error, image::reference::ImageRef};

/// A manifest that is attached to another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its reference, by digest.
    pub at: ImageRef,
    /// The tag that it was found by, if it was found by one.
    pub tag: Option<String>,
    /// The type of artifact as its registry lists it; empty if unknown.
    pub kind: String,
}

/// Everything that is attached to a digest, as far as it could be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attachments {
    /// What was found, each once: by tags first, then as registries list it.
    pub found: Vec<Attachment>,
    /// The places that could not be looked at, with the reasons.
    pub unseen: Vec<Error>,
}

impl Attachments {
    /// Adds what was found in another place.
    pub fn extend(&mut self, other: Self) {
        let known: BTreeSet<String> = self.found.iter().map(|one| one.at.to_string()).collect();
        self.found.extend(other.found.into_iter().filter(|one| !known.contains(&one.at.to_string())));
        self.unseen.extend(other.unseen);
    }
}

/// The places that could not be looked at, in one sentence; empty if there are none.
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
