//! The port of the shared store: requests, who used what, and what people are told. One contract for every database.
//!
//! A store keeps the rights too: what it gives and takes depends on who asks ([`Me`]), and a database that has rights
//! of its own enforces them by itself. Times are seconds since 1970, and the store's clock alone writes them: what is to
//! happen later is handed in as a time span, so that the clocks of two machines are never compared. A row that cannot be
//! read costs itself alone: lists go on without it or show that it is there.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    audit::witness::{Chain, Decided, Mark, Whose, Witnessed},
    base::{badge::Verdict, error::Result},
    policy::Site,
    request::{
        Admission, Asked, Change, Class, Decision, Event, Group, Id, Me, Pace, Request, Which, Wish, notice::Notice,
    },
};

/// How somebody came to use an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// Launched it.
    Launched,
    /// Downloaded or copied it.
    Downloaded,
    /// Was given it: accepted an offer, opened a link.
    Given,
    /// Brought it: pushed or shared it.
    Supplied,
    /// Asked for it.
    Requested,
}

impl How {
    /// The word that stores keep and people read.
    pub fn word(self) -> &'static str {
        match self {
            Self::Launched => "launched",
            Self::Downloaded => "downloaded",
            Self::Given => "given",
            Self::Supplied => "supplied",
            Self::Requested => "requested",
        }
    }

    /// What it makes of somebody, in a sentence to them.
    pub fn because(self) -> &'static str {
        match self {
            Self::Launched => "you launched it",
            Self::Downloaded => "you downloaded it",
            Self::Given => "it was given to you",
            Self::Supplied => "you supplied it",
            Self::Requested => "you asked for it",
        }
    }

    /// The one of this word.
    pub fn named(word: &str) -> Option<Self> {
        let all = [Self::Launched, Self::Downloaded, Self::Given, Self::Supplied, Self::Requested];
        all.into_iter().find(|how| how.word() == word)
    }
}

/// That somebody used an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// Who; a store that knows its people by itself takes their own name.
    pub person: String,
    /// How.
    pub how: How,
    /// The image, pinned.
    pub reference: String,
    /// Its digest.
    pub digest: String,
    /// Where: `BACKEND/WORKLOAD`, or where it was copied to; may be empty.
    pub place: String,
    /// When.
    pub at: i64,
}

/// An image that is judged again when something new is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Watched {
    /// Its digest.
    pub digest: String,
    /// Where it is, pinned.
    pub reference: String,
    /// Findings that were known the last time.
    pub known: Vec<String>,
    /// Whether it was judged before.
    pub judged: bool,
    /// The verdict, the last time; a word.
    pub verdict: String,
    /// When it was judged the last time, by the store's clock, which writes it; 0 if never.
    pub checked: i64,
    /// How long ago that was, by the same clock; `None` if never.
    #[serde(skip)]
    pub age: Option<Duration>,
    /// What the scanners knew then: the identity of their data.
    pub data: String,
    /// Findings that people were told of: identifier, package, version in which it is fixed.
    pub told: Vec<(String, String, String)>,
    /// A version without them, once there is one.
    pub fixed: Option<String>,
    /// How often in a row it could not be looked at.
    pub failed: u32,
    /// Whether another version was admitted in the same repository since it was judged, by the store's clock.
    #[serde(skip)]
    pub superseded: bool,
}

/// Which images are judged again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watch {
    /// Those that were judged so long ago.
    pub after: Duration,
    /// Those that were judged when the scanners knew something else: the identity of their data.
    pub data: String,
}

impl Watched {
    /// Whether people were told of findings and of no version without them.
    pub fn awaits_fix(&self) -> bool {
        !self.told.is_empty() && self.fixed.is_none()
    }
}

impl Watch {
    /// The wait before an image is looked at again that could not be: it doubles each time, up to the longest.
    pub const FAILED: Duration = Duration::from_secs(3600);
    /// The longest.
    pub const FAILED_LONG: Duration = Duration::from_secs(24 * 3600);

