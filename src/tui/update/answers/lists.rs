//! Answers about the lists of sources and the search in them.

use std::ops::ControlFlow::{self, Break, Continue};

use crate::{
    flows::copy,
    msg::{Effect, Go, Msg, RequestEffect, ShareEffect},
    state::State,
};

/// Handles an answer about lists; returns any other message unhandled.
pub fn arrived(state: &mut State, msg: Msg) -> ControlFlow<Vec<Effect>, Msg> {
    let now = state.now;
    match msg {
        Msg::Cached(Ok(lists)) => return Break(state.catalog.cached(lists)),
        Msg::Cached(Err(error)) => {
            state.catalog.begun = true;
            state.fail(&error);
        }
        Msg::Filters(filters) => {
            state.catalog.saved = filters;
            // The first frame is drawn: now there is time to count the person's notices.
            return Break(vec![
                Effect::Request(RequestEffect::Unread),
                Effect::Request(RequestEffect::Me),
                Effect::Request(RequestEffect::Listen { always: true }),
            ]);
        }
        Msg::Rows(source, rows) => return Break(state.catalog.growing(&source, rows)),
        Msg::Listed(source, result) => {
            // A source that has answered may have new offers, too.
            let offers = result.is_ok() && state.sources.iter().any(|known| known.name == source && known.grants);
            let mut effects = state.catalog.listed(&source, result, now);
            effects.extend(offers.then_some(Effect::Share(ShareEffect::Offers)));
            return Break(effects);
        }
        Msg::More(source, result) => return Break(state.catalog.more(&source, result)),
        Msg::Learnt(source, rows) => return Break(state.catalog.learnt(&source, rows)),
        Msg::Found { number, order, hits } => {
            state.catalog.found(number, order, hits);
            return Break(vec![Effect::Go(Go::WaitingKeys)]);
        }
        Msg::Facets(counted) => copy::facets(state, counted),
        Msg::Looked(source, name, version) => state.catalog.looked(source, name, version),
        Msg::Marked { source, name, subject, standing } => {
            state.catalog.marked_as(&subject, standing);
            state.catalog.placed(source, name, &subject);
            state.catalog.narrow_by_standing();
        }
        other => return Continue(other),
    }
    Break(Vec::new())
}
