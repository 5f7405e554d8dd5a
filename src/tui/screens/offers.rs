//! Offers of other projects: to accept or reject, with what happens if they are not answered. Beside them, under a tab of
//! its own, what this person has shared with others: with whom, since when, how it stands.

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
    popups::{Confirmation, Popup},
};
use wharf_core::{
    base::{
        error::{Error, Result},
        text,
    },
    portal::sharing::given::SharedByMe,
    sharing::offer::Offer,
};

/// The state of the screen.
#[derive(Debug, Default)]
pub struct Page {
    /// The offers that wait for an answer.
    pub rows: Rows<Offer>,
    /// The sources that did not answer.
    pub failed: Vec<(String, Error)>,
    /// What this person has shared.
    pub shared: Rows<SharedByMe>,
    /// Why that cannot be told.
    pub untold: Option<Error>,
    /// Whether what was shared is shown, and not the offers.
    pub shows_shared: bool,
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

    /// Takes what this person has shared.
    pub fn shared_arrived(&mut self, shared: Result<Vec<SharedByMe>>) {
        match shared {
            Ok(all) => {
                self.untold = None;
                self.shared.set(all);
            }
            Err(error) => self.untold = Some(error),
        }
    }

    /// Draws what this person has shared.
    fn shared_view(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
        let dim = |text: &str| Line::styled(format!("  {text}"), theme.style("dim"));
        if let Some(error) = &self.untold {
            return put(frame, row(area, 1), dim(&error.to_string()));
        }
        let Some(all) = self.shared.all() else { return put(frame, row(area, 1), dim("asking how it stands…")) };
        if all.is_empty() {
            let when = "What you share with projects, and links that you send, are listed here with how they stand.";
            return Nothing::new("You have shared nothing here.", when)
                .key(&model.keymap, "catalog", Action::Share, "on an image shares it")
                .key(&model.keymap, "offers", Action::NextPane, "shows what others offer to you")
                .draw(frame, area, theme);
        }
        let width = area.width as usize;
        let told = all.iter().map(|one| one.words(model.now).chars().count() + 1).max().unwrap_or(0);
        let stands = told.clamp(12, (width / 3).max(12));
        let (with, since) = (24.min(width / 4), 10);
        let what = width.saturating_sub(with + since + stands + 5);
        let head = [cell("SHARED", what), cell("WITH", with), cell("SINCE", since), cell("STANDS", stands)].concat();
        put(frame, row(area, 0), Line::styled(format!(" {head}"), theme.style("dim")));
        let lines = below(area, 1);
        let top = self.shared.window(lines.height as usize);
        for (number, one) in all.iter().enumerate().skip(top).take(lines.height as usize) {
            let name = one.given.reference.as_ref().map_or_else(
                || text::with_short_digests(&one.given.what),
                |reference| text::with_short_digests(&reference.short_text()),
            );
            let line = Line::from(vec![
                Span::styled(format!(" {}", cell(&name, what)), theme.style("text")),
                Span::styled(cell(&one.given.to, with), theme.style("text")),
                Span::styled(cell(&text::age(one.given.since, model.now), since), theme.style("dim")),
                Span::styled(
                    cell(&one.words(model.now), stands),
                    theme.style(if one.is_overdue(model.now) { "warning" } else { "dim" }),
                ),
            ]);
            let place = row(lines, (number - top) as u16);
            put(frame, place, select(line, self.shared.selected_index() == Some(number), theme));
        }
    }

    /// Draws the list, and below it what happens without an answer.
    pub fn view(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
        if self.shows_shared {
            return self.shared_view(frame, area, theme, model);
        }
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
        if self.shows_shared {
            let count = self.shared.all().map_or_else(String::new, |all| format!("{} shared", all.len()));
            return ("Shared by you".to_owned(), count);
        }
        let waiting = self.rows.all().map_or_else(String::new, |all| format!("{} waiting", all.len()));
        ("Offers".to_owned(), waiting)
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
        self.view(frame, area, theme, model);
    }

