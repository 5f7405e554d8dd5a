//! The inbox: news of the person's requests, warnings about images that they use, and offers.

mod view;

use ratatui::{Frame, layout::Rect};

use crate::{
    kit::{
        action::Action,
        layout::Alone,
        list::{NotSeen, Row, Rows, ScrollArea},
        theme::Theme,
    },
    model::Model,
    msg::{Effect, ImageTarget, Navigation, RequestEffect, ShareEffect, Slot},
    popups::Popup,
};
use wharf_core::{
    base::error::{Error, Result},
    request::{Id, notice::Notice},
};

/// A row of the inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// The number of offers that wait for an answer; one row for all of them.
    Offers(usize),
    /// A notice from the store.
    Notice(Box<Notice>),
}

impl Row for Entry {
    /// The id of the notice; `None` for the row of the offers.
    type Id = Option<Id>;
    fn id(&self) -> Option<Id> {
        match self {
            Self::Offers(_) => None,
            Self::Notice(notice) => Some(notice.id),
        }
    }
    fn called(&self) -> String {
        match self {
            Self::Offers(_) => "the line of the offers".to_owned(),
            Self::Notice(notice) => format!("the notice about {}", notice.title),
        }
    }
}

/// The state of the inbox.
#[derive(Debug, Default)]
pub struct Page {
    /// The row of the offers, then the notices, newest first.
    pub rows: Rows<Entry>,
    /// Why the notices could not be read.
    pub error: Option<Error>,
}

impl Page {
    /// Takes the notices, or why they could not be read; the row of the offers stays.
    pub fn arrived(&mut self, result: Result<Vec<Notice>>) {
        match result {
            Ok(all) => {
                let offers = self.rows.iter().find(|entry| matches!(entry, Entry::Offers(_))).cloned();
                let notices = all.into_iter().map(|notice| Entry::Notice(Box::new(notice)));
                self.rows.set(offers.into_iter().chain(notices).collect());
                self.error = None;
            }
            Err(error) => self.error = Some(error),
        }
    }

    /// Sets the number of offers that wait; with 0 their row goes.
    pub fn offered(&mut self, count: usize) {
        if count == 0 && self.rows.all().is_none() {
            return;
        }
        self.rows.change(|all| {
            all.retain(|entry| !matches!(entry, Entry::Offers(_)));
            if count > 0 {
                all.insert(0, Entry::Offers(count));
            }
        });
    }

    /// Whether the row of the offers is selected.
    pub fn is_offers(&self) -> bool {
        matches!(self.rows.selected(), Some(Entry::Offers(_)))
    }

    /// The selected notice; `None` if the row of the offers is selected.
    pub fn selected(&self) -> Option<&Notice> {
        match self.rows.selected()? {
            Entry::Notice(notice) => Some(notice),
            Entry::Offers(_) => None,
        }
    }

    fn notices(&self) -> impl Iterator<Item = &Notice> {
        self.rows.iter().filter_map(|entry| match entry {
            Entry::Notice(notice) => Some(&**notice),
            Entry::Offers(_) => None,
        })
    }

    /// Marks these notices as read on the screen.
    pub fn read(&mut self, ids: &[Id]) {
        self.rows.change(|all| {
            for entry in all {
                if let Entry::Notice(notice) = entry {
                    notice.seen |= ids.contains(&notice.id);
                }
            }
        });
    }

    /// Marks all notices as read on the screen and returns those that were unread; fails if the last frame showed other
    /// ones.
    pub fn read_all(&mut self) -> Result<Vec<Id>, NotSeen> {
        self.rows.seen_all()?;
        let unread: Vec<Id> = self.notices().filter(|notice| !notice.seen).map(|notice| notice.id).collect();
        self.read(&unread);
        Ok(unread)
    }

