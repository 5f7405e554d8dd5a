//! Rows of the queue and of the accounts as workloads: a job each, an array with all its tasks as one.

use std::{collections::BTreeMap, path::Path};

use super::{
    folder::{Ended, Launched},
    queue::Row,
    script::COMMENT,
};
use wharf_core::{
    base::{clean, text},
    launch::plan::{State, Workload},
};

/// How many seconds the clocks of this machine and of the cluster may differ. Ids do not begin again within a day.
const CLOCKS: i64 = 24 * 3600;

/// A workload, and what it is made of.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// As it is listed.
    pub workload: Workload,
    /// Its rows; an array has several.
    pub rows: Vec<Row>,
    /// The launch that it is of, if Wharf launched it.
    pub launched: Option<Launched>,
    /// How it ended, where all of it has and accounting has told so: that can be kept.
    pub ended: Option<Ended>,
}

/// The key of the launch that a job is of: the folder of its script, or its comment, which some sites write over.
pub(super) fn key_of<'a>(row: &'a Row, launches: &Path) -> Option<&'a str> {
    let script = Path::new(&row.command).strip_prefix(launches).ok().and_then(|below| below.parent()?.to_str());
    script.or_else(|| row.comment.strip_prefix(COMMENT)).filter(|key| !key.is_empty())
}

/// The jobs of launches whose end only accounting can tell: those that are in the queue no more, or not with all tasks.
pub(super) fn to_account(queue: &[Row], launched: &[Launched]) -> Vec<String> {
    let missing = |one: &&Launched| {
        let rows = queue.iter().filter(|row| row.whole == one.job);
        let (count, over) = rows.fold((0, true), |(count, over), row| (count + row.count, over && row.over));
        over || count < one.record.tasks.unwrap_or(1)
    };
    launched.iter().filter(|one| one.ended.is_none()).filter(missing).map(|one| one.job.clone()).collect()
}

/// The workloads of these rows and launches. What was removed is not listed again: a job that is over and whose launch
/// has no folder any more.
pub(super) fn workloads(
    backend: &str,
    launches: &Path,
    queue: Vec<Row>,
    accounts: Vec<Row>,
    launched: Vec<Launched>,
) -> Vec<Known> {
    let mut groups: BTreeMap<String, (Vec<Row>, Vec<Row>)> = BTreeMap::new();
    for row in queue {
        groups.entry(row.whole.clone()).or_default().0.push(row);
    }
    for row in accounts {
        groups.entry(row.whole.clone()).or_default().1.push(row);
    }
    let mut all = Vec::new();
    for one in launched {
        let (queue, accounts) = groups.remove(&one.job).unwrap_or_default();
        // Ids begin again some day: an older job of the same id is another one.
        let same = |row: &Row| row.submitted.is_none_or(|submitted| submitted + CLOCKS >= one.record.created);
        // What names its launch needs no clock.
        let ours = |row: &Row| key_of(row, launches).map_or_else(|| same(row), |key| key == one.record.key);
        let (queue, others): (Vec<Row>, Vec<Row>) = queue.into_iter().partition(ours);
        let accounts = accounts.into_iter().filter(same).collect();
        if !others.is_empty() {
            groups.insert(one.job.clone(), (others, Vec::new()));
        }
        all.push(of_launch(backend, one, queue, accounts));
    }
    for (whole, (rows, _)) in groups {
        let removed = rows.iter().any(|row| key_of(row, launches).is_some()) && rows.iter().all(|row| row.over);
        if !rows.is_empty() && !removed {
            all.push(foreign(backend, &whole, rows));
        }
    }
    all
}

/// A job that Wharf did not launch, or whose folder is on another machine.
fn foreign(backend: &str, whole: &str, rows: Vec<Row>) -> Known {
    let name = rows.first().map(|row| clean::short(&row.name, 80)).unwrap_or_default();
    let workload = Workload {
        name,
        created: rows.iter().filter_map(|row| row.submitted).min(),
        facts: facts(&rows),
        ..Workload::new(backend, whole, together(&rows))
    };
    Known { workload, rows, launched: None, ended: None }
}

