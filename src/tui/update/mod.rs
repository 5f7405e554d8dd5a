//! `update(state, msg) -> effects`: the only thing that changes the state. Pure; no await, no clock, no input.

pub mod answers;
pub mod click;
pub mod commands;
pub mod popup;

use bytes::Bytes;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{
    hints,
    kit::{action::Action, input::fits, keymap::Key},
    msg::{Effect, Msg, Slot, Target},
    popups::{Ask, Popup},
    screens::{console, image, workload},
    state::{Screen, State, is_press},
};
use crate::core::launch::{form::FieldKind, plan::Workload};

/// Takes one message in.
pub fn update(state: &mut State, msg: Msg) -> Vec<Effect> {
    let by_hand = matches!(&msg, Msg::Key(key) if is_press(key)) || matches!(msg, Msg::Paste(_) | Msg::Click(..));
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
        Msg::Resize(columns, rows) => resize(state, (columns, rows)),
        Msg::Ended => {
            state.quit = true;
            Vec::new()
        }
        other => answers::arrived(state, other),
    };
    if by_hand {
        state.expects = effects.iter().any(Effect::may_ask);
        if matches!(state.screen(), Screen::Catalog) {
            effects.extend(state.catalog.refresh_old(&state.sources, state.now));
        }
    }
    settle(state, &mut effects);
    effects
}

/// After every message: positions inside their lists, details for what is on the screen.
fn settle(state: &mut State, effects: &mut Vec<Effect>) {
    let page = state.page();
    if let Some(list) = state.list() {
        list.settle(page);
    }
    match state.stack.last_mut() {
        Some(Screen::Catalog) => effects.extend(state.catalog.wants_looks(&state.sources, page)),
        Some(Screen::Image(screen)) if screen.pane == image::Pane::Versions => {
            let unknown = screen.unknown_tags(page);
            if let (false, Target::Reference(reference)) = (unknown.is_empty(), screen.target()) {
                let effect = Effect::Versions(reference, unknown);
                if screen.wanted.as_ref() != Some(&effect) {
                    screen.wanted = Some(effect.clone());
                    effects.push(effect);
                }
            }
        }
        Some(Screen::Requests(page)) => effects.extend(page.wants_more()),
        _ => {}
    }
    measure(state, effects, page);
}

/// What runs and is looked at is measured, and nothing else.
fn measure(state: &mut State, effects: &mut Vec<Effect>, page: usize) {
    let wanted = match state.screen() {
        Screen::Workloads(screen) => screen.running_in_sight(page),
        Screen::Workload(screen) if screen.workload.state.is_live() => vec![screen.workload.key()],
        _ => Vec::new(),
    };
    if wanted != state.measured {
        state.measured.clone_from(&wanted);
        effects.push(if wanted.is_empty() { Effect::Leave(&[Slot::Usage]) } else { Effect::Usage(wanted) });
    }
}

/// Keys that mean rows of the list wait until the list is what was asked for, and so do all keys after them.
fn must_wait(state: &State, key: &KeyEvent) -> bool {
    let catalog = &state.catalog;
    let is_text = catalog.typing && !matches!(key.code, KeyCode::Enter | KeyCode::Down | KeyCode::Up | KeyCode::Esc);
    matches!(state.screen(), Screen::Catalog)
        && state.popups.is_empty()
        && catalog.is_searching()
        && (!catalog.waiting.is_empty() || !is_text)
}

/// The search has answered: the keys that waited for it.
pub fn resume(state: &mut State) -> Vec<Effect> {
    let mut waiting = std::mem::take(&mut state.catalog.waiting).into_iter();
    let mut effects = Vec::new();
    while !state.catalog.is_searching() {
        let Some(key) = waiting.next() else { break };
        effects.extend(key_pressed(state, key));
    }
    state.catalog.waiting.extend(waiting);
    effects
}

