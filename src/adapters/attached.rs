//! Scan reports that somebody attached to an image: trivy's own, SARIF, and in-toto attestations of scans.
//!
//! They are what the source says: nobody here has seen the packages. A report made here counts more.

use std::sync::Arc;

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::TryStreamExt;
use serde::Deserialize;

use crate::{
    adapters::{Parts, Surroundings},
    core::{
        clean,
        config::Config,
        digest::Digest,
        error::Result,
        evidence::Scan,
        manifest::Descriptor,
        model::Image,
        ports::{Checker, Content, Supply},
        progress::Context,
        record::{By, Counts, Kind, MOST_FINDINGS, Outcome, Record, Severity, Subject, Vulnerability},
        reference::ImageRef,
        text,
    },
};

/// No report is larger.
const LIMIT: usize = 64 << 20;
/// Attachments that are looked at.
const MOST: usize = 32;
/// How long what was attached counts before it is looked for again.
const VALID: i64 = 3_600;
/// What a record of this checker calls its tool.
const TOOL: &str = "attached";

/// Looks for attached reports.
pub struct Attachments;

#[derive(Deserialize)]
struct Attached {
    #[serde(default)]
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    #[serde(default)]
    media_type: String,
    digest: String,
    #[serde(default)]
    size: u64,
}

/// A report that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Which form it has, and the scanner it names.
    pub tool: String,
    /// When it was made, where it says.
    pub scanned: Option<i64>,
    /// Findings by severity.
    pub counts: Counts,
    /// Packages, where it tells of any; findings at least.
    pub packages: u64,
    /// The worst findings.
    pub worst: Vec<Vulnerability>,
}

fn text_of(value: &serde_json::Value, path: &str, most: usize) -> String {
    clean::short(value.pointer(path).and_then(serde_json::Value::as_str).unwrap_or(""), most)
}

fn list<'a>(value: &'a serde_json::Value, path: &str) -> impl Iterator<Item = &'a serde_json::Value> {
    value.pointer(path).and_then(serde_json::Value::as_array).into_iter().flatten()
}

/// Reads a report in any form that is known.
pub fn read(bytes: &[u8]) -> Option<Report> {
    let value: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    of_value(&value)
}

fn of_value(value: &serde_json::Value) -> Option<Report> {
    if value.get("runs").is_some() {
        return Some(sarif(value));
    }
    if value.get("payloadType").is_some() {
        let payload = STANDARD.decode(value.get("payload")?.as_str()?).ok()?;
        return attestation(&serde_json::from_slice(&payload).ok()?);
    }
    if value.get("predicateType").is_some() {
        return attestation(value);
    }
    value.get("SchemaVersion")?;
    Some(trivy(value))
}

/// trivy's report, schema version 2.
fn trivy(value: &serde_json::Value) -> Report {
    let mut packages = 0;
    let mut worst = Vec::new();
    for target in list(value, "/Results") {
        packages += list(target, "/Packages").count() as u64;
        worst.extend(list(target, "/Vulnerabilities").map(|found| Vulnerability {
            severity: Severity::read(&text_of(found, "/Severity", 20)),
            id: text_of(found, "/VulnerabilityID", 60),
            package: text_of(found, "/PkgName", 120),
            installed: text_of(found, "/InstalledVersion", 80),
            fixed: text_of(found, "/FixedVersion", 80),
            source: text_of(found, "/SeveritySource", 40),
            title: text_of(found, "/Title", 160),
            exploited: false,
        }));
    }
    finished("trivy's report", &text_of(value, "/CreatedAt", 40), packages, worst)
}

