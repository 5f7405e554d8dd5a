//! Drawing the popups.

use ratatui::{
    Frame,
    text::{Line, Span},
    widgets::Paragraph,
};
use unicode_width::UnicodeWidthStr;

use super::{
    Ask, Popup,
    adding::{self, Adding},
    pick::{Pick, Purpose},
    removing::{self, Removing},
};
use crate::kit::{
    input::Input,
    theme::Theme,
    widgets::{above, below, boxed, fit, put, row, select, wrap},
};
use wharf_core::base::quote::MARK;

/// Draws a popup in the middle of the screen.
pub fn view(popup: &Popup, frame: &mut Frame<'_>, theme: &Theme) {
    match popup {
        Popup::Pick(pick) => pick_view(pick, frame, theme),
        Popup::Line { title, about, input, ask } => {
            // A heading that is too long for the frame is drawn inside the box.
            let room = 76.min(frame.area().width);
            let inside = usize::from(room.saturating_sub(2)).max(10);
            let mut lines = if title.width() + 2 < inside { Vec::new() } else { wrap(title, inside) };
            let head = if lines.is_empty() { title.as_str() } else { "Asked" };
            lines.extend(about.iter().flat_map(|line| fold(line, inside)));
            // The typed line must stay visible, and so must the last lines above it, which say how to type it.
            let fits = usize::from(frame.area().height.saturating_sub(6)).max(2);
            if lines.len() > fits {
                let left = lines.len() - fits + 1;
                lines.splice(
                    fits - 2..lines.len() - 1,
                    [format!("… {left} lines more: esc, then enter on it shows all")],
                );
            }
            let above = lines.len() as u16;
            let inner = boxed(frame, room, 4 + above, head, theme);
            for (number, line) in lines.into_iter().enumerate() {
                put(frame, row(inner, number as u16), Line::styled(line, theme.style("text")));
            }
            let inner = below(inner, above);
            let hidden = matches!(ask, Ask::Question(_, true) | Ask::TransferKey(..));
            let dots = Input { text: "•".repeat(input.text.chars().count()), cursor: input.cursor };
            let (text, column) = if hidden { &dots } else { input }.window(inner.width as usize);
            put(frame, row(inner, 0), Line::styled(fit(&text, inner.width as usize), theme.style("text")));
            put(frame, row(inner, 1), Line::styled("enter confirms, esc cancels", theme.style("dim")));
            cursor(frame, inner, column);
        }
        Popup::Confirm { question, .. } => {
            let room = (question.width() as u16 + 4).clamp(40, 100).min(frame.area().width);
            let lines = wrap(question, usize::from(room.saturating_sub(2)).max(10));
            let count = lines.len() as u16;
            let inner = boxed(frame, room, 3 + count, "Sure?", theme);
            for (number, line) in lines.into_iter().enumerate() {
                put(frame, row(inner, number as u16), Line::styled(line, theme.style("text")));
            }
            put(
                frame,
                row(inner, count),
                Line::from(vec![
                    Span::styled("y", theme.style("key")),
                    Span::styled(" yes   ", theme.style("dim")),
                    Span::styled("n", theme.style("key")),
                    Span::styled(" no (also esc, enter)", theme.style("dim")),
                ]),
            );
        }
        Popup::Share(dialog) => dialog.view(frame, theme),
        Popup::Conditions(form) => form.view(frame, theme),
        Popup::Removing(removing) => removing_view(removing, frame, theme),
        Popup::Adding(adding) => adding_view(adding, frame, theme),
        Popup::Tour(tour) => tour.view(frame, theme),
        Popup::Text { title, text, copy, top, link } => {
            let width = reading_width(text, frame.area().width);
            let lines: Vec<Line<'_>> = folded(text, frame.area().width)
                .into_iter()
                .map(|line| Line::styled(line, theme.style("text")))
                .collect();
            let inner = boxed(frame, width, lines.len() as u16 + 3, title, theme);
            frame.render_widget(Paragraph::new(lines).scroll((*top, 0)), above(inner, 1));
            let hint = match (link, copy) {
                (Some(_), _) => "c copies, u sets an end, j k scroll, esc closes",
                (None, Some(_)) => "c copies, j k scroll, esc closes",
                (None, None) => "esc closes, j k scroll",
            };
            put(frame, row(inner, inner.height.saturating_sub(1)), Line::styled(hint, theme.style("dim")));
        }
    }
}

