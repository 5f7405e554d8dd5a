//! Draws a frame: the bar, where the person is, the screen, keys or a message, a popup. The state is only read.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
    widgets::Clear,
};
use unicode_width::UnicodeWidthStr;

use super::{
    bar, hints,
    kit::{
        action::Action,
        layout,
        theme::Theme,
        widgets::{fit, put, row},
    },
    message,
    popups::{Popup, view as popup},
    state::State,
};

/// Draws a frame of any size.
pub fn view(state: &State, frame: &mut Frame<'_>, theme: &Theme) {
    let area = frame.area();
    if area.width == 0 || area.height == 0 {
        return;
    }
    frame.buffer_mut().set_style(area, theme.style("text"));
    if area.height < 4 || area.width < 20 {
        return put(frame, row(area, 0), Line::styled("too small", theme.style("text")));
    }
    let parts = layout::chrome(area, !state.waiting.is_empty());
    bar::view(state, frame, parts.bar, theme);
    state.shown().place(frame, parts.place, theme, &state.model);
    state.shown().draw(frame, parts.body, theme, &state.model);
    if let Some(popup) = state.waiting.front() {
        waiting(state, popup, frame, parts.waiting, theme);
    }
    hint_line(state, frame, parts.hints, theme);
    if let Some(notice) = &state.notice {
        message::view(state, notice, frame, theme);
    }
    if let Some(top) = state.popups.last() {
        if state.plain {
            // What is behind a popup would be read between its lines.
            frame.render_widget(Clear, area);
        }
        popup::view(top, frame, theme);
    }
}

/// The line that says what waits for the person, and which key opens it.
fn waiting(state: &State, popup: &Popup, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
    let key = state.keymap.label(state.scope(), Action::Attend);
    let first = if state.is_typing() { "when you have done, " } else { "" };
    let more = match state.waiting.len() {
        0 | 1 => String::new(),
        many => format!(" (and {} more)", many - 1),
    };
    let words = format!("{first}{key} opens it{more}");
    let room = usize::from(area.width).saturating_sub(words.width() + 5);
    let line = Line::from(vec![
        Span::styled(" ? ", theme.style("caution")),
        Span::styled(fit(popup.title(), popup.title().width().min(room)), theme.style("text")),
        Span::styled(format!("  {words}"), theme.style("key")),
    ]);
    put(frame, area, line);
}

/// The keys of the screen, the most useful first; those that lead to all others are at the right end and never cut.
fn hint_line(state: &State, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
    let placed = hints::placed(state, area.width);
    let mut spans = Vec::new();
    let mut at = 0;
    for (column, hint) in placed {
        spans.push(Span::raw(" ".repeat(usize::from(column.saturating_sub(at)))));
        let (key, words) = if hint.disabled.is_some() { ("dim", "dim") } else { ("key", "text") };
        at = column + hint.width();
        spans.push(Span::styled(hint.key, theme.style(key)));
        spans.push(Span::styled(format!(" {}", hint.words), theme.style(words)));
    }
    put(frame, area, Line::from(spans));
}
