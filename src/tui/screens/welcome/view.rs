//! Drawing the first page. What has no room is left out from below.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use super::{
    Page,
    findings::{FOUND, Found, Mend, findings},
    regions::{area, rows},
};
use crate::{
    kit::{
        action::Action,
        panel,
        theme::Theme,
        widgets::{below, fit, put, row, select},
    },
    model::Model,
};

/// The columns of what there is, before what was found of it.
const WHAT: usize = 15;

/// Where images may be kept, and what to do about each place: words, and the key that they begin with.
const PLACES: [(&str, &str, Option<Action>); 5] = [
    ("a registry", "its address; what Docker and Podman are signed in to counts", None),
    ("a Harbor", "the same; its projects, scans and quotas are read, too", None),
    ("Docker Hub", "and two letters search it: it is there already", Some(Action::Filter)),
    ("a folder", "its path: disk images, SIF files, OCI layouts", None),
    ("a colleague", "opens a link that you were sent", Some(Action::OpenLink)),
];

impl Page {
    /// Draws the findings, what to do next, and where images may be kept.
    pub(super) fn view(&self, frame: &mut Frame<'_>, body: Rect, theme: &Theme, model: &Model) {
        let whole = area(body);
        let width = usize::from(whole.width);
        put(frame, row(whole, 1), panel::rule(width, "What was found here", "", true, theme));
        let rows = rows(body);
        let key = |action: Action| model.keymap.label("welcome", action);
        let height = usize::from(rows.height / 2);
        let top = self.at.window(FOUND, height);
        let found = findings(model, self.starter.is_some()).into_iter().enumerate().skip(top);
        // On an odd number of lines the last one shows half a finding.
        for (place, (number, found)) in (0..rows.height.div_ceil(2)).zip(found) {
            let first = row(rows, 2 * place);
            let selected = number == self.at.selected;
            put(frame, first, select(head(&found, selected, width, theme), selected, theme));
            let label = match &found.mends {
                Mend::Launch => key(Action::Launch),
                // A text is read with the key that does what is selected.
                Mend::Read(..) | Mend::Do(Action::Catalog) => key(Action::Open),
                Mend::Do(action) => key(*action),
            };
            let does = Line::from(vec![
                Span::raw(" ".repeat(WHAT + 4)),
                Span::styled(label, theme.style("key")),
                Span::styled(format!(" {}", found.does), theme.style("dim")),
            ]);
            put(frame, row(rows, 2 * place + 1), does);
        }
        let rest = below(whole, rows.bottom().saturating_sub(whole.y) + 1);
        if rest.height < PLACES.len() as u16 + 1 {
            return;
        }
        put(
            frame,
            row(rest, 0),
            panel::rule(width, "Where are your images kept?", &key(Action::AddSource), false, theme),
        );
        for (number, (place, words, action)) in PLACES.into_iter().enumerate() {
            let line = Line::from(vec![
                Span::styled(format!("  {}", fit(place, WHAT + 2)), theme.style("text")),
                Span::styled(action.map_or_else(String::new, |action| format!("{} ", key(action))), theme.style("key")),
                Span::styled(words, theme.style("dim")),
            ]);
            put(frame, row(rest, number as u16 + 1), line);
        }
        let line = |before: &'static str, action: Action, after: &'static str| {
            Line::from(vec![
                Span::styled(before, theme.style("dim")),
                Span::styled(key(action), theme.style("key")),
                Span::styled(after, theme.style("dim")),
            ])
        };
        let last = [
            line("  ", Action::Tour, " shows you round in a minute."),
            line("  This page goes away once there are ten images; ", Action::Welcome, " brings it back."),
        ];
        for (number, line) in (PLACES.len() as u16 + 2..).zip(last) {
            put(frame, row(rest, number), line);
        }
    }
}

/// The first line of a finding: its sign, what there is, and what was found.
fn head(found: &Found, selected: bool, width: usize, theme: &Theme) -> Line<'static> {
    let (sign, role) = found.sign;
    let lead = if selected { "▌" } else { " " };
    let room = width.saturating_sub(WHAT + 4);
    Line::from(vec![
        Span::styled(format!("{lead}{sign} "), theme.style(role)),
        Span::styled(format!("{} ", fit(&found.what, WHAT)), theme.style("text")),
        Span::styled(fit(&found.found, room), theme.style("text")),
    ])
}
