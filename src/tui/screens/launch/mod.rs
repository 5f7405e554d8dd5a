//! The launch screen: the form on one side, the plan and its risks on the other.

mod actions;

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use crate::{
    core::{
        base::error::Error,
        image::{model::Image, reference::ImageRef},
        launch::{
            form::{Answers, Field, FieldKind, Form},
            plan::Plan,
        },
    },
    tui::kit::{
        input::Input,
        list::{Drawn, Position},
        theme::{Depth, Theme},
        widgets::{below, failure, fit, put, row, select, weight, wrap},
    },
};

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
    /// The selected line: 0 is the backend, then the fields.
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
        }
    }

    /// The last line of the plan that can stand first, on a terminal of this size: no more than what is below is hidden.
    pub fn plan_end(&self, size: (u16, u16)) -> u16 {
        let area = self.plan_area(Rect::new(0, 1, size.0, size.1.saturating_sub(2)));
        let count = self.plan_rows(area.width, &Theme::load("default", None, Depth::None)).len();
        u16::try_from(count).unwrap_or(u16::MAX).saturating_sub(area.height.max(1))
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

    /// Lines of the form.
    pub fn count(&self) -> usize {
        1 + self.form.as_ref().map_or(0, |form| form.fields.len())
    }

    /// The selected field.
    pub fn field(&self) -> Option<&Field> {
        self.form.as_ref()?.fields.get(self.at.selected.checked_sub(1)?)
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
        if self.at.selected == 0 {
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
        let plan_area = self.plan_area(area);
        let rows = self.plan_rows(plan_area.width, theme);
        // Where the plan became shorter or the terminal larger, its end stays at the bottom.
        let end = rows.len().saturating_sub(usize::from(plan_area.height));
        let top = usize::from(self.plan_top).min(end);
        for (number, line) in rows.into_iter().skip(top).take(usize::from(plan_area.height)).enumerate() {
            put(frame, row(plan_area, number as u16), line);
        }
    }

    /// The plan as it stands in so many columns: what is too long runs on in the next row.
    fn plan_rows(&self, columns: u16, theme: &Theme) -> Vec<Line<'static>> {
        let room = usize::from(columns).max(1);
        let rows = |line: Line<'static>| {
            if line.width() <= room {
                return vec![line];
            }
            let style = line.spans.last().map_or(line.style, |span| line.style.patch(span.style));
            wrap(&line.to_string(), room).into_iter().map(|part| Line::styled(part, style)).collect()
        };
        self.plan_lines(columns, theme).into_iter().flat_map(rows).collect()
    }

    fn form_view(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
        let label_width = 13;
        let value_width = (area.width as usize).saturating_sub(label_width + 3);
        let height = (area.height as usize).saturating_sub(2);
        let top = self.at.window(self.count(), height);
        for number in top..self.count().min(top + height) {
            let (label, value, turns) = if number == 0 {
                ("Backend", self.backend_name(), self.backends.len() > 1)
            } else {
                let Some(field) = self.form.as_ref().and_then(|form| form.fields.get(number - 1)) else { continue };
                (
                    field.label,
                    self.answer(field),
                    !matches!(field.kind, FieldKind::Text | FieldKind::Words | FieldKind::Size),
                )
            };
            let selected = number == self.at.selected && !self.in_plan;
            let editing = if selected { self.editing.as_ref() } else { None };
            let shown = match editing {
                Some(input) => input.window(value_width).0,
                None if turns && selected => format!("‹ {value} ›"),
                None if value.is_empty() => "–".into(),
                None => value,
            };
            let line = Line::from(vec![
                Span::styled(format!(" {} ", fit(label, label_width)), theme.style("dim")),
                Span::styled(fit(&shown, value_width), theme.style("text")),
            ]);
            let place = row(area, (number - top) as u16);
            put(frame, place, if editing.is_some() { line } else { select(line, selected, theme) });
            if let Some(input) = editing {
                let column = (label_width + 2 + input.window(value_width).1) as u16;
                frame.set_cursor_position((place.x + column.min(place.width.saturating_sub(1)), place.y));
            }
        }
        let help = if self.at.selected == 0 {
            "where it runs: ← → choose another"
        } else {
            self.field().map_or("", |field| field.help)
        };
        let place = row(area, area.height.saturating_sub(1));
        put(frame, place, Line::styled(fit(&format!(" {help}"), area.width as usize), theme.style("dim")));
    }

    fn plan_lines(&self, columns: u16, theme: &Theme) -> Vec<Line<'static>> {
        if let Some(error) = &self.error {
            return failure(error, theme);
        }
        let Some(plan) = &self.plan else {
            return vec![Line::styled(" making the plan…", theme.style("dim"))];
        };
        let mut lines = vec![Line::styled("What it may do", theme.style("title"))];
        // What matters most comes first.
        let mut risks = plan.risks.clone();
        risks.sort_by_key(|risk| std::cmp::Reverse(risk.weight));
        let width = usize::from(columns).saturating_sub(4).max(10);
        for risk in risks {
            // What runs on stands under what it goes on from.
            for (number, part) in wrap(&risk.text, width).into_iter().enumerate() {
                let sign = if number == 0 { risk.weight.sign() } else { " " };
                lines.push(Line::from(vec![
                    Span::styled(format!(" {sign} "), theme.style(weight(risk.weight))),
                    Span::styled(part, theme.style("text")),
                ]));
            }
        }
        lines.push(Line::raw(""));
        lines.push(Line::styled("What will be sent", theme.style("title")));
        lines.push(Line::styled(format!(" {}", plan.image.digest), theme.style("dim")));
        lines.extend(
            plan.steps
                .iter()
                .enumerate()
                .map(|(number, step)| Line::styled(format!(" {}. {step}", number + 1), theme.style("text"))),
        );
        let request = plan.request.shown();
        lines.extend(request.lines().map(|line| Line::styled(format!(" {line}"), theme.style("dim"))));
        lines
    }
}
