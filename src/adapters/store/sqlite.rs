//! The cache in a SQLite file. A list is one packed value, so that 100,000 rows load in one read.
//!
//! The file may be lost at any time: it has a version, is written in transactions, and is moved aside if it is damaged
//! or comes from a newer Wharf. On network file systems it uses the rollback journal, because SQLite's write-ahead log
//! needs shared memory.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use sqlx::{
    Row as _, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::OnceCell;

use super::heads::ListHeads;
use crate::shared::private;
use wharf_core::{
    base::{
        digest::Digest,
        error::{During, Error, Result},
    },
    catalog::{
        rows::RowSet,
        tags::{MOST_SEEN, SeenTag},
    },
    evidence::record::{Kind, Record},
    ports::{Cache, CachedRows},
};

/// The version of the layout, kept in SQLite's `user_version`.
const VERSION: i64 = 5;
/// The version before it, which has all tables but that of the tags.
const WITHOUT_TAGS: i64 = 4;
/// The version before that, in which also evidence was laid out differently.
const OTHER_EVIDENCE: i64 = 3;
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS list (source TEXT PRIMARY KEY, fetched INTEGER NOT NULL, rows BLOB NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS filter (name TEXT PRIMARY KEY, filter TEXT NOT NULL) STRICT;
";
/// Evidence can be gathered again, so it is dropped when its layout changes.
const EVIDENCE: &str = "
    DROP TABLE IF EXISTS evidence;
    CREATE TABLE evidence (digest TEXT NOT NULL, manifest TEXT NOT NULL, kind TEXT NOT NULL, made TEXT NOT NULL,
                           place TEXT NOT NULL, record TEXT NOT NULL,
                           PRIMARY KEY (digest, manifest, kind, made, place)) STRICT;
    CREATE INDEX evidence_manifest ON evidence (manifest);
";
/// What was seen of tags, which nothing can tell again.
const TAGS: &str = "
    CREATE TABLE IF NOT EXISTS tags_seen (source TEXT NOT NULL, name TEXT NOT NULL, tag TEXT NOT NULL, digest TEXT NOT NULL,
                            since INTEGER NOT NULL, PRIMARY KEY (source, name, tag, since)) STRICT, WITHOUT ROWID;
";

/// The statements that bring a cache of this version to the present layout; `None` for a version that is not known.
fn steps_from(version: i64) -> Option<&'static [&'static str]> {
    match version {
        0 => Some(&[SCHEMA, EVIDENCE, TAGS]),
        OTHER_EVIDENCE => Some(&[EVIDENCE, TAGS]),
        WITHOUT_TAGS => Some(&[TAGS]),
        VERSION => Some(&[]),
        _ => None,
    }
}

/// A cache file, opened when it is first needed.
pub struct Sqlite {
    path: PathBuf,
    pool: OnceCell<SqlitePool>,
    heads: ListHeads,
}

impl Sqlite {
    /// The cache in `path`; the first rows of lists are in files beside it.
    pub fn new(path: PathBuf) -> Self {
        let heads = ListHeads::new(path.with_file_name("heads"));
        Self { path, pool: OnceCell::new(), heads }
    }

    async fn pool(&self) -> Result<&SqlitePool> {
        self.pool
            .get_or_try_init(|| async {
                match open(&self.path).await {
                    Ok(pool) => Ok(pool),
                    Err(error) => {
                        // Starting is more important than a cache: a damaged file is moved aside for later inspection.
                        let aside = self.path.with_extension("damaged");
                        tracing::warn!(%error, aside = %aside.display(), "the cache cannot be used; starting a new one");
                        std::fs::rename(&self.path, aside).during("set the cache aside")?;
                        self.heads.forget();
                        open(&self.path).await
                    }
                }
            })
            .await
    }
}

impl Sqlite {
    async fn lists(&self, query: &'static str, source: Option<&str>) -> Result<Vec<CachedRows>> {
        let what = "read the cached lists";
        let query = sqlx::query(query);
        let query = if let Some(source) = source { query.bind(source.to_owned()) } else { query };
        let rows = query.fetch_all(self.pool().await?).await.during(what)?;
        let mut all = Vec::new();
        for row in rows {
            let packed: &[u8] = row.try_get("rows").during(what)?;
            // A damaged list will be fetched again; the others are shown.
            match RowSet::from_bytes(packed) {
                Ok(rows) => all.push(CachedRows {
                    source: row.try_get("source").during(what)?,
                    fetched: row.try_get("fetched").during(what)?,
                    total: rows.len(),
                    rows: Arc::new(rows),
                }),
                Err(error) => tracing::warn!(%error, "a cached list was dropped"),
            }
        }
        Ok(all)
    }
}

