//! What Harbor answers (API v2.0, `swagger.yaml` of goharbor/harbor), as far as it is read.

use std::collections::BTreeMap;

use serde::Deserialize;

/// `GET /projects`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Project {
    pub name: String,
    pub project_id: u64,
    pub repo_count: u64,
    pub metadata: BTreeMap<String, serde_json::Value>,
    pub cve_allowlist: AllowList,
}

/// Vulnerabilities that a project, or all of Harbor, lets pass.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct AllowList {
    pub items: Option<Vec<Allowed>>,
    /// Seconds since 1970; none is for ever.
    pub expires_at: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Allowed {
    pub cve_id: String,
}

/// `GET /projects/NAME/repositories`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Repository {
    pub name: String,
    pub artifact_count: u64,
    pub pull_count: u64,
    pub description: String,
    pub update_time: String,
}

/// `GET …/artifacts`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Artifact {
    pub digest: String,
    pub size: u64,
    pub push_time: String,
    pub tags: Option<Vec<Tag>>,
    /// By the type of report.
    pub scan_overview: Option<BTreeMap<String, Overview>>,
    pub accessories: Option<Vec<Accessory>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Tag {
    pub name: String,
    pub push_time: String,
    /// Whether a rule of its project keeps it as it is.
    pub immutable: bool,
}

/// How a scan stands: `Pending`, `Scheduled`, `Running`, `Success`, `Error`, `Stopped`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Overview {
    pub scan_status: String,
    pub end_time: String,
    pub scanner: Scanner,
    pub summary: Summary,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Scanner {
    pub name: String,
    pub version: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Summary {
    pub total: u64,
    /// Counts by severity, their names capitalised.
    pub summary: BTreeMap<String, u64>,
}

/// Something that hangs on an artifact: `signature.cosign`, `signature.notation`, `sbom.harbor`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Accessory {
    pub r#type: String,
    pub digest: String,
}

/// `GET /systeminfo`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SystemInfo {
    pub harbor_version: String,
}

/// `GET /users/current`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct User {
    pub username: String,
}

/// `GET /quotas`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Quota {
    pub r#ref: QuotaOf,
    pub hard: Resources,
    pub used: Resources,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct QuotaOf {
    pub name: String,
}

/// Bytes; -1 is no limit.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Resources {
    pub storage: i64,
}
