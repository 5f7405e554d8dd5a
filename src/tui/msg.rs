//! What can happen (`Msg`) and what the loop is asked to do (`Effect`). Data only: both can be printed and replayed.

use std::sync::Arc;

use bytes::Bytes;
use crossterm::event::KeyEvent;

use super::{
    kit::{action::Action, list::Seen},
    rows::WorkloadId,
};
use crate::core::{
    base::{
        context::Note,
        error::{Error, Result},
        secret::Secret,
        text,
    },
    catalog::{
        query::Query,
        rows::RowSet,
        search::{RowId, Sort},
        standing::Standing,
    },
    evidence::record::Subject,
    image::{
        link::Link,
        model::{Health, Image, Version},
        reference::ImageRef,
    },
    launch::{
        form::{Answers, Form},
        plan::{Plan, Workload},
        usage::Usage,
    },
    portal::{
        Opened,
        doctor::Finding,
        evidence::{Verified, diff::Diff},
        requests::{Asking, Ruling},
    },
    ports::{CachedRows, Question, upkeep::Removal},
    request::{Group, Id, Me, Pace, Request, Which, notice::Notice},
    sharing::{
        offer::{Given, Offer, Project, Share, SharePlan},
        receiver::Receiver,
    },
};

/// The lists of all sources, as search takes them.
pub type Sets = Arc<Vec<(String, Arc<RowSet>)>>;
/// Rows in an order.
pub type Ids = Arc<Vec<RowId>>;

/// An image on a screen: a row of a source, or a reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A row of a list.
    Row { source: String, name: String, tag: Option<String> },
    /// A reference.
    Reference(ImageRef),
}

/// A link that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkWish {
    /// The image.
    pub target: Target,
    /// One platform of it, where one was chosen.
    pub platform: Option<String>,
    /// When it ends, in seconds since 1970.
    pub until: Option<i64>,
}

impl Target {
    /// What to call it before it is resolved.
    pub fn words(&self) -> String {
        match self {
            // What clouds call by an id is called by its name.
            Self::Row { name, tag: Some(tag), .. } if !is_id(tag) => format!("{name}:{tag}"),
            Self::Row { name, .. } => name.clone(),
            Self::Reference(reference) => reference.spoken(),
        }
    }
}

/// Whether a tag is an id, alone or behind the path of its owner.
fn is_id(tag: &str) -> bool {
    text::is_uuid(tag.rsplit('/').next().unwrap_or(tag))
}

/// Health of one source or backend: name, kind, answer.
pub type HealthLine = (String, &'static str, Result<Health>);

/// What somebody says about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A question of whoever decides.
    Question(String),
    /// Something to know, or an answer.
    More(String),
    /// That they want it no more.
    Withdrawn,
    /// That they want a newer version.
    Newer,
}

