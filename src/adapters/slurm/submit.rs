//! Carrying out a plan: the image is prepared, the script written, tried and sent once.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{
    array, check,
    cluster::Slurm,
    commands::{self, DEADLINE},
    folder::{self, Launched, ONE_TASK, Record, SIDE_BY_SIDE},
    jobs::key_of,
    partitions,
    queue::is_number,
    rest, script,
};
use crate::shared::private;
use wharf_core::{
    base::{
        blocking::blocking,
        context::Context,
        error::{During, Error, Kind, Result},
        small_file, text,
    },
    image::model::Pinned,
    launch::plan::{Plan, Step},
    ports::{Process, Runtime, Supply},
};

/// How a plan came to its job.
pub(super) enum Sent {
    /// It was sent now. `starts` is Slurm's estimate of when it begins, in seconds since 1970, if it was asked.
    Now { launched: Launched, starts: Option<i64> },
    /// It was sent before.
    Before(Launched),
}

/// The pause between two looks for a job that may have been sent.
const PAUSE: Duration = Duration::from_secs(1);
/// After a preparation that took longer, what was learnt of the partition before it may not be true any more.
const LONG: Duration = Duration::from_secs(15);

impl Slurm {
    /// Prepares and sends what a plan shows, unless it was sent before: then gives that launch.
    pub(super) async fn submit(&self, cx: &Context, plan: &Plan, supply: &Supply) -> Result<Sent> {
        let what = format!("launch on {}", self.name);
        let script = match &self.rest {
            Some(_) => rest::script(plan, &what)?,
            None => plan.written(&what)?.1,
        };
        let (root, key) = (self.root.clone(), plan.idempotency_key.clone());
        let folder = blocking(move || root.make(&key)).await.during(&what)??;
        if let Some(done) = in_folder(&what, &folder, |folder| Ok(folder::launched(folder))).await? {
            return Ok(Sent::Before(done));
        }
        let work = self.prepare_and_send(cx, plan, supply, script, &folder);
        let done = work.await;
        if done.is_err() {
            // Nothing was sent: what was made for it is of no use.
            let unsent = |folder: &Path| {
                let sent = folder.join("sending").exists();
                if sent { Ok(()) } else { private::remove(folder).during("remove what was made for a launch") }
            };
            let removed = in_folder(&what, &folder, unsent).await;
            if let Err(error) = removed {
                tracing::debug!(%error, "the folder of a launch that failed is still there");
            }
        }
        done
    }

    async fn prepare_and_send(
        &self,
        cx: &Context,
        plan: &Plan,
        supply: &Supply,
        script: &str,
        folder: &Path,
    ) -> Result<Sent> {
        let what = format!("launch on {}", self.name);
        let (runtime, process) = script::described(script)?;
        let runtime = self.runtime_called(&runtime, &what)?;
        let record = record(script, &plan.idempotency_key, runtime.as_ref(), &process, &plan.image);
        in_folder(&what, folder, move |folder| folder::write(folder, "launch.json", &record)).await?;
        if let Some(job) = self.sent(&what, &plan.idempotency_key, folder).await? {
            return Ok(Sent::Before(self.taken(&what, folder, job).await?));
        }
        if let Some(rest) = &self.rest {
            cx.progress.phase("preparing the image");
            runtime.prepare(cx, supply, &process, &self.root.images(), &folder.join(script::PROCESS)).await?;
            cx.progress.phase("sending the job");
            let job = self.send_once(&what, folder, rest.submit(&what, plan)).await?;
            return Ok(Sent::Now { launched: self.taken(&what, folder, job).await?, starts: None });
        }
        let (file, bytes) = (folder.join(script::FILE), script.as_bytes().to_owned());
        blocking(move || private::write(&file, &bytes)).await.during(&what)??;
        cx.progress.phase("preparing the image");
        // The partition may have been closed since the plan was made, and Slurm would let the job wait there for ever.
        let (images, prepared) = (self.root.images(), folder.join(script::PROCESS));
        let (partition, began) = (script::option(script, "partition").unwrap_or_default(), Instant::now());
        tokio::try_join!(
            runtime.prepare(cx, supply, &process, &images, &prepared),
            self.still_takes_jobs(partition, &what),
        )?;
        if began.elapsed() > LONG {
            self.still_takes_jobs(partition, &what).await?;
        }
        let (trials, send_it) = programs(plan, &what)?;
        let mut starts = None;
        for trial in trials {
            cx.progress.phase("asking Slurm whether it takes the job");
            let tried = self.commands.run_words(trial).await?;
            if tried.code != 0 {
                let refused = commands::refused(&what, &tried).hint("change the answer that Slurm does not take");
                return Err(self.facts.after_refusal(refused, &what).await);
            }
            starts = estimate(&tried.stderr);
        }
        cx.progress.phase("sending the job");
        match self.send(&what, folder, send_it).await {
            Ok(job) => Ok(Sent::Now { launched: self.taken(&what, folder, job).await?, starts }),
            Err(error) if error.kind == Kind::Unavailable => Err(error),
            Err(error) => Err(self.facts.after_refusal(error, &what).await),
        }
    }

