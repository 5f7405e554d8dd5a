//! Launching without a daemon, and everything after.

use std::{path::Path, process::Stdio, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use rustix::process::{Pid, Signal};
use tokio::{
    fs,
    io::{AsyncReadExt, AsyncSeekExt},
    sync::mpsc,
};

use super::{Kept, Local, Runtime, Spec, keep, plan, processes, root};
use crate::{
    adapters::{exec, private},
    core::{
        clean,
        error::{During, Error, Kind, Result},
        form::{Answers, Form},
        launch::{Plan, State, Usage, Workload},
        model::{Health, Image, ImageKind, Platform},
        ports::{ByteStream, Launcher, Supply, Terminal},
        progress::Context,
        text,
    },
};

/// How often a followed log is looked at.
const FOLLOW: Duration = Duration::from_millis(200);

#[async_trait]
impl Launcher for Local {
    fn name(&self) -> &'static str {
        "local"
    }

    fn describe(&self) -> String {
        self.runtime
            .map_or_else(|| "no sandbox program found".to_owned(), |runtime| format!("no daemon: {}", runtime.word()))
    }

    fn accepts(&self, image: &Image) -> Result<()> {
        let what = format!("launch {} on local", image.reference);
        if self.runtime.is_none() {
            return Err(Error::unsupported(what, "neither bwrap nor unshare is on the path").hint("install bubblewrap"));
        }
        if image.kind != ImageKind::Container || image.pinned.is_none() {
            return Err(Error::unsupported(what, format!("a {} image is not a root file system", image.kind.word())));
        }
        match image.pinned.as_ref().and_then(|pinned| pinned.platform.as_ref()) {
            Some(platform) if !platform.serves(&Platform::host()) => Err(Error::unsupported(
                what,
                format!("it is built for {platform}, this machine is {}", Platform::host()),
            )),
            _ => Ok(()),
        }
    }

    async fn form(&self, _cx: &Context, image: &Image) -> Result<Form> {
        Ok(plan::form(image))
    }

    async fn plan(&self, _cx: &Context, image: &Image, answers: &Answers) -> Result<Plan> {
        let what = "plan on local";
        let runtime = self.runtime()?;
        let answers = plan::form(image).check(answers)?;
        let pinned = image.pinned.clone().ok_or_else(|| Error::unsupported(what, "the image has no digest"))?;
        let key = format!(
            "{}-{:x}",
            text::now(),
            std::process::id() ^ (rustix::time::clock_gettime(rustix::time::ClockId::Monotonic).tv_nsec as u32)
        );
        let folder = self.workloads.join(&key);
        let name = host_name(answers.get("name"));
        let inside = plan::inside(image, &answers, Path::new(plan::ROOT), &name)?;
        let user = plan::user(image);
        let spec = self.spec(runtime, inside, user, &answers, &pinned, &key, &folder)?;
        Ok(Plan {
            backend: "local".into(),
            steps: vec![
                format!(
                    "unpack {} layers, {}, into ROOT = {}",
                    image.layers.len(),
                    text::size(image.size),
                    self.roots.join(pinned.manifest.short()).display()
                ),
                "start the command below and keep its log".to_owned(),
            ],
            request: serde_json::to_value(&spec).during(what)?,
            risks: plan::risks(image, &answers, runtime),
            privileged: false,
            image: pinned,
            answers,
            idempotency_key: key,
        })
    }

    async fn launch(&self, cx: &Context, plan: &Plan, supply: &Supply) -> Result<Workload> {
        let what = "launch on local";
        let folder = self.workloads.join(&plan.idempotency_key);
        if folder.join("spec.json").is_file() {
            return self.find(&plan.idempotency_key).await.map(|kept| kept.workload);
        }
        let mut spec: Spec = serde_json::from_value(plan.request.clone()).during(what)?;
        let mut inside =
            spec.inside.clone().ok_or_else(|| Error::failed(what, "the plan is not one of this backend"))?;
        let mounts = inside.mounts.clone();
        // A file is mounted over a file, which must be there; folders are made.
        let folders: Vec<&Path> =
            mounts.iter().filter(|mount| mount.host.is_dir()).map(|mount| mount.inside.as_path()).collect();
        let unpacked = root::provide(cx, &self.roots, supply, &folders).await?;
        let staging = self.workloads.join(format!(".{}", plan.idempotency_key));
        private::folder(&staging)?;
        let made = async {
            inside.root = if inside.writable {
                cx.progress.phase("copying the image");
                root::private_copy(unpacked.clone(), staging.join("root")).await?;
                folder.join("root")
            } else {
                unpacked
            };
            spec.argv = plan::fill_in(&spec.argv, &inside.root);
            spec.inside = Some(inside);
            private::write(&staging.join("spec.json"), &serde_json::to_vec_pretty(&spec).during(what)?)?;
            // Appears whole, under its final name.
            fs::rename(&staging, &folder).await.during(what)
        }
        .await;
        if let Err(error) = made {
            let _ = fs::remove_dir_all(&staging).await;
            return Err(error);
        }
        cx.progress.phase("starting");
        let program = std::env::current_exe().during(what)?;
        let keeper = std::process::Command::new(program)
            .arg("__keep")
            .arg(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut keeper = keeper.during(what)?;
        // Reaped when it ends while Wharf still runs; afterwards that is init's duty.
        tokio::task::spawn_blocking(move || keeper.wait());
        for _ in 0..200 {
            if folder.join("pid").is_file() || folder.join("exit").is_file() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.find(&plan.idempotency_key).await.map(|kept| kept.workload)
    }

    async fn workloads(&self, _cx: &Context) -> Result<Vec<Workload>> {
        Ok(self.all().await?.into_iter().map(|kept| kept.workload).collect())
    }

    async fn logs(&self, _cx: &Context, id: &str, follow: bool) -> Result<ByteStream> {
        let what = format!("read the logs of {id}");
        let kept = self.find(id).await?;
        let file = fs::OpenOptions::new().read(true).open(kept.folder.join("log")).await;
        let Ok(file) = file else { return Ok(Box::pin(stream::empty())) };
        Ok(Box::pin(stream::try_unfold(
            (file, kept.folder, what, false),
            move |(mut file, folder, what, ended)| async move {
                let mut buffer = vec![0; 64 << 10];
                let mut ended = ended;
                loop {
                    let count = file.read(&mut buffer).await.during(&what)?;
                    if count > 0 {
                        buffer.truncate(count);
                        return Ok(Some((Bytes::from(buffer), (file, folder, what, ended))));
                    }
                    if !follow || ended {
                        return Ok(None);
                    }
                    // What was written between the last read and the end is read once more.
                    ended = folder.join("exit").is_file();
                    if !ended {
                        tokio::time::sleep(FOLLOW).await;
                    }
                    file.seek(std::io::SeekFrom::Current(0)).await.during(&what)?;
                }
            },
        )))
    }

    async fn terminal(
        &self,
        _cx: &Context,
        id: &str,
        command: Option<Vec<String>>,
        size: (u16, u16),
    ) -> Result<Terminal> {
        let what = format!("open a terminal in {id}");
        let Some(command) = command else {
            return Err(Error::unsupported(what, "local workloads have no terminal of their own")
                .hint("open a shell in it instead, or follow its logs"));
        };
        let (argv, environment) = self.enter(id, command).await?;
        let pair = native_pty_system()
            .openpty(PtySize { rows: size.1, cols: size.0, pixel_width: 0, pixel_height: 0 })
            .during(&what)?;
        let mut builder = CommandBuilder::from_argv(argv.iter().map(Into::into).collect());
        builder.env_clear();
        for (name, value) in environment.iter().filter_map(|pair| pair.split_once('=')) {
            builder.env(name, value);
        }
        builder.env("TERM", "xterm-256color");
        let mut child = pair.slave.spawn_command(builder).during(&what)?;
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().during(&what)?;
        let mut writer = pair.master.take_writer().during(&what)?;
        let (output, shown) = mpsc::channel::<Result<Bytes>>(64);
        tokio::task::spawn_blocking(move || {
            let mut buffer = vec![0; 16 << 10];
            while let Ok(count) = std::io::Read::read(&mut reader, &mut buffer) {
                if count == 0 || output.blocking_send(Ok(Bytes::copy_from_slice(&buffer[..count]))).is_err() {
                    break;
                }
            }
            let _ = child.kill();
            let _ = child.wait();
        });
        let (input, mut typed) = mpsc::channel::<Bytes>(64);
        let (resize, mut sizes) = mpsc::channel::<(u16, u16)>(4);
        let master = pair.master;
        tokio::task::spawn_blocking(move || {
            while let Some(bytes) = typed.blocking_recv() {
                if std::io::Write::write_all(&mut writer, &bytes)
                    .and_then(|()| std::io::Write::flush(&mut writer))
                    .is_err()
                {
                    break;
                }
            }
        });
        tokio::spawn(async move {
            while let Some((cols, rows)) = sizes.recv().await {
                let _ = master.resize(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 });
            }
        });
        Ok(Terminal {
            output: Box::pin(stream::unfold(shown, |mut shown| async move {
                shown.recv().await.map(|chunk| (chunk, shown))
            })),
            input,
            resize,
        })
    }

    async fn exec(&self, _cx: &Context, id: &str, command: Vec<String>) -> Result<(Vec<u8>, i64)> {
        let (argv, environment) = self.enter(id, command).await?;
        let words: Vec<&str> = argv.iter().map(String::as_str).collect();
        let output = exec::run_in(&words, Some(&environment), b"", 16 << 20, Duration::from_secs(3600)).await?;
        let mut all = output.stdout;
        all.extend_from_slice(output.stderr.as_bytes());
        Ok((all, i64::from(output.code)))
    }

    async fn usage(&self, _cx: &Context, id: &str) -> Result<Usage> {
        let what = format!("measure {id}");
        let kept = self.find(id).await?;
        let pid = kept.pid.ok_or_else(|| Error::not_found(&what, "it is not running"))?;
        let (nanoseconds, memory, processes) =
            tokio::task::spawn_blocking(move || processes::usage(pid)).await.during(&what)?;
        let mut usage = Usage { memory, processes, memory_limit: kept.spec.memory, ..Usage::default() };
        let now = std::time::Instant::now();
        let mut samples = self.samples.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((before, then)) = samples.insert(id.to_owned(), (nanoseconds, now)) {
            let elapsed = now.duration_since(then).as_nanos().max(1) as f64;
            usage.cpu_percent = nanoseconds.saturating_sub(before) as f64 / elapsed * 100.0;
        }
        Ok(usage)
    }

    async fn stop(&self, _cx: &Context, id: &str) -> Result<()> {
        let kept = self.find(id).await?;
        let Some(pid) = kept.pid else { return Ok(()) };
        // The program is asked first; when its sandbox ends, everything in it does.
        signal(processes::program(pid).unwrap_or(pid), Signal::TERM);
        for _ in 0..100 {
            if kept.folder.join("exit").is_file() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        signal(pid, Signal::KILL);
        for _ in 0..100 {
            if kept.folder.join("exit").is_file() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(Error::new(Kind::Unavailable, format!("stop {id}"), "it does not end")
            .hint(format!("its process is {pid}")))
    }

    async fn remove(&self, cx: &Context, id: &str) -> Result<()> {
        match self.find(id).await {
            Err(error) if error.kind == Kind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(kept) => {
                self.stop(cx, id).await?;
                fs::remove_dir_all(&kept.folder).await.during(format!("remove {id}"))
            }
        }
    }

    async fn health(&self, _cx: &Context) -> Result<Health> {
        let runtime = self.runtime()?;
        Ok(Health {
            reachable: true,
            account: "you".into(),
            credentials: String::new(),
            note: format!("{} on unpacked images", runtime.word()),
        })
    }
}

impl Local {
    fn runtime(&self) -> Result<Runtime> {
        self.runtime.ok_or_else(|| {
            Error::unsupported("launch on local", "neither bwrap nor unshare is on the path").hint("install bubblewrap")
        })
    }

    #[allow(clippy::too_many_arguments)]
    fn spec(
        &self,
        runtime: Runtime,
        inside: super::inside::Inside,
        user: (String, String),
        answers: &Answers,
        pinned: &crate::core::model::Pinned,
        key: &str,
        folder: &Path,
    ) -> Result<Spec> {
        let program = std::env::current_exe().during("find our own program")?.display().to_string();
        Ok(Spec {
            argv: plan::argv(runtime, &inside, user, answers.get("network"), folder, &program),
            name: inside.hostname.clone(),
            inside: Some(inside),
            memory: answers.size("memory").unwrap_or(0),
            processors: answers.get("cpus").parse().unwrap_or(0),
            processes: answers.get("processes").parse().unwrap_or(0),
            reference: pinned.reference.to_string(),
            digest: pinned.digest.to_string(),
            key: key.to_owned(),
            created: text::now(),
        })
    }

    async fn all(&self) -> Result<Vec<Kept>> {
        let folder = self.workloads.clone();
        tokio::task::spawn_blocking(move || {
            let Ok(entries) = std::fs::read_dir(&folder) else { return Vec::new() };
            let visible = entries.flatten().filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
            visible.filter_map(|entry| load(&entry.path())).collect()
        })
        .await
        .during("list workloads of local")
    }

    async fn find(&self, id: &str) -> Result<Kept> {
        let folder = self.workloads.join(id);
        let inside = id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        let kept = tokio::task::spawn_blocking(move || load(&folder)).await.during("read a workload")?;
        kept.filter(|_| inside).ok_or_else(|| {
            Error::not_found(format!("workload '{}'", clean::short(id, 60)), "there is no such workload")
        })
    }

    /// The words that run a command inside a running sandbox, and the environment of the program in it.
    async fn enter(&self, id: &str, command: Vec<String>) -> Result<(Vec<String>, Vec<String>)> {
        let what = format!("enter {id}");
        let kept = self.find(id).await?;
        let pid = kept.pid.ok_or_else(|| Error::unsupported(&what, "it is not running").hint("launch it again"))?;
        let nsenter = exec::on_path("nsenter")
            .ok_or_else(|| Error::unsupported(what, "nsenter is not on the path").hint("install util-linux"))?;
        // The innermost process has all the namespaces; its parents are the sandbox program.
        let innermost = processes::family(pid).pop().unwrap_or(pid);
        let mut argv: Vec<String> = [
            &nsenter.display().to_string(),
            "--target",
            &innermost.to_string(),
            "--user",
            "--preserve-credentials",
            "--mount",
            "--pid",
            "--net",
            "--ipc",
            "--uts",
            "--root",
            "--wd",
            "--",
        ]
        .map(str::to_owned)
        .to_vec();
        argv.extend(command);
        Ok((argv, kept.spec.inside.map(|inside| inside.environment).unwrap_or_default()))
    }
}

/// Reads a workload's folder; one that is half-made or damaged is not listed.
fn load(folder: &Path) -> Option<Kept> {
    let spec = keep::read(folder).ok()?;
    let exit = std::fs::read_to_string(folder.join("exit")).ok().and_then(|code| code.trim().parse().ok());
    let identity = std::fs::read_to_string(folder.join("pid")).ok();
    let pid = identity.and_then(|text| {
        let (pid, started) = text.trim().split_once(' ')?;
        let pid: u32 = pid.parse().ok()?;
        // A number alone may be another process by now.
        (exit.is_none() && processes::started(pid) == started.parse().ok()).then_some(pid)
    });
    let state = match (exit, pid) {
        (Some(code), _) => State::Exited(code),
        (None, Some(_)) => State::Running,
        (None, None) if text::now() - spec.created < 5 => State::Created,
        (None, None) => State::Other("lost (the machine restarted?)".into()),
    };
    let workload = Workload {
        id: spec.key.clone(),
        backend: "local".into(),
        name: spec.name.clone(),
        image: spec.reference.clone(),
        digest: spec.digest.clone(),
        state,
        created: Some(spec.created),
        note: String::new(),
    };
    Some(Kept { folder: folder.to_owned(), spec, workload, pid })
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

fn host_name(name: &str) -> String {
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).take(40).collect();
    let plain = plain.trim_matches('-');
    if plain.is_empty() { "wharf".into() } else { plain.to_owned() }
}
