//! The launch screen's part in the application: its keys, and the results that it waits for.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::{Frame, layout::Rect};

use super::{FormLine, Page};
use crate::{
    kit::{
        action::Action,
        input::{Input, leaves},
        list::{CursorLines, DrawnItem, ListCursor, NotSeen, ScrollArea},
        theme::Theme,
    },
    model::Model,
    msg::{Effect, ImageTarget, Navigation, RunEffect, Slot},
    popups::Popup,
    screens::page,
};
use wharf_core::{
    base::error::{Error, Kind, Result},
    launch::{
        form::{Answers, FieldKind, Form},
        plan::Plan,
        room::{Gate, GateRequirement},
        script,
    },
};

impl Page {
    /// Asks for a plan of the current answers.
    pub fn replan(&mut self) -> Vec<Effect> {
        self.plan = None;
        self.error = None;
        self.again.iter_mut().for_each(|again| again.plan_arrived(None));
        vec![Effect::Run(RunEffect::Plan {
            backend: self.backend_name(),
            image: Box::new(self.image.clone()),
            answers: self.answers.clone(),
        })]
    }

    /// Asks the chosen backend for its form.
    pub fn ask_form(&self) -> Effect {
        let image = Box::new(self.image.clone());
        Effect::Run(RunEffect::Form { backend: self.backend_name(), image, lock: self.lock.wish() })
    }

    /// A backend's form has arrived, or the reason why there is none.
    pub fn form_arrived(&mut self, result: Result<(String, Form)>, model: &mut Model) -> Vec<Effect> {
        match result {
            Ok((backend, form)) if backend == self.backend_name() => {
                // Answers that are valid in the new form, too, are kept.
                let refused = form.not_taken(&self.answers);
                self.answers.0.retain(|key, _| refused.iter().all(|(other, _)| other != key));
                self.again.iter_mut().for_each(|again| again.form_arrived(&form));
                self.set_form(form);
                return self.replan();
            }
            Ok(_) => {}
            // A backend that does not answer is skipped, unless the person chose it.
            Err(error) if !self.chosen && self.form.is_none() && self.backend + 1 < self.backends.len() => {
                let gone = self.backend_name();
                self.backend += 1;
                model.say(format!("{gone} cannot: {}", error.why));
                return vec![self.ask_form()];
            }
            // A backend that cannot launch such an image is skipped even if the person chose it.
            Err(error) if error.kind == Kind::Unsupported && self.chosen && self.form.is_none() => {
                let (gone, at, forward) = (self.backend_name(), self.backend, self.forward);
                self.refusing.push(at);
                let place = std::mem::take(&mut self.at.selected);
                let turned = self.turn_value(forward);
                self.at.selected = place;
                if !turned {
                    self.error = Some(error);
                    return Vec::new();
                }
                model.say(format!("{gone} cannot: {}", error.why));
                return vec![self.ask_form()];
            }
            Err(error) => self.error = Some(error),
        }
        Vec::new()
    }

    /// The gate of the plan that is being made has arrived: it counts, as evidence may have come since the form did.
    pub fn gate_arrived(&mut self, backend: &str, gate: Gate) {
        let form = self.form.as_mut().filter(|_| self.backends.get(self.backend).is_some_and(|name| name == backend));
        if let Some(form) = form {
            form.gate = Some(gate);
        }
    }

    /// A plan has arrived, or the reason why there is none.
    pub fn plan_arrived(&mut self, result: Result<Plan>) {
        match result {
            // A plan that was asked for before the backend was changed is of another one.
            Ok(plan) if plan.backend != self.backend_name() || self.form.is_none() => {}
            Ok(plan) => {
                self.error = None;
                self.again.iter_mut().for_each(|again| again.plan_arrived(Some(&plan)));
                self.plan = Some(DrawnItem::new(plan));
            }
            Err(error) => self.error = Some(error),
        }
    }