    /// Fails if a partition takes no jobs now, unless that was asked a moment ago. What cannot be learnt is left to Slurm.
    async fn still_takes_jobs(&self, partition: &str, what: &str) -> Result<()> {
        if partition.is_empty() || self.facts.has_new_partitions().await {
            return Ok(());
        }
        let arguments = ["-a", "show", "partition", partition, "-o"];
        let Ok(text) = self.commands.ask(what, "scontrol", &arguments).await else { return Ok(()) };
        let now = partitions::partitions(&text).into_iter().find(|one| one.name == partition);
        match now.filter(|one| !one.is_up()) {
            Some(down) => Err(check::down(&down, what, "launch it in another partition, or try again later")),
            None => Ok(()),
        }
    }

    /// Prepares what the script in a folder starts. Somebody else has written it there, as a plan has shown it, and sends
    /// it afterwards.
    pub(super) async fn prepare_script(&self, cx: &Context, folder: &Path, supply: &Supply) -> Result<()> {
        let what = format!("prepare {}", folder.display());
        let key = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if self.root.launch(&key)? != folder {
            let why = format!("the launches of {} are in {}", self.name, self.root.launches().display());
            return Err(Error::usage(what, why).hint("use the folder of the script as the plan shows it"));
        }
        let script = in_folder(&what, folder, |folder| {
            let file = folder.join(script::FILE);
            small_file::text(&file).during(format!("read {}", file.display()))
        });
        let script = script.await?;
        if !script.contains(supply.image.digest.as_str()) {
            return Err(Error::new(Kind::Integrity, what, "the script there is of another image")
                .hint("plan the launch of this image again"));
        }
        let (runtime, process) = script::described(&script)?;
        let runtime = self.runtime_called(&runtime, &what)?;
        let root = self.root.clone();
        let record = record(&script, &key, runtime.as_ref(), &process, &supply.image);
        let begin = move || {
            let made = root.make(&key)?;
            // By this, the job that somebody else sends is known as this launch, and its image as used.
            folder::write(&made, "launch.json", &record)?;
            Ok::<_, Error>(made)
        };
        let made = blocking(begin).await.during(&what)??;
        runtime.prepare(cx, supply, &process, &self.root.images(), &made.join(script::PROCESS)).await
    }

    /// Sends the script by `sbatch`, and gives the job's id.
    async fn send(&self, what: &str, folder: &Path, words: &[String]) -> Result<String> {
        self.send_once(what, folder, async {
            let sent = self.commands.run_words(words).await?;
            if sent.code != 0 {
                return Err(commands::refused(what, &sent));
            }
            // It is taken, whatever its id is.
            id_of(&String::from_utf8_lossy(&sent.stdout))
                .ok_or_else(|| Error::new(Kind::Unavailable, what, "sbatch told no job's id"))
        })
        .await
    }

    /// Sends a job by `send`, which gives its id, and notes before that there may be one.
    async fn send_once(&self, what: &str, folder: &Path, send: impl Future<Output = Result<String>>) -> Result<String> {
        let now = text::now();
        // Written before: whoever comes after a crash knows that there may be a job.
        in_folder(what, folder, move |folder| folder::write(folder, "sending", &now)).await?;
        match send.await {
            Ok(id) => Ok(id),
            // Slurm may have taken it nevertheless, if it did not answer.
            Err(error) if error.kind == Kind::Unavailable => Err(error
                .during(what)
                .hint("it may have been sent: look at 'wharf workloads' before you launch it again")),
            Err(error) => {
                in_folder(what, folder, |folder| std::fs::remove_file(folder.join("sending")).during("forget a try"))
                    .await?;
                Err(error)
            }
        }
    }

    /// Notes the job's id, and gives the launch.
    async fn taken(&self, what: &str, folder: &Path, job: String) -> Result<Launched> {
        self.lists.forget().await;
        let named = what.to_owned();
        let write = move |folder: &Path| {
            private::write(&folder.join("job"), job.as_bytes())?;
            folder::launched(folder).ok_or_else(|| Error::failed(named, "what was written of it cannot be read back"))
        };
        in_folder(what, folder, write).await
    }

