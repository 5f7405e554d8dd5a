//! What is known of the selected image: beside the list, or on one line below it.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr;

use super::Catalog;
use crate::{
    kit::{
        action::Action,
        panel,
        plot::severities::{Severity, severities},
        theme::Theme,
        widgets::{aged, fit, fit_path, put, put_lines, tone, wrap},
    },
    model::Model,
    popups::share::Facts,
};
use wharf_core::{
    base::{badge::Scan, clean, text},
    catalog::{
        marks::{Facet, Marks},
        rows::RowView,
    },
    image::model::ImageKind,
    launch::plan::Workload,
    portal::evidence::brief::Check,
};

/// The most moves of tags that are told of an image.
const MOVES: usize = 3;
/// The most workloads that are named as running an image.
const RUNNING: usize = 3;

impl Catalog {
    /// Draws the pane that describes the selected image. What decides comes first; what has no room is left out from
    /// below.
    pub(super) fn preview(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
        let Some((source, view)) = self.selected() else {
            panel::titled(frame, area, "", "", false, theme);
            return;
        };
        let view = self.with_details(source, view);
        let called = self.target().map(|target| target.label()).unwrap_or_default();
        let title = fit_path(&called, usize::from(area.width).saturating_sub(8)).0;
        let inner = panel::titled(frame, area, title.trim_end(), "", false, theme);
        let width = usize::from(inner.width).saturating_sub(2).max(8);
        let mut lines = self.about(source, &view, width, theme, model.now);
        lines.push(Line::default());
        lines.extend(self.standing(source, &view, width, theme, model));
        let findings = self.brief().map(|brief| brief.findings.as_slice()).unwrap_or_default();
        if findings.iter().any(|group| group.count > 0) {
            let groups: Vec<Severity> = findings.iter().map(Severity::from).collect();
            lines.push(Line::default());
            lines.extend(severities(&groups, width, theme).into_iter().map(|line| indented(line, 1)));
        }
        let around = self.around(source, &view, width, theme, model);
        if !around.is_empty() {
            lines.push(Line::default());
            lines.extend(around);
        }
        put_lines(frame, inner, lines, 0);
    }

    /// What the image is, as far as its source has told.
    fn about(&self, source: &str, view: &RowView<'_>, width: usize, theme: &Theme, now: i64) -> Vec<Line<'static>> {
        let mut lines = Vec::new();
        let mut say = |words: &str, role: &str| {
            lines
                .extend(wrap(words, width).into_iter().map(|part| Line::styled(format!(" {part}"), theme.style(role))));
        };
        if view.kind == ImageKind::Container && !view.note.is_empty() {
            say(view.note, "text");
        }
        say(&facts(view, now), "text");
        if !view.platforms.is_empty() {
            say(view.platforms, "dim");
        }
        say(&format!("in {source}"), "dim");
        let digest = self.digest(source, view);
        if !digest.is_empty() {
            say(&digest, "dim");
        }
        lines
    }

    /// The verdict with its reasons, what it rests on, and the way out of it.
    fn standing(
        &self,
        source: &str,
        view: &RowView<'_>,
        width: usize,
        theme: &Theme,
        model: &Model,
    ) -> Vec<Line<'static>> {
        let marks = self.shown_marks(source, view);
        let brief = self.brief();
        let mut lines = vec![mark(&marks, Facet::Verdict, " ", None, theme, model.now)];
        for (verdict, words) in brief.map(|brief| brief.reasons.as_slice()).unwrap_or_default() {
            let badge = verdict.badge();
            lines.extend(told(badge.sign, tone(badge.tone), words, width, theme));
        }
        let signature = brief.and_then(|brief| brief.signature.as_ref());
        lines.push(mark(&marks, Facet::Trust, "   ", signature, theme, model.now));
        lines.push(mark(&marks, Facet::Scan, "   ", brief.and_then(|brief| brief.scan.as_ref()), theme, model.now));
        if let Some(words) = self.way_out_words(model) {
            lines.extend(told("→", "key", &words, width, theme));
        }
        lines
    }

    /// How to launch a version that is allowed, where there is one: `L launches 2024.3, which is allowed`.
    fn way_out_words(&self, model: &Model) -> Option<String> {
        let (mend, _) = self.way_out()?;
        let key = model.keymap.key("catalog", Action::LaunchAllowed)?.label();
        Some(format!("{key} launches {}, which is allowed", mend.tag))
    }

