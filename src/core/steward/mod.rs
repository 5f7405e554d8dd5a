//! The steward: works on requests, judges images again, keeps the site's mirror, and delivers notices, all at the same
//! time in tasks of their own. Several stewards may run. Each step can be repeated, so that after a crash another steward
//! finds what was done and does the rest.
//!
//! Nobody can block it: each request and each image of the watch has a budget of time, bytes and least rate
//! ([`Budget`]), a lease is renewed only within that budget, and one person's requests leave room for those of others.
//! Nobody can send it to other places: it contacts the site's sources only ([`reach`]), and the registries that the site's
//! own list of a mirror names.

mod admit;
mod alive;
mod decision;
mod disk;
mod examine;
mod hands;
mod mirror;
pub mod notify;
mod platforms;
mod quarantine;
pub mod reach;
mod retry;
mod revoke;
mod round;
mod scan;
mod sweep;
mod tag;
mod tools;
mod warnings;
pub mod watch;

use std::{convert::Infallible, sync::Arc, time::Duration};

use tokio::task::JoinSet;

use super::{
    audit::Entry,
    base::{
        budget::Budget,
        context::{Context, Progress},
        error::{Error, Kind, Result},
    },
    config::Config,
    portal::{journal::Journal, stewardship::Stewardship},
    ports::{Asker, Signers, store::Store},
    request::{Admission, Event, Request, Stage},
};
use admit::{Admitter, AdmitterParts};
use decision::Decisions;
use disk::DiskRequests;
use examine::Examiner;
use mirror::MirrorKeeper;
use notify::NoticeSender;
use platforms::Platforms;
use quarantine::Quarantine;
use reach::ReachableSources;
use retry::again;
use revoke::Revoker;
use round::report_round;
use sweep::Sweeper;
use tag::Tags;
use watch::Watcher;

pub use self::{
    retry::backoff,
    round::{Round, RoundObserver},
    tools::StewardKeys,
};

/// How long a claim on a request lasts unless it is renewed.
const LEASE: Duration = Duration::from_secs(60);
/// How often a claim is renewed.
const RENEW: Duration = Duration::from_secs(15);
/// The longest wait without news, after which a steward looks for work that is due.
const QUIET: Duration = Duration::from_secs(30);
/// The same after a failure, so that it is tried again soon.
const SOON: Duration = Duration::from_secs(5);
/// How often the quarantine is cleaned up, and how often is looked whether the mirror is due.
const SWEEP: Duration = Duration::from_secs(60);
/// How long to wait after the store did not answer.
const AWAY: Duration = Duration::from_secs(3);

/// A duty that is repeated, besides requests.
#[derive(Debug, Clone, Copy)]
enum Duty {
    Watch,
    Letters,
    Sweep,
    Mirror,
}

impl Duty {
    /// Whether it is done from time to time only, whatever changes in the store.
    fn is_by_the_clock(self) -> bool {
        matches!(self, Self::Sweep | Self::Mirror)
    }
}

/// A steward of a site. Its parts are in layers, none of which knows one above it: reach, quarantine and decisions;
/// disk images; examining; admitting.
pub struct Steward {
    config: Arc<Config>,
    signers: Arc<Signers>,
    store: Arc<dyn Store>,
    journal: Arc<Journal>,
    examiner: Arc<Examiner>,
    admitter: Admitter,
    tags: Arc<Tags>,
    revoker: Revoker,
    watcher: Arc<Watcher>,
    letters: NoticeSender,
    sweeper: Sweeper,
    mirror: MirrorKeeper,
}

impl Steward {
    /// A steward with a portal's parts; contacts nobody.
    pub fn new(parts: &Stewardship) -> Self {
        let reach = Arc::new(ReachableSources::new(parts));
        let quarantine = Arc::new(Quarantine::new(parts));
        let platforms = Arc::new(Platforms::new(parts));
        let decisions = Arc::new(Decisions::new(parts));
        let disks = Arc::new(DiskRequests::new(parts, reach.clone(), quarantine.clone(), decisions.clone()));
        let examiner = Arc::new(Examiner::new(
            parts,
            reach.clone(),
            quarantine.clone(),
            platforms.clone(),
            decisions.clone(),
            disks.clone(),
        ));
        let tags = Arc::new(Tags::new(parts, reach.clone()));
        let ground = AdmitterParts {
            reach: reach.clone(),
            platforms: platforms.clone(),
            decisions: decisions.clone(),
            disks,
            examiner: examiner.clone(),
            tags: tags.clone(),
        };
        Self {
            config: parts.config.clone(),
            signers: parts.signers.clone(),
            store: parts.store.clone(),
            journal: parts.journal.clone(),
            examiner,
            admitter: Admitter::new(parts, ground),
            tags,
            revoker: Revoker::new(parts, decisions),
            watcher: Arc::new(Watcher::new(parts, reach, platforms)),
            letters: NoticeSender::new(parts),
            sweeper: Sweeper::new(parts, quarantine),
            mirror: MirrorKeeper::new(parts),
        }
    }

