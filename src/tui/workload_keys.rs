//! Which keys mean something for a workload in its state, and why the others do not.

use super::kit::action::Action;
use wharf_core::{launch::plan::State, ports::Ability};

/// The actions that need a workload.
pub const CHANGES: [Action; 7] =
    [Action::Shell, Action::Attach, Action::Stop, Action::Start, Action::Restart, Action::Snapshot, Action::Remove];

/// The ability that a backend must have for an action; `None` where every backend can do it.
pub fn ability(action: Action) -> Option<Ability> {
    Some(match action {
        Action::Shell => Ability::Terminal,
        Action::Attach => Ability::Attach,
        Action::Start | Action::Restart => Ability::Start,
        Action::Snapshot => Ability::Snapshot,
        Action::Remove => Ability::Remove,
        Action::Search
        | Action::Times
        | Action::Follow
        | Action::Wrap
        | Action::Level
        | Action::OnlyMatches
        | Action::NextError
        | Action::SaveOutput => Ability::Logs,
        _ => return None,
    })
}

/// Why an action means nothing for a workload in this state; `None` if it does.
pub fn why_not_now(action: Action, state: &State) -> Option<&'static str> {
    match action {
        Action::Stop if state.may_stop() => None,
        Action::Shell | Action::Attach if *state == State::Running => None,
        Action::Stop | Action::Shell | Action::Attach => Some(match state {
            State::Created => "it was not started yet",
            State::Queued { .. } => "it waits to be started",
            State::Starting => "it is only being started",
            State::Running => "it runs",
            State::Paused => "it is paused: nothing answers in it",
            State::Stopping => "it is being stopped already",
            State::Exited(_) | State::OutOfMemory | State::Failed(_) => "it has ended",
            State::Other(_) => "whether it runs is not known",
        }),
        Action::Start => match state {
            State::Running => Some("it runs already"),
            State::Paused => Some("it is paused"),
            State::Queued { .. } | State::Starting => Some("it is about to start"),
            State::Stopping => Some("it is being stopped: wait until it has ended"),
            _ => None,
        },
        _ => None,
    }
}
