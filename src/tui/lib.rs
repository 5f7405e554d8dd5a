//! The terminal front end. `run_loop` is its only loop.
//!
//! Messages change the state (`update`, a plain function), the state is drawn once for all messages that have arrived,
//! and effects run beside the loop (`jobs`). While nothing happens, nothing is drawn and the program does not wake up.

pub mod bar;
pub mod ending;
pub mod flows;
pub mod hints;
pub mod jobs;
pub mod kept;
pub mod kit;
pub mod message;
pub mod model;
pub mod msg;
pub mod output;
pub mod popups;
pub mod rows;
pub mod screens;
pub mod speed;
pub mod state;
pub mod suspend;
pub mod told;
pub mod update;
pub mod usage;
pub mod view;
pub mod workload_keys;

use std::{sync::Arc, time::Duration};

use crossterm::event::{Event, EventStream, MouseButton, MouseEventKind};
use futures_util::{Stream, StreamExt};
use ratatui::{
    Frame, Terminal,
    layout::{Position, Rect},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::Instant,
};

use self::{
    jobs::Jobs,
    kit::{
        action::Action,
        glyphs::{self, Environment, Glyphs},
        keymap::Keymap,
        plain::{self, LineBackend, Listener},
        plot::chart::Charts,
        spinner, terminal,
        theme::{self, Depth, Theme},
    },
    model::SourceLine,
    msg::{Effect, Msg, RunEffect, SourceEffect},
    state::State,
    suspend::{JobControl, JobSignal},
};
use wharf_core::{
    base::{
        error::{During, Result},
        text,
    },
    config::Config,
    portal::{
        Portal,
        doctor::{self, Finding},
    },
};

/// The shortest time between two frames: shorter ones cannot be seen, and a slow line need not carry them.
const FRAME: Duration = Duration::from_millis(8);

/// The state at start, with the portal's sources, backends, keys and themes.
pub fn initial_state(portal: &Portal) -> State {
    let sources = portal
        .sources
        .facts()
        .into_iter()
        .map(|source| SourceLine {
            name: source.name,
            adapter: source.adapter.to_owned(),
            address: source.address,
            origin: source.origin,
            listing: source.listing,
            cheap: source.describes_cheaply,
            signs_in: source.signs_in,
            grants: source.grants,
            holds_disks: source.holds_disks,
            begins_again: source.begins_again,
            abilities: source.abilities,
            added: source.added,
            hidden: source.hidden,
        })
        .collect();
    let backends = portal.launches.backends().into_iter().map(str::to_owned).collect();
    let keymap = Keymap::load(portal.config().keymap.as_deref());
    let mut state = State::new(sources, backends, keymap);
    state.mouse = portal.config().mouse;
    state.user = rustix::process::getuid().as_raw();
    state.person.clone_from(&portal.config().person);
    state.plain = portal.config().plain;
    state.charts =
        if state.plain { Charts::Off } else { glyphs::charts(portal.config().charts, glyphs_of(portal.config())) };
    state.switches = kept::output::switches(&portal.config().state_dir);
    state.views = kept::views::views(&portal.config().state_dir);
    state.response_times = kept::response_times::response_times(&portal.config().state_dir);
    state.catalog.set_older_filters(kept::filters::filters(&portal.config().state_dir));
    state.requests = portal.config().takes_requests();
    state.policy = portal.config().policy_written;
    state.theme = kept::theme(&portal.config().state_dir, &portal.config().theme);
    state.themes = theme::BUILT_IN.iter().map(|(name, _)| (*name).to_owned()).collect();
    if let Some(entries) = portal.config().themes_dir.as_ref().and_then(|folder| std::fs::read_dir(folder).ok()) {
        let own = entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_string_lossy().strip_suffix(".toml").map(str::to_owned));
        state.themes.extend(own);
        state.themes.dedup();
    }
    portal.doctor.findings().clone_into(&mut state.findings);
    state.lacking = portal.launches.lacking();
    state
}

/// The characters that this terminal shows.
fn glyphs_of(config: &Config) -> Glyphs {
    Glyphs::new(config.glyphs, &Environment::from_variables())
}

