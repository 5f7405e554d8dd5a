//! `update(state, msg) -> effects`: the only thing that changes the state. Pure; no await, no clock, no input.

use bytes::Bytes;
use crossterm::event::{KeyCode, KeyEvent};

use super::{
    action::Action,
    commands, hints,
    keymap::Key,
    msg::{Effect, Msg, Slot, Target},
    popups::{
        Ask, Popup, Sure,
        pick::{Outcome, Purpose},
    },
    screens::{console, image, workload},
    state::{Screen, State, is_press},
};
use crate::core::{error::Kind, form::FieldKind, launch::Workload, link::Link, text};

/// Takes one message in.
pub fn update(state: &mut State, msg: Msg) -> Vec<Effect> {
    let mut effects = match msg {
        Msg::Key(key) if is_press(&key) => key_pressed(state, key),
        Msg::Key(_) => Vec::new(),
        Msg::Paste(text) => paste(state, &text),
        Msg::Scroll(lines) => scroll(state, lines),
        Msg::Click(column, line) => click(state, column, line),
        Msg::Resize(columns, rows) => resize(state, (columns, rows)),
        Msg::Ended => {
            state.quit = true;
            Vec::new()
        }
        other => arrived(state, other),
    };
    settle(state, &mut effects);
    effects
}

/// After every message: positions inside their lists, details for what is on the screen.
fn settle(state: &mut State, effects: &mut Vec<Effect>) {
    let page = state.page();
    let jobs = state.jobs.len();
    let count = state.catalog.count();
    match state.stack.last_mut() {
        Some(Screen::Catalog) => state.catalog.at.settle(count, page.saturating_sub(1)),
        Some(Screen::Image(screen)) => {
            let count = screen.count();
            if screen.pane == image::Pane::Versions {
                screen.at.settle(count, page.saturating_sub(2));
                let unknown = screen.unknown_tags(page);
                if let (false, Target::Reference(reference)) = (unknown.is_empty(), screen.target()) {
                    let effect = Effect::Versions(reference, unknown);
                    if screen.wanted.as_ref() != Some(&effect) {
                        screen.wanted = Some(effect.clone());
                        effects.push(effect);
                    }
                }
            } else {
                screen.at.clamp(count);
            }
        }
        Some(Screen::Workloads(screen)) => {
            let count = screen.all.as_ref().map_or(0, Vec::len);
            screen.at.settle(count, page);
        }
        Some(Screen::Transfers(at)) => at.settle(jobs, page / 2),
        Some(Screen::Launch(screen)) => {
            let count = screen.count();
            screen.at.settle(count, page);
        }
        _ => {}
    }
}

