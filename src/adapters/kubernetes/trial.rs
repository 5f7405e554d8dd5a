//! The trial of a launch: the server checks an object as if it made it, and tells what it would make of it.

use serde_json::Value;

use super::{
    body::Launch,
    cluster::{Cluster, Refused},
    kind::Kind,
    objects::{Job, Pod, PodSpec},
};
use wharf_core::{
    base::{
        clean,
        context::Context,
        error::{During, Error, Kind as Failure, Result},
    },
    launch::plan::Risk,
};

/// The most changes of one kind that are told.
const MOST: usize = 5;

/// Sends the objects of a launch for a trial. Gives what the cluster would change, and what it warns of.
///
/// # Errors
/// What the cluster refuses, in its words; `Integrity` where it would run another image.
pub(super) async fn try_out(cluster: &Cluster, cx: &Context, launch: &Launch<'_>, what: &str) -> Result<Vec<Risk>> {
    let place = cluster.place(cx, what).await?;
    let path = |kind: Kind| format!("{}?dryRun=All&fieldValidation=Warn", kind.path(&place.namespace));
    let mut risks = Vec::new();
    let body = launch.body()?;
    if launch.kind != Kind::Pod {
        let made = match cluster.create::<Value>(cx, &path(launch.kind), &body, what).await? {
            Ok(made) => made,
            Err(refused) if cannot_try(&refused) => return Ok(vec![untried()]),
            Err(refused) => return Err(refused.error(what)),
        };
        risks.extend(warned(&made.warnings));
        risks.extend(differences(&body, &made.value));
        if launch.kind == Kind::Job {
            let job: Job = serde_json::from_value(made.value).during(what)?;
            compare_images(&job.spec.template.spec, launch, what)?;
        }
    }
    let Some(body) = launch.pod()? else { return Ok(risks) };
    match cluster.create::<Value>(cx, &path(Kind::Pod), &body, what).await? {
        Ok(made) => {
            risks.extend(warned(&made.warnings));
            if launch.kind == Kind::Pod {
                risks.extend(differences(&body, &made.value));
            }
            let pod: Pod = serde_json::from_value(made.value).during(what)?;
            compare_images(&pod.spec, launch, what)?;
            risks.extend(changes(&pod.spec, &body));
        }
        Err(refused) if cannot_try(&refused) => risks.push(untried()),
        Err(refused) => risks.push(without_pod(launch.kind, &refused, what)?),
    }
    Ok(risks)
}

/// Whether a rule of the cluster cannot be asked for a trial: those of older versions cannot.
fn cannot_try(refused: &Refused) -> bool {
    refused.code == 400 && refused.message.contains("does not support dry run")
}

fn untried() -> Risk {
    Risk::caution("a rule of the cluster cannot be tried: what it changes or refuses shows at the launch")
}

/// What the server leaves out of an object, and what it changes in it. An older version, or one without a feature, leaves
/// settings out without a word.
fn differences(sent: &Value, made: &Value) -> Vec<Risk> {
    let mut found = Differences::default();
    found.compare(sent, made, "");
    let named = |all: &[String]| all.iter().take(MOST).map(String::as_str).collect::<Vec<_>>().join(", ");
    let mut risks = Vec::new();
    if !found.lost.is_empty() {
        risks.push(Risk::caution(format!("the cluster does not take and leaves out: {}", named(&found.lost))));
    }
    if !found.changed.is_empty() {
        risks.push(Risk::danger(format!("the cluster changes what you asked for: {}", named(&found.changed))));
    }
    risks
}

#[derive(Default)]
struct Differences {
    lost: Vec<String>,
    changed: Vec<String>,
}

