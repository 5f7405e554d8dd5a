//! The list of requests as a [`page::Page`]: its actions and keys, and the decisions taken on it.

use ratatui::{Frame, layout::Rect};

use super::{Page, lines::ListLines};
use crate::{
    kit::{
        action::Action,
        input::Input,
        layout::Alone,
        list::{ScrollArea, SeenRow},
        theme::Theme,
    },
    model::Model,
    msg::{Effect, ImageTarget, Navigation, RequestEffect, RequestInput, Slot},
    popups::{Ask, Confirmation, Popup, conditions::Conditions},
    rows::{NAMED, named},
    screens::page,
};
use wharf_core::{
    base::{error::Error, quote::quote},
    request::{Dossier, Id, Request},
};

impl page::Page for Page {
    fn scope(&self) -> &'static str {
        "requests"
    }

    fn header(&self, _model: &Model) -> (String, String) {
        ("Requests".to_owned(), self.summary())
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
        self.view(frame, area, theme, model);
    }

    fn offered(&self) -> &'static [Action] {
        use Action as A;
        if self.decides() {
            return &[
                A::Open,
                A::Approve,
                A::Refuse,
                A::Conditions,
                A::AskBack,
                A::NextPane,
                A::Mark,
                A::MarkGroup,
                A::ApproveClass,
                A::Sort,
                A::Back,
                A::Help,
            ];
        }
        &[
            A::Open,
            A::NextPane,
            A::Launch,
            A::AddTo,
            A::Refuse,
            A::Renew,
            A::Revoke,
            A::Refresh,
            A::Catalog,
            A::Back,
            A::Help,
        ]
    }

    fn hides(&self, action: Action, _model: &Model) -> bool {
        // Only an approver revokes admissions.
        action == Action::Revoke && !self.is_approver()
    }

    fn label(&self, action: Action, _model: &Model) -> &'static str {
        match action {
            Action::Refuse if !self.decides() => "take back",
            Action::NextPane => "other list",
            Action::Mark | Action::Open if self.selected_group().is_some() => "fold",
            Action::Revoke => "end admission",
            _ => action.words(),
        }
    }

    fn disabled(&self, action: Action, _model: &Model) -> Option<String> {
        self.refuses(action).map(str::to_owned)
    }

    fn panes_alone(&self, _model: &Model) -> &'static [Alone] {
        &Alone::BOTH
    }

    fn list<'a>(&'a mut self, model: &'a mut Model) -> Option<ScrollArea<'a>> {
        let parts = self.regions(model.body(), model.views.of("requests").alone);
        let chosen = !parts.head.is_empty();
        Some(ScrollArea { chosen, ..ScrollArea::new(ListLines(self), parts.rows) })
    }

    fn act(&mut self, action: Action, model: &mut Model) -> Vec<Effect> {
        match action {
            Action::Refresh => return vec![self.again()],
            Action::NextPane | Action::PreviousPane => {
                self.turn_list(action == Action::NextPane);
                return vec![self.again()];
            }
            Action::Mark | Action::Open if self.selected_group().is_some() => self.fold(),
            Action::Mark => {
                self.rows.mark();
                self.settle();
            }
            Action::MarkGroup => self.mark_group(),
            Action::Sort => self.regroup(),
            _ => {
                if let Some(request) = self.rows.selected().filter(|_| looks(action)) {
                    return open_request(action, request);
                }
                let decides =
                    matches!(action, Action::Approve | Action::Conditions | Action::Refuse | Action::ApproveClass);
                if decides && self.is_too_early(model.clock) {
                    model.say("not taken: this request has just come. Read it, then decide");
                    return Vec::new();
                }
                let seen = if self.takes_several(action) {
                    self.rows.seen()
                } else {
                    self.rows.seen_one().map(|one| vec![one])
                };
                return model.act_on(seen).map_or_else(Vec::new, |seen| self.decisive(action, seen, model));
            }
        }
        Vec::new()
    }

    fn read_again(&self) -> Vec<Effect> {
        vec![self.again(), Effect::Request(RequestEffect::Listen { always: false })]
    }

    fn after_job(&self, _changed: bool) -> Vec<Effect> {
        vec![self.again()]
    }

    fn wants(&mut self, _model: &Model) -> Vec<Effect> {
        self.wants_more().into_iter().collect()
    }

    fn failures(&self) -> Vec<String> {
        self.error.iter().map(Error::full_text).collect()
    }

    fn leave(&self) -> &'static [Slot] {
        &[Slot::Requests, Slot::Request, Slot::News]
    }
}

/// Whether an action only shows something and changes nothing.
fn looks(action: Action) -> bool {
    matches!(action, Action::Open | Action::Launch)
}

/// Shows all about a request, or opens the admitted image to launch it.
fn open_request(action: Action, request: &Request) -> Vec<Effect> {
    if action == Action::Open {
        return vec![Effect::Request(RequestEffect::RequestTold(request.id))];
    }
    let reference = request.admitted.as_ref().and_then(|admitted| admitted.reference.parse().ok());
    let go = |reference| {
        Effect::Go(Navigation::Image { target: ImageTarget::Reference(reference), platform: None, launch: true })
    };
    reference.map(go).into_iter().collect()
}

