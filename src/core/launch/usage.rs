//! What workloads use of their machines. An unknown number stays unknown: none is made up.

use serde::Serialize;

use crate::base::text;

/// A workload: its backend and its id there.
pub type WorkloadId = (String, String);

/// The id of a workload with the name of its backend, as people type it: `docker:3f2a9c0d11e8`.
pub fn full_id(backend: &str, id: &str) -> String {
    format!("{backend}:{id}")
}

/// One measurement of a workload; what its backend does not tell is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Usage {
    /// Processor use since the previous measurement, in per cent of one processor; the first measurement has none.
    pub cpu_percent: Option<f64>,
    /// The number of processors that it may use.
    pub processors: Option<u64>,
    /// Memory in use, in bytes.
    pub memory: Option<u64>,
    /// The memory limit, in bytes.
    pub memory_limit: Option<u64>,
    /// Network traffic since its start.
    pub network: Option<Traffic>,
    /// The number of its processes.
    pub processes: Option<u64>,
}

/// Network traffic, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Traffic {
    /// Bytes that were received.
    pub received: u64,
    /// Bytes that were sent.
    pub sent: u64,
}

impl Traffic {
    /// The sum over network interfaces, each given as bytes received and sent.
    pub fn sum(all: impl IntoIterator<Item = (u64, u64)>) -> Self {
        all.into_iter().fold(Self::default(), |sum, (received, sent)| Self {
            received: sum.received.saturating_add(received),
            sent: sum.sent.saturating_add(sent),
        })
    }
}

/// Shown in place of an unknown number.
pub const UNTOLD: &str = "-";

impl Usage {
    /// Whether it tells of no use at all, as of a job whose backend has measured nothing.
    pub fn says_nothing(&self) -> bool {
        self.cpu_percent.is_none() && self.memory.is_none() && self.network.is_none()
    }

    /// Processor use for a narrow column: `12.5%`.
    pub fn cpu_words(&self) -> String {
        self.cpu_percent.map_or_else(|| UNTOLD.to_owned(), |percent| format!("{percent:.1}%"))
    }

    /// Memory for a narrow column: `1.10 GiB`.
    pub fn memory_words(&self) -> String {
        self.memory.map_or_else(|| UNTOLD.to_owned(), text::size)
    }

    /// Memory and its limit: `1.10 GiB of 4.00 GiB`.
    pub fn memory_of_words(&self) -> String {
        match self.memory_limit {
            Some(limit) => format!("{} of {}", self.memory_words(), text::size(limit)),
            None => self.memory_words(),
        }
    }

    /// Whether at least nine tenths of the memory limit are used.
    pub fn is_nearly_full(&self) -> bool {
        matches!((self.memory, self.memory_limit), (Some(used), Some(limit)) if used / 9 > limit / 10)
    }
}

/// A limit from backends that write "no limit" as 0 or as the largest number.
pub fn limit(told: Option<u64>) -> Option<u64> {
    told.filter(|bytes| (1..1 << 50).contains(bytes))
}

/// Processor use between two readings of processor time, in per cent of one processor. Both are in nanoseconds, as is
/// the time between them; `None` where the workload was restarted or no time has passed.
pub fn percent(before: u64, now: u64, nanoseconds: f64) -> Option<f64> {
    (nanoseconds > 0.0 && now >= before).then(|| (now - before) as f64 / nanoseconds * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_told_is_never_a_figure() {
        let nothing = Usage::default();
        assert_eq!((nothing.cpu_words().as_str(), nothing.memory_of_words().as_str()), ("-", "-"));
        let flavor = Usage { memory_limit: Some(2 << 30), ..Usage::default() };
        assert_eq!(flavor.memory_of_words(), "- of 2.00 GiB");
        let known = Usage { cpu_percent: Some(12.54), memory: Some(1 << 30), ..flavor };
        assert_eq!((known.cpu_words().as_str(), known.memory_of_words().as_str()), ("12.5%", "1.00 GiB of 2.00 GiB"));
        assert!(!known.is_nearly_full() && Usage { memory: Some(2 << 30), ..flavor }.is_nearly_full());
        for none in [None, Some(0), Some(u64::MAX), Some((1 << 63) - 4096)] {
            assert_eq!(limit(none), None);
        }
        assert_eq!(limit(Some(512)), Some(512));
    }

    #[test]
    fn processor_time_between_two_readings_is_a_share_of_one_processor() {
        assert_eq!(percent(1_000, 2_000, 2_000.0), Some(50.0));
        assert_eq!(percent(0, 4_000, 1_000.0), Some(400.0));
        // It was restarted, or no time has passed.
        assert_eq!((percent(2_000, 1_000, 10.0), percent(1, 2, 0.0)), (None, None));
    }
}
