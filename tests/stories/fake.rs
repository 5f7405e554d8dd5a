//! Fake sources whose behaviour a test sets, for the loop and the screens. Real ones are in `places`.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::sync::mpsc;
use wharf::{
    adapters::store::memory::Memory,
    core::{
        base::{
            badge::Publisher,
            context::Context,
            error::{Error, Kind, Result},
            secret::Secret,
        },
        catalog::rows::Row,
        image::{
            model::{Foreign, Health, Image, ImageKind, Layer, Pinned, Platform, PlatformEntry, RunConfig},
            reference::ImageRef,
        },
        launch::{
            listing::{BackendList, ListScope},
            plan::Workload,
        },
        portal::{Abilities, Copies, Portal, PortalParts, Source, own_sources::AddingParts},
        ports::{Catalog, Extent, Vault},
    },
    tui::{
        msg::{Effect, Msg, RunNews},
        state::State,
        update::update,
    },
};

/// The behaviour of a fake source.
#[derive(Clone)]
pub(crate) enum Behaviour {
    /// It lists these rows.
    Rows(Vec<Row>),
    /// It lists these rows, and never answers anything else.
    ListsOnly(Vec<Row>),
    /// It never answers.
    Hangs,
    /// Every call fails.
    Fails,
    /// Its code panics.
    Panics,
}

pub(crate) struct Fake {
    name: String,
    behaviour: Behaviour,
}

pub(crate) fn row(name: &str, tags: &[&str]) -> Row {
    Row { name: name.into(), tags: tags.iter().map(ToString::to_string).collect(), ..Row::default() }
}

pub(crate) fn workload(backend: &str, name: &str) -> wharf::core::launch::plan::Workload {
    wharf::core::launch::plan::Workload {
        id: format!("{name}-id"),
        backend: backend.into(),
        name: name.into(),
        image: "lab.example/physics/gromacs:latest".into(),
        digest: String::new(),
        state: wharf::core::launch::plan::State::Running,
        created: None,
        ports: Vec::new(),
        addresses: Vec::new(),
        note: String::new(),
        facts: Vec::new(),
    }
}

/// Each backend answers with its part of these workloads, or with its error.
pub(crate) fn listed(state: &mut State, all: Vec<Workload>, failed: Vec<(String, Error)>) -> Vec<Effect> {
    let named = all.iter().map(|one| one.backend.clone()).chain(failed.iter().map(|(name, _)| name.clone()));
    let mut backends: Vec<String> = Vec::new();
    for name in named.chain(state.backends.clone()) {
        if !backends.contains(&name) {
            backends.push(name);
        }
    }
    let list = |backend: String| {
        let workloads = all.iter().filter(|one| one.backend == backend).cloned().collect();
        let list = BackendList::new(&backend, Ok((workloads, None)), ListScope::default());
        let trouble = failed.iter().find(|(name, _)| *name == backend).map(|(_, error)| error.clone());
        update(state, Msg::Run(RunNews::Workloads(BackendList { trouble, ..list })))
    };
    backends.into_iter().flat_map(list).collect()
}

pub(crate) fn share_plan() -> wharf::core::sharing::offer::SharePlan {
    wharf::core::sharing::offer::SharePlan {
        steps: vec![
            "PATCH /v2/images/4f0e: visibility private → shared".into(),
            "POST /v2/images/4f0e/members: b10".into(),
        ],
        cost: "no bytes move".into(),
        rights: "a membership of the project that owns it".into(),
        receiver: "may use it by its id at once, and accepts it to see it in its list".into(),
    }
}

