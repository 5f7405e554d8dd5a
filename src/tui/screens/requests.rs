//! Requests: mine, those that wait for a decision, and all that I may see.

use std::collections::BTreeSet;

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use crate::{
    core::{
        error::{Error, Result},
        request::{Group, Id, Me, Pace, Request, Stage, Which},
        text,
    },
    tui::{
        action::Action,
        list::Position,
        msg::Effect,
        theme::Theme,
        widgets::{above, below, cell, failed_below, fit, put, row, select, wrap},
    },
};

/// Requests that are read at a time.
const PAGE: usize = 200;
/// Lines below the list that tell more of what is selected.
const MORE: u16 = 5;

/// The screen's state.
#[derive(Debug)]
pub struct Page {
    /// Which are shown.
    pub which: Which,
    /// Those that were read, once they are.
    pub all: Option<Vec<Request>>,
    /// Whether more can be read.
    more: bool,
    /// Whether more are being read.
    reading: bool,
    /// Why they are not.
    pub error: Option<Error>,
    /// Who I am in the store, and how long others waited.
    pub me: Option<(Me, Pace)>,
    /// Groups of the queue.
    pub groups: Vec<Group>,
    /// Those that are marked.
    pub marked: BTreeSet<Id>,
    /// Whether the queue is ordered by base first.
    by_base: bool,
    /// Where one stands.
    pub at: Position,
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
    /// An empty page.
    pub fn new(which: Which) -> Self {
        Self {
            which,
            all: None,
            more: false,
            reading: false,
            error: None,
            me: None,
            groups: Vec::new(),
            marked: BTreeSet::new(),
            by_base: false,
            at: Position::default(),
        }
    }

    /// The effect that reads it anew, as far as it was read.
    pub fn again(&self) -> Effect {
        let limit = self.all.as_ref().map_or(0, Vec::len).max(PAGE);
        Effect::Requests { which: self.which, skip: 0, limit }
    }

    /// The effect that reads more, where one comes near the end of what was read.
    pub fn wants_more(&mut self) -> Option<Effect> {
        let known = self.all.as_ref().map_or(0, Vec::len);
        if !self.more || self.reading || self.at.selected + PAGE / 4 < known {
            return None;
        }
        self.reading = true;
        Some(Effect::Requests { which: self.which, skip: known, limit: PAGE })
    }

    /// Takes some of them in.
    pub fn arrived(&mut self, which: Which, skip: usize, result: Result<Vec<Request>>) {
        if which != self.which {
            return;
        }
        self.reading = false;
        let some = match result {
            Ok(some) => some,
            Err(error) => return self.error = Some(error),
        };
        self.error = None;
        // One stays with the request that was selected, wherever it is now.
        let selected = self.selected().map(|request| request.id);
        self.more = some.len() >= PAGE;
        let all = self.all.get_or_insert_default();
        all.truncate(skip);
        all.extend(some);
        self.order();
        let found = selected.and_then(|id| self.all.as_ref()?.iter().position(|request| request.id == id));
        if let Some(at) = found {
            self.at.selected = at;
        }
        let known: BTreeSet<Id> = self.all.iter().flatten().map(|request| request.id).collect();
        self.marked.retain(|id| known.contains(id));
    }

    /// Takes in who I am and how the queue stands.
    pub fn stands(&mut self, result: Result<(Me, Pace, Vec<Group>)>) {
        if let Ok((me, pace, groups)) = result {
            self.me = Some((me, pace));
            self.groups = groups;
        }
    }

    /// The next or previous kind of list.
    pub fn turn(&mut self, forward: bool) {
        let which = match (self.which, forward) {
            (Which::Mine, true) | (Which::All, false) => Which::Queue,
            (Which::Queue, true) | (Which::Mine, false) => Which::All,
            (Which::All, true) | (Which::Queue, false) => Which::Mine,
        };
        *self = Self { me: self.me.take(), by_base: self.by_base, ..Self::new(which) };
    }

