//! Answers about launches and workloads.

use crate::{
    flows::again,
    msg::{Effect, RunEffect, RunNews},
    output::AT_ONCE,
    state::{Screen, State},
    update::commands,
};
use wharf_core::{base::error::Kind, launch::plan::Workload};

/// Handles news of launches and workloads.
pub(super) fn arrived(state: &mut State, news: RunNews) -> Vec<Effect> {
    let now = state.now;
    match news {
        RunNews::Locked(result) => {
            if let Some(page) = topmost!(state, Screen::Launch) {
                page.lock_arrived(*result);
            }
        }
        RunNews::Form(result) => {
            if let Some(page) = topmost!(state, Screen::Launch) {
                return page.form_arrived(result, &mut state.model);
            }
        }
        RunNews::Launches(result) => return again::choose(state, result),
        RunNews::Again(result) => return again::open(state, *result),
        RunNews::Gate(backend, gate) => {
            if let Some(page) = topmost!(state, Screen::Launch) {
                page.gate_arrived(&backend, *gate);
            }
        }
        RunNews::Plan(result) => {
            if let Some(page) = topmost!(state, Screen::Launch) {
                page.plan_arrived(*result);
            }
        }
        RunNews::Workloads(list) => {
            let mut effects = Vec::new();
            if let Some(page) = topmost!(state, Screen::Workload) {
                let same = |one: &&Workload| one.backend == page.workload.backend && one.id == page.workload.id;
                if let Some(news) = list.workloads.iter().chain(&list.parts).find(same).cloned() {
                    let lives = news.state.is_live();
                    let began = lives && !page.workload.state.is_live();
                    // The output has ended after it had been followed for a while, and the workload runs: so it was
                    // started again.
                    let over = lives && page.lasted && matches!(page.ended, Some(Ok(())));
                    page.workload.set(news);
                    if began || over {
                        effects = page.watch_again(state.model.clock);
                    }
                }
            }
            state.model.lists.arrived(list);
            if let Some(page) = topmost!(state, Screen::Workloads) {
                let (all, failed) = state.model.lists.merged();
                // "Nothing runs" is only said when all have answered.
                if !(all.is_empty() && failed.is_empty()) || state.model.lists.unanswered().next().is_none() {
                    page.arrived(all, failed);
                }
                // It was started again between two lists: what is beside the list is read anew.
                let described = &mut state.model.described;
                drop(described.take_if(|one| one.live && page.takes_end(&one.id)));
            }
            return effects;
        }
        RunNews::Log(bytes) => {
            if let Some(page) = topmost!(state, Screen::Workload) {
                page.output.append(&bytes, now);
            }
        }
        RunNews::LogEnd(result) => {
            if let Some(page) = topmost!(state, Screen::Workload) {
                if let Some(error) = result.as_ref().err().filter(|_| page.output.times) {
                    if error.kind == Kind::Unsupported {
                        page.output.times = false;
                        if std::mem::take(&mut page.times_wanted) {
                            state.model.say(error.why.clone());
                        }
                        return page.watch_again(state.model.clock);
                    }
                }
                page.output.finish(now);
                page.ended = Some(result);
                page.lasted = state.model.clock.saturating_sub(page.asked) > AT_ONCE;
            }
            return vec![Effect::Run(RunEffect::Workloads)];
        }
        RunNews::Usage(id, told) => match state.stack.last_mut() {
            Some(Screen::Workload(page)) if page.workload.key() == id => page.reading(told, state.model.clock),
            Some(Screen::Workloads(page)) => page.measured(id, told, state.model.clock),
            _ => {}
        },
        RunNews::Described(id, verdict) => {
            if let Some(page) = topmost!(state, Screen::Workloads) {
                page.set_verdict(id, verdict, state.model.clock);
            }
        }
        RunNews::Tail(id, bytes) => {
            if let Some(page) = topmost!(state, Screen::Workloads) {
                page.printed(&id, &bytes, now);
            }
        }
        RunNews::TailEnd(id, result) => {
            if let Some(page) = topmost!(state, Screen::Workloads) {
                page.output_ended(&id, result, now, state.model.clock);
            }
        }
        news @ (RunNews::Terminal(_) | RunNews::TerminalEnd(_) | RunNews::Edited(_)) => return terminal(state, news),
    }
    Vec::new()
}

/// Handles news of the embedded terminal, and of the editor in it.
fn terminal(state: &mut State, news: RunNews) -> Vec<Effect> {
    let Some(page) = topmost!(state, Screen::Console) else { return Vec::new() };
    match news {
        RunNews::Terminal(bytes) => page.parser.process(&bytes),
        RunNews::TerminalEnd(result) => page.ended = Some(result),
        RunNews::Edited(result) => {
            let mut effects = commands::back(state);
            if let Some(page) = topmost!(state, Screen::Launch) {
                effects.extend(page.edited(result, &mut state.model));
            }
            return effects;
        }
        _ => {}
    }
    Vec::new()
}
