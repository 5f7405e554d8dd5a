//! Launching on a cluster, and managing what was launched.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{
    body::Launch,
    cluster::Cluster,
    facts::Facts,
    find::{self, Found},
    form,
    kind::Kind,
    list, logs,
    metrics::Metrics,
    objects::{STOPPED, Status},
    state, terminal, trial, watch,
};
use wharf_core::{
    base::{
        clean,
        context::Context,
        error::{Error, Kind as Failure, Result},
        text,
    },
    image::{
        model::{Health, Image, ImageKind},
        reference::ImageRef,
    },
    launch::{
        ability::FIXED_SIZE,
        form::{Answers, Form},
        listing::ListScope,
        logs::LogRange,
        plan::{Call, Plan, State, Step, Workload, key, label, name_from},
        usage::Usage,
    },
    ports::{Ability, ByteStream, Changes, Extent, Launcher, Listed, Supply, Terminal},
};

/// How long what a cluster offers is believed.
const FACTS: Duration = Duration::from_secs(60);
/// How long a launch waits to tell that its program runs.
const BEGINS: Duration = Duration::from_secs(5);
/// The pause between two looks at a launch.
const LOOK: Duration = Duration::from_millis(50);
/// How long a stop may take: the grace of a program, and what a cluster needs to notice it.
const STOPS: Duration = Duration::from_secs(60);
/// How often a launch is sent again after a conflict.
const CONFLICTS: usize = 5;
/// The characters of the key that tell two launches of one image apart.
const SHORT: usize = 6;

/// A context of a kubeconfig as a backend.
pub(super) struct Kubernetes {
    cluster: Arc<Cluster>,
    account: String,
    facts: Mutex<Option<(Instant, Facts)>>,
    metrics: Metrics,
}

impl Kubernetes {
    pub(super) fn new(cluster: Arc<Cluster>) -> Self {
        Self { cluster, account: account(), facts: Mutex::default(), metrics: Metrics::default() }
    }