async fn open(path: &Path) -> Result<SqlitePool> {
    let what = format!("open the cache {}", path.display());
    if let Some(parent) = path.parent() {
        private::folder(parent)?;
    }
    // The journals get the same permissions as the file.
    private::open(path, |options| options.create(true).truncate(false).write(true))?;
    let journal =
        if is_network(path.parent().unwrap_or(path)) { SqliteJournalMode::Truncate } else { SqliteJournalMode::Wal };
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        // Lists are large values, which would take thousands of reads with small pages.
        .page_size(65_536)
        .journal_mode(journal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(Duration::from_secs(5));
    // One connection, because a second would only wait for the first.
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_with(options)
        .await
        .during(&what)?;
    let version: i64 =
        sqlx::query("PRAGMA user_version").fetch_one(&pool).await.and_then(|row| row.try_get(0)).during(&what)?;
    match steps_from(version) {
        Some([]) => Ok(pool),
        Some(steps) => {
            let mut transaction = pool.begin().await.during(&what)?;
            let statements = steps.iter().flat_map(|step| step.split_inclusive(';')).map(str::trim);
            for statement in statements.filter(|statement| !statement.is_empty()) {
                sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut *transaction).await.during(&what)?;
            }
            let layout = format!("PRAGMA user_version = {VERSION}");
            sqlx::query(sqlx::AssertSqlSafe(layout)).execute(&mut *transaction).await.during(&what)?;
            transaction.commit().await.during(&what)?;
            Ok(pool)
        }
        None => {
            pool.close().await;
            Err(Error::failed(
                what,
                format!("it was written by another version of Wharf (layout {version}, this one knows {VERSION})"),
            ))
        }
    }
}

/// Whether a folder is on a network file system, by the magic numbers of statfs(2).
pub fn is_network(folder: &Path) -> bool {
    const NETWORK: [u32; 9] = [
        0x6969,      // NFS
        0xFF53_4D42, // CIFS
        0xFE53_4D42, // SMB2
        0x0BD0_0BD0, // Lustre
        0x4750_4653, // GPFS
        0x1983_0326, // BeeGFS
        0x00C3_6400, // Ceph
        0x5346_414F, // AFS
        0x0102_1997, // 9p
    ];
    rustix::fs::statfs(folder).is_ok_and(|stat| NETWORK.contains(&(stat.f_type as u32)))
}

#[async_trait]
impl Cache for Sqlite {
    async fn heads(&self) -> Result<Vec<CachedRows>> {
        Ok(self.heads.read())
    }

    async fn load(&self) -> Result<Vec<CachedRows>> {
        self.lists("SELECT source, fetched, rows FROM list ORDER BY source", None).await
    }

    async fn last(&self, source: &str) -> Result<Option<CachedRows>> {
        let query = "SELECT source, fetched, rows FROM list WHERE source = ?";
        Ok(self.lists(query, Some(source)).await?.pop())
    }

    async fn save(&self, source: &str, rows: &RowSet, fetched: i64) -> Result<()> {
        let what = "keep a list";
        let mut transaction = self.pool().await?.begin().await.during(what)?;
        let query = sqlx::query("INSERT OR REPLACE INTO list (source, fetched, rows) VALUES (?, ?, ?)");
        let query = query.bind(source).bind(fetched).bind(rows.to_bytes());
        query.execute(&mut *transaction).await.during(what)?;
        transaction.commit().await.during(what)?;
        self.heads.write(source, rows, fetched)?;
        // The log is emptied now, so that the next start need not read it.
        let _ = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_optional(self.pool().await?).await;
        Ok(())
    }

    async fn open(&self) -> Result<()> {
        self.pool().await.map(|_| ())
    }

    async fn evidence(&self, digests: &[Digest]) -> Result<Vec<Record>> {
        let what = "read evidence";
        let mut found = Vec::new();
        for digest in digests {
            let query = "SELECT record FROM evidence WHERE digest = ?1 OR manifest = ?1";
            let rows = sqlx::query(query).bind(digest.to_string()).fetch_all(self.pool().await?).await.during(what)?;
            for row in rows {
                let text: String = row.try_get("record").during(what)?;
                // Evidence that cannot be read is ignored.
                found.extend(serde_json::from_str::<Record>(&text).ok().filter(|record| !found.contains(record)));
            }
        }
        Ok(found)
    }

