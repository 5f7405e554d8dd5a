//! Following the workloads of a backend while somebody looks at them: at once, when it tells of a change, when it is asked
//! to, and otherwise at its own pace.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{FutureExt, StreamExt};
use tokio::sync::{Notify, mpsc};

use super::{Launches, workloads::ask_workloads};
use crate::{
    base::{context::Context, error::Result},
    launch::listing::{BackendList, ListScope},
    ports::{Changes, Launcher},
};

/// The time between two lists of a backend that tells of changes: figures in its list age, and a connection can be dead
/// without a sign.
const SELDOM: Duration = Duration::from_secs(30);
/// The least time between two lists, however often a backend tells of changes.
const LEAST: Duration = Duration::from_millis(250);
/// How long a backend may take to begin to tell of changes, and the time between two attempts.
const BEGINS: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_secs(30);
/// The most changes that are taken as one.
const MOST_TOLD: usize = 10_000;

impl Launches {
    /// Lists the workloads of a backend again and again, and gives each list to `out`. `at_once` asks for a list now. Ends
    /// only when nobody takes the lists any more.
    ///
    /// # Errors
    /// `NotFound` where there is no such backend.
    pub async fn follow_list(&self, backend: &str, at_once: &Notify, out: &mpsc::Sender<BackendList>) -> Result<()> {
        let mut watch = Watch::of(self.launcher(Some(backend), None)?);
        loop {
            let began = Instant::now();
            let (cx, launcher) = (Context::default(), watch.launcher.clone());
            let list = ask_workloads(&cx, launcher, ListScope::default()).await;
            watch.listed(&list);
            if out.send(list).await.is_err() {
                return Ok(());
            }
            // A backend that is slow to tell of changes does not delay its list.
            if watch.begin().await && watch.changes.is_some() {
                // What changed before the watch began, it does not tell.
                continue;
            }
            tokio::select! {
                () = at_once.notified() => {}
                () = out.closed() => return Ok(()),
                () = watch.next(began) => {}
            }
        }
    }
}

/// The changes that a backend tells of.
struct Watch {
    launcher: Arc<dyn Launcher>,
    changes: Option<Changes>,
    /// Whether it may be able to tell of changes.
    tells: bool,
    /// When it was last asked to.
    asked: Option<Instant>,
}

impl Watch {
    fn of(launcher: Arc<dyn Launcher>) -> Self {
        Self { launcher, changes: None, tells: true, asked: None }
    }

    /// Asks the backend to tell of changes, unless it does, cannot, or has just failed to. Whether it was asked.
    async fn begin(&mut self) -> bool {
        let recently = self.asked.is_some_and(|asked| asked.elapsed() < AGAIN);
        if self.changes.is_some() || !self.tells || recently {
            return false;
        }
        self.asked = Some(Instant::now());
        let cx = Context::default().with_deadline(BEGINS);
        let what = format!("watch the workloads of {}", self.launcher.name());
        match cx.run(&what, self.launcher.watch(&cx)).await {
            Ok(changes) => {
                self.tells = changes.is_some();
                self.changes = changes;
            }
            Err(error) => tracing::info!(%error, "changes are not told; the list is asked for at its pace"),
        }
        true
    }

    /// A backend that does not answer does not tell of changes either.
    fn listed(&mut self, list: &BackendList) {
        if list.trouble.is_some() {
            self.changes = None;
        }
    }

    /// Waits until the list is to be asked for again; `began` is when it was asked for last.
    async fn next(&mut self, began: Instant) {
        let Some(changes) = &mut self.changes else {
            return tokio::time::sleep(self.launcher.pace()).await;
        };
        match tokio::time::timeout(SELDOM, changes.next()).await {
            Ok(Some(Ok(()))) | Err(_) => {}
            Ok(ended) => {
                tracing::info!(backend = self.launcher.name(), ?ended, "changes are not told any more");
                self.changes = None;
                return tokio::time::sleep(self.launcher.pace()).await;
            }
        }
        tokio::time::sleep(LEAST.saturating_sub(began.elapsed())).await;
        // What was told meanwhile is one change: a list shows all of it.
        let mut told = 0;
        while told < MOST_TOLD && matches!(changes.next().now_or_never(), Some(Some(Ok(())))) {
            told += 1;
        }
    }
}