    fn offered(&self) -> &'static [Action] {
        use Action as A;
        &[A::Accept, A::Reject, A::Take, A::NextPane, A::Open, A::Refresh, A::Catalog, A::Back, A::Help]
    }

    fn hides(&self, action: Action, _model: &Model) -> bool {
        self.shows_shared && matches!(action, Action::Accept | Action::Take)
    }

    fn label(&self, action: Action, _model: &Model) -> &'static str {
        match action {
            Action::NextPane if self.shows_shared => "offered to you",
            Action::NextPane => "shared by you",
            Action::Reject if self.shows_shared => "take back",
            other => other.words(),
        }
    }

    fn disabled(&self, action: Action, model: &Model) -> Option<String> {
        if self.shows_shared {
            let selected = self.shared.selected();
            let why = match action {
                Action::Accept | Action::Take => "here is what you have shared: tab shows what others offer",
                Action::Reject | Action::Open if selected.is_none() => "nothing is selected: ↑ ↓ choose one",
                Action::Reject if selected.is_some_and(|one| !one.can_be_taken_back()) => {
                    "there is nothing to take back: it is gone, or was a link, which cannot be"
                }
                Action::Open if selected.is_some_and(|one| one.given.reference.is_none()) => {
                    "it is a link that was sent"
                }
                _ => return None,
            };
            return Some(why.to_owned());
        }
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
        let area = below(model.body(), 1);
        Some(if self.shows_shared {
            ScrollArea::new(&mut self.shared, area)
        } else {
            ScrollArea::new(&mut self.rows, area)
        })
    }

    fn act(&mut self, action: Action, model: &mut Model) -> Vec<Effect> {
        match action {
            Action::Refresh => return self.read_again(),
            Action::NextPane => {
                self.shows_shared = !self.shows_shared;
                return self.read_again();
            }
            _ if self.shows_shared => return self.act_on_shared(action, model),
            Action::Take => return vec![Effect::Go(Navigation::Take)],
            _ => {}
        }
        let Some(selected) = self.rows.selected() else { return Vec::new() };
        match action {
            Action::Open => {
                let target = ImageTarget::Reference(selected.reference.clone());
                vec![Effect::Go(Navigation::Image { target, platform: None, launch: false })]
            }
            Action::Accept | Action::Reject => model.answer_offer(action, &selected.source, self.rows.seen_one()),
            _ => Vec::new(),
        }
    }

    fn read_again(&self) -> Vec<Effect> {
        vec![Effect::Share(if self.shows_shared { ShareEffect::SharedByMe } else { ShareEffect::Offers })]
    }

    fn after_job(&self, _changed: bool) -> Vec<Effect> {
        self.read_again()
    }

    fn failures(&self) -> Vec<String> {
        self.failed.iter().map(|(_, error)| error.full_text()).chain(self.untold.iter().map(Error::full_text)).collect()
    }

    fn leave(&self) -> &'static [Slot] {
        &[Slot::Offers, Slot::SharedByMe]
    }
}

impl Page {
    fn act_on_shared(&self, action: Action, model: &mut Model) -> Vec<Effect> {
        let Some(selected) = self.shared.selected() else { return Vec::new() };
        match action {
            Action::Open => {
                let Some(reference) = selected.given.reference.clone() else { return Vec::new() };
                let target = ImageTarget::Reference(reference);
                vec![Effect::Go(Navigation::Image { target, platform: None, launch: false })]
            }
            Action::Reject if selected.id.is_none() => match (&selected.copy, model.act_on(self.shared.seen_one())) {
                // A copy is taken back by removing it; what that means is shown first.
                (Some(copy), Some(_)) => {
                    vec![Effect::Go(Navigation::Remove(vec![ImageTarget::Reference(copy.clone())]))]
                }
                _ => Vec::new(),
            },
            Action::Reject => {
                if let Some(share) = model.act_on(self.shared.seen_one()) {
                    let question = format!("Take it back from {}? What it launched keeps running.", share.called());
                    model.popups.push(Popup::Confirm { question, sure: Confirmation::Revoke(share) });
                }
                Vec::new()
            }
            _ => Vec::new(),
        }
    }
}
