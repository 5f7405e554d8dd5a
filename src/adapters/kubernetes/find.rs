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
    pub name: String,
    object: Object,
}

enum Object {
    /// A job, with the pod that runs it, if there is one.
    Job(Job, Option<Pod>),
    Pod(Pod),
    Machine(Machine),
}

impl Found {
    pub(super) fn kind(&self) -> Kind {
        match &self.object {
            Object::Job(..) => Kind::Job,
            Object::Pod(_) => Kind::Pod,
            Object::Machine(_) => Kind::Machine,
        }
    }

    /// The pod that runs it, if there is one.
    pub(super) fn pod(&self) -> Option<&Pod> {
        match &self.object {
            Object::Job(_, pod) => pod.as_ref(),
            Object::Pod(pod) => Some(pod),
            Object::Machine(_) => None,
        }
    }

    /// The cluster's own id of it, which no other object has.
    pub(super) fn uid(&self) -> &str {
        match &self.object {
            Object::Job(job, _) => &job.metadata.uid,
            Object::Pod(pod) => &pod.metadata.uid,
            Object::Machine(machine) => &machine.metadata.uid,
        }
    }

    /// What it does.
    pub(super) fn state(&self) -> State {
        match &self.object {
            Object::Job(job, pod) => state::of_job(job, pod.as_ref()),
            Object::Pod(pod) => state::of_pod(pod),
            Object::Machine(machine) => state::of_machine(machine),
        }
    }

    /// The same as a list tells it.
    pub(super) fn workload(&self, backend: &str) -> Workload {
        match &self.object {
            Object::Job(job, pod) => state::job(backend, job, pod.as_ref()),
            Object::Pod(pod) => state::pod(backend, pod),
            Object::Machine(machine) => state::machine(backend, machine),
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
    let object = match kind {
        Kind::Job => {
            let job: Job = cluster.read(cx, &path, what).await?;
            let pod = list::pod_of_job(cluster, cx, &job, what).await?;
            Object::Job(job, pod)
        }
        Kind::Pod => Object::Pod(cluster.read(cx, &path, what).await?),
        Kind::Machine => Object::Machine(cluster.read(cx, &path, what).await?),
    };
    Ok(Found { name: name.to_owned(), object })
}
