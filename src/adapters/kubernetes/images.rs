//! The images that pods of the namespace run, as rows of the catalog: a finding in one of them says what runs with it.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::{
    cluster::Cluster,
    kind::Kind,
    list,
    objects::{MAIN, Pod},
};
use wharf_core::{
    base::{
        clean,
        context::Context,
        digest::Digest,
        error::{Error, Result},
        text,
    },
    catalog::rows::Row,
    image::{
        model::{Health, Image, Platform},
        reference::{ImageRef, Name},
    },
    launch::plan::label,
    portal::{Abilities, Source},
    ports::{Catalog, Extent},
};

/// The images of the pods of a namespace. Their bytes are at their registries.
struct RunningImages(Arc<Cluster>);

/// The source of the images that run on a cluster.
pub(super) fn source(cluster: Arc<Cluster>, address: &str, origin: &str) -> Source {
    Source {
        name: cluster.name.clone(),
        adapter: "kubernetes",
        address: address.to_owned(),
        origin: origin.to_owned(),
        user: None,
        abilities: Abilities { changed_at: "the cluster: it runs them, and keeps none", ..Abilities::default() },
        catalog: Arc::new(RunningImages(cluster)),
        content: None,
        sharer: None,
        disks: None,
        upkeep: None,
    }
}

#[async_trait]
impl Catalog for RunningImages {
    async fn list(&self, cx: &Context, _query: Option<&str>, pages: mpsc::Sender<Vec<Row>>) -> Result<Extent> {
        let what = format!("list the images that run on {}", self.0.name);
        let listed = list::all::<Pod>(&self.0, cx, Kind::Pod, "", &what).await?;
        let (pods, cut) = listed.map_err(|refused| refused.error(&what))?;
        let _ = pages.send(rows(&pods)).await;
        Ok(Extent::cut_short(cut))
    }

    fn reference(&self, name: &str, tag: Option<&str>) -> Result<ImageRef> {
        let tag = tag.map_or_else(String::new, |tag| format!(":{tag}"));
        format!("oci://{name}{tag}").parse()
    }

    /// None: each belongs to its registry.
    fn owns(&self, _reference: &ImageRef) -> bool {
        false
    }

    async fn image(&self, _cx: &Context, reference: &ImageRef, _platform: Option<&Platform>) -> Result<Image> {
        Err(at_its_registry(reference))
    }

    async fn tags(&self, _cx: &Context, reference: &ImageRef) -> Result<Vec<String>> {
        Err(at_its_registry(reference))
    }

    async fn health(&self, cx: &Context) -> Result<Health> {
        let what = format!("ask {}", self.0.name);
        let version = self.0.version(cx, &what).await?;
        let place = self.0.place(cx, &what).await?;
        Ok(Health {
            reachable: true,
            account: clean::short(&place.user, 60),
            credentials: String::new(),
            note: format!("what runs in namespace {}, Kubernetes {version}", place.namespace),
        })
    }
}

fn at_its_registry(reference: &ImageRef) -> Error {
    Error::unsupported(format!("show {reference}"), "a cluster only says that it runs it")
        .hint("open it by its own name: its registry has it")
}

/// An image of a container, as its row shows it.
#[derive(Debug, Default)]
struct Running {
    /// Its tags, each with the digest that a node says it runs.
    tags: BTreeMap<String, Option<Digest>>,
    /// The digest, where it runs without a tag.
    digest: Option<Digest>,
    /// How many pods run it.
    pods: usize,
    /// When the youngest of them began, in seconds since 1970.
    since: Option<i64>,
}

/// A row for each repository whose images run, and one for each digest that runs without a tag.
fn rows(pods: &[Pod]) -> Vec<Row> {
    let mut all: BTreeMap<String, Running> = BTreeMap::new();
    for pod in pods.iter().filter(|pod| is_there(pod)) {
        let mut images: Vec<(Name, Option<Digest>)> = containers(pod);
        images.sort();
        images.dedup();
        let since = pod.status.start_time.as_deref().and_then(text::parse_timestamp);
        for (name, digest) in images {
            let bare = name.bare();
            let place = match (&name.tag, &digest) {
                (None, Some(digest)) => format!("{bare}@{digest}"),
                _ => bare,
            };
            let running = all.entry(place).or_default();
            match name.tag {
                // A pod that has just begun does not know the digest yet.
                Some(tag) => {
                    let known = running.tags.entry(tag).or_default();
                    *known = known.take().or(digest);
                }
                None if digest.is_some() => running.digest = digest,
                None => drop(running.tags.insert("latest".to_owned(), None)),
            }
            running.pods += 1;
            running.since = running.since.max(since);
        }
    }
    all.into_iter().map(|(name, running)| row(name, running)).collect()
}