#[async_trait]
impl Catalog for Fake {
    async fn list(&self, cx: &Context, _query: Option<&str>, pages: mpsc::Sender<Vec<Row>>) -> Result<Extent> {
        match &self.behaviour {
            Behaviour::Rows(rows) | Behaviour::ListsOnly(rows) => {
                let _ = pages.send(rows.clone()).await;
                Ok(Extent::Whole)
            }
            Behaviour::Hangs => {
                cx.clone().with_deadline(Duration::from_millis(300)).run("list hung", std::future::pending()).await
            }
            Behaviour::Fails => {
                Err(Error::new(Kind::Unavailable, "list broken", "nothing listens at that address")
                    .hint("check the port"))
            }
            Behaviour::Panics => panic!("a mistake in an adapter"),
        }
    }
    fn reference(&self, name: &str, tag: Option<&str>) -> Result<ImageRef> {
        Ok(ImageRef::oci(format!("{}.example", self.name), name, tag.map(str::to_owned)))
    }
    fn owns(&self, reference: &ImageRef) -> bool {
        reference.name().is_some_and(|name| name.host == format!("{}.example", self.name))
    }
    async fn image(&self, _cx: &Context, reference: &ImageRef, _platform: Option<&Platform>) -> Result<Image> {
        if matches!(self.behaviour, Behaviour::Hangs | Behaviour::ListsOnly(_)) {
            std::future::pending::<()>().await;
        }
        Ok(image(reference.clone()))
    }
    async fn tags(&self, _cx: &Context, _reference: &ImageRef) -> Result<Vec<String>> {
        Ok(vec!["1.0".into(), "latest".into()])
    }
    fn describes_cheaply(&self) -> bool {
        true
    }
    async fn health(&self, _cx: &Context) -> Result<Health> {
        Ok(Health { reachable: true, ..Health::default() })
    }
}

/// An image with fixed data.
pub(crate) fn image(reference: ImageRef) -> Image {
    let digest: wharf::core::base::digest::Digest = format!("sha256:{}", "4f".repeat(32)).parse().unwrap();
    let platform: Platform = "linux/amd64".parse().unwrap();
    Image {
        pinned: Some(Pinned {
            reference: reference.with_digest(&digest),
            digest: digest.clone(),
            platform: Some(platform.clone()),
            manifest: digest.clone(),
        }),
        reference,
        kind: ImageKind::Container,
        media_type: "application/vnd.oci.image.manifest.v1+json".into(),
        created: Some(1_700_000_000),
        platforms: vec![
            PlatformEntry { platform, digest: digest.clone() },
            PlatformEntry { platform: "linux/arm64/v8".parse().unwrap(), digest: digest.clone() },
        ],
        config: RunConfig {
            entrypoint: vec![Foreign::new("/opt/gromacs")],
            user: Foreign::new("1000"),
            ports: vec!["80/tcp".into()],
            ..RunConfig::default()
        },
        annotations: [("org.opencontainers.image.title".to_owned(), "gromacs".to_owned())].into(),
        layers: vec![
            Layer {
                digest: Some(digest.clone()),
                size: 30 << 20,
                media_type: "layer".into(),
                created_by: "ADD root /".into(),
            },
            Layer {
                digest: Some(digest),
                size: 5 << 20,
                media_type: "layer".into(),
                created_by: "RUN make install".into(),
            },
        ],
        history: vec!["ADD root /".into(), "RUN make install".into()],
        size: 35 << 20,
        disk: None,
        signed: None,
        statement: None,
        artifact: None,
        publisher: Publisher::Unknown,
    }
}

/// Opens no editor.
struct NoEditor;

#[async_trait::async_trait]
impl wharf::core::ports::Editor for NoEditor {
    async fn open(&self, _name: &str, _text: &str, _size: (u16, u16)) -> Result<wharf::core::ports::FileInEditor> {
        Err(Error::unsupported("open an editor", "there is none in this test"))
    }

    async fn text(&self, _path: &std::path::Path) -> Result<String> {
        Err(Error::not_found("read it", "there is none in this test"))
    }

    async fn remove(&self, _path: &std::path::Path) {}
}

pub(crate) struct NoVault;
impl Vault for NoVault {
    fn describe(&self) -> String {
        "none".into()
    }
    fn get(&self, _place: &str) -> Result<Option<(String, Secret)>> {
        Ok(None)
    }
    fn set(&self, _place: &str, _account: &str, _secret: &Secret) -> Result<()> {
        Ok(())
    }
    fn delete(&self, _place: &str) -> Result<()> {
        Ok(())
    }
}

/// An audit that keeps nothing.
struct Unwritten;