    /// Whether an image is to be judged again, by how long ago that was last done. One whose users wait for a fixed
    /// version is, as soon as another version is admitted beside it.
    pub fn is_due(&self, one: &Watched) -> bool {
        let Some(age) = one.age else { return true };
        if one.failed > 0 {
            return age >= Self::FAILED.saturating_mul(1 << (one.failed - 1).min(16)).min(Self::FAILED_LONG);
        }
        age >= self.after || one.data != self.data || one.superseded && one.awaits_fix()
    }
}

/// What the site knows of an image, from how it was judged and from the decision that took its admission back.
pub fn site(judged: Option<&Watched>, taken_back: Option<&Decision>) -> Site {
    if let Some(decision) = taken_back {
        return Site::TakenBack { by: decision.by.clone(), reason: decision.reason.clone(), at: decision.at };
    }
    let Some(watched) = judged.filter(|watched| watched.judged) else { return Site::Silent };
    // Of an unknown word nobody knows how strict it is.
    let verdict = Verdict::named(&watched.verdict).unwrap_or(Verdict::Undecided);
    Site::Judged { verdict, findings: watched.told.iter().map(|(id, ..)| id.clone()).collect(), at: watched.checked }
}

/// A notice that is to be delivered, and the address that its receiver gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The notice.
    pub notice: Notice,
    /// The receiver's mail address, where they gave one.
    pub mail: Option<String>,
    /// How often it was tried.
    pub tries: i64,
}

/// How the store stands for whoever asks it: what `wharf doctor` shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Who I am there, and what I may do.
    pub me: Me,
    /// Whether I may ask for images.
    pub user: bool,
    /// The version of what is in it; 0 where it was never set up, nothing where I may not know.
    pub layout: Option<i64>,
    /// The version that this program works with.
    pub needed: i64,
}

impl Standing {
    /// My groups there, as the database names them.
    pub fn groups(&self) -> Vec<&'static str> {
        let all = [(self.user, "wharf_user"), (self.me.approver, "wharf_approver"), (self.me.steward, "wharf_steward")];
        all.into_iter().filter_map(|(member, group)| member.then_some(group)).collect()
    }

    /// Why one cannot work with it, in words, and what to do; `None` where nothing is wrong.
    pub fn unfit(&self) -> Option<(&'static str, &'static str)> {
        let set_up = "whoever owns the database runs: wharf steward --set-up";
        match self.layout {
            None => Some(("you may not read it", "whoever owns the database says: GRANT wharf_user TO you")),
            Some(0) => Some(("it is not set up", set_up)),
            Some(layout) if layout < self.needed => Some(("it was set up by an older Wharf", set_up)),
            Some(layout) if layout > self.needed => Some(("it was set up by a newer Wharf", "use that one")),
            Some(_) => None,
        }
    }
}

/// A steward that has said that it works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Steward {
    /// The name that its claims are under: machine, process, number.
    pub worker: String,
    /// Its login at the store.
    pub person: String,
    /// The machine it runs on.
    pub host: String,
    /// The id of the key that it signs with; empty without one.
    pub key: String,
    /// The version of its program.
    pub version: String,
    /// When it was heard of last, by the store's clock.
    pub seen: i64,
    /// Seconds since then, by the store's clock: compare these, not the times of two machines.
    pub ago: i64,
}

impl Steward {
    /// A steward says that it lives every so many seconds.
    pub const EVERY: i64 = 30;

    /// Whether it was heard of lately: it may have missed two times.
    pub fn is_alive(&self) -> bool {
        self.ago <= 3 * Self::EVERY
    }
}

/// The shared store. Every write can be repeated safely.
#[async_trait]
pub trait Store: Send + Sync {
    /// Which store it is, in words, without a secret. Asks nobody.
    fn describe(&self) -> String;

    /// Makes or brings up to date what is in it. Before: the caller has the rights of whoever owns it. Repeated,
    /// functions and rights are made anew, and data stays. Gives what was done, in words. Errors: `NotAllowed` without
    /// these rights; then nothing has changed.
    async fn set_up(&self) -> Result<String>;

