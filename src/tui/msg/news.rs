//! What jobs and sources tell, by subject.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    effect::SharedSets,
    subject::{Ids, ImageTarget, LinkWish, PeekedRow},
};
use crate::rows::WorkloadId;
use wharf_core::{
    base::{
        context::Note,
        digest::Digest,
        error::{Error, Result},
    },
    catalog::{copies::DigestIndex, marks::Marks, rows::RowSet, tags::TagMove},
    evidence::record::Subject,
    image::{
        link::Link,
        model::{Image, Version},
        reference::ImageRef,
    },
    launch::{
        form::{Answers, Form},
        ledger::{LaunchAgain, LaunchRecord},
        listing::BackendList,
        lock::LockedHere,
        plan::{Plan, Workload},
        room::Gate,
        usage::Usage,
    },
    portal::{
        OpenedLink,
        evidence::{Verified, about::AboutFindings, brief::Brief, diff::Diff, mending::Mend},
        own_sources::Trial,
        sharing::given::SharedByMe,
    },
    ports::transfer_record::KeptTransfer,
    ports::{CachedRows, Question, upkeep::Removal},
    request::{
        Caller, Group, Pace, QueueOverview, Request, RequestFilter,
        notice::{Notice, Warning},
    },
    sharing::{
        offer::{Offer, Project, Share, SharePlan, VolumeTransfer},
        receiver::Receiver,
        sender::{Contacts, Proof},
    },
};

/// What the store knows about a row's image beside its evidence.
#[derive(Debug, Clone, Default)]
pub struct Peek {
    /// The moves of the image's tags, the newest first.
    pub moves: Vec<TagMove>,
    /// The nearest version that the policy allows, and its reference with its digest.
    pub allowed: Option<(Mend, ImageRef)>,
}

/// What has become known of lists and their rows.
#[derive(Debug)]
pub enum ListNews {
    /// The lists that were kept on disk: first their beginnings, then whole.
    Cached(Result<Vec<CachedRows>>),
    /// The rows of a source so far, while it is being listed.
    Rows(String, Arc<RowSet>),
    /// The whole list of a source, or why it could not be listed.
    Listed(String, Result<Arc<RowSet>>),
    /// The result of search `number`; with the order of all rows if it was computed for this search.
    Found { number: u64, order: Option<Ids>, hits: Ids },
    /// Facets by which the list can be narrowed, and how many rows each leaves: for the dialog, or for the column beside
    /// the list.
    Facets { counted: Vec<(String, usize)>, dialog: bool },
    /// Details of a row: source, name, and the version; `None` if it could not be read.
    Looked(String, String, Option<Version>),
    /// Rows that a source found by the typed words, beside those that it lists.
    More(String, Result<Arc<RowSet>>),
    /// A source's list, with what looking at its rows has told.
    Learnt(String, Arc<RowSet>),
    /// The saved filters: name and text.
    Filters(Vec<(String, String)>),
    /// The marks of the digest that a row shows, and what they rest on.
    Marked { source: String, name: String, subject: Subject, marks: Marks, brief: Box<Brief> },
    /// In which sources each digest of these lists is.
    Indexed(SharedSets, Arc<DigestIndex>),
    /// What the store knows about a selected row.
    Peeked(PeekedRow, Peek),
}

/// What has become known of an image.
#[derive(Debug)]
pub enum ImageNews {
    /// The image that its page waits for, or why it could not be read.
    Image(Box<Result<Image>>),
    /// That another tag is shown than the one that was meant, and which, in words.
    Instead(String),
    /// The tags of the shown image, oldest first.
    Tags(Result<Vec<String>>),
    /// Details of one tag of the shown image: digest, size, time; and what is known of its evidence.
    Version(Version, Option<Marks>),
    /// A link and its QR code as text, or why it could not be made.
    Link(LinkWish, Result<(Link, String)>),
    /// What this machine knows of the sender of an opened link and of its digest, before its place has answered.
    Remembered(Box<Link>, Option<Proof>, Option<Box<Verified>>),
    /// The image that an opened link names, with what has changed since the link was made.
    Opened(Box<Result<OpenedLink>>),
    /// What removing each image would do, or why it cannot be removed.
    Removals(Vec<ImageTarget>, Vec<Result<Removal>>),
    /// The evidence and verdict of an image, to be shown in words.
    Explained(Box<Result<Verified>>),
    /// The differences between two images.
    Compared(Box<Result<Diff>>),
    /// The evidence of the shown image, and the policy's verdict.
    Verified(Box<Result<Verified>>),
    /// The versions that would mend the image with this digest.
    Mends {
        /// The digest that the versions are other versions of.
        digest: Digest,
        /// Those that would mend it, the best first.
        mends: Vec<Mend>,
        /// The nearest one that the policy allows, with its reference.
        allowed: Option<Box<(Mend, ImageRef)>>,
    },
    /// What is known of the findings of the image with this manifest besides their scan.
    AboutFindings(Digest, Result<AboutFindings>),
}