    /// What the cluster offers, asked for at most once a minute.
    async fn facts(&self, cx: &Context, what: &str) -> Result<Facts> {
        let known = self.facts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, facts)) = known.filter(|(at, _)| at.elapsed() < FACTS) {
            return Ok(facts);
        }
        let facts = Facts::ask(&self.cluster, cx, what).await?;
        *self.facts.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), facts.clone()));
        Ok(facts)
    }

    /// After the answer that there is a conflict: the object is that of this launch, or it is sent again, because quotas
    /// answer with a conflict too when many count at the same time.
    async fn made_before(
        &self,
        cx: &Context,
        plan: &Plan,
        (path, body): (&str, &Value),
        name: &str,
        what: &str,
    ) -> Result<()> {
        for _ in 0..CONFLICTS {
            match self.cluster.look::<Value>(cx, &format!("{path}/{name}"), what).await? {
                Ok(there) => {
                    let meta = &there["metadata"];
                    if meta["labels"][label::KEY].as_str() == Some(&plan.idempotency_key)
                        && meta.get("deletionTimestamp").is_none()
                    {
                        return Ok(());
                    }
                    return Err(Error::usage(what, format!("there is another {name}")).hint("choose another name"));
                }
                Err(refused) if refused.code == 404 => {}
                Err(refused) => return Err(refused.error(what)),
            }
            tokio::time::sleep(LOOK).await;
            match self.cluster.create::<Status>(cx, path, body, what).await? {
                Ok(_) => return Ok(()),
                Err(refused) if refused.code == 409 => {}
                Err(refused) => return Err(refused.error(what)),
            }
        }
        Err(Error::new(Failure::Unavailable, what, "others change the same quota all the time").hint("try again"))
    }

    /// Waits until a launch runs, has ended, or waits for something that takes longer.
    async fn begun(&self, cx: &Context, id: &str, what: &str) -> Result<Found> {
        let end = tokio::time::Instant::now() + BEGINS;
        loop {
            let found = find::find(&self.cluster, cx, id, what).await?;
            let state = found.state();
            let runs = found.pod().is_some_and(state::has_image);
            if (state.is_live() && (runs || found.kind() == Kind::Machine))
                || state.has_ended()
                || tokio::time::Instant::now() > end
            {
                return Ok(found);
            }
            cx.progress.phase(state.label().1);
            if cx.cancel.is_cancelled() {
                return Ok(found);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Ends the pod of a workload so that its output stays: a pod that has used up its time is ended and kept.
    async fn end_pod(&self, cx: &Context, pod: &str, what: &str) -> Result<()> {
        let path = format!("{}/{pod}", Kind::Pod.path(&self.cluster.place(cx, what).await?.namespace));
        let change = json!({ "metadata": { "annotations": stopped() }, "spec": { "activeDeadlineSeconds": 1 } });
        self.cluster.change(cx, &path, &change, what).await
    }

    /// Stops a workload that has not ended.
    async fn end(&self, cx: &Context, found: &Found, what: &str) -> Result<()> {
        let path = format!("{}/{}", found.kind().path(&self.cluster.place(cx, what).await?.namespace), found.name);
        let started = found.pod().filter(|pod| pod.status.start_time.is_some());
        match (found.kind(), started) {
            (Kind::Job, started) => {
                // Where no pod has started, nothing of it is lost: the job itself is over.
                let mut change = json!({ "metadata": { "annotations": stopped() } });
                if started.is_none() {
                    change["spec"] = json!({ "activeDeadlineSeconds": 1 });
                }
                self.cluster.change(cx, &path, &change, what).await?;
                match started {
                    Some(pod) => self.end_pod(cx, &pod.metadata.name, what).await,
                    None => Ok(()),
                }
            }
            (Kind::Pod, Some(pod)) => self.end_pod(cx, &pod.metadata.name, what).await,
            // Nothing of it has run, so nothing of it is lost.
            (Kind::Pod, None) | (Kind::Machine, _) => {
                self.cluster.delete(cx, &path, found.uid(), what).await.map(|_| ())
            }
        }
    }
}

/// The form for an image.
///
/// # Errors
/// `Unsupported` for a disk where the cluster has no machines.
fn form_of(image: &Image, facts: &Facts, what: &str) -> Result<Form> {
    if image.kind == ImageKind::Vm && !facts.machines {
        return Err(Error::unsupported(what, "this cluster has no KubeVirt, and runs no machines")
            .hint("start it with QEMU, or in a cloud"));
    }
    Ok(form::form(image, facts))
}

/// The annotation that a person stopped a workload, and when.
fn stopped() -> Value {
    json!({ STOPPED: text::timestamp(text::now()) })
}

/// The login of this person, as the value of a label (at most 63 letters, digits, `-`, `_` and `.`).
fn account() -> String {
    let login = whoami::username().unwrap_or_default();
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let value: String = login.chars().map(plain).take(60).collect();
    let value = value.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    if value.is_empty() { "nobody".to_owned() } else { value.to_owned() }
}

#[async_trait]
impl Launcher for Kubernetes {
    fn name(&self) -> &str {
        &self.cluster.name
    }

    fn abilities(&self) -> &[Ability] {
        &[Ability::Logs, Ability::Exec, Ability::Terminal, Ability::Attach, Ability::Usage, Ability::Remove]
    }

    fn instead(&self, ability: Ability) -> (&'static str, &'static str) {
        match ability {
            Ability::Snapshot => ("a cluster makes no images of what it runs", "copy files out of it by a command"),
            Ability::Start => ("what has ended on a cluster stays so", "launch the image once more"),
            Ability::Resize => FIXED_SIZE,
            _ => ("its volumes are given when it is launched", ""),
        }
    }

    fn accepts(&self, image: &Image) -> Result<()> {
        let what = format!("launch {} on {}", image.reference, self.cluster.name);
        let refused = |why: &str, hint: &str| Err(Error::unsupported(&what, why).hint(hint));
        if !matches!(image.reference, ImageRef::Oci(_)) {
            let hint = "copy it to a registry that the cluster reaches, then launch that";
            return refused("a cluster pulls from registries alone", hint);
        }
        match (image.kind, &image.disk) {
            _ if image.pinned.is_none() => refused("the image has no digest to pin to", ""),
            (ImageKind::Container, _) => Ok(()),
            (ImageKind::Vm, Some(disk)) if disk.refers => refused("the header of its disk names other files", ""),
            (ImageKind::Vm, Some(disk)) if disk.in_image && disk.boots.is_none() => Ok(()),
            (ImageKind::Vm, _) => refused("KubeVirt starts disks in container images (below /disk) alone", ""),
            (kind, _) => refused(&format!("a cluster does not run a {} image", kind.name()), ""),
        }
    }

    async fn form(&self, cx: &Context, image: &Image) -> Result<Form> {
        let what = format!("ask {} for its form", self.cluster.name);
        form_of(image, &self.facts(cx, &what).await?, &what)
    }

    async fn plan(&self, cx: &Context, image: &Image, answers: &Answers) -> Result<Plan> {
        let what = format!("plan on {}", self.cluster.name);
        let facts = self.facts(cx, &what).await?;
        let answers = form_of(image, &facts, &what)?.check(answers)?;
        let pinned = image.pinned.clone().ok_or_else(|| Error::unsupported(&what, "the image has no digest"))?;
        let (place, kind, key) = (self.cluster.place(cx, &what).await?, form::kind(&answers), key());
        let asked = answers.get("name");
        let title = image.reference.title();
        let name = name_from(if asked.is_empty() { &title } else { asked });
        let name = format!("{name}-{}", key.get(..SHORT).unwrap_or_default());
        let launch = Launch {
            kind,
            pinned: &pinned,
            answers: &answers,
            name: &name,
            key: &key,
            account: &self.account,
            runtime: facts.runtime(kind, &answers),
        };
        let body = launch.body()?;
        let mut risks = form::risks(image, &facts, &answers, &place.namespace);
        risks.extend(facts.after(kind, &answers));
        risks.extend(trial::try_out(&self.cluster, cx, &launch, &what).await?);
        let create =
            Call { token: "Authorization".into(), ..Call::new("POST", &place.server, kind.path(&place.namespace)) };
        let compare = Step::Compare { what: "what runs".into(), with: pinned.manifest.to_string() };
        Ok(Plan {
            backend: self.cluster.name.clone(),
            steps: vec![Step::Send(create.body(body)), compare],
            risks,
            privileged: false,
            isolation: facts.isolation(kind, &answers),
            image: pinned,
            answers,
            idempotency_key: key,
        })
    }

    async fn launch(&self, cx: &Context, plan: &Plan, _supply: &Supply) -> Result<Workload> {
        let what = format!("launch on {}", self.cluster.name);
        let (call, body) = plan.call(&what)?;
        let (name, api_name) = (body["metadata"]["name"].as_str(), body["kind"].as_str());
        let kind = Kind::ALL.into_iter().find(|kind| Some(kind.api_name()) == api_name);
        let place = self.cluster.place(cx, &what).await?;
        let (Some(name), Some(kind)) = (name, kind.filter(|kind| kind.path(&place.namespace) == call.path)) else {
            return Err(Error::usage(what, "this plan was made for another namespace").hint("plan the launch again"));
        };
        let id = format!("{}/{name}", kind.word());
        cx.progress.phase("creating");
        match self.cluster.create::<Status>(cx, &call.path, body, &what).await? {
            Ok(_) => {}
            // It was created before: the name has the key in it, and the label has all of it.
            Err(refused) if refused.code == 409 => self.made_before(cx, plan, (&call.path, body), name, &what).await?,
            Err(refused) => return Err(refused.error(&what)),
        }
        // It was created: whatever is not known of it yet, it is no failed launch.
        let found = match self.begun(cx, &id, &what).await {
            Ok(found) => found,
            Err(error) => {
                tracing::info!(%error, "what was launched is not looked at");
                return Ok(Workload {
                    name: name.to_owned(),
                    image: plan.image.reference.to_string(),
                    digest: plan.image.digest.to_string(),
                    created: Some(text::now()),
                    ..Workload::new(&self.cluster.name, id, State::Created)
                });
            }
        };
        let wanted = [plan.image.digest.as_str(), plan.image.manifest.as_str()];
        if let Some(runs) = found.pod().and_then(state::running_digest).filter(|runs| state::is_another(runs, &wanted))
        {
            let why = format!("it runs {} and not the image that was pinned", clean::short(runs, 80));
            let _ = self.end(cx, &found, &what).await;
            return Err(Error::new(Failure::Integrity, what, why)
                .hint(format!("{id} was stopped; ask the cluster's administrators which rule changes images")));
        }
        Ok(found.workload(&self.cluster.name))
    }

    async fn workloads(&self, cx: &Context) -> Result<(Vec<Workload>, Extent)> {
        let listed = self.list(cx, ListScope::default()).await?;
        Ok((listed.workloads, listed.extent))
    }

    async fn list(&self, cx: &Context, scope: ListScope) -> Result<Listed> {
        let (workloads, extent) = list::workloads(&self.cluster, cx, &self.account, scope).await?;
        Ok(Listed { workloads, extent, ..Listed::default() })
    }

    async fn watch(&self, cx: &Context) -> Result<Option<Changes>> {
        watch::changes(&self.cluster, cx).await.map(Some)
    }

    async fn logs(&self, cx: &Context, id: &str, wanted: LogRange) -> Result<ByteStream> {
        logs::read(self.cluster.clone(), cx, id, wanted).await
    }

    async fn terminal(
        &self,
        cx: &Context,
        id: &str,
        command: Option<Vec<String>>,
        size: (u16, u16),
    ) -> Result<Terminal> {
        let what = format!("open a terminal in {id}");
        let found = find::find(&self.cluster, cx, id, &what).await?;
        if found.kind() == Kind::Machine {
            return Err(logs::console(&self.cluster, cx, id, &what).await);
        }
        terminal::open(&self.cluster, cx, &found, command, size, &what).await
    }

    async fn exec(&self, cx: &Context, id: &str, command: Vec<String>) -> Result<(Vec<u8>, i64)> {
        let what = format!("run a command in {id}");
        let found = find::find(&self.cluster, cx, id, &what).await?;
        terminal::run(&self.cluster, cx, &found, command, &what).await
    }

    async fn stop(&self, cx: &Context, id: &str) -> Result<()> {
        let what = format!("stop {id}");
        let found = find::find(&self.cluster, cx, id, &what).await?;
        if found.state().has_ended() {
            return Ok(());
        }
        self.end(cx, &found, &what).await?;
        let end = tokio::time::Instant::now() + STOPS;
        loop {
            match find::find(&self.cluster, cx, id, &what).await {
                Ok(found) if found.state().has_ended() => return Ok(()),
                Ok(_) if tokio::time::Instant::now() < end => {}
                Ok(_) => {
                    return Err(Error::new(Failure::Unavailable, what, "it does not end")
                        .hint("its node may not answer; try again in a while"));
                }
                Err(error) if error.kind == Failure::NotFound => return Ok(()),
                Err(error) => return Err(error),
            }
            cx.pause(&what, LOOK * 4).await?;
        }
    }

    async fn remove(&self, cx: &Context, id: &str) -> Result<()> {
        let what = format!("remove {id}");
        let found = match find::find(&self.cluster, cx, id, &what).await {
            Err(error) if error.kind == Failure::NotFound => return Ok(()),
            other => other?,
        };
        let uid = found.uid();
        let path = format!("{}/{}", found.kind().path(&self.cluster.place(cx, &what).await?.namespace), found.name);
        self.cluster.delete(cx, &path, uid, &what).await?;
        // A pod is there until its program has ended.
        let end = tokio::time::Instant::now() + STOPS;
        loop {
            match self.cluster.look::<Value>(cx, &path, &what).await? {
                Err(refused) if refused.code == 404 => return Ok(()),
                Err(refused) => return Err(refused.error(&what)),
                // Another one of its name was made since.
                Ok(there) if there["metadata"]["uid"].as_str() != Some(uid) => return Ok(()),
                Ok(_) if tokio::time::Instant::now() > end => {
                    let why = "it is being removed, and its program does not end";
                    return Err(Error::new(Failure::Unavailable, what, why).hint("its node may not answer"));
                }
                Ok(_) => {}
            }
            cx.pause(&what, LOOK * 4).await?;
        }
    }

    async fn usage(&self, cx: &Context, id: &str) -> Result<Option<Usage>> {
        self.metrics.usage(&self.cluster, cx, id).await
    }

    async fn health(&self, cx: &Context) -> Result<Health> {
        let what = format!("ask {}", self.cluster.name);
        let version = self.cluster.version(cx, &what).await?;
        let place = self.cluster.place(cx, &what).await?;
        let may = async |verb: &str, group: &str, resource: &str, sub: &str| {
            let about = json!({ "namespace": place.namespace, "verb": verb, "group": group, "resource": resource, "subresource": sub });
            let review = json!({ "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
                "spec": { "resourceAttributes": about } });
            let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
            let answer = self.cluster.create::<Value>(cx, path, &review, &what).await;
            answer.ok().and_then(Result::ok).is_some_and(|answer| answer.value["status"]["allowed"] == json!(true))
        };
        // A shell is asked for by GET (WebSocket), and by POST from other programs: servers want either right.
        let (jobs, pods, shell, ask) = futures_util::join!(
            may("create", "batch", "jobs", ""),
            may("create", "", "pods", ""),
            may("create", "", "pods", "exec"),
            may("get", "", "pods", "exec"),
        );
        let shells = shell && ask;
        let rights = [(jobs, "jobs"), (pods, "pods"), (shells, "shells")];
        let named = |wanted: bool| -> Vec<&str> {
            rights.iter().filter(|(may, _)| *may == wanted).map(|(_, name)| *name).collect()
        };
        let (may, may_not) = (named(true), named(false));
        let rights = match (may.is_empty(), may_not.is_empty()) {
            (_, true) => "you may launch jobs and pods, and open shells".to_owned(),
            (true, _) => "you may launch nothing there".to_owned(),
            _ => format!("you may launch {}, and not {}", may.join(" and "), may_not.join(" and ")),
        };
        Ok(Health {
            reachable: true,
            account: clean::short(&place.user, 60),
            credentials: String::new(),
            note: format!("Kubernetes {version}, namespace {}: {rights}", place.namespace),
        })
    }
}
