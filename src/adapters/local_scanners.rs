//! Scans by `trivy`, or by `grype` if only that is installed: known vulnerabilities of the packages in an image.
//!
//! Results must not depend on the person or folder: scanners run in an empty folder, which is also their home, with
//! Wharf's settings (`Scanner::arguments`) and an environment of the few variables that say where their database is and
//! how to reach the network (`PASSED`). A `.trivyignore`, a `trivy.yaml`, `TRIVY_SEVERITY` and everything else that
//! hides findings is not seen by them. The registry's account is in a Docker configuration in that folder, which names
//! this registry only: so a scanner sends it to no other server.

use std::{
    collections::BTreeSet,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;

use super::{
    formats::{exploited::Catalogues, reports},
    parts::{Parts, Surroundings},
    shared::exec,
};
use wharf_core::{
    base::{
        badge::Scan,
        blocking::blocking,
        clean,
        context::Context,
        error::{During, Error, Kind as ErrorKind, Result},
        text,
    },
    config::Config,
    evidence::record::{CheckedBy, Counts, Kind, Outcome, Record},
    image::{
        model::{Image, ImageKind, Pinned},
        reference::{DOCKER_HUB, ImageRef},
    },
    portal::doctor::State,
    ports::{Checker, Supply, checker::CheckTool},
};

/// How long a scan may take: it fetches the image, and perhaps its database.
const PATIENCE: Duration = Duration::from_secs(600);
/// Longest report that is read, in bytes.
const LIMIT: usize = 256 << 20;
/// How long a scan stays valid evidence, in seconds.
const VALID: i64 = 86_400;

/// The variables that are passed to a scanner: where its database is, whether it stays offline, and how to reach the
/// network. None of them hides findings.
const PASSED: &[&str] = &[
    "TRIVY_CACHE_DIR",
    "TRIVY_DB_REPOSITORY",
    "TRIVY_JAVA_DB_REPOSITORY",
    "TRIVY_OFFLINE_SCAN",
    "TRIVY_SKIP_DB_UPDATE",
    "TRIVY_SKIP_JAVA_DB_UPDATE",
    "TRIVY_SKIP_VERSION_CHECK",
    "GRYPE_CHECK_FOR_APP_UPDATE",
    "GRYPE_DB_AUTO_UPDATE",
    "GRYPE_DB_CACHE_DIR",
    "GRYPE_DB_UPDATE_URL",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TMPDIR",
];
/// The `PATH` for programs that a scanner calls.
const SEARCHED: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The kind of scanner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Make {
    Trivy,
    Grype,
}

/// A scanner that is installed on this machine.
pub struct Scanner {
    make: Make,
    program: PathBuf,
    /// The registries that are configured with plain http.
    plain: BTreeSet<String>,
    catalogues: Catalogues,
    /// The trivy server that the policy names; empty if it names none.
    server: String,
    /// The folder in which the scanner's working folders are created.
    cache_dir: PathBuf,
    /// What trivy said about itself, and the time stamp of its database then.
    known: tokio::sync::Mutex<Option<(u128, ScannerVersion)>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct ScannerVersion {
    version: String,
    #[serde(rename = "VulnerabilityDB")]
    database: Option<Database>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Database {
    updated_at: String,
}

/// grype's answer about its database.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Status {
    built: String,
}

/// A scanner's cache folder: as its own variable says, else below `XDG_CACHE_HOME` or the home folder.
fn cache_folder(variable: &str, name: &str) -> Option<PathBuf> {
    let named = |variable: &str| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = || named("XDG_CACHE_HOME").or_else(|| named("HOME").map(|home| home.join(".cache")));
    named(variable).or_else(|| cache().map(|cache| cache.join(name)))
}

/// When trivy's database was written, in milliseconds since 1970; `None` if it is not found.
fn stamp() -> Option<u128> {
    let cache = cache_folder("TRIVY_CACHE_DIR", "trivy")?;
    let changed = std::fs::metadata(cache.join("db/trivy.db")).ok()?.modified().ok()?;
    Some(changed.duration_since(std::time::UNIX_EPOCH).ok()?.as_millis())
}

/// The folder that a scanner works in: empty but for its settings, and removed when dropped.
struct ScannerFolder(PathBuf);

impl ScannerFolder {
    fn new(cache_dir: &Path, what: &str) -> Result<Self> {
        static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("scan-{}-{number}-{:x}", std::process::id(), text::now());
        let room = Self(cache_dir.join(name));
        std::fs::create_dir_all(cache_dir).during(what)?;
        std::fs::DirBuilder::new().mode(0o700).create(&room.0).during(what)?;
        for settings in ["settings.yaml", "ignored"] {
            room.write(settings, b"", what)?;
        }
        Ok(room)
    }

    fn write(&self, name: &str, bytes: &[u8], what: &str) -> Result<()> {
        use std::io::Write;
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.create_new(true).write(true).mode(0o600).open(self.0.join(name)).during(what)?;
        file.write_all(bytes).during(what)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for ScannerFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Make {
    fn name(self) -> &'static str {
        match self {
            Self::Trivy => "trivy",
            Self::Grype => "grype",
        }
    }
}

impl Scanner {
    /// trivy's version and the date of its database, asked again when the database has changed. grype's reports have
    /// both.
    async fn about(&self) -> ScannerVersion {
        if self.make == Make::Grype {
            return ScannerVersion::default();
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

    async fn asked(&self) -> Result<ScannerVersion> {
        let program = self.program.display().to_string();
        let what = format!("ask {program}");
        let words: &[&str] = match self.make {
            Make::Trivy => &["version", "--format", "json"],
            Make::Grype => &["db", "status", "--output", "json"],
        };
        let argv: Vec<&str> = std::iter::once(program.as_str()).chain(words.iter().copied()).collect();
        let room = ScannerFolder::new(&self.cache_dir, &what)?;
        let environment = self.environment(&room);
        let patience = Duration::from_secs(20);
        let said = exec::run_at(&argv, Some(&environment), Some(&room.0), b"", 1 << 20, patience).await?;
        match self.make {
            Make::Trivy => serde_json::from_slice(&said.stdout).during(what),
            // Without a database grype fails and says so.
            Make::Grype => {
                let status: Status = serde_json::from_slice(&said.stdout).unwrap_or_default();
                let database = Some(Database { updated_at: status.built }).filter(|one| !one.updated_at.is_empty());
                Ok(ScannerVersion { version: String::new(), database })
            }
        }
    }

    /// The whole command line, which sets everything that a person's configuration could change.
    fn arguments(&self, target: &str, plain: bool, room: &ScannerFolder) -> Vec<String> {
        let (settings, ignored) = (room.path("settings.yaml"), room.path("ignored"));
        let words: &[&str] = match self.make {
            Make::Trivy => &[
                "image",
                "--quiet",
                "--config",
                &settings,
                "--ignorefile",
                &ignored,
                "--format",
                "json",
                "--list-all-pkgs",
                "--scanners",
                "vuln",
                "--severity",
                "UNKNOWN,LOW,MEDIUM,HIGH,CRITICAL",
                "--exit-code",
                "0",
                "--timeout",
                "10m",
                "--image-src",
                "remote",
            ],
            Make::Grype => &["--quiet", "--config", &settings, "--output", "json"],
        };
        let program = self.program.display().to_string();
        let mut argv: Vec<String> =
            std::iter::once(program.as_str()).chain(words.iter().copied()).map(str::to_owned).collect();
        if self.make == Make::Trivy && !self.server.is_empty() {
            argv.extend(["--server".to_owned(), self.server.clone()]);
        }
        if plain && self.make == Make::Trivy {
            argv.push("--insecure".into());
        }
        argv.push(if self.make == Make::Grype { format!("registry:{target}") } else { target.to_owned() });
        argv
    }

    /// The whole environment, as `NAME=value`.
    fn environment(&self, room: &ScannerFolder) -> Vec<String> {
        let passed = PASSED.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)));
        let mut environment: Vec<(String, String)> = passed.collect();
        let mut set = |name: &str, value: String| {
            environment.retain(|(known, _)| known != name);
            environment.push((name.to_owned(), value));
        };
        let home = room.0.display().to_string();
        set("PATH", SEARCHED.to_owned());
        set("HOME", home.clone());
        set("DOCKER_CONFIG", home);
        // The database is in the person's cache, although the home folder is not theirs.
        for (variable, name) in [("TRIVY_CACHE_DIR", "trivy"), ("GRYPE_DB_CACHE_DIR", "grype/db")] {
            if let Some(cache) = cache_folder(variable, name) {
                set(variable, cache.display().to_string());
            }
        }
        // The token is for the server that the policy names, and sent only where it cannot be read on the way.
        let private = self.server.starts_with("https://") || self.server.starts_with("http://127.0.0.1:");
        if let Some(token) = std::env::var("TRIVY_TOKEN").ok().filter(|_| private) {
            set("TRIVY_TOKEN", token);
        }
        environment.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    /// Writes the registry's account to the Docker configuration in the working folder.
    fn leave_account(&self, host: &str, supply: &Supply, room: &ScannerFolder, what: &str) -> Result<()> {
        let Some(known) = &supply.credentials else { return Ok(()) };
        let pair = if known.identity_token { String::new() } else { known.secret.reveal().to_owned() };
        let auth = STANDARD.encode(format!("{}:{pair}", known.username));
        let mut entry = serde_json::json!({"auth": auth});
        if known.identity_token {
            entry["identitytoken"] = known.secret.reveal().into();
        }
        // Docker's own name for Docker Hub.
        let key = if host == DOCKER_HUB { "https://index.docker.io/v1/" } else { host };
        let mut auths = serde_json::Map::new();
        auths.insert(key.to_owned(), entry);
        let config = serde_json::json!({ "auths": auths }).to_string();
        room.write("config.json", config.as_bytes(), what)
    }
}

#[async_trait]
impl Checker for Scanner {
    fn name(&self) -> &'static str {
        self.make.name()
    }

    fn kind(&self) -> Kind {
        Kind::Scan
    }

    fn is_slow(&self) -> bool {
        true
    }

    async fn ready(&self, _cx: &Context) -> Option<Result<CheckTool>> {
        let make = self.make.name();
        let server = Some(&self.server).filter(|server| self.make == Make::Trivy && !server.is_empty());
        let ready = |about: ScannerVersion| CheckTool {
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
        // The database's own date and that of its file: a database that was replaced may have the same date.
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
        let make = self.make.name();
        if image.kind == ImageKind::Vm {
            return Ok(vec![Record { reason: format!("{make} does not look into disks"), ..unread(pinned, make) }]);
        }
        // By the digest of the platform's manifest: what is scanned is what would be launched.
        let target = format!("{}/{}@{}", name.host, name.repository, pinned.manifest);
        let plain = self.plain.contains(&name.host);
        let room = ScannerFolder::new(&self.cache_dir, &what)?;
        self.leave_account(&name.host, supply, &room, &what)?;
        let argv = self.arguments(&target, plain, &room);
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        let mut environment = self.environment(&room);
        if plain && self.make == Make::Grype {
            environment.push("GRYPE_REGISTRY_INSECURE_USE_HTTP=true".into());
        }
        cx.progress.phase(format!("{make} scans it"));
        let began = text::now();
        let scan = exec::run_at(&argv, Some(&environment), Some(&room.0), b"", LIMIT, PATIENCE);
        let (said, about) = tokio::join!(scan, self.about());
        drop(room);
        let said = said?;
        if said.code != 0 {
            let why = said.stderr.rsplit("FATAL").next().unwrap_or("").trim().to_owned();
            return Err(Error::new(ErrorKind::Unavailable, what, clean::short(&why, 300))
                .hint(format!("run {make} by hand to see more; it may lack its database")));
        }
        let report = blocking(move || reports::scan(&said.stdout)).await.during(&what)?;
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
            ..Record::now(pinned, CheckedBy::Wharf, tool.clone(), outcome, VALID)
        };
        let software = match self.make {
            Make::Trivy => report.packages.clone().outcome(&tool),
            // grype lists only packages with findings.
            Make::Grype => None,
        };
        let seen = match self.make {
            Make::Trivy => text::plural(packages, "package was seen", "packages were seen"),
            Make::Grype => "grype does not say how many packages it has seen".to_owned(),
        };
        let seen = format!("{seen} by {}", clean::short(&self.program.display().to_string(), 200));
        let mut records = vec![record(report.outcome(self.catalogues.get()), seen.clone())];
        records.extend(software.map(|outcome| record(outcome, seen)));
        Ok(records)
    }
}

/// The result for what a scanner cannot read. The layer around a disk holds nothing of what would run: packages that lie
/// beside the disk, to be found, would say "clean" of another thing.
fn unread(pinned: &Pinned, make: &str) -> Record {
    let outcome = Outcome::Scan {
        state: Scan::Unsupported,
        counts: Counts::default(),
        packages: 0,
        scanned: Some(text::now()),
        database: None,
        worst: Vec::new(),
    };
    Record::now(pinned, CheckedBy::Wharf, make, outcome, VALID)
}

/// Registers the scanner that is installed, unless other users could change it.
pub fn register(config: &Config, around: &Surroundings, parts: &mut Parts) -> Result<()> {
    let mut unfit = None;
    let mut fit = |program: &PathBuf| match exec::changed_by_others(program) {
        None => true,
        Some(why) => {
            unfit.get_or_insert(format!("{} is not used: {why}", program.display()));
            false
        }
    };
    let found = [Make::Trivy, Make::Grype]
        .into_iter()
        .find_map(|make| exec::on_path(make.name()).filter(|program| fit(program)).map(|program| (make, program)));
    if let (None, Some(why)) = (&found, unfit) {
        let advice = "let only root or yourself write to it and to the folders above it";
        parts.note("scanner", State::Bad, why, advice);
    }
    if let Some((make, program)) = found {
        let host = |url: &str| Some(url.strip_prefix("http://")?.trim_end_matches('/').to_owned());
        let plain = parts.registries.iter().filter_map(|registry| host(&registry.settings.url)).collect();
        let catalogues = Catalogues::new(&config.policy.scan.exploited_lists);
        parts.checkers.push(Arc::new(Scanner {
            make,
            program,
            plain,
            catalogues,
            server: config.policy.scan.trivy_server.clone(),
            cache_dir: around.cache_dir.clone(),
            known: tokio::sync::Mutex::default(),
        }));
    }
    Ok(())
}
