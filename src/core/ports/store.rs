//! The port of the shared store: requests, who uses which image, and notices. The contract is the same for every
//! database.
//!
//! A store also enforces rights: what it gives and accepts depends on the person ([`Caller`]), and a database with
//! rights of its own enforces them there. Times are seconds since 1970, written only by the store's clock: callers pass
//! time spans, so that the clocks of two machines are never compared. A row that cannot be read does not spoil a list:
//! the list goes on without it or shows that it is there.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    audit::witness::{AuditScope, Chain, Decided, Mark, WitnessedPosition},
    base::{badge::Verdict, error::Result},
    policy::Site,
    request::{
        Admission, Caller, Change, Class, Decision, Event, Group, Id, Pace, QueueOverview, Request, RequestFilter,
        RequestedImage, RequestedUse, notice::Notice,
    },
};

/// How a person came to use an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UseKind {
    /// The person launched it.
    Launched,
    /// The person downloaded or copied it.
    Downloaded,
    /// The person was given it: accepted an offer, opened a link.
    Given,
    /// The person supplied it: pushed or shared it.
    Supplied,
    /// The person requested it.
    Requested,
}

impl UseKind {
    /// The word that stores keep and people read.
    pub fn name(self) -> &'static str {
        match self {
            Self::Launched => "launched",
            Self::Downloaded => "downloaded",
            Self::Given => "given",
            Self::Supplied => "supplied",
            Self::Requested => "requested",
        }
    }

    /// Why a person gets a notice, as the end of a sentence to them.
    pub fn because(self) -> &'static str {
        match self {
            Self::Launched => "you launched it",
            Self::Downloaded => "you downloaded it",
            Self::Given => "it was given to you",
            Self::Supplied => "you supplied it",
            Self::Requested => "you asked for it",
        }
    }

    /// The variant of this word, if there is one.
    pub fn from_name(word: &str) -> Option<Self> {
        let all = [Self::Launched, Self::Downloaded, Self::Given, Self::Supplied, Self::Requested];
        all.into_iter().find(|how| how.name() == word)
    }
}

/// A record that a person used an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// The person's name; a store that authenticates people uses the authenticated name instead.
    pub person: String,
    /// How the person came to use it.
    pub how: UseKind,
    /// The reference of the image, pinned.
    pub reference: String,
    /// The image's digest, with its algorithm.
    pub digest: String,
    /// Where it is used: `BACKEND/WORKLOAD`, or where it was copied to; may be empty.
    pub place: String,
    /// When, in seconds since 1970.
    pub at: i64,
}

/// An image that is judged again from time to time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Watched {
    /// The image's digest, with its algorithm.
    pub digest: String,
    /// The pinned reference to it.
    pub reference: String,
    /// Identifiers of the findings that were known last time.
    pub known: Vec<String>,
    /// Whether it was judged before.
    pub judged: bool,
    /// The word of the last verdict.
    pub verdict: String,
    /// When it was judged last, in seconds since 1970 by the store's clock; 0 if never.
    pub checked: i64,
    /// How long ago that was, by the store's clock; `None` if never.
    #[serde(skip)]
    pub age: Option<Duration>,
    /// The identity of the scanners' data at that time.
    pub data: String,
    /// Findings that people were notified of: identifier, package, version in which it is fixed.
    pub told: Vec<(String, String, String)>,
    /// A newer version without these findings, if there is one.
    pub fixed: Option<String>,
    /// How many times in a row judging it has failed.
    pub failed: u32,
    /// Whether another version was admitted in the same repository since it was judged, by the store's clock.
    #[serde(skip)]
    pub superseded: bool,
}

/// Which images are due to be judged again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watch {
    /// Those that were judged longer ago than this.
    pub after: Duration,
    /// Those that were judged with other scanner data than this identity.
    pub data: String,
}

impl Watched {
    /// Whether people were notified of findings and not yet of a version without them.
    pub fn awaits_fix(&self) -> bool {
        !self.told.is_empty() && self.fixed.is_none()
    }
}

