//! The last list of jobs, which is kept for as long as Slurm must not be asked again.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Mutex;

use super::jobs::Known;
use wharf_core::{
    base::error::Result,
    launch::plan::Workload,
    ports::{Extent, Listed},
};

/// How old an answer may be that is taken for the present.
const MOMENT: Duration = Duration::from_millis(500);

/// All jobs, at one moment.
pub(super) struct List {
    /// The jobs.
    pub all: Vec<Known>,
    /// Whether the list is complete.
    pub extent: Extent,
}

impl List {
    /// The jobs as workloads.
    pub(super) fn workloads(&self) -> Vec<Workload> {
        self.all.iter().map(|known| known.workload.clone()).collect()
    }

    /// The jobs and the tasks of arrays as workloads of this backend, and what cannot be done with single ones.
    pub(super) fn listed(&self, backend: &str) -> Listed {
        Listed {
            workloads: self.workloads(),
            extent: self.extent.clone(),
            refusals: self.all.iter().flat_map(Known::refusals).collect(),
            parts: self.all.iter().flat_map(|known| known.tasks(backend)).collect(),
        }
    }
}

/// The last list, and how often a new one is asked for.
pub(super) struct Lists {
    pace: Duration,
    /// The last answer, also if it was a failure: a controller that is away is not asked more often than another.
    last: Mutex<Option<(Instant, Result<Arc<List>>)>>,
}

impl Lists {
    /// No list yet; a new one at most once in `pace`.
    pub(super) fn new(pace: Duration) -> Self {
        Self { pace, last: Mutex::default() }
    }

    /// The last answer, unless it is older than the pace; otherwise that of `ask`, which is kept.
    pub(super) async fn get<F: Future<Output = Result<List>>>(&self, ask: impl FnOnce() -> F) -> Result<Arc<List>> {
        let mut last = self.last.lock().await;
        if let Some((when, list)) = last.as_ref() {
            if when.elapsed() < self.pace {
                return list.clone();
            }
        }
        let list = ask().await.map(Arc::new);
        *last = Some((Instant::now(), list.clone()));
        list
    }

    /// The fewest time between two lists.
    pub(super) fn pace(&self) -> Duration {
        self.pace
    }

    /// Makes the next question a new one: something was changed.
    pub(super) async fn forget(&self) {
        *self.last.lock().await = None;
    }

    /// Makes the next question a new one, unless the last answer is of this moment.
    pub(super) async fn forget_older(&self) {
        let mut last = self.last.lock().await;
        if last.as_ref().is_some_and(|(when, _)| when.elapsed() > MOMENT) {
            *last = None;
        }
    }
}
