//! Everything the screens show. Plain data: no handles, no tasks, no clocks.

use std::collections::VecDeque;

use crossterm::event::KeyEvent;

use super::{
    kit::{
        keymap::Keymap,
        list::{Drawn, Lines, Rows, Shown, Unseen, Walk},
    },
    model::{Job, Notice, SourceLine, Tone},
    msg::Effect,
    popups::{Popup, Popups},
    rows::WorkloadId,
    screens::{catalog, console, image, inbox, launch, offers, requests, sources, workload, workloads},
};
use crate::core::{
    base::{context::Note, error::Error},
    portal::doctor::Finding,
};

/// One screen. Each keeps its own state, its update and its view together.
#[derive(Debug)]
pub enum Screen {
    /// The list of images; its state lives in `State`, because it is never closed.
    Catalog,
    /// One image.
    Image(Box<image::Page>),
    /// The launch form and its plan.
    Launch(Box<launch::Page>),
    /// What runs.
    Workloads(workloads::Page),
    /// One workload.
    Workload(Box<workload::Page>),
    /// A terminal in one.
    Console(Box<console::Page>),
    /// Running and finished work.
    Transfers,
    /// Sources and backends.
    Sources(sources::Page),
    /// What other projects offer.
    Offers(offers::Page),
    /// Requests: mine, those that wait, all.
    Requests(Box<requests::Page>),
    /// What concerns this person.
    Inbox(inbox::Page),
}

/// The whole state.
#[derive(Debug)]
pub struct State {
    /// Seconds since 1970, set by the loop.
    pub now: i64,
    /// Columns and rows.
    pub size: (u16, u16),
    /// Screens, the shown one last. The first is the catalog.
    pub stack: Vec<Screen>,
    /// Milliseconds since some moment, set by the loop.
    pub clock: u64,
    /// Popups, the top one last.
    pub popups: Popups,
    /// What came by itself while the person was at something else: it waits until they open it.
    pub waiting: VecDeque<Popup>,
    /// Whether the last key began or went on with something that may ask: then the person waits for it.
    pub expects: bool,
    /// The list of images.
    pub catalog: catalog::Catalog,
    /// Jobs, newest first.
    pub jobs: Rows<Job>,
    /// The line at the bottom.
    pub notice: Option<Notice>,
    /// The line that was there before the last key.
    pub said: Option<Notice>,
    /// Keys.
    pub keymap: Keymap,
    /// Name of the theme.
    pub theme: String,
    /// Names of all themes.
    pub themes: Vec<String>,
    /// Whether the mouse is used.
    pub mouse: bool,
    /// Sources.
    pub sources: Vec<SourceLine>,
    /// Backends.
    pub backends: Vec<String>,
    /// What was found at start.
    pub findings: Vec<Finding>,
    /// Jobs whose good end changes what a source lists, and that source.
    pub changing: Vec<(u64, String)>,
    /// What is being measured.
    pub measured: Vec<WorkloadId>,
    /// The job that starts the shown workload again.
    pub restarting: Option<u64>,
    /// How many notices were not read.
    pub unread: i64,
    /// Offers of other projects that wait for an answer.
    pub offered: usize,
    /// Whether images can be asked for here.
    pub requests: bool,
    /// Whether this person decides on requests.
    pub approver: bool,
    /// Set when the program should end.
    pub quit: bool,
    /// Set when it should give the terminal back and stop, until the shell lets it go on.
    pub suspend: bool,
    next: u64,
}

impl State {
    /// The state before anything has happened.
    pub fn new(sources: Vec<SourceLine>, backends: Vec<String>, keymap: Keymap) -> Self {
        Self {
            now: 0,
            size: (80, 24),
            stack: vec![Screen::Catalog],
            clock: 0,
            popups: Popups::default(),
            waiting: VecDeque::new(),
            expects: false,
            catalog: catalog::Catalog::new(&sources),
            jobs: Rows::of(Vec::new()),
            notice: None,
            said: None,
            keymap,
            theme: "default".into(),
            themes: Vec::new(),
            mouse: true,
            sources,
            backends,
            findings: Vec::new(),
            changing: Vec::new(),
            measured: Vec::new(),
            restarting: None,
            unread: 0,
            offered: 0,
            requests: true,
            approver: false,
            quit: false,
            suspend: false,
            next: 0,
        }
    }

    /// What to do at start.
    pub fn begin(&mut self) -> Vec<Effect> {
        let mut effects = vec![Effect::LoadCache];
        effects.extend(self.catalog.refresh(&self.sources, self.now));
        effects
    }

    /// A number that was not given out before.
    pub fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// The shown screen.
    pub fn screen(&self) -> &Screen {
        self.stack.last().unwrap_or(&Screen::Catalog)
    }

