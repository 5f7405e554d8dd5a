//! The rules above panes and the lines between them. There are no boxes: a terminal copies frames with the text.

use ratatui::{
    Frame,
    layout::Rect,
    style::Modifier,
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr;

use super::{
    theme::Theme,
    widgets::{fit, put, row},
};

/// Draws the rule of a pane on the first line of `area`, and returns the area below it.
///
/// The rule of the pane whose keys are live is thick and bold, so that it shows without colour.
pub fn titled(frame: &mut Frame<'_>, area: Rect, title: &str, facts: &str, live: bool, theme: &Theme) -> Rect {
    put(frame, row(area, 0), rule(usize::from(area.width), title, facts, live, theme));
    super::widgets::below(area, 1)
}

/// A rule of `width` columns: the title at the left, facts at the right as far as there is room beside the title.
pub fn rule(width: usize, title: &str, facts: &str, live: bool, theme: &Theme) -> Line<'static> {
    let (sign, title_style) =
        if live { ("━", theme.style("title").add_modifier(Modifier::BOLD)) } else { ("─", theme.style("text")) };
    let border = theme.style("border");
    let title = match width.saturating_sub(6) {
        0 => String::new(),
        room if title.is_empty() || room < 3 => String::new(),
        room => format!(" {} ", fit(title, title.width().min(room)).trim_end()),
    };
    let left = if title.is_empty() { 0 } else { 2 };
    let used = left + title.width();
    let facts = match facts {
        "" => String::new(),
        facts if used + facts.width() + 5 <= width => format!(" {facts} "),
        _ => String::new(),
    };
    let end = if facts.is_empty() { 0 } else { 2 };
    let between = width.saturating_sub(used + facts.width() + end);
    Line::from(vec![
        Span::styled(sign.repeat(left), border),
        Span::styled(title, title_style),
        Span::styled(sign.repeat(between), border),
        Span::styled(facts, theme.style("dim")),
        Span::styled(sign.repeat(end), border),
    ])
}

/// What a list shows of all its rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    /// The index of the first row on the screen.
    pub top: usize,
    /// The number of rows on the screen.
    pub shown: usize,
    /// The number of all rows.
    pub count: usize,
}

/// Draws the line between two panes in the column `x`, from the top of `area` to its end. Beside a list it is the
/// list's scrollbar: the part that the screen shows is thick.
pub fn divider(frame: &mut Frame<'_>, x: u16, area: Rect, list: Option<Window>, theme: &Theme) {
    let height = usize::from(area.height);
    let (from, to) = list.and_then(|list| thumb(list, height)).unwrap_or((0, 0));
    let border = theme.style("border");
    for line in 0..area.height {
        let place = Rect::new(x, area.y + line, 1, 1);
        if frame.area().contains(place.as_position()) {
            let sign = if (from..to).contains(&usize::from(line)) { "┃" } else { "│" };
            frame.buffer_mut().set_string(place.x, place.y, sign, border);
        }
    }
}

/// Draws the joint of a rule and the line between panes.
pub fn joint(frame: &mut Frame<'_>, x: u16, y: u16, sign: &str, theme: &Theme) {
    if frame.area().contains((x, y).into()) {
        frame.buffer_mut().set_string(x, y, sign, theme.style("border"));
    }
}

/// The lines of a scrollbar of this height that are thick: from, to. `None` if all rows are on the screen.
fn thumb(list: Window, height: usize) -> Option<(usize, usize)> {
    if list.count <= list.shown || height == 0 {
        return None;
    }
    let length = (height * list.shown / list.count).clamp(1, height);
    // At the last row the thick part ends at the bottom.
    let room = height - length;
    let from = (list.top * room).div_ceil(list.count - list.shown).min(room);
    Some((from, from + length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::theme::Depth;

    fn words(width: usize, title: &str, facts: &str, live: bool) -> String {
        rule(width, title, facts, live, &Theme::load("default", None, Depth::None)).to_string()
    }

    #[test]
    fn a_rule_is_as_wide_as_its_pane_and_drops_facts_before_its_title() {
        assert_eq!(words(30, "Images", "3 of 9", true), "━━ Images ━━━━━━━━━━ 3 of 9 ━━");
        assert_eq!(words(17, "Images", "3 of 9", false), "── Images ───────");
        assert_eq!(words(11, "A long title", "", false), "── A lo… ──");
        for width in 0..40 {
            assert_eq!(words(width, "日本語 title", "7 of 8", true).width(), width);
        }
    }

    #[test]
    fn the_scrollbar_shows_what_part_of_the_list_is_on_the_screen() {
        let at = |top| thumb(Window { top, shown: 10, count: 100 }, 10);
        assert_eq!((at(0), at(90)), (Some((0, 1)), Some((9, 10))));
        assert_eq!(thumb(Window { top: 0, shown: 10, count: 10 }, 10), None);
    }
}
