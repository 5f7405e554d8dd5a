//! In-toto statements about an image: cosign's vulnerability predicate, and bills of materials and VEX as predicates.
//!
//! A statement about another image says nothing about this one, and is not read.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    lax::{Fold, Lenient, LenientArray, StreamedArray, Text},
    model::{Document, Raw, Reader, Report, time, word_of_score},
};
use crate::formats::keys::pem::base64;
use wharf_core::{
    base::{clean, digest::Digest},
    evidence::findings::{Severity, Tally},
};

#[derive(Deserialize)]
struct Bundle<'a> {
    #[serde(borrow, rename = "dsseEnvelope")]
    envelope: &'a RawValue,
}

#[derive(Deserialize)]
struct Envelope {
    payload: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement<'a> {
    #[serde(default)]
    subject: Option<Vec<Lenient<Subject>>>,
    predicate_type: String,
    #[serde(borrow)]
    predicate: &'a RawValue,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Subject {
    digest: Lenient<BTreeMap<String, Text>>,
}

/// cosign's predicate. trivy writes `scanner`, the specification says `scanners`.
#[derive(Deserialize)]
struct Scanned<'a> {
    #[serde(borrow)]
    scanner: Option<Scanner<'a>>,
    #[serde(borrow, default)]
    scanners: Option<Vec<Scanner<'a>>>,
    #[serde(default)]
    metadata: Lenient<Metadata>,
}

#[derive(Deserialize)]
struct Scanner<'a> {
    #[serde(default)]
    uri: Text,
    #[serde(default)]
    db: Lenient<Database>,
    #[serde(borrow)]
    result: &'a RawValue,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    scan_finished_on: Text,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Database {
    last_update: Text,
}

/// A finding in in-toto's own list (attestation framework, predicate "vulns").
#[derive(Default, Deserialize)]
#[serde(default)]
struct Finding {
    id: Text,
    severity: LenientArray<Scores>,
}

#[derive(Default)]
struct Findings(Tally);

/// The worst of the severities that several methods give.
#[derive(Default)]
struct Scores(Option<Severity>, String);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Score {
    method: Text,
    score: Text,
}

impl Fold for Scores {
    type Item = Score;
    fn add(&mut self, item: Score) {
        let found = Severity::parse(match item.score.trim().parse() {
            Ok(score) => word_of_score(score),
            Err(_) => &item.score,
        });
        if self.0.as_ref().is_none_or(|known| found < *known) {
            (self.0, self.1) = (Some(found), item.method.0);
        }
    }
}

impl Fold for Findings {
    type Item = Finding;
    fn add(&mut self, item: Finding) {
        let LenientArray(Scores(severity, source)) = item.severity;
        let severity = severity.unwrap_or(Severity::Unknown);
        let raw = Raw { severity: severity.name(), id: &item.id, source: &source, ..Raw::default() };
        self.0.add(raw.cleaned());
    }
}

/// Reads in-toto's list of findings, which lists no packages.
fn listed(bytes: &[u8]) -> Option<Report> {
    let StreamedArray(Findings(tally)) = serde_json::from_slice(bytes).ok()?;
    Some(Report { tally, ..Report::default() })
}

/// Reads a Sigstore bundle around an envelope. `read` reads the document in its statement.
pub(super) fn bundle(bytes: &[u8], digests: &[&Digest], read: Reader) -> Option<Document> {
    let bundle: Bundle<'_> = serde_json::from_slice(bytes).ok()?;
    envelope(bundle.envelope.get().as_bytes(), digests, read)
}

/// Reads a DSSE envelope around a statement. `read` reads the document in it.
pub(super) fn envelope(bytes: &[u8], digests: &[&Digest], read: Reader) -> Option<Document> {
    let envelope: Envelope = serde_json::from_slice(bytes).ok()?;
    statement(&base64(&envelope.payload)?, digests, read)
}

/// Reads a statement; `None` if it is about none of these digests. `read` reads the document in it.
pub(super) fn statement(bytes: &[u8], digests: &[&Digest], read: Reader) -> Option<Document> {
    let statement: Statement<'_> = serde_json::from_slice(bytes).ok()?;
    let names = |subject: &Lenient<Subject>| {
        digests.iter().any(|digest| subject.digest.get(digest.algorithm()).is_some_and(|hex| **hex == *digest.hex()))
    };
    if !digests.is_empty() && !statement.subject.iter().flatten().any(names) {
        return None;
    }
    let kind = statement.predicate_type.as_str();
    let predicate = statement.predicate.get().as_bytes();
    if kind.contains("attestation/vuln") || kind.contains("/vulns/") {
        return scanned(predicate, read);
    }
    let is_list = ["spdx.dev/Document", "spdx.org/rdf", "cyclonedx.org/bom", "cyclonedx.org/vex", "openvex.dev/ns"]
        .iter()
        .any(|word| kind.contains(word));
    // A statement within a statement is not read, which could be nested without end.
    if is_list { read(predicate, &[]).filter(|document| !matches!(document, Document::Scan(_))) } else { None }
}

fn scanned(predicate: &[u8], read: Reader) -> Option<Document> {
    let said: Scanned<'_> = serde_json::from_slice(predicate).ok()?;
    let scanner = said.scanner.or_else(|| said.scanners.into_iter().flatten().next())?;
    let result = scanner.result.get().as_bytes();
    let mut report = match read(result, &[]) {
        Some(Document::Scan(report)) => report,
        Some(_) => return None,
        None => listed(result)?,
    };
    report.database = report.database.or(time(&scanner.db.last_update));
    report.scanned = time(&said.metadata.scan_finished_on).or(report.scanned);
    report.tool = format!("attestation of {}", clean::short(&scanner.uri, 60));
    Some(Document::Scan(report))
}
