//! The shared store in a SQLite file, for one person or the people of one machine. The file's permissions are the
//! rights; the configuration says who may decide.
//!
//! A request is one value, changed by the pure functions of [`wharf_core::request`] in a transaction during which
//! nobody else writes.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{
    Row as _, Sqlite, SqlitePool, Transaction,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous},
};
use tokio::sync::{Notify, OnceCell};

use super::{
    overview::StoredOverview,
    rules::{OLDEST, may_approve_class, may_audit, may_decide, no_request, turn},
    values::{read, readable},
    worker::host,
};
use crate::{shared::private, store::sqlite::is_network};
use wharf_core::{
    audit::witness::{AuditScope, Chain, Decided, Mark, WitnessedPosition},
    base::{
        error::{During, Error, Kind, Result},
        text,
    },
    image::reference::without_version,
    policy::Site,
    ports::store::{DueNotice, JobStatus, JobTurn, Steward, Store, StoreStatus, Use, UseKind, Watch, Watched, site},
    request::{
        Admission, Caller, Change, Class, Decision, Event, Group, Id, Pace, QueueOverview, Request, RequestFilter,
        RequestedImage, RequestedUse, Stage,
        event::seconds,
        notice::{APPROVERS, Notice, describe},
    },
};

/// The steps that create and update the layout. How many were done is in SQLite's `user_version`.
const STEPS: &[&str] = &["
    CREATE TABLE request (id INTEGER PRIMARY KEY AUTOINCREMENT, digest TEXT NOT NULL, destination TEXT NOT NULL,
        stage TEXT NOT NULL, rule TEXT NOT NULL, base TEXT NOT NULL, since INTEGER NOT NULL, changed INTEGER NOT NULL,
        retry INTEGER NOT NULL, lease INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
    CREATE UNIQUE INDEX request_one ON request (digest, destination) WHERE stage NOT IN ('rejected', 'withdrawn');
    CREATE INDEX request_queue ON request (stage, rule, base, since, id);
    CREATE TABLE wish (request INTEGER NOT NULL, person TEXT NOT NULL, PRIMARY KEY (request, person)) STRICT;
    CREATE INDEX wish_person ON wish (person, request);
    CREATE TABLE history (id INTEGER PRIMARY KEY, request INTEGER NOT NULL, at INTEGER NOT NULL, who TEXT NOT NULL,
        what TEXT NOT NULL, detail TEXT NOT NULL) STRICT;
    CREATE INDEX history_request ON history (request);
    CREATE TABLE class (id INTEGER PRIMARY KEY AUTOINCREMENT, until INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
    CREATE TABLE used (person TEXT NOT NULL, how TEXT NOT NULL, digest TEXT NOT NULL, reference TEXT NOT NULL,
        place TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (digest, person, how, place)) STRICT;
    CREATE TABLE watched (digest TEXT PRIMARY KEY, reference TEXT NOT NULL, checked INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
    CREATE TABLE notice (id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, receiver TEXT NOT NULL,
        key TEXT NOT NULL, body TEXT NOT NULL, UNIQUE (receiver, key)) STRICT;
    CREATE TABLE seen (notice INTEGER NOT NULL, person TEXT NOT NULL, PRIMARY KEY (notice, person)) STRICT;
    CREATE TABLE delivery (notice INTEGER NOT NULL, way TEXT NOT NULL, tries INTEGER NOT NULL, due INTEGER NOT NULL,
        sent INTEGER NOT NULL, PRIMARY KEY (notice, way)) STRICT;
    CREATE TABLE contact (person TEXT PRIMARY KEY, mail TEXT NOT NULL) STRICT;
", "
    CREATE TABLE steward (worker TEXT PRIMARY KEY, person TEXT NOT NULL, host TEXT NOT NULL, key TEXT NOT NULL,
        version TEXT NOT NULL, seen INTEGER NOT NULL) STRICT;
    -- Whom a line concerns beside those who decide, as JSON; an empty list is all who see the request.
    ALTER TABLE history ADD COLUMN only_for TEXT NOT NULL DEFAULT '[]';
    UPDATE history SET only_for = json_array(who) WHERE what IN ('asked for', 'withdrawn', 'note', 'answer') AND EXISTS (
        SELECT 1 FROM request WHERE request.id = history.request AND json_valid(body) AND EXISTS (
            SELECT 1 FROM json_each(body, '$.wishes') AS wish WHERE json_extract(wish.value, '$.person') = who
                AND (json_extract(wish.value, '$.private') OR history.what = 'asked for' AND json_extract(wish.value, '$.reason') <> detail)));
", "
    DROP INDEX request_one;
    CREATE UNIQUE INDEX request_one ON request (digest, destination) WHERE stage NOT IN ('rejected', 'withdrawn', 'revoked');
", "
    CREATE TABLE witness (id INTEGER PRIMARY KEY AUTOINCREMENT, person TEXT NOT NULL, chain TEXT NOT NULL, place TEXT NOT NULL,
        number INTEGER NOT NULL, hash TEXT NOT NULL, body TEXT NOT NULL, at INTEGER NOT NULL,
        UNIQUE (person, chain, number, hash)) STRICT;
    CREATE INDEX witness_person ON witness (person, id);
    -- Requests are one where they mean one thing; one that somebody asks for privately is theirs alone.
    ALTER TABLE request ADD COLUMN apart TEXT NOT NULL DEFAULT '';
    DROP INDEX request_one;
    CREATE UNIQUE INDEX request_one ON request (digest, destination, apart) WHERE stage NOT IN ('rejected', 'withdrawn', 'revoked');
    -- An image is watched in each place where it is used.
    ALTER TABLE watched RENAME TO once_watched;
    CREATE TABLE watched (digest TEXT NOT NULL, reference TEXT NOT NULL, checked INTEGER NOT NULL, body TEXT NOT NULL,
        PRIMARY KEY (digest, reference)) STRICT;
    INSERT INTO watched SELECT digest, reference, checked, body FROM once_watched;
    DROP TABLE once_watched;
", "
    -- Jobs that one steward at a time does.
    CREATE TABLE job (name TEXT PRIMARY KEY, worker TEXT, lease INTEGER NOT NULL DEFAULT 0, due INTEGER NOT NULL DEFAULT 0,
        notes TEXT NOT NULL DEFAULT '', changed INTEGER NOT NULL DEFAULT 0) STRICT;
"];

/// The overview for those who decide at ?1, with days from ?2 on, approvals that end until ?3, and at most ?4 of these.
const OVERVIEW: &str = "
    WITH readable AS (SELECT id, stage, since, changed, CASE WHEN json_valid(body) THEN body ELSE '{}' END AS body FROM request),
    lately AS (SELECT since AS at, 1 AS asked, 0 AS decided FROM request WHERE changed >= ?2
        UNION ALL SELECT CASE WHEN stage IN ('revoking', 'revoked') THEN json_extract(body, '$.admitted.at')
            ELSE json_extract(body, '$.decision.at') END, 0, 1 FROM readable WHERE changed >= ?2),
    counted AS (SELECT at / 86400 AS day, sum(asked) AS asked, sum(decided) AS decided FROM lately
        WHERE typeof(at) = 'integer' AND at BETWEEN ?2 AND ?1 GROUP BY 1),
    admitted AS (SELECT id, body, json_extract(body, '$.decision.terms.until') AS until FROM readable WHERE stage = 'admitted'),
    ending AS (SELECT id, body, until FROM admitted WHERE typeof(until) = 'integer' AND until > ?1 AND until <= ?3),
    few AS (SELECT id, until, json_extract(body, '$.admitted.digest') AS digest, CAST(json_extract(body, '$.asked.title') AS TEXT) AS title,
        CAST(json_extract(body, '$.admitted.reference') AS TEXT) AS reference FROM ending ORDER BY until, id LIMIT ?4),
    told AS (SELECT few.*, (SELECT kept.body FROM (SELECT w.body, w.checked, w.reference = few.reference AS here FROM watched AS w
            WHERE w.digest = few.digest) AS kept ORDER BY kept.here DESC, kept.checked DESC LIMIT 1) AS judged FROM few)
    SELECT json_object('now', ?1, 'days', json(coalesce((SELECT json_group_array(json_array(day, asked, decided)) FROM counted), '[]')),
        'ending_in_all', (SELECT count(*) FROM ending),
        'ending', json(coalesce((SELECT json_group_array(json_object('request', id, 'title', title, 'reference', reference, 'until', until,
            'judged', json(CASE WHEN json_valid(judged) THEN json_object('judged', judged -> '$.judged', 'told', judged -> '$.told') ELSE 'null' END)))
            FROM told), '[]'))) AS body";
/// How many audit entries are kept of one person.
const MOST_WITNESSED: i64 = 50_000;
/// The time between two looks whether others have written to the file.
const LOOK: Duration = Duration::from_secs(1);

/// The store in a file, opened when it is first needed.
pub struct SqliteStore {
    path: PathBuf,
    me: Caller,
    worker: Caller,
    pool: OnceCell<SqlitePool>,
    changed: Notify,
    is_network: fn(&Path) -> bool,
    of_one_group: bool,
}

impl SqliteStore {
    /// The store in `path` for this person; `worker` is the name under which it claims requests.
    pub fn new(path: PathBuf, me: Caller, worker: String) -> Self {
        let worker = Caller { person: worker, approver: false, steward: true, own: me.own };
        Self { path, me, worker, pool: OnceCell::new(), changed: Notify::new(), is_network, of_one_group: true }
    }

    /// Sets whether a group may write to the file. Without signed decisions each of its members could change what
    /// others have decided.
    #[must_use]
    pub fn with_one_group(self, of_one_group: bool) -> Self {
        Self { of_one_group, ..self }
    }

    /// Fails if every user may write to the file, because everybody who may write to it can decide.
    fn is_closed(&self, what: &str, folder: &Path) -> Result<()> {
        use std::os::unix::fs::MetadataExt;
        let refused = |why: &str, hint: &str| Err(Error::new(Kind::NotAllowed, what, why).hint(hint));
        if let Ok(known) = std::fs::metadata(folder) {
            if known.mode() & 0o1002 == 0o002 {
                return refused("everybody may put another file into its folder", "chmod o-w the folder");
            }
        }
        let Ok(known) = std::fs::metadata(&self.path) else { return Ok(()) };
        if known.mode() & 0o002 != 0 {
            return refused("everybody may write to it", "chmod o-w the file");
        }
        if known.mode() & 0o020 != 0 && !self.of_one_group {
            return refused(
                "its group may write to it, and its members could decide for one another",
                "want signatures ([requests] signed_decisions = true), or take PostgreSQL, which knows its people",
            );
        }
        Ok(())
    }

    async fn pool(&self) -> Result<&SqlitePool> {
        self.pool.get_or_try_init(|| self.open()).await
    }

    async fn open(&self) -> Result<SqlitePool> {
        let what = format!("open the store {}", self.path.display());
        let folder = self.path.parent().unwrap_or(&self.path);
        std::fs::create_dir_all(folder).during(&what)?;
        if (self.is_network)(folder) {
            return Err(Error::unsupported(
                what,
                "it is on a network file system, where several machines would damage it: SQLite's locks and shared memory do not reach that far",
            )
            .hint("use PostgreSQL ([requests] store = \"postgres://…\"), or a folder on a local disk"));
        }
        self.is_closed(&what, folder)?;
        // In a private folder the file and its journals are private too; elsewhere the site shares it.
        if private::is_closed(folder) {
            private::open(&self.path, |options| options.create(true).truncate(false).write(true))?;
        }
        let options = SqliteConnectOptions::new()
            .filename(&self.path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(10));
        // One connection, because a second would only wait for the first.
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options)
            .await
            .during(&what)?;
        let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.during(&what)?;
        let version = sqlx::query("PRAGMA user_version").fetch_one(&mut *transaction).await;
        let version = usize::try_from(version.and_then(|row| row.try_get::<i64, _>(0)).during(&what)?).unwrap_or(0);
        if version > STEPS.len() {
            return Err(Error::failed(what, "it was written by a newer Wharf").hint("use that one"));
        }
        for step in STEPS.iter().skip(version) {
            sqlx::raw_sql(*step).execute(&mut *transaction).await.during(&what)?;
        }
        let set = format!("PRAGMA user_version = {}", STEPS.len());
        sqlx::raw_sql(sqlx::AssertSqlSafe(set)).execute(&mut *transaction).await.during(&what)?;
        transaction.commit().await.during(&what)?;
        Ok(pool)
    }

    /// A transaction during which nobody else writes.
    async fn writing(&self, what: &str) -> Result<Transaction<'_, Sqlite>> {
        self.pool().await?.begin_with("BEGIN IMMEDIATE").await.during(what)
    }

    async fn done(&self, transaction: Transaction<'_, Sqlite>, what: &str) -> Result<()> {
        transaction.commit().await.during(what)?;
        self.changed.notify_waiters();
        Ok(())
    }

    /// Whether this person may see a request: not if all its wishes are private and none is theirs.
    fn sees(&self, request: &Request) -> bool {
        self.me.approver || request.was_ever_requested_by(&self.me.person) || request.is_open()
    }

    /// Whether a line of history for these people is visible to this person; all may see it if the list is empty.
    fn concerns(&self, only_for: &[String]) -> bool {
        self.me.approver || only_for.is_empty() || only_for.contains(&self.me.person)
    }

    /// The request without what this person may not see.
    fn shown(&self, mut request: Request) -> Request {
        if !self.me.approver {
            request.wishes.retain(|wish| !wish.private || wish.person == self.me.person);
            request.remarks.retain(|remark| self.concerns(&remark.only_for));
        }
        request
    }
}

fn json(value: &impl Serialize, what: &str) -> Result<String> {
    serde_json::to_string(value).during(what)
}

fn body<T: DeserializeOwned>(row: &SqliteRow, what: &str) -> Result<T> {
    read(&row.try_get::<String, _>("body").during(what)?, what)
}

/// The request in a row, with the row's number.
fn request_from_row(row: &SqliteRow, what: &str) -> Result<Request> {
    let mut request: Request = body(row, what)?;
    request.id = row.try_get("id").during(what)?;
    Ok(request)
}

async fn load(transaction: &mut Transaction<'_, Sqlite>, id: Id, what: &str) -> Result<Request> {
    let query = sqlx::query("SELECT id, body FROM request WHERE id = ?").bind(id);
    let row = query.fetch_optional(&mut **transaction).await.during(what)?;
    let row = row.ok_or_else(|| no_request(id, what))?;
    request_from_row(&row, what)
}

async fn insert(transaction: &mut Transaction<'_, Sqlite>, notices: &[Notice], what: &str) -> Result<()> {
    for notice in notices {
        let query = "INSERT INTO notice (at, receiver, key, body) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING";
        let query = sqlx::query(query).bind(notice.at).bind(&notice.to).bind(&notice.key).bind(json(notice, what)?);
        query.execute(&mut **transaction).await.during(what)?;
    }
    Ok(())
}

/// Who may see a line of history besides approvers: what a person does privately, only that person; all if empty.
fn concerned(request: &Request, event: &Event, who: &str) -> Vec<String> {
    match event {
        Event::Remark(..) => request.remarks.last().map(|remark| remark.only_for.clone()).unwrap_or_default(),
        Event::Wish(_) | Event::Withdraw if request.wishes.iter().any(|wish| wish.person == who && wish.private) => {
            vec![who.to_owned()]
        }
        _ => Vec::new(),
    }
}

/// Saves a changed request, its history, and the notices about it.
async fn save(
    transaction: &mut Transaction<'_, Sqlite>,
    request: &Request,
    before: Stage,
    event: &Event,
    who: &str,
    what: &str,
) -> Result<()> {
    let query = "UPDATE request SET stage = ?, rule = ?, base = ?, since = ?, changed = ?, retry = ?, lease = ?, body = ? WHERE id = ?";
    let query = sqlx::query(query)
        .bind(request.stage.name())
        .bind(request.rule())
        .bind(request.base())
        .bind(request.since)
        .bind(request.changed)
        .bind(request.retry)
        .bind(request.claimed.as_ref().map_or(0, |claim| claim.1))
        .bind(json(request, what)?)
        .bind(request.id);
    query.execute(&mut **transaction).await.during(what)?;
    if let Event::Wish(wish) = event {
        let query = sqlx::query("INSERT INTO wish (request, person) VALUES (?, ?) ON CONFLICT DO NOTHING");
        query.bind(request.id).bind(&wish.person).execute(&mut **transaction).await.during(what)?;
    }
    if !matches!(event, Event::Renew { .. }) {
        let query = "INSERT INTO history (request, at, who, what, detail, only_for) VALUES (?, ?, ?, ?, ?, ?)";
        let query = sqlx::query(query).bind(request.id).bind(text::now()).bind(who).bind(event.name());
        query
            .bind(event.detail())
            .bind(json(&concerned(request, event, who), what)?)
            .execute(&mut **transaction)
            .await
            .during(what)?;
    }
    let digest = request.admitted.as_ref().map_or("", |admitted| admitted.digest.as_str());
    let query = sqlx::query("SELECT DISTINCT person FROM used WHERE digest = ?").bind(digest);
    let rows = query.fetch_all(&mut **transaction).await.during(what)?;
    let users = rows.iter().map(|row| row.try_get("person").during(what)).collect::<Result<Vec<String>>>()?;
    insert(transaction, &describe(request, before, &users, text::now()), what).await
}

#[async_trait]
impl Store for SqliteStore {
    fn describe(&self) -> String {
        format!("SQLite in {}", self.path.display())
    }

    async fn set_up(&self) -> Result<String> {
        self.pool().await?;
        Ok(format!("{} is there, layout {}; nothing else is to be set up", self.describe(), STEPS.len()))
    }

    async fn standing(&self) -> Result<StoreStatus> {
        let needed = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
        let layout = if self.is_there() {
            let what = format!("ask the store how it stands ({})", self.path.display());
            let row = sqlx::query("PRAGMA user_version").fetch_one(self.pool().await?).await;
            row.and_then(|row| row.try_get(0)).during(what)?
        } else {
            // The layout is created when something is first saved.
            needed
        };
        Ok(StoreStatus { me: self.me.clone(), user: true, layout: Some(layout), needed })
    }

    async fn stewards(&self) -> Result<Vec<Steward>> {
        if !self.is_there() {
            return Ok(Vec::new());
        }
        let what = "look whether a steward is alive";
        let query = "SELECT worker, person, host, key, version, seen FROM steward ORDER BY seen DESC, worker LIMIT 50";
        let rows = sqlx::query(query).fetch_all(self.pool().await?).await.during(what)?;
        let steward = |row: &SqliteRow| -> std::result::Result<Steward, sqlx::Error> {
            let seen: i64 = row.try_get("seen")?;
            Ok(Steward {
                worker: row.try_get("worker")?,
                person: row.try_get("person")?,
                host: row.try_get("host")?,
                key: row.try_get("key")?,
                version: row.try_get("version")?,
                seen,
                ago: text::now() - seen,
            })
        };
        rows.iter().map(|row| steward(row).during(what)).collect()
    }

    async fn alive(&self, key: &str, version: &str) -> Result<()> {
        let what = "say that this steward lives";
        let mut transaction = self.writing(what).await?;
        let query =
            "INSERT OR REPLACE INTO steward (worker, person, host, key, version, seen) VALUES (?, ?, ?, ?, ?, ?)";
        let query = sqlx::query(query).bind(&self.worker.person).bind(&self.me.person).bind(host());
        let query = query.bind(key).bind(version).bind(text::now());
        query.execute(&mut *transaction).await.during(what)?;
        let query = "DELETE FROM steward WHERE seen < ? OR worker NOT IN (SELECT worker FROM steward ORDER BY seen DESC, worker LIMIT 50)";
        let query = sqlx::query(query).bind(text::now() - 7 * 86_400);
        query.execute(&mut *transaction).await.during(what)?;
        // No change is announced, because this is not news.
        transaction.commit().await.during(what)
    }

    async fn caller(&self) -> Result<Caller> {
        Ok(self.me.clone())
    }

    async fn submit(&self, asked: &RequestedImage, destination: &str, wish: &RequestedUse) -> Result<(Id, bool)> {
        let what = "submit a request";
        let mut transaction = self.writing(what).await?;
        // Of requests with the same meaning, the person's own private one is taken, else the common one.
        let common = asked.meaning();
        let own = format!("{common} {}", self.me.person);
        let query = "SELECT id, body FROM request WHERE digest = ?1 AND destination = ?2 AND apart IN (?3, ?4)
            AND stage NOT IN ('rejected', 'withdrawn', 'revoked') ORDER BY apart = ?4 DESC";
        let query = sqlx::query(query).bind(&asked.digest).bind(destination).bind(&common).bind(&own);
        let (mut found, mut hidden) = (None, false);
        for row in query.fetch_all(&mut *transaction).await.during(what)? {
            match request_from_row(&row, what) {
                Ok(request) if found.is_none() && self.sees(&request) => found = Some(request),
                // Everybody who asked for it publicly has meanwhile asked privately.
                Ok(_) => hidden = true,
                // An unreadable request must not block a new one.
                Err(error) => {
                    tracing::warn!(%error, "a request cannot be read and is put aside");
                    let id: Id = row.try_get("id").during(what)?;
                    let query = sqlx::query("UPDATE request SET stage = 'withdrawn' WHERE id = ?").bind(id);
                    query.execute(&mut *transaction).await.during(what)?;
                }
            }
        }
        let new = found.is_none();
        let apart = if wish.private || hidden { own } else { common };
        let mut request = if let Some(request) = found {
            request
        } else {
            let request = Request::new(0, asked.clone().called_by_its_place(), destination, text::now());
            let query = "INSERT INTO request (digest, destination, stage, rule, base, since, changed, retry, lease, body, apart) VALUES (?, ?, 'submitted', '', '', 0, 0, 0, 0, ?, ?)";
            let query =
                sqlx::query(query).bind(&asked.digest).bind(destination).bind(json(&request, what)?).bind(apart);
            let id = query.execute(&mut *transaction).await.during(what)?.last_insert_rowid();
            Request { id, ..request }
        };
        let before = request.stage;
        let wish = RequestedUse { person: self.me.person.clone(), ..wish.clone() };
        let same = |known: &RequestedUse| {
            (&known.person, &known.reason, known.until, known.private, known.withdrawn)
                == (&wish.person, &wish.reason, wish.until, wish.private, false)
        };
        if request.wishes.iter().any(same) && !request.is_expired_at(text::now()) && before != Stage::Failed {
            return Ok((request.id, false));
        }
        let event = Event::Wish(wish);
        request.follow(&event, &self.me, text::now())?;
        save(&mut transaction, &request, before, &event, &self.me.person, what).await?;
        self.done(transaction, what).await?;
        Ok((request.id, new))
    }

    async fn apply_event(&self, id: Id, event: &Event) -> Result<Request> {
        let what = format!("change request {id}");
        let mut transaction = self.writing(&what).await?;
        let mut request = load(&mut transaction, id, &what).await?;
        let of_steward = matches!(
            event,
            Event::Claim { .. }
                | Event::Renew { .. }
                | Event::Judged(..)
                | Event::Admitted(_)
                | Event::Revoked
                | Event::Failed { .. }
        );
        let me = if of_steward { &self.worker } else { &self.me };
        if !of_steward && !self.sees(&request) {
            return Err(no_request(id, &what));
        }
        let before = request.stage;
        request.follow(event, me, text::now())?;
        if before == Stage::Asked && request.stage == Stage::Waiting {
            // A class that was approved meanwhile may admit it.
            let query = sqlx::query("SELECT body FROM class WHERE until > ?").bind(text::now());
            let classes = query.fetch_all(&mut *transaction).await.during(&*what)?;
            let takes = |class: Class| {
                class.rule == request.rule()
                    && ["", request.base()].contains(&class.base.as_str())
                    && (self.me.own || !request.was_ever_requested_by(&class.decision.by))
            };
            if classes.iter().filter_map(|row| readable(body::<Class>(row, &what), &what)).any(takes) {
                request.stage = Stage::Gathering;
            }
        }
        save(&mut transaction, &request, before, event, &me.person, &what).await?;
        if matches!(event, Event::Revoke(_)) {
            // The same bytes are admitted in the same place for another request: what is signed holds for the place.
            let query =
                "SELECT id, body FROM request WHERE digest = ? AND destination = ? AND stage = 'admitted' AND id <> ?";
            let query = sqlx::query(query).bind(&request.asked.digest).bind(&request.destination).bind(id);
            for row in query.fetch_all(&mut *transaction).await.during(&*what)? {
                let Some(mut other) = readable(request_from_row(&row, &what), &what) else { continue };
                let before = other.stage;
                other.follow(event, me, text::now())?;
                other.stage = Stage::Revoked;
                save(&mut transaction, &other, before, event, &me.person, &what).await?;
            }
        }
        self.done(transaction, &what).await?;
        Ok(request)
    }

    async fn requests(&self, which: RequestFilter, skip: i64, limit: i64) -> Result<Vec<Request>> {
        let what = "list requests";
        let query = match which {
            RequestFilter::Mine => {
                "SELECT request.id, body FROM request JOIN wish ON wish.request = request.id AND wish.person = ?3 ORDER BY request.id DESC LIMIT ?2 OFFSET ?1"
            }
            RequestFilter::Queue => {
                "SELECT id, body FROM request WHERE id IN (SELECT id FROM request WHERE stage IN ('waiting', 'asked') AND ?3 = ?3
                    ORDER BY rule, base, since, id LIMIT ?2 OFFSET ?1) ORDER BY rule, base, since, id"
            }
            RequestFilter::All => "SELECT id, body FROM request WHERE ?3 = ?3 ORDER BY id DESC LIMIT ?2 OFFSET ?1",
        };
        let query = sqlx::query(query).bind(skip).bind(limit).bind(&self.me.person);
        let rows = query.fetch_all(self.pool().await?).await.during(what)?;
        let shown = |row: &SqliteRow| -> Result<Option<Request>> {
            let id: Id = row.try_get("id").during(what)?;
            Ok(match request_from_row(row, what) {
                Ok(request) => self.sees(&request).then(|| self.shown(request)),
                Err(error) => Some(Request::unreadable(id, &error.why)),
            })
        };
        rows.iter().map(shown).filter_map(Result::transpose).collect()
    }

    async fn groups(&self) -> Result<Vec<Group>> {
        let what = "list the queue's groups";
        let query = "SELECT id, rule, base, body FROM request WHERE stage IN ('waiting', 'asked')";
        let rows = sqlx::query(query).fetch_all(self.pool().await?).await.during(what)?;
        let mut groups: BTreeMap<(String, String), i64> = BTreeMap::new();
        for row in &rows {
            // Counts must not tell people about requests that are hidden from them.
            if readable(request_from_row(row, what), what).is_some_and(|request| self.sees(&request)) {
                let group = (row.try_get("rule").during(what)?, row.try_get("base").during(what)?);
                *groups.entry(group).or_default() += 1;
            }
        }
        let group = |((rule, base), count)| Group { rule, base, count };
        let mut groups: Vec<Group> = groups.into_iter().map(group).collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.count));
        groups.truncate(1000);
        Ok(groups)
    }

    async fn overview(&self) -> Result<QueueOverview> {
        let what = "read how requests went lately";
        may_decide(what, &self.me)?;
        let now = text::now();
        if !self.is_there() {
            return Ok(QueueOverview::new(now, &[], Vec::new(), 0));
        }
        let soon = now.saturating_add(QueueOverview::SOON * 86_400);
        let query = sqlx::query(OVERVIEW).bind(now).bind(QueueOverview::begins(now)).bind(soon);
        let query = query.bind(QueueOverview::LISTED);
        let row = query.fetch_one(self.pool().await?).await.during(what)?;
        Ok(body::<StoredOverview>(&row, what)?.told(what))
    }

    async fn request(&self, id: Id) -> Result<Request> {
        let what = format!("show request {id}");
        let query = sqlx::query("SELECT id, body FROM request WHERE id = ?").bind(id);
        let row = query.fetch_optional(self.pool().await?).await.during(&what)?.ok_or_else(|| no_request(id, &what))?;
        let request = request_from_row(&row, &what)?;
        if self.sees(&request) { Ok(self.shown(request)) } else { Err(no_request(id, &what)) }
    }

    async fn ahead(&self, id: Id) -> Result<i64> {
        let what = "look up the place in the line";
        self.request(id).await?;
        let query = "SELECT COUNT(*) FROM request AS other JOIN request AS mine ON mine.id = ? WHERE other.id < mine.id
            AND ((mine.stage IN ('submitted', 'gathering', 'admitting', 'revoking') AND other.stage IN ('submitted', 'gathering', 'admitting', 'revoking'))
              OR (mine.stage IN ('waiting', 'asked') AND other.stage IN ('waiting', 'asked')))";
        let query = sqlx::query(query).bind(id);
        query.fetch_one(self.pool().await?).await.and_then(|row| row.try_get(0)).during(what)
    }

    async fn history(&self, id: Id) -> Result<Vec<Change>> {
        self.request(id).await?;
        let what = format!("show the history of request {id}");
        let query = "SELECT at, who, what, detail, only_for FROM history WHERE request = ? ORDER BY id";
        let query = sqlx::query(query).bind(id);
        let rows = query.fetch_all(self.pool().await?).await.during(&what)?;
        let change = |row: &SqliteRow| -> std::result::Result<Change, sqlx::Error> {
            Ok(Change {
                at: row.try_get("at")?,
                who: row.try_get("who")?,
                what: row.try_get("what")?,
                detail: row.try_get("detail")?,
            })
        };
        let mine = |row: &&SqliteRow| {
            let only_for = row.try_get::<String, _>("only_for").ok();
            only_for
                .and_then(|text| serde_json::from_str::<Vec<String>>(&text).ok())
                .is_some_and(|all| self.concerns(&all))
        };
        let rows = rows.iter().filter(mine);
        Ok(rows.filter_map(|row| readable(change(row).during(&what), &what)).collect())
    }

    async fn pace(&self) -> Result<Pace> {
        let what = "read how long requests take";
        let query = "SELECT changed - since AS took, CASE WHEN json_valid(body) THEN json_extract(body, '$.decision.by') LIKE 'policy %' END AS alone FROM request WHERE stage = 'admitted' ORDER BY id DESC LIMIT 200";
        let rows = sqlx::query(query).fetch_all(self.pool().await?).await.during(what)?;
        let mut took = Vec::new();
        for row in &rows {
            let alone: Option<bool> = row.try_get("alone").during(what)?;
            let time: i64 = row.try_get("took").during(what)?;
            took.push((time, alone == Some(true)));
        }
        Ok(Pace::from_durations(&took))
    }

    async fn claim(&self, lease: Duration, most: i64) -> Result<Option<Request>> {
        let what = "take a request";
        let now = text::now();
        let mut transaction = self.writing(what).await?;
        loop {
            let query = "WITH busy AS (SELECT json_extract(wish.value, '$.person') AS person, count(*) AS hands
                FROM request, json_each(CASE WHEN json_valid(request.body) THEN request.body ELSE '{}' END, '$.wishes') AS wish
                WHERE stage IN ('submitted', 'gathering', 'admitting', 'revoking') AND lease > ?1 AND NOT json_extract(wish.value, '$.withdrawn')
                GROUP BY 1),
            free AS (SELECT id, body, stage, coalesce((SELECT min(coalesce(busy.hands, 0)) FROM json_each(CASE WHEN json_valid(request.body) THEN request.body ELSE '{}' END, '$.wishes') AS wish
                    LEFT JOIN busy ON busy.person = json_extract(wish.value, '$.person')
                    WHERE NOT json_extract(wish.value, '$.withdrawn')), 0) AS hands
                FROM request WHERE stage IN ('submitted', 'gathering', 'admitting', 'revoking') AND retry <= ?1 AND lease <= ?1)
            SELECT id, body FROM free WHERE hands < ?2 OR stage = 'revoking' ORDER BY stage = 'revoking' DESC, stage = 'admitting' DESC, hands, id LIMIT 1";
            let row = sqlx::query(query).bind(now).bind(most).fetch_optional(&mut *transaction).await.during(what)?;
            let Some(row) = row else {
                self.done(transaction, what).await?;
                return Ok(None);
            };
            let event = Event::Claim { lease };
            let taken = request_from_row(&row, what).and_then(|mut request| {
                let before = request.stage;
                request.follow(&event, &self.worker, now).map(|()| (request, before))
            });
            match taken {
                Ok((request, before)) => {
                    save(&mut transaction, &request, before, &event, &self.worker.person, what).await?;
                    self.done(transaction, what).await?;
                    return Ok(Some(request));
                }
                // The request cannot be read, or contradicts its row.
                Err(error) => {
                    let id: Id = row.try_get("id").during(what)?;
                    tracing::warn!(id, %error, "a request cannot be read and is put aside");
                    let query = sqlx::query("UPDATE request SET stage = 'failed' WHERE id = ?").bind(id);
                    query.execute(&mut *transaction).await.during(what)?;
                }
            }
        }
    }

    async fn admissions(&self, digest: &str) -> Result<Vec<Request>> {
        let what = "look up what is admitted";
        let query = "SELECT id, body FROM request WHERE stage = 'admitted' AND json_extract(body, '$.admitted.digest') = ? ORDER BY id DESC LIMIT 100";
        let rows = sqlx::query(query).bind(digest).fetch_all(self.pool().await?).await.during(what)?;
        rows.iter().map(|row| request_from_row(row, what)).collect()
    }

    async fn known_at_site(&self, digests: &[String], place: &str) -> Result<Site> {
        let what = "ask what the site knows";
        let mut worst = Site::Silent;
        for digest in digests {
            let query = "SELECT id, body FROM request WHERE stage IN ('revoking', 'revoked', 'admitted')
                AND json_extract(body, '$.admitted.digest') = ? ORDER BY id DESC LIMIT 1000";
            let rows = sqlx::query(query).bind(digest).fetch_all(self.pool().await?).await.during(what)?;
            let mut all: Vec<Request> = rows.iter().map(|row| request_from_row(row, what)).collect::<Result<_>>()?;
            let here = all.iter().position(|request| without_version(request.admitted_at()) == place).unwrap_or(0);
            let newest = (!all.is_empty()).then(|| all.swap_remove(here));
            let back = newest.filter(|request| request.stage != Stage::Admitted).and_then(|request| request.decision);
            // The place where an image is admitted comes before places where it is used.
            let query = "SELECT body FROM watched WHERE digest = ?1 ORDER BY reference IN (
                    SELECT json_extract(body, '$.admitted.reference') FROM request WHERE stage = 'admitted' AND json_valid(body)
                        AND json_extract(body, '$.admitted.digest') = ?1) DESC, checked DESC LIMIT 1";
            let row = sqlx::query(query).bind(digest).fetch_optional(self.pool().await?).await.during(what)?;
            let judged = row.map(|row| body::<Watched>(&row, what)).transpose()?;
            worst = worst.max(site(judged.as_ref(), back.as_ref()));
        }
        Ok(worst)
    }

    async fn admitted_at(&self, destination: &str) -> Result<Option<Admission>> {
        let what = "look up what is admitted";
        let query = "SELECT id, body FROM request WHERE destination = ? AND stage = 'admitted' ORDER BY changed DESC, id DESC LIMIT 1";
        let row = sqlx::query(query).bind(destination).fetch_optional(self.pool().await?).await.during(what)?;
        Ok(row.map(|row| request_from_row(&row, what)).transpose()?.and_then(|request| request.admitted))
    }

    async fn newest_admitted(&self, destination: &str, tag: &str) -> Result<Option<Request>> {
        let what = "look up what has a tag";
        let query = "SELECT id, body FROM request WHERE destination = ? AND stage = 'admitted' AND json_extract(body, '$.dossier.tag') = ?
            AND coalesce(json_extract(body, '$.admitted.untagged'), '') = '' ORDER BY id DESC LIMIT 1";
        let row =
            sqlx::query(query).bind(destination).bind(tag).fetch_optional(self.pool().await?).await.during(what)?;
        row.map(|row| request_from_row(&row, what)).transpose()
    }

    async fn ended(&self, since: i64, last: Id, limit: i64) -> Result<Vec<Request>> {
        let what = "look up what is over";
        let query = "SELECT id, body FROM request WHERE stage IN ('admitted', 'revoking', 'revoked', 'rejected', 'withdrawn', 'failed')
            AND (changed > ?1 OR changed = ?1 AND id > ?2) ORDER BY changed, id LIMIT ?3";
        let rows =
            sqlx::query(query).bind(since).bind(last).bind(limit).fetch_all(self.pool().await?).await.during(what)?;
        rows.iter().map(|row| request_from_row(row, what)).collect()
    }

    async fn classes(&self) -> Result<Vec<Class>> {
        let what = "list approvals of classes";
        let query = sqlx::query("SELECT id, body FROM class WHERE until > ? ORDER BY id").bind(text::now());
        let rows = query.fetch_all(self.pool().await?).await.during(what)?;
        let class = |row: &SqliteRow| -> Result<Class> {
            Ok(Class { id: row.try_get("id").during(what)?, ..body::<Class>(row, what)? })
        };
        Ok(rows.iter().filter_map(|row| readable(class(row), what)).collect())
    }

    async fn approve_class(&self, base: &str, rule: &str, decision: &Decision) -> Result<Id> {
        let what = "approve a class";
        let until = may_approve_class(what, &self.me, decision)?;
        let decision = Decision { by: self.me.person.clone(), at: text::now(), ..decision.clone() };
        let class = Class { id: 0, base: base.to_owned(), rule: rule.to_owned(), decision };
        let mut transaction = self.writing(what).await?;
        let query = sqlx::query("INSERT INTO class (until, body) VALUES (?, ?)").bind(until).bind(json(&class, what)?);
        let id = query.execute(&mut *transaction).await.during(what)?.last_insert_rowid();
        // Waiting requests that belong to the class are examined again.
        let query = "SELECT id, body FROM request WHERE stage = 'waiting' AND rule = ? AND (?2 = '' OR base = ?2)";
        let rows = sqlx::query(query).bind(rule).bind(base).fetch_all(&mut *transaction).await.during(what)?;
        for row in &rows {
            let Some(mut request) = readable(request_from_row(row, what), what) else { continue };
            if self.me.own || !request.was_ever_requested_by(&self.me.person) {
                request.stage = Stage::Gathering;
                let query = sqlx::query("UPDATE request SET stage = ?, body = ? WHERE id = ?");
                let query = query.bind(request.stage.name()).bind(json(&request, what)?).bind(request.id);
                query.execute(&mut *transaction).await.during(what)?;
            }
        }
        self.done(transaction, what).await?;
        Ok(id)
    }

    async fn end_class(&self, id: Id) -> Result<()> {
        let what = format!("end the class {id}");
        may_decide(&what, &self.me)?;
        let query = sqlx::query("UPDATE class SET until = ?1 WHERE id = ?2 AND until > ?1").bind(text::now()).bind(id);
        let ended = query.execute(self.pool().await?).await.during(&what)?.rows_affected();
        if ended == 0 { Err(Error::not_found(what, "there is no such class, or it is over")) } else { Ok(()) }
    }

    async fn record_use(&self, used: &Use) -> Result<()> {
        let query = "INSERT INTO used (person, how, digest, reference, place, at) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
        let query = sqlx::query(query).bind(&self.me.person).bind(used.how.name()).bind(&used.digest);
        let query = query.bind(&used.reference).bind(&used.place).bind(used.at);
        query.execute(self.pool().await?).await.during("write down who used an image").map(|_| ())
    }

    async fn users(&self, digest: &str) -> Result<Vec<Use>> {
        let what = "look up who used an image";
        let query = "SELECT person, how, reference, digest, place, at FROM used WHERE digest = ?1
            UNION SELECT wish.person, 'requested', json_extract(body, '$.admitted.reference'), ?1, '', changed FROM request
            JOIN wish ON wish.request = request.id
            WHERE stage = 'admitted' AND CASE WHEN json_valid(body) THEN json_extract(body, '$.admitted.digest') END = ?1
            ORDER BY 1, 2";
        let rows = sqlx::query(query).bind(digest).fetch_all(self.pool().await?).await.during(what)?;
        let used = |row: &SqliteRow| -> std::result::Result<Use, sqlx::Error> {
            Ok(Use {
                person: row.try_get("person")?,
                how: UseKind::from_name(row.try_get("how")?).unwrap_or(UseKind::Given),
                reference: row.try_get("reference")?,
                digest: row.try_get("digest")?,
                place: row.try_get("place")?,
                at: row.try_get("at")?,
            })
        };
        Ok(rows.iter().filter_map(|row| readable(used(row).during(what), what)).collect())
    }

    async fn due_for_judging(&self, due: &Watch, limit: i64) -> Result<Vec<Watched>> {
        let what = "look up what is watched";
        let now = text::now();
        let query = "SELECT of.digest, of.reference, of.later, of.person, of.admitted, watched.body, watched.checked FROM (
                SELECT json_extract(body, '$.admitted.digest') AS digest, json_extract(body, '$.admitted.reference') AS reference, 0 AS later, '' AS person, changed AS admitted
                    FROM request WHERE stage = 'admitted' AND json_valid(body)
                UNION SELECT digest, reference, 1, person, NULL FROM used WHERE reference LIKE '%://%' AND reference NOT LIKE 'engine:%'
                    AND reference NOT LIKE 'volume:%' AND reference NOT LIKE 'file:%' AND reference NOT LIKE 'http:%' AND reference NOT LIKE 'https:%') AS of
            LEFT JOIN watched ON watched.digest = of.digest AND watched.reference = of.reference
            WHERE of.digest IS NOT NULL AND of.reference IS NOT NULL ORDER BY later, of.reference, person";
        let rows = sqlx::query(query).fetch_all(self.pool().await?).await.during(what)?;
        let mut admitted: BTreeMap<String, i64> = BTreeMap::new();
        for row in &rows {
            if let Some(at) = row.try_get::<Option<i64>, _>("admitted").during(what)? {
                let place = without_version(row.try_get("reference").during(what)?);
                let newest = admitted.entry(place).or_default();
                *newest = at.max(*newest);
            }
        }
        let mut places = BTreeSet::new();
        let mut all: Vec<((i64, String), Watched)> = Vec::new();
        for row in &rows {
            let digest: String = row.try_get("digest").during(what)?;
            let reference: String = row.try_get("reference").during(what)?;
            let place = without_version(&reference);
            let newest = admitted.get(&place).copied();
            if !places.insert((digest.clone(), place)) {
                continue;
            }
            let kept: Option<String> = row.try_get("body").during(what)?;
            let kept = kept.and_then(|kept| readable(read::<Watched>(&kept, what), what)).unwrap_or_default();
            let checked: Option<i64> = row.try_get("checked").during(what)?;
            let age = checked.map(|checked| Duration::from_secs((now - checked).max(0).unsigned_abs()));
            let checked = checked.unwrap_or(0);
            let superseded = newest.is_some_and(|newest| newest >= checked);
            let one = Watched { digest, reference, checked, age, superseded, ..kept };
            if due.is_due(&one) {
                all.push(((row.try_get("later").during(what)?, row.try_get("person").during(what)?), one));
            }
        }
        // Admitted images come first; then used images, one of each person in turn.
        all.sort_by(|(_, one), (_, other)| {
            (one.checked, &one.digest, &one.reference).cmp(&(other.checked, &other.digest, &other.reference))
        });
        let mut turns: BTreeMap<(i64, String), usize> = BTreeMap::new();
        let mut turned: Vec<(i64, usize, Watched)> = Vec::new();
        for (whose, one) in all {
            let later = whose.0;
            let turn = turns.entry(whose).or_default();
            *turn += 1;
            turned.push((later, *turn, one));
        }
        turned.sort_by_key(|(later, turn, one)| (*later, *turn, one.checked));
        Ok(turned.into_iter().map(|(.., one)| one).take(usize::try_from(limit).unwrap_or(0)).collect())
    }

    async fn watch(&self, watched: &Watched, notices: &[Notice]) -> Result<()> {
        let what = "keep how an image was judged";
        let mut transaction = self.writing(what).await?;
        let query = "INSERT OR REPLACE INTO watched (digest, reference, checked, body) VALUES (?, ?, ?, ?)";
        let query = sqlx::query(query).bind(&watched.digest).bind(&watched.reference).bind(text::now());
        query.bind(json(watched, what)?).execute(&mut *transaction).await.during(what)?;
        insert(&mut transaction, notices, what).await?;
        self.done(transaction, what).await
    }

    async fn notices(&self, skip: i64, limit: i64) -> Result<Vec<Notice>> {
        let what = "read the inbox";
        let query = "SELECT notice.id, body, seen.notice IS NOT NULL AS seen FROM notice
            LEFT JOIN seen ON seen.notice = notice.id AND seen.person = ?1
            WHERE receiver = ?1 OR (?2 AND receiver = ?3) ORDER BY notice.id DESC LIMIT ?5 OFFSET ?4";
        let query = sqlx::query(query).bind(&self.me.person).bind(self.me.approver).bind(APPROVERS);
        let rows = query.bind(skip).bind(limit).fetch_all(self.pool().await?).await.during(what)?;
        let notice = |row: &SqliteRow| -> Result<Notice> {
            let (id, seen) = (row.try_get("id").during(what)?, row.try_get("seen").during(what)?);
            let kept = body::<Notice>(row, what);
            Ok(Notice { id, seen, ..kept.unwrap_or_else(|error| Notice::unreadable(id, &self.me.person, &error.why)) })
        };
        rows.iter().map(notice).collect()
    }

    async fn unread(&self) -> Result<i64> {
        let what = "count the inbox";
        let query = "SELECT COUNT(*) FROM notice WHERE (receiver = ?1 OR (?2 AND receiver = ?3))
            AND NOT EXISTS (SELECT 1 FROM seen WHERE seen.notice = notice.id AND seen.person = ?1)";
        let query = sqlx::query(query).bind(&self.me.person).bind(self.me.approver).bind(APPROVERS);
        query.fetch_one(self.pool().await?).await.and_then(|row| row.try_get(0)).during(what)
    }

    async fn mark_notices_read(&self, notices: &[Id]) -> Result<()> {
        let what = "mark notices as read";
        let mut transaction = self.writing(what).await?;
        for notice in notices {
            let query = sqlx::query("INSERT INTO seen (notice, person) VALUES (?, ?) ON CONFLICT DO NOTHING");
            query.bind(notice).bind(&self.me.person).execute(&mut *transaction).await.during(what)?;
        }
        self.done(transaction, what).await
    }

    async fn due(&self, way: &str, lease: Duration) -> Result<Option<DueNotice>> {
        let what = "take a notice to deliver";
        let now = text::now();
        let mut transaction = self.writing(what).await?;
        loop {
            let query = "SELECT notice.id, notice.body, COALESCE(tries, 0) AS tries, contact.mail FROM notice
                LEFT JOIN delivery ON delivery.notice = notice.id AND way = ?1 LEFT JOIN contact ON contact.person = receiver
                WHERE at > ?3 AND COALESCE(sent, 0) = 0 AND COALESCE(due, 0) <= ?2 ORDER BY notice.id LIMIT 1";
            let query = sqlx::query(query).bind(way).bind(now).bind(now - OLDEST);
            let row = query.fetch_optional(&mut *transaction).await.during(what)?;
            let Some(row) = row else {
                transaction.commit().await.during(what)?;
                return Ok(None);
            };
            let id: Id = row.try_get("id").during(what)?;
            let notice = readable(body::<Notice>(&row, what), what);
            let query = "INSERT INTO delivery (notice, way, tries, due, sent) VALUES (?1, ?2, 1, ?3, ?4)
                ON CONFLICT (notice, way) DO UPDATE SET tries = tries + 1, due = ?3, sent = ?4";
            // An unreadable notice is not delivered.
            let query = sqlx::query(query).bind(id).bind(way).bind(now + seconds(lease)).bind(notice.is_none());
            query.execute(&mut *transaction).await.during(what)?;
            if let Some(notice) = notice {
                let (mail, tries) = (row.try_get("mail").during(what)?, row.try_get("tries").during(what)?);
                transaction.commit().await.during(what)?;
                return Ok(Some(DueNotice { notice: Notice { id, ..notice }, mail, tries }));
            }
        }
    }

    async fn delivered(&self, way: &str, notice: Id, again: Option<Duration>) -> Result<()> {
        let query = "UPDATE delivery SET sent = ?, due = ? WHERE notice = ? AND way = ?";
        let due = again.map_or(0, |span| text::now().saturating_add(seconds(span)));
        let query = sqlx::query(query).bind(again.is_none()).bind(due).bind(notice).bind(way);
        query.execute(self.pool().await?).await.during("keep that a notice was delivered").map(|_| ())
    }

    async fn claim_job(&self, job: &str, lease: Duration) -> Result<Option<String>> {
        let (what, now) = ("take a job of the site", text::now());
        let mut transaction = self.writing(what).await?;
        let query = sqlx::query("INSERT INTO job (name) VALUES (?) ON CONFLICT DO NOTHING").bind(job);
        query.execute(&mut *transaction).await.during(what)?;
        let query =
            "UPDATE job SET worker = ?1, lease = ?2 WHERE name = ?3 AND due <= ?4 AND lease <= ?4 RETURNING notes";
        let query = sqlx::query(query).bind(&self.worker.person).bind(now.saturating_add(seconds(lease)));
        let row = query.bind(job).bind(now).fetch_optional(&mut *transaction).await.during(what)?;
        let notes = row.map(|row| row.try_get("notes").during(what)).transpose()?;
        // No change is announced, because this is not news.
        transaction.commit().await.during(what)?;
        Ok(notes)
    }

    async fn keep_job(&self, job: &str, notes: &str, turn: JobTurn) -> Result<()> {
        let (what, now) = ("keep how a job of the site stands", text::now());
        let (time, over) = match turn {
            JobTurn::Renewed(lease) => (lease, false),
            JobTurn::Done(again) => (again, true),
        };
        let mut transaction = self.writing(what).await?;
        let query = "UPDATE job SET notes = ?1, changed = ?2, worker = CASE WHEN ?3 THEN NULL ELSE worker END,
            lease = CASE WHEN ?3 THEN 0 ELSE ?4 END, due = CASE WHEN ?3 THEN ?4 ELSE due END WHERE name = ?5 AND worker = ?6";
        let query = sqlx::query(query).bind(notes).bind(now).bind(over).bind(now.saturating_add(seconds(time)));
        let query = query.bind(job).bind(&self.worker.person);
        if query.execute(&mut *transaction).await.during(what)?.rows_affected() == 0 {
            return Err(Error::failed(what, "another steward has taken it over"));
        }
        transaction.commit().await.during(what)
    }

    async fn job(&self, job: &str) -> Result<Option<JobStatus>> {
        if !self.is_there() {
            return Ok(None);
        }
        let (what, now) = ("look how a job of the site stands", text::now());
        let query = sqlx::query("SELECT notes, changed, lease FROM job WHERE name = ? AND changed > 0").bind(job);
        let row = query.fetch_optional(self.pool().await?).await.during(what)?;
        row.map(|row| {
            let (changed, lease): (i64, i64) =
                (row.try_get("changed").during(what)?, row.try_get("lease").during(what)?);
            let notes = row.try_get("notes").during(what)?;
            Ok(JobStatus { notes, ago: now.saturating_sub(changed), busy: lease > now })
        })
        .transpose()
    }

    async fn introduce(&self, mail: &str) -> Result<()> {
        let query =
            "INSERT INTO contact (person, mail) VALUES (?, ?) ON CONFLICT (person) DO UPDATE SET mail = excluded.mail";
        let query = sqlx::query(query).bind(&self.me.person).bind(mail);
        query.execute(self.pool().await?).await.during("keep a mail address").map(|_| ())
    }

    fn is_there(&self) -> bool {
        self.path.exists()
    }

    async fn witness(&self, chain: &Chain, marks: &[Mark]) -> Result<()> {
        let what = "tell the store of the audit";
        let mut transaction = self.writing(what).await?;
        for mark in marks {
            let query = "INSERT INTO witness (person, chain, place, number, hash, body, at) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
            let query = sqlx::query(query).bind(&self.me.person).bind(&chain.id).bind(&chain.place).bind(mark.number);
            let query = query.bind(&mark.hash).bind(&mark.body).bind(text::now());
            query.execute(&mut *transaction).await.during(what)?;
        }
        let query = "DELETE FROM witness WHERE person = ?1
            AND id <= (SELECT id FROM witness WHERE person = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)";
        let query = sqlx::query(query).bind(&self.me.person).bind(MOST_WITNESSED);
        query.execute(&mut *transaction).await.during(what)?;
        // No change is announced, because nobody waits for this.
        transaction.commit().await.during(what)
    }

    async fn witnessed(&self, whose: &AuditScope, limit: i64) -> Result<Vec<WitnessedPosition>> {
        let what = "read what the store has seen of audits";
        if !self.is_there() {
            return Ok(Vec::new());
        }
        let (of, id) = match whose {
            AuditScope::Chain(id) => ("person = ?1 AND chain = ?2", id.as_str()),
            AuditScope::Mine => ("person = ?1 AND ?2 = ''", ""),
            AuditScope::Everybody => {
                may_audit(what, &self.me, false)?;
                ("?1 <> ?2 OR ?2 = ''", "")
            }
        };
        let turn = turn(whose);
        let query = format!(
            "SELECT json_object('person', person, 'id', chain, 'place', place, 'number', number, 'hash', hash,
                'body', body, 'at', at) AS body FROM (
                    SELECT * FROM (SELECT witness.*, {turn} AS turn FROM witness WHERE {of}) ORDER BY turn, id DESC LIMIT ?3)
                ORDER BY id DESC"
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(query)).bind(&self.me.person).bind(id).bind(limit);
        let rows = query.fetch_all(self.pool().await?).await.during(what)?;
        rows.iter().map(|row| body(row, what)).collect()
    }

    async fn decided(&self, limit: i64) -> Result<Vec<Decided>> {
        let what = "read what was decided";
        may_audit(what, &self.me, false)?;
        if !self.is_there() {
            return Ok(Vec::new());
        }
        let query = "SELECT json_object('at', h.at, 'who', h.who, 'what', h.what, 'request', r.id,
                'title', coalesce(json_extract(r.body, '$.asked.title'), ''), 'digest', r.digest, 'detail', h.detail) AS body
            FROM history AS h JOIN request AS r ON r.id = h.request WHERE h.what <> 'taken' ORDER BY h.id DESC LIMIT ?";
        let rows = sqlx::query(query).bind(limit).fetch_all(self.pool().await?).await.during(what)?;
        rows.iter().map(|row| body(row, what)).collect()
    }

    async fn news(&self) -> Result<()> {
        let what = "watch the store";
        let pool = self.pool().await?;
        let version = || async {
            let row = sqlx::query("PRAGMA data_version").fetch_one(pool).await.during(what)?;
            row.try_get::<i64, _>(0).during(what)
        };
        let before = version().await?;
        loop {
            tokio::select! {
                () = self.changed.notified() => return Ok(()),
                () = tokio::time::sleep(LOOK) => if version().await? != before { return Ok(()) },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(path: PathBuf) -> SqliteStore {
        SqliteStore::new(path, Caller { person: "ada".into(), approver: true, steward: true, own: true }, "w".into())
    }

    #[tokio::test]
    async fn a_network_file_system_is_refused_with_the_reason_and_nothing_is_made_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("requests.db");
        let refused = SqliteStore { is_network: |_| true, ..store(path.clone()) };
        let error = refused.me_and_unread().await.unwrap_err();
        assert!(error.why.contains("network file system") && error.hint.contains("postgres://"), "{error}");
        assert!(!path.exists());
        assert!(store(path).me_and_unread().await.is_ok());
    }

    #[tokio::test]
    async fn a_file_of_a_newer_wharf_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("requests.db");
        let newer = store(path.clone());
        sqlx::raw_sql("PRAGMA user_version = 99").execute(newer.pool().await.unwrap()).await.unwrap();
        let error = store(path).me_and_unread().await.unwrap_err();
        assert!(error.why.contains("newer"), "{error}");
    }

    #[tokio::test]
    async fn rows_that_cannot_be_read_cost_themselves_alone() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path().join("requests.db"));
        let digest = wharf_core::base::digest::Digest::of(b"a").to_string();
        let asked = RequestedImage {
            from: format!("oci://r.example/a@{digest}"),
            digest: digest.clone(),
            ..RequestedImage::default()
        };
        let wish = RequestedUse {
            person: "ada".into(),
            reason: "r".into(),
            until: None,
            since: 0,
            private: false,
            withdrawn: false,
        };
        let poison = "INSERT INTO request (digest, destination, stage, rule, base, since, changed, retry, lease, body)
                VALUES ('x', 'y', 'submitted', '', '', 0, 0, 0, 0, '{\"half'), ('x', 'z', 'waiting', '', '', 0, 0, 0, 0, '3'),
                    ('x', 'v', 'admitted', '', '', 0, 0, 0, 0, 'no JSON'),
                    ('x', 'u', 'admitted', '', '', 0, 99999999999, 0, 0,
                        '{\"asked\": {\"title\": 3}, \"decision\": {\"at\": \"never\", \"terms\": {\"until\": [1]}}}');
            INSERT INTO wish (request, person) VALUES (1, 'ada');
            INSERT INTO class (until, body) VALUES (99999999999, '[]');
            INSERT INTO notice (at, receiver, key, body) VALUES (99999999999, 'ada', 'k', '{}');
            INSERT INTO used (person, how, digest, reference, place, at) VALUES ('ada', 'eaten', 'x', 'file:/dev/zero', '', 0);
            INSERT INTO watched (digest, reference, checked, body) VALUES ('x', 'y', 0, '7')";
        sqlx::raw_sql(poison).execute(store.pool().await.unwrap()).await.unwrap();
        let (id, _) = store.submit(&asked, "oci://r.example/admitted/a", &wish).await.unwrap();
        let all = store.requests(RequestFilter::All, 0, 10).await.unwrap();
        assert_eq!(all.len(), 5);
        assert!(all.iter().filter(|one| one.id != id).all(|one| one.failure.contains("cannot be read")), "{all:?}");
        assert_eq!(store.requests(RequestFilter::Mine, 0, 10).await.unwrap().len(), 2);
        let lease = Duration::from_secs(60);
        assert_eq!(store.claim(lease, 9).await.unwrap().map(|one| one.id), Some(id));
        assert!(store.claim(lease, 9).await.unwrap().is_none());
        assert!(store.classes().await.unwrap().is_empty() && store.groups().await.unwrap().is_empty());
        assert!(store.notices(0, 10).await.unwrap()[0].words.contains("cannot be read"));
        assert!(store.due("mail", lease).await.unwrap().is_none());
        assert!(
            store.due_for_judging(&Watch::default(), 10).await.unwrap().is_empty(),
            "nothing of this machine is looked at"
        );
        assert!(store.users("x").await.is_ok() && store.pace().await.is_ok());
        assert_eq!(store.overview().await.unwrap().ending, []);
        // Its place is free for a request that can be read.
        let unread = RequestedImage { digest: "x".into(), ..asked };
        assert!(store.submit(&unread, "y", &wish).await.unwrap().1);
    }

    #[tokio::test]
    async fn the_overview_counts_each_request_on_its_days_and_lists_the_approvals_that_end_next() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path().join("requests.db"));
        let (now, day) = (text::now(), 86_400);
        // The second day that is counted, so that a midnight in between changes nothing.
        let first = QueueOverview::begins(now) + day;
        let row = |stage: &str, since: i64, changed: i64, body: serde_json::Value| {
            format!(
                "INSERT INTO request (digest, destination, stage, rule, base, since, changed, retry, lease, body)
                VALUES (hex(randomblob(8)), 'd', '{stage}', '', '', {since}, {changed}, 0, 0, '{body}');"
            )
        };
        let admitted = |title: &str, at: i64, until: i64| {
            serde_json::json!({"asked": {"title": title}, "admitted": {"at": at, "reference": "r", "digest": title},
                "decision": {"at": at, "terms": {"until": until}}})
        };
        let mut sql = [
            row("rejected", first, now, serde_json::json!({"decision": {"at": first + day}})),
            // What was taken back was decided when it was admitted.
            row(
                "revoked",
                first + day - 1,
                now,
                serde_json::json!({"decision": {"at": now}, "admitted": {"at": first + 5}}),
            ),
            row("waiting", first, first, serde_json::json!({"decision": null})),
            // Too long ago.
            row("rejected", first - 2 * day, first - 2 * day, serde_json::json!({"decision": {"at": first - 2 * day}})),
            row("admitted", first - 9 * day, now, admitted("over", first, now - 1)),
            row("admitted", first - 9 * day, now, admitted("later", first - 9 * day, now + 15 * day)),
        ]
        .concat();
        for number in 0..12 {
            let body = admitted(&format!("ends-{number}"), first - 9 * day, now + 9 * day - number);
            sql.push_str(&row("admitted", first - 9 * day, first - 9 * day, body));
        }
        let told = r#"{"judged": true, "told": [["CVE-1", "openssl", "3.1"]]}"#;
        sql.push_str(&format!(
            "INSERT INTO watched VALUES ('ends-11', 'r', 1, '{told}'), ('ends-11', 's', 9, '7'),
            ('ends-10', 'r', 1, '{{\"judged\": true, \"told\": []}}'), ('ends-9', 'r', 1, 'no JSON')"
        ));
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(store.pool().await.unwrap()).await.unwrap();
        let known = store.overview().await.unwrap();
        let counts = |at: i64| {
            let name = text::timestamp(at);
            let day = known.days.iter().find(|one| name.starts_with(&one.day)).unwrap();
            (day.asked, day.decided)
        };
        assert_eq!((counts(first), counts(first + day)), ((3, 2), (0, 1)));
        assert_eq!((known.asked(), known.decided(), known.ending_in_all), (3, 3, 12));
        let ending: Vec<_> = known.ending.iter().map(|one| (one.title.as_str(), one.new_findings.clone())).collect();
        assert_eq!(ending.len(), 10);
        let found = [("ends-11", Some(vec!["CVE-1".to_owned()])), ("ends-10", Some(Vec::new())), ("ends-9", None)];
        assert_eq!(ending[..3], found);
        let other = SqliteStore { me: Caller { approver: false, ..store.me.clone() }, ..store };
        assert_eq!(other.overview().await.unwrap_err().kind, Kind::NotAllowed);
    }

    #[tokio::test]
    async fn a_file_that_everybody_may_write_to_decides_nothing() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("requests.db");
        assert!(store(path.clone()).me_and_unread().await.is_ok());
        let mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        mode(&path, 0o666);
        assert_eq!(store(path.clone()).me_and_unread().await.unwrap_err().kind, Kind::NotAllowed);
        // The file of a group whose members decide without signatures.
        mode(&path, 0o660);
        let error = store(path.clone()).with_one_group(false).me_and_unread().await.unwrap_err();
        assert!(error.hint.contains("signed_decisions"), "{error}");
        assert!(store(path.clone()).with_one_group(true).me_and_unread().await.is_ok());
        mode(folder.path(), 0o777);
        assert!(store(path).me_and_unread().await.unwrap_err().why.contains("folder"));
    }

    impl SqliteStore {
        async fn me_and_unread(&self) -> Result<(Caller, i64)> {
            Ok((self.caller().await?, self.unread().await?))
        }
    }
}
