//! Quay's own report (`GET /api/v1/repository/REPO/manifest/DIGEST/security?vulnerabilities=true`, Quay 3).

use serde::Deserialize;

use super::{
    lax::{Fold, Lenient, StreamedArray, Text},
    model::{Packages, Raw, Report},
};
use wharf_core::evidence::findings::Tally;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Top {
    status: Text,
    data: Option<Lenient<Data>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Data {
    layer: Lenient<Layer>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Layer {
    features: StreamedArray<Features>,
}

#[derive(Default)]
struct Features {
    tally: Tally,
    packages: Packages,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Feature {
    name: Text,
    version: Text,
    version_format: Text,
    vulnerabilities: StreamedArray<Found>,
}

/// The findings of one package; the package's name is outside of them.
#[derive(Default)]
struct Found(Vec<Finding>);

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Finding {
    name: Text,
    severity: Text,
    fixed_by: Text,
    description: Text,
    namespace_name: Text,
}

impl Fold for Found {
    type Item = Finding;
    fn add(&mut self, item: Finding) {
        if self.0.len() < 10_000 {
            self.0.push(item);
        }
    }
}

impl Fold for Features {
    type Item = Feature;
    fn add(&mut self, item: Feature) {
        for found in item.vulnerabilities.0.0 {
            let raw = Raw {
                severity: &found.severity,
                id: &found.name,
                package: &item.name,
                installed: &item.version,
                fixed: &found.fixed_by,
                source: &found.namespace_name,
                title: &found.description,
                description: &found.description,
                ..Raw::default()
            };
            self.tally.add(raw.cleaned());
        }
        self.packages.add(&item.name, &item.version, &item.version_format);
    }
}

/// The state of a scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The scan waits for its turn.
    Queued,
    /// The scan is done.
    Scanned(Report),
    /// The scan has failed.
    Failed,
    /// The scanner does not know this kind of image.
    Unsupported,
}

/// Reads an answer; `None` if it is none.
pub fn read(bytes: &[u8]) -> Option<Answer> {
    let top: Top = serde_json::from_slice(bytes).ok()?;
    Some(match (&*top.status, top.data) {
        ("queued", _) => Answer::Queued,
        ("failed", _) => Answer::Failed,
        ("scanned", Some(Lenient(data))) => {
            let StreamedArray(Features { tally, packages }) = data.layer.0.features;
            Answer::Scanned(Report {
                tool: "Quay".into(),
                scanned: None,
                database: None,
                tally,
                packages,
                counted: true,
            })
        }
        _ => Answer::Unsupported,
    })
}
