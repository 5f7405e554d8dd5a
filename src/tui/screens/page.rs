//! What a screen is to the rest of the house.

use crossterm::event::KeyEvent;
use ratatui::{Frame, layout::Rect};

use crate::tui::{
    kit::{action::Action, list::Shown, theme::Theme},
    model::Model,
    msg::{Effect, Slot},
    rows::WorkloadId,
};

/// One screen: its keys, what it does with them, and how it is drawn.
///
/// A page knows itself and the [`Model`], which it is handed, and nothing above: neither the stack it stands on nor another
/// screen. What it wants done it gives back as data. A read or a write is an [`Effect`] for the jobs; where it wants to go on
/// elsewhere, it gives [`Effect::Go`], which `update` carries out in its own queue. So each page can be tried alone, and
/// none needs to know how another one is opened.
///
/// Only the topmost page is asked, but for news, which `update` gives to the topmost page of the kind that reads them.
/// Methods that take `&self` may be called any number of times between two messages; only those that take `&mut self` are
/// called because something happened. None may wait, and none may read a clock: the time is in the model.
pub trait Page {
    /// The scope of the key map that is in force here; it is also the name of the screen in key map files.
    fn scope(&self) -> &'static str;

    /// What the header says: the title, and words beside it that may be cut.
    fn header(&self, model: &Model) -> (String, String);

    /// Draws the page. The area may be of any size, also too small for anything.
    fn draw(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model);

    /// Actions for the bottom line, the most useful first. What does not fit is left out there, and still works.
    fn offered(&self) -> &'static [Action];

    /// Whether an action would only take room in the bottom line now: unlike one that is `disabled`, it is not shown.
    fn hides(&self, _action: Action) -> bool {
        false
    }

    /// What an action is called here, in a word or two.
    fn words(&self, action: Action) -> &'static str {
        action.words()
    }

    /// Why an action cannot be used now. It is not given to `act` then: `act` need not check it again, but must bear it.
    fn disabled(&self, _action: Action, _model: &Model) -> Option<String> {
        None
    }

    /// Whether keys are text right now; they come to `type_key` then.
    fn is_typing(&self) -> bool {
        false
    }

    /// Whether what is shown takes every key, also those that work everywhere else.
    fn takes_all_keys(&self) -> bool {
        false
    }

    /// The bottom line while keys are text: the action they belong to, and keys with what they do.
    fn typing_hints(&self) -> (Action, &'static [(&'static str, &'static str)]) {
        (Action::Open, &[("enter", "take it"), ("esc", "leave it")])
    }

    /// What one goes through here: a list, or a text that scrolls.
    fn list<'a>(&'a mut self, _model: &'a mut Model) -> Option<Shown<'a>> {
        None
    }

    /// A frame has shown what is decided on here beside the list.
    fn drawn(&mut self) {}

    /// Goes through what is shown; `false` if the action is none that moves.
    fn walk(&mut self, action: Action, model: &mut Model) -> bool {
        let lines = model.page();
        self.list(model).is_some_and(|mut shown| shown.list.go(action, lines))
    }

    /// Carries out an action; one that means nothing here does nothing.
    fn act(&mut self, _action: Action, _model: &mut Model) -> Vec<Effect> {
        Vec::new()
    }

    /// Takes a key that is text.
    fn type_key(&mut self, _key: &KeyEvent, _model: &mut Model) -> Vec<Effect> {
        Vec::new()
    }

    /// Takes text that was pasted, or says why not.
    fn paste(&mut self, _text: &str, _model: &mut Model) -> Result<Vec<Effect>, String> {
        Ok(Vec::new())
    }

    /// A click at a column and a line of the terminal; `true` if it was for something beside the list.
    fn clicked(&mut self, _column: u16, _line: u16, _model: &Model) -> bool {
        false
    }

    /// The terminal has another size, which the model has already.
    fn resized(&mut self, _model: &Model) -> Vec<Effect> {
        Vec::new()
    }

    /// `back` was pressed: `true` if the page has ended something of its own, and is not left.
    fn stays(&mut self) -> bool {
        false
    }

    /// What must be read again when the page comes back to the top.
    fn read_again(&self) -> Vec<Effect> {
        Vec::new()
    }

    /// What to read after a job has ended; `changed` if it changed what a source lists.
    fn after_job(&self, _changed: bool) -> Vec<Effect> {
        Vec::new()
    }

    /// What the shown lines want, after every message.
    fn wants(&mut self, _model: &Model) -> Vec<Effect> {
        Vec::new()
    }

    /// The workloads that are looked at on so many lines: they are measured, and nothing else is.
    fn measured(&self, _lines: usize) -> Vec<WorkloadId> {
        Vec::new()
    }

    /// What has failed here, in full.
    fn failures(&self) -> Vec<String> {
        Vec::new()
    }

    /// The reads that end when the page is left.
    fn leave(&self) -> &'static [Slot] {
        &[]
    }
}
