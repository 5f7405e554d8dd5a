//! What a container uses (`GET /containers/ID/stats`), computed as `docker stats` does.

use std::time::Instant;

use bollard::{
    models::{ContainerNetworkStats, ContainerStatsResponse},
    query_parameters::StatsOptionsBuilder,
};
use futures_util::StreamExt;

use super::{Engine, sample::Sample};
use wharf_core::{
    base::{
        context::Context,
        error::{Error, Result},
    },
    launch::usage::{self, Traffic, Usage},
};

/// The figures in an answer, except the use of processors.
fn figures(stats: &ContainerStatsResponse) -> Usage {
    let memory = stats.memory_stats.as_ref();
    // Cache that the kernel could free at once is not counted.
    let cache = memory
        .and_then(|memory| memory.stats.as_ref())
        .and_then(|stats| stats.get("inactive_file").or(stats.get("total_inactive_file")))
        .copied()
        .unwrap_or(0);
    let bytes = |one: &ContainerNetworkStats| (one.rx_bytes.unwrap_or(0), one.tx_bytes.unwrap_or(0));
    let network = stats.networks.as_ref().map(|networks| Traffic::sum(networks.values().map(bytes)));
    Usage {
        cpu_percent: None,
        processors: None,
        // No program uses no memory at all: 0 means that the engine has no figure.
        memory: memory.and_then(|memory| memory.usage).filter(|used| *used > 0).map(|used| used.saturating_sub(cache)),
        memory_limit: usage::limit(memory.and_then(|memory| memory.limit)),
        network,
        processes: stats.pids_stats.as_ref().and_then(|pids| pids.current).filter(|count| *count > 0),
    }
}

impl Engine {
    /// What a container uses now; processor use is that since the previous reading.
    pub(super) async fn reading(&self, cx: &Context, id: &str) -> Result<Option<Usage>> {
        let what = format!("measure {id}");
        let options = StatsOptionsBuilder::default().stream(false).one_shot(true).build();
        let stats = cx
            .run(&what, async {
                let docker = self.docker().await?;
                let mut stream = std::pin::pin!(docker.stats(id, Some(options)));
                let first = stream.next().await;
                let stats = first.ok_or_else(|| Error::failed(&what, "the engine has no figures"))?;
                stats.map_err(|error| self.library_error(&what, &error))
            })
            .await?;
        if !self.is_counted(id, &what).await? {
            return Ok(Some(Usage { network: figures(&stats).network, ..Usage::default() }));
        }
        let mut usage = figures(&stats);
        if let Some(sample) = Sample::of(&stats, Instant::now()) {
            usage.cpu_percent = self.samples.replace(id, sample).and_then(|before| sample.since(&before));
        }
        Ok(Some(usage))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(text: &str) -> ContainerStatsResponse {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn memory_is_without_what_the_kernel_would_give_back_and_what_is_not_told_is_left_out() {
        let told = figures(&stats(
            r#"{"memory_stats": {"usage": 5000, "limit": 8000, "stats": {"inactive_file": 1000}}, "pids_stats": {"current": 3},
                "networks": {"eth0": {"rx_bytes": 7, "tx_bytes": 8}, "eth1": {"rx_bytes": 1, "tx_bytes": 1}}}"#,
        ));
        let expected = Usage {
            memory: Some(4000),
            memory_limit: Some(8000),
            network: Some(Traffic { received: 8, sent: 9 }),
            processes: Some(3),
            ..Usage::default()
        };
        assert_eq!(told, expected);
        let untold = r#"{"memory_stats": {"usage": 0, "limit": 0}, "pids_stats": {}, "cpu_stats": {"cpu_usage": {"total_usage": 0}}}"#;
        assert_eq!(figures(&stats(untold)), Usage::default());
        assert!(Sample::of(&stats(untold), Instant::now()).is_none());
    }
}