impl Watch {
    /// The wait before an image that could not be judged is tried again: it doubles each time, up to
    /// [`Self::FAILED_LONG`].
    pub const FAILED: Duration = Duration::from_secs(3600);
    /// The longest such wait.
    pub const FAILED_LONG: Duration = Duration::from_secs(24 * 3600);

    /// Whether an image is due to be judged again. If its users wait for a fixed version, it is due as soon as another
    /// version is admitted in its repository.
    pub fn is_due(&self, one: &Watched) -> bool {
        let Some(age) = one.age else { return true };
        if one.failed > 0 {
            return age >= Self::FAILED.saturating_mul(1 << (one.failed - 1).min(16)).min(Self::FAILED_LONG);
        }
        age >= self.after || one.data != self.data || one.superseded && one.awaits_fix()
    }
}

/// What the site knows of an image, from its last verdict and from the decision that revoked its admission.
pub fn site(judged: Option<&Watched>, taken_back: Option<&Decision>) -> Site {
    if let Some(decision) = taken_back {
        return Site::TakenBack { by: decision.by.clone(), reason: decision.reason.clone(), at: decision.at };
    }
    let Some(watched) = judged.filter(|watched| watched.judged) else { return Site::Silent };
    // How strict an unknown word is, nobody knows.
    let verdict = Verdict::from_name(&watched.verdict).unwrap_or(Verdict::Undecided);
    Site::Judged { verdict, findings: watched.told.iter().map(|(id, ..)| id.clone()).collect(), at: watched.checked }
}

/// A notice that is due for delivery, and its receiver's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueNotice {
    /// The notice to deliver.
    pub notice: Notice,
    /// The receiver's mail address, if they gave one.
    pub mail: Option<String>,
    /// How many times delivery was tried.
    pub tries: i64,
}

/// The state of the store for this person: what `wharf doctor` shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StoreStatus {
    /// Who this person is there, and what they may do.
    pub me: Caller,
    /// Whether this person may request images.
    pub user: bool,
    /// The version of the store's tables; 0 if it was never set up, `None` if this person may not see it.
    pub layout: Option<i64>,
    /// The version that this program needs.
    pub needed: i64,
}

impl StoreStatus {
    /// This person's groups there, as the database names them.
    pub fn groups(&self) -> Vec<&'static str> {
        let all = [(self.user, "wharf_user"), (self.me.approver, "wharf_approver"), (self.me.steward, "wharf_steward")];
        all.into_iter().filter_map(|(member, group)| member.then_some(group)).collect()
    }

    /// Why the store cannot be used, in words, and what to do; `None` if it can be.
    pub fn why_unusable(&self) -> Option<(&'static str, &'static str)> {
        let set_up = "the owner of the database has to run: wharf steward --set-up";
        match self.layout {
            None => Some(("you may not read it", "the owner of the database has to run: GRANT wharf_user TO you")),
            Some(0) => Some(("it is not set up", set_up)),
            Some(layout) if layout < self.needed => Some(("it was set up by an older Wharf", set_up)),
            Some(layout) if layout > self.needed => Some(("it was set up by a newer Wharf", "use that one")),
            Some(_) => None,
        }
    }
}

/// A steward that has reported to the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Steward {
    /// The name on its claims: machine, process, number.
    pub worker: String,
    /// The account that it uses at the store.
    pub person: String,
    /// The machine it runs on.
    pub host: String,
    /// The id of the key that it signs with; empty without one.
    pub key: String,
    /// The version of its program.
    pub version: String,
    /// When it last reported, in seconds since 1970 by the store's clock.
    pub seen: i64,
    /// Seconds since then, by the store's clock: use these, not the times of two machines.
    pub ago: i64,
}

impl Steward {
    /// How often a steward reports, in seconds.
    pub const EVERY: i64 = 30;

    /// Whether it has reported lately: two reports may be missing.
    pub fn is_alive(&self) -> bool {
        self.ago <= 3 * Self::EVERY
    }
}

/// The job of keeping the site's mirror.
pub const MIRROR_JOB: &str = "mirror";

