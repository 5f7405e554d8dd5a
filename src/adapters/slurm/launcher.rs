//! Launching images as jobs, and managing the jobs.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;

use super::{
    cluster::Slurm, commands, facts::Need, folder::Launched, form, inside, jobs, list::Found, log, own_lines, script,
    submit::Sent, tasks,
};
use crate::shared::{exec, private, terminal};
use wharf_core::{
    base::{
        blocking::blocking,
        context::Context,
        error::{During, Error, Kind, Result},
    },
    image::model::{Health, Image},
    launch::{
        form::{Answers, Form},
        kept::KeptImage,
        listing::ListScope,
        logs::LogRange,
        plan::{Plan, State, Workload},
        usage::Usage,
    },
    ports::{Ability, ByteStream, Extent, Launcher, Listed, Supply, Terminal},
};

/// The most time of a command in a job.
const LONGEST: Duration = Duration::from_secs(3600);
/// The most bytes of a command's output.
const OUTPUT: usize = 16 << 20;
/// How long to wait for a job that was stopped to end before its folder is removed.
const ENDS: Duration = Duration::from_secs(60);

/// A cluster as a backend.
pub(super) struct Cluster(pub Arc<Slurm>);

#[async_trait]
impl Launcher for Cluster {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn abilities(&self) -> &[Ability] {
        use Ability::{Exec, Logs, Remove, Terminal, Usage};
        if self.0.rest.is_some() { &[Logs, Remove] } else { &[Logs, Exec, Terminal, Usage, Remove] }
    }

    fn instead(&self, ability: Ability) -> (&'static str, &'static str) {
        match ability {
            Ability::Attach => ("a job has no terminal of its own", "open a shell in it, or follow its output"),
            Ability::Exec | Ability::Terminal | Ability::Usage => {
                ("slurmrestd cannot do that", "do it where Slurm's commands are")
            }
            Ability::Start => ("a job that ended is over", "launch its image again"),
            Ability::Snapshot => ("what a job changes in its image ends with it", "let it write into a mount"),
            Ability::Resize => ("a job keeps what it asked for", "submit it again with other limits"),
            _ => ("a job mounts folders of its node, and no volumes of a cloud", "launch it with a mount"),
        }
    }

    fn accepts(&self, image: &Image) -> Result<()> {
        self.0.offers(image).map(|_| ())
    }

    async fn form(&self, _cx: &Context, image: &Image) -> Result<Form> {
        let what = format!("ask {}", self.0.name);
        let site = self.0.facts.seen(Need::Room, &what).await?.site;
        Ok(form::form(&site, inside::sections(&self.0.offers(image)?), self.0.rest.is_none()))
    }

    async fn plan(&self, _cx: &Context, image: &Image, answers: &Answers) -> Result<Plan> {
        self.0.plan(image, answers).await
    }

    fn editable_text(&self, plan: &Plan) -> Result<String> {
        Ok(own_lines::for_editor(plan.written("edit the script")?.1, &plan.answers))
    }

    fn edited(&self, plan: &Plan, text: &str) -> Result<Answers> {
        own_lines::edited(&plan.answers, plan.written("edit the script")?.1, text)
    }

    async fn launch(&self, cx: &Context, plan: &Plan, supply: &Supply) -> Result<Workload> {
        match self.0.submit(cx, plan, supply).await? {
            // A list would only tell again that it was sent.
            Sent::Now { launched, starts } => Ok(self.0.just_sent(&launched, starts)),
            Sent::Before(launched) => {
                let listed = self.0.find(&launched.job).await;
                // Slurm has taken it: a list that fails now does not undo that.
                Ok(listed.map_or_else(|_| self.0.just_sent(&launched, None), |found| found.known.workload))
            }
        }
    }

    async fn prepare(&self, cx: &Context, folder: &Path, supply: &Supply) -> Result<()> {
        self.0.prepare_script(cx, folder, supply).await
    }

    async fn workloads(&self, _cx: &Context) -> Result<(Vec<Workload>, Extent)> {
        let list = self.0.list().await?;
        Ok((list.workloads(), list.extent.clone()))
    }

    async fn list(&self, _cx: &Context, scope: ListScope) -> Result<Listed> {
        if scope.everybody { self.0.list_of_everybody().await } else { Ok(self.0.list().await?.listed(&self.0.name)) }
    }

    fn pace(&self) -> Duration {
        self.0.lists.pace()
    }