/// Something happened.
#[derive(Debug)]
pub enum Msg {
    /// A key was pressed.
    Key(KeyEvent),
    /// Text was pasted.
    Paste(String),
    /// The mouse wheel turned: lines down (or up, negative).
    Scroll(i16),
    /// A line was clicked.
    Click(u16, u16),
    /// The terminal has another size.
    Resize(u16, u16),
    /// A frame was drawn: what is on the screen now was seen.
    Drawn,
    /// The program is asked to end (SIGHUP, SIGTERM).
    Ended,
    /// The lists kept on disk.
    Cached(Result<Vec<CachedRows>>),
    /// A growing list.
    Rows(String, Arc<RowSet>),
    /// A whole list, or why not.
    Listed(String, Result<Arc<RowSet>>),
    /// The result of a search; the order too when it was made anew.
    Found { number: u64, order: Option<Ids>, hits: Ids },
    /// An image page.
    Image(Box<Result<Image>>),
    /// Its tags.
    Tags(Result<Vec<String>>),
    /// One of its versions.
    Version(Version),
    /// A backend's form.
    Form(Result<(String, Form)>),
    /// A plan.
    Plan(Box<Result<Plan>>),
    /// What runs.
    Workloads(Vec<Workload>, Vec<(String, Error)>),
    /// Output of a workload.
    Log(Bytes),
    /// Its end.
    LogEnd(Result<()>),
    /// What a workload uses.
    Usage(WorkloadId, Result<Option<Usage>>),
    /// Output of a terminal.
    Terminal(Bytes),
    /// Its end.
    TerminalEnd(Result<()>),
    /// Health of sources and backends.
    Health(Vec<HealthLine>),
    /// How everything else is that Wharf leans on.
    Checks(Vec<Finding>),
    /// A link, with its QR code.
    Link(LinkWish, Result<(Link, String)>),
    /// What a link points to.
    Opened(Box<Result<Opened>>),
    /// What the list can be narrowed by, and how many rows each choice leaves.
    Facets(Vec<(String, usize)>),
    /// What a look at one row told: source, name, and the version, unless it could not be had.
    Looked(String, String, Option<Version>),
    /// What a source found by words, beside what it lists.
    More(String, Result<Arc<RowSet>>),
    /// Who may use the image of the page.
    Shares(Result<Vec<Share>>),
    /// What other projects offer, and the sources that did not answer.
    Offers(Vec<Offer>, Vec<(String, Error)>),
    /// Projects of a source, for the share dialog.
    Projects(String, Result<Vec<Project>>),
    /// How something would be shared with each.
    SharePlans(Target, Vec<(Receiver, Result<SharePlan>)>),
    /// What removing these would do.
    Removals(Vec<Target>, Vec<Result<Removal>>),
    /// Why an image has its badge.
    Explained(Box<Result<Verified>>),
    /// What is different between two images.
    Compared(Box<Result<Diff>>),
    /// How a digest stands that a row shows.
    Marked { source: String, name: String, subject: Subject, standing: Standing },
    /// The evidence of the page's image, and what policy makes of it.
    Verified(Box<Result<Verified>>),
    /// A volume is being given away; its key is shown this once.
    Given(Given),
    /// A source's list, with what looks have told.
    Learnt(String, Arc<RowSet>),
    /// Some requests, from a place on; and whose view they are.
    Requests { which: Which, skip: usize, result: Result<Vec<Request>> },
    /// Who I am in the store, how long others waited, and the groups of the queue.
    Queue(Result<(Me, Pace, Vec<Group>)>),
    /// All about one request.
    RequestTold(Box<Result<(Request, String)>>),
    /// Notices that concern this person.
    Inbox(Result<Vec<Notice>>),
    /// How many were not read.
    Unread(i64),
    /// The store has changed.
    News,
    /// The core asks the person something, under a number.
    Question(u64, Question),
    /// Nobody waits for the answer to this question any more.
    Unasked(u64),
    /// Who I am in the store.
    Me(Me),
    /// Saved filters.
    Filters(Vec<(String, String)>),
    /// News of a job.
    JobNote(u64, Note),
    /// A job ended, with a sentence, and the workload it made.
    JobDone(u64, Result<(String, Option<Workload>)>),
}

/// Where a screen wants to go on, elsewhere than in itself.
#[derive(Debug, Clone, PartialEq)]
pub enum Go {
    /// Leave the shown screen.
    Back,
    /// Carry an action out, as if its key had been pressed.
    Do(Action),
    /// Take the keys that waited for the search.
    WaitingKeys,
    /// Open the page of an image; with `launch`, the launch screen behind it.
    Image { target: Target, launch: bool },
    /// Open the launch screen of an image.
    Launch(Box<Image>),
    /// Open what a link points to.
    Link(String),
    /// Share an image; only one platform where one was chosen.
    Share(Target, Option<String>),
    /// Copy an image; only one platform where one was chosen.
    Copy(Target, Option<String>),
    /// Ask for an image to be admitted.
    Ask(Target),
    /// Give an image another tag.
    Tag(Target),
    /// Remove images.
    Remove(Vec<Target>),
    /// Take a volume that somebody gives.
    Take,
    /// Say something about a request.
    Speak(Seen<Id>, Said),
    /// Open the page of a workload.
    Workload(Box<Workload>),
    /// Open a terminal in a workload: a shell, or its own terminal.
    Console { workload: Box<Workload>, shell: bool },
    /// Stop, start, restart, remove a workload, or make an image of it.
    Change { action: Action, seen: Seen<WorkloadId>, workload: Box<Workload> },
}

