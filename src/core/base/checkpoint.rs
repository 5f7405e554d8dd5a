//! How far the parts of a transfer are: written down on the way, so that another program can go on there.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{blocking::blocking, error::Result};

/// How far one part of a transfer is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The part: a blob's digest.
    pub part: String,
    /// Where it goes on: the address of an upload, or a file.
    pub at: String,
    /// How many bytes of it are there.
    pub bytes: u64,
    /// The smallest piece that its place takes, in bytes; 0 where it has named none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub least: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Keeps the checkpoints of one transfer. Its calls may block.
pub trait Checkpoints: Send + Sync {
    /// How far a part was when that was written down last. Changes nothing.
    fn last(&self, part: &str) -> Option<Checkpoint>;
    /// Writes down how far a part is, in place of what was written before. Repeated, it changes nothing.
    fn keep(&self, reached: &Checkpoint) -> Result<()>;
    /// The part is whole, or given up: nothing is left to go on with. Repeated, it changes nothing.
    fn forget(&self, part: &str) -> Result<()>;
    /// Whether the transfer shall stop where it can be taken up again. Does not block.
    fn shall_pause(&self) -> bool;
}

/// The checkpoints of a call; by default none are kept.
#[derive(Clone, Default)]
pub struct OptionalCheckpoints(pub Option<Arc<dyn Checkpoints>>);

impl fmt::Debug for OptionalCheckpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "kept" } else { "not kept" })
    }
}

impl OptionalCheckpoints {
    /// How far a part was when that was written down last.
    pub async fn last(&self, part: &str) -> Option<Checkpoint> {
        let (kept, part) = (self.0.clone()?, part.to_owned());
        blocking(move || kept.last(&part)).await.ok()?
    }

    /// Writes down how far a part is. What cannot be written only costs time if the program ends.
    pub async fn keep(&self, part: &str, at: &str, bytes: u64) {
        self.keep_pieces(part, at, (bytes, 0)).await;
    }

    /// The same of a part whose place takes no pieces smaller than the second number, in bytes.
    pub async fn keep_pieces(&self, part: &str, at: &str, (bytes, least): (u64, u64)) {
        let reached = Checkpoint { part: part.to_owned(), at: at.to_owned(), bytes, least };
        self.written(move |kept| kept.keep(&reached)).await;
    }

    /// The part is whole, or given up.
    pub async fn forget(&self, part: &str) {
        let part = part.to_owned();
        self.written(move |kept| kept.forget(&part)).await;
    }

    /// Whether the transfer shall stop where it can be taken up again.
    pub fn shall_pause(&self) -> bool {
        self.0.as_ref().is_some_and(|kept| kept.shall_pause())
    }

    async fn written(&self, write: impl FnOnce(&dyn Checkpoints) -> Result<()> + Send + 'static) {
        let Some(kept) = self.0.clone() else { return };
        match blocking(move || write(&*kept)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "a checkpoint was not written"),
            Err(error) => tracing::warn!(%error, "a checkpoint was not written"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_of_an_earlier_version_is_read() {
        let old = r#"{"part":"sha256:aa","at":"http://r/1","bytes":7}"#;
        let read: Checkpoint = serde_json::from_str(old).unwrap();
        assert_eq!((read.bytes, read.least), (7, 0));
        assert_eq!(serde_json::to_string(&read).unwrap(), old);
        let told = Checkpoint { least: 5, ..read };
        assert_eq!(serde_json::from_str::<Checkpoint>(&serde_json::to_string(&told).unwrap()).unwrap(), told);
    }
}