    /// How it stands: answers within two seconds or says why not, also where it is not set up or of another version.
    /// Changes nothing.
    async fn standing(&self) -> Result<Standing>;

    /// Stewards that were heard of in the last days, the latest first. Everybody who may ask for images may know.
    /// Changes nothing.
    async fn stewards(&self) -> Result<Vec<Steward>>;

    /// Says that this steward lives, with the id of the key it signs with and the version of its program. Repeated,
    /// only the time moves on. Errors: `NotAllowed` for who is no steward.
    async fn alive(&self, key: &str, version: &str) -> Result<()>;

    /// Who I am there, and what I may do. Changes nothing.
    async fn me(&self) -> Result<Me>;

    /// Asks for an image. What is asked for already is the same request with one wish more; tells whether it is new.
    /// Repeated with the same wish, it changes nothing. Errors: `NotAllowed` for who may not ask.
    async fn submit(&self, asked: &Asked, destination: &str, wish: &Wish) -> Result<(Id, bool)>;

    /// Lets something happen to a request, and gives it as it is then. Before: who asks may, and it can follow on how
    /// the request stands. Repeated, what happened already changes nothing or is refused as it cannot follow. Errors:
    /// `NotFound`, `NotAllowed`, `Usage` for what cannot follow: nothing has changed then.
    async fn happen(&self, id: Id, event: &Event) -> Result<Request>;

    /// Requests, in the order of `which`, from `skip` on, at most `limit`; only those that I may see. Changes nothing.
    async fn requests(&self, which: Which, skip: i64, limit: i64) -> Result<Vec<Request>>;

    /// The groups of the queue, the largest first. Changes nothing.
    async fn groups(&self) -> Result<Vec<Group>>;

    /// One request. Changes nothing. Errors: `NotFound`, also for one that I may not see.
    async fn request(&self, id: Id) -> Result<Request>;

    /// How many of its kind are before a request: for stewards or for those who decide, whoever asked for them. Changes
    /// nothing.
    async fn ahead(&self, id: Id) -> Result<i64>;

    /// What happened to one request, the oldest first. Changes nothing. Errors: `NotFound`, also for one that I may not
    /// see.
    async fn history(&self, id: Id) -> Result<Vec<Change>>;

    /// How long others waited, in seconds. Changes nothing.
    async fn pace(&self) -> Result<Pace>;

    /// Takes a request that a steward has something to do for, for so long: the oldest of those people of whose
    /// requests the fewest are worked on. Of whom so many (`most`) are worked on, no other one is taken; with 0 only
    /// what was taken back is. One that cannot be read fails, and the next one is taken. Repeated, another one is
    /// taken: nobody else gets one before its lease is over. Errors: `NotAllowed` for who is no steward.
    async fn claim(&self, lease: Duration, most: i64) -> Result<Option<Request>>;

    /// Requests by which this digest is admitted now, wherever. Changes nothing.
    async fn admissions_of(&self, digest: &str) -> Result<Vec<Request>>;

    /// What the site knows of an image that goes by these digests: how stewards judged it, and whether its admission
    /// was taken back in a place (a reference without a version); where it was never admitted there, the last one of
    /// all. The worst of it. Everybody may ask, and hears nothing of who uses it. Changes nothing.
    async fn known(&self, digests: &[String], place: &str) -> Result<Site>;

    /// The last admission at a destination, before another one is made; `None` before the first. Changes nothing.
    async fn admitted_at(&self, destination: &str) -> Result<Option<Admission>>;

    /// The newest request by its number that stands admitted at a destination and was given this tag there; `None`
    /// where there is none. Changes nothing.
    async fn newest_admitted(&self, destination: &str, tag: &str) -> Result<Option<Request>>;

    /// Requests that are over, in the order in which they ended: those that ended after `since`, or then and have a
    /// higher number than `last`; at most `limit`. Changes nothing.
    async fn ended(&self, since: i64, last: Id, limit: i64) -> Result<Vec<Request>>;

