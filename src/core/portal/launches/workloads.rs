//! Workloads of every backend: finding them, and changing them. Changes are recorded in the audit.

use std::sync::Arc;

use futures_util::{StreamExt, stream};

use super::Launches;
use crate::{
    audit::Entry,
    base::{
        clean,
        context::Context,
        error::{Error, Kind, Result},
    },
    image::reference::ImageRef,
    launch::{
        form::{Answers, Form},
        listing::{BackendList, BackendLists, ListScope},
        logs::LogRange,
        plan::Workload,
    },
    ports::{ByteStream, Extent, Launcher, Listed, Terminal},
};

/// How much of a workload's name or id must be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdMatch {
    /// The whole name or id, for what changes or ends a workload; the short id that engines print is enough, too.
    Whole,
    /// The beginning of its name or id, for what only shows it.
    Begun,
}

/// The length of the short ids that engines print.
const SHORT: usize = 12;

/// The backend that an id names before its colon, and the id there: `docker:3f2a9c0d11e8`. A backend's name may itself
/// have a colon in it, so the longest that fits counts.
fn of_backend<'a>(backends: &[&str], id: &'a str) -> Option<(usize, &'a str)> {
    let fits = backends.iter().enumerate().filter_map(|(at, name)| {
        Some((name.len(), (at, id.strip_prefix(name)?.strip_prefix(':').filter(|rest| !rest.is_empty())?)))
    });
    fits.max_by_key(|(length, _)| *length).map(|(_, found)| found)
}

/// The workloads that `id` means: by whole name or id, otherwise by the beginning that `given` allows.
fn meant<'a>(all: &'a [Workload], id: &str, given: IdMatch) -> Vec<&'a Workload> {
    let mut fits: Vec<&Workload> = all.iter().filter(|one| one.id == id || one.name == id).collect();
    if fits.is_empty() && !id.is_empty() {
        let begins = |one: &&Workload| match given {
            IdMatch::Whole => {
                id.len() >= SHORT && id.bytes().all(|byte| byte.is_ascii_hexdigit()) && one.id.starts_with(id)
            }
            IdMatch::Begun => one.id.starts_with(id) || one.name.starts_with(id),
        };
        fits = all.iter().filter(begins).collect();
    }
    // Two sign-ins to the same project list the same server: either will do. Short ids are the same by chance.
    fits.dedup_by(|other, first| other.id == first.id && first.id.len() >= SHORT);
    fits
}

impl Launches {
    /// Workloads of every backend, and the errors of the backends that failed.
    pub async fn workloads(&self, cx: &Context, scope: ListScope) -> (Vec<Workload>, Vec<(String, Error)>) {
        self.lists(cx, scope).await.merged()
    }

    /// The answers of every backend, asked at the same time.
    async fn lists(&self, cx: &Context, scope: ListScope) -> BackendLists {
        let asked: Vec<_> = self.launchers.iter().map(|launcher| ask_workloads(cx, launcher.clone(), scope)).collect();
        let answers: Vec<_> = stream::iter(asked).buffered(8).collect().await;
        let mut lists = BackendLists::default();
        for list in answers {
            lists.arrived(list);
        }
        lists
    }

