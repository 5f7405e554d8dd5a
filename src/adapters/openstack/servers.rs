//! Servers (Compute API v2.1): launching an image as a server, and managing servers.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use reqwest::Method;
use serde_json::json;

use super::{
    Images,
    answers::{Limits, LimitsAnswer, Server, ServerAnswer},
    plan::{self, CERTIFIED, CREATE},
    service::{Body, Request, Service},
};
use crate::shared::http::Part;
use wharf_core::{
    base::{
        clean,
        context::Context,
        error::{Error, Kind, Result},
        text,
    },
    image::{
        model::{Health, Image, ImageKind},
        reference::ImageRef,
    },
    launch::{
        form::{Answers, Form},
        logs::LogRange,
        plan::{Plan, State, Workload, label},
        usage::Usage,
    },
    ports::{Ability, ByteStream, Catalog, Extent, Launcher, Supply},
};

/// The pause between looks at a server that is being created, or whose console is followed.
pub(super) const WATCH: Duration = Duration::from_secs(2);
/// How long the choices of a form are used before the cloud is asked again.
const FORM: Duration = Duration::from_secs(60);
/// The path of the list of servers, and the key of its rows.
const SERVERS: (&str, &str) = ("servers/detail", "servers");
/// The microversion of `createImage` whose answer has the image's id.
const SNAPSHOT: &str = "2.45";

/// The path of a server; fails if the id is not a UUID.
pub(super) fn path(what: &str, id: &str) -> Result<String> {
    if text::is_uuid(id) { Ok(format!("servers/{id}")) } else { Err(Error::usage(what, "not the id of a server")) }
}

/// The action that makes a server run again, by its status (Compute API, "Server concepts"); `None` if it runs.
fn waking(status: &str) -> Option<&'static str> {
    match status {
        "ACTIVE" => None,
        "PAUSED" => Some("unpause"),
        "SUSPENDED" => Some("resume"),
        "SHELVED" | "SHELVED_OFFLOADED" => Some("unshelve"),
        "RESCUE" => Some("unrescue"),
        _ => Some("os-start"),
    }
}

impl Images {
    pub(super) async fn server(&self, what: &str, id: &str) -> Result<Server> {
        let path = path(what, id)?;
        let answer: ServerAnswer = self.cloud.json(what, Service::Compute, Request::get(&path)).await?;
        Ok(answer.server)
    }

    async fn servers(&self, what: &str) -> Result<Vec<Server>> {
        self.cloud.all(what, Service::Compute, SERVERS.0, SERVERS.1).await
    }

    pub(super) async fn act(
        &self,
        what: &str,
        id: &str,
        version: Option<&str>,
        action: serde_json::Value,
    ) -> Result<Bytes> {
        let path = format!("{}/action", path(what, id)?);
        let request = Request { version, ..Request::new(Method::POST, &path, Body::Json(action)) };
        self.cloud.send(what, Service::Compute, request).await
    }

    async fn limits(&self, what: &str) -> Result<Limits> {
        let answer: LimitsAnswer = self.cloud.json(what, Service::Compute, Request::get("limits")).await?;
        Ok(answer.limits.absolute)
    }

    /// Waits until a new server runs. Its status is reported as progress, its fault as the error.
    async fn until_running(&self, cx: &Context, what: &str, id: &str) -> Result<Server> {
        loop {
            let server = self.server(what, id).await?;
            cx.progress.phase(server.state_words());
            match server.status.as_str() {
                "ACTIVE" => return Ok(server),
                "ERROR" => {
                    let why = server.fault_words();
                    let why =
                        if why.is_empty() { "the cloud gave up on it and gives no reason".to_owned() } else { why };
                    return Err(Error::failed(what, why)
                        .hint(format!("it is kept as {id}: 'wharf remove {id}' removes it; try a smaller flavor")));
                }
                _ => tokio::time::sleep(WATCH / 4).await,
            }
        }
    }

    /// Waits until an image that the cloud makes is active.
    pub async fn until_whole(&self, cx: &Context, what: &str, image: &str) -> Result<ImageRef> {
        loop {
            let now = self.find(what, image).await?;
            cx.progress.phase(format!("the image is {}", clean::short(&now.status, 20)));
            match now.status.as_str() {
                "active" => return Ok(self.image_ref(image)),
                "killed" | "deleted" | "pending_delete" => {
                    return Err(Error::failed(what, "the cloud gave up on it").hint("try again"));
                }
                _ => tokio::time::sleep(WATCH / 4).await,
            }
        }
    }

