//! The checker for reports that are attached to an image: scans, bills of materials, VEX statements.
//!
//! They are what the source says; a report that was made by a local scanner counts more.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    formats::{
        exploited::Catalogues,
        reports::{self, Document, Report, Software, Vex},
    },
    parts::{Parts, Surroundings},
    shared::attachments::{self, AttachmentQuery, Clock},
};
use wharf_core::{
    base::{
        blocking::blocking,
        context::Context,
        error::{Error, Kind as ErrorKind, Result},
    },
    config::Config,
    evidence::{
        findings::MOST_FINDINGS,
        record::{CheckedBy, Kind, Outcome, Record},
    },
    image::{model::Image, reference::ImageRef},
    portal::doctor::State,
    ports::{Checker, Supply},
};

/// Most bytes of a report, and of all reports together.
const LIMIT: usize = 64 << 20;
const LIMIT_OF_ALL: u64 = 256 << 20;
/// How long what was found stays valid evidence, in seconds.
const VALID: i64 = 3_600;
/// The tool name in this checker's records.
const TOOL: &str = "attached";

/// The checker that looks for attached reports.
pub struct Attachments {
    catalogues: Catalogues,
}

/// The newest scan, the longest bill of materials and the statements, each with its place.
#[derive(Default)]
struct Found {
    scan: Option<(Report, String)>,
    software: Option<(Software, String)>,
    statements: Option<(Vex, String)>,
}

impl Found {
    fn take(&mut self, document: Document, place: String) {
        match document {
            Document::Scan(report) => {
                if self.scan.as_ref().is_none_or(|(known, _)| report.scanned >= known.scanned) {
                    self.scan = Some((report, place));
                }
            }
            Document::Software(software) => {
                let total = software.packages.total();
                if self.software.as_ref().is_none_or(|(known, _)| total > known.packages.total()) {
                    self.software = Some((software, place));
                }
            }
            Document::Statements(vex) => match &mut self.statements {
                Some((known, _)) => {
                    let room = MOST_FINDINGS.saturating_sub(known.statements.len());
                    known.statements.extend(vex.statements.into_iter().take(room));
                    if vex.author != known.author {
                        known.author = format!("{}, {}", known.author, vex.author);
                    }
                    known.made = known.made.max(vex.made);
                }
                None => self.statements = Some((vex, place)),
            },
        }
    }
}

/// Whether a media or artifact type may be that of a report.
fn may_hold(kind: &str) -> bool {
    let words = [
        "sarif",
        "trivy",
        "dsse",
        "in-toto",
        "vuln",
        "report",
        "cyclonedx",
        "spdx",
        "vex",
        "csaf",
        "sbom",
        "sigstore.bundle",
    ];
    let kind = kind.to_ascii_lowercase();
    words.iter().any(|word| kind.contains(word))
}

const REPORTS: AttachmentQuery =
    AttachmentQuery { words: "reports", tags: &[".att", ".sbom"], kind: may_hold, layer: may_hold };

#[async_trait]
impl Checker for Attachments {
    fn name(&self) -> &'static str {
        TOOL
    }

    fn kind(&self) -> Kind {
        Kind::Scan
    }

    async fn check(&self, cx: &Context, image: &Image, supply: &Supply) -> Result<Vec<Record>> {
        let (Some(pinned), Some(content)) = (&image.pinned, &supply.content) else { return Ok(Vec::new()) };
        if !matches!(pinned.reference, ImageRef::Oci(_)) {
            return Ok(Vec::new());
        }
        let (mut found, mut unseen, mut room) = (Found::default(), Vec::new(), LIMIT_OF_ALL);
        let clock = Clock::start(cx);
        let index = (pinned.digest != pinned.manifest).then_some(&pinned.digest);
        for digest in std::iter::once(&pinned.manifest).chain(index) {
            let looked = attachments::find(cx, supply, digest, &REPORTS).await?;
            unseen.extend(looked.unseen);
            for attached in looked.attached {
                for layer in &attached.layers {
                    let read = async {
                        if layer.size() > room {
                            let what = format!("read {}", attached.at.short_text());
                            return Err(Error::new(ErrorKind::Failed, what, "there is more than anybody reads"));
                        }
                        layer.read(cx, &**content, &attached.at, LIMIT).await
                    };
                    let bytes = match clock.run(read).await {
                        Ok(bytes) => bytes,
                        Err(error) if error.kind == ErrorKind::Cancelled => return Err(error),
                        Err(error) => {
                            unseen.push(error);
                            continue;
                        }
                    };
                    room = room.saturating_sub(bytes.len() as u64);
                    let of = digest.clone();
                    let parsed = blocking(move || reports::read(&bytes, &[&of])).await;
                    if let Some(document) = parsed.ok().flatten() {
                        found.take(document, attached.at.short_text());
                    }
                }
            }
        }
        // That nothing is attached is known only if everything could be read.
        let nothing = found.scan.is_none() && found.software.is_none() && found.statements.is_none();
        if let Some(error) = unseen.into_iter().next().filter(|_| nothing) {
            return Err(error);
        }
        let record = |tool: &str, outcome: Outcome, reason: String| Record {
            reason,
            ..Record::now(pinned, CheckedBy::Attached, format!("{TOOL} {tool}"), outcome, VALID)
        };
        let mut records = Vec::new();
        if let Some((report, place)) = found.scan {
            let tool = report.tool.clone();
            // A scanner's own report also lists the packages that it has seen.
            records.extend(report.packages.clone().outcome(&tool).map(|outcome| record(&tool, outcome, place.clone())));
            records.push(record(&tool, report.outcome(self.catalogues.get()), place));
        }
        if let Some((software, place)) = found.software {
            let outcome = software.packages.outcome(&software.form);
            records.extend(outcome.map(|outcome| record(&software.form, outcome, place)));
        }
        if let Some((vex, place)) = found.statements {
            let outcome = Outcome::Statements { author: vex.author, made: vex.made, statements: vex.statements };
            records.push(record("OpenVEX", outcome, place));
        }
        Ok(records)
    }
}

/// Registers the checker. An unusable catalogue of exploited vulnerabilities becomes a finding.
pub fn register(config: &Config, _around: &Surroundings, parts: &mut Parts) -> Result<()> {
    let lists = &config.policy.scan.exploited_lists;
    for path in lists {
        let found = if path.is_file() { "" } else { ": it is not there" };
        let advice = "fetch it again, or take it out of exploited_lists in the policy";
        let state = if path.is_file() { State::Good } else { State::Bad };
        parts.note("known exploited", state, format!("{}{found}", path.display()), advice);
    }
    parts.checkers.push(Arc::new(Attachments { catalogues: Catalogues::new(lists) }));
    Ok(())
}
