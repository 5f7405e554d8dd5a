//! What actions do to the state, screen by screen.

use crate::core::{
    base::text, image::model::Platform, launch::plan::Workload, portal::evidence::Verified, request::Which,
};
use crate::tui::{
    flows::{copy, request, share, upkeep},
    hints,
    kit::{
        action::Action,
        keymap::Keymap,
        list::{Drawn, Position, Seen, Unseen, Walk},
    },
    msg::{Effect, LinkWish, Target},
    popups::{
        Ask, Popup, Sure,
        pick::{Item, Pick, Purpose},
    },
    rows::WorkloadId,
    screens::{console, image, launch, offers, sources, transfers, workloads},
    state::{Screen, State},
    told, update,
};

/// Carries out an action; one that means nothing here does nothing.
pub fn run(state: &mut State, action: Action) -> Vec<Effect> {
    if movement(state, action) {
        return Vec::new();
    }
    match action {
        Action::Quit => quit(state),
        Action::Back => back(state),
        Action::Help => help(state),
        Action::Palette => palette(state),
        Action::Suspend => {
            state.suspend = true;
            Vec::new()
        }
        Action::Mouse => {
            state.mouse = !state.mouse;
            state.say(if state.mouse {
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
            pick(state, Pick::new("Theme", Purpose::Theme, items))
        }
        Action::Catalog => home(state),
        Action::Workloads => open(state, Screen::Workloads(workloads::Page::default()), Effect::Workloads),
        Action::Transfers => {
            state.jobs.go(Action::First, 1);
            if !matches!(state.screen(), Screen::Transfers) {
                state.stack.push(Screen::Transfers);
            }
            Vec::new()
        }
        Action::Offers => open(state, Screen::Offers(offers::Page::default()), Effect::Offers),
        Action::Requests => request::open(state, if state.approver { Which::Queue } else { Which::Mine }),
        Action::Inbox => request::inbox(state),
        Action::Sources => open(state, Screen::Sources(sources::Page::default()), Effect::Health),
        Action::SignIn => copy::sign_in(state),
        Action::OpenLink => {
            state.popups.push(Popup::line("Paste a link", Ask::Link));
            Vec::new()
        }
        Action::Attend => attend(state),
        _ => on_screen(state, action),
    }
}

fn on_screen(state: &mut State, action: Action) -> Vec<Effect> {
    match state.screen() {
        Screen::Catalog => on_catalog(state, action),
        Screen::Image(_) => on_image(state, action),
        Screen::Launch(_) => on_launch(state, action),
        Screen::Workloads(_) | Screen::Workload(_) => on_workload(state, action),
        Screen::Transfers => on_transfers(state, action),
        Screen::Offers(_) => on_offers(state, action),
        Screen::Requests(_) => request::on_requests(state, action),
        Screen::Inbox(_) => request::on_inbox(state, action),
        Screen::Sources(_) if action == Action::Refresh => {
            state.stack.pop();
            run(state, Action::Sources)
        }
        _ => Vec::new(),
    }
}

fn movement(state: &mut State, action: Action) -> bool {
    let (page, size) = (state.page(), state.size);
    match state.stack.last_mut() {
        Some(Screen::Launch(screen)) if screen.in_plan => {
            let mut at = Position { selected: usize::from(screen.plan_top), top: 0 };
            let moved = at.go(action, usize::from(screen.plan_end(size)) + 1, page);
            screen.plan_top = at.selected as u16;
            moved
        }
        Some(Screen::Workload(screen)) => screen.go(action, page),
        _ => state.list().is_some_and(|mut shown| shown.list.go(action, page)),
    }
}

/// Opens a list to choose from.
pub fn pick(state: &mut State, pick: Pick) -> Vec<Effect> {
    state.popups.push(Popup::Pick(pick));
    Vec::new()
}

/// Opens a screen, and reads what it shows.
pub fn open(state: &mut State, screen: Screen, effect: Effect) -> Vec<Effect> {
    // Going where one is already must not pile up screens.
    let same = std::mem::discriminant(state.screen()) == std::mem::discriminant(&screen);
    if same {
        state.stack.pop();
    }
    state.stack.push(screen);
    vec![effect]
}

/// Leaves the shown screen, or clears the filter or search, or asks whether to leave Wharf.
pub fn back(state: &mut State) -> Vec<Effect> {
    if let Some(Screen::Workload(page)) = state.stack.last_mut() {
        if page.output.forget() {
            return Vec::new();
        }
    }
    if state.stack.len() > 1 {
        let Some(left) = state.stack.pop() else { return Vec::new() };
        let mut effects = vec![Effect::Leave(update::slots(&left))];
        effects.extend(resume(state));
        return effects;
    }
    if !state.catalog.input.text.is_empty() {
        state.catalog.input = crate::tui::kit::input::Input::default();
        return state.catalog.typed();
    }
    if !state.catalog.marked.is_empty() {
        state.catalog.marked.clear();
        return Vec::new();
    }
    state.say("q leaves Wharf");
    Vec::new()
}

/// What a screen that comes back to the top must read again.
fn resume(state: &State) -> Vec<Effect> {
    match state.screen() {
        Screen::Workloads(_) => vec![Effect::Workloads],
        Screen::Workload(page) => watch(&page.workload, false),
        Screen::Offers(_) => vec![Effect::Offers],
        Screen::Requests(page) => vec![page.again(), Effect::Listen { always: false }],
        Screen::Inbox(_) => vec![Effect::Inbox, Effect::Offers, Effect::Listen { always: false }],
        _ => Vec::new(),
    }
}

fn home(state: &mut State) -> Vec<Effect> {
    let mut effects = Vec::new();
    while state.stack.len() > 1 {
        if let Some(left) = state.stack.pop() {
            effects.push(Effect::Leave(update::slots(&left)));
        }
    }
    effects
}

fn quit(state: &mut State) -> Vec<Effect> {
    match state.running() {
        0 => state.quit = true,
        running => {
            let question = format!(
                "{} still running and would be cancelled. Leave all the same?",
                text::plural(running as u64, "task is", "tasks are")
            );
            state.popups.push(Popup::Confirm { question, sure: Sure::Quit });
        }
    }
    Vec::new()
}

fn help(state: &mut State) -> Vec<Effect> {
    let text = keys(&state.keymap, state.scope());
    state.popups.push(Popup::Text { title: "Keys".into(), text, copy: None, top: 0, link: None });
    Vec::new()
}

/// The keys of a scope and those that work everywhere, as text.
pub fn keys(keymap: &Keymap, scope: &str) -> String {
    let mut text = String::new();
    for (title, scope) in [("Here", scope), ("In lists", "list"), ("Everywhere", "global")] {
        text.push_str(title);
        text.push('\n');
        for (action, keys) in keymap.of_scope(scope) {
            let keys = keys.iter().map(|key| key.words()).collect::<Vec<_>>().join(" ");
            text.push_str(&format!("  {keys:<18} {}\n", action.help()));
        }
    }
    text.trim_end().to_owned()
}

fn palette(state: &mut State) -> Vec<Effect> {
    let scope = state.scope();
    let usable = |action: &Action| state.keymap.key(scope, *action).map(|key| (*action, key));
    let items = Action::ALL
        .iter()
        .filter_map(usable)
        .map(|(action, key)| Item {
            label: action.help().to_owned(),
            note: key.words(),
            value: action.name().to_owned(),
            disabled: hints::disabled(state, action),
        })
        .collect();
    pick(state, Pick::new("Commands", Purpose::Command, items))
}

/// Opens the page of an image, and the launch screen behind it if that is what was wanted.
pub fn open_image(state: &mut State, target: Target, launch_next: bool) -> Vec<Effect> {
    state.stack.push(Screen::Image(Box::new(image::Page { launch_next, ..image::Page::new(target.clone()) })));
    vec![Effect::Image { target, platform: None }]
}

fn on_catalog(state: &mut State, action: Action) -> Vec<Effect> {
    let catalog = &mut state.catalog;
    match action {
        Action::Filter => catalog.typing = true,
        Action::Sort => return catalog.resort(),
        Action::Mark => catalog.mark(),
        Action::Refresh => {
            let sources = state.sources.clone();
            return state.catalog.refresh(&sources, state.now);
        }
        Action::Facets => {
            return vec![catalog.facets()];
        }
        Action::SavedFilters => {
            if catalog.saved.is_empty() {
                state.say("no filter is saved yet: type one, then ctrl-s keeps it");
                return Vec::new();
            }
            let items = catalog
                .saved
                .iter()
                .map(|(name, filter)| Item {
                    label: name.clone(),
                    note: filter.clone(),
                    value: filter.clone(),
                    disabled: None,
                })
                .collect();
            return pick(state, Pick::new("Saved filters", Purpose::Filter, items));
        }
        Action::SaveFilter => {
            if catalog.input.text.is_empty() {
                state.say("type a filter first, then keep it");
                return Vec::new();
            }
            let title = format!("Keep '{}' as", catalog.input.text);
            state.popups.push(Popup::line(title, Ask::FilterName));
        }
        Action::Open | Action::Launch => {
            let Some(target) = catalog.target() else { return Vec::new() };
            return open_image(state, target, action == Action::Launch);
        }
        Action::Share => {
            let targets = catalog.targets();
            return targets.into_iter().rev().flat_map(|target| share::share(state, target, None)).collect();
        }
        Action::Request => {
            let Some(target) = catalog.target() else { return Vec::new() };
            return request::ask(state, target);
        }
        Action::Explain => {
            let Some(target) = catalog.target() else { return Vec::new() };
            state.say("looking at its evidence…");
            return vec![Effect::Explain(target)];
        }
        Action::Tag => {
            let Some(target) = catalog.target() else { return Vec::new() };
            return upkeep::tag(state, target);
        }
        Action::RemoveImage => {
            let targets = catalog.targets();
            return upkeep::remove(state, targets);
        }
        Action::Import => {
            let title = "URL of a disk image (the cloud fetches it by itself)";
            state.popups.push(Popup::line(title, Ask::Web));
        }
        Action::CopyTo => {
            let Some(target) = catalog.target() else { return Vec::new() };
            return copy::copy_to(state, target, None);
        }
        Action::Link => {
            let wish = catalog.target().map(|target| LinkWish { target, platform: None, until: None });
            return wish.map(Effect::Link).into_iter().collect();
        }
        Action::CopyReference => return catalog.target().map(Effect::CopyReference).into_iter().collect(),
        _ => {}
    }
    Vec::new()
}

fn on_image(state: &mut State, action: Action) -> Vec<Effect> {
    let Some(Screen::Image(page)) = state.stack.last_mut() else { return Vec::new() };
    match action {
        Action::NextPane => page.turn(1),
        Action::PreviousPane => page.turn(page.panes().len().saturating_sub(1)),
        Action::Refresh => {
            let platform = page.platform.take();
            **page = image::Page { platform, ..image::Page::new(page.target()) };
            return vec![page.fetch()];
        }
        Action::Open => {
            // A version opens as a page of its own.
            if let (Some(tag), Target::Reference(reference)) = (page.selected_tag().cloned(), page.target()) {
                return open_image(state, Target::Reference(reference.with_tag(&tag)), false);
            }
        }
        Action::Launch => {
            if let Some(image) = page.image.clone() {
                let backends = state.backends.clone();
                let page = launch::Page::new(image.clone(), backends);
                let backend = page.backend_name();
                state.stack.push(Screen::Launch(Box::new(page)));
                return vec![Effect::Form { backend, image: Box::new(image) }];
            }
        }
        Action::Share => {
            let (target, platform) = (page.target(), page.platform.clone());
            return share::share(state, target, platform);
        }
        Action::Tag => {
            let target = page.meant();
            return upkeep::tag(state, target);
        }
        Action::RemoveImage => {
            let target = page.meant();
            return upkeep::remove(state, vec![target]);
        }
        Action::CopyTo => {
            let (target, platform) = (page.target(), page.platform.clone());
            return copy::copy_to(state, target, platform);
        }
        Action::Platform => {
            let entries = page.image.iter().flat_map(|image| &image.platforms);
            let host = Platform::host();
            let items = entries
                .map(|entry| {
                    let note = if entry.platform.serves(&host) { "this machine" } else { "" };
                    Item::plain(entry.platform.to_string(), note)
                })
                .collect();
            return pick(state, Pick::new("Platform", Purpose::Platform, items));
        }
        Action::Request => {
            let target = page.target();
            return request::ask(state, target);
        }
        Action::Explain => match page.verified.take() {
            Some(Ok(verified)) => {
                page.verified = Some(Ok(verified.clone()));
                explain(state, &verified);
            }
            other => {
                page.verified = other;
                state.say("its evidence has not arrived");
            }
        },
        Action::Verify => {
            if let Some(image) = page.image.clone() {
                page.verified = None;
                if !matches!(page.pane, image::Pane::Trust | image::Pane::Scan) {
                    page.pane = image::Pane::Trust;
                    page.at = Position::default();
                }
                return vec![Effect::Verify { image: Box::new(image), anew: true }];
            }
        }
        Action::Filter => {
            let input = crate::tui::kit::input::Input::new(page.narrowed.clone());
            let title = "Words, a severity, fixable, exploited".to_owned();
            state.popups.push(Popup::Line { title, about: Vec::new(), input, ask: Ask::Narrow });
        }
        Action::Sort => {
            page.order = page.order.next();
            let words = page.order.word();
            state.say(words);
        }
        Action::Compare => {
            if let (Some(tag), Some(image)) = (page.selected_tag(), &page.image) {
                let after = image.reference.with_tag(tag);
                let (before, platform) = (image.reference.clone(), page.platform.clone());
                state.say("comparing…");
                return vec![Effect::Compare { before, after, platform }];
            }
        }
        Action::Revoke => {
            let seen = page.seen_share();
            if let Some(share) = state.seen(seen) {
                let question = format!("Take it back from {}? What it launched keeps running.", share.called());
                state.popups.push(Popup::Confirm { question, sure: Sure::Revoke(share) });
            }
        }
        Action::Link => {
            let wish = LinkWish { target: page.target(), platform: page.platform.clone(), until: None };
            return vec![Effect::Link(wish)];
        }
        Action::CopyReference => return vec![Effect::CopyReference(page.target())],
        _ => {}
    }
    Vec::new()
}

/// Opens the explanation of a badge, to be read and copied.
pub fn explain(state: &mut State, verified: &Verified) {
    let text = verified.explain(state.now);
    state.come(Popup::text("Why", text));
}

fn on_offers(state: &mut State, action: Action) -> Vec<Effect> {
    let Screen::Offers(page) = state.screen() else { return Vec::new() };
    match action {
        Action::Refresh => return vec![Effect::Offers],
        Action::Take => return share::take(state),
        _ => {}
    }
    let Some((reference, source)) = page.rows.selected().map(|one| (one.reference.clone(), one.source.clone())) else {
        return Vec::new();
    };
    match action {
        Action::Open => open_image(state, Target::Reference(reference), false),
        Action::Accept | Action::Reject => {
            let seen = page.rows.seen_one();
            let Some(offer) = state.seen(seen) else { return Vec::new() };
            let accept = action == Action::Accept;
            let job = state.job(format!("{} {}", action.words(), offer.called()));
            state.changing.push((job, source));
            vec![Effect::AnswerOffer { job, offer, accept }]
        }
        _ => Vec::new(),
    }
}

fn on_launch(state: &mut State, action: Action) -> Vec<Effect> {
    let Some(Screen::Launch(page)) = state.stack.last_mut() else { return Vec::new() };
    match action {
        Action::Open => return update::edit(state),
        Action::NextPane => page.in_plan = !page.in_plan,
        Action::Left | Action::Right => {
            if page.turn(action == Action::Right) {
                if page.at.selected == 0 {
                    return vec![Effect::Form { backend: page.backend_name(), image: Box::new(page.image.clone()) }];
                }
                return replan(state);
            }
        }
        Action::Confirm => {
            let seen = page.plan.as_ref().map_or(Err(Unseen::Nothing), Drawn::seen);
            let (plan, title) = (page.plan.as_deref().cloned(), page.image.title());
            if let (Some(_), Some(plan)) = (state.seen(seen), plan) {
                let title = title.strip_suffix(&format!(" on {}", plan.backend)).unwrap_or(&title);
                let job = state.job(format!("launch {title} on {}", plan.backend));
                if let Some(Screen::Launch(page)) = state.stack.last_mut() {
                    page.job = Some(job);
                }
                state.say("launching: 3 shows how far it is");
                return vec![Effect::Launch { job, plan: Box::new(plan) }];
            }
        }
        _ => {}
    }
    Vec::new()
}

/// Makes the plan of the answers as they are now.
pub fn replan(state: &mut State) -> Vec<Effect> {
    let Some(Screen::Launch(page)) = state.stack.last_mut() else { return Vec::new() };
    page.plan = None;
    page.error = None;
    vec![Effect::Plan {
        backend: page.backend_name(),
        image: Box::new(page.image.clone()),
        answers: page.answers.clone(),
    }]
}

fn on_workload(state: &mut State, action: Action) -> Vec<Effect> {
    let (workload, seen) = match state.screen() {
        Screen::Workloads(page) => (page.rows.selected().cloned(), page.rows.seen_one()),
        Screen::Workload(page) => (Some((*page.workload).clone()), page.workload.seen()),
        _ => return Vec::new(),
    };
    if action == Action::Refresh {
        return vec![Effect::Workloads];
    }
    let lines = state.page();
    if let Some(Screen::Workload(page)) = state.stack.last_mut() {
        let height = page.height(lines);
        match action {
            Action::Search => page.output.begin(),
            Action::NextMatch => page.output.next(true, height),
            Action::PreviousMatch => page.output.next(false, height),
            Action::Times => {
                page.output.times = !page.output.times;
                return watch_again(state);
            }
            _ => {}
        }
    }
    let Some(workload) = workload else { return Vec::new() };
    let changes = matches!(action, Action::Stop | Action::Start | Action::Restart | Action::Snapshot | Action::Remove);
    if changes {
        let Some(seen) = state.seen(seen) else { return Vec::new() };
        return change_workload(state, action, seen, &workload);
    }
    let (backend, id) = (workload.backend.clone(), workload.id.clone());
    match action {
        Action::Open => open_workload(state, workload),
        Action::Shell | Action::Attach => {
            let command = (action == Action::Shell).then(|| vec!["/bin/sh".to_owned()]);
            let size = state.size;
            state.stack.push(Screen::Console(Box::new(console::Page::new(workload, size))));
            vec![Effect::Terminal { backend, id, command, size: console::inner(size) }]
        }
        _ => Vec::new(),
    }
}

/// How long engines wait for a program to end before they kill it.
const END: &str = "10 s";

fn change_workload(state: &mut State, action: Action, seen: Seen<WorkloadId>, now: &Workload) -> Vec<Effect> {
    match action {
        Action::Stop => {
            let job = state.job(format!("stop {}", seen.called()));
            state.say(format!("stopping {}: it may take {END} to end by itself", seen.called()));
            vec![Effect::Stop { job, workload: seen }]
        }
        Action::Snapshot => share::snapshot(state, &now.name, seen),
        Action::Remove => {
            let running = if now.state.is_live() { "It still runs. " } else { "" };
            let question = format!("{running}Remove {}, with its logs?", seen.called());
            state.popups.push(Popup::Confirm { question, sure: Sure::Remove(seen) });
            Vec::new()
        }
        _ => {
            let again = action == Action::Restart;
            let job = state.job(format!("{} {}", action.words(), seen.called()));
            let first = if again { format!(" again: it may take {END} to end first") } else { "…".to_owned() };
            state.say(format!("starting {}{first}", seen.called()));
            state.restarting = Some(job);
            vec![Effect::Start { job, workload: seen, again }]
        }
    }
}

fn on_transfers(state: &mut State, action: Action) -> Vec<Effect> {
    match action {
        Action::Stop => {
            let seen = state.jobs.seen_one();
            state.seen(seen).map(Effect::Cancel).into_iter().collect()
        }
        Action::Open => {
            if let Some(text) = state.jobs.selected().map(|job| transfers::told(job, state.now)) {
                state.popups.push(Popup::text("Transfer", text));
            }
            Vec::new()
        }
        _ => Vec::new(),
    }
}

/// Opens what waits for the person; else tells in full what was said last and what failed here.
fn attend(state: &mut State) -> Vec<Effect> {
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

/// Opens the page of a workload and starts watching it.
pub fn open_workload(state: &mut State, workload: Workload) -> Vec<Effect> {
    let effects = watch(&workload, true);
    let clock = state.clock;
    state.stack.push(update::workload_page(workload, clock));
    effects
}

/// Watches the shown workload anew after it was started again.
pub fn watch_again(state: &mut State) -> Vec<Effect> {
    let clock = state.clock;
    let Some(Screen::Workload(page)) = state.stack.last_mut() else { return Vec::new() };
    page.again(clock);
    let (backend, id) = (page.workload.backend.clone(), page.workload.id.clone());
    vec![Effect::Logs { backend, id, times: page.output.times }]
}

fn watch(workload: &Workload, logs: bool) -> Vec<Effect> {
    let mut effects = vec![Effect::Workloads];
    if logs {
        effects.push(Effect::Logs { backend: workload.backend.clone(), id: workload.id.clone(), times: false });
    }
    effects
}
