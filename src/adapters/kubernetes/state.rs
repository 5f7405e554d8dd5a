//! What pods, jobs and machines tell of themselves, as states and facts of workloads.

use super::objects::{Condition, ContainerStatus, Job, Machine, Meta, Pod, STOPPED, Terminated, Waiting};
use wharf_core::{
    base::{clean, text},
    launch::plan::{State, Workload, label},
};

/// The fact which pod runs a job.
pub(super) const POD: &str = "pod";
/// The longest reason that is shown.
const REASON: usize = 200;
/// The exit code of what was stopped by a person.
const WAS_STOPPED: i64 = 143;
/// Reasons for which a container waits that need no word.
const USUAL: [&str; 2] = ["ContainerCreating", "PodInitializing"];

fn words(reason: Option<&str>, message: Option<&str>) -> String {
    let (reason, message) = (reason.unwrap_or_default(), message.unwrap_or_default());
    let joined = match (reason, message) {
        ("", message) => message.to_owned(),
        (reason, "") => reason.to_owned(),
        (reason, message) => format!("{reason}: {message}"),
    };
    clean::short(&joined, REASON)
}

fn found<'a>(conditions: Option<&'a Vec<Condition>>, kind: &str) -> Option<&'a Condition> {
    conditions?.iter().find(|one| one.kind == kind)
}

fn ended(terminated: &Terminated) -> State {
    match terminated.reason.as_deref() {
        Some("OOMKilled") => State::OutOfMemory,
        Some("ContainerCannotRun" | "StartError") => {
            State::Failed(words(terminated.reason.as_deref(), terminated.message.as_deref()))
        }
        _ => State::Exited(terminated.exit_code),
    }
}

fn waits(waiting: &Waiting) -> State {
    match waiting.reason.as_deref() {
        None => State::Starting,
        Some(usual) if USUAL.contains(&usual) => State::Starting,
        reason => State::Queued { reason: words(reason, waiting.message.as_deref()), starts: None },
    }
}

/// What a pod does, by its phase, its containers and its conditions.
pub(super) fn of_pod(pod: &Pod) -> State {
    let status = &pod.status;
    if status.reason.as_deref() == Some("Evicted") {
        return State::Failed(words(Some("evicted"), status.message.as_deref()));
    }
    let first = pod.main_status();
    let over = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
    if over && !pod.metadata.annotation(STOPPED).is_empty() {
        return State::Exited(WAS_STOPPED);
    }
    if over && status.reason.as_deref() == Some("DeadlineExceeded") {
        return State::Failed("its time was over".into());
    }
    if pod.metadata.deletion_timestamp.is_some() && !over {
        return State::Stopping;
    }
    match (status.phase.as_deref(), first) {
        (Some("Succeeded" | "Failed"), Some(ContainerStatus { state, .. })) if state.terminated.is_some() => {
            state.terminated.as_ref().map_or(State::Exited(0), ended)
        }
        (Some("Succeeded"), _) => State::Exited(0),
        (Some("Failed"), _) => State::Failed(words(status.reason.as_deref(), status.message.as_deref())),
        (_, Some(ContainerStatus { state, .. })) if state.waiting.is_some() => {
            let begins = status.init_container_statuses.iter().flatten().find_map(|one| {
                let waiting = one.state.waiting.as_ref()?;
                waiting.reason.as_deref().filter(|reason| !USUAL.contains(reason)).map(|_| waits(waiting))
            });
            begins.or_else(|| state.waiting.as_ref().map(waits)).unwrap_or(State::Starting)
        }
        (_, Some(ContainerStatus { state, .. })) if state.terminated.is_some() => {
            state.terminated.as_ref().map_or(State::Starting, ended)
        }
        (Some("Running"), _) => State::Running,
        (Some("Pending"), _) => match found(status.conditions.as_ref(), "PodScheduled") {
            Some(one) if one.status == "False" => {
                State::Queued { reason: words(one.reason.as_deref(), one.message.as_deref()), starts: None }
            }
            Some(_) => State::Starting,
            None => State::Queued { reason: String::new(), starts: None },
        },
        (phase, _) => State::Other(clean::short(phase.unwrap_or("unknown"), 20)),
    }
}

