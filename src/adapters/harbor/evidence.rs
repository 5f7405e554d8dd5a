//! Harbor's evidence about an image: its scan with findings, its signature mark, and what its project ignores.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{
    answers::{AllowList, Artifact, Overview, Project},
    api::{Api, artifact_path, encode_twice, split},
};
use crate::formats::{exploited::Catalogues, reports};
use wharf_core::{
    base::{
        badge::{Scan, Signature},
        blocking::blocking,
        clean,
        context::Context,
        error::{During, Kind as ErrorKind, Result},
        text,
    },
    evidence::{
        findings::MOST_FINDINGS,
        record::{CheckedBy, Kind, Outcome, Record, Statement},
    },
    image::{
        model::{Image, Pinned},
        reference::{ImageRef, Name},
    },
    ports::{Checker, Supply},
};

/// How long Harbor's evidence is valid, and how long a scan that is still running, in seconds.
const VALID: i64 = 3_600;
const SOON: i64 = 20;
/// How long a scan that was started is waited for, and the time between two looks at it.
const PATIENCE: Duration = Duration::from_secs(300);
const LOOK: Duration = Duration::from_secs(1);
/// The tool name in this checker's records.
const TOOL: &str = "harbor";

/// The checker that asks the Harbor that an image is in.
pub(super) struct HarborEvidence {
    pub(super) servers: BTreeMap<String, Arc<Api>>,
    pub(super) catalogues: Catalogues,
}

/// An artifact in a Harbor.
struct HarborArtifact<'a> {
    api: &'a Api,
    project: &'a str,
    path: String,
    what: String,
}

impl HarborEvidence {
    fn place<'a>(&'a self, name: &'a Name, pinned: &Pinned) -> Option<HarborArtifact<'a>> {
        let api = self.servers.get(&name.host)?;
        let (project, _) = split(&name.repository)?;
        let path = artifact_path(name, pinned.manifest.as_str())?;
        Some(HarborArtifact { api, project, path, what: format!("ask {} about {}", name.host, name.repository) })
    }

    async fn artifact(cx: &Context, place: &HarborArtifact<'_>) -> Result<Option<Artifact>> {
        let path = format!("{}?with_scan_overview=true&with_accessory=true&with_tag=false", place.path);
        match place.api.get(cx, &place.what, &path).await {
            Ok(artifact) => Ok(Some(artifact)),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The outcome of a scan and the scanner's name: the findings if it is done, else its state.
    async fn scan(&self, cx: &Context, place: &HarborArtifact<'_>, overview: &Overview) -> Result<(Outcome, String)> {
        let scanner = &overview.scanner;
        let tool = format!("{} {}", clean::short(&scanner.name, 40), clean::short(&scanner.version, 20));
        match overview.scan_status.as_str() {
            "Pending" | "Scheduled" | "Running" => return Ok((Outcome::from_scan_state(Scan::Running), tool)),
            "Success" => {}
            _ => return Ok((Outcome::from_scan_state(Scan::Failed), tool)),
        }
        let bytes = place.api.report(cx, &place.what, &format!("{}/additions/vulnerabilities", place.path)).await?;
        let report = blocking(move || reports::harbor::read(&bytes)).await.during(&place.what)?;
        let Some(mut report) = report else { return Ok((Outcome::from_scan_state(Scan::Failed), tool)) };
        report.scanned = text::parse_timestamp(&overview.end_time).or(report.scanned);
        Ok((report.outcome(self.catalogues.get()), tool))
    }
}

/// The vulnerabilities that a project ignores, as statements, which inform but remove no finding.
fn allowed(project: &Project, now: i64) -> Option<Outcome> {
    let AllowList { items, expires_at } = &project.cve_allowlist;
    if expires_at.is_some_and(|end| end > 0 && end <= now) {
        return None;
    }
    let statement = |id: &str| Statement {
        vulnerability: clean::short(id, 60),
        status: "let_pass".to_owned(),
        why: "on the project's allow-list".to_owned(),
    };
    let statements: Vec<Statement> =
        items.iter().flatten().take(MOST_FINDINGS).map(|item| statement(&item.cve_id)).collect();
    let author = format!("the project {}", clean::short(&project.name, 60));
    (!statements.is_empty()).then_some(Outcome::Statements { author, made: None, statements })
}

#[async_trait]
impl Checker for HarborEvidence {
    fn name(&self) -> &'static str {
        TOOL
    }

    fn kind(&self) -> Kind {
        Kind::Scan
    }

    async fn start(&self, cx: &Context, image: &Image) -> Result<()> {
        let Some(pinned) = &image.pinned else { return Ok(()) };
        let ImageRef::Oci(name) = &pinned.reference else { return Ok(()) };
        let Some(place) = self.place(name, pinned) else { return Ok(()) };
        place
            .api
            .post(cx, &format!("let {} scan {}", name.host, name.repository), &format!("{}/scan", place.path))
            .await?;
        cx.progress.phase(format!("{} scans it", name.host));
        let begun = std::time::Instant::now();
        while begun.elapsed() < PATIENCE {
            let overviews = Self::artifact(cx, &place).await?.and_then(|artifact| artifact.scan_overview);
            let waits = |one: &Overview| matches!(one.scan_status.as_str(), "Pending" | "Scheduled" | "Running");
            if overviews.is_some_and(|all| !all.values().any(waits)) {
                break;
            }
            cx.unless_cancelled("wait for a scan", async {
                tokio::time::sleep(LOOK).await;
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    async fn check(&self, cx: &Context, image: &Image, _supply: &Supply) -> Result<Vec<Record>> {
        let Some(pinned) = &image.pinned else { return Ok(Vec::new()) };
        let ImageRef::Oci(name) = &pinned.reference else { return Ok(Vec::new()) };
        let Some(place) = self.place(name, pinned) else { return Ok(Vec::new()) };
        let Some(artifact) = Self::artifact(cx, &place).await? else { return Ok(Vec::new()) };
        let now = text::now();
        let record = |tool: &str, outcome: Outcome| {
            let waits = matches!(outcome, Outcome::Scan { state: Scan::Running, .. });
            let (tool, valid) = (format!("{TOOL} {tool}"), if waits { SOON } else { VALID });
            let reason = place.api.host().to_owned();
            Record { reason, ..Record::now(pinned, CheckedBy::Source, tool.trim(), outcome, valid) }
        };
        let mut records = Vec::new();
        if let Some(overview) = artifact.scan_overview.unwrap_or_default().into_values().next() {
            let (outcome, tool) = self.scan(cx, &place, &overview).await?;
            records.push(record(&tool, outcome));
        }
        let signatures: Vec<String> = artifact
            .accessories
            .unwrap_or_default()
            .into_iter()
            .filter_map(|one| one.r#type.strip_prefix("signature.").map(|kind| clean::short(kind, 20)))
            .collect();
        if !signatures.is_empty() {
            // A mark from a server that accepts any signature does not prove who signed.
            let signer = format!("says it is signed ({})", signatures.join(", "));
            records.push(record("", Outcome::Signature { state: Signature::Untrusted, signer }));
        }
        // A project that cannot be read adds no statements.
        if let Ok(project) =
            place.api.get::<Project>(cx, &place.what, &format!("projects/{}", encode_twice(place.project))).await
        {
            records.extend(allowed(&project, now).map(|outcome| record("", outcome)));
        }
        Ok(records)
    }
}
