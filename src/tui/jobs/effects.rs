//! What each effect does: over the same portal that the command line awaits.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::mpsc;

use super::{Jobs, post::Post};
use crate::{
    core::{
        base::{
            context::Context,
            error::{Error, Result},
            text,
        },
        catalog::{facets, search},
        image::{model::Image, reference::ImageRef},
        launch::{logs::Wanted, usage::WorkloadId},
        portal::{
            Portal,
            sign_in::SignIn,
            upkeep::tag::{Move, named},
        },
        transfer::copy::Options,
    },
    tui::msg::{Effect, Msg, Slot, Target},
};

/// How often a shown workload is looked at again.
const WATCH: Duration = Duration::from_secs(2);
/// How often several shown workloads are measured again, and how soon for the first time.
const MEASURE: Duration = Duration::from_secs(5);
const SOON: Duration = Duration::from_secs(1);
/// How long the first frame has the machine to itself.
const FIRST_FRAME: Duration = Duration::from_millis(10);
/// Rows that are searched at once, without a thread of their own.
const FEW_ROWS: usize = 2000;
/// How long rows stand still before they are looked at.
const GLANCE: Duration = Duration::from_millis(150);
/// Looks at a time.
const LOOKS: usize = 6;

impl Jobs {
    /// Carries out an effect that needs no terminal.
    pub fn start(&mut self, effect: Effect) {
        let portal = self.portal.clone();
        match effect {
            Effect::LoadCache => self.read(Slot::Cache, move |post| async move {
                // A screenful first. The rest is read when that is drawn: it would only get in its way.
                post.send(Msg::Cached(portal.cache.heads().await)).await;
                tokio::time::sleep(FIRST_FRAME).await;
                post.send(Msg::Cached(portal.cache.load().await)).await;
                let mut filters = portal.cache.filters().await.unwrap_or_default();
                filters.extend(portal.config.filters.clone());
                post.send(Msg::Filters(filters)).await;
            }),
            Effect::List { source, query } => self.list(source, query),
            Effect::Search { number, sets, query, sort, order, from } => {
                self.read(Slot::Search, move |post| async move {
                    let rows: usize = sets.0.iter().map(|(_, rows)| rows.len()).sum();
                    let work = move || {
                        let (order, fresh) = match order {
                            Some(order) => (order.0, false),
                            None => (Arc::new(search::order(&sets.0, sort)), true),
                        };
                        let candidates = from.map_or_else(|| order.clone(), |from| from.0);
                        let hits = if query.is_empty() {
                            order.clone()
                        } else {
                            Arc::new(search::search(&sets.0, &query, &candidates))
                        };
                        Msg::Found { number, order: fresh.then_some(order), hits }
                    };
                    if rows <= FEW_ROWS {
                        return post.send(work()).await;
                    }
                    // Keys wait for the answer: there must be one.
                    let nothing = |_| Msg::Found { number, order: None, hits: Arc::default() };
                    post.send(tokio::task::spawn_blocking(work).await.unwrap_or_else(nothing)).await;
                })
            }
            Effect::Image { target, platform } => self.read(Slot::Image, move |post| async move {
                let image = async {
                    let platform = platform.map(|platform| platform.parse()).transpose()?;
                    portal.image(&Context::default(), &resolve(&portal, &target)?, platform.as_ref()).await
                };
                post.send(Msg::Image(Box::new(image.await))).await;
            }),
            Effect::OpenLink(link) => self.read(Slot::Image, move |post| async move {
                post.send(Msg::Opened(Box::new(portal.open_link(&Context::default(), &link).await))).await;
            }),
            Effect::Tags(reference) => self.read(Slot::Tags, move |post| async move {
                post.send(Msg::Tags(portal.tags(&Context::default(), &reference).await)).await;
            }),
            Effect::Versions(reference, tags) => self.read(Slot::Versions, move |post| async move {
                let (sender, mut versions) = mpsc::channel(16);
                let cx = Context::default();
                let work = portal.versions(&cx, &reference, tags, sender);
                let forward = async {
                    while let Some(version) = versions.recv().await {
                        post.send(Msg::Version(version)).await;
                    }
                };
                let _ = tokio::join!(work, forward);
            }),
            Effect::Shares(reference) => self.read(Slot::Shares, move |post| async move {
                post.send(Msg::Shares(portal.shares(&Context::default(), &reference).await)).await;
            }),
            Effect::Offers => self.read(Slot::Offers, move |post| async move {
                let (offers, failed) = portal.offers(&Context::default()).await;
                post.send(Msg::Offers(offers, failed)).await;
            }),
            effect @ (Effect::Request { .. }
            | Effect::Requests { .. }
            | Effect::RequestTold(_)
            | Effect::Decide { .. }
            | Effect::ApproveClass { .. }
            | Effect::TakeBack { .. }
            | Effect::Speak { .. }
            | Effect::Inbox
            | Effect::Seen(_)
            | Effect::Unread
            | Effect::Me
            | Effect::Listen { .. }) => self.of_requests(effect),
            Effect::Projects(source) => self.read(Slot::Projects, move |post| async move {
                let projects = portal.projects(&Context::default(), &source).await;
                post.send(Msg::Projects(source, projects)).await;
            }),
            Effect::SharePlans(target, to) => self.read(Slot::SharePlans, move |post| async move {
                let cx = Context::default();
                let plans = async {
                    let at = &resolve(&portal, &target)?;
                    let (portal, cx) = (&portal, &cx);
                    let plans = to.clone().into_iter().map(|to| async move {
                        let plan = portal.share_plan(cx, at, &to).await;
                        (to, plan)
                    });
                    Ok(stream::iter(plans).buffered(LOOKS).collect::<Vec<_>>().await)
                };
                let failed = |error: Error| to.iter().map(|to| (to.clone(), Err(error.clone()))).collect();
                let plans = plans.await.unwrap_or_else(failed);
                post.send(Msg::SharePlans(target, plans)).await;
            }),
            Effect::Removals(targets) => self.read(Slot::Removals, move |post| async move {
                let cx = Context::default();
                let resolved: Vec<Result<ImageRef>> = targets.iter().map(|target| resolve(&portal, target)).collect();
                let known: Vec<ImageRef> = resolved.iter().filter_map(|one| one.as_ref().ok().cloned()).collect();
                let mut answers = portal.removals(&cx, &known).await.into_iter();
                let one = |resolved: Result<ImageRef>| match resolved {
                    Ok(at) => answers.next().unwrap_or_else(|| Err(Error::cancelled(format!("remove {at}")))),
                    Err(error) => Err(error),
                };
                let told = resolved.into_iter().map(one).collect();
                post.send(Msg::Removals(targets, told)).await;
            }),
            Effect::Verify { image, anew } => self.read(Slot::Verify, move |post| async move {
                let verified = portal.look_at(&Context::default(), &image, anew).await;
                post.send(Msg::Verified(Box::new(verified))).await;
            }),
            Effect::Explain(target) => self.read(Slot::Verify, move |post| async move {
                let cx = Context::default();
                let explained = async {
                    let image = portal.image(&cx, &resolve(&portal, &target)?, None).await?;
                    portal.look_at(&cx, &image, false).await
                };
                post.send(Msg::Explained(Box::new(explained.await))).await;
            }),
            Effect::Compare { before, after, platform } => self.read(Slot::Verify, move |post| async move {
                let compared = async {
                    let platform = platform.map(|platform| platform.parse()).transpose()?;
                    portal.diff(&Context::default(), &before, &after, platform.as_ref(), true).await
                };
                post.send(Msg::Compared(Box::new(compared.await))).await;
            }),
            Effect::Give { job, target } => {
                let post = Post { out: self.out.clone(), read: None };
                self.write(job, move |cx| async move {
                    let given = portal.give(&cx, &resolve(&portal, &target)?).await?;
                    let words = format!("{} waits for whoever has its key", given.title);
                    // Once, to the screen: it is written down nowhere.
                    post.send(Msg::Given(given)).await;
                    Ok((words, None))
                });
            }
            Effect::Take { job, offer, key } => self.write(job, move |cx| async move {
                let volume = portal.take(&cx, &offer, &key).await?;
                Ok((format!("{volume} is your project's now"), None))
            }),
            Effect::Import { job, url, destination } => self.write(job, move |cx| async move {
                let to: ImageRef = destination.parse()?;
                let outcome = portal.import(&cx, &url, &to).await?;
                Ok((format!("{to} is there: {}", outcome.digest.short()), None))
            }),
            Effect::Revoke { job, share } => self.write(job, move |cx| async move {
                portal.revoke(&cx, share.id()).await?;
                Ok((format!("took the share back from {}", share.called()), None))
            }),
            Effect::AnswerOffer { job, offer, accept } => self.write(job, move |cx| async move {
                portal.answer_offer(&cx, offer.id(), accept).await?;
                let what = offer.called();
                let done = if accept {
                    format!("accepted {what}: it is in your list now")
                } else {
                    format!("rejected {what}")
                };
                Ok((done, None))
            }),
            Effect::Facets(sets) => self.read(Slot::Facets, move |post| async move {
                let counted = tokio::task::spawn_blocking(move || facets::count(&sets.0)).await;
                post.send(Msg::Facets(counted.unwrap_or_default())).await;
            }),
            Effect::Look(rows) => self.read(Slot::Look, move |post| async move {
                // Whoever scrolls on is not there to read.
                tokio::time::sleep(GLANCE).await;
                let sources: BTreeSet<String> = rows.iter().map(|(source, ..)| source.clone()).collect();
                let (portal, post, cx) = (&portal, &post, &Context::default());
                let looks = rows.iter().map(|(source, name, tag)| async move {
                    let (version, image) = portal.look(cx, source, name, tag).await.ok().unzip();
                    post.send(Msg::Looked(source.clone(), name.clone(), version)).await;
                    image.map(|image| (source.clone(), name.clone(), image))
                });
                // As they come: the marks go from the first row to the last.
                let looks: Vec<_> = looks.collect();
                let images: Vec<(String, String, Image)> =
                    stream::iter(looks).buffered(LOOKS).filter_map(std::future::ready).collect().await;
                // What they are comes before whether they can be trusted: that takes longer.
                let marks = images.iter().filter(|(.., image)| image.pinned.is_some()).map(
                    |(source, name, image)| async move {
                        if let Ok((subject, standing)) = portal.mark(cx, image).await {
                            let (source, name) = (source.clone(), name.clone());
                            post.send(Msg::Marked { source, name, subject, standing }).await;
                        }
                    },
                );
                stream::iter(marks).for_each_concurrent(LOOKS, |mark| mark).await;
                for source in sources {
                    if let Ok(Some(rows)) = portal.learn(&source).await {
                        post.send(Msg::Learnt(source, rows)).await;
                    }
                }
            }),
            Effect::Form { backend, image } => self.read(Slot::Form, move |post| async move {
                let form = portal.form(&Context::default(), &backend, &image).await;
                post.send(Msg::Form(form.map(|form| (backend, form)))).await;
            }),
            Effect::Plan { backend, image, answers } => self.read(Slot::Plan, move |post| async move {
                post.send(Msg::Plan(Box::new(portal.plan(&Context::default(), &backend, &image, &answers).await)))
                    .await;
            }),
            Effect::Workloads => self.read(Slot::Workloads, move |post| async move {
                loop {
                    let (all, failed) = portal.workloads(&Context::default()).await;
                    post.send(Msg::Workloads(all, failed)).await;
                    tokio::time::sleep(WATCH).await;
                }
            }),
            Effect::Logs { backend, id, times } => self.read(Slot::Logs, move |post| async move {
                let ended = follow(&portal, &backend, &id, times, &post).await;
                post.send(Msg::LogEnd(ended)).await;
            }),
            Effect::Usage(of) => self.read(Slot::Usage, move |post| async move { measure(&portal, of, &post).await }),
            Effect::Health => self.read(Slot::Health, move |post| async move {
                let cx = Context::default().within(Duration::from_secs(8));
                // Each is shown when it is there.
                let health = async { post.send(Msg::Health(portal.health(&cx).await)).await };
                let checks = async { post.send(Msg::Checks(portal.checks().await)).await };
                tokio::join!(health, checks);
            }),
            Effect::Link(wish) => self.read(Slot::Link, move |post| async move {
                let link = async {
                    let platform = wish.platform.as_ref().map(|platform| platform.parse()).transpose()?;
                    let at = resolve(&portal, &wish.target)?;
                    let link = portal.link(&Context::default(), &at, platform.as_ref(), wish.until).await?;
                    let code = link.code(false).unwrap_or_default();
                    Ok((link, code))
                };
                let link = link.await;
                post.send(Msg::Link(wish, link)).await;
            }),
            Effect::SaveFilter(name, filter) => {
                tokio::spawn(async move {
                    if let Err(error) = portal.cache.save_filter(&name, &filter).await {
                        tracing::warn!(%error, "the filter was not kept");
                    }
                });
            }
            Effect::Terminal { backend, id, command, size } => self.terminal(backend, id, command, size),
            Effect::Type(bytes) => {
                if let Some(keys) = &self.keys {
                    let _ = keys.try_send(bytes);
                }
            }
            Effect::Resize(columns, rows) => {
                if let Some(sizes) = &self.sizes {
                    let _ = sizes.try_send((columns, rows));
                }
            }
            Effect::Leave(slots) => {
                for slot in slots {
                    // A store that tells by itself is heard as long as the program runs.
                    if *slot != Slot::News || !portal.store.pushes() {
                        self.end(*slot);
                    }
                }
            }
            Effect::Launch { job, plan } => self.write(job, move |cx| async move {
                let workload = portal.launch(&cx, &plan, None).await?;
                Ok((
                    format!("{} is {} on {}", workload.name, workload.state.words().1, workload.backend),
                    Some(workload),
                ))
            }),
            Effect::Share { job, target, platform, to } => self.write(job, move |cx| async move {
                let at = resolve(&portal, &target)?;
                let shared = portal.share_to(&cx, &at, &to, &of_platform(platform)?).await?;
                Ok((format!("shared: {}", shared.words()), None))
            }),
            Effect::RemoveImages { job, removals } => self.write(job, move |cx| async move {
                let done = portal.remove_images(&cx, &removals).await;
                let (gone, failed): (Vec<_>, Vec<_>) = done.into_iter().partition(Result::is_ok);
                match (failed.into_iter().find_map(Result::err), removals.as_slice()) {
                    (Some(error), [_]) => Err(error),
                    (Some(error), _) => Err(error.during(format!("{} removed", gone.len()))),
                    (None, [one]) => Ok((format!("removed {}", one.reference.spoken()), None)),
                    (None, many) => {
                        Ok((format!("removed {}", text::plural(many.len() as u64, "image", "images")), None))
                    }
                }
            }),
            Effect::Tag { job, target, new } => {
                let asker = self.asker();
                self.write(job, move |cx| async move {
                    let at = resolve(&portal, &target)?;
                    let new = named(&at, &new)?;
                    Ok((portal.tag(&cx, &at, &new, Move::Ask(Arc::new(asker))).await?.words(), None))
                });
            }
            Effect::CopyTo { job, target, platform, destination } => self.write(job, move |cx| async move {
                let to: ImageRef = destination.parse()?;
                let outcome = portal.copy(&cx, &resolve(&portal, &target)?, &to, &of_platform(platform)?).await?;
                Ok((format!("{}: {}", to.spoken(), outcome.words()), None))
            }),
            Effect::SignIn { job, source } => {
                let asker = self.asker();
                self.write(job, move |cx| async move {
                    let wanted = SignIn { source, ..SignIn::default() };
                    let signed = portal.sign_in(&cx, Arc::new(asker), wanted).await?;
                    let kept = if signed.lasting { signed.store } else { "kept until Wharf ends".to_owned() };
                    Ok((format!("signed in to {} as {} · {kept}", signed.host, signed.account), None))
                });
            }
            Effect::Answer(id, answer) => self.questions.answer(id, answer),
            Effect::Stop { job, workload } => self.write(job, move |cx| async move {
                let (backend, id) = workload.id();
                portal.stop(&cx, backend, id).await?;
                Ok((format!("stopped {}", workload.called()), None))
            }),
            Effect::Start { job, workload, again } => self.write(job, move |cx| async move {
                let (backend, id) = workload.id();
                portal.start(&cx, backend, id, again).await?;
                Ok((format!("{} {}", if again { "restarted" } else { "started" }, workload.called()), None))
            }),
            Effect::Snapshot { job, workload, name, to } => self.write(job, move |cx| async move {
                let (backend, id) = workload.id();
                let (image, shares) = portal.snapshot(&cx, backend, id, &name, &to).await?;
                let (done, failed): (Vec<_>, Vec<_>) = shares.into_iter().partition(Result::is_ok);
                match failed.into_iter().find_map(Result::err) {
                    // The image is there: the same again tries the rest.
                    Some(error) => Err(error.during(format!("{image} is made, and shared with {}", done.len()))),
                    None if to.is_empty() => Ok((format!("{name} is {image}"), None)),
                    None => Ok((format!("{name} is {image}, shared with {}", done.len()), None)),
                }
            }),
            Effect::Remove { job, workload } => self.write(job, move |cx| async move {
                let (backend, id) = workload.id();
                portal.remove(&cx, backend, id).await?;
                Ok((format!("removed {}", workload.called()), None))
            }),
            Effect::Cancel(job) => {
                if let Some(cancel) = self.writes.get(job.id()) {
                    cancel.cancel();
                }
            }
            // `update` has gone on there already.
            Effect::Go(_) => {}
            // These need the terminal; the loop does them.
            Effect::Copy(_) | Effect::CopyReference(_) | Effect::Mouse(_) | Effect::Theme(_) => {}
        }
    }
}

