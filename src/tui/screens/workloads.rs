//! The workloads of all backends, and what they use.

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
        list::{Rows, ScrollArea, Scrollable},
        theme::Theme,
        widgets::{above, below, cell, failures, fit_path, put, row, select, state_role, vanished_message},
    },
    model::Model,
    msg::{Effect, Navigation, RunEffect},
};
use wharf_core::{
    base::{
        error::{Error, Result},
        text,
    },
    launch::{
        plan::Workload,
        usage::{UNTOLD, Usage, WorkloadId},
    },
};

/// The state of the Workloads screen.
#[derive(Debug, Default)]
pub struct Page {
    /// The workloads, once they are known.
    pub rows: Rows<Workload>,
    /// The backends that did not answer, with their errors.
    pub failed: Vec<(String, Error)>,
    /// The last measurement of each running workload; `None` if its backend does not measure.
    usage: BTreeMap<WorkloadId, Option<Usage>>,
}

impl Page {
    /// Shows a new list of workloads; measurements of those that have ended are dropped.
    pub fn arrived(&mut self, all: Vec<Workload>, failed: Vec<(String, Error)>) {
        let live: BTreeSet<WorkloadId> = all.iter().filter(|one| one.state.is_live()).map(Workload::key).collect();
        self.usage.retain(|id, _| live.contains(id));
        self.rows.set(all);
        self.failed = failed;
    }

    /// Keeps a measurement of a workload; a failed one counts as not measured.
    pub fn measured(&mut self, id: WorkloadId, told: Result<Option<Usage>>) {
        self.usage.insert(id, told.ok().flatten());
    }

    /// The running workloads among the visible rows, of which there are `lines`.
    pub fn running_in_sight(&self, lines: usize) -> Vec<WorkloadId> {
        let seen = self.rows.iter().skip(self.rows.top()).take(lines);
        seen.filter(|one| one.state.is_live()).map(Workload::key).collect()
    }

    /// Draws the list, with the failed backends above it.
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
        let columns = Columns::for_width(usize::from(area.width), all);
        put(frame, row(area, 0), Line::styled(columns.head(), theme.style("dim")));
        let mut area = below(area, 1);
        if let Some(gone) = self.rows.vanished() {
            put(
                frame,
                row(area, area.height.saturating_sub(1)),
                Line::styled(format!("  {}", vanished_message(gone)), theme.style("dim")),
            );
            area = above(area, 1);
        }
        let top = self.rows.window(area.height as usize);
        for (number, workload) in all.iter().enumerate().skip(top).take(area.height as usize) {
            let line = columns.line(workload, self.usage(workload), now, theme);
            put(
                frame,
                row(area, (number - top) as u16),
                select(line, self.rows.selected_index() == Some(number), theme),
            );
        }
    }

    /// What is known of the use of a workload; unknown if it does not run.
    fn usage(&self, workload: &Workload) -> Used<'_> {
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
    /// The last measurement of the workload.
    Told(&'a Usage),
    /// Its backend does not measure, or failed.
    Untold,
    /// It was not measured yet.
    Unknown,
}

impl Used<'_> {
    fn label(self, words: impl Fn(&Usage) -> String) -> String {
        match self {
            Self::Told(usage) => words(usage),
            Self::Untold => UNTOLD.to_owned(),
            Self::Unknown => String::new(),
        }
    }
}

/// The widths of the columns; columns without room have width 0.
#[derive(Debug, PartialEq, Eq)]
struct Columns {
    name: usize,
    backend: usize,
    memory: usize,
    age: usize,
    address: usize,
    image: usize,
}

/// The widths of columns that are always shown.
const STATE: usize = 12;
const CPU: usize = 7;

impl Columns {
    fn for_width(width: usize, all: &[Workload]) -> Self {
        let name = (width / 6).clamp(8, 24);
        // If all workloads are on one backend, its name is shown only once, where there is room.
        let several = all.first().is_some_and(|first| all.iter().any(|one| one.backend != first.backend));
        let backend = if width >= 100 || (several && width > 70) { 9 } else { 0 };
        let memory = if width >= 140 { 23 } else { 10 };
        let age = if width >= 50 { 7 } else { 0 };
        let reached = all.iter().any(|one| !one.reached().is_empty());
        let address = if reached && width >= 110 { 25 } else { 0 };
        let used: usize =
            [name, STATE, CPU, age, memory, backend, address].iter().filter(|one| **one > 0).map(|one| one + 1).sum();
        // One blank on each side.
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
        let (sign, word) = workload.state.label();
        let age = workload.created.map(|created| text::age(created, now)).unwrap_or_default();
        let full = matches!(used, Used::Told(usage) if usage.is_nearly_full());
        let memory =
            if self.memory > 12 { used.label(Usage::memory_of_words) } else { used.label(Usage::memory_words) };
        let memory = if full { format!("! {memory}") } else { memory };
        let image = workload.image_words();
        // The end of an image's name distinguishes it best.
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
            span(cell(&format!("{:>CPU$}", used.label(Usage::cpu_words)), CPU), "text"),
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

    fn header(&self, model: &Model) -> (String, String) {
        let running = |all: &[Workload]| all.iter().filter(|workload| workload.state.is_live()).count();
        let words = self.rows.all().map(|all| format!("{} running", running(all)));
        let asked: Vec<&str> = model.lists.unanswered().collect();
        let asked = (!asked.is_empty()).then(|| format!("asking {}", asked.join(", ")));
        ("Workloads".to_owned(), words.into_iter().chain(asked).collect::<Vec<_>>().join(" · "))
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
            A::CopyId,
            A::Catalog,
            A::Back,
            A::Help,
        ]
    }

    fn hides(&self, action: Action, model: &Model) -> bool {
        self.rows.selected().is_some_and(|workload| model.why_lacking(&workload.backend, action).is_some())
    }

    fn disabled(&self, action: Action, model: &Model) -> Option<String> {
        model.why_not(action, self.rows.selected())
    }

    fn list<'a>(&'a mut self, _model: &'a mut Model) -> Option<ScrollArea<'a>> {
        Some(ScrollArea::new(&mut self.rows, 2))
    }

    fn act(&mut self, action: Action, model: &mut Model) -> Vec<Effect> {
        if action == Action::Refresh {
            return vec![Effect::Run(RunEffect::Workloads)];
        }
        let Some(workload) = self.rows.selected().cloned().map(Box::new) else { return Vec::new() };
        let go = match action {
            Action::Open => Navigation::Workload(workload),
            Action::CopyId => return model.copy(workload.full_id()),
            Action::Shell | Action::Attach => Navigation::Console { workload, shell: action == Action::Shell },
            Action::Stop | Action::Start | Action::Restart | Action::Snapshot | Action::Remove => {
                let Some(seen) = model.act_on(self.rows.seen_one()) else { return Vec::new() };
                Navigation::Change { action, seen, workload }
            }
            _ => return Vec::new(),
        };
        vec![Effect::Go(go)]
    }

    fn followed(&self, model: &Model) -> Vec<String> {
        model.backends.clone()
    }

    fn measured(&self, lines: usize) -> Vec<WorkloadId> {
        self.running_in_sight(lines)
    }

    fn failures(&self) -> Vec<String> {
        self.failed.iter().map(|(_, error)| error.full_text()).collect()
    }
}