    async fn all_evidence(&self) -> Result<Vec<Record>> {
        let what = "read all evidence";
        let query = "SELECT record FROM evidence ORDER BY rowid DESC LIMIT 100000";
        let rows = sqlx::query(query).fetch_all(self.pool().await?).await.during(what)?;
        let texts = rows.iter().map(|row| row.try_get::<String, _>("record").during(what));
        Ok(texts.collect::<Result<Vec<_>>>()?.iter().filter_map(|text| serde_json::from_str(text).ok()).collect())
    }

    async fn each_scan(&self, take: &mut (dyn FnMut(Record) + Send)) -> Result<()> {
        let what = "read the scans";
        // In pages, between which others have the connection.
        let query = "SELECT rowid, record FROM evidence WHERE kind = ? AND rowid > ? ORDER BY rowid LIMIT 50";
        let mut last = i64::MIN;
        loop {
            let page = sqlx::query(query).bind(Kind::Scan.name()).bind(last).fetch_all(self.pool().await?);
            let rows = page.await.during(what)?;
            let Some(end) = rows.last() else { return Ok(()) };
            last = end.try_get("rowid").during(what)?;
            for row in &rows {
                let text: String = row.try_get("record").during(what)?;
                if let Ok(record) = serde_json::from_str::<Record>(&text) {
                    take(record);
                }
            }
            tokio::task::yield_now().await;
        }
    }

    async fn keep_evidence(&self, record: &Record) -> Result<()> {
        let what = "keep evidence";
        let query =
            "INSERT OR REPLACE INTO evidence (digest, manifest, kind, made, place, record) VALUES (?, ?, ?, ?, ?, ?)";
        // Stored by check and author: a newer version of a tool replaces what an older one found. Evidence about one
        // place only is kept beside that of other places.
        let by = record.by.labels().0;
        let place = if record.is_of_bytes() { "" } else { record.subject.name.as_str() };
        let query = sqlx::query(query)
            .bind(record.subject.digest.to_string())
            .bind(record.subject.manifest.to_string())
            .bind(record.kind().name())
            .bind(format!("{} {by}", record.check))
            .bind(place)
            .bind(serde_json::to_string(record).during(what)?);
        query.execute(self.pool().await?).await.during(what).map(|_| ())
    }

    async fn see_tag(&self, source: &str, name: &str, seen: &SeenTag) -> Result<()> {
        let what = "keep what a tag means";
        let pool = self.pool().await?;
        let query = "INSERT INTO tags_seen (source, name, tag, digest, since) SELECT ?1, ?2, ?3, ?4, ?5
             WHERE ?4 IS NOT (SELECT digest FROM tags_seen WHERE source = ?1 AND name = ?2 AND tag = ?3
                              ORDER BY since DESC LIMIT 1)
             ON CONFLICT (source, name, tag, since) DO UPDATE SET digest = excluded.digest";
        let query = sqlx::query(query).bind(source).bind(name).bind(&seen.tag);
        let written = query.bind(seen.digest.to_string()).bind(seen.since).execute(pool).await.during(what)?;
        if written.rows_affected() > 0 {
            let surplus = "DELETE FROM tags_seen WHERE source = ?1 AND name = ?2 AND tag = ?3 AND since NOT IN
                 (SELECT since FROM tags_seen WHERE source = ?1 AND name = ?2 AND tag = ?3 ORDER BY since DESC LIMIT ?4)";
            let query = sqlx::query(surplus)
                .bind(source)
                .bind(name)
                .bind(&seen.tag)
                .bind(i64::try_from(MOST_SEEN).unwrap_or(i64::MAX));
            query.execute(pool).await.during(what)?;
        }
        Ok(())
    }

    async fn tags_seen(&self, source: &str, name: &str) -> Result<Vec<SeenTag>> {
        let what = "read what tags meant";
        let query = "SELECT tag, digest, since FROM tags_seen WHERE source = ? AND name = ? ORDER BY since, tag";
        let rows = sqlx::query(query).bind(source).bind(name).fetch_all(self.pool().await?).await.during(what)?;
        let mut all = Vec::new();
        for row in rows {
            let digest: String = row.try_get("digest").during(what)?;
            // One that cannot be read is left out.
            let Ok(digest) = digest.parse() else { continue };
            let (tag, since) = (row.try_get("tag").during(what)?, row.try_get("since").during(what)?);
            all.push(SeenTag { tag, digest, since });
        }
        Ok(all)
    }

    async fn filters(&self) -> Result<Vec<(String, String)>> {
        let what = "read the saved filters";
        let rows = sqlx::query("SELECT name, filter FROM filter ORDER BY name")
            .fetch_all(self.pool().await?)
            .await
            .during(what)?;
        rows.iter().map(|row| Ok((row.try_get("name").during(what)?, row.try_get("filter").during(what)?))).collect()
    }

