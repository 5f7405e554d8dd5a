//! What the loop is asked to do outside of the state.

use std::sync::Arc;

use bytes::Bytes;

use super::subject::{
    DescribedWorkload, EarlierLaunch, Ids, ImageTarget, LinkWish, LockWish, PeekedRow, RequestInput, SharedRowSets,
};
use crate::{
    kept::output::Switches,
    kit::{action::Action, layout::View, list::SeenRow},
    rows::WorkloadId,
};
use wharf_core::{
    base::secret::Secret,
    catalog::{
        query::Query,
        search::{Known, Sort},
    },
    config::ConfigEntry,
    image::{link::Link, model::Image, reference::ImageRef},
    launch::{
        form::Answers,
        plan::{Plan, Workload},
    },
    portal::{
        evidence::Verified,
        requests::{ApproverDecision, RequestDetails},
    },
    ports::upkeep::Removal,
    request::{Id, RequestFilter},
    sharing::receiver::{Receiver, Terms},
};

/// What a screen asks `update` to do outside of the screen itself.
#[derive(Debug, Clone, PartialEq)]
pub enum Navigation {
    /// Leave the shown screen.
    Back,
    /// Carry out an action as if its key had been pressed.
    Do(Action),
    /// Handle the keys that waited for the search.
    WaitingKeys,
    /// Open the page of an image, for one platform if that was chosen; with `launch`, the launch screen as soon as the image
    /// has arrived.
    Image { target: ImageTarget, platform: Option<String>, launch: bool },
    /// Open the launch screen of an image; the platform, if the person chose one.
    Launch(Box<Image>, Option<String>),
    /// Open the image of a `wharf:` link.
    Link(String),
    /// Share an image; the chosen platform only, if there is one.
    Share(ImageTarget, Option<String>),
    /// Copy an image; the chosen platform only, if there is one.
    Copy(ImageTarget, Option<String>),
    /// Request the admission of an image.
    Ask(ImageTarget),
    /// Set another tag on an image.
    Tag(ImageTarget),
    /// Ask to remove these images.
    Remove(Vec<ImageTarget>),
    /// Accept a volume, for which the person types what its giver has sent.
    Take,
    /// Approve requests of which the screen showed all that is taken.
    Approve(Vec<SeenRow<Id>>),
    /// Send a question, a remark, a withdrawal or a renewal for a request.
    Speak(SeenRow<Id>, RequestInput),
    /// Ask for an address to add as a source.
    AddSource,
    /// Remove the added source of this name; leave any other out of lists, or show it again.
    LeaveOut(String),
    /// Show only the images of the source of this name.
    ImagesOf(String),
    /// Launch something again, once it was read what that takes.
    Again(EarlierLaunch),
    /// Show a text to read: its title and its words.
    Read(String, String),
    /// Open the page of a workload.
    Workload(Box<Workload>),
    /// Open a terminal in a workload: with `shell` a new shell, else the workload's console.
    Console { workload: Box<Workload>, shell: bool },
    /// Edit the text of a plan in the person's editor.
    Edit(Box<Plan>),
    /// Stop, start, restart, remove or snapshot a workload.
    Change { action: Action, seen: SeenRow<WorkloadId>, workload: Box<Workload> },
}

