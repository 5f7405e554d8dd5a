//! Reading requests from the shared store, for lists and pages, and hearing of changes. Only the set-up changes
//! anything. Every call fails if the store does not answer, and gives only what this person may see.

use serde::Serialize;

use super::Requests;
use crate::{
    base::{error::Result, text},
    ports::store::Steward,
    request::{Caller, Change, Class, Group, Id, Pace, QueueOverview, Request, RequestFilter},
};

/// A request with its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RequestWithHistory {
    /// The request as the store has it now.
    pub request: Request,
    /// What happened to it, the oldest first.
    pub history: Vec<Change>,
    /// How many requests are before it in the same queue.
    pub ahead: i64,
}

impl Requests {
    /// Requests in the order of `which`, skipping `skip`, at most `most`.
    pub async fn list(&self, which: RequestFilter, skip: i64, most: i64) -> Result<Vec<Request>> {
        self.store.requests(which, skip, most).await
    }

    /// The groups of the queue, the largest first.
    pub async fn groups(&self) -> Result<Vec<Group>> {
        self.store.groups().await
    }

    /// How requests went lately, and which approvals end soon; `NotAllowed` if this person is no approver.
    pub async fn overview(&self) -> Result<QueueOverview> {
        self.store.overview().await
    }

    /// One request; `NotFound` if this person may not see it.
    pub async fn one(&self, id: Id) -> Result<Request> {
        self.store.request(id).await
    }

    /// One request with its history and its place in the queue; `NotFound` if this person may not see it.
    pub async fn followed(&self, id: Id) -> Result<RequestWithHistory> {
        let (request, history) = (self.store.request(id).await?, self.store.history(id).await?);
        let ahead = self.store.ahead(id).await?;
        Ok(RequestWithHistory { request, history, ahead })
    }

    /// A request, and all that is known of it as text.
    pub async fn request_with_text(&self, id: Id) -> Result<(Request, String)> {
        let store = &self.store;
        let (request, history) = (store.request(id).await?, store.history(id).await?);
        let (pace, ahead) = (self.pace().await, store.ahead(id).await.unwrap_or(0));
        let text = request.describe(&history, pace, ahead, text::now());
        Ok((request, text))
    }

    /// Approvals of classes that are in force.
    pub async fn classes(&self) -> Result<Vec<Class>> {
        self.store.classes().await
    }

    /// How long recent requests waited, and whether a steward works; unknown if the store does not answer.
    pub async fn pace(&self) -> Pace {
        let (pace, stewards) = tokio::join!(self.store.pace(), self.store.stewards());
        let no_steward = stewards.is_ok_and(|all| !all.iter().any(Steward::is_alive));
        Pace { no_steward, ..pace.unwrap_or_default() }
    }

    /// Who this person is for the store, and what they may do there.
    pub async fn caller(&self) -> Result<Caller> {
        self.store.caller().await
    }

    /// The same; `None` if the store was never used, which does not create it.
    pub async fn caller_if_known(&self) -> Result<Option<Caller>> {
        if self.store.is_there() { self.store.caller().await.map(Some) } else { Ok(None) }
    }

    /// Waits until something has changed in the store, as far as it tells; may return without a change.
    pub async fn changed(&self) -> Result<()> {
        self.store.news().await
    }

    /// Whether [`Requests::changed`] waits for the store's notification instead of polling, so that it can run all the
    /// time.
    pub fn is_notified_of_changes(&self) -> bool {
        self.store.pushes()
    }

    /// Which store it is, in words.
    pub fn store_name(&self) -> String {
        self.store.describe()
    }

    /// Creates or updates the store's tables; gives what was done, in words. Fails for people who do not own the store.
    pub async fn set_up_store(&self) -> Result<String> {
        let entry = self.journal.entry("set up", self.store.describe());
        self.journal.recorded(entry, self.store.set_up()).await
    }
}
