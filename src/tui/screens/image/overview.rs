//! The overview: what the image is, whether it may be used, who says so, its layers, its scan and its versions. Side by
//! side where there is room, else the verdict first.

use ratatui::{Frame, layout::Rect, text::Line};

use super::{LABEL, Page, around::Around, value_width};
use crate::{
    kit::{
        layout::{Alone, Shape, Side, View, WIDE, panes},
        panel,
        plot::{
            dates::{Dated, dates},
            parts::{Part, legend, stacked},
            severities::{Severity, severities},
        },
        theme::Theme,
        widgets::{badge, fact, fit, put, row, wrap},
    },
    model::Model,
};
use wharf_core::{
    base::{badge::Scan, clean, text},
    evidence::record::{Kind, Outcome, Record},
    image::model::Image,
    portal::evidence::brief::by_severity,
};

/// The facts stand left, the verdict and what it rests on right.
const SHAPE: Shape = Shape { side: Side { from: WIDE, share: 40, bounds: (44, 64) }, strip: 0 };
/// The facts about how an image runs.
const RUNS: [&str; 7] = ["Entry point", "Command", "User", "Directory", "Ports", "Volumes", "Environment"];
/// The facts that whoever made an image has written on it.
const WRITTEN: [&str; 3] = ["Label", "Annotation", "Property"];
/// The most layers that are listed in the overview; the pane of layers has them all.
const LAYERS: usize = 8;
/// The most columns of a layer's name below the stacked bar.
const LAYER_NAME: usize = 18;

impl Page {
    /// Draws the overview.
    pub(super) fn draw_overview(&self, frame: &mut Frame<'_>, area: Rect, image: &Image, theme: &Theme, model: &Model) {
        let alone = model.views.of("image").alone;
        let around = self.around(image, model);
        let (left, right) = self.overview(image, (area.width, alone), &around, theme, model.now);
        let most = left.len().max(right.len());
        let top = self.at.selected.min(most.saturating_sub(usize::from(area.height)));
        let mut draw = |area: Rect, lines: Vec<Line<'static>>| {
            for (number, line) in lines.into_iter().skip(top).take(usize::from(area.height)).enumerate() {
                put(frame, row(area, number as u16), line);
            }
        };
        let parts = panes(area, SHAPE, View { hidden: false, alone });
        draw(parts.main, left);
        if let Some(side) = parts.right {
            draw(side, right);
            if side.x > area.x {
                panel::divider(frame, side.x - 1, area, None, theme);
            }
        }
    }

    /// The number of lines of the overview on a screen of so many columns, with one of its panes alone.
    pub(super) fn overview_count(&self, image: &Image, shown: (u16, Alone), model: &Model) -> usize {
        let (left, right) = self.overview(image, shown, &self.around(image, model), &Theme::plain(), 0);
        left.len().max(right.len())
    }

    /// The lines of the overview: those of the left and of the right pane. Where there is no room for two, all are left,
    /// unless one of the panes is wanted alone.
    fn overview(
        &self,
        image: &Image,
        (columns, alone): (u16, Alone),
        around: &Around,
        theme: &Theme,
        now: i64,
    ) -> (Vec<Line<'static>>, Vec<Line<'static>>) {
        let parts = panes(Rect::new(0, 0, columns, 1), SHAPE, View { hidden: false, alone });
        let mut left: Vec<Line<'static>> = self.link_lines(theme);
        left.extend(self.offer_words().map(|words| Line::styled(format!("✓ {words}"), theme.style("good"))));
        if alone == Alone::Other {
            left.extend(self.standing(image, columns, around, theme, now));
            return (Vec::new(), left);
        }
        let right = match parts.right {
            None if alone == Alone::Focused => Vec::new(),
            Some(side) => self.standing(image, side.width, around, theme, now),
            None => {
                left.extend(self.may_i(image, usize::from(columns).saturating_sub(4).max(10), theme));
                left.extend(around.way_out_lines(usize::from(columns), theme));
                left.push(panel::rule(usize::from(columns), "", "", false, theme));
                Vec::new()
            }
        };
        let (width, wide) = (parts.main.width, parts.right.is_some() || alone == Alone::Focused);
        let rule = |title: &str, facts: &str| panel::rule(usize::from(width), title, facts, false, theme);
        let facts = self.facts(image, now);
        let some = |wanted: &dyn Fn(&str) -> bool| -> Vec<Line<'static>> {
            let chosen = facts.iter().filter(|(label, _)| wanted(label));
            chosen.flat_map(|(label, value)| fact_lines(label, value, width, theme)).collect()
        };
        let is_what = |label: &str| !RUNS.contains(&label) && !WRITTEN.contains(&label);
        let groups: [(&str, String, Vec<Line<'static>>); 5] = [
            ("What it is", String::new(), some(&is_what)),
            ("How it runs", String::new(), some(&|label| RUNS.contains(&label))),
            ("Layers", text::size(image.size), layers(image, usize::from(width), wide, theme)),
            ("Versions", self.version_count(), self.version_dates(usize::from(width), theme)),
            ("Labels and annotations", String::new(), some(&|label| WRITTEN.contains(&label))),
        ];
        for (title, facts, lines) in groups {
            if lines.is_empty() {
                continue;
            }
            if wide {
                left.push(rule(title, &facts));
            }
            left.extend(lines);
        }
        (left, right)
    }

    /// The right pane: whether the image may be used, who says so, and its findings.
    fn standing(&self, image: &Image, columns: u16, around: &Around, theme: &Theme, now: i64) -> Vec<Line<'static>> {
        let width = usize::from(columns).saturating_sub(4).max(10);
        let rule = |title: &str, facts: &str| panel::rule(usize::from(columns), title, facts, false, theme);
        let mut lines = vec![rule("May I?", "")];
        lines.extend(self.may_i(image, width, theme));
        lines.extend(around.way_out_lines(usize::from(columns), theme));
        lines.push(rule("Who says so", ""));
        lines.extend(self.who_says_so(image, width, theme, now));
        if let Some(Outcome::Software { total, form, .. }) = self.record(Kind::Software, now).map(|one| &one.outcome) {
            let words = format!("{} · {form}", text::plural(*total, "package", "packages"));
            lines.push(fact("Software", words, theme));
        }
        let scan = self.record(Kind::Scan, now);
        let by = scan.map_or_else(String::new, |scan| format!("{}, {}", scan.tool, text::ago(scan.at, now)));
        lines.push(rule("Scan", &by));
        let groups: Vec<Severity> = scan.map(by_severity).unwrap_or_default().iter().map(Severity::from).collect();
        if groups.iter().any(|group| group.count > 0) {
            lines.extend(severities(&groups, usize::from(columns), theme));
        } else {
            let state = scan.map_or(Scan::NotScanned.badge(), Record::badge);
            lines.push(Line::from(badge(state, theme)));
        }
        let has_it = around.who_has_it(usize::from(columns), theme);
        if !has_it.is_empty() {
            lines.push(rule("Who has it", ""));
            lines.extend(has_it);
        }
        lines
    }

    /// The number of versions in words; empty until it is known.
    fn version_count(&self) -> String {
        let Some(Ok(tags)) = &self.tags else { return String::new() };
        text::count(tags.len() as u64)
    }

    /// The versions whose date is known, on a line of dates; nothing unless there are several.
    fn version_dates(&self, width: usize, theme: &Theme) -> Vec<Line<'static>> {
        let dated = |tag: &String, made: i64| Dated { name: tag.clone(), made };
        let known: Vec<Dated> =
            self.versions.iter().filter_map(|version| version.created.map(|made| dated(&version.tag, made))).collect();
        if known.len() < 2 { Vec::new() } else { dates(&known, width, theme) }
    }
}

