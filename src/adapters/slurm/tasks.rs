//! The tasks of arrays as workloads of their own, and what cannot be done with single jobs and tasks.

use super::{
    jobs::{Known, facts},
    queue::Row,
};
use wharf_core::launch::{
    ability::{Ability, Refusal},
    plan::Workload,
    usage::full_id,
};

/// Why a job cannot be removed, and what to do instead.
pub(super) const NOT_OURS: &str = "Wharf did not launch it, and does not know what it wrote";
pub(super) const STOP_IT: &str = "stop it: Slurm forgets it a few minutes after its end";
/// Why a task cannot be removed, and what to do instead.
pub(super) const PART: &str = "a task is a part of its array";
pub(super) const WHOLE: &str = "remove the array, or stop the task";
/// The most tasks of an array that are told one by one.
const MOST: usize = 1000;

/// What to do with the task of an array instead of the array.
pub(super) fn name_a_task(backend: &str, id: &str) -> String {
    format!("name one of its tasks, like {}", full_id(backend, &format!("{id}_1")))
}

impl Known {
    /// What cannot be done with it, or with its tasks, although other jobs can.
    pub(super) fn refusals(&self) -> Vec<Refusal> {
        use Ability::{Exec, Remove, Terminal};
        let is_array = self.rows.iter().any(|row| row.in_array);
        let of = |id: &str, abilities: &[Ability], why: &str, instead: &str| {
            Refusal::of(id, abilities, &format!("{why}: {instead}"))
        };
        let mut all = Vec::new();
        let tasks = self.numbered().filter_map(|row| row.task.as_deref());
        let tasks = tasks.map(|task| format!("{}_{task}", self.workload.id));
        for id in std::iter::once(self.workload.id.clone()).chain(tasks) {
            let id = id.as_str();
            let is_task = id != self.workload.id;
            let closed = self.launched.as_ref().and_then(|launched| launched.record.closed());
            match (&self.launched, closed) {
                (None, _) if !is_task => all.extend(of(id, &[Remove], NOT_OURS, STOP_IT)),
                (_, Some((why, instead))) => all.extend(of(id, &[Exec, Terminal], why, instead)),
                _ if is_array && !is_task => {
                    all.extend(of(id, &[Exec, Terminal], "it is an array of tasks", "open one of them"));
                }
                _ => {}
            }
            if is_task {
                all.extend(of(id, &[Remove], PART, WHOLE));
            }
        }
        all
    }

    /// The tasks of an array that have a number of their own.
    fn numbered(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.in_array && row.task.is_some()).take(MOST)
    }

    /// Its tasks as workloads.
    pub(super) fn tasks(&self, backend: &str) -> Vec<Workload> {
        let task = |row: &Row| Workload {
            name: format!("{}_{}", self.workload.name, row.task.as_deref().unwrap_or_default()),
            image: self.workload.image.clone(),
            digest: self.workload.digest.clone(),
            created: self.workload.created,
            facts: facts(std::slice::from_ref(&Row { in_array: false, ..row.clone() })),
            ..Workload::new(
                backend,
                format!("{}_{}", self.workload.id, row.task.as_deref().unwrap_or_default()),
                row.state.clone(),
            )
        };
        self.numbered().map(task).collect()
    }
}

#[cfg(test)]
mod tests {
    use wharf_core::launch::plan::State;

    use super::*;

    fn known(rows: Vec<Row>) -> Known {
        let workload = Workload { name: "blast".into(), ..Workload::new("lab", "329", State::Running) };
        Known { workload, rows, launched: None, ended: None }
    }

    fn task(number: &str, state: State) -> Row {
        let task = Some(number.to_owned());
        Row { task, whole: "329".into(), in_array: true, ..Row::new((state, false)) }
    }

    #[test]
    fn tasks_with_a_number_are_workloads_and_those_that_wait_together_are_not() {
        let waiting = Row { in_array: true, count: 8, ..Row::new((State::Created, false)) };
        let known = known(vec![task("1", State::Exited(0)), task("2", State::Running), waiting]);
        let told: Vec<_> = known.tasks("lab").into_iter().map(|one| (one.full_id(), one.name, one.state)).collect();
        assert_eq!(
            told,
            [
                ("lab:329_1".into(), "blast_1".into(), State::Exited(0)),
                ("lab:329_2".into(), "blast_2".into(), State::Running)
            ]
        );
    }

    #[test]
    fn what_a_job_or_a_task_cannot_is_known_before_it_is_asked() {
        let refused = |known: &Known, id: &str| {
            let all = known.refusals();
            all.into_iter().filter(|one| one.id == id).map(|one| one.ability).collect::<Vec<_>>()
        };
        let plain = known(vec![Row::new((State::Running, false))]);
        assert_eq!(refused(&plain, "329"), [Ability::Remove], "it is not ours");
        let array = known(vec![task("1", State::Running)]);
        assert_eq!(refused(&array, "329_1"), [Ability::Remove], "it is a part of its array");
    }
}