fn key_pressed(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    if must_wait(state, &key) {
        state.catalog.waiting.push(key);
        return Vec::new();
    }
    if let Some(said) = state.notice.take() {
        state.said = Some(said);
    }
    state.catalog.touched = true;
    // Also where a text is typed or a question is open; in a workload's terminal it is a key as any other.
    if !matches!(state.screen(), Screen::Console(_))
        && state.keymap.action("global", Key::of(&key)) == Some(Action::Suspend)
    {
        return commands::run(state, Action::Suspend);
    }
    if !state.popups.is_empty() {
        return popup::key(state, key);
    }
    if let Some(Screen::Console(page)) = state.stack.last() {
        if page.ended.is_some() || console::leaves(&key) {
            return commands::back(state);
        }
        let application = page.parser.screen().application_cursor();
        return console::bytes(&key, application)
            .map(|bytes| vec![Effect::Type(Bytes::from(bytes))])
            .unwrap_or_default();
    }
    if state.is_typing() {
        return typed(state, key);
    }
    match state.keymap.action(state.scope(), Key::of(&key)) {
        Some(action) => match hints::disabled(state, action) {
            Some(why) => {
                state.say(format!("{}: {why}", action.words()));
                Vec::new()
            }
            None => commands::run(state, action),
        },
        None => Vec::new(),
    }
}

/// Keys that go into a text.
fn typed(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    if let Some(Screen::Launch(page)) = state.stack.last_mut() {
        let Some(input) = &mut page.editing else { return Vec::new() };
        match key.code {
            _ if leaves(&key) => page.editing = None,
            KeyCode::Enter | KeyCode::Tab | KeyCode::Down => {
                let text = input.text.clone();
                match page.field().and_then(|field| field.refuse(&text)) {
                    Some(why) => state.say(why),
                    None => {
                        page.editing = None;
                        page.set(text);
                        return commands::replan(state);
                    }
                }
            }
            _ => _ = input.key(&key),
        }
        return Vec::new();
    }
    let lines = state.page();
    if let Some(Screen::Workload(page)) = state.stack.last_mut() {
        let height = page.height(lines);
        let output = &mut page.output;
        match key.code {
            _ if leaves(&key) => output.end(false),
            KeyCode::Enter => output.end(true),
            KeyCode::Down => output.next(true, height),
            KeyCode::Up => output.next(false, height),
            _ => {
                if output.typing.as_mut().is_some_and(|typing| typing.input.key(&key)) {
                    output.typed(height);
                }
            }
        }
        return Vec::new();
    }
    match key.code {
        _ if leaves(&key) => {
            state.catalog.typing = false;
            if state.catalog.input.text.is_empty() {
                return Vec::new();
            }
            state.catalog.input = super::kit::input::Input::default();
            state.catalog.typed()
        }
        KeyCode::Enter => {
            state.catalog.typing = false;
            state.catalog.ask_searchers()
        }
        KeyCode::Down => commands::run(state, Action::Down),
        KeyCode::Up => commands::run(state, Action::Up),
        KeyCode::PageDown => commands::run(state, Action::PageDown),
        KeyCode::PageUp => commands::run(state, Action::PageUp),
        _ => {
            let before = state.catalog.input.text.clone();
            if !state.catalog.input.key(&key) && is_command(&key) {
                return state
                    .keymap
                    .action(state.scope(), Key::of(&key))
                    .map(|action| commands::run(state, action))
                    .unwrap_or_default();
            }
            if state.catalog.input.text == before { Vec::new() } else { state.catalog.typed() }
        }
    }
}

/// Whether a key leaves what is being typed: ctrl-c does, as in a shell.
pub fn leaves(key: &KeyEvent) -> bool {
    key.code == KeyCode::Esc || (key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL))
}

/// Whether a key can be no part of a text.
fn is_command(key: &KeyEvent) -> bool {
    matches!(key.code, KeyCode::F(_)) || key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT)
}

fn paste(state: &mut State, text: &str) -> Vec<Effect> {
    pasted(state, text).unwrap_or_else(|why| {
        state.say(why);
        Vec::new()
    })
}

