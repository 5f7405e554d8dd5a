//! The shared store of a cluster in PostgreSQL. The rights are in the database (`schema.sql`): this program only calls
//! its functions and reads what row-level security shows it.

use std::{future::Future, io::ErrorKind, time::Duration};

use async_trait::async_trait;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::{
    AssertSqlSafe, Connection as _, PgConnection, PgPool, Row as _,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgDatabaseError, PgListener, PgPoolOptions, PgRow},
};
use tokio::sync::OnceCell;

use super::{
    address::Address,
    overview::StoredOverview,
    rules::{OLDEST, may_audit, no_request, turn},
    values::{self, read},
    worker::host,
};
use wharf_core::{
    audit::witness::{AuditScope, Chain, Decided, Mark, WitnessedPosition},
    base::{
        error::{During, Error, Kind, Result},
        text,
    },
    policy::Site,
    ports::store::{DueNotice, JobStatus, JobTurn, Steward, Store, StoreStatus, Use, Watch, Watched, site},
    request::{
        Admission, Caller, Change, Class, Decision, Event, Group, Id, Pace, QueueOverview, Request, RequestFilter,
        RequestedImage, RequestedUse,
        event::{PolicyOutcome, seconds},
        notice::Notice,
    },
};

/// The steps that create and update the tables. Their number is the version of the layout.
const STEPS: &[&str] = &[
    include_str!("tables_1.sql"),
    include_str!("tables_2.sql"),
    include_str!("tables_3.sql"),
    include_str!("tables_4.sql"),
    include_str!("tables_5.sql"),
];
/// Functions and rights, which are created again after the tables at every set-up.
const RIGHTS: &[&str] = &[
    include_str!("clear.sql"),
    include_str!("shapes.sql"),
    include_str!("schema.sql"),
    include_str!("audit.sql"),
    include_str!("jobs.sql"),
];
/// Up to this many unreadable requests are put aside before a steward does something else.
const PUT_ASIDE: usize = 100;
/// The advisory lock that is held while the layout is updated.
const LOCK: i64 = 0x77_68_61_72_66;
/// How long connecting, or waiting for a free connection, may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait for a connection before asking the server why there is none.
const PUZZLED: Duration = Duration::from_millis(700);
/// How long asking for the store's standing may take.
const GLANCE: Duration = Duration::from_secs(2);
/// How long an answer may take in all: longer than a statement may run in the server.
const ANSWER: Duration = Duration::from_secs(25);
/// Statements end in the server after this time, because the network may not tell that a server is gone.
const DEADLINE: &str = "20s";

/// A request as one value, with the wishes and remarks that the caller may see.
const REQUEST: &str = "SELECT json_build_object('id', r.id, 'asked', asked, 'destination', destination, 'stage', stage,
    'version', version, 'since', since, 'changed', changed, 'dossier', dossier, 'decision', decision, 'admitted', admitted,
    'failure', failure, 'tries', tries, 'retry', retry, 'claimed', CASE WHEN worker IS NOT NULL THEN json_build_array(worker, lease) END,
    'wishes', coalesce((SELECT json_agg(json_build_object('person', person, 'reason', reason, 'until', until, 'since', since,
        'private', private, 'withdrawn', withdrawn) ORDER BY since, person) FROM wharf.wish WHERE wish.request = r.id), '[]'),
    'remarks', coalesce((SELECT json_agg(json_build_object('at', at, 'person', person, 'kind', kind, 'words', words) ORDER BY remark.id)
        FROM wharf.remark WHERE remark.request = r.id), '[]'))::text AS body, r.id AS number FROM wharf.request AS r";

/// The overview for those who decide, of $1 days and the approvals that end in the next $2 days, at most $3 of these; before
/// and after what the stewards have found of each. Numbers that no version of Wharf wrote are left out.
const OVERVIEW: (&str, &str) = (
    "WITH clock AS (SELECT wharf.now() AS now, (wharf.now() / 86400 - $1 + 1) * 86400 AS begins),
    recent AS (SELECT since, CASE WHEN stage IN ('revoking', 'revoked') THEN admitted->'at' ELSE decision->'at' END AS decided
        FROM wharf.request CROSS JOIN clock WHERE changed >= clock.begins),
    lately AS (SELECT since::numeric AS at, 1 AS asked, 0 AS decided FROM recent
        UNION ALL SELECT CASE WHEN jsonb_typeof(recent.decided) = 'number' THEN recent.decided::numeric END, 0, 1 FROM recent),
    counted AS (SELECT floor(lately.at / 86400)::bigint AS day, sum(lately.asked) AS asked, sum(lately.decided) AS decided
        FROM lately CROSS JOIN clock WHERE lately.at BETWEEN clock.begins AND clock.now GROUP BY 1),
    admitted AS (SELECT id, asked->>'title' AS title, admitted->>'reference' AS reference, admitted->>'digest' AS digest,
            CASE WHEN jsonb_typeof(decision->'terms'->'until') = 'number' THEN (decision->'terms'->'until')::numeric END AS until
        FROM wharf.request WHERE stage = 'admitted'),
    ending AS (SELECT admitted.* FROM admitted CROSS JOIN clock WHERE until > clock.now AND until <= clock.now + $2 * 86400),
    few AS (SELECT * FROM ending ORDER BY until, id LIMIT $3),
    told AS (SELECT few.*, ",
    " AS judged FROM few OFFSET 0)
    SELECT json_build_object('now', clock.now,
        'days', coalesce((SELECT json_agg(json_build_array(day, asked, decided)) FROM counted), '[]'),
        'ending_in_all', (SELECT count(*) FROM ending),
        'ending', coalesce((SELECT json_agg(json_build_object('request', id, 'title', title, 'reference', reference, 'until', floor(until)::bigint,
            'judged', jsonb_build_object('judged', judged->'judged', 'told', judged->'told')) ORDER BY until, id) FROM told), '[]'))::text AS body
    FROM clock WHERE wharf.is('wharf_approver')",
);

/// The answer of `wharf.known`.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct KnownAnswer {
    judged: Option<Watched>,
    taken_back: Option<Decision>,
}

