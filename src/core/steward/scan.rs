//! Scans that a steward's signature may state.

use crate::evidence::{
    record::{By, Kind, Record, attested, best},
    terms::Attested,
};

/// The best scan that was made here and counts at `now`, in the form that a signature states.
pub(super) fn own_scan_of(records: &[Record], now: i64) -> Option<Attested> {
    let own: Vec<Record> = records.iter().filter(|record| record.by == By::Wharf).cloned().collect();
    best(&own, Kind::Scan, now).and_then(attested)
}

/// Whether the first scan is worse than the second; of equal ones, the older is.
pub(super) fn is_worse(one: &Attested, other: &Attested) -> bool {
    let weight = |scan: &Attested| (scan.counts.critical, scan.counts.high, scan.counts.total(), -scan.scanned);
    weight(one) > weight(other)
}
