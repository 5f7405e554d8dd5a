//! The data that the screens share and none of them owns: sources, jobs, popups, the message of the bottom line.

use std::collections::VecDeque;

use ratatui::layout::Rect;

use super::{
    kept::{output::Switches, response_times::ResponseTimes, views::Views},
    kit::{
        action::Action,
        keymap::Keymap,
        layout::{self, Chrome},
        list::{NotSeen, Row, Rows, SeenRow},
        plot::chart::Charts,
    },
    msg::{DescribedWorkload, Effect, ImageTarget, ShareEffect},
    popups::{Popup, Popups, pick::Pick},
    rows::WorkloadId,
    speed::Speed,
    workload_keys,
};
use wharf_core::{
    base::{
        context::Note,
        error::{Error, Kind},
        text,
    },
    image::reference::ImageRef,
    launch::{
        listing::BackendLists,
        plan::{State, Workload},
    },
    portal::{Abilities, doctor::Finding},
    ports::transfer_record::KeptTransfer,
    ports::{Ability, Listing},
};

/// What is known of a source without asking it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLine {
    /// The source's name, as lists and commands show it.
    pub name: String,
    /// The name of the source's adapter, for people to read.
    pub adapter: String,
    /// The source's address, with or without a scheme; for a folder its path.
    pub address: String,
    /// Where the source was found: in the configuration, or on this machine.
    pub origin: String,
    /// Whether the source can be listed as a whole, searched, or both.
    pub listing: Listing,
    /// Whether details of the shown rows may be fetched without the person asking for them.
    pub cheap: bool,
    /// Whether the source has accounts to sign in to.
    pub signs_in: bool,
    /// Whether its images are shared by a right on the same image, not by copying it.
    pub grants: bool,
    /// Whether disk images are sent there and fetched from there.
    pub holds_disks: bool,
    /// Whether a disk image that is sent there begins again after a break.
    pub begins_again: bool,
    /// What it is good for beyond that.
    pub abilities: Abilities,
    /// Whether the person added it from within Wharf.
    pub added: bool,
    /// Whether the person leaves it out of the list of images.
    pub hidden: bool,
}

impl SourceLine {
    /// `host[:port]` of the registry whose images it holds, if it is one.
    pub fn registry(&self) -> Option<&str> {
        self.abilities.registry()
    }
}

/// What the list of images holds of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The name of the source.
    pub source: String,
    /// The number of its images.
    pub rows: usize,
    /// When they were listed, in seconds since 1970; `None` if they are still arriving, or only searched.
    pub fetched: Option<i64>,
    /// Whether the source is being asked for them.
    pub loading: bool,
    /// Why it could not be listed or searched.
    pub error: Option<Error>,
}

/// A change of the sources, after which Wharf starts again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceChange {
    /// The name of the source that was added, removed, hidden or shown.
    pub source: String,
    /// The row on which the person stood when they asked for it.
    pub stood: Option<String>,
}

/// A write that the person started: running or ended.
#[derive(Debug)]
pub struct Job {
    /// The job's number, which no other job has.
    pub id: u64,
    /// What the job does, like `stop NAME on BACKEND`.
    pub title: String,
    /// How far it is: phase, bytes done and bytes in all.
    pub note: Note,
    /// How fast it moves bytes.
    pub speed: Speed,
    /// When it began, in seconds since 1970.
    pub started: i64,
    /// A sentence about what was done, or the error; `None` while it runs.
    pub ended: Option<Result<String, Error>>,
    /// What is kept of it, if it is a transfer.
    pub kept: Option<KeptTransfer>,
    /// Whether it is of this run of the program; otherwise an earlier one began it, or another program carries it out.
    pub own: bool,
}

impl Job {
    /// Whether it is under way.
    pub fn runs(&self) -> bool {
        if self.own { self.ended.is_none() } else { self.kept.as_ref().is_some_and(|kept| kept.runs) }
    }

