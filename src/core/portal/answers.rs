//! What sources and backends answer when they are asked whether they work, and how long that takes.

use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;

use crate::{
    base::{context::Context, error::Result},
    image::model::Health,
};

/// The kind of what only launches.
pub const BACKEND: &str = "backend";

/// What a source or backend answered.
#[derive(Debug, Clone)]
pub struct HealthAnswer {
    /// Its name.
    pub name: String,
    /// The name of its adapter; [`BACKEND`] for a backend.
    pub kind: &'static str,
    /// How long the answer took.
    pub took: Duration,
    /// Its health, or why it does not work.
    pub answer: Result<Health>,
}

impl HealthAnswer {
    /// Whether a backend answered; a source may have the same name.
    pub fn is_backend(&self) -> bool {
        self.kind == BACKEND
    }
}

/// Asks within the context's deadline.
pub(super) async fn ask(
    cx: &Context,
    (name, kind): (String, &'static str),
    health: BoxFuture<'_, Result<Health>>,
) -> HealthAnswer {
    let began = Instant::now();
    let answer = cx.run(&format!("ask {name}"), health).await;
    HealthAnswer { name, kind, took: began.elapsed(), answer }
}
