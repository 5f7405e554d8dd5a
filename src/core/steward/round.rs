//! The results of one round of work, and reporting them.

use std::sync::Arc;

use crate::base::error::{Error, Result};

/// The results of one round of work.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Round {
    /// Requests that were worked on: number and new state, in words.
    pub requests: Vec<(i64, String)>,
    /// How many images were judged again.
    pub watched: usize,
    /// How many notices were delivered.
    pub delivered: usize,
    /// What was copied into the site's mirror, and which registries are left alone, one line each.
    pub mirrored: Vec<String>,
    /// What failed, one sentence each.
    pub failed: Vec<String>,
}

impl Round {
    /// Whether nothing happened in it.
    pub(super) fn is_empty(&self) -> bool {
        self.requests.is_empty()
            && self.watched == 0
            && self.delivered == 0
            && self.mirrored.is_empty()
            && self.failed.is_empty()
    }

    /// A round in which only this failed.
    pub(super) fn failing(error: &Error) -> Self {
        Self { failed: vec![error.to_string()], ..Self::default() }
    }

    /// This round and another one, as one.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.requests.extend(other.requests);
        self.watched += other.watched;
        self.delivered += other.delivered;
        self.mirrored.extend(other.mirrored);
        self.failed.extend(other.failed);
        self
    }
}

/// Called for every round in which something happened.
pub type RoundObserver = Arc<dyn Fn(&Round) + Send + Sync>;

/// Reports a round; that the store is away is reported only once.
pub(super) fn report_round(round: &Result<Round>, away: &mut bool, tell: &RoundObserver) {
    match round {
        Ok(round) => {
            *away = false;
            if !round.is_empty() {
                tell(round);
            }
        }
        Err(error) => {
            if !std::mem::replace(away, true) {
                tell(&Round::failing(error));
            }
        }
    }
}
