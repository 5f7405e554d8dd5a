//! `update(state, msg) -> effects`: the only function that changes the state. It does not wait, read a clock or do I/O.

pub mod answers;
pub mod click;
pub mod commands;
pub mod help;
pub mod popup;

use std::collections::VecDeque;

use crossterm::event::{KeyCode, KeyEvent};

use super::{
    bar,
    flows::{again, copy, open, request, share, sources, upkeep, welcome, workload},
    kit::{action::Action, keymap::Key},
    message,
    msg::{Effect, Msg, Navigation, RunEffect, Slot},
    popups::Popup,
    state::{Screen, State, is_press},
};

/// Handles one message: changes the state and returns what the loop and the jobs have to do.
pub fn update(state: &mut State, msg: Msg) -> Vec<Effect> {
    // From the first thing that the person does, nothing opens or goes by itself.
    state.catalog.touched |= is_by_hand(&msg);
    let by_hand = is_by_hand(&msg) && !matches!(msg, Msg::Scroll(_));
    let mut effects = match msg {
        Msg::Drawn => {
            state.drawn();
            return Vec::new();
        }
        Msg::Key(key) if is_press(&key) => key_pressed(state, key),
        Msg::Key(_) => Vec::new(),
        Msg::Paste(text) => paste(state, &text),
        Msg::Scroll(lines) => scroll(state, lines),
        Msg::Click(column, line) => click::click(state, column, line),
        Msg::Focus(has_it) => {
            // What is read again and again is read only while somebody looks: see `follow` and `measure`.
            state.focused = has_it;
            Vec::new()
        }
        Msg::Resize(columns, rows) => resize(state, (columns, rows)),
        Msg::Ended => {
            state.quit = true;
            Vec::new()
        }
        other => answers::arrived(state, other),
    };
    effects = carried_out(state, effects);
    if by_hand {
        // A key is typed where the focus is, whatever the terminal has told.
        state.focused = true;
        state.expects = effects.iter().any(Effect::may_ask);
        if matches!(state.screen(), Screen::Catalog) {
            effects.extend(state.catalog.refresh_old(&state.model.sources, state.model.now));
        }
    }
    after_message(state, &mut effects);
    effects
}

/// Whether the person has done it, with a key or the mouse.
pub fn is_by_hand(msg: &Msg) -> bool {
    match msg {
        Msg::Key(key) => is_press(key),
        other => matches!(other, Msg::Paste(_) | Msg::Click(..) | Msg::Scroll(_)),
    }
}

/// Carries out each [`Effect::Go`] in order, with the effects that it leads to, and returns all other effects.
fn carried_out(state: &mut State, effects: Vec<Effect>) -> Vec<Effect> {
    let mut queue = VecDeque::from(effects);
    let mut left = Vec::new();
    while let Some(effect) = queue.pop_front() {
        match effect {
            Effect::Go(go) => navigate(state, go).into_iter().rev().for_each(|more| queue.push_front(more)),
            other => left.push(other),
        }
    }
    left
}

/// Does what a screen asked for outside of itself.
fn navigate(state: &mut State, go: Navigation) -> Vec<Effect> {
    match go {
        Navigation::Back => commands::back(state),
        Navigation::Do(action) => commands::run(state, action),
        Navigation::WaitingKeys => resume(state),
        Navigation::Image { target, platform, launch } => open::open_image(state, target, platform, launch),
        Navigation::Launch(image, platform) => open::launch(state, *image, platform),
        Navigation::Link(text) => open::link(state, &text),
        Navigation::Again(of) => again::ask(state, of),
        Navigation::Workload(workload) => open::workload(state, *workload),
        Navigation::Console { workload, shell } => open::console(state, &workload, shell),
        Navigation::Edit(plan) => open::editor(state, plan),
        Navigation::Change { action, seen, workload: now } => workload::change(state, action, seen, &now),
        Navigation::Share(target, platform) => share::share(state, target, platform),
        Navigation::Copy(target, platform) => copy::copy_to(state, target, platform),
        Navigation::Ask(target) => request::ask(state, target),
        Navigation::Tag(target) => upkeep::tag(state, target),
        Navigation::Remove(targets) => upkeep::remove(state, targets),
        Navigation::Take => share::ask_for_transfer(state),
        Navigation::AddSource => sources::add(state, String::new()),
        Navigation::LeaveOut(name) => sources::leave_out(state, name),
        Navigation::Read(title, words) => {
            state.popups.push(Popup::text(title, words));
            Vec::new()
        }
        Navigation::ImagesOf(name) => commands::images_of(state, &name),
        Navigation::Approve(requests) => request::approved(state, requests, String::new()),
        Navigation::Speak(request, said) => request::speak(state, request, said),
    }
}

/// After every message: keeps the selection inside the list, and reads details of the rows on the screen.
fn after_message(state: &mut State, effects: &mut Vec<Effect>) {
    welcome::by_itself(state);
    if matches!(state.screen(), Screen::Sources(_) | Screen::Welcome(_)) {
        state.model.held = state.catalog.held();
    }
    let page = state.list().map_or(0, |list| {
        let lines = list.page();
        list.keep_visible();
        lines
    });
    let (shown, model) = state.shown_mut();
    effects.extend(shown.wants(model));
    follow(state, effects);
    measure(state, effects, page);
    describe(state, effects);
    if !state.focused {
        // They are listed again when somebody looks at them.
        effects.retain(|effect| !matches!(effect, Effect::Run(RunEffect::Workloads)));
    }
}

