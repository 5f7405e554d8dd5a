//! What is kept between two runs: lists, the audit, secrets.

use std::sync::Arc;

use async_trait::async_trait;

use crate::core::{
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
    /// The first rows of the last list of every source: a screenful, at once.
    async fn heads(&self) -> Result<Vec<CachedRows>>;
    /// The last list of every source.
    async fn load(&self) -> Result<Vec<CachedRows>>;
    /// The last list of one source.
    async fn last(&self, source: &str) -> Result<Option<CachedRows>>;
    /// Keeps a source's list.
    async fn save(&self, source: &str, rows: &RowSet, fetched: i64) -> Result<()>;
    /// Evidence of these digests, also such as counts no more.
    async fn evidence(&self, digests: &[Digest]) -> Result<Vec<Record>>;
    /// All evidence, the newest first, as far as anybody could read it.
    async fn all_evidence(&self) -> Result<Vec<Record>>;
    /// Keeps evidence; an older record of the same check of the same bytes is replaced.
    async fn keep_evidence(&self, record: &Record) -> Result<()>;
    /// Named filters.
    async fn filters(&self) -> Result<Vec<(String, String)>>;
    /// Keeps a filter under a name; an empty filter removes it.
    async fn save_filter(&self, name: &str, filter: &str) -> Result<()>;
}

/// Where what was done is written down. All calls may block.
pub trait Audit: Send + Sync {
    /// Adds an entry.
    fn append(&self, entry: Entry) -> Result<()>;
    /// The whole file, as it stands.
    fn read(&self) -> Result<String>;
    /// Which chain it is.
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
    /// Which store is in use, in words.
    fn describe(&self) -> String;
    /// What was tried before it and why it was not taken, in words.
    fn refused(&self) -> Vec<String> {
        Vec::new()
    }
    /// For how long secrets are kept.
    fn keeps(&self) -> Keeps {
        Keeps::ForGood
    }
    /// Whether what is kept outlives the program.
    fn lasting(&self) -> bool {
        self.keeps() != Keeps::UntilTheEnd
    }
    /// Keeps secrets in a file that only the person can read, from now on: they agreed to it.
    fn agree(&self) -> Result<()> {
        Ok(())
    }
    /// Grows whenever a secret is kept or forgotten, so that whoever remembers one asks again.
    fn generation(&self) -> u64 {
        0
    }
    /// The secret of `account` at `place`.
    fn get(&self, place: &str) -> Result<Option<(String, Secret)>>;
    /// Keeps a secret.
    fn set(&self, place: &str, account: &str, secret: &Secret) -> Result<()>;
    /// Forgets it; forgetting what is not there is fine.
    fn delete(&self, place: &str) -> Result<()>;
}