    /// Why an action cannot be used on the selected row; `None` if it can.
    fn refuses(&self, action: Action) -> Option<&'static str> {
        let selected = self.selected();
        match action {
            Action::Open if self.rows.selected().is_none() => Some("nothing is selected: ↑ ↓ choose one"),
            Action::Launch if selected.is_none_or(|notice| notice.launchable().is_none()) => {
                let warned = selected.is_some_and(|notice| notice.warning.is_some());
                let not_yet = "there is no fixed version yet; you will be told when there is";
                Some(if warned { not_yet } else { "for what was admitted, and for warnings with a fixed version" })
            }
            Action::MarkRead if self.notices().all(|notice| notice.seen) => Some("everything is read"),
            _ => None,
        }
    }

    /// The header's words: how many notices are unread, and whether offers wait.
    pub fn summary(&self) -> String {
        if self.rows.all().is_none() {
            return String::new();
        }
        let unread = self.notices().filter(|notice| !notice.seen).count();
        let offers = self.rows.iter().any(|entry| matches!(entry, Entry::Offers(_)));
        match (unread, offers) {
            (0, false) => "everything is read".to_owned(),
            (0, true) => "offers wait for an answer".to_owned(),
            _ => format!("{unread} of {} not read", self.notices().count()),
        }
    }
}

impl super::page::Page for Page {
    fn scope(&self) -> &'static str {
        "inbox"
    }

    fn header(&self, _model: &Model) -> (String, String) {
        ("Inbox".to_owned(), self.summary())
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
        self.view(frame, area, theme, model);
    }

    fn offered(&self) -> &'static [Action] {
        use Action as A;
        &[A::Open, A::Launch, A::MarkRead, A::Requests, A::Refresh, A::Catalog, A::Back, A::Help]
    }

    fn hides(&self, action: Action, _model: &Model) -> bool {
        // A key is hinted at only where it does something.
        action == Action::Launch && self.selected().is_none_or(|one| one.launchable().is_none())
    }

    fn label(&self, action: Action, _model: &Model) -> &'static str {
        let warned = self.selected().is_some_and(|one| one.warning.is_some());
        if action == Action::Launch && warned { "launch the fixed one" } else { action.words() }
    }

    fn disabled(&self, action: Action, _model: &Model) -> Option<String> {
        self.refuses(action).map(str::to_owned)
    }

    fn panes_alone(&self, _model: &Model) -> &'static [Alone] {
        &Alone::BOTH
    }

    fn list<'a>(&'a mut self, model: &'a mut Model) -> Option<ScrollArea<'a>> {
        let parts = self.regions(model.body(), model.views.of("inbox").alone);
        let chosen = !parts.head.is_empty();
        Some(ScrollArea { chosen, ..ScrollArea::new(&mut self.rows, parts.rows) })
    }

    fn act(&mut self, action: Action, model: &mut Model) -> Vec<Effect> {
        match action {
            Action::Refresh => return vec![Effect::Request(RequestEffect::Inbox), Effect::Share(ShareEffect::Offers)],
            Action::MarkRead => {
                let read = self.read_all();
                return model.act_on(read).map(|ids| Effect::Request(RequestEffect::Seen(ids))).into_iter().collect();
            }
            Action::Open if self.is_offers() => return vec![Effect::Go(Navigation::Do(Action::Offers))],
            _ => {}
        }
        let Some(notice) = self.selected().cloned() else { return Vec::new() };
        match action {
            Action::Open => {
                self.read(&[notice.id]);
                let mut effects = vec![Effect::Request(RequestEffect::Seen(vec![notice.id]))];
                match (notice.request, &notice.warning) {
                    (Some(request), None) => effects.push(Effect::Request(RequestEffect::RequestTold(request))),
                    _ => {
                        let (title, text) = notice.letter();
                        model.popups.push(Popup::text(title, text));
                    }
                }
                effects
            }
            Action::Launch => {
                let image = notice.launchable().map(ImageTarget::Reference);
                image
                    .map(|target| Effect::Go(Navigation::Image { target, platform: None, launch: true }))
                    .into_iter()
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    fn read_again(&self) -> Vec<Effect> {
        vec![
            Effect::Request(RequestEffect::Inbox),
            Effect::Share(ShareEffect::Offers),
            Effect::Request(RequestEffect::Listen { always: false }),
        ]
    }

    fn failures(&self) -> Vec<String> {
        self.error.iter().map(Error::full_text).collect()
    }

    fn leave(&self) -> &'static [Slot] {
        &[Slot::Inbox, Slot::Request, Slot::News]
    }
}
