//! Sources and backends: whether they answer, who the person is there, how many images are known, and what to do about
//! the selected one. Below them is what was found on this machine.

mod by_source;
mod checks;
mod columns;
mod detail;
mod regions;
mod response_times;
mod rows;
mod view;

use ratatui::{Frame, layout::Rect};

use self::rows::{SourceRow, rows};
use crate::{
    kit::{
        action::Action,
        layout::Alone,
        list::{CursorLines, ListCursor, NotSeen, ScrollArea},
        theme::Theme,
    },
    model::Model,
    msg::{Effect, ListEffect, Navigation, Slot},
};
use wharf_core::{
    base::text,
    portal::{answers::HealthAnswer, doctor::Finding},
    ports::Listing,
};

/// A pane of the screen; the keys of movement go to one of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Pane {
    /// The table of sources and backends.
    #[default]
    Table,
    /// All about the selected one.
    Detail,
    /// What was found on this machine.
    Checks,
}

/// The state of the Sources screen.
#[derive(Debug, Default)]
pub struct Page {
    /// What sources and backends have answered by now.
    health: Vec<HealthAnswer>,
    /// The other checks of `wharf doctor`, once they are done.
    pub checks: Vec<Finding>,
    /// The selected row.
    at: ListCursor,
    /// The first visible line about the selected row.
    detail: ListCursor,
    /// The first visible line of the checks.
    lines: ListCursor,
    pane: Pane,
    /// The name of the row that `detail` is about.
    detail_of: Option<String>,
    /// The row that the last frame showed as selected.
    drawn: Option<Face>,
}

/// What a key is pressed on: a row's name, and whether its source was added and is hidden, which decides what the key
/// does.
type Face = (String, bool, bool);

impl Page {
    /// The screen with the row of this name selected; where it is not there, the row of this number.
    pub fn selecting(name: Option<&str>, row: usize, model: &Model) -> Self {
        let named = name.and_then(|name| rows(model, &[]).iter().position(|row| row.name == name));
        Self { at: ListCursor { selected: named.unwrap_or(row), top: 0 }, ..Self::default() }
    }

    /// Takes an answer in the place of an older one of the same source or backend.
    pub fn answered(&mut self, answer: HealthAnswer) {
        self.health.retain(|one| one.name != answer.name || one.is_backend() != answer.is_backend());
        self.health.push(answer);
    }

    /// The number of the selected row.
    pub fn selected_row(&self) -> usize {
        self.at.selected
    }

    /// The name of the selected row.
    pub fn selected_name(&self, model: &Model) -> Option<String> {
        self.selected(model).map(|row| row.name)
    }

    /// The name of the selected row; fails if the last frame showed another one as selected, or the same one otherwise.
    pub fn seen(&self, model: &Model) -> std::result::Result<String, NotSeen> {
        let now = self.face(model).ok_or(NotSeen::Nothing)?;
        if self.drawn.as_ref() == Some(&now) { Ok(now.0) } else { Err(NotSeen::Changed) }
    }

    fn face(&self, model: &Model) -> Option<Face> {
        let name = self.selected(model)?.name;
        let source = model.sources.iter().find(|source| source.name == name);
        let (added, hidden) = source.map_or((false, false), |source| (source.added, source.hidden));
        Some((name, added, hidden))
    }

    fn selected(&self, model: &Model) -> Option<SourceRow> {
        rows(model, &self.health).into_iter().nth(self.at.selected)
    }

    /// The name of the selected source if people sign in there.
    pub fn signs_in_to(&self, model: &Model) -> Option<String> {
        let name = self.selected(model)?.name;
        model.sources.iter().find(|source| source.name == name && source.signs_in).map(|source| source.name.clone())
    }

    /// The pane at a place of the terminal.
    fn pane_at(&self, column: u16, line: u16, model: &Model) -> Option<Pane> {
        let parts = self.regions(model.body(), model);
        let inside = |area: Rect| area.contains((column, line).into());
        let panes = [
            (Pane::Table, parts.table),
            (Pane::Detail, parts.detail_rule.union(parts.detail)),
            (Pane::Checks, parts.checks_rule.union(parts.checks)),
        ];
        panes.into_iter().find(|(_, area)| inside(*area)).map(|(pane, _)| pane)
    }

    /// Gives the keys of movement to the next pane that has room on the screen.
    fn next_pane(&mut self, back: bool, model: &Model) {
        let alone = model.views.of("sources").alone != Alone::None;
        let parts = self.regions(model.body(), model);
        let order = [(Pane::Table, parts.rows), (Pane::Detail, parts.detail), (Pane::Checks, parts.checks)];
        let here = order.iter().position(|(pane, _)| *pane == self.pane).unwrap_or(0);
        let steps = 1..=order.len();
        let next = steps.map(|step| order[(here + if back { order.len() - step } else { step }) % order.len()]);
        self.pane = next.into_iter().find(|(_, area)| alone || !area.is_empty()).map_or(Pane::Table, |(pane, _)| pane);
    }
}