/// A fact with its label, folded at words.
pub(super) fn fact_lines(label: &str, value: &str, columns: u16, theme: &Theme) -> Vec<Line<'static>> {
    let parts = wrap(value, value_width(columns)).into_iter().enumerate();
    parts.map(|(number, part)| fact(if number == 0 { label } else { "" }, part, theme)).collect()
}

/// The layers as one bar with its legend; where there is room, also one line for each of the first.
fn layers(image: &Image, width: usize, each: bool, theme: &Theme) -> Vec<Line<'static>> {
    if image.layers.len() < 2 {
        return Vec::new();
    }
    let mut largest: Vec<&wharf_core::image::model::Layer> = image.layers.iter().collect();
    largest.sort_by_key(|layer| std::cmp::Reverse(layer.size));
    let name = |layer: &wharf_core::image::model::Layer| {
        let made = clean::line(&layer.created_by).into_owned();
        let name = if made.is_empty() { layer.digest.as_ref().map_or("", |one| one.short()).to_owned() } else { made };
        fit(&name, LAYER_NAME).trim_end().to_owned()
    };
    let parts: Vec<Part> = largest.iter().map(|layer| Part { name: name(layer), value: layer.size }).collect();
    let bar = width.saturating_sub(if each { 0 } else { LABEL });
    let mut bars = vec![stacked(&parts, bar, theme), legend(&parts, bar, theme)];
    if each {
        bars.extend(super::view::layer_lines(image.layers.iter().take(LAYERS), width, theme));
        return bars;
    }
    for (number, line) in bars.iter_mut().enumerate() {
        let label = if number == 0 { "Layers" } else { "" };
        line.spans.insert(0, ratatui::text::Span::styled(fit(label, LABEL), theme.style("dim")));
    }
    bars
}
