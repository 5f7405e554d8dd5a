//! What a cluster has and allows, as slurmrestd tells.

use serde_json::Value;

use super::answer::{Answer, at, listed, number, word, words};
use crate::slurm::{
    partitions::{Partition, add_gpus},
    site::{Account, Quality},
};

/// Minutes and mebibytes, in which Slurm counts.
const MINUTE: u64 = 60;
const MEBIBYTE: u64 = 1 << 20;

/// A number that is not negative; some versions write rubbish where nothing is set.
fn count(value: &Value) -> Option<u64> {
    number(value).and_then(|number| u64::try_from(number).ok())
}

/// The partitions: flat in versions up to v0.0.38, in groups of keys since then.
pub(super) fn partitions(answer: &Answer) -> Vec<Partition> {
    answer.list("partitions").iter().filter_map(partition).collect()
}

fn partition(told: &Value) -> Option<Partition> {
    let either = |old: &str, new: &[&str]| {
        let new = at(told, new);
        if new.is_null() { at(told, &[old]) } else { new }
    };
    let minutes = |value: &Value| count(value).filter(|minutes| *minutes > 0).and_then(|one| one.checked_mul(MINUTE));
    let memory = count(either("default_memory_per_cpu", &["defaults", "partition_memory_per_cpu"]));
    let flags = words(at(told, &["flags"]));
    let states = words(either("state", &["partition", "state"]));
    Some(Partition {
        name: at(told, &["name"]).as_str().filter(|name| !name.is_empty())?.to_owned(),
        default: flags.iter().any(|flag| flag.eq_ignore_ascii_case("default")),
        state: states.join("+"),
        groups: listed(either("allowed_groups", &["groups", "allowed"])),
        accounts: listed(either("allowed_accounts", &["accounts", "allowed"])),
        qualities: listed(either("allowed_qos", &["qos", "allowed"])),
        most: minutes(either("max_time_limit", &["maximums", "time"])),
        usual: minutes(either("default_time_limit", &["defaults", "time"])),
        memory_per_processor: memory.filter(|one| *one > 0).and_then(|one| one.checked_mul(MEBIBYTE)),
        ..Partition::default()
    })
}

/// Adds the nodes to their partitions.
pub(super) fn add_nodes(partitions: &mut [Partition], answer: &Answer) {
    for node in answer.list("nodes") {
        let text = |key: &str| at(node, &[key]);
        let number = |key: &str| count(text(key));
        let states: Vec<String> = [words(text("state")), words(text("state_flags"))].concat();
        let is = |word: &str| states.iter().any(|one| one.eq_ignore_ascii_case(word));
        let away = ["DOWN", "DRAIN", "FAIL", "NOT_RESPONDING", "MAINTENANCE", "POWERED_DOWN"].iter().any(|one| is(one));
        let processors = number("cpus").unwrap_or(0);
        let free = number("alloc_idle_cpus").or_else(|| number("idle_cpus")).unwrap_or(0).min(processors);
        for name in words(text("partitions")) {
            let Some(partition) = partitions.iter_mut().find(|one| one.name == name) else { continue };
            let add = |total: &mut u64, more: u64| *total = total.saturating_add(more);
            add(&mut partition.nodes.0, 1);
            add(&mut partition.processors.0, processors);
            if !away {
                add(&mut partition.nodes.1, u64::from(is("IDLE")));
                add(&mut partition.processors.1, free);
            }
            partition.largest = partition.largest.max(processors);
            let memory = number("real_memory").unwrap_or(0).saturating_mul(MEBIBYTE);
            partition.memory = partition.memory.max(memory);
            add_gpus(partition, word(text("gres")).unwrap_or_default().as_str());
            partition.features.extend(listed(text("features")));
            partition.features.sort();
            partition.features.dedup();
        }
    }
}

