//! Everything the screens show. Plain data: no handles, no tasks, no clocks.

use crossterm::event::KeyEvent;

use super::{
    keymap::Keymap,
    list::{Position, Shown},
    msg::Effect,
    popups::Popup,
    screens::{catalog, console, image, inbox, launch, offers, requests, sources, workload, workloads},
};
use crate::core::{error::Error, portal::Finding, ports::Listing, progress::Note};

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
    Transfers(Position),
    /// Sources and backends.
    Sources(sources::Page),
    /// What other projects offer.
    Offers(offers::Page),
    /// Requests: mine, those that wait, all.
    Requests(Box<requests::Page>),
    /// What concerns this person.
    Inbox(inbox::Page),
}

/// What is known of a source without asking it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLine {
    /// Its name.
    pub name: String,
    /// Its adapter.
    pub adapter: String,
    /// Its address.
    pub address: String,
    /// Where it was found.
    pub origin: String,
    /// How it can be listed.
    pub listing: Listing,
    /// Whether rows on the screen may be looked at without being asked to.
    pub cheap: bool,
    /// Whether one signs in there.
    pub signs_in: bool,
    /// Whether its images are shared by grant, and not by copy.
    pub grants: bool,
}

impl SourceLine {
    /// Host and port of its address.
    pub fn host(&self) -> &str {
        let address = self.address.as_str();
        address.split_once("://").map_or(address, |(_, rest)| rest).trim_end_matches('/')
    }
}

/// A write that runs or ran.
#[derive(Debug)]
pub struct Job {
    /// Its number.
    pub id: u64,
    /// What it is.
    pub title: String,
    /// How far it is.
    pub note: Note,
    /// Seconds since 1970 when it began.
    pub started: i64,
    /// How it ended.
    pub ended: Option<Result<String, Error>>,
}

/// One line at the bottom, until the next key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The line.
    pub text: String,
    /// What kind of line it is.
    pub tone: Tone,
}

/// What kind of line a notice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Something was done.
    Done,
    /// Something to know; nothing happened.
    Told,
    /// Something failed.
    Failed,
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
    /// Popups, the top one last.
    pub popups: Vec<Popup>,
    /// The list of images.
    pub catalog: catalog::Catalog,
    /// Jobs, newest first.
    pub jobs: Vec<Job>,
    /// The line at the bottom.
    pub notice: Option<Notice>,
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
    /// How many notices were not read.
    pub unread: i64,
    /// Whether images can be asked for here.
    pub requests: bool,
    /// Set when the program should end.
    pub quit: bool,
    next: u64,
}

impl State {
    /// The state before anything has happened.
    pub fn new(sources: Vec<SourceLine>, backends: Vec<String>, keymap: Keymap) -> Self {
        Self {
            now: 0,
            size: (80, 24),
            stack: vec![Screen::Catalog],
            popups: Vec::new(),
            catalog: catalog::Catalog::new(&sources),
            jobs: Vec::new(),
            notice: None,
            keymap,
            theme: "default".into(),
            themes: Vec::new(),
            mouse: true,
            sources,
            backends,
            findings: Vec::new(),
            changing: Vec::new(),
            unread: 0,
            requests: true,
            quit: false,
            next: 0,
        }
    }

    /// What to do at start.
    pub fn begin(&mut self) -> Vec<Effect> {
        let mut effects = vec![Effect::LoadCache];
        effects.extend(self.catalog.refresh(&self.sources));
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
            Screen::Transfers(_) => "transfers",
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
                Screen::Console(_) => true,
                _ => false,
            }
    }

    /// What the shown screen lets one go through: a list, or a text that scrolls.
    pub fn list(&mut self) -> Option<Shown<'_>> {
        let line = |at, count, above| Shown { at, count, above, each: 1, chosen: true };
        match self.stack.last_mut()? {
            Screen::Catalog => {
                let count = self.catalog.count();
                Some(line(&mut self.catalog.at, count, 3))
            }
            Screen::Image(page) => {
                let count = page.count(self.size.0);
                let chosen = matches!(page.pane, image::Pane::Versions | image::Pane::Shares);
                Some(Shown { chosen, ..line(&mut page.at, count, 4) })
            }
            Screen::Launch(page) => {
                let count = page.count();
                Some(line(&mut page.at, count, 1))
            }
            Screen::Workloads(page) => Some(line(&mut page.at, page.all.as_ref().map_or(0, Vec::len), 2)),
            Screen::Offers(page) => Some(line(&mut page.at, page.all.as_ref().map_or(0, Vec::len), 2)),
            Screen::Requests(page) => {
                let count = page.all.as_ref().map_or(0, Vec::len);
                Some(line(&mut page.at, count, 3))
            }
            Screen::Inbox(page) => {
                let count = page.count();
                Some(line(&mut page.at, count, 2))
            }
            Screen::Transfers(at) => Some(Shown { each: 2, ..line(at, self.jobs.len(), 1) }),
            Screen::Sources(page) => {
                let count = self.findings.len() + self.sources.len() * 4 + 8;
                Some(Shown { chosen: false, ..line(&mut page.at, count, 1) })
            }
            Screen::Workload(_) | Screen::Console(_) => None,
        }
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
        if error.kind != crate::core::error::Kind::Cancelled {
            self.notice = Some(Notice { text: error.to_string(), tone: Tone::Failed });
        }
    }

    /// Starts keeping a job.
    pub fn job(&mut self, title: String) -> u64 {
        let id = self.number();
        self.jobs.insert(0, Job { id, title, note: Note::default(), started: self.now, ended: None });
        self.jobs.truncate(200);
        id
    }

    /// Jobs that still run.
    pub fn running(&self) -> usize {
        self.jobs.iter().filter(|job| job.ended.is_none()).count()
    }

    /// Lines of a list that fit on the screen: a page for the page keys.
    pub fn page(&self) -> usize {
        usize::from(self.size.1.saturating_sub(5)).max(1)
    }
}

/// Whether a key event is a press; terminals that report releases send both.
pub fn is_press(key: &KeyEvent) -> bool {
    key.kind != crossterm::event::KeyEventKind::Release
}