    /// Why a key that carries out the plan does nothing while there is none. A plan that was not on the screen yet is never
    /// carried out, so the key does not wait for it.
    fn lacks_plan(&self) -> &'static str {
        if self.error.is_some() {
            "there is no plan, for the reason shown"
        } else if self.form.is_none() {
            "the backend has not told its form yet"
        } else {
            "the plan is still being made; press it again then"
        }
    }

    /// Enter or a click on the selected line: folds a section, or changes the answer.
    fn edit(&mut self) -> Vec<Effect> {
        if let FormLine::Title(_) = self.line() {
            self.fold();
            return Vec::new();
        }
        if self.field().is_some_and(|field| field.kind == FieldKind::Lines) {
            return self.edit_plan();
        }
        match self.field().filter(|field| field.is_typed()).map(|field| self.answer(field)) {
            Some(now) => {
                self.editing = Some(Input::new(now));
                Vec::new()
            }
            None => self.turned(true),
        }
    }

    /// Sets the selected field to its next or previous value.
    fn turned(&mut self, forward: bool) -> Vec<Effect> {
        if let FormLine::Title(number) = self.line() {
            // As in a tree: one key opens, the other closes.
            if self.is_folded(number) == forward {
                self.fold();
            }
            return Vec::new();
        }
        if !self.turn_value(forward) {
            return Vec::new();
        }
        // The answers of another backend, or of other bytes, are asked for anew.
        if matches!(self.line(), FormLine::Backend | FormLine::Lock) { vec![self.ask_form()] } else { self.replan() }
    }

    /// Carries out the shown plan, as a job.
    fn confirm(&mut self, model: &mut Model) -> Vec<Effect> {
        let seen = self.plan.as_ref().map_or(Err(NotSeen::Nothing), DrawnItem::seen);
        let (Some(_), Some(plan)) = (model.act_on(seen), self.plan.as_deref().cloned()) else { return Vec::new() };
        let title = self.image.title();
        let title = title.strip_suffix(&format!(" on {}", plan.backend)).unwrap_or(&title);
        let job = model.job(format!("launch {title} on {}", plan.backend));
        self.job = Some(job);
        model.say_begun("launching");
        vec![Effect::Run(RunEffect::Launch { job, plan: Box::new(plan) })]
    }
}

impl Page {
    /// Uses the answers of the next preset, after the last one the person's own, or those of the form itself.
    fn next_preset(&mut self, model: &mut Model) -> Vec<Effect> {
        let Some(form) = &self.form else { return Vec::new() };
        let answers_of = |preset: Option<usize>| {
            let preset = preset.and_then(|at| form.presets.get(at));
            let asked = preset.into_iter().flat_map(|preset| &preset.answers);
            Answers(
                asked
                    .filter(|(key, _)| form.field(key).is_some())
                    .map(|(key, value)| (key.clone(), value.clone()))
                    .collect(),
            )
        };
        if self.preset.is_none() || self.answers != answers_of(self.preset) {
            self.before_presets = std::mem::take(&mut self.answers);
        }
        let next = self.preset.map_or(0, |at| at + 1);
        if let Some(preset) = form.presets.get(next) {
            self.answers = answers_of(Some(next));
            self.preset = Some(next);
            model.say(format!("preset {} of {}: {}", next + 1, form.presets.len(), preset.name));
        } else {
            self.answers = self.before_presets.clone();
            self.preset = None;
            let own = if self.answers.0.is_empty() { "the form's own answers" } else { "your own answers" };
            model.say(own);
        }
        self.replan()
    }

    /// Puts the next safer answer in the place of the present one, and says which it was.
    fn make_safer(&mut self, model: &mut Model) -> Vec<Effect> {
        let Some(found) = self.safer_answer(model) else {
            model.say("no answer of this form makes it safer");
            return Vec::new();
        };
        model.done(format!("safer: {}", found.words));
        self.answers.0.insert(found.key.to_owned(), found.answer);
        self.replan()
    }

    /// Takes the form's own answer to the selected question again.
    fn forget(&mut self, model: &mut Model) -> Vec<Effect> {
        let key = self.field().map(|field| field.key);
        if key.and_then(|key| self.answers.0.remove(key)).is_none() {
            model.say("this is the form's own answer already");
            return Vec::new();
        }
        self.replan()
    }

    /// Shows all that will be sent, to be read and copied.
    fn show_sent(&self, model: &mut Model) {
        if let Some(plan) = self.plan.as_deref() {
            model.popups.push(Popup::text("What will be sent", plan.shown()));
        }
    }