/// Jobs of other people: each is told with who sent it.
pub(super) fn of_others(backend: &str, person: &str, rows: Vec<Row>) -> Vec<Workload> {
    let mut groups: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for row in rows.into_iter().filter(|row| row.user != person && !row.over) {
        groups.entry(row.whole.clone()).or_default().push(row);
    }
    let one = |(whole, rows): (String, Vec<Row>)| {
        let who = rows.first().map(|row| clean::short(&row.user, 60)).unwrap_or_default();
        let mut workload = foreign(backend, &whole, rows).workload;
        workload.facts.insert(0, ("person".to_owned(), who));
        workload
    };
    groups.into_iter().map(one).collect()
}

/// A launch. The queue tells what goes on, accounting how a task ended.
fn of_launch(backend: &str, launched: Launched, queue: Vec<Row>, accounts: Vec<Row>) -> Known {
    let told = !accounts.is_empty();
    let mut rows = accounts;
    let same = |one: &Row, other: &Row| {
        // The last task of an array has the array's number. Accounting may hear late that it is a task, and which.
        let late = one.raw == other.raw && (one.task.is_none() || other.task.is_none());
        late || (one.in_array == other.in_array && one.task == other.task)
    };
    if !queue.is_empty() {
        // What waits or runs is in the queue.
        rows.retain(|row| row.over && !queue.iter().any(|other| same(row, other) && !other.over));
    }
    for row in &mut rows {
        // Accounting may hear of the end before it hears of the beginning.
        if let Some(other) = queue.iter().find(|other| same(row, other)) {
            let fields = [
                (&mut row.partition, &other.partition),
                (&mut row.account, &other.account),
                (&mut row.nodes, &other.nodes),
            ];
            for (mine, told) in fields.into_iter().filter(|(mine, _)| mine.is_empty()) {
                mine.clone_from(told);
            }
        }
    }
    let fresh: Vec<Row> = queue.into_iter().filter(|row| !rows.iter().any(|other| same(row, other))).collect();
    let queued = !fresh.is_empty();
    rows.extend(fresh);
    let all = launched.record.tasks.unwrap_or(1);
    let count: u64 = rows.iter().map(|row| row.count).sum();
    let (state, facts) = match &launched.ended {
        Some(ended) => (ended.state.clone(), ended.facts.clone()),
        None if rows.is_empty() => (State::Other("ended; how is not known".into()), Vec::new()),
        None if !queued && !rows.iter().all(|row| row.over) => {
            (State::Other("ended; accounting has not told how yet".into()), facts(&rows))
        }
        None => (together(&rows), facts(&rows)),
    };
    let whole = !queued && count >= all && told && rows.iter().all(|row| row.over);
    let ended = (launched.ended.is_none() && whole).then(|| Ended { state: state.clone(), facts: facts.clone() });
    let workload = workload(backend, &launched, state, facts);
    Known { workload, rows, ended, launched: Some(launched) }
}

/// A launch in this state, with these facts.
pub(super) fn workload(backend: &str, launched: &Launched, state: State, facts: Vec<(String, String)>) -> Workload {
    let record = &launched.record;
    Workload {
        name: record.name.clone(),
        image: record.reference.clone(),
        digest: record.digest.clone(),
        created: Some(record.created),
        facts,
        ..Workload::new(backend, launched.job.clone(), state)
    }
}

/// The state of all rows together: what still goes on, otherwise the worst end.
fn together(rows: &[Row]) -> State {
    rows.iter().map(|row| &row.state).min_by_key(|state| rank(state)).cloned().unwrap_or(State::Other(String::new()))
}

/// What matters most is the least: what goes on, then the worst end.
fn rank(state: &State) -> u8 {
    match state {
        State::Running => 0,
        State::Starting | State::Created => 1,
        State::Paused => 2,
        State::Stopping => 3,
        State::Queued { .. } => 4,
        State::Failed(_) | State::OutOfMemory => 5,
        State::Exited(code) if *code != 0 => 6,
        State::Other(_) => 7,
        State::Exited(_) => 8,
    }
}

