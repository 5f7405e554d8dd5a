//! Drawing the list of images.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{
    Catalog, SourceFeed,
    columns::{ImageRow, KIND, SIGNS_ONLY, SOURCE, columns, narrow_columns},
};
use crate::{
    kit::{
        action::Action,
        keymap::Keymap,
        nothing::Nothing,
        panel::{self, Window},
        table::{self, Column, TableRow},
        theme::Theme,
        widgets::{aged, fit, put, row},
    },
    model::Model,
};
use unicode_width::UnicodeWidthStr;
use wharf_core::{
    base::{clean, text},
    catalog::{marks::Marks, query::Query, rows::RowView},
    image::model::ImageKind,
    ports::Listing,
};

impl Catalog {
    /// Draws the rows, what is known of the selected one, and the sources that failed.
    pub fn view(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
        let now = model.now;
        let parts = self.regions(area, model.views.of("catalog"));
        let height = usize::from(parts.rows.height);
        let top = self.at.window(self.hits.len(), height);
        if let Some(facets) = parts.facets {
            self.draw_facets(frame, facets, theme);
            if facets.width < area.width {
                panel::divider(frame, facets.right(), area, None, theme);
            }
            if parts.rule.is_some() {
                panel::joint(frame, facets.right(), area.y, "┬", theme);
            }
        }
        if !parts.completions.is_empty() {
            self.draw_typing_help(frame, parts.completions, theme, &model.keymap);
        }
        let live = !(self.facets.focused && parts.facets.is_some());
        if let Some(rule) = parts.rule {
            let place = if self.hits.is_empty() { 0 } else { self.at.selected + 1 };
            let facts = format!("{} of {}", text::count(place as u64), text::count(self.hits.len() as u64));
            put(frame, rule, panel::rule(usize::from(rule.width), "Images", &facts, live, theme));
        }
        self.rows(frame, parts.head.union(parts.rows), (top, height), theme, now);
        if self.hits.is_empty() {
            self.empty(frame, parts.rows, theme, model);
        }
        if let Some(right) = parts.panes.right {
            let list = Window { top, shown: height, count: self.hits.len() };
            if right.x > area.x {
                panel::divider(frame, right.x - 1, area, Some(list), theme);
            }
            self.preview(frame, right, theme, model);
            if parts.rule.is_some() {
                panel::joint(frame, right.x.saturating_sub(1), area.y, "┬", theme);
            }
        }
        self.strip(frame, parts.panes.strip, theme, model);
        self.failures_line(frame, parts.failures, theme, model);
    }

