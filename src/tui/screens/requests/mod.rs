//! Requests: the person's own, those that wait for a decision, and all that they may see.

mod actions;

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use crate::{
    kit::{
        action::Action,
        list::{Rows, Scrollable},
        theme::Theme,
        widgets::{above, below, cell, failed_below, fit, put, row, select, vanished_message, wrap},
    },
    msg::{Effect, RequestEffect},
};
use wharf_core::{
    base::{
        error::{Error, Result},
        quote::quote,
        text,
    },
    request::{Caller, Group, Pace, Request, RequestFilter, Stage},
};

/// How many requests are read at a time.
const PAGE: usize = 200;
/// Lines below the list for details of the selected request.
const MORE: u16 = 5;

/// The state of the screen.
#[derive(Debug)]
pub struct Page {
    /// Which requests are shown.
    pub which: RequestFilter,
    /// The requests that were read so far.
    pub rows: Rows<Request>,
    /// Whether the store has more of them.
    more: bool,
    /// Whether more are being read.
    reading: bool,
    /// Why they could not be read.
    pub error: Option<Error>,
    /// The person's rights in the store, and how long requests take.
    pub me: Option<(Caller, Pace)>,
    /// The groups of the queue: rule, base image, number of requests.
    pub groups: Vec<Group>,
    /// Whether the queue is sorted by base image first, else by rule.
    by_base: bool,
    /// Whether the person has chosen which requests are shown.
    chosen: bool,
}

fn role(stage: Stage) -> &'static str {
    match stage {
        Stage::Admitted => "good",
        Stage::Waiting | Stage::Asked => "caution",
        Stage::Rejected | Stage::Failed | Stage::Revoking | Stage::Revoked => "bad",
        Stage::Withdrawn => "dim",
        Stage::Submitted | Stage::Gathering | Stage::Admitting => "text",
    }
}

impl Page {
    /// A page of these requests, with none read yet.
    pub fn new(which: RequestFilter) -> Self {
        Self {
            which,
            rows: Rows::default(),
            more: false,
            reading: false,
            error: None,
            me: None,
            groups: Vec::new(),
            by_base: false,
            chosen: false,
        }
    }

    /// Reads the shown requests again, as many as there are now.
    pub fn again(&self) -> Effect {
        let limit = self.rows.count().max(PAGE);
        Effect::Request(RequestEffect::Requests { which: self.which, skip: 0, limit })
    }

    /// Reads the next requests when the selection comes near the end of those that were read.
    pub fn wants_more(&mut self) -> Option<Effect> {
        let known = self.rows.count();
        if !self.more || self.reading || self.rows.selected_index().unwrap_or(0) + PAGE / 4 < known {
            return None;
        }
        self.reading = true;
        Some(Effect::Request(RequestEffect::Requests { which: self.which, skip: known, limit: PAGE }))
    }

    /// Takes requests from position `skip` on, or why they could not be read; those of another list are dropped.
    pub fn arrived(&mut self, which: RequestFilter, skip: usize, result: Result<Vec<Request>>) {
        if which != self.which {
            return;
        }
        self.reading = false;
        let some = match result {
            Ok(some) => some,
            Err(error) => return self.error = Some(error),
        };
        self.error = None;
        self.more = some.len() >= PAGE;
        let order = self.ordering();
        self.rows.change(|all| {
            all.truncate(skip);
            all.extend(some);
            order(all);
        });
    }

    /// Takes the person's rights and how the queue stands.
    pub fn set_queue(&mut self, result: Result<(Caller, Pace, Vec<Group>)>) {
        if let Ok((me, pace, groups)) = result {
            self.me = Some((me, pace));
            self.groups = groups;
        }
    }

    /// Changes to the next or previous list: own, queue, all.
    pub fn turn_list(&mut self, forward: bool) {
        let which = match (self.which, forward) {
            (RequestFilter::Mine, true) | (RequestFilter::All, false) => RequestFilter::Queue,
            (RequestFilter::Queue, true) | (RequestFilter::Mine, false) => RequestFilter::All,
            (RequestFilter::All, true) | (RequestFilter::Queue, false) => RequestFilter::Mine,
        };
        *self = Self { me: self.me.take(), by_base: self.by_base, chosen: true, ..Self::new(which) };
    }

    /// Whether to show the queue: an approver sees an empty list of own requests that they did not choose.
    pub fn wants_queue(&self) -> bool {
        self.which == RequestFilter::Mine
            && !self.chosen
            && self.is_approver()
            && self.rows.all().is_some_and(<[Request]>::is_empty)
    }

    /// Whether the person may decide on requests.
    pub fn is_approver(&self) -> bool {
        self.me.as_ref().is_some_and(|(me, _)| me.approver)
    }

    /// Whether the queue is shown, in which requests are decided on.
    pub fn decides(&self) -> bool {
        self.which == RequestFilter::Queue
    }

