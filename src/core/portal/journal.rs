//! The journal of what this person does: it writes every entry of the audit and reports it to the store.
//!
//! One rule says what gets an entry. From the moment when it is known what shall be changed, and that its place can do
//! such a thing at all, every attempt has one, whoever refuses it: our own checks, the policy, or the place. What comes
//! before that has none, because nothing was asked of anybody: words that cannot be read, a name that nothing has, a
//! place that cannot do it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::audit::witness::{AuditScope, Decided, WitnessState, WitnessedPosition, compare, untold};
use crate::{
    audit::{self, Entry, Reading},
    base::{
        blocking::blocking,
        clean,
        context::Context,
        digest::Digest,
        error::{During, Result},
    },
    ports::{Audit, store::Store},
};

/// The most errors that are kept until somebody asks for them.
const MOST_TROUBLES: usize = 20;
/// How long to wait for the store; what it did not get is reported with the next action.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long somebody who asks the store waits.
const LOOK: Duration = Duration::from_secs(10);
/// How many points of this person's audit chains are compared, the newest: each vouches for all entries before it.
const COMPARED: i64 = 2000;

/// An entry that is completed while its work runs, so that it holds what was known if the work fails.
pub(crate) struct OpenEntry(Mutex<Entry>);

impl OpenEntry {
    fn change(&self, change: impl FnOnce(&mut Entry)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn read<T>(&self, read: impl FnOnce(&Entry) -> T) -> T {
        read(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The digest that the work is about, if known.
    pub(crate) fn digest(&self) -> Option<Digest> {
        self.read(|entry| entry.digest.clone())
    }

    /// Sets the digest that the work is about.
    pub(crate) fn set_digest(&self, digest: &Digest) {
        self.change(|entry| entry.digest = Some(digest.clone()));
    }

    /// Adds to the subject what became known while the work ran.
    pub(crate) fn add_to_subject(&self, words: &str) {
        self.change(|entry| entry.subject.push_str(words));
    }

    /// Sets the verdict on which the work went on.
    pub(crate) fn set_verdict(&self, verdict: String) {
        self.change(|entry| entry.verdict = Some(verdict));
    }

    /// The action and its subject, for messages.
    pub(crate) fn describe(&self) -> String {
        self.read(|entry| format!("{} {}", entry.action, entry.subject))
    }
}

/// The entry with the outcome of its work.
fn ended<T>(mut entry: Entry, outcome: &Result<T>) -> Entry {
    if let Err(error) = outcome {
        entry.outcome = format!("{}: {}", error.kind.name(), error.why);
    }
    entry
}

/// Records what is done in the audit, and reports it to the store.
pub struct Journal {
    person: String,
    audit: Arc<dyn Audit>,
    store: Arc<dyn Store>,
    /// Errors beside actions that succeeded, until somebody asks for them.
    troubles: Mutex<Vec<String>>,
}

impl Journal {
    /// The journal of this person.
    pub(crate) fn new(person: &str, audit: Arc<dyn Audit>, store: Arc<dyn Store>) -> Self {
        Self { person: person.to_owned(), audit, store, troubles: Mutex::default() }
    }

    /// The person whose journal it is.
    pub(crate) fn person(&self) -> &str {
        &self.person
    }

    /// Keeps an error beside an action that went on, until somebody asks for [`Self::troubles`].
    pub(crate) fn trouble(&self, words: String) {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        if troubles.len() < MOST_TROUBLES {
            troubles.push(words);
        }
    }

    /// A new entry by this person, with the current time.
    pub(crate) fn entry(&self, action: &str, subject: impl Into<String>) -> Entry {
        Entry::new(&self.person, action, subject)
    }

    /// A new entry by this person that the work completes; see [`Self::recorded_as`].
    pub(crate) fn open_entry(&self, action: &str, subject: impl Into<String>) -> OpenEntry {
        OpenEntry(Mutex::new(self.entry(action, subject)))
    }

    /// Does the work and records its outcome; gives the result of the work.
    pub(crate) async fn recorded<T>(&self, entry: Entry, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.recorded_with(entry, work, |_, _| {}).await
    }

    /// The same; after success, `tell` adds to the entry what is known only then.
    pub(crate) async fn recorded_with<T>(
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

    /// The same with an entry that `work` completes as far as it gets.
    pub(crate) async fn recorded_as<T>(&self, entry: &OpenEntry, work: impl Future<Output = Result<T>>) -> Result<T> {
        let done = work.await;
        self.note(ended(entry.read(Entry::clone), &done)).await;
        done
    }

    /// Writes an entry, and reports it to the store. The work is done by then: an entry that cannot be written becomes
    /// one of [`Self::troubles`]. Private: what changes something runs inside [`Self::recorded`].
    async fn note(&self, entry: Entry) {
        let (audit, action) = (self.audit.clone(), format!("{} {}", entry.action, entry.subject));
        let written = blocking(move || audit.append(entry)).await.during("write the audit");
        if let Err(error) = written.and_then(|written| written) {
            tracing::warn!(%error, "the audit was not written");
            self.trouble(format!("not in the audit: {}: {error}", clean::short(&action, 200)));
        }
        self.report_to_store().await;
    }

    /// Errors beside actions since this was last called.
    pub fn troubles(&self) -> Vec<String> {
        std::mem::take(&mut *self.troubles.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The text of this person's audit file.
    pub async fn written(&self) -> Result<String> {
        let audit = self.audit.clone();
        blocking(move || audit.read()).await.during("read the audit")?
    }

    /// Reports the entries that the store has not seen yet. The audit file itself is the queue: what cannot be reported
    /// now is reported with the next action, and no error is given.
    async fn report_to_store(&self) {
        let audit = self.audit.clone();
        let read = blocking(move || Ok((audit::read(&audit.read()?), audit.chain()?)));
        let told = async {
            let (reading, chain) = read.await.during("read the audit")??;
            let known = self.store.witnessed(&AuditScope::Chain(chain.id.clone()), 1).await?;
            let marks = untold(&reading, known.first().map(|known| &known.mark))?;
            if marks.is_empty() { Ok(()) } else { self.store.witness(&chain, &marks).await }
        };
        if let Err(error) = Context::default().with_deadline(PATIENCE).run("tell the store of the audit", told).await {
            tracing::info!(%error, "the store is told of the audit later");
        }
    }

    /// Compares this person's audit with what the store has seen of it; fails if the store does not answer.
    pub async fn seen(&self, reading: &Reading) -> Result<WitnessState> {
        let audit = self.audit.clone();
        let chain = blocking(move || audit.chain()).await.during("read the audit")??;
        let own = AuditScope::Chain(chain.id.clone());
        let look = async {
            let mut seen = self.store.witnessed(&own, COMPARED).await?;
            seen.extend(self.store.witnessed(&AuditScope::Mine, COMPARED).await?);
            Ok(seen)
        };
        let seen = Context::default().with_deadline(LOOK).run("ask the store what it has seen", look).await?;
        let last = seen.iter().find(|seen| seen.chain.id == chain.id);
        Ok(WitnessState { told: last.map(|last| (last.mark.number, last.at)), faults: compare(reading, &chain, &seen) })
    }

    /// What the store has seen of everybody's audits, and the decisions on requests, the newest first, at most `most`
    /// of each. Only for approvers and stewards.
    pub async fn site_audit(&self, most: i64) -> Result<(Vec<WitnessedPosition>, Vec<Decided>)> {
        tokio::try_join!(self.store.witnessed(&AuditScope::Everybody, most), self.store.decided(most))
    }
}
