//! The use cases: the only thing that both front ends call.

pub mod diff;
pub mod disks;
pub mod doctor;
pub mod evidence;
pub mod give_away;
pub mod inbox;
pub mod journal;
pub mod kept;
pub mod keys;
pub mod measure;
pub mod rehearse;
pub mod requests;
mod secrets;
pub mod share;
pub mod sign_in;
pub mod signatures;
pub mod sources;
pub mod upkeep;
pub mod uses;
pub mod workloads;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;

use super::ports::content::Outcome;
use super::{
    audit::Entry,
    base::{
        context::Context,
        error::{During, Error, Kind, Result},
        text,
    },
    catalog::{
        learnt::{Learnt, enrich, is_bare},
        rows::{Row, RowSet},
    },
    config::Config,
    image::{
        link::Link,
        model::{Health, Image, Platform, Version},
        reference::ImageRef,
        short_names::ShortNames,
    },
    launch::{
        form::{Answers, Form},
        plan::{Plan, Workload},
    },
    ports::{
        Audit, Cache, Catalog, Checker, Extent, KnownAttachments, Launcher, Listing, Notifier, Signers, Supply, Vault,
        store::{How, Spool, Store},
    },
    transfer::copy::{self, Options, Place},
};
use doctor::Finding;
use inbox::Inbox;
use journal::Journal;
use keys::Keys;
use requests::Requests;
use secrets::Secrets;
use sign_in::Accounts;
pub use sources::{Abilities, Copies, Opener, Source, Sources};

/// Rows that are taken from one source, whatever its adapter sends.
const MOST_ROWS: usize = 500_000;

/// The list of a source.
#[derive(Debug, Clone)]
pub struct Listed {
    /// What came.
    pub rows: Arc<RowSet>,
    /// Why it is not all, where it is not. Such a list is shown, and not kept for the next start.
    pub missing: Option<Error>,
}

/// The longest list that is written anew for what was learnt of a screenful of its rows.
pub const LEARNING_LIST: usize = 100_000;

/// What a portal is made of; [`Portal::new`] takes it.
pub struct PortalParts {
    /// The configuration in force.
    pub config: Config,
    /// Places that hold images, in the order in which they are shown.
    pub sources: Vec<Source>,
    /// What can launch.
    pub launchers: Vec<Arc<dyn Launcher>>,
    /// What makes evidence.
    pub checkers: Vec<Arc<dyn Checker>>,
    /// Opens keys to sign with.
    pub signers: Signers,
    /// What is remembered between runs.
    pub cache: Arc<dyn Cache>,
    /// Where what was done is written down.
    pub audit: Arc<dyn Audit>,
    /// Requests, who used what, and what people are told.
    pub store: Arc<dyn Store>,
    /// What the store could not be told yet.
    pub spool: Arc<dyn Spool>,
    /// Ways to tell people what concerns them.
    pub notifiers: Vec<Arc<dyn Notifier>>,
    /// Where secrets are kept.
    pub vault: Arc<dyn Vault>,
    /// Sources for references from elsewhere.
    pub open: Opener,
    /// What names without a registry mean on this machine.
    pub short_names: ShortNames,
    /// What was looked for at start and found or not.
    pub findings: Vec<Finding>,
}

/// Everything the front ends need: use cases, and nothing behind them.
pub struct Portal {
    /// What was done here, and the record of it.
    pub journal: Arc<Journal>,
    /// Keys to sign with.
    pub keys: Keys,
    /// Accounts at the places that hold images.
    pub accounts: Accounts,
    /// Requests at this site.
    pub requests: Requests,
    /// What this person is told.
    pub inbox: Inbox,
    pub(in crate::core) config: Arc<Config>,
    pub(in crate::core) sources: Arc<Sources>,
    pub(in crate::core) checkers: Vec<Arc<dyn Checker>>,
    pub(in crate::core) signers: Arc<Signers>,
    pub(in crate::core) cache: Arc<dyn Cache>,
    pub(in crate::core) store: Arc<dyn Store>,
    pub(in crate::core) notifiers: Vec<Arc<dyn Notifier>>,
    launchers: Vec<Arc<dyn Launcher>>,
    spool: Arc<dyn Spool>,
    vault: Arc<dyn Vault>,
    findings: Vec<Finding>,
    /// What was learnt about rows, by source.
    learnt: Mutex<HashMap<String, Learnt>>,
}