/// What has become known of launches and workloads.
#[derive(Debug)]
pub enum RunNews {
    /// The image that the lock file of this folder names in place of the one to be launched, if it names one.
    Locked(Box<Result<Option<LockedHere>>>),
    /// The launch form of a backend, with the backend's name.
    Form(Result<(String, Form)>),
    /// The launches that are kept, the newest first.
    Launches(Result<Vec<LaunchRecord>>),
    /// What is needed to launch something again.
    Again(Box<Result<LaunchAgain>>),
    /// The policy's gate for the plan that arrives next, with its backend: newer than that of the form.
    Gate(String, Box<Gate>),
    /// The plan of a launch, to be confirmed.
    Plan(Box<Result<Plan>>),
    /// The workloads of one backend, or why it did not answer.
    Workloads(BackendList),
    /// Output of the shown workload: raw bytes.
    Log(Bytes),
    /// The shown workload's output has ended, or following it failed.
    LogEnd(Result<()>),
    /// The verdict on the image of the workload beside its list, as far as it is known. Its last output follows.
    Described(WorkloadId, Option<Box<(Marks, Brief)>>),
    /// Output of the workload beside its list: raw bytes.
    Tail(WorkloadId, Bytes),
    /// The output of the workload beside its list has ended, or cannot be read.
    TailEnd(WorkloadId, Result<()>),
    /// What a workload uses; `None` if its backend measures nothing.
    Usage(WorkloadId, Result<Option<Usage>>),
    /// Output of the embedded terminal: raw bytes.
    Terminal(Bytes),
    /// The embedded terminal has ended, or could not be opened.
    TerminalEnd(Result<()>),
    /// The editor has ended: the answers whose plan has what was added.
    Edited(Result<Answers>),
}

/// What has become known of shares and offers.
#[derive(Debug)]
pub enum ShareNews {
    /// The shares of the shown image.
    Shares(Result<Vec<Share>>),
    /// Offers of other projects, and the sources that did not answer.
    Offers(Vec<Offer>, Vec<(String, Error)>),
    /// What this person has shared, and how it stands.
    SharedByMe(Result<Vec<SharedByMe>>),
    /// The projects of a source that an image can be shared with.
    Projects(String, Result<Vec<Project>>),
    /// How an image would be shared with each receiver, or why it cannot be.
    SharePlans(ImageTarget, Vec<(Receiver, Result<SharePlan>)>),
    /// Who may use the image that is about to be shared.
    Holders(ImageTarget, Result<Vec<Share>>),
    /// The people whose keys are known.
    Contacts(Result<Contacts>),
    /// A link was made for a contact whose mail address is not known: their name, and the link.
    Handed(String, String),
    /// A transfer of a volume was created; its key is shown only this once.
    Given(VolumeTransfer),
}

/// News of requests, notices and the person's rights in the store.
#[derive(Debug)]
pub enum RequestNews {
    /// The requests from position `skip` on, as `which` selects them.
    Requests { which: RequestFilter, skip: usize, result: Result<Vec<Request>> },
    /// The person's rights in the store, how long requests take, and the groups of the queue.
    Queue(Result<(Caller, Pace, Vec<Group>)>),
    /// How requests went lately, and which approvals end soon.
    Overview(Result<QueueOverview>),
    /// A request and all about it in words.
    RequestTold(Box<Result<(Request, String)>>),
    /// The person's notices, newest first.
    Inbox(Result<Vec<Notice>>),
    /// The number of unread notices.
    Unread(i64),
    /// The warnings about images that became vulnerable, the newest first.
    Warnings(Vec<Warning>),
    /// The store has changed.
    News,
    /// The person's rights in the store.
    Me(Caller),
}

/// What has become known of an address that was typed.
#[derive(Debug)]
pub enum SourceNews {
    /// What a typed address is, or why nothing answers there.
    Tried(String, Box<Result<Trial>>),
}

/// News of jobs, and questions that they ask.
#[derive(Debug)]
pub enum JobNews {
    /// A question of the core, with the number that its answer goes to.
    Question(u64, Question),
    /// The task that asked this question has ended, and no longer needs an answer.
    Unasked(u64),
    /// The transfers that are kept, also those of other programs.
    Kept(Result<Vec<KeptTransfer>>),
    /// What was done beside the jobs, in a sentence.
    Told(Result<String>),
    /// The progress of a job.
    JobNote(u64, Note),
    /// A job has ended: a sentence about it and the workload that it made, or the error.
    JobDone(u64, Result<(String, Option<Workload>)>),
}
