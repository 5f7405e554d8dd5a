//! The partitions of a cluster: their limits and what is free in them, as scontrol and sinfo tell.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use wharf_core::{
    base::clean,
    launch::{duration::parse_duration, room::Room},
};

/// Ends a field of an answer, and a record.
pub(super) const FIELD: char = '\u{1f}';
/// Ends a record of an answer: names may hold line breaks.
pub(super) const RECORD: char = '\u{1e}';

/// The fields that sinfo is asked for.
const FIELDS: [&str; 8] = ["PartitionName", "Nodes", "StateLong", "CPUsState", "CPUs", "Memory", "Gres", "Features"];

/// Nodes of a partition that are alike and can run jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NodeKind {
    /// The processors of each.
    pub processors: u64,
    /// The memory of each, in bytes.
    pub memory: u64,
}

/// One partition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Partition {
    /// Its name.
    pub name: String,
    /// Whether jobs that name no partition go there.
    pub default: bool,
    /// Whether it takes and starts jobs; otherwise Slurm's word for its state.
    pub state: String,
    /// The groups whose members may use it; empty for everybody.
    pub groups: Vec<String>,
    /// The accounts that may use it; empty for all.
    pub accounts: Vec<String>,
    /// The qualities of service with which it may be used; empty for all.
    pub qualities: Vec<String>,
    /// The most time of a job, in seconds; `None` for no limit.
    pub most: Option<u64>,
    /// The time of a job that names none, in seconds; `None` where that is the most.
    pub usual: Option<u64>,
    /// The memory for each processor of a job that names none, in bytes.
    pub memory_per_processor: Option<u64>,
    /// Its nodes, and how many of them are idle.
    pub nodes: (u64, u64),
    /// Its processors, and how many of them are free.
    pub processors: (u64, u64),
    /// The processors of its largest node.
    pub largest: u64,
    /// The memory of its largest node, in bytes.
    pub memory: u64,
    /// The GPUs of the node with the most of them, by type; a GPU without a type has an empty one.
    pub gpus: BTreeMap<String, u64>,
    /// The features of its nodes, by which a job can ask for some of them.
    pub features: Vec<String>,
    /// The kinds of its nodes that can run jobs, now or when others have ended; empty where they are not told apart.
    #[serde(default)]
    pub kinds: Vec<NodeKind>,
}

impl Partition {
    /// Whether it takes and starts jobs.
    pub(super) fn is_up(&self) -> bool {
        self.state == "UP"
    }

    /// What is free in it, in words.
    pub(super) fn room(&self) -> Room {
        let label = format!("partition {}", clean::short(&self.name, 30));
        if !self.is_up() {
            return Room::described(label, clean::short(&self.state.to_lowercase(), 30));
        }
        let ((nodes, idle), (all, free)) = (self.nodes, self.processors);
        Room::described(label, format!("{idle} of {nodes} nodes idle, {free} of {all} processors free"))
    }
}

/// The arguments with which sinfo tells what [`add_nodes`] reads.
pub(super) fn nodes_arguments() -> Vec<String> {
    vec!["-a".into(), "-h".into(), "-O".into(), format(&FIELDS)]
}

/// The value of `-O` for these fields: each ended by [`FIELD`], the record by [`RECORD`]. A suffix keeps Slurm from
/// cutting the field.
pub(super) fn format(fields: &[&str]) -> String {
    let last = fields.len().saturating_sub(1);
    let ended = |(at, field): (usize, &&str)| format!("{field}:{}", if at == last { RECORD } else { FIELD });
    fields.iter().enumerate().map(ended).collect::<Vec<_>>().join(",")
}

/// The records of an answer to `-O`, each with its fields; those with fewer are left out. The last field has what is
/// left of the record, also if the mark of a field is in it.
pub(super) fn records<const N: usize>(text: &str) -> Vec<[&str; N]> {
    // A line break follows each record, and is none of its fields.
    let whole = text.split(RECORD).map(|record| record.strip_prefix('\n').unwrap_or(record));
    whole.filter_map(|record| record.splitn(N, FIELD).collect::<Vec<_>>().try_into().ok()).collect()
}

/// The partitions in the answer of `scontrol show partition -o`: a line each of `Key=Value` with blanks between.
pub(super) fn partitions(text: &str) -> Vec<Partition> {
    text.lines().filter_map(partition).collect()
}

fn partition(line: &str) -> Option<Partition> {
    let values: BTreeMap<&str, &str> = line.split_whitespace().filter_map(|pair| pair.split_once('=')).collect();
    let text = |key: &str| values.get(key).copied().unwrap_or_default();
    let list = |key: &str| match text(key) {
        "" | "ALL" | "(null)" | "N/A" => Vec::new(),
        names => names.split(',').map(str::to_owned).collect(),
    };
    let mebibytes = text("DefMemPerCPU").parse::<u64>().ok().and_then(|count| count.checked_mul(1 << 20));
    Some(Partition {
        name: values.get("PartitionName").copied().filter(|name| !name.is_empty())?.to_owned(),
        default: text("Default") == "YES",
        state: text("State").to_owned(),
        groups: list("AllowGroups"),
        accounts: list("AllowAccounts"),
        qualities: list("AllowQos"),
        most: parse_duration(text("MaxTime")),
        usual: parse_duration(text("DefaultTime")),
        memory_per_processor: mebibytes,
        ..Partition::default()
    })
}

