//! The workload page's part in the application: its keys, and the results that it waits for.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::{Frame, layout::Rect};

use super::Page;
use crate::{
    kept::output::Switches,
    kit::{action::Action, input::leaves, layout::Alone, theme::Theme},
    model::Model,
    msg::{EarlierLaunch, Effect, Navigation, RunEffect, Slot},
    popups::pick::{Item, Pick, Purpose},
    rows::WorkloadId,
    screens::page,
};
use wharf_core::{
    base::{error::Error, text},
    launch::{level::Level, plan::Workload},
};

impl Page {
    /// Follows the output from its beginning, after the workload was started again.
    pub fn watch_again(&mut self, clock: u64) -> Vec<Effect> {
        self.again(clock);
        let (backend, id) = (self.workload.backend.clone(), self.workload.id.clone());
        vec![Effect::Run(RunEffect::Logs { backend, id, times: self.output.times })]
    }

    /// Keeps how output is read, for the next page and the next start.
    fn switched(&self, model: &mut Model) -> Vec<Effect> {
        let output = &self.output;
        model.switches = Switches { wrap: output.wrap, times: output.times };
        vec![Effect::KeepSwitches(model.switches)]
    }

    /// Writes the shown output into a new file, as a job.
    fn save(&self, model: &mut Model) -> Vec<Effect> {
        let name = file_name(&self.workload.name, model.now);
        let job = model.job(format!("save the output as {name}"));
        vec![Effect::Run(RunEffect::SaveOutput { job, name, lines: self.output.count(), text: self.output.text() })]
    }

    /// The tasks that it is made of, where its backend tells them.
    fn tasks<'a>(&'a self, model: &'a Model) -> impl Iterator<Item = &'a Workload> {
        let of = format!("{}_", self.workload.id);
        model.lists.parts(&self.workload.backend).filter(move |one| one.id.starts_with(&of))
    }

    /// Asks which of its tasks is to be opened.
    fn choose_a_task(&self, model: &mut Model) -> Vec<Effect> {
        let item = |one: &Workload| {
            let (sign, word) = one.state.label();
            Item { value: one.id.clone(), ..Item::plain(one.full_id(), format!("{sign} {word}")) }
        };
        let items: Vec<Item> = self.tasks(model).map(item).collect();
        model.pick(Pick::new("Task", Purpose::Task(self.workload.backend.clone()), items))
    }

    /// Asks to change the workload, if the last frame showed it.
    fn change(&self, action: Action, model: &mut Model) -> Vec<Effect> {
        let Some(seen) = model.act_on(self.workload.seen()) else { return Vec::new() };
        vec![Effect::Go(Navigation::Change { action, seen, workload: Box::new((*self.workload).clone()) })]
    }
}

/// The level after this one when the key is pressed again; after the most serious one all lines are shown.
fn next_level(least: Option<Level>) -> Option<Level> {
    match least {
        None => Some(Level::Info),
        Some(Level::Debug | Level::Info) => Some(Level::Note),
        Some(Level::Note) => Some(Level::Warning),
        Some(Level::Warning) => Some(Level::Error),
        Some(Level::Error) => None,
    }
}

/// The name of a file for output: the workload's name as far as it is good for one, and the time.
fn file_name(workload: &str, now: i64) -> String {
    let good = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let name: String = workload.chars().take(60).map(good).collect();
    let time = text::timestamp(now).replace(':', "");
    format!("{}-{time}.log", name.trim_start_matches(['.', '-']))
}

