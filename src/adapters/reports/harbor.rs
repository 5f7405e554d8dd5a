//! Harbor's report (`GET …/artifacts/DIGEST/additions/vulnerabilities`, Harbor 2): one for each kind of report.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Each, Fold, Packages, Raw, Report, time};
use crate::core::{clean, findings::Tally};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Native {
    generated_at: String,
    scanner: Scanner,
    vulnerabilities: Each<Found>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Scanner {
    name: String,
    version: String,
}

#[derive(Default)]
struct Found {
    tally: Tally,
    packages: Packages,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Finding {
    id: String,
    package: String,
    version: String,
    fix_version: String,
    severity: String,
    description: String,
}

impl Fold for Found {
    type Item = Finding;
    fn take(&mut self, item: Finding) {
        let raw = Raw {
            severity: &item.severity,
            id: &item.id,
            package: &item.package,
            installed: &item.version,
            fixed: &item.fix_version,
            source: "",
            title: &item.description,
        };
        self.tally.add(raw.cleaned());
        self.packages.add(&item.package, &item.version, "");
    }
}

/// Reads the report of the first kind that is there.
pub fn read(bytes: &[u8]) -> Option<Report> {
    let kinds: BTreeMap<String, Native> = serde_json::from_slice(bytes).ok()?;
    let (_, report) = kinds.into_iter().find(|(kind, _)| kind.contains("vulnerability.report"))?;
    let Each(Found { tally, packages }) = report.vulnerabilities;
    let tool =
        format!("Harbor's {} {}", clean::short(&report.scanner.name, 40), clean::short(&report.scanner.version, 20));
    Some(Report { tool, scanned: time(&report.generated_at), database: None, tally, packages, counted: false })
}
