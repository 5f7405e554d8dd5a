//! Requests: the person's own, those that wait for a decision, and all that they may see.

mod actions;
mod columns;
mod dossier;
mod grouped;
mod groups;
mod lately;
mod lines;
mod regions;
mod view;
mod waiting;

use self::grouped::{Groups, key_of};
use crate::{
    kit::{
        action::Action,
        list::{Rows, Scrollable},
    },
    msg::{Effect, RequestEffect},
    popups::MOMENT,
};
use wharf_core::{
    base::{
        error::{Error, Result},
        text,
    },
    request::{Caller, Group, Id, Pace, QueueOverview, Request, RequestFilter, Stage},
};

/// How many requests are read at a time.
const PAGE: usize = 200;

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
    /// How requests went lately and which approvals end soon, or why the store does not say; `None` until it was asked.
    overview: Option<Result<QueueOverview>>,
    /// Whether the queue is sorted by base image first, else by rule.
    by_base: bool,
    /// Which of the groups are folded, and which is selected.
    grouped: Groups,
    /// The first visible line of the list.
    top: usize,
    /// Whether the person has chosen which requests are shown.
    chosen: bool,
    /// When the selection went on by itself, in milliseconds since the start; `None` once the person has seen it.
    went_on: Option<u64>,
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
            overview: None,
            by_base: false,
            grouped: Groups::default(),
            top: 0,
            chosen: false,
            went_on: None,
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
        // Of a folded group, the last request counts.
        let near = match self.selected_group() {
            Some(group) => self.rows.iter().rposition(|one| key_of(one) == key_of(group)),
            None => self.rows.selected_index(),
        };
        if !self.more || self.reading || near.unwrap_or(0) + PAGE / 4 < known {
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
        self.settle();
    }

    /// Takes the person's rights and how the queue stands.
    pub fn set_queue(&mut self, result: Result<(Caller, Pace, Vec<Group>)>) {
        if let Ok((me, pace, groups)) = result {
            self.me = Some((me, pace));
            self.groups = groups;
        }
    }

    /// Takes how requests went lately. It is shown below the queue only.
    pub fn set_overview(&mut self, result: Result<QueueOverview>) {
        self.overview = self.decides().then_some(result);
    }

    /// Changes to the next or previous list: own, queue, all.
    pub fn turn_list(&mut self, forward: bool) {
        let which = match (self.which, forward) {
            (RequestFilter::Mine, true) | (RequestFilter::All, false) => RequestFilter::Queue,
            (RequestFilter::Queue, true) | (RequestFilter::Mine, false) => RequestFilter::All,
            (RequestFilter::All, true) | (RequestFilter::Queue, false) => RequestFilter::Mine,
        };
        let grouped = self.grouped.for_another_list();
        *self = Self { me: self.me.take(), by_base: self.by_base, grouped, chosen: true, ..Self::new(which) };
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

    /// Whether an action is done to all marked requests, not to the selected one alone.
    fn takes_several(&self, action: Action) -> bool {
        matches!(action, Action::Approve | Action::Conditions) || action == Action::Refuse && self.decides()
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
        self.settle();
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
        let one = if self.takes_several(action) { self.rows.chosen().into_iter().next() } else { self.rows.selected() };
        let groups = matches!(action, Action::Mark | Action::MarkGroup | Action::ApproveClass | Action::Open);
        if self.selected_group().is_some() && needs_one && !groups {
            let marked = self.takes_several(action) && !self.rows.marked().is_empty();
            if !marked {
                return Some("a group is selected: choose one of its requests, or mark all of them first");
            }
        }
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
        format!("{tabs}{waiting}{marked}{}", self.usual())
    }

    /// How long requests usually take, in words; empty without an estimate.
    fn usual(&self) -> String {
        let Some((_, pace)) = &self.me else { return String::new() };
        let words = |seconds: Option<i64>, words: &str| {
            seconds.map(|seconds| format!(" · {words} {}", text::duration(seconds)))
        };
        [words(pace.automatic, "by the policy in"), words(pace.by_person, "by people in")]
            .into_iter()
            .flatten()
            .collect()
    }

    /// Whether a decision is too early: the selection has just gone on by itself, and the key may still be held down.
    pub fn is_too_early(&mut self, clock: u64) -> bool {
        let early = self.went_on.is_some_and(|at| clock < at.saturating_add(MOMENT));
        // A key that is held down goes on to wait.
        self.went_on = early.then_some(clock);
        early
    }

    /// After a decision on some requests: removes the marks, and selects the next request that was not among them.
    pub fn go_on(&mut self, decided: &[Id], clock: u64) {
        self.went_on = Some(clock);
        self.rows.unmark();
        let is_left = |one: &Request| !decided.contains(&one.id) && !self.is_folded(one);
        let last = self.rows.iter().rposition(|one| !is_left(one)).unwrap_or(0);
        let next = self.rows.iter().enumerate().skip(last).find(|(_, one)| is_left(one)).map(|(at, _)| at);
        let before = || self.rows.iter().take(last).rposition(is_left);
        if let Some(place) = next.or_else(before) {
            self.rows.select_index(place);
            self.grouped = self.grouped.for_another_list();
        }
    }
}
