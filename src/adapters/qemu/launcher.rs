//! Launching machines, and managing them.

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use async_trait::async_trait;
use rustix::process::Signal;

use super::{
    console,
    folder::{self, Running, Spec},
    keep,
    machine::{self, Machine, QMP},
    qmp::{self, Connection},
    snapshot::copy_running,
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
    machines::{
        acceleration::Acceleration,
        disk::{self, Disks, WantedDisk},
        draft::Draft,
        form,
        forward::Port,
        overlay,
        size::{self, Size},
        snapshots::{Snapshots, copy_stopped},
    },
    shared::{exec, private},
};
use wharf_core::{
    base::{
        blocking::blocking,
        clean,
        context::Context,
        error::{During, Error, Kind, Result},
        text,
    },
    image::{
        model::{Health, Image},
        reference::ImageRef,
    },
    launch::{
        ability::Refusal,
        form::{Answers, Form},
        kept::KeptImage,
        listing::ListScope,
        logs::LogRange,
        plan::{Plan, State, Step, Workload, name_from},
        usage::Usage,
    },
    ports::{Ability, ByteStream, Changes, Extent, Launcher, Listed, Supply, Terminal},
};

/// How long a guest has to shut down after its power button was pressed.
const SHUTS_DOWN: Duration = Duration::from_secs(30);
/// How long QEMU has to end after it was asked to.
const ENDS: Duration = Duration::from_secs(5);
/// What isolates a machine, in words.
const CLOSED: &str = "QEMU, closed by a filter of system calls";
/// Why there is no image of a machine that was started from a kernel.
const DISKLESS: &str = "it has no disk: it was started from a kernel";
/// The file that is locked while a machine is started again or changed.
const STARTING: &str = "starting";
/// The pause between two looks at a machine that begins.
const LOOK: Duration = Duration::from_millis(10);
/// How long QEMU may take to tell its version.
const PATIENCE: Duration = Duration::from_secs(60);
/// The most bytes of that.
const OUTPUT: usize = 64 << 10;

/// QEMU as a backend.
pub struct Qemu {
    name: String,
    /// Folders of launches, by their keys.
    launches: Launches<Spec>,
    /// The disks of images.
    disks: Disks,
    measurements: Measurements,
    acceleration: Acceleration,
    snapshots: Snapshots,
    /// This program, which is started again as keeper; `None` for the one that runs.
    keeper: Option<PathBuf>,
}

impl Qemu {
    /// A backend of this name that keeps the disks of images and machines in `state`, and puts images of machines into
    /// `images`.
    pub fn new(name: String, state: &Path, images: &Path) -> Self {
        Self {
            launches: Launches::new(state.join("qemu"), name.clone()),
            name,
            // Machines cannot start without them, so they are no cache.
            disks: Disks(state.join("disks")),
            measurements: Measurements::default(),
            acceleration: Acceleration::here(),
            snapshots: Snapshots(images.to_owned()),
            keeper: None,
        }
    }

    /// The same backend with another file of this program as keeper.
    #[must_use]
    pub fn kept_by(self, keeper: PathBuf) -> Self {
        Self { keeper: Some(keeper), ..self }
    }

    /// The words that start the keeper of the launch in `folder`.
    fn keeper_words(&self, folder: &Path, what: &str) -> Result<Vec<String>> {
        let mut words = start::words(keep::VERB, folder, what)?;
        if let (Some(keeper), Some(word)) = (&self.keeper, words.first_mut()) {
            *word = keeper.display().to_string();
        }
        Ok(words)
    }

    /// Who uses which disk, by the name of its file. A machine that is stopped needs it too.
    async fn busy(&self) -> Result<BTreeMap<String, String>> {
        let all = self.launches.all().await?.into_iter();
        Ok(all.map(|kept| (kept.spec.disk, format!("machine {}", kept.spec.launched.name))).collect())
    }