    async fn save_filter(&self, name: &str, filter: &str) -> Result<()> {
        let pool = self.pool().await?;
        let query = if filter.is_empty() {
            sqlx::query("DELETE FROM filter WHERE name = ?").bind(name)
        } else {
            sqlx::query("INSERT INTO filter (name, filter) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET filter = excluded.filter").bind(name).bind(filter)
        };
        query.execute(pool).await.during("keep a filter").map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_core::catalog::rows::Row;

    fn set(name: &str) -> RowSet {
        RowSet::build(vec![Row { name: name.into(), ..Row::default() }])
    }

    #[tokio::test]
    async fn what_is_kept_is_there_for_the_next_program() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache.db");
        let first = Sqlite::new(path.clone());
        first.save("lab", &set("old"), 1).await.unwrap();
        first.save("lab", &set("new"), 2).await.unwrap();
        first.save_filter("gpu", "cuda").await.unwrap();
        let second = Sqlite::new(path);
        let lists = second.load().await.unwrap();
        assert_eq!((lists.len(), lists[0].rows.name(0), lists[0].fetched), (1, "new", 2));
        assert_eq!(second.filters().await.unwrap(), [("gpu".to_owned(), "cuda".to_owned())]);
        second.save_filter("gpu", "").await.unwrap();
        assert!(first.filters().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_damaged_cache_is_set_aside_and_a_damaged_list_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache.db");
        std::fs::write(&path, "this is no database, and it is long enough to be read as one").unwrap();
        let cache = Sqlite::new(path.clone());
        assert!(cache.load().await.unwrap().is_empty());
        assert!(folder.path().join("cache.damaged").is_file());
        cache.save("good", &set("x"), 1).await.unwrap();
        let broken = sqlx::query("INSERT INTO list (source, fetched, rows) VALUES ('bad', 1, x'00')");
        broken.execute(cache.pool().await.unwrap()).await.unwrap();
        assert_eq!(cache.load().await.unwrap().len(), 1);
        assert_eq!(cache.heads().await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn what_a_tag_meant_is_kept_once_for_each_move() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache.db");
        let caches: [Box<dyn Cache>; 2] =
            [Box::new(Sqlite::new(path.clone())), Box::new(crate::store::memory::Memory::default())];
        for cache in caches {
            let see = async |tag: &str, digest: &str, since| {
                let seen = SeenTag { tag: tag.into(), digest: Digest::of(digest.as_bytes()), since };
                cache.see_tag("site", "oci://h/a", &seen).await.unwrap();
            };
            for (tag, digest, since) in [("1", "a", 1), ("1", "a", 2), ("1", "b", 3), ("1", "a", 4), ("2", "a", 4)] {
                see(tag, digest, since).await;
            }
            let seen = cache.tags_seen("site", "oci://h/a").await.unwrap();
            let since: Vec<_> = seen.iter().map(|seen| (seen.tag.as_str(), seen.since)).collect();
            assert_eq!(since, [("1", 1), ("1", 3), ("1", 4), ("2", 4)]);
            for night in 10..60 {
                see("nightly", &night.to_string(), night).await;
            }
            let seen = cache.tags_seen("site", "oci://h/a").await.unwrap();
            assert_eq!(seen.len(), 4 + MOST_SEEN);
            assert!(cache.tags_seen("hub", "oci://h/a").await.unwrap().is_empty());
        }
        assert_eq!(Sqlite::new(path).tags_seen("site", "oci://h/a").await.unwrap().len(), 4 + MOST_SEEN);
    }

    #[tokio::test]
    async fn a_cache_without_tags_keeps_all_that_it_has() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache.db");
        let older = Sqlite::new(path.clone());
        older.save("lab", &set("kept"), 1).await.unwrap();
        for step in ["DROP TABLE tags_seen", "PRAGMA user_version = 4"] {
            sqlx::query(step).execute(older.pool().await.unwrap()).await.unwrap();
        }
        older.pool().await.unwrap().close().await;
        let cache = Sqlite::new(path);
        assert_eq!(cache.load().await.unwrap()[0].rows.name(0), "kept");
        assert!(cache.tags_seen("lab", "x").await.unwrap().is_empty());
        assert!(!folder.path().join("cache.damaged").exists());
    }

    #[tokio::test]
    async fn a_cache_of_a_newer_wharf_is_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache.db");
        let newer = Sqlite::new(path.clone());
        sqlx::query("PRAGMA user_version = 99").execute(newer.pool().await.unwrap()).await.unwrap();
        newer.pool().await.unwrap().close().await;
        assert!(Sqlite::new(path).load().await.unwrap().is_empty());
        assert!(folder.path().join("cache.damaged").is_file());
    }
}
