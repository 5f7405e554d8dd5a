//! Launching under Apptainer, and managing the workloads.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use rustix::process::{Pid, Signal};

use super::{
    build, commands, form, keep,
    spec::{IMAGE, Spec},
};
use crate::{
    formats::{disk_header, sif, sif_file},
    keeper::{
        changes::{self, Ended},
        follow,
        launches::{Kept, Launched, Launches, SPEC},
        node::{Node, NodeRelation},
        processes,
        standing::has_ended,
        usage::Measurements,
    },
    shared::{
        apptainer::{self as program, Program},
        exec, private, terminal,
    },
};
use wharf_core::{
    base::{
        blocking::blocking,
        context::Context,
        digest::Digest,
        error::{During, Error, Kind, Result},
        text,
    },
    image::{
        model::{Health, Image, ImageKind, Platform},
        reference::ImageRef,
    },
    launch::{
        ability::{FIXED_SIZE, Refusal},
        form::{Answers, Form},
        isolation::Isolation,
        listing::ListScope,
        logs::LogRange,
        plan::{Plan, State, Step, Workload, key, name_from},
        questions,
        usage::Usage,
    },
    ports::{Ability, ByteStream, Changes, Extent, Launcher, Listed, Supply, Terminal},
};

/// The most time of a command in a workload.
const LONGEST: Duration = Duration::from_secs(3600);
/// The most bytes of its output.
const OUTPUT: usize = 16 << 20;
/// How long a program has to end after it was asked to.
const ENDS: Duration = Duration::from_secs(5);
/// How long a launch waits for the program to begin.
const BEGINS: Duration = Duration::from_secs(90);

/// What to do with a workload that cannot be entered.
const INSTEAD: &str = "launch it on local, or read its output";

/// Apptainer as a backend.
pub struct Apptainer {
    name: String,
    program: Program,
    /// Folders of launches, by their keys.
    launches: Launches<Spec>,
    /// SIF files that were copied or fetched.
    files: PathBuf,
    /// SIF files that were made of container images.
    made: PathBuf,
    measurements: Measurements,
    /// This program, which is started again as keeper; `None` for the one that runs.
    keeper: Option<PathBuf>,
}

impl Apptainer {
    /// A backend of this name that keeps images in `cache` and launches in `state`.
    pub fn new(name: String, program: Program, cache: &Path, state: &Path) -> Self {
        let launches = Launches::new(state.join("apptainer"), name.clone());
        let made = cache.join("sif").join("made");
        let (files, measurements) = (sif_file::store(cache), Measurements::default());
        Self { name, program, launches, files, made, measurements, keeper: None }
    }

    /// The same backend with another file of this program as keeper.
    #[must_use]
    pub fn kept_by(self, keeper: PathBuf) -> Self {
        Self { keeper: Some(keeper), ..self }
    }

    /// The command that runs `command` in the instance of a workload.
    async fn enter(&self, id: &str, command: Vec<String>) -> Result<Vec<String>> {
        let what = format!("enter {id}");
        let kept = self.launches.find(id).await?;
        match kept.running {
            Some(running) if running.limits.instance => {}
            Some(running) => return Err(Error::unsupported(what, running.limits.why).hint(INSTEAD)),
            None => return Err(Error::unsupported(what, "it is not running here").hint("launch it again")),
        }
        Ok([commands::enter(&self.program.word()?, &kept.spec.launched.key), command].concat())
    }
}

#[async_trait]
impl Launcher for Apptainer {
    fn name(&self) -> &str {
        &self.name
    }

    fn abilities(&self) -> &[Ability] {
        &[Ability::Logs, Ability::Exec, Ability::Terminal, Ability::Usage, Ability::Remove]
    }

    fn instead(&self, ability: Ability) -> (&'static str, &'static str) {
        match ability {
            Ability::Attach => {
                ("its program has no terminal of its own", "open a shell in it instead, or follow its output")
            }
            Ability::Start => ("a workload of Apptainer ends for good when it ends", "launch its image again"),
            Ability::Snapshot => ("what it changes is in memory only", "let it write into a mount"),
            Ability::Resize => FIXED_SIZE,
            _ => ("it mounts folders of this machine, and no volumes of a cloud", "launch it with a mount"),
        }
    }

