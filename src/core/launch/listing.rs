//! Lists of workloads: which of them are asked for, what one backend answered, and the answers of all together.

use super::{
    ability::{Ability, Refusal},
    plan::Workload,
    usage::WorkloadId,
};
use crate::base::error::{Error, Result};

/// Which workloads a list is asked for. By default those of this person, from any time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ListScope {
    /// Those of other people, too, where the backend can tell them and shows them to this person.
    pub everybody: bool,
    /// Leave out those that were made before then and have ended, in seconds since 1970.
    pub since: Option<i64>,
}

impl ListScope {
    /// Whether a workload is within the asked time. One that has not ended always is, and so is one whose time is unknown.
    pub fn covers(&self, workload: &Workload) -> bool {
        let made_since = |since: i64| workload.created.is_none_or(|created| created >= since);
        workload.state.may_stop() || self.since.is_none_or(made_since)
    }
}

/// What one backend answered when it was asked for its workloads.
#[derive(Debug, Clone, PartialEq)]
pub struct BackendList {
    /// The backend's name.
    pub backend: String,
    /// Its workloads; none if it did not answer.
    pub workloads: Vec<Workload>,
    /// Why it did not answer, or why its list is not complete.
    pub trouble: Option<Error>,
    /// What cannot be done with single workloads of the list.
    pub refusals: Vec<Refusal>,
    /// Parts of its workloads that are workloads themselves, such as the tasks of an array.
    pub parts: Vec<Workload>,
}

impl BackendList {
    /// The list that an answer makes: the workloads that the scope covers, and why they are not all, if so.
    pub fn new(backend: &str, answer: Result<(Vec<Workload>, Option<String>)>, scope: ListScope) -> Self {
        let (mut workloads, trouble) = match answer {
            Ok((workloads, None)) => (workloads, None),
            Ok((workloads, Some(cut))) => {
                let why = format!("its list is not complete: {cut}");
                (workloads, Some(Error::failed(format!("list workloads of {backend}"), why)))
            }
            Err(error) => (Vec::new(), Some(error)),
        };
        workloads.retain(|workload| scope.covers(workload));
        Self { backend: backend.to_owned(), workloads, trouble, refusals: Vec::new(), parts: Vec::new() }
    }
}

/// The last answer of each backend. Backends answer one after the other, and none waits for another.
#[derive(Debug, Default)]
pub struct BackendLists(Vec<(String, Option<BackendList>)>);