fn reading_width(text: &str, columns: u16) -> u16 {
    let longest = text.lines().map(UnicodeWidthStr::width).max().unwrap_or(0) as u16;
    longest.saturating_add(4).clamp(30, 110).min(columns)
}

/// The lines of a text to read, on a screen of so many columns.
pub fn folded(text: &str, columns: u16) -> Vec<String> {
    let inside = usize::from(reading_width(text, columns).saturating_sub(2));
    text.lines().flat_map(|line| fold(line, inside)).collect()
}

/// A line folded into `width` columns. Its further lines are indented, and quoted text has its mark in each of them.
fn fold(line: &str, width: usize) -> Vec<String> {
    let begin = line.len() - line.trim_start().len();
    let (indent, rest) = line.split_at(begin);
    let (first, next) = match rest.strip_prefix(MARK) {
        Some(_) => (format!("{indent}{MARK}"), format!("{indent}{MARK}")),
        None => (indent.to_owned(), format!("{indent}  ")),
    };
    let words = rest.strip_prefix(MARK).unwrap_or(rest);
    let room = width.saturating_sub(next.width()).max(1);
    let parts = wrap(words, room);
    parts
        .into_iter()
        .enumerate()
        .map(|(number, part)| format!("{}{part}", if number == 0 { &first } else { &next }))
        .collect()
}

/// Width of the text in the popups of adding and removing, in columns.
const PLAN: usize = 84;

fn removing_view(removing: &Removing, frame: &mut Frame<'_>, theme: &Theme) {
    let width = PLAN.min(usize::from(frame.area().width).saturating_sub(4)).max(10);
    let mut lines: Vec<Line<'_>> = Vec::new();
    for (role, text) in removing.lines() {
        let (indent, style) = match role {
            removing::Role::Head => (0, "title"),
            removing::Role::Goes => (2, "caution"),
            removing::Role::Fact => (2, "text"),
            removing::Role::Failed => (0, "bad"),
        };
        for (number, part) in wrap(&text, width.saturating_sub(indent + 9)).into_iter().enumerate() {
            // Further lines are indented to the fact, past its label.
            let more = if number > 0 { 7 } else { 0 };
            lines.push(Line::styled(format!("{}{part}", " ".repeat(indent + more)), theme.style(style)));
        }
    }
    let inner = boxed(frame, width as u16 + 4, (lines.len() as u16).saturating_add(3), &removing.title, theme);
    frame.render_widget(Paragraph::new(lines).scroll((removing.top, 0)), above(inner, 1));
    let (whole, short) = match removing.possible() {
        None => ("esc leaves", "esc leaves"),
        Some([]) => ("nothing of it can be removed: esc closes, j k scroll", "nothing can be removed: esc closes"),
        Some(_) => {
            ("y removes for good, n or esc keeps everything, j k scroll", "y removes, n or esc keeps, j k scroll")
        }
    };
    let hint = if whole.len() > usize::from(inner.width) { short } else { whole };
    put(frame, row(inner, inner.height.saturating_sub(1)), Line::styled(hint, theme.style("dim")));
}