/// The store in a database, connected when it is first needed.
pub struct Postgres {
    address: Address,
    place: String,
    worker: String,
    pool: OnceCell<PgPool>,
    listener: tokio::sync::Mutex<Option<PgListener>>,
}

impl Postgres {
    /// The store at an address. That holds no password: it is in `~/.pgpass`, or the server needs none.
    pub fn new(address: &str, worker: String) -> Result<Self> {
        let address = Address::new(address)?;
        let place = format!("PostgreSQL {}", address.describe());
        Ok(Self { address, place, worker, pool: OnceCell::new(), listener: tokio::sync::Mutex::default() })
    }

    fn options(&self) -> Result<(PgConnectOptions, String)> {
        let ready = self.address.ready()?;
        let options = ready.options.application_name("wharf").options([
            // Functions of other users must not be called in place of the server's own.
            ("search_path", "pg_catalog"),
            ("statement_timeout", DEADLINE),
            ("lock_timeout", "10s"),
            ("idle_in_transaction_session_timeout", "30s"),
        ]);
        Ok((options, ready.without_password))
    }

    /// A single connection outside of the pool.
    async fn single(&self, patience: Duration) -> Result<PgConnection> {
        let what = format!("reach the store ({})", self.place);
        let (options, without_password) = self.options()?;
        match tokio::time::timeout(patience, PgConnection::connect_with(&options)).await {
            Ok(connection) => connection.map_err(|error| {
                let error = sql_error(&error, &what);
                match (error.kind, without_password.is_empty()) {
                    (Kind::NotAllowed, false) => error.hint(without_password),
                    _ => error,
                }
            }),
            Err(_) => Err(Error::new(Kind::Unavailable, what, "it did not answer in time")
                .hint("check that the database runs, and the way to it; nothing that was kept is lost")),
        }
    }

    /// Waits for a connection; if none comes, fails with the server's reason. The pool alone would only say after a
    /// long time that it had none.
    async fn with_reason<T>(&self, what: &str, wanted: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T> {
        let why = async {
            loop {
                tokio::time::sleep(PUZZLED).await;
                match self.single(PATIENCE).await {
                    Ok(connection) => drop(connection.close().await),
                    Err(error) => return error,
                }
            }
        };
        tokio::select! {
            got = wanted => got.map_err(|error| sql_error(&error, what)),
            error = why => Err(error),
        }
    }

    async fn pool(&self) -> Result<&PgPool> {
        self.pool.get_or_try_init(|| self.open()).await
    }

    async fn connect(&self) -> Result<PgPool> {
        let (options, _) = self.options()?;
        // The first connection gives the full reason of a failure: a password that was not sent, a missing socket.
        let first = self.single(PATIENCE).await?;
        drop(first.close().await);
        Ok(PgPoolOptions::new().max_connections(4).acquire_timeout(PATIENCE).connect_lazy_with(options))
    }

    async fn connection(&self) -> Result<PoolConnection<sqlx::Postgres>> {
        let what = format!("reach the store ({})", self.place);
        let pool = self.pool().await?;
        self.with_reason(&what, pool.acquire()).await
    }

    async fn open(&self) -> Result<PgPool> {
        let what = format!("open the store ({})", self.place);
        let pool = self.connect().await?;
        let mut connection = self.with_reason(&what, pool.acquire()).await?;
        let layout = layout(&mut connection).await.map_err(|error| sql_error(&error, &what))?;
        let standing = StoreStatus { layout, needed: needed(), ..StoreStatus::default() };
        match standing.why_unusable() {
            None => {
                drop(connection);
                Ok(pool)
            }
            Some((why, hint)) => {
                let kind = if layout.is_none() { Kind::NotAllowed } else { Kind::Failed };
                Err(Error::new(kind, what, why).hint(hint))
            }
        }
    }

    /// One value from one row; `None` if there is no row.
    async fn call(&self, what: &str, sql: &'static str, arguments: &[Argument<'_>]) -> Result<Option<PgRow>> {
        let query = bind(sqlx::query(sql), arguments);
        let mut connection = self.connection().await?;
        let answer = tokio::time::timeout(ANSWER, query.fetch_optional(&mut *connection)).await;
        answered(connection, what, answer)
    }