/// What a link points to now.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Opened {
    /// The image it is pinned to.
    pub image: Image,
    /// Whether the tag it was made from points elsewhere now; `None` if there is no tag or it is gone.
    pub moved: Option<bool>,
    /// Where the tag points now, if it moved.
    pub now_at: Option<super::base::digest::Digest>,
    /// Whether the link is past its date.
    pub expired: bool,
    /// Who sent it, as they call themselves.
    pub from: Option<String>,
    /// When it should no longer be used (RFC 3339).
    pub until: Option<String>,
}

impl Portal {
    /// Puts the parts together; nothing is contacted.
    pub fn new(parts: PortalParts) -> Self {
        let config = Arc::new(parts.config);
        let sources = Arc::new(Sources::new(parts.sources, parts.open, parts.short_names));
        let signers = Arc::new(parts.signers);
        let secrets = Arc::new(Secrets::new(parts.vault.clone()));
        let journal = Arc::new(Journal::new(&config.person, parts.audit, parts.store.clone()));
        Self {
            keys: Keys::new(signers.clone(), secrets.clone(), journal.clone()),
            accounts: Accounts::new(sources.clone(), secrets, journal.clone()),
            requests: Requests::new(
                config.clone(),
                sources.clone(),
                signers.clone(),
                parts.store.clone(),
                journal.clone(),
            ),
            inbox: Inbox::new(parts.store.clone()),
            journal,
            config,
            sources,
            checkers: parts.checkers,
            signers,
            cache: parts.cache,
            store: parts.store,
            notifiers: parts.notifiers,
            launchers: parts.launchers,
            spool: parts.spool,
            vault: parts.vault,
            findings: parts.findings,
            learnt: Mutex::default(),
        }
    }

    /// The configuration in force.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Places that hold images, in the order in which they are shown.
    pub fn sources(&self) -> &[Source] {
        self.sources.all()
    }

    /// The names of everything that can launch here.
    pub fn backends(&self) -> Vec<&str> {
        self.launchers.iter().map(|launcher| launcher.name()).collect()
    }

    /// The names of what here can launch this image, the preferred one first.
    pub fn backends_for(&self, image: &Image) -> Vec<&str> {
        let accepts = |launcher: &&Arc<dyn Launcher>| launcher.accepts(image).is_ok();
        self.launchers.iter().filter(accepts).map(|launcher| launcher.name()).collect()
    }

    /// What was looked for at start and found or not.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The source with this name; not found, with the known names, where there is none.
    pub fn source(&self, name: &str) -> Result<&Source> {
        self.sources.called(name)
    }

    /// The source that holds `reference`: a configured one, else one made for its address. Not found where it is in a cloud
    /// that nobody has configured.
    pub fn source_of(&self, reference: &ImageRef) -> Result<Source> {
        self.sources.of(reference)
    }

    /// Where the bytes of `reference` are; unsupported where its source does not let them be read.
    pub fn place(&self, reference: &ImageRef) -> Result<Place> {
        self.sources.place(reference)
    }

