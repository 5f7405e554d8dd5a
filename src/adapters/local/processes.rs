//! Processes by `/proc`: who is whose child, what they use. (proc(5).)

use std::{collections::HashMap, fs, os::unix::fs::MetadataExt};

/// One process, as far as needed.
#[derive(Debug, Clone, Copy)]
struct Stat {
    parent: u32,
    ticks: u64,
    started: u64,
    pages: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in brackets and may hold anything: fields are counted behind the last one.
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok());
    Some(Stat {
        parent: u32::try_from(number(1)?).ok()?,
        ticks: number(11)? + number(12)?,
        started: number(19)?,
        pages: number(21)?,
    })
}

/// When a process started, in clock ticks since boot: with the number, an identity.
pub fn started(pid: u32) -> Option<u64> {
    stat(pid).map(|stat| stat.started)
}

/// All descendants of `pid`, itself first, parents before children.
pub fn family(pid: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        if let Some(process) = entry.file_name().to_str().and_then(|name| name.parse().ok()) {
            if let Some(stat) = stat(process) {
                children.entry(stat.parent).or_default().push(process);
            }
        }
    }
    let mut all = vec![pid];
    let mut at = 0;
    while let Some(parent) = all.get(at) {
        all.extend(children.remove(parent).into_iter().flatten());
        at += 1;
    }
    all
}

/// The number of a process among those of the innermost set that it belongs to, where that is not this one.
fn number_inside(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let numbers: Vec<u32> = status
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:"))?
        .split_whitespace()
        .filter_map(|number| number.parse().ok())
        .collect();
    numbers.last().copied().filter(|_| numbers.len() > 1)
}

/// The child of `pid` that has this number inside.
fn child(pid: u32, number: u32) -> Option<u32> {
    let all = family(pid);
    all.into_iter().find(|one| stat(*one).is_some_and(|stat| stat.parent == pid) && number_inside(*one) == Some(number))
}

/// Process 1 of the sandbox that `pid` made.
pub fn first(pid: u32) -> Option<u32> {
    child(pid, 1)
}

/// The program in the sandbox that `pid` made: the first process that its process 1 started. Process 1 does not hear polite signals.
pub fn program(pid: u32) -> Option<u32> {
    child(first(pid)?, 2)
}

/// Processes and threads of this user.
pub fn of_this_user() -> u64 {
    let own = rustix::process::getuid().as_raw();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.metadata().is_ok_and(|meta| meta.uid() == own))
        .filter_map(|entry| fs::read_dir(entry.path().join("task")).ok())
        .map(|tasks| tasks.count() as u64)
        .sum()
}

/// Processor time in nanoseconds, memory in bytes, and number of processes of a family.
pub fn usage(pid: u32) -> (u64, u64, u64) {
    let family = family(pid);
    let page = rustix::param::page_size() as u64;
    let tick = 1_000_000_000 / rustix::param::clock_ticks_per_second().max(1);
    let sum = family
        .iter()
        .filter_map(|pid| stat(*pid))
        .fold((0, 0), |(ticks, pages), stat| (ticks + stat.ticks, pages + stat.pages));
    (sum.0 * tick, sum.1 * page, family.len() as u64)
}
