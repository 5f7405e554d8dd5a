//! A cache in memory, used if the file cannot be opened, so that the program still starts.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;

use wharf_core::{
    base::{digest::Digest, error::Result},
    catalog::{
        rows::RowSet,
        tags::{self, SeenTag},
    },
    evidence::record::{Kind, Record},
    ports::{Cache, CachedRows},
};

/// Lists, filters and evidence, kept while the program runs.
#[derive(Default)]
pub struct Memory {
    rows: Mutex<BTreeMap<String, CachedRows>>,
    filters: Mutex<BTreeMap<String, String>>,
    evidence: Mutex<Vec<Record>>,
    /// By source and name.
    tags: Mutex<BTreeMap<(String, String), Vec<SeenTag>>>,
}

#[async_trait]
impl Cache for Memory {
    async fn heads(&self) -> Result<Vec<CachedRows>> {
        self.load().await
    }

    async fn load(&self) -> Result<Vec<CachedRows>> {
        Ok(self.rows.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect())
    }

    async fn last(&self, source: &str) -> Result<Option<CachedRows>> {
        Ok(self.rows.lock().unwrap_or_else(PoisonError::into_inner).get(source).cloned())
    }

    async fn save(&self, source: &str, rows: &RowSet, fetched: i64) -> Result<()> {
        let kept = CachedRows { source: source.to_owned(), total: rows.len(), rows: Arc::new(rows.clone()), fetched };
        self.rows.lock().unwrap_or_else(PoisonError::into_inner).insert(source.to_owned(), kept);
        Ok(())
    }

    async fn evidence(&self, digests: &[Digest]) -> Result<Vec<Record>> {
        let kept = self.evidence.lock().unwrap_or_else(PoisonError::into_inner);
        let of =
            |record: &&Record| digests.contains(&record.subject.digest) || digests.contains(&record.subject.manifest);
        Ok(kept.iter().filter(of).cloned().collect())
    }

    async fn all_evidence(&self) -> Result<Vec<Record>> {
        Ok(self.evidence.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    async fn each_scan(&self, take: &mut (dyn FnMut(Record) + Send)) -> Result<()> {
        let kept = self.evidence.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().filter(|record| record.kind() == Kind::Scan).for_each(|record| take(record.clone()));
        Ok(())
    }

    async fn keep_evidence(&self, record: &Record) -> Result<()> {
        let mut kept = self.evidence.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|known| known.subject != record.subject || known.kind() != record.kind());
        kept.push(record.clone());
        Ok(())
    }

    async fn see_tag(&self, source: &str, name: &str, seen: &SeenTag) -> Result<()> {
        let mut all = self.tags.lock().unwrap_or_else(PoisonError::into_inner);
        tags::add(all.entry((source.to_owned(), name.to_owned())).or_default(), seen);
        Ok(())
    }

    async fn tags_seen(&self, source: &str, name: &str) -> Result<Vec<SeenTag>> {
        let all = self.tags.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(all.get(&(source.to_owned(), name.to_owned())).cloned().unwrap_or_default())
    }

    async fn filters(&self) -> Result<Vec<(String, String)>> {
        Ok(self.filters.lock().unwrap_or_else(PoisonError::into_inner).clone().into_iter().collect())
    }

    async fn save_filter(&self, name: &str, filter: &str) -> Result<()> {
        let mut filters = self.filters.lock().unwrap_or_else(PoisonError::into_inner);
        if filter.is_empty() {
            filters.remove(name)
        } else {
            filters.insert(name.to_owned(), filter.to_owned())
        };
        Ok(())
    }
}