impl wharf::core::ports::Audit for Unwritten {
    fn append(&self, _entry: wharf::core::audit::Entry) -> Result<()> {
        Ok(())
    }
    fn read(&self) -> Result<String> {
        Ok(String::new())
    }
    fn chain(&self) -> Result<wharf::core::audit::witness::Chain> {
        Ok(wharf::core::audit::witness::Chain { id: "0123456789abcdef".into(), place: "nowhere".into() })
    }
}

/// Adding sources where no address is known and nothing is kept.
pub(crate) fn no_adding() -> AddingParts {
    struct Nowhere;
    impl wharf::core::ports::SourceChoices for Nowhere {
        fn keep_choice(&self, choice: &wharf::core::config::SourceChoice) -> Result<()> {
            Err(Error::unsupported(choice.verb(), "not in this test"))
        }
    }
    AddingParts {
        entries: Arc::new(|_| Vec::new()),
        make: Box::new(|entry| Err(Error::not_found(format!("add {}", entry.name), "not in this test"))),
        choices: Arc::new(Nowhere),
    }
}

/// A portal over fake sources.
pub(crate) fn portal(sources: &[(&str, Behaviour)]) -> Portal {
    Portal::new(parts(sources))
}

/// The parts of that portal.
pub(crate) fn parts(sources: &[(&str, Behaviour)]) -> PortalParts {
    PortalParts {
        web: Arc::new(wharf::adapters::web::Internet::new(&wharf::core::config::Config::default())),
        config: wharf::core::config::Config { theme: "default".into(), person: "ada".into(), ..Default::default() },
        sources: sources
            .iter()
            .map(|(name, behaviour)| Source {
                name: (*name).to_owned(),
                adapter: "oci",
                address: format!("https://{name}.example/"),
                origin: "test".into(),
                user: None,
                abilities: Abilities {
                    copies: Copies::Registry(format!("{name}.example")),
                    answers_anyone: true,
                    ..Abilities::default()
                },
                catalog: Arc::new(Fake { name: (*name).to_owned(), behaviour: behaviour.clone() }),
                content: None,
                sharer: None,
                disks: None,
                upkeep: None,
            })
            .collect(),
        launchers: Vec::new(),
        checkers: Vec::new(),
        signers: wharf::core::ports::Signers {
            open: Box::new(|key, asker| wharf::adapters::signing::open(key.to_owned(), asker, Arc::new(NoVault))),
            make: Arc::new(wharf::adapters::signing::make),
            write: Arc::new(wharf::adapters::signing::write),
            look: Box::new(|key| wharf::adapters::signing::look::describe_key(key.to_owned(), Arc::new(NoVault))),
            named: Arc::new(Vec::new),
            trusted: wharf::adapters::signing::trusted(&[]),
            short: wharf::adapters::signing::SHORT,
        },
        ledger: Arc::new(wharf::adapters::store::ledger::LedgerFolder::new(
            &std::env::temp_dir().join(crate::lab::fresh("wharf-test-ledger")),
        )),
        lock_files: Arc::new(wharf::adapters::store::lock_files::FolderLocks),
        contacts: Arc::new(wharf::adapters::store::contacts::ContactsFile::new(
            &std::env::temp_dir().join(crate::lab::fresh("wharf-test-contacts")),
        )),
        endings: Arc::new(wharf::adapters::store::endings::EndingsFile::new(
            &std::env::temp_dir().join(crate::lab::fresh("wharf-test-endings")),
        )),
        transfer_log: Arc::new(wharf::adapters::store::transfers::TransferFolder::new(
            &std::env::temp_dir().join(crate::lab::fresh("wharf-test-transfers")),
        )),
        editor: Arc::new(NoEditor),
        spool: Arc::new(wharf::adapters::store::shared::spool::SpoolFile::new(
            std::env::temp_dir().join(crate::lab::fresh("wharf-test-spool")),
        )),
        notifiers: Vec::new(),
        audit: Arc::new(Unwritten),
        store: crate::stores::in_memory("ada"),
        cache: Arc::new(Memory::default()),
        vault: Arc::new(NoVault),
        short_names: wharf::core::image::short_names::ShortNames::default(),
        open: Box::new(|reference| Err(Error::not_found(format!("open {reference}"), "not in this test"))),
        findings: Vec::new(),
        adding: no_adding(),
    }
}