    fn accepts(&self, image: &Image) -> Result<()> {
        let what = format!("launch {} on {}", image.reference, self.name);
        let platform = image.pinned.as_ref().and_then(|pinned| pinned.platform.as_ref());
        match image.kind {
            // The digest of a file is computed for the plan.
            ImageKind::Sif => Ok(()),
            ImageKind::Container if image.pinned.is_none() => {
                Err(Error::unsupported(what, "its digest is unknown, so it cannot be pinned"))
            }
            ImageKind::Container => match platform.filter(|platform| !platform.serves(&Platform::host())) {
                None => Ok(()),
                Some(other) => {
                    let why = format!("it is built for {other}, this machine is {}", Platform::host());
                    Err(Error::unsupported(what, why))
                }
            },
            other => Err(Error::unsupported(what, format!("Apptainer runs no {} image", other.name()))),
        }
    }

    async fn form(&self, _cx: &Context, image: &Image) -> Result<Form> {
        Ok(Form { privileged: private::is_root(), ..Form::new(form::questions(image)) })
    }

    async fn plan(&self, _cx: &Context, image: &Image, answers: &Answers) -> Result<Plan> {
        let what = format!("plan on {}", self.name);
        self.accepts(image)?;
        let answers = Form::new(form::questions(image)).check(answers)?;
        let pinned = image.pinned.clone().ok_or_else(|| Error::unsupported(&what, "the image has no digest"))?;
        if questions::runs_command(&answers) && answers.split_words("command").is_empty() {
            return Err(Error::usage(what, "there is no command to run alone")
                .hint("give one: --set command='…', or --set runs=runscript for the image's program"));
        }
        let (begin, to) = match (image.kind, &pinned.reference) {
            (ImageKind::Sif, ImageRef::File { path, .. }) => {
                runs_here(path.into(), &what).await?;
                (
                    format!("{path}, compared with {}", pinned.digest),
                    "an open file, which Apptainer is given".to_owned(),
                )
            }
            (ImageKind::Sif, _) => {
                ("the SIF file, compared with its digest".to_owned(), self.files.display().to_string())
            }
            _ => {
                let layers = text::plural(image.layers.len() as u64, "layer", "layers");
                let what = format!("a SIF of {layers}, compared with their digests (apptainer build)");
                (what, format!("{}, once for all workloads", self.made.display()))
            }
        };
        let installed = self.program.installation().await?;
        let key = key();
        let (program, prefix) = (self.program.word()?, installed.prefix());
        let (asked, id) = (answers.clone(), key.clone());
        // Reads paths of the host, which may be on a slow file system.
        let commands = blocking(move || commands::commands(&program, prefix, &id, &asked));
        let launched = Launched {
            name: name_from(answers.get("name")),
            reference: pinned.reference.to_string(),
            digest: pinned.digest.to_string(),
            key: key.clone(),
            created: text::now(),
            machine: Node::here(),
        };
        let spec = Spec { launched, commands: commands.await.during(&what)?? };
        let folder = self.launches.folder().join(&key);
        let text = serde_json::to_string_pretty(&spec).during(&what)?;
        let path = folder.join(SPEC).display().to_string();
        let completed = [IMAGE, "created", "machine"].map(str::to_owned).to_vec();
        let environment =
            program::environment().into_iter().filter_map(|pair| Some(pair.split_once('=')?.0.to_owned()));
        let steps = vec![
            Step::Prepare { what: begin, to, bytes: Some(image.size), by: Vec::new() },
            Step::Write { path, text, mode: 0o600, completed },
            // It carries out the commands in that file, and keeps the output.
            Step::Run { argv: self.keeper_words(&folder, &what)?, environment: environment.collect() },
        ];
        Ok(Plan {
            backend: self.name.clone(),
            steps,
            isolation: Isolation::SharedKernel,
            risks: form::risks(image, &answers, installed),
            privileged: private::is_root(),
            image: pinned,
            answers,
            idempotency_key: key,
        })
    }

