//! Jobs as slurmrestd tells them: those of the controller, and those of accounting.

use serde_json::Value;

use super::answer::{Answer, at, number, word, words};
use crate::slurm::{
    array,
    queue::{Row, accounted_state, given, is_number, state},
};
use wharf_core::{
    base::text,
    launch::{duration::format_duration, plan::State},
};

/// The states that are told beside another one and say more than it does.
const FLAGS: [&str; 8] =
    ["COMPLETING", "CONFIGURING", "STAGE_OUT", "SIGNALING", "RESIZING", "STOPPED", "REQUEUE_HOLD", "SPECIAL_EXIT"];

/// The jobs in an answer of the controller. What is none is left out; the rest is intact.
pub(super) fn queue(answer: &Answer) -> Vec<Row> {
    answer.list("jobs").iter().filter_map(queued).collect()
}

/// The numbers of an array: the whole, one task, and the tasks that wait.
struct Ids {
    raw: String,
    whole: String,
    task: Option<String>,
    waiting: String,
    in_array: bool,
}

impl Ids {
    /// `None` where the job has no id.
    fn read(raw: &Value, array: &Value, task: &Value, waiting: &Value) -> Option<Self> {
        let raw = number(raw).filter(|id| *id > 0)?.to_string();
        let waiting = waiting.as_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let task = number(task).filter(|task| *task >= 0).map(|task| task.to_string());
        // Slurm tells 0 for a job that is no array.
        let array = number(array).filter(|id| *id > 0).map(|id| id.to_string());
        let in_array = array.is_some();
        let whole = array.unwrap_or_else(|| raw.clone());
        let task = task.filter(|_| in_array && waiting.is_empty());
        Some(Self { raw, whole, task, waiting, in_array })
    }

    /// As Slurm's commands show it: `329`, `329_2`, `329_[3-9%2]`.
    fn shown(&self) -> String {
        match &self.task {
            Some(task) => format!("{}_{task}", self.whole),
            None if self.in_array && !self.waiting.is_empty() => format!("{}_[{}]", self.whole, self.waiting),
            None => self.whole.clone(),
        }
    }

    /// The row of these numbers in a state, of which nothing else is known.
    fn row(self, state: (State, bool)) -> Row {
        let waits = self.in_array && self.task.is_none();
        Row {
            id: self.shown(),
            count: if waits { array::tasks(&self.waiting).unwrap_or(1) } else { 1 },
            raw: self.raw,
            whole: self.whole,
            task: self.task,
            in_array: self.in_array,
            ..Row::new(state)
        }
    }
}

fn queued(job: &Value) -> Option<Row> {
    let field = |key: &str| at(job, &[key]);
    let text = |key: &str| field(key).as_str().unwrap_or_default().to_owned();
    let ids = Ids::read(field("job_id"), field("array_job_id"), field("array_task_id"), field("array_task_string"))?;
    let time = |key: &str| number(field(key)).filter(|seconds| *seconds > 0);
    let all = words(field("job_state"));
    let named = all.iter().find(|one| FLAGS.contains(&one.as_str())).or(all.first())?;
    let (mut state, over) = state(named, &text("state_reason"), time("start_time"));
    if over {
        state = accounted_state(named, &exit(field("exit_code")), None).0;
    }
    let left = time("end_time").map(|end| end.saturating_sub(text::now())).filter(|left| *left > 0);
    let left = left.filter(|_| state.is_live()).map(|left| format_duration(left.cast_unsigned()));
    Some(Row {
        partition: text("partition"),
        account: given(&text("account")),
        nodes: given(&text("nodes")),
        submitted: time("submit_time"),
        left: left.unwrap_or_default(),
        user: text("user_name"),
        output: given(&text("standard_output")),
        comment: given(&text("comment")),
        command: given(&text("command")),
        name: text("name"),
        ..ids.row((state, over))
    })
}

/// The jobs in an answer of accounting.
pub(super) fn accounted(answer: &Answer) -> Vec<Row> {
    let row = |job: &Value| {
        let array = at(job, &["array"]);
        let ids =
            Ids::read(at(job, &["job_id"]), at(array, &["job_id"]), at(array, &["task_id"]), at(array, &["task"]))?;
        let text = |key: &str| at(job, &[key]).as_str().unwrap_or_default();
        let mut state = word(at(job, &["state", "current"]))?;
        let by = text("kill_request_user");
        if state == "CANCELLED" && is_number(by) {
            state = format!("{state} by {by}");
        }
        let time = |key: &str| number(at(job, &["time", key])).filter(|seconds| *seconds > 0);
        Some(Row {
            partition: text("partition").to_owned(),
            account: given(text("account")),
            nodes: given(text("nodes")),
            submitted: time("submission"),
            ..ids.row(accounted_state(&state, &exit(at(job, &["exit_code"])), time("start")))
        })
    };
    answer.list("jobs").iter().filter_map(row).collect()
}