    /// Whether this is where somebody decides.
    pub fn decides(&self) -> bool {
        self.which == Which::Queue
    }

    /// The selected one.
    pub fn selected(&self) -> Option<&Request> {
        self.all.as_ref()?.get(self.at.selected)
    }

    /// Those that are marked, else the selected one.
    pub fn chosen(&self) -> Vec<Id> {
        if self.marked.is_empty() {
            return self.selected().map(|request| request.id).into_iter().collect();
        }
        self.all.iter().flatten().map(|request| request.id).filter(|id| self.marked.contains(id)).collect()
    }

    /// Marks or unmarks the selected one.
    pub fn mark(&mut self) {
        if let Some(id) = self.selected().map(|request| request.id) {
            if !self.marked.remove(&id) {
                self.marked.insert(id);
            }
            let count = self.all.as_ref().map_or(0, Vec::len);
            self.at.go(Action::Down, count, 1);
        }
    }

    /// Marks all of the selected one's group.
    pub fn mark_group(&mut self) {
        let Some((rule, base)) = self.selected().map(|one| (one.rule().to_owned(), one.base().to_owned())) else {
            return;
        };
        let group = self.all.iter().flatten().filter(|one| one.rule() == rule && one.base() == base);
        self.marked.extend(group.map(|request| request.id));
    }

    /// Orders the queue by base first, or by rule first.
    pub fn regroup(&mut self) {
        self.by_base = !self.by_base;
        self.order();
    }

    fn order(&mut self) {
        if self.which == Which::Queue {
            let by_base = self.by_base;
            let key = |one: &Request| {
                let (rule, base) = (one.rule().to_owned(), one.base().to_owned());
                if by_base { (base, rule, one.since, one.id) } else { (rule, base, one.since, one.id) }
            };
            self.all.iter_mut().for_each(|all| all.sort_by_key(key));
        }
    }