/// Something to do outside of the state. Reads have a slot each: a newer one ends the older.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Go on elsewhere. `update` carries it out in its own queue: it never leaves `update`, and no job sees one.
    Go(Go),
    /// What lists of sources need.
    List(ListEffect),
    /// What an image is asked for, and what is done with it.
    Image(ImageEffect),
    /// Who may use what, and what others offer.
    Share(ShareEffect),
    /// Requests, notices, and who one is in the store.
    Request(RequestEffect),
    /// Launching, and what runs.
    Run(RunEffect),
    /// Sign in to a source, as job.
    SignIn { job: u64, source: String },
    /// Answer a question of the core, or not.
    Answer(u64, Option<Secret>),
    /// End what a screen was reading.
    Leave(&'static [Slot]),
    /// Ask sources and backends how they are.
    Health,
    /// Copy text to the clipboard, through the terminal.
    Copy(String),
    /// Copy the reference of a row.
    CopyReference(Target),
    /// Cancel a job.
    Cancel(Seen<u64>),
    /// Turn the mouse on or off.
    Mouse(bool),
    /// Use another theme.
    Theme(String),
}

/// What lists of sources need.
#[derive(Debug, Clone, PartialEq)]
pub enum ListEffect {
    /// Read the lists kept on disk, and the saved filters.
    LoadCache,
    /// List a source, or search it.
    List { source: String, query: Option<String> },
    /// Search the rows.
    Search {
        number: u64,
        sets: SharedSets,
        query: Query,
        sort: Sort,
        order: Option<SharedIds>,
        from: Option<SharedIds>,
    },
    /// Count what the list can be narrowed by.
    Facets(SharedSets),
    /// Look at rows that are on the screen: source, name, tag.
    Look(Vec<(String, String, String)>),
    /// Keep a filter.
    SaveFilter(String, String),
}

/// What an image is asked for, and what is done with it.
#[derive(Debug, Clone, PartialEq)]
pub enum ImageEffect {
    /// Fetch an image page.
    Image { target: Target, platform: Option<String> },
    /// Fetch its tags.
    Tags(ImageRef),
    /// Fetch details of some tags.
    Versions(ImageRef, Vec<String>),
    /// Open a link.
    OpenLink(Link),
    /// Make a link, to one platform where one was chosen.
    Link(LinkWish),
    /// Look at the evidence of an image: what is quick to find, or everything anew.
    Verify { image: Box<Image>, anew: bool },
    /// Say why an image has its badge.
    Explain(Target),
    /// Compare two images.
    Compare { before: ImageRef, after: ImageRef, platform: Option<String> },
    /// Work out what removing these would do.
    Removals(Vec<Target>),
    /// Remove what was told, as job.
    RemoveImages { job: u64, removals: Vec<Removal> },
    /// Give an image another tag, as job.
    Tag { job: u64, target: Target, new: String },
    /// Copy to a reference, as job; only one platform where one was chosen.
    CopyTo { job: u64, target: Target, platform: Option<String>, destination: String },
    /// Let a cloud fetch an image from the web, as job.
    Import { job: u64, url: String, destination: String },
}

/// Who may use what, and what others offer.
#[derive(Debug, Clone, PartialEq)]
pub enum ShareEffect {
    /// Ask who may use an image.
    Shares(ImageRef),
    /// Ask which projects of a source can be seen.
    Projects(String),
    /// Plan a share with each of these.
    SharePlans(Target, Vec<Receiver>),
    /// Share, as job; only one platform where one was chosen.
    Share { job: u64, target: Target, platform: Option<String>, to: Receiver },
    /// Take a share back, as job.
    Revoke { job: u64, share: Seen<String> },
    /// Ask what other projects offer.
    Offers,
    /// Answer an offer, as job.
    AnswerOffer { job: u64, offer: Seen<String>, accept: bool },
    /// Give a volume away, as job.
    Give { job: u64, target: Target },
    /// Take a volume that was given, as job.
    Take { job: u64, offer: String, key: Secret },
}