impl Differences {
    fn compare(&mut self, sent: &Value, made: &Value, at: &str) {
        match (sent, made) {
            (Value::Object(sent), made) => {
                for (key, value) in sent {
                    let at = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                    match made.get(key) {
                        // Quantities are written in the server's own units.
                        Some(_) if key == "resources" || key == "sizeLimit" => {}
                        Some(made) => self.compare(value, made, &at),
                        // An empty value says the same as none.
                        None if is_empty(value) => {}
                        None => self.lost.push(at),
                    }
                }
            }
            (Value::Array(sent), Value::Array(made)) => {
                for (number, one) in sent.iter().enumerate() {
                    // What has a name keeps it, wherever others are put.
                    let same =
                        one.get("name").and_then(|name| made.iter().find(|other| other.get("name") == Some(name)));
                    match same.or_else(|| made.get(number)) {
                        Some(made) => self.compare(one, made, &format!("{at}[{number}]")),
                        None => self.lost.push(format!("{at}[{number}]")),
                    }
                }
            }
            (sent, made) if sent != made => {
                let shown = |value: &Value| clean::short(&value.to_string(), 60);
                self.changed.push(format!("{at} from {} to {}", shown(sent), shown(made)));
            }
            _ => {}
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::String(text) => text.is_empty(),
        Value::Array(all) => all.is_empty(),
        Value::Object(all) => all.values().all(is_empty),
        Value::Number(_) => false,
    }
}

/// What a refused pod means for a launch. A job can wait until a quota has room again, and its pods are made by the
/// cluster itself.
fn without_pod(kind: Kind, refused: &Refused, what: &str) -> Result<Risk> {
    match kind {
        Kind::Job if refused.is_quota() => {
            Ok(Risk::caution(format!("it waits until there is room: {}", clean::short(&refused.message, 200))))
        }
        Kind::Job if refused.is_right() => {
            Ok(Risk::caution("what the cluster adds to its pods is unknown: you may make jobs, and no pods"))
        }
        _ => Err(refused.error(what)),
    }
}

fn warned(warnings: &[String]) -> impl Iterator<Item = Risk> {
    warnings.iter().map(|warning| Risk::caution(format!("the cluster warns: {warning}")))
}

/// Fails if the cluster would run another image than the one that was judged.
fn compare_images(spec: &PodSpec, launch: &Launch<'_>, what: &str) -> Result<()> {
    let wanted = launch.image()?;
    match spec.main("").and_then(|main| main.image.as_deref()) {
        Some(image) if !image.ends_with(launch.pinned.manifest.as_str()) => {
            let why = format!("the cluster would run {} in place of {wanted}", clean::short(image, 200));
            Err(Error::new(Failure::Integrity, what, why).hint("ask its administrators which rule changes images"))
        }
        _ => Ok(()),
    }
}

/// What the cluster adds to a pod that was sent, or changes in it.
fn changes(made: &PodSpec, sent: &Value) -> Vec<Risk> {
    let mut risks = Vec::new();
    let names = |list: &Value| -> Vec<String> {
        let all = list.as_array().into_iter().flatten();
        all.filter_map(|one| one["name"].as_str()).map(str::to_owned).collect()
    };
    let own = names(&sent["spec"]["containers"]);
    let all = made.containers.iter().chain(&made.init_containers).flatten();
    for container in all.filter(|container| !own.contains(&container.name)).take(MOST) {
        let image = clean::short(container.image.as_deref().unwrap_or_default(), 100);
        let name = clean::short(&container.name, 60);
        risks.push(Risk::caution(format!("the cluster adds the container {name} ({image}): it sees what yours sees")));
    }
    let own = names(&sent["spec"]["volumes"]);
    for volume in made.volumes.iter().flatten().filter(|volume| !own.contains(&volume.name)).take(MOST) {
        let name = clean::short(&volume.name, 60);
        risks.push(match volume.host_path {
            Some(_) => Risk::danger(format!("the cluster mounts a folder of its node ({name})")),
            None => Risk::caution(format!("the cluster mounts a volume ({name})")),
        });
    }
    for (given, what) in [
        (made.host_network, "the network of its node"),
        (made.host_pid, "the processes of its node"),
        (made.host_ipc, "the shared memory of its node"),
        (made.main("").and_then(|main| main.security_context.as_ref()?.privileged), "all rights of its node"),
    ] {
        if given == Some(true) {
            risks.push(Risk::danger(format!("the cluster gives it {what}")));
        }
    }
    let asked = sent["spec"]["runtimeClassName"].as_str();
    match (made.runtime_class_name.as_deref(), asked) {
        (made, asked) if made == asked => {}
        (made, _) => {
            let made = made.map_or_else(|| "none".to_owned(), |name| clean::short(name, 60));
            risks.push(Risk::danger(format!("the cluster changes the runtime class to {made}")));
        }
    }
    match made.service_account_name.as_deref() {
        None | Some("" | "default") => {}
        Some(account) => {
            risks.push(Risk::caution(format!("it runs as the service account {}", clean::short(account, 60))))
        }
    }
    risks
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_cluster_adds_is_told() {
        let sent = json!({ "spec": { "containers": [{ "name": "main" }], "volumes": [{ "name": "tmp" }],
            "runtimeClassName": "gvisor" } });
        let made: PodSpec = serde_json::from_value(json!({
            "containers": [{ "name": "main" }, { "name": "istio-proxy", "image": "mesh/proxy:1\u{1b}[0m" }],
            "initContainers": [{ "name": "istio-init" }],
            "volumes": [{ "name": "tmp" }, { "name": "host", "hostPath": { "path": "/" } }, { "name": "token" }],
            "hostNetwork": true, "hostPID": true, "serviceAccountName": "robot" }))
        .unwrap();
        let lines: Vec<String> = changes(&made, &sent).into_iter().map(|risk| risk.text).collect();
        for wanted in [
            "istio-proxy",
            "istio-init",
            "a folder of its node",
            "(token)",
            "network of its node",
            "processes of its node",
            "to none",
            "robot",
        ] {
            assert!(lines.iter().any(|line| line.contains(wanted)), "{wanted}: {lines:?}");
        }
        assert!(!lines.concat().contains('\u{1b}'));
        let same: PodSpec = serde_json::from_value(json!({ "containers": [{ "name": "main" }],
            "runtimeClassName": "gvisor", "serviceAccountName": "default", "volumes": [{ "name": "tmp" }] }))
        .unwrap();
        assert!(changes(&same, &sent).is_empty());
    }

    #[test]
    fn what_a_server_leaves_out_is_told() {
        let sent = json!({ "spec": { "ttlSecondsAfterFinished": 60, "template": { "securityContext": {}, "containers":
            [{ "name": "main", "tty": false, "resources": { "limits": { "cpu": "1" } } }] } } });
        let made = json!({ "spec": { "template": { "containers":
            [{ "name": "main", "resources": { "limits": { "cpu": "1000m" } } }, { "name": "added" }] } } });
        let told = differences(&sent, &made);
        assert!(told.len() == 1 && told[0].text.ends_with("leaves out: spec.ttlSecondsAfterFinished"), "{told:?}");
        assert_eq!(differences(&sent, &sent), []);
        let sent = json!({ "containers": [{ "name": "main", "args": ["a"], "runAsUser": 1000 }] });
        let made = json!({ "containers": [{ "name": "proxy", "args": ["x"] }, { "name": "main", "args": ["b"], "runAsUser": 0 }] });
        let told = differences(&sent, &made);
        assert!(
            told.len() == 1 && told[0].text.contains("runAsUser from 1000 to 0") && told[0].text.contains("args[0]"),
            "{told:?}"
        );
    }

    #[test]
    fn only_a_job_may_wait_for_a_quota() {
        let refused = |message: &str| Refused { code: 403, message: message.into() };
        let quota = refused(
            "pods \"a\" is forbidden: exceeded quota: small, requested: pods=1, used: pods=20, limited: pods=20",
        );
        assert!(without_pod(Kind::Job, &quota, "plan").is_ok());
        assert!(without_pod(Kind::Pod, &quota, "plan").is_err());
        let right = refused("pods is forbidden: User \"bob\" cannot create resource \"pods\"");
        assert!(without_pod(Kind::Job, &right, "plan").is_ok());
        let rule = refused("pods \"a\" is forbidden: violates PodSecurity \"restricted:latest\"");
        assert!(without_pod(Kind::Job, &rule, "plan").unwrap_err().why.contains("PodSecurity"));
    }
}
