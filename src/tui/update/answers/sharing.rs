//! Answers about shares and offers.

use std::ops::ControlFlow::{self, Break, Continue};

use crate::{
    flows::share,
    msg::{Effect, Msg},
    state::{Screen, State},
};

/// Handles an answer about shares and offers; returns any other message unhandled.
pub fn arrived(state: &mut State, msg: Msg) -> ControlFlow<Vec<Effect>, Msg> {
    match msg {
        Msg::Shares(result) => {
            if let Some(page) = topmost!(state, Screen::Image) {
                page.shared_with(result);
            }
        }
        Msg::Offers(offers, failed) => {
            state.offered = offers.iter().filter(|offer| !offer.outgoing).count();
            if let Some(page) = topmost!(state, Screen::Inbox) {
                page.offered(state.model.offered);
            }
            if let Some(page) = topmost!(state, Screen::Offers) {
                page.arrived(offers, failed);
            }
        }
        Msg::Projects(source, projects) => share::projects_arrived(state, &source, projects),
        Msg::SharePlans(target, plans) => share::planned(state, &target, plans),
        Msg::Given(given) => share::given(state, &given),
        other => return Continue(other),
    }
    Break(Vec::new())
}
