//! The steward: works on requests one after another, from quarantine to signature. Several may run; each step can be
//! done again, so that whoever goes on after a crash finds what was done and does the rest.

mod admit;
mod alive;
mod disk;
mod examine;
pub mod notify;
mod revoke;
pub mod watch;

use std::{sync::Arc, time::Duration};

use super::{
    error::{Error, Kind, Result},
    portal::Portal,
    ports::{Asker, Signer},
    progress::Context,
    reference::ImageRef,
    request::{Event, Request, Stage},
    text,
};

/// For so long a request is in one steward's hands; it is renewed while they work on it.
const LEASE: Duration = Duration::from_secs(60);
/// How often a lease is renewed.
const RENEW: Duration = Duration::from_secs(15);
/// After so many failures a request is given up.
const TRIES: i64 = 8;
/// The longest that a steward sits still: what is due by time is looked at then.
const QUIET: Duration = Duration::from_secs(30);
/// The same where something failed: it is tried again soon.
const SOON: Duration = Duration::from_secs(5);
/// How long to wait after the store did not answer.
const AWAY: Duration = Duration::from_secs(3);

/// What a steward works with.
#[derive(Clone, Default)]
pub struct Tools {
    /// The key that it signs with.
    pub signer: Option<Arc<dyn Signer>>,
    /// The key that it signs the data of disk images with.
    pub disks: Option<Arc<dyn Signer>>,
}

/// What was done in one round.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Round {
    /// Requests that went on, each with how it stands now.
    pub requests: Vec<(i64, String)>,
    /// Images that were judged again.
    pub watched: usize,
    /// Notices that were delivered.
    pub delivered: usize,
    /// What failed, in words.
    pub failed: Vec<String>,
}

impl Round {
    fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.watched == 0 && self.delivered == 0
    }
}

/// The wait before another try: 5, 10, 20 seconds …, at most ten minutes.
pub fn backoff(tries: i64) -> Duration {
    Duration::from_secs(5_u64.saturating_mul(1 << tries.clamp(0, 7)).min(600))
}

/// Whether another try can help.
fn may_pass(error: &Error) -> bool {
    matches!(error.kind, Kind::Unavailable | Kind::Failed | Kind::NotAllowed | Kind::Cancelled)
}

impl Portal {
    /// Opens what a steward works with; a PIN or passphrase is asked for once.
    pub async fn steward_tools(&self, asker: Arc<dyn Asker>) -> Result<Tools> {
        let key = &self.config.requests.key;
        let disk_key = &self.config.requests.disk_key;
        let signer = if key.is_empty() { None } else { Some((self.signers.open)(key, asker.clone()).await?) };
        let disks = if disk_key.is_empty() { None } else { Some((self.signers.open)(disk_key, asker).await?) };
        Ok(Tools { signer, disks })
    }

    /// Works until there is nothing to do right now.
    pub async fn steward_round(&self, cx: &Context, tools: &Tools) -> Result<Round> {
        let mut round = Round::default();
        while !cx.cancel.is_cancelled() {
            let Some(request) = self.store.claim(LEASE).await? else { break };
            let id = request.id;
            match self.work_on(cx, tools, request).await {
                Ok(now) => round.requests.push((id, now.standing(super::request::Pace::default(), text::now()))),
                Err(error) if error.kind == Kind::Cancelled && cx.cancel.is_cancelled() => return Err(error),
                Err(error) => round.failed.push(format!("request {id}: {error}")),
            }
        }
        let watched = self.watch_round(cx, tools).await;
        match watched {
            Ok((count, failed)) => {
                round.watched = count;
                round.failed.extend(failed);
            }
            Err(error) => round.failed.push(error.to_string()),
        }
        let (delivered, failed) = self.deliver_round(cx).await?;
        round.delivered = delivered;
        round.failed.extend(failed);
        Ok(round)
    }

    /// Works until it is cancelled; `tell` hears of every round in which something happened.
    pub async fn steward(&self, cx: &Context, tools: &Tools, tell: &(dyn Fn(&Round) + Send + Sync)) -> Result<()> {
        tokio::select! {
            worked = self.rounds(cx, tools, tell) => worked,
            never = self.keep_saying_alive(tools) => match never {},
        }
    }