/// Evidence as checkers make it, and the built-in policy's verdict on it.
pub(crate) fn verified(image: &Image, now: i64) -> wharf::core::portal::evidence::Verified {
    use wharf::core::{
        base::badge::{Scan, Signature},
        evidence::record::{CheckedBy, Counts, Outcome, Package, Record, Severity, Statement, Subject, Vulnerability},
        policy::{Facts, Policy},
    };
    let subject = Subject::for_pinned(image.pinned.as_ref().unwrap());
    let record = |tool: &str, outcome, reason: &str| Record {
        subject: subject.clone(),
        check: tool.into(),
        tool: tool.into(),
        inputs: vec!["database of 2025-11-20T06:00:00Z".into()],
        by: CheckedBy::Wharf,
        at: now - 180,
        valid_until: now + 86_400,
        outcome,
        reason: reason.into(),
        terms: None,
    };
    let finding = |severity, id: &str, fixed: &str| Vulnerability {
        severity,
        id: id.into(),
        package: "zlib".into(),
        installed: "1.2.12-r1".into(),
        fixed: fixed.into(),
        source: "nvd".into(),
        title: "heap-based buffer over-read in inflate()".into(),
        exploited: false,
        score: None,
        layer: String::new(),
        description: String::new(),
    };
    let counts = Counts { critical: 1, fixable_critical: 1, known_exploited: 1, low: 1, ..Counts::default() };
    let worst = vec![
        Vulnerability { exploited: true, ..finding(Severity::Critical, "CVE-2022-37434", "1.2.12-r4") },
        finding(Severity::Low, "CVE-2024-9143", ""),
    ];
    let signed = Outcome::Signature { state: Signature::CoveredByIndex, signer: "key 3f2a9c0d11e85b77".into() };
    let scanned = Some(now - 180);
    let scan = Outcome::Scan { state: Scan::Findings, counts, packages: 17, scanned, database: None, worst };
    let package =
        |name: &str, version: &str| Package { name: name.into(), version: version.into(), kind: "apk".into() };
    let software = Outcome::Software {
        form: "CycloneDX 1.5".into(),
        total: 2,
        packages: vec![package("musl", "1.2.3-r4"), package("zlib", "1.2.12-r1")],
    };
    let statement = Statement {
        vulnerability: "CVE-2024-9143".into(),
        status: "not_affected".into(),
        why: "vulnerable_code_not_present".into(),
    };
    let stated = Outcome::Statements { author: "Ada".into(), made: Some(now - 86_400), statements: vec![statement] };
    let asserted = |record: Record| Record { by: CheckedBy::Source, inputs: Vec::new(), ..record };
    let records = vec![
        asserted(record("attached CycloneDX 1.5", software, "lab.example/physics/gromacs@sha256:5a5a")),
        asserted(record("attached OpenVEX", stated, "lab.example/physics/gromacs@sha256:6b6b")),
        record("wharf 0.1.0 cosign", signed, "lab.example/physics/gromacs:sha256-4f4f.sig"),
        record("trivy 0.70.0", scan, "17 packages were seen"),
    ];
    let facts = Facts { records: &records, name: "n", ..Facts::default() };
    let judgement = Policy::default().judge(&facts, now);
    wharf::core::portal::evidence::Verified { subject, records, judgement }
}

/// An offer of another project.
pub(crate) fn offer(title: &str) -> wharf::core::sharing::offer::Offer {
    wharf::core::sharing::offer::Offer {
        id: "site/x".into(),
        source: "site".into(),
        title: title.into(),
        reference: "lab.example/physics/gromacs:1".parse().unwrap(),
        from: wharf::core::sharing::offer::Project { id: "b10".into(), name: "biology".into() },
        since: Some(1_763_999_000),
        note: "qcow2 2.31 MiB".into(),
        ignored: "it stays usable by its id, and is in no list".into(),
        outgoing: false,
    }
}
