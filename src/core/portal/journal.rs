//! What this person did here: every entry of the audit is written by this, and the store is told of it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::audit::witness::{Decided, Seen, Whose, Witnessed, compare, untold};
use crate::{
    audit::{self, Entry, Reading},
    base::{
        clean,
        context::Context,
        digest::Digest,
        error::{During, Result},
    },
    ports::{Audit, store::Store},
};

/// Troubles that are kept for somebody who may never ask.
const MOST_TROUBLES: usize = 20;
/// Nobody waits longer for the store to be told: it is told of the same with the next action.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long somebody who asks waits.
const LOOK: Duration = Duration::from_secs(10);
/// Ends of one's own chains that are compared, the newest: each stands for all before it.
const COMPARED: i64 = 2000;

/// An entry that is filled in while the work that it tells of is done: it keeps what was known when that failed.
pub(crate) struct OpenEntry(Mutex<Entry>);

impl OpenEntry {
    fn change(&self, change: impl FnOnce(&mut Entry)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn read<T>(&self, read: impl FnOnce(&Entry) -> T) -> T {
        read(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The bytes that it is about.
    pub(crate) fn digest(&self) -> Option<Digest> {
        self.read(|entry| entry.digest.clone())
    }

    /// Says which bytes it is about.
    pub(crate) fn set_digest(&self, digest: &Digest) {
        self.change(|entry| entry.digest = Some(digest.clone()));
    }

    /// Says on which verdict it is done.
    pub(crate) fn set_verdict(&self, verdict: String) {
        self.change(|entry| entry.verdict = Some(verdict));
    }

    /// What is done, and on what, for messages.
    pub(crate) fn words(&self) -> String {
        self.read(|entry| format!("{} {}", entry.action, entry.subject))
    }
}

/// An entry with how its work ended.
fn ended<T>(mut entry: Entry, outcome: &Result<T>) -> Entry {
    if let Err(error) = outcome {
        entry.outcome = format!("{}: {}", error.kind.word(), error.why);
    }
    entry
}

/// Writes down what was done, and tells of it.
pub struct Journal {
    person: String,
    audit: Arc<dyn Audit>,
    store: Arc<dyn Store>,
    /// What went wrong beside an action that was done, until somebody is told.
    troubles: Mutex<Vec<String>>,
}

impl Journal {
    /// The journal of a person.
    pub(crate) fn new(person: &str, audit: Arc<dyn Audit>, store: Arc<dyn Store>) -> Self {
        Self { person: person.to_owned(), audit, store, troubles: Mutex::default() }
    }

    /// An entry by this person, of now.
    pub(crate) fn entry(&self, action: &str, subject: impl Into<String>) -> Entry {
        Entry::new(&self.person, action, subject)
    }

    /// An entry by this person, of now, that the work itself fills in ([`Self::recorded_as`]).
    pub(crate) fn open_entry(&self, action: &str, subject: impl Into<String>) -> OpenEntry {
        OpenEntry(Mutex::new(self.entry(action, subject)))
    }

    /// Does something and writes it down with how it ended; gives what it gave.
    pub(crate) async fn recorded<T>(&self, entry: Entry, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.told_by(entry, work, |_, _| {}).await
    }

    /// The same; where it was done, `tell` puts into the entry what is only known then.
    pub(crate) async fn told_by<T>(
        &self,
        mut entry: Entry,
        work: impl Future<Output = Result<T>>,
        tell: impl FnOnce(&mut Entry, &T),
    ) -> Result<T> {
        let done = work.await;
        if let Ok(made) = &done {
            tell(&mut entry, made);
        }
        self.note(ended(entry, &done)).await;
        done
    }

    /// The same with an entry that `work` has filled in as far as it came.
    pub(crate) async fn recorded_as<T>(&self, entry: &OpenEntry, work: impl Future<Output = Result<T>>) -> Result<T> {
        let done = work.await;
        self.note(ended(entry.read(Entry::clone), &done)).await;
        done
    }

    /// Writes an entry down, and tells the store of it. The work is done by then: whoever did it is told
    /// of what cannot be written ([`Self::troubles`]). Private: who changes something does it inside [`Self::recorded`].
    async fn note(&self, entry: Entry) {
        let (audit, action) = (self.audit.clone(), format!("{} {}", entry.action, entry.subject));
        let written = tokio::task::spawn_blocking(move || audit.append(entry)).await.during("write the audit");
        if let Err(error) = written.and_then(|written| written) {
            tracing::warn!(%error, "the audit was not written");
            let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
            if troubles.len() < MOST_TROUBLES {
                troubles.push(format!("not in the audit: {}: {error}", clean::short(&action, 200)));
            }
        }
        self.tell_store().await;
    }

    /// What went wrong beside actions since this was asked last.
    pub fn troubles(&self) -> Vec<String> {
        std::mem::take(&mut *self.troubles.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// This person's audit as it stands in its file; an error where it cannot be read.
    pub async fn written(&self) -> Result<String> {
        let audit = self.audit.clone();
        tokio::task::spawn_blocking(move || audit.read()).await.during("read the audit")?
    }

    /// Tells the store what it has not seen yet of this person's audit. The file is its own spool: what cannot be told now
    /// is told with the next action, and nothing fails for it.
    async fn tell_store(&self) {
        let audit = self.audit.clone();
        let read = tokio::task::spawn_blocking(move || Ok((audit::read(&audit.read()?), audit.chain()?)));
        let told = async {
            let (reading, chain) = read.await.during("read the audit")??;
            let known = self.store.witnessed(&Whose::Chain(chain.id.clone()), 1).await?;
            let marks = untold(&reading, known.first().map(|known| &known.mark))?;
            if marks.is_empty() { Ok(()) } else { self.store.witness(&chain, &marks).await }
        };
        if let Err(error) = Context::default().within(PATIENCE).run("tell the store of the audit", told).await {
            tracing::info!(%error, "the store is told of the audit later");
        }
    }

    /// Compares this person's audit with what the store has seen of it; an error where the store does not answer.
    pub async fn seen(&self, reading: &Reading) -> Result<Seen> {
        let audit = self.audit.clone();
        let chain = tokio::task::spawn_blocking(move || audit.chain()).await.during("read the audit")??;
        let own = Whose::Chain(chain.id.clone());
        let look = async {
            let mut seen = self.store.witnessed(&own, COMPARED).await?;
            seen.extend(self.store.witnessed(&Whose::Mine, COMPARED).await?);
            Ok(seen)
        };
        let seen = Context::default().within(LOOK).run("ask the store what it has seen", look).await?;
        let last = seen.iter().find(|seen| seen.chain.id == chain.id);
        Ok(Seen { told: last.map(|last| (last.mark.number, last.at)), faults: compare(reading, &chain, &seen) })
    }

    /// What the store was told of everybody's audits, and what was decided about requests, the newest first, at most `most`
    /// of each. Not allowed but to those who decide, and stewards.
    pub async fn of_site(&self, most: i64) -> Result<(Vec<Witnessed>, Vec<Decided>)> {
        tokio::try_join!(self.store.witnessed(&Whose::Everybody, most), self.store.decided(most))
    }
}