    /// The name of the key scope that is in force.
    pub fn scope(&self) -> &'static str {
        match self.screen() {
            Screen::Catalog => "catalog",
            Screen::Image(_) => "image",
            Screen::Launch(_) => "launch",
            Screen::Workloads(_) => "workloads",
            Screen::Workload(_) => "workload",
            Screen::Console(_) => "console",
            Screen::Transfers => "transfers",
            Screen::Sources(_) => "sources",
            Screen::Offers(_) => "offers",
            Screen::Requests(_) => "requests",
            Screen::Inbox(_) => "inbox",
        }
    }

    /// Whether keys are text right now.
    pub fn is_typing(&self) -> bool {
        self.popups.is_empty()
            && match self.screen() {
                Screen::Catalog => self.catalog.typing,
                Screen::Launch(page) => page.editing.is_some(),
                Screen::Workload(page) => page.output.typing.is_some(),
                Screen::Console(_) => true,
                _ => false,
            }
    }

    /// What the shown screen lets one go through: a list, or a text that scrolls.
    pub fn list(&mut self) -> Option<Shown<'_>> {
        fn of<'a>(list: impl Walk + 'a, above: u16) -> Shown<'a> {
            Shown { list: Box::new(list), above, each: 1, chosen: true }
        }
        Some(match self.stack.last_mut()? {
            Screen::Catalog => {
                let count = self.catalog.count();
                of(Lines(&mut self.catalog.at, count), 3)
            }
            Screen::Image(page) => {
                let count = page.count(self.size.0);
                match (page.pane, &mut page.shares) {
                    (image::Pane::Shares, Some(Ok(shares))) => of(shares, 4),
                    (pane, _) => Shown { chosen: pane == image::Pane::Versions, ..of(Lines(&mut page.at, count), 4) },
                }
            }
            Screen::Launch(page) => {
                let count = page.count();
                of(Lines(&mut page.at, count), 1)
            }
            Screen::Workloads(page) => of(&mut page.rows, 2),
            Screen::Offers(page) => of(&mut page.rows, 2),
            Screen::Requests(page) => of(&mut page.rows, 3),
            Screen::Inbox(page) => of(&mut page.rows, 2),
            Screen::Transfers => Shown { each: 2, ..of(&mut self.jobs, 1) },
            Screen::Sources(page) => {
                let count = page.count(&self.sources, &self.findings, self.size);
                Shown { chosen: false, ..of(Lines(&mut page.at, count), 1) }
            }
            Screen::Workload(_) | Screen::Console(_) => return None,
        })
    }

    /// A frame has shown what is on the screen: from now on it can be decided on.
    pub fn drawn(&mut self) {
        if !self.popups.is_empty() {
            return self.popups.drawn(self.clock);
        }
        if let Some(mut shown) = self.list() {
            shown.list.drawn();
        }
        match self.stack.last_mut() {
            Some(Screen::Workload(page)) => page.workload.drawn(),
            Some(Screen::Launch(page)) => page.plan.iter_mut().for_each(Drawn::drawn),
            _ => {}
        }
    }

    /// Opens something that came by itself; while the person types, or another popup is open, it waits.
    pub fn come(&mut self, popup: Popup) {
        if self.popups.is_empty() && !self.is_typing() {
            self.popups.come(popup)
        } else {
            self.waiting.push_back(popup)
        }
    }

    /// Opens a question of the core, if the person waits for one; else it waits for them.
    pub fn asked(&mut self, question: Popup) {
        if self.expects { self.come(question) } else { self.waiting.push_back(question) }
    }

    /// Takes a decision's objects out of what was seen, or says why nothing is done.
    pub fn seen<T>(&mut self, seen: Result<T, Unseen>) -> Option<T> {
        seen.map_err(|why| self.say(why.to_string())).ok()
    }

    /// Says something at the bottom.
    pub fn say(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice { text: text.into(), tone: Tone::Told });
    }

    /// Says that something was done.
    pub fn done(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice { text: text.into(), tone: Tone::Done });
    }

    /// Says that something failed.
    pub fn fail(&mut self, error: &Error) {
        if error.kind != crate::core::base::error::Kind::Cancelled {
            self.notice = Some(Notice { text: error.to_string(), tone: Tone::Failed });
        }
    }

    /// Starts keeping a job.
    pub fn job(&mut self, title: String) -> u64 {
        let id = self.number();
        let job = Job { id, title, note: Note::default(), started: self.now, ended: None };
        self.jobs.change(|jobs| {
            jobs.insert(0, job);
            jobs.truncate(200);
        });
        id
    }

    /// Jobs that still run.
    pub fn running(&self) -> usize {
        self.jobs.iter().filter(|job| job.ended.is_none()).count()
    }

    /// Lines of a list that fit on the screen: a page for the page keys.
    pub fn page(&self) -> usize {
        usize::from(self.size.1.saturating_sub(5 + u16::from(!self.waiting.is_empty()))).max(1)
    }
}

/// Whether a key event is a press; terminals that report releases send both.
pub fn is_press(key: &KeyEvent) -> bool {
    key.kind != crossterm::event::KeyEventKind::Release
}
