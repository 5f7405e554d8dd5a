//! The rows of the table: each source, then each backend that is no source, with what is known of it.

use crate::model::{Held, Model, SourceLine};
use wharf_core::{
    base::{
        error::{Error, Kind, Result},
        text,
    },
    image::model::Health,
    portal::answers::{BACKEND, HealthAnswer},
    ports::Listing,
};

/// A source or backend, in the words of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SourceRow {
    /// Its name.
    pub name: String,
    /// The name of its adapter; `backend` for what only launches.
    pub kind: String,
    /// Whether it answers: sign and word, and the theme's role.
    pub state: (&'static str, &'static str),
    /// Who the person is there.
    pub who: String,
    /// How many images are known of it.
    pub has: String,
    /// How old that list is.
    pub age: String,
    /// Whether it or its backend does not work, or its list cannot be read.
    pub failed: bool,
}

/// What a source or backend answered; `backend` says which of the two.
pub(super) fn answer<'a>(all: &'a [HealthAnswer], name: &str, backend: bool) -> Option<&'a Result<Health>> {
    all.iter().find(|one| one.name == name && one.is_backend() == backend).map(|one| &one.answer)
}

/// The rows in the order in which sources and backends are shown everywhere.
pub(super) fn rows(model: &Model, health: &[HealthAnswer]) -> Vec<SourceRow> {
    let sources = model.sources.iter().map(|source| {
        let own = answer(health, &source.name, false);
        let launching = answer(health, &source.name, true);
        let held = model.held.iter().find(|held| held.source == source.name);
        let failed =
            [own, launching].into_iter().flatten().any(Result::is_err) || held.is_some_and(|held| held.error.is_some());
        SourceRow {
            name: source.name.clone(),
            kind: source.adapter.clone(),
            state: if source.hidden {
                ("· hidden", "dim")
            } else {
                state(own, held.and_then(|held| held.error.as_ref()))
            },
            who: who(source, own),
            has: has(source, held),
            age: held.and_then(|held| held.fetched).map(|at| text::age(at, model.now)).unwrap_or_default(),
            failed: failed && !source.hidden,
        }
    });
    let only_backends = model.backends.iter().filter(|name| !model.sources.iter().any(|source| source.name == **name));
    let backends = only_backends.map(|name| {
        let own = answer(health, name, true);
        let account = own.and_then(|answer| answer.as_ref().ok()).map(|health| health.account.clone());
        SourceRow {
            name: name.clone(),
            kind: BACKEND.to_owned(),
            state: state(own, None),
            who: account.unwrap_or_default(),
            has: "launches".to_owned(),
            age: String::new(),
            failed: own.is_some_and(Result::is_err),
        }
    });
    sources.chain(backends).collect()
}

/// Sign and word of an answer, and their role; where it answers, an error of its list counts.
fn state(answer: Option<&Result<Health>>, list: Option<&Error>) -> (&'static str, &'static str) {
    let error = match answer {
        None => return ("… asking", "unknown"),
        Some(Ok(_)) => list,
        Some(Err(error)) => Some(error),
    };
    match error {
        None => ("✓ answers", "good"),
        Some(error) if wants_sign_in(error) => ("✗ wants you", "bad"),
        Some(error) if error.kind == Kind::Unavailable => ("✗ no answer", "bad"),
        Some(_) => ("✗ failed", "bad"),
    }
}

/// Whether an error goes away with a sign-in.
pub(super) fn wants_sign_in(error: &Error) -> bool {
    error.kind == Kind::NotAllowed && error.sign_in.is_some()
}

fn who(source: &SourceLine, answer: Option<&Result<Health>>) -> String {
    match answer {
        Some(Ok(health)) if !health.account.is_empty() => health.account.clone(),
        Some(Ok(_)) if source.abilities.answers_anyone => "anonymous".to_owned(),
        Some(Ok(_)) if source.abilities.is_local => "you".to_owned(),
        Some(Err(error)) if wants_sign_in(error) => "nobody".to_owned(),
        _ => String::new(),
    }
}

fn has(source: &SourceLine, held: Option<&Held>) -> String {
    let Some(held) = held.filter(|_| !source.hidden) else { return String::new() };
    let count = text::plural(held.rows as u64, "image", "images");
    match (source.listing, held.rows) {
        (Listing::SearchOnly, 0) => "searched".to_owned(),
        (Listing::SearchOnly, found) => format!("{found} found"),
        (_, 0) if held.loading => "asking".to_owned(),
        (_, 0) if held.fetched.is_none() => "none yet".to_owned(),
        (_, old) if held.error.is_some() => format!("{old} old"),
        _ => count,
    }
}
