//! Launching containers on an engine, and managing them.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use bollard::{
    auth::DockerCredentials,
    models::ContainerCreateBody,
    query_parameters::{
        CreateContainerOptionsBuilder, CreateImageOptionsBuilder, InspectContainerOptions, LogsOptionsBuilder,
        RemoveContainerOptionsBuilder, StartContainerOptions, StopContainerOptionsBuilder,
    },
};
use futures_util::{StreamExt, TryStreamExt};
use serde::Deserialize;

use super::{Engine, connection::Address, plan, terminal};
use crate::shared::samples::Samples;
use wharf_core::{
    base::{
        clean,
        context::Context,
        digest::Digest,
        error::{During, Error, Kind, Result},
        text,
    },
    image::{
        model::{Health, Image, ImageKind, Platform},
        reference::{ImageRef, Name},
    },
    launch::{
        form::{Answers, Form},
        logs::LogRange,
        plan::{Plan, State, Workload, key, label, name_from},
        published::{self, Published},
        usage::Usage,
    },
    ports::{Ability, ByteStream, Catalog, Changes, Extent, Launcher, Supply, Terminal},
    transfer::copy::{self, CopyEnd, Options},
};

/// Seconds that a program has to end when it is stopped, before it is killed.
const STOP_AFTER: i32 = 10;
/// How long a plan waits to learn whether the engine has the image.
const LOOK: std::time::Duration = std::time::Duration::from_secs(5);
/// How long containers may take to tell their exit code, where the list has none: it must not wait for them.
const INSPECTING: std::time::Duration = std::time::Duration::from_secs(1);
/// The most ports of one container that are listed.
const PORTS: usize = 64;
/// How many of the last lines of output are given, unless a time or a number is asked for.
const MOST_LINES: usize = 5000;

#[async_trait]
impl Launcher for Engine {
    fn name(&self) -> &str {
        &self.name
    }

    fn abilities(&self) -> &[Ability] {
        use Ability::{Attach, Exec, Logs, Remove, Resize, Snapshot, Start, Terminal, Usage};
        &[Logs, Exec, Terminal, Attach, Usage, Start, Snapshot, Resize, Remove]
    }

    fn instead(&self, _ability: Ability) -> (&'static str, &'static str) {
        // Volumes are the only ability that engines lack.
        (
            "an engine mounts folders of its host, and no volumes of a cloud",
            "launch it with the folder among its mounts",
        )
    }

    fn accepts(&self, image: &Image) -> Result<()> {
        let what = format!("launch {} on {}", image.reference, self.name);
        match (&image.kind, &image.pinned) {
            (ImageKind::Container, Some(_)) => {}
            (ImageKind::Container, None) => return Err(Error::unsupported(what, "the image has no digest to pin to")),
            (kind, _) => {
                return Err(Error::unsupported(
                    what,
                    format!("a container engine does not run a {} image", kind.name()),
                ));
            }
        }
        if let ImageRef::Engine(name) = &image.reference {
            if name.host != self.name {
                return Err(Error::unsupported(what, format!("the image is in {}", name.host)).hint(format!(
                    "launch it there, or copy it: wharf copy {} engine://{}/…",
                    image.reference, self.name
                )));
            }
        }
        let host = Platform::host();
        match image.pinned.as_ref().and_then(|pinned| pinned.platform.as_ref()) {
            Some(platform) if !platform.serves(&host) => {
                Err(Error::unsupported(what, format!("it is built for {platform}, this machine is {host}")))
            }
            _ => Ok(()),
        }
    }

    async fn form(&self, _cx: &Context, image: &Image) -> Result<Form> {
        Ok(plan::form(image, self.facts().await?))
    }

    async fn plan(&self, _cx: &Context, image: &Image, answers: &Answers) -> Result<Plan> {
        let facts = self.facts().await?;
        let mut answers = plan::form(image, facts).check(answers)?;
        let key = key();
        if answers.get("name").is_empty() {
            // Names that engines invent tell nothing; the key keeps two launches of one image apart.
            let name = name_from(&image.reference.title());
            answers.0.insert("name".to_owned(), format!("{name}-{}", key.get(..4).unwrap_or_default()));
        }
        let bytes = if self.has(image).await { 0 } else { image.size };
        let address = Address::parse(&self.config)?.to_string();
        let mut plan = plan::plan((&self.name, &address), image, facts, bytes, answers, key)?;
        plan.steps.splice(0..0, self.service.iter().map(|service| service.step()));
        Ok(plan)
    }

