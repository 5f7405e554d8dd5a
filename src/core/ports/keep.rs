//! The ports for what is kept between runs: lists, evidence, the audit, secrets.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    audit::{Entry, witness::Chain},
    base::{digest::Digest, error::Result, secret::Secret},
    catalog::{rows::RowSet, tags::SeenTag},
    evidence::record::Record,
    launch::{ledger::LaunchRecord, preset::Preset},
};

/// A list of a source as kept on disk.
#[derive(Debug, Clone)]
pub struct CachedRows {
    /// The source's name in lists.
    pub source: String,
    /// All rows, or only the first of them.
    pub rows: Arc<RowSet>,
    /// How many rows the whole list has.
    pub total: usize,
    /// When they were fetched, in seconds since 1970.
    pub fetched: i64,
}

/// Lists, evidence and filters that are kept between runs.
#[async_trait]
pub trait Cache: Send + Sync {
    /// The first rows of the last list of every source: about a screenful each. Never waits for the database. A list
    /// that cannot be read is left out.
    async fn heads(&self) -> Result<Vec<CachedRows>>;
    /// The last list of every source. Changes nothing. A list that cannot be read is left out; errors mean that the
    /// cache cannot be opened.
    async fn load(&self) -> Result<Vec<CachedRows>>;
    /// The last list of one source; `None` if there is none yet. Changes nothing.
    async fn last(&self, source: &str) -> Result<Option<CachedRows>>;
    /// Keeps a source's list in place of the previous one, whole or not at all. `fetched` is in seconds since 1970.
    /// Repeated, the last list stays.
    async fn save(&self, source: &str, rows: &RowSet, fetched: i64) -> Result<()>;
    /// Opens what it keeps, for whoever will read it soon. Changes nothing that is kept.
    async fn open(&self) -> Result<()> {
        Ok(())
    }
    /// Kept evidence of these digests, including records that are too old to count. Changes nothing.
    async fn evidence(&self, digests: &[Digest]) -> Result<Vec<Record>>;
    /// All kept evidence that can be read, the newest first. Changes nothing.
    async fn all_evidence(&self) -> Result<Vec<Record>>;
    /// Hands over each kept scan that can be read, one after the other, so that not all of them are in memory at once.
    /// Changes nothing.
    async fn each_scan(&self, take: &mut (dyn FnMut(Record) + Send)) -> Result<()>;
    /// Keeps a record; an older record of the same check of the same bytes is replaced. Repeated, it changes nothing.
    async fn keep_evidence(&self, record: &Record) -> Result<()>;
    /// Writes down that a look has seen a tag of an image: the image's `name` in the source is its reference without tag
    /// and digest. What was seen of the tag last is not written again, and of each tag only the newest
    /// [`MOST_SEEN`](crate::catalog::tags::MOST_SEEN) digests are kept. Repeated, it changes nothing.
    async fn see_tag(&self, source: &str, name: &str, seen: &SeenTag) -> Result<()>;
    /// What was seen of the tags of an image, the oldest first. Changes nothing.
    async fn tags_seen(&self, source: &str, name: &str) -> Result<Vec<SeenTag>>;
    /// Named filters: name and filter, sorted by name. Changes nothing.
    async fn filters(&self) -> Result<Vec<(String, String)>>;
    /// Keeps a filter under a name, in place of the previous one; an empty filter removes it. Repeated, it changes
    /// nothing.
    async fn save_filter(&self, name: &str, filter: &str) -> Result<()>;
}

/// The log of what was done. All calls may block.
pub trait Audit: Send + Sync {
    /// Appends an entry, chained to the last one, also when several programs do so at once. After: it is on the disk.
    /// Repeated, there are two entries. Errors: nothing was written, and the work that it would record must not go on.
    fn append(&self, entry: Entry) -> Result<()>;
    /// The text of the whole file; empty before the first entry. Changes nothing.
    fn read(&self) -> Result<String>;
    /// The id of the chain. The same until a new file is started.
    fn chain(&self) -> Result<Chain>;
}

/// The launches of this person that are kept, so that they can be made again and lost ones found. All calls may block.
pub trait Ledger: Send + Sync {
    /// Keeps a record, in place of the one with the same key; old ones may be dropped. After: it is on the disk, and only
    /// this person can read it. Repeated, it changes nothing. Errors: it is not kept; the previous one still is.
    fn keep(&self, record: &LaunchRecord) -> Result<()>;
    /// The kept records, the newest first. Changes nothing. One that cannot be read is left out.
    fn all(&self) -> Result<Vec<LaunchRecord>>;
    /// Keeps a preset, in place of the one with the same name. After: it is on the disk, and only this person can read
    /// it. Repeated, it changes nothing. Errors: it is not kept; the previous one still is.
    fn keep_preset(&self, preset: &Preset) -> Result<()>;
    /// The kept presets, by name. Changes nothing. Errors: the file with them cannot be read.
    fn presets(&self) -> Result<Vec<Preset>>;
}

/// How long a store keeps secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeps {
    /// Until it is told to forget them.
    ForGood,
    /// Until an event that people may not notice, in words: `after a restart`.
    ForNow(&'static str),
    /// Until the program ends.
    UntilTheEnd,
}

/// The port to the secret store.
pub trait Vault: Send + Sync {
    /// Which store is in use, in words. It may contact the stores. The same until [`agree`](Self::agree).
    fn describe(&self) -> String;
    /// Which stores were tried before it and why they were not used, in words. Changes nothing.
    fn refused(&self) -> Vec<String> {
        Vec::new()
    }
    /// How long secrets are kept. The same until [`agree`](Self::agree).
    fn keeps(&self) -> Keeps {
        Keeps::ForGood
    }
    /// Whether secrets outlive the program.
    fn is_lasting(&self) -> bool {
        self.keeps() != Keeps::UntilTheEnd
    }
    /// From now on keeps secrets in a file that only the person can read. Before: the person has agreed. Repeated, it
    /// changes nothing. Errors: the file cannot be made.
    fn agree(&self) -> Result<()> {
        Ok(())
    }
    /// A counter that grows whenever a secret is kept or forgotten, so that callers know when to read again. Contacts
    /// nobody.
    fn generation(&self) -> u64 {
        0
    }
    /// The account and the secret for `place`; `None` where there are none. Changes nothing. Errors: the store is
    /// there, but refuses or does not answer.
    fn get(&self, place: &str) -> Result<Option<(String, Secret)>>;
    /// Keeps the secret of `account` at `place`, in place of the previous one. After: [`get`](Self::get) gives it.
    /// Repeated, it changes nothing. Errors: it is not kept; the previous one may still be.
    fn set(&self, place: &str, account: &str, secret: &Secret) -> Result<()>;
    /// Keeps a secret unless there is one at `place`: `false` where there is, and then nothing has changed. Errors: it is not
    /// kept. A store of several programs does so that of two at once only one keeps its secret.
    fn add(&self, place: &str, account: &str, secret: &Secret) -> Result<bool> {
        if self.get(place)?.is_some() {
            return Ok(false);
        }
        self.set(place, account, secret).map(|()| true)
    }
    /// Forgets the secret for `place`. Where there is none, it does nothing. Errors: the secret may still be kept.
    fn delete(&self, place: &str) -> Result<()>;
}
