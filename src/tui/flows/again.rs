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
/// Stands before the key of a launch that is finished, in the value of a choice.
const FINISH: &str = "finish ";

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
    let items = |one: &LaunchRecord| {
        let image = one.plan.image.reference.short_text();
        // The registry would leave no room for what became of it.
        let name = image.rmatch_indices('/').nth(1).map_or(image.as_str(), |(at, _)| &image[at + 1..]);
        let label = format!("{} {} on {}", text::age(one.began, now), clean::line(name), one.plan.backend);
        let became = clean::short(&one.outcome_words(), BECAME);
        let again = Item { value: one.key().to_owned(), ..Item::plain(label.clone(), became) };
        // What was never answered is not simply made a second time.
        let finish = Item { value: format!("{FINISH}{}", one.key()), ..Item::plain(label, "find or finish it") };
        if one.is_lost(now) { vec![finish, again] } else { vec![again] }
    };
    let items = all.iter().flat_map(items).collect();
    let open = all.into_iter().filter(|one| one.is_lost(now)).collect();
    state.pick(Pick::new("Launch again", Purpose::Again(open), items))
}

/// A launch was chosen: it is made again, or the plan of one of the `open` ones carried out once more, which finds the
/// workload that it made, or makes it.
pub fn chosen(state: &mut State, open: Vec<LaunchRecord>, value: String) -> Vec<Effect> {
    let Some(key) = value.strip_prefix(FINISH) else { return ask(state, EarlierLaunch::Key(value)) };
    let Some(record) = open.into_iter().find(|record| record.key() == key) else { return Vec::new() };
    let image = clean::line(&record.plan.image.reference.short_text()).into_owned();
    let job = state.job(format!("finish the launch of {image} on {}", record.plan.backend));
    state.say_begun("looking for what it made");
    vec![Effect::Run(RunEffect::Finish { job, backend: record.plan.backend, key: key.to_owned() })]
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