    /// The job of an earlier try, of which no answer was kept. A program that sends may still be at work: until its
    /// deadline has passed, a job may yet appear.
    async fn sent(&self, what: &str, key: &str, folder: &Path) -> Result<Option<String>> {
        let tried = in_folder(what, folder, |folder| Ok(small_file::text(folder.join("sending")).ok())).await?;
        let Some(tried) = tried else { return Ok(None) };
        let tried: i64 = tried.trim().parse().unwrap_or_else(|_| text::now());
        loop {
            if let Some(job) = self.job_of(what, key, folder).await? {
                return Ok(Some(job));
            }
            let since = text::now().saturating_sub(tried);
            if !(0..=DEADLINE.as_secs().cast_signed()).contains(&since) {
                return Ok(None);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The job whose script is that of a launch: from the queue, else from the accounts.
    async fn job_of(&self, what: &str, key: &str, folder: &Path) -> Result<Option<String>> {
        let launches = self.root.launches();
        let rows = self.queue(what).await?;
        if let Some(row) = rows.iter().find(|row| key_of(row, &launches) == Some(key)) {
            return Ok(Some(row.whole.clone()));
        }
        if self.rest.is_some() {
            return Ok(None);
        }
        // Where comments and the command are gone, the command line is kept in the accounts.
        let arguments = ["-nPX", "--delimiter=\u{1f}", "-S", "now-1days", "-o", "JobID,SubmitLine"];
        let Ok(text) = self.commands.ask(what, "sacct", &arguments).await else { return Ok(None) };
        let script = folder.join(script::FILE).display().to_string();
        let sent = |line: &str| {
            let (id, submitted) = line.split_once('\u{1f}')?;
            let id = id.split('_').next().filter(|id| is_number(id))?;
            let by_us = submitted.contains("--parsable") && submitted.trim_end().ends_with(&script);
            by_us.then(|| id.to_owned())
        };
        Ok(text.lines().find_map(sent))
    }
}

/// The programs of a plan: those that try whether Slurm takes the job, and the one that sends it.
fn programs<'a>(plan: &'a Plan, what: &str) -> Result<(Vec<&'a [String]>, &'a [String])> {
    let run = |step: &'a Step| if let Step::Run { argv, .. } = step { Some(argv.as_slice()) } else { None };
    let mut all: Vec<&[String]> = plan.steps.iter().filter_map(run).collect();
    let last = all.pop().ok_or_else(|| Error::usage(what, "this plan sends no job"))?;
    Ok((all, last))
}

/// The id that `sbatch --parsable` tells: `55`, or `55;cluster` where there are several clusters.
fn id_of(told: &str) -> Option<String> {
    told.trim().split(';').next().filter(|id| is_number(id)).map(str::to_owned)
}

/// When a job would start, in seconds since 1970: `sbatch: Job 1 to start at 1795883079 using 1 processors on …`.
fn estimate(told: &str) -> Option<i64> {
    told.split_once(" to start at ")?.1.split_whitespace().next()?.parse().ok()
}

/// What is kept of a launch, whoever sends its script: as the script tells.
fn record(script: &str, key: &str, runtime: &dyn Runtime, process: &Process, image: &Pinned) -> Record {
    let option = |name: &str| script::option(script, name).unwrap_or_default().to_owned();
    let closed = match option("ntasks").as_str() {
        "1" => runtime.may_enter(process).err().map(|error| (error.why, error.hint)),
        _ => Some((SIDE_BY_SIDE.to_owned(), ONE_TASK.to_owned())),
    };
    Record {
        key: key.to_owned(),
        output: option("output"),
        reference: image.reference.to_string(),
        digest: image.digest.to_string(),
        manifest: image.manifest.hex().to_owned(),
        created: text::now(),
        runtime: runtime.name().to_owned(),
        tasks: array::tasks(&option("array")),
        enters: closed.is_none(),
        closed,
        name: option("job-name"),
    }
}

/// Work on a launch's folder, which may be on a slow file system.
async fn in_folder<T: Send + 'static>(
    what: &str,
    folder: &Path,
    work: impl FnOnce(&Path) -> Result<T> + Send + 'static,
) -> Result<T> {
    let folder: PathBuf = folder.to_owned();
    blocking(move || work(&folder)).await.during(what)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_read_with_and_without_the_cluster() {
        let id = |told: &str| id_of(told);
        assert_eq!((id("55\n"), id("67109080;east\n")), (Some("55".into()), Some("67109080".into())));
        assert_eq!((id(""), id("Submitted batch job 55"), id(";east")), (None, None, None));
    }

    #[test]
    fn the_estimate_is_read_in_the_words_of_each_version() {
        let older = "sbatch: Job 1 to start at 1795883079 using 1 processors on nodes cpu1 in partition short";
        let newer = "sbatch: Job 1 to start at 1795883079 a using 1 processors on nodes cpu1 in partition short";
        assert_eq!((estimate(older), estimate(newer)), (Some(1_795_883_079), Some(1_795_883_079)));
        assert_eq!((estimate(""), estimate("sbatch: Job 1 to start at soon")), (None, None));
    }
}
