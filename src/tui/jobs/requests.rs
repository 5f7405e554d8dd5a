//! Carrying out effects about requests and notices.

use std::{sync::Arc, time::Duration};

use super::{Jobs, effects::resolve};
use crate::{
    kit::list::{Row, SeenRow},
    msg::{RequestEffect, RequestInput, RequestNews, Slot},
    rows::named,
};
use wharf_core::{
    base::{
        context::Context,
        error::{Error, Kind, Result},
        text,
    },
    portal::{Portal, requests::ApproverDecision},
    request::{Caller, Event, Group, Id, Pace, RemarkKind, RequestFilter},
};

/// At most this many notices are read into the inbox.
const NOTICES: i64 = 500;
/// How long a question to the store may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long to wait before listening to the store again after that failed.
const AWAY: Duration = Duration::from_secs(10);
/// How long to wait after a change of the store, so that several at once are read together.
const GATHER: Duration = Duration::from_millis(200);

/// A position or count in the type that stores use.
fn number(of: usize) -> i64 {
    i64::try_from(of).unwrap_or(i64::MAX)
}

/// Fails if a request has changed since it was on the screen when the person decided on it.
async fn as_shown(portal: &Portal, one: &SeenRow<Id>) -> Result<()> {
    let now = portal.requests.one(*one.id()).await?;
    if now.edition() == one.edition() {
        return Ok(());
    }
    let why = format!("it has changed since it was shown: {}", now.standing(Pace::default(), text::now()));
    Err(Error::new(Kind::Failed, format!("decide on {}", one.called()), why).hint("look at it again, then decide"))
}

impl Jobs {
    /// Starts an effect about requests and notices.
    pub(super) fn start_requests(&mut self, effect: RequestEffect) {
        let portal = self.portal.clone();
        let cx = || Context::default().with_deadline(PATIENCE);
        match effect {
            RequestEffect::Request { job, target, asking } => self.write(job, move |cx| async move {
                let at = resolve(&portal, &target)?;
                let done = portal.requests.ask_for(&cx, &at.to_string(), &asking).await?;
                let standing = done.request.standing(done.pace, text::now());
                Ok((format!("request {}: {standing}", done.request.id), None))
            }),
            RequestEffect::Requests { which, skip, limit } => self.read(Slot::Requests, move |post| async move {
                let result = cx().run("list requests", portal.requests.list(which, number(skip), number(limit))).await;
                post.send(RequestNews::Requests { which, skip, result }).await;
                if skip == 0 {
                    let stands = async {
                        let groups =
                            if which == RequestFilter::Queue { portal.requests.groups().await? } else { Vec::new() };
                        Ok((portal.requests.caller().await?, portal.requests.pace().await, groups))
                    };
                    let stands: Result<(Caller, Pace, Vec<Group>)> = cx().run("ask how the queue stands", stands).await;
                    let decides = which == RequestFilter::Queue && stands.as_ref().is_ok_and(|(me, ..)| me.approver);
                    post.send(RequestNews::Queue(stands)).await;
                    if decides {
                        let overview = cx().run("ask how requests went lately", portal.requests.overview()).await;
                        post.send(RequestNews::Overview(overview)).await;
                    }
                }
            }),
            RequestEffect::RequestTold(id) => self.read(Slot::Request, move |post| async move {
                let told = cx().run("show a request", portal.requests.request_with_text(id)).await;
                post.send(RequestNews::RequestTold(Box::new(told))).await;
            }),
            RequestEffect::Decide { job, requests, ruling } => self.decide(job, requests, ruling),
            RequestEffect::ApproveClass { job, base, rule, ruling } => {
                let asker = Arc::new(self.asker());
                self.write(job, move |cx| async move {
                    let class = portal.requests.approve_class(&cx, asker, (&base, &rule), &ruling).await?;
                    Ok((format!("class {class}: what '{rule}' blocks is admitted {}", ruling.terms.describe()), None))
                });
            }
            RequestEffect::TakeBack { job, request, reason } => {
                let asker = Arc::new(self.asker());
                self.write(job, move |cx| async move {
                    as_shown(&portal, &request).await?;
                    let done = portal.requests.revoke(&cx, asker, *request.id(), &reason, None).await?;
                    Ok((format!("taken back: {} (request {})", done.admitted_at(), done.id), None))
                });
            }
            RequestEffect::Speak { job, request, said } => self.write(job, move |cx| async move {
                let id = *request.id();
                let request = match said {
                    RequestInput::Question(words) => {
                        portal.requests.speak(&cx, id, &Event::Remark(RemarkKind::Question, words)).await?
                    }
                    RequestInput::More(words) => portal.requests.add_to(&cx, id, &words).await?,
                    RequestInput::Withdrawn => portal.requests.speak(&cx, id, &Event::Withdraw).await?,
                    RequestInput::Newer => portal.requests.ask_again(&cx, id, None).await?.request,
                };
                Ok((format!("request {}: {} is {}", request.id, request.asked.title, request.stage.name()), None))
            }),
            RequestEffect::Inbox => self.read(Slot::Inbox, move |post| async move {
                post.send(RequestNews::Inbox(cx().run("read the inbox", portal.inbox.notices(NOTICES)).await)).await;
            }),
            RequestEffect::Seen(notices) => self.read(Slot::Unread, move |post| async move {
                let seen: Result<Option<i64>> = async {
                    portal.inbox.mark_read(&notices).await?;
                    portal.inbox.unread().await
                }
                .await;
                if let Ok(Some(count)) = seen {
                    post.send(RequestNews::Unread(count)).await;
                }
            }),
            RequestEffect::Unread => self.read(Slot::Unread, move |post| async move {
                if let Ok(Some(count)) = cx().run("count the inbox", portal.inbox.unread()).await {
                    post.send(RequestNews::Unread(count)).await;
                }
            }),
            RequestEffect::Warnings => self.read(Slot::Warnings, move |post| async move {
                if let Ok(warnings) = cx().run("read the warnings", portal.inbox.warnings(NOTICES)).await {
                    post.send(RequestNews::Warnings(warnings)).await;
                }
            }),
            RequestEffect::Me => self.read(Slot::Me, move |post| async move {
                if let Ok(Some(me)) = cx().run("ask who I am", portal.requests.caller_if_known()).await {
                    post.send(RequestNews::Me(me)).await;
                }
            }),
            RequestEffect::Listen { always } => self.listen(always),
        }
    }

