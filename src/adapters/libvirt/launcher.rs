//! Launching machines by libvirt, and managing them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;

use super::{
    backup::copy_running,
    console,
    domain::Domain,
    folder::{self, CONSOLE, DOMAIN, LOG, SEED, SPEC, Spec},
    stats,
    virsh::{self, Virsh},
};
use crate::{
    keeper::{claim::Claim, follow, launches},
    machines::{
        acceleration::Acceleration,
        ask::Network,
        disk::{self, Disks, WantedDisk},
        draft::Draft,
        form,
        forward::Port,
        overlay::{self, OVERLAY},
        size::{self, Size},
        snapshots::{Snapshots, copy_stopped},
    },
    shared::private,
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
        form::{Answers, Form},
        kept::KeptImage,
        listing::ListScope,
        logs::LogRange,
        plan::{Plan, Risk, State, Step, Workload, name_from},
    },
    ports::{Ability, ByteStream, Extent, Launcher, Listed, Supply, Terminal},
};

/// How long a guest has to shut down after its power button was pressed.
const SHUTS_DOWN: Duration = Duration::from_secs(30);
/// The pause between two looks at a machine that changes.
const LOOK: Duration = Duration::from_millis(200);
/// How long QEMU has to end after it was asked to.
const ENDS: Duration = Duration::from_secs(30);
/// The longest path of a socket (unix(7)).
const SOCKET_PATH: usize = 107;
/// The characters of the key that tell two machines of one name apart.
const SHORT: usize = 6;
/// What isolates a machine, in words.
const CLOSED: &str = "QEMU, started by libvirt";

/// This person's session of libvirt as a backend.
pub(super) struct Libvirt {
    name: String,
    virsh: Virsh,
    /// The folder with those of launches, by their keys.
    launches: PathBuf,
    disks: Disks,
    snapshots: Snapshots,
    acceleration: Acceleration,
}

impl Libvirt {
    /// A backend of this name that keeps its machines in `state`, and puts images of machines into `images`.
    pub(super) fn new(name: String, virsh: Virsh, state: &Path, images: &Path) -> Self {
        Self {
            name,
            virsh,
            launches: state.join("libvirt"),
            // Not those of QEMU: each backend knows who uses its own.
            disks: Disks(state.join("libvirt-disks")),
            snapshots: Snapshots(images.to_owned()),
            acceleration: Acceleration::here(),
        }
    }

    /// The states of all domains, by their names.
    async fn states(&self, cx: &Context, what: &str) -> Result<BTreeMap<String, State>> {
        let told = self.virsh.call(cx, &["domstats", "--raw", "--state"], what).await?;
        Ok(stats::states(&told))
    }

    /// The launches that are noted here, with their folders.
    async fn noted(&self) -> Result<Vec<(PathBuf, Spec)>> {
        let launches = self.launches.clone();
        blocking(move || folder::all(&launches)).await.during("read the launches of libvirt")
    }

    /// The launch with this id: its folder, what is noted of it, and its state; `None` as state where libvirt does not
    /// know it any more.
    async fn find(&self, cx: &Context, id: &str, what: &str) -> Result<(PathBuf, Spec, Option<State>)> {
        let found = self.noted().await?.into_iter().find(|(_, spec)| spec.key == id);
        let (at, spec) = found.ok_or_else(|| {
            Error::not_found(what, format!("{} has no machine {id}", self.name)).hint("'wharf workloads' lists them")
        })?;
        let state = self.states(cx, what).await?.remove(&spec.domain);
        Ok((at, spec, state))
    }

    /// Waits until a machine is off; whether it is.
    async fn is_off(&self, cx: &Context, domain: &str, within: Duration, what: &str) -> Result<bool> {
        let end = tokio::time::Instant::now() + within;
        loop {
            let state = self.states(cx, what).await?.remove(domain);
            if state.is_none_or(|state| state.has_ended()) {
                return Ok(true);
            }
            if tokio::time::Instant::now() > end {
                return Ok(false);
            }
            cx.pause(what, LOOK).await?;
        }
    }

    /// The size of a machine.
    async fn size(&self, cx: &Context, folder: &Path, domain: &str, what: &str) -> Result<Size> {
        let told = self.virsh.call(cx, &["dominfo", &format!("--domain={domain}")], what).await?;
        let disk = size::of_disk(folder, what).await?;
        stats::size(&told, disk).ok_or_else(|| Error::failed(what, "libvirt does not tell its memory and processors"))
    }

    /// Ends a machine at once, whatever it does; one that is off is fine.
    async fn end(&self, cx: &Context, domain: &str, what: &str) -> Result<()> {
        let ended = self.virsh.call(cx, &["destroy", &format!("--domain={domain}"), "--graceful"], what).await;
        if self.is_off(cx, domain, ENDS, what).await? {
            return Ok(());
        }
        ended.and(Err(Error::new(Kind::Unavailable, what, "it does not end").hint("try again in a moment")))
    }

