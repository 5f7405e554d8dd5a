//! Clair's report (`GET /matcher/api/v1/vulnerability_report/DIGEST`, Clair 4).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    lax::{Lenient, Text, Texts},
    model::{Packages, Raw, Report},
};
use wharf_core::evidence::findings::Tally;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Top {
    packages: Lenient<BTreeMap<String, Lenient<Package>>>,
    vulnerabilities: Lenient<BTreeMap<String, Lenient<Finding>>>,
    package_vulnerabilities: Lenient<BTreeMap<String, Texts>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Package {
    name: Text,
    version: Text,
    kind: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Finding {
    name: Text,
    normalized_severity: Text,
    fixed_in_version: Text,
    description: Text,
    updater: Text,
}

/// Reads a report; `None` if it is none.
pub fn read(bytes: &[u8]) -> Option<Report> {
    let top: Top = serde_json::from_slice(bytes).ok()?;
    let mut packages = Packages::default();
    for package in top.packages.values().filter(|package| &*package.kind != "source") {
        packages.add(&package.name, &package.version, "");
    }
    let mut tally = Tally::default();
    let (none, unknown) = (Lenient::default(), Lenient::default());
    for (package, found) in &*top.package_vulnerabilities {
        let package = top.packages.get(package).unwrap_or(&none);
        // A finding without a description counts nevertheless.
        for id in found.iter() {
            let finding = top.vulnerabilities.get(&**id).unwrap_or(&unknown);
            let raw = Raw {
                severity: &finding.normalized_severity,
                id: if finding.name.is_empty() { id } else { &finding.name },
                package: &package.name,
                installed: &package.version,
                fixed: &finding.fixed_in_version,
                source: &finding.updater,
                title: &finding.description,
                description: &finding.description,
                ..Raw::default()
            };
            tally.add(raw.cleaned());
        }
    }
    Some(Report { tool: "Clair".into(), scanned: None, database: None, tally, packages, counted: true })
}
