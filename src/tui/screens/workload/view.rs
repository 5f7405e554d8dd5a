//! Drawing the page: what the workload is, what it uses, and its output with the switches.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr;

use super::{Page, shows_output_alone, usage};
use crate::{
    kit::{
        action::Action,
        plot::chart::Charts,
        spinner,
        theme::Theme,
        widgets::{below, fit, put, row, state_role},
    },
    model::Model,
    output::Room,
};
use wharf_core::{
    base::{clean, text},
    launch::level::Level,
};

/// Below this height the switches are left out, and below these sizes the charts.
const SWITCHES_FROM: u16 = 14;
const CHARTS_FROM: (u16, u16) = (100, 30);

/// How many rows each part of the page has, from top to bottom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parts {
    facts: u16,
    charts: u16,
    /// The rows of the output.
    pub(super) lines: u16,
    switches: u16,
}

impl Page {
    /// The parts of an area of this width and height; `alone`: only the output with its title.
    pub(super) fn parts(&self, (width, height): (u16, u16), charts: Charts, alone: bool) -> Parts {
        if alone {
            return Parts { facts: 0, charts: 0, lines: height.saturating_sub(1), switches: 0 };
        }
        let facts = 2 + u16::from(!self.workload.reached().is_empty()) + u16::from(!self.workload.facts.is_empty());
        let has_room = width >= CHARTS_FROM.0 && height >= CHARTS_FROM.1;
        let charts = if has_room && charts != Charts::Off && self.is_measured() { (height / 6).min(8) } else { 0 };
        let switches = u16::from(height >= SWITCHES_FROM);
        // A row for the numbers, and one for the title of the output.
        let lines = height.saturating_sub(facts + charts + 2 + switches);
        Parts { facts, charts, lines, switches }
    }

    /// Draws the workload's state, use and output.
    pub(super) fn view(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
        let alone = shows_output_alone(model);
        let parts = self.parts((area.width, area.height), model.charts, alone);
        if alone {
            self.output_line(frame, row(area, 0), theme);
            return self.lines(frame, below(area, 1), theme);
        }
        self.facts(frame, area, theme, model.now);
        let mut rest = below(area, parts.facts);
        if parts.charts > 0 {
            let charts = Rect { height: parts.charts.min(rest.height), ..rest };
            usage::charts(self, frame, charts, model.charts, theme);
            rest = below(rest, parts.charts);
            put(frame, row(rest, 0), usage::beside_charts(self, usize::from(area.width), theme));
        } else {
            put(frame, row(rest, 0), usage::line(self, usize::from(area.width), spinner::sign(model.clock), theme));
        }
        self.output_line(frame, row(rest, 1), theme);
        let lines = below(rest, 2);
        self.lines(frame, Rect { height: parts.lines.min(lines.height), ..lines }, theme);
        if parts.switches > 0 {
            let switches = self.switches_line(usize::from(area.width), theme, model);
            put(frame, row(area, area.height.saturating_sub(1)), switches);
        }
    }

    fn facts(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, now: i64) {
        let workload = &self.workload;
        let (sign, word) = workload.state.label();
        let age = workload.created.map(|created| format!(" · {}", text::ago(created, now))).unwrap_or_default();
        let note = if workload.note.is_empty() { String::new() } else { format!(" · {}", workload.note) };
        let title = Line::from(vec![
            Span::styled(format!(" {} ", workload.name), theme.style("title")),
            Span::styled(format!("{sign} {word}"), theme.style(state_role(&workload.state))),
            Span::styled(format!(" on {}{age}{note}", workload.backend), theme.style("dim")),
        ]);
        put(frame, row(area, 0), title);
        put(frame, row(area, 1), Line::styled(format!(" {}", workload.image_words()), theme.style("dim")));
        let mut at = 2;
        let reached = workload.reached();
        if !reached.is_empty() {
            let width = usize::from(area.width).saturating_sub(13);
            let line = Line::from(vec![
                Span::styled(" reached at ", theme.style("dim")),
                Span::styled(fit(&reached, width), theme.style("text")),
            ]);
            put(frame, row(area, at), line);
            at += 1;
        }
        if !workload.facts.is_empty() {
            let words = fit(&format!(" {}", clean::line(&workload.facts_words())), usize::from(area.width));
            put(frame, row(area, at), Line::styled(words, theme.style("text")));
        }
    }

