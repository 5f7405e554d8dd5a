//! What the screens show and no screen owns: sources, jobs, and the line at the bottom. Below all screens, so that each may
//! use it; plain data.

use std::collections::VecDeque;

use super::{
    kit::{
        keymap::Keymap,
        list::{Row, Rows, Unseen},
    },
    msg::Effect,
    popups::{Popup, Popups, pick::Pick},
    rows::WorkloadId,
};
use crate::core::{
    base::{
        context::Note,
        error::{Error, Kind},
    },
    portal::{Abilities, doctor::Finding},
    ports::Listing,
};

/// What is known of a source without asking it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLine {
    /// Its name.
    pub name: String,
    /// Its adapter, for people to read.
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
    /// Whether disk images are sent there and fetched from there.
    pub holds_disks: bool,
    /// What it is good for beyond that.
    pub abilities: Abilities,
}

impl SourceLine {
    /// `host[:port]` of the registry whose images it holds, if it is one.
    pub fn registry(&self) -> Option<&str> {
        self.abilities.registry()
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

impl Row for Job {
    type Id = u64;
    fn id(&self) -> u64 {
        self.id
    }
    fn called(&self) -> String {
        self.title.clone()
    }
}

/// All that is no screen's own.
#[derive(Debug)]
pub struct Model {
    /// Seconds since 1970, set by the loop.
    pub now: i64,
    /// Columns and rows.
    pub size: (u16, u16),
    /// Milliseconds since some moment, set by the loop.
    pub clock: u64,
    /// Popups, the top one last.
    pub popups: Popups,
    /// What came by itself while the person was at something else: it waits until they open it.
    pub waiting: VecDeque<Popup>,
    /// Whether the last key began or went on with something that may ask: then the person waits for it.
    pub expects: bool,
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

impl Model {
    /// The model before anything has happened.
    pub fn new(sources: Vec<SourceLine>, backends: Vec<String>, keymap: Keymap) -> Self {
        Self {
            now: 0,
            size: (80, 24),
            clock: 0,
            popups: Popups::default(),
            waiting: VecDeque::new(),
            expects: false,
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

    /// A number that was not given out before.
    pub fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
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
        if error.kind != Kind::Cancelled {
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

    /// Opens a list to choose from.
    pub fn pick(&mut self, pick: Pick) -> Vec<Effect> {
        self.popups.push(Popup::Pick(pick));
        Vec::new()
    }

    /// A frame has shown the open popup.
    pub fn popup_drawn(&mut self) {
        self.popups.drawn(self.clock);
    }

    /// Why a key is not for the open popup, if it is not.
    pub fn popup_refuses(&mut self, key: &crossterm::event::KeyEvent) -> Option<&'static str> {
        self.popups.refuses(key, self.clock)
    }
}
