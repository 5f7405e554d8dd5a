//! The first page: when it opens and goes by itself, and what closes it for good.

use crate::{
    msg::{Effect, ImageTarget},
    screens::welcome::{MANY, Page},
    state::{Screen, State},
};

/// Opens the first page.
pub fn open(state: &mut State) -> Vec<Effect> {
    if !matches!(state.screen(), Screen::Welcome(_)) {
        let starter = starter(state);
        state.stack.push(Screen::Welcome(Box::new(Page::new(starter))));
    }
    Vec::new()
}

/// Opens the page when all sources have answered and have few images; takes it away when more arrive. Only before the
/// first key, so that no key means something else than the person saw.
pub fn by_itself(state: &mut State) {
    if !state.welcome || state.catalog.touched || !state.catalog.waiting.is_empty() {
        return;
    }
    let few = state.catalog.total() < MANY;
    match state.stack.as_slice() {
        [Screen::Catalog] if few && state.catalog.is_settled() && state.popups.is_empty() => drop(open(state)),
        [Screen::Catalog, Screen::Welcome(_)] if !few => drop(state.stack.pop()),
        _ => {}
    }
}

/// The image that Wharf carries along: the first of the built-in source on this machine.
fn starter(state: &State) -> Option<ImageTarget> {
    let carried = state.sources.iter().find(|source| source.abilities.is_local && source.origin == "built in")?;
    state.catalog.first_of(&carried.name)
}
