//! Our own checks of a job: what `sbatch` accepts although the job would wait for ever, or end without a word.

use super::{
    job::{After, Job},
    partitions::{NodeKind, Partition},
    site::Site,
};
use wharf_core::{
    base::{
        clean,
        error::{Error, Result},
        text,
    },
    launch::{duration::format_duration, plan::Risk},
};

/// What is known of a job that another one shall begin after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It waits or runs.
    Open,
    /// It ended well.
    Good,
    /// It failed, or was ended.
    Bad,
    /// Slurm does not know it.
    Unknown,
}

fn refused(what: &str, why: impl Into<String>, hint: impl Into<String>) -> Error {
    Error::usage(what, why).hint(hint)
}

/// Refuses a partition that is there but takes no jobs of this person, with the reason; an unknown one is left to the
/// form, which names those that there are.
///
/// # Errors
/// `Usage` with the reason.
pub(super) fn partition(site: &Site, name: &str, what: &str) -> Result<()> {
    let Some(partition) = site.partition(name) else { return Ok(()) };
    let name = clean::short(&partition.name, 40);
    let others = || {
        let open = site.open().filter(|one| one.is_up()).map(|one| clean::short(&one.name, 40));
        format!("partitions that take your jobs: {}", open.collect::<Vec<_>>().join(", "))
    };
    if !site.lets_in(partition) {
        let groups = clean::short(&partition.groups.join(", "), 100);
        return Err(refused(what, format!("partition {name} is only for the groups {groups}"), others()));
    }
    if !partition.is_up() {
        return Err(down(partition, what, others()));
    }
    Ok(())
}

/// The error for a partition that starts no jobs.
pub(super) fn down(partition: &Partition, what: &str, hint: impl Into<String>) -> Error {
    let (name, state) = (clean::short(&partition.name, 40), clean::short(&partition.state.to_lowercase(), 20));
    refused(what, format!("partition {name} is {state}: a job would wait there for ever"), hint)
}

/// Refuses what the partition, the account or the quality of service would never let start.
///
/// # Errors
/// `Usage` with the reason and what there is instead.
pub(super) fn limits(job: &Job, site: &Site, what: &str) -> Result<()> {
    partition(site, &job.partition, what)?;
    let Some(partition) = site.partition(&job.partition) else { return Ok(()) };
    let name = clean::short(&partition.name, 40);
    if let (Some(time), Some(most)) = (job.time, partition.most) {
        if time > most {
            let why = format!("partition {name} gives a job {} at most", format_duration(most));
            return Err(refused(what, why, format!("set time to at most {}", format_duration(most))));
        }
    }
    let allowed = [("account", &job.account, &partition.accounts), ("QOS", &job.quality, &partition.qualities)];
    for (word, asked, list) in allowed {
        if !asked.is_empty() && !list.is_empty() && !list.contains(asked) {
            let (asked, list) = (clean::short(asked, 40), clean::short(&list.join(", "), 100));
            let why = format!("partition {name} takes no jobs of the {word} {asked}");
            return Err(refused(what, why, format!("it takes {list}")));
        }
    }
    quality(job, site, partition, what)?;
    size(job, partition, what)
}

/// The quality of service: whether the account has it, and its own limit of time.
fn quality(job: &Job, site: &Site, partition: &Partition, what: &str) -> Result<()> {
    if job.quality.is_empty() {
        return Ok(());
    }
    let quality = clean::short(&job.quality, 40);
    if let Some(account) = site.accounts.iter().find(|one| one.name == job.account) {
        // Where the account's are not known, Slurm refuses by itself.
        if !account.qualities.is_empty() && !account.qualities.contains(&job.quality) {
            let (name, has) = (clean::short(&account.name, 40), clean::short(&account.qualities.join(", "), 100));
            return Err(refused(what, format!("the account {name} has no QOS {quality}"), format!("it has {has}")));
        }
    }
    let known = site.qualities.iter().find(|one| one.name == job.quality);
    let time = job.time.or(partition.usual).or(partition.most);
    match known.and_then(|one| one.most) {
        Some(most) if time.is_none_or(|time| time > most) => {
            let least = format_duration(most);
            let why = format!("the QOS {quality} gives a job {least} at most, and this one would take more");
            Err(refused(what, why, format!("set time to at most {least}")))
        }
        _ => Ok(()),
    }
}

