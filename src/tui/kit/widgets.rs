//! Small pieces that the screens are drawn with.

use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
    widgets::{Block, BorderType, Clear},
};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{
    fold::{fold, fold_all},
    theme::Theme,
};
pub use wharf_core::base::text::wrap;
use wharf_core::{
    base::{
        badge::{Badge, Tone},
        error::Error,
        text,
    },
    launch::plan::{State, Weight},
};

/// One line of an area. A line outside of it is an empty area, in which nothing is drawn.
pub fn row(area: Rect, number: u16) -> Rect {
    if number >= area.height {
        Rect::new(area.x, area.y, 0, 0)
    } else {
        Rect::new(area.x, area.y + number, area.width, 1)
    }
}

/// The area without its first `rows` lines.
pub fn below(area: Rect, rows: u16) -> Rect {
    let rows = rows.min(area.height);
    Rect::new(area.x, area.y + rows, area.width, area.height - rows)
}

/// The area without its last `rows` lines.
pub fn above(area: Rect, rows: u16) -> Rect {
    Rect::new(area.x, area.y, area.width, area.height.saturating_sub(rows))
}

/// Draws one line of text in the line's own style up to the area's end; nothing in an empty area. A line that is too long is
/// cut and ends in `…`.
pub fn put(frame: &mut Frame<'_>, area: Rect, line: impl Into<Line<'static>>) {
    if area.width == 0 || area.height == 0 {
        return;
    }
    let line = line.into();
    let is_cut = line.width() > usize::from(area.width);
    frame.render_widget(line, area);
    if is_cut {
        let (buffer, last) = (frame.buffer_mut(), area.right() - 1);
        // The last column may be the second one of a wide character, which is not drawn.
        if last > area.x
            && let Some(before) = buffer.cell_mut((last - 1, area.y))
            && before.symbol().width() > 1
        {
            before.set_symbol(" ");
        }
        if let Some(cell) = buffer.cell_mut((last, area.y)) {
            cell.set_symbol("…");
        }
    }
}

/// Draws lines from the line `top` on, as many as the area has; the last ones stay at its bottom.
pub fn put_lines(frame: &mut Frame<'_>, area: Rect, lines: Vec<Line<'static>>, top: usize) {
    let height = usize::from(area.height);
    let top = top.min(lines.len().saturating_sub(height));
    for (number, line) in (0..area.height).zip(lines.into_iter().skip(top)) {
        put(frame, row(area, number), line);
    }
}

/// The text cut or padded with spaces to exactly `width` columns. A cut text ends in `…`.
pub fn fit(text: &str, width: usize) -> String {
    let full = text.width();
    if full <= width {
        let mut padded = text.to_owned();
        padded.extend(std::iter::repeat_n(' ', width - full));
        return padded;
    }
    let mut cut = String::new();
    let mut used = 0;
    for c in text.chars() {
        let columns = c.width().unwrap_or(0);
        if used + columns + 1 > width {
            break;
        }
        used += columns;
        cut.push(c);
    }
    if width > 0 {
        cut.push('…');
        used += 1;
    }
    cut.extend(std::iter::repeat_n(' ', width.saturating_sub(used)));
    cut
}

/// The texts that fit into `width` columns as a whole, and how many more there are: `this · that · 3 more`. The first is
/// always told, cut if it must be.
pub fn fit_whole<'a>(texts: impl Iterator<Item = &'a str>, width: usize) -> String {
    let texts: Vec<&str> = texts.collect();
    let told = |count: usize| {
        let left = texts.len() - count;
        let rest = if left == 0 { String::new() } else { format!(" · {left} more") };
        (texts[..count].join(" · "), rest)
    };
    let fits = |count: &usize| {
        let (words, rest) = told(*count);
        words.width() + rest.width() <= width
    };
    let (words, rest) = told((1..=texts.len()).rev().find(fits).unwrap_or(texts.len().min(1)));
    let room = width.saturating_sub(rest.width());
    fit(&(fit(&words, words.width().min(room)) + &rest), width)
}

/// A path in `width` columns that keeps its last part, which is what differs between the paths of a project. Also how
/// many characters stand before the ellipsis and how many it replaces; `None` if nothing was cut out of the middle.
pub fn fit_path(text: &str, width: usize) -> (String, Option<(usize, usize)>) {
    let last = text.rfind('/').map_or("", |slash| text.get(slash..).unwrap_or_default());
    let room = width.saturating_sub(last.width() + 1);
    if text.width() <= width || last.is_empty() || room < 3 {
        return (fit(text, width), None);
    }
    let (mut head, mut used) = (String::new(), 0);
    for c in text.chars() {
        let columns = c.width().unwrap_or(0);
        if used + columns > room {
            break;
        }
        used += columns;
        head.push(c);
    }
    let before = head.chars().count();
    let left_out = text.chars().count().saturating_sub(before + last.chars().count());
    (fit(&format!("{head}…{last}"), width), Some((before, left_out)))
}

