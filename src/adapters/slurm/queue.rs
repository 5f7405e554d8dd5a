//! Reading squeue and sacct. Names may hold line breaks and any other character: fields and records have marks of their
//! own.

use wharf_core::launch::plan::State;

use super::{
    array,
    partitions::{format, records},
    reasons,
};

/// The fields that squeue is asked for. Those that hold foreign text are the last.
const FIELDS: [&str; 17] = [
    "JobArrayID",
    "JobID",
    "ArrayJobID",
    "ArrayTaskID",
    "State",
    "Reason",
    "Partition",
    "Account",
    "NodeList",
    "SubmitTime",
    "StartTime",
    "TimeLeft",
    "UserName",
    "StdOut",
    "Comment",
    "Command",
    "Name",
];
/// The fields that sacct is asked for: none of them can hold foreign text, because its records end at a line only.
const ACCOUNTED: &str = "JobID,JobIDRaw,State,ExitCode,Partition,Account,NodeList,Submit,Start,End";

/// The state of a job that another cluster of the federation has started (squeue(1), "JOB STATE CODES").
const REVOKED: &str = "REVOKED";

/// One job, one task of an array, or the tasks of an array that wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// Its id as Slurm shows it: `329`, `329_2`, `329_[3-9%2]`.
    pub id: String,
    /// Its number alone, which tasks have, too.
    pub raw: String,
    /// The id of the whole: of the array, or of the job itself.
    pub whole: String,
    /// The number of its task; `None` for a job that is no array, and for waiting tasks that share a row.
    pub task: Option<String>,
    /// How many tasks it stands for; 1 for a job that is no array.
    pub count: u64,
    /// Whether it belongs to an array.
    pub in_array: bool,
    /// What it does.
    pub state: State,
    /// Whether it is over.
    pub over: bool,
    /// The partition.
    pub partition: String,
    /// The account.
    pub account: String,
    /// Its nodes; may be empty.
    pub nodes: String,
    /// When it was sent, in seconds since 1970.
    pub submitted: Option<i64>,
    /// The time that is left, as Slurm writes it; empty where that has no meaning.
    pub left: String,
    /// The person who sent it.
    pub user: String,
    /// The path of its output, in which Slurm has not replaced the marks; may be empty.
    pub output: String,
    /// Its comment.
    pub comment: String,
    /// The path of its script; may be empty.
    pub command: String,
    /// Its name.
    pub name: String,
}

impl Row {
    /// A row in this state, of which nothing else is known.
    pub(super) fn new((state, over): (State, bool)) -> Self {
        Self {
            id: String::new(),
            raw: String::new(),
            whole: String::new(),
            task: None,
            count: 1,
            in_array: false,
            state,
            over,
            partition: String::new(),
            account: String::new(),
            nodes: String::new(),
            submitted: None,
            left: String::new(),
            user: String::new(),
            output: String::new(),
            comment: String::new(),
            command: String::new(),
            name: String::new(),
        }
    }
}

/// The arguments with which squeue tells this person's jobs, also those that ended a moment ago.
pub(super) fn queue_arguments() -> Vec<String> {
    ["--me", "-h", "-t", "all", "-O"].map(str::to_owned).into_iter().chain([format(&FIELDS)]).collect()
}

/// The arguments with which squeue tells everybody's jobs that wait or run, as far as it shows them to this person.
pub(super) fn queue_of_everybody_arguments() -> Vec<String> {
    ["-h", "-O"].map(str::to_owned).into_iter().chain([format(&FIELDS)]).collect()
}

/// The arguments with which squeue tells of these jobs, whoever sent them.
pub(super) fn jobs_arguments(ids: &[String]) -> Vec<String> {
    let words = ["-h", "-t", "all", "-j", &ids.join(","), "-O", &format(&FIELDS)];
    words.map(str::to_owned).to_vec()
}

/// The arguments with which sacct tells of these jobs.
pub(super) fn accounting_arguments(ids: &[String]) -> Vec<String> {
    let fixed = ["-nPX", "--delimiter=\u{1f}", "-o", ACCOUNTED, "-j"].map(str::to_owned);
    fixed.into_iter().chain([ids.join(",")]).collect()
}

/// What Slurm writes where there is nothing.
pub(super) fn given(text: &str) -> String {
    if matches!(text, "N/A" | "(null)" | "n/a" | "None assigned" | "Unknown") { String::new() } else { text.to_owned() }
}