/// The accounts of a person.
pub(super) fn accounts(answer: &Answer, user: &str) -> Vec<Account> {
    let mut all: Vec<Account> = Vec::new();
    for told in answer.list("associations").iter().filter(|told| at(told, &["user"]).as_str() == Some(user)) {
        let Some(name) = at(told, &["account"]).as_str().filter(|name| !name.is_empty()) else { continue };
        let qualities = words(at(told, &["qos"]));
        match all.iter_mut().find(|account| account.name == name) {
            Some(known) => known.qualities.extend(qualities),
            None => all.push(Account { name: name.to_owned(), qualities }),
        }
    }
    all
}

/// The qualities of service.
pub(super) fn qualities(answer: &Answer) -> Vec<Quality> {
    // The list's name is in capitals in versions up to v0.0.38.
    let told = [answer.list("qos"), answer.list("QOS")].concat();
    let quality = |told: &Value| {
        let name = at(told, &["name"]).as_str().filter(|name| !name.is_empty())?.to_owned();
        let most = count(at(told, &["limits", "max", "wall_clock", "per", "job"])).filter(|minutes| *minutes > 0);
        Some(Quality { name, most: most.and_then(|minutes| minutes.checked_mul(MINUTE)) })
    };
    told.iter().filter_map(quality).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: [(&str, &str, &str, &str); 3] = [
        (
            include_str!("../../../../tests/fixtures/slurm/22.05/rest/partitions.json"),
            include_str!("../../../../tests/fixtures/slurm/22.05/rest/nodes.json"),
            include_str!("../../../../tests/fixtures/slurm/22.05/rest/db-assoc.json"),
            include_str!("../../../../tests/fixtures/slurm/22.05/rest/db-qos.json"),
        ),
        (
            include_str!("../../../../tests/fixtures/slurm/24.11/rest/partitions.json"),
            include_str!("../../../../tests/fixtures/slurm/24.11/rest/nodes.json"),
            include_str!("../../../../tests/fixtures/slurm/24.11/rest/db-assoc.json"),
            include_str!("../../../../tests/fixtures/slurm/24.11/rest/db-qos.json"),
        ),
        (
            include_str!("../../../../tests/fixtures/slurm/26.05/rest/partitions.json"),
            include_str!("../../../../tests/fixtures/slurm/26.05/rest/nodes.json"),
            include_str!("../../../../tests/fixtures/slurm/26.05/rest/db-assoc.json"),
            include_str!("../../../../tests/fixtures/slurm/26.05/rest/db-qos.json"),
        ),
    ];

    #[test]
    fn three_versions_tell_the_same_cluster() {
        for (partitions_told, nodes, associations, qos) in TOLD {
            let answer = |text: &str| Answer { status: 200, value: serde_json::from_str(text).unwrap() };
            let mut all = partitions(&answer(partitions_told));
            add_nodes(&mut all, &answer(nodes));
            let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
            for name in ["short", "long", "gpu", "down"] {
                assert!(names.contains(&name), "{names:?}");
            }
            let named = |name: &str| all.iter().find(|one| one.name == name).unwrap();
            let (short, gpu, down) = (named("short"), named("gpu"), named("down"));
            assert_eq!((short.most, short.usual, short.is_up(), down.is_up()), (Some(3600), Some(600), true, false));
            assert_eq!((short.nodes.0, short.processors.0, short.largest), (2, 8, 4));
            assert_eq!((short.memory, short.memory_per_processor), (8000 << 20, Some(256 << 20)));
            assert!(short.features.contains(&"avx".to_owned()), "{:?}", short.features);
            assert_eq!(gpu.gpus.get("tiny"), Some(&2));
            let accounts = accounts(&answer(associations), "wharf-lab");
            let physics = accounts.iter().find(|one| one.name == "physics").unwrap();
            assert!(physics.qualities.contains(&"short".to_owned()), "{physics:?}");
            let limits = qualities(&answer(qos));
            assert_eq!(limits.iter().find(|one| one.name == "short").map(|one| one.most), Some(Some(300)));
        }
    }
}
