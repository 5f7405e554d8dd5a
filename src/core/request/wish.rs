//! What people say in a request: the image that they want, why and until when, and their remarks.

use serde::{Deserialize, Serialize};

use crate::{
    base::digest::Digest,
    image::{
        model::Platform,
        names::name_of_url,
        reference::{ImageRef, without_version},
    },
};

/// The number of a request.
pub type Id = i64;

/// The image that is requested, pinned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestedImage {
    /// Where it is: a reference, with a digest if it has one; or the web address of a disk image.
    pub from: String,
    /// Its name in lists and messages.
    pub title: String,
    /// The tag under which it was requested.
    pub tag: Option<String>,
    /// What it is pinned to: the digest of its index or manifest, or the hash that a cloud keeps. For a file on the
    /// web, its address, because its hash is not known yet.
    pub digest: String,
    /// Its platforms, each with the digest of its own manifest.
    pub platforms: Vec<(Platform, Digest)>,
    /// Its size in bytes, if known.
    pub size: Option<u64>,
}

impl RequestedImage {
    /// The same image named after its place, and not as the requester names it. The place of a cloud's disk image gives
    /// no name.
    #[must_use]
    pub fn called_by_its_place(mut self) -> Self {
        if let Ok(ImageRef::Oci(name)) = self.from.parse::<ImageRef>() {
            let tag = self.tag.as_deref().map(|tag| format!(":{tag}")).unwrap_or_default();
            self.title = format!("{}{tag}", name.repository);
        } else if let Ok(ImageRef::Other(name)) = self.from.parse::<ImageRef>() {
            name.path().clone_into(&mut self.title);
        } else if self.from.starts_with("http") {
            self.title = name_of_url(&self.from);
        }
        self
    }

    /// What two requests must share, besides digest and destination, to be the same: place and tag.
    pub fn meaning(&self) -> String {
        format!("{} {}", without_version(&self.from), self.tag.as_deref().unwrap_or(""))
    }
}

/// A person's wish for an image, with the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestedUse {
    /// The login of the requester.
    pub person: String,
    /// What the requester needs it for.
    pub reason: String,
    /// Until when it is needed, in seconds since 1970.
    pub until: Option<i64>,
    /// When they asked, in seconds since 1970.
    pub since: i64,
    /// Whether it is hidden from others who may not decide.
    pub private: bool,
    /// Whether the wish was withdrawn.
    pub withdrawn: bool,
}

/// The kind of a remark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RemarkKind {
    /// A remark that needs no answer.
    Note,
    /// An approver's question; the request waits for the answer.
    Question,
    /// The requester's answer to a question.
    Answer,
}

impl RemarkKind {
    /// The word that stores use for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Question => "question",
            Self::Answer => "answer",
        }
    }

    /// The kind for this word; a note for unknown words.
    pub fn from_name(word: &str) -> Self {
        [Self::Question, Self::Answer].into_iter().find(|kind| kind.name() == word).unwrap_or(Self::Note)
    }
}

/// A remark on a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// When it was said, in seconds since 1970.
    pub at: i64,
    /// The login of its author.
    pub person: String,
    /// Whether it is a note, a question or an answer.
    pub kind: RemarkKind,
    /// The text of the remark.
    pub words: String,
    /// Who may see it besides approvers; if empty, everybody who sees the request. A database that itself decides who
    /// sees what leaves it empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only_for: Vec<String>,
}