/// Something to do outside of the state. A read has a slot, in which a newer read ends the older one.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Something that `update` carries out itself before it returns; jobs never see this.
    Go(Navigation),
    /// Reads for the list of images, and saving a filter.
    List(ListEffect),
    /// Reads about an image, and what is done with it.
    Image(ImageEffect),
    /// What is read and done about shares and offers.
    Share(ShareEffect),
    /// Requests, notices, and the person's rights in the store.
    Request(RequestEffect),
    /// Launching, and what is done with workloads.
    Run(RunEffect),
    /// Adding a source, removing it, and leaving one out of lists.
    Source(SourceEffect),
    /// Reading kept transfers, and what is done with them.
    Transfer(TransferEffect),
    /// Sign in to a source, as the job of this number.
    SignIn { job: u64, source: String },
    /// Answer a question of the core by its number; `None` cancels it.
    Answer(u64, Option<Secret>),
    /// End the reads in these slots, because their screen was left.
    Leave(&'static [Slot]),
    /// Ask all sources and backends how they are.
    Health,
    /// Copy text to the clipboard through the terminal.
    Copy(String),
    /// Copy the reference of an image to the clipboard.
    CopyReference(ImageTarget),
    /// Cancel the job of this number.
    Cancel(SeenRow<u64>),
    /// Turn the terminal's mouse reports on or off.
    Mouse(bool),
    /// Draw with the theme of this name, and keep it for the next start.
    Theme(String),
    /// Draw with the theme of this name for now.
    TryTheme(String),
    /// Keep for the next start that the first page was closed.
    CloseWelcome,
    /// Keep how output is read for the next start.
    KeepSwitches(Switches),
    /// Keep for the next start which panes the screen of this scope shows.
    KeepView(&'static str, View),
    /// Keep for the next start that this filter was used.
    KeepFilter(String),
}

/// Reading kept transfers, and what is done with them, by their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransferEffect {
    /// Read the list once.
    Once,
    /// Read the list again and again.
    Follow,
    /// Have one stop where it can go on.
    Pause(String),
    /// Give one up, and remove what it has left.
    Cancel(String),
    /// Let one go on, as the job of this number.
    Resume { job: u64, id: String },
}

/// Reads for the list of images, and saving a filter.
#[derive(Debug, Clone, PartialEq)]
pub enum ListEffect {
    /// Read the lists kept on disk and the saved filters.
    LoadCache,
    /// List a source, or search it for `query`.
    List { source: String, query: Option<String> },
    /// Search and sort the rows; `from` are the earlier hits to search within, `order` the sorted rows if known.
    Search {
        number: u64,
        sets: SharedSets,
        query: Query,
        sort: Sort,
        order: Option<SharedIds>,
        from: Option<SharedIds>,
        known: Box<Known>,
    },
    /// Count the facets of the rows that a filter leaves; for the dialog at once, else once the filter has rested.
    Facets { sets: SharedSets, filter: String, known: Box<Known>, dialog: bool },
    /// Fetch details of rows on the screen: source, name, tag of each.
    Look(Vec<(String, String, String)>),
    /// Read what the store knows about the selected image, once the selection has rested; with lists, first where else
    /// their digests are.
    Peek { row: PeekedRow, sets: Option<SharedSets> },
    /// Save a filter: name and text.
    SaveFilter(String, String),
}

/// Reads about an image, and what is done with it.
#[derive(Debug, Clone, PartialEq)]
pub enum ImageEffect {
    /// Fetch an image for its page, for one platform if that was chosen.
    Image { target: ImageTarget, platform: Option<String> },
    /// Fetch the tags of an image.
    Tags(ImageRef),
    /// Fetch details of these tags of an image.
    Versions(ImageRef, Vec<String>),
    /// Fetch the image that a link names.
    OpenLink(Link),
    /// Make a link to an image.
    Link(LinkWish),
    /// Gather the evidence of an image: with `anew` all checks are run again, else those that are quick.
    Verify { image: Box<Image>, anew: bool },
    /// Read what is known of the findings of an image besides their scan.
    AboutFindings(Box<Verified>),
    /// Gather the evidence of an image to explain its badge.
    Explain(ImageTarget),
    /// Compare two images, for one platform if that was chosen.
    Compare { before: ImageRef, after: ImageRef, platform: Option<String> },
    /// Find out what removing these images would do.
    Removals(Vec<ImageTarget>),
    /// Remove what was shown, as a job.
    RemoveImages { job: u64, removals: Vec<Removal> },
    /// Set another tag on an image, as a job.
    Tag { job: u64, target: ImageTarget, new: String },
    /// Copy an image to a reference, as a job; one platform only, if one was chosen.
    CopyTo { job: u64, target: ImageTarget, platform: Option<String>, destination: String },
    /// Have a cloud fetch a disk image from a URL, as a job.
    Import { job: u64, url: String, destination: String },
}

