//! The list's part in the application: its keys, and what is read for it.

use ratatui::{Frame, layout::Rect};

use super::Page;
use crate::{
    kit::{
        action::Action,
        layout::Alone,
        list::{ScrollArea, Scrollable},
        theme::Theme,
    },
    model::Model,
    msg::{DescribedWorkload, EarlierLaunch, Effect, Navigation, RequestEffect, RunEffect, Slot},
    screens::page,
};
use wharf_core::launch::{plan::Workload, usage::WorkloadId};

impl page::Page for Page {
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
        self.view(frame, area, theme, model);
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
            A::NextTrouble,
            A::Snapshot,
            A::Restart,
            A::CopyId,
            A::Launches,
            A::Preview,
            A::Catalog,
            A::Back,
            A::Help,
        ]
    }

    fn hides(&self, action: Action, model: &Model) -> bool {
        if action == Action::NextTrouble {
            return self.troubles(model).is_empty();
        }
        self.rows.selected().is_some_and(|workload| model.why_lacking(&workload.backend, action).is_some())
    }

    fn disabled(&self, action: Action, model: &Model) -> Option<String> {
        if action == Action::NextTrouble {
            return self.troubles(model).is_empty().then(|| "no workload needs you".to_owned());
        }
        model.why_not(action, self.rows.selected())
    }

    fn panes_alone(&self, _model: &Model) -> &'static [Alone] {
        if self.rows.selected().is_some() { &Alone::BOTH } else { &[] }
    }

    fn list<'a>(&'a mut self, model: &'a mut Model) -> Option<ScrollArea<'a>> {
        let troubles = self.troubles(model).len();
        let area = self.regions(model.body(), model.views.of("workloads"), troubles);
        let (area, chosen) = (area.rows, !area.panes.main.is_empty());
        Some(ScrollArea { chosen, ..ScrollArea::new(&mut self.rows, area) })
    }

    fn clicked(&mut self, column: u16, line: u16, model: &Model) -> bool {
        let row = self.clicked_trouble(column, line, model);
        if let Some(row) = row {
            self.rows.select_index(row);
        }
        row.is_some()
    }

    fn act(&mut self, action: Action, model: &mut Model) -> Vec<Effect> {
        match action {
            Action::Refresh => return vec![Effect::Run(RunEffect::Workloads)],
            Action::Launches => return vec![Effect::Run(RunEffect::Launches)],
            Action::NextTrouble => {
                if let Some(row) = self.next_trouble(model) {
                    self.rows.select_index(row);
                }
                return Vec::new();
            }
            _ => {}
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

    fn wants(&mut self, _model: &Model) -> Vec<Effect> {
        if std::mem::replace(&mut self.asked, true) {
            return Vec::new();
        }
        vec![Effect::Request(RequestEffect::Warnings)]
    }

    fn followed(&self, model: &Model) -> Vec<String> {
        model.backends.clone()
    }

    fn described(&self, model: &Model) -> Option<DescribedWorkload> {
        let parts = self.regions(model.body(), model.views.of("workloads"), 0).panes;
        let workload = self.rows.selected().filter(|_| parts.right.is_some() || parts.strip.height > 0)?;
        Some(DescribedWorkload {
            id: workload.key(),
            image: workload.image.clone(),
            digest: workload.digest.clone(),
            live: workload.state.is_live(),
        })
    }

    fn measured(&self, lines: usize) -> Vec<WorkloadId> {
        self.running_in_sight(lines)
    }

    fn failures(&self) -> Vec<String> {
        self.failed.iter().map(|(_, error)| error.full_text()).collect()
    }

    fn leave(&self) -> &'static [Slot] {
        &[Slot::Warnings, Slot::Again]
    }
}
