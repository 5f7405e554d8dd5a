//! What a cluster has and allows: asked by its commands or by slurmrestd, and kept for all processes of this person.
//!
//! Partitions and nodes change from moment to moment, and the controller tells them at once. Accounts and qualities of
//! service change some times a month, and the database that knows them takes a third of a second: they are kept for
//! longer, used while they are asked for again in the background, and where nothing is kept yet, the controller's own
//! memory of them is taken until the database has answered.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Mutex, task::JoinHandle};

use super::{
    ask::{Questions, groups},
    facts_file::FactsFile,
    kept_facts::{Known, Membership, Seen, Told},
};
use wharf_core::base::{
    blocking::blocking,
    error::{Error, Result},
    text,
};

/// How many seconds old the free nodes may be that a form shows.
const ROOM: i64 = 15;
/// How many seconds old the limits and states of partitions may be with which a job is planned.
const LIMITS: i64 = 600;
/// For how many seconds accounts are not asked for again.
const PEOPLE: i64 = 3600;
/// For how many seconds they are used while they are asked for again.
const PEOPLE_MEANWHILE: i64 = 24 * 3600;
/// How many seconds are between two tries to learn them in the background.
const BETWEEN_TRIES: i64 = 600;
/// The most time that the end of a command waits for what is asked in the background.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the facts are wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// What is free, for people to look at.
    Room,
    /// What is allowed.
    Limits,
    /// Everything as it is now.
    Anew,
}

/// The facts of a cluster.
pub(super) struct Facts {
    questions: Questions,
    file: Option<FactsFile>,
    /// `None` until the file was read.
    known: Mutex<Option<Known>>,
    /// What is asked in the background.
    renewing: Mutex<Option<JoinHandle<()>>>,
}

impl Facts {
    /// The facts that these questions tell; with a file, they are kept for other processes. Asks nothing.
    pub(super) fn new(questions: Questions, file: Option<FactsFile>) -> Self {
        Self { questions, file, known: Mutex::default(), renewing: Mutex::default() }
    }

    /// What the cluster has and allows.
    ///
    /// # Errors
    /// Those of [`super::commands::Commands::ask`] if its partitions cannot be read. Accounts that cannot be read are
    /// left out: Slurm takes the person's own default then.
    pub(super) async fn seen(self: &Arc<Self>, need: Need, what: &str) -> Result<Seen> {
        let mut slot = self.known.lock().await;
        let mut known = match slot.take() {
            Some(known) => known,
            None => self.read().await,
        };
        let done = self.complete(&mut known, need, what).await;
        let seen = known.seen();
        *slot = Some(known);
        done.map(|()| seen)
    }

    /// Asks for what is missing or too old.
    async fn complete(self: &Arc<Self>, known: &mut Known, need: Need, what: &str) -> Result<()> {
        let now = text::now();
        let oldest = match need {
            Need::Room => ROOM,
            Need::Limits => LIMITS,
            Need::Anew => 0,
        };
        let partitions = !known.partitions.as_ref().is_some_and(|told| told.is_within(oldest, now));
        let usable = |told: &Told<Membership>| told.is_within(PEOPLE_MEANWHILE, now) && need != Need::Anew;
        let people = !known.people.as_ref().is_some_and(usable);
        if !partitions && !people {
            self.renew_if_old(known, now).await;
            return Ok(());
        }
        let answer = self.questions.ask(what, partitions, people, need != Need::Anew).await?;
        let is_missing = people && answer.people.is_none();
        known.take(answer, text::now());
        if is_missing {
            known.go_on(groups().await, text::now());
        }
        self.renew_if_old(known, now).await;
        self.write(known).await;
        Ok(())
    }

    /// Begins to ask for accounts in the background, where they are old or not complete.
    async fn renew_if_old(self: &Arc<Self>, known: &mut Known, now: i64) {
        let is_good = |told: &Told<Membership>| told.is_within(PEOPLE, now) && told.value.is_whole;
        let is_tried = (0..BETWEEN_TRIES).contains(&now.saturating_sub(known.tried));
        if is_tried || known.people.as_ref().is_some_and(is_good) {
            return;
        }
        known.tried = now;
        let facts = Arc::clone(self);
        *self.renewing.lock().await = Some(tokio::spawn(async move {
            let answer = facts.questions.ask("ask for accounts", false, true, false).await;
            let mut slot = facts.known.lock().await;
            let known = slot.get_or_insert_default();
            known.tried = text::now();
            known.take(answer.unwrap_or_default(), text::now());
            facts.write(known).await;
        }));
    }

    /// Whether partitions were asked for a moment ago.
    pub(super) async fn has_new_partitions(&self) -> bool {
        let known = self.known.lock().await;
        let told = known.as_ref().and_then(|known| known.partitions.as_ref());
        told.is_some_and(|told| told.is_within(ROOM, text::now()))
    }

    /// Begins to ask for everything again.
    pub(super) async fn renew(self: &Arc<Self>) {
        let facts = Arc::clone(self);
        *self.renewing.lock().await = Some(tokio::spawn(async move {
            if let Err(error) = facts.seen(Need::Anew, "ask for what the cluster allows").await {
                tracing::debug!(%error, "the facts of a cluster were not read anew");
            }
        }));
    }

    /// Waits for a moment for what is asked in the background, so that the next process finds it.
    pub(super) async fn settle(&self) {
        let task = self.renewing.lock().await.take();
        if let Some(task) = task {
            let _ = tokio::time::timeout(PATIENCE, task).await;
        }
    }

    /// Asks for everything again after a refusal, and adds to the error whether the facts had changed: then they may have
    /// been the reason.
    pub(super) async fn after_refusal(self: &Arc<Self>, error: Error, what: &str) -> Error {
        let Ok(before) = self.seen(Need::Limits, what).await else { return error };
        if before.is_new() {
            return error;
        }
        match self.seen(Need::Anew, what).await {
            Ok(after) if !after.site.allows_the_same(&before.site) => {
                let told = "what this cluster allows has changed and was read anew: plan the launch again";
                let hint = if error.hint.is_empty() { told.to_owned() } else { format!("{told}; {}", error.hint) };
                error.hint(hint)
            }
            _ => error,
        }
    }

    async fn read(&self) -> Known {
        let Some(file) = self.file.clone() else { return Known::default() };
        blocking(move || file.read()).await.ok().flatten().unwrap_or_default()
    }

    /// Keeps the facts for other processes. Without that, they ask by themselves.
    async fn write(&self, known: &Known) {
        let (Some(file), known) = (self.file.clone(), known.clone()) else { return };
        let written = blocking(move || file.write(&known)).await;
        if let Ok(Err(error)) = written {
            tracing::debug!(%error, "the facts of a cluster were not kept");
        }
    }
}

#[cfg(test)]
#[path = "facts/tests.rs"]
mod tests;