/// What becomes of the claim on a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobTurn {
    /// It goes on for this time.
    Renewed(Duration),
    /// It is over, and the job is due again after this time.
    Done(Duration),
}

/// How a job of the stewards stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobStatus {
    /// What stewards have kept of it.
    pub notes: String,
    /// Seconds since then, by the store's clock.
    pub ago: i64,
    /// Whether a steward does it now.
    pub busy: bool,
}

/// The shared store. Every write can be repeated safely.
#[async_trait]
pub trait Store: Send + Sync {
    /// Which store it is, in words, without a secret. Contacts nobody.
    fn describe(&self) -> String;

    /// Creates or updates the tables, functions and rights. Before: the caller owns the database. Repeated, functions
    /// and rights are replaced, and data stays. Gives what was done, in words. Errors: `NotAllowed` without these
    /// rights; then nothing has changed.
    async fn set_up(&self) -> Result<String>;

    /// The state of the store: answers within two seconds or says why not, also where it is not set up or of another
    /// version. Changes nothing.
    async fn standing(&self) -> Result<StoreStatus>;

    /// Stewards that reported in the last days, the latest first. Everybody who may request images may see them.
    /// Changes nothing.
    async fn stewards(&self) -> Result<Vec<Steward>>;

    /// Reports that this steward runs, with the id of its key and the version of its program. Repeated, only the time
    /// changes. Errors: `NotAllowed` if this person is no steward.
    async fn alive(&self, key: &str, version: &str) -> Result<()>;

    /// Who this person is there, and what they may do. Changes nothing.
    async fn caller(&self) -> Result<Caller>;

    /// Requests an image. If the same image is requested already, adds the wish to that request; tells whether it is
    /// new. Repeated with the same wish, it changes nothing. Errors: `NotAllowed` if this person may not request
    /// images.
    async fn submit(&self, asked: &RequestedImage, destination: &str, wish: &RequestedUse) -> Result<(Id, bool)>;

    /// Applies an event to a request, and gives the changed request. Before: this person may do that, and the event can
    /// follow the request's state. Repeated, it changes nothing or is refused as it cannot follow. Errors: `NotFound`,
    /// `NotAllowed`, `Usage` if it cannot follow: then nothing has changed.
    async fn apply_event(&self, id: Id, event: &Event) -> Result<Request>;

    /// Requests in the order of `which`, skipping `skip`, at most `limit`; only those that this person may see. Changes
    /// nothing.
    async fn requests(&self, which: RequestFilter, skip: i64, limit: i64) -> Result<Vec<Request>>;

    /// The groups of the queue, the largest first. Changes nothing.
    async fn groups(&self) -> Result<Vec<Group>>;

    /// What was asked for and decided in the last days, and the approvals of admitted images that end soon, with what the
    /// stewards have found since. A request counts on the day on which it was asked for, the last time if that happened
    /// again, and on the day on which it was decided. Changes nothing. Errors: `NotAllowed` if this person is no approver.
    async fn overview(&self) -> Result<QueueOverview>;

    /// One request. Changes nothing. Errors: `NotFound`, also for one that this person may not see.
    async fn request(&self, id: Id) -> Result<Request>;

    /// How many requests of anybody are before this one in the same queue: that of the stewards or that of the
    /// approvers. Changes nothing.
    async fn ahead(&self, id: Id) -> Result<i64>;

    /// What happened to one request, the oldest first. Changes nothing. Errors: `NotFound`, also for one that this
    /// person may not see.
    async fn history(&self, id: Id) -> Result<Vec<Change>>;

    /// How long recent requests waited, in seconds. Changes nothing.
    async fn pace(&self) -> Result<Pace>;

    /// Claims a request that needs a steward, for the length of the lease. It takes the oldest request of those people
    /// who have the fewest requests in work. People with `most` requests in work are passed over; with 0, only revoked
    /// admissions are claimed. A request that cannot be read fails, and the next one is claimed. Repeated, another one
    /// is claimed: nobody else gets a request before its lease is over. Errors: `NotAllowed` if this person is no
    /// steward.
    async fn claim(&self, lease: Duration, most: i64) -> Result<Option<Request>>;