/// What only Slurm tells of a job.
pub(super) fn facts(rows: &[Row]) -> Vec<(String, String)> {
    let mut facts = Vec::new();
    let mut add = |name: &str, value: String| {
        if !value.is_empty() {
            facts.push((name.to_owned(), value));
        }
    };
    let all = |of: fn(&Row) -> &String| {
        let mut values: Vec<&str> = rows.iter().map(|row| of(row).as_str()).filter(|value| !value.is_empty()).collect();
        values.sort_unstable();
        values.dedup();
        clean::short(&values.join(","), 80)
    };
    add("partition", all(|row| &row.partition));
    add("account", all(|row| &row.account));
    add("node", all(|row| &row.nodes));
    if rows.iter().any(|row| row.in_array) {
        add("tasks", tasks(rows));
    } else {
        add("time left", all(|row| &row.left));
    }
    let starts = rows.iter().filter_map(|row| match row.state {
        State::Queued { starts, .. } => starts,
        _ => None,
    });
    let starts = starts.min().map(|time| format!("about {} (an estimate)", text::timestamp(time)));
    add("starts", starts.unwrap_or_default());
    facts
}

/// How many tasks of an array do what: `10: 2 running, 5 queued, 3 done`.
fn tasks(rows: &[Row]) -> String {
    let mut counts: Vec<(String, u64)> = Vec::new();
    let mut rows: Vec<&Row> = rows.iter().collect();
    rows.sort_by_key(|row| rank(&row.state));
    for row in rows {
        let word = match &row.state {
            State::Queued { .. } => "queued".to_owned(),
            State::Failed(_) => "failed".to_owned(),
            other => other.label().1,
        };
        match counts.iter_mut().find(|(of, _)| *of == word) {
            Some((_, count)) => *count += row.count,
            None => counts.push((word, row.count)),
        }
    }
    let all: u64 = counts.iter().map(|(_, count)| count).sum();
    let words = counts.iter().map(|(word, count)| format!("{count} {word}")).collect::<Vec<_>>();
    format!("{all}: {}", words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slurm::folder::Record;

    fn row(id: &str, state: State) -> Row {
        let (whole, task) = id.split_once('_').map_or((id, None), |(whole, task)| (whole, Some(task.to_owned())));
        Row {
            id: id.to_owned(),
            raw: id.to_owned(),
            whole: whole.to_owned(),
            in_array: task.is_some(),
            task,
            count: 1,
            over: state.has_ended(),
            state,
            partition: "short".into(),
            account: String::new(),
            nodes: "cpu1".into(),
            submitted: Some(1000),
            left: "9:00".into(),
            user: String::new(),
            output: String::new(),
            comment: String::new(),
            command: String::new(),
            name: "na\nme".into(),
        }
    }

    fn waiting(id: &str, count: u64) -> Row {
        Row { task: None, count, ..row(id, State::Queued { reason: String::new(), starts: None }) }
    }

    fn launch(job: &str, tasks: Option<u64>) -> Launched {
        let record = Record {
            key: "k1".into(),
            name: "blast".into(),
            reference: "oci://r/a:1".into(),
            digest: "sha256:00".into(),
            manifest: String::new(),
            created: 1000,
            runtime: "local".into(),
            tasks,
            enters: true,
            closed: None,
            output: "/s/%j.log".into(),
        };
        Launched { record, job: job.to_owned(), ended: None }
    }

    fn list(queue: Vec<Row>, accounts: Vec<Row>, launched: Vec<Launched>) -> Vec<Known> {
        workloads("lab", Path::new("/s/launches"), queue, accounts, launched)
    }

    #[test]
    fn an_array_is_one_workload() {
        let queue = vec![
            waiting("62_[3-9]", 7),
            row("62_1", State::Running),
            row("62_2", State::Exited(0)),
            row("70", State::Running),
        ];
        let all = list(queue, Vec::new(), vec![launch("62", Some(9))]);
        assert_eq!(all.len(), 2);
        let array = &all[0].workload;
        assert_eq!((array.id.as_str(), &array.state), ("62", &State::Running));
        assert!(array.facts_words().contains("tasks 9: 1 running, 7 queued, 1 done"), "{}", array.facts_words());
        assert_eq!((all[1].workload.id.as_str(), all[1].workload.name.as_str()), ("70", "na me"));
    }

    #[test]
    fn accounting_tells_the_end_and_the_queue_what_goes_on() {
        let one = || vec![launch("61", None)];
        // The queue tells no exit code; what accounting tells late is no news.
        let known = list(vec![row("61", State::Failed(String::new()))], vec![row("61", State::Exited(3))], one());
        assert_eq!(known[0].workload.state, State::Exited(3));
        assert!(known[0].ended.is_some());
        let known = list(vec![row("61", State::Running)], vec![row("61", State::Exited(3))], one());
        assert_eq!((&known[0].workload.state, known[0].ended.is_none()), (&State::Running, true));
        let known = list(Vec::new(), vec![row("61", State::Running)], one());
        assert!(matches!(&known[0].workload.state, State::Other(why) if why.contains("not told how yet")));
        assert!(matches!(&list(Vec::new(), Vec::new(), one())[0].workload.state, State::Other(_)));
    }

    #[test]
    fn nine_of_ten_done_and_one_stopped_is_told_as_that() {
        let ended = |task: u64| row(&format!("62_{task}"), State::Exited(if task == 3 { 143 } else { 0 }));
        let known = list(Vec::new(), (1..=10).map(ended).collect(), vec![launch("62", Some(10))]);
        assert_eq!(known[0].workload.state, State::Exited(143));
        assert!(known[0].workload.facts_words().contains("tasks 10: 1 stopped, 9 done"));
        assert!(known[0].ended.is_some(), "it is over for good");
        let known = list(Vec::new(), (1..=9).map(ended).collect(), vec![launch("62", Some(10))]);
        assert!(known[0].ended.is_none(), "one task was not told of yet");
    }

    #[test]
    fn the_last_task_of_an_array_is_counted_once() {
        let last = |task: Option<&str>| Row {
            raw: "62".into(),
            task: task.map(str::to_owned),
            in_array: true,
            ..row("62", State::Exited(0))
        };
        let first = Row { raw: "63".into(), ..row("62_1", State::Exited(0)) };
        for late in [last(None), Row { in_array: false, ..last(None) }] {
            let queue = vec![first.clone(), last(Some("2"))];
            let known = list(queue, vec![first.clone(), late], vec![launch("62", Some(2))]);
            assert!(known[0].workload.facts_words().contains("tasks 2: 2 done"), "{}", known[0].workload.facts_words());
        }
    }

    #[test]
    fn only_what_the_queue_cannot_tell_is_asked_of_accounting() {
        let launched = || vec![launch("61", None), launch("62", Some(2))];
        let live = [row("61", State::Running), row("62_1", State::Running), waiting("62_[2]", 1)];
        assert_eq!(to_account(&live, &launched()), Vec::<String>::new());
        assert_eq!(to_account(&live[1..2], &launched()), ["61", "62"]);
        let mut kept = launched();
        kept[0].ended = Some(Ended { state: State::Exited(0), facts: Vec::new() });
        assert_eq!(to_account(&[], &kept), ["62"]);
    }

    #[test]
    fn clocks_that_differ_hide_no_job() {
        for submitted in [1000 - 7200, 1000 + 7200] {
            let ended = Row { submitted: Some(submitted), ..row("61", State::Exited(3)) };
            let known = list(Vec::new(), vec![ended], vec![launch("61", None)]);
            assert_eq!(known[0].workload.state, State::Exited(3), "{submitted}");
        }
        let named = Row { command: "/s/launches/k1/job.sh".into(), submitted: Some(1), ..row("61", State::Running) };
        let known = list(vec![named], Vec::new(), vec![launch("61", None)]);
        assert_eq!((known.len(), &known[0].workload.state), (1, &State::Running));
    }

    #[test]
    fn what_was_removed_and_what_has_the_id_of_another_job_is_told_apart() {
        let ours = |state: State| Row { command: "/s/launches/k9/job.sh".into(), ..row("80", state) };
        assert!(list(vec![ours(State::Exited(0))], Vec::new(), Vec::new()).is_empty(), "it was removed");
        assert_eq!(list(vec![ours(State::Running)], Vec::new(), Vec::new()).len(), 1, "it still runs");
        // Another launch has this id by now.
        let all = list(vec![ours(State::Running)], Vec::new(), vec![launch("80", None)]);
        assert_eq!(all.len(), 2);
        let old = Row { submitted: Some(1000 - CLOCKS - 1), ..row("61", State::Exited(3)) };
        let all = list(Vec::new(), vec![old], vec![launch("61", None)]);
        assert!(matches!(all[0].workload.state, State::Other(_)), "{:?}", all[0].workload.state);
    }
}
