//! Launching under Charliecloud, and managing the workloads.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use rustix::process::Signal;

use super::{
    folder::{self, PROGRAM, Spec},
    keep,
};
use crate::{
    keeper::{
        changes::{self, Ended},
        claim::Claim,
        follow,
        launches::{self, Kept, Launched, Launches, SPEC},
        node::{Node, NodeRelation},
        processes,
        standing::has_ended,
        start,
        usage::Measurements,
    },
    prepared::{Store, kept},
    shared::{exec, private, terminal},
};
use wharf_core::{
    base::{
        blocking::blocking,
        clean,
        context::Context,
        error::{During, Error, Kind, Result},
        text,
    },
    image::model::{Health, Image},
    launch::{
        ability::FIXED_SIZE,
        form::{Answers, Form},
        isolation::Isolation,
        kept::KeptImage,
        logs::LogRange,
        plan::{Plan, Risk, State, Step, Workload, key, name_from},
        usage::Usage,
    },
    ports::{Ability, ByteStream, Changes, Extent, Launcher, Process, Runtime, Supply, Terminal},
};

/// The most time of a command in a workload.
const LONGEST: Duration = Duration::from_secs(3600);
/// The most bytes of its output.
const OUTPUT: usize = 16 << 20;
/// How long a program has to end after it was asked to.
const ENDS: Duration = Duration::from_secs(5);
/// How long `ch-run` may take to tell its version.
const VERSION: Duration = Duration::from_secs(10);

/// Why no image is removed while a launch has no description yet: which image it uses is not known.
const LAUNCHING: &str = "a launch is on its way";

/// Charliecloud as a backend.
pub struct Charliecloud {
    name: String,
    runtime: Arc<dyn Runtime>,
    /// Folders of launches, by their keys.
    launches: Launches<Spec>,
    /// Prepared images.
    images: PathBuf,
    measurements: Measurements,
    /// This program, which is started again as keeper; `None` for the one that runs.
    keeper: Option<PathBuf>,
}

impl Charliecloud {
    /// A backend of this name that starts images with `runtime`, and keeps them in `cache` and launches in `state`.
    pub fn new(name: String, runtime: Arc<dyn Runtime>, cache: &Path, state: &Path) -> Self {
        Self {
            launches: Launches::new(state.join("charliecloud"), name.clone()),
            name,
            runtime,
            images: cache.join("prepared"),
            measurements: Measurements::default(),
            keeper: None,
        }
    }

    /// The same backend with another file of this program as keeper.
    #[must_use]
    pub fn kept_by(self, keeper: PathBuf) -> Self {
        Self { keeper: Some(keeper), ..self }
    }

    /// Where its images are prepared.
    pub fn store(&self) -> Store {
        Store { own: self.images.clone(), site: None }
    }

    /// The words that run `command` inside a workload.
    async fn enter(&self, id: &str, terminal: bool, command: Vec<String>) -> Result<Vec<String>> {
        let what = format!("enter {id}");
        let kept = self.launches.find(id).await?;
        if kept.running.is_none() {
            return Err(Error::unsupported(what, "it is not running here").hint("launch it again"));
        }
        Ok([self.runtime.enter(&kept.folder, &folder::place(&kept.folder), terminal)?, command].concat())
    }

    /// Whether a launch is on its way.
    async fn is_launching(&self) -> Result<bool> {
        let launches = self.launches.folder().to_owned();
        blocking(move || launches::is_launching(&launches)).await.during("look for launches")
    }

    /// Who uses which image, by the digits of its manifest.
    async fn busy(&self) -> Result<BTreeMap<String, String>> {
        let alive =
            self.launches.all().await?.into_iter().filter(|kept| !matches!(kept.workload.state, State::Exited(_)));
        Ok(alive.map(|kept| (kept.spec.manifest, format!("workload {}", kept.spec.launched.name))).collect())
    }
}