    /// The lists in which `id` is looked for, and the id without its backend: where it names one, only that one is asked.
    async fn candidates<'a>(&self, cx: &Context, id: &'a str) -> (BackendLists, &'a str) {
        let named = of_backend(&self.backends(), id);
        let Some((launcher, rest)) = named.and_then(|(at, rest)| Some((self.launchers.get(at)?.clone(), rest))) else {
            return (self.lists(cx, ListScope::default()).await, id);
        };
        let mut lists = BackendLists::default();
        lists.arrived(ask_workloads(cx, launcher, ListScope::default()).await);
        (lists, rest)
    }

    /// The workload that `id` means: its name or its id, alone or after the name of its backend (`docker:3f2a9c0d11e8`).
    ///
    /// # Errors
    /// `NotFound` where there is none, `Usage` where several are meant, with the whole ids of all.
    pub async fn find_workload(&self, cx: &Context, id: &str, given: IdMatch) -> Result<Workload> {
        let (lists, id) = self.candidates(cx, id).await;
        let (all, failed) = lists.merged();
        let fits = meant(&all, id, given);
        if fits.is_empty() {
            if let Some(part) = self.part(&lists, &all, id) {
                return Ok(part);
            }
        }
        match fits.as_slice() {
            [one] => Ok((*one).clone()),
            [] => {
                let hint = failed.first().map_or_else(
                    || "'wharf workloads' lists them".to_owned(),
                    |(name, error)| match error.kind {
                        Kind::Failed => format!("{name}: {}", error.why),
                        _ => format!("{name} did not answer: {}", error.why),
                    },
                );
                let begun = meant(&all, id, IdMatch::Begun);
                let (why, hint) = match begun.first() {
                    Some(one) => (
                        format!("there is no workload of that name; '{}' only begins like it", one.name),
                        format!("what changes or ends a workload wants its whole name, or its id: {}", one.full_id()),
                    ),
                    None => ("there is no such workload".to_owned(), hint),
                };
                Err(Error::not_found(format!("workload '{id}'"), why).hint(hint))
            }
            many => {
                Err(Error::usage(format!("workload '{id}'"), format!("{} workloads are meant by this", many.len()))
                    .hint(format!("name one by its whole id: {}", full_ids(many))))
            }
        }
    }

    /// The part of a listed workload that `id` names. Of one that is not told by itself, only what the whole tells is known.
    fn part(&self, lists: &BackendLists, all: &[Workload], id: &str) -> Option<Workload> {
        let of = |launcher: &Arc<dyn Launcher>| {
            let whole = launcher.whole(id)?;
            let told = lists.parts(launcher.name()).find(|one| one.id == id).cloned();
            let whole = || all.iter().find(|one| one.backend == launcher.name() && one.id == whole);
            told.or_else(|| Some(Workload { id: id.to_owned(), ..whole()?.clone() }))
        };
        self.launchers.iter().find_map(of)
    }

    /// The output of a workload so far, and as it arrives where that is wanted.
    pub async fn logs(&self, cx: &Context, backend: &str, id: &str, wanted: LogRange) -> Result<ByteStream> {
        self.launcher(Some(backend), None)?.logs(cx, id, wanted).await
    }

    /// Stops a workload; one that is stopped stays so.
    pub async fn stop(&self, cx: &Context, backend: &str, id: &str) -> Result<()> {
        let launcher = self.launcher(Some(backend), None)?;
        self.journal.recorded(self.journal.entry("stop", format!("{id} on {backend}")), launcher.stop(cx, id)).await
    }

    /// Starts a stopped workload, or restarts a running one with `again`.
    pub async fn start(&self, cx: &Context, backend: &str, id: &str, again: bool) -> Result<()> {
        let launcher = self.launcher(Some(backend), None)?;
        let entry = self.journal.entry(if again { "restart" } else { "start" }, format!("{id} on {backend}"));
        self.journal.recorded(entry, launcher.start(cx, id, again)).await
    }

    /// Stops and removes a workload; one that is gone counts as removed.
    pub async fn remove(&self, cx: &Context, backend: &str, id: &str) -> Result<()> {
        let launcher = self.launcher(Some(backend), None)?;
        self.journal.recorded(self.journal.entry("remove", format!("{id} on {backend}")), launcher.remove(cx, id)).await
    }

    /// With `there` attaches a volume to a server of the same cloud, otherwise detaches it. A bare volume name means
    /// that cloud.
    pub async fn attach(&self, cx: &Context, backend: &str, id: &str, volume: &str, there: bool) -> Result<ImageRef> {
        let launcher = self.launcher(Some(backend), None)?;
        let whole = if volume.contains("://") { volume.to_owned() } else { format!("volume://{backend}/{volume}") };
        let reference: ImageRef = whole.parse()?;
        if !matches!(reference, ImageRef::Volume { .. }) {
            return Err(Error::usage(format!("use {reference} as a volume"), "it is none")
                .hint("write volume://CLOUD/NAME, or the volume's name or id"));
        }
        let entry =
            self.journal.entry(if there { "attach" } else { "detach" }, format!("{reference}: {id} on {backend}"));
        let moving = async {
            if there { launcher.attach(cx, id, &reference).await } else { launcher.detach(cx, id, &reference).await }
        };
        self.journal.recorded(entry, moving).await?;
        Ok(reference)
    }

    /// What can be asked for as the size of a workload, with what it has now as the defaults.
    pub async fn sizes(&self, cx: &Context, backend: &str, id: &str) -> Result<Form> {
        let launcher = self.launcher(Some(backend), None)?;
        cx.run(&format!("ask for the size of {id}"), launcher.sizes(cx, id)).await
    }

    /// Gives a workload another size; what the answers leave out stays as it is.
    pub async fn resize(&self, cx: &Context, backend: &str, id: &str, given: &Answers) -> Result<()> {
        let launcher = self.launcher(Some(backend), None)?;
        let what = format!("resize {id}");
        // Only what is asked for is changed: the form's defaults may be rounded.
        self.sizes(cx, backend, id).await?.check(given)?;
        let asked = given.0.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ");
        let entry = self.journal.entry("resize", format!("{id} on {backend}: {}", clean::short(&asked, 200)));
        self.journal.recorded(entry, cx.unless_cancelled(&what, launcher.resize(cx, id, given))).await
    }

    /// Makes an image of a workload as it is now. After a crash or a broken connection, a call with the same name
    /// continues it.
    pub async fn snapshot(&self, cx: &Context, backend: &str, id: &str, name: &str) -> Result<ImageRef> {
        let launcher = self.launcher(Some(backend), None)?;
        let what = format!("take a snapshot of {id}");
        let entry = self.journal.entry("snapshot", format!("{id} on {backend} as {name}"));
        self.journal.recorded(entry, cx.unless_cancelled(&what, launcher.snapshot(cx, id, name))).await
    }

    /// Runs a command in a workload. The audit names the program but not its arguments, which may hold a secret.
    pub async fn exec(&self, cx: &Context, backend: &str, id: &str, command: Vec<String>) -> Result<(Vec<u8>, i64)> {
        let launcher = self.launcher(Some(backend), None)?;
        let entry = self.journal.entry("exec", format!("{} in {id} on {backend}", program(&command)));
        let told = |entry: &mut Entry, (_, code): &(Vec<u8>, i64)| {
            if *code != 0 {
                entry.outcome = format!("ended with exit code {code}");
            }
        };
        self.journal.recorded_with(entry, launcher.exec(cx, id, command), told).await
    }

    /// Opens a terminal in a workload, or with a command in a new process of it. Typed input is not recorded in the
    /// audit.
    pub async fn terminal(
        &self,
        cx: &Context,
        (backend, id): (&str, &str),
        command: Option<Vec<String>>,
        size: (u16, u16),
    ) -> Result<Terminal> {
        let launcher = self.launcher(Some(backend), None)?;
        let entry = match &command {
            Some(command) => self.journal.entry("exec", format!("{} in {id} on {backend}", program(command))),
            None => self.journal.entry("console", format!("{id} on {backend}")),
        };
        self.journal.recorded(entry, launcher.terminal(cx, id, command, size)).await
    }
}