/// What cannot be used of the key map and theme files, one sentence each.
pub fn mistakes(config: &Config) -> Vec<String> {
    let theme = Theme::load(&config.theme, config.themes_dir.as_deref(), Depth::None);
    [Keymap::load(config.keymap.as_deref()).warnings, theme.warnings].concat()
}

/// Runs the screens on this terminal until the person leaves. `rebuild` builds the portal again, with what the person
/// chose about sources meanwhile.
pub async fn run(portal: Portal, rebuild: impl Fn() -> Result<Portal>) -> Result<()> {
    let mut state = initial_state(&portal);
    // Whoever has added a source or closed the page needs no first page.
    state.welcome = portal.config().added.is_empty() && !kept::welcome::is_closed(&portal.config().state_dir);
    let plain = portal.config().plain;
    let guard = terminal::Guard::enter(state.mouse, plain).during("use the terminal")?;
    ending::watch().during("watch the terminal")?;
    let ended = if plain {
        let lines = LineBackend::new(std::io::stdout(), glyphs_of(portal.config()), crossterm::terminal::size);
        let events = || EventStream::new().map(|event| event.map(resized_to_lines));
        run_on(lines, events, portal, state, rebuild).await
    } else {
        let out = std::io::BufWriter::with_capacity(64 << 10, std::io::stdout());
        run_on(ratatui::backend::CrosstermBackend::new(out), EventStream::new, portal, state, rebuild).await
    };
    drop(guard);
    ended
}

/// Runs the screens on a terminal, again after each change of the sources, until the person leaves.
async fn run_on<B: Listener, E>(
    terminal: B,
    events: impl Fn() -> E,
    portal: Portal,
    mut state: State,
    rebuild: impl Fn() -> Result<Portal>,
) -> Result<()>
where
    B::Error: std::fmt::Display,
    E: Stream<Item = std::io::Result<Event>> + Unpin + Send + 'static,
{
    let mut screen = Terminal::new(terminal).during("use the terminal")?;
    let mut portal = Arc::new(portal);
    loop {
        let ended = run_loop(&mut screen, events(), portal.clone(), &mut state).await;
        if ended.is_err() || state.quit {
            return ended;
        }
        let rebuilt = rebuild();
        let failed = rebuilt.as_ref().err().cloned();
        portal = rebuilt.map_or(portal, Arc::new);
        let before = std::mem::replace(&mut state, initial_state(&portal));
        state.go_on_after(before);
        if let Some(error) = failed {
            state.fail(&error);
        }
    }
}