    async fn rows(&self, what: &str, sql: impl Into<String>, arguments: &[Argument<'_>]) -> Result<Vec<PgRow>> {
        let sql: String = sql.into();
        let query = bind(sqlx::query(AssertSqlSafe(sql)), arguments);
        let mut connection = self.connection().await?;
        let answer = tokio::time::timeout(ANSWER, query.fetch_all(&mut *connection)).await;
        answered(connection, what, answer)
    }
}

/// The answer or the error. A connection that does not answer is not used again.
fn answered<T>(
    connection: PoolConnection<sqlx::Postgres>,
    what: &str,
    answer: Result<Result<T, sqlx::Error>, tokio::time::error::Elapsed>,
) -> Result<T> {
    if let Ok(answer) = answer {
        return answer.map_err(|error| sql_error(&error, what));
    }
    drop(connection.detach());
    Err(Error::new(Kind::Unavailable, what, "the database did not answer in time").hint("try again"))
}

/// The version of the layout that this program needs.
fn needed() -> i64 {
    i64::try_from(STEPS.len()).unwrap_or(i64::MAX)
}

/// An argument that is bound to a query.
enum Argument<'a> {
    Text(&'a str),
    Number(i64),
    Maybe(Option<i64>),
    Yes(bool),
    Json(Value),
    Numbers(&'a [i64]),
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>;

fn bind<'q>(mut query: Query<'q>, arguments: &[Argument<'_>]) -> Query<'q> {
    for argument in arguments {
        query = match argument {
            Argument::Text(text) => query.bind((*text).to_owned()),
            Argument::Number(number) => query.bind(*number),
            Argument::Maybe(number) => query.bind(*number),
            Argument::Yes(yes) => query.bind(*yes),
            Argument::Json(value) => query.bind(value.to_string()),
            Argument::Numbers(numbers) => query.bind(numbers.to_vec()),
        };
    }
    query
}

fn value(of: &impl Serialize, what: &str) -> Result<Argument<'static>> {
    serde_json::to_value(of).during(what).map(Argument::Json)
}

/// The version of the database's layout: 0 without one, `None` if the caller may not know it.
async fn layout(connection: &mut PgConnection) -> std::result::Result<Option<i64>, sqlx::Error> {
    let sql = "SELECT has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') FROM pg_catalog.pg_class AS c
        JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = 'wharf' AND c.relname = 'setting'";
    match sqlx::query_scalar(sql).fetch_optional(&mut *connection).await? {
        None => return Ok(Some(0)),
        Some(false) => return Ok(None),
        Some(true) => {}
    }
    let sql = "SELECT value FROM wharf.setting WHERE key = 'layout'";
    let found: Option<String> = sqlx::query_scalar(sql).fetch_optional(&mut *connection).await?;
    Ok(Some(found.and_then(|found| found.parse().ok()).unwrap_or(0)))
}

/// The caller's role and groups, asked from the server alone, because the database may not be set up yet.
async fn standing(connection: &mut PgConnection) -> std::result::Result<StoreStatus, sqlx::Error> {
    let layout = layout(connection).await?;
    let member = |group: &str| {
        format!(
            "EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = '{group}' AND pg_catalog.pg_has_role(session_user, oid, 'MEMBER'))"
        )
    };
    let (user, approver, steward) = (member("wharf_user"), member("wharf_approver"), member("wharf_steward"));
    let sql =
        format!("SELECT session_user::text AS person, {user} AS usual, {approver} AS approver, {steward} AS steward");
    let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(connection).await?;
    let me = Caller {
        person: row.try_get("person")?,
        approver: row.try_get("approver")?,
        steward: row.try_get("steward")?,
        ..Caller::default()
    };
    Ok(StoreStatus { me, user: row.try_get("usual")?, layout, needed: needed() })
}

/// A database error as an error of Wharf: its kind, and what to do.
fn sql_error(error: &sqlx::Error, what: &str) -> Error {
    let away = |why: String, hint: &str| {
        Error::new(Kind::Unavailable, what, wharf_core::base::clean::short(&why, 300)).hint(hint)
    };
    let inner = match error {
        sqlx::Error::Database(inner) => inner,
        sqlx::Error::Io(io) => {
            let why = io.to_string();
            return match io.kind() {
                ErrorKind::ConnectionRefused => away(
                    "connection refused".into(),
                    "no server listens there: check that the database runs, and its port",
                ),
                ErrorKind::NotFound => {
                    away("there is no socket".into(), "check that the database runs, and its folder and port")
                }
                _ if why.contains("certificate") || why.contains("Certificate") => away(
                    format!("its certificate is not trusted: {why}"),
                    "name who vouches for it (sslrootcert=FILE in the address), or how it is to be checked (sslmode=…)",
                ),
                _ => away(why, "check that the database runs; nothing that was kept is lost"),
            };
        }
        sqlx::Error::Tls(why) if why.to_string().contains("does not support TLS") => {
            let hint = "nothing was sent to it; the site's administrators give the database a certificate, or say in the address how it is protected (sslmode=…)";
            return away("it has no TLS".into(), hint);
        }
        sqlx::Error::Tls(why) => {
            return away(
                format!("its certificate or yours is not as it should be: {why}"),
                "check the files of sslrootcert, sslcert and sslkey",
            );
        }
        other => return away(other.to_string(), "check that the database runs; nothing that was kept is lost"),
    };
    let message = wharf_core::base::clean::short(inner.message(), 300);
    let code = inner.try_downcast_ref::<PgDatabaseError>().map_or("", PgDatabaseError::code);
    match code {
        "42501" => Error::new(Kind::NotAllowed, what, message).hint("the site's administrators give rights"),
        "P0002" => Error::not_found(what, message).hint("'wharf requests' lists yours"),
        "55000" => Error::failed(what, message),
        "22023" | "22P02" | "22003" => Error::usage(what, message),
        "54000" => Error::new(Kind::Denied, what, message).hint("the site's administrators can raise the limit"),
        "28000" | "28P01" | "3D000" => Error::new(Kind::NotAllowed, what, message)
            .hint("the database must know you: a login of its own, in the group wharf_user"),
        "55P03" => Error::new(Kind::Unavailable, what, "it is being changed at this moment").hint("try again"),
        "57P01" | "57P02" | "57P03" | "53300" | "57014" => {
            Error::new(Kind::Unavailable, what, message).hint("try again")
        }
        _ => Error::failed(what, format!("{message} ({code})")),
    }
}

fn body<T: serde::de::DeserializeOwned>(row: &PgRow, what: &str) -> Result<T> {
    read(&row.try_get::<String, _>("body").during(what)?, what)
}

/// The rows that can be read; an unreadable row does not affect the others.
fn readable<T: serde::de::DeserializeOwned>(rows: &[PgRow], what: &str) -> Vec<T> {
    rows.iter().filter_map(|row| values::readable(body(row, what), what)).collect()
}

/// The request of a row; an unreadable one is shown as such.
fn shown(row: &PgRow, what: &str) -> Result<Request> {
    let id: Id = row.try_get("number").during(what)?;
    Ok(body(row, what).unwrap_or_else(|error| Request::unreadable(id, &error.why)))
}

/// The notice of a row; an unreadable one is shown as such.
fn notice(row: &PgRow, what: &str) -> Result<Notice> {
    let id: Id = row.try_get("number").during(what)?;
    Ok(body(row, what).unwrap_or_else(|error| Notice::unreadable(id, "", &error.why)))
}

#[async_trait]
impl Store for Postgres {
    fn describe(&self) -> String {
        self.place.clone()
    }

    async fn set_up(&self) -> Result<String> {
        let what = format!("set up the store ({})", self.place);
        let wrong = |error: sqlx::Error| sql_error(&error, &what);
        let mut connection = self.single(PATIENCE).await?;
        // Updating a large database takes longer than usual statements may.
        sqlx::query("SET statement_timeout = '10min'").execute(&mut connection).await.map_err(wrong)?;
        let mut transaction = connection.begin().await.map_err(wrong)?;
        let lock = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK);
        lock.execute(&mut *transaction).await.map_err(wrong)?;
        let found = layout(&mut transaction).await.map_err(wrong)?.unwrap_or(0);
        if found > needed() {
            return Err(Error::failed(what, "it was set up by a newer Wharf").hint("use that one"));
        }
        for step in STEPS.iter().skip(usize::try_from(found).unwrap_or(0)) {
            sqlx::raw_sql(*step).execute(&mut *transaction).await.map_err(wrong)?;
        }
        // This is done even if nothing has changed: rights that were granted by hand are revoked.
        for step in RIGHTS {
            sqlx::raw_sql(*step).execute(&mut *transaction).await.map_err(wrong)?;
        }
        let set = "INSERT INTO wharf.setting (key, value) VALUES ('layout', $1) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
        sqlx::query(set).bind(needed().to_string()).execute(&mut *transaction).await.map_err(wrong)?;
        let may = "SELECT rolsuper OR (pg_has_role(current_user, 'pg_signal_backend', 'MEMBER')
            AND pg_has_role(current_user, 'pg_read_all_stats', 'MEMBER')) AS may FROM pg_roles WHERE rolname = current_user";
        let may_end: bool = sqlx::query_scalar(may).fetch_one(&mut *transaction).await.map_err(wrong)?;
        transaction.commit().await.map_err(wrong)?;
        let done = match found {
            0 => "is set up".to_owned(),
            found if found == needed() => "was up to date".to_owned(),
            found => format!("was brought up to date from layout {found}"),
        };
        let cannot = if may_end {
            ""
        } else {
            ". You may not end sessions that hold others up: GRANT pg_signal_backend, pg_read_all_stats to whoever sets it up, then set it up again"
        };
        Ok(format!(
            "{} {done}, layout {}{cannot}. Its groups are wharf_user, wharf_approver and wharf_steward: GRANT wharf_user TO user",
            self.place,
            needed()
        ))
    }

    async fn standing(&self) -> Result<StoreStatus> {
        let what = format!("ask the store how it stands ({})", self.place);
        let ask = async {
            let mut connection = self.single(GLANCE).await?;
            let found = standing(&mut connection).await.map_err(|error| sql_error(&error, &what))?;
            drop(connection.close().await);
            Ok(found)
        };
        let late = || {
            Error::new(Kind::Unavailable, &what, "it did not answer within two seconds")
                .hint("check that the database runs")
        };
        tokio::time::timeout(GLANCE, ask).await.unwrap_or_else(|_| Err(late()))
    }

    async fn stewards(&self) -> Result<Vec<Steward>> {
        let what = "look whether a steward is alive";
        let sql = "SELECT json_build_object('worker', worker, 'person', person, 'host', host, 'key', key, 'version', version,
            'seen', seen, 'ago', wharf.now() - seen)::text AS body FROM wharf.steward ORDER BY seen DESC, worker LIMIT 50";
        Ok(readable(&self.rows(what, sql, &[]).await?, what))
    }

