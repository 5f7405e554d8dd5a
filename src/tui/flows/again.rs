//! Launching again what was launched before: choosing the launch, and opening its launch screen.

use crate::{
    kit::action::Action,
    msg::{EarlierLaunch, Effect, RunEffect},
    popups::pick::{Item, Pick, Purpose},
    screens::launch,
    state::{Screen, State},
};
use wharf_core::{
    base::{clean, error::Result, text},
    launch::ledger::{LaunchAgain, LaunchRecord},
};

/// The most characters of what became of a launch, in the list to choose from.
const BECAME: usize = 40;

/// Reads what it takes to launch something again.
pub fn ask(state: &mut State, of: EarlierLaunch) -> Vec<Effect> {
    state.say("reading that launch and its image…");
    vec![Effect::Run(RunEffect::Again(of))]
}

/// Asks which of the launches is made again.
pub fn choose(state: &mut State, all: Result<Vec<LaunchRecord>>) -> Vec<Effect> {
    let all = match all {
        Ok(all) => all,
        Err(error) => {
            state.fail(&error);
            return Vec::new();
        }
    };
    if !is_waited_for(state) {
        return Vec::new();
    }
    if all.is_empty() {
        let (images, launch) =
            (state.keymap.label("global", Action::Catalog), state.keymap.label("catalog", Action::Launch));
        state.say(format!("no launch is kept yet: choose an image ({images}), and press {launch}"));
        return Vec::new();
    }
    let now = state.now;
    let item = |one: &LaunchRecord| {
        let image = one.plan.image.reference.short_text();
        let label = format!("{} {} on {}", text::age(one.began, now), clean::line(&image), one.plan.backend);
        let became = clean::short(&one.outcome_words(), BECAME);
        Item { value: one.key().to_owned(), ..Item::plain(label, became) }
    };
    state.pick(Pick::new("Launch again", Purpose::Again, all.iter().map(item).collect()))
}

/// Opens the launch screen of something that was launched before, with the answers of then.
pub fn open(state: &mut State, again: Result<LaunchAgain>) -> Vec<Effect> {
    match again {
        Ok(again) if is_waited_for(state) => {
            state.notice = None;
            let page = launch::Page::again(again, state.backends.clone());
            let asks = page.ask_form();
            state.stack.push(Screen::Launch(Box::new(page)));
            vec![asks]
        }
        // The person went elsewhere meanwhile.
        Ok(_) => Vec::new(),
        Err(error) => {
            state.fail(&error);
            Vec::new()
        }
    }
}

/// Whether the screen is shown on which a launch is made again, so that nothing opens over another one.
fn is_waited_for(state: &State) -> bool {
    matches!(state.screen(), Screen::Workloads(_) | Screen::Workload(_)) && state.popups.is_empty()
}
