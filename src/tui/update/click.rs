//! The mouse: a click selects a row, a second click opens it; clicks also change panes and choose in popups.

use ratatui::layout::Rect;

use super::{commands, popup};
use crate::{
    bar, hints,
    kit::{action::Action, widgets},
    msg::{Effect, Navigation},
    popups::{Popup, pick::Outcome},
    state::State,
};

/// Handles a click at a column and a line of the terminal, both from 0.
pub fn click(state: &mut State, column: u16, line: u16) -> Vec<Effect> {
    if !state.popups.is_empty() {
        return popup(state, column, line);
    }
    let chrome = state.chrome();
    let place = (column, line).into();
    let key = if chrome.bar.contains(place) {
        bar::clicked(state, column)
    } else if chrome.hints.contains(place) && !state.is_typing() && !state.shown().takes_all_keys() {
        hints::clicked(state, column)
    } else {
        None
    };
    if let Some(action) = key {
        return commands::press(state, action);
    }
    let (page, model) = state.shown_mut();
    if page.clicked(column, line, model) {
        return Vec::new();
    }
    let Some(mut list) = state.list() else { return Vec::new() };
    let Some(clicked) = list.at(column, line) else { return Vec::new() };
    if list.list.selected_index() == Some(clicked) {
        drop(list);
        return vec![Effect::Go(Navigation::Do(Action::Open))];
    }
    list.list.select_index(clicked);
    Vec::new()
}

fn popup(state: &mut State, column: u16, line: u16) -> Vec<Effect> {
    let enter = crossterm::event::KeyEvent::from(crossterm::event::KeyCode::Enter);
    if let Some(why) = state.popup_refuses(&enter) {
        state.say(why);
        return Vec::new();
    }
    let whole = Rect::new(0, 0, state.size.0, state.size.1);
    if let Some(Popup::Share(dialog)) = state.popups.last_mut() {
        let outcome = dialog.click(column, line, whole);
        return popup::sharing(state, outcome);
    }
    let Some(Popup::Pick(pick)) = state.popups.last_mut() else { return Vec::new() };
    let (width, height) = pick.size();
    let area = widgets::middle(whole, width, height);
    if !area.contains((column, line).into()) {
        return Vec::new();
    }
    // The box from top to bottom: frame, typed line, list, hint, frame.
    let Some(at) = line.checked_sub(area.y + 2).map(usize::from) else { return Vec::new() };
    let height = usize::from(area.height.saturating_sub(4));
    let outcome = if at < height { pick.click(at, height) } else { Outcome::Stay };
    popup::picked(state, outcome)
}