    fn workload(&self, server: &Server) -> Workload {
        let labelled = |key: &str| clean::short(server.metadata.get(key).map_or("", String::as_str), 300);
        let image = labelled(label::REFERENCE);
        Workload {
            id: server.id.clone(),
            backend: self.cloud.name.clone(),
            name: clean::short(&server.name, 80),
            image: if image.is_empty() {
                server.image_id().map_or_else(
                    || "a volume".to_owned(),
                    |image| ImageRef::Glance { cloud: self.cloud.name.clone(), image }.to_string(),
                )
            } else {
                image
            },
            digest: labelled(label::DIGEST),
            state: match server.status.as_str() {
                "ACTIVE" => State::Running,
                "PAUSED" | "SUSPENDED" => State::Paused,
                "BUILD" | "REBUILD" | "REBOOT" | "HARD_REBOOT" => State::Starting,
                "ERROR" => State::Failed(String::new()),
                // A server that is shut off can be started again, like a container that was stopped.
                "SHUTOFF" => State::Exited(143),
                other => State::Other(clean::short(&other.to_lowercase().replace('_', " "), 20)),
            },
            created: server.created.as_deref().and_then(text::parse_timestamp),
            ports: Vec::new(),
            addresses: server.address_words(),
            note: server.fault_words(),
            facts: Vec::new(),
        }
    }
}

#[async_trait]
impl Launcher for Images {
    fn name(&self) -> &str {
        &self.cloud.name
    }

    fn also_called(&self) -> Option<&str> {
        self.cloud.also.as_deref()
    }

    fn abilities(&self) -> &[Ability] {
        use Ability::{Logs, Remove, Resize, Snapshot, Start, Usage, Volumes};
        &[Logs, Usage, Start, Snapshot, Volumes, Resize, Remove]
    }

    fn instead(&self, ability: Ability) -> (&'static str, &'static str) {
        match ability {
            Ability::Attach => (
                "a server's console is a picture, which no terminal shows",
                "'wharf logs' follows the text of the console; the picture is in the cloud's dashboard",
            ),
            _ => {
                ("programs cannot be started in it from outside", "sign in with ssh, if it has a network and your key")
            }
        }
    }

    fn accepts(&self, image: &Image) -> Result<()> {
        let what = format!("launch {} on {}", image.reference, self.cloud.name);
        match &image.reference {
            ImageRef::Glance { cloud, .. } if *cloud == self.cloud.name => {}
            _ if image.kind == ImageKind::Container => {
                return Err(Error::unsupported(what, "a server boots a disk image, not a container image"));
            }
            ImageRef::Volume { cloud, .. } if *cloud == self.cloud.name => {
                return Err(Error::unsupported(what, "it is on block storage, and Wharf launches images")
                    .hint("'wharf share' makes an image of a volume: launch that one"));
            }
            _ => {
                return Err(Error::unsupported(what, "the image is not in this cloud")
                    .hint("upload it there first: wharf push FILE glance://CLOUD/NAME"));
            }
        }
        if image.pinned.is_none() {
            return Err(Error::unsupported(
                what,
                "the cloud keeps no hash of it: nothing says that it is what was looked at",
            )
            .hint("ask its owner to upload it again"));
        }
        Ok(())
    }

    async fn form(&self, _cx: &Context, image: &Image) -> Result<Form> {
        let facts = self.facts(&format!("ask {}", self.cloud.name)).await?;
        let form = plan::form(image, &facts);
        *self.offered_now.lock().await = Some((Instant::now(), facts));
        form
    }

    async fn plan(&self, _cx: &Context, image: &Image, answers: &Answers) -> Result<Plan> {
        let what = format!("plan on {}", self.cloud.name);
        let (facts, limits) = tokio::join!(self.facts_of_form(&what), self.limits(&what));
        let facts = facts?;
        let answers = plan::form(image, &facts)?.check(&plan::with_labels(image, &facts, answers)?)?;
        // A cloud that does not tell its limits can still launch.
        let compute = self.cloud.server(Service::Compute).await?.base().to_string();
        plan::plan((&self.cloud.name, &compute), image, &facts, limits.ok().as_ref(), answers)
    }

