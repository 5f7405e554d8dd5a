//! Handling the answers of jobs: each goes to the screen or list that it is for.

use std::ops::ControlFlow;

use crate::{
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

/// Handles an answer. One for a screen that was closed changes nothing.
pub fn arrived(state: &mut State, msg: Msg) -> Vec<Effect> {
    match by_subject(state, msg) {
        ControlFlow::Break(effects) => effects,
        // Keys and other events of the terminal are no answers.
        ControlFlow::Continue(_) => Vec::new(),
    }
}

/// Gives the message to each subject in turn, until one of them handles it.
fn by_subject(state: &mut State, msg: Msg) -> ControlFlow<Vec<Effect>, Msg> {
    let msg = lists::arrived(state, msg)?;
    let msg = images::arrived(state, msg)?;
    let msg = sharing::arrived(state, msg)?;
    let msg = requests::arrived(state, msg)?;
    let msg = running::arrived(state, msg)?;
    jobs::arrived(state, msg)
}