/// What a job does, by its conditions and its newest pod.
pub(super) fn of_job(job: &Job, pod: Option<&Pod>) -> State {
    let is = |kind: &str| found(job.status.conditions.as_ref(), kind).filter(|one| one.status == "True");
    let stopped = !job.metadata.annotation(STOPPED).is_empty();
    let now = pod.map(of_pod);
    if job.metadata.deletion_timestamp.is_some() {
        return State::Stopping;
    }
    match (is("Complete"), is("Failed"), now) {
        (Some(_), _, _) => State::Exited(0),
        (_, _, Some(State::Exited(WAS_STOPPED))) if stopped => State::Exited(WAS_STOPPED),
        // Nothing of it had started: it has failed because its time was made short.
        (_, Some(_), None) if stopped => State::Exited(WAS_STOPPED),
        (_, Some(failed), _) if failed.reason.as_deref() == Some("DeadlineExceeded") => {
            State::Failed("its time was over".into())
        }
        (_, Some(_), Some(now)) if now.has_ended() && now != State::Exited(0) => now,
        (_, Some(failed), _) => State::Failed(words(failed.reason.as_deref(), failed.message.as_deref())),
        (_, None, Some(now)) => now,
        // Whoever may not see its pods is told by the job that there are some.
        (_, None, None) if job.status.active.is_some_and(|active| active > 0) => State::Running,
        (_, None, None) => State::Queued { reason: String::new(), starts: None },
    }
}

/// What a machine of KubeVirt does (`status.phase`, KubeVirt's API reference).
pub(super) fn of_machine(machine: &Machine) -> State {
    let status = &machine.status;
    if machine.metadata.deletion_timestamp.is_some() {
        return State::Stopping;
    }
    match status.phase.as_deref() {
        None | Some("" | "Pending") => {
            let why = found(status.conditions.as_ref(), "PodScheduled").filter(|one| one.status == "False");
            let reason = why.map(|one| words(one.reason.as_deref(), one.message.as_deref())).unwrap_or_default();
            State::Queued { reason, starts: None }
        }
        Some("Scheduling" | "Scheduled") => State::Starting,
        Some("Running") => match found(status.conditions.as_ref(), "Paused") {
            Some(paused) if paused.status == "True" => State::Paused,
            _ => State::Running,
        },
        Some("Succeeded") => State::Exited(0),
        Some("Failed") => State::Failed(clean::short(status.reason.as_deref().unwrap_or_default(), REASON)),
        Some(other) => State::Other(clean::short(other, 20)),
    }
}

/// The digest of the image that a pod was told to run; `None` where it is named without one. What a node calls the image
/// (`imageID`) may be any of the names that it has for the same content.
pub(super) fn running_digest(pod: &Pod) -> Option<&str> {
    pod.main()?.image.as_deref()?.rsplit_once('@').map(|(_, digest)| digest)
}

/// Whether a node runs the image already: it says under which name.
pub(super) fn has_image(pod: &Pod) -> bool {
    pod.main_status().and_then(|one| one.image_id.as_deref()).is_some_and(|id| !id.is_empty())
}

/// What Wharf wrote at a workload: the reference and the digest that it was launched with.
fn launched(meta: &Meta) -> (String, String) {
    let told = |key: &str| clean::short(meta.annotation(key), 400);
    (told(label::REFERENCE), told(label::DIGEST))
}

/// A workload with what its metadata tells.
fn described(backend: &str, kind: &str, meta: &Meta, state: State) -> Workload {
    let (image, digest) = launched(meta);
    let created = meta.creation_timestamp.as_deref().and_then(text::parse_timestamp);
    Workload {
        name: clean::short(&meta.name, 80),
        image,
        digest,
        created,
        ..Workload::new(backend, format!("{kind}/{}", clean::short(&meta.name, 253)), state)
    }
}

/// What a pod adds to its workload: its place, its address, and whether it runs the image that was pinned.
fn add_pod(workload: &mut Workload, pod: &Pod) {
    if let Some(node) = pod.spec.node_name.as_deref().filter(|node| !node.is_empty()) {
        workload.facts.push(("node".into(), clean::short(node, 80)));
    }
    if let Some(class) = pod.spec.runtime_class_name.as_deref() {
        workload.facts.push(("runtime".into(), clean::short(class, 60)));
    }
    let main = pod.main();
    if let Some(ip) = pod.status.pod_ip.as_deref() {
        let ports: Vec<u16> =
            main.and_then(|one| one.ports.as_ref()).into_iter().flatten().map(|one| one.container_port).collect();
        let ip = clean::short(ip, 60);
        workload.addresses = if ports.is_empty() {
            vec![ip]
        } else {
            ports.iter().take(16).map(|port| format!("{ip}:{port}")).collect()
        };
    }
    if workload.image.is_empty() {
        workload.image = clean::short(main.and_then(|one| one.image.as_deref()).unwrap_or_default(), 400);
    }
    workload.note = note(workload, pod);
}

