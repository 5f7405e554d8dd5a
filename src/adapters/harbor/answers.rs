//! Harbor's answers (API v2.0, `swagger.yaml` of goharbor/harbor), as far as Wharf reads them.

use std::collections::BTreeMap;

use serde::Deserialize;

/// An entry of `GET /projects`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Project {
    pub name: String,
    pub project_id: u64,
    pub repo_count: u64,
    pub metadata: BTreeMap<String, serde_json::Value>,
    pub cve_allowlist: AllowList,
}

/// The vulnerabilities that a project, or the whole of Harbor, ignores.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AllowList {
    pub items: Option<Vec<Allowed>>,
    /// When the list ends, in seconds since 1970; never if absent.
    pub expires_at: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Allowed {
    pub cve_id: String,
}

/// An entry of `GET /projects/NAME/repositories`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Repository {
    pub name: String,
    pub artifact_count: u64,
    pub pull_count: u64,
    pub description: String,
    pub update_time: String,
}

/// An entry of `GET …/artifacts`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Artifact {
    pub digest: String,
    pub size: u64,
    pub push_time: String,
    /// The year 1 where nobody has pulled it.
    pub pull_time: String,
    pub tags: Option<Vec<Tag>>,
    /// The scans of the artifact, by the media type of the report.
    pub scan_overview: Option<BTreeMap<String, Overview>>,
    pub accessories: Option<Vec<Accessory>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Tag {
    pub name: String,
    pub push_time: String,
    /// Whether a rule of the project protects the tag from being changed.
    pub immutable: bool,
}

/// The state of a scan: `Pending`, `Scheduled`, `Running`, `Success`, `Error` or `Stopped`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Overview {
    pub scan_status: String,
    pub end_time: String,
    pub scanner: Scanner,
    pub summary: Summary,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Scanner {
    pub name: String,
    pub version: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Summary {
    pub total: u64,
    /// The number of findings by severity, like `Critical`.
    pub summary: BTreeMap<String, u64>,
}

/// Something attached to an artifact: `signature.cosign`, `signature.notation`, `sbom.harbor`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Accessory {
    pub r#type: String,
    pub digest: String,
}

/// The answer of `GET /systeminfo`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SystemInfo {
    /// How people sign in; every Harbor tells it.
    pub auth_mode: String,
    /// Only told to those who are signed in, if the Harbor is set so.
    pub harbor_version: String,
}

/// The answer of `GET /users/current`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct User {
    pub username: String,
}

/// An entry of `GET /quotas`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Quota {
    pub r#ref: QuotaOf,
    pub hard: Resources,
    pub used: Resources,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct QuotaOf {
    pub name: String,
}

/// An amount of storage in bytes; -1 means no limit.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Resources {
    pub storage: i64,
}