    /// The launcher with this name (of several that people call so, one that accepts the image); the first one that accepts
    /// it when none is named.
    pub fn launcher(&self, name: Option<&str>, image: Option<&Image>) -> Result<Arc<dyn Launcher>> {
        image.map_or(Ok(()), Image::must_run)?;
        let known = || self.launchers.iter().map(|launcher| launcher.name()).collect::<Vec<_>>().join(", ");
        match name {
            Some(name) => {
                let own = self.launchers.iter().filter(|launcher| launcher.name() == name);
                let also = self.launchers.iter().filter(|launcher| launcher.also_called() == Some(name));
                let called: Vec<_> = own.chain(also).collect();
                let takes = |launcher: &&&Arc<dyn Launcher>| image.is_none_or(|image| launcher.accepts(image).is_ok());
                let chosen = called.iter().find(takes).or(called.first());
                chosen.map(|launcher| Arc::clone(launcher)).ok_or_else(|| {
                    Error::not_found(format!("backend '{name}'"), "there is no such backend here")
                        .hint(format!("backends here: {}", known()))
                })
            }
            None => {
                let mut reasons = Vec::new();
                for launcher in &self.launchers {
                    match image.map_or(Ok(()), |image| launcher.accepts(image)) {
                        Ok(()) => return Ok(launcher.clone()),
                        Err(error) => reasons.push(format!("{}: {}", launcher.name(), error.why)),
                    }
                }
                Err(Error::unsupported(
                    "choose a backend",
                    if reasons.is_empty() { "none was found".to_owned() } else { reasons.join("; ") },
                )
                .hint("'wharf doctor' says what is missing"))
            }
        }
    }

    /// Lists one source. Growing snapshots go to `out`, the last one complete; it is also kept for the next start.
    pub async fn list(
        &self,
        cx: &Context,
        source: &Source,
        query: Option<&str>,
        out: mpsc::Sender<Arc<RowSet>>,
    ) -> Result<Listed> {
        let (pages, mut arriving) = mpsc::channel::<Vec<Row>>(16);
        let what = format!("list {}", source.name);
        let gather = async {
            let mut rows: Vec<Row> = Vec::new();
            let mut shown = 0;
            while let Some(page) = arriving.recv().await {
                // Closing the channel ends the adapter's sends at once; what it has yet to say is waited for.
                if rows.len() + page.len() > MOST_ROWS {
                    arriving.close();
                    return (rows, true);
                }
                rows.extend(page);
                // Each snapshot costs a sort of all rows: show the first page, then only when the list has doubled.
                if shown == 0 || rows.len() >= shown * 2 {
                    shown = rows.len();
                    let _ = out.try_send(Arc::new(RowSet::build(rows.clone())));
                }
            }
            (rows, false)
        };
        let fetch = cx.unless_cancelled(&what, source.catalog.list(cx, query, pages));
        let (fetched, (mut rows, too_many)) = tokio::join!(fetch, gather);
        let cut = |why: &str| {
            Error::failed(&what, format!("the list is not complete: {why}"))
                .hint("narrow it by a project or words, or name the repositories that you use in the configuration")
        };
        let missing = match fetched {
            Ok(Extent::Whole) => too_many.then(|| cut("it has more rows than Wharf keeps")),
            Ok(Extent::Cut(why)) => Some(cut(&why)),
            Err(error) if rows.is_empty() || error.kind == Kind::Cancelled => return Err(error),
            Err(error) => {
                let why = format!("the list is not complete: {}", error.why);
                Some(Error { why, ..error })
            }
        };
        // The kept list is read only where it can tell more.
        let old = if rows.iter().any(is_bare) {
            self.cache.last(&source.name).await.ok().flatten().map(|kept| kept.rows).unwrap_or_default()
        } else {
            Arc::default()
        };
        // What is being judged is nobody's to choose.
        if let Some((host, project)) = self.config.requests.quarantine.split_once('/') {
            let place = ImageRef::oci(host, format!("{project}/x"), None);
            if source.catalog.owns(&place) {
                let below = format!("{project}/");
                rows.retain(|row| !row.name.starts_with(&below));
            }
        }
        let learnt = self.learnt.lock().unwrap_or_else(PoisonError::into_inner).get(&source.name).cloned();
        let set = tokio::task::spawn_blocking(move || {
            enrich(&mut rows, &learnt.unwrap_or_default(), &old);
            Arc::new(RowSet::build(rows))
        })
        .await
        .map_err(|error| Error::failed(&what, error))?;
        if source.catalog.listing() != Listing::SearchOnly && query.is_none() && missing.is_none() {
            if let Err(error) = self.cache.save(&source.name, &set, text::now()).await {
                tracing::warn!(%error, "the list was not kept");
            }
        }
        Ok(Listed { rows: set, missing })
    }