fn adding_view(adding: &Adding, frame: &mut Frame<'_>, theme: &Theme) {
    let width = PLAN.min(usize::from(frame.area().width).saturating_sub(4)).max(10);
    let mut lines: Vec<Line<'_>> = Vec::new();
    for (role, text) in adding.lines() {
        let style = match role {
            adding::Role::Good => "good",
            adding::Role::Caution => "caution",
            adding::Role::Fact => "text",
            adding::Role::Failed => "bad",
        };
        lines.extend(fold(&text, width).into_iter().map(|part| Line::styled(part, theme.style(style))));
    }
    let inner = boxed(frame, width as u16 + 4, (lines.len() as u16).saturating_add(3), &adding.title, theme);
    frame.render_widget(Paragraph::new(lines).scroll((adding.top, 0)), above(inner, 1));
    let hint = fit(adding.hint(), width);
    put(frame, row(inner, inner.height.saturating_sub(1)), Line::styled(hint, theme.style("dim")));
}

fn pick_view(pick: &Pick, frame: &mut Frame<'_>, theme: &Theme) {
    let (width, height) = pick.size();
    let inner = boxed(frame, width, height, &pick.title, theme);
    let width = inner.width as usize;
    let (text, column) = pick.input.window(width.saturating_sub(2));
    put(
        frame,
        row(inner, 0),
        Line::from(vec![
            Span::styled("› ", theme.style("key")),
            Span::styled(fit(&text, width.saturating_sub(2)), theme.style("text")),
        ]),
    );
    cursor(frame, inner, column + 2);
    let list = above(below(inner, 1), 1);
    let top = pick.at.window(pick.count(), list.height as usize);
    let commands = pick.purpose == Purpose::Command;
    for (number, index) in pick.shown.iter().enumerate().skip(top).take(list.height as usize) {
        let Some(item) = pick.items.get(*index) else { continue };
        let mark = if pick.marked.contains(index) { "● " } else { "  " };
        // A command keeps its verb and key when it cannot be used: why that is stands below the list.
        let note = if commands { &item.note } else { item.disabled.as_deref().unwrap_or(&item.note) };
        let room = width.saturating_sub(if commands { 5 } else { 4 });
        let label_width = if commands { room.saturating_sub(note.width()) } else { item.label.width().min(room) };
        let line = Line::from(vec![
            Span::styled(mark, theme.style("key")),
            Span::styled(
                fit(&item.label, label_width),
                theme.style(if item.disabled.is_some() { "dim" } else { "text" }),
            ),
            Span::styled(fit(&format!("  {note}"), room.saturating_sub(label_width) + 2), theme.style("dim")),
        ]);
        put(frame, row(list, (number - top) as u16), select(line, number == pick.at.selected, theme));
    }
    if let Some(typed) = pick.typed() {
        let number = pick.shown.len();
        let line = Line::styled(fit(&format!("  '{typed}', as typed"), width), theme.style("text"));
        if let Some(place) = number.checked_sub(top) {
            put(frame, row(list, place as u16), select(line, number == pick.at.selected, theme));
        }
    } else if pick.shown.is_empty() {
        let words = if pick.free && pick.items.is_empty() && pick.input.text.is_empty() {
            "  nothing is listed here: type it"
        } else {
            "  nothing fits"
        };
        put(frame, row(list, 0), Line::styled(words, theme.style("dim")));
    }
    let hint = if pick.several {
        "type to narrow · space marks several · enter takes them · esc leaves"
    } else {
        "type to narrow · enter takes it · esc leaves"
    };
    let hint = if commands { "type words, a key or a verb · enter does it" } else { hint };
    let chosen = pick.selected().filter(|_| commands);
    let why = chosen.and_then(|item| Some(format!("not now: {}", item.disabled.as_ref()?)));
    let (hint, role) = why.as_deref().map_or((hint, "dim"), |why| (why, "caution"));
    put(frame, row(inner, inner.height.saturating_sub(1)), Line::styled(fit(hint, width), theme.style(role)));
}

fn cursor(frame: &mut Frame<'_>, area: ratatui::layout::Rect, column: usize) {
    let column = u16::try_from(column).unwrap_or(u16::MAX);
    if column < area.width && area.height > 0 {
        frame.set_cursor_position((area.x + column, area.y));
    }
}