    async fn launch(&self, cx: &Context, plan: &Plan, supply: &Supply) -> Result<Workload> {
        let what = format!("launch on {}", self.name);
        let key = plan.idempotency_key.clone();
        if let Ok(kept) = self.launches.find(&key).await {
            return Ok(kept.workload);
        }
        let mut spec: Spec = serde_json::from_str(plan.written(&what)?.1).during(&what)?;
        let image = if sif_file::is_meant(cx, supply).await? {
            sif_file::open(cx, supply, &self.files).await?
        } else {
            build::sif(cx, &self.program, supply, &self.made).await?
        };
        sif::primary(&image, &what)?.must_run_here(&what)?;
        // The form may have been open for long.
        (spec.launched.created, spec.launched.machine) = (text::now(), Node::here());
        let [words] = plan.commands(&what)?;
        let words = words.to_vec();
        let (launches, folder, task) =
            (self.launches.folder().to_owned(), self.launches.folder().join(&key), what.clone());
        cx.progress.phase("starting");
        let begin = move || {
            private::folder(&launches)?;
            let mut staging = private::Scratch::make(private::beside(&folder, "new"))?;
            private::write(&staging.path().join(SPEC), &serde_json::to_vec_pretty(&spec).during(&task)?)?;
            // The folder gets its final name only when it is complete; another launch of the same plan may be faster.
            if staging.keep_as(&folder).is_err() && folder.join(SPEC).is_file() {
                return Ok(());
            }
            keep::start(&words, image)
        };
        blocking(begin).await.during(&what)??;
        self.launches.until(&key, BEGINS, |state| *state != State::Starting).await.map(|kept| kept.workload)
    }

    async fn workloads(&self, cx: &Context) -> Result<(Vec<Workload>, Extent)> {
        let listed = self.list(cx, ListScope::default()).await?;
        Ok((listed.workloads, listed.extent))
    }

    async fn list(&self, _cx: &Context, _scope: ListScope) -> Result<Listed> {
        let mut listed = Listed::default();
        for kept in self.launches.all().await? {
            listed.refusals.extend(refusals(&kept));
            listed.workloads.push(kept.workload);
        }
        Ok(listed)
    }

    async fn watch(&self, _cx: &Context) -> Result<Option<Changes>> {
        changes::of(self.launches.folder().to_owned(), Ended::ForGood, &format!("watch the workloads of {}", self.name))
            .await
            .map(Some)
    }

    async fn logs(&self, _cx: &Context, id: &str, wanted: LogRange) -> Result<ByteStream> {
        let what = format!("read the output of {id}");
        let kept = self.launches.find(id).await?;
        if wanted.needs_times() {
            return Err(Error::unsupported(what, "the output of Apptainer's workloads is kept without times")
                .hint("let the program print them, or launch it on an engine"));
        }
        Ok(follow::output(kept.folder, what, wanted, Kept::<Spec>::is_over))
    }

    async fn terminal(
        &self,
        _cx: &Context,
        id: &str,
        command: Option<Vec<String>>,
        size: (u16, u16),
    ) -> Result<Terminal> {
        let Some(command) = command else { return Err(self.lacks(Ability::Attach, id)) };
        let argv = self.enter(id, command).await?;
        let mut environment = program::environment();
        environment.push(format!("TERM={}", std::env::var("TERM").unwrap_or_else(|_| "xterm-256color".into())));
        terminal::open(&format!("open a terminal in {id}"), &argv, &environment, size)
    }

    async fn exec(&self, _cx: &Context, id: &str, command: Vec<String>) -> Result<(Vec<u8>, i64)> {
        let argv = self.enter(id, command).await?;
        let words: Vec<&str> = argv.iter().map(String::as_str).collect();
        let output = exec::run_in(&words, Some(&program::environment()), b"", OUTPUT, LONGEST).await?;
        Ok(output.together())
    }

    async fn usage(&self, _cx: &Context, id: &str) -> Result<Option<Usage>> {
        self.launches.usage(id, &self.measurements).await
    }

