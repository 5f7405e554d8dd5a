//! Answers: what jobs and sources sent is put where it belongs, by subject.

use std::ops::ControlFlow;

use crate::tui::{
    msg::{Effect, Msg},
    state::State,
};

/// The topmost screen of a kind: an answer belongs to it also while another one covers it.
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

/// An answer came. One for a screen that is gone changes nothing.
pub fn arrived(state: &mut State, msg: Msg) -> Vec<Effect> {
    match by_subject(state, msg) {
        ControlFlow::Break(effects) => effects,
        // Keys and the like are no answers.
        ControlFlow::Continue(_) => Vec::new(),
    }
}

/// Each subject takes its own answers, and gives the others on.
fn by_subject(state: &mut State, msg: Msg) -> ControlFlow<Vec<Effect>, Msg> {
    let msg = lists::arrived(state, msg)?;
    let msg = images::arrived(state, msg)?;
    let msg = sharing::arrived(state, msg)?;
    let msg = requests::arrived(state, msg)?;
    let msg = running::arrived(state, msg)?;
    jobs::arrived(state, msg)
}
