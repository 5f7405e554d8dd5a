//! What reports contain: findings, packages, VEX statements.

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
    pub(super) list: Vec<Package>,
}

impl Packages {
    /// Adds a package; its texts are cleaned. One without a name is left out.
    pub(super) fn add(&mut self, name: &str, version: &str, kind: &str) {
        if name.is_empty() {
            return;
        }
        self.total += 1;
        if self.list.len() < MOST_PACKAGES {
            let (name, version) = (clean::short(name, 120), clean::short(version, 80));
            self.list.push(Package { name, version, kind: clean::short(kind, 20) });
        }
    }

    /// Adds the packages of another list.
    pub(super) fn merge(&mut self, other: Self) {
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
pub(super) struct Raw<'a> {
    pub severity: &'a str,
    pub id: &'a str,
    pub package: &'a str,
    pub installed: &'a str,
    pub fixed: &'a str,
    pub source: &'a str,
    pub title: &'a str,
    /// What it is at length; may say the title again.
    pub description: &'a str,
    /// The CVSS base score.
    pub score: Option<f64>,
    /// The layer that the package is in.
    pub layer: &'a str,
}

/// Most characters that are kept of a description.
const DESCRIPTION: usize = 600;

impl Raw<'_> {
    pub(super) fn cleaned(&self) -> Vulnerability {
        Vulnerability {
            severity: Severity::parse(self.severity),
            id: clean::short(self.id, 60),
            package: clean::short(self.package, 120),
            installed: clean::short(self.installed, 80),
            fixed: clean::short(self.fixed, 80),
            source: clean::short(self.source, 40),
            title: clean::short(self.title, 160),
            exploited: false,
            score: self.score.and_then(tenths),
            layer: clean::short(self.layer, 80),
            // A line that says all of it needs no second one.
            description: if clean::line(self.description) == clean::short(self.title, 160) {
                String::new()
            } else {
                clean::short(self.description, DESCRIPTION)
            },
        }
    }
}

/// A CVSS base score in tenths; `None` if it is outside of 0 to 10.
fn tenths(score: f64) -> Option<u8> {
    (0.0..=10.0).contains(&score).then(|| (score * 10.0).round() as u8)
}

/// The severity of a CVSS score (version 3.1, "Qualitative Severity Rating Scale").
pub(super) fn word_of_score(score: f64) -> &'static str {
    match score {
        score if score >= 9.0 => "critical",
        score if score >= 7.0 => "high",
        score if score >= 4.0 => "medium",
        _ => "low",
    }
}

/// A report's time, in seconds since 1970.
pub(super) fn time(text: &str) -> Option<i64> {
    text::parse_timestamp(text)
}

/// Reads a document of any supported format, if it is about one of these digests.
pub(super) type Reader = fn(&[u8], &[&Digest]) -> Option<Document>;