    async fn alive(&self, key: &str, version: &str) -> Result<()> {
        let host = host();
        let arguments =
            [Argument::Text(&self.worker), Argument::Text(&host), Argument::Text(key), Argument::Text(version)];
        self.call("say that this steward lives", "SELECT wharf.alive($1, $2, $3, $4)", &arguments).await.map(|_| ())
    }

    async fn caller(&self) -> Result<Caller> {
        let what = "ask the store who you are";
        let sql = "SELECT session_user::text AS person, wharf.is('wharf_approver') AS approver, wharf.is('wharf_steward') AS steward, wharf.own() AS own";
        let row = self.call(what, sql, &[]).await?.ok_or_else(|| Error::failed(what, "no answer"))?;
        Ok(Caller {
            person: row.try_get("person").during(what)?,
            approver: row.try_get("approver").during(what)?,
            steward: row.try_get("steward").during(what)?,
            own: row.try_get("own").during(what)?,
        })
    }

    async fn submit(&self, asked: &RequestedImage, destination: &str, wish: &RequestedUse) -> Result<(Id, bool)> {
        let what = "submit a request";
        let sql = "SELECT id, new FROM wharf.submit($1::jsonb, $2, $3, $4, $5)";
        let arguments = [
            value(asked, what)?,
            Argument::Text(destination),
            Argument::Text(&wish.reason),
            Argument::Maybe(wish.until),
            Argument::Yes(wish.private),
        ];
        let row = self.call(what, sql, &arguments).await?.ok_or_else(|| Error::failed(what, "no answer"))?;
        Ok((row.try_get("id").during(what)?, row.try_get("new").during(what)?))
    }

