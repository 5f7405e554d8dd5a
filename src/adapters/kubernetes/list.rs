//! Lists of the cluster: in pages, of the person's own launches or of all.

use std::collections::BTreeMap;

use futures_util::join;
use serde::de::DeserializeOwned;

use super::{
    cluster::{Cluster, Refused},
    kind::Kind,
    objects::{ACCOUNT, Event, Job, MANAGER, Machine, Page, Pod},
    state,
};
use crate::shared::http::encoded;
use wharf_core::{
    base::{clean, context::Context, error::Result, text},
    launch::{
        listing::ListScope,
        plan::{State, Workload},
    },
    ports::Extent,
};

/// Objects on a page, as kubectl asks for them.
const PAGE: usize = 500;
/// The most pages of a list.
const PAGES: usize = 40;
/// The most workloads whose reason for waiting is looked up.
const REASONS: usize = 8;
/// Seconds after which somebody wants to know why a workload has not started.
const PATIENT: i64 = 5;
/// The label of a job's pods, which all versions write.
const JOB: &str = "job-name";

/// One page of a list; a refusal is an answer.
pub(super) async fn page<T: DeserializeOwned>(
    cluster: &Cluster,
    cx: &Context,
    path: &str,
    query: &str,
    what: &str,
) -> Result<Result<Page<T>, Refused>> {
    cluster.look(cx, &format!("{path}?{query}"), what).await
}

/// All objects of a list, and why they are not all, if so.
pub(super) async fn all<T: DeserializeOwned>(
    cluster: &Cluster,
    cx: &Context,
    kind: Kind,
    selector: &str,
    what: &str,
) -> Result<Result<(Vec<T>, Option<String>), Refused>> {
    let path = kind.path(&cluster.place(cx, what).await?.namespace);
    let selector = if selector.is_empty() { String::new() } else { format!("&labelSelector={}", encoded(selector)) };
    let mut objects = Vec::new();
    let mut next = String::new();
    for _ in 0..PAGES {
        let from = if next.is_empty() { String::new() } else { format!("&continue={}", encoded(&next)) };
        let read = page(cluster, cx, &path, &format!("limit={PAGE}{selector}{from}"), what).await?;
        let page: Page<T> = match read {
            Ok(page) => page,
            // The list has changed so much meanwhile that the rest of it is gone (410).
            Err(refused) if refused.code == 410 && !objects.is_empty() => {
                return Ok(Ok((objects, Some("it changed while it was read".into()))));
            }
            Err(refused) => return Ok(Err(refused)),
        };
        objects.extend(page.items.unwrap_or_default());
        match page.metadata.next.filter(|next| !next.is_empty()) {
            Some(more) => next = more,
            None => return Ok(Ok((objects, None))),
        }
    }
    let cut = format!("only the first {} are listed", objects.len());
    Ok(Ok((objects, Some(cut))))
}

/// The selector of what this account has launched.
fn mine(account: &str) -> String {
    format!("{}={},{ACCOUNT}={account}", MANAGER.0, MANAGER.1)
}

/// The workloads of a scope.
pub(super) async fn workloads(
    cluster: &Cluster,
    cx: &Context,
    account: &str,
    scope: ListScope,
) -> Result<(Vec<Workload>, Extent)> {
    let what = format!("list workloads of {}", cluster.name);
    let selector = if scope.everybody { String::new() } else { mine(account) };
    let (jobs, pods, machines) = join!(
        all::<Job>(cluster, cx, Kind::Job, &selector, &what),
        all::<Pod>(cluster, cx, Kind::Pod, &selector, &what),
        all::<Machine>(cluster, cx, Kind::Machine, &selector, &what),
    );
    let mut cuts = Vec::new();
    let (jobs, cut) = jobs?.map_err(|refused| refused.error(&what))?;
    cuts.extend(cut);
    // Whoever may see jobs and no pods still sees their own jobs.
    let pods = match pods? {
        Ok((pods, cut)) => {
            cuts.extend(cut);
            pods
        }
        Err(refused) => {
            cuts.push(refused.error(&what).why);
            Vec::new()
        }
    };
    // A cluster without KubeVirt has no such path.
    let machines = machines?.map(|(machines, _)| machines).unwrap_or_default();
    let mut workloads = joined(&cluster.name, &jobs, &pods);
    workloads.extend(machines.iter().map(|machine| state::machine(&cluster.name, machine)));
    tell_reasons(cluster, cx, &mut workloads).await;
    Ok((workloads, Extent::cut_short(cuts.into_iter().next())))
}

