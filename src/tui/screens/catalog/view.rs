//! Drawing the list of images.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{Catalog, SourceFeed};
use crate::kit::{
    theme::Theme,
    widgets::{above, aged, below, cell, fit, fit_path, put, row, select, tone},
};
use wharf_core::{
    base::{
        badge::{Badge, Publisher, Signature, Tone},
        text,
    },
    catalog::{query::Query, rows::RowView, search},
    image::model::ImageKind,
    ports::Listing,
};

impl Catalog {
    /// Draws the filter, the rows, and the sources that failed.
    pub fn view(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, now: i64, sign_in: &str) {
        self.filter_line(frame, row(area, 0), theme);
        let failed: Vec<&SourceFeed> = self.feeds.iter().filter(|feed| feed.error.is_some()).collect();
        let shown_failures = (failed.len() as u16).min(area.height / 4);
        let list = above(below(area, 1), shown_failures);
        let columns = Columns::new(list.width as usize, self.sets.len() > 1 || self.feeds.len() > 1);
        put(frame, row(list, 0), Line::styled(columns.head(), theme.style("dim")));
        let lines = below(list, 1);
        let height = lines.height as usize;
        if self.hits.is_empty() {
            self.empty(frame, lines, theme);
        }
        let top = self.at.window(self.hits.len(), height);
        let query = Query::parse(&self.input.text);
        for number in 0..height {
            let position = top + number;
            let Some((source, view)) = self.row_view(position) else { break };
            let marked = self.marked.contains(&(source.to_owned(), view.name.to_owned()));
            let known = self.badge(source, &view);
            // Fetched details are newer than the list.
            let look = self.looks.get(&(source.to_owned(), view.name.to_owned())).and_then(Option::as_ref);
            let view = RowView {
                size: look.and_then(|look| look.size).or(view.size),
                updated: look.and_then(|look| look.created).or(view.updated),
                ..view
            };
            let trust = trust(&view, known);
            let line = columns.line(source, &view, trust, &query, marked, theme, now);
            put(frame, row(lines, number as u16), select(line, position == self.at.selected, theme));
        }
        for (number, feed) in failed.iter().take(shown_failures as usize).enumerate() {
            let Some(error) = &feed.error else { continue };
            let age = feed.fetched.map_or_else(String::new, |fetched| format!(" (rows {})", aged(fetched, now)));
            // In the screens a key signs in, instead of the command that the error's hint names.
            let hint = if error.sign_in.is_some() { sign_in } else { &error.hint };
            let line = fit(&format!("✗ {}{age}: {}: {hint}", feed.source, error.why), area.width as usize);
            put(frame, row(area, area.height - shown_failures + number as u16), Line::styled(line, theme.style("bad")));
        }
    }

    fn filter_line(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
        let total: usize = self.sets.iter().map(|(_, rows)| rows.len()).sum();
        let mut right = if self.input.text.is_empty() {
            format!("by {}", self.sort.name())
        } else {
            format!("{} of {} fit", text::count(self.hits.len() as u64), text::count(total as u64))
        };
        if !self.marked.is_empty() {
            right = format!("{} marked · {right}", self.marked.len());
        }
        let right_width = right.chars().count();
        let room = (area.width as usize).saturating_sub(right_width + 4);
        let (typed, column) = self.input.window(room);
        let left = if self.typing || !self.input.text.is_empty() {
            Line::from(vec![
                Span::styled("/ ", theme.style("key")),
                Span::styled(fit(&typed, room), theme.style("text")),
            ])
        } else {
            Line::from(Span::styled(fit("  press / to filter", room + 2), theme.style("dim")))
        };
        let mut spans = left.spans;
        spans.push(Span::styled(format!(" {right}"), theme.style("dim")));
        put(frame, area, Line::from(spans));
        if self.typing && area.height > 0 {
            let column = 2 + u16::try_from(column).unwrap_or(u16::MAX - 2);
            if column < area.width {
                frame.set_cursor_position((area.x + column, area.y));
            }
        }
    }

    fn empty(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
        let loading = self.feeds.iter().any(|feed| feed.loading);
        let searchers: Vec<&str> =
            self.feeds.iter().filter(|feed| feed.listing != Listing::Whole).map(|feed| feed.source.as_str()).collect();
        let query = Query::parse(&self.input.text);
        let words = query.words.join(" ");
        let lines: Vec<String> = if !query.unknown.is_empty() {
            query.unknown
        } else if !self.begun || (loading && self.input.text.is_empty()) {
            vec!["asking the sources…".into()]
        } else if self.input.text.is_empty() {
            vec!["no images yet: 4 shows the sources and what is missing".into()]
        } else if !searchers.is_empty() && words != self.asked && words.len() > 1 {
            vec!["nothing here fits".into(), format!("enter also searches {} for '{words}'", searchers.join(", "))]
        } else {
            vec!["nothing fits: backspace removes a letter, esc clears the filter".into()]
        };
        for (number, line) in lines.into_iter().enumerate() {
            put(frame, row(area, number as u16 + 1), Line::styled(format!("  {line}"), theme.style("dim")));
        }
    }
}

