//! Scans that a server beside a registry has made: Quay's own, and Clair's (version 4), for sources that name one.
//!
//! They are what the source says: nobody here has seen the packages.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use reqwest::StatusCode;
use url::Url;

use crate::{
    adapters::{
        Parts, Surroundings,
        exploited::Catalogues,
        http::{self, Lazy, Tls},
        reports::{self, Report, quay},
    },
    core::{
        config::{Config, SourceConfig},
        digest::Digest,
        error::{During, Error, Result},
        evidence::Scan,
        model::Image,
        ports::{Checker, Supply},
        progress::Context,
        record::{By, Kind, Outcome, Record},
        reference::{ImageRef, Name},
        text,
    },
};

/// No report is larger.
const LIMIT: usize = 256 << 20;
/// How long what a server says counts, and how long a scan that is under way.
const VALID: i64 = 3_600;
const SOON: i64 = 20;
/// What records of this checker call their tool.
const TOOL: &str = "served";
/// A source's word for the scanner of Quay itself.
const QUAY: &str = "quay";

/// Which server, where.
enum Scanner {
    Quay(Url),
    Clair(Url),
}

struct Server {
    scanner: Scanner,
    http: Lazy,
}

/// Asks such servers.
pub struct Served {
    /// By the host of their registry.
    servers: BTreeMap<String, Server>,
    catalogues: Catalogues,
}

/// What a server says.
enum Answer {
    /// It does not know the image.
    Nothing,
    /// How it stands.
    Stands(Scan),
    /// What was found.
    Found(Report),
}

impl Server {
    fn new(source: &SourceConfig) -> Result<Self> {
        let what = format!("source '{}'", source.name);
        let parse = |text: &str| {
            let text = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
            let url = Url::parse(&format!("{}/", text.trim_end_matches('/')));
            url.map_err(|error| Error::usage(&what, format!("'{text}': {error}")).hint("write https://host[:port]"))
        };
        let scanner = if source.scanner == QUAY {
            Scanner::Quay(parse(&source.url)?)
        } else {
            Scanner::Clair(parse(&source.scanner)?)
        };
        let tls =
            Tls { authorities: source.ca.clone().into_iter().collect(), identity: source.client_certificate.clone() };
        Ok(Self { scanner, http: Lazy::new(tls) })
    }

    fn url(&self, name: &Name, digest: &Digest) -> std::result::Result<Url, url::ParseError> {
        match &self.scanner {
            Scanner::Quay(base) => base.join(&format!(
                "api/v1/repository/{}/manifest/{digest}/security?vulnerabilities=true",
                name.repository
            )),
            Scanner::Clair(base) => base.join(&format!("matcher/api/v1/vulnerability_report/{digest}")),
        }
    }

    async fn ask(&self, cx: &Context, name: &Name, digest: &Digest) -> Result<Answer> {
        let what = format!("ask the scanner of {} about {}", name.host, name.repository);
        let url = self.url(name, digest).map_err(|error| Error::usage(&what, error.to_string()))?;
        let bytes = cx
            .run(&what, async {
                let request = self.http.client(&what)?.get(url);
                let response = request.send().await.map_err(|error| http::no_answer(&what, &error))?;
                match response.status() {
                    StatusCode::NOT_FOUND => Ok(None),
                    status if status.is_success() => http::body(response, LIMIT, &what).await.map(Some),
                    status => Err(http::refused(&what, status, "")),
                }
            })
            .await?;
        let Some(bytes) = bytes else { return Ok(Answer::Nothing) };
        let is_quay = matches!(self.scanner, Scanner::Quay(_));
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
        let answer = tokio::task::spawn_blocking(read).await.during(&what)?;
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
            Scanner::Quay(_) => "by Quay",
            Scanner::Clair(_) => "by Clair",
        };
        let record = |outcome: Outcome, valid: i64| Record {
            reason: name.host.clone(),
            ..Record::now(pinned, By::Source, format!("{TOOL} {tool}"), outcome, valid)
        };
        Ok(match server.ask(cx, name, &pinned.manifest).await? {
            Answer::Nothing => Vec::new(),
            Answer::Stands(state) => vec![record(Outcome::stands(state), SOON)],
            Answer::Found(mut report) => {
                // These servers match what they have indexed against what is known today.
                report.scanned = report.scanned.or(Some(now));
                let software = report.packages.clone().outcome(tool);
                let scan = record(report.outcome(self.catalogues.get()), VALID);
                std::iter::once(scan).chain(software.map(|outcome| record(outcome, VALID))).collect()
            }
        })
    }
}

/// The checker, where a source names a scanner; `quay.io` has one.
pub fn register(config: &Config, _around: &Surroundings, parts: &mut Parts) -> Result<()> {
    let mut servers = BTreeMap::new();
    let public = SourceConfig { url: "https://quay.io".into(), scanner: QUAY.into(), ..SourceConfig::default() };
    servers.insert("quay.io".to_owned(), Server::new(&public)?);
    for source in config.sources.iter().filter(|source| !source.scanner.is_empty()) {
        servers.insert(source.host().to_owned(), Server::new(source)?);
    }
    let catalogues = Catalogues::new(&config.policy.scan.exploited_lists);
    parts.checkers.push(Arc::new(Served { servers, catalogues }));
    Ok(())
}
