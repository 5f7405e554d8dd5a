//! Reports in all supported formats, read in one pass: all findings are counted and the worst kept, all packages
//! counted and the first kept, so that a report of any length fits into memory. Nothing here contacts a server.

pub mod clair;
mod grype;
pub mod harbor;
mod lax;
mod model;
pub mod quay;
mod sarif;
mod software;
mod statement;
mod trivy;
mod vex;

use serde::{Deserialize, de::IgnoredAny};

pub use self::model::{Document, Packages, Report, Software, Vex};
use wharf_core::base::digest::Digest;

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
        return statement::bundle(bytes, digests, read);
    }
    if probe.payload_type.is_some() {
        return statement::envelope(bytes, digests, read);
    }
    if probe.predicate_type.is_some() {
        return statement::statement(bytes, digests, read);
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

#[cfg(test)]
mod tests;
