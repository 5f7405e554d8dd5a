//! What a cluster offers a launch: its runtime classes, machines, and the room that its quotas leave.

use std::collections::BTreeMap;

use futures_util::join;

use super::{
    cluster::Cluster,
    kind::Kind,
    list,
    objects::{Quota, RuntimeClass},
    quantity,
    settings::is_name,
};
use wharf_core::{
    base::{clean, context::Context, error::Result, text},
    launch::{
        form::Answers,
        isolation::{self, Isolation},
        plan::Risk,
        room::Room,
    },
};

/// The most runtime classes, quotas and resources that are looked at.
const MOST: usize = 64;

/// What a cluster offers.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// The names of runtime classes, with how each isolates.
    pub runtimes: Vec<(String, Isolation)>,
    /// Whether it has KubeVirt's machines.
    pub machines: bool,
    /// What quotas allow, and what is used: resource, used, most; in the API's own words.
    pub quotas: Vec<(String, String, String)>,
}

impl Facts {
    /// Asks the cluster. What a person may not see, or what it does not have, is left out.
    pub(super) async fn ask(cluster: &Cluster, cx: &Context, what: &str) -> Result<Self> {
        let place = cluster.place(cx, what).await?;
        let quota_path = format!("/api/v1/namespaces/{}/resourcequotas", place.namespace);
        let (classes, machines, quotas) = join!(
            list::page::<RuntimeClass>(cluster, cx, "/apis/node.k8s.io/v1/runtimeclasses", "limit=64", what),
            cluster.look::<serde::de::IgnoredAny>(cx, "/apis/kubevirt.io/v1", what),
            list::page::<Quota>(cluster, cx, &quota_path, "limit=64", what),
        );
        let classes = classes?.map(|page| page.items.unwrap_or_default()).unwrap_or_default();
        let quotas = quotas?.map(|page| page.items.unwrap_or_default()).unwrap_or_default();
        Ok(Self {
            runtimes: classes.iter().take(MOST).filter_map(known).collect(),
            machines: machines?.is_ok(),
            quotas: quotas.iter().take(MOST).flat_map(rows).take(MOST).collect(),
        })
    }

