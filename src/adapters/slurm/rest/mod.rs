//! Slurm without its commands: by slurmrestd, at a socket of this machine or at a port, where a token says who asks.
//!
//! Its answers differ between versions of its interface: numbers are bare or in `{set, infinite, number}`, words are
//! texts or lists, and the status of an answer says less than the errors in it. [`answer`] reads all of them.

mod answer;
mod connection;
mod jobs;
mod request;
mod site;

use std::path::Path;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::Value;
use tokio::sync::OnceCell;

pub(super) use self::request::script;
use self::{answer::Answer, connection::Connection};
use super::{job::Job, queue::Row, settings::RestAddress, site::Site};
use wharf_core::{
    base::error::{Error, Kind, Result},
    launch::{plan::Plan, step::Call},
};

/// The versions of the interface that are understood, the oldest and the newest: `v0.0.36`.
const VERSIONS: (u32, u32) = (36, 45);
/// The most jobs that are asked about in accounting at the same time: each is a question of its own.
const AT_ONCE: usize = 8;

/// A cluster's slurmrestd.
pub(super) struct Rest {
    connection: Connection,
    version: OnceCell<u32>,
}

impl Rest {
    /// The slurmrestd at this address. Contacts nobody.
    pub(super) fn new(address: RestAddress) -> Self {
        Self { connection: Connection::new(address), version: OnceCell::new() }
    }

    /// Where it is, in words.
    pub(super) fn address(&self) -> String {
        self.connection.address.to_string()
    }

    /// The account that asks.
    pub(super) fn user(&self) -> String {
        self.connection.address.user()
    }

    /// The path of the newest version of the interface that both sides know, asked for once: `slurm/v0.0.42`.
    async fn path(&self, what: &str, part: &str, rest: &str) -> Result<String> {
        let version = self.version.get_or_try_init(|| self.newest(what)).await?;
        Ok(format!("{part}/v0.0.{version}/{rest}"))
    }

    async fn newest(&self, what: &str) -> Result<u32> {
        let described = self.connection.get(what, "openapi/v3").await?;
        let told = described.value.get("paths").and_then(Value::as_object);
        let number = |path: &String| path.strip_prefix("/slurm/v0.0.")?.split('/').next()?.parse::<u32>().ok();
        let all: Vec<u32> = told.into_iter().flat_map(serde_json::Map::keys).filter_map(number).collect();
        let newest = all.iter().copied().filter(|one| (VERSIONS.0..=VERSIONS.1).contains(one)).max();
        newest.ok_or_else(|| {
            let (least, most) = VERSIONS;
            let theirs = all.iter().max().map_or("none".to_owned(), |one| format!("v0.0.{one}"));
            Error::unsupported(what, format!("its newest interface is {theirs}; v0.0.{least} to v0.0.{most} are known"))
                .hint("ask the administrators for another version of slurmrestd")
        })
    }

    async fn get(&self, what: &str, part: &str, rest: &str) -> Result<Answer> {
        let path = self.path(what, part, rest).await?;
        let answer = self.connection.get(what, &path).await?;
        answer.checked(what)
    }

    /// What the cluster has and allows, and what it allows this person.
    pub(super) async fn site(&self, what: &str) -> Result<Site> {
        let (partitions, nodes, accounts, qualities) = tokio::join!(
            self.get(what, "slurm", "partitions"),
            self.get(what, "slurm", "nodes"),
            self.get(what, "slurmdb", "associations"),
            self.get(what, "slurmdb", "qos"),
        );
        let mut partitions = site::partitions(&partitions?);
        site::add_nodes(&mut partitions, &nodes?);
        // Without accounting, Slurm takes the person's own default.
        let accounts = accounts.map(|answer| site::accounts(&answer, &self.user())).unwrap_or_default();
        let qualities = qualities.map(|answer| site::qualities(&answer)).unwrap_or_default();
        Ok(Site { partitions, accounts, qualities, ..Site::default() })
    }

    /// The jobs of this person that the controller knows.
    pub(super) async fn queue(&self, what: &str) -> Result<Vec<Row>> {
        let mut rows = jobs::queue(&self.get(what, "slurm", "jobs").await?);
        let user = self.user();
        rows.retain(|row| row.user == user);
        Ok(rows)
    }