    /// Marks all requests that the same rule blocks on the same base image as the selected one.
    pub fn mark_group(&mut self) {
        let Some((rule, base)) = self.rows.selected().map(|one| (one.rule().to_owned(), one.base().to_owned())) else {
            return;
        };
        self.rows.mark_all(|one| one.rule() == rule && one.base() == base);
    }

    /// Sorts the queue by base image first, or by rule first.
    pub fn regroup(&mut self) {
        self.by_base = !self.by_base;
        let order = self.ordering();
        self.rows.change(|all| order(all));
    }

    /// The function that sorts the shown list; only the queue is sorted here.
    fn ordering(&self) -> impl Fn(&mut Vec<Request>) + use<> {
        let (queue, by_base) = (self.which == RequestFilter::Queue, self.by_base);
        move |all| {
            if queue {
                all.sort_by_key(|one| {
                    let (rule, base) = (one.rule().to_owned(), one.base().to_owned());
                    if by_base { (base, rule, one.since, one.id) } else { (rule, base, one.since, one.id) }
                });
            }
        }
    }

    /// Why an action cannot be used on the selected or marked requests; `None` if it can.
    fn refuses(&self, action: Action) -> Option<&'static str> {
        let needs_one = matches!(
            action,
            Action::Open
                | Action::Launch
                | Action::Approve
                | Action::Conditions
                | Action::Refuse
                | Action::AskBack
                | Action::ApproveClass
                | Action::AddTo
                | Action::Renew
                | Action::Revoke
                | Action::Mark
                | Action::MarkGroup
        );
        let many = matches!(action, Action::Approve | Action::Conditions) || action == Action::Refuse && self.decides();
        let one = if many { self.rows.chosen().into_iter().next() } else { self.rows.selected() };
        let Some(one) = one else { return needs_one.then_some("nothing is selected: ↑ ↓ choose one") };
        let me = self.me.as_ref().map(|(me, _)| me);
        let decision = matches!(
            action,
            Action::Approve | Action::Conditions | Action::AskBack | Action::ApproveClass | Action::MarkGroup
        );
        if decision && !one.stage.is_open_to_decide() {
            return Some("it does not wait for a decision");
        }
        if decision && me.is_some_and(|me| !me.approver) {
            return Some("you are not an approver: the site's administrators name the approvers");
        }
        match action {
            Action::Approve | Action::Conditions
                if self.rows.marked().is_empty() && me.is_some_and(|me| !me.own && one.is_wanted_by(&me.person)) =>
            {
                Some("it is your own request: another approver has to approve it")
            }
            Action::Refuse if self.decides() && me.is_some_and(|me| !me.approver) => {
                Some("you are not an approver: the site's administrators name the approvers")
            }
            Action::Revoke if one.stage != Stage::Admitted => Some("it is not admitted"),
            Action::Revoke if me.is_some_and(|me| !me.approver) => {
                Some("you are not an approver: the site's administrators name the approvers")
            }
            Action::Refuse if one.stage.is_over() => Some("it is over"),
            Action::Launch if one.admitted.is_none() => Some("it is not admitted"),
            Action::AddTo | Action::Renew if me.is_some_and(|me| !me.approver && !one.is_wanted_by(&me.person)) => {
                Some("you did not request it")
            }
            Action::Sort if !self.decides() => Some("for the queue: it is ordered by rule or by base"),
            _ => None,
        }
    }

    /// The header's words: which lists there are, how many wait, how many are marked.
    pub fn summary(&self) -> String {
        let name = |which, words: &str| if self.which == which { format!("[{words}]") } else { format!(" {words} ") };
        let tabs = [
            name(RequestFilter::Mine, "mine"),
            name(RequestFilter::Queue, "to decide"),
            name(RequestFilter::All, "all"),
        ]
        .concat();
        let marked = self.rows.marked().len();
        let marked = if marked == 0 { String::new() } else { format!(" · {marked} marked") };
        let waiting: i64 = self.groups.iter().map(|group| group.count).sum();
        let waiting = if self.decides() && waiting > 0 { format!(" · {waiting} waiting") } else { String::new() };
        format!("{tabs}{waiting}{marked}")
    }

    /// Draws the list, and the selected request below it. `possible`: whether the site takes requests.
    pub fn view(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, now: i64, possible: bool) {
        let area = failed_below(frame, area, self.error.as_ref(), theme);
        let dim = |text: &str| Line::styled(format!("  {text}"), theme.style("dim"));
        let Some(all) = self.rows.all() else {
            return put(frame, row(area, 1), dim(if self.error.is_some() { "" } else { "reading…" }));
        };
        if all.is_empty() {
            return self.empty(frame, area, theme, possible);
        }
        let width = area.width as usize;
        put(frame, row(area, 0), Line::styled(fit(&format!("  {}", self.tally()), width), theme.style("dim")));
        let (stage, age) = (12, if width > 60 { 8 } else { 0 });
        let (by, title) = (if width > 90 { 18 } else { 0 }, (width / 3).clamp(8, 40));
        let gaps = 2 + usize::from(age > 0) + usize::from(by > 0);
        let rest = width.saturating_sub(3 + stage + age + by + title + gaps);
        let last = if self.decides() { "BLOCKED BY, ON" } else { "HOW IT STANDS" };
        let head = format!(
            "   {}{}{}{}{}",
            cell("STAGE", stage),
            cell("IMAGE", title),
            cell("ASKED BY", by),
            cell("AGE", age),
            fit(last, rest)
        );
        put(frame, row(area, 1), Line::styled(fit(&head, width), theme.style("dim")));
        let details = MORE.min(area.height / 3);
        let lines = above(below(area, 2), details);
        let top = self.rows.window(lines.height as usize);
        let pace = self.me.as_ref().map(|(_, pace)| *pace).unwrap_or_default();
        let mut before = (String::new(), String::new());
        for (number, one) in all.iter().enumerate().skip(top).take(lines.height as usize) {
            let mark = if self.rows.marked().contains(&one.id) { "●" } else { " " };
            let people: Vec<&str> = one.open_wishes().map(|wish| wish.person.as_str()).collect();
            let words = if self.decides() {
                let group = (one.rule().to_owned(), one.base().to_owned());
                // Rule and base image are named once, on the first row of a group.
                let words = if group == before { "  the same".to_owned() } else { format!("{}, {}", group.0, group.1) };
                before = group;
                words
            } else {
                one.standing(pace, now)
            };
            let line = Line::from(vec![
                Span::styled(format!(" {mark} "), theme.style("key")),
                Span::styled(
                    cell(&format!("{} {}", one.stage.sign(), one.stage.name()), stage),
                    theme.style(role(one.stage)),
                ),
                Span::styled(cell(&one.asked.title, title), theme.style("text")),
                Span::styled(cell(&people.join(" "), by), theme.style("dim")),
                Span::styled(cell(&text::age(one.since, now), age), theme.style("dim")),
                Span::styled(fit(&words, rest), theme.style("text")),
            ]);
            put(
                frame,
                row(lines, (number - top) as u16),
                select(line, self.rows.selected_index() == Some(number), theme),
            );
        }
        let foot = below(area, area.height - details);
        let more = match (self.rows.selected(), self.rows.vanished()) {
            (Some(one), _) => self.details(one, pace, now, width),
            (None, Some(gone)) => vec![vanished_message(gone)],
            (None, None) => Vec::new(),
        };
        for (number, line) in more.into_iter().enumerate() {
            put(frame, row(foot, number as u16 + 1), dim(&line));
        }
    }

    /// The lines below the list: how the selected request stands, who wants it, and its evidence.
    fn details(&self, one: &Request, pace: Pace, now: i64, width: usize) -> Vec<String> {
        let mut lines = wrap(&format!("{} {}", one.called(), one.standing(pace, now)), width.saturating_sub(4));
        lines.truncate(2);
        // Two requesters are quoted, one line each; enter shows all.
        for wish in one.open_wishes().take(2) {
            lines.extend(quote(&wish.person, &wish.reason, usize::MAX));
        }
        if let Some(dossier) = &one.dossier {
            lines.push(dossier.evidence.join(" · "));
            if !dossier.diff.is_empty() {
                lines.push("another version of it is admitted already: enter compares them".to_owned());
            }
        }
        lines.iter().map(|line| fit(line, width.saturating_sub(4))).collect()
    }

    /// The line above the list: the groups of the queue with their sizes; in other lists, how long requests usually
    /// take.
    fn tally(&self) -> String {
        if self.decides() {
            let word = |group: &Group| {
                let base = if group.base.is_empty() { String::new() } else { format!(" on {}", group.base) };
                format!("{}{base}: {}", group.rule, group.count)
            };
            return self.groups.iter().take(8).map(word).collect::<Vec<_>>().join(" · ");
        }
        let Some((_, pace)) = &self.me else { return String::new() };
        let usual =
            |seconds: Option<i64>, words: &str| seconds.map(|seconds| format!("{words} {}", text::duration(seconds)));
        let all = [usual(pace.automatic, "admitted by the policy in"), usual(pace.by_person, "by a person in")];
        all.into_iter().flatten().collect::<Vec<_>>().join(" · ")
    }

    fn empty(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, possible: bool) {
        let (first, second) = match self.which {
            _ if !possible => (
                "this site has no place for admitted images yet",
                "its administrators name one: [requests] admitted = \"HOST/PROJECT\" (README: A site in ten minutes)",
            ),
            RequestFilter::Mine => {
                ("you have asked for nothing yet", "R on an image asks for it; tab shows what others asked for")
            }
            RequestFilter::Queue => (
                "nothing waits for a decision",
                "what the policy does not allow by itself shows here, with its evidence",
            ),
            RequestFilter::All => ("there are no requests yet", "R on an image asks for it"),
        };
        put(frame, row(area, 1), Line::styled(format!("  {first}"), theme.style("text")));
        for (number, line) in wrap(second, (area.width as usize).saturating_sub(4)).into_iter().enumerate() {
            put(frame, row(area, 2 + number as u16), Line::styled(format!("  {line}"), theme.style("dim")));
        }
    }
}