    async fn launch(&self, cx: &Context, plan: &Plan, supply: &Supply) -> Result<Workload> {
        let what = format!("launch on {}", self.name);
        if let Some(made) = self.launched_already(cx, &plan.idempotency_key).await? {
            return Ok(made);
        }
        let mut body: ContainerCreateBody = serde_json::from_value(plan.call(&what)?.1.clone()).during(&what)?;
        body.image = Some(self.provide(cx, &what, plan, supply).await?);
        let runtime = body.host_config.as_ref().and_then(|host| host.runtime.clone());
        cx.progress.phase("creating");
        let docker = self.docker().await?;
        let mut options = CreateContainerOptionsBuilder::default();
        let name = plan.answers.get("name");
        if !name.is_empty() {
            options = options.name(name);
        }
        let created = cx
            .clone()
            .with_deadline(std::time::Duration::from_secs(60))
            .run(&what, async {
                docker
                    .create_container(Some(options.build()), body)
                    .await
                    .map_err(|error| self.library_error(&what, &error))
            })
            .await
            .map_err(|error| {
                if error.why.contains("already in use") {
                    error.hint("choose another name, or remove the workload that has it")
                } else {
                    error
                }
            })?;
        cx.progress.phase("starting");
        let started = cx
            .run(&what, async {
                if let Some(asked) = &runtime {
                    self.has_runtime(&created.id, asked, &what).await?;
                }
                docker
                    .start_container(&created.id, None::<StartContainerOptions>)
                    .await
                    .map_err(|error| self.library_error(&what, &error))
            })
            .await;
        if let Err(error) = started {
            // A container that could not be started is removed again.
            let _ = self.remove(cx, &created.id).await;
            return Err(error);
        }
        let (all, _) = self.workloads(cx).await?;
        all.into_iter().find(|workload| created.id.starts_with(&workload.id)).ok_or_else(|| {
            Error::failed(what, "it started, ended and was removed at once")
                .hint("launch it with remove=no to read its logs")
        })
    }

    async fn workloads(&self, cx: &Context) -> Result<(Vec<Workload>, Extent)> {
        let what = format!("list workloads of {}", self.name);
        let all: Vec<serde_json::Value> = cx.run(&what, self.read("/containers/json?all=true", &what)).await?;
        let count = all.len();
        let read = all.into_iter().filter_map(|row| serde_json::from_value::<Summary>(row).ok());
        let mut workloads: Vec<Workload> = read.map(|summary| self.workload(summary)).collect();
        let odd = (count - workloads.len()) as u64;
        let cut = (odd > 0).then(|| format!("{} of it cannot be read", text::plural(odd, "row", "rows")));
        let end = tokio::time::Instant::now() + INSPECTING;
        for workload in workloads.iter_mut().filter(|workload| matches!(workload.state, State::Exited(_))) {
            // Docker's list has the exit code only inside a sentence: "Exited (3) 2 minutes ago".
            let code = workload
                .note
                .split_once("Exited (")
                .and_then(|(_, rest)| rest.split_once(')'))
                .and_then(|(code, _)| code.parse().ok());
            if let Some(code) = code {
                workload.state = State::Exited(code);
            } else if let Ok(Ok(inspected)) = tokio::time::timeout_at(
                end,
                self.docker().await?.inspect_container(&workload.id, None::<InspectContainerOptions>),
            )
            .await
            {
                workload.state = State::Exited(inspected.state.and_then(|state| state.exit_code).unwrap_or(0));
            }
        }
        self.tell_memory(&mut workloads).await;
        Ok((workloads, Extent::cut_short(cut)))
    }

    async fn watch(&self, _cx: &Context) -> Result<Option<Changes>> {
        self.changes().await.map(Some)
    }

