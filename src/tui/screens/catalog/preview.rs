//! What is known of the selected image: beside the list, or on one line below it.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr;

use super::Catalog;
use crate::kit::{
    panel,
    theme::Theme,
    widgets::{aged, fit, fit_path, put, row, tone, wrap},
};
use wharf_core::{
    base::{badge::Scan, clean, text},
    catalog::{
        marks::{Facet, Marks},
        rows::RowView,
    },
    image::model::ImageKind,
};

impl Catalog {
    /// Draws the pane that describes the selected image.
    pub(super) fn preview(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, now: i64) {
        let Some((source, view)) = self.selected() else {
            panel::titled(frame, area, "", "", false, theme);
            return;
        };
        let view = self.with_details(source, view);
        let called = self.target().map(|target| target.label()).unwrap_or_default();
        let title = fit_path(&called, usize::from(area.width).saturating_sub(8)).0;
        let inner = panel::titled(frame, area, title.trim_end(), "", false, theme);
        let width = usize::from(inner.width).saturating_sub(2);
        let mut lines: Vec<Line<'static>> = Vec::new();
        let mut say = |words: &str, role: &str| {
            lines.extend(
                wrap(words, width.max(8)).into_iter().map(|part| Line::styled(format!(" {part}"), theme.style(role))),
            );
        };
        if view.kind == ImageKind::Container && !view.note.is_empty() {
            say(view.note, "text");
        }
        say(&facts(&view, now), "text");
        if !view.platforms.is_empty() {
            say(view.platforms, "dim");
        }
        say(&format!("in {source}"), "dim");
        let digest = self.digest(source, &view);
        if !digest.is_empty() {
            say(&digest, "dim");
        }
        lines.push(Line::default());
        let marks = self.shown_marks(source, &view);
        lines.extend(standing(&marks, theme));
        if view.tag_count > 1 {
            lines.push(Line::default());
            let tags: Vec<&str> = view.tags.split(' ').filter(|tag| !tag.is_empty()).rev().take(12).collect();
            let more = view.tag_count.saturating_sub(tags.len());
            let more = if more > 0 { format!("  + {more}") } else { String::new() };
            let words = format!("{}{more}", tags.join("  "));
            let parts = wrap(&words, width.saturating_sub(9).max(8));
            lines.extend(parts.into_iter().enumerate().map(|(number, part)| {
                let label = if number == 0 { "versions" } else { "" };
                Line::from(vec![
                    Span::styled(format!(" {label:<9}"), theme.style("dim")),
                    Span::styled(part, theme.style("text")),
                ])
            }));
        }
        for (number, line) in lines.into_iter().take(usize::from(inner.height)).enumerate() {
            put(frame, row(inner, number as u16), line);
        }
    }

    /// Draws the line about the selected image below the list.
    pub(super) fn strip(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, now: i64) {
        let Some((source, view)) = self.selected() else { return };
        let view = self.with_details(source, view);
        let marks = self.shown_marks(source, &view);
        let digest: String =
            self.digest(source, &view).rsplit(':').next().unwrap_or_default().chars().take(12).collect();
        let words: Vec<String> = [digest, facts(&view, now), view.platforms.to_owned(), format!("in {source}")]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect();
        let badge = marks.badge(Facet::Verdict);
        let verdict = format!(" {} {}", badge.sign, badge.word);
        let room = usize::from(area.width).saturating_sub(verdict.width() + 3);
        let line = Line::from(vec![
            Span::styled(verdict, theme.style(tone(badge.tone))),
            Span::styled(format!("  {}", fit(&words.join(" · "), room)), theme.style("dim")),
        ]);
        put(frame, area, line);
    }

    /// The digest of a row as far as it is known; empty if it is not.
    fn digest(&self, source: &str, view: &RowView<'_>) -> String {
        let look = self.looks.get(&(source.to_owned(), view.name.to_owned())).and_then(Option::as_ref);
        let known = look.and_then(|look| look.digest.as_ref()).map(ToString::to_string);
        known.unwrap_or_else(|| clean::line(view.digest).into_owned())
    }
}

/// What it is, how large, how old: as far as the source has told.
fn facts(view: &RowView<'_>, now: i64) -> String {
    let kind = match view.kind {
        ImageKind::Container => "container",
        ImageKind::Volume => "volume",
        _ => "disk image",
    };
    let size = view.size.map(text::size);
    let age = view.updated.map(|updated| aged(updated, now));
    [Some(kind.to_owned()), size, age].into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// The verdict, then what it rests on.
fn standing(marks: &Marks, theme: &Theme) -> Vec<Line<'static>> {
    let line = |of: Facet, indent: &str| {
        let (badge, short) = (marks.badge(of), marks.short(of));
        // Findings are told with their numbers.
        let words =
            if of == Facet::Scan && marks.scan.state == Scan::Findings { short.word } else { badge.word.into() };
        Line::from(vec![
            Span::styled(format!(" {indent}{} ", short.sign), theme.style(tone(short.tone))),
            Span::styled(words, theme.style("text")),
        ])
    };
    vec![line(Facet::Verdict, ""), line(Facet::Trust, "  "), line(Facet::Scan, "  ")]
}