    /// The image behind a reference, pinned.
    pub async fn image(&self, cx: &Context, reference: &ImageRef, platform: Option<&Platform>) -> Result<Image> {
        self.sources.image(cx, reference, platform).await
    }

    /// The image that somebody typed the name of ([`Sources::named`]).
    pub async fn named(&self, text: &str) -> Result<ImageRef> {
        self.sources.named(text).await
    }

    /// Tags of an image.
    pub async fn tags(&self, cx: &Context, reference: &ImageRef) -> Result<Vec<String>> {
        let source = self.source_of(reference)?;
        cx.run(&format!("list versions of {reference}"), source.catalog.tags(cx, reference)).await
    }

    /// Details of some tags, a few at a time, sent as they come.
    pub async fn versions(
        &self,
        cx: &Context,
        reference: &ImageRef,
        tags: Vec<String>,
        out: mpsc::Sender<Version>,
    ) -> Result<()> {
        let source = self.source_of(reference)?;
        stream::iter(tags)
            .map(|tag| {
                let (source, at) = (source.clone(), reference.with_tag(&tag));
                async move {
                    cx.run("read a version", source.catalog.version(cx, &at)).await.unwrap_or(Version {
                        tag,
                        digest: None,
                        created: None,
                        size: None,
                        platforms: Vec::new(),
                        artifact: None,
                    })
                }
            })
            .buffered(6)
            .for_each(|version| async {
                let _ = out.send(version).await;
            })
            .await;
        Ok(())
    }

    /// Looks at one row of a source; what it tells is remembered for the next list.
    pub async fn look(&self, cx: &Context, source: &str, name: &str, tag: &str) -> Result<(Version, Image)> {
        let catalog = &self.source(source)?.catalog;
        let at = catalog.reference(name, Some(tag))?;
        let image = cx.run("look at an image", catalog.image(cx, &at, None)).await?;
        let version = Version::of(&image);
        let mut learnt = self.learnt.lock().unwrap_or_else(PoisonError::into_inner);
        learnt.entry(source.to_owned()).or_default().insert(name.to_owned(), version.clone());
        Ok((version, image))
    }

    /// Puts what was learnt of a source's rows into its kept list; gives that list if there was news.
    ///
    /// Lists of more than [`LEARNING_LIST`] rows are left as they are: writing one anew for a screenful is too much.
    pub async fn learn(&self, source: &str) -> Result<Option<Arc<RowSet>>> {
        let Some(kept) = self.cache.last(source).await? else { return Ok(None) };
        let learnt = self.learnt.lock().unwrap_or_else(PoisonError::into_inner).get(source).cloned();
        let Some(learnt) = learnt.filter(|_| kept.rows.len() <= LEARNING_LIST) else { return Ok(None) };
        let work = tokio::task::spawn_blocking(move || kept.rows.enriched(&learnt));
        let Some(rows) = work.await.during("put what was learnt into the list")? else { return Ok(None) };
        self.cache.save(source, &rows, kept.fetched).await?;
        Ok(Some(Arc::new(rows)))
    }

    /// The questions a backend asks about an image.
    pub async fn form(&self, cx: &Context, backend: &str, image: &Image) -> Result<Form> {
        let launcher = self.launcher(Some(backend), Some(image))?;
        launcher.accepts(image)?;
        cx.run(&format!("ask {backend}"), launcher.form(cx, image)).await
    }

