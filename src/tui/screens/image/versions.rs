//! The versions of an image as a table: what is known of each.

use ratatui::{Frame, layout::Rect, text::Line};

use super::Page;
use crate::kit::{
    table::{self, Column, TableRow, Width, number_cell, text_cell},
    theme::Theme,
    widgets::{failure, put, put_lines, row, tone},
};
use wharf_core::{
    base::text,
    catalog::marks::{Facet, Marks, WIDTH},
    image::model::{Image, Version},
};

/// What the columns say about a tag.
struct VersionRow<'a> {
    tag: &'a str,
    /// Another tag of the same image that says more, as `2024.2` does for `latest`.
    same: Option<&'a str>,
    version: Option<&'a Version>,
    /// What is known of its signatures, its scan and its verdict; `None` until its digest is known.
    marks: Option<Marks>,
    /// Whether the page shows this version.
    here: bool,
    now: i64,
}

const fn columns<'a>() -> [Column<VersionRow<'a>>; 9] {
    [
        Column { head: "", width: Width::Fixed(1), goes: 0, right: false, cell: here },
        Column { head: "TAG", width: Width::Fill(12), goes: 0, right: false, cell: tag },
        Column { head: "SAME AS", width: Width::Fixed(12), goes: 7, right: false, cell: same },
        Column { head: "TRUST", width: Width::Fixed(WIDTH as u16), goes: 2, right: false, cell: trust },
        Column { head: "SCAN", width: Width::Fixed(WIDTH as u16), goes: 3, right: false, cell: scan },
        Column { head: "VERDICT", width: Width::Fixed(9), goes: 1, right: false, cell: verdict },
        Column { head: "SIZE", width: Width::Fixed(9), goes: 5, right: true, cell: size },
        Column { head: "CREATED", width: Width::Fixed(12), goes: 4, right: false, cell: created },
        Column { head: "DIGEST", width: Width::Fixed(12), goes: 6, right: false, cell: digest },
    ]
}

fn here(row: &VersionRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    text_cell(if row.here { "▸" } else { "" }, width, "key", theme)
}

fn tag(row: &VersionRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    text_cell(row.tag, width, "text", theme)
}

fn same(row: &VersionRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    text_cell(&row.same.map(|tag| format!("= {tag}")).unwrap_or_default(), width, "dim", theme)
}

fn mark(row: &VersionRow<'_>, of: Facet, width: usize, theme: &Theme) -> Line<'static> {
    row.marks.map_or_else(Line::default, |marks| {
        let short = marks.short(of);
        text_cell(&short.to_string(), width, tone(short.tone), theme)
    })
}

fn trust(row: &VersionRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    mark(row, Facet::Trust, width, theme)
}

fn scan(row: &VersionRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    mark(row, Facet::Scan, width, theme)
}

fn verdict(row: &VersionRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    mark(row, Facet::Verdict, width, theme)
}

fn size(row: &VersionRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    let words = row.version.and_then(|version| version.size).map(text::size).unwrap_or_default();
    number_cell(&words, width, "dim", theme)
}

fn created(row: &VersionRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    let words = row.version.and_then(|version| version.created).map(|made| text::ago(made, row.now));
    text_cell(&words.unwrap_or_default(), width, "dim", theme)
}

fn digest(row: &VersionRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    let words = match row.version {
        None => "…",
        Some(version) => version.digest.as_ref().map_or("?", |digest| digest.short()),
    };
    text_cell(words, width, "dim", theme)
}

impl Page {
    /// Draws the tags that are on the screen, or why there are none.
    pub(super) fn versions_pane(&self, frame: &mut Frame<'_>, area: Rect, image: &Image, theme: &Theme, now: i64) {
        let tags = match &self.tags {
            None => return put(frame, row(area, 0), Line::styled("  asking…", theme.style("dim"))),
            Some(Err(error)) => return put_lines(frame, area, failure(error, usize::from(area.width), theme), 0),
            Some(Ok(tags)) if tags.is_empty() => {
                return put(frame, row(area, 0), Line::styled("  this image has no tags", theme.style("dim")));
            }
            Some(Ok(tags)) => tags,
        };
        let height = usize::from(area.height.saturating_sub(1));
        let top = self.at.window(tags.len(), height);
        let rows = tags.iter().skip(top).take(height).map(|tag| self.version_row(tag, image, now));
        let all = columns();
        let shown = table::fitting(&all, area.width, |_| true);
        let selected = self.at.selected.checked_sub(top).filter(|at| *at < height);
        let rows = rows.map(|row| TableRow { row, marked: false });
        table::draw(frame, area, (&all, &shown), rows, (selected, true), "", theme);
    }

    fn version_row<'a>(&'a self, tag: &'a str, image: &Image, now: i64) -> VersionRow<'a> {
        let version = self.versions.iter().find(|version| version.tag == tag);
        let digest = version.and_then(|version| version.digest.as_ref());
        let here = digest.is_some() && digest == image.pinned.as_ref().map(|pinned| &pinned.digest);
        let known = match &self.verified {
            Some(Ok(verified)) if here => Some(verified.marks(now)),
            _ => digest.and_then(|digest| self.version_marks.get(digest).copied()),
        };
        // Nothing that is unknown is left blank once the digest is known.
        let marks = digest.map(|_| known.unwrap_or_default().with_publisher(image.publisher));
        VersionRow { tag, same: self.says_more(tag), version, marks, here, now }
    }

    /// Another known tag of the same digest with more digits in it: the version that a moving tag means now.
    fn says_more(&self, tag: &str) -> Option<&str> {
        let digits = |tag: &str| tag.chars().filter(char::is_ascii_digit).count();
        let digest = self.versions.iter().find(|version| version.tag == tag)?.digest.as_ref()?;
        let same = self.versions.iter().filter(|other| other.digest.as_ref() == Some(digest));
        let best = same.map(|other| other.tag.as_str()).max_by_key(|other| digits(other))?;
        (digits(best) > digits(tag)).then_some(best)
    }
}
