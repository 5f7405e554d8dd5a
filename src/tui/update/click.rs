//! The mouse: a click selects a line, one on the selected line opens it; tabs turn; popups choose.

use ratatui::layout::Rect;

use super::{commands, popup};
use crate::tui::{
    kit::{action::Action, widgets},
    msg::Effect,
    popups::{Popup, pick::Outcome},
    screens::{image, launch},
    state::{Screen, State},
};

/// A click at a column and a line of the terminal.
pub fn click(state: &mut State, column: u16, line: u16) -> Vec<Effect> {
    if !state.popups.is_empty() {
        return popup(state, column, line);
    }
    let size = state.size;
    match state.stack.last_mut() {
        Some(Screen::Image(page)) => {
            if let (1, Some(pane)) = (line, image::pane_at(&page.panes(), column)) {
                page.pane = pane;
                page.at = crate::tui::kit::list::Position::default();
                return Vec::new();
            }
        }
        Some(Screen::Launch(page)) => {
            page.in_plan = column >= launch::form_size(page, Rect::new(0, 1, size.0, size.1.saturating_sub(2))).0;
            if page.in_plan {
                return Vec::new();
            }
        }
        _ => {}
    }
    let Some(mut list) = state.list() else { return Vec::new() };
    let Some(clicked) = list.at_line(line) else { return Vec::new() };
    if list.list.place() == Some(clicked) {
        drop(list);
        return commands::run(state, Action::Open);
    }
    list.list.stand(clicked);
    Vec::new()
}

fn popup(state: &mut State, column: u16, line: u16) -> Vec<Effect> {
    let enter = crossterm::event::KeyEvent::from(crossterm::event::KeyCode::Enter);
    if let Some(why) = state.popups.refuses(&enter, state.clock) {
        state.say(why);
        return Vec::new();
    }
    let whole = Rect::new(0, 0, state.size.0, state.size.1);
    let Some(Popup::Pick(pick)) = state.popups.last_mut() else { return Vec::new() };
    let (width, height) = pick.size();
    let area = widgets::middle(whole, width, height);
    if !area.contains((column, line).into()) {
        return Vec::new();
    }
    // A frame, the line that is typed, the list, the hint, the frame again.
    let Some(at) = line.checked_sub(area.y + 2).map(usize::from) else { return Vec::new() };
    let height = usize::from(area.height.saturating_sub(4));
    match if at < height { pick.click(at, height) } else { Outcome::Stay } {
        Outcome::Chosen(values) => {
            let purpose = pick.purpose.clone();
            state.popups.pop();
            popup::chosen(state, purpose, &values)
        }
        Outcome::Stay | Outcome::Close => Vec::new(),
    }
}
