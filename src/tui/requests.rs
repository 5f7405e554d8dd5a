//! Commands about requests and notices.

use super::{
    action::Action,
    commands,
    input::Input,
    msg::{Effect, Said, Target},
    popups::{Ask, Popup, Sure},
    screens::{inbox, requests},
    state::{Screen, State},
};
use crate::core::{
    request::{Id, Terms, Which},
    requests::{Asking, Ruling},
    text,
};

/// Why somebody approves who says nothing more.
const APPROVED: &str = "approved";

fn line(state: &mut State, title: impl Into<String>, ask: Ask) -> Vec<Effect> {
    state.popups.push(Popup::Line { title: title.into(), input: Input::default(), ask });
    Vec::new()
}

/// Asks why an image is wanted.
pub fn ask(state: &mut State, target: Target) -> Vec<Effect> {
    let title = format!("Why do you need {}? (before it, if you want: until:30d private)", target.words());
    line(state, title, Ask::Reason(target))
}

/// A reason was given: the image is asked for.
pub fn wanted(state: &mut State, target: Target, reason: &str) -> Vec<Effect> {
    let mut asking = Asking::default();
    let mut rest = reason;
    while let Some((word, more)) = rest.split_once(' ') {
        match word.strip_prefix("until:").map(text::when) {
            Some(Ok(until)) => asking.until = Some(until),
            Some(Err(error)) => {
                state.fail(&error);
                return Vec::new();
            }
            None if word == "private" => asking.private = true,
            None => break,
        }
        rest = more.trim_start();
    }
    rest.clone_into(&mut asking.reason);
    if asking.reason.is_empty() {
        state.say("a reason is needed: whoever decides reads it");
        return Vec::new();
    }
    let target = tagged(state, target);
    let job = state.job(format!("ask for {}", target.words()));
    vec![Effect::Request { job, target, asking }]
}

/// A row whose tags have arrived while its reason was typed is meant with them.
fn tagged(state: &State, target: Target) -> Target {
    match (&target, state.catalog.target()) {
        (Target::Row { source, name, tag: None }, Some(Target::Row { source: now_at, name: now, tag: Some(tag) }))
            if *source == now_at && *name == now =>
        {
            Target::Row { source: now_at, name: now, tag: Some(tag) }
        }
        _ => target,
    }
}

/// Opens the list of requests.
pub fn open(state: &mut State, which: Which) -> Vec<Effect> {
    let page = requests::Page::new(which);
    let effect = page.again();
    let mut effects = commands::open(state, Screen::Requests(Box::new(page)), effect);
    effects.push(Effect::Listen { always: false });
    effects
}

/// Opens the inbox.
pub fn inbox(state: &mut State) -> Vec<Effect> {
    let mut effects = commands::open(state, Screen::Inbox(inbox::Page::default()), Effect::Inbox);
    effects.extend([Effect::Offers, Effect::Unread, Effect::Listen { always: false }]);
    effects
}

/// The store has changed: what is shown of it is read again.
pub fn news(state: &mut State) -> Vec<Effect> {
    let mut effects = vec![Effect::Unread];
    match state.screen() {
        Screen::Requests(page) => effects.push(page.again()),
        Screen::Inbox(_) => effects.push(Effect::Inbox),
        _ => {}
    }
    effects
}

fn decide(state: &mut State, ids: Vec<Id>, ruling: Ruling) -> Vec<Effect> {
    let verb = if ruling.approve { "approve" } else { "reject" };
    let what = match ids.as_slice() {
        [one] => format!("request {one}"),
        many => text::plural(many.len() as u64, "request", "requests"),
    };
    let job = state.job(format!("{verb} {what}"));
    if let Some(Screen::Requests(page)) = state.stack.last_mut() {
        page.marked.clear();
    }
    vec![Effect::Decide { job, ids, ruling }]
}

/// Says something about a request.
pub fn speak(state: &mut State, id: Id, said: Said) -> Vec<Effect> {
    let words = match said {
        Said::Question(_) => "ask back about",
        Said::More(_) => "add to",
        Said::Withdrawn => "withdraw",
        Said::Newer => "ask for a newer version of",
    };
    let job = state.job(format!("{words} request {id}"));
    vec![Effect::Speak { job, id, said }]
}

/// Conditions and a reason were typed: `until:90d only except:CVE-1 the reason`.
pub fn on_conditions(state: &mut State, ids: Vec<Id>, typed: &str) -> Vec<Effect> {
    let mut terms = Terms::default();
    let mut reason = Vec::new();
    for word in typed.split_whitespace() {
        if word == "only" && reason.is_empty() {
            terms.only = true;
        } else if let Some(id) = word.strip_prefix("except:") {
            terms.exceptions.push(id.to_owned());
        } else if let Some(when) = word.strip_prefix("until:") {
            match text::when(when) {
                Ok(until) => terms.until = Some(until),
                Err(error) => {
                    state.fail(&error);
                    return Vec::new();
                }
            }
        } else {
            reason.push(word);
        }
    }
    let reason = if reason.is_empty() { APPROVED.to_owned() } else { reason.join(" ") };
    decide(state, ids, Ruling { approve: true, reason, terms, key: None })
}