    async fn logs(&self, _cx: &Context, id: &str, wanted: LogRange) -> Result<ByteStream> {
        let what = format!("read the logs of {id}");
        let since = wanted.since.map_or(0, |since| i32::try_from(since).unwrap_or(i32::MAX));
        let options = LogsOptionsBuilder::default()
            .stdout(true)
            .stderr(true)
            .follow(wanted.follow)
            .timestamps(wanted.times)
            .since(since)
            // With a beginning given, all output from there on is wanted.
            .tail(&if since > 0 { "all".to_owned() } else { wanted.last.unwrap_or(MOST_LINES).to_string() })
            .build();
        let docker = self.docker().await?.clone();
        // The container is looked up first: for one that is gone, the stream would end without an error.
        let _: serde_json::Value = self.read(&format!("/containers/{id}/json"), &what).await?;
        let stream = docker
            .logs(id, Some(options))
            .map_ok(bollard::container::LogOutput::into_bytes)
            .map_err(move |error| Error::failed(&what, clean::short(&error.to_string(), 200)));
        Ok(Box::pin(stream))
    }

    async fn terminal(
        &self,
        cx: &Context,
        id: &str,
        command: Option<Vec<String>>,
        size: (u16, u16),
    ) -> Result<Terminal> {
        let what = format!("open a terminal in {id}");
        let docker = self.docker().await?.clone();
        match command {
            Some(command) => cx.run(&what, terminal::exec(self, docker, id, command, size, &what)).await,
            None => cx.run(&what, terminal::attach(self, docker, id, size, &what)).await,
        }
    }

    async fn exec(&self, cx: &Context, id: &str, command: Vec<String>) -> Result<(Vec<u8>, i64)> {
        let what = format!("run a command in {id}");
        let docker = self.docker().await?.clone();
        cx.unless_cancelled(&what, terminal::run(self, docker, id, command, &what)).await
    }

    async fn usage(&self, cx: &Context, id: &str) -> Result<Option<Usage>> {
        self.reading(cx, id).await
    }

    async fn stop(&self, cx: &Context, id: &str) -> Result<()> {
        let what = format!("stop {id}");
        let options = StopContainerOptionsBuilder::default().t(STOP_AFTER).build();
        let patient = cx.clone().with_deadline(std::time::Duration::from_secs(40));
        let stopped = patient
            .run(&what, async {
                self.docker()
                    .await?
                    .stop_container(id, Some(options))
                    .await
                    .map_err(|error| self.library_error(&what, &error))
            })
            .await;
        match stopped {
            // 304: the container is stopped already.
            Err(error) if error.why.contains("304") || error.why.is_empty() => Ok(()),
            other => other,
        }
    }

    async fn sizes(&self, cx: &Context, id: &str) -> Result<Form> {
        self.size_form(cx, id).await
    }

    async fn resize(&self, cx: &Context, id: &str, answers: &Answers) -> Result<()> {
        self.limit(cx, id, answers).await
    }

    async fn start(&self, cx: &Context, id: &str, again: bool) -> Result<()> {
        self.start_container(cx, id, again).await
    }

    async fn snapshot(&self, cx: &Context, id: &str, name: &str) -> Result<ImageRef> {
        self.commit(cx, id, name).await
    }

    async fn remove(&self, cx: &Context, id: &str) -> Result<()> {
        let what = format!("remove {id}");
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        let removed = cx
            .run(&what, async {
                self.docker()
                    .await?
                    .remove_container(id, Some(options))
                    .await
                    .map_err(|error| self.library_error(&what, &error))
            })
            .await;
        match removed {
            Err(error) if error.kind == Kind::NotFound => Ok(()),
            other => other,
        }
    }

    async fn health(&self, cx: &Context) -> Result<Health> {
        Catalog::health(self, cx).await
    }
}

impl Engine {
    /// Whether the engine has exactly this image already, as far as it tells in a moment.
    async fn has(&self, image: &Image) -> bool {
        let Some(pinned) = &image.pinned else { return false };
        let named = plan::image_name(pinned);
        let asked = async { self.docker().await.ok()?.inspect_image(&named).await.ok() };
        tokio::time::timeout(LOOK, asked).await.is_ok_and(|found| found.is_some())
    }