/// What is to be said of the image that really runs.
fn note(workload: &Workload, pod: &Pod) -> String {
    let manifest = pod.metadata.annotation(super::body::MANIFEST);
    match running_digest(pod) {
        Some(runs) if is_another(runs, &[&workload.digest, manifest]) => {
            format!("▲ it runs {}, which is not the image that was launched", clean::short(runs, 80))
        }
        _ => String::new(),
    }
}

/// Whether `runs` is none of the digests that were pinned. Where none was pinned, nothing can be said.
pub(super) fn is_another(runs: &str, pinned: &[&str]) -> bool {
    pinned.iter().any(|digest| !digest.is_empty()) && !pinned.contains(&runs)
}

/// A pod as a workload.
pub(super) fn pod(backend: &str, pod: &Pod) -> Workload {
    let mut workload = described(backend, "pod", &pod.metadata, of_pod(pod));
    add_pod(&mut workload, pod);
    workload
}

/// A job as a workload, with its newest pod.
pub(super) fn job(backend: &str, job: &Job, pod: Option<&Pod>) -> Workload {
    let mut workload = described(backend, "job", &job.metadata, of_job(job, pod));
    match pod {
        Some(pod) => {
            workload.facts.push((POD.into(), clean::short(&pod.metadata.name, 253)));
            add_pod(&mut workload, pod);
        }
        None => {
            let main = job.spec.template.spec.main("");
            if workload.image.is_empty() {
                workload.image = clean::short(main.and_then(|one| one.image.as_deref()).unwrap_or_default(), 400);
            }
        }
    }
    workload
}

