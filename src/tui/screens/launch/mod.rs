//! The launch screen: the form on one side, the plan and its risks on the other.

mod actions;
mod again;
mod form_view;
mod gate_view;
mod lock_choice;
mod locked;
mod notes;
mod plan_view;
mod regions;

use ratatui::{Frame, layout::Rect};

use crate::{
    kit::{
        input::Input,
        list::{DrawnItem, ListCursor},
        panel,
        theme::Theme,
    },
    model::Model,
};
use wharf_core::{
    base::error::Error,
    image::{model::Image, reference::ImageRef},
    launch::{
        form::{Answers, Field, FieldKind, Form, Section},
        ledger::LaunchAgain,
        plan::Plan,
        room::Gate,
        safer::{self, SaferAnswer},
    },
};

/// One line of the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormLine {
    /// The choice of the backend.
    Backend,
    /// The choice between the bytes of the lock file of this folder and those of today.
    Lock,
    /// The title of a section, by its number.
    Title(usize),
    /// A question: the number of its section, and its number in that section.
    Question(usize, usize),
}

/// The state of the launch screen.
#[derive(Debug)]
pub struct Page {
    /// The image that will be launched.
    pub image: Image,
    /// The names of the backends to choose from.
    pub backends: Vec<String>,
    /// The index of the chosen backend.
    pub backend: usize,
    /// The chosen backend's form, once it has arrived.
    pub form: Option<Form>,
    /// The person's answers; missing ones are the form's defaults.
    pub answers: Answers,
    /// The plan of these answers, once it has arrived.
    pub plan: Option<DrawnItem<Plan>>,
    /// Why there is no form or plan.
    pub error: Option<Error>,
    /// The selected line of [`Page::lines`].
    pub at: ListCursor,
    /// The text of the field that is being edited.
    pub editing: Option<Input>,
    /// The first visible line of the plan.
    pub plan_top: u16,
    /// The number of the job that carries out the plan.
    pub job: Option<u64>,
    /// Whether keys scroll the plan instead of moving in the form.
    pub in_plan: bool,
    /// Whether the person chose the backend: then it is not replaced if it does not answer.
    pub chosen: bool,
    /// Indexes of backends that cannot launch such an image: the choice skips them.
    pub refusing: Vec<usize>,
    /// Whether the last choice of a backend went forward.
    pub forward: bool,
    /// The number of the preset whose answers are used, if any.
    pub preset: Option<usize>,
    /// The answers that the person gave before those of a preset took their place.
    before_presets: Answers,
    /// The launch that is made again; `None` for a new one.
    again: Option<again::Again>,
    /// What the lock file of this folder says about the image.
    lock: locked::Lock,
    /// The titles of the last form's sections, and whether they were folded.
    pub folded: Vec<(&'static str, bool)>,
}

impl Page {
    /// A launch screen for an image, with these backends.
    pub fn new(image: Image, backends: Vec<String>) -> Self {
        // A cloud's image is launched by the same cloud.
        let own = match &image.reference {
            ImageRef::Glance { cloud, .. } => backends.iter().position(|name| name == cloud),
            _ => None,
        };
        Self {
            image,
            backends,
            backend: own.unwrap_or(0),
            form: None,
            answers: Answers::default(),
            plan: None,
            error: None,
            at: ListCursor::default(),
            editing: None,
            plan_top: 0,
            job: None,
            in_plan: false,
            chosen: false,
            refusing: Vec::new(),
            forward: true,
            preset: None,
            before_presets: Answers::default(),
            again: None,
            lock: locked::Lock::default(),
            folded: Vec::new(),
        }
    }

    /// A launch screen for what was launched before, with its backend and its answers.
    pub fn again(again: LaunchAgain, backends: Vec<String>) -> Self {
        let LaunchAgain { record, image, tag } = again;
        let mut changes: Vec<String> = tag.into_iter().collect();
        let mut page = Self::new(image, backends);
        match page.backends.iter().position(|name| *name == record.plan.backend) {
            Some(at) => (page.backend, page.chosen) = (at, true),
            None => changes.push(format!("the backend {} is not here any more", record.plan.backend)),
        }
        page.answers = record.answers();
        page.again = Some(again::Again::new(record, changes));
        page
    }