/// How many workloads are named where several are meant.
const NAMED: usize = 5;

/// The ids of workloads with their backends, the first few.
fn full_ids(all: &[&Workload]) -> String {
    let more = if all.len() > NAMED { " and others" } else { "" };
    format!("{}{more}", all.iter().take(NAMED).map(|one| one.full_id()).collect::<Vec<_>>().join(", "))
}

/// The program of a command, as the audit records it.
fn program(command: &[String]) -> String {
    command.first().map(|word| clean::short(word, 100)).unwrap_or_default()
}

/// Asks one backend for what a scope asks for.
pub(super) async fn ask_workloads(cx: &Context, launcher: Arc<dyn Launcher>, scope: ListScope) -> BackendList {
    let name = launcher.name();
    let answer = cx.run(&format!("list workloads of {name}"), launcher.list(cx, scope)).await;
    let (answer, refusals, parts) = match answer {
        Ok(Listed { workloads, extent, refusals, parts }) => {
            let cut = match extent {
                Extent::Whole => None,
                Extent::Cut(why) => Some(why),
            };
            (Ok((workloads, cut)), refusals, parts)
        }
        Err(error) => (Err(error), Vec::new(), Vec::new()),
    };
    BackendList { refusals, parts, ..BackendList::new(name, answer, scope) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::plan::State;

    #[test]
    fn an_id_names_its_backend_before_a_colon() {
        let backends = ["docker", "slurm", "k8s/a:b", "k8s/a"];
        assert_eq!(of_backend(&backends, "slurm:329_2"), Some((1, "329_2")));
        assert_eq!(of_backend(&backends, "k8s/a:b:pod"), Some((2, "pod")));
        for id in ["3f2a", "docker", "docker:", "dock:3f", "other:3f"] {
            assert_eq!(of_backend(&backends, id), None, "{id}");
        }
    }

    #[test]
    fn what_ends_a_workload_wants_its_whole_name_or_id() {
        let workload = |id: &str, name: &str| Workload {
            id: id.into(),
            backend: "docker".into(),
            name: name.into(),
            image: String::new(),
            digest: String::new(),
            state: State::Running,
            created: None,
            ports: Vec::new(),
            addresses: Vec::new(),
            note: String::new(),
            facts: Vec::new(),
        };
        let all = [
            workload("3f2a9c0d11e8", "gromacs"),
            workload("3f2b9c0d11e87765", "gromacs-2"),
            workload("77", "web"),
            workload("lammps-20261128", "lammps"),
        ];
        let names = |id: &str, given| meant(&all, id, given).iter().map(|one| one.name.as_str()).collect::<Vec<_>>();
        for (id, whole, begun) in [
            ("grom", vec![], vec!["gromacs", "gromacs-2"]),
            ("w", vec![], vec!["web"]),
            ("gromacs", vec!["gromacs"], vec!["gromacs"]),
            ("3f2a9c0d11e8", vec!["gromacs"], vec!["gromacs"]),
            ("3f2b9c0d11e8", vec!["gromacs-2"], vec!["gromacs-2"]),
            ("3f2b9c0", vec![], vec!["gromacs-2"]),
            ("3f2", vec![], vec!["gromacs", "gromacs-2"]),
            ("lammps-20261", vec![], vec!["lammps"]),
            ("77", vec!["web"], vec!["web"]),
            ("", vec![], vec![]),
        ] {
            assert_eq!(names(id, IdMatch::Whole), whole, "{id}");
            assert_eq!(names(id, IdMatch::Begun), begun, "{id}");
        }
    }
}
