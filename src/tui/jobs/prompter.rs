//! Asks questions of the core on the screen. Each waits under a number until the person answers or closes it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use tokio::sync::oneshot;

use super::post::Post;
use crate::msg::JobNews;
use wharf_core::{
    base::{
        error::{Error, Result},
        secret::Secret,
    },
    ports::{Asker, Question},
};

/// The questions that wait for an answer.
#[derive(Clone, Default)]
pub struct Questions {
    waiting: Arc<Mutex<HashMap<u64, oneshot::Sender<Secret>>>>,
    next: Arc<AtomicU64>,
}

impl Questions {
    /// Sends an answer to the task that asked; `None` cancels the question.
    pub fn answer(&self, id: u64, answer: Option<Secret>) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        if let (Some(waiting), Some(answer)) = (waiting, answer) {
            let _ = waiting.send(answer);
        }
    }
}

/// Asks questions by sending them to the loop, which opens a popup for each.
pub struct Prompter {
    post: Post,
    questions: Questions,
}

impl Prompter {
    /// A prompter that sends its questions through `post`.
    pub fn new(post: Post, questions: Questions) -> Self {
        Self { post, questions }
    }
}

/// A question that waits. When its job ends without an answer, dropping this closes the question's popup.
struct Open<'a> {
    id: u64,
    prompter: &'a Prompter,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let waits = self.prompter.questions.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
        if waits.is_some() {
            self.prompter.post.try_send(JobNews::Unasked(self.id));
        }
    }
}

#[async_trait]
impl Asker for Prompter {
    async fn ask(&self, question: Question) -> Result<Secret> {
        let id = self.questions.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        self.questions.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(id, sender);
        let what = question.words.clone();
        let open = Open { id, prompter: self };
        self.post.send(JobNews::Question(id, question)).await;
        let answer = answer.await.map_err(|_| Error::cancelled(what));
        drop(open);
        answer
    }
}
