//! The workloads of all backends, and what they use.

use std::collections::{BTreeMap, BTreeSet};

use ratatui::{Frame, layout::Rect, text::Line};
use unicode_width::UnicodeWidthStr;

use crate::{
    kit::{
        action::Action,
        list::{Rows, ScrollArea, Scrollable},
        table::{self, Column, TableRow, Width, number_cell, text_cell},
        theme::Theme,
        widgets::{above, below, failures, fit, fit_path, put, row, state_role, vanished_message},
    },
    model::Model,
    msg::{EarlierLaunch, Effect, Navigation, RunEffect, Slot},
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

    /// Where the rows are drawn in the screen's own area: below the heads of the columns, above what failed and what
    /// is not here any more.
    fn rows_area(&self, body: Rect) -> Rect {
        let failed = (self.failed.len() as u16).min(body.height / 4);
        let gone = u16::from(self.rows.vanished().is_some());
        above(below(body, 1), failed + gone)
    }

    /// Draws the list, and below it the backends that did not answer.
    pub fn view(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, now: i64) {
        let rest = failures(frame, area, &self.failed, theme);
        let Some(all) = self.rows.all() else {
            return put(frame, row(rest, 1), Line::styled("  asking the backends…", theme.style("dim")));
        };
        if all.is_empty() {
            put(frame, row(rest, 1), Line::styled("  nothing runs", theme.style("text")));
            return put(
                frame,
                row(rest, 2),
                Line::styled("  go to the images (1), choose one, and press l to launch it", theme.style("dim")),
            );
        }
        let several = all.first().is_some_and(|first| all.iter().any(|one| one.backend != first.backend));
        let reached = all.iter().any(|one| !one.reached().is_empty());
        let wanted = |column: &Column<WorkloadRow<'_>>| match column.head {
            BACKEND => several || area.width >= 100,
            ADDRESS => reached,
            _ => true,
        };
        // The limit is told beside what is used where there is room.
        let columns = columns(if area.width >= 140 { 23 } else { 10 });
        let shown = table::fitting(&columns, area.width, wanted);
        let rows = self.rows_area(area);
        let height = usize::from(rows.height);
        let top = self.rows.window(height);
        let lines = all
            .iter()
            .skip(top)
            .take(height)
            .map(|workload| TableRow { row: WorkloadRow { workload, used: self.usage(workload), now }, marked: false });
        let selected = self.rows.selected_index().and_then(|at| at.checked_sub(top)).filter(|at| *at < height);
        let head_and_rows = Rect { y: area.y, height: rows.height + 1, ..area };
        table::draw(frame, head_and_rows, (&columns, &shown), lines, (selected, true), "", theme);
        if let Some(gone) = self.rows.vanished() {
            let place = Rect { y: rows.bottom(), height: 1, ..area };
            put(frame, place, Line::styled(format!("  {}", vanished_message(gone)), theme.style("dim")));
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

/// What the columns say about a workload.
struct WorkloadRow<'a> {
    workload: &'a Workload,
    used: Used<'a>,
    now: i64,
}

/// The heads of columns that are left out where they would say nothing.
const BACKEND: &str = "BACKEND";
const ADDRESS: &str = "ADDRESS";

/// The columns in their order, with so many columns for the memory.
const fn columns<'a>(memory_width: u16) -> [Column<WorkloadRow<'a>>; 8] {
    [
        Column { head: "NAME", width: Width::Fill(8), goes: 0, right: false, cell: name },
        Column { head: "STATE", width: Width::Fixed(12), goes: 0, right: false, cell: state },
        Column { head: BACKEND, width: Width::Fixed(9), goes: 5, right: false, cell: backend },
        Column { head: "CPU", width: Width::Fixed(7), goes: 1, right: true, cell: cpu },
        Column { head: "MEMORY", width: Width::Fixed(memory_width), goes: 2, right: true, cell: memory },
        Column { head: "AGE", width: Width::Fixed(7), goes: 3, right: false, cell: age },
        Column { head: "IMAGE", width: Width::Fill(12), goes: 4, right: false, cell: image },
        Column { head: ADDRESS, width: Width::Fixed(25), goes: 6, right: false, cell: address },
    ]
}

fn name(row: &WorkloadRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    text_cell(&row.workload.name, width, "text", theme)
}

fn state(row: &WorkloadRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    let (sign, word) = row.workload.state.label();
    text_cell(&format!("{sign} {word}"), width, state_role(&row.workload.state), theme)
}

fn backend(row: &WorkloadRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    text_cell(&row.workload.backend, width, "dim", theme)
}

fn cpu(row: &WorkloadRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    number_cell(&row.used.label(Usage::cpu_words), width, "text", theme)
}

fn memory(row: &WorkloadRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    let used = row.used.label(if width > 12 { Usage::memory_of_words } else { Usage::memory_words });
    let full = matches!(row.used, Used::Told(usage) if usage.is_nearly_full());
    let used = if full { format!("! {used}") } else { used };
    number_cell(&used, width, if full { "bad" } else { "text" }, theme)
}

fn age(row: &WorkloadRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    let age = row.workload.created.map(|created| text::age(created, row.now)).unwrap_or_default();
    text_cell(&age, width, "dim", theme)
}

fn image(row: &WorkloadRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    let image = row.workload.image_words();
    // The end of an image's name distinguishes it best.
    let last = image.rsplit('/').next().unwrap_or_default();
    let shown = if width < 20 && image.width() > width { fit(last, width) } else { fit_path(&image, width).0 };
    Line::styled(shown, theme.style("text"))
}

fn address(row: &WorkloadRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    text_cell(&row.workload.reached(), width, "dim", theme)
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
            A::Again,
            A::Remove,
            A::Snapshot,
            A::Restart,
            A::CopyId,
            A::Launches,
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

    fn list<'a>(&'a mut self, model: &'a mut Model) -> Option<ScrollArea<'a>> {
        let area = self.rows_area(model.body());
        Some(ScrollArea::new(&mut self.rows, area))
    }

    fn act(&mut self, action: Action, model: &mut Model) -> Vec<Effect> {
        if action == Action::Refresh {
            return vec![Effect::Run(RunEffect::Workloads)];
        }
        if action == Action::Launches {
            return vec![Effect::Run(RunEffect::Launches)];
        }
        let Some(workload) = self.rows.selected().cloned().map(Box::new) else { return Vec::new() };
        let go = match action {
            Action::Open => Navigation::Workload(workload),
            Action::Again => Navigation::Again(EarlierLaunch::Of(workload.key())),
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

    fn leave(&self) -> &'static [Slot] {
        &[Slot::Again]
    }
}