pub(super) fn resolve(portal: &Portal, target: &Target) -> Result<ImageRef> {
    match target {
        Target::Reference(reference) => Ok(reference.clone()),
        Target::Row { source, name, tag } => portal.source(source)?.catalog.reference(name, tag.as_deref()),
    }
}

/// Measures workloads until none of them tells anything. A first pair of readings comes soon: the use of processors is
/// that between two.
async fn measure(portal: &Portal, mut of: Vec<WorkloadId>, post: &Post) {
    // Whoever scrolls on is not there to read.
    tokio::time::sleep(GLANCE).await;
    let alone = of.len() == 1;
    let mut pause = SOON;
    while !of.is_empty() {
        let mut answers = std::pin::pin!(portal.measure(std::mem::take(&mut of)));
        while let Some((id, told)) = answers.next().await {
            if !matches!(told, Ok(None)) {
                of.push(id.clone());
            }
            post.send(Msg::Usage(id, told)).await;
        }
        tokio::time::sleep(pause).await;
        pause = if alone { WATCH } else { MEASURE };
    }
}

async fn follow(portal: &Portal, backend: &str, id: &str, times: bool, post: &Post) -> Result<()> {
    let launcher = portal.launcher(Some(backend), None)?;
    let mut stream = launcher.logs(&Context::default(), id, Wanted { times, ..Wanted::following() }).await?;
    while let Some(bytes) = stream.try_next().await? {
        post.send(Msg::Log(bytes)).await;
    }
    Ok(())
}

/// Everything, or one platform alone.
fn of_platform(platform: Option<String>) -> Result<Options> {
    let platforms = platform.map(|platform| Ok::<_, Error>(vec![platform.parse()?])).transpose()?;
    Ok(Options { platforms, ..Options::default() })
}
