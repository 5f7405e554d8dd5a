//! Asking for the list of jobs, and finding one of them.

use std::sync::Arc;

use super::{
    cluster::Slurm,
    folder,
    jobs::{self, Known},
    lists::List,
    queue::{self, Row},
    tasks,
};
use wharf_core::{
    base::{
        blocking::blocking,
        clean,
        error::{During, Error, Kind, Result},
    },
    ports::{Extent, Listed},
};

/// A job that an id means: the whole, and the task if it names one.
pub(super) struct Found {
    /// The job, or the array.
    pub known: Known,
    /// The task of the array that is meant; `None` for the whole.
    pub task: Option<String>,
}

impl Found {
    /// The row that is meant: of the task, or of a job that is no array.
    pub(super) fn row(&self) -> Option<&Row> {
        self.known.rows.iter().find(|row| match &self.task {
            Some(task) => row.task.as_ref() == Some(task),
            None => !row.in_array,
        })
    }

    /// Whether it is a whole array, of which a task must be named.
    pub(super) fn is_array(&self) -> bool {
        let tasks = self.known.launched.as_ref().is_some_and(|launched| launched.record.tasks.is_some());
        self.task.is_none() && (tasks || self.known.rows.iter().any(|row| row.in_array))
    }
}

impl Slurm {
    /// All jobs: the last list, or a new one if that is older than the pace.
    pub(super) async fn list(&self) -> Result<Arc<List>> {
        self.lists.get(|| self.ask_list()).await
    }

    async fn ask_list(&self) -> Result<List> {
        let what = format!("list jobs of {}", self.name);
        let rows = self.queue(&what).await?;
        let launches = self.root.launches();
        let of = |row: &Row| Some((jobs::key_of(row, &launches)?.to_owned(), row.whole.clone()));
        let (root, taken) = (self.root.clone(), rows.iter().filter_map(of).collect::<Vec<_>>());
        let read = move || {
            root.adopt(&taken);
            root.all()
        };
        let launched = blocking(read).await.during(&what)?;
        let ids = jobs::to_account(&rows, &launched);
        let (accounts, extent) = match self.accounts(&what, &ids).await {
            Ok(rows) => (rows, Extent::Whole),
            // A cluster without accounting is no failure that should be told each time.
            Err(error) if error.why.contains("disabled") => (Vec::new(), Extent::Whole),
            Err(error) => (Vec::new(), Extent::Cut(format!("how some jobs ended is not known: {}", error.why))),
        };
        let all = jobs::workloads(&self.name, &launches, rows, accounts, launched);
        let kept: Vec<_> =
            all.iter().filter_map(|known| Some((known.launched.clone()?, known.ended.clone()?))).collect();
        let root = self.root.clone();
        // It is kept so that accounting need not be asked again; without it, accounting is.
        let writing = move || {
            for (launched, ended) in kept {
                let written = root.launch(&launched.record.key).and_then(|at| folder::write(&at, "ended", &ended));
                if let Err(error) = written {
                    tracing::debug!(%error, "how a job ended could not be kept");
                }
            }
        };
        blocking(writing).await.during(&what)?;
        Ok(List { all, extent })
    }

    /// The jobs of this person, and what other people have in the queue, as far as the cluster shows it.
    ///
    /// # Errors
    /// `Unsupported` without Slurm's commands.
    pub(super) async fn list_of_everybody(&self) -> Result<Listed> {
        let what = format!("list jobs of {}", self.name);
        if self.rest.is_some() {
            let why = "by slurmrestd only your own jobs are listed";
            return Err(
                Error::unsupported(what, why).hint("leave --everybody out, or do it where Slurm's commands are")
            );
        }
        let arguments = queue::queue_of_everybody_arguments();
        let (own, others) = tokio::join!(self.list(), self.squeue(&what, &arguments));
        let (own, others) = (own?, others?);
        let person = whoami::username().unwrap_or_default();
        let mut listed = own.listed(&self.name);
        listed.workloads.extend(jobs::of_others(&self.name, &person, others));
        Ok(listed)
    }

    /// What is in the queue of this person.
    pub(super) async fn queue(&self, what: &str) -> Result<Vec<Row>> {
        match &self.rest {
            Some(rest) => rest.queue(what).await,
            None => self.squeue(what, &queue::queue_arguments()).await,
        }
    }

    /// What is in the queue of these jobs, whoever sent them.
    pub(super) async fn jobs_of_all(&self, what: &str, ids: &[String]) -> Result<Vec<Row>> {
        if let Some(rest) = &self.rest {
            return rest.jobs(what, ids).await;
        }
        match self.squeue(what, &queue::jobs_arguments(ids)).await {
            // So squeue says that it knows none of them.
            Err(error) if error.kind == Kind::NotFound => Ok(Vec::new()),
            other => other,
        }
    }

    async fn squeue(&self, what: &str, arguments: &[String]) -> Result<Vec<Row>> {
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Ok(queue::queue(&self.commands.ask(what, "squeue", &words).await?))
    }

    /// What accounting tells of these jobs.
    pub(super) async fn accounts(&self, what: &str, ids: &[String]) -> Result<Vec<Row>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(rest) = &self.rest {
            return rest.accounts(what, ids).await;
        }
        let arguments = queue::accounting_arguments(ids);
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Ok(queue::accounted(&self.commands.ask(what, "sacct", &words).await?))
    }

    /// The job that an id means: `329`, or `329_2` for a task of an array. A list that does not have it is asked for
    /// again.
    ///
    /// # Errors
    /// `NotFound` where there is none.
    pub(super) async fn find(&self, id: &str) -> Result<Found> {
        let (whole, task) = id.split_once('_').map_or((id, None), |(whole, task)| (whole, Some(task)));
        let shown = clean::short(id, 40);
        let none = || Error::not_found(format!("job '{shown}' on {}", self.name), "there is no such job");
        if !queue::is_number(whole) || !task.is_none_or(queue::is_number) {
            return Err(none());
        }
        for again in [false, true] {
            if again {
                self.lists.forget_older().await;
            }
            let list = self.list().await?;
            let known = list.all.iter().find(|known| known.workload.id == whole);
            if let Some(found) = known.map(|known| Found { known: known.clone(), task: task.map(str::to_owned) }) {
                // A task that waits has no row of its own.
                let waits = found.known.rows.iter().any(|row| row.in_array && row.task.is_none());
                if found.task.is_none() || found.row().is_some() || waits {
                    return Ok(found);
                }
            }
        }
        Err(none())
    }

    /// The row of a job that runs, for what is done inside it.
    ///
    /// # Errors
    /// `NotFound` where there is none, `Usage` for a whole array, `Unsupported` where it does not run.
    pub(super) async fn running(&self, id: &str, what: &str) -> Result<(Found, Row)> {
        let found = self.find(id).await?;
        if found.is_array() {
            return Err(Error::usage(what, "it is an array of tasks").hint(tasks::name_a_task(&self.name, id)));
        }
        let mut row = found.row().cloned();
        if row.as_ref().is_none_or(|row| !row.state.is_live()) {
            // It may have started since the last list.
            self.lists.forget_older().await;
            row = self.find(id).await?.row().cloned();
        }
        match row {
            Some(row) if row.state.is_live() => Ok((found, row)),
            Some(row) => Err(Error::unsupported(what, format!("it does not run: it is {}", row.state.label().1))),
            None => Err(Error::new(Kind::Unsupported, what, "it does not run")),
        }
    }
}
