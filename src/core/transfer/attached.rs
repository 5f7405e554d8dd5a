//! What is attached to an image, and to that in turn (a signature on a bill of materials): found step by step while it is
//! copied, within bounds.

use std::collections::{BTreeSet, VecDeque};

use super::blob::CopyEnd;
use crate::{
    base::{
        context::Context,
        digest::Digest,
        error::{Error, Kind, Result},
    },
    evidence::attachments::Attachment,
    image::manifest::RawManifest,
};

/// Most attachments of an image that are copied, all together.
const MOST: usize = 512;
/// How far from the image something is that is copied: 1 is attached to the image itself.
const DEEPEST: usize = 3;

/// The attachments of an image that wait to be copied.
#[derive(Debug, Default)]
pub(super) struct Attached {
    waiting: VecDeque<(Attachment, usize)>,
    /// Manifests that were asked already what is attached to them, so that a circle ends.
    asked: BTreeSet<Digest>,
    /// References that were found already.
    known: BTreeSet<String>,
    /// How many were found beyond the bound.
    over: usize,
    /// What could not be read, and why.
    left: Vec<String>,
}

impl Attached {
    /// What is attached to these manifests.
    ///
    /// # Errors
    /// `Cancelled`, and `Unavailable` where a place did not answer: what it has is not lost, but comes later.
    pub(super) async fn to(cx: &Context, from: &CopyEnd, manifests: &[RawManifest]) -> Result<Self> {
        let mut all = Self::default();
        for manifest in manifests {
            all.look(cx, from, &manifest.digest, 1).await?;
        }
        Ok(all)
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The next one to copy, and how far from the image it is.
    pub(super) fn next(&mut self) -> Option<(Attachment, usize)> {
        self.waiting.pop_front()
    }

    /// Looks for what is attached to one that was copied.
    ///
    /// # Errors
    /// As for [`to`](Self::to).
    pub(super) async fn below(&mut self, cx: &Context, from: &CopyEnd, copied: &Digest, depth: usize) -> Result<()> {
        if depth < DEEPEST { self.look(cx, from, copied, depth + 1).await } else { Ok(()) }
    }

    /// Notes that one was not copied and never will be.
    ///
    /// # Errors
    /// The error itself, where it may pass: the copy goes on later.
    pub(super) fn leave(&mut self, one: &Attachment, error: Error) -> Result<()> {
        if may_pass(&error) {
            return Err(bare_instead(error));
        }
        self.left.push(format!("{}: {}", one.at, error.why));
        Ok(())
    }

    /// What is not copied, and why.
    pub(super) fn left(mut self) -> Vec<String> {
        if self.over > 0 {
            self.left.push(format!("{} of {} attachments: too many", self.over, self.over + self.known.len()));
        }
        self.left
    }

    async fn look(&mut self, cx: &Context, from: &CopyEnd, subject: &Digest, depth: usize) -> Result<()> {
        if !self.asked.insert(subject.clone()) {
            return Ok(());
        }
        let all = from.content.attached(cx, &from.at, subject).await?;
        for error in all.unseen {
            if may_pass(&error) {
                return Err(bare_instead(error));
            }
            self.left.push(format!("attachments could not be read: {}: {}", error.what, error.why));
        }
        for one in all.found {
            let name = one.at.to_string();
            let was_copied = one.tag.is_none() && one.at.digest().is_some_and(|digest| self.asked.contains(digest));
            if was_copied || self.known.contains(&name) {
                continue;
            }
            if self.known.len() < MOST {
                self.known.insert(name);
                self.waiting.push_back((one, depth));
            } else {
                self.over += 1;
            }
        }
        Ok(())
    }
}

/// Whether trying again later may succeed.
fn may_pass(error: &Error) -> bool {
    matches!(error.kind, Kind::Cancelled | Kind::Unavailable)
}

/// Says how to do without attachments whose place does not answer.
fn bare_instead(error: Error) -> Error {
    if error.kind == Kind::Cancelled {
        return error;
    }
    let without = "'wharf copy --bare' copies the image without what is attached to it";
    let hint = if error.hint.is_empty() { without.to_owned() } else { format!("{}; {without}", error.hint) };
    error.hint(hint)
}