    /// Who uses which disk, by the name of its file.
    async fn busy(&self) -> Result<BTreeMap<String, String>> {
        let all = self.noted().await?.into_iter();
        Ok(all.map(|(_, spec)| (spec.disk, format!("machine {}", spec.domain))).collect())
    }

    /// Runs the steps of a plan, each as it is there.
    async fn carry_out(&self, cx: &Context, plan: &Plan, what: &str) -> Result<()> {
        for step in &plan.steps {
            match step {
                Step::Write { path, text, .. } => {
                    let (path, bytes) = (PathBuf::from(path), text.clone().into_bytes());
                    blocking(move || private::write_with_folder(&path, &bytes)).await.during(what)??;
                }
                Step::Run { argv, .. } if argv.first().is_some_and(|program| program == virsh::PROGRAM) => {
                    virsh::run(cx, argv, what).await?;
                }
                Step::Run { argv, .. } => overlay::run(argv, what).await?,
                _ => {}
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Launcher for Libvirt {
    fn name(&self) -> &str {
        &self.name
    }

    fn abilities(&self) -> &[Ability] {
        &[Ability::Logs, Ability::Attach, Ability::Start, Ability::Snapshot, Ability::Resize, Ability::Remove]
    }

    fn instead(&self, ability: Ability) -> (&'static str, &'static str) {
        match ability {
            Ability::Exec | Ability::Terminal => {
                ("nobody but the machine itself starts programs in it", "sign in at its console, or by ssh")
            }
            Ability::Usage => ("its figures are not asked for", "'virsh domstats' shows them"),
            _ => ("it has no volumes of a cloud", "stop it, and give it a larger disk: wharf resize"),
        }
    }

    fn accepts(&self, image: &Image) -> Result<()> {
        disk::accepts(image, false)
    }

    async fn form(&self, _cx: &Context, image: &Image) -> Result<Form> {
        form::form(image, &self.launches).await
    }

    async fn plan(&self, _cx: &Context, image: &Image, answers: &Answers) -> Result<Plan> {
        let what = format!("plan on {}", self.name);
        let draft = Draft::new(image, answers, &self.disks, &self.launches, &what).await?;
        let at = |name: &str| draft.folder.join(name).display().to_string();
        if at(CONSOLE).len() > SOCKET_PATH {
            return Err(Error::usage(what, "the path of the state folder is too long for a socket")
                .hint("name a shorter one (state_dir)"));
        }
        let name = format!("{}-{}", name_from(draft.answers.get("name")), draft.key.get(..SHORT).unwrap_or_default());
        let spec = Spec {
            domain: name.clone(),
            reference: draft.image.reference.to_string(),
            digest: draft.image.digest.to_string(),
            key: draft.key.clone(),
            created: text::now(),
            disk: draft.disk_file(),
            size: draft.wanted.size,
            acceleration: self.acceleration.word().to_owned(),
            user: draft.user.clone(),
            ports: draft.ports.iter().map(Port::from).collect(),
        };
        let domain = Domain {
            name: &name,
            key: &draft.key,
            reference: &spec.reference,
            digest: &spec.digest,
            memory: form::memory(&draft.answers),
            processors: draft.processors(),
            acceleration: self.acceleration,
            is_uefi: draft.firmware.is_some(),
            network: draft.network,
            ports: &draft.ports,
            disk: &at(OVERLAY),
            seed: &at(SEED),
            console: &at(CONSOLE),
            log: &at(LOG),
        };
        let mut steps = draft.first_steps(&self.disks, &name);
        steps.extend([
            overlay::step(overlay::seed_disk(&draft.seeds(), &draft.folder.join(SEED))),
            Step::write(at(DOMAIN), domain.xml()),
            Step::write(at(SPEC), serde_json::to_string_pretty(&spec).during(&what)?),
            self.virsh.step(&["define", &at(DOMAIN)]),
            self.virsh.step(&["start", &format!("--domain={name}")]),
        ]);
        let mut risks = form::risks(image, &draft.answers, self.acceleration, &draft.ports, CLOSED);
        risks.push(Risk::caution("what it writes to its console is kept whole, and may fill your disk"));
        if draft.network != Network::None {
            risks.push(Risk::caution("libvirt calls it tainted: its network is given in QEMU's own words"));
        }
        Ok(draft.plan(&self.name, steps, risks))
    }

    async fn launch(&self, cx: &Context, plan: &Plan, supply: &Supply) -> Result<Workload> {
        let what = format!("launch on {}", self.name);
        let key = &plan.idempotency_key;
        if let Ok((_, spec, state)) = self.find(cx, key, &what).await {
            return Ok(folder::workload(&self.name, &spec, state.unwrap_or(State::Created)));
        }
        let at = self.launches.join(key);
        let (claimed, task) = (at.clone(), what.clone());
        let claim = blocking(move || Claim::of(claimed, &task)).await.during(&what)??;
        if let Ok((_, spec, state)) = self.find(cx, key, &what).await {
            claim.keep();
            return Ok(folder::workload(&self.name, &spec, state.unwrap_or(State::Created)));
        }
        self.disks.provide(cx, supply, &WantedDisk::planned(plan, SPEC, &what)?).await?;
        cx.progress.phase("starting");
        if let Err(error) = self.carry_out(cx, plan, &what).await {
            // What could not be started leaves nothing behind, neither here nor at libvirt, also where it was cancelled.
            if let Some(spec) = folder::read(&at) {
                let (later, domain) = (Context::default(), format!("--domain={}", spec.domain));
                let _ = self.virsh.call(&later, &["destroy", &domain], &what).await;
                let _ = self.virsh.call(&later, &["undefine", &domain, "--nvram"], &what).await;
            }
            return Err(error);
        }
        claim.keep();
        let (_, spec, state) = self.find(cx, key, &what).await?;
        Ok(folder::workload(&self.name, &spec, state.unwrap_or(State::Created)))
    }

    async fn workloads(&self, cx: &Context) -> Result<(Vec<Workload>, Extent)> {
        let listed = self.list(cx, ListScope::default()).await?;
        Ok((listed.workloads, listed.extent))
    }

    async fn list(&self, cx: &Context, scope: ListScope) -> Result<Listed> {
        let what = format!("list workloads of {}", self.name);
        let noted = self.noted().await?;
        // Where nothing was launched, no daemon is started to say so.
        if noted.is_empty() && !scope.everybody {
            return Ok(Listed::default());
        }
        let mut states = self.states(cx, &what).await?;
        let gone = || State::Failed("libvirt does not know it any more".into());
        let mut workloads: Vec<Workload> = noted
            .iter()
            .map(|(_, spec)| folder::workload(&self.name, spec, states.remove(&spec.domain).unwrap_or_else(gone)))
            .collect();
        if scope.everybody {
            // Those that were made by hand: they are shown, and left alone.
            workloads.extend(states.into_iter().map(|(name, state)| {
                let name = clean::short(&name, 80);
                Workload {
                    name: name.clone(),
                    note: "not launched by Wharf".into(),
                    ..Workload::new(&self.name, name, state)
                }
            }));
        }
        Ok(Listed { workloads, ..Listed::default() })
    }

    async fn logs(&self, cx: &Context, id: &str, wanted: LogRange) -> Result<ByteStream> {
        let what = format!("read the console of {id}");
        let (at, ..) = self.find(cx, id, &what).await?;
        if wanted.needs_times() {
            return Err(Error::unsupported(what, "what a machine writes to its console is kept without times")
                .hint("look into the machine's own log"));
        }
        Ok(follow::output(at, what, wanted, folder::is_over))
    }

    async fn terminal(
        &self,
        cx: &Context,
        id: &str,
        command: Option<Vec<String>>,
        size: (u16, u16),
    ) -> Result<Terminal> {
        if command.is_some() {
            return Err(self.lacks(Ability::Terminal, id));
        }
        let what = format!("open the console of {id}");
        let (at, _, state) = self.find(cx, id, &what).await?;
        if !state.is_some_and(|state| state.is_live()) {
            return Err(Error::unsupported(what, "it does not run").hint("start it, or read its output"));
        }
        console::open(&at, size.1).await
    }

    async fn start(&self, cx: &Context, id: &str, again: bool) -> Result<()> {
        let what = format!("start {id}");
        let (_, spec, state) = self.find(cx, id, &what).await?;
        let domain = format!("--domain={}", spec.domain);
        match state {
            None => {
                Err(Error::not_found(what, "libvirt does not know it any more").hint("remove it, and launch it again"))
            }
            Some(State::Paused) => self.virsh.call(cx, &["resume", &domain], &what).await.map(|_| ()),
            Some(state) if state.is_live() && !again => Ok(()),
            Some(state) => {
                if state.is_live() {
                    self.stop(cx, id).await?;
                }
                self.virsh.call(cx, &["start", &domain], &what).await.map(|_| ())
            }
        }
    }

    async fn stop(&self, cx: &Context, id: &str) -> Result<()> {
        let what = format!("stop {id}");
        let (_, spec, state) = self.find(cx, id, &what).await?;
        if state.is_none_or(|state| state.has_ended()) {
            return Ok(());
        }
        let domain = format!("--domain={}", spec.domain);
        // One that is just starting has no button yet.
        if self.virsh.call(cx, &["shutdown", &domain, "--mode=acpi"], &what).await.is_ok() {
            cx.progress.phase("its power button was pressed: it has 30 s to shut down");
            if self.is_off(cx, &spec.domain, SHUTS_DOWN, &what).await? {
                return Ok(());
            }
        }
        self.end(cx, &spec.domain, &what).await
    }

    async fn sizes(&self, cx: &Context, id: &str) -> Result<Form> {
        let what = format!("ask for the size of {id}");
        let (at, spec, _) = self.find(cx, id, &what).await?;
        Ok(self.size(cx, &at, &spec.domain, &what).await?.form())
    }

    async fn resize(&self, cx: &Context, id: &str, answers: &Answers) -> Result<()> {
        let what = format!("resize {id}");
        let (at, spec, state) = self.find(cx, id, &what).await?;
        let now = self.size(cx, &at, &spec.domain, &what).await?;
        let asked = now.asked(answers, &what)?;
        if state.is_some_and(|state| !state.has_ended()) {
            return Err(size::runs(&what));
        }
        size::grow_disk(&at, now.disk, asked.disk, &what).await?;
        let domain = format!("--domain={}", spec.domain);
        let (memory, processors) = ((asked.memory >> 10).to_string(), asked.processors.to_string());
        for words in [
            &["setmaxmem", &domain, &memory, "--config"][..],
            &["setmem", &domain, &memory, "--config"],
            &["setvcpus", &domain, &processors, "--config", "--maximum"],
            &["setvcpus", &domain, &processors, "--config"],
        ] {
            self.virsh.call(cx, words, &what).await?;
        }
        Ok(())
    }

    async fn snapshot(&self, cx: &Context, id: &str, name: &str) -> Result<ImageRef> {
        let what = format!("make the image {}", clean::short(name, 60));
        let (at, spec, state) = self.find(cx, id, &what).await?;
        let (from, runs) = (at.clone(), state.is_some_and(|state| !state.has_ended()));
        let copy = |to: PathBuf| async move {
            if runs {
                return copy_running(&self.virsh, cx, &spec.domain, &to, &what).await;
            }
            cx.unless_cancelled(&what, copy_stopped(&from, &to, &what)).await
        };
        self.snapshots.make(&at, name, copy).await
    }

    async fn remove(&self, cx: &Context, id: &str) -> Result<()> {
        let what = format!("remove {id}");
        let (at, spec) = match self.find(cx, id, &what).await {
            Err(error) if error.kind == Kind::NotFound => return Ok(()),
            other => {
                let (at, spec, _) = other?;
                (at, spec)
            }
        };
        // Its disk goes with it: there is nothing that a guest could save.
        self.end(cx, &spec.domain, &what).await?;
        let domain = format!("--domain={}", spec.domain);
        match self.virsh.call(cx, &["undefine", &domain, "--nvram"], &what).await {
            Err(error) if error.kind != Kind::NotFound => return Err(error),
            _ => {}
        }
        blocking(move || private::remove(&at)).await.during(&*what)?.during(what)
    }

    async fn kept_images(&self, _cx: &Context) -> Result<Vec<KeptImage>> {
        let (busy, disks, name) = (self.busy().await?, self.disks.clone(), self.name.clone());
        blocking(move || disks.list(&name, &busy)).await.during("list the disks of images")
    }

    async fn remove_kept_image(&self, _cx: &Context, id: &str) -> Result<()> {
        let what = format!("remove a disk that {} keeps", self.name);
        let launches = self.launches.clone();
        if blocking(move || launches::is_launching(&launches)).await.during(&what)? {
            return Err(Error::usage(what, "a launch is on its way").hint("try again in a while"));
        }
        let (busy, disks, id) = (self.busy().await?, self.disks.clone(), id.to_owned());
        blocking(move || disks.remove(&id, &busy)).await.during(what)?
    }

    async fn health(&self, cx: &Context) -> Result<Health> {
        let what = format!("ask {}", self.name);
        // Where nothing was launched, no daemon is started to say so: the program tells its own version.
        let version = if self.noted().await?.is_empty() {
            self.virsh.call(cx, &["--version"], &what).await?
        } else {
            let told = self.virsh.call(cx, &["version"], &what).await?;
            told.lines().find_map(|line| line.strip_prefix("Using library: libvirt ")).unwrap_or("unknown").to_owned()
        };
        let how = match self.acceleration {
            Acceleration::Kvm => "with KVM".to_owned(),
            Acceleration::Software(why) => format!("in software: {why}"),
        };
        Ok(Health {
            reachable: true,
            account: whoami::username().unwrap_or_default(),
            credentials: String::new(),
            note: format!("version {}, your session, {how}", clean::short(version.trim(), 40)),
        })
    }
}