    /// Makes sure that the engine has the pinned image, compared with its digest; gives the name to create containers
    /// from.
    async fn provide(&self, cx: &Context, what: &str, plan: &Plan, supply: &Supply) -> Result<String> {
        match &plan.image.reference {
            ImageRef::Engine(_) => Ok(plan.image.digest.to_string()),
            ImageRef::Oci(name) => {
                let full = plan::image_name(&plan.image);
                if self.docker().await?.inspect_image(&full).await.is_ok() {
                    return Ok(full);
                }
                match self.pull(cx, name, plan, supply).await {
                    Ok(()) => self.compare(&full, &plan.image.manifest, what).await.map(|()| full),
                    Err(error) if error.kind == Kind::Cancelled => Err(error),
                    Err(error) => {
                        // The engine may lack the credentials, the authority or the plain-http rule that Wharf has:
                        // copy the image into it.
                        tracing::info!(%error, "the engine could not pull; carrying the image over");
                        cx.progress.phase(format!("{} cannot pull it itself; carrying it over", self.name));
                        self.carry(cx, what, plan, supply).await.map_err(|second| {
                            if second.kind == Kind::Cancelled {
                                second
                            } else {
                                error.hint(format!("carrying it over failed too: {}", second.why))
                            }
                        })
                    }
                }
            }
            _ => self.carry(cx, what, plan, supply).await,
        }
    }

