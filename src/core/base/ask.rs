//! Questions to the person who waits.

use async_trait::async_trait;

use super::{error::Result, secret::Secret};

/// What the core may ask the person while it works; the front ends put it into words on their screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The question, as one sentence.
    pub words: String,
    /// What sort of answer.
    pub kind: QuestionKind,
}

/// What sort of answer a question takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuestionKind {
    /// A line of text.
    Text,
    /// A secret, typed without echo.
    Secret,
    /// Yes or no; the answer is `yes` or anything else.
    Confirm,
}

/// The core asks the person; the front ends answer. Not answering is [`Error::cancelled`](super::error::Error::cancelled).
#[async_trait]
pub trait Asker: Send + Sync {
    /// Asks, and waits for the answer.
    async fn ask(&self, question: Question) -> Result<Secret>;
}