    fn whole<'a>(&self, id: &'a str) -> Option<&'a str> {
        id.split_once('_').map(|(whole, _)| whole)
    }

    async fn stop(&self, _cx: &Context, id: &str) -> Result<()> {
        let found = self.0.find(id).await?;
        if found.is_over() { Ok(()) } else { self.0.cancel(id).await }
    }

    async fn kept_images(&self, _cx: &Context) -> Result<Vec<KeptImage>> {
        self.0.kept().await
    }

    async fn remove_kept_image(&self, _cx: &Context, id: &str) -> Result<()> {
        self.0.remove_kept(id).await
    }

    async fn settle(&self) {
        self.0.facts.settle().await;
    }

    async fn health(&self, _cx: &Context) -> Result<Health> {
        let what = format!("ask {}", self.0.name);
        // Whoever looks after it wants to go on with what it is now.
        self.0.facts.renew().await;
        if let Some(rest) = &self.0.rest {
            let version = rest.ping(&what).await?;
            let note = format!("slurm {version} by {}, launches in {}", rest.address(), self.0.root.0.display());
            return Ok(Health { reachable: true, account: rest.user(), credentials: String::new(), note });
        }
        let version = self.0.commands.ask(&what, "sbatch", &["--version"]).await?;
        // The quick way to learn whether the controller answers.
        let ping = self.0.commands.run("scontrol", &["ping"]).await?;
        let told = String::from_utf8_lossy(&ping.stdout).into_owned();
        if ping.code != 0 && !told.contains(" UP") {
            return Err(Error::new(Kind::Unavailable, what, "Slurm's controller does not answer")
                .hint("try again later; 'scontrol ping' says when it is back"));
        }
        let account = whoami::username().unwrap_or_default();
        let note = format!("{}, launches in {}", version.trim(), self.0.root.0.display());
        Ok(Health { reachable: true, account, credentials: String::new(), note })
    }

    async fn logs(&self, _cx: &Context, id: &str, wanted: LogRange) -> Result<ByteStream> {
        let what = format!("read the output of job {id}");
        if wanted.needs_times() {
            return Err(Error::unsupported(what, "Slurm keeps the output of jobs without times")
                .hint("let the program print them, or launch it on an engine"));
        }
        let found = self.0.find(id).await?;
        if found.is_array() {
            return Err(Error::usage(what, "it is an array, and each task has an output of its own")
                .hint(tasks::name_a_task(&self.0.name, id)));
        }
        let path = log::file(&found, &what)?;
        Ok(log::read(self.0.clone(), id, what, path, wanted, found.is_over()))
    }

    async fn terminal(
        &self,
        _cx: &Context,
        id: &str,
        command: Option<Vec<String>>,
        size: (u16, u16),
    ) -> Result<Terminal> {
        let Some(command) = command else { return Err(self.lacks(Ability::Attach, id)) };
        self.must(Ability::Terminal, id)?;
        let what = format!("open a terminal in job {id}");
        let (argv, mut environment) = self.0.enter(id, &what, true, command).await?;
        environment.push(format!("TERM={}", std::env::var("TERM").unwrap_or_else(|_| "xterm-256color".into())));
        terminal::open(&what, &argv, &environment, size)
    }

    async fn exec(&self, _cx: &Context, id: &str, command: Vec<String>) -> Result<(Vec<u8>, i64)> {
        self.must(Ability::Exec, id)?;
        let what = format!("run a command in job {id}");
        let (argv, environment) = self.0.enter(id, &what, false, command).await?;
        let words: Vec<&str> = argv.iter().map(String::as_str).collect();
        let output = exec::run_in(&words, Some(&environment), b"", OUTPUT, LONGEST).await?;
        if output.stdout.is_empty()
            && ["Unable to create step", "Unable to confirm allocation"].iter().any(|why| output.stderr.contains(why))
        {
            return Err(commands::refused(&what, &output));
        }
        let mut all = output.stdout;
        all.extend_from_slice(of_command(&output.stderr).as_bytes());
        Ok((all, i64::from(output.code)))
    }

    async fn usage(&self, _cx: &Context, id: &str) -> Result<Option<Usage>> {
        if self.0.rest.is_some() {
            return Ok(None);
        }
        let what = format!("measure job {id}");
        let found = self.0.find(id).await?;
        let pace = self.0.lists.pace();
        if found.is_array() {
            // Each task is measured by itself.
            return Ok(Some(Usage::default()));
        }
        if let Some(recent) = self.0.samples.recent(id, pace) {
            return Ok(Some(recent));
        }
        let raw = found.row().filter(|row| row.state.is_live()).map(|row| row.raw.clone());
        let raw = raw.ok_or_else(|| Error::not_found(&what, "it does not run"))?;
        let text = self.0.commands.ask(&what, "sstat", &["-anP", "-j", &raw, "-o", "JobID,TRESUsageInTot"]).await?;
        Ok(Some(self.0.samples.usage(id, &text)))
    }

    async fn remove(&self, _cx: &Context, id: &str) -> Result<()> {
        let what = format!("remove job {id}");
        let found = match self.0.find(id).await {
            Err(error) if error.kind == Kind::NotFound => return Ok(()),
            other => other?,
        };
        if found.task.is_some() {
            return Err(Error::unsupported(what, tasks::PART).hint(tasks::WHOLE));
        }
        let Some(launched) = &found.known.launched else {
            return Err(Error::unsupported(what, tasks::NOT_OURS).hint(tasks::STOP_IT));
        };
        if !found.is_over() {
            self.0.cancel(id).await?;
            self.0.until_over(id, &what).await?;
        }
        let folder = self.0.root.launch(&launched.record.key)?;
        blocking(move || private::remove(&folder)).await.during(&what)?.during(what)?;
        self.0.lists.forget().await;
        Ok(())
    }
}