impl Page {
    /// Asks for what an action needs that changes a request: a reason, conditions, a confirmation.
    fn decisive(&self, action: Action, seen: Vec<SeenRow<Id>>, model: &mut Model) -> Vec<Effect> {
        let (selected, decides) = (self.rows.selected(), self.decides());
        let one = seen.first().cloned();
        match (action, one) {
            (Action::Approve, _) if self.is_ordinary(&seen, model) => {
                vec![Effect::Go(Navigation::Approve(seen))]
            }
            (Action::Approve, _) => {
                let mut about = self.accepted_lines(&seen);
                about.push("Type why, if you like. enter approves, esc does not.".to_owned());
                ask_with(model, format!("Approve {}", named(&seen)), about, Ask::Approval(seen))
            }
            (Action::Conditions, _) => {
                let (rules, findings) = self.held_back_by(&seen);
                let form = Conditions::new(named(&seen), seen, &rules, findings);
                model.popups.push(Popup::Conditions(Box::new(form)));
                Vec::new()
            }
            (Action::Revoke, Some(one)) => {
                let title = format!("Take back the admission of {}", one.called());
                let about = vec![
                    "After that, no policy lets it pass; what runs keeps running.".to_owned(),
                    "Why? Everybody who uses it reads it.".to_owned(),
                ];
                ask_with(model, title, about, Ask::TakeBack(one))
            }
            (Action::Refuse, _) if decides => {
                let title = format!("Reject {}", named(&seen));
                ask_with(model, title, vec!["Why? The requester reads this.".to_owned()], Ask::Refusal(seen))
            }
            (Action::Refuse, Some(one)) => {
                let question = format!("Take your {} back?", one.called());
                model.popups.push(Popup::Confirm { question, sure: Confirmation::Withdraw(one) });
                Vec::new()
            }
            (Action::AskBack, Some(one)) => {
                let title = format!("Ask about {}", one.called());
                let about = vec!["What do you want to know? It waits for the answer.".to_owned()];
                ask_with(model, title, about, Ask::AskedBack(one))
            }
            (Action::AddTo, Some(one)) => {
                let asked = selected.and_then(Request::question);
                let (title, about) = match asked {
                    Some(question) => {
                        (format!("Answer for {}", one.called()), quote(&question.person, &question.words, 68))
                    }
                    None => (format!("Add to {}", one.called()), Vec::new()),
                };
                ask_with(model, title, about, Ask::Addition(one))
            }
            (Action::Renew, Some(one)) => vec![Effect::Go(Navigation::Speak(one, RequestInput::Newer))],
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
                ask_with(model, format!("Approve all that '{rule}' blocks{on}"), about, Ask::Class(base, rule))
            }
            _ => Vec::new(),
        }
    }

    /// Whether a key alone approves: it is one request, and all that is taken with it is on the screen.
    fn is_ordinary(&self, seen: &[SeenRow<Id>], model: &Model) -> bool {
        let shown = |one| self.request_of(one).is_some_and(|one| self.shows_what_is_taken(one, model));
        matches!(seen, [one] if self.rows.marked().is_empty() && shown(one))
    }

    /// The request of a row that was seen, as it is now.
    fn request_of(&self, seen: &SeenRow<Id>) -> Option<&Request> {
        self.rows.iter().find(|request| request.id == *seen.id())
    }

    /// The rules and the findings that hold these requests back, each once.
    fn held_back_by(&self, seen: &[SeenRow<Id>]) -> (Vec<String>, Vec<String>) {
        let (mut rules, mut findings) = (Vec::new(), Vec::new());
        for dossier in seen.iter().filter_map(|one| self.request_of(one)?.dossier.as_ref()) {
            let (of_rules, of_findings) = dossier.to_take();
            for (into, from) in [(&mut rules, of_rules), (&mut findings, of_findings)] {
                for one in from {
                    if !into.contains(&one) {
                        into.push(one);
                    }
                }
            }
        }
        (rules, findings)
    }

    /// What an approval of these requests would accept, in lines. Of several, the first [`NAMED`] are named.
    fn accepted_lines(&self, seen: &[SeenRow<Id>]) -> Vec<String> {
        let lines = |one: &SeenRow<Id>| {
            let dossier = self.request_of(one).and_then(|request| request.dossier.as_ref());
            dossier.map_or_else(Vec::new, Dossier::taken)
        };
        match seen {
            [one] => lines(one),
            many => {
                let more = many.len().saturating_sub(NAMED);
                let told = many.iter().take(NAMED).flat_map(|one| {
                    std::iter::once(format!("{}:", one.called())).chain(lines(one).into_iter().skip(1))
                });
                let more = (more > 0).then(|| format!("and {more} more, with all that holds them back"));
                std::iter::once("You take what holds each of them back:".to_owned()).chain(told).chain(more).collect()
            }
        }
    }
}

fn ask_with(model: &mut Model, title: String, about: Vec<String>, ask: Ask) -> Vec<Effect> {
    model.popups.push(Popup::Line { title, about, input: Input::default(), ask });
    Vec::new()
}