/// An exit code as Slurm's commands write it, `CODE:SIGNAL`. The oldest versions tell what wait(2) does.
fn exit(value: &Value) -> String {
    if let Value::Number(_) = value {
        let status = number(value).unwrap_or(0);
        return format!("{}:{}", (status >> 8) & 0xff, status & 0x7f);
    }
    let signal = ["id", "signal_id"].iter().find_map(|key| number(at(value, &["signal", key])));
    format!("{}:{}", number(at(value, &["return_code"])).unwrap_or(0), signal.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rows(jobs: &Value) -> Vec<Row> {
        queue(&Answer { status: 200, value: json!({ "jobs": jobs }) })
    }

    #[test]
    fn three_versions_tell_a_running_job() {
        for text in [
            include_str!("../../../../tests/fixtures/slurm/22.05/rest/job.json"),
            include_str!("../../../../tests/fixtures/slurm/24.11/rest/job.json"),
            include_str!("../../../../tests/fixtures/slurm/26.05/rest/job.json"),
        ] {
            let all = queue(&Answer { status: 200, value: serde_json::from_str(text).unwrap() });
            let [job] = all.as_slice() else { panic!("one job: {all:?}") };
            assert_eq!((&job.state, job.over, job.in_array, job.count), (&State::Running, false, false, 1));
            assert_eq!((job.id.as_str(), job.whole.as_str(), job.user.as_str()), (&*job.raw, &*job.raw, "wharf-lab"));
            assert!(job.partition == "short" && job.nodes.starts_with("cpu") && job.submitted.is_some(), "{job:?}");
        }
    }

    #[test]
    fn arrays_are_told_like_those_of_the_commands() {
        let old = json!([
            {"job_id": 62, "array_job_id": 62, "array_task_id": null, "array_task_string": "3-9%2", "job_state": "PENDING"},
            {"job_id": 63, "array_job_id": 62, "array_task_id": 1, "array_task_string": "", "job_state": "RUNNING"},
            {"job_id": 70, "array_job_id": 0, "array_task_id": null, "array_task_string": "", "job_state": "COMPLETED"},
            {"job_id": 0}, 5, {"job_id": 71, "array_job_id": 0},
        ]);
        let all = rows(&old);
        assert_eq!(all.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["62_[3-9%2]", "62_1", "70"]);
        assert_eq!((all[0].count, all[1].task.as_deref(), all[1].whole.as_str()), (7, Some("1"), "62"));
        assert!(all[2].over && !all[2].in_array);
        let set = |number: u64| json!({"set": true, "infinite": false, "number": number});
        let new = json!([{"job_id": 63, "array_job_id": set(62), "array_task_id": set(0), "array_task_string": "",
            "job_state": ["RUNNING", "COMPLETING"]}]);
        assert_eq!((rows(&new)[0].id.as_str(), &rows(&new)[0].state), ("62_0", &State::Stopping));
    }

    #[test]
    fn ends_are_told_in_both_forms() {
        let ended = |state: Value, exit: Value| {
            let array = json!({"job_id": 0, "task_id": null, "task": null});
            let job = json!({"job_id": 9, "array": array, "state": {"current": state}, "exit_code": exit});
            accounted(&Answer { status: 200, value: json!({ "jobs": [job] }) }).remove(0).state
        };
        assert_eq!(ended(json!("FAILED"), json!({"return_code": 3})), State::Exited(3));
        let exit =
            json!({"return_code": {"set": false}, "signal": {"id": {"set": true, "infinite": false, "number": 11}}});
        assert_eq!(ended(json!(["FAILED"]), exit), State::Exited(139));
        assert!(matches!(ended(json!(["TIMEOUT"]), json!({})), State::Failed(_)));
        assert_eq!(rows(&json!([{"job_id": 9, "job_state": "FAILED", "exit_code": 768}]))[0].state, State::Exited(3));
    }

    proptest::proptest! {
        #[test]
        fn no_answer_breaks_it(id in proptest::num::i64::ANY, task in ".{0,12}", state in ".{0,12}") {
            let job = json!({"job_id": id, "array_job_id": id, "array_task_id": id, "array_task_string": task,
                "job_state": state, "end_time": id, "exit_code": id});
            let _ = rows(&json!([job]));
        }
    }
}
