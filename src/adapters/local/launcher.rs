//! Launching without a daemon, and managing the workloads.

use std::{path::Path, process::Stdio, time::Duration};

use async_trait::async_trait;
use tokio::fs;

use super::{
    KeptWorkload, Local, WorkloadSpec,
    confine::Limits,
    gvisor::{self, Counted},
    keep, plan,
    sandbox_program::SandboxProgram,
    seal,
};
use crate::{
    keeper::{
        changes::{self, Ended},
        follow, log,
        node::{Node, NodeRelation},
        running::{RunningProgram, Unseen},
        start,
    },
    shared::{exec, private, room, terminal},
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
        isolation,
        kept::KeptImage,
        logs::LogRange,
        plan::{Plan, State, Workload},
        usage::Usage,
    },
    ports::{Ability, ByteStream, Changes, Extent, Launcher, Runtime, Supply, Terminal},
};

#[async_trait]
impl Launcher for Local {
    fn name(&self) -> &str {
        &self.name
    }

    fn abilities(&self) -> &[Ability] {
        use Ability::{Exec, Logs, Remove, Terminal, Usage};
        &[Logs, Exec, Terminal, Usage, Remove]
    }

    fn instead(&self, ability: Ability) -> (&'static str, &'static str) {
        match ability {
            Ability::Attach => {
                ("local workloads have no terminal of their own", "open a shell in it instead, or follow its logs")
            }
            Ability::Start => ("a local workload ends for good when it ends", "launch its image again"),
            Ability::Snapshot => ("what a local workload wrote is kept in its folder only", "launch it on an engine"),
            Ability::Resize => FIXED_SIZE,
            _ => {
                ("a local workload mounts folders of this machine, and no volumes of a cloud", "launch it with a mount")
            }
        }
    }

    fn accepts(&self, image: &Image) -> Result<()> {
        self.sandboxes.accepts(image)
    }

    async fn form(&self, _cx: &Context, image: &Image) -> Result<Form> {
        let form = self.sandboxes.form(image);
        Ok(Form { room: room::room(&self.workloads).await, ..form })
    }

    async fn plan(&self, _cx: &Context, image: &Image, answers: &Answers) -> Result<Plan> {
        let what = "plan on local";
        let answers = self.sandboxes.form(image).check(answers)?;
        let pinned = image.pinned.clone().ok_or_else(|| Error::unsupported(what, "the image has no digest"))?;
        let key = format!(
            "{}-{:x}",
            text::now(),
            std::process::id() ^ (rustix::time::clock_gettime(rustix::time::ClockId::Monotonic).tv_nsec as u32)
        );
        // What is unpacked already is neither compared as a whole nor mounted.
        let unpacked = fs::try_exists(self.roots.join(pinned.manifest.hex()).join(seal::SEAL)).await;
        let prepared = if unpacked.unwrap_or(false) { None } else { self.prepared.find(&pinned.manifest).await };
        let here = room::total_memory();
        let (sandboxed, risks) = self.sandboxes.sandboxed(image, &answers, prepared, here).await?;
        let spec = WorkloadSpec {
            name: sandboxed.inside.hostname.clone(),
            sandboxed,
            reference: pinned.reference.to_string(),
            digest: pinned.digest.to_string(),
            key: key.clone(),
            // Filled in when it is launched.
            created: 0,
            node: Node::here(),
        };
        let text = serde_json::to_string_pretty(&spec).during(what)?;
        let root = self.roots.join(pinned.manifest.hex());
        Ok(Plan {
            backend: self.name.clone(),
            steps: plan::steps(image, &root, &self.workloads.join(&key), text, spec.sandboxed.mounted.as_ref())?,
            risks,
            privileged: false,
            isolation: spec.sandboxed.runtime.isolation(),
            image: pinned,
            answers,
            idempotency_key: key,
        })
    }

    async fn launch(&self, cx: &Context, plan: &Plan, supply: &Supply) -> Result<Workload> {
        let what = format!("launch on {}", self.name);
        let what = what.as_str();
        let folder = self.workloads.join(&plan.idempotency_key);
        if folder.join("spec.json").is_file() {
            return self.find(&plan.idempotency_key).await.map(|kept| kept.workload);
        }
        let mut spec: WorkloadSpec = serde_json::from_str(plan.written(what)?.1).during(what)?;
        let staging = self.workloads.join(format!(".{}", plan.idempotency_key));
        private::folder(&staging)?;
        let made = async {
            let places = (staging.as_path(), folder.as_path());
            let mut input = Stdio::null();
            let file = self.sandboxes.image_file(cx, supply, &spec.sandboxed, &self.roots).await?;
            if let Some((file, offset)) = file {
                spec.sandboxed = self.sandboxes.mounted_in(spec.sandboxed, offset, places)?;
                // The keeper finds it there, whatever happens to its path.
                input = file.into();
            } else {
                spec.sandboxed.mounted = None;
                spec.sandboxed = self.sandboxes.prepared_in(cx, supply, spec.sandboxed, &self.roots, places).await?;
            }
            // The form may have been open for long.
            spec.created = text::now();
            spec.node = Node::here();
            private::write(&staging.join("spec.json"), &serde_json::to_vec_pretty(&spec).during(what)?)?;
            // The folder appears under its final name only when it is complete.
            fs::rename(&staging, &folder).await.during(what)?;
            Ok(input)
        }
        .await;
        let input = match made {
            Ok(input) => input,
            Err(error) => {
                let _ = fs::remove_dir_all(&staging).await;
                return Err(error);
            }
        };
        cx.progress.phase("starting");
        let [words] = plan.commands(what)?;
        start::start(words, &folder, input, what).await?;
        self.find(&plan.idempotency_key).await.map(|kept| kept.workload)
    }

