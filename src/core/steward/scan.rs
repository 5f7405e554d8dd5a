//! Scans that a steward's signature may state.

use crate::evidence::{
    record::{CheckedBy, Kind, Record, attested, best},
    terms::AttestedScan,
};

/// The best scan that was made here and counts at `now`, in the form that a signature states.
pub(super) fn own_scan(records: &[Record], now: i64) -> Option<AttestedScan> {
    let own: Vec<Record> = records.iter().filter(|record| record.by == CheckedBy::Wharf).cloned().collect();
    best(&own, Kind::Scan, now).and_then(attested)
}

/// Whether the first scan is worse than the second; of equal ones, the older is.
pub(super) fn is_worse(one: &AttestedScan, other: &AttestedScan) -> bool {
    let weight = |scan: &AttestedScan| (scan.counts.critical, scan.counts.high, scan.counts.total(), -scan.scanned);
    weight(one) > weight(other)
}