/// Jobs with their newest pods, and the pods that are no job's.
fn joined(backend: &str, jobs: &[Job], pods: &[Pod]) -> Vec<Workload> {
    let mut newest: BTreeMap<&str, &Pod> = BTreeMap::new();
    let mut alone: Vec<&Pod> = Vec::new();
    // By the id, which nobody but the cluster's own controller knows before: a name can be anybody's.
    let known: std::collections::BTreeSet<&str> = jobs.iter().map(|job| job.metadata.uid.as_str()).collect();
    for pod in pods {
        let of_job = pod.metadata.owner_references.iter().flatten().find(|owner| owner.kind == "Job");
        match of_job.filter(|owner| known.contains(owner.uid.as_str())) {
            Some(owner) => {
                let is_newer = |old: &&Pod| old.metadata.creation_timestamp < pod.metadata.creation_timestamp;
                let place = newest.entry(&owner.uid).or_insert(pod);
                if is_newer(place) {
                    *place = pod;
                }
            }
            // Of a machine, its own object tells more.
            None if pod
                .metadata
                .owner_references
                .iter()
                .flatten()
                .any(|owner| owner.kind == Kind::Machine.api_name()) => {}
            None => alone.push(pod),
        }
    }
    let jobs = jobs.iter().map(|job| state::job(backend, job, newest.get(job.metadata.uid.as_str()).copied()));
    jobs.chain(alone.into_iter().map(|pod| state::pod(backend, pod))).collect()
}

/// Says why workloads wait, where they do not say it themselves: by the newest warning about them or their pods, as a job
/// without pods has it, or a pod whose sandbox cannot be made.
async fn tell_reasons(cluster: &Cluster, cx: &Context, workloads: &mut [Workload]) {
    let long_ago = text::now() - PATIENT;
    let silent = |one: &&mut Workload| match &one.state {
        State::Queued { reason, .. } => reason.is_empty(),
        State::Starting => one.created.is_some_and(|created| created < long_ago),
        _ => false,
    };
    let asked = workloads.iter_mut().filter(silent).take(REASONS).map(async |workload| {
        let pod = workload.facts.iter().find(|(name, _)| name == state::POD).map(|(_, pod)| pod.clone());
        let about = match (&pod, parsed(&workload.id)) {
            (Some(pod), _) => (Kind::Pod, pod.as_str()),
            (None, Some(whole)) => whole,
            (None, None) => return,
        };
        if let Ok(Some(reason)) = warning(cluster, cx, about, &workload.id).await {
            workload.state = State::Queued { reason, starts: None };
        }
    });
    futures_util::future::join_all(asked).await;
}

/// The newest warning about an object.
async fn warning(cluster: &Cluster, cx: &Context, (kind, name): (Kind, &str), id: &str) -> Result<Option<String>> {
    let what = format!("ask why {id} waits");
    let namespace = &cluster.place(cx, &what).await?.namespace;
    let about = encoded(&format!("involvedObject.kind={},involvedObject.name={name},type=Warning", kind.api_name()));
    let path = format!("/api/v1/namespaces/{namespace}/events");
    let read = page::<Event>(cluster, cx, &path, &format!("limit=50&fieldSelector={about}"), &what).await?;
    let events = read.map(|page| page.items.unwrap_or_default()).unwrap_or_default();
    Ok(newest_failure(&events))
}

/// The newest of these warnings, in words. One that something failed counts more than others.
fn newest_failure(events: &[Event]) -> Option<String> {
    let failed = |event: &Event| event.reason.as_deref().is_some_and(|reason| reason.starts_with("Failed"));
    let last = events.iter().max_by_key(|event| (failed(event), event.last_timestamp.as_deref()))?;
    let (reason, message) = (last.reason.as_deref().unwrap_or_default(), last.message.as_deref().unwrap_or_default());
    Some(clean::short(&format!("{reason}: {message}"), 200))
}