    /// Requests by which this digest is admitted now, at any place. Changes nothing.
    async fn admissions(&self, digest: &str) -> Result<Vec<Request>>;

    /// What the site knows of an image with these digests: the stewards' verdicts, and whether its admission was
    /// revoked at `place` (a reference without a version) or, if it was never admitted there, most recently anywhere.
    /// The worst of these counts. Everybody may ask; the answer does not tell who uses it. Changes nothing.
    async fn known_at_site(&self, digests: &[String], place: &str) -> Result<Site>;

    /// The last admission at a destination; `None` before the first. Changes nothing.
    async fn admitted_at(&self, destination: &str) -> Result<Option<Admission>>;

    /// The admitted request with the highest number at a destination with this tag; `None` where there is none. Changes
    /// nothing.
    async fn newest_admitted(&self, destination: &str, tag: &str) -> Result<Option<Request>>;

    /// Requests that are over, ordered by when they ended: those that ended after `since`, or at `since` with a number
    /// above `last`; at most `limit`. Changes nothing.
    async fn ended(&self, since: i64, last: Id, limit: i64) -> Result<Vec<Request>>;

    /// Approvals of classes that are in force. Changes nothing.
    async fn classes(&self) -> Result<Vec<Class>>;

    /// Approves a class. After: waiting requests of the class are judged again. Repeated, it makes another approval
    /// with its own end. Errors: `NotAllowed` if this person is no approver.
    async fn approve_class(&self, base: &str, rule: &str, decision: &Decision) -> Result<Id>;

    /// Ends an approval of a class. After: it counts for nothing new. Errors: `NotFound` where there is none or it is
    /// over, also when repeated; `NotAllowed` if this person is no approver.
    async fn end_class(&self, id: Id) -> Result<()>;

    /// Records that this person used an image. Repeated, there is one record.
    async fn record_use(&self, used: &Use) -> Result<()>;

    /// Who used an image, and who requested it. Changes nothing.
    async fn users(&self, digest: &str) -> Result<Vec<Use>>;

    /// Admitted or used images that are due to be judged, in each repository where they are, at most `limit`: first the
    /// admitted ones; then those in use, taking turns between people, so that nobody's images delay those of others.
    /// Changes nothing.
    async fn due_for_judging(&self, due: &Watch, limit: i64) -> Result<Vec<Watched>>;

    /// Keeps the verdict on an image and the notices about it, both or nothing. Repeated, a notice is not sent again.
    /// Errors: `NotAllowed` if this person is no steward.
    async fn watch(&self, watched: &Watched, notices: &[Notice]) -> Result<()>;

    /// This person's notices, the newest first, skipping `skip`, at most `limit`. Changes nothing.
    async fn notices(&self, skip: i64, limit: i64) -> Result<Vec<Notice>>;

    /// How many notices of this person are unread. Changes nothing.
    async fn unread(&self) -> Result<i64>;

    /// Marks notices of this person as read; those of others stay as they are. Repeated, it changes nothing.
    async fn mark_notices_read(&self, notices: &[Id]) -> Result<()>;

    /// Claims a notice that is due to be delivered in this way, for the length of the lease; `None` where there is
    /// none. Repeated, another one is claimed: nobody else gets a notice before its lease is over.
    async fn due(&self, way: &str, lease: Duration) -> Result<Option<DueNotice>>;

    /// Records that a notice was delivered, or after which time to try again. Before: it was claimed with
    /// [`due`](Self::due). Repeated, it changes nothing.
    async fn delivered(&self, way: &str, notice: Id, again: Option<Duration>) -> Result<()>;

    /// Claims a job that one steward at a time does for the site, for the length of the lease. Gives what was kept of it
    /// last, which is empty at first; `None` where it is not due or somebody has it. Repeated, nobody gets it before its
    /// lease is over. Errors: `NotAllowed` if this person is no steward, `Usage` for a job that the store does not know.
    async fn claim_job(&self, job: &str, lease: Duration) -> Result<Option<String>>;