fn pasted(state: &mut State, text: &str) -> Result<Vec<Effect>, String> {
    if let Some(why) = state.popups.refuses(&KeyEvent::from(KeyCode::Char(' ')), state.clock) {
        return Err(why.to_owned());
    }
    let lines = state.page();
    match state.popups.last_mut() {
        Some(Popup::Line { input, .. }) => input.paste(text)?,
        Some(Popup::Pick(pick)) => {
            pick.input.paste(text)?;
            pick.narrow();
        }
        Some(_) => {}
        None => match state.stack.last_mut() {
            Some(Screen::Console(_)) => return Ok(vec![Effect::Type(Bytes::copy_from_slice(text.as_bytes()))]),
            Some(Screen::Launch(page)) => {
                if let Some(input) = &mut page.editing {
                    input.paste(text)?;
                }
            }
            Some(Screen::Workload(page)) => {
                if let Some(typing) = &mut page.output.typing {
                    typing.input.paste(text)?;
                    let height = page.height(lines);
                    page.output.typed(height);
                }
            }
            Some(Screen::Catalog) if text.trim_start().starts_with("wharf:") => {
                fits(text)?;
                return Ok(popup::answered(state, &Ask::Link, text.trim().to_owned()));
            }
            Some(Screen::Catalog) => {
                state.catalog.input.paste(text)?;
                state.catalog.typing = true;
                return Ok(state.catalog.typed());
            }
            _ => {}
        },
    }
    Ok(Vec::new())
}

fn scroll(state: &mut State, lines: i16) -> Vec<Effect> {
    if !state.popups.is_empty() || matches!(state.screen(), Screen::Console(_)) {
        return Vec::new();
    }
    let action = if lines > 0 { Action::Down } else { Action::Up };
    (0..lines.unsigned_abs()).flat_map(|_| commands::run(state, action)).collect()
}

fn resize(state: &mut State, size: (u16, u16)) -> Vec<Effect> {
    state.size = size;
    match state.stack.last_mut() {
        Some(Screen::Console(page)) => {
            page.resize(size);
            let (columns, rows) = console::inner(size);
            vec![Effect::Resize(columns, rows)]
        }
        _ => Vec::new(),
    }
}

/// What a click or enter on a launch field does.
pub fn edit(state: &mut State) -> Vec<Effect> {
    let Some(Screen::Launch(page)) = state.stack.last_mut() else { return Vec::new() };
    match page.field().map(|field| (field.kind.clone(), page.answer(field))) {
        Some((FieldKind::Text | FieldKind::Words | FieldKind::Size | FieldKind::Number { .. }, now)) => {
            page.editing = Some(super::kit::input::Input::new(now));
            Vec::new()
        }
        _ => commands::run(state, Action::Right),
    }
}

/// A fresh log page for a workload.
pub fn workload_page(workload: Workload, clock: u64) -> Screen {
    Screen::Workload(Box::new(workload::Page { asked: clock, ..workload::Page::new(workload) }))
}

/// Slots that a screen reads in and that end when it is left.
pub fn slots(screen: &Screen) -> &'static [Slot] {
    match screen {
        Screen::Catalog | Screen::Transfers => &[],
        Screen::Image(_) => &[Slot::Image, Slot::Tags, Slot::Versions, Slot::Shares, Slot::Link, Slot::Verify],
        Screen::Offers(_) => &[Slot::Offers],
        Screen::Requests(_) => &[Slot::Requests, Slot::Request, Slot::News],
        Screen::Inbox(_) => &[Slot::Inbox, Slot::Request, Slot::News],
        Screen::Launch(_) => &[Slot::Form, Slot::Plan],
        Screen::Workloads(_) => &[Slot::Workloads],
        Screen::Workload(_) => &[Slot::Logs, Slot::Workloads],
        Screen::Console(_) => &[Slot::Terminal],
        Screen::Sources(_) => &[Slot::Health],
    }
}