    /// What would be sent to a backend.
    pub async fn plan(&self, cx: &Context, backend: &str, image: &Image, answers: &Answers) -> Result<Plan> {
        let launcher = self.launcher(Some(backend), Some(image))?;
        launcher.accepts(image)?;
        let mut plan = cx.run(&format!("plan on {backend}"), launcher.plan(cx, image, answers)).await?;
        plan.risks.extend(self.risks_of(image, plan.privileged).await);
        Ok(plan)
    }

    /// Carries out a plan; with `because`, where the policy wants an approval and lets a person go on with a reason.
    pub async fn launch(&self, cx: &Context, plan: &Plan, because: Option<&str>) -> Result<Workload> {
        let launcher = self.launcher(Some(&plan.backend), None)?;
        cx.progress.phase("asking the policy");
        let mut entry = self.journal.entry("launch", format!("{} on {}", plan.image.reference, plan.backend));
        entry.digest = Some(plan.image.digest.clone());
        match self.gate(cx, plan, because).await {
            Ok(passed) => entry.verdict = Some(passed.words()),
            Err(error) => {
                self.journal.note(entry, &Err::<(), _>(error.clone())).await;
                return Err(error);
            }
        }
        let source = self.source_of(&plan.image.reference)?;
        let credentials = source.catalog.credentials(&plan.image.reference).await;
        let supply = Supply {
            image: plan.image.clone(),
            content: source.content.clone(),
            credentials,
            known: KnownAttachments::default(),
        };
        let what = format!("launch on {}", plan.backend);
        let workload = cx.unless_cancelled(&what, launcher.launch(cx, plan, &supply)).await;
        self.journal.note(entry, &workload).await;
        if let Ok(workload) = &workload {
            let place = format!("{}/{}", workload.backend, workload.name);
            self.remember(How::Launched, &plan.image.reference, &plan.image.digest, &place).await;
        }
        workload
    }

    /// A link to what `reference` means now.
    pub async fn link(
        &self,
        cx: &Context,
        reference: &ImageRef,
        platform: Option<&Platform>,
        until: Option<i64>,
    ) -> Result<Link> {
        let image = self.image(cx, reference, platform).await?;
        let pinned = image
            .pinned
            .ok_or_else(|| Error::unsupported(format!("link to {reference}"), "it has no digest to pin to"))?;
        let sender = (!self.config.person.is_empty()).then(|| self.config.person.clone());
        let cloud = self.source_of(reference)?.catalog.cloud_place();
        let mut link = Link::to(&pinned, cloud, sender, until);
        if platform.is_none() {
            // The receiver may sit at another kind of machine: leave the choice open unless it was made.
            link.platform = None;
        }
        Ok(link)
    }

    /// What a link points to, and whether its tag has moved since.
    pub async fn open_link(&self, cx: &Context, link: &Link) -> Result<Opened> {
        let image = self.linked(cx, link).await?;
        if let Some(pinned) = &image.pinned {
            self.remember(How::Given, &pinned.reference, &pinned.digest, "").await;
        }
        let mut moved = None;
        let mut now_at = None;
        if let (Some(tag), Some(digest)) = (&link.tag, link.digest()) {
            let source = self.source_of(&image.reference)?;
            let at = image.reference.with_tag(tag);
            if let Ok(version) = cx.run("look up the tag", source.catalog.version(cx, &at)).await {
                moved = version.digest.as_ref().map(|now| now != digest);
                now_at = version.digest.filter(|now| now != digest);
            }
        }
        Ok(Opened {
            image,
            moved,
            now_at,
            expired: link.is_expired(text::now()),
            from: link.sender.clone(),
            until: link.until.map(text::timestamp),
        })
    }

    /// The image that a link is pinned to, with exactly that digest.
    pub async fn linked(&self, cx: &Context, link: &Link) -> Result<Image> {
        let what = format!("open a link to {}", link.reference);
        let mut image = self.linked_anywhere(cx, link, &what).await?;
        if image.pinned.is_none() {
            // A file: all of it is read.
            let source = self.source_of(&image.reference)?;
            image = cx.unless_cancelled(&what, source.catalog.pin(cx, &image)).await?;
        }
        let found = image.pinned.as_ref().map(|pinned| &pinned.digest);
        if found.is_some() && found == link.digest() {
            return Ok(image);
        }
        let now = found.map_or_else(|| "no digest".to_owned(), ToString::to_string);
        Err(Error::new(Kind::Integrity, what, format!("it is not what the link is pinned to: it has {now} now"))
            .hint("ask the sender for a new link"))
    }

