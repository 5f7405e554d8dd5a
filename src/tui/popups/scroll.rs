//! Scrolling a popup's text by keys.

use crossterm::event::{KeyCode, KeyEvent};

/// The first visible line of a text of so many lines after a key that scrolls: `j` and `k`, or the arrows; `None` for any
/// other key.
pub fn scrolled(top: u16, lines: usize, key: &KeyEvent) -> Option<u16> {
    match key.code {
        KeyCode::Char('j') | KeyCode::Down => Some((top + 1).min(lines.saturating_sub(1) as u16)),
        KeyCode::Char('k') | KeyCode::Up => Some(top.saturating_sub(1)),
        _ => None,
    }
}