/// What no node of the partition has. A cluster that told nothing of its nodes refuses by itself.
fn size(job: &Job, partition: &Partition, what: &str) -> Result<()> {
    let name = clean::short(&partition.name, 40);
    if partition.nodes.0 == 0 {
        return Ok(());
    }
    if job.processors > partition.largest {
        let why = format!("no node of partition {name} has {} processors", job.processors);
        return Err(refused(what, why, format!("its largest has {}", partition.largest)));
    }
    let all = job.tasks.saturating_mul(job.processors);
    if all > partition.processors.0 {
        let why = format!("partition {name} has no {all} processors for {} tasks", job.tasks);
        return Err(refused(what, why, format!("it has {}", partition.processors.0)));
    }
    if job.memory.is_some_and(|memory| memory > partition.memory) {
        let why = format!("no node of partition {name} has that much memory");
        return Err(refused(what, why, format!("its largest has {}", text::size(partition.memory))));
    }
    let (count, kind) = &job.gpus;
    let there = partition.gpus.iter().filter(|(of, _)| kind.is_empty() || *of == kind).map(|(_, count)| *count);
    let most = there.fold(0, u64::saturating_add);
    if *count > most {
        let kind = if kind.is_empty() { String::new() } else { format!(" {}", clean::short(kind, 40)) };
        let why = format!("no node of partition {name} has {count}{kind} GPUs");
        let hint =
            if most == 0 { "choose a partition with some".to_owned() } else { format!("its largest has {most}") };
        return Err(refused(what, why, hint));
    }
    Ok(())
}

/// Whether a node is known on which the job can run as soon as that is free. Of such a job, Slurm tells nothing on trial that it
/// does not tell when the job is sent: whatever else it refuses, it refuses both times. Of another job it may be told on trial
/// only that no node has what it wants.
pub(super) fn surely_fits(job: &Job, site: &Site) -> bool {
    let Some(partition) = site.partition(&job.partition) else { return false };
    let is_simple = job.tasks == 1 && job.gpus.0 == 0 && job.feature.is_empty() && job.own.options.is_empty();
    let usual = || Some(partition.memory_per_processor?.saturating_mul(job.processors));
    let Some(memory) = job.memory.or_else(usual) else { return false };
    let takes = |kind: &NodeKind| kind.processors >= job.processors && kind.memory >= memory;
    is_simple && partition.is_up() && partition.kinds.iter().any(takes)
}

/// Refuses dependencies that can never be fulfilled. `fate` tells what is known of a job.
///
/// # Errors
/// `Usage` for the first such dependency.
pub(super) fn after(all: &[After], fate: impl Fn(&str) -> Fate, what: &str) -> Result<()> {
    for one in all {
        for job in &one.jobs {
            let why = match (one.condition.as_str(), fate(job)) {
                (_, Fate::Unknown) => format!("Slurm knows no job {job}"),
                ("afterok", Fate::Bad) => format!("job {job} did not end well, so afterok:{job} never comes true"),
                ("afternotok", Fate::Good) => format!("job {job} ended well, so afternotok:{job} never comes true"),
                _ => continue,
            };
            return Err(refused(what, why, "leave it out, or name a job that waits or runs"));
        }
    }
    Ok(())
}