    async fn stop(&self, _cx: &Context, id: &str) -> Result<()> {
        let what = format!("stop {id}");
        let kept = self.launches.until(id, BEGINS, |state| *state != State::Starting).await?;
        if kept.is_over_here() {
            return Ok(());
        }
        if kept.relation != NodeRelation::Here {
            return Err(Error::unsupported(what, "it was launched on another machine")
                .hint(format!("stop it there; if it is gone, delete {}", kept.folder.display())));
        }
        let over = has_ended;
        if let Some(running) = &kept.running {
            // In an instance, Apptainer's process waits for the program and passes no signal on.
            let inside = if running.limits.instance { processes::children(running.pid) } else { Vec::new() };
            let asked = if inside.is_empty() { vec![running.pid] } else { inside };
            for pid in asked {
                signal(pid, Signal::TERM);
            }
            if !over(&self.launches.until(id, ENDS, over).await?.workload.state) {
                self.end_instance(&kept).await;
                signal(running.pid, Signal::KILL);
            }
        }
        // Without its keeper, nobody else has removed it.
        if matches!(self.launches.until(id, ENDS, over).await?.workload.state, State::Other(_)) {
            self.end_instance(&kept).await;
        }
        let kept = self.launches.find(id).await?;
        if over(&kept.workload.state) {
            return Ok(());
        }
        Err(Error::new(Kind::Unavailable, what, "it does not end")
            .hint(format!("apptainer instance stop --force {}", commands::instance(&kept.spec.launched.key))))
    }

    async fn health(&self, _cx: &Context) -> Result<Health> {
        let installed = self.program.installation().await?;
        let rights = match installed.setuid {
            Some(true) => ", setuid root",
            Some(false) => ", without setuid",
            None => "",
        };
        let account = whoami::username().unwrap_or_default();
        let note = format!("{}{rights}", installed.version);
        Ok(Health { reachable: true, account, credentials: String::new(), note })
    }

    fn makes_sif(&self) -> bool {
        true
    }

    async fn make_sif(&self, cx: &Context, supply: &Supply, to: &Path) -> Result<Digest> {
        let made = build::sif(cx, &self.program, supply, &self.made).await?;
        let to = to.to_owned();
        cx.progress.phase("writing the file");
        blocking(move || build::write(made, &to)).await.during("write a SIF file")?
    }

    async fn remove(&self, cx: &Context, id: &str) -> Result<()> {
        let what = format!("remove {id}");
        let kept = match self.launches.find(id).await {
            Err(error) if error.kind == Kind::NotFound => return Ok(()),
            other => other?,
        };
        self.stop(cx, id).await?;
        let folder = kept.folder;
        blocking(move || private::remove(&folder)).await.during(&*what)?.during(what)
    }
}

impl Apptainer {
    /// The words that start the keeper of the launch in a folder.
    fn keeper_words(&self, folder: &Path, what: &str) -> Result<Vec<String>> {
        let keeper = match &self.keeper {
            Some(keeper) => keeper.clone(),
            None => std::env::current_exe().during(what)?,
        };
        Ok([keeper.as_path(), Path::new(keep::VERB), folder].map(|word| word.display().to_string()).to_vec())
    }

    /// Removes the instance of a launch with all that runs in it; one that is gone is fine.
    async fn end_instance(&self, kept: &Kept<Spec>) {
        let words: Vec<&str> = kept.spec.commands.stop.iter().skip(1).map(String::as_str).collect();
        if let Err(error) = self.program.ask(&words).await {
            tracing::warn!(%error, "an instance could not be removed");
        }
    }
}

/// What cannot be done with a launch although it runs.
fn refusals(kept: &Kept<Spec>) -> Vec<Refusal> {
    let Some(place) = kept.running.as_ref().map(|running| &running.limits).filter(|place| !place.instance) else {
        return Vec::new();
    };
    Refusal::of(&kept.workload.id, &[Ability::Exec, Ability::Terminal], &format!("{}: {INSTEAD}", place.why))
}

/// Fails if the SIF file at this path cannot be run on this machine.
async fn runs_here(path: PathBuf, what: &str) -> Result<()> {
    let task = what.to_owned();
    let look = move || sif::primary(&disk_header::open(&path)?, &task)?.must_run_here(&task);
    blocking(look).await.during(what)?
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}
