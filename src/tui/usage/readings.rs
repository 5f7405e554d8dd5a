//! What a workload has used lately.

use std::collections::VecDeque;

use wharf_core::launch::{
    trend,
    usage::{Traffic, Usage},
};

/// The most measurements that are kept: ten minutes of one every two seconds.
const MOST: usize = 300;

/// Measurements with the time of each, in milliseconds of the loop's clock; the newest last.
#[derive(Debug, Default)]
pub struct Readings(VecDeque<(u64, Usage)>);

impl Readings {
    /// Adds a measurement.
    pub fn add(&mut self, clock: u64, usage: Usage) {
        self.0.push_back((clock, usage));
        if self.0.len() > MOST {
            self.0.pop_front();
        }
    }

    /// Processor use in per cent of one processor, as far as it was told.
    pub fn cpu(&self) -> Vec<f64> {
        self.0.iter().filter_map(|(_, usage)| usage.cpu_percent).collect()
    }

    /// Memory use in bytes, as far as it was told.
    pub fn memory(&self) -> Vec<f64> {
        self.0.iter().filter_map(|(_, usage)| usage.memory).map(|bytes| bytes as f64).collect()
    }

    /// Bytes per second received and sent together, between each two measurements that tell them.
    pub fn rates(&self) -> Vec<f64> {
        let told = |(at, usage): &(u64, Usage)| Some((*at, usage.network?));
        let all: Vec<(u64, Traffic)> = self.0.iter().filter_map(told).collect();
        let rate = |pair: &[(u64, Traffic)]| {
            let [(then, before), (now, last)] = pair else { return None };
            let seconds = now.checked_sub(*then).filter(|passed| *passed > 0)? as f64 / 1000.0;
            let received = last.received.checked_sub(before.received)?;
            Some(received.saturating_add(last.sent.checked_sub(before.sent)?) as f64 / seconds)
        };
        all.windows(2).filter_map(rate).collect()
    }

    /// The last measurement.
    pub fn last(&self) -> Option<&Usage> {
        self.0.back().map(|(_, usage)| usage)
    }

    /// Bytes per second received and sent between the last two measurements; `None` where they do not tell, or where the
    /// counters began anew.
    pub fn traffic(&self) -> Option<(f64, f64)> {
        let (now, last) = self.0.back()?;
        let (then, before) = self.0.iter().rev().nth(1)?;
        let (last, before) = (last.network?, before.network?);
        let seconds = now.checked_sub(*then).filter(|passed| *passed > 0)? as f64 / 1000.0;
        let per_second = |now: u64, then: u64| Some(now.checked_sub(then)? as f64 / seconds);
        Some((per_second(last.received, before.received)?, per_second(last.sent, before.sent)?))
    }

    /// In how many seconds the memory reaches its limit, if it grows steadily.
    pub fn full_in(&self) -> Option<i64> {
        let limit = self.0.back()?.1.memory_limit? as f64;
        let told = |(at, usage): &(u64, Usage)| Some((*at as f64 / 1000.0, usage.memory? as f64));
        let readings: Vec<(f64, f64)> = self.0.iter().filter_map(told).collect();
        trend::full_in(&readings, limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_is_that_between_two_measurements_and_none_after_a_restart() {
        let mut readings = Readings::default();
        let told = |received, sent| Usage { network: Some(Traffic { received, sent }), ..Usage::default() };
        readings.add(1_000, told(10_000, 0));
        assert_eq!(readings.traffic(), None);
        readings.add(3_000, told(14_000, 500));
        assert_eq!(readings.traffic(), Some((2000.0, 250.0)));
        readings.add(5_000, told(100, 0));
        assert_eq!(readings.traffic(), None);
        assert_eq!(readings.rates(), [2250.0], "a counter that began anew tells no rate");
        readings.add(5_000, told(200, 0));
        assert_eq!(readings.traffic(), None, "no time has passed");
    }

    #[test]
    fn memory_that_grows_steadily_is_full_at_a_time() {
        let mut readings = Readings::default();
        for at in 0..400u64 {
            let usage = Usage { memory: Some(at << 20), memory_limit: Some(1399 << 20), ..Usage::default() };
            readings.add(at * 2_000, usage);
        }
        assert_eq!(readings.full_in(), Some(2000));
        assert_eq!(readings.memory().len(), MOST);
    }
}