    /// What the controller knows of these jobs, whoever sent them.
    pub(super) async fn jobs(&self, what: &str, ids: &[String]) -> Result<Vec<Row>> {
        self.each(ids, |id| async move {
            let (whole, task) = id.split_once('_').map_or((id, None), |(whole, task)| (whole, Some(task)));
            let answer = self.get(what, "slurm", &format!("job/{whole}")).await;
            let rows = or_none(answer)?.map(|answer| jobs::queue(&answer)).unwrap_or_default();
            Ok(rows.into_iter().filter(|row| task.is_none_or(|task| row.task.as_deref() == Some(task))).collect())
        })
        .await
    }

    /// What accounting tells of these jobs.
    pub(super) async fn accounts(&self, what: &str, ids: &[String]) -> Result<Vec<Row>> {
        self.each(ids, |id| async move {
            let answer = self.get(what, "slurmdb", &format!("job/{id}")).await;
            Ok(or_none(answer)?.map(|answer| jobs::accounted(&answer)).unwrap_or_default())
        })
        .await
    }

    /// The rows of all these ids, asked for a few at a time.
    async fn each<'a, F: Future<Output = Result<Vec<Row>>>>(
        &self,
        ids: &'a [String],
        ask: impl Fn(&'a str) -> F,
    ) -> Result<Vec<Row>> {
        let asked: Vec<F> = ids.iter().map(|id| ask(id)).collect();
        let all: Vec<Vec<Row>> = stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
        Ok(all.into_iter().flatten().collect())
    }

    /// The request that sends a job, in the form of the version that is spoken.
    pub(super) async fn call(&self, what: &str, job: &Job, folder: &Path, key: &str, script: &str) -> Result<Call> {
        let version = *self.version.get_or_try_init(|| self.newest(what)).await?;
        let body = request::for_version(&request::body(job, folder, key, script)?, version);
        Ok(self.connection.call("POST", format!("/slurm/v0.0.{version}/job/submit")).body(body))
    }

    /// Sends the job of a plan, and gives its id.
    pub(super) async fn submit(&self, what: &str, plan: &Plan) -> Result<String> {
        let (call, body) = plan.call(what)?;
        let path = call.path.trim_start_matches('/');
        // Only what slurmrestd itself refuses is known not to be sent.
        let unsure = |why: String| Error::new(Kind::Unavailable, what, why);
        let sent = self.connection.post(what, path, body).await;
        let answer = sent.map_err(|error| match error.kind {
            Kind::NotAllowed => error,
            _ => unsure(error.why),
        })?;
        let answer = answer.checked(what)?;
        let id = answer.value.get("job_id").and_then(answer::number).filter(|id| *id > 0);
        id.map(|id| id.to_string()).ok_or_else(|| unsure("slurmrestd told no job's id".to_owned()))
    }

    /// Cancels a job, an array, or a task of one. One that is over stays as it is.
    pub(super) async fn cancel(&self, what: &str, id: &str) -> Result<()> {
        let path = self.path(what, "slurm", &format!("job/{id}")).await?;
        let answer = self.connection.delete(what, &path).await?;
        match answer.checked(what) {
            Err(error) if error.kind == Kind::Failed && error.why.contains("already complet") => Ok(()),
            other => other.map(drop),
        }
    }

    /// Its version, if the controller answers it.
    pub(super) async fn ping(&self, what: &str) -> Result<String> {
        let answer = self.get(what, "slurm", "ping").await?;
        let first = answer.list("pings").first().cloned().unwrap_or_default();
        let text = |key: &str| first.get(key).and_then(answer::word).unwrap_or_default();
        let up = text("ping") == "UP" || text("pinged") == "UP" || first.get("responding") == Some(&Value::Bool(true));
        if up {
            return Ok(answer.release());
        }
        // A token that is no longer good is told like this, too.
        Err(Error::new(Kind::Unavailable, what, "slurmrestd does not reach the controller, or does not take the token")
            .hint(answer::NEW_TOKEN))
    }
}

/// An answer, or `None` where there is no such job.
fn or_none(answer: Result<Answer>) -> Result<Option<Answer>> {
    match answer {
        Err(error) if error.kind == Kind::NotFound => Ok(None),
        other => other.map(Some),
    }
}
