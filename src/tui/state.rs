//! The open screens and the model that they share. Plain data: no handles, no tasks, no clocks.

use std::ops::{Deref, DerefMut};

use crossterm::event::KeyEvent;

use super::{
    kit::{action::Action, keymap::Keymap, list::ScrollArea},
    model::{Model, SourceLine},
    msg::{Effect, ListEffect, TransferEffect},
    popups::Popup,
    screens::{catalog::Catalog, page::Page, sources},
};

pub use super::screens::Screen;

/// The whole state. It dereferences to the model, so that code with the state reaches both; a page is given the model
/// alone.
#[derive(Debug)]
pub struct State {
    /// The open screens, the shown one last. The first is always the catalog.
    pub stack: Vec<Screen>,
    /// The state of the list of images, which is never closed.
    pub catalog: Catalog,
    /// The data that all screens share.
    pub model: Model,
}

impl Deref for State {
    type Target = Model;
    fn deref(&self) -> &Model {
        &self.model
    }
}

impl DerefMut for State {
    fn deref_mut(&mut self) -> &mut Model {
        &mut self.model
    }
}

impl State {
    /// The state at the program's start, with only the list of images open.
    pub fn new(sources: Vec<SourceLine>, backends: Vec<String>, keymap: Keymap) -> Self {
        let catalog = Catalog::new(&sources);
        Self { stack: vec![Screen::Catalog], catalog, model: Model::new(sources, backends, keymap) }
    }

    /// The first effects: read the lists kept on disk and ask all sources.
    pub fn begin(&mut self) -> Vec<Effect> {
        let mut effects = vec![Effect::List(ListEffect::LoadCache), Effect::Transfer(TransferEffect::Once)];
        effects.extend(self.catalog.refresh(&self.model.sources, self.model.now));
        if self.stack.len() > 1 {
            effects.extend(self.shown().read_again());
        }
        effects
    }

    /// Whether Wharf starts again now with other sources: only while their screen is shown and nothing is lost by it.
    pub fn starts_again(&self) -> bool {
        self.again.is_some() && self.popups.is_empty() && self.waits_to_start_again().is_none()
    }

    /// When Wharf starts again with other sources, in words; `None` if nothing is in its way. Jobs would be cancelled, and
    /// screens that do not read again what they show would stay without it.
    pub fn waits_to_start_again(&self) -> Option<String> {
        if self.running() > 0 {
            return Some("as soon as no task runs".to_owned());
        }
        let key = |action: Action| self.keymap.label(self.scope(), action);
        if !matches!(self.screen(), Screen::Sources(_)) {
            return Some(format!("as soon as you look at the sources ({})", key(Action::Sources)));
        }
        let lost = self.stack.iter().any(|screen| {
            matches!(screen, Screen::Image(_) | Screen::Launch(_) | Screen::Workload(_) | Screen::Console(_))
        });
        lost.then(|| {
            format!(
                "as soon as the pages that you came from are closed ({}, then {})",
                key(Action::Catalog),
                key(Action::Sources)
            )
        })
    }

    /// Goes on where `before` was left to start again: on the sources, with the screens below them, the filter, the
    /// messages and the jobs. The person stays on the row where they are; where they have not moved since they asked for
    /// the change, its source is selected.
    pub fn go_on_after(&mut self, mut before: Self) {
        if let Some(Screen::Sources(page)) = before.stack.last() {
            let stands = page.selected_name(&before.model);
            let changed = before.again.as_ref().filter(|again| again.stood == stands);
            let named = changed.map_or(stands.as_deref(), |again| Some(&again.source));
            let page = sources::Page::selecting(named, page.selected_row(), &self.model);
            // The page of the sources below would show what was true before, and the first page has had its time.
            before.stack.retain(|screen| !matches!(screen, Screen::Sources(_) | Screen::Welcome(_)));
            before.stack.push(Screen::Sources(Box::new(page)));
            self.stack = before.stack;
        }
        let Catalog { input, sort, touched, mut marked, .. } = before.catalog;
        marked.retain(|(source, _)| self.catalog.feeds.iter().any(|feed| feed.source == *source));
        (self.catalog.input, self.catalog.sort, self.catalog.marked) = (input, sort, marked);
        self.catalog.touched = touched;
        self.model.go_on_after(before.model);
    }

    /// The screen on top of the stack.
    pub fn screen(&self) -> &Screen {
        self.stack.last().unwrap_or(&Screen::Catalog)
    }

    /// The page of the screen on top of the stack.
    pub fn shown(&self) -> &dyn Page {
        self.screen().page(&self.catalog)
    }

    /// The page of the screen on top of the stack, and the model to give to it.
    pub fn shown_mut(&mut self) -> (&mut dyn Page, &mut Model) {
        match self.stack.last_mut() {
            Some(screen) => (screen.page_mut(&mut self.catalog), &mut self.model),
            None => (&mut self.catalog, &mut self.model),
        }
    }

    /// The scope of the key map that the shown screen uses.
    pub fn scope(&self) -> &'static str {
        self.shown().scope()
    }

    /// Whether keys are typed into a text field of the shown screen.
    pub fn is_typing(&self) -> bool {
        self.popups.is_empty() && self.shown().is_typing()
    }

    /// The list or text of the shown screen that the movement keys go through.
    pub fn list(&mut self) -> Option<ScrollArea<'_>> {
        let (page, model) = self.shown_mut();
        page.list(model)
    }

    /// A frame was drawn: what it showed can be decided on from now on.
    pub fn drawn(&mut self) {
        if !self.popups.is_empty() {
            return self.popup_drawn();
        }
        let (page, model) = self.shown_mut();
        if let Some(mut shown) = page.list(model) {
            shown.list.drawn();
        }
        page.drawn(model);
    }

    /// Whether the person waits for something that the screen shows as awaited: only then a sign turns. Nothing turns
    /// where nobody looks.
    pub fn awaits(&self) -> bool {
        self.focused && self.shown().awaits(&self.model)
    }

    /// Opens a popup that was not asked for. While the person types or another popup is open, it waits.
    pub fn open_unasked(&mut self, popup: Popup) {
        if self.popups.is_empty() && !self.is_typing() {
            self.popups.open_unasked(popup)
        } else {
            self.waiting.push_back(popup)
        }
    }

    /// Opens a question of the core if the person waits for one; else the question waits until they open it.
    pub fn asked(&mut self, question: Popup) {
        if self.expects { self.open_unasked(question) } else { self.waiting.push_back(question) }
    }
}

/// Whether a key event is a press and not a release, which some terminals report too.
pub fn is_press(key: &KeyEvent) -> bool {
    key.kind != crossterm::event::KeyEventKind::Release
}