    /// Keeps notes of a job, and lets its claim go on or end. Before: it was claimed with
    /// [`claim_job`](Self::claim_job). Repeated, the time counts from the last call. Errors: `Failed` where another steward
    /// has it now; then nothing has changed.
    async fn keep_job(&self, job: &str, notes: &str, turn: JobTurn) -> Result<()>;

    /// How a job stands; `None` before anything was kept of it. Everybody who may request images may see it. Changes
    /// nothing.
    async fn job(&self, job: &str) -> Result<Option<JobStatus>>;

    /// Keeps this person's mail address, in place of the previous one. Repeated, it changes nothing.
    async fn introduce(&self, mail: &str) -> Result<()>;

    /// Keeps points of this person's audit chain, with their entries. Repeated, what is kept stays as it is.
    async fn witness(&self, chain: &Chain, marks: &[Mark]) -> Result<()>;

    /// Points of audit chains that the store was told of, the newest first, at most `limit`. Changes nothing. Errors:
    /// `NotAllowed` for those of others, where this person may not see them.
    async fn witnessed(&self, whose: &AuditScope, limit: i64) -> Result<Vec<WitnessedPosition>>;

    /// The latest decisions on requests, the newest first, at most `limit`; for approvers and stewards. Changes
    /// nothing. Errors: `NotAllowed` for others.
    async fn decided(&self, limit: i64) -> Result<Vec<Decided>>;

    /// Whether [`Store::news`] waits for the store's own notification instead of polling, so that it can run all the
    /// time. Contacts nobody.
    fn pushes(&self) -> bool {
        false
    }

    /// Whether there is a store to read; one that was never used is not created for a look. Looks only at this machine.
    fn is_there(&self) -> bool {
        true
    }

    /// Waits until something has changed, as far as the store tells; it may return without a change. Changes nothing.
    /// Errors: `Unavailable` where the connection broke: changes in the meantime are not reported.
    async fn news(&self) -> Result<()>;
}

/// Records of use that the store could not take yet. Both calls may block.
pub trait Spool: Send + Sync {
    /// Adds one record of use.
    fn put(&self, used: &Use) -> Result<()>;
    /// Gives all records and empties the spool.
    fn take(&self) -> Result<Vec<Use>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_that_cannot_be_looked_at_waits_longer_each_time() {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        let watch = Watch { after: hours(24), data: "data".into() };
        let due = |watched: &Watched| watch.is_due(watched);
        for (failed, wait) in [(1, 1), (2, 2), (3, 4), (5, 16), (40, 24)] {
            let at = |age: Duration| Watched { failed, age: Some(age), ..Watched::default() };
            assert!(due(&at(hours(wait))) && !due(&at(Duration::from_secs(wait * 3600 - 1))), "{failed}");
        }
        let fresh = Watched { age: Some(hours(3)), data: "data".into(), ..Watched::default() };
        assert!(!due(&fresh) && due(&Watched { age: Some(hours(24)), ..fresh.clone() }) && due(&Watched::default()));
        assert!(due(&Watched { data: "older".into(), ..fresh.clone() }));
        let failed = Watched { failed: 3, data: "older".into(), ..fresh };
        assert!(!due(&failed) && due(&Watched { age: Some(hours(4)), ..failed.clone() }));
    }

    #[test]
    fn an_image_without_a_fix_is_judged_again_once_another_version_is_admitted() {
        let watch = Watch { after: Duration::from_secs(60), data: "today".into() };
        let told = vec![("CVE-1".to_owned(), "openssl".to_owned(), "3.1".to_owned())];
        let judged = Watched { age: Some(Duration::ZERO), data: "today".into(), told, ..Watched::default() };
        let newer = Watched { superseded: true, ..judged.clone() };
        assert!(!watch.is_due(&judged), "nothing else was admitted");
        assert!(watch.is_due(&newer));
        assert!(!watch.is_due(&Watched { fixed: Some("x".into()), ..newer.clone() }), "they know the fixed version");
        assert!(!watch.is_due(&Watched { told: Vec::new(), ..newer.clone() }), "nobody was warned");
        assert!(!watch.is_due(&Watched { failed: 1, ..newer }), "it waits for its turn");
    }
}
