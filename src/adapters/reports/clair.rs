//! Clair's report (`GET /matcher/api/v1/vulnerability_report/DIGEST`, Clair 4).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Packages, Raw, Report};
use crate::core::findings::Tally;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Top {
    packages: BTreeMap<String, Package>,
    vulnerabilities: BTreeMap<String, Finding>,
    package_vulnerabilities: BTreeMap<String, Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Package {
    name: String,
    version: String,
    kind: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Finding {
    name: String,
    normalized_severity: String,
    fixed_in_version: String,
    description: String,
    updater: String,
}

/// Reads one.
pub fn read(bytes: &[u8]) -> Option<Report> {
    let top: Top = serde_json::from_slice(bytes).ok()?;
    let mut packages = Packages::default();
    for package in top.packages.values().filter(|package| package.kind != "source") {
        packages.add(&package.name, &package.version, "");
    }
    let mut tally = Tally::default();
    let none = Package::default();
    for (package, found) in &top.package_vulnerabilities {
        let package = top.packages.get(package).unwrap_or(&none);
        for finding in found.iter().filter_map(|id| top.vulnerabilities.get(id)) {
            let raw = Raw {
                severity: &finding.normalized_severity,
                id: &finding.name,
                package: &package.name,
                installed: &package.version,
                fixed: &finding.fixed_in_version,
                source: &finding.updater,
                title: &finding.description,
            };
            tally.add(raw.cleaned());
        }
    }
    Some(Report { tool: "Clair".into(), scanned: None, database: None, tally, packages, counted: true })
}
