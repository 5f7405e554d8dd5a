//! Scans by `trivy`, where it is installed: known vulnerabilities of the packages in an image.
//!
//! It is given the image by digest, and its password in its environment. Its own settings (`TRIVY_*`) are its own.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::Deserialize;

use crate::{
    adapters::{Parts, Surroundings, exec},
    core::{
        clean,
        config::Config,
        error::{Error, Kind as ErrorKind, Result},
        evidence::Scan,
        model::Image,
        ports::{Checker, Supply},
        progress::Context,
        record::{By, Counts, Kind, MOST_FINDINGS, Outcome, Record, Severity, Subject, Vulnerability},
        reference::ImageRef,
        text,
    },
};

/// A scan fetches the image, and perhaps a database before that.
const PATIENCE: Duration = Duration::from_secs(600);
/// The longest report that is read.
const LIMIT: usize = 256 << 20;
/// How long a scan counts before another is made.
const VALID: i64 = 86_400;

/// The scanner.
pub struct Trivy {
    program: PathBuf,
    /// Registries that a person configured with plain http.
    plain: BTreeSet<String>,
}

/// A report (schema version 2), as far as it is read.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Report {
    results: Option<Vec<Target>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Target {
    packages: Option<Vec<serde::de::IgnoredAny>>,
    vulnerabilities: Option<Vec<Found>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Found {
    #[serde(rename = "VulnerabilityID")]
    id: String,
    pkg_name: String,
    installed_version: String,
    fixed_version: String,
    severity: String,
    severity_source: String,
    title: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct About {
    version: String,
    #[serde(rename = "VulnerabilityDB")]
    database: Option<Database>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Database {
    updated_at: String,
}

impl Report {
    /// Reads one.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// Its state, its counts, the packages that were seen, and the worst findings, all text cleaned.
    pub fn summary(self) -> (Scan, Counts, u64, Vec<Vulnerability>) {
        let mut counts = Counts::default();
        let mut packages = 0;
        let mut all = Vec::new();
        for target in self.results.unwrap_or_default() {
            packages += target.packages.map_or(0, |packages| packages.len() as u64);
            for found in target.vulnerabilities.unwrap_or_default() {
                let severity = Severity::read(&found.severity);
                match severity {
                    Severity::Critical => counts.critical += 1,
                    Severity::High => counts.high += 1,
                    Severity::Medium => counts.medium += 1,
                    Severity::Low => counts.low += 1,
                    Severity::Unknown => counts.unknown += 1,
                }
                if severity == Severity::Critical && !found.fixed_version.is_empty() {
                    counts.fixable_critical += 1;
                }
                all.push(Vulnerability {
                    severity,
                    id: clean::short(&found.id, 60),
                    package: clean::short(&found.pkg_name, 120),
                    installed: clean::short(&found.installed_version, 80),
                    fixed: clean::short(&found.fixed_version, 80),
                    source: clean::short(&found.severity_source, 40),
                    title: clean::short(&found.title, 160),
                    exploited: false,
                });
            }
        }
        all.sort();
        all.truncate(MOST_FINDINGS);
        let state = if packages == 0 {
            Scan::Unsupported
        } else if counts.total() == 0 {
            Scan::Clean
        } else {
            Scan::Findings
        };
        (state, counts, packages, all)
    }
}

impl Trivy {
    async fn about(&self) -> About {
        let program = self.program.display().to_string();
        let said = exec::run(&[&program, "version", "--format", "json"], b"", 1 << 20, Duration::from_secs(20)).await;
        said.ok().and_then(|said| serde_json::from_slice(&said.stdout).ok()).unwrap_or_default()
    }
}

#[async_trait]
impl Checker for Trivy {
    fn name(&self) -> &'static str {
        "trivy"
    }

    fn kind(&self) -> Kind {
        Kind::Scan
    }

    fn made(&self, record: &Record) -> bool {
        record.tool.starts_with("trivy")
    }

    fn is_slow(&self) -> bool {
        true
    }

    fn inputs_fit(&self, _record: &Record) -> bool {
        true
    }

    async fn check(&self, cx: &Context, image: &Image, supply: &Supply) -> Result<Option<Record>> {
        let Some(pinned) = &image.pinned else { return Ok(None) };
        let ImageRef::Oci(name) = &pinned.reference else { return Ok(None) };
        let what = format!("scan {}", pinned.reference);
        // By the platform's own digest: what is scanned is what would be launched.
        let target = format!("{}/{}@{}", name.host, name.repository, pinned.manifest);
        let program = self.program.display().to_string();
        let mut argv =
            vec![program.as_str(), "image", "--quiet", "--format", "json", "--list-all-pkgs", "--scanners", "vuln"];
        argv.extend(["--image-src", "remote"]);
        if self.plain.contains(&name.host) {
            argv.push("--insecure");
        }
        argv.push(&target);
        let mut environment: Vec<String> = std::env::vars().map(|(name, value)| format!("{name}={value}")).collect();
        if let Some(credentials) = supply.credentials.as_ref().filter(|known| !known.identity_token) {
            environment.push(format!("TRIVY_USERNAME={}", credentials.username));
            environment.push(format!("TRIVY_PASSWORD={}", credentials.secret.reveal()));
        }
        cx.progress.phase("trivy scans it");
        let began = text::now();
        let (said, about) = tokio::join!(exec::run_in(&argv, Some(&environment), b"", LIMIT, PATIENCE), self.about());
        let said = said?;
        if said.code != 0 {
            let why = said.stderr.rsplit("FATAL").next().unwrap_or("").trim().to_owned();
            return Err(Error::new(ErrorKind::Unavailable, what, clean::short(&why, 300))
                .hint("run trivy by hand to see more; it may lack its database"));
        }
        let report =
            Report::read(&said.stdout).ok_or_else(|| Error::failed(&what, "trivy's report is not understood"))?;
        let (state, counts, packages, worst) =
            tokio::task::spawn_blocking(move || report.summary()).await.map_err(|error| Error::failed(&what, error))?;
        let database = about.database.and_then(|database| text::parse_timestamp(&database.updated_at));
        Ok(Some(Record {
            subject: Subject::of(pinned),
            tool: format!("trivy {}", clean::short(&about.version, 40)),
            inputs: database.map(|made| format!("database of {}", text::timestamp(made))).into_iter().collect(),
            by: By::Wharf,
            at: text::now(),
            valid_until: began + VALID,
            outcome: Outcome::Scan { state, counts, packages, scanned: Some(began), database, worst },
            reason: text::plural(packages, "package was seen", "packages were seen"),
        }))
    }
}

/// The scanner, where it is installed.
pub fn register(config: &Config, _around: &Surroundings, parts: &mut Parts) -> Result<()> {
    let found = exec::on_path("trivy");
    parts.note(
        "scanner",
        found.is_some(),
        found.as_ref().map_or_else(|| "none".to_owned(), |path| path.display().to_string()),
        "install trivy, so that images can be scanned for known vulnerabilities",
    );
    if let Some(program) = found {
        let host = |url: &str| Some(url.strip_prefix("http://")?.trim_end_matches('/').to_owned());
        let plain = config.sources.iter().filter_map(|source| host(&source.url)).collect();
        parts.checkers.push(Arc::new(Trivy { program, plain }));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(packages: usize, severities: &[(&str, &str)]) -> Report {
        let found: Vec<String> = severities
            .iter()
            .enumerate()
            .map(|(at, (severity, fixed))| {
                format!(
                    r#"{{"VulnerabilityID":"CVE-2024-{at}","PkgName":"zlib","InstalledVersion":"1","FixedVersion":"{fixed}","Severity":"{severity}","Title":"\u001b[31mred"}}"#
                )
            })
            .collect();
        let packages = vec!["{}"; packages].join(",");
        let text = format!(
            r#"{{"SchemaVersion":2,"Results":[{{"Packages":[{packages}],"Vulnerabilities":[{}]}},{{}}]}}"#,
            found.join(",")
        );
        Report::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn no_packages_is_nothing_the_scanner_knows_and_never_clean() {
        assert_eq!(report(0, &[]).summary().0, Scan::Unsupported);
        assert_eq!(report(3, &[]).summary().0, Scan::Clean);
        assert_eq!(Report::read(b"{}").unwrap().summary().0, Scan::Unsupported);
        assert!(Report::read(b"[").is_none());
    }

    #[test]
    fn findings_are_counted_sorted_cleaned_and_cut() {
        let (state, counts, packages, worst) =
            report(2, &[("LOW", ""), ("CRITICAL", "2"), ("CRITICAL", ""), ("strange", "")]).summary();
        assert_eq!((state, packages, counts.total()), (Scan::Findings, 2, 4));
        assert_eq!((counts.critical, counts.fixable_critical, counts.unknown), (2, 1, 1));
        assert_eq!(worst[0].severity, Severity::Critical);
        assert!(!worst[0].title.contains('\u{1b}'));
        let many = vec![("HIGH", ""); MOST_FINDINGS + 10];
        let (_, counts, _, worst) = report(1, &many).summary();
        assert_eq!((counts.high as usize, worst.len()), (MOST_FINDINGS + 10, MOST_FINDINGS));
    }
}