/// SARIF 2.1.0: findings as results, their severity in the rule's `security-severity` (a CVSS score) or the level.
fn sarif(value: &serde_json::Value) -> Report {
    let mut worst = Vec::new();
    let mut tool = String::new();
    for run in list(value, "/runs") {
        tool = text_of(run, "/tool/driver/name", 40);
        let rules: Vec<&serde_json::Value> = list(run, "/tool/driver/rules").collect();
        worst.extend(list(run, "/results").map(|result| {
            let id = text_of(result, "/ruleId", 60);
            let rule = rules.iter().find(|rule| text_of(rule, "/id", 60) == id);
            let score =
                rule.and_then(|rule| rule.pointer("/properties/security-severity")?.as_str()?.parse::<f64>().ok());
            let severity = match score {
                Some(score) if score >= 9.0 => Severity::Critical,
                Some(score) if score >= 7.0 => Severity::High,
                Some(score) if score >= 4.0 => Severity::Medium,
                Some(_) => Severity::Low,
                None => Severity::read(&text_of(result, "/level", 20)),
            };
            Vulnerability {
                severity,
                package: String::new(),
                installed: String::new(),
                fixed: String::new(),
                source: "report".into(),
                title: text_of(result, "/message/text", 160),
                exploited: false,
                id,
            }
        }));
    }
    finished(&format!("SARIF of {tool}"), "", 0, worst)
}

/// An in-toto statement about a scan: cosign's vulnerability predicate. trivy writes `scanner`, the specification says
/// `scanners`.
fn attestation(value: &serde_json::Value) -> Option<Report> {
    let kind = text_of(value, "/predicateType", 100);
    if !kind.contains("attestation/vuln") && !kind.contains("/vulns/") {
        return None;
    }
    let predicate = value.get("predicate")?;
    let scanner = predicate.get("scanner").or_else(|| predicate.get("scanners")?.as_array()?.first())?;
    let mut report = of_value(scanner.get("result")?)?;
    let finished = text_of(predicate, "/metadata/scanFinishedOn", 40);
    report.scanned = text::parse_timestamp(&finished).or(report.scanned);
    report.tool = format!("attestation of {}", text_of(scanner, "/uri", 60));
    Some(report)
}

fn finished(tool: &str, created: &str, packages: u64, mut worst: Vec<Vulnerability>) -> Report {
    let mut counts = Counts::default();
    for one in &worst {
        match one.severity {
            Severity::Critical => counts.critical += 1,
            Severity::High => counts.high += 1,
            Severity::Medium => counts.medium += 1,
            Severity::Low => counts.low += 1,
            Severity::Unknown => counts.unknown += 1,
        }
        if one.severity == Severity::Critical && !one.fixed.is_empty() {
            counts.fixable_critical += 1;
        }
    }
    worst.sort();
    worst.truncate(MOST_FINDINGS);
    let packages = packages.max(u64::from(counts.total() > 0));
    Report { tool: tool.to_owned(), scanned: text::parse_timestamp(created), counts, packages, worst }
}

/// Whether a layer may hold a report.
fn may_hold(media_type: &str) -> bool {
    ["sarif", "trivy", "dsse", "in-toto", "vuln", "report"].iter().any(|word| media_type.contains(word))
}

async fn fetch(cx: &Context, content: &dyn Content, at: &ImageRef, layer: &Layer) -> Result<Vec<u8>> {
    let what = format!("read a report of {at}");
    let digest: Digest = layer.digest.parse()?;
    let blob = Descriptor {
        media_type: clean::short(&layer.media_type, 200),
        digest: digest.clone(),
        size: layer.size,
        platform: None,
        artifact_type: None,
    };
    cx.run(&what, async {
        let mut stream = content.blob(cx, at, &blob, 0).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = stream.try_next().await? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > LIMIT {
                return Ok(Vec::new());
            }
        }
        digest.check(&bytes, &what)?;
        Ok(bytes)
    })
    .await
}

