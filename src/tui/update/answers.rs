//! Answers: what jobs and sources sent is put where it belongs.

use super::commands;
use crate::core::{
    base::error::{Kind, Result},
    image::model::Image,
    launch::plan::Workload,
    ports::QuestionKind,
};
use crate::tui::{
    flows::{copy, request, share, upkeep},
    kit::{action::Action, list::Drawn},
    msg::{Effect, Msg, Target},
    popups::{Ask, Popup, Sure},
    screens::image,
    state::{Screen, State},
    update,
};

/// The topmost screen of a kind: an answer belongs to it also while another one covers it.
macro_rules! topmost {
    ($state:expr, $kind:path) => {
        $state.stack.iter_mut().rev().find_map(|screen| match screen {
            $kind(page) => Some(page),
            _ => None,
        })
    };
}

/// An answer came. One for a screen that is gone changes nothing.
pub fn arrived(state: &mut State, msg: Msg) -> Vec<Effect> {
    let now = state.now;
    match msg {
        Msg::Cached(Ok(lists)) => return state.catalog.cached(lists),
        Msg::Cached(Err(error)) => {
            state.catalog.begun = true;
            state.fail(&error);
        }
        Msg::Filters(filters) => {
            state.catalog.saved = filters;
            // The first frame is drawn: what concerns the person is counted now.
            return vec![Effect::Unread, Effect::Me, Effect::Listen { always: true }];
        }
        Msg::Requests { which, skip, result } => {
            if let Some(page) = topmost!(state, Screen::Requests) {
                page.arrived(which, skip, result);
            }
        }
        Msg::Queue(result) => {
            if let Ok((me, ..)) = &result {
                state.approver = me.approver;
            }
            if let Some(page) = topmost!(state, Screen::Requests) {
                page.stands(result);
                if page.wants_queue() {
                    page.turn(true);
                    return vec![page.again()];
                }
            }
        }
        Msg::RequestTold(result) => match *result {
            Ok((request, text)) => {
                let title = format!("Request {}: {}", request.id, request.asked.title);
                state.come(Popup::text(title, text));
            }
            Err(error) => state.fail(&error),
        },
        Msg::Inbox(result) => {
            if let Some(page) = topmost!(state, Screen::Inbox) {
                page.arrived(result);
            }
        }
        Msg::Unread(count) => state.unread = count,
        Msg::News => return request::news(state),
        Msg::Rows(source, rows) => return state.catalog.growing(&source, rows),
        Msg::Listed(source, result) => {
            // What others offer there is news, too.
            let offers = result.is_ok() && state.sources.iter().any(|known| known.name == source && known.grants);
            let mut effects = state.catalog.listed(&source, result, now);
            effects.extend(offers.then_some(Effect::Offers));
            return effects;
        }
        Msg::Shares(result) => {
            if let Some(page) = topmost!(state, Screen::Image) {
                page.shared_with(result);
            }
        }
        Msg::Offers(offers, failed) => {
            state.offered = offers.iter().filter(|offer| !offer.outgoing).count();
            if let Some(page) = topmost!(state, Screen::Inbox) {
                page.offered(state.offered);
            }
            if let Some(page) = topmost!(state, Screen::Offers) {
                page.arrived(offers, failed);
            }
        }
        Msg::Projects(source, projects) => share::projects_arrived(state, &source, projects),
        Msg::Removals(targets, answers) => upkeep::told(state, &targets, answers),
        Msg::SharePlans(target, plans) => share::planned(state, &target, plans),
        Msg::Explained(result) => match *result {
            Ok(verified) => {
                state.catalog.marked_as(&verified.subject, verified.standing());
                state.catalog.narrow_by_standing();
                commands::explain(state, &verified);
            }
            Err(error) => state.fail(&error),
        },
        Msg::Compared(result) => match *result {
            Ok(diff) => {
                state.come(Popup::text("Compared", diff.words()));
            }
            Err(error) => state.fail(&error),
        },
        Msg::Marked { source, name, subject, standing } => {
            state.catalog.marked_as(&subject, standing);
            state.catalog.placed(source, name, &subject);
            state.catalog.narrow_by_standing();
        }
        Msg::Verified(result) => {
            if let Ok(verified) = &*result {
                state.catalog.marked_as(&verified.subject, verified.standing());
                state.catalog.narrow_by_standing();
            }
            if let Some(page) = topmost!(state, Screen::Image) {
                let of_this = match (&*result, &page.image) {
                    (Ok(verified), Some(image)) => {
                        // A file has no digest until all of it was read.
                        let named = image.reference.without_version().to_string() == verified.subject.name;
                        let pinned = image.pinned.as_ref();
                        pinned.map_or(named, |pinned| pinned.manifest == verified.subject.manifest)
                    }
                    _ => true,
                };
                if of_this {
                    page.verified = Some(result.map(Box::new));
                }
            }
        }
        Msg::Given(given) => share::given(state, &given),
        Msg::More(source, result) => return state.catalog.more(&source, result),
        Msg::Found { number, order, hits } => {
            state.catalog.found(number, order, hits);
            return update::resume(state);
        }
        Msg::Image(result) => return image_arrived(state, *result),
        Msg::Opened(result) => match *result {
            Ok(opened) => {
                if let Some(page) = topmost!(state, Screen::Image) {
                    let mut words = match opened.moved {
                        Some(true) => vec![(
                            false,
                            format!(
                                "the tag has moved since, to {}",
                                opened.now_at.as_ref().map_or("", |digest| digest.short())
                            ),
                        )],
                        Some(false) => vec![(true, "the tag still points here".to_owned())],
                        None => vec![(false, "the tag is gone, or there was none".to_owned())],
                    };
                    page.from_link.append(&mut words);
                    // The sender's name for the place may be none of ours.
                    page.target = Target::Reference(opened.image.reference.clone());
                }
                return image_arrived(state, Ok(opened.image));
            }
            Err(error) => return image_arrived(state, Err(error)),
        },
        Msg::Tags(result) => {
            if let Some(page) = topmost!(state, Screen::Image) {
                // Newest first: that is what people look for.
                page.tags = Some(result.map(|tags| tags.into_iter().rev().collect()));
            }
        }
        Msg::Version(version) => {
            if let Some(page) = topmost!(state, Screen::Image) {
                page.versions.retain(|known| known.tag != version.tag);
                page.versions.push(version);
            }
        }
        Msg::Form(result) => {
            if let Some(page) = topmost!(state, Screen::Launch) {
                match result {
                    Ok((backend, form)) if backend == page.backend_name() => {
                        // Answers that the new backend asks for too are kept.
                        page.answers
                            .0
                            .retain(|key, value| form.field(key).is_some_and(|field| field.refuse(value).is_none()));
                        page.form = Some(form);
                        page.error = None;
                        return commands::replan(state);
                    }
                    Ok(_) => {}
                    // A backend that is not there is no choice: take the next one, unless the person chose this one.
                    Err(error) if !page.chosen && page.form.is_none() && page.backend + 1 < page.backends.len() => {
                        let gone = page.backend_name();
                        page.backend += 1;
                        let (backend, image) = (page.backend_name(), Box::new(page.image.clone()));
                        state.say(format!("{gone} cannot: {}", error.why));
                        return vec![Effect::Form { backend, image }];
                    }
                    // One that takes no such image is no choice at all.
                    Err(error) if error.kind == Kind::Unsupported && page.chosen && page.form.is_none() => {
                        let (gone, at, forward) = (page.backend_name(), page.backend, page.forward);
                        page.refusing.push(at);
                        let place = std::mem::take(&mut page.at.selected);
                        let turned = page.turn(forward);
                        page.at.selected = place;
                        if !turned {
                            page.error = Some(error);
                            return Vec::new();
                        }
                        let (backend, image) = (page.backend_name(), Box::new(page.image.clone()));
                        state.say(format!("{gone} cannot: {}", error.why));
                        return vec![Effect::Form { backend, image }];
                    }
                    Err(error) => page.error = Some(error),
                }
            }
        }
        Msg::Plan(result) => {
            if let Some(page) = topmost!(state, Screen::Launch) {
                match *result {
                    Ok(plan) => {
                        page.error = None;
                        page.plan = Some(Drawn::new(plan));
                    }
                    Err(error) => page.error = Some(error),
                }
            }
        }
        Msg::Workloads(all, failed) => {
            if let Some(page) = topmost!(state, Screen::Workload) {
                let same = |one: &&Workload| one.backend == page.workload.backend && one.id == page.workload.id;
                if let Some(news) = all.iter().find(same).cloned() {
                    let lives = news.state.is_live();
                    let began = lives && !page.workload.state.is_live();
                    // A stream that was not short has ended, and what it was of runs: it was started again.
                    let over = lives && page.lasted && matches!(page.ended, Some(Ok(())));
                    page.workload.set(news);
                    if began || over {
                        return commands::watch_again(state);
                    }
                }
            }
            if let Some(page) = topmost!(state, Screen::Workloads) {
                page.arrived(all, failed);
            }
        }
        Msg::Log(bytes) => {
            if let Some(page) = topmost!(state, Screen::Workload) {
                page.output.take(&bytes, now);
            }
        }
        Msg::LogEnd(result) => {
            if let Some(page) = topmost!(state, Screen::Workload) {
                if let Some(error) = result.as_ref().err().filter(|_| page.output.times) {
                    if error.kind == Kind::Unsupported {
                        page.output.times = false;
                        let why = error.why.clone();
                        state.say(why);
                        return commands::watch_again(state);
                    }
                }
                page.output.finish(now);
                page.ended = Some(result);
                page.lasted = state.clock.saturating_sub(page.asked) > AT_ONCE;
            }
            return vec![Effect::Workloads];
        }
        Msg::Usage(id, told) => match state.stack.last_mut() {
            Some(Screen::Workload(page)) if page.workload.key() == id => page.reading(told),
            Some(Screen::Workloads(page)) => page.measured(id, told),
            _ => {}
        },
        Msg::Terminal(bytes) => {
            if let Some(page) = topmost!(state, Screen::Console) {
                page.parser.process(&bytes);
            }
        }
        Msg::TerminalEnd(result) => {
            if let Some(page) = topmost!(state, Screen::Console) {
                page.ended = Some(result);
            }
        }
        Msg::Health(health) => {
            if let Some(page) = topmost!(state, Screen::Sources) {
                page.health = Some(health);
            }
        }
        Msg::Checks(checks) => {
            if let Some(page) = topmost!(state, Screen::Sources) {
                page.checks = checks;
            }
        }
        Msg::Link(wish, Ok((link, code))) => {
            let link = link.to_string();
            // A code that is cut cannot be scanned.
            let (lines, columns) =
                (code.lines().count(), code.lines().map(|line| line.chars().count()).max().unwrap_or(0));
            let around = link.chars().count().div_ceil(usize::from(state.size.0.clamp(30, 110)).saturating_sub(4))
                + 5
                + 2 * usize::from(wish.until.is_some());
            let fits = lines + around <= usize::from(state.size.1) && columns + 4 <= usize::from(state.size.0);
            let code = if fits {
                code
            } else {
                format!(
                    "Its QR code needs a terminal of {} lines and {} columns: make it larger, then y again.",
                    lines + around,
                    columns + 4
                )
            };
            let end =
                wish.until.map(|until| format!("It is good until {}.\n\n", crate::core::base::text::timestamp(until)));
            let end = end.unwrap_or_default();
            state.come(Popup::Text {
                title: "Link, copied where the terminal allows it".into(),
                text: format!("{link}\n\n{end}{code}"),
                copy: Some(link.clone()),
                top: 0,
                link: Some(wish),
            });
            return vec![Effect::Copy(link)];
        }
        Msg::Link(_, Err(error)) => state.fail(&error),
        Msg::Facets(counted) => copy::facets(state, counted),
        Msg::Looked(source, name, version) => state.catalog.looked(source, name, version),
        Msg::Learnt(source, rows) => return state.catalog.learnt(&source, rows),
        Msg::Question(id, question) => state.asked(match question.kind {
            QuestionKind::Confirm => Popup::Confirm { question: question.words, sure: Sure::Question(id) },
            kind => Popup::line(question.words, Ask::Question(id, kind == QuestionKind::Secret)),
        }),
        Msg::Unasked(id) => {
            state.waiting.retain(|popup| !popup.asks(id));
            state.popups.retain(|popup| !popup.asks(id));
        }
        Msg::Me(me) => state.approver = me.approver,
        Msg::JobNote(id, note) => state.jobs.change(|jobs| {
            if let Some(job) = jobs.iter_mut().find(|job| job.id == id) {
                job.note = note;
            }
        }),
        Msg::JobDone(id, result) => return job_done(state, id, result),
        _ => {}
    }
    Vec::new()
}

