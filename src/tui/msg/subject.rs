//! What messages and effects are about: lists, images, links, words about a request.

use std::sync::Arc;

use crate::rows::WorkloadId;
use wharf_core::{
    base::{digest::Digest, text},
    catalog::{rows::RowSet, search::RowId},
    image::reference::ImageRef,
};

/// The lists of all sources with their names, as the search takes them.
pub type SharedRowSets = Arc<Vec<(String, Arc<RowSet>)>>;

/// Row ids in the order of the list.
pub type Ids = Arc<Vec<RowId>>;

/// An image on a screen: a row of a list, or a reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageTarget {
    /// A row of a source's list, with a tag if one is known.
    Row { source: String, name: String, tag: Option<String> },
    /// A full reference, perhaps pinned.
    Reference(ImageRef),
}

/// A launch that was made before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EarlierLaunch {
    /// The one that made this workload, or the workload of which it is a part.
    Of(WorkloadId),
    /// The one with this key.
    Key(String),
}

/// A row of a list whose image is known, which is looked at more closely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeekedRow {
    /// The name of its source.
    pub source: String,
    /// The name of the row.
    pub name: String,
    /// The tag that stands for the row.
    pub tag: String,
    /// The digest that the tag means.
    pub digest: Digest,
}

/// A workload that is described beside its list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedWorkload {
    /// The workload.
    pub id: WorkloadId,
    /// The reference that it was launched from.
    pub image: String,
    /// The digest that was launched; empty if it is not known.
    pub digest: String,
    /// Whether it runs: when it begins to run again, its output is read again.
    pub live: bool,
}

/// A link that the person wants to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkWish {
    /// The image that the link will name.
    pub target: ImageTarget,
    /// The chosen platform, like `linux/arm64`; all platforms if `None`.
    pub platform: Option<String>,
    /// When the link ends, in seconds since 1970; never if `None`.
    pub until: Option<i64>,
}

/// To launch the bytes that the lock file of this folder names, where it names the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockWish {
    /// The chosen platform, like `linux/arm64`; that of the file if `None`.
    pub platform: Option<String>,
}

impl ImageTarget {
    /// The image's name in messages, before it has been resolved to a reference.
    pub fn label(&self) -> String {
        match self {
            // Clouds have ids in place of tags: the name alone says more.
            Self::Row { name, tag: Some(tag), .. } if !is_id(tag) => format!("{name}:{tag}"),
            Self::Row { name, .. } => name.clone(),
            Self::Reference(reference) => reference.short_text(),
        }
    }
}

/// Whether a tag is a cloud's id (a UUID), alone or after the path of its owner.
fn is_id(tag: &str) -> bool {
    text::is_uuid(tag.rsplit('/').next().unwrap_or(tag))
}

/// What a person says about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestInput {
    /// A question that the approver asks the requester.
    Question(String),
    /// A remark, or the answer to an open question.
    More(String),
    /// The requester withdraws the request.
    Withdrawn,
    /// The requester asks for the image that the tag names now.
    Newer,
}
