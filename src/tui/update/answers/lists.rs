//! Answers about the lists of sources and the search in them.

use super::images;
use crate::{
    flows::copy,
    msg::{Effect, ListNews, Navigation, RequestEffect, ShareEffect},
    state::State,
};

/// Handles news of lists.
pub(super) fn arrived(state: &mut State, news: ListNews) -> Vec<Effect> {
    let now = state.now;
    match news {
        ListNews::Cached(Ok(lists)) => return state.catalog.cached(lists),
        ListNews::Cached(Err(error)) => {
            state.catalog.begun = true;
            state.fail(&error);
        }
        ListNews::Filters(filters) => {
            state.catalog.saved = filters;
            // The first frame is drawn: now there is time to count the person's notices.
            return vec![
                Effect::Request(RequestEffect::Unread),
                Effect::Request(RequestEffect::Me),
                Effect::Request(RequestEffect::Listen { always: true }),
            ];
        }
        ListNews::Rows(source, rows) => return state.catalog.growing(&source, rows),
        ListNews::Listed(source, result) => {
            // A source that has answered may have new offers, too.
            let offers = result.is_ok() && state.sources.iter().any(|known| known.name == source && known.grants);
            let mut effects = state.catalog.listed(&source, result, now);
            effects.extend(offers.then_some(Effect::Share(ShareEffect::Offers)));
            return effects;
        }
        ListNews::More(source, result) => return state.catalog.more(&source, result),
        ListNews::Learnt(source, rows) => return state.catalog.learnt(&source, rows),
        ListNews::Found { number, order, hits } => {
            state.catalog.found(number, order, hits);
            return vec![Effect::Go(Navigation::WaitingKeys)];
        }
        ListNews::Facets { counted, dialog: true } => copy::facets(state, counted),
        ListNews::Facets { counted, dialog: false } => state.catalog.counted(counted),
        ListNews::Looked(source, name, version) => state.catalog.set_details(source, name, version),
        ListNews::Indexed(sets, index) => {
            state.catalog.indexed(&sets, index);
            images::find_copies(state);
        }
        ListNews::Peeked(row, peek) => state.catalog.peeked(row, peek),
        ListNews::Marked { source, name, subject, marks, brief } => {
            state.catalog.marked_as(&subject, marks, *brief);
            state.catalog.set_repository(source, name, &subject);
            state.catalog.narrow_by_marks();
        }
    }
    Vec::new()
}