    /// The policy's gate for the shown plan; `None` if the policy was not asked or there is no plan.
    fn gate(&self) -> Option<Gate> {
        let gate = self.form.as_ref()?.gate.as_ref()?;
        Some(gate.with(self.plan.as_ref()?.isolation))
    }

    /// The next answer that makes the launch safer: what the policy demands, else what mends the first risk.
    fn safer_answer(&self, model: &Model) -> Option<SaferAnswer> {
        let form = self.form.as_ref()?;
        let demanded = self.gate().and_then(|gate| safer::demanded(&gate, form));
        let root = self.image.config.runs_as_root();
        demanded.or_else(|| safer::next(form, &self.answers, root, model.user))
    }

    /// The name of the chosen backend.
    pub fn backend_name(&self) -> String {
        self.backends.get(self.backend).cloned().unwrap_or_default()
    }

    /// The lines of the form as shown: the backend, the lock file if it names the image, then each section. Titles are shown if there are several sections;
    /// a folded section has only its title.
    pub fn lines(&self) -> Vec<FormLine> {
        let sections = self.sections();
        let mut lines = vec![FormLine::Backend];
        lines.extend(self.lock.is_shown().then_some(FormLine::Lock));
        for (number, section) in sections.iter().enumerate() {
            lines.extend((sections.len() > 1).then_some(FormLine::Title(number)));
            if sections.len() < 2 || !section.folded {
                lines.extend((0..section.fields.len()).map(|at| FormLine::Question(number, at)));
            }
        }
        lines
    }

    fn sections(&self) -> &[Section] {
        self.form.as_ref().map_or(&[], |form| &form.sections)
    }

    /// The number of lines of the form.
    pub fn count(&self) -> usize {
        self.lines().len()
    }

    /// The line that is selected in the form.
    fn line(&self) -> FormLine {
        self.lines().get(self.at.selected).copied().unwrap_or(FormLine::Backend)
    }

    /// The field of a line; `None` if the line is no question.
    fn question(&self, line: FormLine) -> Option<&Field> {
        match line {
            FormLine::Question(section, at) => self.sections().get(section)?.fields.get(at),
            FormLine::Backend | FormLine::Lock | FormLine::Title(_) => None,
        }
    }

    /// The field of the selected line; `None` if that is no question.
    pub fn field(&self) -> Option<&Field> {
        self.question(self.line())
    }

    /// Whether the selected line belongs to a section that can be folded.
    pub fn may_fold(&self) -> bool {
        self.sections().len() > 1 && matches!(self.line(), FormLine::Title(_) | FormLine::Question(..))
    }

    /// Folds or unfolds the section of the selected line, and selects its title.
    pub fn fold(&mut self) {
        let (FormLine::Title(number) | FormLine::Question(number, _)) = self.line() else { return };
        if let Some(section) = self.form.as_mut().and_then(|form| form.sections.get_mut(number)) {
            section.folded = !section.folded;
        }
        let title = self.lines().iter().position(|line| *line == FormLine::Title(number));
        self.at.selected = title.unwrap_or(self.at.selected);
    }

    /// Whether a section is folded.
    fn is_folded(&self, number: usize) -> bool {
        let section = self.form.as_ref().and_then(|form| form.sections.get(number));
        section.is_some_and(|section| section.folded)
    }

    /// Shows a backend's form; sections that the person folded or unfolded stay so.
    pub fn set_form(&mut self, mut form: Form) {
        for section in &mut form.sections {
            let known = self.folded.iter().find(|(title, _)| *title == section.title);
            section.folded = known.map_or(section.folded, |(_, folded)| *folded);
        }
        self.form = Some(form);
        self.preset = None;
        self.at.selected = self.at.selected.min(self.count().saturating_sub(1));
    }

