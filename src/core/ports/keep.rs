//! What is kept between two runs: lists, the audit, secrets.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    audit::{Entry, witness::Chain},
    base::{digest::Digest, error::Result, secret::Secret},
    catalog::rows::RowSet,
    evidence::record::Record,
};

/// A list as kept on disk.
#[derive(Debug, Clone)]
pub struct CachedRows {
    /// The source.
    pub source: String,
    /// Its rows, or the first of them.
    pub rows: Arc<RowSet>,
    /// How many there are in all.
    pub total: usize,
    /// Seconds since 1970 when they were fetched.
    pub fetched: i64,
}

/// What Wharf remembers between runs.
#[async_trait]
pub trait Cache: Send + Sync {
    /// The first rows of the last list of every source: a screenful, at once. Never waits for the database. What cannot
    /// be read is left out.
    async fn heads(&self) -> Result<Vec<CachedRows>>;
    /// The last list of every source. Changes nothing. A list that cannot be read is left out; errors mean that the
    /// cache cannot be opened.
    async fn load(&self) -> Result<Vec<CachedRows>>;
    /// The last list of one source; `None` before its first. Changes nothing.
    async fn last(&self, source: &str) -> Result<Option<CachedRows>>;
    /// Keeps a source's list in place of the one before, whole or not at all. `fetched` is in seconds since 1970.
    /// Repeated, the last one stays.
    async fn save(&self, source: &str, rows: &RowSet, fetched: i64) -> Result<()>;
    /// Evidence of these digests, also such as counts no more; of those that are unknown there is none. Changes
    /// nothing.
    async fn evidence(&self, digests: &[Digest]) -> Result<Vec<Record>>;
    /// All evidence, the newest first, as far as anybody could read it. Changes nothing.
    async fn all_evidence(&self) -> Result<Vec<Record>>;
    /// Keeps evidence; an older record of the same check of the same bytes is replaced. Repeated, it changes nothing.
    async fn keep_evidence(&self, record: &Record) -> Result<()>;
    /// Named filters: name and filter, by their names. Changes nothing.
    async fn filters(&self) -> Result<Vec<(String, String)>>;
    /// Keeps a filter under a name, in place of the one before; an empty filter removes it. Repeated, it changes
    /// nothing.
    async fn save_filter(&self, name: &str, filter: &str) -> Result<()>;
}

/// Where what was done is written down. All calls may block.
pub trait Audit: Send + Sync {
    /// Adds an entry behind the last one, chained to it, also when several programs do so at once. After: it is on the
    /// disk. Repeated, there are two entries. Errors: nothing was written, and what was to be done must not go on
    /// unseen.
    fn append(&self, entry: Entry) -> Result<()>;
    /// The whole file, as it stands; empty before the first entry. Changes nothing.
    fn read(&self) -> Result<String>;
    /// Which chain it is. The same until the file is begun anew.
    fn chain(&self) -> Result<Chain>;
}

/// For how long a store keeps secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeps {
    /// Until it is told to forget them.
    ForGood,
    /// Until something happens that nobody may notice, in words: `after a restart`.
    ForNow(&'static str),
    /// Until the program ends.
    UntilTheEnd,
}

/// Where secrets are kept.
pub trait Vault: Send + Sync {
    /// Which store is in use, in words. It may ask the stores, and says the same until [`agree`](Self::agree).
    fn describe(&self) -> String;
    /// What was tried before it and why it was not taken, in words. Changes nothing.
    fn refused(&self) -> Vec<String> {
        Vec::new()
    }
    /// For how long secrets are kept. The same until [`agree`](Self::agree).
    fn keeps(&self) -> Keeps {
        Keeps::ForGood
    }
    /// Whether what is kept outlives the program.
    fn lasting(&self) -> bool {
        self.keeps() != Keeps::UntilTheEnd
    }
    /// Keeps secrets in a file that only the person can read, from now on. Before: the person has said yes. Repeated,
    /// it changes nothing. Errors: the file cannot be made.
    fn agree(&self) -> Result<()> {
        Ok(())
    }
    /// Grows whenever a secret is kept or forgotten, so that whoever remembers one asks again. Asks nobody.
    fn generation(&self) -> u64 {
        0
    }
    /// The account and the secret that are kept for `place`; `None` where there are none. Changes nothing. Errors: the
    /// store is there and refuses or does not answer.
    fn get(&self, place: &str) -> Result<Option<(String, Secret)>>;
    /// Keeps the secret of `account` at `place`, in place of the one before. After: [`get`](Self::get) gives it.
    /// Repeated, it changes nothing. Errors: it is not kept, and the one before may be.
    fn set(&self, place: &str, account: &str, secret: &Secret) -> Result<()>;
    /// Forgets what is kept for `place`. Repeated, and where there is nothing, that is fine. Errors: it may still be
    /// kept.
    fn delete(&self, place: &str) -> Result<()>;
}