    async fn launch(&self, cx: &Context, plan: &Plan, _supply: &Supply) -> Result<Workload> {
        let what = format!("launch on {}", self.cloud.name);
        let already = self
            .servers(&what)
            .await?
            .into_iter()
            .find(|server| server.metadata.get(label::KEY).is_some_and(|key| *key == plan.idempotency_key));
        let id = match already {
            Some(server) => server.id,
            None => {
                // The image that was judged is launched: the cloud must still have the same hash.
                let ImageRef::Glance { image, .. } = &plan.image.reference else {
                    return Err(Error::usage(what, "it is not an image of a cloud"));
                };
                let now = self.find(&what, image).await?;
                match now.digest() {
                    Some(digest) => plan.image.digest.matches(&digest, &what)?,
                    None => return Err(Error::new(Kind::Integrity, what, "the cloud no longer keeps its hash")),
                }
                cx.progress.phase("asking for a server");
                let (_, sent) = plan.call(&what)?;
                let certified = sent.pointer("/server/trusted_image_certificates").is_some();
                let version = if certified { CERTIFIED } else { CREATE };
                let request = Request::new(Method::POST, "servers", Body::Json(sent.clone())).at(version);
                let made: ServerAnswer = self.cloud.json(&what, Service::Compute, request).await?;
                made.server.id
            }
        };
        let server = self.until_running(cx, &what, &id).await?;
        Ok(self.workload(&server))
    }

    async fn workloads(&self, _cx: &Context) -> Result<(Vec<Workload>, Extent)> {
        let what = format!("list servers of {}", self.cloud.name);
        match self.cloud.part::<Server>(&what, Service::Compute, SERVERS.0, SERVERS.1).await {
            Ok(Part { rows, cut }) => {
                Ok((rows.iter().map(|server| self.workload(server)).collect(), Extent::cut_short(cut)))
            }
            // A cloud without a compute service has no servers.
            Err(error) if error.kind == Kind::Unsupported => Ok((Vec::new(), Extent::Whole)),
            Err(error) => Err(error),
        }
    }

    async fn logs(&self, _cx: &Context, id: &str, wanted: LogRange) -> Result<ByteStream> {
        let what = format!("read the console of {id}");
        if wanted.needs_times() {
            return Err(Error::unsupported(what, "the console of a server is kept without times")
                .hint("its own system log has them"));
        }
        let follow = wanted.follow;
        let first = self.console(&what, id).await?;
        let (images, id) = (Self::new(self.cloud.clone()), id.to_owned());
        let begin = (Some(first.clone()), first, images, id, what);
        Ok(Box::pin(stream::try_unfold(begin, move |(now, mut seen, images, id, what)| async move {
            if let Some(now) = now {
                return Ok(Some((Bytes::from(now), (None, seen, images, id, what))));
            }
            if !follow {
                return Ok(None);
            }
            loop {
                tokio::time::sleep(WATCH).await;
                let whole = images.console(&what, &id).await?;
                // The console shows the last lines: new ones follow those that were seen.
                let news = whole.strip_prefix(&seen).map_or(whole.clone(), str::to_owned);
                if news.is_empty() {
                    if images.server(&what, &id).await?.status != "ACTIVE" {
                        return Ok(None);
                    }
                    continue;
                }
                seen = whole;
                return Ok(Some((Bytes::from(news), (None, seen, images, id, what))));
            }
        })))
    }

    async fn usage(&self, _cx: &Context, id: &str) -> Result<Option<Usage>> {
        self.figures(id).await
    }

    async fn attach(&self, cx: &Context, id: &str, volume: &ImageRef) -> Result<()> {
        self.put_in(cx, id, volume).await
    }

    async fn detach(&self, cx: &Context, id: &str, volume: &ImageRef) -> Result<()> {
        self.detach(cx, id, volume).await
    }

    async fn stop(&self, _cx: &Context, id: &str) -> Result<()> {
        let what = format!("stop {id}");
        if self.server(&what, id).await?.status == "SHUTOFF" {
            return Ok(());
        }
        self.act(&what, id, None, json!({"os-stop": null})).await?;
        for _ in 0..60 {
            if self.server(&what, id).await?.status == "SHUTOFF" {
                return Ok(());
            }
            tokio::time::sleep(WATCH / 4).await;
        }
        Err(Error::new(Kind::Unavailable, what, "it does not shut off").hint("look at its console: wharf logs"))
    }

    async fn sizes(&self, _cx: &Context, id: &str) -> Result<Form> {
        self.size_form(id).await
    }

    async fn resize(&self, cx: &Context, id: &str, answers: &Answers) -> Result<()> {
        self.to_flavor(cx, id, answers).await
    }

    async fn start(&self, _cx: &Context, id: &str, again: bool) -> Result<()> {
        let what = format!("{} {id}", if again { "reboot" } else { "start" });
        if again {
            return self.act(&what, id, None, json!({"reboot": {"type": "SOFT"}})).await.map(|_| ());
        }
        match waking(&self.server(&what, id).await?.status) {
            Some(action) => self.act(&what, id, None, json!({action: null})).await.map(|_| ()),
            None => Ok(()),
        }
    }