fn row(name: String, running: Running) -> Row {
    let (tags, digests): (Vec<String>, Vec<Option<Digest>>) = running.tags.into_iter().unzip();
    Row {
        name,
        tags,
        digest: digests.into_iter().next().unwrap_or(running.digest),
        updated: running.since,
        note: format!("runs in {}", text::plural(running.pods as u64, "pod", "pods")),
        ..Row::default()
    }
}

/// Whether a pod has not ended.
fn is_there(pod: &Pod) -> bool {
    !matches!(pod.status.phase.as_deref(), Some("Succeeded" | "Failed"))
}

/// The images of a pod's containers. A node's digest counts where none was asked for; what Wharf launched by digest has the
/// tag that it was launched by.
fn containers(pod: &Pod) -> Vec<(Name, Option<Digest>)> {
    let (spec, status) = (&pod.spec, &pod.status);
    let asked = spec.containers.iter().chain(&spec.init_containers).flatten();
    let told = || status.container_statuses.iter().chain(&status.init_container_statuses).flatten();
    let found = asked.filter_map(|container| {
        let Ok(ImageRef::Oci(mut name)) = container.image.as_deref()?.parse() else { return None };
        let node = told().find(|one| one.name == container.name).and_then(|one| one.image_id.as_deref());
        let on_node = || node?.rsplit_once('@')?.1.parse().ok();
        let digest = name.digest.take().or_else(on_node);
        if name.tag.is_none() && container.name == MAIN {
            name.tag = launched_by(pod, &name);
        }
        Some((name, digest))
    });
    found.collect()
}

/// The tag by which Wharf launched this image.
fn launched_by(pod: &Pod, name: &Name) -> Option<String> {
    match pod.metadata.annotation(label::REFERENCE).parse().ok()? {
        ImageRef::Oci(launched) if launched.bare() == name.bare() => launched.tag,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn sha(letter: &str) -> String {
        format!("sha256:{}", letter.repeat(64))
    }

    #[test]
    fn each_image_is_a_row_that_says_how_many_pods_run_it() {
        let (one, two) = (sha("1"), sha("2"));
        let pod = |phase: &str, images: &[(&str, &str)], reference: &str| {
            let named = |at: usize| if at == 0 { "main".to_owned() } else { format!("c{at}") };
            let containers: Vec<Value> = images
                .iter()
                .enumerate()
                .map(|(at, (image, _))| json!({ "name": named(at), "image": image }))
                .collect();
            let told: Vec<Value> =
                images.iter().enumerate().map(|(at, (_, id))| json!({ "name": named(at), "imageID": id })).collect();
            json!({ "metadata": { "name": "p", "annotations": { label::REFERENCE: reference } }, "spec": { "containers": containers },
                "status": { "phase": phase, "startTime": "2026-11-30T00:00:01Z", "containerStatuses": told } })
        };
        let by_node = format!("docker-pullable://r.example/a/web@{one}");
        let pinned = format!("r.example/a/tool@{two}");
        let pods: Vec<Pod> = serde_json::from_value(json!([
            pod("Running", &[("r.example/a/web:1", &by_node), ("r.example/a/web:1", &by_node)], ""),
            pod("Running", &[("r.example/a/web:1", &by_node)], ""),
            pod("Pending", &[(&pinned, "")], "oci://r.example/a/tool:9"),
            pod("Running", &[(&pinned, "")], "oci://other.example/a/tool:9"),
            pod("Running", &[("busybox", "")], ""),
            pod("Running", &[("not an image\u{1b}", "")], ""),
            pod("Succeeded", &[("r.example/a/over:1", "")], ""),
        ]))
        .unwrap();
        let told: Vec<(String, Vec<String>, Option<String>, String)> = rows(&pods)
            .into_iter()
            .map(|row| (row.name, row.tags, row.digest.map(|digest| digest.to_string()), row.note))
            .collect();
        let is = |name: &str, tags: &[&str], digest: Option<&str>, note: &str| {
            (
                name.to_owned(),
                tags.iter().map(ToString::to_string).collect::<Vec<_>>(),
                digest.map(str::to_owned),
                note.to_owned(),
            )
        };
        assert_eq!(
            told,
            [
                is("docker.io/library/busybox", &["latest"], None, "runs in 1 pod"),
                is("r.example/a/tool", &["9"], Some(&two), "runs in 1 pod"),
                is(&pinned, &[], Some(&two), "runs in 1 pod"),
                is("r.example/a/web", &["1"], Some(&one), "runs in 2 pods"),
            ]
        );
    }
}
