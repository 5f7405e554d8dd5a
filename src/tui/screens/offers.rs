//! Offers of other projects: to accept or reject, with what happens if they are not answered.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use crate::{
    kit::{
        action::Action,
        list::{Rows, ScrollArea, Scrollable},
        nothing::Nothing,
        theme::Theme,
        widgets::{above, below, cell, failures, put, row, select, vanished_message},
    },
    model::Model,
    msg::{Effect, ImageTarget, Navigation, ShareEffect, Slot},
};
use wharf_core::{
    base::{error::Error, text},
    sharing::offer::Offer,
};

/// The state of the screen.
#[derive(Debug, Default)]
pub struct Page {
    /// The offers that wait for an answer.
    pub rows: Rows<Offer>,
    /// The sources that did not answer.
    pub failed: Vec<(String, Error)>,
}

fn giver(offer: &Offer) -> String {
    if offer.outgoing { "you".to_owned() } else { offer.from.label() }
}

impl Page {
    /// Takes the offers, and the sources that did not answer.
    pub fn arrived(&mut self, all: Vec<Offer>, failed: Vec<(String, Error)>) {
        self.rows.set(all);
        self.failed = failed;
    }

    /// Draws the list, and below it what happens without an answer.
    pub fn view(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
        let now = model.now;
        let area = failures(frame, area, &self.failed, theme);
        let dim = |text: &str| Line::styled(format!("  {text}"), theme.style("dim"));
        let Some(all) = self.rows.all() else { return put(frame, row(area, 1), dim("asking the clouds…")) };
        if all.is_empty() {
            let when = "What other projects share with yours waits here for a yes; without one it is in no list.";
            return Nothing::new("Nobody offers you anything.", when)
                .key(&model.keymap, "catalog", Action::Share, "on an image offers it to others")
                .key(&model.keymap, "offers", Action::Take, "takes a volume with its key")
                .draw(frame, area, theme);
        }
        let width = area.width as usize;
        let (from, since, cloud) = (26.min(width / 3), 10, if width > 80 { 16 } else { 0 });
        let name = width.saturating_sub(from + since + cloud + 5);
        let head =
            format!(" {}{}{}{}", cell("IMAGE", name), cell("FROM", from), cell("CLOUD", cloud), cell("SINCE", since));
        put(frame, row(area, 0), Line::styled(head, theme.style("dim")));
        let lines = above(below(area, 1), 2);
        let top = self.rows.window(lines.height as usize);
        for (number, offer) in all.iter().enumerate().skip(top).take(lines.height as usize) {
            let age = offer.since.map(|since| text::age(since, now)).unwrap_or_default();
            let line = Line::from(vec![
                Span::styled(
                    format!(" {}", cell(&format!("{} {}", offer.title, offer.note), name)),
                    theme.style("text"),
                ),
                Span::styled(cell(&giver(offer), from), theme.style("text")),
                Span::styled(cell(&offer.source, cloud), theme.style("dim")),
                Span::styled(cell(&age, since), theme.style("dim")),
            ]);
            put(
                frame,
                row(lines, (number - top) as u16),
                select(line, self.rows.selected_index() == Some(number), theme),
            );
        }
        let words = match (self.rows.selected(), self.rows.vanished()) {
            (Some(offer), _) => Some(format!("without an answer {}", offer.ignored)),
            (None, gone) => gone.map(vanished_message),
        };
        if let Some(words) = words {
            put(frame, row(area, area.height.saturating_sub(1)), dim(&words));
        }
    }
}

impl super::page::Page for Page {
    fn scope(&self) -> &'static str {
        "offers"
    }

    fn header(&self, _model: &Model) -> (String, String) {
        let waiting = self.rows.all().map_or_else(String::new, |all| format!("{} waiting", all.len()));
        ("Offers".to_owned(), waiting)
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
        self.view(frame, area, theme, model);
    }

    fn offered(&self) -> &'static [Action] {
        use Action as A;
        &[A::Accept, A::Reject, A::Take, A::Open, A::Refresh, A::Catalog, A::Back, A::Help]
    }

    fn disabled(&self, action: Action, model: &Model) -> Option<String> {
        let selected = self.rows.selected();
        let why = match action {
            Action::Accept if selected.is_some_and(|offer| offer.outgoing) => {
                let key = model.keymap.label("offers", Action::Reject);
                return Some(format!("it is your own: {key} takes it back"));
            }
            Action::Accept | Action::Reject | Action::Open if selected.is_none() => {
                if self.rows.count() == 0 {
                    "nothing waits for an answer"
                } else {
                    "nothing is selected: ↑ ↓ choose one"
                }
            }
            Action::Take if !model.sources.iter().any(|source| source.grants) => "no cloud is configured here",
            _ => return None,
        };
        Some(why.to_owned())
    }

    fn list<'a>(&'a mut self, model: &'a mut Model) -> Option<ScrollArea<'a>> {
        Some(ScrollArea::new(&mut self.rows, below(model.body(), 1)))
    }

    fn act(&mut self, action: Action, model: &mut Model) -> Vec<Effect> {
        match action {
            Action::Refresh => return vec![Effect::Share(ShareEffect::Offers)],
            Action::Take => return vec![Effect::Go(Navigation::Take)],
            _ => {}
        }
        let Some(selected) = self.rows.selected() else { return Vec::new() };
        match action {
            Action::Open => {
                let target = ImageTarget::Reference(selected.reference.clone());
                vec![Effect::Go(Navigation::Image { target, platform: None, launch: false })]
            }
            Action::Accept | Action::Reject => {
                let source = selected.source.clone();
                let Some(offer) = model.act_on(self.rows.seen_one()) else { return Vec::new() };
                let accept = action == Action::Accept;
                let job = model.job(format!("{} {}", action.words(), offer.called()));
                model.changing.push((job, source));
                vec![Effect::Share(ShareEffect::AnswerOffer { job, offer, accept })]
            }
            _ => Vec::new(),
        }
    }

    fn read_again(&self) -> Vec<Effect> {
        vec![Effect::Share(ShareEffect::Offers)]
    }

    fn after_job(&self, _changed: bool) -> Vec<Effect> {
        vec![Effect::Share(ShareEffect::Offers)]
    }

    fn failures(&self) -> Vec<String> {
        self.failed.iter().map(|(_, error)| error.full_text()).collect()
    }

    fn leave(&self) -> &'static [Slot] {
        &[Slot::Offers]
    }
}