    async fn snapshot(&self, cx: &Context, id: &str, name: &str) -> Result<ImageRef> {
        let what = format!("take a snapshot of {id}");
        // Begun before a crash or a broken connection: the same name for the same server means that snapshot.
        let known = self.named(&what, name, "limit=10").await?;
        let earlier = known.into_iter().find(|image| image.property("instance_uuid") == id);
        let image = match earlier {
            Some(image) => image.id,
            None => {
                let made = self.act(&what, id, Some(SNAPSHOT), json!({"createImage": {"name": name}})).await?;
                let answer: serde_json::Value =
                    serde_json::from_slice(&made).map_err(|error| Error::failed(&what, error))?;
                let id = answer.get("image_id").and_then(serde_json::Value::as_str).unwrap_or("").to_owned();
                if !text::is_uuid(&id) {
                    return Err(Error::failed(what, "the cloud names no image for it"));
                }
                id
            }
        };
        self.until_whole(cx, &what, &image).await
    }

    async fn remove(&self, _cx: &Context, id: &str) -> Result<()> {
        let what = format!("remove {id}");
        let path = path(&what, id)?;
        match self.cloud.send(&what, Service::Compute, Request::new(Method::DELETE, &path, Body::None)).await {
            Err(error) if error.kind == Kind::NotFound => return Ok(()),
            other => other?,
        };
        // The server is gone when the cloud no longer finds it.
        for _ in 0..60 {
            match self.server(&what, id).await {
                Err(error) if error.kind == Kind::NotFound => return Ok(()),
                _ => tokio::time::sleep(WATCH / 4).await,
            }
        }
        Ok(())
    }

    async fn health(&self, cx: &Context) -> Result<Health> {
        let mut health = Catalog::health(self, cx).await?;
        if let Ok(limits) = self.limits("ask for the quota").await {
            health.note = format!("{} of {} servers in use", limits.instances.0, limits.instances.1);
        }
        Ok(health)
    }
}

impl Images {
    async fn console(&self, what: &str, id: &str) -> Result<String> {
        let answer = self.act(what, id, None, json!({"os-getConsoleOutput": {}})).await?;
        let answer: serde_json::Value = serde_json::from_slice(&answer).map_err(|error| Error::failed(what, error))?;
        let text = answer.get("output").and_then(serde_json::Value::as_str).unwrap_or("");
        let mut text = text.to_owned();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        Ok(text)
    }

    /// The choices of the form. Each answer makes a plan, and need not read all of them from the cloud again.
    async fn facts_of_form(&self, what: &str) -> Result<Arc<plan::Facts>> {
        let mut kept = self.offered_now.lock().await;
        match &*kept {
            Some((when, facts)) if when.elapsed() < FORM => Ok(facts.clone()),
            _ => {
                let facts = self.facts(what).await?;
                *kept = Some((Instant::now(), facts.clone()));
                Ok(facts)
            }
        }
    }

    /// The choices of a server's form, all read at the same time.
    async fn facts(&self, what: &str) -> Result<Arc<plan::Facts>> {
        let flavors = self.cloud.part(what, Service::Compute, "flavors/detail", "flavors");
        let networks = self.cloud.part(what, Service::Network, "networks", "networks");
        let keys = self.cloud.json(what, Service::Compute, Request::get("os-keypairs"));
        let zones = self.cloud.json(what, Service::Compute, Request::get("os-availability-zone"));
        let limits = self.limits(what);
        let (flavors, networks, keys, zones, limits) =
            tokio::join!(Box::pin(flavors), Box::pin(networks), Box::pin(keys), Box::pin(zones), Box::pin(limits));
        Ok(Arc::new(plan::Facts {
            flavors: flavors?.rows,
            // A person who can launch may be refused each of these.
            networks: networks.map(|part| part.rows).unwrap_or_default(),
            keys: keys.unwrap_or_default(),
            zones: zones.unwrap_or_default(),
            limits: limits.ok(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_has_its_own_way_back() {
        for (status, action) in [
            ("ACTIVE", None),
            ("PAUSED", Some("unpause")),
            ("SUSPENDED", Some("resume")),
            ("SHELVED", Some("unshelve")),
            ("SHELVED_OFFLOADED", Some("unshelve")),
            ("RESCUE", Some("unrescue")),
            ("SHUTOFF", Some("os-start")),
        ] {
            assert_eq!(waking(status), action, "{status}");
        }
    }
}