    async fn rounds(&self, cx: &Context, tools: &Tools, tell: &(dyn Fn(&Round) + Send + Sync)) -> Result<()> {
        let (mut away, mut failing) = (false, false);
        loop {
            match self.steward_round(cx, tools).await {
                Ok(round) => {
                    away = false;
                    failing = !round.failed.is_empty();
                    if !round.is_empty() || !round.failed.is_empty() {
                        tell(&round);
                    }
                }
                Err(error) if cx.cancel.is_cancelled() => {
                    tracing::info!(%error, "ended in the middle; what was begun goes on with the next one");
                    return Ok(());
                }
                Err(error) => {
                    // The store may be away for a while: said once, tried until it is back.
                    if !away {
                        tell(&Round { failed: vec![error.to_string()], ..Round::default() });
                    }
                    away = true;
                }
            }
            let pause = match (away, failing) {
                (true, _) => AWAY,
                (_, true) => SOON,
                _ => QUIET,
            };
            tokio::select! {
                () = cx.cancel.cancelled() => return Ok(()),
                () = tokio::time::sleep(pause) => {}
                heard = self.store.news(), if !away => if heard.is_err() {
                    tokio::time::sleep(AWAY).await;
                },
            }
        }
    }

    /// Brings one request as far as it goes without a person.
    async fn work_on(&self, cx: &Context, tools: &Tools, request: Request) -> Result<Request> {
        let id = request.id;
        let tries = request.tries;
        let worked = tokio::select! {
            worked = self.bring_on(cx, tools, request) => worked,
            lost = self.hold(id) => Err(lost),
        };
        let Err(error) = worked else { return worked };
        if error.kind == Kind::Cancelled {
            return Err(error);
        }
        let again = (may_pass(&error) && tries + 1 < TRIES).then(|| backoff(tries));
        tracing::warn!(id, %error, "a request did not go on");
        self.store.happen(id, &Event::Failed { why: error.to_string(), again }).await
    }

    /// Renews the claim for as long as it is awaited; ends only when it is lost.
    async fn hold(&self, id: i64) -> Error {
        loop {
            tokio::time::sleep(RENEW).await;
            match self.store.happen(id, &Event::Renew { lease: LEASE }).await {
                Ok(_) => {}
                // Out of reach it may come back before the lease ends.
                Err(error) if error.kind == Kind::Unavailable => {}
                Err(error) => return Error { kind: Kind::Cancelled, ..error },
            }
        }
    }

    async fn bring_on(&self, cx: &Context, tools: &Tools, mut request: Request) -> Result<Request> {
        let mut fresh = false;
        if request.stage == Stage::Gathering {
            let (dossier, next) = self.examine(cx, &request).await?;
            fresh = true;
            request = self.store.happen(request.id, &Event::Judged(Box::new(dossier), next)).await?;
        }
        if request.stage == Stage::Revoking {
            self.take_back_signed(cx, tools, &request).await?;
            request = self.store.happen(request.id, &Event::Revoked).await?;
        }
        if request.stage == Stage::Admitting {
            let admission = self.admit_request(cx, tools, &request, fresh).await?;
            let mut entry = self.entry("admit", format!("{} as {}", request.asked.from, admission.reference));
            entry.digest = admission.digest.parse().ok();
            entry.verdict = request.decision.as_ref().map(|decision| format!("{}: {}", decision.by, decision.reason));
            request = self.store.happen(request.id, &Event::Admitted(admission.clone())).await?;
            // What is known now is what later findings are compared with; without it, it is looked at again once more.
            if let Err(error) = self.watch_from_now(cx, &admission).await {
                tracing::info!(%error, "what was admitted is looked at again");
            }
            self.note(entry, &Ok::<(), Error>(())).await;
        }
        if matches!(request.stage, Stage::Admitted | Stage::Rejected) {
            self.clear_quarantine(&request).await;
        }
        Ok(request)
    }

    /// Removes what was kept of a request in a folder of this machine; what is kept in a registry or a cloud is theirs.
    async fn clear_quarantine(&self, request: &Request) {
        let kept = request.dossier.as_ref().and_then(|dossier| dossier.quarantine.parse::<ImageRef>().ok());
        let below = self.config.state_dir.join("quarantine");
        if let Some(ImageRef::File { path, .. }) = kept {
            if std::path::Path::new(&path).starts_with(&below) {
                let _ = tokio::fs::remove_dir_all(&path).await;
            }
        }
    }
}