    async fn workloads(&self, _cx: &Context) -> Result<(Vec<Workload>, Extent)> {
        Ok((self.all().await?.into_iter().map(|kept| kept.workload).collect(), Extent::Whole))
    }

    async fn watch(&self, _cx: &Context) -> Result<Option<Changes>> {
        changes::of(self.workloads.clone(), Ended::ForGood, &format!("watch the workloads of {}", self.name))
            .await
            .map(Some)
    }

    async fn logs(&self, _cx: &Context, id: &str, wanted: LogRange) -> Result<ByteStream> {
        let what = format!("read the logs of {id}");
        let kept = self.find(id).await?;
        if wanted.needs_times() {
            return Err(Error::unsupported(what, "local workloads keep their output without times")
                .hint("let the program print them, or launch it on an engine"));
        }
        Ok(follow::output(kept.folder, what, wanted, is_ended))
    }

    async fn terminal(
        &self,
        _cx: &Context,
        id: &str,
        command: Option<Vec<String>>,
        size: (u16, u16),
    ) -> Result<Terminal> {
        let what = format!("open a terminal in {id}");
        let Some(command) = command else { return Err(self.lacks(Ability::Attach, id)) };
        let argv = self.enter(id, "terminal", command).await?;
        terminal::open(&what, &argv, &own_path(), size)
    }

    async fn exec(&self, _cx: &Context, id: &str, command: Vec<String>) -> Result<(Vec<u8>, i64)> {
        let argv = self.enter(id, "pipe", command).await?;
        let words: Vec<&str> = argv.iter().map(String::as_str).collect();
        let output = exec::run_in(&words, Some(&own_path()), b"", 16 << 20, Duration::from_secs(3600)).await?;
        Ok(output.together())
    }

    async fn usage(&self, _cx: &Context, id: &str) -> Result<Option<Usage>> {
        let what = format!("measure {id}");
        let kept = self.find(id).await?.here(&what)?;
        let pid = kept.pid.ok_or_else(|| Error::not_found(&what, "it is not running"))?;
        let measured = self.measurements.take(id, pid, &what).await?;
        let sandboxed = &kept.spec.sandboxed;
        // gVisor's own processes are not those of the workload, which only its kernel can count.
        let counted = match sandboxed.runtime {
            SandboxProgram::Runsc => gvisor::usage(&kept.folder, sandboxed.inside.network).await.unwrap_or_default(),
            _ => Counted { memory: measured.memory, processes: measured.processes },
        };
        Ok(Some(Usage {
            processors: Some(sandboxed.processors).filter(|count| *count > 0),
            memory: counted.memory,
            processes: counted.processes,
            ..measured
        }))
    }

    async fn stop(&self, _cx: &Context, id: &str) -> Result<()> {
        self.end(id).await
    }

    async fn remove(&self, cx: &Context, id: &str) -> Result<()> {
        match self.find(id).await {
            Err(error) if error.kind == Kind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(kept) => {
                let what = format!("remove {id}");
                let over = matches!(kept.workload.state, State::Exited(_));
                let kept = if over { kept } else { kept.here(&what)? };
                self.stop(cx, id).await?;
                let folder = kept.folder;
                blocking(move || private::remove(&folder)).await.during(&*what)?.during(what)
            }
        }
    }

    async fn kept_images(&self, _cx: &Context) -> Result<Vec<KeptImage>> {
        self.kept().await
    }

    async fn remove_kept_image(&self, _cx: &Context, id: &str) -> Result<()> {
        self.remove_kept(id).await
    }

    async fn health(&self, _cx: &Context) -> Result<Health> {
        let names: Vec<&str> = self.sandboxes.programs()?.into_iter().map(SandboxProgram::name).collect();
        Ok(Health {
            reachable: true,
            account: "you".into(),
            credentials: String::new(),
            note: format!("{} on unpacked images", names.join(" and ")),
        })
    }
}

