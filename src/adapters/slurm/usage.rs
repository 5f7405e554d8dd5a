//! What a running job uses, as sstat tells.

use std::time::{Duration, Instant};

use crate::shared::samples;
use wharf_core::launch::{
    duration::parse_duration,
    form::parse_bytes,
    usage::{Usage, percent},
};

/// The last measurement of each job: processor time in nanoseconds, when, and what was told.
#[derive(Default)]
pub(super) struct Samples(samples::Samples<(u64, Instant, Usage)>);

impl Samples {
    /// What was told of a job less than `pace` ago: sstat asks every node of it.
    pub(super) fn recent(&self, id: &str, pace: Duration) -> Option<Usage> {
        self.0.last(id).filter(|(_, when, _)| when.elapsed() < pace).map(|(_, _, usage)| usage)
    }

    /// The usage by sstat's answer; processor use is that since the measurement before.
    pub(super) fn usage(&self, id: &str, text: &str) -> Usage {
        let (seconds, memory) = steps(text);
        let (now, nanoseconds) = (Instant::now(), seconds.saturating_mul(1_000_000_000));
        let cpu_percent = self
            .0
            .last(id)
            .and_then(|(used, when, _)| percent(used, nanoseconds, now.duration_since(when).as_nanos() as f64));
        let usage = Usage { cpu_percent, memory, ..Usage::default() };
        self.0.replace(id, (nanoseconds, now, usage));
        usage
    }
}

/// Processor time in seconds and memory in bytes of all steps: lines of `STEP|cpu=00:01:02,mem=4648K,…`.
fn steps(text: &str) -> (u64, Option<u64>) {
    let mut all = (0_u64, None);
    for (_, told) in text.lines().filter_map(|line| line.split_once('|')) {
        for (name, value) in told.split(',').filter_map(|pair| pair.split_once('=')) {
            match name {
                "cpu" => all.0 = all.0.saturating_add(parse_duration(value).unwrap_or(0)),
                "mem" => {
                    let bytes = parse_bytes(value);
                    all.1 = bytes.map_or(all.1, |bytes| Some(all.1.unwrap_or(0_u64).saturating_add(bytes)));
                }
                _ => {}
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_of_a_job_are_added_up() {
        let text = "60.batch|cpu=00:01:02,energy=0,fs/disk=19205,mem=4648K,pages=0\n60.0|cpu=00:00:08,mem=1M\nbroken\n";
        assert_eq!(steps(text), (70, Some((4648 << 10) + (1 << 20))));
        assert_eq!(steps(""), (0, None));
        let samples = Samples::default();
        let first = samples.usage("60", text);
        assert_eq!((first.cpu_percent, first.memory), (None, Some((4648 << 10) + (1 << 20))));
        assert!(samples.recent("60", Duration::from_secs(60)).is_some());
        assert!(samples.usage("60", text).cpu_percent.is_some());
    }
}