/// What is read and done about shares and offers.
#[derive(Debug, Clone, PartialEq)]
pub enum ShareEffect {
    /// Read the shares of an image.
    Shares(ImageRef),
    /// Read which projects of a source the person can see.
    Projects(String),
    /// Plan how the image would be shared with each receiver.
    SharePlans(ImageTarget, Option<String>, Vec<Receiver>, Terms),
    /// Read the people whose keys are known, for the dialog that shares an image.
    Contacts,
    /// Read who may use an image, for the dialog that shares it.
    Holders(ImageTarget),
    /// Share an image, as a job; one platform only, if one was chosen.
    Share { job: u64, target: ImageTarget, platform: Option<String>, to: Receiver, terms: Terms },
    /// Revoke a share, as a job.
    Revoke { job: u64, share: SeenRow<String> },
    /// Read the offers of other projects.
    Offers,
    /// Read what this person has shared.
    SharedByMe,
    /// Accept or reject an offer, as a job.
    AnswerOffer { job: u64, offer: SeenRow<String>, accept: bool },
    /// Create a transfer of a volume, as a job: the receiver needs its key.
    Give { job: u64, target: ImageTarget },
    /// Accept a volume with its transfer key, as a job.
    Take { job: u64, offer: String, key: Secret },
}

/// Requests, notices, and the person's rights in the store.
#[derive(Debug, Clone, PartialEq)]
pub enum RequestEffect {
    /// Request the admission of an image, as a job.
    Request { job: u64, target: ImageTarget, asking: RequestDetails },
    /// Read `limit` requests from position `skip` on; the first page also reads how the queue stands.
    Requests { which: RequestFilter, skip: usize, limit: usize },
    /// Read all about a request, for a popup.
    RequestTold(Id),
    /// Approve or reject requests, as a job.
    Decide { job: u64, requests: Vec<SeenRow<Id>>, ruling: ApproverDecision },
    /// Approve the class of all requests that one rule blocks on one base image, as a job.
    ApproveClass { job: u64, base: String, rule: String, ruling: ApproverDecision },
    /// Revoke an admission for a reason, as a job.
    TakeBack { job: u64, request: SeenRow<Id>, reason: String },
    /// Send a question, a remark, a withdrawal or a renewal, as a job.
    Speak { job: u64, request: SeenRow<Id>, said: RequestInput },
    /// Read the person's notices.
    Inbox,
    /// Mark these notices as read.
    Seen(Vec<Id>),
    /// Count the unread notices.
    Unread,
    /// Read the warnings about images that became vulnerable.
    Warnings,
    /// Read the person's rights in the store.
    Me,
    /// Report changes of the store while a screen shows it; with `always`, all the time if the store reports them
    /// itself.
    Listen { always: bool },
}

/// Adding a source, removing it, and leaving one out of lists.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceEffect {
    /// Find out what a typed address is.
    Try { address: String },
    /// Keep a source that was tried, as a job.
    Add { job: u64, entry: Box<ConfigEntry> },
    /// Remove an added source, as a job.
    Remove { job: u64, name: String },
    /// Leave a source out of lists, or show it in them again, as a job.
    Hide { job: u64, name: String, hidden: bool },
}