/// Lists the workloads of the backends that the screen shows while it has the focus, and of no others.
fn follow(state: &mut State, effects: &mut Vec<Effect>) {
    let wanted = if state.focused { state.shown().followed(&state.model) } else { Vec::new() };
    if wanted != state.followed {
        state.followed.clone_from(&wanted);
        effects.push(if wanted.is_empty() {
            Effect::Leave(&[Slot::Workloads])
        } else {
            Effect::Run(RunEffect::Follow(wanted))
        });
    }
}

/// Measures the workloads on the screen, and no others.
fn measure(state: &mut State, effects: &mut Vec<Effect>, page: usize) {
    let wanted = if state.focused { state.shown().measured(page) } else { Vec::new() };
    if wanted != state.measured {
        state.measured.clone_from(&wanted);
        effects.push(if wanted.is_empty() {
            Effect::Leave(&[Slot::Usage])
        } else {
            Effect::Run(RunEffect::Usage(wanted))
        });
    }
}

/// Describes the workload beside a list, and no other.
fn describe(state: &mut State, effects: &mut Vec<Effect>) {
    let wanted = if state.focused { state.shown().described(&state.model) } else { None };
    if wanted != state.described {
        state.described.clone_from(&wanted);
        effects.push(match wanted {
            Some(workload) => Effect::Run(RunEffect::Describe(workload)),
            None => Effect::Leave(&[Slot::Describe]),
        });
    }
}

/// Whether a key has to wait: keys that act on rows wait for the search's answer, and so do all keys after them.
fn must_wait(state: &State, key: &KeyEvent) -> bool {
    let catalog = &state.catalog;
    let is_text = catalog.typing && !matches!(key.code, KeyCode::Enter | KeyCode::Down | KeyCode::Up | KeyCode::Esc);
    matches!(state.screen(), Screen::Catalog)
        && state.popups.is_empty()
        && catalog.is_searching()
        && (!catalog.waiting.is_empty() || !is_text)
}

/// The search has answered: handles the keys that waited for it.
fn resume(state: &mut State) -> Vec<Effect> {
    let mut waiting = std::mem::take(&mut state.catalog.waiting).into_iter();
    let mut effects = Vec::new();
    while !state.catalog.is_searching() {
        let Some(key) = waiting.next() else { break };
        let pressed = key_pressed(state, key);
        effects.extend(carried_out(state, pressed));
    }
    state.catalog.waiting.extend(waiting);
    effects
}

fn key_pressed(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    if must_wait(state, &key) {
        state.catalog.waiting.push(key);
        return Vec::new();
    }
    let covers = message::covers(state) && state.popups.is_empty();
    let closes = covers && !state.is_typing() && !state.shown().takes_all_keys();
    state.notice = None;
    // What the error covered was not seen: the key only closes it, unless it leads elsewhere or reads more of it.
    if closes && !state.keymap.action(state.scope(), Key::from_event(&key)).is_some_and(leads_elsewhere) {
        return Vec::new();
    }
    // Works also while text is typed or a popup is open. A workload's terminal gets this key like any other.
    if !state.shown().takes_all_keys() && state.keymap.action("global", Key::from_event(&key)) == Some(Action::Suspend)
    {
        return commands::run(state, Action::Suspend);
    }
    if !state.popups.is_empty() {
        return popup::key(state, key);
    }
    if state.is_typing() {
        let (page, model) = state.shown_mut();
        return page.type_key(&key, model);
    }
    match state.keymap.action(state.scope(), Key::from_event(&key)) {
        Some(action) => commands::press(state, action),
        None => Vec::new(),
    }
}

/// Whether an action goes to another screen or only shows something, so that nothing on this screen is decided by it.
fn leads_elsewhere(action: Action) -> bool {
    use Action as A;
    let shows = matches!(action, A::Attend | A::Messages | A::Help | A::Palette | A::Quit | A::Suspend);
    shows || bar::opens(action)
}

fn paste(state: &mut State, text: &str) -> Vec<Effect> {
    pasted(state, text).unwrap_or_else(|why| {
        state.say(why);
        Vec::new()
    })
}

fn pasted(state: &mut State, text: &str) -> Result<Vec<Effect>, String> {
    if let Some(why) = state.popup_refuses(&KeyEvent::from(KeyCode::Char(' '))) {
        return Err(why.to_owned());
    }
    match state.popups.last_mut() {
        Some(Popup::Line { input, .. }) => input.paste(text)?,
        Some(Popup::Conditions(form)) => form.paste(text)?,
        Some(Popup::Share(dialog)) => {
            if dialog.paste(text)? {
                return Ok(share::marked(dialog));
            }
        }
        Some(Popup::Pick(pick)) => {
            pick.input.paste(text)?;
            pick.narrow();
        }
        Some(_) => {}
        None => {
            let (page, model) = state.shown_mut();
            return page.paste(text, model);
        }
    }
    Ok(Vec::new())
}

fn scroll(state: &mut State, lines: i16) -> Vec<Effect> {
    if !state.popups.is_empty() || state.shown().takes_all_keys() {
        return Vec::new();
    }
    let action = if lines > 0 { Action::Down } else { Action::Up };
    (0..lines.unsigned_abs()).map(|_| Effect::Go(Navigation::Do(action))).collect()
}

fn resize(state: &mut State, size: (u16, u16)) -> Vec<Effect> {
    state.size = size;
    let (page, model) = state.shown_mut();
    let mut effects = page.resized(model);
    // A wider screen may have room for the link.
    effects.extend(share::link_where_seen(state));
    effects
}