    /// Whether it is a transfer that waits for somebody to let it go on.
    pub fn waits(&self) -> bool {
        !self.runs() && self.kept.as_ref().is_some_and(KeptTransfer::waits)
    }

    /// The id under which it is kept, if it is a transfer.
    pub fn transfer(&self) -> Option<&str> {
        let noted = self.note.transfer.as_deref();
        noted.or_else(|| self.kept.as_ref().map(|kept| kept.record.id.as_str()))
    }

    /// A transfer that is not of this run.
    fn of_another(kept: KeptTransfer, id: u64) -> Self {
        let record = &kept.record;
        let title = format!("copy {} to {}", record.from.short_text(), record.to.short_text());
        let started = record.began;
        let mut job = Self {
            id,
            title,
            note: Note::default(),
            speed: Speed::default(),
            started,
            ended: None,
            kept: None,
            own: false,
        };
        job.take(kept);
        job
    }

    /// Takes over what is kept of it.
    fn take(&mut self, kept: KeptTransfer) {
        if !self.own {
            let progress = &kept.record.progress;
            self.note.done = progress.done;
            self.note.total = progress.total;
            self.note.spared = progress.spared;
            self.note.phase = if kept.runs { "in another Wharf".to_owned() } else { String::new() };
        }
        self.kept = Some(kept);
    }
}

/// The message on the bottom line; the next key takes it away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The message in words.
    pub text: String,
    /// What to do; may be empty.
    pub advice: String,
    /// Whether something was done, is told or has failed.
    pub tone: Tone,
}

/// How many messages are kept.
const MESSAGES: usize = 200;

/// What kind of message a notice is; decides its sign and colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// What the person asked for was done.
    Done,
    /// Something to know; nothing was changed.
    Told,
    /// What the person asked for has failed.
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

/// What all screens share.
#[derive(Debug)]
pub struct Model {
    /// The time in seconds since 1970, set by the loop before each message.
    pub now: i64,
    /// The terminal's size: columns, lines.
    pub size: (u16, u16),
    /// Milliseconds since the loop began, set by the loop before each message.
    pub clock: u64,
    /// The open popups, the top one last.
    pub popups: Popups,
    /// Popups that were not asked for and arrived while the person did something else; a key opens them.
    pub waiting: VecDeque<Popup>,
    /// Whether the last key started something that may ask a question, so that the question may open at once.
    pub expects: bool,
    /// All jobs of this run, newest first; at most 200.
    pub jobs: Rows<Job>,
    /// The message on the bottom line.
    pub notice: Option<Notice>,
    /// The last messages with their times (seconds since 1970), the newest first.
    pub messages: VecDeque<(i64, Notice)>,
    /// The keys in use.
    pub keymap: Keymap,
    /// The name of the theme in use.
    pub theme: String,
    /// The names of all themes, built-in and from the user's folder.
    pub themes: Vec<String>,
    /// Whether the terminal reports the mouse to Wharf.
    pub mouse: bool,
    /// Whether the terminal has the focus, as far as it tells. Nothing is read again and again without it.
    pub focused: bool,
    /// Whether plain lines are printed instead of drawing screens.
    pub plain: bool,
    /// What charts are drawn with.
    pub charts: Charts,
    /// How output is read.
    pub switches: Switches,
    /// Which panes of each screen are shown.
    pub views: Views,
    /// How long sources and backends took to answer.
    pub response_times: ResponseTimes,
    /// All sources, in the order of the list.
    pub sources: Vec<SourceLine>,
    /// What the list of images holds of the sources; only kept up to date while their screen is shown.
    pub held: Vec<Held>,
    /// The names of all backends, the default first.
    pub backends: Vec<String>,
    /// What each backend cannot do with a workload, and why: backend, ability, reason with what to do instead.
    pub lacking: Vec<(String, Ability, String)>,
    /// What was found on this machine at start, like engines and clouds.
    pub findings: Vec<Finding>,
    /// Jobs that change what a source lists when they succeed: the job's number and the source's name.
    pub changing: Vec<(u64, String)>,
    /// The backends whose workloads are listed again and again.
    pub followed: Vec<String>,
    /// The last list of each backend.
    pub lists: BackendLists,
    /// The workloads on the screen whose use is being measured.
    pub measured: Vec<WorkloadId>,
    /// The workload that is described beside its list.
    pub described: Option<DescribedWorkload>,
    /// The number of the job that starts the shown workload again.
    pub restarting: Option<u64>,
    /// Who the person is, and in which project.
    pub person: String,
    /// The person's number on this machine.
    pub user: u32,
    /// The number of requests that wait for this person's decision.
    pub to_decide: usize,
    /// The number of unread notices in the inbox.
    pub unread: i64,
    /// The number of offers from other projects that wait for an answer.
    pub offered: usize,
    /// Whether the site takes requests: a place for admitted images is configured.
    pub requests: bool,
    /// Whether a file sets a policy; otherwise it is the built-in one.
    pub policy: bool,
    /// Whether the first page opens by itself where there are few images.
    pub welcome: bool,
    /// Whether the person may decide on requests.
    pub approver: bool,
    /// The jobs after which Wharf starts again with other sources.
    pub again_after: Vec<(u64, SourceChange)>,
    /// Set to start again with other sources.
    pub again: Option<SourceChange>,
    /// Whether the mistakes in the files of the configuration were told on the bottom line.
    pub mistakes_told: bool,
    /// Whether the person was told once which transfers wait.
    pub transfers_told: bool,
    /// Set to end the program.
    pub quit: bool,
    /// Set to give the terminal back and stop until the shell continues the program (`fg`).
    pub suspend: bool,
    next: u64,
}