/// Milliseconds in which output ends that nobody can follow.
const AT_ONCE: u64 = 3000;

fn image_arrived(state: &mut State, result: Result<Image>) -> Vec<Effect> {
    let Some(page) = topmost!(state, Screen::Image) else { return Vec::new() };
    match result {
        Ok(image) => {
            let mut more: Vec<Effect> = image::beside(&image).into_iter().collect();
            page.verified = None;
            if image.pinned.is_some() {
                more.push(Effect::Verify { image: Box::new(image.clone()), anew: false });
            }
            page.image = Some(image);
            page.error = None;
            if !page.panes().contains(&page.pane) {
                page.pane = image::Pane::Overview;
            }
            if page.launch_next {
                page.launch_next = false;
                more.extend(commands::run(state, Action::Launch));
                return more;
            }
            more
        }
        Err(error) => {
            page.error = Some(error);
            Vec::new()
        }
    }
}

fn job_done(state: &mut State, id: u64, result: Result<(String, Option<Workload>)>) -> Vec<Effect> {
    match &result {
        Ok((words, _)) => state.done(words.clone()),
        Err(error) if error.kind == Kind::Cancelled => state.say("cancelled"),
        Err(error) => {
            let error = error.clone();
            state.fail(&error);
        }
    }
    let (ended, workload) = match result {
        Ok((words, workload)) => (Ok(words), workload),
        Err(error) => (Err(error), None),
    };
    let failed = ended.is_err();
    let (changed, others) = std::mem::take(&mut state.changing).into_iter().partition(|(job, _)| *job == id);
    state.changing = others;
    let changed: Vec<(u64, String)> = changed;
    state.jobs.change(|jobs| {
        if let Some(job) = jobs.iter_mut().find(|job| job.id == id) {
            job.ended = Some(ended);
        }
    });
    // Whoever waited on the launch screen goes on to what was launched.
    if let Some(Screen::Launch(page)) = state.stack.last_mut() {
        if page.job == Some(id) {
            page.job = None;
            if let Some(workload) = workload {
                state.stack.pop();
                return commands::open_workload(state, workload);
            }
            if failed {
                // The next try is a new launch with a plan of its own.
                return commands::replan(state);
            }
        }
    }
    let mut effects = Vec::new();
    for (_, source) in changed.iter().filter(|_| !failed) {
        effects.extend(copy::after_change(state, source));
    }
    if !failed && state.restarting.take_if(|job| *job == id).is_some() && matches!(state.screen(), Screen::Workload(_))
    {
        effects.extend(commands::watch_again(state));
    }
    match state.screen() {
        Screen::Workloads(_) | Screen::Workload(_) => effects.push(Effect::Workloads),
        Screen::Offers(_) => effects.push(Effect::Offers),
        Screen::Requests(page) => effects.push(page.again()),
        Screen::Image(page) => {
            effects.extend(page.reads_shares());
            if let (Some(image), false) = (&page.image, changed.is_empty()) {
                effects.push(Effect::Tags(image.reference.clone()));
            }
        }
        _ => {}
    }
    effects
}