#[async_trait]
impl Checker for Attachments {
    fn name(&self) -> &'static str {
        TOOL
    }

    fn kind(&self) -> Kind {
        Kind::Scan
    }

    fn made(&self, record: &Record) -> bool {
        record.tool.starts_with(TOOL)
    }

    async fn check(&self, cx: &Context, image: &Image, supply: &Supply) -> Result<Option<Record>> {
        let (Some(pinned), Some(content)) = (&image.pinned, &supply.content) else { return Ok(None) };
        if !matches!(pinned.reference, ImageRef::Oci(_)) {
            return Ok(None);
        }
        let mut newest: Option<(Report, ImageRef)> = None;
        for (at, _) in content.attached(cx, &pinned.reference, &pinned.manifest).await?.into_iter().take(MOST) {
            let manifest = content.manifest(cx, &at).await?;
            let Ok(attached) = serde_json::from_slice::<Attached>(&manifest.bytes) else { continue };
            for layer in attached.layers.iter().filter(|layer| may_hold(&layer.media_type)).take(MOST) {
                if layer.size > LIMIT as u64 {
                    continue;
                }
                let bytes = fetch(cx, &**content, &at, layer).await?;
                let parsed = tokio::task::spawn_blocking(move || read(&bytes)).await.ok().flatten();
                let Some(report) = parsed else { continue };
                if newest.as_ref().is_none_or(|(known, _)| report.scanned >= known.scanned) {
                    newest = Some((report, at.clone()));
                }
            }
        }
        let Some((report, at)) = newest else { return Ok(None) };
        let state = match (report.packages, report.counts.total()) {
            (0, _) => Scan::Unsupported,
            (_, 0) => Scan::Clean,
            _ => Scan::Findings,
        };
        let now = text::now();
        Ok(Some(Record {
            subject: Subject::of(pinned),
            tool: format!("{TOOL} {}", report.tool),
            inputs: Vec::new(),
            by: By::Source,
            at: now,
            valid_until: now + VALID,
            outcome: Outcome::Scan {
                state,
                counts: report.counts,
                packages: report.packages,
                scanned: report.scanned,
                database: None,
                worst: report.worst,
            },
            reason: at.spoken(),
        }))
    }
}

/// The checker.
pub fn register(_config: &Config, _around: &Surroundings, parts: &mut Parts) -> Result<()> {
    parts.checkers.push(Arc::new(Attachments));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIVY: &str = r#"{"SchemaVersion":2,"CreatedAt":"2026-11-20T06:00:00Z","Results":[{"Packages":[{},{}],
        "Vulnerabilities":[{"VulnerabilityID":"CVE-1","PkgName":"zlib","Severity":"CRITICAL","FixedVersion":"2"}]}]}"#;

    #[test]
    fn every_form_of_a_report_is_read() {
        let report = read(TRIVY.as_bytes()).unwrap();
        assert_eq!((report.packages, report.counts.fixable_critical), (2, 1));
        assert_eq!(report.scanned, text::parse_timestamp("2026-11-20T06:00:00Z"));
        let sarif = r#"{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"Trivy","rules":[{"id":"CVE-1","properties":{"security-severity":"9.8"}}]}},
            "results":[{"ruleId":"CVE-1","message":{"text":"bad"}},{"ruleId":"CVE-2","level":"warning"}]}]}"#;
        let report = read(sarif.as_bytes()).unwrap();
        assert_eq!((report.counts.critical, report.counts.medium), (1, 1));
        for scanner in [
            format!(r#""scanner":{{"uri":"trivy","result":{TRIVY}}}"#),
            format!(r#""scanners":[{{"uri":"trivy","result":{TRIVY}}}]"#),
        ] {
            let statement = format!(
                r#"{{"predicateType":"https://cosign.sigstore.dev/attestation/vuln/v1","predicate":{{{scanner},"metadata":{{"scanFinishedOn":"2026-11-21T00:00:00Z"}}}}}}"#
            );
            let envelope = format!(
                r#"{{"payloadType":"application/vnd.in-toto+json","payload":"{}","signatures":[]}}"#,
                STANDARD.encode(statement)
            );
            let report = read(envelope.as_bytes()).unwrap();
            assert_eq!(report.scanned, text::parse_timestamp("2026-11-21T00:00:00Z"));
            assert_eq!((report.counts.critical, report.tool.as_str()), (1, "attestation of trivy"));
        }
        assert!(read(b"{}").is_none() && read(b"[").is_none());
        assert!(read(br#"{"predicateType":"https://spdx.dev/Document","predicate":{}}"#).is_none());
    }
}