/// Requests, notices, and who one is in the store.
#[derive(Debug, Clone, PartialEq)]
pub enum RequestEffect {
    /// Ask for an image to be admitted, as job.
    Request { job: u64, target: Target, asking: Asking },
    /// List requests, from a place on; with how the queue stands where it is the first page.
    Requests { which: Which, skip: usize, limit: usize },
    /// Tell all about a request.
    RequestTold(Id),
    /// Decide on requests, as job.
    Decide { job: u64, requests: Vec<Seen<Id>>, ruling: Ruling },
    /// Approve a class, as job.
    ApproveClass { job: u64, base: String, rule: String, ruling: Ruling },
    /// Take an admission back, as job, with a reason.
    TakeBack { job: u64, request: Seen<Id>, reason: String },
    /// Say something about a request, as job.
    Speak { job: u64, request: Seen<Id>, said: Said },
    /// Read notices.
    Inbox,
    /// Mark notices as read.
    Seen(Vec<Id>),
    /// Count what was not read.
    Unread,
    /// Ask the store who I am there.
    Me,
    /// Hear of changes of the store, while a screen shows it; all the time where that costs nothing.
    Listen { always: bool },
}

/// Launching, and what runs.
#[derive(Debug, Clone, PartialEq)]
pub enum RunEffect {
    /// Ask a backend for its form.
    Form { backend: String, image: Box<Image> },
    /// Make a plan.
    Plan { backend: String, image: Box<Image>, answers: Answers },
    /// Carry out a plan, as job.
    Launch { job: u64, plan: Box<Plan> },
    /// List workloads; again every two seconds while the screen is open.
    Workloads,
    /// Follow a workload's output, with the time of each line if that is wanted.
    Logs { backend: String, id: String, times: bool },
    /// Measure these again and again, as long as they are looked at.
    Usage(Vec<WorkloadId>),
    /// Stop it, as job.
    Stop { job: u64, workload: Seen<WorkloadId> },
    /// Start it, or with `again` once more, as job.
    Start { job: u64, workload: Seen<WorkloadId>, again: bool },
    /// Make an image of it and share that, as job.
    Snapshot { job: u64, workload: Seen<WorkloadId>, name: String, to: Vec<Receiver> },
    /// Remove it, as job.
    Remove { job: u64, workload: Seen<WorkloadId> },
    /// Open a terminal in it.
    Terminal { backend: String, id: String, command: Option<Vec<String>>, size: (u16, u16) },
    /// Send keys to the terminal.
    Type(Bytes),
    /// Tell it its size.
    Resize(u16, u16),
}

impl Effect {
    /// Whether it may ask the person something soon: then whoever pressed the last key waits for it.
    pub fn may_ask(&self) -> bool {
        matches!(
            self,
            Self::Run(RunEffect::Launch { .. } | RunEffect::Snapshot { .. })
                | Self::Share(ShareEffect::Share { .. } | ShareEffect::Give { .. } | ShareEffect::Take { .. })
                | Self::Image(ImageEffect::Tag { .. } | ImageEffect::Import { .. } | ImageEffect::CopyTo { .. })
                | Self::Request(
                    RequestEffect::Request { .. }
                        | RequestEffect::Decide { .. }
                        | RequestEffect::ApproveClass { .. }
                        | RequestEffect::TakeBack { .. }
                )
                | Self::SignIn { .. }
                | Self::Answer(_, Some(_))
        )
    }
}

/// Which read an effect is. At most one of each runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Slot {
    /// The cache.
    Cache,
    /// A search.
    Search,
    /// Shares of an image.
    Shares,
    /// Offers.
    Offers,
    /// Requests.
    Requests,
    /// One request.
    Request,
    /// Notices.
    Inbox,
    /// Counting notices.
    Unread,
    /// Who I am.
    Me,
    /// News of the store.
    News,
    /// Projects.
    Projects,
    /// Plans of shares.
    SharePlans,
    /// What removing images would do.
    Removals,
    /// Evidence.
    Verify,
    /// Counting facets.
    Facets,
    /// Looking at rows.
    Look,
    /// An image page.
    Image,
    /// Tags.
    Tags,
    /// Versions.
    Versions,
    /// A form.
    Form,
    /// A plan.
    Plan,
    /// Workloads.
    Workloads,
    /// Output.
    Logs,
    /// Usage.
    Usage,
    /// A terminal.
    Terminal,
    /// Health.
    Health,
    /// A link.
    Link,
}

/// Sets that compare by identity: comparing a million rows would be no comparison.
#[derive(Debug, Clone)]
pub struct SharedSets(pub Sets);
impl PartialEq for SharedSets {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Rows that compare by identity.
#[derive(Debug, Clone)]
pub struct SharedIds(pub Ids);
impl PartialEq for SharedIds {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