/// The kind and the name in an id.
pub(super) fn parsed(id: &str) -> Option<(Kind, &str)> {
    let (word, name) = id.split_once('/')?;
    Some((Kind::from_word(word)?, name)).filter(|(_, name)| super::settings::is_name(name))
}

/// The newest pod of a job; `None` also where this person may not see pods. Its labels can be anybody's, so that the job
/// must be its owner.
pub(super) async fn pod_of_job(cluster: &Cluster, cx: &Context, job: &Job, what: &str) -> Result<Option<Pod>> {
    let path = Kind::Pod.path(&cluster.place(cx, what).await?.namespace);
    let query = format!("limit=500&labelSelector={}", encoded(&format!("{JOB}={}", job.metadata.name)));
    let page: Page<Pod> = match page(cluster, cx, &path, &query, what).await? {
        Err(refused) if refused.code == 403 => return Ok(None),
        answer => answer.map_err(|refused| refused.error(what))?,
    };
    let owned = |pod: &Pod| {
        let mut owners = pod.metadata.owner_references.iter().flatten();
        owners.any(|owner| owner.kind == "Job" && owner.uid == job.metadata.uid)
    };
    let pods = page.items.unwrap_or_default().into_iter().filter(owned);
    Ok(pods.max_by_key(|pod| pod.metadata.creation_timestamp.clone()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_job_is_one_row_with_its_newest_pod_and_other_pods_have_their_own() {
        let jobs: Vec<Job> = serde_json::from_value(json!([{ "metadata": { "name": "a", "uid": "u-a" } }])).unwrap();
        let pod = |name: &str, owner: (&str, &str), made: &str, exit: i64| {
            json!({ "metadata": { "name": name, "creationTimestamp": made, "ownerReferences": [{ "kind": owner.0, "uid": owner.1 }] },
                "status": { "phase": "Failed", "containerStatuses": [{ "state": { "terminated": { "exitCode": exit } } }] } })
        };
        let pods: Vec<Pod> = serde_json::from_value(json!([
            pod("a-1", ("Job", "u-a"), "2026-11-30T00:00:01Z", 1),
            pod("a-2", ("Job", "u-a"), "2026-11-30T00:00:02Z", 2),
            pod("b-1", ("ReplicaSet", "b"), "2026-11-30T00:00:00Z", 3),
            pod("gone-1", ("Job", "gone"), "2026-11-30T00:00:00Z", 4),
            pod("virt-launcher-m", ("VirtualMachineInstance", "m"), "2026-11-30T00:00:00Z", 5),
        ]))
        .unwrap();
        let rows: Vec<(String, State)> =
            joined("lab", &jobs, &pods).into_iter().map(|one| (one.id, one.state)).collect();
        assert_eq!(
            rows,
            [
                ("job/a".to_owned(), State::Exited(2)),
                ("pod/b-1".to_owned(), State::Exited(3)),
                ("pod/gone-1".to_owned(), State::Exited(4))
            ]
        );
    }

    #[test]
    fn of_several_warnings_the_newest_failure_is_told() {
        let events: Vec<Event> = serde_json::from_value(json!([
            { "reason": "FailedMount", "message": "old", "lastTimestamp": "2026-11-30T00:00:01Z" },
            { "reason": "FailedCreatePodSandBox", "message": "no \u{1b}[2Jhandler", "lastTimestamp": "2026-11-30T00:00:05Z" },
            { "reason": "MissingClusterDNS", "message": "dns", "lastTimestamp": "2026-11-30T00:00:09Z" },
        ]))
        .unwrap();
        assert_eq!(newest_failure(&events).as_deref(), Some("FailedCreatePodSandBox: no �[2Jhandler"));
        assert_eq!(newest_failure(&[]), None);
    }

    #[test]
    fn an_id_is_a_kind_and_a_name_and_nothing_else() {
        assert_eq!(parsed("job/a-1").map(|(kind, name)| (kind.word(), name)), Some(("job", "a-1")));
        for bad in ["a", "job/", "job/../../secrets", "job/a?x=1", "secret/a", "job/a/log", "Job/a"] {
            assert!(parsed(bad).is_none(), "{bad}");
        }
    }
}
