//! `wharf doctor`: checks everything that Wharf depends on, all at the same time, each for [`PATIENCE`] at most. Each
//! answer becomes a line with its state, the reason, and what to do. The checks are called here; `site` and `here` turn
//! their answers into lines.

mod here;
mod mirror;
mod site;

use std::{sync::Arc, time::Duration};

use futures_util::{
    Future, FutureExt, Stream, StreamExt,
    future::{BoxFuture, join_all},
    stream,
};
use serde::Serialize;

use super::{answers::HealthAnswer, keys::Keys, launches::Launches, secrets::Secrets, sources::Sources};
use crate::{
    base::{
        context::Context,
        error::{Error, Result},
    },
    config::Config,
    ports::{
        Cache, Checker, Notifier, Signers,
        store::{Store, StoreStatus},
    },
};

/// How long one check may take.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// How many sources and backends are asked at the same time.
const AT_ONCE: usize = 64;

/// The result of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It works as it should.
    Good,
    /// It does not work but can be done without, or it will soon stop working.
    Caution,
    /// It was set up and does not work.
    Bad,
}

impl State {
    /// The sign before the line.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Caution => "!",
            Self::Bad => "✗",
        }
    }

    /// The theme's role for the colour of the line.
    pub fn role(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Caution => "caution",
            Self::Bad => "bad",
        }
    }
}

/// One line of `wharf doctor` and of the Sources screen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The name of what was checked.
    pub what: String,
    /// Whether it works, and how serious it is if not.
    pub state: State,
    /// What the check found, in words.
    pub found: String,
    /// What to do about it, in words; empty if nothing.
    pub advice: String,
}

impl Finding {
    /// A finding with its advice, which may be empty.
    pub fn new(what: impl Into<String>, state: State, found: impl Into<String>, advice: impl Into<String>) -> Self {
        let advice = if state == State::Good { String::new() } else { advice.into() };
        Self { what: what.into(), state, found: found.into(), advice }
    }

    /// The finding that `what` works.
    pub fn works(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(what, State::Good, found, "")
    }

    /// The finding that `what` does not work, with reason and advice from the error.
    pub fn failed(what: impl Into<String>, state: State, error: &Error) -> Self {
        Self::new(what, state, error.why.clone(), error.hint.clone())
    }
}

/// The role of this person at the site: it decides how serious a failed check is for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct SiteRole {
    /// Whether this person is a steward: has the steward's key, or is in the steward's group.
    steward: bool,
    /// Whether this person is alone with the store, so that nobody else would correct it.
    alone: bool,
}

impl SiteRole {
    /// How serious it is for this person if something fails that only a steward needs.
    fn for_steward(self) -> State {
        if self.steward || self.alone { State::Bad } else { State::Caution }
    }
}

/// Checks everything that Wharf depends on. Changes nothing.
pub struct Doctor {
    pub(super) config: Arc<Config>,
    pub(super) sources: Arc<Sources>,
    pub(super) launches: Arc<Launches>,
    pub(super) checkers: Vec<Arc<dyn Checker>>,
    pub(super) signers: Arc<Signers>,
    pub(super) keys: Arc<Keys>,
    pub(super) secrets: Arc<Secrets>,
    pub(super) cache: Arc<dyn Cache>,
    pub(super) store: Arc<dyn Store>,
    pub(super) notifiers: Vec<Arc<dyn Notifier>>,
    /// What was discovered at the start, and what was not.
    pub(super) findings: Vec<Finding>,
}

impl Doctor {
    /// What was discovered at the start, and what was not.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The health of every source, then of every backend, asked at the same time.
    pub async fn health(&self, cx: &Context) -> Vec<HealthAnswer> {
        stream::iter(self.health_questions(cx)).buffered(AT_ONCE).collect().await
    }

    /// The same, each as soon as it is there.
    pub fn health_as_it_comes<'a>(&'a self, cx: &'a Context) -> impl Stream<Item = HealthAnswer> + 'a {
        stream::iter(self.health_questions(cx)).buffer_unordered(AT_ONCE)
    }

    fn health_questions<'a>(&'a self, cx: &'a Context) -> Vec<BoxFuture<'a, HealthAnswer>> {
        let (sources, backends) = (self.sources.health_questions(cx), self.launches.health_questions(cx));
        sources.into_iter().chain(backends).collect()
    }

    /// Having the steward's key makes this person a steward; otherwise the groups in the store decide.
    async fn role(&self, standing: impl Future<Output = Result<StoreStatus>>) -> SiteRole {
        let rules = &self.config.requests;
        let alone = !rules.store.contains("://");
        let steward = !rules.key.is_empty() || !alone && standing.await.is_ok_and(|standing| standing.me.steward);
        SiteRole { steward, alone }
    }

    /// All findings, in a fixed order. Changes nothing and asks this person nothing.
    pub async fn run_checks(&self) -> Vec<Finding> {
        let cx = Context::default().with_deadline(PATIENCE);
        let (mut all, places, others) = tokio::join!(async { self.findings.clone() }, self.places(&cx), self.checks());
        all.extend(places);
        all.extend(others);
        all
    }

    /// The same without the discoveries of the start, and without sources and backends.
    pub async fn checks(&self) -> Vec<Finding> {
        let cx = Context::default().with_deadline(PATIENCE);
        let set_up = self.has_requests();
        let standing = cx.run("ask the store", self.store.standing()).boxed().shared();
        let role = self.role(standing.clone()).boxed().shared();
        let mut asked = vec![
            self.configuration().boxed(),
            self.secret_store(&cx).boxed(),
            self.tools(&cx, role.clone()).boxed(),
            self.signing_keys(&cx, role.clone()).boxed(),
            self.notifiers(&cx, role.clone()).boxed(),
            self.unanswered_launches().boxed(),
            self.mirror(&cx, role.clone()).boxed(),
        ];
        if set_up {
            asked.push(self.shared_store(&cx, standing).boxed());
            asked.push(self.admitted(&cx, role.clone()).boxed());
            asked.push(self.cloud(&cx, role).boxed());
        }
        join_all(asked).await.into_iter().flatten().collect()
    }

    fn has_requests(&self) -> bool {
        let rules = &self.config.requests;
        !(rules.store.is_empty() && rules.admitted.is_empty() && rules.cloud.is_empty())
    }
}