/// The loop over any terminal and any stream of events, so that tests can give it their own.
pub async fn run_loop<B: Listener>(
    screen: &mut Terminal<B>,
    mut events: impl Stream<Item = std::io::Result<Event>> + Unpin + Send + 'static,
    portal: Arc<Portal>,
    state: &mut State,
) -> Result<()>
where
    B::Error: std::fmt::Display,
{
    let depth = if state.plain { Depth::None } else { Depth::from_environment() };
    // Plain lines leave out what is only drawn, by its characters; their text gets its own form when it is printed.
    let glyphs = if state.plain { Glyphs::Unicode } else { glyphs_of(portal.config()) };
    let folder = portal.config().themes_dir.clone();
    let mut theme = Theme::load(&state.theme, folder.as_deref(), depth);
    tell_mistakes(state, &portal.config().warnings, &theme);
    let mut jobs = Jobs::new(portal);
    // One task of its own reads the events: polled from several tasks, crossterm's stream stops waking its reader.
    let (typed, mut keys) = tokio::sync::mpsc::channel(1024);
    let reader = tokio::spawn(async move {
        while let Some(Ok(event)) = events.next().await {
            if typed.send(event).await.is_err() {
                break;
            }
        }
    });
    let mut hangup = signal(SignalKind::hangup()).during("watch for signals")?;
    let mut terminate = signal(SignalKind::terminate()).during("watch for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).during("watch for signals")?;
    let mut job_control = JobControl::new().during("watch for signals")?;
    if let Ok(size) = screen.size() {
        state.size = (size.width, size.height);
    }
    let began = Instant::now();
    state.now = text::now();
    let begin = state.begin();
    perform(begin, state, &mut jobs, &mut theme, folder.as_deref(), depth);
    let (mut dirty, mut answers) = (true, false);
    // The first frame waits a few milliseconds for the rows kept on disk, so that it is not drawn empty.
    let mut drawn = Instant::now();
    let mut shown = false;
    while !state.quit && !state.starts_again() {
        // After a quiet time a frame is drawn at once; otherwise FRAME after the last one at the earliest.
        let due = drawn + FRAME;
        let first = tokio::select! {
            biased;
            _ = hangup.recv() => Some(Msg::Ended),
            _ = terminate.recv() => Some(Msg::Ended),
            _ = interrupt.recv() => Some(Msg::Ended),
            wish = job_control.wish() => {
                match wish {
                    JobSignal::Stop => state.suspend = true,
                    JobSignal::GoOn => resume(screen, state)?,
                }
                dirty = true;
                None
            }
            event = keys.recv() => match event {
                Some(event) => message_from_event(event),
                // The terminal is closed.
                None => Some(Msg::Ended),
            },
            msg = jobs.next() => Some(msg),
            () = tokio::time::sleep_until(due), if dirty => None,
            () = tokio::time::sleep_until(drawn + spinner::STEP), if state.awaits() && !state.plain => {
                dirty = true;
                None
            }
        };
        state.now = text::now();
        state.clock = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut batch = 0;
        let mut next = first;
        while let Some(msg) = next.take() {
            answers |= update::is_by_hand(&msg);
            let effects = update::update(state, msg);
            perform(effects, state, &mut jobs, &mut theme, folder.as_deref(), depth);
            dirty = true;
            batch += 1;
            if batch >= 512 || state.quit {
                break;
            }
            next = keys.try_recv().ok().and_then(message_from_event).or_else(|| jobs.ready());
        }
        if std::mem::take(&mut state.suspend) && !state.quit {
            if job_control.stop().await {
                resume(screen, state)?;
            } else {
                state.say("no shell started Wharf here: there is nothing to go back to");
            }
            dirty = true;
        }
        let rows_came = !shown && state.catalog.count() > 0;
        if dirty && (Instant::now() >= due || rows_came) && !state.quit {
            let draw = |frame: &mut Frame<'_>| {
                view::view(state, frame, &theme);
                glyphs.apply(frame.buffer_mut());
            };
            if std::mem::take(&mut answers) {
                screen.backend_mut().answers();
            }
            screen.draw(draw).during("draw")?;
            drawn = Instant::now();
            dirty = false;
            // Decisions are taken only on what this frame shows; see `kit::list`.
            let effects = update::update(state, Msg::Drawn);
            perform(effects, state, &mut jobs, &mut theme, folder.as_deref(), depth);
            shown = true;
        }
    }
    reader.abort();
    // A loop that follows reads the same terminal: this one must have let go of it.
    let _ = reader.await;
    jobs.cancel_all();
    Ok(())
}

/// Shows what is wrong in the files of the configuration, keys and theme, and adds what the checks do not know of yet.
fn tell_mistakes(state: &mut State, known: &[String], theme: &Theme) {
    // What is wrong in the configuration is also shown by the checks of the Sources screen.
    let new = [state.keymap.warnings.clone(), theme.warnings.clone()].concat();
    let new: Vec<String> = new.into_iter().filter(|warning| !known.contains(warning)).collect();
    // After a start with other sources the bottom line tells what came of the change.
    let first_time = !std::mem::replace(&mut state.mistakes_told, true);
    if let Some(first) = known.iter().chain(&new).next().filter(|_| first_time) {
        let more = match known.len() + new.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more: the Sources screen has them all)"),
        };
        state.warn(format!("{first}{more}"));
    }
    for warning in new {
        let advice = "correct it; the built-in one is used";
        state.findings.push(Finding::new("configuration", doctor::State::Bad, warning, advice));
    }
}

/// The program continues after it was stopped: enters the terminal again and draws everything, because the shell may
/// have written to the screen.
fn resume<B: Listener>(screen: &mut Terminal<B>, state: &mut State) -> Result<()>
where
    B::Error: std::fmt::Display,
{
    terminal::enter(state.mouse).during("use the terminal")?;
    let size = screen.size().during("use the terminal")?;
    update::update(state, Msg::Resize(size.width, size.height));
    // `clear` would ask the terminal for its cursor's position, and some terminals do not answer.
    screen.resize(Rect::from((Position::ORIGIN, size))).during("draw")
}

