//! What the screens do about requests and notices.

use super::open;
use crate::{
    kit::{input::Input, list::SeenRow},
    msg::{Effect, ImageTarget, RequestEffect, RequestInput, ShareEffect},
    popups::{Ask, Popup},
    rows::named,
    screens::requests,
    state::{Screen, State},
};
use wharf_core::{
    base::text,
    portal::requests::{ApproverDecision, RequestDetails},
    request::{Id, RequestFilter, Terms},
};

/// The reason that is recorded for an approval when the approver types none.
const APPROVED: &str = "approved";

/// Asks the person why the image is wanted; the answer goes to [`reason_typed`].
pub fn ask(state: &mut State, target: ImageTarget) -> Vec<Effect> {
    let title = format!("Ask for {}", target.label());
    let about = vec![
        "Why do you need it? The approver reads this.".to_owned(),
        "Before the reason, if you want: until:30d (needed until then), private".to_owned(),
    ];
    ask_with(state, title, about, Ask::Reason(target))
}

/// The reason was typed: makes the request. Words before the reason may be `until:30d` and `private`.
pub fn reason_typed(state: &mut State, target: ImageTarget, reason: &str) -> Vec<Effect> {
    let mut asking = RequestDetails::default();
    let mut rest = reason;
    while let Some((word, more)) = rest.split_once(' ') {
        let until = word.get(..6).filter(|start| start.eq_ignore_ascii_case("until:")).and_then(|_| word.get(6..));
        match until.map(text::parse_future_time) {
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
        state.say("a reason is needed: approvers read it");
        return Vec::new();
    }
    let target = tagged(state, target);
    let job = state.job(format!("ask for {}", target.label()));
    vec![Effect::Request(RequestEffect::Request { job, target, asking })]
}

/// A list row whose tag was not known when the question was opened gets the tag of the selected row, if that is the
/// same image and its tags have arrived meanwhile.
fn tagged(state: &State, target: ImageTarget) -> ImageTarget {
    match (&target, state.catalog.target()) {
        (
            ImageTarget::Row { source, name, tag: None },
            Some(ImageTarget::Row { source: now_at, name: now, tag: Some(tag) }),
        ) if *source == now_at && *name == now => ImageTarget::Row { source: now_at, name: now, tag: Some(tag) },
        _ => target,
    }
}

/// Opens the list of requests and listens for changes of the store.
pub fn open_list(state: &mut State, which: RequestFilter) -> Vec<Effect> {
    let page = requests::Page::new(which);
    let effect = page.again();
    let mut effects = open::open(state, Screen::Requests(Box::new(page)), effect);
    effects.push(Effect::Request(RequestEffect::Listen { always: false }));
    effects
}

/// Opens the inbox: reads notices and offers, and listens for changes of the store.
pub fn inbox(state: &mut State) -> Vec<Effect> {
    let mut effects = open::open(state, Screen::Inbox(Box::default()), Effect::Request(RequestEffect::Inbox));
    effects.extend([
        Effect::Share(ShareEffect::Offers),
        Effect::Request(RequestEffect::Unread),
        Effect::Request(RequestEffect::Listen { always: false }),
    ]);
    effects
}

/// The store has changed: reads the unread count and the shown list again.
pub fn news(state: &mut State) -> Vec<Effect> {
    let mut effects = vec![Effect::Request(RequestEffect::Unread)];
    match state.screen() {
        Screen::Requests(page) => effects.push(page.again()),
        Screen::Inbox(_) => effects.push(Effect::Request(RequestEffect::Inbox)),
        Screen::Workloads(_) => effects.push(Effect::Request(RequestEffect::Warnings)),
        _ => {}
    }
    effects
}

fn decide(state: &mut State, requests: Vec<SeenRow<Id>>, ruling: ApproverDecision) -> Vec<Effect> {
    let verb = if ruling.approve { "approve" } else { "reject" };
    let job = state.job(format!("{verb} {}", named(&requests)));
    let clock = state.clock;
    if let Some(Screen::Requests(page)) = state.stack.last_mut() {
        let decided: Vec<Id> = requests.iter().map(|one| *one.id()).collect();
        page.go_on(&decided, clock);
    }
    vec![Effect::Request(RequestEffect::Decide { job, requests, ruling })]
}

/// Sends a question, an answer, a withdrawal or a renewal for a request, as a job.
pub fn speak(state: &mut State, request: SeenRow<Id>, said: RequestInput) -> Vec<Effect> {
    let words = match said {
        RequestInput::Question(_) => "ask back about",
        RequestInput::More(_) => "add to",
        RequestInput::Withdrawn => "withdraw",
        RequestInput::Newer => "ask for a newer version of",
    };
    let job = state.job(format!("{words} {}", request.called()));
    vec![Effect::Request(RequestEffect::Speak { job, request, said })]
}

/// The reason was typed: revokes the admission, as a job.
pub fn revoke_reason_typed(state: &mut State, request: SeenRow<Id>, reason: String) -> Vec<Effect> {
    let job = state.job(format!("take back the admission of {}", request.called()));
    vec![Effect::Request(RequestEffect::TakeBack { job, request, reason })]
}

/// The form of the conditions was confirmed: approves the requests.
pub fn conditions_confirmed(
    state: &mut State,
    requests: Vec<SeenRow<Id>>,
    mut ruling: ApproverDecision,
) -> Vec<Effect> {
    if ruling.reason.is_empty() {
        APPROVED.clone_into(&mut ruling.reason);
    }
    decide(state, requests, ruling)
}

/// The reason was typed, or left empty: approves the requests without conditions.
pub fn approved(state: &mut State, requests: Vec<SeenRow<Id>>, reason: String) -> Vec<Effect> {
    let reason = if reason.is_empty() { APPROVED.to_owned() } else { reason };
    decide(state, requests, ApproverDecision { approve: true, reason, ..ApproverDecision::default() })
}

/// The reason was typed: rejects the requests.
pub fn refused(state: &mut State, requests: Vec<SeenRow<Id>>, reason: String) -> Vec<Effect> {
    decide(state, requests, ApproverDecision { approve: false, reason, ..ApproverDecision::default() })
}

/// An end and a reason were typed, like `90d the reason`: approves the class.
pub fn class(state: &mut State, base: String, rule: String, typed: &str) -> Vec<Effect> {
    let (when, reason) = typed.split_once(' ').unwrap_or((typed, APPROVED));
    match text::parse_future_time(when) {
        Ok(until) => {
            let job = state.job(format!("approve what '{rule}' blocks"));
            let terms = Terms { until: Some(until), ..Terms::default() };
            let ruling = ApproverDecision { approve: true, reason: reason.to_owned(), terms, key: None };
            vec![Effect::Request(RequestEffect::ApproveClass { job, base, rule, ruling })]
        }
        Err(error) => {
            state.fail(&error);
            Vec::new()
        }
    }
}

fn ask_with(state: &mut State, title: String, about: Vec<String>, ask: Ask) -> Vec<Effect> {
    state.popups.push(Popup::Line { title, about, input: Input::default(), ask });
    Vec::new()
}
