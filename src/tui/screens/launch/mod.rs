//! The launch screen: the form on one side, the plan and its risks on the other.

mod actions;
mod form_view;
mod plan_view;

use ratatui::{Frame, layout::Rect};

use crate::kit::{
    input::Input,
    list::{Drawn, Position},
    theme::Theme,
    widgets::below,
};
use wharf_core::{
    base::error::Error,
    image::{model::Image, reference::ImageRef},
    launch::{
        form::{Answers, Field, FieldKind, Form, Section},
        plan::Plan,
    },
};

/// One line of the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormLine {
    /// The choice of the backend.
    Backend,
    /// The title of a section, by its number.
    Title(usize),
    /// A question: the number of its section, and its own there.
    Question(usize, usize),
}

/// Columns and rows of the form: beside the plan where there is room, else above it.
pub fn form_size(page: &Page, area: Rect) -> (u16, u16) {
    if area.width >= 100 {
        (area.width * 2 / 5, area.height)
    } else {
        (area.width, (page.count() as u16 + 2).min(area.height / 2 + 2).min(area.height))
    }
}

/// The page's state.
#[derive(Debug)]
pub struct Page {
    /// What will be launched.
    pub image: Image,
    /// Backends to choose from.
    pub backends: Vec<String>,
    /// The chosen one.
    pub backend: usize,
    /// Its form, once it came.
    pub form: Option<Form>,
    /// What was answered.
    pub answers: Answers,
    /// The plan of these answers.
    pub plan: Option<Drawn<Plan>>,
    /// Why there is none.
    pub error: Option<Error>,
    /// The selected line of [`Page::lines`].
    pub at: Position,
    /// The field that is being edited.
    pub editing: Option<Input>,
    /// First line of the plan.
    pub plan_top: u16,
    /// The job that carries it out.
    pub job: Option<u64>,
    /// Whether the keys move the plan instead of the form.
    pub in_plan: bool,
    /// Whether the person chose the backend: then no other is taken for them.
    pub chosen: bool,
    /// Backends that said that they do not take such an image: the choice goes past them.
    pub refusing: Vec<usize>,
    /// Which way the choice went last.
    pub forward: bool,
    /// Titles of the last form's sections, and whether they were folded.
    pub folded: Vec<(&'static str, bool)>,
}

impl Page {
    /// A page for an image.
    pub fn new(image: Image, backends: Vec<String>) -> Self {
        // A cloud's image is launched by that cloud.
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
            at: Position::default(),
            editing: None,
            plan_top: 0,
            job: None,
            in_plan: false,
            chosen: false,
            refusing: Vec::new(),
            forward: true,
            folded: Vec::new(),
        }
    }

    /// Where the plan stands: beside the form, or below it.
    fn plan_area(&self, area: Rect) -> Rect {
        let (form_width, form_height) = form_size(self, area);
        if form_width < area.width {
            return Rect::new(area.x + form_width + 1, area.y, area.width.saturating_sub(form_width + 1), area.height);
        }
        below(area, form_height)
    }

    /// The name of the chosen backend.
    pub fn backend_name(&self) -> String {
        self.backends.get(self.backend).cloned().unwrap_or_default()
    }

    /// The lines of the form as it is shown: the backend, then each section. A title stands where there are several, and a
    /// folded section has nothing else.
    pub fn lines(&self) -> Vec<FormLine> {
        let sections = self.sections();
        let mut lines = vec![FormLine::Backend];
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

    /// The selected line.
    fn line(&self) -> FormLine {
        self.lines().get(self.at.selected).copied().unwrap_or(FormLine::Backend)
    }

    /// The question of a line, if it is one.
    fn question(&self, line: FormLine) -> Option<&Field> {
        match line {
            FormLine::Question(section, at) => self.sections().get(section)?.fields.get(at),
            FormLine::Backend | FormLine::Title(_) => None,
        }
    }

    /// The selected field.
    pub fn field(&self) -> Option<&Field> {
        self.question(self.line())
    }

    /// Whether the selected line is in a section that can be folded.
    pub fn may_fold(&self) -> bool {
        self.sections().len() > 1 && self.line() != FormLine::Backend
    }

    /// Folds the section of the selected line, or unfolds it. Its title is selected then.
    pub fn fold(&mut self) {
        let (FormLine::Title(number) | FormLine::Question(number, _)) = self.line() else { return };
        if let Some(section) = self.form.as_mut().and_then(|form| form.sections.get_mut(number)) {
            section.folded = !section.folded;
        }
        let title = self.lines().iter().position(|line| *line == FormLine::Title(number));
        self.at.selected = title.unwrap_or(self.at.selected);
    }

    /// Takes a backend's form: sections that the person folded or unfolded before stay so.
    pub fn take(&mut self, mut form: Form) {
        for section in &mut form.sections {
            let known = self.folded.iter().find(|(title, _)| *title == section.title);
            section.folded = known.map_or(section.folded, |(_, folded)| *folded);
        }
        self.form = Some(form);
        self.at.selected = self.at.selected.min(self.count().saturating_sub(1));
    }

    /// What a field's answer is now.
    pub fn answer(&self, field: &Field) -> String {
        self.answers.0.get(field.key).cloned().unwrap_or_else(|| field.default.clone())
    }

    /// Sets the selected field's answer.
    pub fn set(&mut self, answer: String) {
        if let Some(key) = self.field().map(|field| field.key.to_owned()) {
            self.answers.0.insert(key, answer);
            // The shown plan is of other answers now: it must not be carried out.
            self.plan = None;
        }
    }

    /// Chooses the next or previous value; `true` if something changed.
    pub fn turn(&mut self, forward: bool) -> bool {
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
            self.folded = self.sections().iter().map(|section| (section.title, section.folded)).collect();
            self.form = None;
            self.plan = None;
            self.error = None;
            self.chosen = true;
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

    /// Draws the page.
    pub fn view(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
        let (form_width, form_height) = form_size(self, area);
        self.form_view(frame, Rect::new(area.x, area.y, form_width, form_height), theme);
        self.plan_view(frame, self.plan_area(area), theme);
    }
}
