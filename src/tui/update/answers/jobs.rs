//! Answers about jobs, the questions that jobs ask, and the health of sources and backends.

use crate::{
    flows::{copy, share, sources},
    kept::response_times::ResponseTime,
    kit::action::Action,
    msg::{Effect, JobNews, Navigation, TransferEffect},
    popups::{Ask, Confirmation, Popup},
    state::{Screen, State},
};
use wharf_core::{
    base::{
        error::{Kind, Result},
        text,
    },
    launch::plan::Workload,
    portal::{answers::HealthAnswer, doctor::Finding},
    ports::QuestionKind,
};

/// Handles news of jobs, and their questions.
pub(super) fn arrived(state: &mut State, news: JobNews) -> Vec<Effect> {
    match news {
        JobNews::JobNote(id, note) => {
            let clock = state.clock;
            state.jobs.change(|jobs| {
                // What an earlier run has begun goes on in this job.
                jobs.retain(|job| {
                    job.id == id || note.transfer.is_none() || job.transfer() != note.transfer.as_deref()
                });
                if let Some(job) = jobs.iter_mut().find(|job| job.id == id) {
                    job.speed.note(clock, note.done.saturating_sub(note.spared));
                    job.note = note;
                }
            });
        }
        JobNews::Kept(Ok(all)) => {
            let told = state.model.waiting_transfers();
            state.model.keep_transfers(all);
            let waits = state.model.waiting_transfers();
            if !state.model.transfers_told && waits > told && state.model.notice.is_none() {
                let key = state.keymap.label("global", Action::Transfers);
                let transfers = text::plural(waits as u64, "transfer waits", "transfers wait");
                state.say(format!("{transfers} to go on: {key} shows them"));
            }
            state.model.transfers_told = true;
        }
        JobNews::Kept(Err(error)) | JobNews::Told(Err(error)) => state.fail(&error),
        JobNews::Told(Ok(words)) => state.done(words),
        JobNews::JobDone(id, result) => return job_done(state, id, result),
        JobNews::Question(id, question) => state.asked(match question.kind {
            QuestionKind::Confirm => Popup::Confirm { question: question.words, sure: Confirmation::Question(id) },
            kind => Popup::line(question.words, Ask::Question(id, kind == QuestionKind::Secret)),
        }),
        JobNews::Unasked(id) => {
            state.waiting.retain(|popup| !popup.asks(id));
            state.popups.retain(|popup| !popup.asks(id));
        }
    }
    Vec::new()
}

/// The sources screen shows what a source or backend answered.
pub(super) fn health(state: &mut State, answer: HealthAnswer) {
    let is_source = |name: &str| state.sources.iter().any(|source| source.name == name);
    if let Some(time) = ResponseTime::that_counts(&answer, is_source) {
        state.response_times.add(time);
    }
    if let Some(page) = topmost!(state, Screen::Sources) {
        page.answered(answer);
    }
}

/// The sources screen shows the checks of this machine.
pub(super) fn checks(state: &mut State, checks: Vec<Finding>) {
    if let Some(page) = topmost!(state, Screen::Sources) {
        page.checks = checks;
    }
}

fn job_done(state: &mut State, id: u64, result: Result<(String, Option<Workload>)>) -> Vec<Effect> {
    match &result {
        Ok((words, _)) => state.done(words.clone()),
        // Whoever paused or cancelled a transfer is told that by the answer to their key.
        Err(error) if error.kind == Kind::Cancelled && state.is_transfer(id) => {}
        Err(error) if error.kind == Kind::Cancelled => state.say("cancelled"),
        Err(error) => {
            let error = error.clone();
            state.fail(&error);
        }
    }
    let (ended, workload) = match result {
        Ok((words, workload)) => (Ok(words), workload),
        Err(error) => (Err(error), None),
    };
    let failed = ended.is_err();
    let (changed, others) = std::mem::take(&mut state.changing).into_iter().partition(|(job, _)| *job == id);
    state.changing = others;
    let changed: Vec<(u64, String)> = changed;
    state.jobs.change(|jobs| {
        if let Some(job) = jobs.iter_mut().find(|job| job.id == id) {
            job.ended = Some(ended);
        }
    });
    // If the launch screen still waits for this job, the page of the workload replaces it.
    if let Some(Screen::Launch(page)) = state.stack.last_mut() {
        if page.job == Some(id) {
            page.job = None;
            if let Some(workload) = workload {
                state.stack.pop();
                return vec![Effect::Go(Navigation::Workload(Box::new(workload)))];
            }
            if failed {
                // A retry is a new launch, with a plan and an idempotency key of its own.
                return page.replan();
            }
        }
    }
    let mut effects = Vec::new();
    for (_, source) in changed.iter().filter(|_| !failed) {
        effects.extend(copy::after_change(state, source));
    }
    sources::changed(state, id, failed);
    if !failed && state.model.restarting.take_if(|job| *job == id).is_some() {
        match state.stack.last_mut() {
            Some(Screen::Workload(page)) => effects.extend(page.watch_again(state.model.clock)),
            // What stands beside the list is read again, too.
            Some(Screen::Workloads(_)) => state.model.described = None,
            _ => {}
        }
    }
    if state.is_transfer(id) && !matches!(state.screen(), Screen::Transfers(_)) {
        effects.push(Effect::Transfer(TransferEffect::Once));
    }
    effects.extend(state.shown().after_job(!changed.is_empty()));
    effects.extend(share::after_job(state));
    effects
}
