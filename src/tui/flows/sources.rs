//! Adding a source from an address, removing it again, and leaving a source out of lists.

use super::open::open;
use crate::{
    kit::input::Input,
    model::SourceChange,
    msg::{Effect, SourceEffect, SourceNews},
    popups::{Ask, Popup, adding::Adding},
    state::{Screen, State},
};
use wharf_core::portal::own_sources::Trial;

/// Opens the sources, and asks for an address to add, beginning with `typed`.
pub fn add(state: &mut State, typed: String) -> Vec<Effect> {
    let effects = match state.screen() {
        Screen::Sources(_) => Vec::new(),
        _ => open(state, Screen::Sources(Box::default()), Effect::Health),
    };
    let about = [
        "a registry    its address: registry.example.org, or of an image: ghcr.io/owner/name",
        "a folder      its path: /srv/images or ~/images, with disks, SIF files or OCI layouts",
        "a cloud       its name in clouds.yaml, which belongs into ~/.config/openstack",
    ];
    state.popups.push(Popup::Line {
        title: "Where are the images?".to_owned(),
        about: about.map(str::to_owned).to_vec(),
        input: Input::new(typed),
        ask: Ask::SourceAddress,
    });
    effects
}

/// An address was typed: tries it, and shows what it is.
pub fn address_typed(state: &mut State, address: String) -> Vec<Effect> {
    state.popups.push(Popup::Adding(Box::new(Adding::new(address.clone()))));
    vec![Effect::Source(SourceEffect::Try { address })]
}

/// Hands what an address is to the popup that waits for it.
pub fn arrived(state: &mut State, news: SourceNews) {
    let SourceNews::Tried(address, told) = news;
    let waiting = state.popups.news().rev().find_map(|popup| match popup {
        Popup::Adding(adding) if adding.address == address && adding.told.is_none() => Some(adding),
        _ => None,
    });
    if let Some(adding) = waiting {
        adding.told = Some(*told);
    }
}

/// The person agreed: keeps the source, as a job, and starts again with it.
pub fn keep(state: &mut State, trial: Trial) -> Vec<Effect> {
    let name = trial.entry.name.clone();
    let job = state.job(format!("add the source {name}"));
    again_after(state, job, name);
    vec![Effect::Source(SourceEffect::Add { job, entry: Box::new(trial.entry) })]
}

/// Removes the source of this name if it was added from within Wharf; any other is left out of lists, or shown again.
pub fn leave_out(state: &mut State, name: String) -> Vec<Effect> {
    // What is shown of the sources is as they were before an earlier change.
    if let Some(why) = state.why_sources_stay() {
        let waits = state.waits_to_start_again().map(|for_what| format!(", {for_what}")).unwrap_or_default();
        state.say(format!("nothing was done: {why}{waits}"));
        return Vec::new();
    }
    let Some(source) = state.sources.iter().find(|source| source.name == name) else { return Vec::new() };
    let (added, hidden) = (source.added, source.hidden);
    let words = match (added, hidden) {
        (true, _) => format!("remove the source {name}"),
        (false, false) => format!("leave {name} out of lists"),
        (false, true) => format!("show {name} in lists"),
    };
    let job = state.job(words);
    again_after(state, job, name.clone());
    let effect =
        if added { SourceEffect::Remove { job, name } } else { SourceEffect::Hide { job, name, hidden: !hidden } };
    vec![Effect::Source(effect)]
}

/// Notes that Wharf starts again after a job that changes a source.
fn again_after(state: &mut State, job: u64, source: String) {
    let stood = match state.screen() {
        Screen::Sources(page) => page.selected_name(&state.model),
        _ => None,
    };
    state.again_after.push((job, SourceChange { source, stood }));
}

/// A job has ended: where it changed a source, Wharf starts again as soon as it can, and says what it waits for.
pub fn changed(state: &mut State, job: u64, failed: bool) {
    let Some(at) = state.again_after.iter().position(|(known, _)| *known == job) else { return };
    let (_, change) = state.again_after.remove(at);
    if failed {
        return;
    }
    state.again = Some(change);
    if let (Some(for_what), Some(told)) = (state.waits_to_start_again(), state.notice.clone()) {
        state.done(format!("{} · used {for_what}", told.text));
    }
}
