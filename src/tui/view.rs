//! Draws a frame: header, screen, bottom line, popup. The state is only read.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr;

use wharf_core::base::text;

use super::{
    hints,
    kit::{
        action::Action,
        keymap::Key,
        theme::Theme,
        widgets::{above, below, fit, put, row},
    },
    model::Tone,
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
    header(state, frame, row(area, 0), theme);
    let waits = state.waiting.front();
    let middle = above(below(area, 1), 1 + u16::from(waits.is_some()));
    state.shown().draw(frame, middle, theme, &state.model);
    if let Some(popup) = waits {
        waiting(state, popup, frame, row(area, area.height - 2), theme);
    }
    bottom(state, frame, row(area, area.height - 1), theme);
    if let Some(top) = state.popups.last() {
        popup::view(top, frame, theme);
    }
}

fn header(state: &State, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
    let (title, detail) = state.shown().header(&state.model);
    let unread = if state.unread > 0 { format!("• {} unread ", state.unread) } else { String::new() };
    let offers = match state.offered {
        0 => String::new(),
        count => format!("◇ {} ", text::plural(count as u64, "offer", "offers")),
    };
    let unread = format!("{offers}{unread}");
    let work = match state.running() {
        0 => String::new(),
        running => format!("⇅ {running} running "),
    };
    let left = format!(" wharf │ {title} ");
    let room = (area.width as usize).saturating_sub(left.width() + unread.width() + work.width());
    put(
        frame,
        area,
        Line::from(vec![
            Span::styled(fit(&left, left.width().min(area.width as usize)), theme.style("title")),
            Span::styled(fit(&detail, room), theme.style("dim")),
            Span::styled(unread, theme.style("key")),
            Span::styled(work, theme.style("caution")),
        ]),
    );
}

/// The line that says what waits for the person, and which key opens it.
fn waiting(state: &State, popup: &Popup, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
    let key = state.keymap.key(state.scope(), Action::Attend).map_or_else(String::new, Key::label);
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

/// The bottom line: the message, until the next key takes it away, else the key hints.
fn bottom(state: &State, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
    if let Some(notice) = &state.notice {
        let (sign, role) = match notice.tone {
            Tone::Done => ("✓", "good"),
            Tone::Told => ("·", "text"),
            Tone::Failed => ("✗", "bad"),
        };
        let (words, width) = (format!(" {sign} {}", notice.text), area.width as usize);
        let key = state.keymap.key(state.scope(), Action::Attend).filter(|_| words.width() > width);
        // A message that does not fit can be opened in full; while text is typed, that key would be a letter.
        let more = match key {
            Some(key) if state.popups.is_empty() && !state.is_typing() => format!(" {} shows it all ", key.label()),
            _ => String::new(),
        };
        let line = Line::from(vec![
            Span::styled(fit(&words, width.saturating_sub(more.width())), theme.style(role)),
            Span::styled(more, theme.style("key")),
        ]);
        return put(frame, area, line);
    }
    let mut spans = vec![Span::raw(" ")];
    let mut used = 1;
    for hint in hints::shown_hints(state) {
        let width = hint.key.width() + hint.words.width() + 3;
        if used + width > area.width as usize {
            break;
        }
        used += width;
        let (key, words) = if hint.disabled.is_some() { ("dim", "dim") } else { ("key", "text") };
        spans.push(Span::styled(hint.key, theme.style(key)));
        spans.push(Span::styled(format!(" {}  ", hint.words), theme.style(words)));
    }
    put(frame, area, Line::from(spans));
}