    /// The machine, once QEMU has taken all of its settings, or has ended because of one.
    async fn begun(&self, id: &str) -> Result<Kept<Spec>> {
        let end = tokio::time::Instant::now() + ENDS;
        loop {
            let kept = self.launches.find(id).await?;
            let answers = kept.running.is_some() && Connection::open(&kept.folder, QMP).await.is_ok();
            if answers || matches!(kept.workload.state, State::Exited(_)) || tokio::time::Instant::now() > end {
                return Ok(kept);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Asks a machine to shut down, and ends it where it does not.
    async fn shut_down(&self, cx: &Context, kept: &Kept<Spec>, id: &str) -> Result<State> {
        if kept.spec.power_button && qmp::press_power_button(&kept.folder).await.is_ok() {
            cx.progress.phase("its power button was pressed: it has 30 s to shut down");
            let state = self.launches.until(id, SHUTS_DOWN, has_ended).await?.workload.state;
            if has_ended(&state) {
                return Ok(state);
            }
        }
        self.end(kept, id).await
    }

    /// Ends a machine at once, whatever it does.
    async fn end(&self, kept: &Kept<Spec>, id: &str) -> Result<State> {
        let _ = qmp::quit(&kept.folder).await;
        if let Some(running) = self.launches.until(id, ENDS, has_ended).await?.running {
            for pid in processes::family(running.pid) {
                processes::signal(pid, Signal::KILL);
            }
        }
        Ok(self.launches.until(id, ENDS, has_ended).await?.workload.state)
    }

    /// Runs the steps of a plan, each as it is there.
    async fn carry_out(&self, plan: &Plan, folder: &Path, what: &str) -> Result<()> {
        let at = folder.display().to_string();
        for step in &plan.steps {
            match step {
                Step::Write { path, text, .. } => {
                    let (path, mut bytes) = (PathBuf::from(path), text.clone().into_bytes());
                    if path.file_name().is_some_and(|name| name == SPEC) {
                        let mut spec: Spec = serde_json::from_slice(&bytes).during(what)?;
                        // The form may have been open for long.
                        (spec.launched.created, spec.launched.machine) = (text::now(), Node::here());
                        bytes = serde_json::to_vec_pretty(&spec).during(what)?;
                    }
                    blocking(move || private::write_with_folder(&path, &bytes)).await.during(what)??;
                }
                Step::Run { argv, .. } if argv.last() == Some(&at) => {
                    start::start(argv, folder, Stdio::null(), what).await?;
                }
                Step::Run { argv, .. } => overlay::run(argv, what).await?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// Locks a machine: nobody else starts or changes it meanwhile.
async fn lock(folder: &Path, what: &str) -> Result<File> {
    let (at, task) = (folder.join(STARTING), what.to_owned());
    let lock = move || {
        let file = private::open(&at, |options| options.write(true).create(true))?;
        private::lock(&file, ENDS, &task).map(|()| file)
    };
    blocking(lock).await.during(what)?
}

/// The size of a machine.
async fn size(kept: &Kept<Spec>, what: &str) -> Result<Size> {
    let disk = if kept.spec.is_diskless() { None } else { Some(size::of_disk(&kept.folder, what).await?) };
    machine::size(&kept.spec.run, disk).ok_or_else(|| Error::failed(what, "its note does not tell it"))
}

/// Has a machine ended in this way, unless it has ended already; one that was launched elsewhere is left alone.
async fn over(kept: &Kept<Spec>, what: &str, ending: impl Future<Output = Result<State>>) -> Result<()> {
    if kept.is_over_here() {
        return Ok(());
    }
    if kept.relation != NodeRelation::Here {
        return Err(Error::unsupported(what, "it was launched on another machine")
            .hint(format!("stop it there; if it is gone, delete {}", kept.folder.display())));
    }
    if has_ended(&ending.await?) {
        return Ok(());
    }
    Err(Error::new(Kind::Unavailable, what, "it does not end").hint("try again in a moment"))
}

#[async_trait]
impl Launcher for Qemu {
    fn name(&self) -> &str {
        &self.name
    }

    fn abilities(&self) -> &[Ability] {
        use Ability::{Attach, Logs, Remove, Resize, Snapshot, Start, Usage};
        &[Logs, Attach, Usage, Start, Snapshot, Resize, Remove]
    }

    fn instead(&self, ability: Ability) -> (&'static str, &'static str) {
        match ability {
            Ability::Exec | Ability::Terminal => {
                ("nobody but the machine itself starts programs in it", "sign in at its console, or by ssh")
            }
            _ => ("it has no volumes of a cloud", "stop it, and give it a larger disk: wharf resize"),
        }
    }

    fn accepts(&self, image: &Image) -> Result<()> {
        disk::accepts(image, true)
    }

    async fn form(&self, _cx: &Context, image: &Image) -> Result<Form> {
        form::form(image, self.launches.folder()).await
    }

    async fn plan(&self, _cx: &Context, image: &Image, answers: &Answers) -> Result<Plan> {
        let what = format!("plan on {}", self.name);
        let draft = Draft::new(image, answers, &self.disks, self.launches.folder(), &what).await?;
        let name = name_from(draft.answers.get("name"));
        let run = Machine {
            name: &name,
            memory: form::memory(&draft.answers),
            processors: draft.processors(),
            network: draft.network,
            ports: &draft.ports,
            acceleration: self.acceleration,
            kernel: draft.kernel.as_ref(),
            firmware: draft.firmware.as_ref(),
        };
        let spec = Spec {
            launched: Launched {
                name: name.clone(),
                reference: draft.image.reference.to_string(),
                digest: draft.image.digest.to_string(),
                key: draft.key.clone(),
                created: text::now(),
                machine: Node::here(),
            },
            disk: draft.disk_file(),
            size: draft.wanted.size,
            run: run.words(),
            acceleration: self.acceleration.word().to_owned(),
            user: draft.user.clone(),
            ports: draft.ports.iter().map(Port::from).collect(),
            power_button: draft.kernel.as_ref().is_none_or(|kernel| kernel.is_linux && !kernel.is_micro),
        };
        let mut steps = draft.first_steps(&self.disks, &name);
        steps.extend(draft.firmware.as_ref().map(|found| overlay::step(found.copy_of_variables(&draft.folder))));
        steps.push(Step::Write {
            path: draft.folder.join(SPEC).display().to_string(),
            text: serde_json::to_string_pretty(&spec).during(&what)?,
            mode: 0o600,
            completed: ["created", "machine"].map(str::to_owned).to_vec(),
        });
        let argv = self.keeper_words(&draft.folder, &what)?;
        steps.push(Step::Run { argv, environment: vec!["PATH".to_owned()] });
        let risks = form::risks(image, &draft.answers, self.acceleration, &draft.ports, CLOSED);
        Ok(draft.plan(&self.name, steps, risks))
    }

    async fn launch(&self, cx: &Context, plan: &Plan, supply: &Supply) -> Result<Workload> {
        let what = format!("launch on {}", self.name);
        let key = &plan.idempotency_key;
        if let Ok(kept) = self.launches.find(key).await {
            return Ok(folder::workload(kept));
        }
        let at = self.launches.folder().join(key);
        let (claimed, task) = (at.clone(), what.clone());
        let claim = blocking(move || Claim::of(claimed, &task)).await.during(&what)??;
        // It may have been launched since it was looked for.
        if let Ok(kept) = self.launches.find(key).await {
            claim.keep();
            return Ok(folder::workload(kept));
        }
        self.disks.provide(cx, supply, &WantedDisk::planned(plan, SPEC, &what)?).await?;
        cx.progress.phase("starting");
        let done = self.carry_out(plan, &at, &what).await;
        // What has its description is a machine, also if its keeper could not be started.
        if done.is_ok() || self.launches.find(key).await.is_ok() {
            claim.keep();
        }
        done?;
        self.begun(key).await.map(folder::workload)
    }

    async fn workloads(&self, _cx: &Context) -> Result<(Vec<Workload>, Extent)> {
        Ok((self.launches.all().await?.into_iter().map(folder::workload).collect(), Extent::Whole))
    }

    async fn list(&self, _cx: &Context, _scope: ListScope) -> Result<Listed> {
        let mut listed = Listed::default();
        for kept in self.launches.all().await? {
            if kept.spec.is_diskless() {
                listed.refusals.extend(Refusal::of(&kept.workload.id, &[Ability::Snapshot], DISKLESS));
            }
            listed.workloads.push(folder::workload(kept));
        }
        Ok(listed)
    }

    async fn watch(&self, _cx: &Context) -> Result<Option<Changes>> {
        changes::of(self.launches.folder().to_owned(), Ended::MayStart, &format!("watch the machines of {}", self.name))
            .await
            .map(Some)
    }

    async fn logs(&self, _cx: &Context, id: &str, wanted: LogRange) -> Result<ByteStream> {
        let what = format!("read the console of {id}");
        let kept = self.launches.find(id).await?;
        if wanted.needs_times() {
            return Err(Error::unsupported(what, "what a machine writes to its console is kept without times")
                .hint("look into the machine's own log"));
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
        if command.is_some() {
            return Err(self.lacks(Ability::Terminal, id));
        }
        let kept = self.launches.find(id).await?;
        if kept.running.is_none() {
            let why = "the machine does not run here";
            return Err(
                Error::unsupported(format!("open the console of {id}"), why).hint("start it, or read its output")
            );
        }
        console::open(&kept.folder, size.1, Kept::<Spec>::is_over).await
    }

    async fn usage(&self, _cx: &Context, id: &str) -> Result<Option<Usage>> {
        self.launches.usage(id, &self.measurements).await
    }

    async fn start(&self, cx: &Context, id: &str, again: bool) -> Result<()> {
        let what = format!("start {id}");
        let kept = self.launches.find(id).await?;
        if !has_ended(&kept.workload.state) {
            if !again {
                return Ok(());
            }
            self.stop(cx, id).await?;
        } else if kept.running.is_none() && !kept.is_over_here() && kept.relation != NodeRelation::Here {
            return Err(Error::unsupported(what, "it was launched on another machine").hint("start it there"));
        }
        if !self.disks.0.join(&kept.spec.disk).is_file() {
            let why = format!("the disk of its image is gone ({})", kept.spec.disk);
            return Err(Error::not_found(what, why).hint("launch that image once more: it is fetched again"));
        }
        let _alone = lock(&kept.folder, &what).await?;
        // Somebody else may have started it meanwhile.
        let kept = self.launches.find(id).await?;
        if kept.running.is_some() {
            return Ok(());
        }
        let is_diskless = kept.spec.is_diskless();
        let (at, mut spec) = (kept.folder.clone(), kept.spec);
        spec.launched.machine = Node::here();
        let bytes = serde_json::to_vec_pretty(&spec).during(&what)?;
        let write = move || {
            Running::forget(&at);
            private::write(&at.join(SPEC), &bytes)
        };
        blocking(write).await.during(&what)??;
        start::start(&self.keeper_words(&kept.folder, &what)?, &kept.folder, Stdio::null(), &what).await?;
        match self.begun(id).await?.workload.state {
            State::Running => Ok(()),
            // A kernel may have done all it does.
            State::Exited(_) if is_diskless => Ok(()),
            _ => Err(Error::failed(what, "it ended at once").hint("its output says why")),
        }
    }

    async fn stop(&self, cx: &Context, id: &str) -> Result<()> {
        let what = format!("stop {id}");
        let kept = self.launches.find(id).await?;
        // Whoever cancels while the guest shuts down does not want it to be ended.
        over(&kept, &what, cx.unless_cancelled(&what, self.shut_down(cx, &kept, id))).await
    }

    async fn sizes(&self, _cx: &Context, id: &str) -> Result<Form> {
        let what = format!("ask for the size of {id}");
        Ok(size(&self.launches.find(id).await?, &what).await?.form())
    }

    async fn resize(&self, _cx: &Context, id: &str, answers: &Answers) -> Result<()> {
        let what = format!("resize {id}");
        let _alone = lock(&self.launches.find(id).await?.folder, &what).await?;
        let kept = self.launches.find(id).await?;
        if kept.relation != NodeRelation::Here && !kept.is_over_here() {
            return Err(Error::unsupported(what, "it was launched on another machine").hint("do it there"));
        }
        if kept.running.is_some() || !has_ended(&kept.workload.state) {
            return Err(size::runs(&what));
        }
        let now = size(&kept, &what).await?;
        let asked = now.asked(answers, &what)?;
        size::grow_disk(&kept.folder, now.disk, asked.disk, &what).await?;
        let mut spec = kept.spec;
        machine::set_size(&mut spec.run, asked);
        let (at, bytes) = (kept.folder.join(SPEC), serde_json::to_vec_pretty(&spec).during(&what)?);
        blocking(move || private::write(&at, &bytes)).await.during(what)?
    }

    async fn snapshot(&self, cx: &Context, id: &str, name: &str) -> Result<ImageRef> {
        let kept = self.launches.find(id).await?;
        if kept.relation != NodeRelation::Here && !kept.is_over_here() {
            let why = "it was launched on another machine";
            return Err(Error::unsupported(format!("make an image of {id}"), why).hint("do it there"));
        }
        if kept.spec.is_diskless() {
            return Err(Error::unsupported(format!("make an image of {id}"), DISKLESS));
        }
        let (at, runs) = (kept.folder.clone(), kept.running.is_some());
        let what = "copy the disk of the machine";
        let copy = |to: PathBuf| async move {
            if runs {
                return copy_running(cx, &at, &to, what).await;
            }
            cx.unless_cancelled(what, copy_stopped(&at, &to, what)).await
        };
        self.snapshots.make(&kept.folder, name, copy).await
    }

    async fn remove(&self, cx: &Context, id: &str) -> Result<()> {
        let what = format!("remove {id}");
        let kept = match self.launches.find(id).await {
            Err(error) if error.kind == Kind::NotFound => return Ok(()),
            other => other?,
        };
        // Its disk goes with it: there is nothing that a guest could save.
        over(&kept, &what, cx.unless_cancelled(&what, self.end(&kept, id))).await?;
        blocking(move || private::remove(&kept.folder)).await.during(&*what)?.during(what)
    }

    async fn kept_images(&self, _cx: &Context) -> Result<Vec<KeptImage>> {
        let (busy, disks, name) = (self.busy().await?, self.disks.clone(), self.name.clone());
        blocking(move || disks.list(&name, &busy)).await.during("list the disks of images")
    }

    async fn remove_kept_image(&self, _cx: &Context, id: &str) -> Result<()> {
        let what = format!("remove a disk that {} keeps", self.name);
        let launches = self.launches.folder().to_owned();
        if blocking(move || launches::is_launching(&launches)).await.during(&what)? {
            return Err(Error::usage(what, "a launch is on its way").hint("try again in a while"));
        }
        let (busy, disks, id) = (self.busy().await?, self.disks.clone(), id.to_owned());
        blocking(move || disks.remove(&id, &busy)).await.during(what)?
    }

    async fn health(&self, _cx: &Context) -> Result<Health> {
        let account = whoami::username().unwrap_or_default();
        let output =
            exec::run_in(&[machine::PROGRAM, "--version"], Some(&exec::path_alone()), b"", OUTPUT, PATIENCE).await?;
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = told.split_whitespace().nth(3).unwrap_or("unknown");
        let how = match self.acceleration {
            Acceleration::Kvm => "with KVM".to_owned(),
            Acceleration::Software(why) => format!("in software: {why}"),
        };
        Ok(Health {
            reachable: true,
            account,
            credentials: String::new(),
            note: format!("version {}, {how}", clean::short(version, 40)),
        })
    }
}