/// Carries out the effects that need the terminal, and gives the others to the jobs.
fn perform(
    effects: Vec<Effect>,
    state: &mut State,
    jobs: &mut Jobs,
    theme: &mut Theme,
    folder: Option<&std::path::Path>,
    depth: Depth,
) {
    for effect in effects {
        match effect {
            Effect::Copy(text) => {
                if !terminal::copy(&text) {
                    let key = state.keymap.label("global", Action::Mouse);
                    state.say(format!("too long for the clipboard: select it with the mouse ({key} turns ours off)"));
                }
            }
            Effect::CopyReference(target) => match jobs.resolve(&target) {
                Ok(reference) => {
                    terminal::copy(&reference.short_text());
                    state.done(format!("copied {}", reference.short_text()));
                }
                Err(error) => state.fail(&error),
            },
            Effect::Mouse(on) => terminal::set_mouse(on),
            Effect::Theme(name) => {
                show_theme(&name, state, theme, folder, depth);
                if theme.warnings.is_empty() {
                    if let Err(error) = jobs.keep_theme(&name) {
                        state.say(format!("the theme is not kept for the next time: {error}"));
                    }
                }
            }
            Effect::TryTheme(name) => show_theme(&name, state, theme, folder, depth),
            Effect::KeepSwitches(switches) => {
                if let Err(error) = jobs.keep_switches(switches) {
                    state.say(format!("how output is read is not kept for the next time: {error}"));
                }
            }
            Effect::KeepView(scope, view) => {
                if let Err(error) = jobs.keep_view(scope, view) {
                    state.say(format!("which panes are shown is not kept for the next time: {error}"));
                }
            }
            Effect::KeepFilter(filter) => {
                if let Err(error) = jobs.keep_filter(&filter) {
                    state.say(format!("this filter is not kept for the next time: {error}"));
                }
            }
            Effect::CloseWelcome => close_welcome(state, jobs),
            other => {
                // Whoever launches or adds something needs no first page any more.
                if matches!(other, Effect::Run(RunEffect::Launch { .. }) | Effect::Source(SourceEffect::Add { .. })) {
                    close_welcome(state, jobs);
                }
                jobs.start(other);
            }
        }
    }
}

/// Keeps that the first page was closed.
fn close_welcome(state: &mut State, jobs: &Jobs) {
    state.welcome = false;
    if let Err(error) = jobs.close_welcome() {
        state.say(format!("that the first page was closed is not kept for the next time: {error}"));
    }
}

/// Draws with the theme of this name from now on, or tells what is wrong in it.
fn show_theme(name: &str, state: &mut State, theme: &mut Theme, folder: Option<&std::path::Path>, depth: Depth) {
    *theme = Theme::load(name, folder, depth);
    if let Some(warning) = theme.warnings.first() {
        state.warn(warning.clone());
    }
}

/// The event of a terminal to which lines are printed: its screens have a size of their own.
fn resized_to_lines(event: Event) -> Event {
    match event {
        Event::Resize(_, lines) => {
            let (columns, lines) = plain::size_on(lines);
            Event::Resize(columns, lines)
        }
        other => other,
    }
}

fn message_from_event(event: Event) -> Option<Msg> {
    match event {
        Event::Key(key) => Some(Msg::Key(key)),
        Event::Paste(text) => Some(Msg::Paste(text)),
        Event::Resize(columns, rows) => Some(Msg::Resize(columns, rows)),
        Event::Mouse(mouse) => match mouse.kind {
            MouseEventKind::ScrollDown => Some(Msg::Scroll(3)),
            MouseEventKind::ScrollUp => Some(Msg::Scroll(-3)),
            MouseEventKind::Down(MouseButton::Left) => Some(Msg::Click(mouse.column, mouse.row)),
            _ => None,
        },
        Event::FocusGained => Some(Msg::Focus(true)),
        Event::FocusLost => Some(Msg::Focus(false)),
    }
}
