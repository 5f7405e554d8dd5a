//! One workload, with all that is needed to do something with it.

use super::{
    cluster::Cluster,
    kind::Kind,
    list,
    objects::{Job, Machine, Pod},
    state,
};
use wharf_core::{
    base::{
        context::Context,
        error::{Error, Result},
    },
    launch::plan::{State, Workload},
};

/// A workload, as the cluster has it now.
pub(super) struct Found {
    pub kind: Kind,
    pub name: String,
    pub job: Option<Job>,
    /// The pod that runs it, if there is one.
    pub pod: Option<Pod>,
    pub machine: Option<Machine>,
}

impl Found {
    /// The cluster's own id of it, which no other object has.
    pub(super) fn uid(&self) -> &str {
        let job = self.job.as_ref().map(|job| &job.metadata);
        let machine = self.machine.as_ref().map(|machine| &machine.metadata);
        let meta = job.or(machine).or(self.pod.as_ref().map(|pod| &pod.metadata));
        meta.map_or("", |meta| meta.uid.as_str())
    }

    /// What it does.
    pub(super) fn state(&self) -> State {
        match (&self.job, &self.pod, &self.machine) {
            (Some(job), pod, _) => state::of_job(job, pod.as_ref()),
            (_, _, Some(machine)) => state::of_machine(machine),
            (_, Some(pod), _) => state::of_pod(pod),
            _ => State::Other(String::new()),
        }
    }

    /// The same as a list tells it.
    pub(super) fn workload(&self, backend: &str) -> Workload {
        match (&self.job, &self.pod, &self.machine) {
            (Some(job), pod, _) => state::job(backend, job, pod.as_ref()),
            (_, _, Some(machine)) => state::machine(backend, machine),
            (_, Some(pod), _) => state::pod(backend, pod),
            _ => Workload::new(backend, format!("{}/{}", self.kind.word(), self.name), self.state()),
        }
    }
}

/// Looks a workload up.
///
/// # Errors
/// `NotFound` for an id that does not exist.
pub(super) async fn find(cluster: &Cluster, cx: &Context, id: &str, what: &str) -> Result<Found> {
    let Some((kind, name)) = list::parsed(id) else {
        return Err(Error::not_found(what, format!("{} has no workload {id}", cluster.name))
            .hint("an id is job/NAME or pod/NAME; 'wharf workloads' lists them"));
    };
    let path = format!("{}/{name}", kind.path(&cluster.place(cx, what).await?.namespace));
    let mut found = Found { kind, name: name.to_owned(), job: None, pod: None, machine: None };
    match kind {
        Kind::Job => {
            let job: Job = cluster.read(cx, &path, what).await?;
            found.pod = list::pod_of_job(cluster, cx, &job, what).await?;
            found.job = Some(job);
        }
        Kind::Pod => found.pod = Some(cluster.read(cx, &path, what).await?),
        Kind::Machine => found.machine = Some(cluster.read(cx, &path, what).await?),
    }
    Ok(found)
}
