//! Measuring workloads: only those that are looked at, several at a time, each within its time.

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

/// Measurements at a time.
const AT_ONCE: usize = 8;

/// How long one workload is waited for.
const PATIENCE: Duration = Duration::from_secs(4);

/// Between two readings that give the use of processors.
const BETWEEN: Duration = Duration::from_millis(250);

impl Launches {
    /// Measures these, a few at a time; the answers come as they are there, `None` where the backend does not tell.
    pub fn measure(&self, of: Vec<WorkloadId>) -> impl Stream<Item = (WorkloadId, Result<Option<Usage>>)> + '_ {
        stream::iter(of)
            .map(|id| async { (self.measure_one(&id).await, id) })
            .buffer_unordered(AT_ONCE)
            .map(|(told, id)| (id, told))
    }

    async fn measure_one(&self, (backend, id): &WorkloadId) -> Result<Option<Usage>> {
        let launcher = self.launcher(Some(backend), None)?;
        let cx = Context::default().within(PATIENCE);
        cx.run(&format!("measure {id}"), launcher.usage(&cx, id)).await
    }

    /// What those of these that run use now, as far as it is told within a time. Who gives no figure for processors
    /// at once is asked a second time.
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
        // What came by then is told.
        let _ = tokio::time::timeout(within, work).await;
        known
    }
}
