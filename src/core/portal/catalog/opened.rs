//! What a link points to now.

use crate::{base::digest::Digest, image::model::Image, sharing::sender::Proof};

/// What a link points to now.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct OpenedLink {
    /// The image that the link is pinned to.
    pub image: Image,
    /// Whether the link's tag means another image now; `None` if the link has no tag or the tag is gone.
    pub moved: Option<bool>,
    /// The digest that the tag means now, if that has changed.
    pub now_at: Option<Digest>,
    /// Whether the link's end date has passed.
    pub expired: bool,
    /// The sender's name, as the sender wrote it.
    pub from: Option<String>,
    /// What is known of the sender.
    pub proof: Proof,
    /// The end date that the sender set (RFC 3339).
    pub until: Option<String>,
}
