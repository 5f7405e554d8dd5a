//! Small pieces that screens draw with.

use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
    widgets::{Block, BorderType, Clear, Paragraph},
};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::theme::Theme;
pub use crate::core::base::text::wrap;
use crate::core::{
    base::{
        badge::{Badge, Tone},
        error::Error,
        text,
    },
    launch::plan::{State, Weight},
};

/// One row of an area; rows outside are empty and drawing there does nothing.
pub fn row(area: Rect, number: u16) -> Rect {
    if number >= area.height {
        Rect::new(area.x, area.y, 0, 0)
    } else {
        Rect::new(area.x, area.y + number, area.width, 1)
    }
}

/// The area without its first rows.
pub fn below(area: Rect, rows: u16) -> Rect {
    let rows = rows.min(area.height);
    Rect::new(area.x, area.y + rows, area.width, area.height - rows)
}

/// The area without its last rows.
pub fn above(area: Rect, rows: u16) -> Rect {
    Rect::new(area.x, area.y, area.width, area.height.saturating_sub(rows))
}

/// Draws one line.
pub fn put(frame: &mut Frame<'_>, area: Rect, line: impl Into<Line<'static>>) {
    if area.width > 0 && area.height > 0 {
        frame.render_widget(Paragraph::new(line.into()), area);
    }
}

/// Text cut or padded to exactly `width` columns; a cut one ends in an ellipsis.
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

/// A path in so many columns whose last part stays: that is what tells paths of one project apart. With it how many
/// characters stand before the ellipsis, and how many it stands for; `None` where nothing was left out in the middle.
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

/// A cell of a table with the gap behind it; nothing where the column is left out.
pub fn cell(text: &str, width: usize) -> String {
    if width > 0 { format!("{} ", fit(text, width)) } else { String::new() }
}

/// Sources that did not answer, at the bottom of `area`, in a quarter of it at most; gives what is left above.
pub fn failures(frame: &mut Frame<'_>, area: Rect, failed: &[(String, Error)], theme: &Theme) -> Rect {
    let shown = (failed.len() as u16).min(area.height / 4);
    for (number, (name, error)) in failed.iter().take(shown as usize).enumerate() {
        let line = fit(&format!("✗ {name}: {}: {}", error.why, error.hint), area.width as usize);
        put(frame, row(area, area.height - shown + number as u16), Line::styled(line, theme.style("bad")));
    }
    above(area, shown)
}

/// Why what is shown could not be read, at the bottom of `area`; gives what is left above.
pub fn failed_below(frame: &mut Frame<'_>, area: Rect, error: Option<&Error>, theme: &Theme) -> Rect {
    let Some(error) = error else { return area };
    let words = fit(&format!(" ✗ {error}"), area.width as usize);
    put(frame, row(area, area.height.saturating_sub(1)), Line::styled(words, theme.style("bad")));
    above(area, 1)
}

/// The role of a badge's tone.
pub fn tone(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "good",
        Tone::Caution => "caution",
        Tone::Bad => "bad",
        Tone::Unknown => "unknown",
    }
}

/// Sign and word of a badge, in its colour.
pub fn badge(badge: Badge, theme: &Theme) -> Span<'static> {
    Span::styled(format!("{} {}", badge.sign, badge.word), theme.style(tone(badge.tone)))
}

/// The role of a workload's state.
pub fn state_role(state: &State) -> &'static str {
    match state {
        State::Running => "good",
        State::Exited(0 | 143 | 137) => "dim",
        State::Exited(_) => "bad",
        _ => "caution",
    }
}

/// The role of a risk's weight.
pub fn weight(weight: Weight) -> &'static str {
    match weight {
        Weight::Fine => "good",
        Weight::Caution => "caution",
        Weight::Danger => "bad",
    }
}

/// A failure in full: what, why, and on its own line what to do.
pub fn failure(error: &Error, theme: &Theme) -> Vec<Line<'static>> {
    let mut lines = vec![Line::styled(format!("✗ {}: {}", error.what, error.why), theme.style("bad"))];
    if !error.hint.is_empty() {
        lines.push(Line::styled(format!("  → {}", error.hint), theme.style("text")));
    }
    lines
}

/// `LABEL  value`, the label dimmed.
pub fn fact(label: &str, value: impl Into<String>, theme: &Theme) -> Line<'static> {
    Line::from(vec![Span::styled(fit(label, 13), theme.style("dim")), Span::styled(value.into(), theme.style("text"))])
}

/// A bar of `width` columns, in eighths.
pub fn bar(part: u64, whole: u64, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    if whole == 0 {
        return " ".repeat(width);
    }
    let eighths = (u128::from(part.min(whole)) * (width as u128) * 8 / u128::from(whole)) as usize;
    fit(&format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8]), width)
}

/// The last readings as a line of blocks, scaled to the largest.
pub fn sparkline(values: &[f64], width: usize) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let shown = &values[values.len().saturating_sub(width)..];
    let most = shown.iter().copied().fold(f64::EPSILON, f64::max);
    shown.iter().map(|value| BLOCKS[((value / most * 7.0).round().max(0.0) as usize).min(7)]).collect()
}

/// Where a box of this size stands: in the middle of `whole`, and no larger.
pub fn middle(whole: Rect, width: u16, height: u16) -> Rect {
    let width = width.min(whole.width);
    let height = height.min(whole.height);
    Rect::new(whole.x + (whole.width - width) / 2, whole.y + (whole.height - height) / 2, width, height)
}

/// A framed box in the middle; gives its inside.
pub fn boxed(frame: &mut Frame<'_>, width: u16, height: u16, title: &str, theme: &Theme) -> Rect {
    let area = middle(frame.area(), width, height);
    let block = Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(theme.style("border"))
        .title(Span::styled(format!(" {title} "), theme.style("title")));
    let inner = block.inner(area);
    frame.render_widget(Clear, area);
    frame.render_widget(block, area);
    inner
}

/// How old something is, in the words of a title: `3 min old`.
pub fn aged(then: i64, now: i64) -> String {
    match text::age(then, now).as_str() {
        "now" => "just now".to_owned(),
        age => format!("{age} old"),
    }
}

/// That what was selected is not in a list any more.
pub fn gone_words(called: &str) -> String {
    format!("{called} is not here any more, and nothing is selected: ↑ ↓ choose one")
}

/// The whole line in one style if it is selected.
pub fn select(line: Line<'static>, selected: bool, theme: &Theme) -> Line<'static> {
    if !selected {
        return line;
    }
    let style: Style = theme.style("selected");
    // Matched characters stay set apart by bold and underline; colours give way to the selection's.
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
        // Too narrow for both, or no path: its beginning.
        assert_eq!(shown("physics/gromacs", 9), "physics/…");
        assert_eq!(shown("gromacs", 4), "gro…");
    }

    #[test]
    fn bars_and_sparklines_have_the_width_asked_for() {
        assert_eq!(bar(1, 2, 4), "██  ");
        assert_eq!(bar(5, 0, 3), "   ");
        assert_eq!(sparkline(&[0.0, 1.0, 2.0], 2), "▅█");
        assert_eq!(sparkline(&[], 4), "");
    }
}