impl page::Page for Page {
    fn scope(&self) -> &'static str {
        "workload"
    }

    fn header(&self, _model: &Model) -> (String, String) {
        (format!("Workloads › {}", self.workload.name), self.workload.full_id())
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
        self.view(frame, area, theme, model);
    }

    fn offered(&self) -> &'static [Action] {
        use Action as A;
        if self.output.searches() {
            return &[
                A::NextMatch,
                A::PreviousMatch,
                A::Search,
                A::OnlyMatches,
                A::Back,
                A::NextError,
                A::SaveOutput,
                A::Last,
                A::Shell,
                A::Stop,
                A::Help,
            ];
        }
        &[
            A::Shell,
            A::Attach,
            A::Stop,
            A::Start,
            A::Again,
            A::Remove,
            A::Search,
            A::NextError,
            A::SaveOutput,
            A::Times,
            A::Snapshot,
            A::Restart,
            A::Open,
            A::CopyId,
            A::Last,
            A::Back,
            A::Help,
        ]
    }

    fn label(&self, action: Action, _model: &Model) -> &'static str {
        match action {
            Action::Back if self.output.searches() => "end search",
            Action::Open => "tasks",
            _ => action.words(),
        }
    }

    fn hides(&self, action: Action, model: &Model) -> bool {
        if action == Action::Open {
            return self.tasks(model).next().is_none();
        }
        model.why_lacking(&self.workload.backend, action).is_some()
    }

    fn disabled(&self, action: Action, model: &Model) -> Option<String> {
        let why = match action {
            Action::NextMatch | Action::PreviousMatch | Action::OnlyMatches if !self.output.searches() => {
                let key = model.keymap.label("workload", Action::Search);
                return Some(format!("nothing is looked for: {key} begins a search"));
            }
            Action::NextError if self.output.tells(Level::Error) == 0 => "no line tells of an error",
            Action::SaveOutput if self.output.count() == 0 => "there is no output yet",
            Action::Open if self.tasks(model).next().is_none() => "no tasks of it are known",
            _ => return model.why_not(action, Some(&*self.workload)),
        };
        Some(why.to_owned())
    }

    fn panes_alone(&self, _model: &Model) -> &'static [Alone] {
        &[Alone::Focused]
    }

    fn is_typing(&self) -> bool {
        self.output.typing.is_some()
    }

    fn typing_hints(&self) -> (Action, &'static [(&'static str, &'static str)]) {
        (Action::Search, &[("enter", "done"), ("esc", "leave it"), ("↑ ↓", "match before, next match")])
    }

    fn drawn(&mut self, _model: &Model) {
        self.workload.drawn();
    }

    fn walk(&mut self, action: Action, model: &mut Model) -> bool {
        let room = self.room(model);
        self.output.go(action, room)
    }

    fn act(&mut self, action: Action, model: &mut Model) -> Vec<Effect> {
        let room = self.room(model);
        match action {
            Action::Refresh => return vec![Effect::Run(RunEffect::Workloads)],
            Action::Search => self.output.begin(),
            Action::NextMatch => self.output.next(true, room),
            Action::PreviousMatch => self.output.next(false, room),
            Action::OnlyMatches => self.output.toggle_only(),
            Action::NextError => {
                if !self.output.next_error(room) {
                    model.say("no line that is shown tells of an error");
                }
            }
            Action::Follow => self.output.toggle_follow(),
            Action::SaveOutput => return self.save(model),
            Action::Wrap => {
                self.output.wrap = !self.output.wrap;
                return self.switched(model);
            }
            Action::Level => {
                self.output.set_least(next_level(self.output.least()));
                return Vec::new();
            }
            Action::Times => {
                self.output.times = !self.output.times;
                self.times_wanted = self.output.times;
                let kept = self.switched(model);
                return [self.watch_again(model.clock), kept].concat();
            }
            Action::Stop | Action::Start | Action::Restart | Action::Snapshot | Action::Remove => {
                return self.change(action, model);
            }
            Action::Open => return self.choose_a_task(model),
            Action::Again => return vec![Effect::Go(Navigation::Again(EarlierLaunch::Of(self.workload.key())))],
            Action::CopyId => return model.copy(self.workload.full_id()),
            Action::Shell | Action::Attach => {
                let workload = Box::new((*self.workload).clone());
                return vec![Effect::Go(Navigation::Console { workload, shell: action == Action::Shell })];
            }
            _ => {}
        }
        Vec::new()
    }

    fn type_key(&mut self, key: &KeyEvent, model: &mut Model) -> Vec<Effect> {
        let room = self.room(model);
        let output = &mut self.output;
        match key.code {
            _ if leaves(key) => output.end(false),
            KeyCode::Enter => output.end(true),
            KeyCode::Down => output.next(true, room),
            KeyCode::Up => output.next(false, room),
            _ => {
                if output.typing.as_mut().is_some_and(|typing| typing.input.key(key)) {
                    output.typed(room);
                }
            }
        }
        Vec::new()
    }

    fn paste(&mut self, text: &str, model: &mut Model) -> Result<Vec<Effect>, String> {
        if let Some(typing) = &mut self.output.typing {
            typing.input.paste(text)?;
            let room = self.room(model);
            self.output.typed(room);
        }
        Ok(Vec::new())
    }

    fn handle_back(&mut self) -> bool {
        self.output.forget()
    }

    fn followed(&self, _model: &Model) -> Vec<String> {
        vec![self.workload.backend.clone()]
    }

    fn awaits(&self, _model: &Model) -> bool {
        self.usage.is_none() && self.workload.state.is_live()
    }

    fn measured(&self, _lines: usize) -> Vec<WorkloadId> {
        if self.workload.state.is_live() { vec![self.workload.key()] } else { Vec::new() }
    }

    fn failures(&self) -> Vec<String> {
        self.ended.iter().filter_map(|ended| ended.as_ref().err()).map(Error::full_text).collect()
    }

    fn leave(&self) -> &'static [Slot] {
        &[Slot::Logs, Slot::Again]
    }
}
