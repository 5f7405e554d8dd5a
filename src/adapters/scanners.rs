//! Scans by `trivy`, or by `grype` where only that is installed: known vulnerabilities of the packages in an image.
//!
//! They are given the image by digest, and its password in their environment. Their own settings (`TRIVY_*`, `GRYPE_*`)
//! are their own: with `TRIVY_SERVER`, a server does the work.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::Deserialize;

use crate::{
    adapters::{Parts, Surroundings, exec, exploited::Catalogues, reports},
    core::{
        clean,
        config::Config,
        doctor::Ready,
        error::{During, Error, Kind as ErrorKind, Result},
        model::Image,
        ports::{Checker, Supply},
        progress::Context,
        record::{By, Kind, Outcome, Record},
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

/// Which scanner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Make {
    Trivy,
    Grype,
}

/// A scanner.
pub struct Scanner {
    make: Make,
    program: PathBuf,
    /// Registries that a person configured with plain http.
    plain: BTreeSet<String>,
    catalogues: Catalogues,
    /// What it said of itself, and the stamp of its database then.
    known: tokio::sync::Mutex<Option<(u128, About)>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct About {
    version: String,
    #[serde(rename = "VulnerabilityDB")]
    database: Option<Database>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Database {
    updated_at: String,
}

/// What grype says of its database.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Status {
    built: String,
}

/// When trivy's database was written, in milliseconds since 1970; `None` where it is not found.
fn stamp() -> Option<u128> {
    let cache = std::env::var_os("TRIVY_CACHE_DIR").map(PathBuf::from);
    let cache = cache.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/trivy")))?;
    let changed = std::fs::metadata(cache.join("db/trivy.db")).ok()?.modified().ok()?;
    Some(changed.duration_since(std::time::UNIX_EPOCH).ok()?.as_millis())
}

impl Make {
    fn word(self) -> &'static str {
        match self {
            Self::Trivy => "trivy",
            Self::Grype => "grype",
        }
    }
}

impl Scanner {
    /// trivy's version and the date of its database; grype's report has both. Asked again when the database changes.
    async fn about(&self) -> About {
        if self.make == Make::Grype {
            return About::default();
        }
        let stamp = stamp();
        let mut known = self.known.lock().await;
        if let (Some(stamp), Some((then, about))) = (stamp, &*known) {
            if stamp == *then {
                return about.clone();
            }
        }
        let about = self.asked().await.unwrap_or_default();
        *known = stamp.map(|stamp| (stamp, about.clone()));
        about
    }

    async fn asked(&self) -> Result<About> {
        let program = self.program.display().to_string();
        let words: &[&str] = match self.make {
            Make::Trivy => &["version", "--format", "json"],
            Make::Grype => &["db", "status", "--output", "json"],
        };
        let argv: Vec<&str> = std::iter::once(program.as_str()).chain(words.iter().copied()).collect();
        let said = exec::run(&argv, b"", 1 << 20, Duration::from_secs(20)).await?;
        let what = format!("ask {program}");
        match self.make {
            Make::Trivy => serde_json::from_slice(&said.stdout).during(what),
            // Without a database it fails and says so.
            Make::Grype => {
                let status: Status = serde_json::from_slice(&said.stdout).unwrap_or_default();
                let database = Some(Database { updated_at: status.built }).filter(|one| !one.updated_at.is_empty());
                Ok(About { version: String::new(), database })
            }
        }
    }

    fn arguments(&self, target: &str, plain: bool) -> Vec<String> {
        let words: &[&str] = match self.make {
            Make::Trivy => &[
                "image",
                "--quiet",
                "--format",
                "json",
                "--list-all-pkgs",
                "--scanners",
                "vuln",
                "--image-src",
                "remote",
            ],
            Make::Grype => &["--quiet", "--output", "json"],
        };
        let program = self.program.display().to_string();
        let mut argv: Vec<String> =
            std::iter::once(program.as_str()).chain(words.iter().copied()).map(str::to_owned).collect();
        if plain && self.make == Make::Trivy {
            argv.push("--insecure".into());
        }
        argv.push(if self.make == Make::Grype { format!("registry:{target}") } else { target.to_owned() });
        argv
    }

    /// What it finds in its environment beside ours: never on its command line, where everybody sees it.
    fn environment(&self, host: &str, supply: &Supply, plain: bool) -> Vec<String> {
        let mut environment: Vec<String> = std::env::vars().map(|(name, value)| format!("{name}={value}")).collect();
        let credentials = supply.credentials.as_ref().filter(|known| !known.identity_token);
        match (self.make, credentials) {
            (Make::Trivy, Some(known)) => {
                environment.push(format!("TRIVY_USERNAME={}", known.username));
                environment.push(format!("TRIVY_PASSWORD={}", known.secret.reveal()));
            }
            (Make::Grype, Some(known)) => {
                environment.push(format!("GRYPE_REGISTRY_AUTH_AUTHORITY={host}"));
                environment.push(format!("GRYPE_REGISTRY_AUTH_USERNAME={}", known.username));
                environment.push(format!("GRYPE_REGISTRY_AUTH_PASSWORD={}", known.secret.reveal()));
            }
            _ => {}
        }
        if plain && self.make == Make::Grype {
            environment.push("GRYPE_REGISTRY_INSECURE_USE_HTTP=true".into());
        }
        environment
    }
}

#[async_trait]
impl Checker for Scanner {
    fn name(&self) -> &'static str {
        self.make.word()
    }

    fn kind(&self) -> Kind {
        Kind::Scan
    }

    fn is_slow(&self) -> bool {
        true
    }

    async fn ready(&self, _cx: &Context) -> Option<Result<Ready>> {
        let make = self.make.word();
        let server = std::env::var("TRIVY_SERVER").ok().filter(|server| self.make == Make::Trivy && !server.is_empty());
        let ready = |about: About| Ready {
            tool: match &server {
                Some(server) => format!("{make}, by its server {}", clean::short(server, 100)),
                None => format!("{make} {}", clean::short(&about.version, 40)).trim_end().to_owned(),
            },
            served: server.is_some(),
            database: about.database.and_then(|database| text::parse_timestamp(&database.updated_at)),
            renew: match self.make {
                Make::Trivy => "fetch it: trivy image --download-db-only, as the account that scans",
                Make::Grype => "fetch it: grype db update, as the account that scans",
            },
        };
        Some(self.asked().await.map(ready))
    }

    async fn data(&self) -> Option<String> {
        // Its own date, and that of the file: a database that was exchanged may keep the date.
        let about = self.about().await;
        let updated = about.database.map(|database| database.updated_at)?;
        Some(format!("{updated}/{}", stamp().unwrap_or(0)))
    }

    fn inputs_fit(&self, _record: &Record) -> bool {
        true
    }

    async fn check(&self, cx: &Context, image: &Image, supply: &Supply) -> Result<Vec<Record>> {
        let Some(pinned) = &image.pinned else { return Ok(Vec::new()) };
        let ImageRef::Oci(name) = &pinned.reference else { return Ok(Vec::new()) };
        let what = format!("scan {}", pinned.reference);
        let make = self.make.word();
        // By the platform's own digest: what is scanned is what would be launched.
        let target = format!("{}/{}@{}", name.host, name.repository, pinned.manifest);
        let plain = self.plain.contains(&name.host);
        let argv = self.arguments(&target, plain);
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        let environment = self.environment(&name.host, supply, plain);
        cx.progress.phase(format!("{make} scans it"));
        let began = text::now();
        let (said, about) = tokio::join!(exec::run_in(&argv, Some(&environment), b"", LIMIT, PATIENCE), self.about());
        let said = said?;
        if said.code != 0 {
            let why = said.stderr.rsplit("FATAL").next().unwrap_or("").trim().to_owned();
            return Err(Error::new(ErrorKind::Unavailable, what, clean::short(&why, 300))
                .hint(format!("run {make} by hand to see more; it may lack its database")));
        }
        let report = tokio::task::spawn_blocking(move || reports::scan(&said.stdout)).await.during(&what)?;
        let mut report = report.ok_or_else(|| Error::failed(&what, format!("{make}'s report is not understood")))?;
        let database = about.database.and_then(|database| text::parse_timestamp(&database.updated_at));
        report.database = database.or(report.database);
        report.scanned = Some(began);
        let tool = match self.make {
            Make::Trivy => format!("trivy {}", clean::short(&about.version, 40)),
            Make::Grype => report.tool.clone(),
        };
        let packages = report.packages.total();
        let inputs: Vec<String> =
            report.database.map(|made| format!("database of {}", text::timestamp(made))).into_iter().collect();
        let record = |outcome: Outcome, reason: String| Record {
            inputs: inputs.clone(),
            valid_until: began + VALID,
            reason,
            ..Record::now(pinned, By::Wharf, tool.clone(), outcome, VALID)
        };
        let software = match self.make {
            Make::Trivy => report.packages.clone().outcome(&tool),
            // It lists only what it found something in.
            Make::Grype => None,
        };
        let seen = match self.make {
            Make::Trivy => text::plural(packages, "package was seen", "packages were seen"),
            Make::Grype => "grype does not say how many packages it has seen".to_owned(),
        };
        let mut records = vec![record(report.outcome(self.catalogues.get()), seen.clone())];
        records.extend(software.map(|outcome| record(outcome, seen)));
        Ok(records)
    }
}

/// The scanner, where one is installed.
pub fn register(config: &Config, _around: &Surroundings, parts: &mut Parts) -> Result<()> {
    let found = [Make::Trivy, Make::Grype]
        .into_iter()
        .find_map(|make| exec::on_path(make.word()).map(|program| (make, program)));
    if let Some((make, program)) = found {
        let host = |url: &str| Some(url.strip_prefix("http://")?.trim_end_matches('/').to_owned());
        let plain = config.sources.iter().filter_map(|source| host(&source.url)).collect();
        let catalogues = Catalogues::new(&config.policy.scan.exploited_lists);
        parts.checkers.push(Arc::new(Scanner {
            make,
            program,
            plain,
            catalogues,
            known: tokio::sync::Mutex::default(),
        }));
    }
    Ok(())
}