/// A machine as a workload.
pub(super) fn machine(backend: &str, machine: &Machine) -> Workload {
    let mut workload = described(backend, "vmi", &machine.metadata, of_machine(machine));
    if let Some(node) = machine.status.node_name.as_deref() {
        workload.facts.push(("node".into(), clean::short(node, 80)));
    }
    let told = machine.status.interfaces.iter().flatten().filter_map(|one| one.ip_address.as_deref());
    workload.addresses = told.take(8).map(|ip| clean::short(ip, 60)).collect();
    workload
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(status: &serde_json::Value) -> Pod {
        serde_json::from_value(json!({ "spec": { "containers": [{ "name": "main" }] }, "status": status })).unwrap()
    }

    /// Each row: the status of a pod as the API documents it, and the words that people read.
    #[test]
    fn the_state_of_a_pod_is_told_in_words() {
        let one = |state: serde_json::Value| json!([{ "name": "main", "state": state }]);
        for (status, words) in [
            (json!({ "phase": "Pending" }), "queued"),
            (
                json!({ "phase": "Pending", "conditions": [{ "type": "PodScheduled", "status": "False",
                    "reason": "Unschedulable", "message": "0/1 nodes are available: 1 Insufficient cpu." }] }),
                "queued: Unschedulable: 0/1 nodes are available: 1 Insufficient cpu.",
            ),
            (json!({ "phase": "Pending", "conditions": [{ "type": "PodScheduled", "status": "True" }] }), "starting"),
            (
                json!({ "phase": "Pending", "containerStatuses": one(json!({ "waiting": { "reason": "ContainerCreating" } })) }),
                "starting",
            ),
            (
                json!({ "phase": "Pending", "containerStatuses":
                    one(json!({ "waiting": { "reason": "ImagePullBackOff", "message": "Back-off pulling image" } })) }),
                "queued: ImagePullBackOff: Back-off pulling image",
            ),
            (
                json!({ "phase": "Running", "containerStatuses":
                    one(json!({ "waiting": { "reason": "CrashLoopBackOff", "message": "back-off 10s" } })) }),
                "queued: CrashLoopBackOff: back-off 10s",
            ),
            (json!({ "phase": "Running", "containerStatuses": one(json!({ "running": {} })) }), "running"),
            (json!({ "phase": "Succeeded" }), "done"),
            (
                json!({ "phase": "Failed", "containerStatuses": one(json!({ "terminated": { "exitCode": 3 } })) }),
                "exit 3",
            ),
            (
                json!({ "phase": "Failed", "containerStatuses":
                    one(json!({ "terminated": { "exitCode": 137, "reason": "OOMKilled" } })) }),
                "out of memory",
            ),
            (
                json!({ "phase": "Failed", "containerStatuses": one(json!({ "terminated":
                    { "exitCode": 127, "reason": "ContainerCannotRun", "message": "no such file" } })) }),
                "failed: ContainerCannotRun: no such file",
            ),
            (
                json!({ "phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory." }),
                "failed: evicted: The node was low on resource: memory.",
            ),
            (json!({ "phase": "Failed", "reason": "DeadlineExceeded" }), "failed: its time was over"),
            (json!({ "phase": "Failed", "reason": "NodeLost" }), "failed: NodeLost"),
            (json!({ "phase": "\u{1b}[2JUnknown" }), "�[2JUnknown"),
            (json!({}), "unknown"),
        ] {
            assert_eq!(of_pod(&read(&status)).label().1, words, "{status}");
        }
    }

    #[test]
    fn a_container_that_the_cluster_has_added_does_not_speak_for_the_workload() {
        let status = json!({ "phase": "Running", "containerStatuses": [
            { "name": "istio-proxy", "state": { "terminated": { "exitCode": 9 } } },
            { "name": "main", "state": { "running": {} } } ] });
        assert_eq!(of_pod(&read(&status)), State::Running);
    }

    #[test]
    fn the_state_of_a_job_is_that_of_its_pod_until_it_is_over() {
        let job = |conditions: serde_json::Value, stopped: bool| -> Job {
            let annotations = if stopped { json!({ STOPPED: "2026-11-30T00:00:00Z" }) } else { json!({}) };
            serde_json::from_value(
                json!({ "metadata": { "annotations": annotations }, "status": { "conditions": conditions } }),
            )
            .unwrap()
        };
        let failed = json!([{ "type": "Failed", "status": "True", "reason": "BackoffLimitExceeded" }]);
        let late = json!([{ "type": "Failed", "status": "True", "reason": "DeadlineExceeded" }]);
        let exit = read(&json!({ "phase": "Failed", "containerStatuses":
            [{ "name": "main", "state": { "terminated": { "exitCode": 4 } } }] }));
        assert_eq!(of_job(&job(json!([]), false), None).label().1, "queued");
        assert_eq!(of_job(&job(json!([{ "type": "Complete", "status": "True" }]), false), None), State::Exited(0));
        assert_eq!(of_job(&job(failed.clone(), false), Some(&exit)), State::Exited(4));
        assert_eq!(of_job(&job(failed, false), None).label().1, "failed: BackoffLimitExceeded");
        assert_eq!(of_job(&job(late, false), None).label().1, "failed: its time was over");
        assert_eq!(
            of_job(&job(json!([{ "type": "Failed", "status": "True", "reason": "DeadlineExceeded" }]), true), None)
                .label()
                .1,
            "stopped"
        );
        let mut active = job(json!([]), true);
        active.status.active = Some(1);
        assert_eq!(of_job(&active, None), State::Running, "its pods are not shown");
        assert_eq!(of_job(&job(json!([]), false), Some(&exit)), State::Exited(4));
    }

    #[test]
    fn an_image_that_was_not_pinned_is_told() {
        let pinned = format!("sha256:{}", "a".repeat(64));
        let pod_with = |id: &str, pinned: &str| -> Pod {
            serde_json::from_value(json!({
                "metadata": { "annotations": { label::DIGEST: pinned } },
                "spec": { "containers": [{ "name": "main", "image": id }] } }))
            .unwrap()
        };
        for (id, told) in [
            (format!("a.example/b@{pinned}"), false),
            (format!("a.example/b@sha256:{}", "b".repeat(64)), true),
            ("a.example/b:1".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(pod("lab", &pod_with(&id, &pinned)).note.contains("not the image"), told, "{id}");
        }
        assert_eq!(pod("lab", &pod_with(&format!("a@sha256:{}", "b".repeat(64)), "")).note, "");
    }
}