    /// Opens the person's editor with the plan's text.
    fn edit_plan(&self) -> Vec<Effect> {
        self.plan.as_deref().cloned().map(|plan| Effect::Go(Navigation::Edit(Box::new(plan)))).into_iter().collect()
    }

    /// The editor has ended: what was added to the plan's text becomes answers.
    pub fn edited(&mut self, result: Result<Answers>, model: &mut Model) -> Vec<Effect> {
        match result {
            Ok(answers) if self.plan.as_deref().is_some_and(|plan| plan.answers == answers) => {
                model.say("nothing was added to the script");
                Vec::new()
            }
            Ok(answers) => {
                let lost = self.plan.as_deref().and_then(|plan| {
                    let differs = |(key, value): &(&String, &String)| plan.answers.get(key) != value.as_str();
                    let has = |key: &str| self.form.as_ref().is_some_and(|form| form.field(key).is_some());
                    answers.0.iter().filter(differs).map(|(key, _)| key.clone()).find(|key| !has(key))
                });
                if let Some(key) = lost {
                    let error = Error::usage("edit the script", format!("the rules here leave no place for '{key}'"))
                        .hint("leave these lines out, or ask whoever wrote the rules");
                    model.popups.push(Popup::text("Not taken", error.full_text()));
                    return Vec::new();
                }
                let form = self.form.iter().flat_map(Form::fields);
                let own = form.filter_map(|field| Some((field, answers.0.get(field.key)?)));
                let changed = own.filter(|(field, answer)| self.answer(field) != **answer);
                let changed: Vec<_> = changed.map(|(field, answer)| (field.key.to_owned(), answer.clone())).collect();
                self.answers.0.extend(changed);
                model.say("the script has your lines: read the plan");
                self.replan()
            }
            Err(error) => {
                model.popups.push(Popup::text("Not taken", error.full_text()));
                Vec::new()
            }
        }
    }

    /// Saves the shown plan as a script, as a job.
    fn save_script(&mut self, model: &mut Model) -> Vec<Effect> {
        let Some(plan) = self.plan.as_deref() else { return Vec::new() };
        match script::script(plan) {
            Ok(text) => {
                let name = format!("launch-{}.sh", plan.idempotency_key);
                let job = model.job(format!("save the script {name}"));
                vec![Effect::Run(RunEffect::SaveScript { job, name, text })]
            }
            Err(error) => {
                model.say(error.full_text());
                Vec::new()
            }
        }
    }
}

