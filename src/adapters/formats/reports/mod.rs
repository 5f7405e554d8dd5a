//! Reports in every form that is known, read as they come: findings are counted and the worst kept, packages counted
//! and the first kept, so that a report of any length fits. Nothing here asks anybody.

pub mod clair;
mod grype;
pub mod harbor;
mod lax;
pub mod quay;
mod sarif;
mod software;
mod statement;
mod trivy;
mod vex;

use serde::{Deserialize, de::IgnoredAny};

use self::lax::{Each, Fold, Lax, Loose, Text, Texts};
use crate::core::{
    base::{badge::Scan, clean, digest::Digest, text},
    evidence::{
        findings::{Exploited, Severity, Tally, Vulnerability},
        record::{MOST_PACKAGES, Outcome, Package, Statement},
    },
};

/// A report that was understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The scanner or form that it names.
    pub tool: String,
    /// When it was made, where it says.
    pub scanned: Option<i64>,
    /// When the scanner's database was made, where it says.
    pub database: Option<i64>,
    /// What was found.
    pub tally: Tally,
    /// What was seen.
    pub packages: Packages,
    /// Whether this form tells of packages without findings too: else none is not "nothing it knows".
    pub counted: bool,
}

/// A list of what is in an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Software {
    /// Its form, with the version.
    pub form: String,
    /// The packages.
    pub packages: Packages,
}

/// Statements on vulnerabilities.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vex {
    /// Who makes them.
    pub author: String,
    /// When.
    pub made: Option<i64>,
    /// What they say.
    pub statements: Vec<Statement>,
}

/// What a document is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// A scan.
    Scan(Report),
    /// A list of software.
    Software(Software),
    /// Statements on vulnerabilities.
    Statements(Vex),
}

/// Packages as they come: all are counted, the first are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packages {
    total: u64,
    list: Vec<Package>,
}

impl Packages {
    /// Takes one in; text from outside is cleaned.
    fn add(&mut self, name: &str, version: &str, kind: &str) {
        if name.is_empty() {
            return;
        }
        self.total += 1;
        if self.list.len() < MOST_PACKAGES {
            let (name, version) = (clean::short(name, 120), clean::short(version, 80));
            self.list.push(Package { name, version, kind: clean::short(kind, 20) });
        }
    }

    fn merge(&mut self, other: Self) {
        self.total += other.total;
        self.list.extend(other.list.into_iter().take(MOST_PACKAGES.saturating_sub(self.list.len())));
    }

    /// How many there are.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// As it is kept; `None` where there is none.
    pub fn outcome(mut self, form: &str) -> Option<Outcome> {
        self.list.sort();
        self.list.dedup();
        let form = clean::short(form, 60);
        (self.total > 0).then_some(Outcome::Software { form, total: self.total, packages: self.list })
    }
}

impl Report {
    /// As it is kept. No packages is nothing that the scanner knows, never clean.
    pub fn outcome(self, exploited: &Exploited) -> Outcome {
        let (counts, worst) = self.tally.finish(exploited);
        // Whatever was found was found in something.
        let packages = self.packages.total().max(u64::from(counts.total() > 0));
        let state = match (packages, counts.total()) {
            (_, 0) if !self.counted => Scan::Partial,
            (0, _) => Scan::Unsupported,
            (_, 0) => Scan::Clean,
            _ => Scan::Findings,
        };
        Outcome::Scan { state, counts, packages, scanned: self.scanned, database: self.database, worst }
    }
}

/// A finding, its text cleaned.
#[derive(Default)]
struct Raw<'a> {
    severity: &'a str,
    id: &'a str,
    package: &'a str,
    installed: &'a str,
    fixed: &'a str,
    source: &'a str,
    title: &'a str,
}

impl Raw<'_> {
    fn cleaned(&self) -> Vulnerability {
        Vulnerability {
            severity: Severity::read(self.severity),
            id: clean::short(self.id, 60),
            package: clean::short(self.package, 120),
            installed: clean::short(self.installed, 80),
            fixed: clean::short(self.fixed, 80),
            source: clean::short(self.source, 40),
            title: clean::short(self.title, 160),
            exploited: false,
        }
    }
}

/// What tells the forms apart.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Probe {
    runs: Option<IgnoredAny>,
    #[serde(rename = "payloadType")]
    payload_type: Option<IgnoredAny>,
    #[serde(rename = "dsseEnvelope")]
    envelope: Option<IgnoredAny>,
    #[serde(rename = "predicateType")]
    predicate_type: Option<IgnoredAny>,
    #[serde(rename = "SchemaVersion")]
    schema_version: Option<IgnoredAny>,
    #[serde(rename = "bomFormat")]
    bom_format: Option<IgnoredAny>,
    #[serde(rename = "spdxVersion")]
    spdx_version: Option<IgnoredAny>,
    #[serde(rename = "@context")]
    context: Option<IgnoredAny>,
    statements: Option<IgnoredAny>,
    matches: Option<IgnoredAny>,
    /// Which grype writes, and others do not.
    descriptor: Option<IgnoredAny>,
    #[serde(rename = "@graph")]
    graph: Option<IgnoredAny>,
    /// Which CSAF writes, and others do not.
    document: Option<IgnoredAny>,
}

/// Reads a document in any form that is known. One that speaks of other digests than these is none.
pub fn read(bytes: &[u8], digests: &[&Digest]) -> Option<Document> {
    // Some programs write a mark of byte order before it.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let probe: Probe = serde_json::from_slice(bytes).ok()?;
    if probe.envelope.is_some() {
        return statement::bundle(bytes, digests);
    }
    if probe.payload_type.is_some() {
        return statement::envelope(bytes, digests);
    }
    if probe.predicate_type.is_some() {
        return statement::statement(bytes, digests);
    }
    if probe.runs.is_some() {
        return sarif::read(bytes).map(Document::Scan);
    }
    if probe.schema_version.is_some() {
        return trivy::read(bytes).map(Document::Scan);
    }
    if probe.matches.is_some() || probe.descriptor.is_some() {
        return grype::read(bytes).map(Document::Scan);
    }
    if probe.bom_format.is_some() {
        return match vex::cyclonedx(bytes) {
            Some(said) => Some(Document::Statements(said)),
            None => software::cyclonedx(bytes).map(Document::Software),
        };
    }
    if probe.spdx_version.is_some() {
        return software::spdx(bytes).map(Document::Software);
    }
    if probe.context.is_some() && probe.statements.is_some() {
        return vex::read(bytes).map(Document::Statements);
    }
    if probe.context.is_some() && probe.graph.is_some() {
        return software::spdx_graph(bytes).map(Document::Software);
    }
    if probe.document.is_some() {
        return vex::csaf(bytes).map(Document::Statements);
    }
    None
}

/// A scanner's own report, which nobody needs to tell apart.
pub fn scan(bytes: &[u8]) -> Option<Report> {
    match read(bytes, &[])? {
        Document::Scan(report) => Some(report),
        _ => None,
    }
}

/// The word for a score of CVSS (version 3.1, "Qualitative Severity Rating Scale").
fn word_of_score(score: f64) -> &'static str {
    match score {
        score if score >= 9.0 => "critical",
        score if score >= 7.0 => "high",
        score if score >= 4.0 => "medium",
        _ => "low",
    }
}

/// A time of a report.
fn time(text: &str) -> Option<i64> {
    text::parse_timestamp(text)
}

#[cfg(test)]
mod tests;
