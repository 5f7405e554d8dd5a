//! What runs, on all backends, and what it uses.

use std::collections::{BTreeMap, BTreeSet};

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr;

use crate::{
    kit::{
        action::Action,
        list::{Rows, Shown, Walk},
        theme::Theme,
        widgets::{above, below, cell, failures, fit_path, gone_words, put, row, select, state_role},
    },
    model::Model,
    msg::{Effect, Go, RunEffect, Slot},
};
use wharf_core::{
    base::{
        error::{Error, Result},
        text,
    },
    launch::{
        plan::{State, Workload},
        usage::{UNTOLD, Usage, WorkloadId},
    },
};

/// The screen's state.
#[derive(Debug, Default)]
pub struct Page {
    /// What runs, once it is known.
    pub rows: Rows<Workload>,
    /// Backends that did not answer.
    pub failed: Vec<(String, Error)>,
    /// What they use; nothing where it is not told.
    usage: BTreeMap<WorkloadId, Option<Usage>>,
}

impl Page {
    /// Takes news in.
    pub fn arrived(&mut self, all: Vec<Workload>, failed: Vec<(String, Error)>) {
        let live: BTreeSet<WorkloadId> = all.iter().filter(|one| one.state.is_live()).map(Workload::key).collect();
        self.usage.retain(|id, _| live.contains(id));
        self.rows.set(all);
        self.failed = failed;
    }

    /// Takes a reading in.
    pub fn measured(&mut self, id: WorkloadId, told: Result<Option<Usage>>) {
        self.usage.insert(id, told.ok().flatten());
    }

    /// What runs and is on a screen of so many lines.
    pub fn running_in_sight(&self, lines: usize) -> Vec<WorkloadId> {
        let seen = self.rows.iter().skip(self.rows.top()).take(lines);
        seen.filter(|one| one.state.is_live()).map(Workload::key).collect()
    }

    /// Draws the list.
    pub fn view(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, now: i64) {
        let area = failures(frame, area, &self.failed, theme);
        let Some(all) = self.rows.all() else {
            return put(frame, row(area, 1), Line::styled("  asking the backends…", theme.style("dim")));
        };
        if all.is_empty() {
            put(frame, row(area, 1), Line::styled("  nothing runs", theme.style("text")));
            return put(
                frame,
                row(area, 2),
                Line::styled("  go to the images (1), choose one, and press l to launch it", theme.style("dim")),
            );
        }
        let columns = Columns::of(usize::from(area.width), all);
        put(frame, row(area, 0), Line::styled(columns.head(), theme.style("dim")));
        let mut area = below(area, 1);
        if let Some(gone) = self.rows.gone() {
            put(
                frame,
                row(area, area.height.saturating_sub(1)),
                Line::styled(format!("  {}", gone_words(gone)), theme.style("dim")),
            );
            area = above(area, 1);
        }
        let top = self.rows.window(area.height as usize);
        for (number, workload) in all.iter().enumerate().skip(top).take(area.height as usize) {
            let line = columns.line(workload, self.used(workload), now, theme);
            put(frame, row(area, (number - top) as u16), select(line, self.rows.place() == Some(number), theme));
        }
    }

    /// What is known of the use of one; nothing of what stands still.
    fn used(&self, workload: &Workload) -> Used<'_> {
        match self.usage.get(&workload.key()).filter(|_| workload.state.is_live()) {
            Some(Some(usage)) => Used::Told(usage),
            Some(None) => Used::Untold,
            None => Used::Unknown,
        }
    }
}

/// What is known of the use of a workload.
#[derive(Clone, Copy)]
enum Used<'a> {
    /// A reading.
    Told(&'a Usage),
    /// Its backend does not tell.
    Untold,
    /// It was not asked, or has not answered yet.
    Unknown,
}

impl Used<'_> {
    fn words(self, words: impl Fn(&Usage) -> String) -> String {
        match self {
            Self::Told(usage) => words(usage),
            Self::Untold => UNTOLD.to_owned(),
            Self::Unknown => String::new(),
        }
    }
}

/// How wide the columns are; those without room are left out.
#[derive(Debug, PartialEq, Eq)]
struct Columns {
    name: usize,
    backend: usize,
    memory: usize,
    age: usize,
    address: usize,
    image: usize,
}

/// Columns that are always there, and as wide as what is in them.
const STATE: usize = 12;
const CPU: usize = 7;

impl Columns {
    fn of(width: usize, all: &[Workload]) -> Self {
        let name = (width / 6).clamp(8, 24);
        // That everything is on one backend is said once, where there is room.
        let several = all.first().is_some_and(|first| all.iter().any(|one| one.backend != first.backend));
        let backend = if width >= 100 || (several && width > 70) { 9 } else { 0 };
        let memory = if width >= 140 { 23 } else { 10 };
        let age = if width >= 50 { 7 } else { 0 };
        let reached = all.iter().any(|one| !one.reached().is_empty());
        let address = if reached && width >= 110 { 25 } else { 0 };
        let used: usize =
            [name, STATE, CPU, age, memory, backend, address].iter().filter(|one| **one > 0).map(|one| one + 1).sum();
        // A blank at each side.
        let left = width.saturating_sub(used + 2);
        Self { name, backend, memory, age, address, image: if left >= 8 { left } else { 0 } }
    }