/// Seconds since 1970, as Slurm writes them with `SLURM_TIME_FORMAT=%s`.
fn time(text: &str) -> Option<i64> {
    text.parse().ok().filter(|seconds| *seconds > 0)
}

/// The rows of squeue's answer. A record that is none is left out; the rest is intact.
pub(super) fn queue(text: &str) -> Vec<Row> {
    let all: Vec<(&str, Row)> =
        records::<17>(text).iter().filter_map(|fields| Some((fields[4], queued(fields)?))).collect();
    // In a federation, the job is in the queues of several clusters until one starts it.
    let is_elsewhere = |row: &Row| all.iter().any(|(word, other)| *word != REVOKED && other.id == row.id);
    all.iter().filter(|(word, row)| *word != REVOKED || !is_elsewhere(row)).map(|(_, row)| row.clone()).collect()
}

fn queued(fields: &[&str; 17]) -> Option<Row> {
    let [
        id,
        raw,
        array,
        task,
        word,
        reason,
        partition,
        account,
        nodes,
        submitted,
        starts,
        left,
        user,
        output,
        comment,
        command,
        name,
    ] = *fields;
    let in_array = given(task) != String::new();
    let whole = if in_array { array } else { id };
    if !is_number(whole) || !is_number(raw) {
        return None;
    }
    // Waiting tasks of an array share a row, which tells their numbers.
    let one = is_number(task);
    let (state, over) = state(word, reason, time(starts));
    Some(Row {
        id: id.to_owned(),
        raw: raw.to_owned(),
        whole: whole.to_owned(),
        task: one.then(|| task.to_owned()),
        count: if in_array && !one { array::tasks(task).unwrap_or(1) } else { 1 },
        in_array,
        left: if state.is_live() { given(left) } else { String::new() },
        state,
        over,
        partition: partition.to_owned(),
        account: given(account),
        nodes: given(nodes),
        submitted: time(submitted),
        user: user.to_owned(),
        output: given(output),
        comment: given(comment),
        command: given(command),
        name: name.to_owned(),
    })
}

/// The rows of sacct's answer, which holds no names, comments or paths.
pub(super) fn accounted(text: &str) -> Vec<Row> {
    let row = |line: &str| {
        let fields: [&str; 10] = line.split('\u{1f}').collect::<Vec<_>>().try_into().ok()?;
        let [id, raw, word, exit, partition, account, nodes, submitted, start, _end] = fields;
        let (whole, task) = id.split_once('_').map_or((id, None), |(whole, task)| (whole, Some(task)));
        let numbered = task.filter(|task| is_number(task));
        let waiting = task.filter(|task| !is_number(task)).map(|task| task.trim_matches(['[', ']']));
        if !is_number(whole) {
            return None;
        }
        Some(Row {
            id: id.to_owned(),
            raw: raw.to_owned(),
            whole: whole.to_owned(),
            task: numbered.map(str::to_owned),
            count: waiting.and_then(array::tasks).unwrap_or(1),
            in_array: task.is_some(),
            partition: partition.to_owned(),
            account: given(account),
            nodes: given(nodes),
            submitted: time(submitted),
            ..Row::new(accounted_state(word, exit, time(start)))
        })
    };
    text.lines().filter_map(row).collect()
}

/// Whether a text is a number of a job or a task, as Slurm writes it.
pub(super) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() < 20 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The state of a job in the queue, and whether it is over. The queue tells no exit code: accounting does.
pub(super) fn state(word: &str, reason: &str, starts: Option<i64>) -> (State, bool) {
    match word {
        "PENDING" | "REQUEUED" | "REQUEUE_FED" | "REQUEUE_HOLD" | "RESV_DEL_HOLD" | "SPECIAL_EXIT" => {
            (State::Queued { reason: reasons::waiting(reason), starts }, false)
        }
        "CONFIGURING" | "POWER_UP_NODE" => (State::Starting, false),
        "RUNNING" | "SIGNALING" | "RESIZING" => (State::Running, false),
        "SUSPENDED" | "STOPPED" => (State::Paused, false),
        "COMPLETING" | "STAGE_OUT" => (State::Stopping, false),
        "FAILED" => (State::Failed(reasons::ended(reason)), true),
        REVOKED => (State::Other("another cluster of the federation runs it".to_owned()), false),
        _ => over(word, 0, 0),
    }
}