/// A cell of a table, with a space after it; empty if the column has no width.
pub fn cell(text: &str, width: usize) -> String {
    if width > 0 { format!("{} ", fit(text, width)) } else { String::new() }
}

/// Why sources or backends failed, in at most `most` lines of so many columns: one for each, and more for the first ones as
/// far as lines are left. What is left out is counted.
fn failure_lines(failed: &[(String, Error)], width: usize, most: usize, theme: &Theme) -> Vec<Line<'static>> {
    let bad = |words: String| Line::styled(words, theme.style("bad"));
    let words = |(name, error): &(String, Error)| {
        let hint = if error.hint.is_empty() { String::new() } else { format!(": {}", error.hint) };
        bad(format!("✗ {name}: {}{hint}", error.why))
    };
    let named = if failed.len() > most { most.saturating_sub(1) } else { failed.len() };
    let left_out = failed.len() - named;
    let mut spare = most.saturating_sub(named + usize::from(left_out > 0));
    let mut lines = Vec::new();
    for one in failed.iter().take(named) {
        let whole = fold(words(one), width, 2);
        if whole.len() > spare + 1 {
            // The line is cut where it is drawn.
            lines.push(words(one));
            continue;
        }
        spare -= whole.len() - 1;
        lines.extend(whole);
    }
    if left_out > 0 && most > 0 {
        lines.push(bad(format!("✗ {left_out} more")));
    }
    lines
}

/// The area above the lines that tell why sources or backends failed, which are a third of `area` at most.
pub fn above_failures(area: Rect, failed: &[(String, Error)]) -> Rect {
    let lines = failure_lines(failed, usize::from(area.width), usize::from(area.height / 3), &Theme::plain());
    above(area, u16::try_from(lines.len()).unwrap_or(u16::MAX))
}

/// Draws why sources or backends failed on the last lines of `area`; returns the area above.
pub fn failures(frame: &mut Frame<'_>, area: Rect, failed: &[(String, Error)], theme: &Theme) -> Rect {
    let rest = above_failures(area, failed);
    let lines = failure_lines(failed, usize::from(area.width), usize::from(area.height / 3), theme);
    put_lines(frame, below(area, rest.height), lines, 0);
    rest
}

/// The area above the lines that tell why the shown list could not be read, which are half of `area` at most.
pub fn above_failure(area: Rect, error: Option<&Error>) -> Rect {
    let lines = error.map_or(0, |error| failure(error, usize::from(area.width), &Theme::plain()).len());
    above(area, u16::try_from(lines).unwrap_or(u16::MAX).min(area.height / 2))
}

/// Draws why the shown list could not be read on the last lines of `area`; returns the area above.
pub fn failed_below(frame: &mut Frame<'_>, area: Rect, error: Option<&Error>, theme: &Theme) -> Rect {
    let rest = above_failure(area, error);
    let lines = error.map_or_else(Vec::new, |error| failure(error, usize::from(area.width), theme));
    put_lines(frame, below(area, rest.height), lines, 0);
    rest
}

/// The theme's role for the tone of a badge.
pub fn tone(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "good",
        Tone::Caution => "caution",
        Tone::Bad => "bad",
        Tone::Unknown => "unknown",
    }
}

/// A badge's sign and word, in its colour.
pub fn badge(badge: Badge, theme: &Theme) -> Span<'static> {
    Span::styled(format!("{} {}", badge.sign, badge.word), theme.style(tone(badge.tone)))
}

/// The theme's role for a workload's state. 143 and 137 are exits by SIGTERM and SIGKILL, as after a stop.
pub fn state_role(state: &State) -> &'static str {
    match state {
        State::Running => "good",
        State::Exited(0 | 143 | 137) => "dim",
        State::Exited(_) | State::OutOfMemory => "bad",
        _ => "caution",
    }
}

/// The theme's role for the weight of a line in a plan.
pub fn weight(weight: Weight) -> &'static str {
    match weight {
        Weight::Fine => "good",
        Weight::Caution => "caution",
        Weight::Danger => "bad",
    }
}