    fn head(&self) -> String {
        [
            cell(" NAME", self.name + 1),
            cell("STATE", STATE),
            cell("BACKEND", self.backend),
            cell(&format!("{:>CPU$}", "CPU"), CPU),
            cell(&format!("{:>width$}", "MEMORY", width = self.memory), self.memory),
            cell("AGE", self.age),
            cell("IMAGE", self.image),
            cell("ADDRESS", self.address),
        ]
        .concat()
    }

    fn line(&self, workload: &Workload, used: Used<'_>, now: i64, theme: &Theme) -> Line<'static> {
        let (sign, word) = workload.state.words();
        let age = workload.created.map(|created| text::age(created, now)).unwrap_or_default();
        let full = matches!(used, Used::Told(usage) if usage.is_nearly_full());
        let memory =
            if self.memory > 12 { used.words(Usage::memory_of_words) } else { used.words(Usage::memory_words) };
        let memory = if full { format!("! {memory}") } else { memory };
        let image = workload.image_words();
        // What tells images apart is at the end.
        let last = image.rsplit('/').next().unwrap_or_default();
        let image = match self.image {
            0 => String::new(),
            few if few < 20 && image.width() > few => cell(last, few),
            enough => format!("{} ", fit_path(&image, enough).0),
        };
        let span = |text: String, role: &str| Span::styled(text, theme.style(role));
        Line::from(vec![
            span(format!(" {}", cell(&workload.name, self.name)), "text"),
            span(cell(&format!("{sign} {word}"), STATE), state_role(&workload.state)),
            span(cell(&workload.backend, self.backend), "dim"),
            span(cell(&format!("{:>CPU$}", used.words(Usage::cpu_words)), CPU), "text"),
            span(
                cell(&format!("{memory:>width$}", width = self.memory), self.memory),
                if full { "bad" } else { "text" },
            ),
            span(cell(&age, self.age), "dim"),
            span(image, "text"),
            span(cell(&workload.reached(), self.address), "dim"),
        ])
    }
}

impl super::page::Page for Page {
    fn scope(&self) -> &'static str {
        "workloads"
    }

    fn header(&self, _model: &Model) -> (String, String) {
        let running = |all: &[Workload]| all.iter().filter(|workload| workload.state.is_live()).count();
        let words = self.rows.all().map_or_else(String::new, |all| format!("{} running", running(all)));
        ("Workloads".to_owned(), words)
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
        self.view(frame, area, theme, model.now);
    }

    fn offered(&self) -> &'static [Action] {
        use Action as A;
        &[
            A::Open,
            A::Shell,
            A::Attach,
            A::Stop,
            A::Start,
            A::Remove,
            A::Snapshot,
            A::Restart,
            A::Catalog,
            A::Back,
            A::Help,
        ]
    }

    fn disabled(&self, action: Action, model: &Model) -> Option<String> {
        let selected = self.rows.selected();
        if let Some(why) = selected.and_then(|workload| model.lacks(&workload.backend, action)) {
            return Some(why);
        }
        let why = match action {
            Action::Open | Action::Remove | Action::Start | Action::Restart | Action::Snapshot
                if selected.is_none() =>
            {
                "nothing is selected: ↑ ↓ choose one"
            }
            Action::Start if selected.is_some_and(|workload| workload.state == State::Running) => {
                "it runs already: R restarts it"
            }
            Action::Shell | Action::Attach if !selected.is_some_and(|workload| workload.state.is_live()) => {
                "it does not run"
            }
            Action::Stop if !selected.is_some_and(|workload| workload.state.may_stop()) => "it does not run",
            _ => return None,
        };
        Some(why.to_owned())
    }

    fn list<'a>(&'a mut self, _model: &'a mut Model) -> Option<Shown<'a>> {
        Some(Shown::of(&mut self.rows, 2))
    }

    fn act(&mut self, action: Action, model: &mut Model) -> Vec<Effect> {
        if action == Action::Refresh {
            return vec![Effect::Run(RunEffect::Workloads)];
        }
        let Some(workload) = self.rows.selected().cloned().map(Box::new) else { return Vec::new() };
        let go = match action {
            Action::Open => Go::Workload(workload),
            Action::Shell | Action::Attach => Go::Console { workload, shell: action == Action::Shell },
            Action::Stop | Action::Start | Action::Restart | Action::Snapshot | Action::Remove => {
                let Some(seen) = model.seen(self.rows.seen_one()) else { return Vec::new() };
                Go::Change { action, seen, workload }
            }
            _ => return Vec::new(),
        };
        vec![Effect::Go(go)]
    }

    fn read_again(&self) -> Vec<Effect> {
        vec![Effect::Run(RunEffect::Workloads)]
    }

    fn after_job(&self, _changed: bool) -> Vec<Effect> {
        vec![Effect::Run(RunEffect::Workloads)]
    }

    fn measured(&self, lines: usize) -> Vec<WorkloadId> {
        self.running_in_sight(lines)
    }

    fn failures(&self) -> Vec<String> {
        self.failed.iter().map(|(_, error)| error.told()).collect()
    }

    fn leave(&self) -> &'static [Slot] {
        &[Slot::Workloads]
    }
}
