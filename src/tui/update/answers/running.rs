//! Answers about launches and workloads.

use std::ops::ControlFlow::{self, Break, Continue};

use crate::{
    msg::{Effect, Msg, RunEffect},
    state::{Screen, State},
};
use wharf_core::{base::error::Kind, launch::plan::Workload};

/// If output ends within this many milliseconds, the backend probably cannot follow it.
const AT_ONCE: u64 = 3000;

/// Handles an answer about launches and workloads; returns any other message unhandled.
pub fn arrived(state: &mut State, msg: Msg) -> ControlFlow<Vec<Effect>, Msg> {
    let now = state.now;
    match msg {
        Msg::Form(result) => {
            if let Some(page) = topmost!(state, Screen::Launch) {
                return Break(page.form_arrived(result, &mut state.model));
            }
        }
        Msg::Plan(result) => {
            if let Some(page) = topmost!(state, Screen::Launch) {
                page.plan_arrived(*result);
            }
        }
        Msg::Workloads(all, failed) => {
            if let Some(page) = topmost!(state, Screen::Workload) {
                let same = |one: &&Workload| one.backend == page.workload.backend && one.id == page.workload.id;
                if let Some(news) = all.iter().find(same).cloned() {
                    let lives = news.state.is_live();
                    let began = lives && !page.workload.state.is_live();
                    // The output has ended after it had been followed for a while, and the workload runs: so it was
                    // started again.
                    let over = lives && page.lasted && matches!(page.ended, Some(Ok(())));
                    page.workload.set(news);
                    if began || over {
                        return Break(page.watch_again(state.model.clock));
                    }
                }
            }
            if let Some(page) = topmost!(state, Screen::Workloads) {
                page.arrived(all, failed);
            }
        }
        Msg::Log(bytes) => {
            if let Some(page) = topmost!(state, Screen::Workload) {
                page.output.take(&bytes, now);
            }
        }
        Msg::LogEnd(result) => {
            if let Some(page) = topmost!(state, Screen::Workload) {
                if let Some(error) = result.as_ref().err().filter(|_| page.output.times) {
                    if error.kind == Kind::Unsupported {
                        page.output.times = false;
                        state.model.say(error.why.clone());
                        return Break(page.watch_again(state.model.clock));
                    }
                }
                page.output.finish(now);
                page.ended = Some(result);
                page.lasted = state.model.clock.saturating_sub(page.asked) > AT_ONCE;
            }
            return Break(vec![Effect::Run(RunEffect::Workloads)]);
        }
        Msg::Usage(id, told) => match state.stack.last_mut() {
            Some(Screen::Workload(page)) if page.workload.key() == id => page.reading(told),
            Some(Screen::Workloads(page)) => page.measured(id, told),
            _ => {}
        },
        Msg::Terminal(bytes) => {
            if let Some(page) = topmost!(state, Screen::Console) {
                page.parser.process(&bytes);
            }
        }
        Msg::TerminalEnd(result) => {
            if let Some(page) = topmost!(state, Screen::Console) {
                page.ended = Some(result);
            }
        }
        other => return Continue(other),
    }
    Break(Vec::new())
}