/// What a command said on its standard error, without the remark of srun that it failed, which the exit code tells.
fn of_command(stderr: &str) -> &str {
    let remark = stderr.rfind("srun: error: ").filter(|at| stderr[*at..].contains(": Exited with exit code "));
    remark.map_or(stderr, |at| stderr[..at].trim_end())
}

impl Found {
    /// Whether nothing of it waits or runs any more.
    pub(super) fn is_over(&self) -> bool {
        let over = |state: &State| !state.may_stop() && !matches!(state, State::Created | State::Stopping);
        if self.task.is_some() {
            self.row().is_some_and(|row| over(&row.state))
        } else {
            over(&self.known.workload.state)
        }
    }
}

impl Slurm {
    /// The cluster as a backend.
    pub fn into_launcher(self) -> Arc<dyn Launcher> {
        Arc::new(Cluster(Arc::new(self)))
    }

    /// A launch that Slurm has taken and the list does not have yet. `starts` is Slurm's estimate.
    fn just_sent(&self, launched: &Launched, starts: Option<i64>) -> Workload {
        let state = State::Queued { reason: String::new(), starts };
        jobs::workload(&self.name, launched, state, Vec::new())
    }

    /// Cancels a job, an array, or a task of one. One that is over stays as it is.
    async fn cancel(&self, id: &str) -> Result<()> {
        let what = format!("stop job {id}");
        let cancelled = match &self.rest {
            Some(rest) => rest.cancel(&what, id).await,
            None => self
                .commands
                .run("scancel", &[id])
                .await
                .and_then(|output| if output.code == 0 { Ok(()) } else { Err(commands::refused(&what, &output)) }),
        };
        self.lists.forget().await;
        cancelled
    }

    /// Waits until a job that was cancelled is over.
    async fn until_over(&self, id: &str, what: &str) -> Result<()> {
        let began = std::time::Instant::now();
        loop {
            let found = self.find(id).await;
            match found {
                Ok(found) if found.is_over() => return Ok(()),
                Err(error) if error.kind == Kind::NotFound => return Ok(()),
                Err(error) => return Err(error),
                Ok(_) if began.elapsed() > ENDS => {
                    return Err(Error::new(Kind::Unavailable, what, "it was cancelled and has not ended yet")
                        .hint("try again when it has"));
                }
                Ok(_) => tokio::time::sleep(self.lists.pace().min(Duration::from_secs(2))).await,
            }
        }
    }

    /// The words that run a command inside a job, on its node, and their environment. In a job that Wharf launched it is
    /// run in the image; in another, beside its program.
    async fn enter(
        &self,
        id: &str,
        what: &str,
        terminal: bool,
        command: Vec<String>,
    ) -> Result<(Vec<String>, Vec<String>)> {
        let (found, row) = self.running(id, what).await?;
        let inside = match &found.known.launched {
            Some(launched) => {
                if let Some((why, instead)) = launched.record.closed() {
                    return Err(Error::unsupported(what, why).hint(instead));
                }
                let runtime = Arc::clone(self.runtime_called(&launched.record.runtime, what)?);
                let folder = self.root.launch(&launched.record.key)?;
                let place: PathBuf = folder.join("tasks").join(&row.raw);
                let words = move || runtime.enter(&folder.join(script::PROCESS), &place, terminal);
                blocking(words).await.during(what)?.during(what)?
            }
            None => Vec::new(),
        };
        let mut argv = vec![self.commands.program("srun"), "--quiet".into(), format!("--jobid={}", row.raw)];
        argv.extend(["--overlap", "--ntasks=1", "--nodes=1", "--export=ALL"].map(str::to_owned));
        if terminal {
            argv.push("--pty".to_owned());
        }
        argv.extend(inside);
        argv.extend(command);
        Ok((argv, self.commands.environment()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remark_of_srun_is_not_what_the_command_said() {
        assert_eq!(
            of_command("cat: x: no such file srun: error: cpu1: task 0: Exited with exit code 7"),
            "cat: x: no such file"
        );
        assert_eq!(of_command("srun: error: cpu1: task 0: Exited with exit code 1"), "");
        assert_eq!(of_command("srun: error: Unable to create step"), "srun: error: Unable to create step");
        assert_eq!(of_command("it failed"), "it failed");
    }
}