    /// What is around the image: moves of its tags, who runs it, where else it is, its other versions.
    fn around(
        &self,
        source: &str,
        view: &RowView<'_>,
        width: usize,
        theme: &Theme,
        model: &Model,
    ) -> Vec<Line<'static>> {
        let mut lines = Vec::new();
        let mut say = |label: &str, words: &str| {
            let parts = wrap(words, width.saturating_sub(9).max(8)).into_iter().enumerate();
            lines.extend(parts.map(|(number, part)| {
                let label = if number == 0 { label } else { "" };
                Line::from(vec![
                    Span::styled(format!(" {label:<9}"), theme.style("dim")),
                    Span::styled(part, theme.style("text")),
                ])
            }));
        };
        for moved in self.peek().map(|peek| peek.moves.as_slice()).unwrap_or_default().iter().take(MOVES) {
            say("moved", &moved.describe(model.now));
        }
        let digest = self.digest(source, view);
        let mut run: Vec<String> = self.runs(source, view, model).into_iter().map(workload_words).collect();
        let more = run.len().saturating_sub(RUNNING);
        run.truncate(RUNNING);
        if more > 0 {
            run.push(format!("{more} more"));
        }
        if !run.is_empty() {
            say("used by", &run.join(", "));
        }
        let also = self.also_in(source, &digest);
        if !also.is_empty() {
            say("also in", &format!("{} (same digest)", also.join(", ")));
        }
        if view.tag_count > 1 {
            let tags: Vec<&str> = view.tags.split(' ').filter(|tag| !tag.is_empty()).rev().take(12).collect();
            let more = view.tag_count.saturating_sub(tags.len());
            let more = if more > 0 { format!("  + {more}") } else { String::new() };
            say("versions", &format!("{}{more}", tags.join("  ")));
        }
        lines
    }

    /// The workloads that run the image, as far as backends have told.
    fn runs<'a>(&self, source: &str, view: &RowView<'_>, model: &'a Model) -> Vec<&'a Workload> {
        let place = self.places.get(&(source.to_owned(), view.name.to_owned()));
        let reference = place.zip(view.favourite_tag()).map(|(place, tag)| format!("{place}:{tag}"));
        model.lists.running(&self.digest(source, view), reference.as_deref().unwrap_or_default())
    }

    /// Draws the line about the selected image below the list: the verdict, its strictest reason, the way out, then
    /// what it is.
    pub(super) fn strip(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
        let Some((source, view)) = self.selected() else { return };
        let view = self.with_details(source, view);
        let marks = self.shown_marks(source, &view);
        let digest = self.digest(source, &view);
        let short: String = digest.rsplit(':').next().unwrap_or_default().chars().take(12).collect();
        let reason = self.brief().and_then(|brief| brief.reasons.first()).map(|(_, words)| words.clone());
        let run = self.runs(source, &view, model).first().map(|one| workload_words(one));
        let words: Vec<String> = [reason, self.way_out_words(model).map(|words| format!("→ {words}")), run]
            .into_iter()
            .flatten()
            .chain([short, facts(&view, model.now), view.platforms.to_owned(), format!("in {source}")])
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

    /// What is known of an image of the list: nothing of another tag than the one that was looked at.
    pub fn facts_of(&self, source: &str, name: &str, tag: Option<&str>) -> Facts {
        let Some((_, rows)) = self.sets.iter().find(|(known, _)| known == source) else { return Facts::default() };
        let Some(view) = rows.find(name).and_then(|row| rows.get(row)) else { return Facts::default() };
        if tag.is_some() && tag != view.favourite_tag() {
            return Facts::default();
        }
        let view = self.with_details(source, view);
        let marks = self.shown_marks(source, &view);
        let verdict = Some((marks.badge(Facet::Verdict), marks.receiver_words()));
        Facts { digest: self.digest(source, &view), badges: vec![marks.badge(Facet::Trust)], verdict, size: view.size }
    }

    /// The digest of a row as far as it is known; empty if it is not.
    pub(super) fn digest(&self, source: &str, view: &RowView<'_>) -> String {
        if self.names_another_tag(view) {
            return String::new();
        }
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

/// A mark in words, with who says so and since when.
fn mark(marks: &Marks, of: Facet, indent: &str, check: Option<&Check>, theme: &Theme, now: i64) -> Line<'static> {
    let (badge, short) = (marks.badge(of), marks.short(of));
    // Findings are told with their numbers.
    let words = if of == Facet::Scan && marks.scan.state == Scan::Findings { short.word } else { badge.word.into() };
    let by = check.map_or_else(String::new, |check| format!("  {}, {}", check.by, text::ago(check.at, now)));
    Line::from(vec![
        Span::styled(format!("{indent}{} ", short.sign), theme.style(tone(short.tone))),
        Span::styled(words, theme.style("text")),
        Span::styled(by, theme.style("dim")),
    ])
}

/// A sentence after a sign, below the verdict.
fn told(sign: &str, role: &str, words: &str, width: usize, theme: &Theme) -> Vec<Line<'static>> {
    let parts = wrap(words, width.saturating_sub(4).max(8)).into_iter().enumerate();
    parts
        .map(|(number, part)| {
            let sign = if number == 0 { sign } else { " " };
            Line::from(vec![
                Span::styled(format!("   {sign} "), theme.style(role)),
                Span::styled(part, theme.style("text")),
            ])
        })
        .collect()
}

fn workload_words(workload: &Workload) -> String {
    format!("● {} on {}", clean::line(&workload.name), workload.backend)
}

/// The line with spaces before it.
fn indented(mut line: Line<'static>, columns: usize) -> Line<'static> {
    line.spans.insert(0, Span::raw(" ".repeat(columns)));
    line
}