    fn lines(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
        let room = Room { height: usize::from(area.height), width: usize::from(area.width) };
        let last = row(area, area.height.saturating_sub(1));
        for (number, line) in self.output.shown(room, theme).into_iter().enumerate() {
            put(frame, row(area, u16::try_from(number).unwrap_or(u16::MAX)), line);
        }
        if self.output.count() == 0 {
            let words = match (self.output.total(), self.ended.is_some()) {
                (0, true) => "it printed nothing",
                (0, false) => "no output yet",
                _ => "no line passes: see the switches below",
            };
            put(frame, row(area, 0), Line::styled(format!(" {words}"), theme.style("dim")));
        }
        if let Some(Err(error)) = &self.ended {
            put(frame, last, Line::styled(fit(&format!("✗ {}", error.why), room.width), theme.style("bad")));
        }
        let below = self.output.below(room);
        if below > 0 {
            let words = format!(" {} lines below: G follows again", text::count(below as u64));
            put(frame, last, Line::styled(fit(&words, room.width), theme.style("selected")));
        }
    }

    /// Draws the title of the output: the number of lines, errors and warnings, or the search.
    fn output_line(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
        let width = usize::from(area.width);
        let output = &self.output;
        let times = if output.times { " · times are UTC" } else { "" };
        let Some((words, count)) = output.search_words() else {
            let mut words = format!(" output: {}", text::plural(output.total() as u64, "line", "lines"));
            for (level, one, many) in [(Level::Error, "error", "errors"), (Level::Warning, "warning", "warnings")] {
                match output.tells(level) {
                    0 => {}
                    count => words += &format!(" · {}", text::plural(count as u64, one, many)),
                }
            }
            let role = if output.tells(Level::Error) > 0 { "text" } else { "dim" };
            return put(frame, area, Line::styled(fit(&format!("{words}{times}"), width), theme.style(role)));
        };
        let count = format!("{count}{times} ");
        let room = width.saturating_sub(count.width() + 3);
        let (shown, column) = match &output.typing {
            Some(typing) => typing.input.window(room),
            None => (words, 0),
        };
        let line = Line::from(vec![
            Span::styled(" /", theme.style("match")),
            Span::styled(fit(&shown, room + 1), theme.style("text")),
            Span::styled(count, theme.style("dim")),
        ]);
        put(frame, area, line);
        if output.typing.is_some() && area.width > 2 && area.height > 0 {
            let at = area.x + 2 + u16::try_from(column.min(room)).unwrap_or(0);
            frame.set_cursor_position((at.min(area.right().saturating_sub(1)), area.y));
        }
    }

    /// The switches with their keys and how they stand; those that have no room are left out.
    fn switches_line(&self, width: usize, theme: &Theme, model: &Model) -> Line<'static> {
        let output = &self.output;
        let on = |is_on: bool| if is_on { "on" } else { "off" };
        let level = output.least().map_or("all", Level::word);
        let mut switches = vec![
            (Action::Follow, format!("follow {}", on(output.follows()))),
            (Action::Wrap, format!("wrap {}", on(output.wrap))),
            (Action::Times, format!("times {}", on(output.times))),
            (Action::Level, format!("level {level}")),
        ];
        if output.searches() {
            switches.push((Action::OnlyMatches, format!("only matches {}", on(output.shows_only_matches()))));
            switches.push((Action::NextMatch, "next".to_owned()));
            switches.push((Action::PreviousMatch, "previous".to_owned()));
        } else {
            switches.push((Action::Search, "search".to_owned()));
        }
        let mut spans = vec![Span::raw(" ")];
        let mut used = 1;
        for (action, words) in switches {
            let Some(key) = model.keymap.key("workload", action) else { continue };
            let (key, words) = (key.label(), format!(" {words}   "));
            used += key.width() + words.width();
            if used > width + 3 {
                break;
            }
            spans.push(Span::styled(key, theme.style("key")));
            spans.push(Span::styled(words, theme.style("dim")));
        }
        Line::from(spans)
    }
}
