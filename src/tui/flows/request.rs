//! Commands about requests and notices.

use crate::core::{
    base::{quote::quote, text},
    portal::requests::{Asking, Ruling},
    request::{Dossier, Id, Request, Terms, Which},
};
use crate::tui::{
    kit::{action::Action, input::Input, list::Seen},
    msg::{Effect, Said, Target},
    popups::{Ask, Popup, Sure},
    rows::{NAMED, named},
    screens::{inbox, requests},
    state::{Screen, State},
    update::commands,
};

/// Why somebody approves who says nothing more.
const APPROVED: &str = "approved";

/// Asks why an image is wanted.
pub fn ask(state: &mut State, target: Target) -> Vec<Effect> {
    let title = format!("Ask for {}", target.words());
    let about = vec![
        "Why do you need it? Whoever decides reads it.".to_owned(),
        "Before the reason, if you want: until:30d (needed until then), private".to_owned(),
    ];
    ask_with(state, title, about, Ask::Reason(target))
}

/// A reason was given: the image is asked for.
pub fn wanted(state: &mut State, target: Target, reason: &str) -> Vec<Effect> {
    let mut asking = Asking::default();
    let mut rest = reason;
    while let Some((word, more)) = rest.split_once(' ') {
        let until = word.get(..6).filter(|start| start.eq_ignore_ascii_case("until:")).and_then(|_| word.get(6..));
        match until.map(text::when) {
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

fn decide(state: &mut State, requests: Vec<Seen<Id>>, ruling: Ruling) -> Vec<Effect> {
    let verb = if ruling.approve { "approve" } else { "reject" };
    let job = state.job(format!("{verb} {}", named(&requests)));
    if let Some(Screen::Requests(page)) = state.stack.last_mut() {
        page.rows.unmark();
    }
    vec![Effect::Decide { job, requests, ruling }]
}

/// Says something about a request.
pub fn speak(state: &mut State, request: Seen<Id>, said: Said) -> Vec<Effect> {
    let words = match said {
        Said::Question(_) => "ask back about",
        Said::More(_) => "add to",
        Said::Withdrawn => "withdraw",
        Said::Newer => "ask for a newer version of",
    };
    let job = state.job(format!("{words} {}", request.called()));
    vec![Effect::Speak { job, request, said }]
}

/// A reason was given: an admission is taken back.
pub fn taken_back(state: &mut State, request: Seen<Id>, reason: String) -> Vec<Effect> {
    let job = state.job(format!("take back the admission of {}", request.called()));
    vec![Effect::TakeBack { job, request, reason }]
}

/// Conditions and a reason were typed: `until:90d only except:CVE-1 the reason`.
pub fn on_conditions(state: &mut State, requests: Vec<Seen<Id>>, typed: &str) -> Vec<Effect> {
    let mut terms = Terms::default();
    let mut reason = Vec::new();
    for word in typed.split_whitespace() {
        let (name, value) = word.split_once(':').map_or((word, None), |(name, value)| (name, Some(value)));
        let name = name.to_lowercase();
        if name == "only" && value.is_none_or(str::is_empty) && reason.is_empty() {
            terms.only = true;
        } else if let ("except", Some(id)) = (name.as_str(), value) {
            terms.exceptions.push(id.to_owned());
        } else if let ("until", Some(when)) = (name.as_str(), value) {
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
    // What was understood is shown: a word that was meant as a condition and is not one stands in the reason.
    let words = terms.words();
    let terms_told = if words.is_empty() { "without any condition".to_owned() } else { words };
    let question = format!("Approve {}, {terms_told}? The reason: {reason}", named(&requests));
    let ruling = Ruling { approve: true, reason, terms, key: None };
    state.popups.push(Popup::Confirm { question, sure: Sure::Approve(requests, ruling) });
    Vec::new()
}

/// What was understood is right: the requests are approved.
pub fn agreed(state: &mut State, requests: Vec<Seen<Id>>, ruling: Ruling) -> Vec<Effect> {
    decide(state, requests, ruling)
}

/// A reason was given, or none: the requests are approved as they are.
pub fn approved(state: &mut State, requests: Vec<Seen<Id>>, reason: String) -> Vec<Effect> {
    let reason = if reason.is_empty() { APPROVED.to_owned() } else { reason };
    decide(state, requests, Ruling { approve: true, reason, ..Ruling::default() })
}

/// A reason was given: the requests are rejected.
pub fn refused(state: &mut State, requests: Vec<Seen<Id>>, reason: String) -> Vec<Effect> {
    decide(state, requests, Ruling { approve: false, reason, ..Ruling::default() })
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
        Action::Mark => page.rows.mark(),
        Action::MarkGroup => page.mark_group(),
        Action::Sort => page.regroup(),
        _ => {
            let decides = page.decides();
            let many = matches!(action, Action::Approve | Action::Conditions) || action == Action::Refuse && decides;
            let seen = if many { page.rows.seen() } else { page.rows.seen_one().map(|one| vec![one]) };
            return match page.rows.selected().cloned() {
                Some(request) if looks(action) => on_request(state, action, &request),
                selected => match state.seen(seen) {
                    Some(seen) => decisive(state, action, seen, selected.as_ref(), decides),
                    None => Vec::new(),
                },
            };
        }
    }
    Vec::new()
}

/// Whether an action only shows something.
fn looks(action: Action) -> bool {
    matches!(action, Action::Open | Action::Launch)
}

fn on_request(state: &mut State, action: Action, request: &Request) -> Vec<Effect> {
    match action {
        Action::Open => vec![Effect::RequestTold(request.id)],
        Action::Launch => {
            let reference = request.admitted.as_ref().and_then(|admitted| admitted.reference.parse().ok());
            reference.map_or_else(Vec::new, |reference| commands::open_image(state, Target::Reference(reference), true))
        }
        _ => Vec::new(),
    }
}

/// What changes something for others: only on what was seen.
fn decisive(
    state: &mut State,
    action: Action,
    seen: Vec<Seen<Id>>,
    selected: Option<&Request>,
    decides: bool,
) -> Vec<Effect> {
    let one = seen.first().cloned();
    match (action, one) {
        (Action::Approve, _) => {
            let mut about = taken(state, &seen);
            about.push("Type why, if you like. enter approves, esc does not.".to_owned());
            ask_with(state, format!("Approve {}", named(&seen)), about, Ask::Approval(seen))
        }
        (Action::Conditions, _) => {
            let mut about = taken(state, &seen);
            about.extend([
                "Type what you want of these, then why:".to_owned(),
                "until:90d  it ends then; only  in this project; except:CVE-…  you take no finding but these"
                    .to_owned(),
            ]);
            ask_with(state, format!("Approve {}", named(&seen)), about, Ask::Conditions(seen))
        }
        (Action::Revoke, Some(one)) => {
            let title = format!("Take back the admission of {}", one.called());
            let about = vec![
                "Nobody's policy lets it pass from then on; what runs keeps running.".to_owned(),
                "Why? Everybody who uses it reads it.".to_owned(),
            ];
            ask_with(state, title, about, Ask::TakeBack(one))
        }
        (Action::Refuse, _) if decides => {
            let title = format!("Reject {}", named(&seen));
            ask_with(state, title, vec!["Why? Whoever asked reads it.".to_owned()], Ask::Refusal(seen))
        }
        (Action::Refuse, Some(one)) => {
            let question = format!("Take your {} back?", one.called());
            state.popups.push(Popup::Confirm { question, sure: Sure::Withdraw(one) });
            Vec::new()
        }
        (Action::AskBack, Some(one)) => {
            let title = format!("Ask about {}", one.called());
            let about = vec!["What do you want to know? It waits for the answer.".to_owned()];
            ask_with(state, title, about, Ask::AskedBack(one))
        }
        (Action::AddTo, Some(one)) => {
            let asked = selected.and_then(Request::question);
            let (title, about) = match asked {
                Some(question) => {
                    (format!("Answer for {}", one.called()), quote(&question.person, &question.words, 68))
                }
                None => (format!("Add to {}", one.called()), Vec::new()),
            };
            ask_with(state, title, about, Ask::Addition(one))
        }
        (Action::Renew, Some(one)) => speak(state, one, Said::Newer),
        (Action::ApproveClass, Some(_)) => {
            let Some(request) = selected else { return Vec::new() };
            let (base, rule) = (request.base().to_owned(), request.rule().to_owned());
            let on = if base.is_empty() { String::new() } else { format!(" on {base}") };
            let about = vec![
                format!(
                    "You take the rule '{rule}' and nothing else: what anything else holds back, too, still waits."
                ),
                "Type until when (like 90d), then why.".to_owned(),
            ];
            ask_with(state, format!("Approve all that '{rule}' blocks{on}"), about, Ask::Class(base, rule))
        }
        _ => Vec::new(),
    }
}

/// What an approval of these would take. Of many, each stands below its name, as far as there is room.
fn taken(state: &State, seen: &[Seen<Id>]) -> Vec<String> {
    let Screen::Requests(page) = state.screen() else { return Vec::new() };
    let all = page.rows.all().unwrap_or_default();
    let lines = |one: &Seen<Id>| {
        let request = all.iter().find(|request| request.id == *one.id());
        request.and_then(|request| request.dossier.as_ref()).map_or_else(Vec::new, Dossier::taken)
    };
    match seen {
        [one] => lines(one),
        many => {
            let more = many.len().saturating_sub(NAMED);
            let told = many
                .iter()
                .take(NAMED)
                .flat_map(|one| std::iter::once(format!("{}:", one.called())).chain(lines(one).into_iter().skip(1)));
            let more = (more > 0).then(|| format!("and {more} more, with all that holds them back"));
            std::iter::once("You take what holds each of them back:".to_owned()).chain(told).chain(more).collect()
        }
    }
}

fn ask_with(state: &mut State, title: String, about: Vec<String>, ask: Ask) -> Vec<Effect> {
    state.popups.push(Popup::Line { title, about, input: Input::default(), ask });
    Vec::new()
}

/// Actions on the inbox.
pub fn on_inbox(state: &mut State, action: Action) -> Vec<Effect> {
    let Some(Screen::Inbox(page)) = state.stack.last_mut() else { return Vec::new() };
    match action {
        Action::Refresh => return vec![Effect::Inbox, Effect::Offers],
        Action::MarkRead => {
            let read = page.read_all();
            return state.seen(read).map(Effect::Seen).into_iter().collect();
        }
        Action::Open if page.is_offers() => return commands::run(state, Action::Offers),
        _ => {}
    }
    let Some(notice) = page.selected().cloned() else { return Vec::new() };
    match action {
        Action::Open => {
            page.read(&[notice.id]);
            let mut effects = vec![Effect::Seen(vec![notice.id])];
            match (notice.request, &notice.warning) {
                (Some(request), None) => effects.push(Effect::RequestTold(request)),
                _ => {
                    let (title, text) = notice.letter();
                    state.popups.push(Popup::text(title, text));
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