/// The widths of the columns, 0 for one that is left out. The name is never left out.
struct Columns {
    source: usize,
    name: usize,
    tags: usize,
    trust: usize,
    size: usize,
    age: usize,
}

impl Columns {
    fn new(width: usize, several: bool) -> Self {
        let mut columns = Self { source: if several { 15 } else { 0 }, name: 0, tags: 18, trust: 16, size: 9, age: 9 };
        // In a narrow terminal the least useful columns are left out first.
        if width < 100 {
            columns.age = 0;
        }
        if width < 84 {
            columns.size = 0;
        }
        if width < 60 {
            columns.trust = 2;
        }
        if width < 50 {
            columns.source = 0;
        }
        if width < 40 {
            columns.tags = 0;
        }
        let gaps = [columns.source, columns.tags, columns.trust, columns.size, columns.age]
            .iter()
            .map(|width| if *width > 0 { width + 1 } else { 0 })
            .sum::<usize>();
        columns.name = width.saturating_sub(gaps + 2);
        columns
    }

    fn head(&self) -> String {
        format!(
            "  {}{}{}{}{}{}",
            cell("NAME", self.name),
            cell("TAG", self.tags),
            cell("SOURCE", self.source),
            cell("TRUST", self.trust),
            cell("SIZE", self.size),
            cell("CHANGED", self.age)
        )
    }

    #[expect(clippy::too_many_arguments, reason = "a row is all of these")]
    fn line(
        &self,
        source: &str,
        view: &RowView<'_>,
        trust: Badge,
        query: &Query,
        marked: bool,
        theme: &Theme,
        now: i64,
    ) -> Line<'static> {
        let mut spans = vec![Span::styled(if marked { "● " } else { "  " }, theme.style("key"))];
        spans.extend(name_spans(view.name, query, self.name, theme));
        let mut cell = |text: String, width: usize, role: &str| {
            if width > 0 {
                spans.push(Span::styled(format!(" {}", fit(&text, width)), theme.style(role)));
            }
        };
        let favourite = view.favourite_tag().unwrap_or("");
        let tags = match view.tag_count {
            // The tag of a cloud image is its id, which says nothing to a person.
            _ if view.kind != ImageKind::Container && !view.note.is_empty() => view.note.to_owned(),
            0 | 1 => favourite.to_owned(),
            more => format!("{favourite} +{}", more - 1),
        };
        cell(tags, self.tags, "text");
        cell(source.to_owned(), self.source, "dim");
        cell(
            if self.trust > 2 { format!("{} {}", trust.sign, trust.word) } else { trust.sign.to_owned() },
            self.trust,
            tone(trust.tone),
        );
        cell(view.size.map(text::size).unwrap_or_default(), self.size, "dim");
        cell(view.updated.map(|updated| text::age(updated, now)).unwrap_or_default(), self.age, "dim");
        Line::from(spans)
    }
}

/// The badge of a row: of its digest if known, else of the publisher that the source names, else "not checked".
fn trust(view: &RowView<'_>, known: Option<Badge>) -> Badge {
    match known {
        Some(known) if known.tone != Tone::Unknown => known,
        _ if view.publisher != Publisher::Unknown => view.publisher.badge(),
        Some(known) => known,
        None => Signature::default().badge(),
    }
}

/// The name, with the characters that the filter matched in another style.
fn name_spans(name: &str, query: &Query, width: usize, theme: &Theme) -> Vec<Span<'static>> {
    let (shown, left_out) = fit_path(name, width);
    if query.words.is_empty() {
        return vec![Span::styled(shown, theme.style("text"))];
    }
    let matched = search::matched(name, query);
    let mut spans: Vec<Span<'static>> = Vec::new();
    let mut run = String::new();
    let mut run_matched = false;
    for (at, c) in shown.chars().enumerate() {
        let of_name = match left_out {
            Some((before, _)) if at == before => None,
            Some((before, skipped)) if at > before => Some(at - 1 + skipped),
            _ => Some(at),
        };
        let is_match = of_name.is_some_and(|at| matched.binary_search(&at).is_ok());
        if is_match != run_matched && !run.is_empty() {
            spans.push(Span::styled(std::mem::take(&mut run), theme.style(if run_matched { "match" } else { "text" })));
        }
        run_matched = is_match;
        run.push(c);
    }
    spans.push(Span::styled(run, theme.style(if run_matched { "match" } else { "text" })));
    spans
}
