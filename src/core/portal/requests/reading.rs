//! Requests as they stand in the shared store: what lists and pages show, and how changes are heard of. Everything here but the
//! setting up only reads; every call is an error where the store does not answer, and shows nothing that this person may not see.

use serde::Serialize;

use super::Requests;
use crate::{
    base::{error::Result, text},
    ports::store::Steward,
    request::{Change, Class, Group, Id, Me, Pace, Request, Which},
};

/// A request with what happened to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Followed {
    /// The request.
    pub request: Request,
    /// What happened to it, the oldest first.
    pub history: Vec<Change>,
    /// How many of its kind are before it.
    pub ahead: i64,
}

impl Requests {
    /// Requests in the order of `which`, from `skip` on, at most `most`.
    pub async fn list(&self, which: Which, skip: i64, most: i64) -> Result<Vec<Request>> {
        self.store.requests(which, skip, most).await
    }

    /// The groups of the queue, the largest first.
    pub async fn groups(&self) -> Result<Vec<Group>> {
        self.store.groups().await
    }

    /// One request; not found where this person may not see it.
    pub async fn one(&self, id: Id) -> Result<Request> {
        self.store.request(id).await
    }

    /// One request with its history and its place; not found where this person may not see it.
    pub async fn followed(&self, id: Id) -> Result<Followed> {
        let (request, history) = (self.store.request(id).await?, self.store.history(id).await?);
        let ahead = self.store.ahead(id).await?;
        Ok(Followed { request, history, ahead })
    }

    /// Everything that is known of a request, as text.
    pub async fn told(&self, id: Id) -> Result<(Request, String)> {
        let store = &self.store;
        let (request, history) = (store.request(id).await?, store.history(id).await?);
        let (pace, ahead) = (self.pace().await, store.ahead(id).await.unwrap_or(0));
        let text = request.told(&history, pace, ahead, text::now());
        Ok((request, text))
    }

    /// Approvals of classes that still count.
    pub async fn classes(&self) -> Result<Vec<Class>> {
        self.store.classes().await
    }

    /// How long others waited, and whether a steward is there to go on with it; unknown where the store does not answer.
    pub async fn pace(&self) -> Pace {
        let (pace, stewards) = tokio::join!(self.store.pace(), self.store.stewards());
        let no_steward = stewards.is_ok_and(|all| !all.iter().any(Steward::is_alive));
        Pace { no_steward, ..pace.unwrap_or_default() }
    }

    /// Who this person is for the store, and what they may do there.
    pub async fn me(&self) -> Result<Me> {
        self.store.me().await
    }

    /// The same; `None` of a store that nobody has used yet, which is not made for it.
    pub async fn me_if_there(&self) -> Result<Option<Me>> {
        if self.store.is_there() { self.store.me().await.map(Some) } else { Ok(None) }
    }

    /// Waits until something has changed in the store, as far as it tells; it may come back without reason.
    pub async fn changed(&self) -> Result<()> {
        self.store.news().await
    }

    /// Whether [`Requests::changed`] waits without looking: then somebody may wait for it all the time.
    pub fn hears_changes(&self) -> bool {
        self.store.pushes()
    }

    /// Which store it is, in words.
    pub fn store_name(&self) -> String {
        self.store.describe()
    }

    /// Makes or brings up to date what is in the store; gives what was done, in words. An error for whoever does not own it.
    pub async fn set_up_store(&self) -> Result<String> {
        let entry = self.journal.entry("set up", self.store.describe());
        self.journal.recorded(entry, self.store.set_up()).await
    }
}