    async fn linked_anywhere(&self, cx: &Context, link: &Link, what: &str) -> Result<Image> {
        let Some(wanted) = &link.cloud else {
            return self.image(cx, &link.reference, link.platform.as_ref()).await;
        };
        let mut last = None;
        for source in self.sources.all() {
            let Some(place) = source.catalog.cloud_place().filter(|place| place.is_same_as(wanted)) else { continue };
            tracing::debug!(source = source.name, address = place.address, "the link's cloud");
            // One cloud may be there several times, as several projects: one of them sees it.
            match self.image(cx, &link.reference_in(&source.name), None).await {
                Ok(image) => return Ok(image),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| {
            let region = wanted.region.as_ref().map_or_else(String::new, |region| format!(" (region {region})"));
            Error::not_found(what, format!("none of your clouds is the one at {}{region}", wanted.address))
                .hint("add it to clouds.yaml, with that auth_url")
        }))
    }

    /// Copies an image between any two places.
    pub async fn copy(&self, cx: &Context, from: &ImageRef, to: &ImageRef, options: &Options) -> Result<Outcome> {
        let mut entry = self.journal.entry("copy", format!("{from} to {to}"));
        let copied = self.copied(cx, &mut entry, from, to, options).await;
        self.journal.note(entry, &copied).await;
        if let Ok(outcome) = &copied {
            // Into a registry or a cloud it was brought, for others; anywhere else it was taken.
            let (how, named) = match to {
                ImageRef::Oci(_) | ImageRef::Glance { .. } => (How::Supplied, to),
                _ => (How::Downloaded, from),
            };
            self.remember(how, &named.with_digest(&outcome.digest), &outcome.digest, &to.to_string()).await;
        }
        copied
    }

    async fn copied(
        &self,
        cx: &Context,
        entry: &mut Entry,
        from: &ImageRef,
        to: &ImageRef,
        options: &Options,
    ) -> Result<Outcome> {
        cx.progress.phase("asking the policy");
        let pinned = self.admit_copy(cx, entry, from, options).await?;
        if Self::moves_disk(from, to) {
            return self.move_disk(cx, &pinned, to).await;
        }
        copy::copy(cx, &self.place(&pinned)?, &self.place(to)?, options).await
    }

    /// Health of every source and backend, asked at the same time.
    pub async fn health(&self, cx: &Context) -> Vec<(String, &'static str, Result<Health>)> {
        let sources = self
            .sources
            .all()
            .iter()
            .map(|source| (source.name.clone(), source.adapter, Asked::Source(source.catalog.clone())));
        let launchers = self
            .launchers
            .iter()
            .map(|launcher| (launcher.name().to_owned(), "backend", Asked::Backend(launcher.clone())));
        let asked: Vec<_> =
            sources.chain(launchers).map(|(name, kind, asked)| ask_health(cx, name, kind, asked)).collect();
        stream::iter(asked).buffered(64).collect().await
    }
}

async fn ask_health(
    cx: &Context,
    name: String,
    kind: &'static str,
    asked: Asked,
) -> (String, &'static str, Result<Health>) {
    let answer = cx.run(&format!("ask {name}"), asked.health(cx)).await;
    (name, kind, answer)
}

enum Asked {
    Source(Arc<dyn Catalog>),
    Backend(Arc<dyn Launcher>),
}

impl Asked {
    async fn health(&self, cx: &Context) -> Result<Health> {
        match self {
            Self::Source(catalog) => catalog.health(cx).await,
            Self::Backend(launcher) => launcher.health(cx).await,
        }
    }
}
