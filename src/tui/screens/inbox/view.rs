//! Drawing the inbox: the list, and beside or below it the selected notice to read.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{Entry, Page};
use crate::{
    kit::{
        action::Action,
        layout::{Alone, ListAndReading, Side, WIDE, list_and_reading},
        list::Scrollable,
        nothing::Nothing,
        panel::{self, Window},
        reading::Reading,
        theme::Theme,
        widgets::{above_failure, below, cell, failed_below, fit, fit_path, put, row, select, vanished_message},
    },
    model::Model,
};
use wharf_core::{
    base::{clean, text},
    request::notice::{Notice, Topic, Warning},
};

/// The selected notice stands beside the list where there is room.
const NOTICE: Side = Side { from: WIDE, share: 42, bounds: (44, 80) };

/// The parts of the screen's own area. A part without room has height 0.
pub(super) struct Regions {
    /// The heads of the columns.
    pub head: Rect,
    /// The rows.
    pub rows: Rect,
    /// The selected notice.
    notice: Rect,
    /// Whether that has all lines, beside the list or alone.
    beside: bool,
}

/// The sign, the word and the theme's role of a topic.
fn badge(topic: Topic) -> (&'static str, &'static str, &'static str) {
    match topic {
        Topic::Vulnerability => ("!", "warning", "bad"),
        Topic::Decision => ("◷", "decide", "caution"),
        Topic::Request => ("·", "request", "text"),
    }
}

impl Page {
    /// The parts of the inbox in an area, with one of the panes alone if the person wants that.
    pub(super) fn regions(&self, body: Rect, alone: Alone) -> Regions {
        let rest = above_failure(body, self.error.as_ref());
        let ListAndReading { list, reading, beside } = list_and_reading(rest, NOTICE, alone);
        Regions { head: row(list, 0), rows: below(list, 1), notice: reading, beside }
    }

    /// Draws the list and the selected notice.
    pub(super) fn view(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
        let dim = |text: &str| Line::styled(format!("  {text}"), theme.style("dim"));
        let parts = self.regions(area, model.views.of("inbox").alone);
        let area = failed_below(frame, area, self.error.as_ref(), theme);
        let Some(all) = self.rows.all() else {
            return put(frame, row(area, 1), dim(if self.error.is_some() { "" } else { "reading…" }));
        };
        if all.is_empty() {
            let when = "You are told here what becomes of your requests, and when something that you run, downloaded, \
                        were given or supplied becomes vulnerable.";
            return Nothing::new("Nothing concerns you now.", when)
                .key(&model.keymap, "inbox", Action::Requests, "goes to your requests")
                .draw(frame, area, theme);
        }
        if !parts.head.is_empty() {
            self.list_view(frame, &parts, all, theme, model.now);
        }
        self.notice_view(frame, parts.notice, theme, model);
    }

    fn list_view(&self, frame: &mut Frame<'_>, parts: &Regions, all: &[Entry], theme: &Theme, now: i64) {
        let width = usize::from(parts.rows.width);
        let (kind, age) = (if width > 50 { 9 } else { 0 }, 7);
        let title = (width / 3).clamp(10, 36);
        let words = width.saturating_sub(3 + kind + age + title + 2 + usize::from(kind > 0));
        let head =
            format!("   {}{}{}{}", cell("ABOUT", kind), cell("SINCE", age), cell("IMAGE", title), fit("WHAT", words));
        put(frame, parts.head, Line::styled(fit(&head, width), theme.style("dim")));
        let height = usize::from(parts.rows.height);
        let top = self.rows.window(height);
        for (place, (number, entry)) in (0..parts.rows.height).zip(all.iter().enumerate().skip(top)) {
            let line = match entry {
                Entry::Offers(count) => {
                    let words = text::plural(*count as u64, "offer waits", "offers wait");
                    Line::styled(fit(&format!(" • {words} for your project's answer"), width), theme.style("text"))
                }
                Entry::Notice(notice) => {
                    let (mark, role) = if notice.seen { (" ", "dim") } else { ("•", "text") };
                    let (sign, word, tone) = badge(notice.topic);
                    let what = clean::line(&notice.words);
                    Line::from(vec![
                        Span::styled(format!(" {mark} "), theme.style("key")),
                        Span::styled(
                            cell(&format!("{sign} {word}"), kind),
                            theme.style(if notice.seen { "dim" } else { tone }),
                        ),
                        Span::styled(cell(&text::age(notice.at, now), age), theme.style("dim")),
                        Span::styled(format!("{} ", fit_path(&notice.title, title).0), theme.style(role)),
                        Span::styled(fit(&what, words), theme.style(role)),
                    ])
                }
            };
            put(frame, row(parts.rows, place), select(line, self.rows.selected_index() == Some(number), theme));
        }
        if parts.beside {
            let (pane, window) = (parts.notice, Window { top, shown: height, count: all.len() });
            panel::divider(frame, pane.x.saturating_sub(1), pane, Some(window), theme);
        }
    }

    /// The selected notice, to read.
    fn notice_view(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
        if area.is_empty() {
            return;
        }
        let (title, facts) = match (self.selected(), self.rows.selected_index()) {
            (Some(notice), Some(place)) => {
                let of = format!("{} of {}", text::count(place as u64 + 1), text::count(self.rows.count() as u64));
                (badge(notice.topic).1, of)
            }
            _ => ("", String::new()),
        };
        let inner = panel::titled(frame, area, title, &facts, false, theme);
        let key = |action: Action| model.keymap.label("inbox", action);
        let open = key(Action::Open);
        let mut out = Reading::new(area.width);
        if let Some(gone) = self.rows.vanished() {
            out.say(&vanished_message(gone), "text");
        }
        if self.is_offers() {
            out.say("Other projects offer you images: they wait for your project's answer.", "text");
            out.say(&format!("{open} shows the offers"), "key");
        }
        if let Some(notice) = self.selected() {
            let (sign, _, role) = badge(notice.topic);
            out.signed(sign, role, &notice.title);
            match &notice.warning {
                Some(warning) => told(&mut out, notice, warning, model.now),
                None => {
                    out.quote("", &notice.words);
                    out.say(&text::ago(notice.at, model.now), "dim");
                }
            }
            if notice.launchable().is_some() {
                let what = if notice.warning.is_some() { "launches the fixed version" } else { "launches it" };
                out.say(&format!("{} {what}", key(Action::Launch)), "key");
            }
            let what = if notice.request.is_some() { "shows the request" } else { "shows it as a text to copy" };
            out.say(&format!("{open} {what}, and marks this as read"), "key");
        }
        out.draw(frame, inner, &format!("{open} shows all of it"), theme);
    }
}

/// A warning: why the person is told, what was found, and what mends it.
fn told(out: &mut Reading, notice: &Notice, warning: &Warning, now: i64) {
    out.say(&format!("{} · because {}", text::ago(notice.at, now), warning.because.join(", ")), "dim");
    for (id, package, fixed) in &warning.findings {
        let fixed = if fixed.is_empty() { "not fixed yet".to_owned() } else { format!("fixed in {fixed}") };
        out.signed("!", "bad", &format!("{id} in {package}: {fixed}"));
    }
    match &warning.fixed {
        Some(fixed) => out.signed("→", "good", &format!("a version without them: {}", text::with_short_digests(fixed))),
        None => out.say("There is no version without them yet; you will be told when there is.", "text"),
    }
    if !warning.workloads.is_empty() {
        out.say(&format!("launched as {}", warning.workloads.join(", ")), "text");
    }
    out.say(&text::with_short_digests(&warning.reference), "dim");
}
