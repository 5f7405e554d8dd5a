//! Sources and backends: whether they answer, which account is used, what is missing and how to get it.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use crate::{
    kit::{
        action::Action,
        list::{CursorLines, ListCursor, ScrollArea},
        theme::{Depth, Theme},
        widgets::{fit, put_lines, wrap},
    },
    model::{Model, SourceLine},
    msg::{Effect, HealthLine, Slot},
};
use wharf_core::portal::doctor::Finding;

/// The state of the Sources screen.
#[derive(Debug, Default)]
pub struct Page {
    /// The health of sources and backends, once they have answered.
    pub health: Option<Vec<HealthLine>>,
    /// The other checks of `wharf doctor`, once they are done.
    pub checks: Vec<Finding>,
    /// The first visible line of the screen.
    pub at: ListCursor,
}

impl Page {
    /// All lines of the screen, of which a part is visible.
    pub fn lines(
        &self,
        sources: &[SourceLine],
        findings: &[Finding],
        width: usize,
        theme: &Theme,
    ) -> Vec<Line<'static>> {
        let mut lines = vec![Line::styled(" Sources and backends", theme.style("title"))];
        match &self.health {
            None => {
                lines.extend(sources.iter().map(|source| {
                    state_line("…", "asking", &source.name, &source.adapter, &source.address, "unknown", theme)
                }));
            }
            Some(all) => {
                for (name, kind, answer) in all {
                    let source = sources.iter().find(|source| source.name == *name && *kind != "backend");
                    let address = source.map_or("", |source| source.address.as_str());
                    match answer {
                        Ok(health) => {
                            let anonymous = source.is_some_and(|source| source.abilities.answers_anyone);
                            let account = match health.account.as_str() {
                                "" if anonymous => "as anonymous".to_owned(),
                                "" => String::new(),
                                account => format!("as {account}"),
                            };
                            lines.push(state_line("✓", "answers", name, kind, address, "good", theme));
                            let more = [account, health.credentials.clone(), health.note.clone()];
                            let more: Vec<String> = more.into_iter().filter(|part| !part.is_empty()).collect();
                            lines.extend(details(&more.join(" · "), width, theme));
                        }
                        Err(error) => {
                            lines.push(state_line("✗", "failed", name, kind, address, "bad", theme));
                            lines.extend(details(&error.why, width, theme));
                            if !error.hint.is_empty() {
                                lines.extend(details(&format!("→ {}", error.hint), width, theme));
                            }
                        }
                    }
                    if let Some(source) = source {
                        lines.extend(details(&source.origin, width, theme));
                    }
                }
            }
        }
        lines.push(Line::raw(""));
        lines.push(Line::styled(" On this machine", theme.style("title")));
        for finding in findings.iter().chain(&self.checks) {
            let (sign, role) = (finding.state.sign(), finding.state.role());
            // Never cut off: no other screen shows this text.
            let words = format!("{}: {}", finding.what, finding.found);
            for (number, part) in wrap(&words, width.saturating_sub(5).max(10)).into_iter().enumerate() {
                let (sign, more) = if number == 0 { (sign, "") } else { (" ", "  ") };
                lines.push(Line::from(vec![
                    Span::styled(format!(" {sign} "), theme.style(role)),
                    Span::styled(format!("{more}{part}"), theme.style("text")),
                ]));
            }
            if !finding.advice.is_empty() {
                lines.extend(details(&format!("→ {}", finding.advice), width, theme));
            }
        }
        lines
    }

    /// The number of positions to scroll to: the last lines stay at the bottom of a screen of this size.
    pub fn count(&self, sources: &[SourceLine], findings: &[Finding], area: Rect) -> usize {
        let lines = self.lines(sources, findings, area.width.into(), &Theme::load("default", None, Depth::None)).len();
        lines.saturating_sub(usize::from(area.height)) + 1
    }

    /// Draws the visible lines of the screen.
    pub fn view(&self, frame: &mut Frame<'_>, area: Rect, sources: &[SourceLine], findings: &[Finding], theme: &Theme) {
        let lines = self.lines(sources, findings, area.width as usize, theme);
        put_lines(frame, area, lines, self.at.selected);
    }
}

fn state_line(
    sign: &str,
    word: &str,
    name: &str,
    kind: &str,
    address: &str,
    role: &str,
    theme: &Theme,
) -> Line<'static> {
    Line::from(vec![
        Span::styled(format!(" {sign} {} ", fit(word, 8)), theme.style(role)),
        Span::styled(format!("{} ", fit(name, 20)), theme.style("text")),
        Span::styled(format!("{} {address}", fit(kind, 8)), theme.style("dim")),
    ])
}

/// Details, folded and never cut off: others need a project's id, and no other screen shows it.
fn details(text: &str, width: usize, theme: &Theme) -> Vec<Line<'static>> {
    let parts = wrap(text, width.saturating_sub(13).max(10));
    parts.into_iter().map(|part| Line::styled(format!("            {part}"), theme.style("dim"))).collect()
}

impl super::page::Page for Page {
    fn scope(&self) -> &'static str {
        "sources"
    }

    fn header(&self, _model: &Model) -> (String, String) {
        ("Sources".to_owned(), String::new())
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
        self.view(frame, area, &model.sources, &model.findings, theme);
    }

    fn offered(&self) -> &'static [Action] {
        &[Action::Refresh, Action::SignIn, Action::Catalog, Action::Back, Action::Help]
    }

    fn disabled(&self, action: Action, model: &Model) -> Option<String> {
        let nowhere = !model.sources.iter().any(|source| source.signs_in);
        (action == Action::SignIn && nowhere).then(|| "no source here takes a sign-in".to_owned())
    }

    fn list<'a>(&'a mut self, model: &'a mut Model) -> Option<ScrollArea<'a>> {
        let count = self.count(&model.sources, &model.findings, model.body());
        Some(ScrollArea { chosen: false, ..ScrollArea::new(CursorLines(&mut self.at, count), model.body()) })
    }

    fn act(&mut self, action: Action, _model: &mut Model) -> Vec<Effect> {
        if action != Action::Refresh {
            return Vec::new();
        }
        *self = Self::default();
        vec![Effect::Health]
    }

    fn leave(&self) -> &'static [Slot] {
        &[Slot::Health]
    }
}