    /// Decides on requests one after the other, as one job. Those that have changed since they were shown are left as
    /// they are.
    fn decide(&mut self, job: u64, requests: Vec<SeenRow<Id>>, ruling: ApproverDecision) {
        let portal = self.portal.clone();
        let asker = Arc::new(self.asker());
        self.write(job, move |cx| async move {
            let mut failed: Vec<Error> = Vec::new();
            let mut done: Vec<SeenRow<Id>> = Vec::new();
            for one in requests {
                cx.progress.phase(one.called());
                let decided = async {
                    as_shown(&portal, &one).await?;
                    portal.requests.decide(&cx, asker.clone(), *one.id(), &ruling).await
                };
                match decided.await {
                    Ok(_) => done.push(one),
                    Err(error) => failed.push(error),
                }
            }
            let verb = if ruling.approve { "approved" } else { "rejected" };
            let count = failed.len();
            match failed.into_iter().next() {
                Some(error) if done.is_empty() => Err(error),
                Some(error) => Err(error.during(format!("{verb} {}; {count} not, the first of them", named(&done)))),
                None => Ok((format!("{verb} {}", named(&done)), None)),
            }
        });
    }

    /// Sends [`RequestNews::News`] for each change of the store. With `always`, only if the store reports changes itself,
    /// because asking it again and again has a cost that only a shown screen is worth.
    fn listen(&mut self, always: bool) {
        let portal = self.portal.clone();
        if always && !portal.requests.is_notified_of_changes() {
            return;
        }
        self.read(Slot::News, move |post| async move {
            loop {
                match portal.requests.changed().await {
                    Ok(()) => {
                        tokio::time::sleep(GATHER).await;
                        post.send(RequestNews::News).await;
                    }
                    Err(_) => tokio::time::sleep(AWAY).await,
                }
            }
        });
    }
}