/// An error in lines of so many columns: what failed and why, then from a new line on what to do. Nothing of it is cut.
pub fn failure(error: &Error, width: usize, theme: &Theme) -> Vec<Line<'static>> {
    let mut lines = vec![Line::styled(format!("✗ {}: {}", error.what, error.why), theme.style("bad"))];
    if !error.hint.is_empty() {
        lines.push(Line::styled(format!("  → {}", error.hint), theme.style("text")));
    }
    fold_all(lines, width, 2)
}

/// Width of the label of a fact, in columns.
pub const FACT: usize = 13;

/// A label, dimmed, and its value.
pub fn fact(label: &str, value: impl Into<String>, theme: &Theme) -> Line<'static> {
    Line::from(vec![
        Span::styled(fit(label, FACT), theme.style("dim")),
        Span::styled(value.into(), theme.style("text")),
    ])
}

/// A bar that shows `part` of `whole` in `width` columns, drawn in eighths of a column.
pub fn bar(part: u64, whole: u64, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    if whole == 0 {
        return " ".repeat(width);
    }
    let eighths = (u128::from(part.min(whole)) * (width as u128) * 8 / u128::from(whole)) as usize;
    fit(&format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8]), width)
}

/// An area of this size in the middle of `whole`, cut to it.
pub fn middle(whole: Rect, width: u16, height: u16) -> Rect {
    let width = width.min(whole.width);
    let height = height.min(whole.height);
    Rect::new(whole.x + (whole.width - width) / 2, whole.y + (whole.height - height) / 2, width, height)
}

/// A key and what it does, as a line.
pub fn key_line(label: &str, does: &str, theme: &Theme) -> Line<'static> {
    Line::from(vec![
        Span::styled(label.to_owned(), theme.style("key")),
        Span::styled(format!(" {does}"), theme.style("text")),
    ])
}

/// Draws an empty framed box with a title in the middle of the screen; returns the area inside.
pub fn boxed(frame: &mut Frame<'_>, width: u16, height: u16, title: &str, theme: &Theme) -> Rect {
    let area = middle(frame.area(), width, height);
    boxed_at(frame, area, title, theme)
}

/// The same at a place of the screen.
pub fn boxed_at(frame: &mut Frame<'_>, area: Rect, title: &str, theme: &Theme) -> Rect {
    let block = Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(theme.style("border"))
        .title(Span::styled(format!(" {title} "), theme.style("title")));
    let inner = block.inner(area);
    frame.render_widget(Clear, area);
    frame.render_widget(block, area);
    inner
}

/// The age of something in words: `3 min old`. Both times in seconds since 1970.
pub fn aged(then: i64, now: i64) -> String {
    match text::age(then, now).as_str() {
        "now" => "just now".to_owned(),
        age => format!("{age} old"),
    }
}

/// The message that what was selected is no longer in the list.
pub fn vanished_message(called: &str) -> String {
    format!("{called} is not here any more, and nothing is selected: ↑ ↓ choose one")
}

/// The line in the style of the selection, if it is selected.
pub fn select(line: Line<'static>, selected: bool, theme: &Theme) -> Line<'static> {
    if !selected {
        return line;
    }
    let style: Style = theme.style("selected");
    // Matched characters keep bold and underline; their colour gives way to the selection's.
    let chosen = |span: Span<'static>| Span::styled(span.content, style.add_modifier(span.style.add_modifier));
    Line::from(line.spans.into_iter().map(chosen).collect::<Vec<_>>()).style(style)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fit_counts_columns_not_letters() {
        assert_eq!(fit("日本語", 5), "日本…");
        assert_eq!(fit("日本語", 4), "日… ");
        assert_eq!(fit("ab", 4), "ab  ");
        assert_eq!(fit("abc", 0), "");
        assert_eq!(fit("abc", 1), "…");
    }

    #[test]
    fn a_path_keeps_what_tells_it_apart() {
        let shown = |text: &str, width| fit_path(text, width).0;
        assert_eq!(shown("physics/gromacs", 15), "physics/gromacs");
        assert_eq!(shown("admitted/registry.example/physics/gromacs", 26), "admitted/registry…/gromacs");
        assert_eq!(fit_path("admitted/registry.example/physics/gromacs", 26).1, Some((17, 16)));
        assert_eq!(shown("a/日本語/gromacs", 13), "a/日…/gromacs");
        // Too narrow for both, or not a path: its beginning is shown.
        assert_eq!(shown("physics/gromacs", 9), "physics/…");
        assert_eq!(shown("gromacs", 4), "gro…");
    }

    #[test]
    fn bars_have_the_width_asked_for() {
        assert_eq!(bar(1, 2, 4), "██  ");
        assert_eq!(bar(5, 0, 3), "   ");
    }
}