#[async_trait]
impl Launcher for Charliecloud {
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
            Ability::Start => ("a workload of Charliecloud ends for good when it ends", "launch its image again"),
            Ability::Snapshot => ("its image cannot be changed", "let it write into a mount"),
            Ability::Resize => FIXED_SIZE,
            _ => ("it mounts folders of this machine, and no volumes of a cloud", "launch it with a mount"),
        }
    }

    fn accepts(&self, image: &Image) -> Result<()> {
        self.runtime.accepts(image)
    }

    async fn form(&self, _cx: &Context, image: &Image) -> Result<Form> {
        Ok(Form { privileged: private::is_root(), ..Form::new(self.runtime.questions(image)) })
    }

    async fn plan(&self, _cx: &Context, image: &Image, answers: &Answers) -> Result<Plan> {
        let what = format!("plan on {}", self.name);
        self.accepts(image)?;
        let answers = Form::new(self.runtime.questions(image)).check(answers)?;
        let pinned = image.pinned.clone().ok_or_else(|| Error::unsupported(&what, "the image has no digest"))?;
        let described = self.runtime.describe(image, &answers).await?;
        let key = key();
        let folder = self.launches.folder().join(&key);
        let launched = Launched {
            name: name_from(answers.get("name")),
            reference: pinned.reference.to_string(),
            digest: pinned.digest.to_string(),
            key: key.clone(),
            created: text::now(),
            machine: Node::here(),
        };
        let spec = Spec {
            launched,
            manifest: pinned.manifest.hex().to_owned(),
            check: self.runtime.check(&described.process, &folder)?,
            run: self.runtime.argv(&folder)?,
            process: described.process.0,
        };
        let layers = text::plural(image.layers.len() as u64, "layer", "layers");
        let prepare = Step::Prepare {
            what: format!("the image, {layers}, compared with their digests"),
            to: format!("IMAGE below {}, once for all workloads", self.images.display()),
            bytes: Some(image.size),
            by: Vec::new(),
        };
        let write = Step::Write {
            path: folder.join(SPEC).display().to_string(),
            text: serde_json::to_string_pretty(&spec).during(&what)?,
            mode: 0o600,
            completed: ["created", "machine", "IMAGE", "PLACE"].map(str::to_owned).to_vec(),
        };
        let mut words = start::words(keep::VERB, &folder, &what)?;
        if let (Some(keeper), Some(word)) = (&self.keeper, words.first_mut()) {
            *word = keeper.display().to_string();
        }
        let mut risks = described.risks;
        risks.push(Risk::caution("no limits: it may use all processors and all memory that you may use"));
        Ok(Plan {
            backend: self.name.clone(),
            steps: vec![prepare, write, Step::Run { argv: words, environment: vec!["PATH".to_owned()] }],
            isolation: Isolation::SharedKernel,
            risks,
            privileged: private::is_root(),
            image: pinned,
            answers,
            idempotency_key: key,
        })
    }

    async fn launch(&self, cx: &Context, plan: &Plan, supply: &Supply) -> Result<Workload> {
        let what = format!("launch on {}", self.name);
        let key = &plan.idempotency_key;
        if let Ok(kept) = self.launches.find(key).await {
            return Ok(kept.workload);
        }
        let mut spec: Spec = serde_json::from_str(plan.written(&what)?.1).during(&what)?;
        let folder = self.launches.folder().join(key);
        let (at, task) = (folder.clone(), what.clone());
        let claim = blocking(move || Claim::of(at, &task)).await.during(&what)??;
        // It may have been launched since it was looked for.
        if let Ok(kept) = self.launches.find(key).await {
            claim.keep();
            return Ok(kept.workload);
        }
        self.runtime.prepare(cx, supply, &Process(spec.process.clone()), &self.images, &folder).await?;
        // The form may have been open for long.
        (spec.launched.created, spec.launched.machine) = (text::now(), Node::here());
        let (written, bytes) = (folder.join(SPEC), serde_json::to_vec_pretty(&spec).during(&what)?);
        blocking(move || private::write(&written, &bytes)).await.during(&what)??;
        claim.keep();
        cx.progress.phase("starting");
        let [words] = plan.commands(&what)?;
        start::start(words, &folder, Stdio::null(), &what).await?;
        self.launches.find(key).await.map(|kept| kept.workload)
    }

    async fn workloads(&self, _cx: &Context) -> Result<(Vec<Workload>, Extent)> {
        Ok((self.launches.all().await?.into_iter().map(|kept| kept.workload).collect(), Extent::Whole))
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
            return Err(Error::unsupported(what, "the output of Charliecloud's workloads is kept without times")
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
        let argv = self.enter(id, true, command).await?;
        terminal::open(&format!("open a terminal in {id}"), &argv, &exec::path_alone(), size)
    }

    async fn exec(&self, _cx: &Context, id: &str, command: Vec<String>) -> Result<(Vec<u8>, i64)> {
        let argv = self.enter(id, false, command).await?;
        let words: Vec<&str> = argv.iter().map(String::as_str).collect();
        let output = exec::run_in(&words, Some(&exec::path_alone()), b"", OUTPUT, LONGEST).await?;
        Ok(output.together())
    }

    async fn usage(&self, _cx: &Context, id: &str) -> Result<Option<Usage>> {
        self.launches.usage(id, &self.measurements).await
    }

    async fn stop(&self, _cx: &Context, id: &str) -> Result<()> {
        let what = format!("stop {id}");
        let kept = self.launches.find(id).await?;
        if kept.is_over_here() {
            return Ok(());
        }
        if kept.relation != NodeRelation::Here {
            return Err(Error::unsupported(what, "it was launched on another machine")
                .hint(format!("stop it there; if it is gone, delete {}", kept.folder.display())));
        }
        if let Some(running) = &kept.running {
            for pid in folder::asked_to_end(running.pid) {
                processes::signal(pid, Signal::TERM);
            }
            // What is looked at now may be another process: the program, where the keeper was seen before.
            if let Some(running) = self.launches.until(id, ENDS, has_ended).await?.running {
                for pid in processes::family(running.pid) {
                    processes::signal(pid, Signal::KILL);
                }
            }
        }
        if has_ended(&self.launches.until(id, ENDS, has_ended).await?.workload.state) {
            return Ok(());
        }
        Err(Error::new(Kind::Unavailable, what, "it does not end").hint("try again in a moment"))
    }

    async fn remove(&self, cx: &Context, id: &str) -> Result<()> {
        let what = format!("remove {id}");
        let kept = match self.launches.find(id).await {
            Err(error) if error.kind == Kind::NotFound => return Ok(()),
            other => other?,
        };
        self.stop(cx, id).await?;
        blocking(move || private::remove(&kept.folder)).await.during(&*what)?.during(what)
    }

    async fn kept_images(&self, _cx: &Context) -> Result<Vec<KeptImage>> {
        // In this order: what is no launch on its way any more is counted as a workload.
        let (is_launching, busy) = (self.is_launching().await?, self.busy().await?);
        let (images, name) = (self.images.clone(), self.name.clone());
        let list = move || {
            let mut all = kept::list(&images, &name, &busy);
            if is_launching {
                for one in &mut all {
                    one.busy.get_or_insert_with(|| LAUNCHING.to_owned());
                }
            }
            all
        };
        blocking(list).await.during(format!("list images that {} keeps", self.name))
    }

    async fn remove_kept_image(&self, _cx: &Context, id: &str) -> Result<()> {
        let what = format!("remove an image that {} keeps", self.name);
        if self.is_launching().await? {
            return Err(Error::usage(what, LAUNCHING).hint("try again in a while"));
        }
        let (busy, images, id) = (self.busy().await?, self.images.clone(), id.to_owned());
        blocking(move || kept::remove(&images, &id, &busy)).await.during(what)?
    }

    async fn health(&self, _cx: &Context) -> Result<Health> {
        let account = whoami::username().unwrap_or_default();
        // It refuses to run without this variable.
        let environment = [exec::path_alone(), vec![format!("USER={account}")]].concat();
        let output = exec::run_in(&[PROGRAM, "--version"], Some(&environment), b"", 4096, VERSION).await?;
        // Older versions tell it on their error output.
        let told = [String::from_utf8_lossy(&output.stdout).into_owned(), output.stderr].concat();
        let note = format!("version {}", clean::short(told.lines().next().unwrap_or("unknown").trim(), 40));
        Ok(Health { reachable: true, account, credentials: String::new(), note })
    }
}
