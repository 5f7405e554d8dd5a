//! Scans by a server beside a registry: Quay's own, and Clair (version 4), for sources that name one.
//!
//! They are what the source says; a report that was made by a local scanner counts more.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use reqwest::StatusCode;

use super::{
    formats::{
        exploited::Catalogues,
        reports::{self, Report, quay},
    },
    parts::{Parts, Surroundings},
    shared::{
        http::{self, AllowedServers, Server as Http, ServerAddress, Tls},
        settings::{AdapterEntry, Registry},
    },
};
use wharf_core::{
    base::{
        badge::Scan,
        blocking::blocking,
        context::Context,
        digest::Digest,
        error::{During, Error, Result},
        text,
    },
    config::Config,
    evidence::record::{CheckedBy, Kind, Outcome, Record},
    image::{
        model::Image,
        reference::{ImageRef, Name},
    },
    ports::{Checker, Supply},
};

/// Longest report that is read, in bytes.
const LIMIT: usize = 256 << 20;
/// How long a result, and a scan that is still running, stay valid evidence, in seconds.
const VALID: i64 = 3_600;
const SOON: i64 = 20;
/// The tool name in this checker's records.
const TOOL: &str = "served";
/// The word by which a source names Quay's own scanner.
const QUAY: &str = "quay";

/// The kind of scanner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scanner {
    Quay,
    Clair,
}

struct Server {
    scanner: Scanner,
    http: Http,
}

/// The checker that asks these servers.
pub struct Served {
    /// The servers by the host of their registry.
    servers: BTreeMap<String, Server>,
    catalogues: Catalogues,
}

/// The answer of a server.
enum Answer {
    /// The server does not know the image.
    Nothing,
    /// The state of a scan that is not done.
    Stands(Scan),
    /// The report of a scan.
    Found(Report),
}

impl Server {
    fn new(registry: &AdapterEntry<Registry>, reach: AllowedServers) -> Result<Self> {
        let (what, settings) = (format!("scanner of source '{}'", registry.name), &registry.settings);
        let (scanner, url) =
            if settings.scanner == QUAY { (Scanner::Quay, &settings.url) } else { (Scanner::Clair, &settings.scanner) };
        let http = Http::at(url, Tls::beside(settings, url), reach, &what)?;
        Ok(Self { scanner, http })
    }

    fn place(&self, name: &Name, digest: &Digest) -> Result<ServerAddress> {
        self.http.address(&match &self.scanner {
            Scanner::Quay => {
                format!("api/v1/repository/{}/manifest/{digest}/security?vulnerabilities=true", name.repository)
            }
            Scanner::Clair => format!("matcher/api/v1/vulnerability_report/{digest}"),
        })
    }

    async fn ask(&self, cx: &Context, name: &Name, digest: &Digest) -> Result<Answer> {
        let what = format!("ask the scanner of {} about {}", name.host, name.repository);
        let place = self.place(name, digest)?;
        let bytes = cx
            .run(&what, async {
                let response = self.http.get(&place)?.send(&what).await?;
                match response.status() {
                    StatusCode::NOT_FOUND => Ok(None),
                    status if status.is_success() => http::body(response, LIMIT, &what).await.map(Some),
                    status => Err(http::refused(&what, status, "")),
                }
            })
            .await?;
        let Some(bytes) = bytes else { return Ok(Answer::Nothing) };
        let is_quay = self.scanner == Scanner::Quay;
        let read = move || {
            if !is_quay {
                return reports::clair::read(&bytes).map(Answer::Found);
            }
            Some(match quay::read(&bytes)? {
                quay::Answer::Queued => Answer::Stands(Scan::Running),
                quay::Answer::Failed => Answer::Stands(Scan::Failed),
                quay::Answer::Unsupported => Answer::Stands(Scan::Unsupported),
                quay::Answer::Scanned(report) => Answer::Found(report),
            })
        };
        let answer = blocking(read).await.during(&what)?;
        answer.ok_or_else(|| Error::failed(what, "its report is not understood"))
    }
}

#[async_trait]
impl Checker for Served {
    fn name(&self) -> &'static str {
        TOOL
    }

    fn kind(&self) -> Kind {
        Kind::Scan
    }

    async fn check(&self, cx: &Context, image: &Image, _supply: &Supply) -> Result<Vec<Record>> {
        let Some(pinned) = &image.pinned else { return Ok(Vec::new()) };
        let ImageRef::Oci(name) = &pinned.reference else { return Ok(Vec::new()) };
        let Some(server) = self.servers.get(&name.host) else { return Ok(Vec::new()) };
        let now = text::now();
        let tool = match server.scanner {
            Scanner::Quay => "by Quay",
            Scanner::Clair => "by Clair",
        };
        let record = |outcome: Outcome, valid: i64| Record {
            reason: name.host.clone(),
            ..Record::now(pinned, CheckedBy::Source, format!("{TOOL} {tool}"), outcome, valid)
        };
        Ok(match server.ask(cx, name, &pinned.manifest).await? {
            Answer::Nothing => Vec::new(),
            Answer::Stands(state) => vec![record(Outcome::from_scan_state(state), SOON)],
            Answer::Found(mut report) => {
                // These servers compare what they have indexed with the vulnerabilities known today.
                report.scanned = report.scanned.or(Some(now));
                let software = report.packages.clone().outcome(tool);
                let scan = record(report.outcome(self.catalogues.get()), VALID);
                std::iter::once(scan).chain(software.map(|outcome| record(outcome, VALID))).collect()
            }
        })
    }
}

/// Registers the checker for sources that name a scanner, and for `quay.io`.
pub fn register(config: &Config, around: &Surroundings, parts: &mut Parts) -> Result<()> {
    let mut servers = BTreeMap::new();
    let settings = Registry { scanner: QUAY.into(), ..Registry::at("https://quay.io") };
    let public = AdapterEntry { settings, ..AdapterEntry::default() };
    servers.insert("quay.io".to_owned(), Server::new(&public, around.reach.clone())?);
    for registry in parts.registries.iter().filter(|registry| !registry.settings.scanner.is_empty()) {
        servers.insert(registry.settings.host().to_owned(), Server::new(registry, around.reach.clone())?);
    }
    let catalogues = Catalogues::new(&config.policy.scan.exploited_lists);
    parts.checkers.push(Arc::new(Served { servers, catalogues }));
    Ok(())
}