    /// Why an action cannot be used now.
    pub fn disabled(&self, action: Action) -> Option<&'static str> {
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
                | Action::Mark
                | Action::MarkGroup
        );
        let Some(one) = self.selected() else { return needs_one.then_some("nothing is selected") };
        let me = self.me.as_ref().map(|(me, _)| me);
        let decision = matches!(
            action,
            Action::Approve | Action::Conditions | Action::AskBack | Action::ApproveClass | Action::MarkGroup
        );
        if decision && !one.stage.is_open_to_decide() {
            return Some("it does not wait for a decision");
        }
        if decision && me.is_some_and(|me| !me.approver) {
            return Some("you may not decide: whoever runs the site names who may");
        }
        match action {
            Action::Approve | Action::Conditions
                if self.marked.is_empty() && me.is_some_and(|me| !me.own && one.is_of(&me.person)) =>
            {
                Some("it is your own: somebody else has to approve it")
            }
            Action::Refuse if self.decides() && me.is_some_and(|me| !me.approver) => {
                Some("you may not decide: whoever runs the site names who may")
            }
            Action::Refuse if one.stage.is_over() => Some("it is over"),
            Action::Launch if one.admitted.is_none() => Some("it is not admitted"),
            Action::AddTo | Action::Renew if me.is_some_and(|me| !me.approver && !one.is_of(&me.person)) => {
                Some("you did not ask for it")
            }
            Action::Sort if !self.decides() => Some("for the queue: it is ordered by rule or by base"),
            _ => None,
        }
    }

    /// What is shown, for the header.
    pub fn summary(&self) -> String {
        let name = |which, words: &str| if self.which == which { format!("[{words}]") } else { format!(" {words} ") };
        let tabs = [name(Which::Mine, "mine"), name(Which::Queue, "to decide"), name(Which::All, "all")].concat();
        let marked = if self.marked.is_empty() { String::new() } else { format!(" · {} marked", self.marked.len()) };
        let waiting: i64 = self.groups.iter().map(|group| group.count).sum();
        let waiting = if self.decides() && waiting > 0 { format!(" · {waiting} waiting") } else { String::new() };
        format!("{tabs}{waiting}{marked}")
    }

    /// Draws it.
    pub fn view(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, now: i64, possible: bool) {
        let area = failed_below(frame, area, self.error.as_ref(), theme);
        let dim = |text: &str| Line::styled(format!("  {text}"), theme.style("dim"));
        let Some(all) = &self.all else {
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
        let top = self.at.window(all.len(), lines.height as usize);
        let pace = self.me.as_ref().map(|(_, pace)| *pace).unwrap_or_default();
        let mut before = (String::new(), String::new());
        for (number, one) in all.iter().enumerate().skip(top).take(lines.height as usize) {
            let mark = if self.marked.contains(&one.id) { "●" } else { " " };
            let people: Vec<&str> = one.wanted_by().map(|wish| wish.person.as_str()).collect();
            let words = if self.decides() {
                let group = (one.rule().to_owned(), one.base().to_owned());
                // A group is named once, where it begins.
                let words = if group == before { "  the same".to_owned() } else { format!("{}, {}", group.0, group.1) };
                before = group;
                words
            } else {
                one.standing(pace, now)
            };
            let line = Line::from(vec![
                Span::styled(format!(" {mark} "), theme.style("key")),
                Span::styled(
                    cell(&format!("{} {}", one.stage.sign(), one.stage.word()), stage),
                    theme.style(role(one.stage)),
                ),
                Span::styled(cell(&one.asked.title, title), theme.style("text")),
                Span::styled(cell(&people.join(" "), by), theme.style("dim")),
                Span::styled(cell(&text::age(one.since, now), age), theme.style("dim")),
                Span::styled(fit(&words, rest), theme.style("text")),
            ]);
            put(frame, row(lines, (number - top) as u16), select(line, number == self.at.selected, theme));
        }
        if let Some(one) = self.selected() {
            let foot = below(area, area.height - details);
            for (number, line) in self.details(one, pace, now, width).into_iter().enumerate() {
                put(frame, row(foot, number as u16 + 1), dim(&line));
            }
        }
    }

    /// What is to be known of the selected one, in a few lines.
    fn details(&self, one: &Request, pace: Pace, now: i64, width: usize) -> Vec<String> {
        let mut lines = wrap(&format!("{} {}", one.called(), one.standing(pace, now)), width.saturating_sub(4));
        lines.truncate(2);
        let reasons: Vec<String> = one.wanted_by().map(|wish| format!("{}: {}", wish.person, wish.reason)).collect();
        lines.push(reasons.join(" · "));
        if let Some(dossier) = &one.dossier {
            lines.push(dossier.evidence.join(" · "));
            if !dossier.diff.is_empty() {
                lines.push("another version of it is admitted already: enter compares them".to_owned());
            }
        }
        lines.iter().map(|line| fit(line, width.saturating_sub(4))).collect()
    }

    /// How many there are of which group; or how long such things take.
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
                "whoever runs it names one: [requests] admitted = \"HOST/PROJECT\" (README: A site in ten minutes)",
            ),
            Which::Mine => {
                ("you have asked for nothing yet", "R on an image asks for it; tab shows what others asked for")
            }
            Which::Queue => (
                "nothing waits for a decision",
                "what the policy does not allow by itself shows here, with its evidence",
            ),
            Which::All => ("nobody has asked for anything yet", "R on an image asks for it"),
        };
        put(frame, row(area, 1), Line::styled(format!("  {first}"), theme.style("text")));
        for (number, line) in wrap(second, (area.width as usize).saturating_sub(4)).into_iter().enumerate() {
            put(frame, row(area, 2 + number as u16), Line::styled(format!("  {line}"), theme.style("dim")));
        }
    }
}
