//! What pods use, where the cluster measures it (the metrics API, `metrics.k8s.io/v1beta1`). It measures every 15 seconds or
//! so: all of a namespace is asked for at once, and kept for a while.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde::Deserialize;

use super::{
    cluster::Cluster,
    find::find,
    list,
    objects::{Meta, Pod},
    quantity,
};
use wharf_core::{
    base::{context::Context, error::Result},
    launch::usage::Usage,
};

/// How long measurements are kept.
const MEASURED: Duration = Duration::from_secs(10);
/// How long it is remembered which pod a workload has.
const KNOWN: Duration = Duration::from_secs(60);
/// The most pods whose measurements are read.
const PODS: usize = 5000;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct PodMetrics {
    metadata: Meta,
    containers: Option<Vec<Measured>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Measured {
    name: String,
    usage: BTreeMap<String, String>,
}

/// The container of a workload that is measured, and its limits.
#[derive(Debug, Clone, Default, PartialEq)]
struct Place {
    pod: String,
    container: String,
    processors: Option<u64>,
    memory: Option<u64>,
}

/// The measurements of a namespace: those of each container, by pod and name.
type Measurements = BTreeMap<(String, String), BTreeMap<String, String>>;

/// What is kept of a cluster's measurements.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    /// The last answer; `None` in it where the cluster does not measure, or does not tell. Whoever asks holds it.
    measured: tokio::sync::Mutex<Option<(Instant, Option<Measurements>)>>,
    places: Mutex<BTreeMap<String, (Instant, Place)>>,
}

impl Metrics {
    /// What a workload uses now; `None` where the cluster does not measure, or does not tell this person.
    pub(super) async fn usage(&self, cluster: &Cluster, cx: &Context, id: &str) -> Result<Option<Usage>> {
        let what = format!("measure {id}");
        let mut kept = self.measured.lock().await;
        if kept.as_ref().is_none_or(|(at, _)| at.elapsed() >= MEASURED) {
            *kept = Some((Instant::now(), ask(cluster, cx, &what).await?));
        }
        if matches!(&*kept, Some((_, None))) {
            return Ok(None);
        }
        drop(kept);
        let place = self.place(cluster, cx, id, &what).await?;
        let kept = self.measured.lock().await;
        let Some((_, Some(all))) = &*kept else { return Ok(None) };
        let own = all.get(&(place.pod.clone(), place.container.clone()));
        let told = |name: &str| own.and_then(|own| own.get(name));
        Ok(Some(Usage {
            cpu_percent: told("cpu").and_then(|told| quantity::thousandths(told)).map(|part| part as f64 / 10.0),
            processors: place.processors,
            memory: told("memory").and_then(|told| quantity::whole(told)),
            memory_limit: place.memory,
            ..Usage::default()
        }))
    }

    /// The container that is measured for a workload.
    async fn place(&self, cluster: &Cluster, cx: &Context, id: &str, what: &str) -> Result<Place> {
        let known = self.places.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        if let Some((_, place)) = known.filter(|(at, _)| at.elapsed() < KNOWN) {
            return Ok(place);
        }
        let place = find(cluster, cx, id, what).await?.pod().map(place_of).unwrap_or_default();
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|_, (at, _)| at.elapsed() < KNOWN);
        // A job that waits for its pod is looked up again.
        if !place.pod.is_empty() {
            places.insert(id.to_owned(), (Instant::now(), place.clone()));
        }
        Ok(place)
    }
}

/// The measurements of the namespace; `None` where there are none for this person.
async fn ask(cluster: &Cluster, cx: &Context, what: &str) -> Result<Option<Measurements>> {
    let namespace = &cluster.place(cx, what).await?.namespace;
    let path = format!("/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods");
    let Ok(page) = list::page::<PodMetrics>(cluster, cx, &path, &format!("limit={PODS}"), what).await? else {
        return Ok(None);
    };
    let pods = page.items.unwrap_or_default().into_iter();
    let containers = pods.flat_map(|pod| {
        let name = pod.metadata.name;
        pod.containers.into_iter().flatten().map(move |one| ((name.clone(), one.name), one.usage))
    });
    Ok(Some(containers.collect()))
}

fn place_of(pod: &Pod) -> Place {
    let main = pod.main();
    let limits = main.and_then(|main| main.resources.as_ref()?.limits.as_ref());
    let limit = |name: &str| limits.and_then(|limits| limits.get(name)).and_then(|limit| quantity::whole(limit));
    Place {
        pod: pod.metadata.name.clone(),
        container: main.map(|main| main.name.clone()).unwrap_or_default(),
        processors: limit("cpu"),
        memory: limit("memory"),
    }
}