    async fn apply_event(&self, id: Id, event: &Event) -> Result<Request> {
        let what = format!("{} request {id}", event.verb());
        let (id_argument, worker) = (Argument::Number(id), Argument::Text(&self.worker));
        let (sql, arguments): (&'static str, Vec<Argument<'_>>) = match event {
            Event::Wish(wish) => {
                let request = self.request(id).await?;
                let (id, _) = self.submit(&request.asked, &request.destination, wish).await?;
                return self.request(id).await;
            }
            Event::Claim { .. } => return Err(Error::usage(what, "a steward takes what comes next")),
            Event::Withdraw => ("SELECT wharf.withdraw($1)", vec![id_argument]),
            Event::Remark(kind, words) => (
                "SELECT wharf.remark($1, $2, $3)",
                vec![id_argument, Argument::Text(kind.name()), Argument::Text(words)],
            ),
            Event::Decide(decision) => {
                ("SELECT wharf.decide($1, $2::jsonb)", vec![id_argument, value(decision, &what)?])
            }
            Event::Revoke(decision) => {
                ("SELECT wharf.revoke($1, $2::jsonb)", vec![id_argument, value(decision, &what)?])
            }
            Event::Revoked => ("SELECT wharf.revoked($1, $2)", vec![id_argument, worker]),
            Event::Renew { lease } => {
                ("SELECT wharf.renew($1, $2, $3)", vec![id_argument, worker, Argument::Number(seconds(*lease))])
            }
            Event::Judged(dossier, next) => {
                let decision = match next {
                    PolicyOutcome::Decided(decision) => value(decision, &what)?,
                    PolicyOutcome::Wait => Argument::Json(json!({})),
                };
                let sql = "SELECT wharf.judged($1, $2, $3::jsonb, NULLIF($4::jsonb, '{}'))";
                (sql, vec![id_argument, worker, value(&**dossier, &what)?, decision])
            }
            Event::Admitted(admission) => {
                ("SELECT wharf.admitted($1, $2, $3::jsonb)", vec![id_argument, worker, value(admission, &what)?])
            }
            Event::Failed { why, again } => (
                "SELECT wharf.failed($1, $2, $3, $4)",
                vec![id_argument, worker, Argument::Text(why), Argument::Maybe(again.map(seconds))],
            ),
        };
        self.call(&what, sql, &arguments).await?;
        self.request(id).await
    }

    async fn requests(&self, which: RequestFilter, skip: i64, limit: i64) -> Result<Vec<Request>> {
        let what = "list requests";
        let (which, order) = match which {
            RequestFilter::Mine => (
                "EXISTS (SELECT FROM wharf.wish WHERE wish.request = r.id AND wish.person = session_user)",
                "r.id DESC",
            ),
            RequestFilter::Queue => ("stage IN ('waiting', 'asked')", "rule, base, since, r.id"),
            RequestFilter::All => ("true", "r.id DESC"),
        };
        // Rows are selected with the index alone; only those that are shown are read completely.
        let page = format!("SELECT id FROM wharf.request AS r WHERE {which} ORDER BY {order} OFFSET $1 LIMIT $2");
        let sql = format!("{REQUEST} WHERE r.id IN ({page}) ORDER BY {order}");
        let rows = self.rows(what, sql, &[Argument::Number(skip), Argument::Number(limit)]).await?;
        rows.iter().map(|row| shown(row, what)).collect()
    }

    async fn groups(&self) -> Result<Vec<Group>> {
        let what = "list the queue's groups";
        let sql =
            "SELECT json_build_object('rule', rule, 'base', base, 'count', count(*))::text AS body FROM wharf.request
            WHERE stage IN ('waiting', 'asked') GROUP BY rule, base ORDER BY count(*) DESC, rule, base LIMIT 1000";
        Ok(readable(&self.rows(what, sql, &[]).await?, what))
    }

    async fn overview(&self) -> Result<QueueOverview> {
        let what = "read how requests went lately";
        let arguments = [
            Argument::Number(QueueOverview::DAYS),
            Argument::Number(QueueOverview::SOON),
            Argument::Number(QueueOverview::LISTED),
        ];
        let known = "wharf.known(digest, regexp_replace(reference, '(:[^/@]*)?@.*$', ''))->'judged'";
        let (before, after) = OVERVIEW;
        let rows = match self.rows(what, format!("{before}{known}{after}"), &arguments).await {
            // Somebody who decides and asks for nothing may not ask what the stewards found: that stays unknown.
            Err(error) if error.kind == Kind::NotAllowed => {
                self.rows(what, format!("{before}NULL::jsonb{after}"), &arguments).await?
            }
            rows => rows?,
        };
        let row = rows.first().ok_or_else(|| Error::new(Kind::NotAllowed, what, "you may not decide"))?;
        Ok(body::<StoredOverview>(row, what)?.told(what))
    }

    async fn request(&self, id: Id) -> Result<Request> {
        let what = format!("show request {id}");
        let rows = self.rows(&what, format!("{REQUEST} WHERE r.id = $1"), &[Argument::Number(id)]).await?;
        body(rows.first().ok_or_else(|| no_request(id, &what))?, &what)
    }

    async fn ahead(&self, id: Id) -> Result<i64> {
        let what = "look up the place in the line";
        let row = self.call(what, "SELECT wharf.ahead($1) AS ahead", &[Argument::Number(id)]).await?;
        row.map_or(Ok(0), |row| row.try_get("ahead").during(what))
    }

    async fn history(&self, id: Id) -> Result<Vec<Change>> {
        self.request(id).await?;
        let what = format!("show the history of request {id}");
        let sql = "SELECT json_build_object('at', at, 'who', who, 'what', what, 'detail', detail)::text AS body
            FROM wharf.history WHERE request = $1 ORDER BY id";
        Ok(readable(&self.rows(&what, sql, &[Argument::Number(id)]).await?, &what))
    }

    async fn pace(&self) -> Result<Pace> {
        let what = "read how long requests take";
        let sql = "SELECT changed - since AS took, decision->>'by' LIKE 'policy %' AS alone FROM wharf.request
            WHERE stage = 'admitted' ORDER BY id DESC LIMIT 200";
        let mut took = Vec::new();
        for row in self.rows(what, sql, &[]).await? {
            let alone: Option<bool> = row.try_get("alone").during(what)?;
            let time: i64 = row.try_get("took").during(what)?;
            took.push((time, alone == Some(true)));
        }
        Ok(Pace::from_durations(&took))
    }