    /// The levels of isolation that containers can have here.
    pub(super) fn levels(&self) -> Vec<Isolation> {
        let own = self.runtimes.iter().map(|(_, level)| *level);
        let mut all: Vec<Isolation> = std::iter::once(Isolation::SharedKernel).chain(own).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The isolation of a launch with these answers.
    pub(super) fn isolation(&self, kind: Kind, answers: &Answers) -> Isolation {
        match kind {
            Kind::Machine => Isolation::OwnKernel,
            _ => Isolation::from_name(answers.get(isolation::KEY)).unwrap_or_default(),
        }
    }

    /// The runtime class of a launch with these answers; `None` for the cluster's own runtime.
    pub(super) fn runtime(&self, kind: Kind, answers: &Answers) -> Option<&str> {
        let level = self.isolation(kind, answers);
        let wanted = kind != Kind::Machine && level > Isolation::SharedKernel;
        let found = self.runtimes.iter().find(|(_, one)| wanted && *one == level);
        found.map(|(name, _)| name.as_str())
    }

    /// What quotas leave, for the form.
    pub(super) fn room(&self) -> Vec<Room> {
        let shown = self.quotas.iter().filter(|(resource, ..)| is_asked(resource));
        let room = |(resource, used, most): &(String, String, String)| {
            let (used, most) = (quantity::whole(used), quantity::whole(most));
            if is_memory(resource) {
                Room::bytes(resource.as_str(), used, most)
            } else {
                Room::count(resource.as_str(), used, most)
            }
        };
        shown.map(room).collect()
    }

    /// What quotas have left after a launch, as lines of the preview.
    pub(super) fn after(&self, kind: Kind, answers: &Answers) -> Vec<Risk> {
        let memory = answers.bytes("memory").unwrap_or(0).saturating_mul(1000);
        let thousand = |count: &str| count.parse::<u64>().unwrap_or(0).saturating_mul(1000);
        let line = |(resource, used, most): &(String, String, String)| {
            let adds = match resource.trim_start_matches("requests.").trim_start_matches("limits.") {
                "pods" | "count/pods" => 1000,
                "count/jobs.batch" if kind == Kind::Job => 1000,
                "cpu" => quantity::thousandths(answers.get("cpus")).unwrap_or(0),
                "memory" => memory,
                "nvidia.com/gpu" => thousand(answers.get("gpus")),
                _ => return None,
            };
            let (used, most) = (quantity::thousandths(used)?, quantity::thousandths(most)?);
            let then = used.saturating_add(adds);
            let shown = |thousandths: u64| {
                let whole = thousandths.div_ceil(1000);
                if is_memory(resource) { text::size(whole) } else { text::count(whole) }
            };
            let words = format!("quota of {resource}: {} of {} with it", shown(then), shown(most));
            Some(if then > most {
                Risk::caution(format!("{words}: it waits until others have ended"))
            } else {
                Risk::harmless(words)
            })
        };
        self.quotas.iter().filter_map(line).collect()
    }
}

/// Whether a launch can use up this resource.
fn is_asked(resource: &str) -> bool {
    let plain = resource.trim_start_matches("requests.").trim_start_matches("limits.");
    matches!(plain, "pods" | "count/pods" | "count/jobs.batch" | "cpu" | "memory" | "nvidia.com/gpu")
}

fn is_memory(resource: &str) -> bool {
    resource.ends_with("memory")
}

/// A runtime class whose isolation is known: by its name and its handler, of which the weaker counts.
fn known(class: &RuntimeClass) -> Option<(String, Isolation)> {
    let name = class.metadata.name.as_str();
    let handler = class.handler.as_deref().unwrap_or_default();
    let level = Isolation::of_runtime(handler)?;
    let level = Isolation::of_runtime(name).map_or(level, |named| named.min(level));
    is_name(name).then(|| (name.to_owned(), level))
}

/// The resources of a quota.
fn rows(quota: &Quota) -> Vec<(String, String, String)> {
    let empty = BTreeMap::new();
    let used = quota.status.used.as_ref().unwrap_or(&empty);
    let hard = quota.status.hard.iter().flatten();
    hard.map(|(resource, most)| {
        let used = used.get(resource).map_or("0", String::as_str);
        (clean::short(resource, 60), used.to_owned(), most.clone())
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_runtime_class_is_believed_only_by_its_handler() {
        let class = |name: &str, handler: &str| -> RuntimeClass {
            serde_json::from_value(json!({ "metadata": { "name": name }, "handler": handler })).unwrap()
        };
        for (name, handler, level) in [
            ("gvisor", "runsc", Some(Isolation::UserSpaceKernel)),
            ("kata-qemu", "kata-qemu", Some(Isolation::OwnKernel)),
            ("strong", "kata", Some(Isolation::OwnKernel)),
            ("kata", "runsc", Some(Isolation::UserSpaceKernel)),
            ("kata", "runc", Some(Isolation::SharedKernel)),
            ("kata", "site-wrapper", None),
            ("gvisor", "", None),
            ("\u{1b}[1m", "kata", None),
        ] {
            assert_eq!(known(&class(name, handler)).map(|(_, level)| level), level, "{name} {handler}");
        }
    }

    #[test]
    fn quotas_are_told_before_and_after() {
        let quota = |resource: &str, used: &str, most: &str| (resource.to_owned(), used.to_owned(), most.to_owned());
        let facts = Facts {
            quotas: vec![quota("pods", "3", "20"), quota("requests.cpu", "7500m", "8"), quota("secrets", "1", "2")],
            ..Facts::default()
        };
        let answers = Answers([("cpus".to_owned(), "1".to_owned())].into());
        let lines: Vec<String> = facts.after(Kind::Job, &answers).into_iter().map(|risk| risk.text).collect();
        assert_eq!(
            lines,
            [
                "quota of pods: 4 of 20 with it",
                "quota of requests.cpu: 9 of 8 with it: it waits until others have ended"
            ]
        );
        assert_eq!(facts.room().len(), 2);
    }
}