    /// Opens the configured keys; a PIN or passphrase is asked for once.
    pub async fn tools(&self, asker: Arc<dyn Asker>) -> Result<StewardKeys> {
        let key = &self.config.requests.key;
        let disk_key = &self.config.requests.disk_key;
        let signer = if key.is_empty() { None } else { Some((self.signers.open)(key, asker.clone()).await?) };
        let disks = if disk_key.is_empty() { None } else { Some((self.signers.open)(disk_key, asker).await?) };
        Ok(StewardKeys { signer, disks })
    }

    /// Works until nothing is left to do right now, and gives what was done.
    pub async fn round(self: &Arc<Self>, cx: &Context, tools: &StewardKeys) -> Result<Round> {
        // One after the other, because each reports what the previous one has done.
        let requests = self.requests_round(cx, tools).await;
        let watched = self.watcher.round(cx, tools).await;
        let delivered = self.letters.round(cx).await;
        let swept = self.sweep_round(cx).await;
        let mirrored = self.mirror.round(cx).await;
        let failing = |round: Result<Round>| round.unwrap_or_else(|error| Round::failing(&error));
        if cx.cancel.is_cancelled() {
            return Err(Error::cancelled("work as steward"));
        }
        Ok(requests?.and(failing(watched)).and(failing(delivered)).and(failing(swept)).and(failing(mirrored)))
    }

    /// Works until it is cancelled; `tell` hears of every round.
    pub async fn work(self: &Arc<Self>, cx: &Context, tools: &StewardKeys, tell: RoundObserver) -> Result<()> {
        let (heard, news) = tokio::sync::watch::channel(());
        let mut tasks = JoinSet::new();
        tasks.spawn(self.clone().serve_requests(cx.clone(), tools.clone(), tell.clone(), news.clone()));
        let mirror = self.mirror.is_set_up().then_some(Duty::Mirror);
        for duty in [Duty::Watch, Duty::Letters, Duty::Sweep].into_iter().chain(mirror) {
            tasks.spawn(self.clone().serve(duty, cx.clone(), tools.clone(), tell.clone(), news.clone()));
        }
        tokio::select! {
            () = cx.cancel.cancelled() => {}
            never = self.listen(heard) => match never {},
            never = self.keep_saying_alive(tools) => match never {},
            ended = tasks.join_next() => if let Some(Err(error)) = ended {
                // If a task panics, the steward ends; the service manager starts it again.
                return Err(Error::failed("work as steward", error));
            },
        }
        tasks.shutdown().await;
        Ok(())
    }

    /// Signals the other tasks when something has changed in the store.
    async fn listen(&self, heard: tokio::sync::watch::Sender<()>) -> Infallible {
        loop {
            match self.store.news().await {
                Ok(()) => _ = heard.send(()),
                Err(_) => tokio::time::sleep(AWAY).await,
            }
        }
    }

    /// Repeats one duty, on news and from time to time.
    async fn serve(
        self: Arc<Self>,
        duty: Duty,
        cx: Context,
        tools: StewardKeys,
        tell: RoundObserver,
        mut news: tokio::sync::watch::Receiver<()>,
    ) {
        let mut away = false;
        loop {
            let round = match duty {
                Duty::Watch => self.watcher.round(&cx, &tools).await,
                Duty::Letters => self.letters.round(&cx).await,
                Duty::Sweep => self.sweep_round(&cx).await,
                Duty::Mirror => self.mirror.round(&cx).await,
            };
            let pause = match &round {
                _ if duty.is_by_the_clock() => SWEEP,
                Ok(round) if round.failed.is_empty() => QUIET,
                Ok(_) => SOON,
                Err(_) => AWAY,
            };
            report_round(&round, &mut away, &tell);
            tokio::select! {
                () = cx.cancel.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
                _ = news.changed(), if !away && !duty.is_by_the_clock() => {}
            }
        }
    }

