//! Handling the answers of jobs: each goes to the screen or list that it is for.

use crate::{
    flows::sources,
    msg::{Effect, Msg},
    state::State,
};

/// The topmost screen of a kind: it takes its answers also while another screen covers it.
macro_rules! topmost {
    ($state:expr, $kind:path) => {
        $state.stack.iter_mut().rev().find_map(|screen| match screen {
            $kind(page) => Some(page),
            _ => None,
        })
    };
}

mod images;
mod jobs;
mod lists;
mod requests;
mod running;
mod sharing;

/// Puts an answer where it belongs. One for a screen that is gone changes nothing; keys and the like are no answers.
pub fn arrived(state: &mut State, msg: Msg) -> Vec<Effect> {
    match msg {
        Msg::List(news) => lists::arrived(state, news),
        Msg::Image(news) => images::arrived(state, news),
        Msg::Share(news) => sharing::arrived(state, news),
        Msg::Request(news) => requests::arrived(state, news),
        Msg::Run(news) => running::arrived(state, news),
        Msg::Job(news) => jobs::arrived(state, news),
        Msg::Source(news) => {
            sources::arrived(state, news);
            Vec::new()
        }
        Msg::Health(answer) => {
            jobs::health(state, answer);
            Vec::new()
        }
        Msg::Checks(checks) => {
            jobs::checks(state, checks);
            Vec::new()
        }
        Msg::Key(_)
        | Msg::Paste(_)
        | Msg::Scroll(_)
        | Msg::Click(..)
        | Msg::Resize(..)
        | Msg::Focus(_)
        | Msg::Drawn
        | Msg::Ended => Vec::new(),
    }
}