/// Launching, and what is done with workloads.
#[derive(Debug, Clone, PartialEq)]
pub enum RunEffect {
    /// Ask a backend for the launch form of an image; with `lock` for that which the lock file of this folder names in its
    /// place, which is told first.
    Form { backend: String, image: Box<Image>, lock: Option<LockWish> },
    /// Make the plan of a launch from the form's answers.
    Plan { backend: String, image: Box<Image>, answers: Answers },
    /// Read the launches that are kept, to choose one.
    Launches,
    /// Read what is needed to launch something again.
    Again(EarlierLaunch),
    /// Carry out a plan, as a job.
    Launch { job: u64, plan: Box<Plan> },
    /// Carry out the plan of the launch with this key once more, of which nobody knows what it made, as a job.
    Finish { job: u64, backend: String, key: String },
    /// Write a script into a new file of this name in the folder that Wharf was started in, as a job.
    SaveScript { job: u64, name: String, text: String },
    /// Write this many lines of output into a new file of this name in the folder that Wharf was started in, as a job.
    SaveOutput { job: u64, name: String, lines: usize, text: String },
    /// List the workloads of these backends for as long as a screen shows them: each at its own pace, or when it tells of
    /// changes.
    Follow(Vec<String>),
    /// List the workloads of the followed backends now.
    Workloads,
    /// Follow a workload's output; with `times`, each line begins with its time.
    Logs { backend: String, id: String, times: bool },
    /// Read the verdict on the image of a workload and follow the last lines of its output, once the selection has rested.
    Describe(DescribedWorkload),
    /// Measure these workloads repeatedly while they are on the screen.
    Usage(Vec<WorkloadId>),
    /// Stop a workload, as a job.
    Stop { job: u64, workload: SeenRow<WorkloadId> },
    /// Start a stopped workload, or with `again` restart a running one, as a job.
    Start { job: u64, workload: SeenRow<WorkloadId>, again: bool },
    /// Make an image of a workload and share it with these receivers, as a job.
    Snapshot { job: u64, workload: SeenRow<WorkloadId>, name: String, to: Vec<Receiver> },
    /// Remove a workload, as a job.
    Remove { job: u64, workload: SeenRow<WorkloadId> },
    /// Open a terminal of this size in a workload, for a new command or for the workload's own one.
    Terminal { backend: String, id: String, command: Option<Vec<String>>, size: (u16, u16) },
    /// Open the person's editor with the text of a plan, in a terminal of this size, and read what was added.
    Edit { plan: Box<Plan>, size: (u16, u16) },
    /// Send typed bytes to the open terminal.
    Type(Bytes),
    /// Tell the open terminal its size: columns, lines.
    Resize(u16, u16),
}

impl Effect {
    /// Whether carrying this out may ask the person a question, for which they then wait.
    pub fn may_ask(&self) -> bool {
        matches!(
            self,
            Self::Run(RunEffect::Launch { .. } | RunEffect::Finish { .. } | RunEffect::Snapshot { .. })
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

/// The kinds of reads. At most one read of each kind runs; a newer one replaces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Slot {
    /// The lists kept on disk.
    Cache,
    /// Searching and sorting the rows.
    Search,
    /// The shares of an image.
    Shares,
    /// The offers of all sources.
    Offers,
    /// What this person has shared.
    SharedByMe,
    /// The kept transfers.
    Transfers,
    /// A page of the requests.
    Requests,
    /// All about one request.
    Request,
    /// The notices of the inbox.
    Inbox,
    /// Counting unread notices, or marking them as read.
    Unread,
    /// The warnings about images that became vulnerable.
    Warnings,
    /// The person's rights in the store.
    Me,
    /// Listening for changes of the store.
    News,
    /// The projects of a source.
    Projects,
    /// How an image would be shared with each receiver.
    SharePlans,
    /// Who may use the image that is about to be shared.
    Holders,
    /// The people whose keys are known.
    Contacts,
    /// What removing images would do.
    Removals,
    /// The evidence of the shown image.
    Verify,
    /// What is known of the findings of the shown image besides their scan.
    AboutFindings,
    /// Counting the facets for the dialog.
    Facets,
    /// Counting the facets for the column beside the list.
    FacetColumn,
    /// Details of the shown rows.
    Look,
    /// What the store knows about the selected image.
    Peek,
    /// The image of a page.
    Image,
    /// The tags of an image.
    Tags,
    /// Details of an image's tags.
    Versions,
    /// The launch form of a backend.
    Form,
    /// The plan of a launch.
    Plan,
    /// The launches that are kept, and what is needed for one of them.
    Again,
    /// The workloads of the backends that a screen shows.
    Workloads,
    /// Following a workload's output.
    Logs,
    /// Measuring the shown workloads.
    Usage,
    /// The verdict and the last output of the workload that is described beside its list.
    Describe,
    /// The embedded terminal of a workload.
    Terminal,
    /// The health of sources and backends.
    Health,
    /// What a typed address is.
    Trial,
    /// Making or opening a link.
    Link,
}

/// Row sets that are equal only if they are the same ones in memory: comparing a million rows would take too long.
#[derive(Debug, Clone)]
pub struct SharedSets(pub SharedRowSets);
impl PartialEq for SharedSets {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Row ids that are equal only if they are the same ones in memory.
#[derive(Debug, Clone)]
pub struct SharedIds(pub Ids);
impl PartialEq for SharedIds {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