    /// The current answer of a field, or its default.
    pub fn answer(&self, field: &Field) -> String {
        self.answers.0.get(field.key).cloned().unwrap_or_else(|| field.default.clone())
    }

    /// Sets the answer of the selected field, and drops the plan.
    pub fn set(&mut self, answer: String) {
        if let Some(key) = self.field().map(|field| field.key.to_owned()) {
            self.answers.0.insert(key, answer);
            // The shown plan is of other answers: it must not be carried out.
            self.plan = None;
        }
    }

    /// Drops the form and the plan: another form is asked for. Sections that the person folded or unfolded stay so.
    fn drop_form(&mut self) {
        self.folded = self.sections().iter().map(|section| (section.title, section.folded)).collect();
        self.form = None;
        self.plan = None;
        self.error = None;
    }

    /// Chooses the next or previous value of the selected line; `true` if it changed.
    pub fn turn_value(&mut self, forward: bool) -> bool {
        if self.line() == FormLine::Backend {
            if self.backends.len() < 2 {
                return false;
            }
            let (step, count) = (if forward { 1 } else { self.backends.len() - 1 }, self.backends.len());
            let next = (1..=count).map(|steps| (self.backend + steps * step) % count);
            let Some(next) = next.into_iter().find(|at| !self.refusing.contains(at)) else { return false };
            if next == self.backend {
                return false;
            }
            (self.backend, self.forward) = (next, forward);
            self.drop_form();
            self.chosen = true;
            return true;
        }
        if self.line() == FormLine::Lock {
            self.turn_lock();
            return true;
        }
        let Some(field) = self.field() else { return false };
        let now = self.answer(field);
        let options: Vec<String> = match &field.kind {
            FieldKind::Flag => vec!["no".into(), "yes".into()],
            FieldKind::Choice(options) => options.clone(),
            FieldKind::Number { least, most } => {
                let number: u64 = now.parse().unwrap_or(*least);
                let next =
                    if forward { number.saturating_add(1).min(*most) } else { number.saturating_sub(1).max(*least) };
                self.set(next.to_string());
                return true;
            }
            _ => return false,
        };
        let place = options.iter().position(|option| *option == now).unwrap_or(0);
        let next = (place + if forward { 1 } else { options.len() - 1 }) % options.len();
        if let Some(option) = options.get(next) {
            self.set(option.clone());
        }
        true
    }

    /// Draws the form, the plan and what will be sent beside each other as far as there is room, and the gate below.
    pub fn view(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
        let parts = self.regions(area);
        if parts.fields.width > 0 {
            self.form_view(frame, &parts, theme, model);
        }
        self.summary_view(frame, parts.summary, theme, model);
        let rules = self.plan_view(frame, &parts, theme, model);
        if parts.is_wide() {
            let x = parts.plan.x.saturating_sub(1);
            panel::divider(frame, x, parts.plan, None, theme);
            let help = (parts.help.height > 1).then_some(parts.help.y);
            joints(frame, x, parts.rule.y, (help, &rules), theme);
        }
        if parts.request.width > 0 {
            self.request_view(frame, parts.request, theme, model);
            let x = parts.request.x.saturating_sub(1);
            panel::divider(frame, x, parts.request, None, theme);
            for line in &rules {
                panel::joint(frame, x, *line, if *line == parts.rule.y { "┬" } else { "┤" }, theme);
            }
        }
        self.gate_view(frame, parts.gate, theme, model);
    }
}

/// Joins the rules left and right of a line between panes to it; `top` is the rule over both.
fn joints(frame: &mut Frame<'_>, x: u16, top: u16, (left, right): (Option<u16>, &[u16]), theme: &Theme) {
    for line in right {
        let sign = match (*line == top, left == Some(*line)) {
            (true, _) => "┬",
            (false, true) => "┼",
            (false, false) => "├",
        };
        panel::joint(frame, x, *line, sign, theme);
    }
    if let Some(line) = left.filter(|line| !right.contains(line)) {
        panel::joint(frame, x, line, "┤", theme);
    }
}
