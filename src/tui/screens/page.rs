//! The trait that every screen implements.

use crossterm::event::KeyEvent;
use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr;

use crate::{
    kit::{
        action::Action,
        layout::Alone,
        list::ScrollArea,
        theme::Theme,
        widgets::{fit, put},
    },
    model::Model,
    msg::{DescribedWorkload, Effect, Slot},
    rows::WorkloadId,
};

/// A screen: its keys, its actions, and how it is drawn.
///
/// A page knows its own state and the [`Model`] that it is given, but neither the stack of screens nor another screen.
/// What it wants done it returns as data: an [`Effect`] is a read or write for the jobs, and [`Effect::Go`] is
/// something outside of the page, like opening another screen, which `update` carries out. So each page can be tested
/// alone, and does not need to know how other screens are opened.
///
/// Only the topmost page is called, except for answers, which go to the topmost page of the kind that asked. Methods
/// that take `&self` may be called any number of times between two messages; those that take `&mut self` are called
/// once for something that happened. None may wait or read a clock: the time is in the model.
pub trait Page {
    /// The scope of the key map for this screen, which is also the name of its section in key map files.
    fn scope(&self) -> &'static str;

    /// What is open, and words about it that may be cut.
    fn header(&self, model: &Model) -> (String, String);

    /// Draws the line above the page: what is open, and at the right end words that may be left out.
    fn place(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
        let (title, facts) = self.header(model);
        let width = usize::from(area.width);
        let title = fit(&format!(" {title}"), (title.width() + 1).min(width));
        let room = width.saturating_sub(title.width() + 2);
        let facts = if facts.width() > room { fit(&facts, room) } else { facts };
        let gap = width.saturating_sub(title.width() + facts.width() + 1);
        put(
            frame,
            area,
            Line::from(vec![
                Span::styled(title, theme.style("title")),
                Span::raw(" ".repeat(gap)),
                Span::styled(facts, theme.style("dim")),
            ]),
        );
    }

    /// Draws the page into an area of any size, even one that has no room for it.
    fn draw(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model);

    /// The actions that the bottom line offers, the most useful first. Those that do not fit there work nevertheless.
    fn offered(&self) -> &'static [Action];

    /// Whether the bottom line leaves an action out for now. An action that is only `disabled` is shown dimmed.
    fn hides(&self, _action: Action, _model: &Model) -> bool {
        false
    }

    /// The name of an action on this screen, in a word or two.
    fn label(&self, action: Action, _model: &Model) -> &'static str {
        action.words()
    }

    /// Why an action cannot be used now; `None` if it can. A disabled action is not given to `act` by a key.
    fn disabled(&self, _action: Action, _model: &Model) -> Option<String> {
        None
    }

    /// Whether text is being typed: keys are then given to `type_key`.
    fn is_typing(&self) -> bool {
        false
    }

    /// Whether every key goes to what is shown, including keys that work on all other screens.
    fn takes_all_keys(&self) -> bool {
        false
    }

    /// The hints of the bottom line while text is typed: the action they belong to, and keys with what they do.
    fn typing_hints(&self) -> (Action, &'static [(&'static str, &'static str)]) {
        (Action::Open, &[("enter", "take it"), ("esc", "leave it")])
    }

    /// The panes that can have the screen alone now, in the order in which a key shows them so; none where there is one
    /// pane only.
    fn panes_alone(&self, _model: &Model) -> &'static [Alone] {
        &[]
    }

    /// The list or text that the movement keys go through; `None` if there is none.
    fn list<'a>(&'a mut self, _model: &'a mut Model) -> Option<ScrollArea<'a>> {
        None
    }

    /// A frame was drawn: what can be decided on besides the list has been seen.
    fn drawn(&mut self, _model: &Model) {}

    /// Moves the selection or scrolls; `false` if the action is no movement.
    fn walk(&mut self, action: Action, model: &mut Model) -> bool {
        self.list(model).is_some_and(|mut shown| {
            let lines = shown.page();
            shown.list.go(action, lines)
        })
    }

    /// Carries out an action; one that has no meaning on this screen does nothing.
    fn act(&mut self, _action: Action, _model: &mut Model) -> Vec<Effect> {
        Vec::new()
    }

    /// Handles a key while text is typed.
    fn type_key(&mut self, _key: &KeyEvent, _model: &mut Model) -> Vec<Effect> {
        Vec::new()
    }

    /// Takes pasted text, or returns the reason why it does not.
    fn paste(&mut self, _text: &str, _model: &mut Model) -> Result<Vec<Effect>, String> {
        Ok(Vec::new())
    }

    /// Handles a click at a column and line of the terminal, both from 0; `true` if it was on something besides the
    /// list.
    fn clicked(&mut self, _column: u16, _line: u16, _model: &Model) -> bool {
        false
    }

    /// The terminal's size has changed; the model has the new one.
    fn resized(&mut self, _model: &Model) -> Vec<Effect> {
        Vec::new()
    }

    /// Handles the back key: `true` if something within the page was ended by it, and the page stays open.
    fn handle_back(&mut self) -> bool {
        false
    }

    /// What to read when the page becomes the topmost again.
    fn read_again(&self) -> Vec<Effect> {
        Vec::new()
    }

    /// What to read after a job has ended; `changed`: whether it changed what a source lists.
    fn after_job(&self, _changed: bool) -> Vec<Effect> {
        Vec::new()
    }

    /// What to read for the lines that are now on the screen; called after every message.
    fn wants(&mut self, _model: &Model) -> Vec<Effect> {
        Vec::new()
    }

    /// Whether the page shows that it waits for an answer, with a sign that turns.
    fn awaits(&self, _model: &Model) -> bool {
        false
    }

    /// The workloads on a list of so many lines. Only these are measured.
    fn measured(&self, _lines: usize) -> Vec<WorkloadId> {
        Vec::new()
    }

    /// The workload that the page describes beside its list. Only its verdict and its output are read.
    fn described(&self, _model: &Model) -> Option<DescribedWorkload> {
        None
    }

    /// The backends whose workloads the page shows. Only these are listed.
    fn followed(&self, _model: &Model) -> Vec<String> {
        Vec::new()
    }

    /// All errors that the page shows, in full.
    fn failures(&self) -> Vec<String> {
        Vec::new()
    }

    /// The reads to end when the page is left.
    fn leave(&self) -> &'static [Slot] {
        &[]
    }
}
