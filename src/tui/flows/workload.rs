//! Stopping, starting, restarting, removing and snapshotting a workload, from its page or from the list.

use super::share;
use crate::{
    kit::{action::Action, list::SeenRow},
    msg::{Effect, RunEffect},
    popups::{Confirmation, Popup},
    rows::WorkloadId,
    state::State,
};
use wharf_core::launch::plan::Workload;

/// How long engines wait for a program to end before they kill it, as shown in messages.
const END: &str = "10 s";

/// Stops, starts, restarts, removes or snapshots a workload that the last frame showed. Removing is confirmed first.
pub fn change(state: &mut State, action: Action, seen: SeenRow<WorkloadId>, now: &Workload) -> Vec<Effect> {
    match action {
        Action::Stop => {
            let job = state.job(format!("stop {}", seen.called()));
            state.say(format!("stopping {}: it may take {END} to end by itself", seen.called()));
            vec![Effect::Run(RunEffect::Stop { job, workload: seen })]
        }
        Action::Snapshot => share::snapshot(state, &now.name, seen),
        Action::Remove => {
            let running = if now.state.is_live() { "It still runs. " } else { "" };
            let question = format!("{running}Remove {}, with its logs?", seen.called());
            state.popups.push(Popup::Confirm { question, sure: Confirmation::Remove(seen) });
            Vec::new()
        }
        _ => {
            let again = action == Action::Restart;
            let job = state.job(format!("{} {}", action.words(), seen.called()));
            let first = if again { format!(" again: it may take {END} to end first") } else { "…".to_owned() };
            state.say(format!("starting {}{first}", seen.called()));
            state.restarting = Some(job);
            vec![Effect::Run(RunEffect::Start { job, workload: seen, again })]
        }
    }
}
