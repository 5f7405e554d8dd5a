//! Drawing the dialog that shares an image.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr;

use super::{
    dialog::{Link, Part, Sharing, Target, Way},
    lines::{Role, folded},
    regions::{WIDE, regions},
};
use crate::kit::{
    list::Scrollable,
    panel,
    theme::Theme,
    widgets::{badge, below, boxed, failure, fit, put, put_lines, row, select, tone, wrap},
};
use wharf_core::base::text;

/// Columns of the words about how a receiver gets it, and of the bytes that move.
const WAY: usize = 10;
const COST: usize = 9;
/// What stands before the name of a copy.
const AS: &str = "as PROJECT/";
/// Hexadecimal digits of a digest that is only to be recognized.
const SHORT: usize = 12;

impl Sharing {
    /// Draws the dialog in the middle of the screen.
    pub fn view(&self, frame: &mut Frame<'_>, theme: &Theme) {
        let parts = regions(self, frame.area());
        boxed(frame, parts.area.width, parts.area.height, &self.title, theme);
        let told = parts.facts.map_or(0, |facts| facts.height);
        if let Some(facts) = parts.facts {
            put(frame, facts, self.facts(usize::from(facts.width), theme));
        }
        if let Some(x) = parts.divider {
            let (height, y) = (parts.area.height.saturating_sub(3 + told), parts.area.y + 1 + told);
            let between = Rect { height, y, ..parts.area };
            panel::divider(frame, x, between, None, theme);
        }
        for (part, area) in &parts.panes {
            let (title, mut facts) = self.rule(*part, frame.area().width);
            if *part == Part::Plan {
                facts = match self.below(frame.area()).saturating_sub(usize::from(self.top)) {
                    0 => facts,
                    more => format!("{more} more, j"),
                };
            }
            let inside = panel::titled(frame, *area, title, &facts, self.part == *part, theme);
            // A column is left free before the text, as in lists.
            let inside = Rect { x: inside.x + 1, width: inside.width.saturating_sub(2), ..inside };
            match part {
                Part::To => self.to_view(frame, inside, theme),
                Part::How => self.how_view(frame, inside, theme),
                Part::Plan => {
                    let lines = self.plan(usize::from(inside.width), theme);
                    put_lines(frame, inside, lines, usize::from(self.top));
                }
                Part::Link => put_lines(frame, inside, self.link_lines(inside, theme), 0),
                Part::Holders => self.holders_view(frame, inside, theme),
            }
        }
        let (words, role) = self.hint();
        put(frame, parts.hint, Line::styled(fit(&format!(" {words}"), parts.hint.width.into()), theme.style(role)));
    }