impl BackendLists {
    /// No answer yet of these backends.
    pub fn of<'a>(backends: impl IntoIterator<Item = &'a str>) -> Self {
        Self(backends.into_iter().map(|name| (name.to_owned(), None)).collect())
    }

    /// Keeps an answer in the place of the last one of its backend.
    pub fn arrived(&mut self, list: BackendList) {
        match self.0.iter_mut().find(|(name, _)| *name == list.backend) {
            Some((_, last)) => *last = Some(list),
            None => self.0.push((list.backend.clone(), Some(list))),
        }
    }

    /// The last answers of the backends that have answered.
    fn answers(&self) -> impl Iterator<Item = &BackendList> {
        self.0.iter().filter_map(|(_, answer)| answer.as_ref())
    }

    /// The number of workloads that run, as far as backends have answered.
    pub fn live(&self) -> usize {
        self.answers().flat_map(|list| &list.workloads).filter(|one| one.state.is_live()).count()
    }

    /// The workloads that run and fit, as far as backends have answered.
    pub fn live_where(&self, fits: impl Fn(&Workload) -> bool) -> Vec<&Workload> {
        let live = self.answers().flat_map(|list| &list.workloads).filter(|one| one.state.is_live());
        live.filter(|one| fits(one)).collect()
    }

    /// The workloads that run an image: those that Wharf launched with this digest, and those whose backend names this
    /// reference. An empty digest or reference is that of none.
    pub fn running(&self, digest: &str, reference: &str) -> Vec<&Workload> {
        let same = |one: &Workload| {
            (!digest.is_empty() && one.digest == digest)
                || (one.digest.is_empty() && !reference.is_empty() && one.image == reference)
        };
        self.live_where(same)
    }

    /// Whether this backend has answered.
    pub fn has_answered(&self, backend: &str) -> bool {
        self.answers().any(|list| list.backend == backend)
    }

    /// The names of the backends that have not answered yet.
    pub fn unanswered(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(_, answer)| answer.is_none()).map(|(name, _)| name.as_str())
    }

    /// Why an ability of its backend does not work with this workload, as its last list said; `None` if it does.
    pub fn refusal(&self, (backend, id): &WorkloadId, ability: Ability) -> Option<&str> {
        let mut refusals = self.answers().filter(|list| list.backend == *backend).flat_map(|list| &list.refusals);
        refusals.find(|one| one.id == *id && one.ability == ability).map(|one| one.why.as_str())
    }

    /// The parts that were told of workloads of this backend.
    pub fn parts<'a>(&'a self, backend: &'a str) -> impl Iterator<Item = &'a Workload> {
        self.answers().filter(move |list| list.backend == backend).flat_map(|list| &list.parts)
    }

    /// The workloads of all answers, those that run first and then the newest, and what did not answer, with the errors.
    pub fn merged(&self) -> (Vec<Workload>, Vec<(String, Error)>) {
        let mut all: Vec<Workload> = self.answers().flat_map(|list| list.workloads.iter().cloned()).collect();
        all.sort_by(|a, b| b.state.is_live().cmp(&a.state.is_live()).then(b.created.cmp(&a.created)));
        let failed = self.answers().filter_map(|list| Some((list.backend.clone(), list.trouble.clone()?)));
        (all, failed.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::plan::State;

    fn workload(backend: &str, id: &str, state: State, created: i64) -> Workload {
        Workload { created: Some(created), ..Workload::new(backend, id, state) }
    }

    fn list(backend: &str, workloads: Vec<Workload>) -> BackendList {
        BackendList::new(backend, Ok((workloads, None)), ListScope::default())
    }

    #[test]
    fn what_ended_before_the_asked_time_is_left_out_and_what_lives_is_not() {
        let scope = ListScope { since: Some(100), ..ListScope::default() };
        for (state, created, covered) in [
            (State::Exited(0), 99, false),
            (State::Exited(0), 100, true),
            (State::Running, 1, true),
            (State::Queued { reason: String::new(), starts: None }, 1, true),
        ] {
            assert_eq!(scope.covers(&workload("docker", "a", state.clone(), created)), covered, "{state:?} {created}");
        }
        assert!(scope.covers(&Workload::new("docker", "a", State::Exited(0))), "its time is unknown");
        assert!(ListScope::default().covers(&workload("docker", "a", State::Exited(0), 1)));
    }

    #[test]
    fn each_answer_replaces_only_that_of_its_own_backend() {
        let mut lists = BackendLists::of(["docker", "slurm"]);
        assert_eq!(lists.unanswered().collect::<Vec<_>>(), ["docker", "slurm"]);
        lists.arrived(list("docker", vec![workload("docker", "old", State::Exited(0), 9)]));
        assert_eq!(lists.unanswered().collect::<Vec<_>>(), ["slurm"]);
        lists.arrived(list("slurm", vec![workload("slurm", "7", State::Running, 1)]));
        lists.arrived(list("docker", vec![workload("docker", "new", State::Exited(0), 10)]));
        let (all, failed) = lists.merged();
        assert_eq!(all.iter().map(Workload::full_id).collect::<Vec<_>>(), ["slurm:7", "docker:new"]);
        assert!(failed.is_empty());
        let away = Error::failed("list workloads of docker", "nothing answers");
        lists.arrived(BackendList::new("docker", Err(away), ListScope::default()));
        let (all, failed) = lists.merged();
        assert_eq!((all.len(), failed[0].0.as_str()), (1, "docker"), "its rows are not shown as if they were known");
    }

    #[test]
    fn an_image_is_run_by_what_was_launched_with_its_digest_and_still_lives() {
        let one = |id: &str, state: State, digest: &str, image: &str| Workload {
            digest: digest.to_owned(),
            image: image.to_owned(),
            ..Workload::new("docker", id, state)
        };
        let mut lists = BackendLists::default();
        lists.arrived(list(
            "docker",
            vec![
                one("mine", State::Running, "sha256:1", "oci://site.example/a:1"),
                one("ended", State::Exited(0), "sha256:1", "oci://site.example/a:1"),
                one("moved", State::Running, "sha256:2", "oci://site.example/a:1"),
                one("foreign", State::Running, "", "oci://site.example/a:1"),
            ],
        ));
        let run: Vec<&str> =
            lists.running("sha256:1", "oci://site.example/a:1").iter().map(|one| one.id.as_str()).collect();
        assert_eq!(run, ["mine", "foreign"]);
        assert!(lists.running("", "").is_empty());
    }

    #[test]
    fn a_list_that_is_cut_short_is_shown_with_the_reason() {
        let cut = Ok((vec![workload("docker", "a", State::Running, 1)], Some("2 rows of it cannot be read".into())));
        let list = BackendList::new("docker", cut, ListScope::default());
        assert_eq!(list.workloads.len(), 1);
        assert!(list.trouble.is_some_and(|error| error.why.contains("2 rows of it cannot be read")));
    }
}
