//! All that is known of the selected source or backend, and what to do about it as keys of this screen.

use super::{
    Page,
    rows::{answer, wants_sign_in},
};
use crate::{
    kit::{action::Action, reading::Reading},
    model::{Model, SourceLine},
};
use wharf_core::{
    base::{
        error::{Error, Result},
        text,
    },
    image::model::Health,
};

impl Page {
    /// The text about the selected row, for a pane of so many columns.
    pub(super) fn detail_text(&self, width: u16, model: &Model) -> Reading {
        let mut told = Reading::new(width);
        let Some(row) = self.selected(model) else { return told };
        let health = &self.health;
        let source = model.sources.iter().find(|source| source.name == row.name);
        let own = answer(health, &row.name, source.is_none());
        state(&mut told, own, model);
        if let Some(Err(error)) = source.and_then(|_| answer(health, &row.name, true)) {
            failed(&mut told, &format!("nothing can be launched there: {}", error.why), error, model);
        }
        if let Some(source) = source {
            list(&mut told, source, own, model);
            choices(&mut told, source, model);
        }
        if let Some(Ok(health)) = own {
            account(&mut told, source, health);
        }
        if let Some(source) = source {
            let facts = [("kind", &source.adapter), ("address", &source.address), ("found in", &source.origin)];
            for (label, words) in facts {
                if !words.is_empty() {
                    told.say(&format!("{label}: {words}"), "dim");
                }
            }
        }
        told
    }
}

/// The key of an action on this screen.
fn key(model: &Model, action: Action) -> String {
    model.keymap.label("sources", action)
}

/// Whether it answers, and what to do if it does not.
fn state(told: &mut Reading, answer: Option<&Result<Health>>, model: &Model) {
    match answer {
        None => told.say("it is being asked", "dim"),
        Some(Ok(_)) => told.signed("✓", "good", "it answers"),
        Some(Err(error)) => failed(told, &error.why, error, model),
    }
}

/// An error, and the key or the words that mend it.
fn failed(told: &mut Reading, why: &str, error: &Error, model: &Model) {
    told.signed("✗", "bad", why);
    if wants_sign_in(error) {
        told.signed("→", "key", &format!("{} signs in", key(model, Action::SignIn)));
    } else if !error.hint.is_empty() {
        told.signed("→", "key", &error.hint);
    }
}

/// How its list stands: how many images, how old, and why it cannot be read.
fn list(told: &mut Reading, source: &SourceLine, own: Option<&Result<Health>>, model: &Model) {
    let Some(held) = model.held.iter().find(|held| held.source == source.name) else { return };
    let count = text::plural(held.rows as u64, "image", "images");
    let age = match held.fetched {
        Some(at) => format!(", listed {}", text::ago(at, model.now)),
        None if held.loading => ", being listed".to_owned(),
        None => String::new(),
    };
    told.say(&format!("{count}{age}: {} shows them", key(model, Action::Open)), "text");
    // What it does not answer is no news of its list.
    if let (Some(error), Some(Ok(_))) = (&held.error, own) {
        failed(told, &format!("its list: {}", error.why), error, model);
    }
}

/// What the person chose about it, and the key that takes it back.
fn choices(told: &mut Reading, source: &SourceLine, model: &Model) {
    let leave_out = key(model, Action::LeaveOut);
    if source.hidden {
        told.signed("·", "dim", &format!("left out of lists: {leave_out} shows it again"));
    }
    if source.added {
        told.signed("·", "dim", &format!("added in Wharf: {leave_out} removes it, wharf sources prints its lines"));
    }
}

/// Who the person is there, and what it tells of itself. Others need a project's id, and no other screen shows it.
fn account(told: &mut Reading, source: Option<&SourceLine>, health: &Health) {
    let anyone = source.is_some_and(|source| source.abilities.answers_anyone);
    let who = match health.account.as_str() {
        "" if anyone => "anonymous",
        account => account,
    };
    let who: Vec<&str> = [who, &health.credentials].into_iter().filter(|part| !part.is_empty()).collect();
    if !who.is_empty() {
        told.say(&format!("you are: {}", who.join(" · ")), "text");
    }
    if !health.note.is_empty() {
        told.say(&format!("it says: {}", health.note), "text");
    }
}
