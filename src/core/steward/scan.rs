//! Scans as a signature may state them.

use crate::evidence::{
    record::{By, Kind, Record, best},
    terms::{Attested, attested},
};

/// The newest scan that was made here, as a signature may state it.
pub(super) fn own_scan_of(records: &[Record], now: i64) -> Option<Attested> {
    let own: Vec<Record> = records.iter().filter(|record| record.by == By::Wharf).cloned().collect();
    best(&own, Kind::Scan, now).and_then(attested)
}

/// Whether a scan tells of worse than another.
pub(super) fn is_worse(one: &Attested, other: &Attested) -> bool {
    let weight = |scan: &Attested| (scan.counts.critical, scan.counts.high, scan.counts.total(), -scan.scanned);
    weight(one) > weight(other)
}
