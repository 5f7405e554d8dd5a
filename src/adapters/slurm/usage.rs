//! What a running job uses, as sstat tells.

use std::time::{Duration, Instant};

use crate::shared::samples;
use wharf_core::{
    base::text::parse_bytes,
    launch::{
        duration::parse_duration,
        usage::{Usage, percent},
    },
};

/// The last answer for each job.
#[derive(Default)]
pub(super) struct Samples(samples::Samples<Answer>);

/// An answer of sstat.
#[derive(Clone, Copy)]
struct Answer {
    /// When it was asked.
    asked: Instant,
    /// What was told.
    usage: Usage,
    /// The last measurement: processor time in nanoseconds, and when.
    measured: Option<(u64, Instant)>,
}

impl Samples {
    /// What was told of a job less than `pace` ago: sstat asks every node of it.
    pub(super) fn recent(&self, id: &str, pace: Duration) -> Option<Usage> {
        self.0.last(id).filter(|answer| answer.asked.elapsed() < pace).map(|answer| answer.usage)
    }

    /// The usage by sstat's answer; processor use is that since the measurement before.
    pub(super) fn usage(&self, id: &str, text: &str) -> Usage {
        let (asked, before) = (Instant::now(), self.0.last(id).and_then(|answer| answer.measured));
        // A node that has much to do tells nothing for a while: that is no measurement of 0.
        let answer = match steps(text) {
            None => Answer { asked, usage: Usage::default(), measured: before },
            Some((seconds, memory)) => {
                let used = seconds.saturating_mul(1_000_000_000);
                let cpu_percent = before
                    .and_then(|(earlier, when)| percent(earlier, used, asked.duration_since(when).as_nanos() as f64));
                let usage = Usage { cpu_percent, memory, ..Usage::default() };
                Answer { asked, usage, measured: Some((used, asked)) }
            }
        };
        self.0.replace(id, answer);
        answer.usage
    }
}

/// Processor time in seconds and memory in bytes of all steps: lines of `STEP|cpu=00:01:02,mem=4648K,…`. `None` if neither
/// is told of any step.
fn steps(text: &str) -> Option<(u64, Option<u64>)> {
    let (mut all, mut is_told) = ((0_u64, None), false);
    for (_, told) in text.lines().filter_map(|line| line.split_once('|')) {
        for (name, value) in told.split(',').filter_map(|pair| pair.split_once('=')) {
            match name {
                "cpu" => {
                    is_told |= parse_duration(value).is_some();
                    all.0 = all.0.saturating_add(parse_duration(value).unwrap_or(0));
                }
                "mem" => {
                    is_told |= parse_bytes(value).is_some();
                    let bytes = parse_bytes(value);
                    all.1 = bytes.map_or(all.1, |bytes| Some(all.1.unwrap_or(0_u64).saturating_add(bytes)));
                }
                _ => {}
            }
        }
    }
    is_told.then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_of_a_job_are_added_up() {
        let text = "60.batch|cpu=00:01:02,energy=0,fs/disk=19205,mem=4648K,pages=0\n60.0|cpu=00:00:08,mem=1M\nbroken\n";
        assert_eq!(steps(text), Some((70, Some((4648 << 10) + (1 << 20)))));
        for nothing in ["", "60.batch|", "60.batch|energy=0"] {
            assert_eq!(steps(nothing), None, "{nothing}");
        }
        let samples = Samples::default();
        assert_eq!(samples.usage("60", ""), Usage::default(), "nothing told is not 0 %");
        let first = samples.usage("60", text);
        assert_eq!((first.cpu_percent, first.memory), (None, Some((4648 << 10) + (1 << 20))));
        assert!(samples.recent("60", Duration::from_secs(60)).is_some());
        assert!(samples.usage("60", text).cpu_percent.is_some());
    }
}
