//! grype's report. It lists matches only and not how many packages were seen: without a match it proves nothing.

use serde::Deserialize;

use super::{
    lax::{Fold, Lenient, LenientArray, StreamedArray, Text, Texts},
    model::{Packages, Raw, Report, time},
};
use wharf_core::{base::clean, evidence::findings::Tally};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Top {
    matches: StreamedArray<Matches>,
    descriptor: Lenient<Descriptor>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Descriptor {
    version: Text,
    timestamp: Text,
    db: Lenient<Database>,
}

/// The database's age: `built` is here, or one level deeper since grype 0.88.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Database {
    built: Text,
    status: Lenient<Status>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    built: Text,
}

#[derive(Default)]
struct Matches {
    tally: Tally,
    packages: Packages,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Match {
    vulnerability: Lenient<Vulnerability>,
    artifact: Lenient<Artifact>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Vulnerability {
    id: Text,
    severity: Text,
    namespace: Text,
    description: Text,
    fix: Lenient<Fix>,
    cvss: LenientArray<Highest>,
}

/// The highest of the CVSS scores.
#[derive(Default)]
struct Highest(Option<f64>);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Scored {
    metrics: Lenient<Metrics>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metrics {
    base_score: Text,
}

impl Fold for Highest {
    type Item = Scored;
    fn add(&mut self, item: Scored) {
        let score = item.metrics.base_score.parse::<f64>().ok();
        self.0 = [self.0, score].into_iter().flatten().max_by(f64::total_cmp);
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Fix {
    versions: Texts,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Artifact {
    name: Text,
    version: Text,
    r#type: Text,
    locations: LenientArray<FirstLayer>,
}

/// The layer of the first place at which a package was found.
#[derive(Default)]
struct FirstLayer(String);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Location {
    #[serde(rename = "layerID")]
    layer: Text,
}

impl Fold for FirstLayer {
    type Item = Location;
    fn add(&mut self, item: Location) {
        if self.0.is_empty() {
            self.0 = item.layer.0;
        }
    }
}

impl Fold for Matches {
    type Item = Match;
    fn add(&mut self, item: Match) {
        let (vulnerability, artifact) = (&item.vulnerability, &item.artifact);
        let fixed = vulnerability.fix.versions.first().map_or("", |version| version);
        let raw = Raw {
            severity: &vulnerability.severity,
            id: &vulnerability.id,
            package: &artifact.name,
            installed: &artifact.version,
            fixed,
            source: &vulnerability.namespace,
            title: &vulnerability.description,
            description: &vulnerability.description,
            score: vulnerability.cvss.0.0,
            layer: &artifact.locations.0.0,
        };
        self.tally.add(raw.cleaned());
        self.packages.add(&artifact.name, &artifact.version, &artifact.r#type);
    }
}

/// Reads a report; `None` if it is none.
pub(super) fn read(bytes: &[u8]) -> Option<Report> {
    let top: Top = serde_json::from_slice(bytes).ok()?;
    let StreamedArray(Matches { tally, packages }) = top.matches;
    let database = time(&top.descriptor.db.status.built).or_else(|| time(&top.descriptor.db.built));
    let tool = format!("grype {}", clean::short(&top.descriptor.version, 40));
    Some(Report { tool, scanned: time(&top.descriptor.timestamp), database, tally, packages, counted: false })
}
