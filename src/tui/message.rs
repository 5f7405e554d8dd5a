//! The message of the bottom line. One that has no room there opens upwards, so that it can be read in full.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
    widgets::Clear,
};
use unicode_width::UnicodeWidthStr;

use super::{
    kit::{
        action::Action,
        panel,
        theme::Theme,
        widgets::{fit, put, row, wrap},
    },
    model::{Notice, Tone},
    state::State,
};

/// The sign and the role of a message.
pub fn sign(tone: Tone) -> (&'static str, &'static str) {
    match tone {
        Tone::Done => ("✓", "good"),
        Tone::Told => ("·", "text"),
        Tone::Failed => ("✗", "bad"),
    }
}

/// The message with what to do, as one line.
fn whole(notice: &Notice) -> String {
    match &notice.advice {
        advice if advice.is_empty() => notice.text.clone(),
        advice => format!("{}: {advice}", notice.text),
    }
}

/// Whether an error covers lines of the screen, because the last line has no room for it.
pub fn covers(state: &State) -> bool {
    let (columns, lines) = state.size;
    let long = |notice: &Notice| {
        notice.tone == Tone::Failed && whole(notice).width() + 4 > usize::from(columns) && lines >= ROOM
    };
    state.notice.as_ref().is_some_and(long)
}

/// The lines of a screen on which a message may cover others.
const ROOM: u16 = 9;

/// Draws the message over the last lines of the screen, at most a third of it.
pub fn view(state: &State, notice: &Notice, frame: &mut Frame<'_>, theme: &Theme) {
    let screen = frame.area();
    let last = Rect { y: screen.bottom().saturating_sub(1), height: 1, ..screen };
    let (sign, role) = sign(notice.tone);
    let width = usize::from(screen.width);
    let whole = whole(notice);
    if whole.width() + 4 <= width || screen.height < ROOM {
        let words = fit(&format!(" {sign} {whole}"), width);
        return put(frame, last, Line::styled(words, theme.style(role)));
    }
    let mut lines: Vec<Line<'static>> = Vec::new();
    for (number, part) in wrap(&notice.text, width.saturating_sub(4).max(8)).into_iter().enumerate() {
        let lead = if number == 0 { sign } else { " " };
        lines.push(Line::styled(format!(" {lead} {part}"), theme.style(role)));
    }
    // Wrapping nothing gives an empty line.
    let advice = Some(&notice.advice).filter(|advice| !advice.is_empty());
    let advice = advice.map(|advice| wrap(advice, width.saturating_sub(5).max(8))).unwrap_or_default();
    for (number, part) in advice.into_iter().enumerate() {
        let lead = if number == 0 { "→" } else { " " };
        lines.push(Line::styled(format!("   {lead} {part}"), theme.style("text")));
    }
    // The rule above the message and the keys below it take a line each.
    let most = usize::from(screen.height / 3).max(3);
    let hidden = lines.len() > most;
    lines.truncate(most);
    let height = lines.len() as u16 + 2;
    let area = Rect { y: screen.bottom().saturating_sub(height), height, ..screen };
    frame.render_widget(Clear, area);
    frame.buffer_mut().set_style(area, theme.style("text"));
    put(frame, row(area, 0), panel::rule(width, "", "", true, theme));
    let count = lines.len() as u16;
    for (number, line) in lines.into_iter().enumerate() {
        put(frame, row(area, number as u16 + 1), line);
    }
    let key = |action| state.keymap.label(state.scope(), action);
    let more = if hidden { format!("{} reads all of it  ", key(Action::Attend)) } else { String::new() };
    let words = format!(" {more}any key closes it  {} all messages", key(Action::Messages));
    put(frame, row(area, count + 1), Line::from(Span::styled(fit(&words, width), theme.style("key"))));
}
