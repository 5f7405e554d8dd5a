//! The screens that are open, and the model that they share. Plain data: no handles, no tasks, no clocks.

use std::ops::{Deref, DerefMut};

use crossterm::event::KeyEvent;

use super::{
    kit::{keymap::Keymap, list::Shown},
    model::{Model, SourceLine},
    msg::{Effect, ListEffect},
    popups::Popup,
    screens::{catalog::Catalog, page::Page},
};

pub use super::screens::Screen;

/// The whole state. What is in the model is reached through it as well: whoever has the state has all of it, while a page is
/// handed the model alone.
#[derive(Debug)]
pub struct State {
    /// Screens, the shown one last. The first is the catalog.
    pub stack: Vec<Screen>,
    /// The list of images.
    pub catalog: Catalog,
    /// What no screen owns.
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
    /// The state before anything has happened.
    pub fn new(sources: Vec<SourceLine>, backends: Vec<String>, keymap: Keymap) -> Self {
        let catalog = Catalog::new(&sources);
        Self { stack: vec![Screen::Catalog], catalog, model: Model::new(sources, backends, keymap) }
    }

    /// What to do at start.
    pub fn begin(&mut self) -> Vec<Effect> {
        let mut effects = vec![Effect::List(ListEffect::LoadCache)];
        effects.extend(self.catalog.refresh(&self.model.sources, self.model.now));
        effects
    }

    /// The shown screen.
    pub fn screen(&self) -> &Screen {
        self.stack.last().unwrap_or(&Screen::Catalog)
    }

    /// The page of the shown screen.
    pub fn shown(&self) -> &dyn Page {
        self.screen().page(&self.catalog)
    }

    /// The page of the shown screen, and the model it is handed.
    pub fn shown_mut(&mut self) -> (&mut dyn Page, &mut Model) {
        match self.stack.last_mut() {
            Some(screen) => (screen.page_mut(&mut self.catalog), &mut self.model),
            None => (&mut self.catalog, &mut self.model),
        }
    }

    /// The name of the key scope that is in force.
    pub fn scope(&self) -> &'static str {
        self.shown().scope()
    }

    /// Whether keys are text right now.
    pub fn is_typing(&self) -> bool {
        self.popups.is_empty() && self.shown().is_typing()
    }

    /// What the shown screen lets one go through: a list, or a text that scrolls.
    pub fn list(&mut self) -> Option<Shown<'_>> {
        let (page, model) = self.shown_mut();
        page.list(model)
    }

    /// A frame has shown what is on the screen: from now on it can be decided on.
    pub fn drawn(&mut self) {
        if !self.popups.is_empty() {
            return self.popup_drawn();
        }
        let (page, model) = self.shown_mut();
        if let Some(mut shown) = page.list(model) {
            shown.list.drawn();
        }
        page.drawn();
    }

    /// Opens something that came by itself; while the person types, or another popup is open, it waits.
    pub fn come(&mut self, popup: Popup) {
        if self.popups.is_empty() && !self.is_typing() {
            self.popups.come(popup)
        } else {
            self.waiting.push_back(popup)
        }
    }

    /// Opens a question of the core, if the person waits for one; else it waits for them.
    pub fn asked(&mut self, question: Popup) {
        if self.expects { self.come(question) } else { self.waiting.push_back(question) }
    }
}

/// Whether a key event is a press; terminals that report releases send both.
pub fn is_press(key: &KeyEvent) -> bool {
    key.kind != crossterm::event::KeyEventKind::Release
}