impl page::Page for Page {
    fn scope(&self) -> &'static str {
        "launch"
    }

    fn header(&self, model: &Model) -> (String, String) {
        let key = model.keymap.label("launch", Action::Confirm);
        (format!("Images › {} › Launch", self.image.title()), format!("check the plan, then {key}"))
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
        self.view(frame, area, theme, model);
    }

    fn offered(&self) -> &'static [Action] {
        &[
            Action::Confirm,
            Action::Open,
            Action::Right,
            Action::Fold,
            Action::Safer,
            Action::NextPane,
            Action::Sent,
            Action::Edit,
            Action::Request,
            Action::Back,
            Action::Help,
            Action::Preset,
            Action::Script,
        ]
    }

    fn label(&self, action: Action, _model: &Model) -> &'static str {
        match action {
            Action::NextPane if self.in_plan => "answers",
            Action::NextPane => "plan",
            _ => action.words(),
        }
    }

    fn hides(&self, action: Action, _model: &Model) -> bool {
        match action {
            Action::Fold => self.sections().len() < 2,
            Action::Request => self.gate().is_none_or(|gate| gate.passage == GateRequirement::Open),
            Action::Preset => self.form.as_ref().is_none_or(|form| form.presets.is_empty()),
            Action::Edit => self.form.as_ref().is_none_or(|form| !form.editable),
            _ => false,
        }
    }

    fn disabled(&self, action: Action, model: &Model) -> Option<String> {
        match action {
            Action::Confirm if self.job.is_some() => Some("it is being launched".to_owned()),
            Action::Preset | Action::Safer if self.form.is_none() => {
                Some("the backend has not told its form yet".to_owned())
            }
            Action::Preset if self.form.as_ref().is_none_or(|form| form.presets.is_empty()) => {
                Some("there is no preset for this image here".to_owned())
            }
            Action::Fold if !self.may_fold() => Some("this line is in no section".to_owned()),
            Action::Confirm if self.plan.is_none() => Some(format!("nothing was sent: {}", self.lacks_plan())),
            Action::Edit if self.form.as_ref().is_some_and(|form| !form.editable) => {
                Some("a plan of this backend has no text that could be edited".to_owned())
            }
            Action::Script | Action::Sent | Action::Edit if self.plan.is_none() => Some(self.lacks_plan().to_owned()),
            Action::Confirm => {
                self.gate().filter(|gate| gate.passage == GateRequirement::Closed).map(|gate| gate.grounds)
            }
            Action::Request if !model.requests => {
                Some("the site has no place for admitted images: [requests] admitted".to_owned())
            }
            _ => None,
        }
    }

    fn is_typing(&self) -> bool {
        self.editing.is_some()
    }

    fn list<'a>(&'a mut self, model: &'a mut Model) -> Option<ScrollArea<'a>> {
        let count = self.count();
        let area = self.regions(model.body()).fields;
        Some(ScrollArea::new(CursorLines(&mut self.at, count), area))
    }

    fn drawn(&mut self, _model: &Model) {
        self.plan.iter_mut().for_each(DrawnItem::drawn);
    }

    fn walk(&mut self, action: Action, model: &mut Model) -> bool {
        // The wheel must not take the typed text to another question.
        if self.editing.is_some() {
            return true;
        }
        let lines = model.page();
        if !self.in_plan {
            return self.list(model).is_some_and(|mut shown| {
                let lines = shown.page();
                shown.list.go(action, lines)
            });
        }
        let mut at = ListCursor { selected: usize::from(self.plan_top), top: 0 };
        let moved = at.go(action, usize::from(self.plan_end(&self.regions(model.body()), model)) + 1, lines);
        self.plan_top = at.selected as u16;
        moved
    }

    fn act(&mut self, action: Action, model: &mut Model) -> Vec<Effect> {
        match action {
            Action::Open => return self.edit(),
            Action::Fold => self.fold(),
            Action::NextPane => self.in_plan = !self.in_plan,
            Action::Left | Action::Right => return self.turned(action == Action::Right),
            Action::Confirm => return self.confirm(model),
            Action::Script => return self.save_script(model),
            Action::Edit => return self.edit_plan(),
            Action::Sent => self.show_sent(model),
            Action::Forget => return self.forget(model),
            Action::Safer => return self.make_safer(model),
            Action::Request => {
                return vec![Effect::Go(Navigation::Ask(ImageTarget::Reference(self.image.reference.clone())))];
            }
            Action::Preset => return self.next_preset(model),
            _ => {}
        }
        Vec::new()
    }

    fn type_key(&mut self, key: &KeyEvent, model: &mut Model) -> Vec<Effect> {
        let Some(input) = &mut self.editing else { return Vec::new() };
        match key.code {
            _ if leaves(key) => self.editing = None,
            KeyCode::Enter | KeyCode::Tab | KeyCode::Down => {
                let text = input.text.clone();
                match self.field().and_then(|field| field.refuse(&text)) {
                    Some(why) => model.say(why),
                    None => {
                        self.editing = None;
                        self.set(text);
                        return self.replan();
                    }
                }
            }
            _ => _ = input.key(key),
        }
        Vec::new()
    }

    fn paste(&mut self, text: &str, _model: &mut Model) -> std::result::Result<Vec<Effect>, String> {
        if let Some(input) = &mut self.editing {
            input.paste(text)?;
        }
        Ok(Vec::new())
    }

    fn clicked(&mut self, column: u16, line: u16, model: &Model) -> bool {
        // An answer that is typed is taken or left first: it belongs to the selected question.
        if self.editing.is_some() {
            return true;
        }
        let parts = self.regions(model.body());
        let is_in = |area: Rect| area.contains((column, line).into());
        if is_in(parts.plan) || is_in(parts.request) || is_in(parts.summary) {
            self.in_plan = true;
            return true;
        }
        self.in_plan &= !is_in(parts.fields);
        false
    }

    fn failures(&self) -> Vec<String> {
        self.error.iter().map(Error::full_text).collect()
    }

    fn leave(&self) -> &'static [Slot] {
        &[Slot::Form, Slot::Plan]
    }
}
