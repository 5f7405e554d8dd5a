//! Questions to the person while an action is carried out.

use async_trait::async_trait;

use super::{error::Result, secret::Secret};

/// A question of the core, which the front ends show in their own way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The question, as one sentence.
    pub words: String,
    /// What kind of answer it takes.
    pub kind: QuestionKind,
}

/// What kind of answer a question takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuestionKind {
    /// A line of text.
    Text,
    /// A secret, typed without echo.
    Secret,
    /// Yes or no; the answer is `yes` or anything else.
    Confirm,
}

/// Asks the person; implemented by the front ends. No answer is [`Error::cancelled`](super::error::Error::cancelled).
#[async_trait]
pub trait Asker: Send + Sync {
    /// Asks the question and waits for the answer.
    async fn ask(&self, question: Question) -> Result<Secret>;
}
