//! Answers about shares and offers.

use crate::{
    flows::share,
    msg::{Effect, ShareNews},
    state::{Screen, State},
};

/// Handles news of shares and offers.
pub(super) fn arrived(state: &mut State, news: ShareNews) -> Vec<Effect> {
    match news {
        ShareNews::Shares(result) => {
            if let Some(page) = topmost!(state, Screen::Image) {
                page.shared_with(result);
            }
        }
        ShareNews::Offers(offers, failed) => {
            state.offered = offers.iter().filter(|offer| !offer.outgoing).count();
            if let Some(page) = topmost!(state, Screen::Inbox) {
                page.offered(state.model.offered);
            }
            if let Some(page) = topmost!(state, Screen::Image) {
                page.offered(&offers);
            }
            if let Some(page) = topmost!(state, Screen::Offers) {
                page.arrived(offers, failed);
            }
        }
        ShareNews::SharedByMe(shared) => {
            if let Some(page) = topmost!(state, Screen::Offers) {
                page.shared_arrived(shared);
            }
        }
        ShareNews::Projects(source, projects) => share::projects_arrived(state, &source, projects),
        ShareNews::SharePlans(target, plans) => share::planned(state, &target, plans),
        ShareNews::Holders(target, holders) => share::holders_arrived(state, &target, holders),
        ShareNews::Contacts(contacts) => share::contacts_arrived(state, contacts),
        ShareNews::Handed(person, link) => share::handed(state, &person, link),
        ShareNews::Given(given) => share::given(state, &given),
    }
    Vec::new()
}