/// Adds what sinfo tells of the nodes; partitions that are not in the list are left out.
pub(super) fn add_nodes(partitions: &mut [Partition], text: &str) {
    for [name, nodes, state, processors, each, memory, gpus, features] in records::<8>(text) {
        let Some(partition) = partitions.iter_mut().find(|partition| partition.name == name) else { continue };
        let count = nodes.parse::<u64>().unwrap_or(0);
        partition.nodes.0 = partition.nodes.0.saturating_add(count);
        if state == "idle" {
            partition.nodes.1 = partition.nodes.1.saturating_add(count);
        }
        // Allocated, idle, other, all. Idle processors of a node that is down are among the others.
        if let [_, idle, _, all] = processors.split('/').collect::<Vec<_>>().as_slice() {
            let number = |text: &str| text.parse::<u64>().unwrap_or(0);
            partition.processors.0 = partition.processors.0.saturating_add(number(all));
            partition.processors.1 = partition.processors.1.saturating_add(number(idle));
        }
        // `8000+` where nodes differ.
        let least = |text: &str| text.trim_end_matches('+').parse::<u64>().unwrap_or(0);
        partition.largest = partition.largest.max(least(each));
        let memory = least(memory).saturating_mul(1 << 20);
        partition.memory = partition.memory.max(memory);
        let kind = NodeKind { processors: least(each), memory };
        if count > 0 && matches!(state, "idle" | "mixed" | "allocated") && !partition.kinds.contains(&kind) {
            partition.kinds.push(kind);
        }
        add_gpus(partition, gpus);
        let named = features.split(',').filter(|feature| !matches!(*feature, "" | "(null)"));
        partition.features.extend(named.map(str::to_owned));
        partition.features.sort();
        partition.features.dedup();
    }
}

/// Adds the GPUs of a node's list of generic resources, if it has more of them than other nodes.
pub(super) fn add_gpus(partition: &mut Partition, text: &str) {
    for (kind, count) in gpus_of(text) {
        let most = partition.gpus.entry(kind).or_default();
        *most = (*most).max(count);
    }
}

/// The GPUs in a node's list of generic resources, by type: `gpu:a100:4(S:0-1),gpu:2,shard:8`.
fn gpus_of(text: &str) -> Vec<(String, u64)> {
    // Sockets are told in brackets, with commas in them.
    let mut bare = String::new();
    let mut depth = 0_u32;
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            c if depth == 0 => bare.push(c),
            _ => {}
        }
    }
    let one = |resource: &str| match resource.split(':').collect::<Vec<_>>().as_slice() {
        ["gpu", count] => Some((String::new(), count.parse().ok()?)),
        ["gpu", kind, count] => Some(((*kind).to_owned(), count.parse().ok()?)),
        _ => None,
    };
    bare.split(',').filter_map(one).filter(|(_, count)| *count > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTITIONS: [&str; 3] = [
        include_str!("../../../tests/fixtures/slurm/22.05/partition-all.txt"),
        include_str!("../../../tests/fixtures/slurm/24.11/partition-all.txt"),
        include_str!("../../../tests/fixtures/slurm/26.05/partition-all.txt"),
    ];

    #[test]
    fn three_versions_tell_the_same_partitions() {
        for text in PARTITIONS {
            let all = partitions(text);
            let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
            assert_eq!(names, ["short", "long", "gpu", "closed", "down"]);
            let (short, long, closed, down) = (&all[0], &all[1], &all[3], &all[4]);
            assert!(short.default && short.is_up() && short.groups.is_empty() && !long.default);
            assert_eq!((short.most, short.usual), (Some(3600), Some(600)));
            assert_eq!((long.most, long.usual), (Some(7 * 24 * 3600), None));
            assert_eq!(short.memory_per_processor, Some(256 << 20));
            assert!(!closed.groups.is_empty() && closed.most.is_none());
            assert_eq!((down.is_up(), down.state.as_str()), (false, "DOWN"));
        }
    }

    #[test]
    fn nodes_are_counted_for_their_partition() {
        let mut all = partitions(PARTITIONS[0]);
        let line = |fields: [&str; 8]| format!("{}{RECORD}\n", fields.join(&FIELD.to_string()));
        let text = [
            line(["short", "2", "idle", "0/8/0/8", "4", "8000", "(null)", "avx"]),
            line(["short", "1", "mixed", "1/3/0/4", "4+", "8000+", "(null)", "avx,big"]),
            line(["gpu", "1", "idle", "0/4/0/4", "4", "8000", "gpu:tiny:2(S:0,1),gpu:1", "(null)"]),
            line(["down", "1", "down*", "0/0/4/4", "4", "8000", "(null)", "(null)"]),
            line(["unknown", "1", "idle", "0/4/0/4", "4", "8000", "(null)", "(null)"]),
            "broken\n".to_owned(),
        ];
        add_nodes(&mut all, &text.concat());
        let (short, gpu) = (&all[0], &all[2]);
        assert_eq!((short.nodes, short.processors, short.largest), ((3, 2), (12, 11), 4));
        assert_eq!((short.memory, short.features.join(" ")), (8000 << 20, "avx big".to_owned()));
        assert_eq!(gpu.gpus, BTreeMap::from([("tiny".to_owned(), 2), (String::new(), 1)]));
        assert_eq!(short.room().describe(), "2 of 3 nodes idle, 11 of 12 processors free");
        assert_eq!(all[4].room().describe(), "down");
    }

    #[test]
    fn records_end_at_their_mark_and_not_at_a_line() {
        let text = format!("1{FIELD}two\nlines{RECORD}\n2{FIELD}x{RECORD}\n3{FIELD}cut");
        assert_eq!(records::<2>(&text), [["1", "two\nlines"], ["2", "x"], ["3", "cut"]]);
        assert_eq!(records::<3>(&text), Vec::<[&str; 3]>::new());
        assert_eq!(format(&["JobID", "Name"]), format!("JobID:{FIELD},Name:{RECORD}"));
    }
}
