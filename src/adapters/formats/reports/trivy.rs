//! trivy's report, schema version 2.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    lax::{Fold, Lenient, StreamedArray, Text},
    model::{Packages, Raw, Report, time},
};
use wharf_core::evidence::findings::Tally;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Top {
    created_at: Text,
    trivy: Lenient<TrivyDatabase>,
    results: StreamedArray<Targets>,
}

/// The scanner's database: that of the trivy server, if one was used.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct TrivyDatabase {
    #[serde(rename = "VulnerabilityDB")]
    database: Lenient<Database>,
    server: Lenient<Server>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Server {
    #[serde(rename = "VulnerabilityDB")]
    database: Lenient<Database>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Database {
    updated_at: Text,
}

#[derive(Default)]
struct Targets {
    tally: Tally,
    packages: Packages,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Target {
    r#type: Text,
    packages: StreamedArray<Seen>,
    vulnerabilities: StreamedArray<Found>,
}

#[derive(Default)]
struct Seen(Packages);

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Package {
    name: Text,
    version: Text,
}

#[derive(Default)]
struct Found(Tally);

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Finding {
    #[serde(rename = "VulnerabilityID")]
    id: Text,
    pkg_name: Text,
    installed_version: Text,
    fixed_version: Text,
    severity: Text,
    severity_source: Text,
    title: Text,
    description: Text,
    layer: Lenient<Layer>,
    #[serde(rename = "CVSS")]
    scores: Lenient<BTreeMap<String, Lenient<Scores>>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Layer {
    #[serde(rename = "Digest")]
    digest: Text,
    #[serde(rename = "DiffID")]
    content: Text,
}

/// The scores by one vendor; an older version of CVSS counts only where a newer one is missing.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Scores {
    #[serde(rename = "V40Score")]
    fourth: Text,
    #[serde(rename = "V3Score")]
    third: Text,
    #[serde(rename = "V2Score")]
    second: Text,
}

impl Finding {
    /// The CVSS score by whoever gives the severity, else by the NVD, else the highest.
    fn score(&self) -> Option<f64> {
        let of = |scores: &Lenient<Scores>| {
            [&scores.third, &scores.fourth, &scores.second].into_iter().find_map(|score| score.parse::<f64>().ok())
        };
        let named = [&*self.severity_source, "nvd"].into_iter().find_map(|who| of(self.scores.get(who)?));
        named.or_else(|| self.scores.values().filter_map(of).max_by(f64::total_cmp))
    }
}

impl Fold for Seen {
    type Item = Package;
    fn add(&mut self, item: Package) {
        // A package without a name counts nevertheless.
        let name = if item.name.is_empty() { "?" } else { &item.name };
        self.0.add(name, &item.version, "");
    }
}

impl Fold for Found {
    type Item = Finding;
    fn add(&mut self, item: Finding) {
        let raw = Raw {
            severity: &item.severity,
            id: &item.id,
            package: &item.pkg_name,
            installed: &item.installed_version,
            fixed: &item.fixed_version,
            source: &item.severity_source,
            title: if item.title.is_empty() { &item.description } else { &item.title },
            description: &item.description,
            score: item.score(),
            layer: if item.layer.digest.is_empty() { &item.layer.content } else { &item.layer.digest },
        };
        self.0.add(raw.cleaned());
    }
}

impl Fold for Targets {
    type Item = Target;
    fn add(&mut self, item: Target) {
        self.tally.merge(item.vulnerabilities.0.0);
        let mut packages = item.packages.0.0;
        let kind = wharf_core::base::clean::short(&item.r#type, 20);
        packages.list.iter_mut().for_each(|package| package.kind.clone_from(&kind));
        self.packages.merge(packages);
    }
}

/// Reads a report; `None` if it is none.
pub(super) fn read(bytes: &[u8]) -> Option<Report> {
    let top: Top = serde_json::from_slice(bytes).ok()?;
    let StreamedArray(Targets { tally, packages }) = top.results;
    let database = time(&top.trivy.server.database.updated_at).or_else(|| time(&top.trivy.database.updated_at));
    let tool = "trivy's report".to_owned();
    Some(Report { tool, scanned: time(&top.created_at), database, tally, packages, counted: true })
}