fn key_pressed(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    state.notice = None;
    if !state.popups.is_empty() {
        return popup_key(state, key);
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
            KeyCode::Esc => page.editing = None,
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
    match key.code {
        KeyCode::Esc => {
            state.catalog.typing = false;
            if state.catalog.input.text.is_empty() {
                return Vec::new();
            }
            state.catalog.input = super::input::Input::default();
            state.catalog.typed()
        }
        KeyCode::Enter => {
            state.catalog.typing = false;
            state.catalog.ask_searchers()
        }
        KeyCode::Down => move_catalog(state, Action::Down),
        KeyCode::Up => move_catalog(state, Action::Up),
        KeyCode::PageDown => move_catalog(state, Action::PageDown),
        KeyCode::PageUp => move_catalog(state, Action::PageUp),
        _ => {
            let before = state.catalog.input.text.clone();
            state.catalog.input.key(&key);
            if state.catalog.input.text == before { Vec::new() } else { state.catalog.typed() }
        }
    }
}

fn move_catalog(state: &mut State, action: Action) -> Vec<Effect> {
    let (count, page) = (state.catalog.count(), state.page());
    state.catalog.at.go(action, count, page);
    Vec::new()
}

fn popup_key(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    match state.popups.last_mut() {
        Some(Popup::Pick(pick)) => match pick.key(&key) {
            Outcome::Stay => Vec::new(),
            Outcome::Close => {
                state.popups.pop();
                Vec::new()
            }
            Outcome::Chosen(values) => {
                let purpose = pick.purpose.clone();
                state.popups.pop();
                chosen(state, purpose, values)
            }
        },
        Some(Popup::Line { input, ask, .. }) => match key.code {
            KeyCode::Esc => {
                state.popups.pop();
                Vec::new()
            }
            KeyCode::Enter => {
                let (text, ask) = (input.text.trim().to_owned(), ask.clone());
                state.popups.pop();
                answered(state, ask, text)
            }
            _ => {
                input.key(&key);
                Vec::new()
            }
        },
        Some(Popup::Confirm { sure, .. }) => {
            let sure = sure.clone();
            state.popups.pop();
            if key.code == KeyCode::Char('y') { confirmed(state, sure) } else { Vec::new() }
        }
        Some(Popup::Text { copy, top, text, .. }) => match key.code {
            KeyCode::Char('c') if copy.is_some() => {
                let text = copy.clone().unwrap_or_default();
                state.say("copied, where the terminal allows it");
                vec![Effect::Copy(text)]
            }
            KeyCode::Char('j') | KeyCode::Down => {
                *top = (*top + 1).min(text.lines().count() as u16);
                Vec::new()
            }
            KeyCode::Char('k') | KeyCode::Up => {
                *top = top.saturating_sub(1);
                Vec::new()
            }
            _ => {
                state.popups.pop();
                Vec::new()
            }
        },
        None => Vec::new(),
    }
}

fn chosen(state: &mut State, purpose: Purpose, values: Vec<String>) -> Vec<Effect> {
    let first = values.first().cloned().unwrap_or_default();
    match purpose {
        Purpose::Command => match Action::named(&first) {
            Some(action) => commands::run(state, action),
            None => Vec::new(),
        },
        Purpose::Facet => {
            for facet in &values {
                state.catalog.toggle(facet);
            }
            state.catalog.typed()
        }
        Purpose::Filter => {
            state.catalog.input = super::input::Input::new(first);
            state.catalog.typed()
        }
        Purpose::Theme => {
            state.theme.clone_from(&first);
            vec![Effect::Theme(first)]
        }
        Purpose::Share(target) => values
            .into_iter()
            .map(|project| {
                let job = state.job(format!("share {} into {project}", target.words()));
                state.say("sharing: 3 shows how far it is");
                Effect::Share { job, target: target.clone(), project }
            })
            .collect(),
    }
}

fn answered(state: &mut State, ask: Ask, text: String) -> Vec<Effect> {
    if text.is_empty() {
        return Vec::new();
    }
    match ask {
        Ask::FilterName => {
            let filter = state.catalog.input.text.clone();
            state.catalog.saved.retain(|(name, _)| *name != text);
            state.catalog.saved.push((text.clone(), filter.clone()));
            state.say(format!("kept as '{text}': F uses it"));
            vec![Effect::SaveFilter(text, filter)]
        }
        Ask::Link => match text.parse::<Link>() {
            Ok(link) => {
                let mut page = image::Page::new(Target::Reference(link.reference.clone()));
                page.from_link = vec![(true, "opened from a link".into())];
                state.stack.push(Screen::Image(Box::new(page)));
                vec![Effect::OpenLink(link)]
            }
            Err(error) => {
                state.fail(&error);
                Vec::new()
            }
        },
        Ask::Project(target) => chosen(state, Purpose::Share(target), vec![text]),
    }
}

fn confirmed(state: &mut State, sure: Sure) -> Vec<Effect> {
    match sure {
        Sure::Quit => {
            state.quit = true;
            state.jobs.iter().filter(|job| job.ended.is_none()).map(|job| Effect::Cancel(job.id)).collect()
        }
        Sure::Remove(backend, id) => {
            if matches!(state.stack.last(), Some(Screen::Workload(_))) {
                let mut effects = commands::back(state);
                effects.extend(remove(state, backend, id));
                return effects;
            }
            remove(state, backend, id)
        }
    }
}

fn remove(state: &mut State, backend: String, id: String) -> Vec<Effect> {
    let job = state.job(format!("remove {id} on {backend}"));
    vec![Effect::Remove { job, backend, id }]
}

fn paste(state: &mut State, text: &str) -> Vec<Effect> {
    match state.popups.last_mut() {
        Some(Popup::Line { input, .. }) => input.paste(text),
        Some(Popup::Pick(pick)) => {
            pick.input.paste(text);
            pick.narrow();
        }
        Some(_) => {}
        None => match state.stack.last_mut() {
            Some(Screen::Console(_)) => return vec![Effect::Type(Bytes::copy_from_slice(text.as_bytes()))],
            Some(Screen::Launch(page)) => {
                if let Some(input) = &mut page.editing {
                    input.paste(text);
                }
            }
            Some(Screen::Catalog) if text.trim_start().starts_with("wharf:") => {
                return answered(state, Ask::Link, text.trim().to_owned());
            }
            Some(Screen::Catalog) => {
                state.catalog.typing = true;
                state.catalog.input.paste(text);
                return state.catalog.typed();
            }
            _ => {}
        },
    }
    Vec::new()
}

fn scroll(state: &mut State, lines: i16) -> Vec<Effect> {
    if !state.popups.is_empty() || matches!(state.screen(), Screen::Console(_)) {
        return Vec::new();
    }
    let action = if lines > 0 { Action::Down } else { Action::Up };
    (0..lines.unsigned_abs()).flat_map(|_| commands::run(state, action)).collect()
}

/// A click selects a line of the list; one on the selected line opens it.
fn click(state: &mut State, _column: u16, line: u16) -> Vec<Effect> {
    if !state.popups.is_empty() || !matches!(state.screen(), Screen::Catalog) || line < 3 {
        return Vec::new();
    }
    let at = &mut state.catalog.at;
    let clicked = at.top + usize::from(line - 3);
    if clicked == at.selected {
        return commands::run(state, Action::Open);
    }
    if clicked < state.catalog.count() {
        state.catalog.at.selected = clicked;
    }
    Vec::new()
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

/// The topmost screen of a kind: an answer belongs to it also while another one covers it.
macro_rules! topmost {
    ($state:expr, $kind:path) => {
        $state.stack.iter_mut().rev().find_map(|screen| match screen {
            $kind(page) => Some(page),
            _ => None,
        })
    };
}

/// An answer came. One for a screen that is gone changes nothing.
fn arrived(state: &mut State, msg: Msg) -> Vec<Effect> {
    let now = state.now;
    match msg {
        Msg::Cached(Ok(lists)) => return state.catalog.cached(lists),
        Msg::Cached(Err(error)) => {
            state.catalog.begun = true;
            state.fail(&error);
        }
        Msg::Filters(filters) => state.catalog.saved = filters,
        Msg::Rows(source, rows) => return state.catalog.growing(&source, rows),
        Msg::Listed(source, result) => return state.catalog.listed(&source, result, now),
        Msg::Found { number, order, hits } => state.catalog.found(number, order, hits),
        Msg::Image(result) => return image_arrived(state, *result),
        Msg::Opened(result) => match *result {
            Ok(opened) => {
                if let Some(page) = topmost!(state, Screen::Image) {
                    let mut words = match opened.moved {
                        Some(true) => vec![(
                            false,
                            format!(
                                "the tag has moved since, to {}",
                                opened.now_at.as_ref().map_or("", |digest| digest.short())
                            ),
                        )],
                        Some(false) => vec![(true, "the tag still points here".to_owned())],
                        None => vec![(false, "the tag is gone, or there was none".to_owned())],
                    };
                    if opened.expired {
                        words.push((false, "the link is past its date".to_owned()));
                    }
                    page.from_link.extend(words);
                }
                return image_arrived(state, Ok(opened.image));
            }
            Err(error) => return image_arrived(state, Err(error)),
        },
        Msg::Tags(result) => {
            if let Some(page) = topmost!(state, Screen::Image) {
                // Newest first: that is what people look for.
                page.tags = Some(result.map(|tags| tags.into_iter().rev().collect()));
            }
        }
        Msg::Version(version) => {
            if let Some(page) = topmost!(state, Screen::Image) {
                page.versions.retain(|known| known.tag != version.tag);
                page.versions.push(version);
            }
        }
        Msg::Form(result) => {
            if let Some(page) = topmost!(state, Screen::Launch) {
                match result {
                    Ok((backend, form)) if backend == page.backend_name() => {
                        // Answers that the new backend asks for too are kept.
                        page.answers
                            .0
                            .retain(|key, value| form.field(key).is_some_and(|field| field.refuse(value).is_none()));
                        page.form = Some(form);
                        page.error = None;
                        return commands::replan(state);
                    }
                    Ok(_) => {}
                    // A backend that is not there is no choice: take the next one, unless the person chose this one.
                    Err(error) if !page.chosen && page.form.is_none() && page.backend + 1 < page.backends.len() => {
                        let gone = page.backend_name();
                        page.backend += 1;
                        let (backend, image) = (page.backend_name(), Box::new(page.image.clone()));
                        state.say(format!("{gone} cannot: {}", error.why));
                        return vec![Effect::Form { backend, image }];
                    }
                    Err(error) => page.error = Some(error),
                }
            }
        }
        Msg::Plan(result) => {
            if let Some(page) = topmost!(state, Screen::Launch) {
                match *result {
                    Ok(plan) => {
                        page.error = None;
                        page.plan = Some(plan);
                    }
                    Err(error) => page.error = Some(error),
                }
            }
        }
        Msg::Workloads(all, failed) => {
            if let Some(page) = topmost!(state, Screen::Workload) {
                let same = |one: &&Workload| one.backend == page.workload.backend && one.id == page.workload.id;
                if let Some(news) = all.iter().find(same) {
                    page.workload = news.clone();
                }
            }
            if let Some(page) = topmost!(state, Screen::Workloads) {
                page.arrived(all, failed);
            }
        }
        Msg::Log(bytes) => {
            if let Some(page) = topmost!(state, Screen::Workload) {
                page.output(&bytes);
            }
        }
        Msg::LogEnd(result) => {
            if let Some(page) = topmost!(state, Screen::Workload) {
                let rest = std::mem::take(&mut page.rest);
                if !rest.is_empty() {
                    page.output(format!("{rest}\n").as_bytes());
                }
                page.ended = Some(result);
            }
            return vec![Effect::Workloads];
        }
        Msg::Usage(result) => {
            if let (Some(page), Ok(usage)) = (topmost!(state, Screen::Workload), result) {
                page.reading(usage);
            }
        }
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
        Msg::Health(health, store) => {
            if let Some(page) = topmost!(state, Screen::Sources) {
                page.health = Some(health);
                page.store = store;
            }
        }
        Msg::Link(Ok((link, code))) => {
            let link = link.to_string();
            state.popups.push(Popup::Text {
                title: "Link, copied where the terminal allows it".into(),
                text: format!("{link}\n\n{code}"),
                copy: Some(link.clone()),
                top: 0,
            });
            return vec![Effect::Copy(link)];
        }
        Msg::Link(Err(error)) => state.fail(&error),
        Msg::JobNote(id, note) => {
            if let Some(job) = state.jobs.iter_mut().find(|job| job.id == id) {
                job.note = note;
            }
        }
        Msg::JobDone(id, result) => return job_done(state, id, result),
        _ => {}
    }
    Vec::new()
}

fn image_arrived(state: &mut State, result: crate::core::error::Result<crate::core::model::Image>) -> Vec<Effect> {
    let Some(page) = topmost!(state, Screen::Image) else { return Vec::new() };
    match result {
        Ok(image) => {
            let reference = image.reference.clone();
            page.image = Some(image);
            page.error = None;
            if page.launch_next {
                page.launch_next = false;
                let mut effects = vec![Effect::Tags(reference)];
                effects.extend(commands::run(state, Action::Launch));
                return effects;
            }
            vec![Effect::Tags(reference)]
        }
        Err(error) => {
            page.error = Some(error);
            Vec::new()
        }
    }
}

fn job_done(state: &mut State, id: u64, result: crate::core::error::Result<(String, Option<Workload>)>) -> Vec<Effect> {
    match &result {
        Ok((words, _)) => state.say(words.clone()),
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
    if let Some(job) = state.jobs.iter_mut().find(|job| job.id == id) {
        job.ended = Some(ended);
    }
    // Whoever waited on the launch screen goes on to what was launched.
    if let Some(Screen::Launch(page)) = state.stack.last_mut() {
        if page.job == Some(id) {
            page.job = None;
            if let Some(workload) = workload {
                state.stack.pop();
                return commands::open_workload(state, workload);
            }
            if failed {
                // The next try is a new launch with a plan of its own.
                return commands::replan(state);
            }
        }
    }
    match state.screen() {
        Screen::Workloads(_) | Screen::Workload(_) => vec![Effect::Workloads],
        _ => Vec::new(),
    }
}

/// What a click or enter on a launch field does.
pub fn edit(state: &mut State) -> Vec<Effect> {
    let Some(Screen::Launch(page)) = state.stack.last_mut() else { return Vec::new() };
    match page.field().map(|field| (field.kind.clone(), page.answer(field))) {
        Some((FieldKind::Text | FieldKind::Words | FieldKind::Size | FieldKind::Number { .. }, now)) => {
            page.editing = Some(super::input::Input::new(now));
            Vec::new()
        }
        _ => commands::run(state, Action::Right),
    }
}

/// A fresh log page for a workload.
pub fn workload_page(workload: Workload) -> Screen {
    Screen::Workload(Box::new(workload::Page::new(workload)))
}

/// Slots that a screen reads in and that end when it is left.
pub fn slots(screen: &Screen) -> &'static [Slot] {
    match screen {
        Screen::Catalog | Screen::Transfers(_) => &[],
        Screen::Image(_) => &[Slot::Image, Slot::Tags, Slot::Versions, Slot::Link],
        Screen::Launch(_) => &[Slot::Form, Slot::Plan],
        Screen::Workloads(_) => &[Slot::Workloads],
        Screen::Workload(_) => &[Slot::Logs, Slot::Usage, Slot::Workloads],
        Screen::Console(_) => &[Slot::Terminal],
        Screen::Sources(_) => &[Slot::Health],
    }
}

/// A sentence about a finished copy.
pub fn moved(outcome: &crate::core::copy::Outcome) -> String {
    format!("{} moved, {} were there or mounted", text::size(outcome.moved), text::size(outcome.spared))
}
