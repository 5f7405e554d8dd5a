//! Drawing the page of an image.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{Page, Pane};
use crate::{
    kit::{
        list::Scrollable,
        theme::Theme,
        widgets::{bar, below, failure, fit, put, put_lines, row, select, vanished_message},
    },
    model::Model,
};
use wharf_core::{
    base::text,
    image::model::{Image, Layer},
};

impl Page {
    /// Draws the tabs and the shown pane.
    pub fn view(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
        let now = model.now;
        let tabs = self.tabs(area.width, now).into_iter().map(|(pane, words)| {
            let role = if pane == self.pane { "tab.selected" } else { "text" };
            Span::styled(words, theme.style(role))
        });
        put(frame, row(area, 0), Line::from(tabs.collect::<Vec<_>>()));
        let area = below(area, 2);
        if let Some(error) = &self.error {
            return put_lines(frame, area, failure(error, usize::from(area.width), theme), 0);
        }
        let Some(image) = &self.image else {
            let mut lines = vec![Line::styled(format!("  asking for {}…", self.target.label()), theme.style("dim"))];
            lines.extend(self.remembered_lines(area.width, theme));
            return put_lines(frame, area, lines, 0);
        };
        match self.pane {
            Pane::Overview => self.draw_overview(frame, area, image, theme, model),
            Pane::Versions => self.versions_pane(frame, area, image, theme, now),
            Pane::Layers => put_lines(frame, area, layers(image, area.width as usize, theme), self.at.selected),
            Pane::Shares => self.shares_pane(frame, area, theme, now),
            Pane::Trust => put_lines(frame, area, self.trust_lines(image, area.width, theme, now), self.at.selected),
            Pane::Scan => self.draw_scan(frame, area, theme, model),
            Pane::Software => put_lines(frame, area, self.software_lines(area.width, theme, now), self.at.selected),
        }
    }

    fn shares_pane(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, now: i64) {
        let dim = |text: &str| Line::styled(format!("  {text}"), theme.style("dim"));
        let shares = match &self.shares {
            None => return put(frame, row(area, 0), dim("asking…")),
            Some(Err(error)) => {
                let lines = failure(error, usize::from(area.width), theme).into_iter().enumerate();
                return lines.for_each(|(number, line)| put(frame, row(area, number as u16), line));
            }
            Some(Ok(shares)) if shares.count() == 0 => {
                put(frame, row(area, 0), Line::styled("  it is shared with no project", theme.style("text")));
                return put(frame, row(area, 1), dim("s shares it: no bytes move, the other project accepts it"));
            }
            Some(Ok(shares)) => shares,
        };
        let width = (area.width as usize).saturating_sub(30).clamp(8, 50);
        let head = format!("  {} {} SINCE", fit("PROJECT", width), fit("STANDS", 12));
        put(frame, row(area, 0), Line::styled(head, theme.style("dim")));
        let area = below(area, 1);
        let top = shares.window(area.height as usize);
        for (number, share) in shares.iter().enumerate().skip(top).take(area.height as usize) {
            let (sign, word) = share.standing.label();
            let age = share.created.map(|created| text::ago(created, now)).unwrap_or_default();
            let line = Line::from(vec![
                Span::styled(format!("  {} ", fit(share.project.title(), width)), theme.style("text")),
                Span::styled(fit(&format!("{sign} {word}"), 12), theme.style("text")),
                Span::styled(format!(" {age}"), theme.style("dim")),
            ]);
            put(frame, row(area, (number - top) as u16), select(line, shares.selected_index() == Some(number), theme));
        }
        if let Some(gone) = shares.vanished() {
            let words = format!("  {}", vanished_message(gone));
            put(frame, row(area, area.height.saturating_sub(1)), Line::styled(words, theme.style("dim")));
        }
    }
}

fn layers(image: &Image, width: usize, theme: &Theme) -> Vec<Line<'static>> {
    let mut lines: Vec<Line<'static>> = layer_lines(image.layers.iter(), width, theme).collect();
    if lines.is_empty() {
        lines.push(Line::styled("  no layers: this is a single file", theme.style("dim")));
    }
    if !image.history.is_empty() {
        lines.push(Line::raw(""));
        lines.push(Line::styled("How it was built", theme.style("title")));
        lines.extend(image.history.iter().enumerate().map(|(number, step)| {
            Line::from(vec![
                Span::styled(format!("{:>3}  ", number + 1), theme.style("dim")),
                Span::styled(step.clone(), theme.style("text")),
            ])
        }));
    }
    lines
}

/// A line for each layer: its size, that in comparison with the others, its digest and the step that made it.
pub(super) fn layer_lines<'a>(
    layers: impl Iterator<Item = &'a Layer> + Clone,
    width: usize,
    theme: &Theme,
) -> impl Iterator<Item = Line<'static>> {
    let most = layers.clone().map(|layer| layer.size).max().unwrap_or(0);
    let bar_width = (width / 6).clamp(4, 20);
    layers.map(move |layer| {
        Line::from(vec![
            Span::styled(format!("{:>9} ", text::size(layer.size)), theme.style("text")),
            Span::styled(bar(layer.size, most, bar_width), theme.style("bar")),
            Span::styled(
                format!(" {} ", layer.digest.as_ref().map_or("", |digest| digest.short())),
                theme.style("dim"),
            ),
            Span::styled(layer.created_by.clone(), theme.style("text")),
        ])
    })
}
