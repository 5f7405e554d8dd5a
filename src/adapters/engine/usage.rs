//! What a container uses (`GET /containers/ID/stats`), computed as `docker stats` does.

use std::time::Instant;

use bollard::{
    models::{ContainerNetworkStats, ContainerStatsResponse},
    query_parameters::StatsOptionsBuilder,
};
use futures_util::StreamExt;

use super::Engine;
use wharf_core::{
    base::{
        context::Context,
        error::{Error, Result},
    },
    launch::usage::{self, Traffic, Usage},
};

/// The processor time used until a moment, to be compared with the next reading.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    used: u64,
    /// The processor time of the whole machine and its number of processors, if the engine tells them.
    machine: Option<(u64, u64)>,
    at: Instant,
}

impl Sample {
    fn of(stats: &ContainerStatsResponse, at: Instant) -> Option<Self> {
        let cpu = stats.cpu_stats.as_ref()?;
        let used = cpu.cpu_usage.as_ref()?.total_usage?;
        let machine = cpu.system_cpu_usage.zip(cpu.online_cpus).filter(|(time, count)| *time > 0 && *count > 0);
        // An engine without figures for a container sends 0 for each.
        let told = used > 0 || machine.is_some();
        told.then_some(Self { used, machine: machine.map(|(time, count)| (time, u64::from(count))), at })
    }

    /// The use of processors since an earlier reading, in percent. Podman sends the clock instead of the machine's
    /// processor time: then, and if that is missing, our own clock is used.
    fn since(&self, before: &Self) -> Option<f64> {
        let passed = self.at.duration_since(before.at).as_nanos() as f64;
        let by_machine = match (before.machine, self.machine) {
            (Some((then, _)), Some((now, count))) if now > then => (now - then) as f64 / count as f64,
            _ => 0.0,
        };
        let plausible = by_machine > passed * 0.5 && by_machine < passed * 2.0;
        usage::percent(before.used, self.used, if plausible { by_machine } else { passed })
    }
}

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
                stats.map_err(|error| self.words(&what, &error))
            })
            .await?;
        let mut usage = figures(&stats);
        if let Some(sample) = Sample::of(&stats, Instant::now()) {
            usage.cpu_percent = self.samples.replace(id, sample).and_then(|before| sample.since(&before));
        }
        Ok(Some(usage))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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

    #[test]
    fn processor_use_is_reckoned_by_the_machines_time_where_that_is_one() {
        let begin = Instant::now();
        let at = |used, machine, seconds| Sample { used, machine, at: begin + Duration::from_secs(seconds) };
        let second = 1_000_000_000;
        // As in docker stats: the share of the machine's time, times its processors.
        let (before, now) = (at(0, Some((0, 4)), 0), at(second, Some((8 * second, 4)), 2));
        assert_eq!(now.since(&before), Some(50.0));
        // With the clock in place of the machine's time, and without either.
        assert_eq!(at(second, Some((2 * second, 4)), 2).since(&before), Some(50.0));
        assert_eq!(at(second, None, 2).since(&before), Some(50.0));
    }
}