/// The state of a job in the accounts, whose exit code is `CODE:SIGNAL`.
pub(super) fn accounted_state(word: &str, exit: &str, starts: Option<i64>) -> (State, bool) {
    let (code, signal) = exit.split_once(':').unwrap_or((exit, "0"));
    let number = |text: &str| text.parse::<i64>().unwrap_or(0);
    match word {
        "PENDING" | "RUNNING" | "SUSPENDED" | "REQUEUED" | "RESIZING" => state(word, "", starts),
        _ => over(word, number(code), number(signal)),
    }
}

/// How a job ended: Slurm's word for it, the exit code and the signal.
fn over(word: &str, code: i64, signal: i64) -> (State, bool) {
    // `CANCELLED by 1001`.
    let (first, by) = word.split_once(" by ").unwrap_or((word, ""));
    let failed = |why: &str| State::Failed(why.to_owned());
    let state = match first {
        "COMPLETED" => State::Exited(code),
        // As shells tell a program that was asked to end.
        "CANCELLED" if by.is_empty() || by == rustix::process::geteuid().as_raw().to_string() => State::Exited(143),
        "CANCELLED" if is_number(by) => failed(&format!("user {by} cancelled it")),
        "CANCELLED" => State::Exited(143),
        // Slurm's own code for a job that its node could not start.
        "FAILED" if signal == 53 => failed("it could not be started: perhaps its output cannot be written"),
        "FAILED" if signal > 0 => State::Exited(128 + signal),
        "FAILED" => State::Exited(code),
        "TIMEOUT" | "DEADLINE" => failed("its time was over"),
        "OUT_OF_MEMORY" => State::OutOfMemory,
        "NODE_FAIL" => failed("its node failed"),
        "PREEMPTED" => failed("another job took its place"),
        "BOOT_FAIL" | "LAUNCH_FAILED" | "RECONFIG_FAIL" => failed("it could not be started"),
        _ => return (State::Other(reasons::waiting(word)), false),
    };
    (state, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slurm::partitions::{FIELD, RECORD};

    /// A record as squeue writes it, in the order of the fields.
    fn record(fields: &[&str]) -> String {
        format!("{}{RECORD}\n", fields.join(&FIELD.to_string()))
    }

    fn plain(id: &str, word: &str, reason: &str, name: &str) -> String {
        record(&[
            id,
            id,
            id,
            "N/A",
            word,
            reason,
            "short",
            "physics",
            "",
            "1764343510",
            "N/A",
            "10:00",
            "ada",
            "/o/%j.log",
            "wharf:k1",
            "/s/launches/k1/job.sh",
            name,
        ])
    }

    fn task(id: &str, raw: &str, tasks: &str, word: &str) -> String {
        record(&[
            id,
            raw,
            "62",
            tasks,
            word,
            "None",
            "short",
            "physics",
            "cpu1",
            "1764343510",
            "1764343511",
            "9:58",
            "ada",
            "",
            "(null)",
            "(null)",
            "arr",
        ])
    }

    #[test]
    fn jobs_and_arrays_are_read() {
        let text = [
            plain("70", "PENDING", "Resources", "wait"),
            task("62_[3-9%2]", "62", "3-9%2", "PENDING"),
            task("62_1", "63", "1", "RUNNING"),
            "rubbish\n".to_owned(),
        ];
        let rows = queue(&text.concat());
        assert_eq!(rows.len(), 3);
        let (job, rest, one) = (&rows[0], &rows[1], &rows[2]);
        assert_eq!(job.state, State::Queued { reason: "what it needs is in use".into(), starts: None });
        assert_eq!((job.whole.as_str(), job.in_array, job.count), ("70", false, 1));
        assert_eq!((rest.whole.as_str(), rest.task.as_ref(), rest.count), ("62", None, 7));
        assert_eq!((one.task.as_deref(), one.raw.as_str(), one.left.as_str()), (Some("1"), "63", "9:58"));
        assert!(one.comment.is_empty() && one.command.is_empty(), "(null) is nothing");
    }

    /// Ids of a federation have the number of the cluster in their upper bits (Slurm, "Federated Scheduling Guide").
    #[test]
    fn a_job_of_a_federation_is_told_once() {
        let (here, there) = ("67109080", "134217779");
        let text = [
            plain(here, "REVOKED", "None", "moved"),
            plain(here, "RUNNING", "None", "moved"),
            plain(there, "REVOKED", "None", "away"),
        ];
        let rows = queue(&text.concat());
        assert_eq!(rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), [here, there]);
        assert_eq!((&rows[0].state, rows[0].over), (&State::Running, false));
        assert!(matches!(&rows[1].state, State::Other(why) if why.contains("federation")) && !rows[1].over);
    }

    #[test]
    fn a_hostile_name_stays_in_its_own_job() {
        let name = format!("two\nlines|pipe \u{1b}[31mred\n71{FIELD}71{FIELD}71");
        let text = [
            plain("70", "RUNNING", "None", "x"),
            plain("71", "RUNNING", "None", &name),
            plain("72", "FAILED", "None", "y"),
        ];
        let rows = queue(&text.concat());
        assert_eq!(rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["70", "71", "72"]);
        assert_eq!(rows[1].name, name, "it is shown cleaned, and kept as it is");
        // The mark of a record ends it: what follows is none.
        let rows = queue(&[plain("71", "RUNNING", "None", "a\u{1e}b"), plain("72", "RUNNING", "None", "y")].concat());
        assert_eq!(rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["a", "y"]);
    }

    #[test]
    fn accounting_tells_how_a_job_ended() {
        let line = |id: &str, word: &str, exit: &str| {
            format!("{id}\u{1f}1\u{1f}{word}\u{1f}{exit}\u{1f}short\u{1f}physics\u{1f}cpu1\u{1f}1\u{1f}2\u{1f}3\n")
        };
        let ended = |word: &str, exit: &str| accounted(&line("61", word, exit)).remove(0).state;
        let me = rustix::process::geteuid().as_raw();
        assert_eq!(ended("COMPLETED", "0:0"), State::Exited(0));
        assert_eq!(ended("FAILED", "3:0"), State::Exited(3));
        assert_eq!(ended("FAILED", "0:11"), State::Exited(139));
        assert_eq!(ended(&format!("CANCELLED by {me}"), "0:0"), State::Exited(143));
        assert_eq!(
            ended(&format!("CANCELLED by {}", me + 1), "0:0"),
            State::Failed(format!("user {} cancelled it", me + 1))
        );
        assert_eq!(ended("OUT_OF_MEMORY", "0:125"), State::OutOfMemory);
        for (word, exit) in [("TIMEOUT", "0:0"), ("FAILED", "0:53"), ("NODE_FAIL", "1:0")] {
            assert!(matches!(ended(word, exit), State::Failed(_)), "{word}");
        }
        let rows = accounted(&[line("62_1", "RUNNING", "0:0"), line("62_[3-9%2]", "PENDING", "0:0")].concat());
        assert_eq!((rows[0].task.as_deref(), rows[0].over), (Some("1"), false));
        assert_eq!((rows[1].task.as_ref(), rows[1].count), (None, 7));
    }

    /// What three versions answer: the fixtures have more fields, in another order.
    #[test]
    fn the_records_of_three_versions_are_told_apart() {
        for text in [
            include_str!("../../../tests/fixtures/slurm/22.05/squeue-O.txt"),
            include_str!("../../../tests/fixtures/slurm/24.11/squeue-O.txt"),
            include_str!("../../../tests/fixtures/slurm/26.05/squeue-O.txt"),
        ] {
            let all = records::<29>(text);
            let names: Vec<&str> = all.iter().map(|fields| fields[6]).collect();
            assert!(all.len() > 5 && names.contains(&"two\nlines|pipe \u{1b}[31mred"), "{names:?}");
            let known = ["RUNNING", "PENDING", "COMPLETING"];
            assert!(all.iter().all(|fields| known.contains(&fields[4])), "{names:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_answer_breaks_it(text in "(?s).{0,400}") {
            let _ = (queue(&text), accounted(&text));
        }

        #[test]
        fn no_name_reaches_another_job(name in "(?s)[^\u{1e}]{0,60}") {
            let text = [plain("1", "RUNNING", "None", &name), plain("2", "PENDING", "None", "b")].concat();
            let rows = queue(&text);
            proptest::prop_assert_eq!(rows.len(), 2);
            proptest::prop_assert_eq!(&rows[0].name, &name);
            proptest::prop_assert_eq!(&rows[1].name, "b");
        }
    }
}
