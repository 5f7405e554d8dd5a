//! Reports in all supported formats, read in one pass: all findings are counted and the worst kept, all packages
//! counted and the first kept, so that a report of any length fits into memory. Nothing here contacts a server.

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
use wharf_core::{
    base::{badge::Scan, clean, digest::Digest, text},
    evidence::{
        findings::{Exploited, Severity, Tally, Vulnerability},
        record::{MOST_PACKAGES, Outcome, Package, Statement},
    },
};

/// What a scanner has found in an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The scanner, or the format of the report.
    pub tool: String,
    /// When the scan was made, in seconds since 1970, if the report says it.
    pub scanned: Option<i64>,
    /// When the scanner's database was made, in seconds since 1970, if the report says it.
    pub database: Option<i64>,
    /// The findings: their counts, and the worst ones.
    pub tally: Tally,
    /// The packages that the report lists.
    pub packages: Packages,
    /// Whether the report lists packages without findings too. If not, an empty report does not mean "clean".
    pub counted: bool,
}

/// A bill of materials.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Software {
    /// The format with its version, like `CycloneDX 1.5`.
    pub form: String,
    /// The packages that it lists.
    pub packages: Packages,
}

/// VEX statements on vulnerabilities.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vex {
    /// The author of the statements, as the document names them.
    pub author: String,
    /// When they were made, in seconds since 1970.
    pub made: Option<i64>,
    /// The statements, one for each vulnerability.
    pub statements: Vec<Statement>,
}

/// A document of a supported format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// The report of a scanner.
    Scan(Report),
    /// A bill of materials.
    Software(Software),
    /// VEX statements on vulnerabilities.
    Statements(Vex),
}

/// Packages: all are counted, the first ones are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packages {
    total: u64,
    list: Vec<Package>,
}

impl Packages {
    /// Adds a package; its texts are cleaned. One without a name is left out.
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

    /// The number of all packages, also of those that were not kept.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The packages as evidence; `None` if there are none.
    pub fn outcome(mut self, form: &str) -> Option<Outcome> {
        self.list.sort();
        self.list.dedup();
        let form = clean::short(form, 60);
        (self.total > 0).then_some(Outcome::Software { form, total: self.total, packages: self.list })
    }
}

impl Report {
    /// The report as evidence. Without packages, the scanner does not know the image: that is never "clean".
    pub fn outcome(self, exploited: &Exploited) -> Outcome {
        let (counts, worst) = self.tally.finish(exploited);
        // A finding means that there is at least one package.
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

/// A finding as it is in the report, before it is cleaned.
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

/// The top-level fields by which the formats are recognized.
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
    /// Only grype writes this field.
    descriptor: Option<IgnoredAny>,
    #[serde(rename = "@graph")]
    graph: Option<IgnoredAny>,
    /// Only CSAF writes this field.
    document: Option<IgnoredAny>,
}

/// Reads a document of any supported format. `None` if it is none, or names other digests than these.
pub fn read(bytes: &[u8], digests: &[&Digest]) -> Option<Document> {
    // Some programs write a byte order mark before the document.
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

/// Reads a scanner's own report; `None` for any other document.
pub fn scan(bytes: &[u8]) -> Option<Report> {
    match read(bytes, &[])? {
        Document::Scan(report) => Some(report),
        _ => None,
    }
}

/// The severity of a CVSS score (version 3.1, "Qualitative Severity Rating Scale").
fn word_of_score(score: f64) -> &'static str {
    match score {
        score if score >= 9.0 => "critical",
        score if score >= 7.0 => "high",
        score if score >= 4.0 => "medium",
        _ => "low",
    }
}

/// A report's time, in seconds since 1970.
fn time(text: &str) -> Option<i64> {
    text::parse_timestamp(text)
}

#[cfg(test)]
mod tests;
