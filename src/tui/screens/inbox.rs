//! What concerns this person: news of requests, warnings about what they use, and offers.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use crate::{
    core::{
        error::{Error, Result},
        request::{
            Id,
            notice::{Notice, Topic},
        },
        text,
    },
    tui::{
        action::Action,
        list::Position,
        theme::Theme,
        widgets::{above, below, cell, failed_below, fit, put, row, select, wrap},
    },
};

/// Lines below the list that tell more of what is selected.
const MORE: u16 = 4;

/// The screen's state.
#[derive(Debug, Default)]
pub struct Page {
    /// Notices, once they are known.
    pub all: Option<Vec<Notice>>,
    /// Why they are not.
    pub error: Option<Error>,
    /// Offers that wait for an answer.
    pub offers: usize,
    /// Where one stands.
    pub at: Position,
}

impl Page {
    /// Takes news in.
    pub fn arrived(&mut self, result: Result<Vec<Notice>>) {
        match result {
            Ok(all) => {
                self.all = Some(all);
                self.error = None;
            }
            Err(error) => self.error = Some(error),
        }
    }

    /// Lines to choose from: offers are one of them.
    pub fn count(&self) -> usize {
        self.all.as_ref().map_or(0, Vec::len) + usize::from(self.offers > 0)
    }

    /// Whether the line of the offers is selected.
    pub fn is_offers(&self) -> bool {
        self.offers > 0 && self.at.selected == 0
    }

    /// The selected notice.
    pub fn selected(&self) -> Option<&Notice> {
        let at = self.at.selected.checked_sub(usize::from(self.offers > 0))?;
        self.all.as_ref()?.get(at)
    }

    /// Marks one as read.
    pub fn read(&mut self, id: Id) {
        for notice in self.all.iter_mut().flatten().filter(|notice| notice.id == id) {
            notice.seen = true;
        }
    }

    /// Marks all as read; gives those that were not.
    pub fn read_all(&mut self) -> Vec<Id> {
        let unread = self.all.iter_mut().flatten().filter(|notice| !notice.seen);
        unread
            .map(|notice| {
                notice.seen = true;
                notice.id
            })
            .collect()
    }

    /// Why an action cannot be used now.
    pub fn disabled(&self, action: Action) -> Option<&'static str> {
        let selected = self.selected();
        match action {
            Action::Open if self.count() == 0 => Some("nothing is selected"),
            Action::Launch if selected.is_none_or(|notice| notice.launchable().is_none()) => {
                let warned = selected.is_some_and(|notice| notice.warning.is_some());
                let not_yet = "there is no fixed version yet; you will be told when there is";
                Some(if warned { not_yet } else { "for what was admitted, and for warnings with a fixed version" })
            }
            Action::MarkRead if self.all.as_ref().is_none_or(|all| all.iter().all(|notice| notice.seen)) => {
                Some("everything is read")
            }
            _ => None,
        }
    }

    /// How much there is, for the header.
    pub fn summary(&self) -> String {
        let Some(all) = &self.all else { return String::new() };
        let unread = all.iter().filter(|notice| !notice.seen).count();
        if unread == 0 { "everything is read".to_owned() } else { format!("{unread} of {} not read", all.len()) }
    }

    /// Draws it.
    pub fn view(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, now: i64) {
        let dim = |text: &str| Line::styled(format!("  {text}"), theme.style("dim"));
        let area = failed_below(frame, area, self.error.as_ref(), theme);
        let Some(all) = &self.all else {
            return put(frame, row(area, 1), dim(if self.error.is_some() { "" } else { "reading…" }));
        };
        if self.count() == 0 {
            put(frame, row(area, 1), Line::styled("  nothing concerns you right now", theme.style("text")));
            put(frame, row(area, 2), dim("news of what you asked for, and warnings about what you launched,"));
            return put(frame, row(area, 3), dim("downloaded, were given or supplied, show here"));
        }
        let width = area.width as usize;
        let (kind, age) = (if width > 70 { 9 } else { 0 }, 9);
        let title = (width / 3).clamp(10, 36);
        let words = width.saturating_sub(3 + kind + age + title + 2 + usize::from(kind > 0));
        let head =
            format!("   {}{}{}{}", cell("ABOUT", kind), cell("SINCE", age), cell("IMAGE", title), fit("WHAT", words));
        put(frame, row(area, 0), Line::styled(fit(&head, width), theme.style("dim")));
        let lines = above(below(area, 1), MORE.min(area.height / 3));
        let top = self.at.window(self.count(), lines.height as usize);
        let first = usize::from(self.offers > 0);
        for place in 0..lines.height as usize {
            let number = top + place;
            let line = if number < first {
                let words = text::plural(self.offers as u64, "offer waits", "offers wait");
                Line::styled(fit(&format!(" • {words} for your project's answer"), width), theme.style("text"))
            } else {
                let Some(notice) = all.get(number - first) else { break };
                let (sign, role) = if notice.seen { (" ", "dim") } else { ("•", "text") };
                let (about, tone) = match notice.topic {
                    Topic::Vulnerability => ("! warning", "bad"),
                    Topic::Decision => ("◷ decide", "caution"),
                    Topic::Request => ("request", "text"),
                };
                Line::from(vec![
                    Span::styled(format!(" {sign} "), theme.style("key")),
                    Span::styled(cell(about, kind), theme.style(if notice.seen { "dim" } else { tone })),
                    Span::styled(cell(&text::age(notice.at, now), age), theme.style("dim")),
                    Span::styled(cell(&notice.title, title), theme.style(role)),
                    Span::styled(fit(&notice.words, words), theme.style(role)),
                ])
            };
            put(frame, row(lines, place as u16), select(line, number == self.at.selected, theme));
        }
        if let Some(notice) = self.selected() {
            let below = below(area, area.height - MORE.min(area.height / 3));
            let mut more = notice.words.clone();
            if let Some(warning) = &notice.warning {
                more = format!("{more} · {}", warning.because.join(", "));
                if !warning.workloads.is_empty() {
                    more = format!("{more} · runs as {}", warning.workloads.join(", "));
                }
            }
            for (number, line) in wrap(&more, width.saturating_sub(4)).into_iter().enumerate() {
                put(frame, row(below, number as u16 + 1), dim(&line));
            }
        }
    }
}