impl super::page::Page for Page {
    fn scope(&self) -> &'static str {
        "sources"
    }

    fn header(&self, model: &Model) -> (String, String) {
        let all = rows(model, &self.health);
        let wanting = all.iter().filter(|row| row.failed).count() as u64;
        let sources = text::plural(model.sources.len() as u64, "source", "sources");
        let backends = text::plural(model.backends.len() as u64, "backend", "backends");
        let failing = match wanting {
            0 => String::new(),
            count => format!(" · {count} ✗"),
        };
        ("Sources".to_owned(), format!("{sources}, {backends}{failing}"))
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
        self.view(frame, area, theme, model);
    }

    fn offered(&self) -> &'static [Action] {
        &[
            Action::SignIn,
            Action::Open,
            Action::Refresh,
            Action::AddSource,
            Action::LeaveOut,
            Action::NextPane,
            Action::Back,
            Action::Help,
        ]
    }

    fn label(&self, action: Action, model: &Model) -> &'static str {
        let source = self.selected(model).and_then(|row| model.sources.iter().find(|source| source.name == row.name));
        match action {
            Action::LeaveOut if source.is_some_and(|source| source.added) => "remove",
            Action::LeaveOut if source.is_some_and(|source| source.hidden) => "show again",
            Action::Open => "its images",
            Action::Refresh => "ask again",
            action => action.words(),
        }
    }

    fn disabled(&self, action: Action, model: &Model) -> Option<String> {
        if !matches!(action, Action::SignIn | Action::Open | Action::LeaveOut) {
            return None;
        }
        let Some(row) = self.selected(model) else { return Some("nothing is selected: ↑ ↓ choose one".to_owned()) };
        let name = &row.name;
        let Some(source) = model.sources.iter().find(|source| source.name == *name) else {
            return Some(format!("{name} launches images, and holds none"));
        };
        match action {
            Action::SignIn if !source.signs_in => Some(format!("{name} takes no sign-in")),
            Action::Open if source.hidden => Some(format!("{name} is left out of lists")),
            _ => None,
        }
    }

    fn panes_alone(&self, _model: &Model) -> &'static [Alone] {
        &[Alone::Focused]
    }

    fn list<'a>(&'a mut self, model: &'a mut Model) -> Option<ScrollArea<'a>> {
        let parts = self.regions(model.body(), model);
        let scrolled = |count: usize, area: Rect| count.saturating_sub(usize::from(area.height)) + 1;
        Some(match self.pane {
            Pane::Table => {
                let count = rows(model, &self.health).len();
                ScrollArea::new(CursorLines(&mut self.at, count), parts.rows)
            }
            Pane::Detail => {
                let count = scrolled(self.detail_text(parts.detail.width, model).count(), parts.detail);
                let list = CursorLines(&mut self.detail, count);
                ScrollArea { chosen: false, ..ScrollArea::new(list, parts.detail) }
            }
            Pane::Checks => {
                let count = scrolled(self.checks_text(parts.checks.width, model).count(), parts.checks);
                let list = CursorLines(&mut self.lines, count);
                ScrollArea { chosen: false, ..ScrollArea::new(list, parts.checks) }
            }
        })
    }

    fn clicked(&mut self, column: u16, line: u16, model: &Model) -> bool {
        let Some(pane) = self.pane_at(column, line, model) else { return false };
        let changed = pane != self.pane;
        self.pane = pane;
        changed && pane != Pane::Table
    }

    fn drawn(&mut self, model: &Model) {
        self.drawn = self.face(model);
    }

    fn act(&mut self, action: Action, model: &mut Model) -> Vec<Effect> {
        let name = self.selected_name(model);
        match action {
            Action::Refresh => {
                (self.health, self.checks) = (Vec::new(), Vec::new());
                // The selected source is listed again, too.
                let listed = |name: &String| {
                    let known = model.sources.iter().find(|source| source.name == *name);
                    known.is_some_and(|source| source.listing != Listing::SearchOnly && !source.hidden)
                };
                let list = name.filter(listed).map(|source| ListEffect::List { source, query: None });
                std::iter::once(Effect::Health).chain(list.map(Effect::List)).collect()
            }
            Action::NextPane | Action::PreviousPane => {
                self.next_pane(action == Action::PreviousPane, model);
                Vec::new()
            }
            Action::Open | Action::LeaveOut => {
                let seen = self.seen(model);
                let Some(name) = model.act_on(seen) else { return Vec::new() };
                let go = if action == Action::Open { Navigation::ImagesOf } else { Navigation::LeaveOut };
                vec![Effect::Go(go(name))]
            }
            _ => Vec::new(),
        }
    }

    fn wants(&mut self, model: &Model) -> Vec<Effect> {
        // However another row came to be selected, what is told of it is read from its beginning.
        let selected = self.selected_name(model);
        if selected != self.detail_of {
            (self.detail, self.detail_of) = (ListCursor::default(), selected);
        }
        Vec::new()
    }

    fn read_again(&self) -> Vec<Effect> {
        if self.health.is_empty() { vec![Effect::Health] } else { Vec::new() }
    }

    fn failures(&self) -> Vec<String> {
        let failed = self.health.iter().filter_map(|one| one.answer.as_ref().err());
        failed.map(wharf_core::base::error::Error::full_text).collect()
    }

    fn leave(&self) -> &'static [Slot] {
        &[Slot::Health, Slot::Trial]
    }
}
