//! Harbor's report (`GET …/artifacts/DIGEST/additions/vulnerabilities`, Harbor 2), which has one part for each report
//! type.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    lax::{Fold, Lenient, StreamedArray, Text},
    model::{Packages, Raw, Report, time},
};
use wharf_core::{base::clean, evidence::findings::Tally};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Native {
    generated_at: Text,
    scanner: Lenient<Scanner>,
    vulnerabilities: StreamedArray<Found>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Scanner {
    name: Text,
    version: Text,
}

#[derive(Default)]
struct Found {
    tally: Tally,
    packages: Packages,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Finding {
    id: Text,
    package: Text,
    version: Text,
    fix_version: Text,
    severity: Text,
    description: Text,
}

impl Fold for Found {
    type Item = Finding;
    fn add(&mut self, item: Finding) {
        let raw = Raw {
            severity: &item.severity,
            id: &item.id,
            package: &item.package,
            installed: &item.version,
            fixed: &item.fix_version,
            source: "",
            title: &item.description,
            description: &item.description,
            ..Raw::default()
        };
        self.tally.add(raw.cleaned());
        self.packages.add(&item.package, &item.version, "");
    }
}

/// Reads the first report of a known type; `None` if there is none.
pub fn read(bytes: &[u8]) -> Option<Report> {
    let kinds: BTreeMap<String, Option<Lenient<Native>>> = serde_json::from_slice(bytes).ok()?;
    let mut reports = kinds.into_iter().filter(|(kind, _)| kind.contains("vulnerability.report"));
    let Lenient(report) = reports.find_map(|(_, report)| report)?;
    let StreamedArray(Found { tally, packages }) = report.vulnerabilities;
    let tool =
        format!("Harbor's {} {}", clean::short(&report.scanner.name, 40), clean::short(&report.scanner.version, 20));
    Some(Report { tool, scanned: time(&report.generated_at), database: None, tally, packages, counted: false })
}