/// What the launch gives away or costs, besides what the runtime says. With `is_limited`, the runtime keeps each process to the
/// memory of the job.
pub(super) fn risks(job: &Job, site: &Site, is_limited: bool) -> Vec<Risk> {
    let partition = site.partition(&job.partition);
    let name = partition.map_or("Slurm's default", |one| one.name.as_str());
    let name = clean::short(name, 40);
    let mut risks =
        vec![Risk::harmless(format!("the job runs as you on a node of partition {name}, started by Slurm"))];
    let time = job.time.or(partition.and_then(|one| one.usual.or(one.most)));
    risks.push(match time {
        Some(time) => Risk::harmless(format!("Slurm ends it after {}", format_duration(time))),
        None => Risk::caution("no limit of time: it runs until it ends or you stop it"),
    });
    let usual = partition.and_then(|one| one.memory_per_processor);
    match (job.memory, usual) {
        (Some(memory), _) => {
            let each = if is_limited { ", and no process of it gets more" } else { "" };
            risks.push(Risk::harmless(format!("Slurm gives it {} of memory on each node{each}", text::size(memory))));
        }
        (None, Some(each)) => {
            let all = text::size(each.saturating_mul(job.processors).saturating_mul(job.tasks));
            risks.push(Risk::harmless(format!(
                "Slurm gives it {all} of memory, as the site does where none is asked for"
            )));
        }
        (None, None) => risks.push(Risk::caution("the site's own default of memory, which may be a whole node")),
    }
    if let Some(tasks) = super::array::tasks(&job.array).filter(|_| job.is_array()) {
        risks.push(Risk::caution(format!("{} tasks, each with all of this", text::count(tasks))));
    }
    if job.gpus.0 > 0 {
        risks.push(Risk::caution(
            "Slurm reserves the GPUs; whether the program sees no others is up to the site's control groups",
        ));
    }
    if !job.own.setup.is_empty() {
        risks.push(Risk::caution(format!(
            "lines of your own ({}) run on the node before the image, outside of it, with all that you may do",
            job.own.setup.len()
        )));
    }
    risks.push(Risk::harmless("nothing of this session's environment is sent: no tokens, no keys"));
    risks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slurm::site::{Account, Quality};

    fn site() -> Site {
        let partition = |name: &str, state: &str, groups: &[&str]| Partition {
            name: name.to_owned(),
            default: name == "short",
            state: state.to_owned(),
            groups: groups.iter().map(ToString::to_string).collect(),
            most: Some(3600),
            usual: Some(600),
            nodes: (2, 1),
            processors: (8, 4),
            largest: 4,
            memory: 8 << 30,
            gpus: [("tiny".to_owned(), 2)].into(),
            ..Partition::default()
        };
        let account = |name: &str, qualities: &[&str]| Account {
            name: name.to_owned(),
            qualities: qualities.iter().map(ToString::to_string).collect(),
        };
        Site {
            partitions: vec![partition("short", "UP", &[]), partition("down", "DOWN", &[])],
            accounts: vec![account("physics", &["normal", "short"]), account("chemistry", &["normal"])],
            qualities: vec![Quality { name: "short".into(), most: Some(300) }],
            groups: vec!["users".into()],
            root: false,
        }
    }

    fn job() -> Job {
        Job { partition: "short".into(), tasks: 1, processors: 1, ..Job::default() }
    }

    #[test]
    fn a_job_that_would_wait_for_ever_is_refused_with_the_reason() {
        let said = |job: Job| limits(&job, &site(), "plan").map_or_else(|error| error.to_string(), |()| String::new());
        assert_eq!(said(job()), "");
        for (job, why) in [
            (Job { partition: "down".into(), ..job() }, "partition down is down"),
            (Job { time: Some(7200), ..job() }, "01:00:00 at most"),
            (Job { quality: "short".into(), ..job() }, "00:05:00 at most"),
            (Job { quality: "short".into(), account: "chemistry".into(), ..job() }, "has no QOS short"),
            (Job { processors: 5, ..job() }, "its largest has 4"),
            (Job { tasks: 9, ..job() }, "it has 8"),
            (Job { memory: Some(9 << 30), ..job() }, "that much memory"),
            (Job { gpus: (3, String::new()), ..job() }, "its largest has 2"),
            (Job { gpus: (1, "big".into()), ..job() }, "no node of partition short has 1 big GPUs"),
        ] {
            let told = said(job.clone());
            assert!(told.contains(why), "{job:?}: {told}");
        }
        assert_eq!(said(Job { quality: "short".into(), time: Some(240), account: "physics".into(), ..job() }), "");
    }

    #[test]
    fn only_a_job_for_which_a_node_is_known_is_sent_without_a_trial() {
        let mut site = site();
        let kind = |processors, gibibytes: u64| NodeKind { processors, memory: gibibytes << 30 };
        site.partitions[0].kinds = vec![kind(4, 2), kind(2, 8)];
        let job = |processors, gibibytes: u64| Job { processors, memory: Some(gibibytes << 30), ..job() };
        assert!(surely_fits(&job(4, 2), &site) && surely_fits(&job(2, 8), &site));
        for other in [
            job(4, 8),
            job(5, 1),
            Job { tasks: 2, ..job(1, 1) },
            Job { gpus: (1, String::new()), ..job(1, 1) },
            Job { feature: "avx".into(), ..job(1, 1) },
            Job { memory: None, ..job(1, 1) },
            Job { partition: "down".into(), ..job(1, 1) },
        ] {
            assert!(!surely_fits(&other, &site), "{other:?}");
        }
        site.partitions[0].memory_per_processor = Some(1 << 30);
        assert!(surely_fits(&Job { memory: None, ..job(2, 0) }, &site));
    }

    #[test]
    fn a_closed_partition_names_its_groups() {
        let mut site = site();
        site.partitions[0].groups = vec!["wharf-mate".into()];
        let error = limits(&job(), &site, "plan").unwrap_err();
        assert!(error.why.contains("only for the groups wharf-mate"), "{error}");
    }

    #[test]
    fn dependencies_that_never_come_true_are_refused() {
        let fate = |job: &str| match job {
            "1" => Fate::Good,
            "2" => Fate::Bad,
            "3" => Fate::Open,
            _ => Fate::Unknown,
        };
        let check = |condition: &str, job: &str| {
            after(&[After { condition: condition.to_owned(), jobs: vec![job.to_owned()] }], fate, "plan").is_ok()
        };
        for fine in [("afterok", "1"), ("afternotok", "2"), ("afterany", "2"), ("afterok", "3"), ("after", "3")] {
            assert!(check(fine.0, fine.1), "{fine:?}");
        }
        for never in [("afternotok", "1"), ("afterok", "2"), ("afterany", "4")] {
            assert!(!check(never.0, never.1), "{never:?}");
        }
    }
}