    /// Cleans up the quarantine, within the budget of one request.
    async fn sweep_round(&self, cx: &Context) -> Result<Round> {
        let budget = Budget::new(self.config.requests.request_limits());
        let failed = budget.run("sweep the quarantine", self.sweeper.sweep(cx)).await?;
        Ok(Round { failed, ..Round::default() })
    }

    /// Brings one request as far as possible without a person.
    async fn work_on(&self, cx: &Context, tools: &StewardKeys, request: Request) -> Result<Request> {
        let (id, tries) = (request.id, request.tries);
        let what = format!("work on {}", request.called());
        let budget = Budget::new(self.config.requests.request_limits());
        let own = Context { budget: budget.clone(), progress: Progress::silent(), ..cx.clone() };
        let worked = tokio::select! {
            worked = budget.run(&what, self.next_step(&own, tools, request)) => worked,
            lost = self.hold(id) => Err(lost),
        };
        let Err(error) = worked else { return worked };
        if error.kind == Kind::Cancelled {
            return Err(error);
        }
        let again = again(&error, budget.exceeded(), tries);
        tracing::warn!(id, %error, "a request did not go on");
        self.store.apply_event(id, &Event::Failed { why: error.to_string(), again }).await
    }

    /// Renews the claim on a request; returns only when the claim is lost. The caller drops this together with the
    /// work.
    async fn hold(&self, id: i64) -> Error {
        let mut renewed = tokio::time::Instant::now();
        loop {
            tokio::time::sleep(RENEW).await;
            match self.store.apply_event(id, &Event::Renew { lease: LEASE }).await {
                Ok(_) => renewed = tokio::time::Instant::now(),
                // An unreachable store may come back before the lease ends; after that, another steward may have the
                // request.
                Err(error) if error.kind == Kind::Unavailable && renewed.elapsed() < LEASE => {}
                Err(error) => return Error { kind: Kind::Cancelled, ..error },
            }
        }
    }

    async fn next_step(&self, cx: &Context, tools: &StewardKeys, mut request: Request) -> Result<Request> {
        let mut fresh = false;
        if request.stage == Stage::Gathering {
            let (dossier, next) = self.examiner.examine(cx, &request).await?;
            fresh = true;
            request = self.store.apply_event(request.id, &Event::Judged(Box::new(dossier), next)).await?;
        }
        if request.stage == Stage::Revoking {
            let subject = format!("{}: {}", request.called(), request.admitted_at());
            let mut entry = self.journal.entry("take back", subject);
            entry.digest = request.asked.digest.parse().ok();
            let revoking = async {
                self.revoker.sign_revocation(cx, tools, &request).await?;
                self.store.apply_event(request.id, &Event::Revoked).await
            };
            request = self.journal.recorded(entry, revoking).await?;
        }
        if request.stage == Stage::Admitting {
            let (admission, admitted) = Box::pin(self.admit(cx, tools, &request, fresh)).await?;
            request = admitted;
            if let Err(error) = self.tags.settle_tag(cx, &request).await {
                tracing::warn!(%error, "whether its tag is right was not looked at again");
            }
            // Later findings are compared with those known now; if they cannot be kept, the image is simply judged once
            // more.
            if let Err(error) = self.watcher.begin(cx, &admission).await {
                tracing::info!(%error, "what was admitted is looked at again");
            }
        }
        Ok(request)
    }

    /// Admits an image, and records that in the audit; gives the changed request, too.
    async fn admit(
        &self,
        cx: &Context,
        tools: &StewardKeys,
        request: &Request,
        fresh: bool,
    ) -> Result<(Admission, Request)> {
        let from = &request.asked.from;
        let mut entry = self.journal.entry("admit", format!("{from} as {}", request.destination));
        entry.digest = request.asked.digest.parse().ok();
        entry.verdict = request.decision.as_ref().map(|decision| format!("{}: {}", decision.by, decision.reason));
        let admitting = async {
            let admission = self.admitter.admit(cx, tools, request, fresh).await?;
            let request = self.store.apply_event(request.id, &Event::Admitted(admission.clone())).await?;
            Ok((admission, request))
        };
        let told = |entry: &mut Entry, (admission, _): &(Admission, Request)| {
            entry.subject = format!("{from} as {}", admission.reference);
            entry.digest = admission.digest.parse().ok();
        };
        self.journal.recorded_with(entry, Box::pin(admitting), told).await
    }
}