    /// Digest, trust, scan and verdict of what is shared.
    fn facts(&self, width: usize, theme: &Theme) -> Line<'static> {
        let digest = self.known.digest.rsplit(':').next().unwrap_or_default();
        let short: String = digest.chars().take(SHORT).collect();
        let mut spans = vec![Span::styled(format!(" {short}"), theme.style("dim"))];
        for known in &self.known.badges {
            spans.push(Span::raw(if spans.len() > 1 || !short.is_empty() { "  " } else { "" }));
            spans.push(badge(*known, theme));
        }
        if let Some((verdict, words)) = &self.known.verdict {
            let used: usize = spans.iter().map(Span::width).sum();
            let words = fit(&format!("  {} {words}", verdict.sign), width.saturating_sub(used));
            spans.push(Span::styled(words, theme.style(tone(verdict.tone))));
        }
        Line::from(spans)
    }

    fn rule(&self, part: Part, columns: u16) -> (&'static str, String) {
        let live = self.part == part;
        match part {
            Part::To if self.marked.is_empty() => ("1 To whom", self.receivers.len().to_string()),
            Part::To => ("1 To whom", format!("{} of {}", self.marked.len(), self.receivers.len())),
            Part::How if self.platforms.len() > 1 => ("2 How", "← → changes".to_owned()),
            Part::How if columns < WIDE => ("2 How", "shift-tab link instead".to_owned()),
            Part::How => ("2 How", String::new()),
            Part::Plan => ("3 What happens", String::new()),
            Part::Link if live => ("Or a link", "y copies it · ← → its end".to_owned()),
            Part::Link => ("Or a link", "shift-tab, then y copies it".to_owned()),
            Part::Holders if live => ("Who has it now", "x takes back".to_owned()),
            Part::Holders => ("Who has it now", String::new()),
        }
    }

    fn hint(&self) -> (&str, &'static str) {
        if !self.remark.is_empty() {
            return (&self.remark, "caution");
        }
        let words = match (self.part, self.possible()) {
            (Part::To, Some(some)) if !some.is_empty() => "enter shares it · space marks · tab next part · esc leaves",
            (Part::To, _) => "space marks · type to narrow · tab next part · esc leaves",
            (Part::How, Some(some)) if self.copies() && !some.is_empty() => {
                "enter shares it · type another name for the copy · tab next part · esc leaves"
            }
            (Part::How, _) if self.copies() => "type another name for the copy · tab next part · esc leaves",
            (Part::Link, _) => "y copies the link · ← → its end · tab next part · esc leaves",
            (Part::Holders, _) => "x takes back · j k move · tab next part · esc leaves",
            (Part::Plan, Some(some)) if !some.is_empty() => "enter shares it · j k scroll · tab next part · esc leaves",
            (_, Some(some)) if !some.is_empty() => "enter shares it · tab next part · esc leaves",
            _ => "tab next part · esc leaves",
        };
        (words, "dim")
    }

    fn to_view(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
        let width = usize::from(area.width);
        let (typed, column) = self.input.window(width.saturating_sub(2));
        let field = if self.input.text.is_empty() {
            Span::styled(
                fit("type to narrow; another project, or a mail address", width.saturating_sub(2)),
                theme.style("dim"),
            )
        } else {
            Span::styled(fit(&typed, width.saturating_sub(2)), theme.style("text"))
        };
        put(frame, row(area, 0), Line::from(vec![Span::styled("› ", theme.style("key")), field]));
        let at = u16::try_from(column + 2).unwrap_or(u16::MAX);
        if self.part == Part::To && at < area.width && area.height > 0 {
            frame.set_cursor_position((area.x + at, area.y));
        }
        let list = below(area, 1);
        let top = self.at.window(self.count(), usize::from(list.height));
        let shown = self.shown.iter().filter_map(|at| self.receivers.get(*at)).enumerate();
        for (number, target) in shown.skip(top).take(usize::from(list.height)) {
            let selected = self.part == Part::To && number == self.at.selected;
            put(frame, row(list, (number - top) as u16), select(self.receiver(target, width, theme), selected, theme));
        }
        if let (Some(typed), Some(place)) = (self.typed(), self.shown.len().checked_sub(top)) {
            let line = Line::styled(fit(&format!("  '{typed}', as typed"), width), theme.style("text"));
            let selected = self.part == Part::To && self.shown.len() == self.at.selected;
            put(frame, row(list, place as u16), select(line, selected, theme));
        } else if self.shown.is_empty() {
            put(frame, row(list, 0), Line::styled("  nothing is listed here: type it", theme.style("dim")));
        }
    }

    /// A receiver: its mark, its name, how it gets the image, whether that can be done, and the bytes that move.
    fn receiver(&self, target: &Target, width: usize, theme: &Theme) -> Line<'static> {
        let marked = self.marked.contains(&target.value);
        let (words, role) = self.standing(target, marked);
        let cost = match (target.way, self.known.size) {
            _ if self.held(target).is_some() || target.way == Way::Give => "–".to_owned(),
            (Way::Copy | Way::AsImage, Some(size)) => text::size(size),
            (Way::Copy | Way::AsImage, None) => "?".to_owned(),
            _ => "0 B".to_owned(),
        };
        // The words say more than the name in a narrow place: the way and the bytes go first.
        let wide = width >= 50;
        let fixed = 2 + if wide { WAY + COST + 1 } else { 0 };
        let room = width.saturating_sub(fixed);
        let name = target.label.width().max(room * 2 / 5).min(room / 2);
        let mut spans = vec![
            Span::styled(if marked { "● " } else { "  " }, theme.style("key")),
            Span::styled(fit(&target.label, name), theme.style("text")),
            Span::raw(" "),
        ];
        if wide {
            spans.push(Span::styled(fit(target.way.words(), WAY), theme.style("dim")));
        }
        spans.push(Span::styled(fit(&words, room.saturating_sub(name + 1)), theme.style(role)));
        if wide {
            spans.push(Span::styled(format!(" {cost:>COST$}"), theme.style("dim")));
        }
        Line::from(spans)
    }

    fn standing(&self, target: &Target, marked: bool) -> (String, &'static str) {
        let is = |value: &str| value == target.value;
        let plan = self.plans.iter().flatten().find(|(to, _)| is(&to.to_string())).map(|(_, plan)| plan);
        match plan {
            Some(Ok(_)) => ("✓ can be done".to_owned(), "good"),
            Some(Err(error)) => (format!("✗ {}", error.why), "bad"),
            None if marked => ("… asked".to_owned(), "dim"),
            None => match self.held(target) {
                Some(held) => (format!("= {held}"), "dim"),
                None if target.note.is_empty() => ("? not asked yet".to_owned(), "dim"),
                None => (target.note.clone(), "dim"),
            },
        }
    }

    /// Draws how they get it, with the cursor in the field for the name of a copy.
    fn how_view(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
        let lines = self.how(usize::from(area.width), area.height, theme);
        let field = lines.iter().position(|line| line.spans.first().is_some_and(|span| span.content == AS));
        let shown = self.part == Part::How && self.copies();
        if let Some(at) = field.and_then(|at| u16::try_from(at).ok()).filter(|at| shown && *at < area.height) {
            let (_, column) = self.wished.window(usize::from(area.width).saturating_sub(AS.len()));
            let column = u16::try_from(AS.len() + column).unwrap_or(u16::MAX);
            if column < area.width {
                frame.set_cursor_position((area.x + column, area.y + at));
            }
        }
        put_lines(frame, area, lines, 0);
    }

    /// The line with the name of a copy; where what was typed is no name, with the reason.
    fn name_line(&self, width: usize, theme: &Theme) -> Line<'static> {
        let room = width.saturating_sub(AS.len());
        let (typed, _) = self.wished.window(room);
        let mut spans = vec![Span::styled(AS, theme.style("text"))];
        match self.copy_name() {
            Err(error) => {
                let left = room.saturating_sub(typed.width() + 3);
                spans.push(Span::styled(typed, theme.style("bad")));
                spans
                    .push(Span::styled(format!("  ✗ {}", fit(&error.why, left.saturating_sub(1))), theme.style("bad")));
            }
            Ok(_) => spans.push(Span::styled(fit(&typed, room), theme.style("text"))),
        }
        Line::from(spans)
    }

    fn how(&self, width: usize, height: u16, theme: &Theme) -> Vec<Line<'static>> {
        let mut ways: Vec<Way> = Vec::new();
        let marked = self.receivers.iter().filter(|target| self.marked.contains(&target.value));
        let all: Vec<&Target> =
            if self.marked.is_empty() { self.selected().into_iter().collect() } else { marked.collect() };
        for target in all {
            if !ways.contains(&target.way) {
                ways.push(target.way);
            }
        }
        let platform = match self.chosen_platform() {
            None => "all platforms".to_owned(),
            Some(platform) => format!("{platform} only"),
        };
        let platform = if self.platforms.len() > 1 { format!("‹ {platform} ›") } else { platform };
        // The end is chosen beside the link, and is that of projects only where somebody has chosen it.
        let end = match self.ends.until(0) {
            Some(_) if self.ends_all => format!("for {}", self.ends.words()),
            _ => "without end".to_owned(),
        };
        let what = match &self.cloud {
            Some(_) if ways.iter().all(|way| matches!(way, Way::Grant | Way::Publish)) && self.keeps_holders => {
                format!("it stays one image, in your project; {end}")
            }
            _ => String::new(),
        };
        let along = if self.cloud.is_none() {
            format!("{platform}; signatures and attachments go along; {end}")
        } else {
            String::new()
        };
        let mut lines: Vec<String> = ways.iter().map(|way| format!("{}: {}", way.words(), way.sentence())).collect();
        if lines.len() > 1 && height < 4 {
            lines = vec![lines.join(" · ")];
        }
        if self.platforms.len() > 1 && height == 1 {
            lines.insert(0, along.clone());
        }
        let text = |line: String| Line::styled(fit(&line, width), theme.style("text"));
        let mut drawn: Vec<Line<'static>> = lines.into_iter().map(text).collect();
        let name = if self.copies() { self.name_line(width, theme) } else { text(what) };
        // Where there is one line only, it is that of the field while the keys go there.
        let at = if self.part == Part::How && self.copies() && height < 2 { 0 } else { drawn.len() };
        drawn.insert(at, name);
        drawn.push(text(along));
        drawn
    }

    fn plan(&self, width: usize, theme: &Theme) -> Vec<Line<'static>> {
        let dim = |words: &str| vec![Line::styled(words.to_owned(), theme.style("dim"))];
        if self.marked.is_empty() {
            let words = "mark who gets it: the plan shows here before anything is sent";
            return wrap(words, width).into_iter().map(|part| Line::styled(part, theme.style("dim"))).collect();
        }
        let Some(plans) = &self.plans else { return dim("working out the cheapest way…") };
        let style = |role: Role| match role {
            Role::Head => "title",
            Role::Fact => "text",
            Role::Step => "dim",
            Role::Failed => "bad",
        };
        let drawn = folded(plans, |to| self.called(to), width).into_iter();
        drawn.map(|(role, words)| Line::styled(words, theme.style(style(role)))).collect()
    }

    fn link_lines(&self, area: Rect, theme: &Theme) -> Vec<Line<'static>> {
        let width = usize::from(area.width);
        let also = if self.ends_all { ", projects too" } else { "" };
        let until = format!("until ‹ {} ›{also}", self.ends.words());
        let mut lines = vec![Line::styled(until, theme.style("text"))];
        match &self.link {
            Link::None => lines.push(Line::styled("tab makes it", theme.style("dim"))),
            Link::Asked(_) => lines.push(Line::styled("being made…", theme.style("dim"))),
            Link::Failed(error) => lines.extend(failure(error, width, theme)),
            Link::Made { text, code, is_signed } => {
                lines.extend(wrap(text, width).into_iter().map(|part| Line::styled(part, theme.style("text"))));
                let words = if *is_signed {
                    "signed, and no secret in it: who has it still needs the right to pull"
                } else {
                    "not signed, and no secret in it: who has it still needs the right to pull"
                };
                lines.extend(wrap(words, width).into_iter().map(|part| Line::styled(part, theme.style("dim"))));
                let columns = code.lines().map(UnicodeWidthStr::width).max().unwrap_or(0);
                let needs = lines.len() + 1 + code.lines().count();
                // A QR code that is cut cannot be scanned.
                if columns <= width && needs <= usize::from(area.height) {
                    lines.push(Line::raw(""));
                    lines.extend(code.lines().map(|line| Line::styled(line.to_owned(), theme.style("text"))));
                } else {
                    let words = "no QR code is drawn: a larger terminal has room for it";
                    lines.extend(wrap(words, width).into_iter().map(|part| Line::styled(part, theme.style("dim"))));
                }
            }
        }
        lines
    }

    fn holders_view(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
        let width = usize::from(area.width);
        let dim = |words: &str| Line::styled(fit(words, width), theme.style("dim"));
        let holders = match &self.holders {
            None => return put(frame, row(area, 0), dim("asking…")),
            Some(Err(error)) => return put_lines(frame, area, failure(error, width, theme), 0),
            Some(Ok(holders)) if holders.count() == 0 => {
                return put(frame, row(area, 0), dim("nobody; a copy elsewhere is theirs to delete"));
            }
            Some(Ok(holders)) => holders,
        };
        let list = Rect { height: area.height.saturating_sub(1), ..area };
        let top = holders.window(usize::from(list.height));
        for (number, share) in holders.iter().enumerate().skip(top).take(usize::from(list.height)) {
            let (sign, word) = share.standing.label();
            let line = fit(&format!("{sign} {}  {word}", share.project.title()), width);
            let selected = self.part == Part::Holders && holders.selected_index() == Some(number);
            put(
                frame,
                row(list, (number - top) as u16),
                select(Line::styled(line, theme.style("text")), selected, theme),
            );
        }
        let last = row(area, area.height.saturating_sub(1));
        put(frame, last, dim("a copy elsewhere is theirs: ask them to delete it"));
    }
}