/// A reason was given: the requests are rejected.
pub fn refused(state: &mut State, ids: Vec<Id>, reason: String) -> Vec<Effect> {
    decide(state, ids, Ruling { approve: false, reason, ..Ruling::default() })
}

/// An end and a reason were typed: the class is approved.
pub fn class(state: &mut State, base: String, rule: String, typed: &str) -> Vec<Effect> {
    let (when, reason) = typed.split_once(' ').unwrap_or((typed, APPROVED));
    match text::when(when) {
        Ok(until) => {
            let job = state.job(format!("approve what '{rule}' blocks"));
            let terms = Terms { until: Some(until), ..Terms::default() };
            let ruling = Ruling { approve: true, reason: reason.to_owned(), terms, key: None };
            vec![Effect::ApproveClass { job, base, rule, ruling }]
        }
        Err(error) => {
            state.fail(&error);
            Vec::new()
        }
    }
}

/// Actions on the list of requests.
pub fn on_requests(state: &mut State, action: Action) -> Vec<Effect> {
    let Some(Screen::Requests(page)) = state.stack.last_mut() else { return Vec::new() };
    match action {
        Action::Refresh => return vec![page.again()],
        Action::NextPane | Action::PreviousPane => {
            page.turn(action == Action::NextPane);
            return vec![page.again()];
        }
        Action::Mark => page.mark(),
        Action::MarkGroup => page.mark_group(),
        Action::Sort => page.regroup(),
        _ => {
            let (decides, ids) = (page.decides(), page.chosen());
            if let Some(request) = page.selected().cloned() {
                return on_request(state, action, &request, decides, ids);
            }
        }
    }
    Vec::new()
}

fn on_request(
    state: &mut State,
    action: Action,
    request: &crate::core::request::Request,
    decides: bool,
    ids: Vec<Id>,
) -> Vec<Effect> {
    let id = request.id;
    match action {
        Action::Open => vec![Effect::RequestTold(id)],
        Action::Launch => {
            let reference = request.admitted.as_ref().and_then(|admitted| admitted.reference.parse().ok());
            reference.map_or_else(Vec::new, |reference| commands::open_image(state, Target::Reference(reference), true))
        }
        Action::Approve => decide(state, ids, Ruling { approve: true, reason: APPROVED.into(), ..Ruling::default() }),
        Action::Conditions => {
            let title = "Approve with until:90d only except:CVE-… and a reason, as far as you want them";
            line(state, title, Ask::Conditions(ids))
        }
        Action::Refuse if decides => line(state, "Why? Whoever asked reads it", Ask::Refusal(ids)),
        Action::Refuse => {
            let question = format!("Take your request for {} back?", request.asked.title);
            state.popups.push(Popup::Confirm { question, sure: Sure::Withdraw(id) });
            Vec::new()
        }
        Action::AskBack => line(state, "What do you want to know? It waits for the answer", Ask::AskedBack(id)),
        Action::AddTo => {
            let asked = request.question().map(|question| question.words.clone());
            line(state, asked.unwrap_or_else(|| "What is to be added".to_owned()), Ask::Addition(id))
        }
        Action::Renew => speak(state, id, Said::Newer),
        Action::ApproveClass => {
            let (base, rule) = (request.base().to_owned(), request.rule().to_owned());
            let on = if base.is_empty() { String::new() } else { format!(" on {base}") };
            let title = format!("Approve all that '{rule}' blocks{on}, until (like 90d), and why");
            line(state, title, Ask::Class(base, rule))
        }
        _ => Vec::new(),
    }
}

/// Actions on the inbox.
pub fn on_inbox(state: &mut State, action: Action) -> Vec<Effect> {
    let Some(Screen::Inbox(page)) = state.stack.last_mut() else { return Vec::new() };
    match action {
        Action::Refresh => return vec![Effect::Inbox, Effect::Offers],
        Action::MarkRead => return vec![Effect::Seen(page.read_all())],
        Action::Open if page.is_offers() => return commands::run(state, Action::Offers),
        _ => {}
    }
    let Some(notice) = page.selected().cloned() else { return Vec::new() };
    match action {
        Action::Open => {
            page.read(notice.id);
            let mut effects = vec![Effect::Seen(vec![notice.id])];
            match (notice.request, &notice.warning) {
                (Some(request), None) => effects.push(Effect::RequestTold(request)),
                _ => {
                    let (title, text) = notice.letter();
                    state.popups.push(Popup::Text { title, copy: Some(text.clone()), text, top: 0 });
                }
            }
            effects
        }
        Action::Launch => {
            let image = notice.launchable().map(Target::Reference);
            image.map_or_else(Vec::new, |image| commands::open_image(state, image, true))
        }
        _ => Vec::new(),
    }
}