    /// Draws the heads and the rows from `top` on.
    fn rows(&self, frame: &mut Frame<'_>, area: Rect, (top, height): (usize, usize), theme: &Theme, now: i64) {
        let narrow = area.width < SIGNS_ONLY;
        let (all, few) = (columns(), narrow_columns());
        let columns = if narrow { &few[..] } else { &all[..] };
        let several = self.sets.len() > 1 || self.feeds.len() > 1;
        let on_screen: Vec<usize> = (top..self.hits.len().min(top + height)).collect();
        let mixed =
            on_screen.iter().any(|at| self.row_view(*at).is_some_and(|(_, view)| view.kind != ImageKind::Container));
        let wanted = |column: &Column<ImageRow<'_>>| match column.head {
            SOURCE => several,
            KIND => mixed,
            _ => true,
        };
        let shown = table::fitting(columns, area.width, wanted);
        let rows = on_screen.iter().filter_map(|at| {
            let (source, view) = self.row_view(*at)?;
            let marked = self.marked.contains(&(source.to_owned(), view.name.to_owned()));
            let view = self.with_details(source, view);
            let marks = self.shown_marks(source, &view);
            Some(TableRow { row: ImageRow { view, source, marks, query: &self.query, now }, marked })
        });
        let selected = self.at.selected.checked_sub(top).filter(|at| *at < height && !self.hits.is_empty());
        table::draw(frame, area, (columns, &shown), rows, (selected, true), self.sort.head(), theme);
    }

    /// A row with what was fetched of it, which is newer than the list.
    pub(super) fn with_details<'a>(&self, source: &str, view: RowView<'a>) -> RowView<'a> {
        if self.names_another_tag(&view) {
            return RowView { size: None, updated: None, ..view };
        }
        let look = self.looks.get(&(source.to_owned(), view.name.to_owned())).and_then(Option::as_ref);
        RowView {
            size: look.and_then(|look| look.size).or(view.size),
            updated: look.and_then(|look| look.created).or(view.updated),
            ..view
        }
    }

    /// What is known of a row's signatures, scan and verdict, with the publisher that the source names.
    pub(super) fn shown_marks(&self, source: &str, view: &RowView<'_>) -> Marks {
        let known = if self.names_another_tag(view) { None } else { self.marks_of(source, view) };
        known.unwrap_or_default().with_publisher(view.publisher)
    }

    /// Draws one line about all sources that do not answer, with the key that helps: that of the sign-in, or that of the
    /// screen of sources.
    fn failures_line(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
        let key = |action| model.keymap.label("catalog", action);
        let failed: Vec<&SourceFeed> = self.feeds.iter().filter(|feed| feed.error.is_some()).collect();
        let words = match failed.as_slice() {
            [] => return,
            [feed] => {
                let Some(error) = &feed.error else { return };
                let age =
                    feed.fetched.map_or_else(String::new, |fetched| format!(" (rows {})", aged(fetched, model.now)));
                // In the screens a key signs in, instead of the command that the error's hint names.
                let sign_in = format!("{} signs in", key(Action::SignIn));
                let hint = if error.sign_in.is_some() { &sign_in } else { &error.hint };
                format!(" ✗ {}{age}: {}: {hint}", feed.source, error.why)
            }
            several => {
                let each = |feed: &&SourceFeed| match &feed.error {
                    Some(error) if error.sign_in.is_some() => format!("✗ {} wants a sign-in", feed.source),
                    _ => format!("✗ {} does not answer", feed.source),
                };
                let all: Vec<String> = several.iter().map(each).collect();
                format!(" {} · {} tells more", all.join(" · "), key(Action::Sources))
            }
        };
        put(frame, area, Line::styled(fit(&words, usize::from(area.width)), theme.style("bad")));
    }

    /// Draws the filter on the line above the list, and how many images fit it.
    pub(super) fn filter_line(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
        let total: usize = self.sets.iter().map(|(_, rows)| rows.len()).sum();
        let mut right = if self.input.text.is_empty() {
            format!("by {} · {}", self.sort.name(), self.summary(model.now))
        } else {
            format!("{} of {} fit", text::count(self.hits.len() as u64), text::count(total as u64))
        };
        if !self.marked.is_empty() {
            right = format!("{} marked · {right}", self.marked.len());
        }
        // A third of the line belongs to the filter.
        let right = fit(&right, right.width().min(usize::from(area.width) * 2 / 3));
        let right_width = right.width();
        let room = (area.width as usize).saturating_sub(right_width + 4);
        let (typed, column) = self.input.window(room);
        let left = if self.typing || !self.input.text.is_empty() {
            Line::from(vec![
                Span::styled("/ ", theme.style("key")),
                Span::styled(fit(&typed, room), theme.style("text")),
            ])
        } else {
            let key = model.keymap.label("catalog", Action::Filter);
            Line::from(Span::styled(
                fit(&format!(" press {key} to filter: words, tag: kind: source: scan: …"), room + 2),
                theme.style("dim"),
            ))
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

    /// Draws why there are no rows, and what helps.
    fn empty(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
        let loading = self.feeds.iter().any(|feed| feed.loading);
        let keys = &model.keymap;
        let nothing = if !self.query.unknown.is_empty() {
            Nothing::new(self.query.unknown.join("; "), "").key(keys, "catalog", Action::Back, "clears the filter")
        } else if !self.begun || (loading && self.input.text.is_empty()) {
            let words = Line::styled("  asking the sources…", theme.style("dim"));
            return put(frame, row(area, 1), words);
        } else if self.input.text.is_empty() {
            Nothing::new("There are no images yet.", "What your registries, clouds and folders hold shows here.")
                .key(keys, "catalog", Action::Sources, "shows the sources, and what is missing")
                .key(keys, "sources", Action::AddSource, "there adds a registry, a folder or a cloud")
        } else {
            self.nothing_fits(keys)
        };
        nothing.draw(frame, area, theme);
    }

    /// Whether none of the sources that are named so has a row, and each has told all that it has.
    fn holds_none(&self, names: &[String]) -> bool {
        let is_named = |feed: &&SourceFeed| names.iter().any(|name| feed.source.to_lowercase().contains(name.as_str()));
        let mut named = self.feeds.iter().filter(is_named).peekable();
        named.peek().is_some()
            && named.all(|feed| {
                !feed.loading && feed.error.is_none() && feed.listing == Listing::Whole && feed.rows.is_empty()
            })
    }

    /// Says that the filter leaves nothing, how much was searched, and what would find more.
    fn nothing_fits(&self, keys: &Keymap) -> Nothing {
        let searchers: Vec<&str> =
            self.feeds.iter().filter(|feed| feed.listing != Listing::Whole).map(|feed| feed.source.as_str()).collect();
        let (words, searchers) = (self.query.words.join(" "), (!searchers.is_empty()).then(|| searchers.join(", ")));
        let was_asked = words == self.asked;
        let searched = text::plural(self.total() as u64, "image was searched", "images were searched");
        let searched = match &searchers {
            Some(names) if was_asked => format!("{searched}, and {names} asked."),
            _ => format!("{searched}."),
        };
        let only_sources = Query { sources: self.query.sources.clone(), ..Query::default() };
        let nothing = if self.query == only_sources && self.holds_none(&self.query.sources) {
            // As the sources screen leads to it: there is nothing that the filter hides.
            Nothing::new(format!("{} has no images.", clean::short(&self.query.sources.join(", "), 60)), "")
        } else {
            Nothing::new(format!("Nothing fits '{}'.", clean::short(&self.input.text, 60)), searched)
        };
        let nothing = match &searchers {
            Some(names) if !was_asked && words.len() > 1 => {
                let words = clean::short(&words, 60);
                nothing.key(keys, "catalog", Action::Open, format!("searches {names} for '{words}', too"))
            }
            _ => nothing,
        };
        nothing.key(keys, "catalog", Action::Back, "clears the filter")
    }
}