    /// Approvals of classes that still count. Changes nothing.
    async fn classes(&self) -> Result<Vec<Class>>;

    /// Approves a class. After: what waits and belongs to it is judged anew. Repeated, it is one approval more, whose
    /// end counts by itself. Errors: `NotAllowed` for who does not decide.
    async fn approve_class(&self, base: &str, rule: &str, decision: &Decision) -> Result<Id>;

    /// Ends an approval of a class. After: it counts for nothing new. Errors: `NotFound` where there is none, or it is
    /// over already, so also when repeated; `NotAllowed` for who does not decide.
    async fn end_class(&self, id: Id) -> Result<()>;

    /// Writes down that this person used an image. Repeated, twice is once.
    async fn used(&self, used: &Use) -> Result<()>;

    /// Who used an image, also those who asked for it. Changes nothing.
    async fn users_of(&self, digest: &str) -> Result<Vec<Use>>;

    /// Images that were admitted or used and are due, in each repository where they are, at most `limit`: first what is
    /// admitted; then of those that each person uses one after the other, so that nobody's keep those of others
    /// waiting. Changes nothing.
    async fn watched(&self, due: &Watch, limit: i64) -> Result<Vec<Watched>>;

    /// Keeps how an image was judged, and tells people, both or nothing. Repeated, a notice that was told already is
    /// not told again. Errors: `NotAllowed` for who is no steward.
    async fn watch(&self, watched: &Watched, notices: &[Notice]) -> Result<()>;

    /// My notices, the newest first, from `skip` on, at most `limit`. Changes nothing.
    async fn notices(&self, skip: i64, limit: i64) -> Result<Vec<Notice>>;

    /// How many of mine were not read. Changes nothing.
    async fn unread(&self) -> Result<i64>;

    /// Marks some of mine as read; those of others stay as they are. Repeated, it changes nothing.
    async fn seen(&self, notices: &[Id]) -> Result<()>;

    /// Takes a notice that is to be delivered in some way, for so long; `None` where there is none. Repeated, another
    /// one is taken: nobody else gets one before its lease is over.
    async fn due(&self, way: &str, lease: Duration) -> Result<Option<Due>>;

    /// Keeps that a notice was delivered; or after what time it is tried again. Before: it was taken with
    /// [`due`](Self::due). Repeated, it changes nothing.
    async fn delivered(&self, way: &str, notice: Id, again: Option<Duration>) -> Result<()>;

    /// Keeps the address where I get mail, in place of the one before. Repeated, it changes nothing.
    async fn introduce(&self, mail: &str) -> Result<()>;

    /// Keeps ends of a chain of my audit, with their entries. Repeated, what is kept already stays as it is.
    async fn witness(&self, chain: &Chain, marks: &[Mark]) -> Result<()>;

    /// The ends of chains that it was told of last, the newest first, at most `limit`. Changes nothing. Errors:
    /// `NotAllowed` for those of others, where I may not know them.
    async fn witnessed(&self, whose: &Whose, limit: i64) -> Result<Vec<Witnessed>>;

    /// What was done about requests last, the newest first, at most `limit`; for those who decide, and stewards.
    /// Changes nothing. Errors: `NotAllowed` for others.
    async fn decided(&self, limit: i64) -> Result<Vec<Decided>>;

    /// Whether [`Store::news`] waits without looking: then somebody may wait for it all the time. Asks nobody.
    fn pushes(&self) -> bool {
        false
    }

    /// Whether there is anything to read; a store that nobody has used yet is not made for a look. Asks nobody but this
    /// machine.
    fn is_there(&self) -> bool {
        true
    }

    /// Waits until something has changed, as far as the store tells; it may come back without reason. Changes nothing.
    /// Errors: `Unavailable` where the connection broke: what changed meanwhile is not told.
    async fn news(&self) -> Result<()>;
}

/// Uses that could not be told to the store, until it is there again. Both calls may block.
pub trait Spool: Send + Sync {
    /// Keeps one.
    fn put(&self, used: &Use) -> Result<()>;
    /// Gives all of them, and keeps none.
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
