//! The processor time of a container until a moment, to be compared with the next reading.

use std::time::Instant;

use bollard::models::ContainerStatsResponse;
use wharf_core::launch::usage;

/// The processor time used until a moment, to be compared with the next reading.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    used: u64,
    /// The processor time of the whole machine and its number of processors, if the engine tells them.
    machine: Option<(u64, u64)>,
    at: Instant,
}

impl Sample {
    /// The processor time in an answer, read at a moment; `None` if it has none.
    pub(super) fn of(stats: &ContainerStatsResponse, at: Instant) -> Option<Self> {
        let cpu = stats.cpu_stats.as_ref()?;
        let used = cpu.cpu_usage.as_ref()?.total_usage?;
        let machine = cpu.system_cpu_usage.zip(cpu.online_cpus).filter(|(time, count)| *time > 0 && *count > 0);
        // An engine without figures for a container sends 0 for each.
        let told = used > 0 || machine.is_some();
        told.then_some(Self { used, machine: machine.map(|(time, count)| (time, u64::from(count))), at })
    }

    /// The use of processors since an earlier reading, in percent. Podman sends the clock instead of the machine's
    /// processor time: then, and if that is missing, our own clock is used.
    pub(super) fn since(&self, before: &Self) -> Option<f64> {
        let passed = self.at.duration_since(before.at).as_nanos() as f64;
        let by_machine = match (before.machine, self.machine) {
            (Some((then, _)), Some((now, count))) if now > then => (now - then) as f64 / count as f64,
            _ => 0.0,
        };
        let plausible = by_machine > passed * 0.5 && by_machine < passed * 2.0;
        usage::percent(before.used, self.used, if plausible { by_machine } else { passed })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

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