    async fn claim(&self, lease: Duration, most: i64) -> Result<Option<Request>> {
        let what = "take a request";
        for _ in 0..PUT_ASIDE {
            let arguments = [Argument::Text(&self.worker), Argument::Number(seconds(lease)), Argument::Number(most)];
            let row = self.call(what, "SELECT wharf.claim($1, $2, $3) AS id", &arguments).await?;
            let id: Option<Id> = row.map(|row| row.try_get("id").during(what)).transpose()?.flatten();
            let Some(id) = id else { return Ok(None) };
            let rows = self.rows(what, format!("{REQUEST} WHERE r.id = $1"), &[Argument::Number(id)]).await?;
            let error = match rows.first().map(|row| body(row, what)) {
                Some(Ok(request)) => return Ok(Some(request)),
                Some(Err(error)) => error,
                None => no_request(id, what),
            };
            tracing::warn!(id, %error, "a request cannot be read and is put aside");
            let why = format!("what the store has of it cannot be read: {}", error.why);
            let arguments = [Argument::Number(id), Argument::Text(&self.worker), Argument::Text(&why)];
            // If even this is refused, the claim keeps the request aside for a while.
            let sql = "SELECT wharf.failed($1, $2, $3, NULL)";
            if let Err(error) = self.call(what, sql, &arguments).await {
                tracing::warn!(id, %error, "it could not be put aside");
            }
        }
        Ok(None)
    }

    async fn admissions(&self, digest: &str) -> Result<Vec<Request>> {
        let what = "look up what is admitted";
        let sql =
            format!("{REQUEST} WHERE stage = 'admitted' AND admitted->>'digest' = $1 ORDER BY r.id DESC LIMIT 100");
        let rows = self.rows(what, sql, &[Argument::Text(digest)]).await?;
        rows.iter().map(|row| body(row, what)).collect()
    }

    async fn known_at_site(&self, digests: &[String], place: &str) -> Result<Site> {
        let what = "ask what the site knows";
        let mut worst = Site::Silent;
        for digest in digests {
            let row = self
                .call(
                    what,
                    "SELECT wharf.known($1, $2)::text AS body",
                    &[Argument::Text(digest), Argument::Text(place)],
                )
                .await?;
            let Some(known) = row.map(|row| body::<KnownAnswer>(&row, what)).transpose()? else { continue };
            worst = worst.max(site(known.judged.as_ref(), known.taken_back.as_ref()));
        }
        Ok(worst)
    }

    async fn admitted_at(&self, destination: &str) -> Result<Option<Admission>> {
        let what = "look up what is admitted";
        let sql = "SELECT admitted::text AS body FROM wharf.request WHERE destination = $1 AND stage = 'admitted'
            ORDER BY changed DESC, id DESC LIMIT 1";
        let row = self.call(what, sql, &[Argument::Text(destination)]).await?;
        row.map(|row| body(&row, what)).transpose()
    }

    async fn newest_admitted(&self, destination: &str, tag: &str) -> Result<Option<Request>> {
        let what = "look up what has a tag";
        let sql = format!(
            "{REQUEST} WHERE destination = $1 AND stage = 'admitted' AND dossier->>'tag' = $2
                AND coalesce(admitted->>'untagged', '') = '' ORDER BY r.id DESC LIMIT 1"
        );
        let rows = self.rows(what, sql, &[Argument::Text(destination), Argument::Text(tag)]).await?;
        rows.first().map(|row| body(row, what)).transpose()
    }

    async fn ended(&self, since: i64, last: Id, limit: i64) -> Result<Vec<Request>> {
        let what = "look up what is over";
        let sql = format!(
            "{REQUEST} WHERE stage IN ('admitted', 'revoking', 'revoked', 'rejected', 'withdrawn', 'failed')
                AND (changed > $1 OR changed = $1 AND r.id > $2) ORDER BY changed, r.id LIMIT $3"
        );
        let arguments = [Argument::Number(since), Argument::Number(last), Argument::Number(limit)];
        let rows = self.rows(what, sql, &arguments).await?;
        // An unreadable row contains nothing to be found by.
        Ok(rows.iter().filter_map(|row| body(row, what).ok()).collect())
    }

    async fn classes(&self) -> Result<Vec<Class>> {
        let what = "list approvals of classes";
        let sql = "SELECT json_build_object('id', id, 'base', base, 'rule', rule, 'decision', decision)::text AS body
            FROM wharf.class WHERE until > wharf.now() ORDER BY id";
        Ok(readable(&self.rows(what, sql, &[]).await?, what))
    }

    async fn approve_class(&self, base: &str, rule: &str, decision: &Decision) -> Result<Id> {
        let what = "approve a class";
        let arguments = [Argument::Text(base), Argument::Text(rule), value(decision, what)?];
        let row = self.call(what, "SELECT wharf.approve_class($1, $2, $3::jsonb) AS id", &arguments).await?;
        row.ok_or_else(|| Error::failed(what, "no answer"))?.try_get("id").during(what)
    }

    async fn end_class(&self, id: Id) -> Result<()> {
        let what = format!("end the class {id}");
        let row = self.call(&what, "SELECT wharf.end_class($1) AS ended", &[Argument::Number(id)]).await?;
        let ended = row.map(|row| row.try_get("ended").during(&what)).transpose()?;
        if ended == Some(true) { Ok(()) } else { Err(Error::not_found(what, "there is no such class, or it is over")) }
    }

    async fn record_use(&self, used: &Use) -> Result<()> {
        let arguments = [
            Argument::Text(used.how.name()),
            Argument::Text(&used.digest),
            Argument::Text(&used.reference),
            Argument::Text(&used.place),
            // The age of a use that was kept while the database could not be reached.
            Argument::Number((text::now() - used.at).clamp(0, 31 * 86_400)),
        ];
        self.call("write down who used an image", "SELECT wharf.use($1, $2, $3, $4, $5)", &arguments).await.map(|_| ())
    }