    async fn pull(&self, cx: &Context, name: &Name, plan: &Plan, supply: &Supply) -> Result<()> {
        let what = format!("pull {} on {}", name.base(), self.name);
        let platform = plan.image.platform.as_ref().map(ToString::to_string).unwrap_or_default();
        let options = CreateImageOptionsBuilder::default()
            .from_image(&name.bare())
            // Not the index: an engine may choose another entry of it than the one that was judged.
            .tag(plan.image.manifest.as_str())
            .platform(&platform)
            .build();
        let credentials = supply.credentials.as_ref().map(|known| DockerCredentials {
            username: (!known.identity_token).then(|| known.username.clone()),
            password: (!known.identity_token).then(|| known.secret.reveal().to_owned()),
            identitytoken: known.identity_token.then(|| known.secret.reveal().to_owned()),
            serveraddress: Some(name.host.clone()),
            ..DockerCredentials::default()
        });
        cx.progress.phase(format!("{} pulls", self.name));
        let docker = self.docker().await?;
        let mut stream = std::pin::pin!(docker.create_image(Some(options), None, credentials));
        let mut layers: HashMap<String, (u64, u64)> = HashMap::new();
        cx.unless_cancelled(&what, async {
            while let Some(note) = stream.next().await {
                let note = note.map_err(|error| self.library_error(&what, &error))?;
                if let Some(detail) = note.error_detail {
                    return Err(Error::failed(&what, clean::short(&detail.message.unwrap_or_default(), 300)));
                }
                let downloads = note.status.as_deref() == Some("Downloading");
                if let (true, Some(id), Some(detail)) = (downloads, note.id, note.progress_detail) {
                    let number = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok()).unwrap_or(0);
                    layers.insert(id, (number(detail.current), number(detail.total)));
                    let (done, total) =
                        layers.values().fold((0, 0), |(done, total), (more, all)| (done + more, total + all));
                    cx.progress.set(done, Some(total));
                }
            }
            Ok(())
        })
        .await
    }

    /// Fails unless the engine's own record of the digest is that of the judged image.
    async fn compare(&self, full: &str, wanted: &Digest, what: &str) -> Result<()> {
        let image = self.docker().await?.inspect_image(full).await.map_err(|error| self.library_error(what, &error))?;
        let has = image.repo_digests.iter().flatten().any(|digest| digest.ends_with(wanted.as_str()))
            || image.id.as_deref() == Some(wanted.as_str());
        if has {
            return Ok(());
        }
        Err(Error::new(Kind::Integrity, what, format!("{} reports another digest than {wanted}", self.name))
            .hint("do not use it; tell the administrators of the registry"))
    }

    async fn carry(&self, cx: &Context, what: &str, plan: &Plan, supply: &Supply) -> Result<String> {
        let tag = plan.image.manifest.short().to_owned();
        let base = plan.image.reference.title().split(':').next().unwrap_or("image").to_lowercase();
        let base: String = base.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let base = base.trim_matches('-').to_owned();
        let to = ImageRef::Engine(Name {
            host: self.name.clone(),
            repository: format!("localhost/wharf/{}", if base.is_empty() { "image" } else { &base }),
            tag: Some(tag),
            digest: None,
        });
        let staged = Engine {
            config: self.config.clone(),
            connection: self.connection.clone(),
            service: self.service.clone(),
            facts: self.facts.clone(),
            samples: Samples::default(),
            counted: std::sync::Mutex::default(),
            used_up: std::sync::Mutex::default(),
            incoming: std::sync::Mutex::default(),
            exports: std::sync::Mutex::default(),
            name: self.name.clone(),
            address: self.address.clone(),
            staging: self.staging.clone(),
        };
        // Only the manifest that was judged is copied, so that the engine cannot choose another.
        let from = CopyEnd { content: supply.bytes()?, at: plan.image.reference.with_digest(&plan.image.manifest) };
        let options = Options { attachments: false, ..Options::default() };
        let manifest = from.content.manifest(cx, &from.at).await?;
        copy::copy(cx, &from, &CopyEnd { content: Arc::new(staged), at: to.clone() }, &options).await?;
        let name = super::catalog::spelled(to.name().ok_or_else(|| Error::failed(what, "no name"))?);
        let image =
            self.docker().await?.inspect_image(&name).await.map_err(|error| self.library_error(what, &error))?;
        let wharf_core::image::manifest::Manifest::Image { config, .. } = manifest.parsed() else {
            return Err(Error::failed(what, "not a single image"));
        };
        let id = image.id.unwrap_or_default();
        // An engine's id is the digest of the configuration (or, with containerd's store, of the manifest).
        if id.ends_with(config.digest.hex()) || id.ends_with(plan.image.manifest.hex()) {
            return Ok(id);
        }
        Err(Error::new(Kind::Integrity, what, format!("{} made another image of it", self.name))
            .hint("tell the publisher of the image"))
    }

    async fn launched_already(&self, cx: &Context, key: &str) -> Result<Option<Workload>> {
        let what = format!("look for an earlier launch on {}", self.name);
        let filters = serde_json::json!({"label": [format!("{}={key}", label::KEY)]}).to_string();
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("all", "true")
            .append_pair("filters", &filters)
            .finish();
        let path = format!("/containers/json?{query}");
        let found: Vec<Summary> = cx.run(&what, self.read(&path, &what)).await?;
        Ok(found.into_iter().next().map(|summary| self.workload(summary)))
    }

    fn workload(&self, summary: Summary) -> Workload {
        let labels = summary.labels.unwrap_or_default();
        let labelled = |key: &str| labels.get(key).map(|value| clean::short(value, 400));
        let status = clean::short(summary.status.as_deref().unwrap_or(""), 80);
        let ports = summary.ports.iter().flatten().filter_map(Port::published);
        Workload {
            id: summary.id.unwrap_or_default().chars().take(12).collect(),
            backend: self.name.clone(),
            name: clean::short(
                summary.names.iter().flatten().next().map_or("", |name| name.trim_start_matches('/')),
                80,
            ),
            image: labelled(label::REFERENCE)
                .unwrap_or_else(|| clean::short(summary.image.as_deref().unwrap_or(""), 400)),
            digest: labelled(label::DIGEST).unwrap_or_default(),
            state: match summary.state.as_deref().unwrap_or("unknown") {
                "running" => State::Running,
                "created" | "configured" | "initialized" => State::Created,
                "paused" => State::Paused,
                "exited" | "stopped" => State::Exited(summary.exit_code.unwrap_or(0)),
                "restarting" => State::Starting,
                "removing" | "stopping" => State::Stopping,
                "dead" => State::Failed(String::new()),
                other => State::Other(clean::short(other, 20)),
            },
            created: summary.created,
            ports: published::tidy(ports.take(PORTS)),
            addresses: Vec::new(),
            note: status,
            facts: Vec::new(),
        }
    }
}

/// A container as both engines list it (`GET /containers/json`).
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Summary {
    id: Option<String>,
    names: Option<Vec<String>>,
    image: Option<String>,
    created: Option<i64>,
    ports: Option<Vec<Port>>,
    labels: Option<HashMap<String, String>>,
    state: Option<String>,
    status: Option<String>,
    exit_code: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Port {
    #[serde(rename = "IP")]
    ip: Option<String>,
    private_port: u16,
    public_port: Option<u16>,
    #[serde(rename = "Type")]
    protocol: Option<String>,
}

impl Port {
    /// The way from the host into the container, if the port is published.
    fn published(&self) -> Option<Published> {
        Some(Published {
            address: clean::short(self.ip.as_deref().unwrap_or(""), 60),
            port: self.public_port.filter(|port| *port > 0)?,
            inside: self.private_port,
            protocol: clean::short(self.protocol.as_deref().unwrap_or("tcp"), 8),
        })
    }
}
