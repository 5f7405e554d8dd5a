//! Working on several requests at the same time, each in its own task: a slow or failing one does not affect the
//! others.

use std::sync::Arc;

use tokio::{sync::watch::Receiver, task::JoinSet};

use super::{
    AWAY, LEASE, QUIET, Steward,
    round::{Round, RoundObserver, report_round},
    tools::StewardKeys,
};
use crate::{
    base::{
        context::Context,
        error::{Error, Kind, Result},
        text,
    },
    request::{Id, Pace, Request},
};

/// The requests that are being worked on.
#[derive(Default)]
pub(super) struct WorkInProgress(JoinSet<(Id, Result<Request>)>);

impl WorkInProgress {
    /// Waits until one request is done; if there is none, waits forever.
    async fn done(&mut self) -> Round {
        let Some(done) = self.0.join_next().await else { return std::future::pending().await };
        match done {
            Ok((id, Ok(request))) => Round { requests: vec![(id, standing(&request))], ..Round::default() },
            Ok((_, Err(error))) if error.kind == Kind::Cancelled => Round::default(),
            Ok((id, Err(error))) => Round { failed: vec![format!("request {id}: {error}")], ..Round::default() },
            Err(error) => Round::failing(&Error::failed("work on a request", error)),
        }
    }
}

impl Steward {
    /// Claims requests for all free hands.
    async fn fill(self: &Arc<Self>, hands: &mut WorkInProgress, cx: &Context, tools: &StewardKeys) -> Result<()> {
        let rules = &self.config.requests;
        // One extra hand takes revoked admissions only, so that slow images never delay those.
        while hands.0.len() <= rules.parallel() && !cx.cancel.is_cancelled() {
            let most = if hands.0.len() < rules.parallel() { rules.per_person() } else { 0 };
            let Some(request) = self.store.claim(LEASE, most).await? else { break };
            let (steward, cx, tools) = (self.clone(), cx.clone(), tools.clone());
            hands.0.spawn(async move { (request.id, Box::pin(steward.work_on(&cx, &tools, request)).await) });
        }
        Ok(())
    }

    /// Works on requests until there is nothing to do right now.
    pub(super) async fn requests_round(self: &Arc<Self>, cx: &Context, tools: &StewardKeys) -> Result<Round> {
        let (mut hands, mut all) = (WorkInProgress::default(), Round::default());
        loop {
            let filled = self.fill(&mut hands, cx, tools).await;
            if hands.0.is_empty() {
                return filled.map(|()| all);
            }
            all = all.and(hands.done().await);
        }
    }

    /// Works on requests until it is cancelled: on news, when a hand is free, and from time to time.
    pub(super) async fn serve_requests(
        self: Arc<Self>,
        cx: Context,
        tools: StewardKeys,
        tell: RoundObserver,
        mut news: Receiver<()>,
    ) {
        let (mut hands, mut away) = (WorkInProgress::default(), false);
        loop {
            let filled = self.fill(&mut hands, &cx, &tools).await;
            let pause = if filled.is_ok() { QUIET } else { AWAY };
            report_round(&filled.map(|()| Round::default()), &mut away, &tell);
            tokio::select! {
                () = cx.cancel.cancelled() => return,
                done = hands.done() => if !done.is_empty() { tell(&done) },
                () = tokio::time::sleep(pause) => {}
                _ = news.changed(), if !away => {}
            }
        }
    }
}

/// The state of a request after the work, in words.
fn standing(request: &Request) -> String {
    request.standing(Pace::default(), text::now())
}
