//! Measuring workloads: only those on the screen, several at a time, each within a time limit.

use std::{collections::HashMap, time::Duration};

use futures_util::{Stream, StreamExt, stream};

use super::Launches;
use crate::{
    base::{context::Context, error::Result},
    launch::{
        plan::Workload,
        usage::{Usage, WorkloadId},
    },
};

/// How many workloads are measured at a time.
const AT_ONCE: usize = 8;

/// How long to wait for one workload.
const PATIENCE: Duration = Duration::from_secs(4);

/// The time between two measurements from which processor use is computed.
const BETWEEN: Duration = Duration::from_millis(250);

impl Launches {
    /// Measures these workloads, a few at a time, and gives the answers as they arrive; `None` if the backend does not
    /// measure.
    pub fn measure(&self, of: Vec<WorkloadId>) -> impl Stream<Item = (WorkloadId, Result<Option<Usage>>)> + '_ {
        stream::iter(of)
            .map(|id| async { (self.measure_one(&id).await, id) })
            .buffer_unordered(AT_ONCE)
            .map(|(told, id)| (id, told))
    }

    async fn measure_one(&self, (backend, id): &WorkloadId) -> Result<Option<Usage>> {
        let launcher = self.launcher(Some(backend), None)?;
        let cx = Context::default().with_deadline(PATIENCE);
        cx.run(&format!("measure {id}"), launcher.usage(&cx, id)).await
    }

    /// What the running ones among these workloads use now, as far as it is known within the time. If the first
    /// measurement gives no processor use, a second one is made.
    pub async fn usages(&self, all: &[Workload], within: Duration) -> HashMap<WorkloadId, Usage> {
        let mut known = HashMap::new();
        let mut asked: Vec<WorkloadId> = all.iter().filter(|one| one.state.is_live()).map(Workload::key).collect();
        let work = async {
            for second in [false, true] {
                let mut answers = std::pin::pin!(self.measure(std::mem::take(&mut asked)));
                while let Some((id, told)) = answers.next().await {
                    match told {
                        Ok(Some(usage)) => {
                            if usage.cpu_percent.is_none() && usage.memory.is_some() {
                                asked.push(id.clone());
                            }
                            known.insert(id, usage);
                        }
                        Ok(None) => {}
                        Err(error) => tracing::info!(%error, "a workload was not measured"),
                    }
                }
                if !second && !asked.is_empty() {
                    tokio::time::sleep(BETWEEN).await;
                }
            }
        };
        // The answers that have arrived by then are used.
        let _ = tokio::time::timeout(within, work).await;
        known
    }
}
