//! What effects about requests and notices do.

use std::{sync::Arc, time::Duration};

use super::{Jobs, effects::resolve};
use crate::{
    core::{
        error::{Error, Result},
        progress::Context,
        request::{Event, RemarkKind, Which},
        text,
    },
    tui::msg::{Effect, Msg, Said, Slot},
};

/// Notices that are shown.
const NOTICES: i64 = 500;
/// How long the store may take to be asked.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long to wait after it could not be heard.
const AWAY: Duration = Duration::from_secs(10);
/// Changes that come together are read once.
const GATHER: Duration = Duration::from_millis(200);

/// A place in a list, as stores count.
fn number(of: usize) -> i64 {
    i64::try_from(of).unwrap_or(i64::MAX)
}

impl Jobs {
    /// Carries out an effect about requests and notices.
    pub(super) fn of_requests(&mut self, effect: Effect) {
        let portal = self.portal.clone();
        let cx = || Context::default().within(PATIENCE);
        match effect {
            Effect::Request { job, target, asking } => self.write(job, move |cx| async move {
                let at = resolve(&portal, &target)?;
                let done = portal.ask_for(&cx, &at.to_string(), &asking).await?;
                let standing = done.request.standing(done.pace, text::now());
                Ok((format!("request {}: {standing} · 6 shows it", done.request.id), None))
            }),
            Effect::Requests { which, skip, limit } => self.read(Slot::Requests, move |post| async move {
                let store = &portal.store;
                let result = cx().run("list requests", store.requests(which, number(skip), number(limit))).await;
                post.send(Msg::Requests { which, skip, result }).await;
                if skip == 0 {
                    let stands = async {
                        let groups = if which == Which::Queue { store.groups().await? } else { Vec::new() };
                        Ok((store.me().await?, store.pace().await?, groups))
                    };
                    post.send(Msg::Queue(cx().run("ask how the queue stands", stands).await)).await;
                }
            }),
            Effect::RequestTold(id) => self.read(Slot::Request, move |post| async move {
                let told = cx().run("show a request", portal.request_told(id)).await;
                post.send(Msg::RequestTold(Box::new(told))).await;
            }),
            Effect::Decide { job, ids, ruling } => {
                let asker = Arc::new(self.asker());
                self.write(job, move |cx| async move {
                    let mut failed: Vec<Error> = Vec::new();
                    for id in &ids {
                        cx.progress.phase(format!("request {id}"));
                        if let Err(error) = portal.decide(&cx, asker.clone(), *id, &ruling).await {
                            failed.push(error);
                        }
                    }
                    let verb = if ruling.approve { "approved" } else { "rejected" };
                    let done = text::plural((ids.len() - failed.len()) as u64, "request", "requests");
                    let count = failed.len();
                    match failed.into_iter().next() {
                        Some(error) if count == ids.len() => Err(error),
                        Some(error) => Err(error.during(format!("{verb} {done}; {count} not, the first of them"))),
                        None => Ok((format!("{verb} {done}"), None)),
                    }
                });
            }
            Effect::ApproveClass { job, base, rule, ruling } => {
                let asker = Arc::new(self.asker());
                self.write(job, move |cx| async move {
                    let class = portal.approve_class(&cx, asker, (&base, &rule), &ruling).await?;
                    Ok((format!("class {class}: what '{rule}' blocks is admitted {}", ruling.terms.words()), None))
                });
            }
            Effect::Speak { job, id, said } => self.write(job, move |cx| async move {
                let request = match said {
                    Said::Question(words) => portal.speak(&cx, id, &Event::Remark(RemarkKind::Question, words)).await?,
                    Said::More(words) => portal.add_to(&cx, id, &words).await?,
                    Said::Withdrawn => portal.speak(&cx, id, &Event::Withdraw).await?,
                    Said::Newer => portal.ask_again(&cx, id, None).await?.request,
                };
                Ok((format!("request {}: {}", request.id, request.stage.word()), None))
            }),
            Effect::Inbox => self.read(Slot::Inbox, move |post| async move {
                post.send(Msg::Inbox(cx().run("read the inbox", portal.store.notices(0, NOTICES)).await)).await;
            }),
            Effect::Seen(notices) => self.read(Slot::Unread, move |post| async move {
                let seen: Result<i64> = async {
                    portal.store.seen(&notices).await?;
                    portal.store.unread().await
                }
                .await;
                if let Ok(count) = seen {
                    post.send(Msg::Unread(count)).await;
                }
            }),
            Effect::Unread => self.read(Slot::Unread, move |post| async move {
                if portal.store.is_there() {
                    if let Ok(count) = cx().run("count the inbox", portal.store.unread()).await {
                        post.send(Msg::Unread(count)).await;
                    }
                }
            }),
            Effect::Listen { always } => {
                if always && !portal.store.pushes() {
                    return;
                }
                self.read(Slot::News, move |post| async move {
                    loop {
                        match portal.store.news().await {
                            Ok(()) => {
                                tokio::time::sleep(GATHER).await;
                                post.send(Msg::News).await;
                            }
                            Err(_) => tokio::time::sleep(AWAY).await,
                        }
                    }
                });
            }
            _ => {}
        }
    }
}
