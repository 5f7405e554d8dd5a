//! Actions that mean the same on every screen. All others are given to the shown screen.

use super::help;
use crate::{
    flows::{copy, open::open, request, sources, tour, welcome},
    hints,
    kit::{
        action::Action,
        input::Input,
        layout::{Alone, View},
        list::Scrollable,
    },
    msg::{Effect, RunEffect, ShareEffect, TransferEffect},
    popups::{
        Ask, Confirmation, Popup,
        pick::{Item, Pick, Purpose},
    },
    state::{Screen, State},
    told,
};
use wharf_core::{base::text, launch::listing::BackendLists, request::RequestFilter};

/// Carries out the action of a pressed key or a clicked hint, or tells why it cannot be used now.
pub fn press(state: &mut State, action: Action) -> Vec<Effect> {
    match hints::disabled(state, action) {
        Some(why) => {
            state.say(format!("{}: {why}", action.words()));
            Vec::new()
        }
        None => run(state, action),
    }
}

/// Carries out an action; one that has no meaning here does nothing.
pub fn run(state: &mut State, action: Action) -> Vec<Effect> {
    if movement(state, action) {
        return Vec::new();
    }
    match action {
        Action::Quit => quit(state),
        Action::Back => back(state),
        Action::Help => help(state),
        Action::Welcome => welcome::open(state),
        Action::Tour => tour::begin(state),
        Action::Palette => {
            let pick = help::palette(state);
            state.pick(pick)
        }
        Action::Preview | Action::OnePane => show_panes(state, action),
        Action::Suspend => {
            state.suspend = true;
            Vec::new()
        }
        Action::Mouse => {
            state.mouse = !state.mouse;
            let on = state.mouse;
            state.say(if on {
                "mouse on: the wheel scrolls, a click selects"
            } else {
                "mouse off: the terminal selects text"
            });
            vec![Effect::Mouse(state.mouse)]
        }
        Action::Themes => {
            let items = state
                .themes
                .iter()
                .map(|name| Item::plain(name.clone(), if *name == state.theme { "in use" } else { "" }))
                .collect();
            let mut pick = Pick::new("Theme", Purpose::Theme, items);
            pick.at.selected = state.themes.iter().position(|name| *name == state.theme).unwrap_or(0);
            state.pick(pick)
        }
        Action::Catalog => home(state),
        Action::Workloads => {
            // What an earlier look has shown may be long over.
            state.model.lists = BackendLists::of(state.model.backends.iter().map(String::as_str));
            open(state, Screen::Workloads(Box::default()), Effect::Run(RunEffect::Workloads))
        }
        Action::Transfers => {
            state.jobs.go(Action::First, 1);
            if !matches!(state.screen(), Screen::Transfers(_)) {
                state.stack.push(Screen::Transfers(Box::default()));
            }
            vec![Effect::Transfer(TransferEffect::Follow)]
        }
        Action::Offers => open(state, Screen::Offers(Box::default()), Effect::Share(ShareEffect::Offers)),
        Action::Requests => {
            request::open_list(state, if state.approver { RequestFilter::Queue } else { RequestFilter::Mine })
        }
        Action::Inbox => request::inbox(state),
        Action::Sources => open(state, Screen::Sources(Box::default()), Effect::Health),
        Action::AddSource => sources::add(state, String::new()),
        Action::SignIn => copy::sign_in(state),
        Action::OpenLink => {
            state.popups.push(Popup::line("Paste a link", Ask::Link));
            Vec::new()
        }
        Action::Attend => open_waiting(state),
        Action::Messages => {
            match told::messages(state) {
                Some(text) => state.popups.push(Popup::text("Messages", text)),
                None => state.say("nothing was said yet"),
            }
            Vec::new()
        }
        _ => on_screen(state, action),
    }
}

/// Shows other panes of the shown screen: without the one about the selected line, or one pane alone. Kept for each
/// screen.
fn show_panes(state: &mut State, action: Action) -> Vec<Effect> {
    let scope = state.scope();
    let mut view = state.views.of(scope);
    match (action, view.alone) {
        (Action::OnePane, alone) => view.alone = alone.next(state.shown().panes_alone(&state.model)),
        (_, Alone::None) => view.hidden = !view.hidden,
        // Where one pane is alone, all of them are what is missing.
        _ => view = View::default(),
    }
    state.views.set(scope, view);
    vec![Effect::KeepView(scope, view)]
}

/// Gives the action to the shown screen.
fn on_screen(state: &mut State, action: Action) -> Vec<Effect> {
    let (page, model) = state.shown_mut();
    page.act(action, model)
}

fn movement(state: &mut State, action: Action) -> bool {
    let (page, model) = state.shown_mut();
    page.walk(action, model)
}

/// The back key: ends something within the shown screen, or leaves the screen, or asks whether to leave Wharf.
pub fn back(state: &mut State) -> Vec<Effect> {
    if state.shown_mut().0.handle_back() {
        return Vec::new();
    }
    if state.stack.len() > 1 {
        let mut effects = vec![Effect::Leave(state.shown().leave())];
        effects.extend(matches!(state.screen(), Screen::Welcome(_)).then_some(Effect::CloseWelcome));
        state.stack.pop();
        effects.extend(state.shown().read_again());
        return effects;
    }
    if !state.catalog.input.text.is_empty() {
        return state.catalog.clear_filter();
    }
    if !state.catalog.marked.is_empty() {
        state.catalog.marked.clear();
        return Vec::new();
    }
    let key = state.keymap.label("global", Action::Quit);
    state.say(format!("{key} leaves Wharf"));
    Vec::new()
}

fn home(state: &mut State) -> Vec<Effect> {
    let mut effects = Vec::new();
    while state.stack.len() > 1 {
        effects.push(Effect::Leave(state.shown().leave()));
        state.stack.pop();
    }
    effects
}

/// Goes to the images, and filters them by a source.
pub fn images_of(state: &mut State, source: &str) -> Vec<Effect> {
    let mut effects = home(state);
    state.catalog.input = Input::new(format!("source:{source}"));
    state.catalog.typing = false;
    state.catalog.leave_facets();
    effects.extend(state.catalog.typed());
    effects
}

fn quit(state: &mut State) -> Vec<Effect> {
    match state.running() {
        0 => state.quit = true,
        running => {
            let question = format!(
                "{} still running and would be cancelled. Leave anyway?",
                text::plural(running as u64, "task is", "tasks are")
            );
            state.popups.push(Popup::Confirm { question, sure: Confirmation::Quit });
        }
    }
    Vec::new()
}

fn help(state: &mut State) -> Vec<Effect> {
    let text = help::keys(&state.keymap, state.scope(), state.size.0);
    state.popups.push(Popup::Text { title: "Keys".into(), text, copy: None, top: 0, link: None });
    Vec::new()
}

/// Opens the first popup that waits; if none does, shows the last message and the errors of the screen in full.
fn open_waiting(state: &mut State) -> Vec<Effect> {
    let popup = match state.waiting.pop_front() {
        Some(popup) => popup,
        None => match told::in_full(state) {
            Some(text) => Popup::text("In full", text),
            None => {
                state.say("nothing waits for you, and nothing was said");
                return Vec::new();
            }
        },
    };
    state.popups.push(popup);
    Vec::new()
}
