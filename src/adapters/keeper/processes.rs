//! Reading processes from `/proc`: parents, children, and what they use (proc(5)).

use std::{collections::HashMap, fs, os::unix::fs::MetadataExt, time::Duration};

use rustix::process::{Pid, Signal, WaitOptions};
use wharf_core::base::small_file;

/// How often what is left is told to end, and how long that is waited for each time.
const TURNS: u32 = 400;
const TURN: Duration = Duration::from_millis(5);

/// The fields of a process that are needed.
#[derive(Debug, Clone, Copy)]
struct Stat {
    parent: u32,
    ticks: u64,
    started: u64,
    pages: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = small_file::text(format!("/proc/{pid}/stat")).ok()?;
    // The name is in brackets and may contain anything, so fields are counted after the last bracket.
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

/// When a process started, in clock ticks since boot. Together with the number this identifies the process.
pub fn started(pid: u32) -> Option<u64> {
    stat(pid).map(|stat| stat.started)
}

/// `pid` and all its descendants, parents before children.
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

/// Ends all that this process has started, also what has left its group and its parent, if this process is their reaper
/// ([`adopt`]). Gives up on those that end later than they are told to.
pub fn end_descendants() {
    let own = std::process::id();
    // Each turn ends what those of the turn before have started meanwhile.
    for _ in 0..TURNS {
        let all = family(own).into_iter().filter(|pid| *pid != own);
        if all.filter(|pid| signal(*pid, Signal::KILL)).count() == 0 {
            return;
        }
        while let Ok(Some(_)) = rustix::process::wait(WaitOptions::NOHANG) {}
        std::thread::sleep(TURN);
    }
}

/// Makes this process the parent of what loses its own parent below it.
///
/// # Errors
/// Where the kernel does not know that.
pub fn adopt() -> std::io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
}

/// Signals a process; `false` where it is gone.
pub fn signal(pid: u32, signal: Signal) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::kill_process(pid, signal).is_ok())
}

/// A process's number in its own namespace; `None` if that is ours.
fn number_inside(pid: u32) -> Option<u32> {
    let status = small_file::text(format!("/proc/{pid}/status")).ok()?;
    let numbers: Vec<u32> = status
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:"))?
        .split_whitespace()
        .filter_map(|number| number.parse().ok())
        .collect();
    numbers.last().copied().filter(|_| numbers.len() > 1)
}

/// The child of `pid` that has this number in its own namespace.
fn child(pid: u32, number: u32) -> Option<u32> {
    let all = family(pid);
    all.into_iter().find(|one| stat(*one).is_some_and(|stat| stat.parent == pid) && number_inside(*one) == Some(number))
}

/// Process 1 of the sandbox that `pid` has made.
pub fn first(pid: u32) -> Option<u32> {
    child(pid, 1)
}

/// The program in the sandbox that `pid` has made: the first child of its process 1, which itself receives no SIGTERM.
pub fn program(pid: u32) -> Option<u32> {
    child(first(pid)?, 2)
}

/// The number of processes and threads of this user.
pub fn of_this_user() -> u64 {
    let own = rustix::process::getuid().as_raw();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.metadata().is_ok_and(|meta| meta.uid() == own))
        .filter_map(|entry| fs::read_dir(entry.path().join("task")).ok())
        .map(|tasks| tasks.count() as u64)
        .sum()
}

/// What a process and its descendants use: processor time in nanoseconds, memory in bytes, and the number of processes.
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
/// The processes that a process has started.
pub fn children(pid: u32) -> Vec<u32> {
    let text = small_file::text(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|number| number.parse().ok()).collect()
}