impl Model {
    /// The model at the program's start.
    pub fn new(sources: Vec<SourceLine>, backends: Vec<String>, keymap: Keymap) -> Self {
        Self {
            now: 0,
            size: (80, 24),
            clock: 0,
            popups: Popups::default(),
            waiting: VecDeque::new(),
            expects: false,
            jobs: Rows::new(Vec::new()),
            notice: None,
            messages: VecDeque::new(),
            keymap,
            theme: "default".into(),
            themes: Vec::new(),
            mouse: true,
            focused: true,
            plain: false,
            charts: Charts::default(),
            switches: Switches::default(),
            views: Views::default(),
            response_times: ResponseTimes::default(),
            sources,
            held: Vec::new(),
            backends,
            lacking: Vec::new(),
            findings: Vec::new(),
            changing: Vec::new(),
            followed: Vec::new(),
            lists: BackendLists::default(),
            measured: Vec::new(),
            described: None,
            restarting: None,
            person: String::new(),
            user: 65_534,
            to_decide: 0,
            unread: 0,
            offered: 0,
            requests: true,
            policy: false,
            welcome: false,
            approver: false,
            again_after: Vec::new(),
            again: None,
            mistakes_told: false,
            transfers_told: false,
            quit: false,
            suspend: false,
            next: 0,
        }
    }

    /// Why an action is nothing that the backend of a workload can do, if it is not.
    pub fn why_lacking(&self, backend: &str, action: Action) -> Option<String> {
        let needed = workload_keys::ability(action)?;
        let found = self.lacking.iter().find(|(name, ability, _)| name == backend && *ability == needed);
        found.map(|(_, _, why)| why.clone())
    }

    /// Why an action cannot be done now with a workload, or with none because none is selected; `None` if it can.
    pub fn why_not(&self, action: Action, workload: Option<&Workload>) -> Option<String> {
        let Some(workload) = workload else {
            let needs_one = workload_keys::CHANGES.contains(&action)
                || matches!(action, Action::Open | Action::Again | Action::CopyId);
            return needs_one.then(|| "nothing is selected: ↑ ↓ choose one".to_owned());
        };
        let refused = || Some(self.lists.refusal(&workload.key(), workload_keys::ability(action)?)?.to_owned());
        let lacking = self.why_lacking(&workload.backend, action);
        let not_now = || {
            let why = workload_keys::why_not_now(action, &workload.state)?;
            let restarts = action == Action::Start && matches!(workload.state, State::Running | State::Paused);
            let key = || self.keymap.label("workloads", Action::Restart);
            Some(if restarts { format!("{why}: {} restarts it", key()) } else { why.to_owned() })
        };
        lacking.or_else(not_now).or_else(refused)
    }