    async fn users(&self, digest: &str) -> Result<Vec<Use>> {
        let what = "look up who used an image";
        let sql = "SELECT json_build_object('person', person, 'how', how, 'reference', reference, 'digest', digest, 'place', place,
                'at', at)::text AS body FROM (
            SELECT person, how, reference, digest, place, at FROM wharf.used WHERE digest = $1
            UNION SELECT person, 'requested', admitted->>'reference', $1, '', changed FROM wharf.request
            JOIN wharf.wish ON wish.request = request.id WHERE stage = 'admitted' AND admitted->>'digest' = $1) AS every
            ORDER BY person, how";
        Ok(readable(&self.rows(what, sql, &[Argument::Text(digest)]).await?, what))
    }

    async fn due_for_judging(&self, due: &Watch, limit: i64) -> Result<Vec<Watched>> {
        let what = "look up what is watched";
        // Admitted images come first; then used images, one of each person in turn.
        let sql = "WITH every AS (
                SELECT admitted->>'digest' AS digest, admitted->>'reference' AS reference, 0 AS later, '' AS person, changed AS admitted FROM wharf.request WHERE stage = 'admitted'
                UNION ALL SELECT digest, reference, 1, person, NULL FROM wharf.used
                    WHERE reference ~ '^[a-z][a-z0-9+.-]*://' AND reference !~ '^(engine|volume|file|https?):'),
            each AS (SELECT every.*, regexp_replace(reference, '(:[^/@]*)?@.*$', '') AS place FROM every),
            newest AS (SELECT place, max(admitted) AS admitted FROM each GROUP BY place),
            places AS (SELECT DISTINCT ON (digest, place) digest, reference, later, person, place FROM each
                WHERE digest IS NOT NULL AND reference IS NOT NULL ORDER BY digest, place, later, reference, person),
            known AS (SELECT of.*, w.body, w.checked, wharf.now() - w.checked AS ago,
                    CASE WHEN w.body->>'failed' ~ '^[1-9][0-9]{0,3}$' THEN (w.body->>'failed')::integer ELSE 0 END AS failed,
                    coalesce(n.admitted >= w.checked, false) AS superseded
                FROM places AS of LEFT JOIN wharf.watched AS w ON w.digest = of.digest AND w.reference = of.reference
                LEFT JOIN newest AS n ON n.place = of.place),
            due AS (SELECT * FROM known WHERE checked IS NULL
                OR failed = 0 AND (ago >= $1 OR body->>'data' IS DISTINCT FROM $2
                    OR superseded AND body->'told'->>0 IS NOT NULL AND body->>'fixed' IS NULL)
                OR failed > 0 AND ago >= least($3 * power(2, least(failed, 17) - 1), $4))
            SELECT digest, reference, body::text AS kept, checked, ago, superseded FROM due
            ORDER BY later, row_number() OVER (PARTITION BY later, person ORDER BY coalesce(checked, 0), digest, reference),
                coalesce(checked, 0), digest, reference LIMIT $5";
        let watched = |row: &PgRow| -> Result<Watched> {
            let (digest, reference) = (row.try_get("digest").during(what)?, row.try_get("reference").during(what)?);
            let kept: Option<String> = row.try_get("kept").during(what)?;
            // What cannot be read is written again after the next look.
            let kept = kept.and_then(|kept| values::readable(read::<Watched>(&kept, what), what)).unwrap_or_default();
            let (checked, ago): (Option<i64>, Option<i64>) =
                (row.try_get("checked").during(what)?, row.try_get("ago").during(what)?);
            let age = ago.map(|ago| Duration::from_secs(ago.max(0).unsigned_abs()));
            let superseded = row.try_get("superseded").during(what)?;
            Ok(Watched { digest, reference, checked: checked.unwrap_or(0), age, superseded, ..kept })
        };
        let arguments = [
            Argument::Number(seconds(due.after)),
            Argument::Text(&due.data),
            Argument::Number(seconds(Watch::FAILED)),
            Argument::Number(seconds(Watch::FAILED_LONG)),
            Argument::Number(limit),
        ];
        let rows = self.rows(what, sql, &arguments).await?;
        rows.iter().map(watched).collect()
    }

    async fn watch(&self, watched: &Watched, notices: &[Notice]) -> Result<()> {
        let what = "keep how an image was judged";
        let arguments = [
            Argument::Text(&watched.digest),
            Argument::Text(&watched.reference),
            value(watched, what)?,
            value(&notices, what)?,
        ];
        self.call(what, "SELECT wharf.watch($1, $2, $3::jsonb, $4::jsonb)", &arguments).await.map(|_| ())
    }

    async fn notices(&self, skip: i64, limit: i64) -> Result<Vec<Notice>> {
        let what = "read the inbox";
        let sql = format!(
            "{NOTICE} WHERE receiver = session_user OR receiver = '@approvers' AND wharf.is('wharf_approver') ORDER BY n.id DESC OFFSET $1 LIMIT $2"
        );
        let rows = self.rows(what, sql, &[Argument::Number(skip), Argument::Number(limit)]).await?;
        rows.iter().map(|row| notice(row, what)).collect()
    }

    async fn unread(&self) -> Result<i64> {
        let what = "count the inbox";
        let sql = "SELECT count(*) AS unread FROM wharf.notice AS n WHERE (receiver = session_user OR receiver = '@approvers' AND wharf.is('wharf_approver'))
            AND NOT EXISTS (SELECT FROM wharf.seen WHERE seen.notice = n.id AND seen.person = session_user)";
        let row = self.call(what, sql, &[]).await?;
        row.map_or(Ok(0), |row| row.try_get("unread").during(what))
    }

    async fn mark_notices_read(&self, notices: &[Id]) -> Result<()> {
        self.call("mark notices as read", "SELECT wharf.see($1)", &[Argument::Numbers(notices)]).await.map(|_| ())
    }

    async fn due(&self, way: &str, lease: Duration) -> Result<Option<DueNotice>> {
        let what = "take a notice to deliver";
        let arguments = [Argument::Text(way), Argument::Number(seconds(lease)), Argument::Number(OLDEST)];
        for _ in 0..PUT_ASIDE {
            let row = self.call(what, "SELECT notice, tries, mail FROM wharf.due($1, $2, $3)", &arguments).await?;
            let Some(row) = row else { return Ok(None) };
            let id: Id = row.try_get("notice").during(what)?;
            let rows = self.rows(what, format!("{NOTICE} WHERE n.id = $1"), &[Argument::Number(id)]).await?;
            match rows.first().map(|row| body(row, what)) {
                Some(Ok(notice)) => {
                    let (mail, tries) = (row.try_get("mail").during(what)?, row.try_get("tries").during(what)?);
                    return Ok(Some(DueNotice { notice, mail, tries }));
                }
                Some(Err(error)) => tracing::warn!(id, %error, "a notice cannot be read and is not delivered"),
                None => tracing::warn!(id, "a notice is gone and is not delivered"),
            }
            self.delivered(way, id, None).await?;
        }
        Ok(None)
    }

    async fn delivered(&self, way: &str, notice: Id, again: Option<Duration>) -> Result<()> {
        let arguments = [Argument::Number(notice), Argument::Text(way), Argument::Maybe(again.map(seconds))];
        self.call("keep that a notice was delivered", "SELECT wharf.delivered($1, $2, $3)", &arguments)
            .await
            .map(|_| ())
    }

    async fn claim_job(&self, job: &str, lease: Duration) -> Result<Option<String>> {
        let what = "take a job of the site";
        let arguments = [Argument::Text(job), Argument::Text(&self.worker), Argument::Number(seconds(lease))];
        let row = self.call(what, "SELECT wharf.claim_job($1, $2, $3) AS notes", &arguments).await?;
        row.map_or(Ok(None), |row| row.try_get("notes").during(what))
    }

    async fn keep_job(&self, job: &str, notes: &str, turn: JobTurn) -> Result<()> {
        let (time, over) = match turn {
            JobTurn::Renewed(lease) => (lease, false),
            JobTurn::Done(again) => (again, true),
        };
        let arguments = [
            Argument::Text(job),
            Argument::Text(&self.worker),
            Argument::Text(notes),
            Argument::Number(seconds(time)),
            Argument::Yes(over),
        ];
        let sql = "SELECT wharf.keep_job($1, $2, $3, $4, $5)";
        self.call("keep how a job of the site stands", sql, &arguments).await.map(|_| ())
    }

    async fn job(&self, job: &str) -> Result<Option<JobStatus>> {
        let what = "look how a job of the site stands";
        let sql = "SELECT notes, wharf.now() - changed AS ago, lease > wharf.now() AS busy FROM wharf.job
            WHERE name = $1 AND changed > 0";
        let row = self.call(what, sql, &[Argument::Text(job)]).await?;
        row.map(|row| {
            Ok(JobStatus {
                notes: row.try_get("notes").during(what)?,
                ago: row.try_get("ago").during(what)?,
                busy: row.try_get("busy").during(what)?,
            })
        })
        .transpose()
    }

    async fn introduce(&self, mail: &str) -> Result<()> {
        self.call("keep a mail address", "SELECT wharf.introduce($1)", &[Argument::Text(mail)]).await.map(|_| ())
    }

    fn pushes(&self) -> bool {
        true
    }

    async fn witness(&self, chain: &Chain, marks: &[Mark]) -> Result<()> {
        let what = "tell the store of the audit";
        let arguments = [Argument::Text(&chain.id), Argument::Text(&chain.place), value(&marks, what)?];
        self.call(what, "SELECT wharf.witness($1, $2, $3::jsonb)", &arguments).await.map(|_| ())
    }

    async fn witnessed(&self, whose: &AuditScope, limit: i64) -> Result<Vec<WitnessedPosition>> {
        let what = "read what the store has seen of audits";
        let (of, id) = match whose {
            AuditScope::Chain(id) => ("person = session_user AND chain = $2", id.as_str()),
            AuditScope::Mine => ("person = session_user AND $2 = ''", ""),
            AuditScope::Everybody => {
                may_audit(what, &self.caller().await?, true)?;
                ("$2 = ''", "")
            }
        };
        let turn = turn(whose);
        let sql = format!(
            "SELECT json_build_object('person', person, 'id', chain, 'place', place, 'number', number, 'hash', hash,
                'body', body, 'at', at)::text AS body FROM (
                    SELECT * FROM (SELECT w.*, {turn} AS turn FROM wharf.witness AS w WHERE {of}) AS each
                    ORDER BY turn, id DESC LIMIT $1) AS few ORDER BY id DESC"
        );
        let rows = self.rows(what, sql, &[Argument::Number(limit), Argument::Text(id)]).await?;
        rows.iter().map(|row| body(row, what)).collect()
    }

    async fn decided(&self, limit: i64) -> Result<Vec<Decided>> {
        let what = "read what was decided";
        may_audit(what, &self.caller().await?, true)?;
        let sql = "SELECT json_build_object('at', h.at, 'who', h.who, 'what', h.what, 'request', r.id, 'title', coalesce(r.asked->>'title', ''),
                'digest', r.digest, 'detail', h.detail)::text AS body
            FROM wharf.history AS h JOIN wharf.request AS r ON r.id = h.request WHERE h.what <> 'taken' ORDER BY h.id DESC LIMIT $1";
        let rows = self.rows(what, sql, &[Argument::Number(limit)]).await?;
        rows.iter().map(|row| body(row, what)).collect()
    }

    async fn news(&self) -> Result<()> {
        let what = "watch the store";
        let mut listener = self.listener.lock().await;
        if listener.is_none() {
            let pool = self.pool().await?;
            let mut new = self.with_reason(what, PgListener::connect_with(pool)).await?;
            new.listen("wharf").await.map_err(|error| sql_error(&error, what))?;
            *listener = Some(new);
            // A new listener reads once, because changes may have been missed before.
            return Ok(());
        }
        let Some(listening) = listener.as_mut() else { return Ok(()) };
        match listening.try_recv().await {
            // This also happens after a lost connection: changes may have been missed, so they are read.
            Ok(_) => Ok(()),
            Err(error) => {
                *listener = None;
                Err(sql_error(&error, what))
            }
        }
    }
}

/// A notice as one value, with whether the caller has read it.
const NOTICE: &str = "SELECT json_build_object('id', n.id, 'at', at, 'to', receiver, 'topic', topic, 'key', key, 'title', title,
    'words', words, 'request', request, 'warning', warning, 'seen', EXISTS (SELECT FROM wharf.seen WHERE seen.notice = n.id
        AND seen.person = session_user))::text AS body, n.id AS number FROM wharf.notice AS n";