impl Local {
    pub(super) async fn all(&self) -> Result<Vec<KeptWorkload>> {
        let (folder, name) = (self.workloads.clone(), self.name.clone());
        blocking(move || {
            let Ok(entries) = std::fs::read_dir(&folder) else { return Vec::new() };
            let visible = entries.flatten().filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
            visible.filter_map(|entry| load(&entry.path(), &name)).collect()
        })
        .await
        .during(format!("list workloads of {}", self.name))
    }

    pub(super) async fn find(&self, id: &str) -> Result<KeptWorkload> {
        let (folder, name) = (self.workloads.join(id), self.name.clone());
        let inside = id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        let kept = blocking(move || load(&folder, &name)).await.during("read a workload")?;
        kept.filter(|_| inside).ok_or_else(|| {
            Error::not_found(format!("workload '{}'", clean::short(id, 60)), "there is no such workload")
        })
    }

    /// The command line that runs a command in a running sandbox. Everything else is read from the workload's folder.
    async fn enter(&self, id: &str, files: &str, command: Vec<String>) -> Result<Vec<String>> {
        let what = format!("enter {id}");
        let kept = self.find(id).await?.here(&what)?;
        if kept.pid.is_none() {
            return Err(Error::unsupported(&what, "it is not running").hint("launch it again"));
        }
        let program = std::env::current_exe().during(what)?;
        let words = [program.display().to_string(), super::enter::VERB.to_owned(), kept.folder.display().to_string()];
        Ok([words.to_vec(), vec![files.to_owned(), "--".to_owned()], command].concat())
    }
}

impl KeptWorkload {
    /// This workload, if it runs on this node; otherwise an error that says where.
    pub(super) fn here(self, what: &str) -> Result<Self> {
        if self.stands == NodeRelation::Elsewhere {
            let node = elsewhere(&self.spec.node);
            return Err(Error::unsupported(what, format!("it is {node}, which this is not"))
                .hint(format!("do it there; if there is no such place any more, delete {}", self.folder.display())));
        }
        Ok(self)
    }
}

/// The node of a workload, in words for an error.
fn elsewhere(node: &Node) -> String {
    let here = Node::here();
    match clean::short(&node.host, 60) {
        host if host.is_empty() => "on a node that was not written down".to_owned(),
        host if node.boot == here.boot => format!("on node {host}, in another container"),
        host => format!("on node {host}"),
    }
}

/// Whether a workload writes nothing more, as far as this node can tell.
fn is_ended(folder: &Path) -> bool {
    load(folder, "").is_none_or(|kept| {
        log::exit_code(folder).is_some()
            || (kept.stands != NodeRelation::Elsewhere && matches!(kept.workload.state, State::Other(_)))
    })
}

/// Reads a workload's folder; an incomplete or damaged one is not listed.
fn load(folder: &Path, backend: &str) -> Option<KeptWorkload> {
    let spec = keep::read(folder).ok()?;
    let exit = log::exit_code(folder);
    let stands = Node::here().sees(&spec.node);
    // On another node, the same number is another process.
    let pid = RunningProgram::<Limits>::find(folder)
        .filter(|_| exit.is_none() && stands == NodeRelation::Here)
        .map(|running| running.pid);
    let state = match (exit, pid) {
        (Some(code), _) => State::Exited(code),
        (None, Some(_)) => State::Running,
        (None, None) if stands == NodeRelation::Elsewhere => State::Other(elsewhere(&spec.node)),
        (None, None) if stands == NodeRelation::Before => State::Other("lost (the machine was restarted)".into()),
        (None, None) => match RunningProgram::<Limits>::unseen(folder, spec.created) {
            Unseen::Starting => State::Created,
            Unseen::Ending => State::Running,
            Unseen::Ended(code) => State::Exited(code),
            Unseen::Lost => State::Other("lost (its keeper was ended)".into()),
        },
    };
    let workload = Workload {
        name: spec.name.clone(),
        image: spec.reference.clone(),
        digest: spec.digest.clone(),
        created: Some(spec.created),
        facts: facts(spec.sandboxed.runtime),
        ..Workload::new(backend, spec.key.clone(), state)
    };
    Some(KeptWorkload { folder: folder.to_owned(), spec, workload, pid, stands })
}

/// The variable by which gVisor is found. Nothing else of this session's environment is given to what enters a workload.
fn own_path() -> Vec<String> {
    std::env::var("PATH").map(|path| format!("PATH={path}")).into_iter().collect()
}

/// What a list shows of the program that runs it, where that is not the usual one.
fn facts(program: SandboxProgram) -> Vec<(String, String)> {
    let told = program == SandboxProgram::Runsc;
    told.then(|| (isolation::KEY.to_owned(), program.isolation().name().to_owned())).into_iter().collect()
}