    /// Puts a text into the clipboard and says so.
    pub fn copy(&mut self, text: String) -> Vec<Effect> {
        self.done(format!("copied {text}"));
        vec![Effect::Copy(text)]
    }

    /// Why an image cannot be shared, if it cannot: it is neither in a registry nor in a cloud.
    pub fn unshared(&self, target: &ImageTarget) -> Option<&'static str> {
        let can = match target {
            ImageTarget::Row { source, .. } => {
                let known = self.sources.iter().find(|known| known.name == *source);
                known.is_none_or(|known| known.grants || known.registry().is_some())
            }
            ImageTarget::Reference(reference) => !matches!(reference, ImageRef::Engine(_) | ImageRef::File { .. }),
        };
        (!can).then_some("only images in registries and clouds are shared into projects: copy it to one first")
    }

    /// The source that a reference of a registry is in.
    pub fn source_of(&self, reference: &ImageRef) -> Option<&SourceLine> {
        let host = &reference.name()?.host;
        self.sources.iter().find(|source| source.registry() == Some(host.as_str()))
    }

    /// Says what a job does that has begun, and where the person sees how far it is.
    pub fn say_begun(&mut self, doing: &str) {
        let key = self.keymap.label("global", Action::Transfers);
        self.say(format!("{doing}: {key} shows how far it is"));
    }

    /// A number for a job that no other has.
    pub fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// The rows to act on; if they were not seen, tells the person why nothing is done and returns `None`.
    pub fn act_on<T>(&mut self, seen: Result<T, NotSeen>) -> Option<T> {
        seen.map_err(|why| self.say(why.to_string())).ok()
    }

    /// Accepts or rejects (`action`) an offer that was seen, of the cloud `source`, as a job.
    pub fn answer_offer(
        &mut self,
        action: Action,
        source: &str,
        seen: Result<SeenRow<String>, NotSeen>,
    ) -> Vec<Effect> {
        let Some(offer) = self.act_on(seen) else { return Vec::new() };
        let accept = action == Action::Accept;
        let job = self.job(format!("{} {}", action.words(), offer.called()));
        self.changing.push((job, source.to_owned()));
        vec![Effect::Share(ShareEffect::AnswerOffer { job, offer, accept })]
    }

    /// Shows a message on the bottom line.
    pub fn say(&mut self, text: impl Into<String>) {
        self.tell(Notice { text: text.into(), advice: String::new(), tone: Tone::Told });
    }

    /// Shows on the bottom line that something was done.
    pub fn done(&mut self, text: impl Into<String>) {
        self.tell(Notice { text: text.into(), advice: String::new(), tone: Tone::Done });
    }

    /// Shows on the bottom line that something is wrong.
    pub fn warn(&mut self, text: impl Into<String>) {
        self.tell(Notice { text: text.into(), advice: String::new(), tone: Tone::Failed });
    }

    /// Shows an error on the bottom line; a cancellation shows nothing.
    pub fn fail(&mut self, error: &Error) {
        if error.kind != Kind::Cancelled {
            let text = text::with_short_digests(&format!("{}: {}", error.what, error.why));
            self.tell(Notice { text, advice: text::with_short_digests(&error.hint), tone: Tone::Failed });
        }
    }

    /// Shows a message, and keeps it among the last ones.
    pub fn tell(&mut self, notice: Notice) {
        self.messages.push_front((self.now, notice.clone()));
        self.messages.truncate(MESSAGES);
        self.notice = Some(notice);
    }

    /// Adds a job to the list and returns its number.
    pub fn job(&mut self, title: String) -> u64 {
        let id = self.number();
        let job = Job {
            id,
            title,
            note: Note::default(),
            speed: Speed::default(),
            started: self.now,
            ended: None,
            kept: None,
            own: true,
        };
        self.jobs.change(|jobs| {
            jobs.insert(0, job);
            jobs.truncate(200);
        });
        id
    }

    /// Goes on after a model that was left to start again: with its messages, its jobs, what waits, and the terminal as
    /// it is.
    pub fn go_on_after(&mut self, before: Self) {
        let Self { notice, messages, jobs, next, mouse, focused, size, waiting, lists, mistakes_told, views, .. } =
            before;
        self.views = views;
        (self.notice, self.messages, self.mistakes_told) = (notice, messages, mistakes_told);
        (self.jobs, self.next) = (jobs, next);
        (self.waiting, self.lists) = (waiting, lists);
        (self.mouse, self.focused, self.size) = (mouse, focused, size);
    }

    /// Why no further change of the sources can be made yet; `None` if one can.
    pub fn why_sources_stay(&self) -> Option<&'static str> {
        match (self.again_after.is_empty(), &self.again) {
            (false, _) => Some("the change before it is still being made: press it again then"),
            (true, Some(_)) => Some("Wharf has yet to start again with the change before it"),
            (true, None) => None,
        }
    }

    /// The number of jobs that still run.
    pub fn running(&self) -> usize {
        self.jobs.iter().filter(|job| job.own && job.runs()).count()
    }

    /// Whether a job is a transfer that is kept.
    pub fn is_transfer(&self, id: u64) -> bool {
        self.jobs.iter().any(|job| job.id == id && job.transfer().is_some())
    }

    /// The number of transfers that wait for somebody to let them go on.
    pub fn waiting_transfers(&self) -> usize {
        self.jobs.iter().filter(|job| job.waits()).count()
    }

    /// Takes over the kept transfers. Those at their end are only shown where this run has carried them out.
    pub fn keep_transfers(&mut self, all: Vec<KeptTransfer>) {
        let clock = self.clock;
        let mut next = self.next;
        self.jobs.change(|jobs| {
            jobs.retain(|job| {
                job.own || all.iter().any(|kept| kept.record.is_open() && job.transfer() == Some(&kept.record.id))
            });
            for kept in all {
                // The newest job is the one that carries it out, or did last.
                match jobs.iter_mut().find(|job| job.transfer() == Some(&kept.record.id)) {
                    Some(job) => {
                        let moved = kept.record.progress.done.saturating_sub(kept.record.progress.spared);
                        if !job.own && kept.runs {
                            job.speed.note(clock, moved);
                        }
                        job.take(kept);
                    }
                    None if kept.record.is_open() => {
                        next += 1;
                        jobs.push(Job::of_another(kept, next));
                    }
                    None => {}
                }
            }
        });
        self.next = next;
    }

    /// The parts of the screen.
    pub fn chrome(&self) -> Chrome {
        layout::chrome(Rect::new(0, 0, self.size.0, self.size.1), !self.waiting.is_empty())
    }

    /// The shown screen's own area.
    pub fn body(&self) -> Rect {
        self.chrome().body
    }

    /// How many lines of a text below three lines of head are on the screen.
    pub fn page(&self) -> usize {
        usize::from(self.body().height.saturating_sub(3)).max(1)
    }

    /// Opens a popup with a list to choose from.
    pub fn pick(&mut self, pick: Pick) -> Vec<Effect> {
        self.popups.push(Popup::Pick(pick));
        Vec::new()
    }

    /// Notes that a frame has shown the open popup.
    pub fn popup_drawn(&mut self) {
        self.popups.drawn(self.clock);
    }

    /// Why the open popup does not take this key yet; `None` if it does.
    pub fn popup_refuses(&mut self, key: &crossterm::event::KeyEvent) -> Option<&'static str> {
        self.popups.refuses(key, self.clock)
    }
}
