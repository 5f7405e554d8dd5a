//! `wharf doctor`: everything that Wharf leans on is asked side by side, each for [`PATIENCE`] at most; each answer is a
//! line that says how it is, why, and what to do. What is asked is here; what is made of the answers is in `site` and
//! `here`.

mod here;
mod site;

use std::{sync::Arc, time::Duration};

use futures_util::{Future, FutureExt, future::join_all};
use serde::Serialize;

use super::{keys::Keys, launches::Launches, secrets::Secrets, sources::Sources};
use crate::{
    base::{
        context::Context,
        error::{Error, Result},
    },
    config::Config,
    image::model::Health,
    ports::{
        Cache, Checker, Notifier, Signers,
        store::{Standing, Store},
    },
};

/// How long one answer may take.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It works.
    Good,
    /// It works without it, or it will not work for long.
    Caution,
    /// Something that was set up does not work.
    Bad,
}

impl State {
    /// The sign before its line.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Caution => "!",
            Self::Bad => "✗",
        }
    }

    /// The role of its colour.
    pub fn role(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Caution => "caution",
            Self::Bad => "bad",
        }
    }
}

/// Something `wharf doctor` and the Sources screen report: what it is, how it is, and what to do if it is not well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked for.
    pub what: String,
    /// How it is.
    pub state: State,
    /// What was found.
    pub found: String,
    /// What to do about it; empty where nothing is to be done.
    pub advice: String,
}

impl Finding {
    /// A finding; what is well needs no advice.
    pub fn new(what: impl Into<String>, state: State, found: impl Into<String>, advice: impl Into<String>) -> Self {
        let advice = if state == State::Good { String::new() } else { advice.into() };
        Self { what: what.into(), state, found: found.into(), advice }
    }

    /// That it works.
    pub fn good(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(what, State::Good, found, "")
    }

    /// Why it does not work.
    pub fn failed(what: impl Into<String>, state: State, error: &Error) -> Self {
        Self::new(what, state, error.why.clone(), error.hint.clone())
    }
}

/// Who asks, as far as that decides what is red for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Role {
    /// Works on requests: has the steward's key, or is in its group.
    steward: bool,
    /// Nobody else looks after what is asked here.
    alone: bool,
}

impl Role {
    /// How bad it is where something does not work that only a steward needs.
    fn for_steward(self) -> State {
        if self.steward || self.alone { State::Bad } else { State::Caution }
    }
}

/// Looks whether everything works that Wharf leans on. Nothing of it is changed.
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
    /// What was looked for at start and found or not.
    pub(super) findings: Vec<Finding>,
}

impl Doctor {
    /// What was looked for at start and found or not.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Health of every source and backend, asked at the same time: its name, its kind, its answer.
    pub async fn health(&self, cx: &Context) -> Vec<(String, &'static str, Result<Health>)> {
        let (mut all, backends) = tokio::join!(self.sources.health(cx), self.launches.health(cx));
        all.extend(backends.into_iter().map(|(name, answer)| (name, "backend", answer)));
        all
    }

    /// Whoever has the steward's key is one, whatever the store says; else its groups tell.
    async fn role(&self, standing: impl Future<Output = Result<Standing>>) -> Role {
        let rules = &self.config.requests;
        let alone = !rules.store.contains("://");
        let steward = !rules.key.is_empty() || !alone && standing.await.is_ok_and(|standing| standing.me.steward);
        Role { steward, alone }
    }

    /// Everything that is asked, in a fixed order. Nothing is changed and nobody is asked for anything.
    pub async fn look(&self) -> Vec<Finding> {
        let cx = Context::default().within(PATIENCE);
        let (mut all, places, others) = tokio::join!(async { self.findings.clone() }, self.places(&cx), self.checks());
        all.extend(places);
        all.extend(others);
        all
    }

    /// The same without what was found at start, and without sources and backends.
    pub async fn checks(&self) -> Vec<Finding> {
        let cx = Context::default().within(PATIENCE);
        let set_up = self.has_requests();
        let standing = cx.run("ask the store", self.store.standing()).boxed().shared();
        let role = self.role(standing.clone()).boxed().shared();
        let mut asked = vec![
            self.configuration().boxed(),
            self.secret_store(&cx).boxed(),
            self.tools(&cx, role.clone()).boxed(),
            self.signing_keys(&cx, role.clone()).boxed(),
            self.ways_to_tell(&cx, role.clone()).boxed(),
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
